"""A signal, and how it came."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .payloads.signal import Channel, EventName, Signal


@dataclass(frozen=True)
class SignalEvent:
    """A signal, and how it came."""

    place: str | None
    """`<epoch>-<seq>`: the `id:` of its frame. None on webhooks, which do not tell the epoch."""
    event: EventName
    channel: Channel
    signal: Signal
    raw: str = field(repr=False)
    """The bytes as they were sent, as text: for digests."""

    def exact(self) -> dict[str, Any]:
        """The signal with its fractions as `Decimal`, every digit as it was sent."""
        exact: dict[str, Any] = json.loads(self.raw, parse_float=Decimal)
        return exact
