"""A client without its wires: one stream that comes back by itself, every signal once and in order, and a position that moves only over what
was handled. As flows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from .backoff import Backoff
from .digest import DigestState
from .endpoint import Endpoint
from .errors import ConnectionLost, ProtocolError, RefusedError, SigcastError
from .event import SignalEvent
from .filter import Filter
from .log import LogFlows, time_text
from .notice import Duplicate, Lost, Notice, Refused, Waiting
from .once import Busy, Once
from .payloads.rest import Digest
from .payloads.stream import Gap
from .progress import Progress
from .session import Session, Settled
from .state import StateStore
from .steps import Call, Flow, Hand, Sleep

LOOK = 0.01
"""Seconds between looks at what another channel makes of a signal that it handles just now."""

SILENT_FAILURES = 5
"""After so many tries without success whoever listens to nothing is told."""


@dataclass(frozen=True)
class Replay:
    """What was, up to a time, `speed` times as fast as it happened; then the stream ends."""

    until: str | datetime
    speed: float | None = None


@dataclass(frozen=True)
class Verification:
    """What the server's log and this client hold of the same range."""

    matches: bool
    ours: DigestState
    theirs: Digest


class InHand:
    """A signal that is being handled."""

    def __init__(self, settle: Callable[[], Flow[None]]) -> None:
        self.settle = settle


class Core:
    """See `Client`."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        filter: Filter | None,
        state: StateStore | None,
        start: str,
        since: str | datetime | None,
        replay: Replay | None,
        takeover: bool,
        once: Once | None,
        first_delay: float,
        longest_delay: float,
        answer_timeout: float,
        silent_pings: float,
        on_gap: Callable[[Gap], Any] | None,
        on_notice: Callable[[Notice], Any] | None,
    ) -> None:
        if not answer_timeout > 0 or not silent_pings > 1:
            raise ValueError("answer_timeout: more than 0; silent_pings: more than 1")
        if replay is not None and not start and since is None:
            raise ValueError("replay: with since or start")
        self.endpoint = Endpoint(url, key)
        self.filter = filter or Filter()
        self.flows = LogFlows(self.endpoint, self.filter, answer_timeout)
        self.progress = Progress(state, urlencode(self.filter.query()), start)
        self.once = once or Once()
        self.answer_timeout = answer_timeout
        self.silent_pings = silent_pings
        self.in_hand: InHand | None = None
        self._since = since
        self._replay = replay
        self._takeover = takeover
        self._backoff = Backoff(first_delay, longest_delay)
        self._on_gap = on_gap
        self._on_notice = on_notice

    def run(self) -> Flow[None]:
        """Signals, until the stream ends for good."""
        yield from self.progress.load()
        while True:
            session = Session(self, self.filter != Filter())
            at_least = 0.0
            try:
                yield from session.run(self._query(), self._headers())
                if session.finished:
                    return
            except RefusedError as error:
                at_least = error.retry_after
                self._warn(error)
                yield from self.notice(Refused(error))
            except (ConnectionLost, ProtocolError) as error:
                self._warn(error)
                yield from self.notice(Lost(error))
            seconds = self._backoff.next(session.retry, at_least)
            yield from self.notice(Waiting(seconds))
            yield Sleep(seconds)

    def _warn(self, error: SigcastError) -> None:
        """Whoever listens to nothing is told once that the stream does not come back."""
        if self._on_notice is None and self._backoff.failures == SILENT_FAILURES:
            tries = SILENT_FAILURES + 1
            warnings.warn(f"sigcast: {self.endpoint.url}: no stream after {tries} tries, and goes on trying: {error}", stacklevel=2)

    def verify(self, restart: bool) -> Flow[Verification]:
        """Asks the server for the digest of what was handled here, and compares."""
        ours = self.progress.digest.state
        if ours is None:
            raise SigcastError("nothing was handled yet that could be verified")
        theirs = yield from self.flows.digest(ours.from_, ours.to)
        matches = theirs["count"] == ours.count and theirs["digest"] == ours.digest
        if matches and restart and self.progress.digest.state == ours:
            self.progress.digest.clear()
        return Verification(matches, ours, theirs)

    def acknowledge(self) -> Flow[None]:
        """The signal in hand was handled."""
        if self.in_hand is not None:
            yield from self.in_hand.settle()

    def hand(self, event: SignalEvent, settled: Settled) -> Flow[None]:
        """Lets the program handle a signal, unless somebody has; `settled` is what follows from that."""
        while True:
            try:
                claim = self.once.try_claim(event.signal["id"])
                break
            except Busy:
                yield Sleep(LOOK)
        if claim is None:
            yield from self.notice(Duplicate(event.signal["id"], event.place))
            yield from settled()
            return
        is_open = True

        def settle() -> Flow[None]:
            nonlocal is_open
            if is_open:
                is_open = False
                claim.done()
                yield from settled()

        self.in_hand = InHand(settle)
        try:
            yield Hand(event)
            yield from settle()
        finally:
            self.in_hand = None
            claim.release()

    def alive(self) -> None:
        """The connection works."""
        self._backoff.reset()

    def notice(self, notice: Notice) -> Flow[None]:
        """Something is told."""
        if self._on_notice is not None:
            yield Call(self._on_notice, (notice,))

    def gap(self, gap: Gap) -> Flow[None]:
        """A gap is told, and waited for."""
        if self._on_gap is not None:
            yield Call(self._on_gap, (gap,))
        else:
            first, last = ("?" if end is None else end for end in (gap.get("from"), gap.get("to")))
            warnings.warn(f"sigcast: signals {first} to {last} will not come ({gap.get('reason')})", stacklevel=2)

    def _query(self) -> dict[str, str]:
        query = {**self.filter.query(), "heartbeat": "event"}
        # what the header says goes before it
        if self._since is not None:
            query["since"] = time_text(self._since)
        if self._replay is not None:
            query["replay_until"] = time_text(self._replay.until)
            if self._replay.speed is not None:
                query["speed"] = f"{self._replay.speed:g}"
        return query

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self.progress.id:
            headers["Last-Event-ID"] = self.progress.id
        if self._takeover:
            headers["X-Stream-Takeover"] = "1"
        return headers
