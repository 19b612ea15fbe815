import { Code, RpcError } from "#rpc";
import { type Fields, fieldValues } from "../fields.ts";

/** What a client asked for, and what it is given. */
export interface Negotiated {
  readonly name: string;
  /** To be confirmed; undefined when the client named none. */
  readonly confirmed: string | undefined;
  /** A token that a browser sent as a subprotocol, since it cannot set headers. Never echoed, never logged. */
  readonly token: string | undefined;
}

export const offered: readonly string[] = [
  "dragoman.json",
  "dragoman.envelope",
  "dragoman.proto",
  "grpc-websockets",
];
const bearer = "dragoman.bearer";

/**
 * Reads `sec-websocket-protocol`: the first that is offered, by the client's order of preference (RFC 6455 4.1).
 * @throws RpcError for subprotocols none of which is offered
 */
export function negotiate(fields: Fields): Negotiated {
  const asked = fieldValues(fields, "sec-websocket-protocol")
    .flatMap((value) => value.split(","))
    .map((value) => value.trim())
    .filter((value) => value !== "");
  let token: string | undefined;
  const rest: string[] = [];
  for (let i = 0; i < asked.length; i++) {
    if (asked[i] === bearer && asked[i + 1] !== undefined) token = asked[++i];
    else rest.push(asked[i] as string);
  }
  const name = rest.find((each) => offered.includes(each));
  if (name !== undefined) return { name, confirmed: name, token };
  if (rest.length === 0) {
    // A browser fails a connection in which none of what it asked for is confirmed.
    return { name: "dragoman.json", confirmed: token === undefined ? undefined : bearer, token };
  }
  throw new RpcError(Code.INVALID_ARGUMENT, `the subprotocols offered are ${offered.join(", ")}`, {
    reason: "protocol_mismatch",
  });
}
