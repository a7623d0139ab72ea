/** What a client tells while it works, for logs and counters. Nothing of it has to be acted on, and none of it holds the key. */

import type { SigcastError } from "./errors.js";
import type { Hello } from "./payloads/stream.js";

export type Notice =
  /** A stream stands. `place`: where it goes on from; empty where a gap is told first. */
  | { kind: "connected"; place: string; hello: Hello }
  /** It broke, or was silent for too long: it is opened again. */
  | { kind: "lost"; error: SigcastError }
  /** A refusal that passes by itself. */
  | { kind: "refused"; error: SigcastError }
  /** The server ends the stream, to be opened again: a drain, a slow reader. */
  | { kind: "ended"; reason: string; message: string }
  /** The pause before the next try. */
  | { kind: "waiting"; delayMs: number }
  /** A hole that the server did not announce. `recovered`: what was missing and has been fetched from the log. */
  | { kind: "hole"; from: number; to: number; recovered: number }
  /** A signal came that was handled already. */
  | { kind: "duplicate"; id: string; place: string | null };
