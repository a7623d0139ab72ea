/** The parts of a client, each by itself: who handles what, how long is waited, what is kept, what an event is called. */

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Backoff } from "../dist/backoff.js";
import { eventName, filterQuery } from "../dist/filter.js";
import { Once, StateError, fileState } from "../dist/index.js";

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
  assert.equal(still.next(250, Date.parse("2999-12-31")), 300_000, "which may say anything");
  const spread = new Backoff({ firstMs: 100, longestMs: 1_000 }, () => 0.8);
  assert.equal(spread.next(null), 120);
});

test("a file keeps the state whole", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "sigcast-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "position.json");
  const store = fileState(path);
  assert.equal(await store.load(), null);
  const state = { id: "e-5", filter: "", digest: { from: "e-4", to: "e-5", count: 2, digest: "ab".repeat(32) } };
  await store.save(state);
  assert.deepEqual(await fileState(path).load(), state);
  await store.save({ ...state, id: "e-6" });
  assert.equal(JSON.parse(await readFile(path, "utf8")).id, "e-6");
  for (const bad of ["", "{", "[]", '{"id":7}', '{"id":"","filter":""}']) {
    await writeFile(path, bad);
    // lost with the power: what is known to be on the disk is an earlier place, from which nothing is missed
    assert.equal((await store.load()).id, "e-5", bad);
  }
  await writeFile(`${path}.synced`, "");
  await assert.rejects(store.load(), StateError);
  const each = fileState(path, { syncMs: 0 });
  await each.save({ ...state, id: "e-7" });
  await each.save({ ...state, id: "e-8" });
  await writeFile(path, "");
  assert.equal((await each.load()).id, "e-8");
  await writeFile(`${path}.synced`, "");
  await assert.rejects(fileState(join(folder, "none", "x")).save(state), StateError);
  await rm(path);
  await assert.rejects(store.load(), StateError, "its copy is none either");
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
