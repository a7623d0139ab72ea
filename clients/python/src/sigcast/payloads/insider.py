"""Signals of insider filings, as the server writes them: a scored declaration, and why it has that score."""

from __future__ import annotations

from typing import Literal, TypedDict

from .consensus import Rank, Timing

Direction = Literal["BUY", "SELL"]


class CompanyBrief(TypedDict):
    name: str
    slug: str
    yahooSymbol: str | None
    marketCap: float | None


class InsiderBrief(TypedDict):
    name: str
    slug: str
    function: str | None


class Transaction(TypedDict):
    """What was dealt in all. `amount` and `totalAmount` are the same number."""

    nature: str | None
    instrument: str | None
    isin: str | None
    unitPrice: float | None
    volume: float | None
    totalAmount: float | None
    amount: float | None
    currency: str
    venue: str | None


class TransactionRow(TypedDict):
    """A row of the form."""

    code: str | None
    acquiredDisposed: Literal["A", "D"] | None
    date: str | None
    security: str | None
    shares: float | None
    price: float | None
    sharesAfter: float | None
    ownership: Literal["D", "I"] | None
    derivative: bool
    suspect: bool
    suspectReason: str | None


class Owner(TypedDict):
    id: str | None
    name: str
    director: bool
    officer: bool
    tenPercentOwner: bool
    other: bool
    title: str | None


FactorKey = Literal[
    "opportunism",
    "cluster",
    "role",
    "size_mcap",
    "size_holdings",
    "contrarian",
    "track_record",
    "net_flow",
    "timeliness",
]


class Factor(TypedDict):
    """One of the nine."""

    key: FactorKey
    value: float | str | None
    points: float
    cap: int
    rationale: str


class Modifier(TypedDict):
    name: str
    factor: float


class ScoreInputs(TypedDict):
    """All that the score was computed from."""

    direction: Direction
    opportunism: Literal["plan", "routine", "unclassified", "opportunistic"]
    clusterN: int
    role: Literal["OTHER", "BOARD", "OTHER_EXEC", "CEO", "CFO"]
    amount: float | None
    currency: str
    marketCap: float | None
    marketCapAt: str | None
    sharesTraded: float | None
    sharesBefore: float | None
    ownTrades: int
    ownMedian: float | None
    px: float | None
    pxAt: str | None
    hi52: float | None
    lo52: float | None
    pastN: int
    pastSum: float
    globalMean: float | None
    buy90: float | None
    sell90: float | None
    delayBd: int | None


class ScoreAudit(TypedDict):
    """A score of 0 to 100, and why."""

    amfId: str
    scoreVersion: str
    direction: Direction
    score: float
    raw: float
    band: Literal["notable", "high", "strong"] | None
    coverage: int
    modifiers: list[Modifier]
    factors: list[Factor]
    late: bool | None
    inputs: ScoreInputs


class InsiderSignal(TypedDict):
    """A fresh filing that scored high enough."""

    seq: int
    published_at: str
    id: str
    detected_at: str
    signal_type: Literal["insider_buy", "insider_sell", "insider_cluster_buy", "insider_cluster_sell"]
    market: str
    rank: Rank
    rank_score: float
    amfId: str
    pubDate: str
    transactionDate: str | None
    pdfUrl: str | None
    company: CompanyBrief
    publishedEstimated: bool
    form: str
    insider: InsiderBrief
    transaction: Transaction
    direction: Direction | None
    transactions: list[TransactionRow]
    owners: list[Owner]
    score: ScoreAudit
    latency_ms: int
    timing: Timing
