"""How far a client has come: it moves only over what was handled, and what it moves over goes into the digest."""

from __future__ import annotations

from .digest import RollingDigest
from .errors import StateError
from .event import SignalEvent
from .place import Place, parse_place
from .state import State, StateStore
from .steps import Call, Flow


class Progress:
    """The position, its digest, and where they are kept."""

    def __init__(self, store: StateStore | None, filter: str, start: str) -> None:
        self._store = store
        self._blocking = bool(getattr(store, "blocking", False))
        self._start = start
        self.filter = filter
        self.id = ""
        """The id of the last frame that was handled; empty before the first."""
        self.digest = RollingDigest()

    @property
    def place(self) -> Place | None:
        """The same, where it is a place in a log."""
        return parse_place(self.id)

    def load(self) -> Flow[None]:
        """Reads what was kept; where nothing was, begins where it was told to.

        Saves that at once: better no signal than one whose place cannot be kept.
        """
        kept: State | None = None
        if self._store is not None:
            kept = yield Call(self._store.load, (), self._blocking)
        if kept and State.from_dict(kept.as_dict()) is None:
            raise StateError("what was kept is no position")
        # read once more: unless another program went on meanwhile, it is where this one stands
        if self.id and (kept is None or kept.id == self.id):
            return
        self.id = ""
        # under another filter other signals passed: what follows is no part of that digest
        self.digest = RollingDigest(kept.digest if kept and kept.filter == self.filter else None)
        yield from self.move(kept.id if kept else self._start)

    def take(self, event: SignalEvent) -> Flow[None]:
        """A signal was handled, here or over another channel."""
        if event.place is None:
            return
        if parse_place(event.place):
            self.digest.push(event.place, event.raw)
        yield from self.move(event.place)

    def move(self, id: str) -> Flow[None]:
        """There is nothing more up to here."""
        if not id or id == self.id:
            return
        self.id = id
        if self._store is not None:
            yield Call(self._store.save, (State(id, self.filter, self.digest.state),), self._blocking)

    def jump(self, id: str) -> Flow[None]:
        """What is in between is lost: the digest begins anew."""
        self.digest.clear()
        yield from self.move(id)
