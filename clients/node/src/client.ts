/** The client: one stream that comes back by itself, every signal once and in order, and a position that moves only over what was handled. */

import { setTimeout as sleep } from "node:timers/promises";
import { Backoff, type BackoffOptions } from "./backoff.js";
import type { DigestState } from "./digest.js";
import { ConnectionLost, ProtocolError, RefusedError, SigcastError } from "./errors.js";
import { type Filter, filterQuery } from "./filter.js";
import { type Authorities, Endpoint } from "./http.js";
import { Log, timeText } from "./log.js";
import type { Notice } from "./notice.js";
import { Once } from "./once.js";
import type { Digest } from "./payloads/rest.js";
import type { SignalEvent } from "./payloads/signal.js";
import type { Gap } from "./payloads/stream.js";
import { Progress } from "./progress.js";
import { Session } from "./session.js";
import type { StateStore } from "./state.js";

export interface ClientOptions {
  /** The server's address, such as `https://signals.example`. */
  url: string | URL;
  /** Sent as a header, and shown nowhere. */
  key: string;
  filter?: Filter;
  /** Keeps the position over a restart of the program. Without one, each start begins at `from`, or with what comes next. */
  state?: StateStore;
  /** Where to begin while nothing is kept: a place such as `1f3c9a2e-183`; `<epoch>-0` is the beginning of the log. */
  from?: string;
  /** A time to begin at, while nothing is kept. */
  since?: string | Date;
  /** Replays what was up to a time, `speed` times as fast, and ends. Needs `since` or `from`. */
  replay?: { until: string | Date; speed?: number };
  /** Take the key's seat even from a connection that is alive. */
  takeover?: boolean;
  /** Shared with a webhook receiver, so that whichever channel is quicker handles a signal. */
  once?: Once;
  backoff?: BackoffOptions;
  /** For the head of an answer, and between two pieces of one that is no stream. Milliseconds. */
  answerMs?: number;
  /** A stream on which nothing comes for so many of the server's ping intervals is given up. */
  silentPings?: number;
  /** Certificate authorities that are trusted in place of the system's. */
  ca?: Authorities;
  /** Told of each gap, and waited for before the client goes on behind it. Without one, gaps are warnings of the process. */
  onGap?: (gap: Gap) => void | Promise<void>;
  /** Told of what else happens. Without one, a stream that does not come back is a warning of the process, once. */
  onNotice?: (notice: Notice) => void;
  /** Closes the client when it is aborted. */
  signal?: AbortSignal;
}

/** What the server's log and this client hold of the same range. */
export interface Verification {
  matches: boolean;
  ours: DigestState;
  theirs: Digest;
}

/** After so many tries without success whoever listens to nothing is told. */
const SILENT_FAILURES = 5;

/** A signal that is being handled. */
interface InHand {
  settle(): Promise<void>;
}

/**
 * A key's stream.
 *
 * `for await (const { signal } of client)` takes signals one by one: asking for the next says that this one was handled. A loop that is left by
 * `break` or by an error leaves its last signal unhandled, and it comes again next time, unless `ack()` was called. `run` does the same with a function.
 */
export class Client implements AsyncIterable<SignalEvent> {
  /** Which signals were handled. */
  readonly once: Once;
  /** The server's log, by the same filter and key. */
  readonly log: Log;
  readonly #options: ClientOptions;
  readonly #endpoint: Endpoint;
  readonly #progress: Progress;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  #inHand: InHand | null = null;
  #running = false;

