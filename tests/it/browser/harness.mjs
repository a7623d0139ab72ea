// A browser at the pages, and what is held against all of them: no violation of their policy, no request to another host, no error, nothing that
// keeps people out. A story is told to `tell`; whatever it throws, or a page did wrong, ends the program with 1.

import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Of the server: `url`, `key`, `adminUrl`, `adminToken`. */
export const server = {
  url: process.env.SIGCAST_URL,
  key: process.env.SIGCAST_KEY,
  adminUrl: process.env.SIGCAST_ADMIN_URL,
  adminToken: process.env.SIGCAST_ADMIN_TOKEN,
};
const story = path.basename(process.argv[1], ".mjs");
const ours = [server.url, server.adminUrl].map((url) => new URL(url).origin);
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks who started this program to do something, and gives what it says. */
export async function ask(what, value = null) {
  console.log(`ask ${JSON.stringify([what, value])}`);
  const { value: line, done } = await lines.next();
  if (done) throw new Error(`nobody answers ${what}`);
  return JSON.parse(line);
}

/** Ends the story where something is not so. */
export function expect(so, what) {
  if (!so) throw new Error(`not so: ${what}`);
}

/** The same of two values. */
export function expectEqual(found, wanted, what) {
  const [a, b] = [found, wanted].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
}

