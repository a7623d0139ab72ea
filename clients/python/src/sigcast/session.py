"""One connection of a stream: its frames in order, each hole in them seen and filled, and how it ended. As a flow."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .endpoint import Answer, Endpoint, read_json
from .errors import HoleOpen, ProtocolError, SigcastError, SupersededError, fatal
from .event import SignalEvent
from .log import PAGE, LogFlows, Page
from .notice import Connected, Duplicate, Ended, Hole, Notice
from .payloads.stream import Gap
from .place import Place, parse_place
from .progress import Progress
from .sse import Frame, SseParser
from .steps import Flow

LONGEST_PING = 3_600

SIGNALS = frozenset({"signal", "signal_update", "signal_exit"})
_STREAM = re.compile(r"text/event-stream\b", re.IGNORECASE)

Settled = Callable[[], Flow[None]]


class Owner(Protocol):
    """Whose connection it is."""

    endpoint: Endpoint
    flows: LogFlows
    progress: Progress
    answer_timeout: float
    silent_pings: float

    def hand(self, event: SignalEvent, settled: Settled) -> Flow[None]:
        """Has the program handle a signal; `settled` runs once it is."""

    def alive(self) -> None:
        """The connection works."""

    def notice(self, notice: Notice) -> Flow[None]:
        """Something is told."""

    def gap(self, gap: Gap) -> Flow[None]:
        """A gap is told, and waited for."""


class Session:
    """One connection."""

    def __init__(self, owner: Owner, filtered: bool) -> None:
        self._owner = owner
        self._progress = owner.progress
        self._filtered = filtered
        self._parser = SseParser()
        self._silence = owner.answer_timeout
        # of a filtered stream: where it was whole, how many signals it has sent, and which since then
        self._whole: Place | None = None
        self._matched = 0
        self._since: set[int] = set()
        self.finished = False
        """The server has nothing more to send, ever."""

    @property
    def retry(self) -> float | None:
        """The server's `retry:`, in seconds."""
        retry = self._parser.retry_ms
        return None if retry is None else retry / 1_000

    def run(self, query: Mapping[str, str], headers: Mapping[str, str]) -> Flow[None]:
        """As long as the connection lives. Ends where it may be opened again; raises why where it broke or is refused."""
        timeout = self._owner.answer_timeout
        answer = yield from self._owner.endpoint.open("/api/signals/stream", query, headers, timeout)
        try:
            if answer.head.status == 204 and "replay_until" in query:
                self.finished = True
                return
            if answer.head.status == 204:
                # the server has an end for replays alone: this is somebody else's
                raise ProtocolError("no stream, but an empty answer")
            if answer.head.status != 200:
                refused = yield from answer.refusal(timeout)
                raise refused
            kind = answer.head.headers.get("content-type", "")
            if not _STREAM.match(kind):
                raise ProtocolError(f"no event stream, but {kind or 'nothing'}")
            yield from self._listen(answer)
        finally:
            answer.close()

    def _listen(self, answer: Answer) -> Flow[None]:
        while piece := (yield from answer.read(self._silence)):
            for frame in self._parser.feed(piece):
                if frame.event in SIGNALS:
                    yield from self._signal(frame)
                elif frame.event == "heartbeat":
                    yield from self._heartbeat(frame)
                elif (yield from self._told(frame)):
                    return

    def _told(self, frame: Frame) -> Flow[bool]:
        """What is said beside signals; true: it was the last word."""
        owner = self._owner
        if frame.event == "hello":
            hello = read_json(frame.data)
            ping = hello.get("ping_seconds")
            if isinstance(ping, (int, float)) and 0 < ping <= LONGEST_PING:
                self._silence = ping * owner.silent_pings
            if not self._progress.id:
                yield from self._progress.move(frame.id)
            self._whole = parse_place(frame.id)
            yield from owner.notice(Connected(frame.id, hello))  # type: ignore[arg-type]
        elif frame.event == "gap":
            yield from owner.gap(read_json(frame.data))  # type: ignore[arg-type]
            yield from self._progress.jump(frame.id)
            self._whole = parse_place(frame.id)
            self._since.clear()
        elif frame.event == "bye":
            reason = str(read_json(frame.data).get("reason"))
            # the next answer would be 204
            self.finished = reason == "replay_finished"
            yield from owner.notice(Ended(reason, ""))
            return True
        elif frame.event == "error":
            error = read_json(frame.data)
            code, message = str(error.get("code")), str(error.get("message"))
            status = error["status"] if isinstance(error.get("status"), int) else 0
            if code == "superseded":
                raise SupersededError(code, status, message)
            if not error.get("retryable"):
                raise fatal(status, code, message)
            yield from owner.notice(Ended(code, message))
            return True
        return False

    def _signal(self, frame: Frame) -> Flow[None]:
        progress = self._progress
        signal = read_json(frame.data)
        if not isinstance(signal.get("id"), str):
            raise ProtocolError("a signal without an id")
        name: Any = frame.event
        event = SignalEvent(frame.id or None, name, "stream", signal, frame.data)  # type: ignore[arg-type]
        self._matched += 1
        here, at = progress.place, parse_place(frame.id)
        if here and at:
            if here.epoch != at.epoch:
                lost: Gap = {"from": None, "to": None, "reason": "epoch_changed", "backfill": None}
                yield from self._lost(lost, Place(at.epoch, at.seq - 1))
            elif at.seq <= here.seq:
                yield from self._owner.notice(Duplicate(signal["id"], frame.id))
                return
            elif not self._filtered and at.seq > here.seq + 1:
                yield from self._fill(here, at.seq - 1)
        if at:
            self._since.add(at.seq)
        yield from self._owner.hand(event, lambda: progress.take(event))
        self._owner.alive()

    def _heartbeat(self, frame: Frame) -> Flow[None]:
        progress = self._progress
        matched = read_json(frame.data).get("matched")
        here, at = progress.place, parse_place(frame.id)
        if here and at and here.epoch == at.epoch:
            if not self._filtered and at.seq > here.seq:
                yield from self._fill(here, at.seq)
            elif self._filtered and self._whole and isinstance(matched, int) and matched != self._matched:
                yield from self._fill_filtered(self._whole, at.seq)
            now = progress.place
            if now is None or at.seq > now.seq:
                yield from progress.move(frame.id)
            self._whole = at
        if isinstance(matched, int):
            self._matched = matched
        self._since.clear()
        self._owner.alive()

    def _fill(self, behind: Place, up_to: int) -> Flow[None]:
        """Fetches what lies behind a place, up to a seq: nothing is filtered, so each place is a signal."""
        at, recovered = behind.seq, 0

        def each(event: SignalEvent, seq: int) -> Flow[None]:
            nonlocal at, recovered
            if seq > at + 1:
                yield from self._missing(behind.epoch, at + 1, seq - 1)
            yield from self._owner.hand(event, lambda: self._progress.take(event))
            at = seq
            recovered += 1

        yield from self._range(behind, up_to, each)
        if at < up_to:
            yield from self._missing(behind.epoch, at + 1, up_to)
        yield from self._owner.notice(Hole(behind.seq + 1, up_to, recovered))

    def _fill_filtered(self, behind: Place, up_to: int) -> Flow[None]:
        """The same where a filter hides places: what has come since is known by its seq.

        The position goes back to where all was whole first, so that whatever ends this ends it before what is missing, and not behind it.
        """
        yield from self._progress.jump(str(behind))
        recovered = 0

        def each(event: SignalEvent, seq: int) -> Flow[None]:
            nonlocal recovered
            if seq in self._since:
                yield from self._progress.take(event)
                return
            yield from self._owner.hand(event, lambda: self._progress.take(event))
            recovered += 1

        yield from self._range(behind, up_to, each)
        yield from self._owner.notice(Hole(behind.seq + 1, up_to, recovered))

    def _range(self, behind: Place, up_to: int, each: Callable[[SignalEvent, int], Flow[None]]) -> Flow[None]:
        after = str(behind)
        while True:
            try:
                page: Page = yield from self._owner.flows.list({"after": after, "limit": PAGE})
            except SigcastError as error:
                raise HoleOpen(error) from error
            if page.epoch != behind.epoch:
                raise ProtocolError("the log has changed its name")
            for event in page.items:
                seq = event.signal["seq"]
                if seq > up_to:
                    return
                yield from each(event, seq)
            if len(page.items) < PAGE:
                if page.head < up_to:
                    # somebody on the way keeps an answer of before: what is not in it may come yet
                    raise HoleOpen(ProtocolError(f"a list up to {page.head} alone"))
                return
            after = page.next

    def _missing(self, epoch: str, first: int, last: int) -> Flow[None]:
        yield from self._lost({"from": first, "to": last, "reason": "missing", "backfill": None}, Place(epoch, last))

    def _lost(self, gap: Gap, goes_on_at: Place) -> Flow[None]:
        yield from self._owner.gap(gap)
        yield from self._progress.jump(str(goes_on_at))
