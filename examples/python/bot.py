# A careful client in Python: httpx-sse reads the frames, and this loop reconnects, resumes, backs off and never handles a signal twice.

import json
import os
import random
import sys
import time
from collections import OrderedDict

import httpx
from httpx_sse import SSEError, connect_sse

REMEMBERED = 10_000
LONGEST_WAIT = 60.0
# Pings come every 25 s: a minute without a byte is a dead connection, whatever the socket says.
TIMEOUT = httpx.Timeout(15.0, read=60.0)


def note(text):
    print(text, file=sys.stderr, flush=True)


class GivenUp(Exception):
    """Waiting will not help; the words say why."""


class Bot:
    def __init__(self, base_url, key, handle):
        self.url = base_url.rstrip("/") + "/api/signals/stream"
        self.key = key
        self.handle = handle
        self.cursor = os.environ.get("SIGCAST_LAST_EVENT_ID", "")
        self.retry = 1.0
        self.failures = 0
        self.seen = OrderedDict()

    def run(self):
        with httpx.Client(timeout=TIMEOUT) as client:
            while True:
                wait = 0.0
                try:
                    wait = self.one_connection(client)
                except (httpx.TransportError, SSEError) as error:
                    note(f"connection lost: {error!r}")
                backoff = min(LONGEST_WAIT, self.retry * 2**self.failures)
                self.failures = min(self.failures + 1, 10)
                time.sleep(max(wait, backoff * random.uniform(1.0, 1.25)))

    def one_connection(self, client):
        # `identity`: a stream is not compressed, and asking for it makes some proxies hold it back.
        headers = {"Authorization": f"Bearer {self.key}", "Accept-Encoding": "identity"}
        if self.cursor:
            headers["Last-Event-ID"] = self.cursor
        with connect_sse(client, "GET", self.url, headers=headers) as source:
            if source.response.status_code != 200:
                return self.refused(source.response)
            for event in source.iter_sse():
                self.take(event)
        note("the server ended the connection")
        return 0.0

    def refused(self, response):
        response.read()
        try:
            error = response.json()["error"]
            reason = f"{error['code']}: {error['message']}"
        except (ValueError, KeyError, TypeError):
            reason = response.reason_phrase
        status = response.status_code
        if status == 204 or (status < 500 and status != 429):
            raise GivenUp(f"refused for good: {status} {reason}")
        note(f"refused for now: {status} {reason}")
        after = response.headers.get("retry-after", "")
        return float(after) if after.isdigit() else 0.0

    def take(self, event):
        if event.retry is not None:
            self.retry = min(max(event.retry / 1000, 0.25), LONGEST_WAIT)
        if event.event in ("signal", "signal_update", "signal_exit"):
            self.failures = 0
            signal = json.loads(event.data)
            if signal["id"] not in self.seen:
                self.seen[signal["id"]] = None
                if len(self.seen) > REMEMBERED:
                    self.seen.popitem(last=False)
                self.handle(signal)
        elif event.event == "hello":
            note(f"connected at {event.id or 'an unknown place'}")
        elif event.event == "gap":
            note(f"GAP: some signals will not come: {event.data}")
        elif event.event == "bye":
            note(f"the server says bye: {event.data}")
        elif event.event == "error":
            error = json.loads(event.data)
            note(f"the server ends the stream: {error.get('code')}: {error.get('message')}")
            # Whoever took the place holds it on purpose: taking it back would only start a quarrel.
            if error.get("retryable") is False or error.get("code") == "superseded":
                raise GivenUp("waiting will not help")
        # Last: a signal whose handling failed is sent again on the next connection.
        if event.id:
            self.cursor = event.id


def print_signal(signal, printed=[0]):
    token = signal.get("token") or {}
    company = signal.get("company") or {}
    subject = token.get("symbol") or token.get("address") or company.get("name") or "-"
    fields = [signal.get(name, "-") for name in ("id", "rank", "rank_score", "signal_type")]
    print(*fields, subject, flush=True)
    printed[0] += 1
    if printed[0] >= float(os.environ.get("SIGCAST_STOP_AFTER", "inf")):
        sys.exit(0)


if __name__ == "__main__":
    key = os.environ.get("SIGCAST_KEY") or os.environ.get("SIGMATE_KEY")
    if not key:
        sys.exit("no key: set SIGCAST_KEY")
    base_url = os.environ.get("SIGCAST_URL", "http://127.0.0.1:8080")
    try:
        Bot(base_url, key, print_signal).run()
    except GivenUp as reason:
        sys.exit(str(reason))
    except KeyboardInterrupt:
        pass
