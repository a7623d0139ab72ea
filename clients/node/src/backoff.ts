/** How long to wait before the next try: longer each time, and spread, so that clients do not come back in step. */

/** Bounds of the wait, in milliseconds. */
export interface BackoffOptions {
  /** Before the first try again where the server has named no time of its own. */
  firstMs?: number;
  /** At most. */
  longestMs?: number;
}

/** What a refusal says is heeded up to here: a server, or somebody on the way, may say anything, and what it names may pass sooner. */
const LONGEST_TOLD_MS = 300_000;
/** A stream's `retry:` below it is none: whoever says 0 and hangs up would be asked without a pause. */
const SHORTEST_TOLD_MS = 100;

/** Counts tries that failed. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #failures = 0;

  constructor(options: BackoffOptions = {}, readonly random: () => number = Math.random) {
    this.#firstMs = options.firstMs ?? 1_000;
    this.#longestMs = options.longestMs ?? 60_000;
  }

  /** Tries that failed in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** It went well: the next wait is a short one. */
  reset(): void {
    this.#failures = 0;
  }

  /** The next wait. `retryMs`: what the stream's `retry:` says, 100 at least; `atLeastMs`: what a refusal's `Retry-After` says, five minutes at most. */
  next(retryMs: number | null, atLeastMs = 0): number {
    // beyond 2^16 every first delay is above every bound
    const grown = (retryMs === null ? this.#firstMs : Math.max(retryMs, SHORTEST_TOLD_MS)) * 2 ** Math.min(this.#failures, 16);
    this.#failures += 1;
    return Math.max(Math.min(grown, this.#longestMs), Math.min(atLeastMs, LONGEST_TOLD_MS)) * (1 + this.random() / 4);
  }
}
