// A webhook receiver that also reads the stream: two channels, each signal handled once, and what neither of them brought is fetched from
// the log. Node 18 or later, and no package.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const BASE_URL = process.env.SIGCAST_URL ?? "http://127.0.0.1:8080";
const KEY = need("SIGCAST_KEY"); // for the stream and the log
const SECRET = need("SIGCAST_WEBHOOK_SECRET");
const FILTER = process.env.FILTER ?? ""; // the webhook's own filter, such as types=consensus_buy&min_rank=A
const PORT = Number(process.env.PORT ?? 3000);

const TOLERANCE_S = 5 * 60;
const LARGEST_BODY = 1024 * 1024;
const REMEMBERED = 100_000;
const CHECK_MS = Number(process.env.CHECK_MS ?? 5_000);
const QUIET_MS = 60_000;

// --- what came, whichever way

const handled = new Set(); // ids; insertion order: the oldest goes first. Keep them where your orders are, if both must survive a crash.
const ahead = new Set(); // seqs that came before the one that they follow
let epoch = ""; // names the log that seqs count in
let complete = 0; // up to this seq, nothing is missing
let highest = 0; // the highest seq that came
let settled = 0; // the same, at the last check: what is older had its time on both channels
let lastCame = Date.now();

function take(signal, channel) {
  lastCame = Date.now();
  if (handled.has(signal.id)) return; // the other channel was quicker, or this one sent it again
  handle(signal, channel);
  handled.add(signal.id); // last: what could not be handled is sent again
  if (handled.size > REMEMBERED) handled.delete(handled.values().next().value);
  highest = Math.max(highest, signal.seq);
  // a hole is a signal that is missing, or one that the filter hides: the log tells which
  if (signal.seq > complete) ahead.add(signal.seq);
  while (ahead.delete(complete + 1)) complete += 1;
}

// Yours. Webhooks are answered after it: what takes long belongs behind a queue that survives your process.
function handle(signal, channel) {
  console.log(channel, signal.seq, signal.id, signal.signal_type);
}

// --- webhooks

