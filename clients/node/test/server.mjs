/** A server that does what a test tells it to: one behaviour for each request to the stream, in order; the rest by path. */

import { createServer } from "node:http";
import { Client } from "../dist/index.js";

export const KEY = "sig_live_ATestKeyThatMustNotBeSeenAnywhere";

/** A signal of the log. */
export function signal(seq, more = {}) {
  const id = `00000000-0000-4000-8000-${String(seq).padStart(12, "0")}`;
  return { seq, published_at: "2026-04-24T09:32:14.117Z", id, signal_type: "consensus_buy", rank: "S", price: 0.5, ...more };
}

export function hello(seq, more = {}) {
  const data = { user_id: "u", key_id: "k", plan: "alpha", epoch: "e", seq, resumed_from: null, ping_seconds: 25, server_time: "", ...more };
  return `event: hello\ndata: ${JSON.stringify(data)}\nretry: 1\nid: e-${seq}\n\n`;
}

export function frame(seq, more = {}) {
  return `event: signal\ndata: ${JSON.stringify(signal(seq, more))}\nid: e-${seq}\n\n`;
}

export function refusal(status, code, headers = {}) {
  return (_, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ error: { code, message: "no", status } }));
  };
}

/** What somebody on the way to the server says. */
export function page(status, headers = {}, body = "<p>nobody home") {
  return (_, response) => response.writeHead(status, { "content-type": "text/html", ...headers }).end(body);
}

/** A store in memory, and each state that was saved. */
export function memory(id = "") {
  const saved = [];
  const kept = id ? { id, filter: "", digest: null } : null;
  return { saved, load: async () => saved.at(-1) ?? kept, save: async (state) => void saved.push(state) };
}

/** The log over REST. */
export function log(...seqs) {
  return (_, response, url) => {
    const after = Number(url.searchParams.get("after").split("-")[1]);
    const items = seqs.filter((seq) => seq > after).slice(0, 200).map((seq) => JSON.stringify(signal(seq)));
    response.end(`{"items":[${items}],"next":"e-${Math.min(after + 200, seqs.at(-1))}","epoch":"e","head":${seqs.at(-1)}}`);
  };
}

export function heartbeat(seq, more = {}) {
  return `event: heartbeat\ndata: ${JSON.stringify({ seq, server_time: "", ...more })}\nid: e-${seq}\n\n`;
}

/** A stream that says this, and then ends, or stays open. */
export function stream(...frames) {
  return (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    const open = frames.at(-1) === OPEN;
    response.write((open ? frames.slice(0, -1) : frames).join("") || ":\n");
    if (!open) response.end();
  };
}
export const OPEN = Symbol("stays open");

/** Serves these, in order, and `paths` beside them; gone with the test. */
export async function serve(test, script, paths = {}) {
  const asked = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://x");
    asked.push({ path: url.pathname, query: url.searchParams, headers: request.headers });
    const other = paths[url.pathname];
    if (other) return other(request, response, url);
    const next = script.shift();
    if (next) return next(request, response);
    refusal(401, "end_of_script")(request, response);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, asked, streams: () => asked.filter((one) => one.path.endsWith("/stream")) };
}

/** A client that does not wait for long, and what it told. */
export function client(url, more = {}) {
  const notices = [];
  const gaps = [];
  const made = new Client({
    url,
    key: KEY,
    backoff: { firstMs: 1, longestMs: 10 },
    onNotice: (notice) => notices.push(notice),
    onGap: (gap) => void gaps.push(gap),
    ...more,
  });
  return { client: made, notices, gaps, kinds: () => notices.map((one) => one.kind) };
}

/** Takes all until the stream ends for good: seqs, and the error that ended it. */
export async function drain(client) {
  const seqs = [];
  try {
    for await (const event of client) seqs.push(event.signal.seq);
  } catch (error) {
    return { seqs, error };
  }
  return { seqs, error: null };
}
