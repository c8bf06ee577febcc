// The page at /graphiql: who is asking, and GraphiQL for what to ask.
import { examples } from "./examples.js";
import {
  account,
  ask,
  credential,
  follow,
  followLink,
  startDemoSession,
  whoAmI,
} from "./session.js";

const { createElement } = globalThis.React;
const { GraphiQL, GraphiQLPluginExplorer } = globalThis;
const element = (id) => document.getElementById(id);

// GraphiQL remembers its tabs, and would keep headers with tokens, in the browser's storage. It is
// given this instead, which ends with the page.
const memory = new Map();
const storage = {
  get length() {
    return memory.size;
  },
  key: (index) => [...memory.keys()][index] ?? null,
  getItem: (key) => memory.get(key) ?? null,
  setItem: (key, value) => void memory.set(key, String(value)),
  removeItem: (key) => void memory.delete(key),
  clear: () => memory.clear(),
};

function say(text, isWrong = false) {
  element("who").textContent = text;
  element("who").toggleAttribute("data-wrong", isWrong);
}

async function showWho() {
  element("leave").hidden = !credential.token;
  try {
    say(await whoAmI());
  } catch (error) {
    say(error.message, true);
  }
}

async function useDemoSession() {
  try {
    await startDemoSession();
  } catch (error) {
    say(error.message, true);
    return;
  }
  await showWho();
}

function isSubscription(query, operationName) {
  const { getOperationAST, parse } = GraphiQL.GraphQL;
  try {
    return getOperationAST(parse(query), operationName)?.operation === "subscription";
  } catch {
    return false; // the server says what is wrong with it
  }
}

async function fetcher({ query, variables, operationName }, { headers } = {}) {
  if (isSubscription(query, operationName)) {
    return follow({ query, variables, operationName }, headers);
  }
  const reply = await ask({ query, variables, operationName }, headers);
  if (/\bmutation\b/.test(query)) void showWho();
  return reply;
}

async function contract() {
  const response = await fetch("/schema.graphql");
  return response.ok ? GraphiQL.GraphQL.buildSchema(await response.text()) : undefined;
}

element("demo").addEventListener("click", useDemoSession);
element("leave").addEventListener("click", () => {
  credential.token = "";
  void showWho();
});
element("credential").addEventListener("submit", (event) => {
  event.preventDefault();
  credential.token = element("token").value.trim();
  element("token").value = "";
  void showWho();
});

async function begin() {
  const schema = contract();
  const { data } = await ask({ query: "{ service { demoMode } }" });
  const isDemo = data?.service?.demoMode ?? false;
  element("demo").hidden = !isDemo;
  try {
    if (await followLink()) await showWho();
    else if (isDemo) await useDemoSession();
    else await showWho();
  } catch (error) {
    say(error.message, true);
  }
  globalThis.ReactDOM.createRoot(element("graphiql")).render(
    createElement(GraphiQL, {
      fetcher,
      storage,
      schema: await schema,
      defaultTabs: await examples(account.id),
      plugins: [GraphiQLPluginExplorer.explorerPlugin()],
      isHeadersEditorEnabled: true,
      shouldPersistHeaders: false,
      showPersistHeadersSettings: false,
      defaultEditorToolsVisibility: "variables",
    }),
  );
}

begin().catch((error) => say(`This page could not start: ${error.message}`, true));
