/** The parts of a client, each by itself: who handles what, how long is waited, what an event is called. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../dist/backoff.js";
import { eventName, filterQuery } from "../dist/filter.js";
import { Once } from "../dist/index.js";

test("an id is handled once, by whoever comes first", async () => {
  const once = new Once(2);
  const first = await once.claim("a");
  let second = "waits";
  const waiting = once.claim("a").then((claim) => (second = claim));
  await new Promise(setImmediate);
  assert.equal(second, "waits");
  first.done();
  assert.equal(await waiting, null);
  // what could not be handled is the next one's
  const failed = await once.claim("b");
  const next = once.claim("b");
  failed.release();
  failed.done(); // too late: it was given back
  const claim = await next;
  assert.ok(claim);
  claim.done();
  assert.ok(once.has("a") && once.has("b"));
  (await once.claim("c")).done();
  assert.ok(!once.has("a") && once.has("b") && once.has("c"), "the oldest is forgotten");
});

test("waits grow, are spread, and are bounded", () => {
  const still = new Backoff({ firstMs: 100, longestMs: 1_000 }, () => 0);
  assert.deepEqual(Array.from({ length: 6 }, () => still.next(null)), [100, 200, 400, 800, 1_000, 1_000]);
  still.reset();
  assert.equal(still.next(250), 250, "the server's retry");
  assert.equal(still.next(250, 5_000), 5_000, "and Retry-After");
  still.reset();
  assert.equal(still.next(0), 100, "which is no storm");
  assert.equal(still.next(250, Date.parse("2999-12-31")), 300_000, "which may say anything");
  const spread = new Backoff({ firstMs: 100, longestMs: 1_000 }, () => 0.8);
  assert.equal(spread.next(null), 120);
});

test("equal filters are equal texts", () => {
  assert.equal(filterQuery({}).toString(), "");
  const filter = { market: "crypto", types: ["b", "a"], minScore: 80.5, minRank: "A", token: "T" };
  assert.equal(filterQuery(filter).toString(), "types=a%2Cb&min_rank=A&min_score=80.5&token=T&market=crypto");
});

test("what a stream would call it", () => {
  const best = { rank: "A", rank_score: 76, others: [{ rank: "B", rank_score: 88 }] };
  for (const [signal, filter, expected] of [
    [{}, {}, "signal"],
    [{ best_before: best }, {}, "signal_update"],
    [{ best_before: null }, {}, "signal"],
    [{ best_before: best }, { minRank: "S" }, "signal"],
    [{ best_before: best }, { minScore: 80 }, "signal_update"],
    [{ best_before: best }, { minRank: "A", minScore: 80 }, "signal"],
    [{ signal_type: "consensus_exit", best_before: best }, {}, "signal_exit"],
  ]) {
    assert.equal(eventName(signal, filter), expected, JSON.stringify([signal, filter]));
  }
});
