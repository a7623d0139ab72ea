"""Server-Sent Events, read from bytes that come in any pieces: the WHATWG's grammar."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from .errors import ProtocolError

LARGEST_EVENT = 8 * 1024 * 1024
"""No event of a sigcast server comes near it; whatever does is no event stream."""
LONGEST_RETRY_MS = 2**31
"""Longer delays are taken for a slip."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_DIGITS = re.compile(r"[0-9]+")


class Frame(NamedTuple):
    """One event."""

    event: str
    data: str
    id: str
    """The last `id:` so far on this connection; empty before the first."""


class SseParser:
    """One connection's parser."""

    def __init__(self) -> None:
        # a BOM at the beginning goes; what is no UTF-8 becomes U+FFFD
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._line = ""
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        self._id = ""
        self.retry_ms: int | None = None
        """The last `retry:`, in milliseconds; None before the first."""

    def feed(self, piece: bytes) -> list[Frame]:
        """Takes a piece; gives the events that it completes."""
        text = self._decoder.decode(piece)
        frames: list[Frame] = []
        if not text:
            return frames
        if self._after_cr and text[0] == "\n":
            text = text[1:]
        self._after_cr = text[-1:] == "\r"
        lines = _LINE_END.split(text)
        lines[0] = self._line + lines[0]
        self._line = lines.pop()
        for line in lines:
            self._end_line(line, frames)
        if len(self._line) + self._size > LARGEST_EVENT:
            raise ProtocolError("an event that does not end")
        return frames

    def _end_line(self, line: str, frames: list[Frame]) -> None:
        if line:
            return self._field(line)
        if self._data:
            frames.append(Frame(self._event or "message", "\n".join(self._data), self._id))
        self._event = ""
        self._data = []
        self._size = 0

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
            self._size += len(value) + 1
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and _DIGITS.fullmatch(value) and len(value) <= 10 and int(value) < LONGEST_RETRY_MS:
            self.retry_ms = int(value)
