/** Who handles a signal: whoever comes first, over all channels that share this. Ids that were handled are remembered, the latest of them. */

/** The right to handle a signal, until it is given back or used. */
export interface Claim {
  /** It is handled: nobody gets it again. */
  done(): void;
  /** It is not: the next may try. */
  release(): void;
}

/** The ids that were handled, and those that are being handled. */
export class Once {
  readonly #limit: number;
  /** In the order of insertion: the oldest goes first. */
  readonly #done = new Set<string>();
  readonly #pending = new Map<string, Promise<void>>();

  /** Remembers so many ids. */
  constructor(limit = 100_000) {
    if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError("once: a limit of 1 at least");
    this.#limit = limit;
  }

  /**
   * The right to handle an id, or null where it is handled already. Waits while somebody else is at it, or until `signal` is aborted: then it throws
   * the signal's reason.
   */
  async claim(id: string, signal?: AbortSignal): Promise<Claim | null> {
    for (;;) {
      if (this.#done.has(id)) return null;
      const others = this.#pending.get(id);
      if (!others) break;
      await (signal ? unlessAborted(others, signal) : others);
    }
    let settle = (): void => {};
    this.#pending.set(id, new Promise((resolve) => (settle = resolve)));
    let open = true;
    const end = (handled: boolean): void => {
      if (!open) return;
      open = false;
      if (handled) this.#remember(id);
      this.#pending.delete(id);
      settle();
    };
    return { done: () => end(true), release: () => end(false) };
  }

  /** Whether it was handled. */
  has(id: string): boolean {
    return this.#done.has(id);
  }

  #remember(id: string): void {
    this.#done.add(id);
    if (this.#done.size > this.#limit) {
      for (const oldest of this.#done) {
        this.#done.delete(oldest);
        break;
      }
    }
  }
}

async function unlessAborted(wait: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    await Promise.race([wait, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
