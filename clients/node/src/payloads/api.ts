/** What the API answers. Written from the server's own description of itself, `/openapi.json`; not by hand. */

import type { CompanyBrief, Direction, Factor, InsiderBrief, Modifier, Owner, ScoreInputs, Transaction, TransactionRow } from "./insider.js";
import type { Deliveries, Digest, Meta, SignalList } from "./rest.js";
import type { Signal } from "./signal.js";

/** An object, and `meta` as its last member. */
export type Answer<T> = T & { meta: Meta };

/** A page of a list. */
export interface Listed<T> {
  /** Items that there are, on whatever page. */
  total: number;
  /** Items on a page at most. */
  limit: number;
  /** Items passed over. */
  offset: number;
  meta: Meta;
  items: T[];
}

/** What opens a stream where no header can be sent. */
export interface NewTicket {
  /** For `?ticket=`; it opens one stream. */
  ticket: string;
  /** Seconds within which it must be used. */
  expires_in: number;
}

/** After so many days: excess over the benchmark as fractions. A purchase wins above the benchmark, a sale below it. */
export interface OfHorizon {
  days: number;
  /** Matured outcomes; the rest is null where there is none. */
  n: number;
  median: number | null;
  /** Mean of the returns held to ±50 %. */
  winsorisedMean: number | null;
  wins: number;
  winRate: number | null;
  /** Wilson's 95 % interval of the win rate. */
  winRateLow: number | null;
  winRateHigh: number | null;
}

/** Of one direction. */
export interface OfDirection {
  direction: Direction;
  horizons: OfHorizon[];
}

/** Summaries of excess returns. */
export interface Backtest {
  /** Purchases, then sales; one of them where `direction` says so. */
  directions: OfDirection[];
}

/** A company. What no source tells is null. */
export interface Company {
  slug: string;
  name: string;
  isin: string | null;
  /** Code of its market. */
  market: string;
  yahooSymbol: string | null;
  marketCap: number | null;
  currentPrice: number | null;
  trailingPE: number | null;
  forwardPE: number | null;
  priceToBook: number | null;
  beta: number | null;
  debtToEquity: number | null;
  analystReco: string | null;
  analystScore: number | null;
  targetMean: number | null;
  targetHigh: number | null;
  targetLow: number | null;
  numAnalysts: number | null;
  dividendYield: number | null;
  fiftyTwoWeekHigh: number | null;
  fiftyTwoWeekLow: number | null;
  fiftyDayAverage: number | null;
  twoHundredDayAverage: number | null;
  revenue: number | null;
  ebitda: number | null;
  netIncome: number | null;
  totalDebt: number | null;
  freeCashFlow: number | null;
  dilutedEps: number | null;
  sharesOut: number | null;
  description: string | null;
  logoUrl: string | null;
  declarationsCount: number;
  insidersCount: number;
  /** The session of `currentPrice`. */
  priceAt: string | null;
  financialsAt: string | null;
  analystAt: string | null;
}

/** A close. */
export interface Close {
  /** The session; of a week or a month, the last one in it. */
  date: string;
  /** Adjusted for splits and dividends, as its source gives it. */
  close: number;
}

/** `strong` from 70, `high` from 50, `notable` from 40. */
export type Band = "strong" | "high" | "notable";

/** What the score says of a declaration. */
export interface DeclarationSignal {
  /** 0 to 100. */
  score: number | null;
  /** `strong` from 70, `high` from 50, `notable` from 40. */
  band: Band | null;
  scoreVersion: string;
  pctOfMarketCap: number | null;
  pctOfInsiderFlow: number | null;
  insiderCumNet: number | null;
  /** At least two insiders dealt the same way within 30 days. */
  isCluster: boolean;
  scoredAt: string | null;
  /** Why there is no score; null where there is one. */
  reason: string | null;
  /** The declaration that told the same block first. */
  duplicateOf?: string | null;
  /** The filing that took this one's place. */
  supersededBy?: string | null;
}

/** A number for each horizon; null where it is not matured or not known. */
export interface Horizons {
  "30d": number | null;
  "60d": number | null;
  "90d": number | null;
  "160d": number | null;
  "180d": number | null;
  "365d": number | null;
  "730d": number | null;
}

/** What became of the price, as far as it is matured. */
export interface BacktestResult {
  direction: Direction;
  /** Close of the first session after the day of publication. */
  priceAtTrade: number | null;
  /** Close at each horizon. */
  price: Horizons;
  /** Return since `priceAtTrade`, a fraction. */
  return: Horizons;
  /** That return less the benchmark's. */
  excess: Horizons;
  computedAt: string;
}

