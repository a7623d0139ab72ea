// npm's `standardwebhooks`, used as its own documentation says. A case a line on stdin: {secret, headers, body (base64)}; a verdict a line on
// stdout: `ok`, or why not.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  const payload = Buffer.from(body, "base64").toString();
  try {
    const verified = new Webhook(secret).verify(payload, headers);
    const same = JSON.stringify(verified) === JSON.stringify(JSON.parse(payload));
    console.log(same ? "ok" : "another payload");
  } catch (error) {
    console.log(`${error.constructor.name}: ${error.message}`);
  }
}
