"""Where a client stands, kept where it survives the process."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol

from .digest import DigestState, read_digest

# what no header holds is no id either
_ID = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True)
class State:
    """What is kept after each signal that was handled."""

    id: str
    """The id of the last frame that was handled."""
    filter: str
    """The filter under which it was: a digest under another one means nothing."""
    digest: DigestState | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        digest = self.digest.as_dict() if self.digest else None
        return {"id": self.id, "filter": self.filter, "digest": digest}

    @staticmethod
    def from_dict(value: object) -> State | None:
        """What `as_dict` gave; None where it is no state."""
        if not isinstance(value, dict):
            return None
        id, filter = value.get("id"), value.get("filter")
        if not isinstance(id, str) or not _ID.fullmatch(id) or not isinstance(filter, str):
            return None
        return State(id, filter, read_digest(value.get("digest")))


class StateStore(Protocol):
    """Keeps it: in a file, or in a row of your own, best in the very transaction that acts on the signal.

    With `AsyncClient`, both may be coroutines.
    """

    def load(self) -> State | None | Awaitable[State | None]:
        """What was saved last; None where nothing was."""

    def save(self, state: State) -> None | Awaitable[None]:
        """Keeps it until the next."""
