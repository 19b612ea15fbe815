import {
  type Call,
  type CallSignal,
  type Context,
  Metadata,
  Payload,
  type PayloadCodec,
  type Reply,
  RpcError,
  type UnarySink,
} from "#rpc";
import type { Logger } from "#telemetry";
import { type Edge, newContext } from "./context.ts";
import type { Exchange } from "./exchange.ts";
import type { Match, Protocol } from "./protocol.ts";
import type { Routes } from "./routes.ts";

export interface ServeOptions extends Edge {
  /** The routes of the current snapshot; asked once per exchange. */
  readonly routes: () => Routes;
  /** In the order in which they are asked. The last must match everything. */
  readonly protocols: readonly Protocol[];
  readonly logger: Logger;
}

/** Serves one exchange: classify, route, read, handle, then write or fail. Never throws. */
export type Serve = (exchange: Exchange) => void;

export function createServe(options: ServeOptions): Serve {
  const { protocols } = options;
  return (exchange) => {
    for (const protocol of protocols) {
      if (!protocol.matches(exchange.head)) continue;
      new Serving(exchange, protocol, options).start();
      return;
    }
    throw new Error("no protocol takes this exchange");
  };
}

/** One exchange on its way from its head to its answer. */
class Serving<M extends Match> implements UnarySink {
  readonly #exchange: Exchange;
  readonly #protocol: Protocol<M>;
  readonly #options: ServeOptions;
  readonly #routes: Routes;
  #match: M | undefined;
  #context: Context | undefined;
  #call: Call | undefined;

  constructor(exchange: Exchange, protocol: Protocol<M>, options: ServeOptions) {
    this.#exchange = exchange;
    this.#protocol = protocol;
    this.#options = options;
    this.#routes = options.routes();
  }

  start(): void {
    const exchange = this.#exchange;
    const protocol = this.#protocol;
    let call: Call;
    let match: M;
    try {
      if (protocol.answer?.(exchange, this.#routes) === true) return;
      match = protocol.route(exchange.head, this.#routes);
      this.#match = match;
      this.#context = newContext(exchange, protocol.name, match.template, this.#options);
      call = protocol.read(exchange, match, this.#context);
      this.#call = call;
    } catch (thrown) {
      this.#refuse(RpcError.from(thrown));
      return;
    }
    const { handler } = match;
    if (call.kind === "unary" && handler.unary !== undefined) handler.unary(call, this);
    else
      handler(call).then(
        (reply) => this.succeeded(reply),
        (error: unknown) => this.failed(error),
      );
  }

  succeeded(reply: Reply): void {
    try {
      const writing = this.#protocol.write(this.#exchange, this.#match as M, this.#call as Call, reply);
      if (writing !== undefined) writing.then(undefined, (error: unknown) => this.failed(error));
    } catch (error) {
      this.failed(error);
    }
  }

  failed(thrown: unknown): void {
    const exchange = this.#exchange;
    const { logger } = this.#options;
    const error = RpcError.from(thrown);
    if (error.reason === "internal")
      logger.error("a call failed by a defect of the gateway", { cause: error.cause });
    try {
      if (exchange.signal.aborted) exchange.reset("cancel");
      else if (exchange.answered) exchange.reset("internal");
      else this.#protocol.fail(exchange, error, this.#routes, this.#contextOf(""), this.#match);
    } catch (defect) {
      logger.error("an error could not be answered", { cause: defect });
      exchange.reset("internal");
    }
  }

  #contextOf(template: string): Context {
    this.#context ??= newContext(this.#exchange, this.#protocol.name, template, this.#options);
    return this.#context;
  }

  /** What no method is charged with is still seen by the observers. */
  #refuse(error: RpcError): void {
    const { signal } = this.#exchange;
    refuse(this.#routes, this.#contextOf(""), signal, error).catch((thrown: unknown) => this.failed(thrown));
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
