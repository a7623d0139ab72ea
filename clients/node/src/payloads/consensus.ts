/** Signals of the consensus engine, as the server writes them. Numbers are JSON numbers with all their digits: see `SignalEvent.raw`. */

import type { Rank, SignalBase } from "./signal.js";

export interface Token {
  address: string;
  symbol: string | null;
  name: string | null;
  image_url: string | null;
  dex: string | null;
  /** Whole minutes since it was created. */
  age_minutes: number | null;
  market_cap_usd: number | null;
  liquidity_usd: number | null;
  price_sol: number | null;
  price_usd: number | null;
}

export interface TriggeringWallet {
  address: string;
  score: number;
  rank: Rank;
  /** 0 to 1. */
  win_rate: number;
  realized_pnl_usd: number;
}

export interface RugCheck {
  mint_renounced: boolean | null;
  freeze_renounced: boolean | null;
  top10_holders_pct: number | null;
  lp_locked: boolean | null;
  risk: "low" | "medium" | "high" | "unknown";
}

/** What earlier rows of an episode reached: the best, and beside it those that beat it on score alone. */
export interface Reached {
  rank: Rank;
  rank_score: number;
  others?: Reached[];
}

/** How long the server itself took, in milliseconds. */
export interface Timing {
  ingest_ms: number;
  score_ms: number;
}

/** Several wallets of the pool bought one token within the window. A later row of the same episode has `update`. */
export interface ConsensusBuy extends SignalBase {
  signal_type: "consensus_buy";
  market: "crypto";
  rank: Rank;
  rank_score: number;
  token: Token;
  wallet_count: number;
  pool_wallet_count: number;
  other_buyer_count: number;
  wallet_score_sum: number;
  triggering_wallets: TriggeringWallet[];
  rug_check: RugCheck;
  episode_id: string;
  /** 1 for the first update of the episode; absent on its first row. */
  update?: number;
  best_before?: Reached;
  latency_ms: number;
  timing: Timing;
}

/** The wallets of an episode are out again. Rank and score are the best that the episode had. */
export interface ConsensusExit extends SignalBase {
  signal_type: "consensus_exit";
  market: "crypto";
  rank: Rank | null;
  rank_score: number | null;
  token: Token;
  triggering_wallet_count: number;
  exited_wallets: string[];
  episode_id: string;
  best_before: Reached | null;
  latency_ms: number;
  timing: Timing;
}
