"""One stream client, used as its own documentation says: `client.py NAME`. Prints the id of each signal, in order.

Those that do not come back by themselves are put into the loop that the table in README.md asks for."""

import asyncio
import json
import os
import sys
import time

NAME = sys.argv[1]
URL = os.environ["SIGCAST_URL"] + "/api/signals/stream"
HEADERS = {"Authorization": "Bearer " + os.environ["SIGCAST_KEY"]}


def show(event, data):
    if event == "hello":
        print("connected", flush=True)
    elif event == "signal":
        print(json.loads(data)["id"], flush=True)


def note(what):
    print(NAME, what, file=sys.stderr, flush=True)


def again(listen):
    """Calls it until the process is ended, with the last id it has seen."""
    last = {}
    while True:
        headers = dict(HEADERS, **last)
        try:
            for event, data, id in listen(headers):
                show(event, data)
                if id:
                    last = {"Last-Event-ID": id}
        except Exception as error:
            note(f"{type(error).__name__}: {error}")
        time.sleep(0.5)


def httpx_sse():
    import httpx
    from httpx_sse import connect_sse

    def listen(headers):
        with httpx.Client(timeout=httpx.Timeout(5, read=60)) as client:
            with connect_sse(client, "GET", URL, headers=headers) as source:
                source.response.raise_for_status()
                for event in source.iter_sse():
                    yield event.event, event.data, event.id

    again(listen)


def sseclient_py():
    import requests
    import sseclient

    def listen(headers):
        headers = dict(headers, Accept="text/event-stream")
        response = requests.get(URL, headers=headers, stream=True, timeout=(5, 60))
        response.raise_for_status()
        for event in sseclient.SSEClient(response).events():
            yield event.event, event.data, event.id

    again(listen)


def sseclient_btubbs():
    from sseclient import SSEClient

    # it comes back by itself
    for event in SSEClient(URL, headers=HEADERS):
        if event.data:
            show(event.event, event.data)


def requests_sse():
    from requests_sse import EventSource

    # it comes back by itself, and gives up after some failures in a row
    with EventSource(URL, headers=HEADERS, timeout=60) as source:
        for event in source:
            show(event.type, event.data)


def aiohttp_sse_client():
    import aiohttp
    from aiohttp_sse_client import client as sse

    async def listen():
        headers = dict(HEADERS)
        while True:
            try:
                # it comes back by itself after an orderly end; a broken connection is its user's affair
                async with sse.EventSource(URL, headers=dict(headers)) as source:
                    async for event in source:
                        show(event.type, event.data)
                        if event.last_event_id:
                            headers["Last-Event-ID"] = event.last_event_id
            except (aiohttp.ClientError, ConnectionError) as error:
                note(f"{type(error).__name__}: {error}")
                await asyncio.sleep(0.5)

    asyncio.run(listen())



{
    "httpx-sse": httpx_sse,
    "sseclient-py": sseclient_py,
    "sseclient": sseclient_btubbs,
    "requests-sse": requests_sse,
    "aiohttp-sse-client": aiohttp_sse_client,
}[NAME]()
