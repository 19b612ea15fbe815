import { type RawServer, startRawServer, unary } from "../../support/raw-server.ts";

/** An upstream whose calls of Hold wait until they are let go. */
export interface Echo extends AsyncDisposable {
  readonly address: string;
  /** Calls of Hold that are under way. */
  readonly held: number;
  letGo(): void;
}

export async function startEcho(): Promise<Echo> {
  const waiting = new Set<() => void>();
  const server: RawServer = await startRawServer("t.v1.Echo", {
    Say: unary((_request, call) => text(String(call.metadata.get("x-request-id")[0]))),
    Hold: unary(
      (_request, call) =>
        new Promise((resolve) => {
          const go = (): void => {
            waiting.delete(go);
            resolve(text(String(call.metadata.get("x-request-id")[0])));
          };
          waiting.add(go);
          call.on("cancelled", () => waiting.delete(go));
        }),
    ),
  });
  return {
    address: server.address,
    get held() {
      return waiting.size;
    },
    letGo: () => {
      for (const go of [...waiting]) go();
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** A Text. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([0x0a, bytes.length]), bytes]);
}
