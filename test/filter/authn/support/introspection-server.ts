import http from "node:http";
import type { AddressInfo } from "node:net";

/** What the server was asked, once. */
export interface Asked {
  readonly method: string | undefined;
  readonly authorization: string | undefined;
  readonly form: URLSearchParams;
}

/** An authorization server that tells of tokens, over real HTTP. */
export interface IntrospectionServer extends AsyncDisposable {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** Answers about every token so, from now on. */
  tell(answer: Readonly<Record<string, unknown>>): void;
  /** Answers with anything, from now on. */
  answer(answer: (response: http.ServerResponse) => void): void;
}

export async function startIntrospectionServer(
  initial: Readonly<Record<string, unknown>>,
): Promise<IntrospectionServer> {
  const asked: Asked[] = [];
  const telling =
    (answer: Readonly<Record<string, unknown>>) =>
    (response: http.ServerResponse): void => {
      response.setHeader("content-type", "application/json;charset=UTF-8");
      response.end(JSON.stringify(answer));
    };
  let current = telling(initial);
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { authorization } = request.headers;
    asked.push({ method: request.method, authorization, form: new URLSearchParams(body) });
    current(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/introspect`,
    asked,
    tell: (answer) => {
      current = telling(answer);
    },
    answer: (answer) => {
      current = answer;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
