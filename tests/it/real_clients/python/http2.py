"""httpx over HTTP/2: a stream and requests beside it on one connection, opened anew where it ends. Prints the id of each signal."""

import json
import os
import ssl
import sys
import time

import httpx
from httpx_sse import connect_sse

BASE = os.environ["SIGCAST_URL"]
HEADERS = {"Authorization": "Bearer " + os.environ["SIGCAST_KEY"]}
TRUST = ssl.create_default_context(cafile=os.environ["CA_FILE"])

last = {}
while True:
    try:
        with httpx.Client(http2=True, verify=TRUST, timeout=httpx.Timeout(5, read=60)) as client:
            with connect_sse(client, "GET", BASE + "/api/signals/stream", headers={**HEADERS, **last}) as source:
                source.response.raise_for_status()
                print("version 2" if source.response.http_version == "HTTP/2" else source.response.http_version)
                print("connected", flush=True)
                beside = client.get(BASE + "/api/signals", headers=HEADERS)
                print(f"beside {beside.status_code}", flush=True)
                for event in source.iter_sse():
                    if event.event == "signal":
                        print(json.loads(event.data)["id"], flush=True)
                    if event.id:
                        last = {"Last-Event-ID": event.id}
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    time.sleep(0.3)
