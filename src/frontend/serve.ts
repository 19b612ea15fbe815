import {
  type Call,
  type CallSignal,
  type Context,
  Metadata,
  Payload,
  type PayloadCodec,
  RpcError,
} from "#rpc";
import type { Logger } from "#telemetry";
import { newContext } from "./context.ts";
import type { Exchange } from "./exchange.ts";
import type { TrustsPeer } from "./peer.ts";
import type { Match, Protocol } from "./protocol.ts";
import type { Routes } from "./routes.ts";

export interface ServeOptions {
  /** The routes of the current snapshot; asked once per exchange. */
  readonly routes: () => Routes;
  /** In the order in which they are asked. The last must match everything. */
  readonly protocols: readonly Protocol[];
  readonly trusts: TrustsPeer;
  readonly logger: Logger;
}

/** Serves one exchange: classify, route, read, handle, then write or fail. Never throws. */
export type Serve = (exchange: Exchange) => void;

export function createServe(options: ServeOptions): Serve {
  return (exchange) => {
    const protocol = options.protocols.find((each) => each.matches(exchange.head));
    if (protocol === undefined) throw new Error("no protocol takes this exchange");
    void serve(exchange, protocol, options);
  };
}

async function serve<M extends Match>(
  exchange: Exchange,
  protocol: Protocol<M>,
  options: ServeOptions,
): Promise<void> {
  const { logger, trusts } = options;
  const routes = options.routes();
  let match: M | undefined;
  let context: Context | undefined;
  try {
    if (protocol.answer?.(exchange, routes) === true) return;
    try {
      match = protocol.route(exchange.head, routes);
    } catch (thrown) {
      context = newContext(exchange, protocol.name, "", trusts);
      await refuse(routes, context, exchange.signal, RpcError.from(thrown));
      return;
    }
    context = newContext(exchange, protocol.name, match.template, trusts);
    let call: Call;
    try {
      call = protocol.read(exchange, match, context);
    } catch (thrown) {
      await refuse(routes, context, exchange.signal, RpcError.from(thrown));
      return;
    }
    const reply = await match.handler(call);
    await protocol.write(exchange, match, call, reply);
  } catch (thrown) {
    const error = RpcError.from(thrown);
    if (error.reason === "internal")
      logger.error("a call failed by a defect of the gateway", { cause: error.cause });
    try {
      if (exchange.signal.aborted) exchange.reset("cancel");
      else if (exchange.answered) exchange.reset("internal");
      else {
        context ??= newContext(exchange, protocol.name, "", trusts);
        protocol.fail(exchange, error, routes, context, match);
      }
    } catch (defect) {
      logger.error("an error could not be answered", { cause: defect });
      exchange.reset("internal");
    }
  }
}

const nothing: PayloadCodec = { toJson: () => new Uint8Array(0), fromJson: () => new Uint8Array(0) };

/** Lets the observers see a refusal that no method is charged with. Always rejects, with that error. */
export async function refuse(
  routes: Routes,
  context: Context,
  signal: CallSignal,
  error: RpcError,
): Promise<never> {
  const call: Call = {
    kind: "unary",
    method: routes.unrouted.method,
    header: new Metadata(),
    deadline: undefined,
    signal,
    context,
    request: Payload.fromProto(new Uint8Array(0), nothing),
  };
  await routes.unrouted.handler(error)(call);
  throw error;
}
