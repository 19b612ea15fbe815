import { type Call, Code, type Handler, Metadata, type Reply, RpcError } from "#rpc";
import type { Fields } from "../fields.ts";
import { carrierOf, emptyPayload } from "./call.ts";

/** An answer without a body. */
export interface OwnAnswer {
  readonly status: number;
  /** Name, value, name, value; lower case. */
  readonly fields: Fields;
}

/** Bytes of a body that nobody looks at. */
const maxIgnored = 64 * 1024;

/** The innermost handler of a path that the gateway itself answers. @param answer rejects with an RpcError for a refusal */
export function answeringHandler(answer: (call: Call) => Promise<OwnAnswer>): Handler {
  return async (call): Promise<Reply> => {
    const carrier = carrierOf(call);
    if (carrier.kind === "upgrade")
      throw new RpcError(Code.NOT_FOUND, "there is no WebSocket at this path", { reason: "route_not_found" });
    const { exchange } = carrier;
    if (exchange.hasBody) await exchange.readBody(maxIgnored);
    const { status, fields } = await answer(call);
    exchange.respond(status, ["x-request-id", call.context.requestId, ...fields]);
    return { kind: "unary", header: new Metadata(), response: emptyPayload(), trailer: new Metadata() };
  };
}
