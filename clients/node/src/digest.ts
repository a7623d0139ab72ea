/**
 * A rolling hash over signals: d0 is 32 zero bytes, d = SHA-256(d ‖ the signal's bytes). The server computes the same over its log, so equal
 * digests of a range prove that exactly that range is here, in order and to the byte.
 */

import { createHash } from "node:crypto";
import { parsePlace } from "./place.js";

/** What was hashed so far; kept beside the position, it goes on over a restart. */
export interface DigestState {
  /** Place of the first signal. */
  from: string;
  /** Place of the last. */
  to: string;
  count: number;
  /** 64 hexadecimal digits. */
  digest: string;
}

/** Grows signal by signal, in the order of the log. */
export class RollingDigest {
  #state: DigestState | null;

  constructor(state: DigestState | null = null) {
    this.#state = state ? { ...state } : null;
  }

  /** Adds a signal's bytes. */
  push(place: string, raw: string): void {
    const before = this.#state;
    const hash = createHash("sha256");
    hash.update(before ? Buffer.from(before.digest, "hex") : Buffer.alloc(32));
    const digest = hash.update(raw, "utf8").digest("hex");
    this.#state = { from: before?.from ?? place, to: place, count: (before?.count ?? 0) + 1, digest };
  }

  /** Begins anew: what comes next does not follow on what came. */
  clear(): void {
    this.#state = null;
  }

  /** What it is now; null where there is nothing yet. */
  get state(): DigestState | null {
    return this.#state ? { ...this.#state } : null;
  }
}

/** Reads a state that was kept; null where it is none. */
export function readDigest(value: unknown): DigestState | null {
  if (typeof value !== "object" || value === null) return null;
  const { from, to, count, digest } = value as Record<string, unknown>;
  const whole = typeof from === "string" && typeof to === "string" && typeof count === "number" && typeof digest === "string";
  if (!whole || !parsePlace(from) || !parsePlace(to) || !Number.isSafeInteger(count) || count < 1) return null;
  return /^[0-9a-f]{64}$/.test(digest) ? { from, to, count, digest } : null;
}
