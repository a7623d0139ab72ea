// The feed at fifty signals a second: how long frames take is told, and only a page that stands still fails.

import { ask, expect, tell, until } from "./harness.mjs";

const SECONDS = Number(process.env.STEADY_SECONDS ?? 5);

tell(async (open) => {
  const reader = await open();
  const { page } = reader;
  await reader.signIn();
  await reader.go("/live");
  await until(async () => (await page.locator("#connection").getAttribute("data-state")) === "live", "the page is connected", 30_000);
  await ask("start", { perSecond: 50 });
  await page.waitForTimeout(1_000);
  const frames = await page.evaluate(
    (seconds) =>
      new Promise((resolve) => {
        const times = [];
        const first = Number(document.querySelector("#feed li").dataset.seq);
        const begun = performance.now();
        let before = begun;
        requestAnimationFrame(function step(now) {
          times.push(now - before);
          before = now;
          if (now - begun < seconds * 1000) requestAnimationFrame(step);
          else resolve({ times: times.slice(1), rows: Number(document.querySelector("#feed li").dataset.seq) - first });
        });
      }),
    SECONDS,
  );
  await ask("stop");
  const sorted = frames.times.sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  console.log(`frames: ${sorted.length} in ${SECONDS} s, ${frames.rows} rows; p50 ${at(0.5).toFixed(1)} ms, p95 ${at(0.95).toFixed(1)} ms, p99 ${at(0.99).toFixed(1)} ms, longest ${at(1).toFixed(1)} ms`);
  expect(frames.rows >= 10 * SECONDS, `signals are shown while they come: ${frames.rows}`);
  expect(sorted.length >= 5 * SECONDS, `the page moves: ${sorted.length} frames`);
});
