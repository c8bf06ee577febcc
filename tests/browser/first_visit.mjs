// Opens /graphiql of a whole system in Chromium, runs every example as a newcomer would, and prints
// the answers as JSON.
//
// node first_visit.mjs ORIGIN CHROMIUM ADMIN_TOKEN [SCREENSHOT]
import { chromium } from "playwright-core";

const [origin, executablePath, adminToken, screenshot] = process.argv.slice(2);

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
const page = await browser.newPage({ viewport: { width: 1360, height: 820 } });
page.setDefaultTimeout(20_000);

const run = page.locator("button.graphiql-execute-button");
const tabs = page.locator(".graphiql-tab-button");

async function answered(name) {
  await tabs.getByText(name, { exact: true }).click();
  // GraphiQL reads a tab's operations a moment after it is shown; nobody clicks faster.
  await page.waitForTimeout(500);
  const reply = page.waitForResponse(
    (response) => response.url().endsWith("/graphql") && response.request().postData().includes(name),
  );
  await run.click();
  return (await reply).json();
}

await page.goto(`${origin}/`);
await run.waitFor();
await page.waitForFunction(() => document.querySelectorAll(".graphiql-tab").length >= 10);
const seen = {};
for (const name of ["WhoAmI", "Ask", "Usage", "Summary", "Ledger", "Buy"]) {
  seen[name] = await answered(name);
}
// A stream shows each result as it comes, and ends when it is stopped.
await tabs.getByText("Watch", { exact: true }).click();
await page.waitForTimeout(500);
await run.click();
const answer = page.locator(".graphiql-response .CodeMirror");
const shown = () => answer.evaluate((editor) => editor.CodeMirror.getValue());
await page.waitForFunction(() =>
  document.querySelector(".graphiql-response .CodeMirror").CodeMirror.getValue().includes("held"),
);
seen.Watch = JSON.parse(await shown());
await run.click();
await tabs.getByText("Ask", { exact: true }).click();
if (screenshot) await page.screenshot({ path: screenshot });

await page.locator("#token").fill(adminToken);
await page.locator("#credential button").click();
await page.waitForFunction(() => document.querySelector("#who").textContent.includes("admin@"));
seen.who = await page.locator("#who").textContent();
for (const name of ["Recharge", "Alerts", "Metrics"]) seen[name] = await answered(name);
if (screenshot) await page.screenshot({ path: screenshot.replace(".png", "-admin.png") });

// Somebody signs up, and follows the link of the mail that the outbox shows.
await page.request.post(`${origin}/graphql`, {
  data: {
    query: `mutation { signUp(input: { email: "anna@example.test" }) { __typename } }`,
  },
});
for (let tries = 0; tries < 100; tries += 1) {
  await page.goto(`${origin}/outbox`);
  if (await page.locator("a").count()) break;
  await page.waitForTimeout(100);
}
await page.locator("a").first().click();
await page.waitForFunction(() => document.querySelector("#who")?.textContent.includes("anna@"));
seen.whoAfterLink = await page.locator("#who").textContent();
seen.addressAfterLink = page.url().replace(origin, "");

console.log(JSON.stringify(seen));
await browser.close();
