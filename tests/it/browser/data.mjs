// The pages of insider data: filtered by keyboard, shared by address, copied as a command, drawn, and for everybody.

import { execFileSync } from "node:child_process";
import { expect, expectEqual, server, tell, until } from "./harness.mjs";

const COMPANY = "/companies/otter-works-inc-1";

/** What the API answers to the story's key, but for what differs from answer to answer. */
async function api(path) {
  const response = await fetch(new URL(path, server.url), { headers: { authorization: `Bearer ${server.key}` } });
  const { meta: _, ...told } = await response.json();
  return told;
}

/** Presses Tab until an element has the focus, as who has no mouse does. */
async function tabTo(page, id) {
  for (let n = 0; n < 80; n++) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate(() => document.activeElement.id)) === id) return;
  }
  throw new Error(`Tab never comes to ${id}`);
}

/** The same while a page is left for another: not yet. */
const calmly = (asked) => asked.catch(() => null);
const rows = (page) => page.locator("table.filings tbody tr").count();
const filings = (page) => page.locator("table.filings th[scope=row] a").evaluateAll((links) => links.map((link) => link.title));
const query = (page) => Object.fromEntries(new URL(page.url()).searchParams);

/** A chart is drawn, in more than one colour; and its table says what the API says. */
async function expectChart(page, kind) {
  const chart = page.locator(`figure[data-chart=${kind}]`);
  await chart.locator("canvas").waitFor();
  const colours = await chart.locator("canvas").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
  });
  expect(colours > 3, `a ${kind} chart is drawn: ${colours} colours`);
  return chart.locator("table:not(.u-legend) tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.dataset.v ?? cell.textContent.trim())));
}

/** What a chart writes on its canvas. */
async function written(reader, path) {
  await reader.page.addInitScript(() => {
    window.written = [];
    const { fillText } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
      window.written.push(text);
      return fillText.call(this, text, ...at);
    };
  });
  await reader.go(path);
  await reader.page.locator("figure[data-chart=line] canvas").waitFor();
  return reader.page.evaluate(() => window.written);
}