/** Waits until something holds; the story ends where it never does. */
export async function until(holds, what, within = 10_000) {
  const end = Date.now() + within;
  for (;;) {
    const found = await holds();
    if (found) return found;
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A page of a browser of its own kind: nothing is shared with the others but the program. */
class Reader {
  troubles = [];
  tolerated = [];

  constructor(page) {
    this.page = page;
    const trouble = (text) => this.troubles.push(text);
    page.on("pageerror", (error) => trouble(`error: ${error.stack ?? error}`));
    page.on("console", (message) => {
      // what did not load is told below, with what it was
      if (message.type() !== "error" || /^Failed to load resource|^Response Status Error Code 4/.test(message.text())) return;
      trouble(`console: ${message.text()}`);
    });
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (/^https?:|^wss?:/.test(url.protocol) && !ours.includes(url.origin)) trouble(`foreign request: ${request.url()}`);
    });
    page.on("requestfailed", (request) => {
      const why = request.failure()?.errorText ?? "";
      // a page that is left ends what it had begun
      if (why !== "net::ERR_ABORTED") trouble(`failed: ${request.url()}: ${why}`);
    });
    page.on("response", (response) => {
      const kind = response.request().resourceType();
      const isFile = !["document", "xhr", "fetch", "eventsource"].includes(kind);
      if (response.status() >= 500 || (isFile && response.status() >= 400)) trouble(`${response.status()}: ${response.url()}`);
    });
  }

  /** What is expected to go wrong in this story: troubles that match are none. */
  tolerate(pattern) {
    this.tolerated.push(pattern);
  }

  async go(path, base = server.url) {
    return this.page.goto(new URL(path, base).href, { waitUntil: "load" });
  }

  /** Signs in by a key, from wherever one is led. */
  async signIn(key = server.key) {
    if (!this.page.url().includes("/account")) await this.go("/account");
    await this.page.fill("input[name=key]", key);
    await Promise.all([this.page.waitForNavigation(), this.page.click("form.signin button[type=submit]")]);
  }

  /** The page as it is seen, in the folder of screenshots. */
  async shoot(name) {
    const file = path.join(process.env.PAGES_SCREENSHOTS, `${story}-${name}.png`);
    // carets stay: to hide them, the driver writes on the page's own elements
    const take = () => this.page.screenshot({ path: file, fullPage: true, caret: "initial" });
    // a busy machine's browser may not manage it at once, which is no fault of the page
    await take().catch(take);
  }

  /** Nothing keeps people out: no serious finding of axe; and the page is no wider than its window. */
  async expectForEverybody() {
    // evaluated by the browser's debugger, which no policy of a page holds back
    await this.page.evaluate(`${axe}; null`);
    const found = await this.page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    const serious = found.violations.filter(({ id, impact }) => impact === "serious" || impact === "critical" || id === "landmark-unique");
    const told = serious.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, failureSummary }) => `${html}\n${failureSummary}`).join("\n")}`);
    expect(told.length === 0, `${this.page.url()} is for everybody:\n${told.join("\n")}`);
    await this.expectNoSidewaysScrolling();
  }

  async expectNoSidewaysScrolling() {
    const { wide, window, widest } = await this.page.evaluate(() => {
      const right = (element) => element.getBoundingClientRect().right;
      const beyond = [...document.querySelectorAll("body *")].filter((element) => right(element) > innerWidth + 1 && !element.closest(".scrolls, .unseen, .skip"));
      return { wide: document.documentElement.scrollWidth, window: document.documentElement.clientWidth, widest: beyond.slice(0, 5).map((element) => element.outerHTML.slice(0, 120)) };
    });
    expect(wide <= window, `${this.page.url()} fits into ${window} pixels, but is ${wide}: ${widest.join("\n")}`);
  }

  /** What the page takes where nothing of it is kept yet: bytes on the wire, and milliseconds to its first paint. */
  async measure() {
    const page = await this.page.context().newPage();
    const wire = await page.context().newCDPSession(page);
    await wire.send("Network.enable");
    await wire.send("Network.clearBrowserCache");
    await page.goto(this.page.url());
    const painted = () => page.evaluate(() => performance.getEntriesByName("first-contentful-paint").length > 0);
    await until(painted, "it is painted");
    const figures = await page.evaluate(() => {
      const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
      const paint = performance.getEntriesByName("first-contentful-paint")[0];
      return { bytes: entries.reduce((sum, { transferSize }) => sum + transferSize, 0), firstPaint: paint?.startTime };
    });
    await page.close();
    console.log(`measured ${new URL(this.page.url()).pathname}: ${figures.bytes} bytes, first paint after ${Math.round(figures.firstPaint)} ms`);
    expect(figures.bytes <= 150_000, `${this.page.url()} takes ${figures.bytes} bytes`);
    return figures;
  }

  expectNoTrouble() {
    const untold = this.troubles.filter((text) => !this.tolerated.some((pattern) => pattern.test(text)));
    expect(untold.length === 0, `no trouble at ${this.page.url()}:\n${untold.join("\n")}`);
  }
}

/** Tells a story: `open({ phone, dark, narrow, zone })` opens a page of a new visitor, who knows nothing of the others. */
export async function tell(what) {
  const browser = await chromium.launch({
    executablePath: process.env.PAGES_CHROMIUM,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"],
  });
  const readers = [];
  async function open({ phone = false, dark = false, narrow = false, zone = "UTC" } = {}) {
    const context = await browser.newContext({
      viewport: phone || narrow ? { width: narrow ? 320 : 360, height: 740 } : { width: 1280, height: 900 },
      timezoneId: zone,
      colorScheme: dark ? "dark" : "light",
      ignoreHTTPSErrors: true,
      permissions: ["clipboard-read", "clipboard-write"],
    });
    context.setDefaultTimeout(10_000);
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
      });
    });
    const reader = new Reader(await context.newPage());
    readers.push(reader);
    return reader;
  }
  let failed = false;
  try {
    await what(open);
    for (const reader of readers) reader.expectNoTrouble();
  } catch (error) {
    failed = true;
    console.error(error.stack ?? error);
    for (const [n, reader] of readers.entries()) {
      console.error(`page ${n} at ${reader.page.url()}; troubles: ${JSON.stringify(reader.troubles)}`);
      await reader.shoot(`failed-${n}`).catch(() => {});
    }
  }
  await browser.close();
  process.exit(failed ? 1 : 0);
}
