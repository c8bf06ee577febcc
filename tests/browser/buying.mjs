// Buys credits in Chromium with the network closed: one page follows the balance and the payment by
// server-sent events while another pays at the sandbox. Prints what was seen as JSON.
//
// node buying.mjs ORIGIN CHROMIUM [SCREENSHOT]
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
const context = await browser.newContext({ viewport: { width: 1000, height: 760 } });
context.setDefaultTimeout(20_000);
const requests = [];
const complaints = [];
context.on("request", (request) => requests.push(request.url()));
context.on("console", (message) => {
  if (message.type() === "error") complaints.push(message.text());
});
context.on("weberror", (error) => complaints.push(String(error.error())));

const app = await context.newPage();
await app.goto(`${origin}/graphiql`);
const started = await app.evaluate(async () => {
  const ask = async (query, variables, token) => {
    const headers = { "content-type": "application/json" };
    if (token) headers.authorization = `Bearer ${token}`;
    const body = JSON.stringify({ query, variables });
    return (await fetch("/graphql", { method: "POST", headers, body })).json();
  };
  // The way of graphql-sse: one request a stream, an event a line.
  const follow = async (query, variables, token, seen) => {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "text/event-stream",
        authorization: `Bearer ${token}`,
      },
      body: JSON.stringify({ query, variables }),
    });
    let text = "";
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return seen.push("end");
      text += value;
      const events = text.split("\n\n");
      text = events.pop();
      for (const event of events) {
        const data = event.split("\n").find((line) => line.startsWith("data: "));
        if (data && data.length > 6) seen.push(JSON.parse(data.slice(6)).data);
      }
    }
  };
  const session = await ask("mutation { startDemoSession { ... on SessionStarted {" +
    " session { accessToken } } } }");
  const token = session.data.startDemoSession.session.accessToken;
  const checkout = await ask(
    `mutation { startCheckout(input: { packId: "starter", provider: STRIPE,
       returnPath: "/graphiql", idempotencyKey: "first" }) {
       ... on StartCheckoutSuccess { url payment { id status } } ... on Problem { message } } }`,
    {},
    token,
  );
  window.balances = [];
  window.payments = [];
  const { url, payment } = checkout.data.startCheckout;
  follow("subscription { balanceChanged { balance { total } entry { kind amount } } }", {}, token,
    window.balances);
  follow("subscription ($id: ID!) { paymentUpdated(id: $id) { status } }", { id: payment.id },
    token, window.payments);
  return { url, payment };
});
await app.waitForFunction(() => window.balances.length > 0 && window.payments.length > 0);

const checkout = await context.newPage();
await checkout.goto(new URL(started.url, origin).href);
const seen = {
  heading: await checkout.locator("h1").textContent(),
  price: await checkout.locator(".price").textContent(),
  buttons: await checkout.locator("button").allTextContents(),
};
if (screenshot) await checkout.screenshot({ path: screenshot });
await checkout.getByRole("button", { name: /^Pay USD/ }).click();
await checkout.waitForFunction(
  () => document.querySelector("#status")?.textContent === "paid",
);
seen.status = await checkout.locator("#status").textContent();
if (screenshot) await checkout.screenshot({ path: screenshot.replace(".png", "-paid.png") });

await app.waitForFunction(
  () => window.payments.at(-1) === "end" && window.balances.some((each) => each.balanceChanged.entry),
);
seen.balances = await app.evaluate(() => window.balances.map((each) => each.balanceChanged));
seen.payments = await app.evaluate(() =>
  window.payments.map((each) => each.paymentUpdated?.status ?? each),
);

await checkout.getByRole("link").click();
await checkout.waitForURL(`${origin}/graphiql?*`);
seen.returned = checkout.url() === `${origin}/graphiql?payment=${started.payment.id}`;
seen.foreign = requests.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith("data:"));
seen.complaints = complaints;
console.log(JSON.stringify(seen));
await browser.close();
