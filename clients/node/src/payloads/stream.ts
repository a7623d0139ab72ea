/** What the stream says beside signals. */

/** The first frame of a stream. */
export interface Hello {
  user_id: string;
  key_id: string;
  plan: string;
  /** Names the log. */
  epoch: string;
  /** Head of the log. */
  seq: number;
  /** Where a resumed stream goes on from. */
  resumed_from: number | null;
  ping_seconds: number;
  server_time: string;
}

export type GapReason =
  /** Older than what the server keeps. */
  | "pruned"
  /** The log is another one now. */
  | "epoch_changed"
  /** The place that was asked for is none. */
  | "unknown_id"
  /** The place that was asked for is behind the log's end: it was put back. */
  | "ahead_of_log"
  /** Seen by this client: places of the log that neither the stream nor the log itself has shown. */
  | "missing";

/** Signals that were asked for and cannot be had any more. Both ends inclusive, null where unknown. */
export interface Gap {
  from: number | null;
  to: number | null;
  reason: GapReason;
  /** Path and query of what may be had in their place. */
  backfill: string | null;
}

/** A proof of life with a place. */
export interface Heartbeat {
  seq: number;
  server_time: string;
  /** On filtered streams: the signals sent since `hello`. */
  matched?: number;
}

/** Last frame of a stream that may be opened again. */
export interface Bye {
  reason: string;
}

/** Last frame of a stream that ends for a reason of its own. */
export interface StreamError {
  code: "key_revoked" | "subscription_expired" | "superseded" | "slow_consumer" | (string & {});
  status: number;
  message: string;
  retryable: boolean;
}
