"""Who handles a signal: whoever comes first, over all channels that share this. Ids that were handled are remembered, the latest of them."""

from __future__ import annotations

import threading


class Claim:
    """The right to handle a signal, until it is given back or used."""

    def __init__(self, once: Once, id: str) -> None:
        self._once = once
        self._id = id
        self._open = True

    def done(self) -> None:
        """It is handled: nobody gets it again."""
        self._end(True)

    def release(self) -> None:
        """It is not: the next may try."""
        self._end(False)

    def _end(self, handled: bool) -> None:
        if self._open:
            self._open = False
            self._once._settle(self._id, handled)


class Busy(Exception):
    """Somebody else is at it."""


class Once:
    """The ids that were handled, and those that are being handled. Threads may share it."""

    def __init__(self, limit: int = 100_000) -> None:
        if limit < 1:
            raise ValueError("once: a limit of 1 at least")
        self._limit = limit
        # in the order of insertion: the oldest goes first
        self._done: dict[str, None] = {}
        self._pending: set[str] = set()
        self._changed = threading.Condition()

    def __contains__(self, id: object) -> bool:
        with self._changed:
            return id in self._done

    def claim(self, id: str) -> Claim | None:
        """The right to handle an id, or None where it is handled already. Waits while somebody else is at it."""
        with self._changed:
            while id in self._pending:
                self._changed.wait()
            return self._take(id)

    def try_claim(self, id: str) -> Claim | None:
        """The same without waiting: raises `Busy`."""
        with self._changed:
            if id in self._pending:
                raise Busy
            return self._take(id)

    def _take(self, id: str) -> Claim | None:
        if id in self._done:
            return None
        self._pending.add(id)
        return Claim(self, id)

    def _settle(self, id: str, handled: bool) -> None:
        with self._changed:
            self._pending.discard(id)
            if handled:
                self._done[id] = None
                if len(self._done) > self._limit:
                    del self._done[next(iter(self._done))]
            self._changed.notify_all()
