/** One connection of a stream: its frames in order, each hole in them seen and filled, and how it ended. */

import { ConnectionLost, describe, ProtocolError, SupersededError } from "./errors.js";
import { type Answer, type Endpoint, fatal } from "./http.js";
import { json, type Log } from "./log.js";
import type { Notice } from "./notice.js";
import type { EventName, Signal, SignalEvent } from "./payloads/signal.js";
import type { Bye, Gap, Heartbeat, Hello, StreamError } from "./payloads/stream.js";
import { parsePlace, type Place, placeText } from "./place.js";
import type { Progress } from "./progress.js";
import { type Frame, SseParser } from "./sse.js";

/** What a connection is opened with, and whom it tells. */
export interface SessionOptions {
  endpoint: Endpoint;
  log: Log;
  query: URLSearchParams;
  headers: Record<string, string>;
  /** Whether a replay was asked for, which has an end. */
  replays: boolean;
  /** Whether places may be missing because they do not pass. */
  filtered: boolean;
  progress: Progress;
  answerMs: number;
  silentPings: number;
  signal: AbortSignal;
  /** Has the caller handle a signal; `settled` runs once it is. */
  hand(event: SignalEvent, settled: () => Promise<void>): AsyncGenerator<SignalEvent, void, void>;
  /** The connection works. */
  alive(): void;
  notice(notice: Notice): void;
  gap(gap: Gap): Promise<void>;
}

const LONGEST_PING_S = 3_600;

const SIGNALS = new Set<string>(["signal", "signal_update", "signal_exit"] satisfies EventName[]);

/** A hole could not be filled from the log, or not now: a stream that goes on from before it brings what is missing, whatever REST says. */
class HoleOpen extends ConnectionLost {
  constructor(cause: unknown) {
    super(`what is missing could not be fetched: ${describe(cause)}`, { cause });
  }
}

