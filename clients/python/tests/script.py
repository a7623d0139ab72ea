"""A server that does what a test tells it to, and both clients behind one way to drive them."""

import asyncio
import contextlib
import json
import socket
import threading
from urllib.parse import parse_qs, urlsplit

from sigcast import AsyncClient, Client, RollingDigest

KEY = "sig_live_ATestKeyThatMustNotBeSeenAnywhere"


def signal(seq, **more):
    """A signal of the log."""
    fields = {"seq": seq, "published_at": "2026-04-24T09:32:14.117Z", "id": f"00000000-0000-4000-8000-{seq:012}"}
    return {**fields, "signal_type": "consensus_buy", "rank": "S", "price": 0.5, **more}


def text(value):
    return json.dumps(value, separators=(",", ":"))


def hello(seq, **more):
    data = {"user_id": "u", "key_id": "k", "plan": "alpha", "epoch": "e", "seq": seq, "resumed_from": None, "ping_seconds": 25, "server_time": ""}
    return f"event: hello\ndata: {text({**data, **more})}\nretry: 1\nid: e-{seq}\n\n"


def frame(seq, **more):
    return f"event: signal\ndata: {text(signal(seq, **more))}\nid: e-{seq}\n\n"


def answer(status, body, headers=""):
    body = body.encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n"

    def say(wire, _):
        wire.sendall(head.encode() + body)

    return say


def refusal(status, code, retry_after=None):
    headers = "" if retry_after is None else f"retry-after: {retry_after}\r\n"
    return answer(status, text({"error": {"code": code, "message": "no", "status": status}}), headers)


def page(status, headers="", body="<p>nobody home"):
    """What somebody on the way to the server says."""
    return answer(status, body, f"content-type: text/html\r\n{headers}")


def heartbeat(seq, **more):
    return f"event: heartbeat\ndata: {text({'seq': seq, 'server_time': '', **more})}\nid: e-{seq}\n\n"


def log(*seqs):
    """The log over REST."""

    def say(wire, asked):
        after = int(asked["query"]["after"].split("-")[1])
        items = ",".join([text(signal(seq)) for seq in seqs if seq > after][:200])
        answer(200, f'{{"items":[{items}],"next":"e-{min(after + 200, seqs[-1])}","epoch":"e","head":{seqs[-1]}}}')(wire, asked)

    return say


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
OPEN = object()


def chunk(data):
    data = data.encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def stream(*frames):
    """A stream that says this, and then ends, or stays open."""

    def say(wire, _):
        wire.sendall(HEAD + b"".join(chunk(one) for one in frames if one is not OPEN))
        if OPEN in frames:
            wire.recv(1)  # until the client has enough
        else:
            wire.sendall(b"0\r\n\r\n")

    return say


class Script:
    """One behaviour for each request to the stream, in order; the rest by path."""

    def __init__(self, test, script, paths=None):
        self.asked = []
        self._script = list(script)
        self._paths = paths or {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        test.addCleanup(self._socket.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def streams(self):
        return [one for one in self.asked if one["path"].endswith("/stream")]

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                wire, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire):
        with wire, contextlib.suppress(OSError):
            wire.settimeout(10)
            head = b""
            while b"\r\n\r\n" not in head:
                head += wire.recv(4096) or exit()
            first, *lines = head.decode().strip().split("\r\n")
            url = urlsplit(first.split(" ")[1])
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            asked = {"path": url.path, "query": {name: values[0] for name, values in parse_qs(url.query).items()}, "headers": headers}
            self.asked.append(asked)
            say = self._paths.get(url.path)
            if say is None:
                say = self._script.pop(0) if self._script else refusal(401, "end_of_script")
            say(wire, asked)


def each(test, script, paths=None, **options):
    """Each kind of client, on a server of its own."""
    for kind in BOTH:
        with test.subTest(kind.__name__):
            server = Script(test, script, paths)
            made = {name: value() if name in ("state", "once") else value for name, value in options.items()}
            yield Driven(kind, server.url, **made), server


def digest_of(*seqs):
    digest = RollingDigest()
    for seq in seqs:
        digest.push(f"e-{seq}", text(signal(seq)))
    return digest.state


class Memory:
    """Keeps states in memory, each that was saved."""

    def __init__(self, kept=None):
        self.saved = []
        self._kept = kept

    def load(self):
        return self.saved[-1] if self.saved else self._kept

    def save(self, state):
        self.saved.append(state)


class Driven:
    """A client that does not wait for long, driven to its end; what it told."""

    def __init__(self, kind, url, **more):
        self.notices, self.gaps = [], []
        told = {"on_notice": self.notices.append, "on_gap": self.gaps.append, "first_delay": 0.001, "longest_delay": 0.01}
        self.client = kind(url, KEY, **{**told, **more})

    def kinds(self):
        return [type(one).__name__ for one in self.notices]

    def run(self, handle):
        result = self.client.run(handle)
        if asyncio.iscoroutine(result):
            asyncio.run(result)

    def drain(self):
        """Takes all until the stream ends for good: seqs, and the error that ended it."""
        seqs = []
        try:
            self.run(lambda event: seqs.append(event.signal["seq"]))
        except Exception as error:
            return seqs, error
        return seqs, None

    def loop(self, body):
        """A loop that is left by `break` as soon as its body says so."""
        if isinstance(self.client, Client):
            for event in self.client:
                if body(event):
                    break
            return

        async def run():
            async with contextlib.AsyncExitStack() as stack:
                events = self.client.__aiter__()
                stack.push_async_callback(events.aclose)
                async for event in events:
                    if body(event):
                        break

        asyncio.run(run())

    def ask(self, name, **arguments):
        result = getattr(self.client, name)(**arguments)
        return asyncio.run(result) if asyncio.iscoroutine(result) else result


BOTH = (Client, AsyncClient)
