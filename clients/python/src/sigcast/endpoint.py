"""Requests to one server, over connections of their own; as flows, whoever runs them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from .errors import ProtocolError, RefusedError, SigcastError, SilenceError, refusal
from .http1 import Decoder, Head
from .steps import Connect, Connection, Flow, Receive, Send

LARGEST_REFUSAL = 64 * 1024
LARGEST_ANSWER = 64 * 1024 * 1024
"""Of a page of 200 signals, each of 128 kB at most."""

USER_AGENT = "sigcast-python/0.1.0"
_KEY = re.compile(r"[\x21-\x7e]+")
_VALUE = re.compile(r"[\x20-\x7e]*")


class Endpoint:
    """A server, and the key that opens it. The key is shown by nothing but its requests."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url: http://… or https://…")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("url: the server's address alone; the key goes into `key`")
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ValueError("key: absent, or no key of a sigcast server")
        self.tls = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.tls else 80)
        self.path = parts.path.rstrip("/")
        self.url = f"{parts.scheme}://{parts.netloc}{self.path}"
        self._netloc = parts.netloc
        # a function shows nothing of what it holds
        self._authorization: Callable[[], str] = lambda: f"Bearer {key}"

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r})"

    def open(self, path: str, query: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Flow[Answer]:
        """Sends a GET, and waits for the head of the answer."""
        connection = yield Connect(self.host, self.port, self.tls, timeout)
        answer = Answer(connection)
        try:
            yield Send(connection, self._request(path, query, headers), timeout)
            deadline = time.monotonic() + timeout
            while answer.decoder.head is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise SilenceError(f"no answer within {timeout:g} s")
                yield from answer.more(left)
        except BaseException:
            answer.close()
            raise
        return answer

    def read(self, path: str, query: Mapping[str, str], timeout: float) -> Flow[str]:
        """Sends a GET whose answer is JSON; its text. Raises what the answer says where it is not 200."""
        answer = yield from self.open(path, query, {"Accept": "application/json"}, timeout)
        try:
            if answer.head.status != 200:
                refused = yield from answer.refusal(timeout)
                raise refused
            return (yield from answer.text(timeout, LARGEST_ANSWER))
        finally:
            answer.close()

    def _request(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        target = self.path + path + (f"?{urlencode(query)}" if query else "")
        lines = [f"GET {target} HTTP/1.1", f"Host: {self._netloc}", f"User-Agent: {USER_AGENT}", "Connection: close"]
        for name, value in {**headers, "Authorization": self._authorization()}.items():
            if not _VALUE.fullmatch(value):
                raise ValueError(f"{name}: letters that no header holds")
            lines.append(f"{name}: {value}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Answer:
    """An answer, of which the head has come."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.decoder = Decoder()
        self._body = b""

    @property
    def head(self) -> Head:
        head = self.decoder.head
        assert head is not None, "it is given out with its head"
        return head

    def more(self, timeout: float) -> Flow[None]:
        """Receives once."""
        piece = yield Receive(self._connection, timeout)
        if piece:
            self._body += self.decoder.feed(piece)
        else:
            self.decoder.end()

    def read(self, timeout: float) -> Flow[bytes]:
        """The next bytes of the body, as many as are there; empty at the end."""
        while not self._body and not self.decoder.complete:
            yield from self.more(timeout)
        body, self._body = self._body, b""
        return body

    def text(self, timeout: float, limit: int) -> Flow[str]:
        """The whole body."""
        body = bytearray()
        while piece := (yield from self.read(timeout)):
            body += piece
            if len(body) > limit:
                raise ProtocolError(f"an answer of more than {limit} bytes")
        return body.decode("utf-8", "replace")

    def refusal(self, timeout: float) -> Flow[SigcastError]:
        """What an answer that is not 200 says: whether it passes by itself, and when."""
        head = self.head
        wait = retry_after(head.headers.get("retry-after", ""))
        try:
            said = json.loads((yield from self.text(timeout, LARGEST_REFUSAL)))["error"]
            code, message, status = said["code"], said.get("message", ""), said["status"]
        except (SigcastError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            code, status = None, None  # of a proxy on the way, or cut off
        if not isinstance(code, str) or status != head.status:
            # what a proxy says while the server behind it is away, be it 401 or 404, is not the server's word
            return RefusedError(f"http_{head.status}", head.status, f"not the server's own answer: {head.reason}", wait)
        return refusal(head.status, code, str(message), wait)

    def close(self) -> None:
        """Lets go of the connection."""
        self._connection.close()


def retry_after(value: str) -> float:
    """Seconds from now; 0 where nothing is said."""
    if re.fullmatch("[0-9]{1,6}", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def read_json(text: str) -> dict[str, Any]:
    """Reads JSON that a server of this protocol has written: an object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"no JSON: {text[:60]}") from error
    if not isinstance(value, dict):
        raise ProtocolError(f"no object: {text[:60]}")
    return value
