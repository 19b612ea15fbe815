import { Code, RpcError } from "#rpc";
import { type Fields, fieldValues } from "../fields.ts";

/** What a client asked for, and what it is given. */
export interface Subprotocols {
  /** To be confirmed; undefined when the client named none. */
  readonly chosen: string | undefined;
  /** A token that a browser sent as a subprotocol, since it cannot set headers. Never echoed, never logged. */
  readonly token: string | undefined;
}

export const jsonSubprotocol = "dragoman.json";
const bearer = "dragoman.bearer";

/** Reads `sec-websocket-protocol`. @throws RpcError for subprotocols none of which is offered */
export function readSubprotocols(fields: Fields): Subprotocols {
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
  if (rest.includes(jsonSubprotocol)) return { chosen: jsonSubprotocol, token };
  if (rest.length === 0) {
    // A browser fails a connection in which none of what it asked for is confirmed.
    return { chosen: token === undefined ? undefined : bearer, token };
  }
  throw new RpcError(Code.INVALID_ARGUMENT, `the subprotocol offered is ${jsonSubprotocol}`, {
    reason: "protocol_mismatch",
  });
}
