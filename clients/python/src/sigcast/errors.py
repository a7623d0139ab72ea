"""What can go wrong, by what a program does about it. None of them ever holds the key."""

from __future__ import annotations


class SigcastError(Exception):
    """All errors of this package."""


class FatalError(SigcastError):
    """The server will say the same again: nothing is to be gained by waiting."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        """The server's word for it, such as `invalid_api_key`."""
        self.status = status
        """The HTTP status that goes with it."""


class AuthenticationError(FatalError):
    """The key is absent, malformed, unknown, revoked or expired, or its account is suspended."""


class SubscriptionError(FatalError):
    """The plan has no stream, or lapsed."""


class RequestError(FatalError):
    """The request itself is refused: a parameter, a path."""


class SupersededError(FatalError):
    """Another connection took this key's seat. It holds it on purpose: taking it back would only start a quarrel."""


class RefusedError(SigcastError):
    """It will pass by itself. The stream waits and comes back; calls of the log's own raise it."""

    def __init__(self, code: str, status: int, message: str, retry_after: float) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.code = code
        self.status = status
        self.retry_after = retry_after
        """Seconds that the server asks to wait for at least; 0: it says nothing."""


class ConnectionLost(SigcastError):
    """The connection could not be made, or broke."""


class HoleOpen(ConnectionLost):
    """A hole could not be filled from the log, or not now: a stream that goes on from before it brings what is missing, whatever REST says."""

    def __init__(self, cause: SigcastError) -> None:
        super().__init__(f"what is missing could not be fetched: {cause}")


class SilenceError(ConnectionLost):
    """Nothing was heard for longer than the server's pings allow, or it did not answer in time."""


class ProtocolError(SigcastError):
    """What came is not what the protocol says."""


class StateError(SigcastError):
    """The position cannot be read or written."""


class SignatureError(SigcastError):
    """A webhook that nobody with the secret has sent, or not now."""


def fatal(status: int, code: str, message: str) -> FatalError:
    """What will not pass, by its status."""
    kind = {401: AuthenticationError, 403: SubscriptionError}.get(status, RequestError)
    return kind(code, status, message)


PASSING = frozenset({408, 425, 429})
"""Refusals of the server that pass by themselves, besides all 5xx."""


def refusal(status: int, code: str, message: str, retry_after: float) -> SigcastError:
    """What an answer of the server that is not 200 means."""
    if status >= 500 or status in PASSING:
        return RefusedError(code, status, message, retry_after)
    return fatal(status, code, message)
