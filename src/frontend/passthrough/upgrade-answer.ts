import type { IncomingHttpHeaders } from "node:http";
import type { Call } from "#rpc";
import type { Upgrade } from "../exchange.ts";
import { connectionOptions } from "../fields.ts";
import { withheld } from "./adaptors.ts";

/**
 * Makes the header of an upstream's answer to an upgrade what goes out: the proxy library writes it as it is. What belongs
 * to the connection to the upstream (RFC 9110 7.6.1) is left out, and what every answer of the gateway has is added.
 *
 * @param answered is changed
 * @param isAccepted the upstream has switched protocols; the connection to the client does so too
 */
export function completeAnswer(
  answered: IncomingHttpHeaders,
  { complete }: Upgrade,
  call: Call,
  isAccepted: boolean,
): void {
  const named = connectionOptions(["connection", answered.connection ?? ""]);
  const fields = ["x-request-id", call.context.requestId];
  for (const [name, value] of Object.entries(answered)) {
    delete answered[name];
    if (withheld.has(name) || named.includes(name)) continue;
    for (const each of Array.isArray(value) ? value : [value ?? ""]) fields.push(name, each);
  }
  if (isAccepted) {
    for (const cookie of call.head?.getAll("set-cookie") ?? []) fields.push("set-cookie", cookie);
    fields.push("connection", "upgrade", "upgrade", "websocket");
  }
  const all = complete(fields);
  for (let i = 0; i < all.length; i += 2) {
    const name = all[i] as string;
    const value = all[i + 1] as string;
    const before = answered[name];
    answered[name] = before === undefined ? value : [before, value].flat();
  }
}
