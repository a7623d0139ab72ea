/** What of the log is wanted, as the server takes it; and what a stream with this filter calls a signal. */

import type { Reached } from "./payloads/consensus.js";
import type { EventName, Rank, Signal } from "./payloads/signal.js";

/** All of it optional; what is left out lets everything pass. */
export interface Filter {
  types?: readonly string[];
  /** At least this rank. */
  minRank?: Rank;
  /** At least this `rank_score`. */
  minScore?: number;
  /** This `token.address`. */
  token?: string;
  market?: string;
}

/** The filter as parameters, always in the same order: equal filters are equal texts. */
export function filterQuery(filter: Filter): URLSearchParams {
  const query = new URLSearchParams();
  if (filter.types !== undefined) query.set("types", [...filter.types].sort().join(","));
  if (filter.minRank !== undefined) query.set("min_rank", filter.minRank);
  if (filter.minScore !== undefined) query.set("min_score", String(filter.minScore));
  if (filter.token !== undefined) query.set("token", filter.token);
  if (filter.market !== undefined) query.set("market", filter.market);
  return query;
}

const RANKS = "DCBAS";

/** What the stream would have called a signal that came another way. */
export function eventName(signal: Signal, filter: Filter): EventName {
  if (signal.signal_type === "consensus_exit") return "signal_exit";
  const best = (signal as { best_before?: Reached | null }).best_before;
  const reached = best && typeof best === "object" ? [best, ...(best.others ?? [])] : [];
  const passed = reached.some(
    (one) =>
      (filter.minRank === undefined || RANKS.indexOf(one.rank) >= RANKS.indexOf(filter.minRank)) &&
      (filter.minScore === undefined || one.rank_score >= filter.minScore),
  );
  return passed ? "signal_update" : "signal";
}