export class Session {
  /** The server has nothing more to send, ever. */
  finished = false;
  readonly #options: SessionOptions;
  readonly #parser = new SseParser();
  #answer: Answer | null = null;
  /** Without a byte for so long, the connection is dead. */
  #silenceMs: number;
  /** Of a filtered stream: where it was whole, how many signals it has sent, and which since then. */
  #whole: Place | null = null;
  #matched = 0;
  #since = new Set<number>();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#silenceMs = options.answerMs;
  }

  /** The server's `retry:`, in milliseconds. */
  get retryMs(): number | null {
    return this.#parser.retryMs;
  }

  close(): void {
    this.#answer?.destroy();
  }

  /** The signals, as long as the connection lives. Ends where it may be opened again; throws why where it broke or is refused. */
  async *events(): AsyncGenerator<SignalEvent, void, void> {
    const { endpoint, query, headers, answerMs, signal } = this.#options;
    const answer = await endpoint.open("/api/signals/stream", query, headers, answerMs, signal);
    this.#answer = answer;
    if (answer.status === 204 && this.#options.replays) {
      this.finished = true;
      return;
    }
    // the server has an end for replays alone: this is somebody else's
    if (answer.status === 204) throw new ProtocolError("no stream, but an empty answer");
    if (answer.status !== 200) throw await answer.refusal(answerMs);
    const kind = answer.headers["content-type"] ?? "";
    if (!/^text\/event-stream\b/i.test(kind)) throw new ProtocolError(`no event stream, but ${kind || "nothing"}`);
    for (;;) {
      const piece = await answer.read(this.#silenceMs);
      if (!piece) return;
      for (const frame of this.#parser.feed(piece)) {
        if (SIGNALS.has(frame.event)) yield* this.#signal(frame);
        else if (frame.event === "heartbeat") yield* this.#heartbeat(frame);
        else if (await this.#told(frame)) return;
      }
    }
  }

  /** What is said beside signals; true: it was the last word. */
  async #told(frame: Frame): Promise<boolean> {
    const { progress, notice } = this.#options;
    if (frame.event === "hello") {
      const hello = json<Hello>(frame.data);
      const ping = Number(hello.ping_seconds);
      if (ping > 0 && ping <= LONGEST_PING_S) this.#silenceMs = Math.round(1_000 * ping * this.#options.silentPings);
      if (progress.id === "") await progress.move(frame.id);
      this.#whole = parsePlace(frame.id);
      notice({ kind: "connected", place: frame.id, hello });
    } else if (frame.event === "gap") {
      await this.#options.gap(json<Gap>(frame.data));
      await progress.jump(frame.id);
      this.#whole = parsePlace(frame.id);
      this.#since.clear();
    } else if (frame.event === "bye") {
      const { reason } = json<Bye>(frame.data);
      // the next answer would be 204
      this.finished = reason === "replay_finished";
      notice({ kind: "ended", reason, message: "" });
      return true;
    } else if (frame.event === "error") {
      const error = json<StreamError>(frame.data);
      if (error.code === "superseded") throw new SupersededError(error.code, error.status, error.message);
      if (!error.retryable) throw fatal(error.status, error.code, error.message);
      notice({ kind: "ended", reason: error.code, message: error.message });
      return true;
    }
    return false;
  }

  async *#signal(frame: Frame): AsyncGenerator<SignalEvent, void, void> {
    const { progress, filtered } = this.#options;
    const signal = json<Signal>(frame.data);
    if (typeof signal.id !== "string") throw new ProtocolError("a signal without an id");
    const event: SignalEvent = { place: frame.id || null, event: frame.event as EventName, channel: "stream", signal, raw: frame.data };
    this.#matched += 1;
    const [here, at] = [progress.place, parsePlace(frame.id)];
    if (here && at) {
      if (here.epoch !== at.epoch) await this.#lost({ from: null, to: null, reason: "epoch_changed", backfill: null }, placeText(at.epoch, at.seq - 1));
      else if (at.seq <= here.seq) return this.#options.notice({ kind: "duplicate", id: signal.id, place: frame.id });
      else if (!filtered && at.seq > here.seq + 1) yield* this.#fill(here, at.seq - 1);
    }
    if (at) this.#since.add(at.seq);
    yield* this.#options.hand(event, () => progress.take(event));
    this.#options.alive();
  }

  async *#heartbeat(frame: Frame): AsyncGenerator<SignalEvent, void, void> {
    const { progress, filtered } = this.#options;
    const beat = json<Heartbeat>(frame.data);
    const [here, at] = [progress.place, parsePlace(frame.id)];
    if (here && at && here.epoch === at.epoch) {
      const short = typeof beat.matched === "number" && beat.matched !== this.#matched;
      if (!filtered && at.seq > here.seq) yield* this.#fill(here, at.seq);
      else if (filtered && short && this.#whole) yield* this.#fillFiltered(this.#whole, at.seq);
      if (at.seq > (progress.place?.seq ?? 0)) await progress.move(frame.id);
      this.#whole = at;
    }
    if (typeof beat.matched === "number") this.#matched = beat.matched;
    this.#since.clear();
    this.#options.alive();
  }

  /** Fetches what lies behind a place, up to a seq: nothing is filtered, so each place is a signal. */
  async *#fill(behind: Place, upTo: number): AsyncGenerator<SignalEvent, void, void> {
    const { progress, hand } = this.#options;
    let [at, recovered] = [behind.seq, 0];
    for await (const event of this.#range(behind, upTo)) {
      if (event.signal.seq > at + 1) await this.#missing(behind.epoch, at + 1, event.signal.seq - 1);
      yield* hand(event, () => progress.take(event));
      at = event.signal.seq;
      recovered += 1;
    }
    if (at < upTo) await this.#missing(behind.epoch, at + 1, upTo);
    this.#options.notice({ kind: "hole", from: behind.seq + 1, to: upTo, recovered });
  }

  /**
   * The same where a filter hides places: what has come since is known by its seq. The position goes back to where all was whole first, so that
   * whatever ends this ends it before what is missing, and not behind it.
   */
  async *#fillFiltered(behind: Place, upTo: number): AsyncGenerator<SignalEvent, void, void> {
    const { progress, hand } = this.#options;
    await progress.jump(placeText(behind.epoch, behind.seq));
    let recovered = 0;
    for await (const event of this.#range(behind, upTo)) {
      if (this.#since.has(event.signal.seq)) {
        await progress.take(event);
        continue;
      }
      yield* hand(event, () => progress.take(event));
      recovered += 1;
    }
    this.#options.notice({ kind: "hole", from: behind.seq + 1, to: upTo, recovered });
  }

  /** The log behind a place, up to a seq. */
  async *#range(behind: Place, upTo: number): AsyncGenerator<SignalEvent, void, void> {
    const { log, signal } = this.#options;
    const events = log.behind(placeText(behind.epoch, behind.seq), signal);
    for (;;) {
      const next = await events.next().catch((error: unknown) => {
        throw signal.aborted ? error : new HoleOpen(error);
      });
      if (next.done) {
        // somebody on the way keeps an answer of before: what is not in it may come yet
        if (next.value < upTo) throw new HoleOpen(new ProtocolError(`a list up to ${next.value} alone`));
        return;
      }
      if (next.value.signal.seq > upTo) return;
      if (parsePlace(next.value.place ?? "")?.epoch !== behind.epoch) throw new ProtocolError("the log has changed its name");
      yield next.value;
    }
  }

  #missing(epoch: string, from: number, to: number): Promise<void> {
    return this.#lost({ from, to, reason: "missing", backfill: null }, placeText(epoch, to));
  }

  async #lost(gap: Gap, goesOnAt: string): Promise<void> {
    await this.#options.gap(gap);
    await this.#options.progress.jump(goesOnAt);
  }
}
