// @modelcontextprotocol/client, held to one revision of the protocol, with or without a greeting.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { answerAll } from "./ask.mjs";

const { MCP_URL, MCP_KEY, MCP_REVISION } = process.env;
const transport = new StreamableHTTPClientTransport(new URL(MCP_URL), {
  requestInit: { headers: { authorization: `Bearer ${MCP_KEY}` } },
});
const client = new Client(
  { name: "test", version: "1" },
  MCP_REVISION >= "2026-07-28"
    ? { versionNegotiation: { mode: { pin: MCP_REVISION } } }
    : { supportedProtocolVersions: [MCP_REVISION] },
);
await client.connect(transport);
await answerAll(client, () => client.getNegotiatedProtocolVersion());
