// The operator at the admin listener: signs in, makes an account and a key, changes and suspends, closes a stream, looks around.

import { ask, expect, expectEqual, server, tell, until } from "./harness.mjs";

async function status(key) {
  const answer = await fetch(`${server.url}/api/signals?limit=1`, { headers: { authorization: `Bearer ${key}` } });
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
  await reader.go("/", server.adminUrl);
  expectEqual(new URL(page.url()).pathname, "/admin", "where one is led");
  await reader.expectForEverybody();
  await page.fill("input[name=key]", "wrong");
  await page.click("form.signin button");
  await page.getByRole("alert").waitFor();
  await page.fill("input[name=key]", server.adminToken);
  await page.click("form.signin button");
  await page.getByText("Ready", { exact: true }).waitFor();
  const seen = await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }));
  expect(!(await page.content() + seen).includes(server.adminToken), "the token is out of reach");
  await reader.expectForEverybody();
  await reader.measure();
  await reader.shoot("overview");

  // by itself it says what is new
  await ask("publish");
  await until(async () => (await page.locator("#overview .cards").innerText()).includes("1\nsignals in the log"), "the log grows");

  await page.getByRole("link", { name: "Accounts" }).click();
  await page.getByLabel("Name", { exact: true }).fill("<i>new</i>");
  await page.locator("main").getByLabel("Plan").selectOption("alpha");
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.getByRole("heading", { name: "<i>new</i>" }).waitFor();
  await page.getByRole("button", { name: "Make a key" }).click();
  const shown = page.locator("#new-key");
  await shown.waitFor();
  const key = await shown.innerText();
  expectEqual(await status(key), 200, "the key");
  await reader.expectForEverybody();
  await reader.shoot("account");

  // its stream is seen, and closed
  await ask("listen", key);
  await page.getByRole("link", { name: "Connections" }).click();
  await page.getByText("has all that was sent").waitFor();
  await reader.expectForEverybody();
  await reader.shoot("connections");
  await page.getByRole("button", { name: /^Close/ }).click();
  await page.getByText("0 streams on this node").waitFor();
  expect(/of <i>new<\/i> from 127\.0\.0\.1/.test(asked.at(-1)), `the question says which: ${asked.at(-1)}`);
  await ask("closed");

  await page.getByRole("link", { name: "Consumers" }).click();
  await page.getByRole("link", { name: "<i>new</i>" }).click();
  await page.getByRole("button", { name: "Suspend" }).click();
  await page.getByRole("button", { name: "Resume" }).waitFor();
  expectEqual(await status(key), 401, "suspended");
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Suspend" }).waitFor();
  expectEqual(await status(key), 200, "resumed");
  await page.locator("#plan").selectOption("free");
  await page.getByRole("button", { name: "Change", exact: true }).click();
  await until(async () => (await page.locator("dl.facts").first().innerText()).includes("free"), "another plan");
  await page.getByRole("button", { name: /^Revoke/ }).click();
  await page.locator("#keys tbody tr", { hasText: "revoked" }).waitFor();
  expectEqual(await status(key), 401, "revoked");

  const cookies = await page.context().cookies();
  const phone = await open({ phone: true, dark: true });
  await phone.page.context().addCookies(cookies);
  for (const path of ["/admin", "/admin/accounts", new URL(page.url()).pathname, "/admin/connections", "/admin/consumers"]) {
    await phone.go(path, server.adminUrl);
    await phone.expectForEverybody();
  }
  await phone.shoot("phone");

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.locator("form.signin").waitFor();
  await reader.go("/admin/accounts", server.adminUrl);
  await page.locator("form.signin").waitFor();
});