/** One filing's dealings of one kind. */
export interface Declaration {
  /** Its name: the filing's, or the filing's and its code. */
  amfId: string;
  /** When the public could read it. */
  pubDate: string;
  /** First day of the dealings. */
  transactionDate: string | null;
  /** Where the regulator shows it. */
  pdfUrl: string | null;
  company: CompanyBrief;
  /** The regulator says only the day: its end is meant. */
  publishedEstimated: boolean;
  /** The regulator's form. */
  form: string;
  insider: InsiderBrief;
  transaction: Transaction;
  /**
   * `BUY` or `SELL` of what has a score; else null, whatever the codes of its rows: it is neither, cannot be, is told twice, was replaced,
   * or waits for its first assessment.
   */
  direction: Direction | null;
  /** Each row as filed. */
  transactions: TransactionRow[];
  /** Everybody who reports. */
  owners: Owner[];
  signal: DeclarationSignal;
  backtest: BacktestResult | null;
}

/** A period. */
export interface FlowItem {
  /** `2023-03` or `2023-W09`. */
  period: string;
  buy: number;
  sell: number;
  net: number;
  /** Distinct insiders who bought. */
  nBuyers: number;
  /** Distinct insiders who sold. */
  nSellers: number;
}

/** An insider: those who are one in their dealings are one here. */
export interface FlowInsider {
  slug: string;
  name: string;
  buy: number;
  sell: number;
  net: number;
}

/**
 * `accumulation` from an `npr` of 0.5 and two net buyers on, `distribution` from -0.5 and two net sellers on, `insufficient` below two
 * declarations.
 */
export type FlowState = "accumulation" | "distribution" | "neutral" | "insufficient";

/** What the last 90 days say. */
export interface FlowSignal {
  state: FlowState;
  /** (bought − sold) / (bought + sold). */
  npr: number | null;
  netBuyers: number;
  netSellers: number;
  from: string;
  to: string;
}

/** Net flow by period, by insider, and over the last 90 days. Amounts are in the market's currency. */
export interface Flow {
  /** Periods in which something was dealt, the earliest first. */
  items: FlowItem[];
  /** The largest net in either direction first. */
  insiders: FlowInsider[];
  signal90: FlowSignal;
}

/** A score, and why; or why there is none. */
export interface Audit {
  amfId: string;
  scoreVersion: string;
  direction: Direction | null;
  /** 0 to 100, after the modifiers. */
  score: number | null;
  /** Sum of the factors' points. */
  raw: number | null;
  band: Band | null;
  /** Sum of the caps of the factors whose value is known. */
  coverage: number | null;
  modifiers: Modifier[];
  /** Nine; none without a score. */
  factors: Factor[];
  /** Published more than two business days after the first trade day. */
  late: boolean | null;
  /** All that the factors were computed from. */
  inputs: ScoreInputs | null;
  /** Why there is no score; null where there is one. */
  reason: string | null;
  /** How often it was assessed: a fact that came late makes a new revision. */
  revision: number;
  /** When this revision took the place of the one before; null before the first. */
  assessedAt: string | null;
}

/** Whether the service works. */
export interface Health {
  /** `ok`: otherwise this is a 503. */
  status: string;
  /** `ok`: it can be read. */
  database: string;
  /** The server's version. */
  version: string;
}

/** Which company. */
export interface PostCompany {
  name: string;
  slug: string;
}

/** What an insider is to a company. */
export interface Post {
  function: string | null;
  company: PostCompany;
}

/** An insider's scores; null where there is none. */
export interface InsiderStats {
  avgScore: number | null;
  maxScore: number | null;
}

/** Somebody who deals in shares of companies that he or she is close to. */
export interface Insider {
  slug: string;
  name: string;
  /** No regulator tells it. */
  gender: string | null;
  declarationsCount: number;
  companiesCount: number;
  /** The latest first. */
  companies: Post[];
  stats: InsiderStats;
}

/** From the first publication to the latest. */
export interface Coverage {
  from: string | null;
  to: string | null;
}

/** A regulator's market. */
export interface MarketEntry {
  /** What `market` may say. */
  code: string;
  /** Who publishes its filings. */
  regulator: string;
  name: string;
  /** ISO 4217, of its amounts unless a declaration says otherwise. */
  currency: string;
  timeZone: string;
  /** All that it published, what cannot be what it says included: `/api/v1/stats` leaves that out. */
  declarationsCount: number;
  companiesCount: number;
  insidersCount: number;
  coverage: Coverage;
}

