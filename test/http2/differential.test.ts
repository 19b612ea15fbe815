import { expect, test } from "vitest";
import type { ExchangeClient, ExchangeServer } from "./support/exchange-peer.ts";
import { type Exchange, heard, planExchanges } from "./support/exchange-plan.ts";
import { nodeClient, nodeServer } from "./support/node-peers.ts";
import { ownClient, ownServer } from "./support/own-peers.ts";

/** HTTP2_FUZZ_SEED for another run. */
const seed = Number(process.env.HTTP2_FUZZ_SEED ?? 1);

const clients: readonly (readonly [string, ExchangeClient])[] = [
  ["node:http2", nodeClient],
  ["the engine", ownClient],
];
const servers: readonly (readonly [string, (planned: readonly Exchange[]) => Promise<ExchangeServer>])[] = [
  ["node:http2", nodeServer],
  ["the engine", ownServer],
];

for (const [clientName, client] of clients) {
  for (const [serverName, serve] of servers) {
    test(`${clientName} and a server by ${serverName} understand each other as they mean it`, async () => {
      const planned = planExchanges(seed);
      await using server = await serve(planned);
      const answers = await client(server.port, planned);
      for (const [n, { method, path, status, request, response }] of planned.entries()) {
        expect([n, server.requests.get(n)]).toEqual([
          n,
          heard(`${method} ${path}`, request.fields, request.chunks, request.trailers),
        ]);
        expect([n, answers[n]]).toEqual([
          n,
          heard(String(status), response.fields, response.chunks, response.trailers),
        ]);
      }
    });
  }
}
