/** The server's log over REST: what was published, in the bytes of the stream, and its digests. */

import { ProtocolError } from "./errors.js";
import { eventName, type Filter, filterQuery } from "./filter.js";
import type { Endpoint } from "./http.js";
import { rawItems } from "./items.js";
import type { Reads, WholePath } from "./payloads/api.js";
import type { Deliveries, Digest } from "./payloads/rest.js";
import type { Signal, SignalEvent } from "./payloads/signal.js";
import type { Gap } from "./payloads/stream.js";
import { placeText } from "./place.js";

/** Signals of a page where all are wanted: the most that the server gives. */
const PAGE = 200;

/** A page as it is asked for. Places are `<epoch>-<seq>` or the id of a signal. */
export interface ListOptions {
  after?: string;
  before?: string;
  since?: string | Date;
  until?: string | Date;
  /** 1 to 200; 50 where nothing is said. */
  limit?: number;
}

/** A page. */
export interface Page {
  items: SignalEvent[];
  /** For `after`: where a poller goes on. */
  next: string;
  epoch: string;
  head: number;
}

/** A moment as the server takes it. */
export function timeText(time: string | Date): string {
  return typeof time === "string" ? time : time.toISOString();
}

/** Reads the log with the client's filter and key. */
export class Log {
  readonly #endpoint: Endpoint;
  readonly #filter: Filter;
  readonly #waitMs: number;

  constructor(endpoint: Endpoint, filter: Filter, waitMs: number) {
    this.#endpoint = endpoint;
    this.#filter = filter;
    this.#waitMs = waitMs;
  }

  /** A page of what passes the filter, in the order of the log. */
  async list(options: ListOptions = {}, signal?: AbortSignal): Promise<Page> {
    const text = await this.#endpoint.read("/api/signals", this.#query(options), this.#waitMs, signal);
    const { next, epoch, head } = json<{ next: unknown; epoch: unknown; head: unknown }>(text);
    if (typeof next !== "string" || typeof epoch !== "string" || typeof head !== "number") throw new ProtocolError("a list without its place");
    const items = rawItems(text).map((raw) => this.#event(raw, epoch));
    return { items, next, epoch, head };
  }

  /** Whatever passes the filter behind a place, page by page; in the end the seq up to which that is all. */
  async *behind(place: string, signal?: AbortSignal): AsyncGenerator<SignalEvent, number, void> {
    let after = place;
    for (;;) {
      const page = await this.list({ after, limit: PAGE }, signal);
      yield* page.items;
      if (page.items.length < PAGE) return page.head;
      after = page.next;
    }
  }

  /** What the log still holds of a gap, where it holds something: after a restore under a new epoch, all of it up to now. */
  async *backfill(gap: Gap, signal?: AbortSignal): AsyncGenerator<SignalEvent, void, void> {
    if (gap.backfill === null) return;
    const place = new URL(gap.backfill, "http://server").searchParams.get("after");
    if (place === null) throw new ProtocolError(`no place to read on from: ${gap.backfill}`);
    yield* this.behind(place, signal);
  }

  /** One signal, by its id or place; what the filter hides as well. */
  async get(id: string, signal?: AbortSignal): Promise<Signal> {
    const path = `/api/signals/${encodeURIComponent(id)}`;
    return json<Signal>(await this.#endpoint.read(path, new URLSearchParams(), this.#waitMs, signal));
  }

  /** The digest of what passes the filter, from one place to another, both inclusive. */
  async digest(from: string, to: string, signal?: AbortSignal): Promise<Digest> {
    const query = filterQuery(this.#filter);
    query.set("from", from);
    query.set("to", to);
    return json<Digest>(await this.#endpoint.read("/api/signals/digest", query, this.#waitMs, signal));
  }

  /** Which channel brought what. */
  async deliveries(options: ListOptions = {}, signal?: AbortSignal): Promise<Deliveries> {
    return json<Deliveries>(await this.#endpoint.read("/api/v1/deliveries", this.#query(options), this.#waitMs, signal));
  }

  /** Any other read of the API: its JSON. */
  read<P extends WholePath>(path: P, query?: Record<string, string>, signal?: AbortSignal): Promise<Reads[P]>;
  /** The same where the path has a parameter: its type is said, such as `Reads["/api/v1/companies/{slug}"]`. */
  read<T>(path: string, query?: Record<string, string>, signal?: AbortSignal): Promise<T>;
  async read<T>(path: string, query: Record<string, string> = {}, signal?: AbortSignal): Promise<T> {
    return json<T>(await this.#endpoint.read(path, new URLSearchParams(query), this.#waitMs, signal));
  }

  #query(options: ListOptions): URLSearchParams {
    const query = filterQuery(this.#filter);
    if (options.after !== undefined) query.set("after", options.after);
    if (options.before !== undefined) query.set("before", options.before);
    if (options.since !== undefined) query.set("since", timeText(options.since));
    if (options.until !== undefined) query.set("until", timeText(options.until));
    if (options.limit !== undefined) query.set("limit", String(options.limit));
    return query;
  }

  #event(raw: string, epoch: string): SignalEvent {
    const signal = json<Signal>(raw);
    if (!Number.isSafeInteger(signal.seq) || typeof signal.id !== "string") throw new ProtocolError("a signal without its place");
    const place = placeText(epoch, signal.seq);
    return { place, event: eventName(signal, this.#filter), channel: "log", signal, raw };
  }
}

/** Reads JSON that a server of this protocol has written: an object. */
export function json<T>(text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ProtocolError(`no JSON: ${text.slice(0, 60)}`, { cause: error });
  }
  if (typeof value !== "object" || value === null) throw new ProtocolError(`no object: ${text.slice(0, 60)}`);
  return value as T;
}
