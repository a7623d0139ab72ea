"""The server's log over REST: what was published, in the bytes of the stream, and its digests."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from .endpoint import Endpoint, read_json
from .errors import ProtocolError
from .event import SignalEvent
from .filter import Filter
from .payloads.rest import Deliveries, Digest
from .payloads.signal import Signal
from .payloads.stream import Gap
from .steps import Flow

T = TypeVar("T")

PAGE = 200
"""Signals of a page where all are wanted: the most that the server gives."""

_OPENING = re.compile(r'\s*\{\s*"items"\s*:\s*\[')
_BETWEEN = re.compile(r"\s*([,\]])")
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True)
class Page:
    """A page of the log."""

    items: list[SignalEvent]
    next: str
    """For `after`: where a poller goes on."""
    epoch: str
    head: int


def raw_items(text: str) -> list[str]:
    """The items of a list, each in the very bytes in which the server wrote it: JSON read and written again is other bytes."""
    opening = _OPENING.match(text)
    if not opening:
        raise ProtocolError("a list without items")
    decoder = json.JSONDecoder()
    items: list[str] = []
    at = opening.end()
    if text[at : at + 1] == "]":
        return items
    while True:
        begin = _skip(text, at)
        try:
            _, end = decoder.raw_decode(text, begin)
        except ValueError as error:
            raise ProtocolError("a list that does not end") from error
        items.append(text[begin:end])
        between = _BETWEEN.match(text, end)
        if not between:
            raise ProtocolError("a list that does not end")
        if between[1] == "]":
            return items
        at = between.end()


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _behind(gap: Gap) -> str | None:
    """Where to read on from; None where nothing is left of it."""
    if gap["backfill"] is None:
        return None
    after = parse_qs(urlsplit(gap["backfill"]).query).get("after")
    if not after:
        raise ProtocolError(f"no place to read on from: {gap['backfill']}")
    return after[0]


def time_text(time: str | datetime) -> str:
    """A moment as the server takes it."""
    if isinstance(time, str):
        return time
    if time.tzinfo is None:
        raise ValueError("a time without its zone")
    return time.isoformat()


class LogFlows:
    """Reads the log with the client's filter and key; as flows."""

    def __init__(self, endpoint: Endpoint, filter: Filter, timeout: float) -> None:
        self._endpoint = endpoint
        self._filter = filter
        self._timeout = timeout

    def list(self, options: Mapping[str, Any]) -> Flow[Page]:
        text = yield from self._endpoint.read("/api/signals", self._query(options), self._timeout)
        page = read_json(text)
        if not (isinstance(page.get("epoch"), str) and isinstance(page.get("next"), str) and isinstance(page.get("head"), int)):
            raise ProtocolError("a list without its place")
        items = [self._event(raw, page["epoch"]) for raw in raw_items(text)]
        return Page(items, page["next"], page["epoch"], page["head"])

    def get(self, id: str) -> Flow[Signal]:
        signal: Any = yield from self.read(f"/api/signals/{quote(id, safe='')}", {})
        return signal  # type: ignore[no-any-return]

    def digest(self, first: str, last: str) -> Flow[Digest]:
        query = {**self._filter.query(), "from": first, "to": last}
        digest: Any = yield from self.read("/api/signals/digest", query)
        return digest  # type: ignore[no-any-return]

    def deliveries(self, options: Mapping[str, Any]) -> Flow[Deliveries]:
        deliveries: Any = yield from self.read("/api/v1/deliveries", self._query(options))
        return deliveries  # type: ignore[no-any-return]

    def read(self, path: str, query: Mapping[str, str]) -> Flow[Any]:
        return read_json((yield from self._endpoint.read(path, query, self._timeout)))

    def _query(self, options: Mapping[str, Any]) -> dict[str, str]:
        query = self._filter.query()
        for name, value in options.items():
            if value is not None:
                query[name] = time_text(value) if isinstance(value, datetime) else str(value)
        return query

    def _event(self, raw: str, epoch: str) -> SignalEvent:
        signal = read_json(raw)
        if not isinstance(signal.get("seq"), int) or not isinstance(signal.get("id"), str):
            raise ProtocolError("a signal without its place")
        name: Any = self._filter.event_name(signal)
        return SignalEvent(f"{epoch}-{signal.get('seq')}", name, "log", signal, raw)  # type: ignore[arg-type]


