"""What the API answers. Written from the server's own description of itself, `/openapi.json`; not by hand."""

from __future__ import annotations

from typing import Literal, TypedDict

from .insider import (
    CompanyBrief as CompanyBrief,
    Direction as Direction,
    Factor as Factor,
    InsiderBrief as InsiderBrief,
    Modifier as Modifier,
    Owner as Owner,
    ScoreInputs as ScoreInputs,
    Transaction as Transaction,
    TransactionRow as TransactionRow,
)
from .rest import (
    Deliveries as Deliveries,
    Digest as Digest,
    Meta as Meta,
    SignalList as SignalList,
)
from .signal import (
    Signal as Signal,
)


class NewTicket(TypedDict):
    """What opens a stream where no header can be sent."""

    ticket: str
    """For `?ticket=`; it opens one stream."""
    expires_in: int
    """Seconds within which it must be used."""


class OfHorizon(TypedDict):
    """After so many days: excess over the benchmark as fractions. A purchase wins above the benchmark, a sale below it."""

    days: int
    n: int
    """Matured outcomes; the rest is null where there is none."""
    median: float | None
    winsorisedMean: float | None
    """Mean of the returns held to ±50 %."""
    wins: int
    winRate: float | None
    winRateLow: float | None
    """Wilson's 95 % interval of the win rate."""
    winRateHigh: float | None


class OfDirection(TypedDict):
    """Of one direction."""

    direction: Direction
    horizons: list[OfHorizon]


class Backtest(TypedDict):
    """Summaries of excess returns."""

    directions: list[OfDirection]
    """Purchases, then sales; one of them where `direction` says so."""


class Company(TypedDict):
    """A company. What no source tells is null."""

    slug: str
    name: str
    isin: str | None
    market: str
    """Code of its market."""
    yahooSymbol: str | None
    marketCap: float | None
    currentPrice: float | None
    trailingPE: float | None
    forwardPE: float | None
    priceToBook: float | None
    beta: float | None
    debtToEquity: float | None
    analystReco: str | None
    analystScore: float | None
    targetMean: float | None
    targetHigh: float | None
    targetLow: float | None
    numAnalysts: int | None
    dividendYield: float | None
    fiftyTwoWeekHigh: float | None
    fiftyTwoWeekLow: float | None
    fiftyDayAverage: float | None
    twoHundredDayAverage: float | None
    revenue: float | None
    ebitda: float | None
    netIncome: float | None
    totalDebt: float | None
    freeCashFlow: float | None
    dilutedEps: float | None
    sharesOut: float | None
    description: str | None
    logoUrl: str | None
    declarationsCount: int
    insidersCount: int
    priceAt: str | None
    """The session of `currentPrice`."""
    financialsAt: str | None
    analystAt: str | None


class Close(TypedDict):
    """A close."""

    date: str
    """The session; of a week or a month, the last one in it."""
    close: float
    """Adjusted for splits and dividends, as its source gives it."""


Band = Literal["strong", "high", "notable"]
"""`strong` from 70, `high` from 50, `notable` from 40."""


class _DeclarationSignal(TypedDict):
    score: float | None
    """0 to 100."""
    band: Band | None
    """`strong` from 70, `high` from 50, `notable` from 40."""
    scoreVersion: str
    pctOfMarketCap: float | None
    pctOfInsiderFlow: float | None
    insiderCumNet: float | None
    isCluster: bool
    """At least two insiders dealt the same way within 30 days."""
    scoredAt: str | None
    reason: str | None
    """Why there is no score; null where there is one."""


class DeclarationSignal(_DeclarationSignal, total=False):
    """What the score says of a declaration."""

    duplicateOf: str | None
    """The declaration that told the same block first."""
    supersededBy: str | None
    """The filing that took this one's place."""


Horizons = TypedDict(
    "Horizons",
    {
        "30d": float | None,
        "60d": float | None,
        "90d": float | None,
        "160d": float | None,
        "180d": float | None,
        "365d": float | None,
        "730d": float | None,
    },
)
"""A number for each horizon; null where it is not matured or not known."""


BacktestResult = TypedDict(
    "BacktestResult",
    {
        "direction": Direction,
        # Close of the first session after the day of publication.
        "priceAtTrade": float | None,
        # Close at each horizon.
        "price": Horizons,
        # Return since `priceAtTrade`, a fraction.
        "return": Horizons,
        # That return less the benchmark's.
        "excess": Horizons,
        "computedAt": str,
    },
)
"""What became of the price, as far as it is matured."""


