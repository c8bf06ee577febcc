// The operations in the tabs that are open at first.

const NAMES = [
  "who-am-i",
  "ask",
  "watch",
  "usage",
  "summary",
  "ledger",
  "buy",
  "recharge",
  "metrics",
  "alerts",
];
const DAYS_SHOWN = 7;

// Not randomUUID, which browsers offer to pages over HTTPS and on this machine only.
const newKey = () =>
  [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");

/** Whole days up to now. */
const lastDays = () => {
  const from = new Date();
  from.setUTCHours(0, 0, 0, 0);
  from.setUTCDate(from.getUTCDate() - DAYS_SHOWN + 1);
  return { from: from.toISOString() };
};

/** The tabs, with keys that are new for each page, so that every page asks its own question. */
export async function examples(accountId) {
  const variables = {
    ask: { key: newKey() },
    summary: { range: lastDays() },
    metrics: { range: lastDays() },
    buy: { key: newKey() },
    recharge: {
      input: {
        accountId: accountId || "acct_…",
        amount: "100",
        reason: "Welcome",
        idempotencyKey: newKey(),
      },
    },
  };
  return Promise.all(
    NAMES.map(async (name) => {
      const response = await fetch(`/static/graphiql/examples/${name}.graphql`);
      return {
        query: await response.text(),
        variables: JSON.stringify(variables[name] ?? {}, null, 2),
      };
    }),
  );
}
