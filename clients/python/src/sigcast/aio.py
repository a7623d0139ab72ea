"""The client over asyncio."""

from __future__ import annotations

import asyncio
import inspect
import ssl
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

from .core import Core, Replay, Verification
from .digest import DigestState
from .errors import ConnectionLost, SigcastError, SilenceError
from .event import SignalEvent
from .filter import Filter
from .log import AsyncLog
from .notice import Notice
from .once import Once
from .payloads.stream import Gap
from .state import StateStore
from .steps import Call, Connect, Flow, Hand, Receive, Send, Sleep, Step
from .tls import Authorities, context

T = TypeVar("T")

PIECE = 64 * 1024


class _Closed(Exception):
    """The client was closed meanwhile."""


def _is_cancelled() -> bool:
    """Whether the task itself is, and not only what it waits for; Python 3.10 cannot tell."""
    cancelling = getattr(asyncio.current_task(), "cancelling", None)
    return bool(cancelling and cancelling())


class _Streams:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def close(self) -> None:
        # at once: nothing that was sent is still wanted
        self.writer.transport.abort()


class AsyncClient:
    """A key's stream: `async for event in client`. As `Client`; functions that are told may be coroutines, and so may a state's `load` and `save`."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        filter: Filter | None = None,
        state: StateStore | None = None,
        start: str = "",
        since: str | datetime | None = None,
        replay: Replay | None = None,
        takeover: bool = False,
        once: Once | None = None,
        first_delay: float = 1.0,
        longest_delay: float = 60.0,
        answer_timeout: float = 30.0,
        silent_pings: float = 2.5,
        ca: Authorities = None,
        on_gap: Callable[[Gap], Any] | None = None,
        on_notice: Callable[[Notice], Any] | None = None,
    ) -> None:
        self._core = Core(
            url,
            key,
            filter=filter,
            state=state,
            start=start,
            since=since,
            replay=replay,
            takeover=takeover,
            once=once,
            first_delay=first_delay,
            longest_delay=longest_delay,
            answer_timeout=answer_timeout,
            silent_pings=silent_pings,
            on_gap=on_gap,
            on_notice=on_notice,
        )
        self._ca = ca
        self._tls: ssl.SSLContext | None = None
        self._closed = False
        self._waiting: asyncio.Future[Any] | None = None
        # whoever leaves a loop lets go of its events, and so of its connection
        self._reading: weakref.ref[AsyncGenerator[SignalEvent, None]] | None = None
        self.log = AsyncLog(self._core.flows, self._run)
        """The server's log, by the same filter and key."""

    def __repr__(self) -> str:
        return f"AsyncClient({self._core.endpoint.url!r}, position={self.position!r})"

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        reading = self._reading() if self._reading is not None else None
        if reading is not None and not reading.ag_running:  # type: ignore[attr-defined]
            await reading.aclose()

    @property
    def once(self) -> Once:
        """Which signals were handled."""
        return self._core.once

    @property
    def position(self) -> str:
        """The id of the last frame that was handled; empty before the first."""
        return self._core.progress.id

    @property
    def digest(self) -> DigestState | None:
        """The digest of what was handled; None before the first signal and right behind a gap."""
        return self._core.progress.digest.state

    def close(self) -> None:
        """Ends the stream, and with it whoever waits for the next signal; in the loop's own thread."""
        self._closed = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def ack(self) -> None:
        """Says that the signal in hand was handled, before the next one is asked for."""
        await self._run(self._core.acknowledge())

    async def run(self, handle: Callable[[SignalEvent], Any]) -> None:
        """Hands each signal to a function, and takes it for handled when that is done.

        Ends when the client is closed, or with what the function raises.
        """
        async for event in self:
            result = handle(event)
            if inspect.isawaitable(result):
                await result
            # here rather than with the next one: a client that is closed while it handles has still handled this one
            await self.ack()

    async def verify(self, *, restart: bool = False) -> Verification:
        """Asks the server for the digest of what was handled here, and compares.

        `restart`: where it matches, and nothing was handled meanwhile, the next digest begins with the next signal, so that it does not reach
        back behind what the server keeps.
        """
        return await self._run(self._core.verify(restart))

    def __aiter__(self) -> AsyncIterator[SignalEvent]:
        before = self._reading() if self._reading is not None else None
        if before is not None and before.ag_running:  # type: ignore[attr-defined]
            raise SigcastError("this client is read already: a key has one stream")
        events = self._events(before)
        self._reading = weakref.ref(events)
        return events

    async def _events(self, before: AsyncGenerator[SignalEvent, None] | None) -> AsyncGenerator[SignalEvent, None]:
        if before is not None:
            await before.aclose()
            before = None
        flow = self._core.run()
        value: Any = None
        error: SigcastError | None = None
        try:
            while True:
                try:
                    step = flow.send(value) if error is None else flow.throw(error)
                except StopIteration:
                    return
                value = error = None
                if isinstance(step, Hand):
                    yield step.event
                    continue
                try:
                    value = await self._do(step, closes=True)
                except SigcastError as failed:
                    error = failed
        except _Closed:
            return
        finally:
            flow.close()

    async def _run(self, flow: Flow[T]) -> T:
        value: Any = None
        error: SigcastError | None = None
        try:
            while True:
                try:
                    step = flow.send(value) if error is None else flow.throw(error)
                except StopIteration as end:
                    result: T = end.value
                    return result
                value = error = None
                try:
                    value = await self._do(step, closes=False)
                except SigcastError as failed:
                    error = failed
        finally:
            flow.close()

    async def _do(self, step: Step, closes: bool) -> Any:
        """One step. `closes`: of the stream, which ends when the client is closed."""
        if isinstance(step, Call):
            if step.blocking:
                return await asyncio.to_thread(step.function, *step.arguments)
            result = step.function(*step.arguments)
            return await result if inspect.isawaitable(result) else result
        if not closes:
            return await self._transfer(step)
        if self._closed:
            raise _Closed
        self._waiting = asyncio.ensure_future(self._transfer(step))
        try:
            return await self._waiting
        except asyncio.CancelledError:
            if self._closed and not _is_cancelled():
                raise _Closed from None
            raise
        finally:
            self._waiting = None

    async def _transfer(self, step: Step) -> Any:
        try:
            if isinstance(step, Sleep):
                return await asyncio.sleep(step.seconds)
            if isinstance(step, Connect):
                return await self._within(step.timeout, self._connect(step))
            assert isinstance(step, (Send, Receive)) and isinstance(step.connection, _Streams)
            streams = step.connection
            if isinstance(step, Receive):
                return await self._within(step.timeout, streams.reader.read(PIECE))
            streams.writer.write(step.data)
            return await self._within(step.timeout, streams.writer.drain())
        except OSError as error:
            raise ConnectionLost(str(error) or type(error).__name__) from error

    async def _within(self, timeout: float, wait: Coroutine[Any, Any, T]) -> T:
        try:
            return await asyncio.wait_for(wait, timeout)
        # another one than the language's own before Python 3.11
        except asyncio.TimeoutError as error:
            raise SilenceError(f"nothing was heard for {timeout:g} s") from error

    async def _connect(self, step: Connect) -> _Streams:
        tls: dict[str, Any] = {}
        if step.tls:
            if self._tls is None:
                self._tls = context(self._ca)
            tls = {"ssl": self._tls, "server_hostname": step.host}
        return _Streams(*await asyncio.open_connection(step.host, step.port, **tls))