class Declaration(TypedDict):
    """One filing's dealings of one kind."""

    amfId: str
    """Its name: the filing's, or the filing's and its code."""
    pubDate: str
    """When the public could read it."""
    transactionDate: str | None
    """First day of the dealings."""
    pdfUrl: str | None
    """Where the regulator shows it."""
    company: CompanyBrief
    publishedEstimated: bool
    """The regulator says only the day: its end is meant."""
    form: str
    """The regulator's form."""
    insider: InsiderBrief
    transaction: Transaction
    direction: Direction | None
    """`BUY` or `SELL` of what has a score; else null, whatever the codes of its rows: it is neither, cannot be, is told twice, was
    replaced, or waits for its first assessment."""
    transactions: list[TransactionRow]
    """Each row as filed."""
    owners: list[Owner]
    """Everybody who reports."""
    signal: DeclarationSignal
    backtest: BacktestResult | None


class FlowItem(TypedDict):
    """A period."""

    period: str
    """`2023-03` or `2023-W09`."""
    buy: float
    sell: float
    net: float
    nBuyers: int
    """Distinct insiders who bought."""
    nSellers: int
    """Distinct insiders who sold."""


class FlowInsider(TypedDict):
    """An insider: those who are one in their dealings are one here."""

    slug: str
    name: str
    buy: float
    sell: float
    net: float


FlowState = Literal["accumulation", "distribution", "neutral", "insufficient"]
"""`accumulation` from an `npr` of 0.5 and two net buyers on, `distribution` from -0.5 and two net sellers on, `insufficient` below two
declarations."""


FlowSignal = TypedDict(
    "FlowSignal",
    {
        "state": FlowState,
        # (bought − sold) / (bought + sold).
        "npr": float | None,
        "netBuyers": int,
        "netSellers": int,
        "from": str,
        "to": str,
    },
)
"""What the last 90 days say."""


class Flow(TypedDict):
    """Net flow by period, by insider, and over the last 90 days. Amounts are in the market's currency."""

    items: list[FlowItem]
    """Periods in which something was dealt, the earliest first."""
    insiders: list[FlowInsider]
    """The largest net in either direction first."""
    signal90: FlowSignal


class Audit(TypedDict):
    """A score, and why; or why there is none."""

    amfId: str
    scoreVersion: str
    direction: Direction | None
    score: float | None
    """0 to 100, after the modifiers."""
    raw: float | None
    """Sum of the factors' points."""
    band: Band | None
    coverage: int | None
    """Sum of the caps of the factors whose value is known."""
    modifiers: list[Modifier]
    factors: list[Factor]
    """Nine; none without a score."""
    late: bool | None
    """Published more than two business days after the first trade day."""
    inputs: ScoreInputs | None
    """All that the factors were computed from."""
    reason: str | None
    """Why there is no score; null where there is one."""
    revision: int
    """How often it was assessed: a fact that came late makes a new revision."""
    assessedAt: str | None
    """When this revision took the place of the one before; null before the first."""


class Health(TypedDict):
    """Whether the service works."""

    status: str
    """`ok`: otherwise this is a 503."""
    database: str
    """`ok`: it can be read."""
    version: str
    """The server's version."""


class PostCompany(TypedDict):
    """Which company."""

    name: str
    slug: str


class Post(TypedDict):
    """What an insider is to a company."""

    function: str | None
    company: PostCompany


class InsiderStats(TypedDict):
    """An insider's scores; null where there is none."""

    avgScore: float | None
    maxScore: float | None


class Insider(TypedDict):
    """Somebody who deals in shares of companies that he or she is close to."""

    slug: str
    name: str
    gender: str | None
    """No regulator tells it."""
    declarationsCount: int
    companiesCount: int
    companies: list[Post]
    """The latest first."""
    stats: InsiderStats


Coverage = TypedDict(
    "Coverage",
    {
        "from": str | None,
        "to": str | None,
    },
)
"""From the first publication to the latest."""


class MarketEntry(TypedDict):
    """A regulator's market."""

    code: str
    """What `market` may say."""
    regulator: str
    """Who publishes its filings."""
    name: str
    currency: str
    """ISO 4217, of its amounts unless a declaration says otherwise."""
    timeZone: str
    declarationsCount: int
    """All that it published, what cannot be what it says included: `/api/v1/stats` leaves that out."""
    companiesCount: int
    insidersCount: int
    coverage: Coverage


class User(TypedDict):
    """The account."""

    id: str
    """UUID."""
    name: str
    createdAt: str
    expiresAt: str | None
    """When the subscription lapses; null is never."""


KeyKind = Literal["stream", "data"]
"""What a key is for."""


class Key(TypedDict):
    """The key, but for its secret."""

    id: str
    """UUID."""
    prefix: str
    """Its visible beginning."""
    kind: KeyKind
    createdAt: str
    expiresAt: str | None
    """When it ends by itself; null is never."""