/** The account. */
export interface User {
  /** UUID. */
  id: string;
  name: string;
  createdAt: string;
  /** When the subscription lapses; null is never. */
  expiresAt: string | null;
}

/** What a key is for. */
export type KeyKind = "stream" | "data";

/** The key, but for its secret. */
export interface Key {
  /** UUID. */
  id: string;
  /** Its visible beginning. */
  prefix: string;
  kind: KeyKind;
  createdAt: string;
  /** When it ends by itself; null is never. */
  expiresAt: string | null;
}

/** What the plan allows. */
export interface PlanFacts {
  name: string;
  stream: boolean;
  rest: boolean;
  webhooks: boolean;
  webhookEndpoints: number;
  mcp: boolean;
  /** Requests a UTC day of this key; null is no limit by the day. */
  requestsPerDay: number | null;
  /** Requests a UTC month of this key; null is no limit by the month. */
  requestsPerMonth: number | null;
  /** Requests a second that this key may go on making; null is no limit by the second. */
  requestsPerSecond: number | null;
  /** Requests that this key may make at once after a rest; null is no limit by the second. */
  burst: number | null;
}

/** Requests made with this key, this one included. */
export interface UsageFacts {
  /** Since 00:00 UTC. */
  today: number;
  /** Since the first of the UTC month. */
  thisMonth: number;
  /** Ever. */
  total: number;
}

/** Whose key this is. */
export interface Me {
  user: User;
  key: Key;
  plan: PlanFacts;
  usage: UsageFacts;
}

/** As what it is known. */
export type HitType = "company" | "insider";

/** What was found. */
export interface SearchHit {
  type: HitType;
  slug: string;
  name: string;
  /** Code of its market. */
  market: string;
  /** A company's ticker. */
  yahooSymbol: string | null;
  /** A company's ISIN. */
  isin: string | null;
  declarationsCount: number;
}

/** How many purchases and sales that count. */
export interface Directions {
  BUY: number;
  SELL: number;
}

/** How many declarations. */
export interface Counts {
  declarations: number;
  /** With a score. */
  scored: number;
  directions: Directions;
}

/** What there is of a market. */
export interface MarketStats extends Counts {
  companies: number;
  insiders: number;
}

/** What there is on the whole. What cannot be what it says is left out, and counted apart. */
export interface Stats extends Counts {
  companies: number;
  insiders: number;
  /** Declarations that cannot be what they say: in no other number here. */
  suspect: number;
  /** By code. */
  markets: Record<string, MarketStats>;
}

/** The kind of signal and its record in the filing's own market, out of sample: only outcomes that were matured before its publication. */
export interface Strategy {
  /** Matured outcomes. */
  n: number;
  wins: number;
  winRate: number;
  /** Wilson's 95 % interval of the win rate; the list is ranked by this lower end. */
  winRateLow: number;
  winRateHigh: number;
  /** Mean of the returns held to ±50 %. */
  winsorisedMean: number;
  /** Code of the market whose filings the record is of: the filing's own. */
  market: string;
  direction: Direction;
  band: Band;
  isCluster: boolean;
  /** Days from entry to exit. */
  horizonDays: number;
}

/** A declaration, and how its kind of signal had done before it was published. */
export interface Winning extends Declaration {
  strategy: Strategy;
}

/** What passes a webhook's filter; null is everything. */
export interface WebhookFilter {
  /** Any of these signal types. */
  types: string[] | null;
  /** At least this rank. */
  min_rank: string | null;
  /** At least this score. */
  min_score: number | null;
  /** Of this market. */
  market: string | null;
}

/** Why a webhook is not sent to. */
export interface DisabledWebhook {
  /** `asked`: its owner wants it so. `gone`: it answered 410. `failing`: for days it acknowledged nothing. */
  why: string;
  /** Since when. */
  at: string;
}

/** How a webhook's messages fare. */
export interface WebhookState {
  /** Its place in the log, `<epoch>-<seq>`: all up to there was acknowledged, waits, failed, or did not pass. */
  sent_to: string;
  /** Signals of the log behind that place, whether or not they pass; null where it stands in a log that is no more. */
  behind: number | null;
  /** Messages that are sent again later. */
  waiting: number;
  /** Messages that were given up after their last attempt. */
  failed: number;
  /** The first attempt that failed since the last that did not; null: none has. */
  failing_since: string | null;
  /** The last attempt that was acknowledged; null: none was. */
  answered_at: string | null;
}