tell(async (open) => {
  const reader = await open();
  const { page } = reader;
  await reader.go("/screener");
  await reader.signIn();
  expectEqual(new URL(page.url()).pathname, "/screener", "signing in leads back");
  const all = await rows(page);
  expectEqual(all, (await api("/api/v1/declarations")).items.length, "rows");
  await reader.expectForEverybody();
  await reader.measure();
  await reader.shoot("screener");

  // by keyboard alone
  await page.evaluate(() => { window.sameDocument = true; });
  await tabTo(page, "f-direction");
  await page.keyboard.type("Sal");
  await tabTo(page, "f-minScore");
  await page.keyboard.type("1");
  await page.keyboard.press("Enter");
  await until(() => query(page).direction === "SELL", "the address says what is asked");
  expectEqual(query(page), { direction: "SELL", minScore: "1" }, "the address");
  await until(async () => (await rows(page)) < all, "fewer rows");
  const sales = await filings(page);
  expectEqual(sales, (await api("/api/v1/declarations?direction=SELL&minScore=1")).items.map(({ amfId }) => amfId), "sales");
  expect(sales.length > 0, "there are sales");
  expect(await page.evaluate(() => window.sameDocument), "the page is not loaded anew");
  expectEqual(await page.evaluate(() => document.activeElement.id), "f-minScore", "the focus stays");
  expect(/^1 to \d+ of \d+ filings$/.test(await page.locator("#says").innerText()), "what came is told");

  // sorted by its header
  await page.locator("#sort-amount").focus();
  await page.keyboard.press("Enter");
  await until(() => query(page).sort === "amount", "sorted");
  await page.locator("th[aria-sort=descending] #sort-amount").waitFor();
  await page.keyboard.press("Enter");
  await page.locator("th[aria-sort=ascending] #sort-amount").waitFor();
  expectEqual(query(page).order, "asc", "order");

  // shared, and back
  const other = await open();
  await other.go(page.url());
  await other.signIn();
  expectEqual(await filings(other.page), await filings(page), "who is sent the address sees the same");
  await page.goBack();
  await until(() => query(page).order === undefined && query(page).sort === "amount", "one step back");
  await page.locator("th[aria-sort=descending] #sort-amount").waitFor();
  expect(await page.locator("header.top").isVisible(), "a whole page");
  await page.goBack();
  await until(() => query(page).sort === undefined, "two steps back");
  await until(async () => JSON.stringify(await calmly(filings(page))) === JSON.stringify(sales), "as it was");
  expectEqual(await page.inputValue("#f-minScore"), "1", "the form says so, too");

  // the command
  await page.locator("details.curl summary").click();
  await page.getByRole("button", { name: "Copy as curl" }).click();
  await until(async () => (await page.locator("#says").innerText()) === "Copied.", "copied");
  const command = await page.evaluate(() => navigator.clipboard.readText());
  expect(command.includes("/api/v1/declarations?direction=SELL&minScore=1'") && command.includes("Bearer $SIGCAST_KEY"), command);
  const { meta: _, ...told } = JSON.parse(execFileSync("sh", ["-c", `${command} -s`], { env: { ...process.env, SIGCAST_KEY: server.key } }));
  expectEqual(told, await api("/api/v1/declarations?direction=SELL&minScore=1"), "the command's answer");

  // what is refused: htmx says so to the console, too
  reader.tolerate(/Response Status Error Code 400 from \/screener/);
  await page.fill("#f-minScore", "101");
  await page.keyboard.press("Enter");
  await page.locator("#f-minScore-error").waitFor();
  expectEqual(await page.getAttribute("#f-minScore", "aria-invalid"), "true", "the field is marked");
  expectEqual(await page.inputValue("#f-minScore"), "101", "what was entered stays");
  await reader.expectForEverybody();
  await reader.shoot("refused");

  // who is meant
  await page.fill("#q", "owner 11");
  await page.keyboard.press("Enter");
  await page.locator("#hits a", { hasText: "Owner 11" }).waitFor();
  await reader.expectForEverybody();
  await page.locator("#hits a", { hasText: "Owner 11" }).click();
  await page.waitForURL("**/insiders/owner-11-1");
  await page.getByRole("region", { name: "Returns" }).waitFor();
  await reader.shoot("insider");

  // a company, drawn
  await reader.go(COMPANY);
  const flow = await api(`/api/v1${COMPANY}/net-flow`);
  const bars = await expectChart(page, "bars");
  expectEqual(bars.map(([period, net]) => [period, Number(net)]), flow.items.map(({ period, net }) => [period, net]), "bars");
  expect(bars.some(([, net, marked]) => marked !== "" && marked === net), "clusters are marked at their bars");
  const closes = await expectChart(page, "line");
  expect(closes.some(([, close, bought]) => bought !== "" && bought === close), "purchases are marked on the line");
  const prices = await api(`/api/v1${COMPANY}/closes?limit=1000`);
  const known = new Map(prices.items.map(({ date, close }) => [date, close]));
  const dated = (seconds) => new Date(Number(seconds) * 1000).toISOString().slice(0, 10);
  expect(closes.length > 300 && closes.every(([day, close]) => known.get(dated(day)) === Number(close)), "the line is what the API says");
  expect(closes.every(([day], n) => n === 0 || Number(closes[n - 1][0]) < Number(day)), "by day");
  await reader.shoot("company");
  await page.emulateMedia({ colorScheme: "dark" });
  expectEqual(await expectChart(page, "bars"), bars, "drawn anew by night");
  await page.emulateMedia({ colorScheme: "light" });
  await page.getByRole("link", { name: "By week" }).click();
  await until(() => query(page).bucket === "week", "by week");
  expect((await expectChart(page, "bars"))[0][0].includes("-W"), "weeks");
  await page.selectOption("#f-direction", "SELL");
  await page.getByRole("button", { name: "Show" }).click();
  await until(() => query(page).direction === "SELL", "the filings alone are asked for");
  expectEqual(query(page).bucket, "week", "the bars stay");
  await until(async () => (await filings(page)).length === 2, "its sales");
  expectEqual(await page.locator("figure canvas").count(), 2, "the charts stay");

  // a day is a day, west of Greenwich and east of it
  const axes = [];
  for (const zone of ["America/Los_Angeles", "Pacific/Auckland"]) {
    const far = await open({ zone });
    await far.go(COMPANY);
    await far.signIn();
    axes.push(await written(far, COMPANY));
    const line = far.page.locator("figure[data-chart=line]");
    await line.locator(".u-over").hover();
    const named = await line.locator(".u-legend .u-value").first().innerText();
    expect(closes.some(([day]) => dated(day) === named), `the legend names a day: ${named}`);
    if (zone === "America/Los_Angeles") await far.shoot("west");
  }
  expectEqual(axes[0], axes[1], "axes in the west and in the east");
  expect(axes[0].filter((text) => /^\d{4}-\d\d(-\d\d)?$/.test(text)).length > 3, `days on the axis: ${axes[0]}`);

  // a filing, and its factors
  await page.locator("table.filings th[scope=row] a").first().click();
  await page.waitForURL("**/declarations/**");
  expectEqual(await page.locator(".factors li").count(), 9, "factors");
  await reader.shoot("filing");

  // for everybody: by day and by night, on a desk and on a phone
  const paths = ["/screener?limit=200", "/screener/top?lookbackDays=90&minScore=0", "/screener/winning?lookbackDays=365", "/screener/search?q=owner", COMPANY,
    "/insiders/owner-11-1", "/declarations/SEC:0000000000-00-000012", "/declarations/SEC:0000000000-00-000006"];
  for (const looks of [{ dark: true }, { phone: true }, { phone: true, dark: true }, {}]) {
    const guest = await open(looks);
    await guest.go(paths[0]);
    await guest.signIn();
    for (const path of paths) {
      await guest.go(path);
      await guest.expectForEverybody();
      const name = path.replace(/\?.*/, "").replace(/\W+/g, "-");
      if (looks.phone && path === paths[0]) {
        const seen = await guest.page.locator(".filings tbody tr").first().locator("td").evaluateAll((cells) => cells.filter((cell) => cell.getBoundingClientRect().right <= cell.closest(".scrolls").getBoundingClientRect().right).map((cell) => cell.className));
        expect(["name", "dealing", "score"].every((name) => seen.includes(name)), `what matters is seen on a phone: ${seen}`);
      }
      await guest.shoot(`${looks.phone ? "phone" : "desk"}-${looks.dark ? "dark" : "light"}${name}`);
      if (!looks.phone && !looks.dark) await guest.measure();
      if (looks.phone && path === paths[0]) {
        const table = guest.page.getByRole("region", { name: "Filings" });
        await table.focus();
        await guest.page.keyboard.press("ArrowRight");
        await until(() => table.evaluate((region) => region.scrollLeft > 0), "the rest is scrolled to by keyboard");
      }
    }
  }
});