class PlanFacts(TypedDict):
    """What the plan allows."""

    name: str
    stream: bool
    rest: bool
    webhooks: bool
    webhookEndpoints: int
    mcp: bool
    requestsPerDay: int | None
    """Requests a UTC day of this key; null is no limit by the day."""
    requestsPerMonth: int | None
    """Requests a UTC month of this key; null is no limit by the month."""
    requestsPerSecond: int | None
    """Requests a second that this key may go on making; null is no limit by the second."""
    burst: int | None
    """Requests that this key may make at once after a rest; null is no limit by the second."""


class UsageFacts(TypedDict):
    """Requests made with this key, this one included."""

    today: int
    """Since 00:00 UTC."""
    thisMonth: int
    """Since the first of the UTC month."""
    total: int
    """Ever."""


class Me(TypedDict):
    """Whose key this is."""

    user: User
    key: Key
    plan: PlanFacts
    usage: UsageFacts


HitType = Literal["company", "insider"]
"""As what it is known."""


class SearchHit(TypedDict):
    """What was found."""

    type: HitType
    slug: str
    name: str
    market: str
    """Code of its market."""
    yahooSymbol: str | None
    """A company's ticker."""
    isin: str | None
    """A company's ISIN."""
    declarationsCount: int


class Directions(TypedDict):
    """How many purchases and sales that count."""

    BUY: int
    SELL: int


class Counts(TypedDict):
    """How many declarations."""

    declarations: int
    scored: int
    """With a score."""
    directions: Directions


class MarketStats(Counts):
    """What there is of a market."""

    companies: int
    insiders: int


class Stats(Counts):
    """What there is on the whole. What cannot be what it says is left out, and counted apart."""

    companies: int
    insiders: int
    suspect: int
    """Declarations that cannot be what they say: in no other number here."""
    markets: dict[str, MarketStats]
    """By code."""


class Strategy(TypedDict):
    """The kind of signal and its record in the filing's own market, out of sample: only outcomes that were matured before its
    publication."""

    n: int
    """Matured outcomes."""
    wins: int
    winRate: float
    winRateLow: float
    """Wilson's 95 % interval of the win rate; the list is ranked by this lower end."""
    winRateHigh: float
    winsorisedMean: float
    """Mean of the returns held to ±50 %."""
    market: str
    """Code of the market whose filings the record is of: the filing's own."""
    direction: Direction
    band: Band
    isCluster: bool
    horizonDays: int
    """Days from entry to exit."""


class Winning(Declaration):
    """A declaration, and how its kind of signal had done before it was published."""

    strategy: Strategy


class WebhookFilter(TypedDict):
    """What passes a webhook's filter; null is everything."""

    types: list[str] | None
    """Any of these signal types."""
    min_rank: str | None
    """At least this rank."""
    min_score: float | None
    """At least this score."""
    market: str | None
    """Of this market."""


class DisabledWebhook(TypedDict):
    """Why a webhook is not sent to."""

    why: str
    """`asked`: its owner wants it so. `gone`: it answered 410. `failing`: for days it acknowledged nothing."""
    at: str
    """Since when."""


class WebhookState(TypedDict):
    """How a webhook's messages fare."""

    sent_to: str
    """Its place in the log, `<epoch>-<seq>`: all up to there was acknowledged, waits, failed, or did not pass."""
    behind: int | None
    """Signals of the log behind that place, whether or not they pass; null where it stands in a log that is no more."""
    waiting: int
    """Messages that are sent again later."""
    failed: int
    """Messages that were given up after their last attempt."""
    failing_since: str | None
    """The first attempt that failed since the last that did not; null: none has."""
    answered_at: str | None
    """The last attempt that was acknowledged; null: none was."""


class Webhook(TypedDict):
    """An endpoint."""

    id: str
    """UUID."""
    url: str
    """Where messages go."""
    filter: WebhookFilter
    """What passes."""
    description: str
    """Its owner's words."""
    enabled: bool
    """Whether it is sent to."""
    disabled: DisabledWebhook | None
    """Why it is not sent to, and since when; null while it is."""
    ordered: bool
    """Each signal only once the one before is answered or failed."""
    compat: str | None
    """`sigmate`: that service's headers beside the standard's; null: none."""
    created_at: str
    """When it was made."""
    old_secret_until: str | None
    """Until when the secret before signs beside the new one; null: there is none that counts."""
    state: WebhookState
    """How its messages fare."""


class WebhookWithSecret(Webhook):
    """An endpoint and its secret, which is shown this once."""

    secret: str
    """What its messages are signed with. It cannot be read again."""


