// What every client here does first: begin a session, and ask.

/** Send one operation by plain HTTP, again while the server is too busy to answer. */
export async function send(origin, token, query, variables = {}) {
  for (let tries = 1; ; tries += 1) {
    const { data, errors } = await sendOnce(origin, token, query, variables);
    const code = errors?.[0].extensions.code ?? data.askAI?.code;
    if (!code) return data;
    if (code !== "UNAVAILABLE" || tries === 10) throw new Error(JSON.stringify(errors ?? data));
    await new Promise((resume) => setTimeout(resume, 500));
  }
}

async function sendOnce(origin, token, query, variables) {
  const response = await fetch(`${origin}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

/** The access token of somebody new. */
export async function newcomer(origin) {
  const data = await send(
    origin,
    "",
    "mutation { startDemoSession { ... on SessionStarted { session { accessToken } } } }",
  );
  return data.startDemoSession.session.accessToken;
}

export const ASK = `
  mutation Ask($content: String!, $key: String!) {
    askAI(input: { messages: { content: $content }, idempotencyKey: $key, waitSeconds: 0 }) {
      ... on AskAISuccess { answer { id } }
      ... on Problem { code message }
    }
  }`;

/** The id of an answer in progress. */
export async function ask(origin, token, content) {
  const data = await send(origin, token, ASK, { content, key: crypto.randomUUID() });
  return data.askAI.answer.id;
}

/** The text of a finished answer, as the books have it. */
export async function stored(origin, token, id) {
  const data = await send(origin, token, "query($id: ID!) { answer(id: $id) { text } }", { id });
  return data.answer.text;
}
