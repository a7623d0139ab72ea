/** A receiver of webhooks: verified, each signal handled once over all channels that share an `Once`, and answered by what came of it. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, ProtocolError, SignatureError } from "./errors.js";
import { eventName, type Filter } from "./filter.js";
import { json } from "./log.js";
import { Once } from "./once.js";
import type { WebhookBody, WebhookTest } from "./payloads/rest.js";
import type { SignalEvent } from "./payloads/signal.js";
import { type HeadersLike, verifySigmate, verifyWebhook } from "./webhook.js";

export interface ReceiverOptions {
  /** `whsec_…`: one, or while it is being rotated both. */
  secrets: string | readonly string[];
  /** Yours. What it throws is answered with 500, and the signal is sent again. */
  handle: (event: SignalEvent) => void | Promise<void>;
  /** The client's own, where the same signals come by the stream. */
  once?: Once;
  /** Which headers count; `sigmate` signs no time. */
  form?: "standard" | "sigmate";
  /** The webhook's own filter, by which updates are told from first signals. */
  filter?: Filter;
  toleranceSeconds?: number;
  /** Of a body, in bytes; a signal has 128 kB at most. */
  largestBody?: number;
  /** Told of the server's tests. */
  onTest?: (test: WebhookTest) => void;
  /** Told of what was refused, and of what `handle` threw. Without one, the latter are warnings of the process. */
  onError?: (error: unknown) => void;
}

/** What is answered. */
export interface Reply {
  status: number;
  text: string;
}

const LARGEST_BODY = 1024 * 1024;

export class WebhookReceiver {
  readonly once: Once;
  readonly #options: ReceiverOptions;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.once = options.once ?? new Once();
  }

  /** For whatever receives HTTP: the headers, and the body's very bytes. Never throws. */
  async receive(headers: HeadersLike, body: Uint8Array): Promise<Reply> {
    try {
      this.#verify(headers, body);
    } catch (error) {
      this.#options.onError?.(error);
      if (error instanceof SignatureError) return { status: 401, text: error.message };
      return this.#failed(error);
    }
    const raw = Buffer.from(body).toString("utf8");
    let read: WebhookTest | SignalEvent;
    try {
      read = this.#event(json<WebhookBody>(raw), raw);
    } catch (error) {
      this.#options.onError?.(error);
      return { status: 400, text: "no signal" };
    }
    try {
      if ("signal" in read) await this.#take(read);
      else this.#options.onTest?.(read);
      return { status: 204, text: "" };
    } catch (error) {
      if (this.#options.onError) this.#options.onError(error);
      return this.#failed(error);
    }
  }

  /** For `createServer` of `node:http`. */
  readonly listener = (request: IncomingMessage, response: ServerResponse): void => {
    const answer = ({ status, text }: Reply): void => {
      if (status === 413) response.setHeader("connection", "close");
      response.writeHead(status).end(text);
    };
    this.#read(request).then(answer, () => response.destroy());
  };

  async #read(request: IncomingMessage): Promise<Reply> {
    if (request.method !== "POST") return { status: 405, text: "POST" };
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of request as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > (this.#options.largestBody ?? LARGEST_BODY)) return { status: 413, text: "too large" };
      pieces.push(piece);
    }
    return this.receive(request.headers, Buffer.concat(pieces));
  }

  #verify(headers: HeadersLike, body: Uint8Array): void {
    const { secrets, form, toleranceSeconds } = this.#options;
    if (form === "sigmate") verifySigmate(secrets, headers, body);
    else verifyWebhook(secrets, headers, body, toleranceSeconds === undefined ? {} : { toleranceSeconds });
  }

  /** What a body holds; throws where it is neither. */
  #event(message: WebhookBody, raw: string): WebhookTest | SignalEvent {
    if (isTest(message)) return message;
    if (typeof message.id !== "string") throw new ProtocolError("a signal without an id");
    const event = eventName(message, this.#options.filter ?? {});
    return { place: null, event, channel: "webhook", signal: message, raw };
  }

  async #take(event: SignalEvent): Promise<void> {
    const claim = await this.once.claim(event.signal.id);
    if (!claim) return; // another channel was quicker, or it was sent again
    try {
      await this.#options.handle(event);
      claim.done();
    } finally {
      claim.release();
    }
  }

  #failed(error: unknown): Reply {
    if (!this.#options.onError) process.emitWarning(`a webhook was not handled: ${describe(error)}`, "SigcastWebhook");
    return { status: 500, text: "" };
  }
}

function isTest(message: WebhookBody): message is WebhookTest {
  return (message as { type?: unknown }).type === "webhook.test" && !("seq" in message);
}
