"""The answer to a request by HTTP/1.1, read from bytes that come in any pieces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from .errors import ConnectionLost, ProtocolError

LARGEST_HEAD = 64 * 1024
LONGEST_CHUNK_LINE = 1024

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: ([^\r\n]*))?")
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?")


class Head(NamedTuple):
    """The head of an answer. Names of headers are in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]


class Decoder:
    """One answer. What comes after it is left alone: a connection carries one."""

    def __init__(self) -> None:
        self.head: Head | None = None
        """None until it has come."""
        self.complete = False
        """Whether all of the body has come."""
        self._buffer = bytearray()
        # of a body: bytes to come; of one in chunks, those of the chunk, and -1 before its size
        self._left = 0
        self._chunked = False
        self._to_the_end = False
        self._trailers = False

    def feed(self, piece: bytes) -> bytes:
        """Takes a piece; gives what it holds of the body."""
        self._buffer += piece
        if self.head is None and not self._read_head():
            return b""
        if self.complete:
            return b""
        return self._read_chunks() if self._chunked else self._read_plain()

    def end(self) -> None:
        """There is no more. Raises `ConnectionLost` where there should be."""
        if self.head is not None and self._to_the_end:
            self.complete = True
        if not self.complete:
            raise ConnectionLost("the connection ended in the middle of an answer")

    def _read_head(self) -> bool:
        while self.head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > LARGEST_HEAD:
                    raise ProtocolError("a head that does not end")
                return False
            lines = bytes(self._buffer[:end]).split(b"\r\n")
            del self._buffer[: end + 4]
            status = _STATUS.fullmatch(lines[0])
            if status is None:
                raise ProtocolError("no HTTP/1.1")
            # interim answers are followed by the real one
            if status[1][:1] != b"1":
                self.head = Head(int(status[1]), (status[2] or b"").decode("latin-1"), _headers(lines[1:]))
        self._begin(self.head)
        return True

    def _begin(self, head: Head) -> None:
        encoding = head.headers.get("transfer-encoding")
        length = head.headers.get("content-length")
        if head.status in (204, 304):
            self.complete = True
        elif encoding is not None:
            if encoding.lower() != "chunked":
                raise ProtocolError(f"a transfer encoding that was not asked for: {encoding}")
            self._chunked = True
            self._left = -1
        elif length is None:
            self._to_the_end = True
        elif re.fullmatch("[0-9]{1,15}", length):
            self._left = int(length)
            self.complete = self._left == 0
        else:
            raise ProtocolError("a content length that is no number")

    def _read_plain(self) -> bytes:
        if self._to_the_end:
            return self._take(len(self._buffer))
        body = self._take(self._left)
        self._left -= len(body)
        self.complete = self._left == 0
        return body

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            if self._trailers:
                line = self._line()
                if line is None:
                    return bytes(body)
                if line == b"":
                    self.complete = True
                    return bytes(body)
            elif self._left == -1:
                line = self._line()
                if line is None:
                    return bytes(body)
                size = _SIZE.fullmatch(line)
                if size is None:
                    raise ProtocolError("a chunk without its size")
                self._left = int(size[1], 16)
                self._trailers = self._left == 0
            elif self._left > 0:
                taken = self._take(self._left)
                body += taken
                self._left -= len(taken)
                if self._left > 0:
                    return bytes(body)
            else:
                # of a chunk that is here whole, the end of its line
                line = self._line()
                if line is None:
                    return bytes(body)
                if line:
                    raise ProtocolError("a chunk longer than its size")
                self._left = -1

    def _take(self, most: int) -> bytes:
        taken = bytes(self._buffer[:most])
        del self._buffer[: len(taken)]
        return taken

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > LONGEST_CHUNK_LINE:
                raise ProtocolError("a chunk's line that does not end")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line


def _headers(lines: list[bytes]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or name != name.strip():
            raise ProtocolError("a header that is none")
        key, text = name.decode("latin-1").lower(), value.strip(b" \t").decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
