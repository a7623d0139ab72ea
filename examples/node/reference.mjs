// The example client of the Sigmate API reference, to the letter, but for its base URL, which comes from the environment:
// what was written for that API runs against sigcast unchanged. See bot.mjs for one that also survives a bad day.

import { printSignal as handleSignal } from "./print.mjs";

const BASE_URL = process.env.SIGCAST_URL ?? "http://127.0.0.1:8080";

import { EventSource } from "eventsource";

const es = new EventSource(`${BASE_URL}/api/signals/stream`, {
  fetch: (url, init) =>
    fetch(url, {
      ...init,
      headers: { ...init?.headers, Authorization: `Bearer ${process.env.SIGMATE_KEY}` },
    }),
});

es.addEventListener("hello", (e) => console.log("connected", e.data));

es.addEventListener("signal", (e) => {
  const signal = JSON.parse(e.data);
  // signal.rank, signal.token, signal.triggering_wallets, ...
  handleSignal(signal);
});

es.addEventListener("error", (e) => {
  // EventSource reconnects automatically on network errors.
  // 401 or 403 means the key is invalid or the subscription lapsed.
  console.error("stream error", e);
});
