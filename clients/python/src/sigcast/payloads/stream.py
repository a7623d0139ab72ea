"""What the stream says beside signals."""

from __future__ import annotations

from typing import Literal, TypedDict


class Hello(TypedDict):
    """The first frame of a stream."""

    user_id: str
    key_id: str
    plan: str
    epoch: str
    """Names the log."""
    seq: int
    """Head of the log."""
    resumed_from: int | None
    ping_seconds: int
    server_time: str


GapReason = Literal["pruned", "epoch_changed", "unknown_id", "ahead_of_log", "missing"]
"""`missing` is this client's own: places of the log that neither the stream nor the log itself has shown."""


# `from` is a word of the language
Gap = TypedDict("Gap", {"from": "int | None", "to": "int | None", "reason": GapReason, "backfill": "str | None"})
"""Signals that were asked for and cannot be had any more. Both ends inclusive, None where unknown; `backfill`: path and query of what may
be had in their place."""


class _Heartbeat(TypedDict):
    seq: int
    server_time: str


class Heartbeat(_Heartbeat, total=False):
    """A proof of life with a place."""

    matched: int
    """On filtered streams: the signals sent since `hello`."""


class Bye(TypedDict):
    """Last frame of a stream that may be opened again."""

    reason: str


class StreamError(TypedDict):
    """Last frame of a stream that ends for a reason of its own."""

    code: str
    status: int
    message: str
    retryable: bool