class Log:
    """The server's log, by the client's filter and key. Places are `<epoch>-<seq>` or the id of a signal."""

    def __init__(self, flows: LogFlows, run: Callable[[Flow[Any]], Any]) -> None:
        self._flows = flows
        self._run = run

    def list(
        self,
        *,
        after: str | None = None,
        before: str | None = None,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        limit: int | None = None,
    ) -> Page:
        """A page of what passes the filter, in the order of the log."""
        options = {"after": after, "before": before, "since": since, "until": until, "limit": limit}
        page: Page = self._run(self._flows.list(options))
        return page

    def backfill(self, gap: Gap) -> Iterator[SignalEvent]:
        """What the log still holds of a gap, where it holds something: after a restore under a new epoch, all of it up to now."""
        after = _behind(gap)
        while after is not None:
            page = self.list(after=after, limit=PAGE)
            yield from page.items
            after = page.next if len(page.items) == PAGE else None

    def get(self, id: str) -> Signal:
        """One signal, by its id or place; what the filter hides as well."""
        signal: Signal = self._run(self._flows.get(id))
        return signal

    def digest(self, first: str, last: str) -> Digest:
        """The digest of what passes the filter, from one place to another, both inclusive."""
        digest: Digest = self._run(self._flows.digest(first, last))
        return digest

    def deliveries(
        self,
        *,
        after: str | None = None,
        before: str | None = None,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        limit: int | None = None,
    ) -> Deliveries:
        """Which channel brought what."""
        options = {"after": after, "before": before, "since": since, "until": until, "limit": limit}
        deliveries: Deliveries = self._run(self._flows.deliveries(options))
        return deliveries

    def read(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Any other read of the API: its JSON, of the type of `sigcast.api` that you declare."""
        return self._run(self._flows.read(path, query or {}))


class AsyncLog:
    """The same, for asyncio."""

    def __init__(self, flows: LogFlows, run: Callable[[Flow[Any]], Awaitable[Any]]) -> None:
        self._flows = flows
        self._run = run

    async def list(
        self,
        *,
        after: str | None = None,
        before: str | None = None,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        limit: int | None = None,
    ) -> Page:
        """A page of what passes the filter, in the order of the log."""
        options = {"after": after, "before": before, "since": since, "until": until, "limit": limit}
        page: Page = await self._run(self._flows.list(options))
        return page

    async def backfill(self, gap: Gap) -> AsyncIterator[SignalEvent]:
        """What the log still holds of a gap, where it holds something: after a restore under a new epoch, all of it up to now."""
        after = _behind(gap)
        while after is not None:
            page = await self.list(after=after, limit=PAGE)
            for event in page.items:
                yield event
            after = page.next if len(page.items) == PAGE else None

    async def get(self, id: str) -> Signal:
        """One signal, by its id or place; what the filter hides as well."""
        signal: Signal = await self._run(self._flows.get(id))
        return signal

    async def digest(self, first: str, last: str) -> Digest:
        """The digest of what passes the filter, from one place to another, both inclusive."""
        digest: Digest = await self._run(self._flows.digest(first, last))
        return digest

    async def deliveries(
        self,
        *,
        after: str | None = None,
        before: str | None = None,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        limit: int | None = None,
    ) -> Deliveries:
        """Which channel brought what."""
        options = {"after": after, "before": before, "since": since, "until": until, "limit": limit}
        deliveries: Deliveries = await self._run(self._flows.deliveries(options))
        return deliveries

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Any other read of the API: its JSON, of the type of `sigcast.api` that you declare."""
        return await self._run(self._flows.read(path, query or {}))
