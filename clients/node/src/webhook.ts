/** Who sent a webhook: Standard Webhooks' signatures, and those of the service whose headers `compat: sigmate` adds. */

import { createHmac, timingSafeEqual } from "node:crypto";
import { SignatureError } from "./errors.js";

/** Headers as Node gives them, as a plain object, or as `Headers`. */
export type HeadersLike = Record<string, string | readonly string[] | undefined> | { get(name: string): string | null };

export interface VerifyOptions {
  /** How far the timestamp may be from now, either way. */
  toleranceSeconds?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/** What is signed beside the body. */
export interface Verified {
  /** The signal's id. */
  id: string;
  /** When the attempt was made, in seconds since 1970. */
  timestamp: number;
}

/** Five minutes. */
const TOLERANCE_S = 300;

function header(headers: HeadersLike, name: string): string {
  if (typeof headers.get === "function") return (headers as Headers).get(name) ?? "";
  const all = headers as Record<string, string | readonly string[] | undefined>;
  const value = all[name] ?? Object.entries(all).find(([key]) => key.toLowerCase() === name)?.[1];
  return typeof value === "string" ? value : (value?.join(",") ?? "");
}

function listed(secrets: string | readonly string[]): readonly string[] {
  const all = typeof secrets === "string" ? [secrets] : secrets;
  if (all.length === 0) throw new TypeError("no secret");
  return all;
}

/** The bytes behind `whsec_`. */
function keyOf(secret: string): Buffer {
  const text = secret.replace(/^whsec_/, "");
  const key = Buffer.from(text, "base64");
  // Node reads any text as some base64: a secret that was cut or mistyped would verify nothing, and nobody would know why
  if (key.length === 0 || key.toString("base64").replace(/=+$/, "") !== text.replace(/=+$/, "")) {
    throw new TypeError("a secret that is no `whsec_` and base64");
  }
  return key;
}

function isOneOf(given: readonly Buffer[], expected: readonly Buffer[]): boolean {
  let fits = false;
  // all of them are compared, whatever the first says
  for (const one of expected) {
    for (const other of given) fits = (one.length === other.length && timingSafeEqual(one, other)) || fits;
  }
  return fits;
}

/**
 * Verifies a webhook by the `webhook-…` headers. `body`: the very bytes that came, before anything read them as JSON. `secrets`: one, or while
 * it is being rotated both. Throws `SignatureError` where it was not sent by who has the secret, or not now.
 */
export function verifyWebhook(
  secrets: string | readonly string[],
  headers: HeadersLike,
  body: string | Uint8Array,
  options: VerifyOptions = {},
): Verified {
  const keys = listed(secrets).map(keyOf);
  const id = header(headers, "webhook-id");
  const timestamp = header(headers, "webhook-timestamp");
  if (id === "" || !/^[0-9]{1,12}$/.test(timestamp)) throw new SignatureError("no webhook-id and webhook-timestamp");
  const { toleranceSeconds = TOLERANCE_S, now = Date.now } = options;
  const age = now() / 1_000 - Number(timestamp);
  if (!(Math.abs(age) <= toleranceSeconds)) throw new SignatureError(age > 0 ? "too old" : "from the future");
  const sign = (key: Buffer): Buffer => createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  const given = header(headers, "webhook-signature").split(" ").filter((one) => one.startsWith("v1,"));
  if (!isOneOf(given.map((one) => Buffer.from(one.slice(3), "base64")), keys.map(sign))) {
    throw new SignatureError("no signature fits");
  }
  return { id, timestamp: Number(timestamp) };
}

/**
 * Verifies a webhook by the `x-sigmate-…` headers. They sign the body alone, no time: what was kept can be sent again by whoever has it. Use
 * `verifyWebhook` where both kinds come.
 */
export function verifySigmate(secrets: string | readonly string[], headers: HeadersLike, body: string | Uint8Array): void {
  const expected = listed(secrets).map((secret) => createHmac("sha256", secret).update(body).digest());
  const given = ["x-sigmate-signature", "x-sigmate-signature-previous"].map((name) => header(headers, name));
  const read = given.filter((one) => /^sha256=[0-9a-f]{64}$/i.test(one)).map((one) => Buffer.from(one.slice(7), "hex"));
  if (!isOneOf(read, expected)) throw new SignatureError("no signature fits");
}
