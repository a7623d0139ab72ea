"""A signal as it comes on every channel."""

from __future__ import annotations

from typing import Any, Literal, TypedDict, TypeGuard, Union

from typing import TYPE_CHECKING

from .consensus import ConsensusBuy, ConsensusExit, Rank
from .insider import InsiderSignal

class _Published(TypedDict):
    seq: int
    """Its place in the log, counted from 1 without a hole."""
    published_at: str
    id: str
    """UUID, the same on every channel and however often it comes."""

class PublishedSignal(_Published, total=False):
    """What an operator publishes ready-made holds what its publisher says: only the first three fields are the server's."""

    detected_at: str
    signal_type: str
    rank: Rank | None
    rank_score: float | None
    market: str
    token: dict[str, Any]

Signal = Union[ConsensusBuy, ConsensusExit, InsiderSignal, PublishedSignal]

EventName = Literal["signal", "signal_update", "signal_exit"]
"""What a stream calls a signal."""

Channel = Literal["stream", "log", "webhook"]
"""By which way a signal came."""

def is_consensus_buy(signal: Signal) -> TypeGuard[ConsensusBuy]:
    """Whether it is the consensus engine's `consensus_buy`."""
    return signal.get("signal_type") == "consensus_buy" and "triggering_wallets" in signal

def is_consensus_exit(signal: Signal) -> TypeGuard[ConsensusExit]:
    """Whether it is the consensus engine's `consensus_exit`."""
    return signal.get("signal_type") == "consensus_exit" and "exited_wallets" in signal

def is_insider_signal(signal: Signal) -> TypeGuard[InsiderSignal]:
    """Whether it is a scored filing."""
    return str(signal.get("signal_type")).startswith("insider_") and "amfId" in signal
