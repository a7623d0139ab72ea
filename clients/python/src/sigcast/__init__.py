"""Client of a sigcast server: its stream, its log, its webhooks."""

from .aio import AsyncClient
from .client import Client
from .core import Replay, Verification
from .digest import DigestState, RollingDigest
from .errors import (
    AuthenticationError,
    ConnectionLost,
    FatalError,
    ProtocolError,
    RefusedError,
    RequestError,
    SigcastError,
    SignatureError,
    SilenceError,
    StateError,
    SubscriptionError,
    SupersededError,
)
from .event import SignalEvent
from .file import FileState
from .filter import Filter
from .log import AsyncLog, Log, Page
from .notice import Connected, Duplicate, Ended, Hole, Lost, Notice, Refused, Waiting
from .once import Busy, Claim, Once
from .payloads import api
from .payloads.rest import Deliveries, Digest, WebhookTest
from .payloads.signal import Signal, is_consensus_buy, is_consensus_exit, is_insider_signal
from .payloads.stream import Gap, Hello
from .place import Place, parse_place
from .receiver import Reply, WebhookReceiver
from .sse import Frame, SseParser
from .state import State, StateStore
from .webhook import Verified, verify_sigmate, verify_webhook

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncLog",
    "AuthenticationError",
    "Busy",
    "Claim",
    "Client",
    "Connected",
    "ConnectionLost",
    "Deliveries",
    "Digest",
    "DigestState",
    "Duplicate",
    "Ended",
    "FatalError",
    "FileState",
    "Filter",
    "Frame",
    "Gap",
    "Hello",
    "Hole",
    "Log",
    "Lost",
    "Notice",
    "Once",
    "Page",
    "Place",
    "ProtocolError",
    "Refused",
    "RefusedError",
    "Replay",
    "Reply",
    "RequestError",
    "RollingDigest",
    "SigcastError",
    "Signal",
    "SignalEvent",
    "SignatureError",
    "SilenceError",
    "SseParser",
    "State",
    "StateError",
    "StateStore",
    "SubscriptionError",
    "SupersededError",
    "Verification",
    "Verified",
    "Waiting",
    "WebhookReceiver",
    "WebhookTest",
    "api",
    "is_consensus_buy",
    "is_consensus_exit",
    "is_insider_signal",
    "parse_place",
    "verify_sigmate",
    "verify_webhook",
]
