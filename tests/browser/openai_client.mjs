// The official client for node, unchanged but for its base URL. Prints what it saw as JSON.
import OpenAI from "openai";

const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey });
const messages = [{ role: "user", content: "What is a ledger?" }];
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }];

const { data: whole, response } = await client.chat.completions
  .create({ model, messages })
  .withResponse();

let streamed = "";
let usage = null;
for await (const chunk of await client.chat.completions.create({
  model,
  messages,
  stream: true,
  stream_options: { include_usage: true },
})) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}

const runner = client.chat.completions.stream({ model, messages, tools });
const called = (await runner.finalChatCompletion()).choices[0].message.tool_calls[0].function.name;

const embedded = await client.embeddings.create({ model, input: ["one", "two"] });
const responded = await client.responses.create({ model, input: "What is a ledger?" });
let deltas = 0;
for await (const event of await client.responses.create({ model, input: "x", stream: true })) {
  if (event.type === "response.output_text.delta") deltas += 1;
}
const models = [];
for await (const each of client.models.list()) models.push(each.id);

/** The class and code of the error that a call is refused with. */
async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return [error.constructor.name, error.status ?? null, error.code ?? null];
  }
  return null;
}

const create = (body, options) => client.chat.completions.create({ model, messages, ...body }, options);
const nobody = new OpenAI({ baseURL, apiKey: "sk-nobody" });
const idempotent = { headers: { "Idempotency-Key": "the same" } };
await create({}, idempotent);
const refusals = {
  authentication: await refusal(() => nobody.models.list()),
  badRequest: await refusal(() => create({ max_tokens: 0 })),
  notFound: await refusal(() => create({ model: "nobody/knows:it" })),
  conflict: await refusal(() => create({ seed: 1 }, idempotent)),
  payment: await refusal(() => create({ model: "gpt-4.1-mini", max_tokens: 32000, n: 128 })),
  provider: await refusal(() =>
    create({ messages: [{ role: "user", content: "simulate: empty" }] }, { maxRetries: 0 }),
  ),
  stream: await refusal(async () => {
    const broken = [{ role: "user", content: "simulate: broken" }];
    for await (const _ of await create({ messages: broken, stream: true }));
  }),
};

console.log(
  JSON.stringify({
    whole: whole.choices[0].message.content,
    charged: response.headers.get("x-tallystick-charged"),
    streamed,
    usage: usage?.completion_tokens ?? 0,
    called,
    dimensions: embedded.data.map((each) => each.embedding.length),
    responded: responded.output_text,
    deltas,
    models,
    refusals,
  }),
);
