/** The readers of bytes: events, items of lists, digests; whole, and cut anywhere. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { rawItems } from "../dist/items.js";
import { RollingDigest, SseParser, parsePlace } from "../dist/index.js";

function parse(text, cuts = []) {
  const bytes = Buffer.isBuffer(text) ? text : Buffer.from(text);
  const parser = new SseParser();
  const frames = [];
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    frames.push(...parser.feed(bytes.subarray(from, to)));
    from = to;
  }
  return { frames, retryMs: parser.retryMs };
}

const one = (data, event = "message", id = "") => ({ event, data, id });

const CASES = [
  ["an event", "data: a\n\n", [one("a")]],
  ["one without its end", "data: a\n\ndata: b\n", [one("a")]],
  ["CR", "data: a\r\rdata: b\r\r", [one("a"), one("b")]],
  ["CRLF", "event: e\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [one("a", "e"), one("b")]],
  ["mixed ends", "data: a\r\ndata: b\rdata: c\n\r\n", [one("a\nb\nc")]],
  ["several lines", "data: a\ndata\ndata:\ndata:  b\n\n", [one("a\n\n\n b")]],
  ["a BOM", "\ufeffdata: a\n\n", [one("a")]],
  ["a second BOM is a letter", "\ufeff\ufeffdata: a\n\ndata: b\n\n", [one("b")]],
  ["comments", ": ping\n:\ndata: a\n: probe\n\n", [one("a")]],
  ["no data, no event", "event: e\nid: 7\n\ndata: a\n\n", [one("a", "message", "7")]],
  ["ids last", "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", [one("a", "message", "1"), one("b", "message", "1"), one("c")]],
  ["an id with NUL", "id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", [one("a", "message", "1"), one("b", "message", "1")]],
  ["fields of others", "data: a\nfoo: b\nDATA: c\n data: d\n\n", [one("a")]],
  ["letters of many bytes", "data: Büro € 😀\n\n", [one("Büro € 😀")]],
];

test("events, whole and in pieces of a byte", () => {
  for (const [what, text, expected] of CASES) {
    assert.deepEqual(parse(text).frames, expected, what);
    const every = Array.from({ length: Buffer.byteLength(text) }, (_, at) => at);
    assert.deepEqual(parse(text, every).frames, expected, `${what}, byte by byte`);
  }
});

test("retry takes digits only", () => {
  for (const [text, expected] of [["7", 7], ["2317", 2317], ["-1", null], ["1.5", null], ["1e3", null], ["", null], [" 5", null], ["99999999999", null]]) {
    assert.equal(parse(`retry: ${text}\n`).retryMs, expected, text);
  }
  assert.equal(parse("retry: 5\nretry: x\n").retryMs, 5);
});

test("what does not end is refused", () => {
  const parser = new SseParser();
  const piece = Buffer.alloc(1 << 20, "x");
  assert.throws(() => {
    for (let n = 0; n < 10; n += 1) parser.feed(piece);
  }, /does not end/);
});

/** Numbers that follow from a seed. */
function dice(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("the same events, wherever the bytes are cut", () => {
  const roll = dice(7);
  const parts = ["data: x", "data", "data:€", "event: e", "id: e-1", "id:\0", "retry: 12", ": c", "", "", "\ufeff", "𝄞: 1"];
  const ends = ["\n", "\r", "\r\n"];
  for (let round = 0; round < 300; round += 1) {
    let text = roll(4) ? "" : "\ufeff";
    for (let n = roll(30); n >= 0; n -= 1) text += parts[roll(parts.length)] + ends[roll(3)];
    const bytes = Buffer.from(text);
    const cuts = Array.from({ length: roll(8) }, () => roll(bytes.length + 1)).sort((a, b) => a - b);
    assert.deepEqual(parse(bytes, cuts), parse(bytes), JSON.stringify({ text, cuts }));
  }
});

test("items keep their bytes", () => {
  const items = ['{"a":1.50,"b":"]},{\\"","c":[{}]}', '{"seq":2,"n":1e-7,"t":"\\\\"}'];
  const list = (...all) => `{"items":[${all.join(",")}],"next":"e-2","epoch":"e","head":9}`;
  assert.deepEqual(rawItems(list(...items)), items);
  assert.deepEqual(rawItems(list()), []);
  for (const bad of ["", "[]", '{"next":1}', '{"items":[{"a":"x', '{"items":[{}']) assert.throws(() => rawItems(bad), /list|string/);
});

test("places", () => {
  assert.deepEqual(parsePlace("1f3c9a2e-183"), { epoch: "1f3c9a2e", seq: 183 });
  for (const bad of ["", "5", "e-", "-5", "e-x", "e-9999999999999999", "e--5", "e-5 "]) assert.equal(parsePlace(bad), null, bad);
});

test("a digest is the chain that the server computes", () => {
  const sha = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
  const [first, second] = ['{"seq":5,"t":"€"}', '{"seq":6}'];
  const d1 = sha(Buffer.alloc(32), first);
  const digest = new RollingDigest();
  assert.equal(digest.state, null);
  digest.push("e-5", first);
  assert.deepEqual(digest.state, { from: "e-5", to: "e-5", count: 1, digest: d1.toString("hex") });
  // over a restart of its own
  const again = new RollingDigest(digest.state);
  again.push("e-6", second);
  assert.deepEqual(again.state, { from: "e-5", to: "e-6", count: 2, digest: sha(d1, second).toString("hex") });
});
