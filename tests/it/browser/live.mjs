// The live feed as a person reads it: over a restart of the server without a hole or a double, filtered, paused, heard, and closed when one signs out.

import { ask, expect, expectEqual, tell, until } from "./harness.mjs";

/** Notes each row that was ever shown, by its seq, in the order of coming. */
const watch = () => {
  window.shown = [];
  window.gaps = [];
  const look = (rows) => {
    for (const row of [...rows].reverse()) {
      if (row.classList?.contains("gap")) window.gaps.push(row.textContent);
      else if (row.dataset?.seq) window.shown.push(Number(row.dataset.seq));
    }
  };
  look(document.querySelectorAll("#feed ol > li"));
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => look(addedNodes))).observe(document.querySelector("#feed ol"), { childList: true });
};

const state = (page) => page.locator("#connection").getAttribute("data-state");
const live = (page) => until(async () => (await state(page)) === "live", "the page is connected", 30_000);
const shown = (page) => page.evaluate(() => window.shown);
const upTo = (last) => Array.from({ length: last }, (_, n) => n + 1);

tell(async (open) => {
  const reader = await open();
  const { page } = reader;
  await reader.go("/live");
  expect(await page.getByText("No signal yet").isVisible(), "who is not signed in sees what is public");
  await reader.expectForEverybody();
  await ask("publish", { from: 1, to: 30 });
  await reader.signIn();
  await reader.go("/live");
  await page.evaluate(watch);
  await live(page);
  expectEqual((await shown(page)).length, 30, "rows at first");
  await reader.expectForEverybody();
  await reader.measure();

  await ask("publish", { from: 31, to: 60 });
  await until(async () => (await shown(page)).length >= 60, "new signals are shown");
  expectEqual(await page.locator("#feed ol > li").first().getAttribute("data-seq"), "60", "the newest first");
  expect(/behind/.test(await page.locator("#lag").innerText()), "the lag is told");
  await reader.shoot("live");

  // the server is killed and comes back while signals are published
  reader.tolerate(/^failed: .*(stream|ticket)/);
  reader.tolerate(/^503: /);
  await ask("restart", { from: 61, to: 90 });
  await live(page);
  await ask("publish", { from: 91, to: 120 });
  await until(async () => (await shown(page)).includes(120), "the feed goes on after a restart", 30_000);
  expectEqual(await shown(page), upTo(120), "each signal once, and none left out");
  expectEqual(await page.evaluate(() => window.gaps), [], "nothing was missed");

  // and after a goodbye
  await ask("drain", { from: 121, to: 130 });
  await until(async () => (await shown(page)).includes(130), "the feed goes on after a drain", 30_000);
  expectEqual(await shown(page), upTo(130), "each signal once, and none left out");
  await live(page);

  // rows wait while one reads, and are counted
  const pause = page.locator("#pause");
  await pause.click();
  await ask("publish", { from: 131, to: 140 });
  await until(async () => (await pause.innerText()) === "Show 10 new", "what waits is counted");
  expectEqual((await shown(page)).length, 130, "nothing is shown meanwhile");
  await pause.click();
  await until(async () => (await shown(page)).length === 140, "it is shown then");

  // sound is off until somebody wants it
  const sound = page.locator("#sound");
  await page.evaluate(() => {
    window.tones = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...at) {
      window.tones += 1;
      return start.apply(this, at);
    };
  });
  await ask("publish", { from: 141, to: 141 });
  await until(async () => (await shown(page)).includes(141), "a signal without a sound");
  expectEqual(await page.evaluate(() => window.tones), 0, "tones before");
  await sound.click();
  await until(async () => (await sound.getAttribute("aria-pressed")) === "true", "sound is on");
  await page.waitForTimeout(300);
  await ask("publish", { from: 142, to: 142 });
  await until(async () => (await page.evaluate(() => window.tones)) >= 2, "a signal is heard");
  await sound.click();

  // no more rows than a page bears
  await ask("publish", { from: 143, to: 400 });
  await until(async () => (await shown(page)).includes(400), "many are shown");
  expectEqual(await page.locator("#feed ol > li").count(), 200, "rows on the page");
  expectEqual((await shown(page)).slice(-200), upTo(400).slice(-200), "the latest of them");

  // a filter is the stream's own, and in the address
  await page.selectOption("#min_rank", "S");
  await page.waitForURL(/min_rank=S/);
  await page.evaluate(watch);
  await live(page);
  expect((await page.locator("#feed .rank-A").count()) === 0, "others are gone");
  await ask("publish", { from: 401, to: 410 });
  await until(async () => (await shown(page)).includes(410), "those that pass come");
  expect(!(await shown(page)).includes(409), "and no others");
  const shared = await open();
  await shared.signIn();
  await shared.page.goto(page.url());
  await live(shared.page);
  expectEqual(await shared.page.locator("#min_rank").inputValue(), "S", "a shared address says the same");

  // by keyboard alone, on a phone, in the dark
  const phone = await open({ phone: true, dark: true });
  await phone.signIn();
  await phone.go("/live");
  await live(phone.page);
  await phone.expectForEverybody();
  await phone.shoot("phone");
  await phone.page.locator("#pause").focus();
  await phone.page.keyboard.press("Enter");
  expectEqual(await phone.page.locator("#pause").getAttribute("aria-pressed"), "true", "paused by the keyboard");

  // more tabs than there are places: the one that is open the longest says so
  const fourth = await open();
  await fourth.signIn();
  await fourth.go("/live");
  await live(fourth.page);
  await until(async () => (await page.locator("#connection").innerText()).startsWith("Shown in other tabs"), "the first tab is told");
  await reader.expectForEverybody();
  await page.locator("#again").click();
  await live(page);

  // signing out in another tab of the same browser ends it here
  const tab = await page.context().newPage();
  await tab.goto(new URL("/account", page.url()).href);
  await tab.getByRole("button", { name: "Sign out", exact: true }).click();
  await until(async () => (await page.locator("#connection").innerText()) === "Signed out.", "the feed ends with its session");
  expectEqual(await state(fourth.page), "live", "others' go on");

  // and a key that is revoked ends them all
  await ask("revoke");
  await until(async () => (await state(fourth.page)) === "ended", "a revoked key ends the feed");
  expect((await fourth.page.locator("#connection").innerText()).startsWith("Ended: the session is over"), "in words");
});
