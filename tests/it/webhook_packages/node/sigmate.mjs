// The headers of the other service, verified with nothing but node:crypto. The same lines in and out as standard.mjs.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createInterface } from "node:readline";

const bySecret = (secret, body) => Buffer.from(`sha256=${createHmac("sha256", secret).update(body).digest("hex")}`);
const same = (a, b) => a.length === b.length && timingSafeEqual(a, b);

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  const expected = bySecret(secret, Buffer.from(body, "base64"));
  const given = ["x-sigmate-signature", "x-sigmate-signature-previous"].map((name) => Buffer.from(headers[name] ?? ""));
  if (headers["x-sigmate-event"] !== "signal.fired") console.log("no event");
  else console.log(given.some((one) => same(one, expected)) ? "ok" : "no signature fits");
}
