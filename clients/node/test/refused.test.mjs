/** What a client does when somebody says no: the server, which is believed, or somebody on the way to it, who may be gone the next minute. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthenticationError, Once, RefusedError, RollingDigest, StateError } from "../dist/index.js";
import { client, drain, frame, heartbeat, hello, log, memory, OPEN, page, refusal, serve, signal, stream } from "./server.mjs";

test("what somebody on the way says is no last word", async (t) => {
  const foreign = '{"error":{"code":"not_found","message":"a gateway\'s own"}}';
  const server = await serve(t, [
    page(401),
    page(403),
    page(404),
    page(302, { location: "http://127.0.0.1:9/sign-in" }),
    page(404, { "content-type": "application/json" }, foreign),
    page(404, { "content-type": "application/json" }, '{"error":{"code":"x","message":"of something else","status":400}}'),
    page(404, { "content-type": "application/json" }, "null"),
    page(401, {}, '{"error":{"code":401,"message":"of a gateway","status":401}}'),
    page(403, {}, '{"error":{"code":null,"message":"of another","status":403}}'),
    page(204, {}, ""),
    stream(hello(0), frame(1)),
  ]);
  const { client: one, notices } = client(server.url);
  const { seqs, error } = await drain(one);
  assert.deepEqual(seqs, [1]);
  assert.ok(error instanceof AuthenticationError && error.code === "end_of_script", error);
  const refused = notices.filter((notice) => notice.kind === "refused").map((notice) => notice.error);
  assert.deepEqual(refused.map((one) => one.code), ["http_401", "http_403", "http_404", "http_302", "http_404", "http_404", "http_404", "http_401", "http_403"]);
  assert.ok(refused.every((one) => one instanceof RefusedError && /not the server's own answer/.test(one.message)));
});

test("where REST refuses to fill a hole, the stream brings it", async (t) => {
  for (const [status, code] of [[403, "plan_has_no_rest"], [400, "invalid_parameter"], [429, "quota_exceeded"], [503, "unavailable"]]) {
    const rest = refusal(status, code, { "retry-after": "72000" });
    const server = await serve(t, [stream(hello(0), frame(1), frame(3)), stream(hello(1), frame(2), frame(3))], { "/api/signals": rest });
    const { client: one, notices } = client(server.url);
    assert.deepEqual((await drain(one)).seqs, [1, 2, 3], code);
    assert.equal(server.streams()[1].headers["last-event-id"], "e-1");
    const waits = notices.filter((notice) => notice.kind === "waiting").map((notice) => notice.delayMs);
    assert.ok(waits.every((delay) => delay < 100), `${code}: ${waits}`);
    assert.match(notices.find((notice) => notice.kind === "lost").error.message, new RegExp(code));
  }
});

test("with a filter too: it goes back to where all was whole, and nothing is handled twice", async (t) => {
  const broken = (request) => request.socket.destroy();
  for (const rest of [refusal(403, "plan_has_no_rest"), broken]) {
    const short = stream(hello(0), frame(2), heartbeat(5, { matched: 1 }), frame(7), frame(9), heartbeat(9, { matched: 4 }));
    const server = await serve(t, [short, stream(hello(5), frame(6), frame(7), frame(9), heartbeat(9, { matched: 3 }))], { "/api/signals": rest });
    const store = memory();
    const { client: one } = client(server.url, { filter: { minRank: "A" }, state: store });
    assert.deepEqual((await drain(one)).seqs, [2, 7, 9, 6]);
    assert.equal(server.streams()[1].headers["last-event-id"], "e-5");
    assert.equal(one.position, "e-9");
    assert.deepEqual([one.digest.from, one.digest.count], ["e-6", 3], "it holds them in order");
    // had the process ended in between, it would have begun there as well
    assert.ok(store.saved.map((state) => state.id).join().includes("e-9,e-5,e-6"));
  }
});

test("what is missing under a filter is lost by no end in the middle", async (t) => {
  const short = stream(hello(0), frame(2), heartbeat(5, { matched: 1 }), frame(7), frame(9), heartbeat(9, { matched: 4 }), OPEN);
  const server = await serve(t, [short, stream(hello(5), frame(6), frame(7), frame(9))], { "/api/signals": log(6, 7, 9) });
  const store = memory();
  const options = { filter: { minRank: "A" }, state: store, once: new Once() };
  for await (const { signal } of client(server.url, options).client) if (signal.seq === 6) break;
  assert.equal(store.saved.at(-1).id, "e-5", "before what is missing");
  assert.deepEqual((await drain(client(server.url, options).client)).seqs, [6]);
  assert.equal(server.streams()[1].headers["last-event-id"], "e-5");
  const digest = new RollingDigest();
  for (const seq of [6, 7, 9]) digest.push(`e-${seq}`, JSON.stringify(signal(seq)));
  assert.deepEqual(store.saved.at(-1), { id: "e-9", filter: "min_rank=A", digest: digest.state });
});

test("what is no list of the server's fills no hole", async (t) => {
  const stale = '{"items":[],"next":"e-1","epoch":"e","head":1}';
  for (const bad of [stale, '{"items":[],"total":0}', '{"items":[{"a":1}],"next":"e-3","epoch":"e","head":3}', "[]"]) {
    const script = [stream(hello(0), frame(1), frame(3)), stream(hello(1), frame(2), frame(3))];
    const server = await serve(t, script, { "/api/signals": (_, response) => response.end(bad) });
    const { client: one, gaps } = client(server.url);
    assert.deepEqual([(await drain(one)).seqs, gaps], [[1, 2, 3], []], bad);
  }
});

test("a place that another program went on from is the place", async (t) => {
  const server = await serve(t, [stream(hello(0), frame(1), OPEN), stream(hello(7), frame(8))]);
  const store = memory();
  const { client: one } = client(server.url, { state: store });
  await one.run(() => { throw new Error("mine"); }).catch(() => {});
  await store.save({ id: "e-7", filter: "", digest: null });
  assert.deepEqual((await drain(one)).seqs, [8]);
  assert.equal(server.streams()[1].headers["last-event-id"], "e-7");
});

test("where the position cannot be saved, nothing is asked for", async (t) => {
  const server = await serve(t, [stream(hello(4), frame(5))]);
  const full = { load: async () => null, save: async () => Promise.reject(new StateError("no room")) };
  const { seqs, error } = await drain(client(server.url, { from: "e-4", state: full }).client);
  assert.deepEqual(seqs, []);
  assert.ok(error instanceof StateError, error);
  assert.equal(server.asked.length, 0);
  for (const id of ["e-4\r\nX: y", "", "é", 7]) {
    const odd = await drain(client(server.url, { state: { ...full, load: async () => ({ id, filter: "", digest: null }) } }).client);
    assert.ok(odd.error instanceof StateError, `${id}: ${odd.error}`);
  }
  assert.equal(server.asked.length, 0);
});

test("who listens to nothing is told once that the stream does not come back", async (t) => {
  const server = await serve(t, Array.from({ length: 9 }, () => page(404)));
  const warned = [];
  const listener = (warning) => warned.push(warning);
  process.on("warning", listener);
  t.after(() => process.off("warning", listener));
  const { error } = await drain(client(server.url, { onNotice: undefined }).client);
  assert.ok(error instanceof AuthenticationError);
  await new Promise(setImmediate);
  assert.deepEqual(warned.map((one) => one.name), ["SigcastAway"]);
  assert.match(warned[0].message, /no stream after 6 tries.*http_404/);
});

test("what is still there of a gap can be read", async (t) => {
  const seqs = Array.from({ length: 450 }, (_, n) => n + 1);
  const gap = 'event: gap\ndata: {"from":null,"to":null,"reason":"epoch_changed","backfill":"/api/signals?after=e-0"}\nid: e-450\n\n';
  const server = await serve(t, [stream(gap, frame(451))], { "/api/signals": log(...seqs) });
  const found = [];
  const { client: one } = client(server.url, {
    from: "old-150",
    onGap: async (gap) => {
      for await (const { signal } of one.log.backfill(gap)) found.push(signal.seq);
    },
  });
  assert.deepEqual((await drain(one)).seqs, [451]);
  assert.deepEqual(found, seqs);
  for await (const event of one.log.backfill({ from: 1, to: 2, reason: "pruned", backfill: null })) assert.fail(event.place);
});
