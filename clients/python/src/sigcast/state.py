"""Where a client stands, kept where it survives the process."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol

from .digest import DigestState, read_digest
from .errors import StateError


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
        if not isinstance(id, str) or not id or not isinstance(filter, str):
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


class FileState:
    """Keeps the state in a file, replaced whole after each signal: whatever ends the process, it is exact.

    What ends the machine may take the last second: a copy beside it (`….synced`) is known to be on the disk, and is read where the file itself
    was lost with the power. `sync`: how often that is made sure of, in seconds; 0: each time.
    """

    blocking = True
    """`AsyncClient` calls it on a thread: it waits for the disk."""

    def __init__(self, path: str | os.PathLike[str], *, sync: float = 1.0) -> None:
        self.path = os.fspath(path)
        self._copy = f"{self.path}.synced"
        self._sync = sync
        self._synced_at = float("-inf")

    def load(self) -> State | None:
        """What was saved last; None where there is no file."""
        kept = [self._read(path) for path in (self.path, self._copy)]
        if kept == [_ABSENT, _ABSENT]:
            return None
        for state in kept:
            if isinstance(state, State):
                return state
        # beginning afresh in its place would be a silent hole
        raise StateError(f"{self.path} holds no position")

    def save(self, state: State) -> None:
        """Replaces the file."""
        text = json.dumps(state.as_dict()) + "\n"
        try:
            _replace(self.path, text, synced=False)
            if time.monotonic() - self._synced_at >= self._sync:
                _replace(self._copy, text, synced=True)
                self._synced_at = time.monotonic()
        except OSError as error:
            raise StateError(f"{self.path}: {error}") from error

    def _read(self, path: str) -> State | object | None:
        try:
            with open(path, encoding="utf-8") as file:
                return State.from_dict(json.load(file))
        except FileNotFoundError:
            return _ABSENT
        except OSError as error:
            raise StateError(f"{path}: {error}") from error
        except ValueError:
            return None


_ABSENT = object()


def _replace(path: str, text: str, synced: bool) -> None:
    written = f"{path}.new"
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        if synced:
            file.flush()
            os.fsync(file.fileno())
    os.replace(written, path)
