// Follows answers by a recipe of docs/api.md, over a way that loses connections at random.
//
// node follow.mjs RECIPE ORIGIN RUNS
import WebSocket from "ws";

import { ask, newcomer, stored } from "./api.mjs";
import { flaky } from "./flaky.mjs";

const [recipe, origin, runs] = process.argv.slice(2);
const { follow } = await import(recipe);
const { hostname, port } = new URL(origin);
const way = await flaky({ host: hostname, port: Number(port) });
const scheme = recipe.includes("socket") ? "ws" : "http";
const url = `${scheme}://127.0.0.1:${way.port}/graphql`;

const ACCOUNTS = 20;
const tokens = [];
for (let number = 0; number < ACCOUNTS; number += 1) tokens.push(await newcomer(origin));

let wrong = 0;
let repainted = 0;
async function once(number) {
  const token = tokens[number % ACCOUNTS];
  const answerId = await ask(origin, token, `Run ${number} 😀\nsimulate: slow ${0.3 + Math.random()}`);
  let shown = "";
  const answer = await follow({
    url,
    token: () => token,
    answerId,
    show: (text) => {
      if (!text.startsWith(shown)) repainted += 1;
      shown = text;
    },
    webSocketImpl: WebSocket,
  });
  const text = await stored(origin, token, answerId);
  if (answer.status !== "SUCCEEDED" || shown !== text) {
    wrong += 1;
    console.error(JSON.stringify({ status: answer.status, shown, text }));
  }
}

let next = 0;
async function worker() {
  while (next < Number(runs)) {
    next += 1;
    await once(next);
  }
}
await Promise.all(Array.from({ length: ACCOUNTS }, worker));
way.close();
console.log(JSON.stringify({ runs: next, wrong, repainted, cuts: way.cuts() }));
process.exit(wrong ? 1 : 0);
