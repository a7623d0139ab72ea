// Signing in by a key, and out: nothing of it in reach of a script.

import { expect, expectEqual, server, tell } from "./harness.mjs";

tell(async (open) => {
  const reader = await open();
  const { page } = reader;
  await reader.go("/");
  expect(await page.getByRole("link", { name: "Sign in" }).isVisible(), "nobody is signed in at first");
  await reader.expectForEverybody();
  await reader.shoot("home");

  await reader.go("/account");
  await reader.expectForEverybody();
  await page.fill("input[name=key]", "sig_live_nothing");
  await page.click("form.signin button[type=submit]");
  await page.getByRole("alert").waitFor();
  expect((await page.getByRole("alert").innerText()).startsWith("No key of this server"), "a wrong key is refused");
  await reader.shoot("refused");

  await reader.signIn();
  expect(await page.getByText("Signed in as").isVisible(), "the key signs in");
  const cookies = await page.context().cookies();
  expectEqual(cookies.map(({ name, httpOnly, secure, sameSite }) => [name, httpOnly, secure, sameSite]), [["__Host-sigcast", true, true, "Strict"]], "cookies");
  // htmx notes there which page it is at
  const seen = await page.evaluate(() => JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }]));
  expectEqual(seen, '["",{},{"htmx-current-path-for-history":"/account"}]', "what scripts see");
  expect(!(await page.content()).includes(server.key), "the key is not on the page");
  expect(!page.url().includes("_live_"), "nor in its address");
  await reader.expectForEverybody();

  // from any page
  await reader.go("/live");
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.getByRole("link", { name: "Sign in" }).waitFor();
  expectEqual(await page.context().cookies(), [], "cookies of who has gone");

  const phone = await open({ phone: true, dark: true });
  for (const path of ["/", "/account"]) {
    await phone.go(path);
    await phone.expectForEverybody();
    await phone.measure();
  }
  await phone.shoot("phone");
});
