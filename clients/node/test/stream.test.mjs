/** The client on a server that misbehaves: what it handles, in which order, where it says that it stands, and when it gives up. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import {
  AuthenticationError,
  Client,
  FatalError,
  Once,
  RequestError,
  RollingDigest,
  SubscriptionError,
  SupersededError,
} from "../dist/index.js";
import { client, drain, frame, heartbeat, hello, KEY, log, memory, OPEN, refusal, serve, signal, stream } from "./server.mjs";

test("it comes back by itself, and says where it stood", async (t) => {
  const server = await serve(t, [
    stream(hello(3), frame(4), frame(5)),
    refusal(503, "unavailable", { "retry-after": "0" }),
    (request) => request.socket.destroy(),
    stream(hello(5), frame(6)),
  ]);
  const { client: one, kinds } = client(server.url);
  const { seqs, error } = await drain(one);
  assert.deepEqual(seqs, [4, 5, 6]);
  assert.ok(error instanceof AuthenticationError && error.code === "end_of_script", error);
  const ids = server.streams().map((asked) => asked.headers["last-event-id"]);
  assert.deepEqual(ids, [undefined, "e-5", "e-5", "e-5", "e-6"]);
  assert.ok(server.asked.every((asked) => asked.headers.authorization === `Bearer ${KEY}`));
  assert.ok(server.asked.every((asked) => !asked.query.toString().includes(KEY)));
  assert.equal(server.asked[0].query.get("heartbeat"), "event");
  assert.deepEqual(kinds(), ["connected", "waiting", "refused", "waiting", "lost", "waiting", "connected", "waiting"]);
});

test("the position moves only over what was handled", async (t) => {
  const server = await serve(t, [stream(hello(0), frame(1), frame(2), frame(3), OPEN)]);
  const store = memory();
  const { client: one } = client(server.url, { state: store });
  await assert.rejects(async () => {
    for await (const { signal } of one) if (signal.seq === 2) throw new Error("mine");
  }, /mine/);
  assert.equal(one.position, "e-1");
  assert.deepEqual(store.saved.map((state) => state.id), ["e-0", "e-1"]);
});

test("what is left in hand comes again, unless it was acknowledged", async (t) => {
  const twice = () => stream(hello(0), frame(1), frame(2), OPEN);
  const server = await serve(t, [twice(), twice(), stream(hello(2), frame(3))]);
  const { client: one } = client(server.url);
  for await (const { signal } of one) if (signal.seq === 2) break;
  assert.equal(one.position, "e-1");
  for await (const { signal } of one) {
    assert.equal(signal.seq, 2, "again");
    await one.ack();
    break;
  }
  assert.equal(one.position, "e-2");
  assert.deepEqual((await drain(one)).seqs, [3]);
});

test("run takes what its function has done", async (t) => {
  const server = await serve(t, [stream(hello(0), frame(1), frame(2), OPEN)]);
  const { client: one } = client(server.url);
  const seqs = [];
  await one.run(async ({ signal }) => {
    seqs.push(signal.seq);
    await new Promise(setImmediate);
    if (signal.seq === 2) one.close();
  });
  assert.deepEqual(seqs, [1, 2]);
  assert.equal(one.position, "e-2");
  assert.equal(one.digest.count, 2);
});

test("refusals that will not pass end it, by kind", async (t) => {
  for (const [status, kind] of [[400, RequestError], [401, AuthenticationError], [403, SubscriptionError], [404, RequestError], [302, RequestError], [410, RequestError]]) {
    const server = await serve(t, [refusal(status, "no_good")]);
    const { error } = await drain(client(server.url).client);
    assert.ok(error instanceof kind && error instanceof FatalError, `${status}: ${error}`);
    assert.deepEqual([error.status, error.code], [status, "no_good"]);
    assert.equal(server.asked.length, 1);
  }
});

test("refusals that pass are waited for", async (t) => {
  const server = await serve(t, [
    refusal(429, "connection_limit", { "retry-after": "0" }),
    refusal(500, "internal_error"),
    (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<p>a portal"),
    stream("event: bye\ndata: {\"reason\":\"overloaded\"}\nretry: 2\n\n"),
    stream(hello(0), frame(1)),
  ]);
  const { client: one, kinds } = client(server.url);
  assert.deepEqual((await drain(one)).seqs, [1]);
  assert.deepEqual(kinds().filter((kind) => kind !== "waiting"), ["refused", "refused", "lost", "ended", "connected"]);
});

test("Retry-After is the least that is waited", async (t) => {
  const server = await serve(t, [refusal(429, "rate_limited", { "retry-after": "7" })]);
  const waits = [];
  const { client: one } = client(server.url, {
    onNotice: (notice) => {
      if (notice.kind === "waiting") {
        waits.push(notice.delayMs);
        one.close();
      }
    },
  });
  assert.deepEqual(await drain(one), { seqs: [], error: null });
  assert.ok(waits.length === 1 && waits[0] >= 7_000 && waits[0] <= 8_750, waits);
});

test("204 and the end of a replay are the end", async (t) => {
  const end = 'event: bye\ndata: {"reason":"replay_finished"}\nretry: 1\n\n';
  const server = await serve(t, [(_, response) => response.writeHead(204).end()]);
  const options = { since: new Date(0), replay: { until: "2026-04-25", speed: 60 } };
  assert.deepEqual(await drain(client(server.url, options).client), { seqs: [], error: null });
  const replay = await serve(t, [stream(hello(0), frame(1), end)]);
  assert.deepEqual(await drain(client(replay.url, options).client), { seqs: [1], error: null });
  const query = replay.asked[0].query;
  assert.deepEqual([query.get("since"), query.get("replay_until"), query.get("speed")], ["1970-01-01T00:00:00.000Z", "2026-04-25", "60"]);
});

test("error frames end it for good, or for a moment", async (t) => {
  const said = (code, status, retryable) => `event: error\ndata: ${JSON.stringify({ code, status, message: "m", retryable })}\n\n`;
  for (const [code, status, kind] of [["key_revoked", 401, AuthenticationError], ["subscription_expired", 403, SubscriptionError], ["superseded", 429, SupersededError]]) {
    const server = await serve(t, [stream(hello(0), frame(1), said(code, status, false), OPEN)]);
    const { seqs, error } = await drain(client(server.url).client);
    assert.deepEqual(seqs, [1]);
    assert.ok(error instanceof kind && error.code === code, `${code}: ${error}`);
    assert.equal(server.asked.length, 1);
  }
  const slow = await serve(t, [stream(hello(0), frame(1), said("slow_consumer", 429, true), OPEN), stream(hello(1), frame(2))]);
  assert.deepEqual((await drain(client(slow.url).client)).seqs, [1, 2]);
});

test("silence is death", async (t) => {
  const server = await serve(t, [
    stream(hello(0, { ping_seconds: 0.04 }), frame(1), OPEN),
    () => {}, // takes the request, and never answers
    stream(hello(1), frame(2)),
  ]);
  const { client: one, notices } = client(server.url, { answerMs: 150 });
  assert.deepEqual((await drain(one)).seqs, [1, 2]);
  const lost = notices.filter((notice) => notice.kind === "lost").map((notice) => notice.error);
  assert.deepEqual(lost.map((error) => error.name), ["SilenceError", "SilenceError"]);
  assert.match(lost[0].message, /100 ms/);
});

test("pings are life, and a slow handler is no silence", async (t) => {
  const server = await serve(t, [
    (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(hello(0, { ping_seconds: 0.1 }) + frame(1));
      const pings = setInterval(() => response.write(": ping\n"), 50);
      setTimeout(() => {
        clearInterval(pings);
        response.end(frame(2));
      }, 600);
    },
  ]);
  const { client: one, kinds } = client(server.url);
  const seqs = [];
  await assert.rejects(one.run(async ({ signal }) => {
    seqs.push(signal.seq);
    if (signal.seq === 1) await new Promise((done) => setTimeout(done, 300));
  }), AuthenticationError);
  assert.deepEqual(seqs, [1, 2]);
  assert.ok(!kinds().includes("lost"));
});

test("a hole that nobody announced is fetched from the log, in order", async (t) => {
  const server = await serve(t, [stream(hello(0), frame(1), frame(4), OPEN)], { "/api/signals": log(1, 2, 3, 4, 5) });
  const { client: one, notices, gaps } = client(server.url);
  const seen = [];
  await one.run(({ place, channel }) => {
    seen.push(`${channel} ${place}`);
    if (place === "e-4") one.close();
  });
  assert.deepEqual(seen, ["stream e-1", "log e-2", "log e-3", "stream e-4"]);
  assert.deepEqual(notices.find((notice) => notice.kind === "hole"), { kind: "hole", from: 2, to: 3, recovered: 2 });
  assert.deepEqual(gaps, []);
  const digest = new RollingDigest();
  for (const seq of [1, 2, 3, 4]) digest.push(`e-${seq}`, JSON.stringify(signal(seq)));
  assert.deepEqual(one.digest, digest.state);
});

test("what the log has not either is a gap", async (t) => {
  const server = await serve(t, [stream(hello(0), frame(1), frame(6), OPEN)], { "/api/signals": log(1, 3, 6) });
  const { client: one, gaps } = client(server.url);
  const seqs = [];
  await one.run(({ signal }) => {
    seqs.push(signal.seq);
    if (signal.seq === 6) one.close();
  });
  assert.deepEqual(seqs, [1, 3, 6]);
  assert.deepEqual(gaps.map(({ from, to, reason }) => [from, to, reason]), [[2, 2, "missing"], [4, 5, "missing"]]);
  assert.equal(one.digest.from, "e-6");
});

test("a hole that cannot be filled now is asked for again", async (t) => {
  const fails = [refusal(503, "unavailable", { "retry-after": "0" })];
  const rest = (request, response, url) => (fails.shift() ?? log(1, 2, 3))(request, response, url);
  const server = await serve(t, [stream(hello(0), frame(1), frame(3)), stream(hello(1), frame(3))], { "/api/signals": rest });
  const { client: one } = client(server.url);
  assert.deepEqual((await drain(one)).seqs, [1, 2, 3]);
  assert.equal(server.streams()[1].headers["last-event-id"], "e-1");
});

test("a heartbeat moves the position, and shows what is missing behind it", async (t) => {
  const open = await serve(t, [stream(hello(0), frame(1), heartbeat(1), heartbeat(2))], { "/api/signals": log(1, 2) });
  const { client: one } = client(open.url);
  assert.deepEqual((await drain(one)).seqs, [1, 2]);
  // with a filter, holes are usual; how many have passed is told
  const filtered = await serve(t, [stream(hello(0), frame(2), heartbeat(5, { matched: 1 }), frame(7), frame(9), heartbeat(9, { matched: 4 }))], { "/api/signals": log(6, 7, 9) });
  const { client: two, notices } = client(filtered.url, { filter: { minRank: "A" } });
  const { seqs } = await drain(two);
  assert.deepEqual(seqs, [2, 7, 9, 6]);
  assert.deepEqual(notices.filter((notice) => notice.kind === "hole"), [{ kind: "hole", from: 6, to: 9, recovered: 1 }]);
  assert.equal(two.position, "e-9");
  const asked = filtered.asked.find((one) => one.path === "/api/signals").query;
  assert.deepEqual([asked.get("min_rank"), asked.get("after")], ["A", "e-5"]);
});

test("a gap is told before the client goes on behind it", async (t) => {
  const gap = 'event: gap\ndata: {"from":2,"to":9,"reason":"pruned","backfill":"/api/signals?after=e-9"}\nid: e-9\n\n';
  const bare = hello(9).replace(/id: .*\n/, "");
  const server = await serve(t, [stream(bare + gap, frame(10), OPEN)]);
  const store = memory("e-1");
  const seen = [];
  const { client: one } = client(server.url, {
    state: store,
    onGap: async (gap) => {
      await new Promise(setImmediate);
      seen.push([gap.reason, gap.from, gap.to, one.position]);
    },
  });
  await one.run(() => one.close());
  assert.deepEqual(seen, [["pruned", 2, 9, "e-1"]]);
  assert.deepEqual(store.saved.map((state) => state.id), ["e-1", "e-9", "e-10"]);
  assert.equal(server.asked[0].headers["last-event-id"], "e-1");
  assert.equal(one.digest.from, "e-10");
});

test("nothing is handled twice, on whichever channel", async (t) => {
  const server = await serve(t, [stream(hello(0), frame(1), frame(2)), stream(hello(2), frame(2), frame(3))]);
  const once = new Once();
  (await once.claim(signal(1).id)).done();
  const { client: one, notices } = client(server.url, { once });
  assert.deepEqual((await drain(one)).seqs, [2, 3]);
  assert.deepEqual(notices.filter((notice) => notice.kind === "duplicate").map((notice) => notice.place), ["e-1", "e-2"]);
  assert.equal(one.digest.count, 3, "what came another way belongs to the range, too");
});

test("a digest goes on over a restart, and is held against the server's", async (t) => {
  const store = memory();
  const digests = (_, response, url) => {
    const digest = new RollingDigest();
    for (const seq of [1, 2, 3]) digest.push(`e-${seq}`, JSON.stringify(signal(seq)));
    response.end(JSON.stringify({ ...digest.state, from: url.searchParams.get("from"), epoch: "e", head: 9 }));
  };
  const server = await serve(t, [stream(hello(0), frame(1), OPEN), stream(hello(1), frame(2), frame(3), OPEN)], { "/api/signals/digest": digests });
  const first = client(server.url, { state: store }).client;
  await assert.rejects(first.verify(), /nothing/);
  await first.run(() => first.close());
  const second = client(server.url, { state: store }).client;
  await second.run(({ signal }) => signal.seq === 3 && second.close());
  const fresh = client(server.url, { state: store }).client;
  assert.equal(fresh.position, "");
  const again = new Client({ url: server.url, key: KEY });
  assert.equal(again.digest, null);
  assert.equal(second.digest.count, 3);
  // closed clients ask no more
  const third = client(server.url, { state: store }).client;
  const listening = drain(third);
  await listening;
  const { matches, theirs } = await third.verify();
  assert.ok(matches && theirs.from === "e-1" && theirs.to === "e-3");
  await third.verify({ restart: true });
  assert.equal(third.digest, null);
  // under another filter, what was handled is no part of that digest
  const filtered = client(server.url, { state: store, filter: { market: "crypto" } }).client;
  await drain(filtered);
  assert.deepEqual([filtered.position, filtered.digest], ["e-3", null]);
});

test("closing wakes whoever waits", async (t) => {
  const server = await serve(t, [stream(hello(0), OPEN)]);
  const { client: one, notices } = client(server.url);
  const listening = drain(one);
  while (!notices.length) await new Promise((done) => setTimeout(done, 5));
  await assert.rejects(drain(one).then(({ error }) => Promise.reject(error)), /one stream/);
  one.close();
  assert.deepEqual(await listening, { seqs: [], error: null });
  const gone = client("http://127.0.0.1:9", { backoff: { firstMs: 60_000 }, signal: AbortSignal.timeout(100) }).client;
  assert.deepEqual(await drain(gone), { seqs: [], error: null });
});

test("closing ends the wait for what another channel handles and does not end", async (t) => {
  const server = await serve(t, [stream(hello(0), frame(1), OPEN)]);
  const once = new Once();
  await once.claim(signal(1).id);
  const waits = new Promise((resolve) => {
    const claim = once.claim.bind(once);
    once.claim = (...given) => {
      resolve();
      return claim(...given);
    };
  });
  const { client: one } = client(server.url, { once });
  const listening = drain(one);
  await waits;
  one.close();
  assert.deepEqual(await listening, { seqs: [], error: null });
});

test("what is no signal is a broken connection, not a lost signal", async (t) => {
  const server = await serve(t, [stream(hello(0), "event: signal\ndata: {\"seq\":1,\nid: e-1\n\n"), stream(hello(0), frame(1))]);
  const { client: one, kinds } = client(server.url);
  assert.deepEqual((await drain(one)).seqs, [1]);
  assert.ok(kinds().includes("lost"));
  assert.equal(server.streams()[1].headers["last-event-id"], "e-0");
});

test("the key is shown nowhere", async (t) => {
  const server = await serve(t, [refusal(401, "invalid_api_key")]);
  const { client: one, notices } = client(server.url);
  const { error } = await drain(one);
  const shown = [inspect(one, { depth: 9, showHidden: true }), JSON.stringify(one), inspect(error, { depth: 9 }), inspect(notices, { depth: 9 })];
  const refused = await drain(client("http://127.0.0.1:9", { signal: AbortSignal.timeout(50), onNotice: (notice) => shown.push(inspect(notice, { depth: 9, showHidden: true })) }).client);
  assert.equal(refused.error, null);
  assert.ok(shown.length > 4);
  for (const text of shown) assert.ok(!text.includes(KEY), text);
  for (const bad of [{ url: `http://user:${KEY}@x/` }, { url: `http://x/?key=${KEY}` }, { key: `${KEY}\n` }, { key: "" }]) {
    assert.throws(() => new Client({ url: "http://x", key: KEY, ...bad }), (error) => error instanceof TypeError && !error.message.includes(KEY));
  }
});

test("without a listener, a gap is a warning of the process", async (t) => {
  const gap = 'event: gap\ndata: {"from":null,"to":null,"reason":"epoch_changed","backfill":"/api/signals?after=e-0"}\nid: e-4\n\n';
  const server = await serve(t, [stream(gap)]);
  const warned = new Promise((resolve) => process.once("warning", resolve));
  await drain(client(server.url, { onGap: undefined }).client);
  assert.match((await warned).message, /epoch_changed/);
});
