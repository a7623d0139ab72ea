"""Places in the log: `<epoch>-<seq>`."""

from __future__ import annotations

import re
from typing import NamedTuple

_PLACE = re.compile(r"([0-9a-zA-Z]{1,64})-([0-9]{1,16})")


class Place(NamedTuple):
    """Which log, and how far in it."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"


def parse_place(text: str) -> Place | None:
    """Reads a place; None where it is none of a sigcast log."""
    found = _PLACE.fullmatch(text)
    return Place(found[1], int(found[2])) if found else None
