// A query, a mutation and a subscription by each client that people use.
//
// node everyday.mjs ORIGIN
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { Client, fetchExchange } from "@urql/core";
import { createClient as createEventsClient } from "graphql-sse";
import { createClient as createSocketClient } from "graphql-ws";
import WebSocket from "ws";

import { ASK, newcomer } from "./api.mjs";

const [origin] = process.argv.slice(2);
const url = `${origin}/graphql`;
const QUERY = "query Balance { balance { total } }";
const FOLLOW = `
  subscription Follow($id: ID!, $after: Int!) {
    answer(id: $id, after: $after) { offset text answer { status text } }
  }`;

/** Ask by one client and follow the answer by it; returns what it heard. */
async function tried({ query, mutate, subscribe }) {
  const { balance } = await query(QUERY);
  const variables = { content: "Hello\nsimulate: slow 0.3", key: crypto.randomUUID() };
  const { askAI } = await mutate(ASK, variables);
  let shown = "";
  let finished = null;
  await subscribe(FOLLOW, { id: askAI.answer.id, after: 0 }, ({ answer }) => {
    shown = shown.slice(0, answer.offset) + answer.text;
    finished = answer.answer ?? finished;
  });
  return { total: balance.total, status: finished?.status, isWhole: shown === finished?.text };
}

const data = ({ data, errors, error }) => {
  if (errors || error) throw new Error(JSON.stringify(errors ?? error));
  return data;
};

async function iterated(client) {
  const one = async (query, variables) => {
    for await (const result of client.iterate({ query, variables })) return data(result);
  };
  return tried({
    query: one,
    mutate: one,
    subscribe: async (query, variables, hear) => {
      for await (const result of client.iterate({ query, variables })) hear(data(result));
    },
  });
}

const socketClient = (token) =>
  createSocketClient({
    url: url.replace("http", "ws"),
    connectionParams: () => ({ authorization: `Bearer ${token}` }),
    webSocketImpl: WebSocket,
  });

const clients = {
  async "graphql-ws"(token) {
    const client = socketClient(token);
    const heard = await iterated(client);
    await client.dispose();
    return heard;
  },

  async "graphql-sse"(token) {
    return iterated(createEventsClient({ url, headers: { authorization: `Bearer ${token}` } }));
  },

  async apollo(token) {
    const sockets = socketClient(token);
    const client = new ApolloClient({
      cache: new InMemoryCache(),
      link: ApolloLink.split(
        ({ operationType }) => operationType === "subscription",
        new GraphQLWsLink(sockets),
        new HttpLink({ uri: url, headers: { authorization: `Bearer ${token}` } }),
      ),
    });
    const heard = await tried({
      query: async (query) => data(await client.query({ query: gql(query) })),
      mutate: async (mutation, variables) =>
        data(await client.mutate({ mutation: gql(mutation), variables })),
      subscribe: (query, variables, hear) =>
        new Promise((complete, error) => {
          client
            .subscribe({ query: gql(query), variables, fetchPolicy: "no-cache" })
            .subscribe({ next: (result) => hear(data(result)), error, complete });
        }),
    });
    await sockets.dispose();
    return heard;
  },

  async urql(token) {
    const client = new Client({
      url,
      exchanges: [fetchExchange],
      fetchSubscriptions: true,
      preferGetMethod: false,
      fetchOptions: { headers: { authorization: `Bearer ${token}` } },
    });
    return tried({
      query: async (query) => data(await client.query(query, {}).toPromise()),
      mutate: async (query, variables) => data(await client.mutation(query, variables).toPromise()),
      subscribe: (query, variables, hear) =>
        new Promise((complete, fail) => {
          const { unsubscribe } = client.subscription(query, variables).subscribe((result) => {
            if (result.error) return fail(result.error);
            hear(result.data);
            if (result.data.answer.answer) {
              setTimeout(unsubscribe);
              complete();
            }
          });
        }),
    });
  },
};

const heard = {};
for (const [name, run] of Object.entries(clients)) {
  heard[name] = await run(await newcomer(origin)).catch((error) => String(error?.stack ?? error));
}
console.log(JSON.stringify(heard));
process.exit(0);
