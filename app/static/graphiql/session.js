// Asking the API, with a token that lives as long as this page and nowhere else.

export const credential = { token: "" };
export const account = { id: "" };

async function post(body, accept, typed, signal) {
  const headers = new Headers({ accept, "content-type": "application/json" });
  if (credential.token) headers.set("authorization", `Bearer ${credential.token}`);
  for (const [name, value] of Object.entries(typed)) headers.set(name, value);
  return fetch("/graphql", {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    credentials: "omit",
    signal,
  });
}

/** Send one operation. A header typed by hand counts more than the token of the page. */
export async function ask(body, typed = {}) {
  const accept = "application/graphql-response+json, application/json";
  return (await post(body, accept, typed)).json();
}

/** Follow a subscription: every result as it comes, until nobody wants any more. */
export function follow(body, typed = {}) {
  const leaving = new AbortController();
  const results = read(body, typed, leaving.signal);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => results.next(),
    return() {
      leaving.abort(); // it may be waiting for a result that never comes
      return results.return();
    },
  };
}

async function* read(body, typed, signal) {
  try {
    const response = await post(body, "text/event-stream", typed, signal);
    if (!response.ok) {
      yield await response.json();
      return;
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const data = event.match(/^event: next\ndata: (.*)$/)?.[1];
        if (data) yield JSON.parse(data);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Trade the token of a mailed link, which stands behind the # and does not stay there. */
export async function followLink() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return false;
  history.replaceState(null, "", location.pathname + location.search);
  const { data, errors } = await ask({
    query: `mutation RedeemMagicLink($token: String!) {
      redeemMagicLink(input: { token: $token }) {
        ... on SessionStarted { session { accessToken } account { id } }
        ... on Problem { message }
      }
    }`,
    variables: { token },
  });
  const started = data?.redeemMagicLink;
  if (!started?.session) {
    throw new Error(started?.message ?? errors?.[0]?.message ?? "The link could not be followed.");
  }
  credential.token = started.session.accessToken;
  account.id = started.account.id;
  return true;
}

/** Take on a throw-away account with credits to spend. */
export async function startDemoSession() {
  credential.token = "";
  const { data, errors } = await ask({
    query: `mutation StartDemoSession {
      startDemoSession {
        ... on SessionStarted { session { accessToken } account { id } }
        ... on Problem { message }
      }
    }`,
  });
  const started = data?.startDemoSession;
  if (!started?.session) {
    throw new Error(started?.message ?? errors?.[0]?.message ?? "No demo session was started.");
  }
  credential.token = started.session.accessToken;
  account.id = started.account.id;
}

/** Who is asking and what they can spend, in a sentence. */
export async function whoAmI() {
  if (!credential.token) return "Not signed in. Paste an access token to ask on its behalf.";
  const { data, errors } = await ask({
    query: "query Who { viewer { account { id email role } } balance { available } }",
  });
  if (!data?.viewer) throw new Error(errors?.[0]?.message ?? "This token is not valid.");
  const { id, email, role } = data.viewer.account;
  account.id ||= id;
  const credits = data.balance ? ` · ${data.balance.available} credits` : "";
  return `${role === "ADMIN" ? "Administrator" : "Signed in as"} ${email ?? id}${credits}`;
}
