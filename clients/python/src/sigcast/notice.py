"""What a client tells while it works, for logs and counters. Nothing of it has to be acted on, and none of it holds the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from .errors import SigcastError
from .payloads.stream import Hello


@dataclass(frozen=True)
class Connected:
    """A stream stands."""

    place: str
    """Where it goes on from; empty where a gap is told first."""
    hello: Hello


@dataclass(frozen=True)
class Lost:
    """It broke, or was silent for too long: it is opened again."""

    error: SigcastError


@dataclass(frozen=True)
class Refused:
    """A refusal that passes by itself."""

    error: SigcastError


@dataclass(frozen=True)
class Ended:
    """The server ends the stream, to be opened again: a drain, a slow reader."""

    reason: str
    message: str


@dataclass(frozen=True)
class Waiting:
    """The pause before the next try."""

    seconds: float


@dataclass(frozen=True)
class Hole:
    """A hole that the server did not announce."""

    first: int
    last: int
    recovered: int
    """What was missing and has been fetched from the log."""


@dataclass(frozen=True)
class Duplicate:
    """A signal came that was handled already."""

    id: str
    place: str | None


Notice = Union[Connected, Lost, Refused, Ended, Waiting, Hole, Duplicate]
