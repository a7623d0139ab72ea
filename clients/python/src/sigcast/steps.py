"""What the logic of a client asks of whoever runs it: the logic is written once, and runs over blocking sockets and over asyncio alike.

A flow is a generator that yields steps and is sent what came of them; what failed is thrown into it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, Union

from .event import SignalEvent

T = TypeVar("T")


class Connection(Protocol):
    """A connection, whoever made it."""

    def close(self) -> None:
        """At once, and without waiting."""


@dataclass
class Connect:
    """To be sent a connection."""

    host: str
    port: int
    tls: bool
    timeout: float


@dataclass
class Send:
    """Writes all of it."""

    connection: Connection
    data: bytes
    timeout: float


@dataclass
class Receive:
    """To be sent what is there, as soon as something is; empty at the end."""

    connection: Connection
    timeout: float


@dataclass
class Sleep:
    """Seconds."""

    seconds: float


@dataclass
class Call:
    """To be sent what a function gives, which may be a coroutine where asyncio runs."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    blocking: bool = False


@dataclass
class Hand:
    """Hands a signal to the program; sent None when it asks for the next one."""

    event: SignalEvent


Step = Union[Connect, Send, Receive, Sleep, Call, Hand]
Flow = Generator[Step, Any, T]