class WebhookAttempt(TypedDict):
    """An attempt."""

    id: int
    """Its number: it grows with time."""
    signal_id: str
    """The signal's id, or the test's own."""
    seq: int | None
    """The signal's seq; null: it was a test."""
    attempt: int
    """The how many-th at this message."""
    at: str
    """When it began."""
    latency_ms: float
    """Milliseconds from there to the answer, or to the failure."""
    status: int | None
    """The answer's status; null: there was none."""
    error: str | None
    """What kind of failure; null: it was acknowledged."""
    answer: str | None
    """The first kB of the answer, or why there was none."""


class WebhookAttempts(TypedDict):
    """Attempts, the latest first."""

    items: list[WebhookAttempt]
    """These."""
    next: int | None
    """For `before`: the older ones; null: there are none."""


class FailedMessage(TypedDict):
    """A message that was given up after its last attempt."""

    signal_id: str
    """The signal's id."""
    seq: int
    """Its seq."""
    attempts: int
    """Attempts that were made."""
    first_at: str
    """When the first was made."""


class Resent(TypedDict):
    """What is sent again: the signals behind `after`, up to `until`."""

    signal_id: str | None
    """The id of the one signal; null: it is a stretch of the log."""
    after: str
    """Behind this place, ..."""
    until: str
    """... up to this one."""
    failed_since: str | None
    """Only what failed, and was first sent from then on; null: all that passes."""


class _Page(TypedDict):
    """A page of a list."""

    total: int
    """Items that there are, on whatever page."""
    limit: int
    """Items on a page at most."""
    offset: int
    """Items passed over."""
    meta: Meta


class BacktestAnswer(Backtest):
    meta: Meta


class CompanyList(_Page):
    items: list[Company]


class CompanyAnswer(Company):
    meta: Meta


class CloseList(_Page):
    items: list[Close]


class DeclarationList(_Page):
    items: list[Declaration]


class FlowAnswer(Flow):
    meta: Meta


class DeclarationAnswer(Declaration):
    meta: Meta


class AuditAnswer(Audit):
    meta: Meta


class HealthAnswer(Health):
    meta: Meta


class InsiderList(_Page):
    items: list[Insider]


class InsiderAnswer(Insider):
    meta: Meta


class MarketEntryList(_Page):
    items: list[MarketEntry]


class MeAnswer(Me):
    meta: Meta


class SearchHitList(_Page):
    items: list[SearchHit]


class StatsAnswer(Stats):
    meta: Meta


class WinningList(_Page):
    items: list[Winning]


class WebhookList(_Page):
    items: list[Webhook]


class WebhookWithSecretAnswer(WebhookWithSecret):
    meta: Meta


class WebhookAnswer(Webhook):
    meta: Meta


class WebhookAttemptsAnswer(WebhookAttempts):
    meta: Meta


class WebhookAttemptAnswer(WebhookAttempt):
    meta: Meta


class FailedMessageList(_Page):
    items: list[FailedMessage]


class ResentAnswer(Resent):
    meta: Meta


Reads = TypedDict(
    "Reads",
    {
        "/api/signals": SignalList,
        "/api/signals/digest": Digest,
        "/api/signals/{id}": Signal,
        "/api/v1/backtest": BacktestAnswer,
        "/api/v1/companies": CompanyList,
        "/api/v1/companies/{slug}": CompanyAnswer,
        "/api/v1/companies/{slug}/closes": CloseList,
        "/api/v1/companies/{slug}/declarations": DeclarationList,
        "/api/v1/companies/{slug}/net-flow": FlowAnswer,
        "/api/v1/declarations": DeclarationList,
        "/api/v1/declarations/{amfId}": DeclarationAnswer,
        "/api/v1/declarations/{amfId}/score": AuditAnswer,
        "/api/v1/deliveries": Deliveries,
        "/api/v1/health": HealthAnswer,
        "/api/v1/insiders": InsiderList,
        "/api/v1/insiders/{slug}": InsiderAnswer,
        "/api/v1/insiders/{slug}/declarations": DeclarationList,
        "/api/v1/markets": MarketEntryList,
        "/api/v1/me": MeAnswer,
        "/api/v1/search": SearchHitList,
        "/api/v1/signals": DeclarationList,
        "/api/v1/stats": StatsAnswer,
        "/api/v1/strategy/winning": WinningList,
        "/api/v1/webhooks": WebhookList,
        "/api/v1/webhooks/{id}": WebhookAnswer,
        "/api/v1/webhooks/{id}/attempts": WebhookAttemptsAnswer,
        "/api/v1/webhooks/{id}/attempts/{number}": WebhookAttemptAnswer,
        "/api/v1/webhooks/{id}/failed": FailedMessageList,
    },
)
"""What each read answers, by its path."""
