// A careful client: it stays alive, comes back after whatever ends a stream, handles each signal once, and says so when one is lost.

import { EventSource } from "eventsource";
import { printSignal } from "./print.mjs";

const KEY = process.env.SIGCAST_KEY ?? process.env.SIGMATE_KEY;
const BASE_URL = process.env.SIGCAST_URL ?? "http://127.0.0.1:8080";
if (!KEY) stop(1, "no key: set SIGCAST_KEY");

// `heartbeat=event` makes pings visible: the library swallows comments, so without it silence and death look the same.
const url = new URL("/api/signals/stream", BASE_URL);
url.searchParams.set("heartbeat", "event");

const REMEMBERED = 10_000;
const LONGEST_WAIT_MS = 60_000;

const seen = new Set(); // insertion order: the oldest id goes first
let source = null;
let reopening = null;
let cursor = process.env.SIGCAST_LAST_EVENT_ID ?? ""; // give it the last id that you stored, to lose nothing over a restart of your own
let lastSignOfLife = Date.now();
let silenceLimitMs = Infinity; // until a hello promises pings
let failures = 0;
let refusal = null; // status, Retry-After and message of the last answer that was not 200

open();

// The library lets go of its reconnect timer (unref), so that a Node process with nothing else to do exits, silently and with
// status 0, in the pause after the first dropped connection. This interval keeps the process alive; it is the watchdog as well.
setInterval(() => {
  if (reopening || Date.now() - lastSignOfLife <= silenceLimitMs) return;
  note(`nothing heard for ${Math.round(silenceLimitMs / 1000)} s`);
  reopen();
}, 1_000);

function open() {
  reopening = null;
  lastSignOfLife = Date.now();
  source = new EventSource(url, { fetch: fetchWithKey });
  source.addEventListener("hello", onHello);
  for (const name of ["signal", "signal_update", "signal_exit"]) source.addEventListener(name, onSignal);
  source.addEventListener("heartbeat", onFrame);
  source.addEventListener("gap", onGap);
  source.addEventListener("bye", (e) => note(`the server says bye: ${e.data}`));
  source.addEventListener("error", onError);
}

async function fetchWithKey(address, init) {
  const headers = { ...init?.headers, Authorization: `Bearer ${KEY}` };
  // A new EventSource knows no id; this one does. With the header, the server knows a returning client and gives it its seat back.
  if (cursor && !headers["Last-Event-ID"]) headers["Last-Event-ID"] = cursor;
  const response = await fetch(address, { ...init, headers });
  refusal = null;
  if (response.status !== 200 && response.status !== 204) {
    refusal = {
      retryAfterMs: 1000 * (Number(response.headers.get("retry-after")) || 0),
      message: `${response.status} ${await describe(response)}`,
    };
  }
  return response;
}

async function describe(response) {
  try {
    const { error } = await response.clone().json();
    return `${error.code}: ${error.message}`;
  } catch {
    return response.statusText;
  }
}

function onFrame(e) {
  lastSignOfLife = Date.now();
  if (e.lastEventId) cursor = e.lastEventId;
}

function onHello(e) {
  onFrame(e);
  const hello = parse(e.data);
  if (hello?.ping_seconds) silenceLimitMs = 2_500 * hello.ping_seconds;
  note(`connected at ${e.lastEventId || "an unknown place"}`);
}

function onSignal(e) {
  failures = 0;
  const signal = parse(e.data);
  // A frame may come twice where a connection broke; an order must not.
  if (signal && !seen.has(signal.id)) {
    seen.add(signal.id);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
    printSignal(signal);
  }
  // Last: a signal whose handling failed is sent again on the next connection.
  onFrame(e);
}

function onGap(e) {
  const gap = parse(e.data);
  note(`GAP: signals ${gap?.from ?? "?"} to ${gap?.to ?? "?"} will not come (${gap?.reason}); read them from ${gap?.backfill}`);
  onFrame(e);
}

// Three things arrive here: the server's own `error` frame (it has data), a dropped connection (the library is already
// reconnecting), and a refusal after which the library has stopped for good (readyState CLOSED).
function onError(e) {
  if (e.data !== undefined) {
    const { code, message, retryable } = parse(e.data) ?? {};
    note(`the server ends the stream: ${code}: ${message}`);
    // Whoever took the place holds it on purpose: taking it back would only start a quarrel.
    if (retryable === false || code === "superseded") stop(1, "waiting will not help");
    return;
  }
  if (source.readyState !== EventSource.CLOSED) {
    lastSignOfLife = Date.now();
    note(`connection lost${e.message ? ` (${e.message})` : ""}, the library reconnects`);
    return;
  }
  note(`refused: ${refusal?.message ?? e.message}`);
  if (e.code === 204) stop(0, "the server has nothing more to send");
  if (e.code === 401) stop(1, "the key is unknown, revoked or expired");
  if (e.code === 403) stop(1, "the subscription has no stream, or has lapsed");
  if (e.code === 400 || e.code === 404) stop(1, "the request itself is wrong");
  reopen(refusal?.retryAfterMs); // 429 and 5xx pass by themselves
}

function reopen(atLeastMs = 0) {
  source.close();
  const backoff = Math.min(LONGEST_WAIT_MS, 1_000 * 2 ** failures) * (1 + Math.random() / 4);
  failures = Math.min(failures + 1, 10);
  reopening ??= setTimeout(open, Math.max(atLeastMs, backoff));
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    note(`not JSON: ${text.slice(0, 80)}`);
    return null;
  }
}

function note(text) {
  console.error(text);
}

function stop(status, why) {
  console.error(why);
  process.exit(status);
}
