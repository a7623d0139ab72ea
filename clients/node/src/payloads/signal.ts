/** A signal as it comes on every channel. New fields may be added at any time. */

import type { ConsensusBuy, ConsensusExit } from "./consensus.js";
import type { InsiderSignal } from "./insider.js";

/** The best is S. */
export type Rank = "S" | "A" | "B" | "C" | "D";

/** What every signal has. */
export interface SignalBase {
  /** Its place in the log, counted from 1 without a hole: a safe integer. */
  seq: number;
  /** When it was published: ISO 8601, UTC, milliseconds. */
  published_at: string;
  /** UUID, the same on every channel and however often it comes. */
  id: string;
  /** When what fired it happened. */
  detected_at: string;
  signal_type: string;
}

/** What an operator publishes ready-made holds what its publisher says: only the first three fields are the server's. */
export interface PublishedSignal {
  seq: number;
  published_at: string;
  id: string;
  detected_at?: string;
  signal_type?: string;
  rank?: Rank | null;
  rank_score?: number | null;
  market?: string;
  [field: string]: unknown;
}

export type Signal = ConsensusBuy | ConsensusExit | InsiderSignal | PublishedSignal;

/** Whether it is the consensus engine's `consensus_buy`. */
export function isConsensusBuy(signal: Signal): signal is ConsensusBuy {
  return signal.signal_type === "consensus_buy" && "triggering_wallets" in signal;
}

/** Whether it is the consensus engine's `consensus_exit`. */
export function isConsensusExit(signal: Signal): signal is ConsensusExit {
  return signal.signal_type === "consensus_exit" && "exited_wallets" in signal;
}

/** Whether it is a scored filing. */
export function isInsiderSignal(signal: Signal): signal is InsiderSignal {
  return (signal.signal_type ?? "").startsWith("insider_") && "amfId" in signal;
}

/** What a stream calls a signal. */
export type EventName = "signal" | "signal_update" | "signal_exit";

/** By which way a signal came. */
export type Channel = "stream" | "log" | "webhook";

/** A signal, and how it came. */
export interface SignalEvent {
  /** `<epoch>-<seq>`: the `id:` of its frame. Null on webhooks, which do not tell the epoch. */
  place: string | null;
  event: EventName;
  channel: Channel;
  signal: Signal;
  /** The bytes as they were sent, as text: for decimals beyond a double's digits, and for digests. */
  raw: string;
}
