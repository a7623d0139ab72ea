/** Webhooks: who sent them, what is answered, and that each signal is handled once, beside a stream or without one. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { test } from "node:test";
import { Once, SignatureError, WebhookReceiver, verifySigmate, verifyWebhook } from "../dist/index.js";
import { signal } from "./server.mjs";

const SECRET = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
const OLD = `whsec_${Buffer.alloc(32, 2).toString("base64")}`;

function standard(secret, id, at, body) {
  const key = Buffer.from(secret.slice(6), "base64");
  return `v1,${createHmac("sha256", key).update(`${id}.${at}.${body}`).digest("base64")}`;
}

function signed(body, { secrets = [SECRET], at = Math.floor(Date.now() / 1000), id = "one" } = {}) {
  return { "webhook-id": id, "webhook-timestamp": String(at), "webhook-signature": secrets.map((one) => standard(one, id, at, body)).join(" ") };
}

test("the standard's own example", () => {
  const headers = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  };
  const now = () => 1614265330_000;
  const found = verifyWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", headers, '{"test": 2432232314}', { now });
  assert.deepEqual(found, { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1614265330 });
});

test("what is signed, fresh and whole passes; nothing else does", () => {
  const body = '{"seq":7,"name":"Büro €","n":1.50}';
  const now = Math.floor(Date.now() / 1000);
  const good = signed(body);
  const pass = (headers, secrets = SECRET, text = body) => verifyWebhook(secrets, headers, Buffer.from(text));
  assert.equal(pass(good).id, "one");
  assert.equal(pass(new Headers(good)).id, "one");
  assert.equal(pass({ "Webhook-Id": "one", "WEBHOOK-TIMESTAMP": good["webhook-timestamp"], "Webhook-Signature": good["webhook-signature"] }).id, "one");
  // while a secret is rotated: either side may know both
  assert.equal(pass(signed(body, { secrets: [OLD, SECRET] })).id, "one");
  assert.equal(pass(signed(body, { secrets: [OLD] }), [SECRET, OLD]).id, "one");
  assert.equal(pass(signed(body, { at: now - 290 })).id, "one");
  const v1a = { ...good, "webhook-signature": `v1a,xx ${good["webhook-signature"]}` };
  assert.equal(pass(v1a).id, "one");
  for (const [what, headers, text] of [
    ["another body", good, `${body} `],
    ["another id", { ...good, "webhook-id": "two" }],
    ["another time", { ...good, "webhook-timestamp": String(now + 1) }],
    ["no time", { ...good, "webhook-timestamp": "soon" }],
    ["another secret", signed(body, { secrets: [OLD] })],
    ["no signature", { ...good, "webhook-signature": "" }],
    ["without its version", { ...good, "webhook-signature": good["webhook-signature"].slice(3) }],
    ["cut", { ...good, "webhook-signature": good["webhook-signature"].slice(0, 20) }],
    ["too old", signed(body, { at: now - 302 })],
    ["from the future", signed(body, { at: now + 302 })],
    ["nothing", {}],
  ]) {
    assert.throws(() => pass(headers, SECRET, text), SignatureError, what);
  }
  for (const bad of ["", "whsec_", "whsec_no base64!", []]) assert.throws(() => pass(good, bad), TypeError);
});

test("the other service's headers", () => {
  const body = '{"id":"x"}';
  const hex = (secret) => `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
  verifySigmate(SECRET, { "x-sigmate-signature": hex(SECRET) }, body);
  verifySigmate([SECRET, OLD], { "x-sigmate-signature": hex(OLD) }, body);
  verifySigmate(OLD, { "x-sigmate-signature": hex(SECRET), "x-sigmate-signature-previous": hex(OLD) }, body);
  for (const headers of [{}, { "x-sigmate-signature": hex(OLD) }, { "x-sigmate-signature": hex(SECRET).slice(7) }, { "x-sigmate-signature": "sha256=" }]) {
    assert.throws(() => verifySigmate(SECRET, headers, body), SignatureError);
  }
});

test("a receiver answers by what came of it, and handles each signal once", async (t) => {
  const [handled, tests, errors] = [[], [], []];
  let fails = 1;
  const receiver = new WebhookReceiver({
    secrets: SECRET,
    handle: async ({ signal, channel, place, event, raw }) => {
      if (signal.seq === 2 && fails-- > 0) throw new Error("not now");
      handled.push([signal.seq, channel, place, event, JSON.parse(raw).price]);
    },
    onTest: (one) => tests.push(one.webhook_id),
    onError: (error) => errors.push(error.message),
    largestBody: 4_096,
  });
  const server = createServer(receiver.listener);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => server.close());
  const post = async (body, headers = signed(body), method = "POST") => {
    const response = await fetch(`http://127.0.0.1:${server.address().port}/`, { method, headers, ...(method === "POST" ? { body } : {}) });
    await response.text();
    return response.status;
  };
  const [one, two] = [signal(1), signal(2, { best_before: { rank: "B", rank_score: 1 } })].map((each) => JSON.stringify(each));
  assert.equal(await post(one), 204);
  assert.equal(await post(one), 204, "again");
  assert.equal(await post(two), 500);
  assert.equal(await post(two), 204, "sent again");
  assert.deepEqual(handled, [[1, "webhook", null, "signal", 0.5], [2, "webhook", null, "signal_update", 0.5]]);
  assert.equal(await post('{"type":"webhook.test","id":"t","webhook_id":"w","sent_at":"","message":""}'), 204);
  assert.deepEqual(tests, ["w"]);
  assert.equal(await post(one, {}), 401);
  const reached = '{"id":"x","best_before":{"rank":"A","others":7}}';
  for (const bad of ["no JSON", "null", "[]", "{}", '{"id":5}', reached]) assert.equal(await post(bad), 400, bad);
  assert.equal(await post("x".repeat(5_000)), 413);
  assert.equal(await post("", {}, "GET"), 405);
  assert.ok(errors.includes("not now") && errors.includes("no webhook-id and webhook-timestamp"));
  assert.equal(handled.length, 2);
});

test("while one channel handles a signal, the other waits for what comes of it", async () => {
  const once = new Once();
  const handled = [];
  const receiver = new WebhookReceiver({ secrets: SECRET, handle: ({ signal }) => void handled.push(signal.seq), once });
  const body = JSON.stringify(signal(1));
  const first = await once.claim(signal(1).id);
  const reply = receiver.receive(signed(body), Buffer.from(body));
  await new Promise(setImmediate);
  assert.deepEqual(handled, []);
  first.release();
  assert.deepEqual(await reply, { status: 204, text: "" });
  assert.deepEqual(handled, [1]);
});
