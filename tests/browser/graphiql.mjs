// Opens /graphiql in Chromium with the network closed, tries it, and prints what it saw as JSON.
//
// node graphiql.mjs ORIGIN CHROMIUM [SCREENSHOT]
import { chromium } from "playwright-core";

const [origin, executablePath, screenshot] = process.argv.slice(2);

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Every name but this machine's own leads nowhere.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
  ],
});
const page = await browser.newPage({ viewport: { width: 1360, height: 820 } });
page.setDefaultTimeout(20_000);

const requests = [];
const complaints = [];
page.on("request", (request) => requests.push(request.url()));
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("console", (message) => {
  if (message.type() === "error") complaints.push(message.text());
});

const who = page.locator("#who");
const run = page.locator("button.graphiql-execute-button");
const answer = page.locator(".graphiql-response .CodeMirror");
const shown = () => answer.evaluate((editor) => editor.CodeMirror.getValue());

async function answered() {
  await run.click();
  await page.waitForFunction(() =>
    document.querySelector(".graphiql-response .CodeMirror")?.CodeMirror.getValue().includes("{"),
  );
  return JSON.parse(await shown());
}

await page.goto(`${origin}/graphiql`);
await run.waitFor();
await page.waitForFunction(() => document.querySelectorAll(".graphiql-tab").length >= 7);
const seen = {
  who: await who.textContent(),
  hasDemoButton: await page.locator("#demo").isVisible(),
  hasHeaderEditor: await page.getByRole("button", { name: "Headers" }).isVisible(),
  tabs: await page.locator(".graphiql-tab-button").allTextContents(),
  answer: await answered(),
};
if (screenshot) await page.screenshot({ path: screenshot });

if (seen.hasDemoButton) {
  await page.locator("#demo").click();
  await page.waitForFunction(
    (before) => document.querySelector("#who").textContent !== before,
    seen.who,
  );
  seen.whoAfterDemo = await who.textContent();
  seen.answerAfterDemo = await answered();
}
await page.locator("#token").fill("token-7");
await page.locator("#credential button").click();
await page.waitForFunction(() => document.querySelector("#who").textContent.includes("demo-7"));
seen.answerAfterToken = await answered();
seen.tokenField = await page.locator("#token").inputValue();

await page.getByRole("button", { name: "Headers" }).click();
await page.locator(".graphiql-editor-tool .CodeMirror:visible").click();
await page.keyboard.insertText('{"authorization": "Bearer token-9"}');
seen.answerAfterHeader = await answered();

await page.setViewportSize({ width: 390, height: 800 });
seen.halvesOfNarrow = await page.evaluate(() =>
  [".graphiql-editors", ".graphiql-response"].map(
    (half) => document.querySelector(half).getBoundingClientRect().width > 250,
  ),
);
if (screenshot) await page.screenshot({ path: screenshot.replace(".png", "-narrow.png") });
await page.setViewportSize({ width: 1360, height: 820 });

seen.docs = await page.evaluate(() => {
  document.querySelector('button[aria-label*="Documentation Explorer"]').click();
  return new Promise((resolve) =>
    setTimeout(() => resolve(document.querySelector(".graphiql-plugin")?.textContent ?? ""), 500),
  );
});
if (screenshot) await page.screenshot({ path: screenshot.replace(".png", "-docs.png") });

seen.stored = await page.evaluate(() => ({
  local: Object.entries(localStorage),
  session: Object.entries(sessionStorage),
  cookies: document.cookie,
}));
seen.foreign = requests.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith("data:"));
seen.complaints = complaints;
console.log(JSON.stringify(seen));
await browser.close();
