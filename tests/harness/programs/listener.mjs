// Says on its output whatever the client of `clients/node` sees and does, a line each.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Client, WebhookReceiver, fileState } from "sigcast";

const { SIGCAST_URL, SIGCAST_KEY, STATE } = process.env;
const options = JSON.parse(process.env.OPTIONS);
const say = (...words) => console.log(words.join(" "));

const client = new Client({
  url: SIGCAST_URL,
  key: SIGCAST_KEY,
  state: fileState(STATE),
  backoff: { firstMs: 100, longestMs: options.longestMs ?? 300 },
  ...(options.from === undefined ? {} : { from: options.from }),
  ...(options.minRank === undefined ? {} : { filter: { minRank: options.minRank } }),
  ...(options.ca === undefined ? {} : { ca: readFileSync(options.ca) }),
  ...(options.takeover ? { takeover: true } : {}),
  onGap: (gap) => say("gap", gap.from, gap.to, gap.reason),
  onNotice: (notice) => {
    if (notice.kind === "connected") say("connected at", notice.place);
    else if (notice.kind === "lost") say("lost", notice.error.name);
    else if (notice.kind === "refused") say("refused", notice.error.code);
    else if (notice.kind === "ended") say("ended", notice.reason);
    else if (notice.kind === "hole") say("hole", notice.from, notice.to, notice.recovered);
    else if (notice.kind === "duplicate") say("duplicate", notice.id);
  },
});

const handle = ({ channel, signal, event }) => say("signal", channel, signal.seq, signal.id, event);

if (options.secret !== undefined) {
  const receiver = new WebhookReceiver({
    secrets: options.secret,
    handle,
    once: client.once,
    form: options.form ?? "standard",
    onTest: () => say("tested"),
    onError: (error) => say("refused a webhook:", error.message),
  });
  const server = createServer(receiver.listener).listen(0, "127.0.0.1", () => say("receives at", `127.0.0.1:${server.address().port}`));
  server.unref();
}

const orders = createInterface({ input: process.stdin });
orders.on("line", async (line) => {
  if (line === "close") client.close();
  if (line === "position") say("position", client.position);
  if (line !== "verify") return;
  try {
    const { matches, ours } = await client.verify();
    say("verified", matches, ours.count);
  } catch (error) {
    say("verified", error.name, error.message);
  }
});

try {
  await client.run(handle);
  say("end closed", client.position);
} catch (error) {
  say("end", error.name, error.code);
}
process.exit(0);
