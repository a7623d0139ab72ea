// A signal's page with its chart, copied as one wants it; and the overview, which keeps itself true.

import { ask, expect, expectEqual, tell, until } from "./harness.mjs";

const id = (n) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const buy = (n, more) => ({
  id: id(n), detected_at: `2026-04-24T09:3${n}:00.000Z`, signal_type: "consensus_buy", rank: "S", rank_score: 94.1, market: "crypto",
  token: { address: "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr", symbol: "WIF", name: "dogwifhat", dex: "Raydium", age_minutes: 12, market_cap_usd: 412000, liquidity_usd: 88300, price_usd: 0.0069 * n },
  wallet_count: 7, pool_wallet_count: 5, other_buyer_count: 2, wallet_score_sum: 612.4,
  triggering_wallets: [1, 2, 3].map((w) => ({ address: `HN7Wk${w}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAz9Aa`, score: 128.1 - w, rank: "S", win_rate: 0.71, realized_pnl_usd: 184220 })),
  rug_check: { mint_renounced: true, freeze_renounced: true, top10_holders_pct: 18.4, lp_locked: true, risk: "low" },
  episode_id: id(1), latency_ms: 412, timing: { ingest_ms: 400.5, score_ms: 11.5 }, ...more,
});
const insider = {
  id: id(7), detected_at: "2026-04-20T18:32:11.000Z", signal_type: "insider_buy", rank: "B", rank_score: 58.5, market: "us", amfId: "SEC:0001127602-25-009876", pubDate: "2026-04-20T18:32:11.000Z",
  transactionDate: "2026-04-17", pdfUrl: "https://www.sec.gov/Archives/x", company: { name: "Example Industries Incorporated", slug: "example-1", yahooSymbol: "EX", marketCap: 1e9 },
  insider: { name: "Jane Roe", slug: "jane-roe-1", function: "Chief Financial Officer" }, transaction: { amount: 1234567, currency: "USD" },
  transactions: [{ code: "P", date: "2026-04-17", security: "Common Stock", shares: 1000, price: 12.5, sharesAfter: 5000 }],
  score: { score: 58.5, coverage: 88, modifiers: [], factors: ["opportunism", "cluster", "role", "size_mcap", "size_holdings", "contrarian", "track_record", "net_flow", "timeliness"].map((key, n) => ({ key, value: n === 3 ? null : n, points: n, cap: 12, rationale: `because of ${n}` })) },
};

tell(async (open) => {
  const reader = await open();
  const { page } = reader;
  await reader.go("/");
  expect(await page.getByText("none yet").isVisible(), "no signal yet");
  for (const signal of [buy(1, {}), buy(2, { update: 1 }), buy(3, { signal_type: "consensus_exit", triggering_wallet_count: 3, exited_wallets: ["HN7Wk1", "HN7Wk2"] }), insider]) await ask("publish", signal);
  await until(async () => !(await page.getByText("none yet").isVisible()), "the overview is looked up again");
  await reader.expectForEverybody();
  await reader.measure();
  await reader.shoot("home");
  await page.getByRole("button", { name: "Copy the lines for curl" }).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied.startsWith(`curl -N ${new URL(page.url()).origin}/api/signals/stream`), `what is copied is this server's: ${copied}`);

  await reader.signIn();
  await reader.go(`/signals/${id(1)}`);
  expectEqual(await page.locator(".parts tbody tr").count(), 6, "parts of the points");
  expect(await page.locator("figure[data-chart] canvas").isVisible(), "prices are drawn");
  expectEqual(await page.locator(".feed .signal").count(), 3, "its episode");
  await reader.expectForEverybody();
  await reader.measure();
  await reader.shoot("consensus");
  await page.getByRole("button", { name: "Copy as curl" }).click();
  expect((await page.evaluate(() => navigator.clipboard.readText())).includes(`/api/signals/${id(1)}`), "the command is copied");
  await page.getByText("JSON", { exact: true }).click();
  await page.getByRole("button", { name: "Copy the JSON" }).click();
  expectEqual(JSON.parse(await page.evaluate(() => navigator.clipboard.readText())).id, id(1), "the JSON is copied");

  // an exit says who is out, and leads back
  await reader.go(`/signals/${id(3)}`);
  await page.getByText("2 of 3 wallets that it began with have sold.").waitFor();
  await page.getByRole("link", { name: "the purchase" }).click();
  await page.waitForURL(`**/signals/${id(1)}`);

  const phone = await open({ phone: true, dark: true });
  await phone.signIn();
  for (const n of [3, 7]) {
    await phone.go(`/signals/${id(n)}`);
    await phone.expectForEverybody();
    await phone.shoot(`phone-${n}`);
  }
  expectEqual(await phone.page.locator(".factors li").count(), 9, "factors");
  await phone.go("/");
  await phone.expectForEverybody();
});