// By hand, to show that it is little; `new Webhook(SECRET).verify(body, headers)` of npm's `standardwebhooks` does the same.
function verify(headers, body) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  if (!id || !/^\d+$/.test(timestamp)) return "no message";
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) return "too old, or from the future";
  const key = Buffer.from(SECRET.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  // while a secret is rotated there are two, with a space between them: one that fits is enough
  const fits = (headers["webhook-signature"] ?? "").split(" ").some((one) => {
    const given = Buffer.from(one.startsWith("v1,") ? one.slice(3) : "", "base64");
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  return fits ? null : "no signature fits";
}

const server = createServer(async (request, response) => {
  const answer = (status, text = "") => response.writeHead(status).end(text);
  if (request.method !== "POST") return answer(405);
  try {
    const pieces = [];
    let length = 0;
    for await (const piece of request) {
      length += piece.length;
      if (length > LARGEST_BODY) return answer(413);
      pieces.push(piece);
    }
    const body = Buffer.concat(pieces); // the very bytes: parsed and written again, they would be signed by nobody
    const trouble = verify(request.headers, body);
    if (trouble) return answer(401, trouble);
    take(JSON.parse(body), "webhook");
    answer(204);
  } catch (error) {
    note(`a webhook could not be handled: ${error}`);
    answer(500); // it is sent again
  }
});

// --- the stream

let cursor = process.env.SIGCAST_LAST_EVENT_ID ?? "";

async function listen() {
  for (let failures = 0; ; failures = Math.min(failures + 1, 6)) {
    const before = cursor;
    try {
      if (await oneConnection()) return;
    } catch (error) {
      note(`the stream broke: ${error.cause ?? error}`);
    }
    if (cursor !== before) failures = 0;
    await pause(500 * 2 ** failures * (1 + Math.random() / 4));
  }
}

async function oneConnection() {
  const silence = new AbortController();
  let watchdog;
  // pings come each 25 s: a minute without a byte is a dead connection
  const alive = () => (clearTimeout(watchdog), (watchdog = setTimeout(() => silence.abort(), 60_000)));
  try {
    alive();
    const headers = { Authorization: `Bearer ${KEY}`, Accept: "text/event-stream", "Last-Event-ID": cursor };
    const response = await fetch(`${BASE_URL}/api/signals/stream?${FILTER}`, { headers, signal: silence.signal });
    if (response.status !== 200) {
      note(`no stream: ${response.status} ${await response.text()}`);
      return [400, 401, 403, 404].includes(response.status); // webhooks and the log go on alone
    }
    const decoder = new TextDecoder();
    let text = "";
    for await (const bytes of response.body) {
      alive();
      text += decoder.decode(bytes, { stream: true });
      const frames = text.split("\n\n");
      text = frames.pop();
      for (const frame of frames) onFrame(frame);
    }
    note("the stream ended");
  } finally {
    clearTimeout(watchdog);
  }
}

function onFrame(frame) {
  const field = (name) => frame.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const [event, data, id] = [field("event"), field("data"), field("id")];
  if (event?.startsWith("signal")) take(JSON.parse(data), "stream");
  else if (event === "hello") note(`the stream stands at ${id}`);
  else if (event) note(`${event}: ${data}`);
  if (id) cursor = id;
}

// --- the log, for what neither brought

async function list(query) {
  const response = await fetch(`${BASE_URL}/api/signals?${query}`, { headers: { Authorization: `Bearer ${KEY}` } });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

async function check() {
  const quiet = Date.now() - lastCame > QUIET_MS; // may be true silence, or two dead channels
  const until = quiet ? Infinity : settled;
  settled = highest;
  if (quiet) lastCame = Date.now();
  while (complete < until) {
    const { items, head } = await list(`${FILTER}&after=${epoch}-${complete}&limit=200`);
    for (const signal of items.filter((one) => one.seq <= until && !handled.has(one.id))) {
      note(`${signal.id} came on neither channel`);
      take(signal, "log");
    }
    // a short page is the last: up to there, what is not listed is hidden by the filter
    const last = items.length < 200 ? head : items.at(-1).seq;
    complete = Math.max(complete, Math.min(until, last));
    if (items.length < 200) break;
  }
  for (const seq of ahead) if (seq <= complete) ahead.delete(seq);
  while (ahead.delete(complete + 1)) complete += 1;
}

async function begin() {
  while (!epoch) {
    try {
      const now = await list("limit=1");
      cursor ||= `${now.epoch}-${now.head}`;
      const [itsEpoch, seq] = cursor.split("-");
      [epoch, complete] = itsEpoch === now.epoch ? [itsEpoch, Number(seq)] : [now.epoch, now.head];
      highest = settled = now.head; // what came while this was away is missing at first, whichever way it comes now
    } catch (error) {
      note(`no log yet: ${error.cause ?? error}`);
      await pause(1_000);
    }
  }
}

// ---

function need(name) {
  if (process.env[name]) return process.env[name];
  return stop(1, `set ${name}`);
}

function stop(status, why) {
  note(why);
  process.exit(status);
}

function note(text) {
  console.error(text);
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

await begin();
server.listen(PORT, "127.0.0.1", () => note(`receives on http://127.0.0.1:${server.address().port}/hook`));
listen();
for (const end of ["SIGINT", "SIGTERM"]) {
  process.once(end, () => stop(0, `go on with SIGCAST_LAST_EVENT_ID=${epoch}-${complete}`));
}
for (;;) {
  await pause(CHECK_MS);
  try {
    await check();
  } catch (error) {
    note(`the log cannot be read: ${error.cause ?? error}`);
    if (!error.message.startsWith("400")) continue;
    // it was put back, and counts anew
    epoch = "";
    ahead.clear();
    await begin();
  }
}
