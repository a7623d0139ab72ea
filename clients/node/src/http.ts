/** Requests to one server, over connections of their own: what is read is read at the reader's pace, and no longer waited for than said. */

import { request as requestPlain, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from "node:http";
import { request as requestTls } from "node:https";
import {
  AuthenticationError,
  ConnectionLost,
  describe,
  ProtocolError,
  RefusedError,
  RequestError,
  SigcastError,
  SilenceError,
  SubscriptionError,
} from "./errors.js";

/** Of a refusal's body. */
const LARGEST_REFUSAL = 64 * 1024;
/** Of a page of 200 signals, each of 128 kB at most. */
const LARGEST_ANSWER = 64 * 1024 * 1024;

/** What is trusted in TLS, in place of the system's authorities. */
export type Authorities = string | Buffer | (string | Buffer)[];

/** A server, and the key that opens it. The key is nowhere to be seen from outside. */
export class Endpoint {
  readonly #base: URL;
  readonly #key: string;
  readonly #ca: Authorities | undefined;

  constructor(url: string | URL, key: string, ca?: Authorities) {
    const base = new URL(url);
    if (base.protocol !== "http:" && base.protocol !== "https:") throw new TypeError("url: http: or https:");
    if (base.username || base.password || base.search || base.hash) {
      throw new TypeError("url: the server's address alone; the key goes into `key`");
    }
    if (!/^[\x21-\x7e]+$/.test(key)) throw new TypeError("key: absent, or no key of a sigcast server");
    base.pathname = base.pathname.replace(/\/+$/, "");
    this.#base = base;
    this.#key = key;
    this.#ca = ca;
  }

  /** Where requests go: never the key. */
  get url(): string {
    return this.#base.href.replace(/\/$/, "");
  }

  /** Sends a GET, and waits for the head of the answer. */
  open(path: string, query: URLSearchParams, headers: Record<string, string>, waitMs: number, signal?: AbortSignal): Promise<Answer> {
    const url = new URL(this.url + path);
    url.search = query.toString();
    const options: RequestOptions & { ca?: Authorities } = {
      method: "GET",
      // a connection of its own: none that was kept and may be dead
      agent: false,
      headers: { ...headers, Authorization: `Bearer ${this.#key}` },
      ...(signal ? { signal } : {}),
    };
    if (this.#ca !== undefined) options.ca = this.#ca;
    const send = url.protocol === "https:" ? requestTls : requestPlain;
    return new Promise((resolve, reject) => {
      const sent = send(url, options);
      const late = setTimeout(() => {
        sent.destroy(new SilenceError(`no answer within ${waitMs} ms`));
      }, waitMs);
      sent.on("response", (message) => {
        clearTimeout(late);
        resolve(new Answer(message));
      });
      // also what comes after the head: its reader is told, and nothing else may be thrown
      sent.on("error", (error) => {
        clearTimeout(late);
        reject(lost(error));
      });
      sent.end();
    });
  }

  /** Sends a GET whose answer is JSON; its text. Throws what the answer says where it is not 200. */
  async read(path: string, query: URLSearchParams, waitMs: number, signal?: AbortSignal): Promise<string> {
    const answer = await this.open(path, query, { Accept: "application/json" }, waitMs, signal);
    if (answer.status !== 200) throw await answer.refusal(waitMs);
    return answer.text(waitMs, LARGEST_ANSWER);
  }
}

function lost(error: unknown): SigcastError {
  if (error instanceof SigcastError) return error;
  return new ConnectionLost(describe(error), { cause: error });
}

/** An answer, of which the head has come. */
export class Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly #message: IncomingMessage;
  readonly #pieces: AsyncIterator<Buffer>;

  constructor(message: IncomingMessage) {
    this.status = message.statusCode ?? 0;
    this.headers = message.headers;
    this.#message = message;
    this.#pieces = message[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    message.on("error", () => {}); // told to the reader
  }

  /** The next bytes, as many as are there; null at the end. Nothing within the time: the connection is given up. */
  async read(waitMs: number): Promise<Buffer | null> {
    const silent = setTimeout(() => {
      this.#message.destroy(new SilenceError(`nothing was heard for ${waitMs} ms`));
    }, waitMs);
    try {
      const { done, value } = await this.#pieces.next();
      return done ? null : value;
    } catch (error) {
      throw lost(error);
    } finally {
      clearTimeout(silent);
    }
  }

  /** The whole body, as text. */
  async text(waitMs: number, limit: number): Promise<string> {
    const pieces: Buffer[] = [];
    let length = 0;
    try {
      for (;;) {
        const piece = await this.read(waitMs);
        if (!piece) return Buffer.concat(pieces).toString("utf8");
        pieces.push(piece);
        length += piece.length;
        if (length > limit) throw new ProtocolError(`an answer of more than ${limit} bytes`);
      }
    } finally {
      this.destroy();
    }
  }

  /** What an answer that is not 200 says: whether it passes by itself, and when. */
  async refusal(waitMs: number): Promise<SigcastError> {
    let body: unknown;
    try {
      body = JSON.parse(await this.text(waitMs, LARGEST_REFUSAL));
    } catch {
      // of a proxy on the way, or cut off
    }
    const retryAfter = retryAfterMs(this.headers["retry-after"]);
    const said = (body as { error?: { code?: unknown; message?: unknown; status?: unknown } | null } | null | undefined)?.error;
    if (typeof said?.code !== "string" || said.status !== this.status) {
      // what a proxy says while the server behind it is away, be it 401 or 404, is not the server's word
      const { statusMessage = "" } = this.#message;
      return new RefusedError(`http_${this.status}`, this.status, `not the server's own answer: ${statusMessage}`, retryAfter);
    }
    const message = typeof said.message === "string" ? said.message : "";
    if (this.status >= 500 || PASSING.has(this.status)) return new RefusedError(said.code, this.status, message, retryAfter);
    return fatal(this.status, said.code, message);
  }

  /** Lets go of the connection. */
  destroy(): void {
    this.#message.destroy();
  }
}

/** Refusals of the server that pass by themselves, besides all 5xx. */
const PASSING = new Set([408, 425, 429]);

/** What will not pass, by its status. */
export function fatal(status: number, code: string, message: string): SigcastError {
  if (status === 401) return new AuthenticationError(code, status, message);
  if (status === 403) return new SubscriptionError(code, status, message);
  return new RequestError(code, status, message);
}

function retryAfterMs(value: string | undefined): number {
  if (value === undefined) return 0;
  if (/^[0-9]{1,6}$/.test(value)) return 1_000 * Number(value);
  const at = Date.parse(value);
  return Number.isNaN(at) ? 0 : Math.max(0, at - Date.now());
}
