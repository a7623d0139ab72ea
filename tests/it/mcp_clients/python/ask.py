"""PyPI's mcp, held to one revision of the protocol: what a list of questions is answered."""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

KINDS = {
    "tools": lambda client, _: client.list_tools(),
    "call": lambda client, asked: client.call_tool(asked["name"], asked.get("arguments")),
    "resources": lambda client, _: client.list_resources(),
    "templates": lambda client, _: client.list_resource_templates(),
    "read": lambda client, asked: client.read_resource(asked["uri"]),
    "prompts": lambda client, _: client.list_prompts(),
    "prompt": lambda client, asked: client.get_prompt(asked["name"], asked.get("arguments")),
}


async def answer(client, question):
    try:
        said = await KINDS[question["do"]](client, question)
        return {"ok": said.model_dump(by_alias=True, mode="json", exclude_none=True)}
    except MCPError as error:
        return {"error": {"code": error.code, "message": error.message}}
    except RuntimeError as error:
        return {"error": {"code": None, "message": str(error)}}


async def main():
    revision = os.environ["MCP_REVISION"]
    # what greets is of 2025-11-25 at the latest; what does not is asked which revisions it speaks
    mode = "auto" if revision >= "2026" else "legacy"
    headers = {"authorization": f"Bearer {os.environ['MCP_KEY']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
        transport = streamable_http_client(os.environ["MCP_URL"], http_client=http)
        async with Client(transport, mode=mode, cache=None) as client:
            answers = [await answer(client, question) for question in json.load(sys.stdin)]
            server = client.server_info
            said = {
                "revision": client.protocol_version,
                "server": server and server.model_dump(by_alias=True, exclude_none=True),
                "instructions": client.instructions,
                "answers": answers,
            }
    json.dump(said, sys.stdout)


asyncio.run(main())
