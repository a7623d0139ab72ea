/** Server-Sent Events, read from bytes that come in any pieces: the WHATWG's grammar. */

import { ProtocolError } from "./errors.js";

/** One event. */
export interface Frame {
  event: string;
  data: string;
  /** The last `id:` so far on this connection; empty before the first. */
  id: string;
}

/** No event of a sigcast server comes near it; whatever does is no event stream. */
const LARGEST_EVENT = 8 * 1024 * 1024;
/** Longer delays are taken for a slip, as timers do not hold them. */
const LONGEST_RETRY_MS = 2 ** 31;

/** One connection's parser. */
export class SseParser {
  /** The last `retry:`, in milliseconds; null before the first. */
  retryMs: number | null = null;
  // a BOM at the beginning goes; what is no UTF-8 becomes U+FFFD
  readonly #decoder = new TextDecoder("utf-8");
  #line = "";
  #afterCr = false;
  #event = "";
  #data: string[] = [];
  #size = 0;
  #id = "";

  /** Takes a piece; gives the events that it completes. */
  feed(piece: Uint8Array): Frame[] {
    const text = this.#decoder.decode(piece, { stream: true });
    const frames: Frame[] = [];
    let from = 0;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code !== 10 && code !== 13) {
        this.#afterCr = false;
        continue;
      }
      const closesCrLf = code === 10 && this.#afterCr;
      this.#afterCr = code === 13;
      if (!closesCrLf) {
        this.#endLine(this.#line + text.slice(from, at), frames);
        this.#line = "";
      }
      from = at + 1;
    }
    this.#line += text.slice(from);
    if (this.#line.length + this.#size > LARGEST_EVENT) throw new ProtocolError("an event that does not end");
    return frames;
  }

  #endLine(line: string, frames: Frame[]): void {
    if (line !== "") return this.#field(line);
    if (this.#data.length > 0) {
      frames.push({ event: this.#event || "message", data: this.#data.join("\n"), id: this.#id });
    }
    this.#event = "";
    this.#data = [];
    this.#size = 0;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (name === "event") this.#event = value;
    else if (name === "data") {
      this.#data.push(value);
      this.#size += value.length + 1;
    } else if (name === "id") {
      if (!value.includes("\0")) this.#id = value;
    } else if (name === "retry") {
      if (/^[0-9]+$/.test(value) && Number(value) < LONGEST_RETRY_MS) this.retryMs = Number(value);
    }
  }
}
