// What every client here does first: begin a session, and ask.

/** Send one operation by plain HTTP. */
export async function send(origin, token, query, variables = {}) {
  const response = await fetch(`${origin}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
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
  if (!data.askAI.answer) throw new Error(JSON.stringify(data.askAI));
  return data.askAI.answer.id;
}

/** The text of a finished answer, as the books have it. */
export async function stored(origin, token, id) {
  const data = await send(origin, token, "query($id: ID!) { answer(id: $id) { text } }", { id });
  return data.answer.text;
}
