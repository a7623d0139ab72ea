"""Signals of the consensus engine, as the server writes them. For every digit of a fraction, see `SignalEvent.exact`."""

from __future__ import annotations

from typing import Literal, TypedDict

Rank = Literal["S", "A", "B", "C", "D"]
"""The best is S."""


class Token(TypedDict):
    address: str
    symbol: str | None
    name: str | None
    image_url: str | None
    dex: str | None
    age_minutes: int | None
    market_cap_usd: float | None
    liquidity_usd: float | None
    price_sol: float | None
    price_usd: float | None


class TriggeringWallet(TypedDict):
    address: str
    score: float
    rank: Rank
    win_rate: float
    realized_pnl_usd: float


class RugCheck(TypedDict):
    mint_renounced: bool | None
    freeze_renounced: bool | None
    top10_holders_pct: float | None
    lp_locked: bool | None
    risk: Literal["low", "medium", "high", "unknown"]


class _Reached(TypedDict):
    rank: Rank
    rank_score: float


class Reached(_Reached, total=False):
    """What earlier rows of an episode reached: the best, and beside it those that beat it on score alone."""

    others: list[Reached]


class Timing(TypedDict):
    """How long the server itself took, in milliseconds."""

    ingest_ms: float
    score_ms: float


class _ConsensusBuy(TypedDict):
    seq: int
    published_at: str
    id: str
    detected_at: str
    signal_type: Literal["consensus_buy"]
    market: Literal["crypto"]
    rank: Rank
    rank_score: float
    token: Token
    wallet_count: int
    pool_wallet_count: int
    other_buyer_count: int
    wallet_score_sum: float
    triggering_wallets: list[TriggeringWallet]
    rug_check: RugCheck
    episode_id: str
    latency_ms: int
    timing: Timing


class ConsensusBuy(_ConsensusBuy, total=False):
    """Several wallets of the pool bought one token within the window. A later row of the same episode has `update`."""

    update: int
    best_before: Reached


class ConsensusExit(TypedDict):
    """The wallets of an episode are out again. Rank and score are the best that the episode had."""

    seq: int
    published_at: str
    id: str
    detected_at: str
    signal_type: Literal["consensus_exit"]
    market: Literal["crypto"]
    rank: Rank | None
    rank_score: float | None
    token: Token
    triggering_wallet_count: int
    exited_wallets: list[str]
    episode_id: str
    best_before: Reached | None
    latency_ms: int
    timing: Timing