/** An endpoint. */
export interface Webhook {
  /** UUID. */
  id: string;
  /** Where messages go. */
  url: string;
  /** What passes. */
  filter: WebhookFilter;
  /** Its owner's words. */
  description: string;
  /** Whether it is sent to. */
  enabled: boolean;
  /** Why it is not sent to, and since when; null while it is. */
  disabled: DisabledWebhook | null;
  /** Each signal only once the one before is answered or failed. */
  ordered: boolean;
  /** `sigmate`: that service's headers beside the standard's; null: none. */
  compat: string | null;
  /** When it was made. */
  created_at: string;
  /** Until when the secret before signs beside the new one; null: there is none that counts. */
  old_secret_until: string | null;
  /** How its messages fare. */
  state: WebhookState;
}

/** An endpoint and its secret, which is shown this once. */
export interface WebhookWithSecret extends Webhook {
  /** What its messages are signed with. It cannot be read again. */
  secret: string;
}

/** An attempt. */
export interface WebhookAttempt {
  /** Its number: it grows with time. */
  id: number;
  /** The signal's id, or the test's own. */
  signal_id: string;
  /** The signal's seq; null: it was a test. */
  seq: number | null;
  /** The how many-th at this message. */
  attempt: number;
  /** When it began. */
  at: string;
  /** Milliseconds from there to the answer, or to the failure. */
  latency_ms: number;
  /** The answer's status; null: there was none. */
  status: number | null;
  /** What kind of failure; null: it was acknowledged. */
  error: string | null;
  /** The first kB of the answer, or why there was none. */
  answer: string | null;
}

/** Attempts, the latest first. */
export interface WebhookAttempts {
  /** These. */
  items: WebhookAttempt[];
  /** For `before`: the older ones; null: there are none. */
  next: number | null;
}

/** A message that was given up after its last attempt. */
export interface FailedMessage {
  /** The signal's id. */
  signal_id: string;
  /** Its seq. */
  seq: number;
  /** Attempts that were made. */
  attempts: number;
  /** When the first was made. */
  first_at: string;
}

/** What is sent again: the signals behind `after`, up to `until`. */
export interface Resent {
  /** The id of the one signal; null: it is a stretch of the log. */
  signal_id: string | null;
  /** Behind this place, ... */
  after: string;
  /** ... up to this one. */
  until: string;
  /** Only what failed, and was first sent from then on; null: all that passes. */
  failed_since: string | null;
}

/** What each read answers, by its path. */
export interface Reads {
  "/api/signals": SignalList;
  "/api/signals/digest": Digest;
  "/api/signals/{id}": Signal;
  "/api/v1/backtest": Answer<Backtest>;
  "/api/v1/companies": Listed<Company>;
  "/api/v1/companies/{slug}": Answer<Company>;
  "/api/v1/companies/{slug}/closes": Listed<Close>;
  "/api/v1/companies/{slug}/declarations": Listed<Declaration>;
  "/api/v1/companies/{slug}/net-flow": Answer<Flow>;
  "/api/v1/declarations": Listed<Declaration>;
  "/api/v1/declarations/{amfId}": Answer<Declaration>;
  "/api/v1/declarations/{amfId}/score": Answer<Audit>;
  "/api/v1/deliveries": Deliveries;
  "/api/v1/health": Answer<Health>;
  "/api/v1/insiders": Listed<Insider>;
  "/api/v1/insiders/{slug}": Answer<Insider>;
  "/api/v1/insiders/{slug}/declarations": Listed<Declaration>;
  "/api/v1/markets": Listed<MarketEntry>;
  "/api/v1/me": Answer<Me>;
  "/api/v1/search": Listed<SearchHit>;
  "/api/v1/signals": Listed<Declaration>;
  "/api/v1/stats": Answer<Stats>;
  "/api/v1/strategy/winning": Listed<Winning>;
  "/api/v1/webhooks": Listed<Webhook>;
  "/api/v1/webhooks/{id}": Answer<Webhook>;
  "/api/v1/webhooks/{id}/attempts": Answer<WebhookAttempts>;
  "/api/v1/webhooks/{id}/attempts/{number}": Answer<WebhookAttempt>;
  "/api/v1/webhooks/{id}/failed": Listed<FailedMessage>;
}

/** Paths of reads without a parameter. */
export type WholePath = Exclude<keyof Reads, `${string}{${string}`>;