  constructor(options: ClientOptions) {
    const { url, key, ca, filter = {}, from = "", answerMs = 30_000, silentPings = 2.5 } = options;
    if (!(answerMs > 0) || !(silentPings > 1)) throw new RangeError("answerMs: more than 0; silentPings: more than 1");
    if (options.replay && from === "" && options.since === undefined) throw new TypeError("replay: with since or from");
    this.#endpoint = new Endpoint(url, key, ca);
    // the key stays in one place
    this.#options = { ...options, key: "", answerMs, silentPings };
    this.once = options.once ?? new Once();
    this.log = new Log(this.#endpoint, filter, answerMs);
    this.#progress = new Progress(options.state, filterQuery(filter).toString(), from);
    this.#backoff = new Backoff(options.backoff);
    if (options.signal?.aborted) this.close();
    options.signal?.addEventListener("abort", () => this.close(), { once: true });
  }

  /** The id of the last frame that was handled; empty before the first. */
  get position(): string {
    return this.#progress.id;
  }

  /** The digest of what was handled; null before the first signal and right behind a gap. */
  get digest(): DigestState | null {
    return this.#progress.digest.state;
  }

  /** Ends the stream, and with it whoever waits for the next signal. */
  close(): void {
    this.#closing.abort();
  }

  /** Says that the signal in hand was handled, before the next one is asked for. */
  async ack(): Promise<void> {
    await this.#inHand?.settle();
  }

  /** Hands each signal to a function, and takes it for handled when that is done. Ends when the client is closed, or with what the function throws. */
  async run(handle: (event: SignalEvent) => void | Promise<void>): Promise<void> {
    for await (const event of this) {
      await handle(event);
      // here rather than with the next one: a client that is closed while it handles has still handled this one
      await this.ack();
    }
  }

  /**
   * Asks the server for the digest of what was handled here, and compares. `restart`: where it matches, and nothing was handled meanwhile, the
   * next digest begins with the next signal, so that it does not reach back behind what the server keeps.
   */
  async verify({ restart = false } = {}): Promise<Verification> {
    const ours = this.digest;
    if (!ours) throw new SigcastError("nothing was handled yet that could be verified");
    const theirs = await this.log.digest(ours.from, ours.to);
    const matches = theirs.count === ours.count && theirs.digest === ours.digest;
    if (matches && restart && this.digest?.to === ours.to) this.#progress.digest.clear();
    return { matches, ours, theirs };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SignalEvent, void, void> {
    if (this.#running) throw new SigcastError("this client is read already: a key has one stream");
    this.#running = true;
    try {
      await this.#progress.load();
      while (!this.#closing.signal.aborted) {
        const session = this.#session();
        let atLeastMs = 0;
        try {
          yield* session.events();
          if (session.finished) return;
        } catch (error) {
          if (this.#closing.signal.aborted) return;
          atLeastMs = this.#survive(error);
        } finally {
          session.close();
        }
        await this.#pause(session.retryMs, atLeastMs);
      }
    } finally {
      this.#running = false;
    }
  }

  #session(): Session {
    const { onGap, onNotice } = this.#options;
    return new Session({
      endpoint: this.#endpoint,
      log: this.log,
      query: this.#query(),
      headers: this.#headers(),
      replays: this.#options.replay !== undefined,
      filtered: this.#progress.filter !== "",
      progress: this.#progress,
      answerMs: this.#options.answerMs ?? 0,
      silentPings: this.#options.silentPings ?? 0,
      signal: this.#closing.signal,
      hand: (event, settled) => this.#hand(event, settled),
      alive: () => this.#backoff.reset(),
      notice: (notice) => onNotice?.(notice),
      gap: async (gap) => {
        if (onGap) await onGap(gap);
        else process.emitWarning(`signals ${gap.from ?? "?"} to ${gap.to ?? "?"} will not come (${gap.reason})`, "SigcastGap");
      },
    });
  }

  /** Lets the caller handle a signal, unless somebody has; `settled` is what follows from that. */
  async *#hand(event: SignalEvent, settled: () => Promise<void>): AsyncGenerator<SignalEvent, void, void> {
    const claim = await this.once.claim(event.signal.id, this.#closing.signal);
    if (!claim) {
      this.#options.onNotice?.({ kind: "duplicate", id: event.signal.id, place: event.place });
      return settled();
    }
    let open = true;
    const settle = async (): Promise<void> => {
      if (!open) return;
      open = false;
      claim.done();
      await settled();
    };
    this.#inHand = { settle };
    try {
      yield event;
      await settle();
    } finally {
      this.#inHand = null;
      claim.release();
    }
  }

  /** Whether it may be tried again, and after how long at least; throws what will not pass. */
  #survive(error: unknown): number {
    const notice = this.#options.onNotice;
    if (!(error instanceof RefusedError || error instanceof ConnectionLost || error instanceof ProtocolError)) throw error;
    if (!notice && this.#backoff.failures === SILENT_FAILURES) {
      process.emitWarning(`${this.#endpoint.url}: no stream after ${SILENT_FAILURES + 1} tries, and goes on trying: ${error.message}`, "SigcastAway");
    }
    notice?.({ kind: error instanceof RefusedError ? "refused" : "lost", error });
    return error instanceof RefusedError ? error.retryAfterMs : 0;
  }

  async #pause(retryMs: number | null, atLeastMs: number): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const delayMs = Math.round(this.#backoff.next(retryMs, atLeastMs));
    this.#options.onNotice?.({ kind: "waiting", delayMs });
    try {
      await sleep(delayMs, undefined, { signal: this.#closing.signal });
    } catch {
      // closed meanwhile
    }
  }

  #query(): URLSearchParams {
    const { filter = {}, since, replay } = this.#options;
    const query = filterQuery(filter);
    query.set("heartbeat", "event");
    // what the header says goes before it
    if (since !== undefined) query.set("since", timeText(since));
    if (replay) query.set("replay_until", timeText(replay.until));
    if (replay?.speed !== undefined) query.set("speed", String(replay.speed));
    return query;
  }

  #headers(): Record<string, string> {
    const headers: Record<string, string> = { Accept: "text/event-stream", "Cache-Control": "no-store" };
    if (this.#progress.id) headers["Last-Event-ID"] = this.#progress.id;
    if (this.#options.takeover) headers["X-Stream-Takeover"] = "1";
    return headers;
  }
}
