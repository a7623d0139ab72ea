// An owner's keys: made, copied, used, rotated, revoked; what is asked with them, and what is connected.

import { ask, expect, expectEqual, server, tell, until } from "./harness.mjs";

/** What the API says to a key. */
async function status(key, path = "/api/signals?limit=1") {
  const answer = await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${key}` } });
  await answer.text();
  return answer.status;
}

tell(async (open) => {
  const reader = await open();
  const { page } = reader;
  const asked = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.message());
    return dialog.accept();
  });
  const says = page.locator("#says");
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.tagName);
  expectEqual(await status(server.key), 200, "the key");
  await reader.signIn();
  await page.locator("#usage canvas").waitFor();
  await reader.measure();
  await reader.expectForEverybody();
  await reader.shoot("account");

  // made, shown once, copied, and good for the API
  const keys = page.locator("#keys tbody tr");
  expectEqual(await keys.count(), 1, "keys");
  await page.selectOption("#kind", "data");
  await page.click("#keys form.fields button");
  const shown = page.locator("#new-key");
  await shown.waitFor();
  const made = await shown.innerText();
  expect(made.startsWith("sit_live_"), made);
  // who does not see it hears that it is there, and is beside it; the key itself is said by nothing
  await until(async () => (await says.innerText()).startsWith("The new key, shown this once."), "the new key is told");
  expect(!(await says.innerText()).includes(made), "the key is not told");
  expectEqual(await page.evaluate(() => document.activeElement.querySelector("#new-key") !== null), true, "the focus is at the new key");
  const copy = page.locator("[data-copy=new-key]");
  await copy.click();
  await until(async () => (await copy.innerText()) === "Copied", "the button answers");
  await until(async () => (await says.innerText()) === "Copied.", "it says that it was copied");
  await until(async () => (await copy.innerText()) === "Copy the key", "it is to be had again");
  expectEqual(await page.evaluate(() => navigator.clipboard.readText()), made, "copied");
  await reader.expectForEverybody();
  await reader.shoot("made");
  expectEqual(await status(made), 200, "the new key");
  expectEqual(await keys.count(), 2, "keys");

  // shown this once
  await reader.go("/account");
  expect(!(await page.content()).includes(made), "the key is not shown again");
  expectEqual(await page.locator("#usage tbody tr").first().locator("td").first().innerText(), "1 of 100\u202f000", "requests today");
  expectEqual(await page.locator("#usage figure tbody tr").last().locator("td").last().getAttribute("data-v"), "2", "requests of this day");

  // rotated: the old one works on for a day
  const row = (prefix) => page.locator("#keys tbody tr", { hasText: prefix });
  await row(made.slice(0, 13)).getByRole("button", { name: /^Rotate/ }).click();
  await shown.waitFor();
  const next = await shown.innerText();
  expect(next.startsWith("sit_live_") && next !== made, next);
  expectEqual([await status(made), await status(next)], [200, 200], "both count in the overlap");

  // revoked, which the question asks before
  await row(made.slice(0, 13)).getByRole("button", { name: /^Revoke/ }).click();
  await page.locator("#keys tbody tr", { hasText: "revoked" }).waitFor();
  expectEqual([await status(made), await status(next)], [401, 200], "the revoked one, and its successor");
  expect(asked.at(-1).includes(`${made.slice(0, 13)}`), `the question says which: ${asked.at(-1)}`);
  // seen by who sees, wherever they are on the page
  await until(async () => (await says.innerText()).includes("is revoked."), "what was done is told");
  expect(await says.locator("p").evaluate((told) => { const { top, bottom, height } = told.getBoundingClientRect(); return height > 20 && top > 0 && bottom <= innerHeight; }), "it is seen");
  await until(async () => (await focused()) === "keys-name", "the button is gone: the focus is at the section's name");

  // a key too much is refused beside what is there
  for (let n = await keys.count(); n <= 10; n += 1) {
    await page.click("#keys form.fields button");
    await until(async () => (await keys.count()) > n || (await page.locator("#refused").innerText()), "another key");
  }
  await page.click("#keys form.fields button");
  await until(async () => (await page.locator("#refused").innerText()).includes("10 active keys"), "there are ten");
  expect((await keys.count()) >= 10, "the list is still there");
  expectEqual(await focused(), "make-key", "the focus stays at the button");
  const spare = page.locator("#keys tbody tr", { hasText: "active" }).filter({ hasNotText: "this session" }).filter({ hasNotText: next.slice(0, 13) }).first();
  await spare.getByRole("button", { name: /^Revoke/ }).click();
  await until(async () => (await page.locator("#refused").innerText()) === "", "what was done takes the refusal away");

  // what is connected, and closed from here
  await ask("listen");
  await page.getByText("has all that was sent").waitFor();
  await reader.expectForEverybody();
  // the list is looked up every few seconds; who is at a button by the keyboard finds it where it was
  const close = page.getByRole("button", { name: /^Close/ });
  await page.evaluate(() => {
    window.polls = { asked: 0, came: 0 };
    const of = (name) => ({ detail }) => { if (detail.requestConfig.elt.id === "streams") window.polls[name] += 1; };
    document.addEventListener("htmx:beforeRequest", of("asked"));
    document.addEventListener("htmx:afterRequest", of("came"));
  });
  await page.locator("#streams .scrolls").focus();
  await page.keyboard.press("Tab");
  const id = await focused();
  expect(id.endsWith("-close"), id);
  const asks = await page.evaluate(() => window.polls.asked);
  await until(() => page.evaluate((asks) => window.polls.asked > asks, asks), "the list would be looked up");
  expectEqual(await focused(), id, "the focus stays");
  await page.evaluate(() => document.activeElement.blur());
  const came = await page.evaluate(() => window.polls.came);
  await until(() => page.evaluate((came) => window.polls.came > came, came), "it is looked up again");
  await close.click();
  await page.getByText("Nothing is connected").waitFor();
  expectEqual(await page.locator("#refused").innerText(), "", "what was refused before");
  expectEqual(await ask("closed"), true, "the client was told");
  expect(/of sig_live_\S+… from 127\.0\.0\.1/.test(asked.at(-1)), `the question says which: ${asked.at(-1)}`);
  await until(async () => (await says.innerText()) === "The connection is closed.", "what was done is told");
  await until(async () => (await focused()) === "streams-name", "the focus is at the section's name");

  // the key of this session, rotated at once: the session goes on by the successor
  const own = page.locator("#keys tbody tr", { hasText: "this session" });
  await own.locator("select").selectOption("0");
  await own.getByRole("button", { name: /^Rotate/ }).click();
  await shown.waitFor();
  expectEqual(await status(server.key), 401, "the key one signed in by");
  await reader.go("/account");
  await own.waitFor();
  // and revoked: nobody is signed in
  await own.getByRole("button", { name: /^Revoke/ }).click();
  await page.locator("form.signin").waitFor();
  expectEqual(await page.context().cookies(), [], "cookies of a revoked key");

  // on a phone, in the dark
  const phone = await open({ phone: true, dark: true });
  await phone.signIn(next);
  await phone.expectForEverybody();
  await phone.shoot("phone");
  const lines = await phone.page.locator("code.key").evaluateAll((all) => all.map((one) => one.getClientRects().length));
  expect(lines.length > 3 && lines.every((count) => count === 1), `keys stand in one line: ${lines}`);
  const narrow = await open({ narrow: true });
  await narrow.signIn(next);
  for (const path of ["/account", "/screener", "/live", "/account/webhooks"]) {
    await narrow.go(path);
    await narrow.expectNoSidewaysScrolling();
  }
  const other = await open();
  await other.signIn(next);
  phone.page.on("dialog", (dialog) => dialog.accept());
  await phone.page.getByRole("button", { name: "Sign out everywhere" }).click();
  await phone.page.locator("form.signin").waitFor();
  await other.go("/account");
  await other.page.locator("form.signin").waitFor();
});
