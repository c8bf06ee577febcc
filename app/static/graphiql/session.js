// Asking the API, with a token that lives as long as this page and nowhere else.

export const credential = { token: "" };
export const account = { id: "" };

/** Send one operation. A header typed by hand counts more than the token of the page. */
export async function ask(body, typed = {}) {
  const headers = new Headers({
    accept: "application/graphql-response+json, application/json",
    "content-type": "application/json",
  });
  if (credential.token) headers.set("authorization", `Bearer ${credential.token}`);
  for (const [name, value] of Object.entries(typed)) headers.set(name, value);
  const response = await fetch("/graphql", {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    credentials: "omit",
  });
  return response.json();
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
