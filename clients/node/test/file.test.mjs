/** The file that keeps a position: whole whatever ends the process, wherever it is cut, and never quietly another beginning. */

import assert from "node:assert/strict";
import { mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileState, StateError } from "../dist/index.js";

const SLOT = 4_096;

function state(seq) {
  return { id: `e-${seq}`, filter: "", digest: { from: "e-4", to: `e-${seq}`, count: 2, digest: "ab".repeat(32) } };
}

async function folder(test) {
  const made = await mkdtemp(join(tmpdir(), "sigcast-"));
  test.after(() => rm(made, { recursive: true }));
  return made;
}

/** Spoils bytes, as a write that was cut does. */
async function spoil(path, at, bytes) {
  const file = await open(path, "r+");
  await file.write(Buffer.from(bytes), 0, undefined, at);
  await file.close();
}

test("what was saved last is read, by whoever reads it", async (t) => {
  const path = join(await folder(t), "position");
  const store = fileState(path);
  assert.equal(await store.load(), null);
  for (let seq = 1; seq <= 9; seq += 1) {
    await store.save(state(seq));
    assert.deepEqual(await fileState(path).load(), state(seq));
  }
  const { size, mode } = await stat(path);
  assert.deepEqual([size, mode & 0o777], [4 * SLOT, 0o600]);
  // another process goes on
  const other = fileState(path);
  await other.save(state(10));
  assert.deepEqual(await fileState(path).load(), state(10));
  assert.equal((await readFile(path, "utf8")).split("\n").length, 5, "a line for each slot");
});

test("a slot that was cut gives way to the one before", async (t) => {
  const path = join(await folder(t), "position");
  const store = fileState(path, { syncMs: 1e9 });
  for (const seq of [5, 6, 7]) await store.save(state(seq));
  // the third was written to the second slot
  for (const [at, bytes] of [[SLOT, "x"], [SLOT + 30, "\0\0"], [SLOT, " ".repeat(SLOT)]]) {
    await spoil(path, at, bytes);
    assert.deepEqual(await fileState(path).load(), state(6), `${at}`);
  }
  await spoil(path, 0, "\0".repeat(SLOT));
  assert.deepEqual(await fileState(path).load(), state(5), "what the disk has confirmed");
  // and from there it goes on
  await fileState(path).save(state(8));
  assert.deepEqual(await fileState(path).load(), state(8));
});

test("while the disk is asked for one, it has the other", async (t) => {
  const path = join(await folder(t), "position");
  const store = fileState(path, { syncMs: 0 });
  for (const seq of [5, 6, 7, 8]) await store.save(state(seq));
  await spoil(path, 0, "\0".repeat(2 * SLOT));
  assert.deepEqual(await fileState(path).load(), state(8));
  // the next would be written over the older of the two
  const next = fileState(path, { syncMs: 0 });
  await next.save(state(9));
  await spoil(path, 0, "\0".repeat(2 * SLOT));
  assert.deepEqual(await fileState(path).load(), state(9));
  for (const slot of [2, 3]) {
    const held = (await readFile(path, "utf8")).slice(slot * SLOT, (slot + 1) * SLOT);
    assert.match(held, /"id":"e-[89]"/);
  }
});

test("a file that holds no position is no new beginning", async (t) => {
  const path = join(await folder(t), "position");
  for (const bad of ["", "{", "[]", '{"id":"e-1","filter":""}', "\0".repeat(4 * SLOT)]) {
    await writeFile(path, bad);
    await assert.rejects(fileState(path).load(), StateError, bad);
    await assert.rejects(fileState(path).save(state(1)), StateError, bad);
    assert.equal(await readFile(path, "utf8"), bad, "and is left as it is");
  }
});

test("what cannot be written is told, with the file's name", async (t) => {
  const at = await folder(t);
  const missing = join(at, "none", "position");
  await assert.rejects(fileState(missing).save(state(1)), (error) => error instanceof StateError && error.message.includes(missing));
  await mkdir(join(at, "folder"));
  await assert.rejects(fileState(join(at, "folder")).load(), StateError);
  await assert.rejects(fileState(join(at, "long")).save({ ...state(1), filter: "x".repeat(3_001) }), StateError);
  // the longest leaves room for all else
  const [from, to] = [`${"e".repeat(64)}-1`, `${"e".repeat(64)}-${10 ** 15}`];
  const full = { id: to, filter: "x".repeat(3_000), digest: { from, to, count: 10 ** 15, digest: "ab".repeat(32) } };
  await fileState(join(at, "full")).save(full);
  assert.deepEqual(await fileState(join(at, "full")).load(), full);
});

test("one that was removed meanwhile is made again", async (t) => {
  const path = join(await folder(t), "position");
  const store = fileState(path, { syncMs: 0 });
  await store.save(state(1));
  await rm(path);
  await store.save(state(2));
  assert.deepEqual(await fileState(path).load(), state(2));
});
