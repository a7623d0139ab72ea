"""The client over blocking sockets."""

from __future__ import annotations

import inspect
import socket
import ssl
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

from .core import Core, Replay, Verification
from .digest import DigestState
from .errors import ConnectionLost, SigcastError, SilenceError
from .event import SignalEvent
from .filter import Filter
from .log import Log
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


LOOK = 0.1
"""Seconds between looks, in a pause, at whether the client was closed."""


class _Socket:
    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw

    def wake(self) -> None:
        """Whoever waits in it finds its end. It stays whose it is: another thread's number for it must not become another socket's."""
        try:
            socket.socket.shutdown(self.raw, socket.SHUT_RDWR)
        except OSError:
            pass  # it is not connected any more

    def close(self) -> None:
        self.raw.close()


class Client:
    """A key's stream.

    `for event in client` takes signals one by one: asking for the next says that this one was handled. A loop that is left by `break` or by an
    exception leaves its last signal unhandled, and it comes again next time, unless `ack()` was called. `run` does the same with a function.

    - `filter`: what of the log is wanted.
    - `state`: keeps the position over a restart of the program. Without one, each start begins at `start`, or with what comes next.
    - `start`: where to begin while nothing is kept: a place such as `1f3c9a2e-183`; `<epoch>-0` is the beginning of the log.
    - `since`: a time to begin at, while nothing is kept.
    - `replay`: what was, at a pace. Needs `since` or `start`.
    - `takeover`: take the key's seat even from a connection that is alive.
    - `once`: shared with a webhook receiver, so that whichever channel is quicker handles a signal.
    - `first_delay`, `longest_delay`: bounds of the pause before the next try, in seconds.
    - `answer_timeout`: for the head of an answer, and between two pieces of one that is no stream, in seconds.
    - `silent_pings`: a stream on which nothing comes for so many of the server's ping intervals is given up.
    - `ca`: a file of certificate authorities that are trusted in place of the system's, or an `ssl.SSLContext`.
    - `on_gap`: told of each gap before the client goes on behind it. Without one, gaps are warnings.
    - `on_notice`: told of what else happens. Without one, a stream that does not come back is a warning, once.
    """

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
        # no lock: a signal's handler may close it while it waits
        self._closed = False
        self._socket: _Socket | None = None
        # whoever leaves a loop lets go of its events, and so of its connection
        self._reading: weakref.ref[Generator[SignalEvent, None, None]] | None = None
        self.log = Log(self._core.flows, self._run)
        """The server's log, by the same filter and key."""

    def __repr__(self) -> str:
        return f"Client({self._core.endpoint.url!r}, position={self.position!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

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
        """Ends the stream, and with it whoever waits for the next signal; from any thread."""
        self._closed = True
        if (waiting := self._socket) is not None:
            waiting.wake()

    def ack(self) -> None:
        """Says that the signal in hand was handled, before the next one is asked for."""
        self._run(self._core.acknowledge())

    def run(self, handle: Callable[[SignalEvent], object]) -> None:
        """Hands each signal to a function, and takes it for handled when that is done.

        Ends when the client is closed, or with what the function raises.
        """
        for event in self:
            handle(event)
            # here rather than with the next one: a client that is closed while it handles has still handled this one
            self.ack()

    def verify(self, *, restart: bool = False) -> Verification:
        """Asks the server for the digest of what was handled here, and compares.

        `restart`: where it matches, and nothing was handled meanwhile, the next digest begins with the next signal, so that it does not reach
        back behind what the server keeps.
        """
        return self._run(self._core.verify(restart))

    def __iter__(self) -> Iterator[SignalEvent]:
        if self._reading is not None and (before := self._reading()) is not None:
            try:
                before.close()
            except ValueError:
                raise SigcastError("this client is read already: a key has one stream") from None
        events = self._events()
        self._reading = weakref.ref(events)
        return events

    def _events(self) -> Generator[SignalEvent, None, None]:
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
                    value = self._do(step, closes=True)
                except SigcastError as failed:
                    error = failed
        except _Closed:
            return
        finally:
            flow.close()
            self._socket = None

    def _run(self, flow: Flow[T]) -> T:
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
                    value = self._do(step, closes=False)
                except SigcastError as failed:
                    error = failed
        finally:
            flow.close()

    def _do(self, step: Step, closes: bool) -> Any:
        """One step. `closes`: of the stream, which ends when the client is closed."""
        if isinstance(step, Call):
            result = step.function(*step.arguments)
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError("a coroutine: use AsyncClient")
            return result
        if closes and self._closed:
            raise _Closed
        try:
            result = self._transfer(step, closes)
        except SigcastError:
            if closes and self._closed:
                raise _Closed from None
            raise
        # a connection that was closed here reads as one that ended
        if closes and self._closed:
            raise _Closed
        return result

    def _transfer(self, step: Step, closes: bool) -> Any:
        try:
            if isinstance(step, Sleep):
                return self._sleep(step.seconds)
            if isinstance(step, Connect):
                return self._connect(step, closes)
            assert isinstance(step, (Send, Receive)) and isinstance(step.connection, _Socket)
            raw = step.connection.raw
            raw.settimeout(max(step.timeout, 0.001))
            return raw.sendall(step.data) if isinstance(step, Send) else raw.recv(PIECE)
        except TimeoutError as error:
            raise SilenceError(f"nothing was heard for {step.timeout:g} s") from error  # type: ignore[union-attr]
        except OSError as error:
            raise ConnectionLost(str(error) or type(error).__name__) from error

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._closed and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, LOOK))

    def _connect(self, step: Connect, closes: bool) -> _Socket:
        failed: OSError = ConnectionError(f"{step.host} has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(step.host, step.port, type=socket.SOCK_STREAM):
            made = _Socket(socket.socket(family, kind, protocol))
            try:
                made.raw.settimeout(step.timeout)
                if closes:
                    # to be woken while it connects and greets, too
                    self._socket = made
                    if self._closed:
                        raise _Closed
                made.raw.connect(address)
                if step.tls:
                    self._greet(made, step.host)
                return made
            except BaseException as error:
                made.close()
                if not isinstance(error, OSError) or (closes and self._closed):
                    raise
                failed = error
        raise failed

    def _greet(self, made: _Socket, host: str) -> None:
        if self._tls is None:
            self._tls = context(self._ca)
        greeted = self._tls.wrap_socket(made.raw, server_hostname=host, do_handshake_on_connect=False)
        made.raw = greeted
        greeted.do_handshake()
