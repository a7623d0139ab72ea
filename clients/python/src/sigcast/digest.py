"""A rolling hash over signals: d0 is 32 zero bytes, d = SHA-256(d || the signal's bytes).

The server computes the same over its log, so equal digests of a range prove that exactly that range is here, in order and to the byte.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from .place import parse_place

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class DigestState:
    """What was hashed so far; kept beside the position, it goes on over a restart."""

    from_: str
    """Place of the first signal."""
    to: str
    """Place of the last."""
    count: int
    digest: str
    """64 hexadecimal digits."""

    def as_dict(self) -> dict[str, Any]:
        """As it is kept."""
        return {"from": self.from_, "to": self.to, "count": self.count, "digest": self.digest}


class RollingDigest:
    """Grows signal by signal, in the order of the log."""

    def __init__(self, state: DigestState | None = None) -> None:
        self.state = state
        """What it is now; None where there is nothing yet."""

    def push(self, place: str, raw: str) -> None:
        """Adds a signal's bytes."""
        before = self.state
        start = bytes.fromhex(before.digest) if before else bytes(32)
        digest = hashlib.sha256(start + raw.encode()).hexdigest()
        self.state = DigestState(before.from_ if before else place, place, (before.count if before else 0) + 1, digest)

    def clear(self) -> None:
        """Begins anew: what comes next does not follow on what came."""
        self.state = None


def read_digest(value: object) -> DigestState | None:
    """Reads a state that was kept; None where it is none."""
    if not isinstance(value, dict):
        return None
    first, last, count, digest = (value.get(name) for name in ("from", "to", "count", "digest"))
    if not (isinstance(first, str) and isinstance(last, str) and isinstance(digest, str) and type(count) is int):
        return None
    if not (parse_place(first) and parse_place(last) and count > 0 and _HEX.fullmatch(digest)):
        return None
    return DigestState(first, last, count, digest)
