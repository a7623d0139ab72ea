/** Signals of insider filings, as the server writes them: a scored declaration, and why it has that score. */

import type { Timing } from "./consensus.js";
import type { Rank, SignalBase } from "./signal.js";

export type Direction = "BUY" | "SELL";

export interface CompanyBrief {
  name: string;
  slug: string;
  yahooSymbol: string | null;
  marketCap: number | null;
}

export interface InsiderBrief {
  name: string;
  slug: string;
  function: string | null;
}

/** What was dealt in all. `amount` and `totalAmount` are the same number. */
export interface Transaction {
  nature: string | null;
  instrument: string | null;
  isin: string | null;
  unitPrice: number | null;
  volume: number | null;
  totalAmount: number | null;
  amount: number | null;
  /** ISO 4217. */
  currency: string;
  venue: string | null;
}

/** A row of the form. */
export interface TransactionRow {
  code: string | null;
  acquiredDisposed: "A" | "D" | null;
  /** A day: `2026-04-24`. */
  date: string | null;
  security: string | null;
  shares: number | null;
  price: number | null;
  sharesAfter: number | null;
  ownership: "D" | "I" | null;
  derivative: boolean;
  suspect: boolean;
  suspectReason: string | null;
}

export interface Owner {
  id: string | null;
  name: string;
  director: boolean;
  officer: boolean;
  tenPercentOwner: boolean;
  other: boolean;
  title: string | null;
}

export type FactorKey =
  | "opportunism"
  | "cluster"
  | "role"
  | "size_mcap"
  | "size_holdings"
  | "contrarian"
  | "track_record"
  | "net_flow"
  | "timeliness";

/** One of the nine. */
export interface Factor {
  key: FactorKey;
  /** What was measured; null where an input is missing. */
  value: number | string | null;
  points: number;
  cap: number;
  rationale: string;
}

export interface Modifier {
  name: string;
  factor: number;
}

/** All that the score was computed from. */
export interface ScoreInputs {
  direction: Direction;
  opportunism: "plan" | "routine" | "unclassified" | "opportunistic";
  clusterN: number;
  role: "OTHER" | "BOARD" | "OTHER_EXEC" | "CEO" | "CFO";
  amount: number | null;
  currency: string;
  marketCap: number | null;
  marketCapAt: string | null;
  sharesTraded: number | null;
  sharesBefore: number | null;
  ownTrades: number;
  ownMedian: number | null;
  px: number | null;
  pxAt: string | null;
  hi52: number | null;
  lo52: number | null;
  pastN: number;
  pastSum: number;
  globalMean: number | null;
  buy90: number | null;
  sell90: number | null;
  delayBd: number | null;
}

/** A score of 0 to 100, and why. */
export interface ScoreAudit {
  amfId: string;
  scoreVersion: string;
  direction: Direction;
  score: number;
  raw: number;
  band: "notable" | "high" | "strong" | null;
  /** Sum of the caps of the factors whose value is known. */
  coverage: number;
  modifiers: Modifier[];
  factors: Factor[];
  late: boolean | null;
  inputs: ScoreInputs;
}

/** A fresh filing that scored high enough. */
export interface InsiderSignal extends SignalBase {
  signal_type: "insider_buy" | "insider_sell" | "insider_cluster_buy" | "insider_cluster_sell";
  market: string;
  rank: Rank;
  rank_score: number;
  amfId: string;
  pubDate: string;
  transactionDate: string | null;
  pdfUrl: string | null;
  company: CompanyBrief;
  publishedEstimated: boolean;
  form: string;
  insider: InsiderBrief;
  transaction: Transaction;
  direction: Direction | null;
  transactions: TransactionRow[];
  owners: Owner[];
  score: ScoreAudit;
  latency_ms: number;
  timing: Timing;
}
