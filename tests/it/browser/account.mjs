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
  page.on("dialog", (dialog) => dialog.accept());
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
  await until(() => page.evaluate(() => document.activeElement.matches(".made")), "the keyboard is at what is shown once");
  await until(async () => (await page.locator("#says").innerText()).includes("shown this once"), "it is told");
  await page.getByRole("button", { name: "Copy the key" }).click();
  await until(async () => (await page.locator("#says").innerText()) === "Copied.", "it says that it was copied");
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

  // a key too much is refused beside what is there
  for (let n = await keys.count(); n <= 10; n += 1) {
    await page.click("#keys form.fields button");
    await until(async () => (await keys.count()) > n || (await page.locator("#refused").innerText()), "another key");
  }
  await page.click("#keys form.fields button");
  await until(async () => (await page.locator("#refused").innerText()).includes("10 active keys"), "there are ten");
  expect((await keys.count()) >= 10, "the list is still there");

  // what is connected, and closed from here
  await ask("listen");
  await page.getByText("has all that was sent").waitFor();
  await reader.expectForEverybody();
  // the part is shown anew by itself, and the keyboard stays where it was in it
  const close = page.getByRole("button", { name: /^Close/ });
  await close.focus();
  const before = await close.elementHandle();
  await until(() => before.evaluate((node) => !node.isConnected), "the part is shown anew");
  await until(() => close.evaluate((node) => node === document.activeElement), "the keyboard is still at its button");
  await page.getByRole("button", { name: /^Close/ }).click();
  await page.getByText("Nothing is connected").waitFor();
  expectEqual(await page.locator("#refused").innerText(), "", "what was refused before");
  expectEqual(await ask("closed"), true, "the client was told");

  // the key of this session, rotated at once: the session goes on by the successor
  const own = page.locator("#keys tbody tr", { hasText: "this session" });
  await own.locator("select").selectOption("0");
  const last = await shown.innerText();
  await own.getByRole("button", { name: /^Rotate/ }).click();
  await until(async () => (await shown.innerText()) !== last, "the successor is shown");
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
  const other = await open();
  await other.signIn(next);
  phone.page.on("dialog", (dialog) => dialog.accept());
  await phone.page.getByRole("button", { name: "Sign out everywhere" }).click();
  await phone.page.locator("form.signin").waitFor();
  await other.go("/account");
  await other.page.locator("form.signin").waitFor();
});
