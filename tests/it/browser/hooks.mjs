// A webhook in its owner's page: made, tested against a receiver, a signal sent again, rotated, deleted.

import { ask, expect, expectEqual, tell, until } from "./harness.mjs";

tell(async (open) => {
  const reader = await open();
  const { page } = reader;
  page.on("dialog", (dialog) => dialog.accept());
  await reader.signIn();
  await page.getByRole("link", { name: "Your webhooks" }).click();
  await page.getByLabel("Address").fill(await ask("url"));
  await page.getByRole("button", { name: "Make the webhook" }).click();
  const secret = page.locator("#new-secret");
  await secret.waitFor();
  await until(async () => (await page.locator("#says").innerText()).startsWith("The webhook's secret, shown this once."), "the secret is told of");
  expect(!(await page.locator("#says").innerText()).includes(await secret.innerText()), "the secret is not told");
  await reader.expectForEverybody();
  await page.getByRole("button", { name: "Copy the secret" }).click();
  const copied = await until(() => page.evaluate(() => navigator.clipboard.readText()), "copied");
  expectEqual(copied, await secret.innerText(), "the secret");
  await reader.shoot("made");

  await page.locator("#webhooks table a").click();
  await page.getByRole("button", { name: "Send a test" }).click();
  await page.getByText(/The test came to: 20\d acknowledged/).first().waitFor();
  await until(async () => (await page.locator("#says").innerText()).startsWith("The test came to: 20"), "what came of it is told");
  expectEqual(await ask("deliveries"), 1, "the test came");

  const signal = await ask("publish");
  await until(async () => (await ask("deliveries")) === 2, "the signal came");
  await until(async () => {
    await page.reload();
    return page.locator("#hook").getByRole("link", { name: /^seq/ }).first().isVisible();
  }, "the attempt is listed");
  await reader.expectForEverybody();
  await page.getByRole("button", { name: `Send again ${signal}` }).first().click();
  await page.locator("#hook").getByText(`Signal ${signal} is sent again.`).waitFor();
  await until(async () => (await ask("deliveries")) === 3, "the signal came again");
  await reader.shoot("attempts");

  await page.getByRole("button", { name: "Rotate the secret" }).click();
  await secret.waitFor();
  expect((await secret.innerText()) !== copied, "another secret");
  // refused beside what is there
  await page.getByRole("button", { name: "Send again", exact: true }).click();
  await until(async () => (await page.locator("#refused").innerText()).includes("Say which: a signal by its id"), "it says what is missing");
  expect(await page.getByRole("button", { name: "Send a test" }).isVisible(), "the page is still there");

  const phone = await open({ phone: true, dark: true });
  await phone.signIn();
  for (const path of ["/account/webhooks", new URL(page.url()).pathname]) {
    await phone.go(path);
    await phone.expectForEverybody();
    await phone.measure();
  }
  await phone.shoot("phone");

  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByText("There is none yet").waitFor();
});
