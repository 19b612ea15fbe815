import http from "node:http";
import type { AddressInfo } from "node:net";
import type { SigningKey } from "./tokens.ts";

type Answer = (response: http.ServerResponse) => void;

/** The key set of an issuer, over a real HTTP server. */
export interface KeyServer extends AsyncDisposable {
  readonly url: string;
  /** Requests so far. */
  readonly requests: number;
  show(keys: readonly Pick<SigningKey, "jwk">[]): void;
  /** Answers with anything, from now on. */
  answer(answer: Answer): void;
}

const keySet =
  (keys: readonly Pick<SigningKey, "jwk">[]): Answer =>
  (response) => {
    response.setHeader("content-type", "application/jwk-set+json");
    response.end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  };

export async function startKeyServer(keys: readonly Pick<SigningKey, "jwk">[]): Promise<KeyServer> {
  let current = keySet(keys);
  let requests = 0;
  const server = http.createServer((_request, response) => {
    requests++;
    current(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    get requests() {
      return requests;
    },
    show: (shown) => {
      current = keySet(shown);
    },
    answer: (given) => {
      current = given;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
