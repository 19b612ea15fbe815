import type { Call, CallSignal, Context } from "#rpc";
import type { Exchange, Upgrade } from "../exchange.ts";
import type { PassThroughRoute } from "../routes.ts";
import { passThroughCall } from "./call.ts";

/** The call that stands for an exchange which is passed through. */
export function readPassThrough(exchange: Exchange, route: PassThroughRoute, context: Context): Call {
  return passThroughCall(
    { kind: "exchange", exchange, cors: route.cors },
    exchange.head.fields,
    route,
    context,
    exchange.signal,
  );
}

/** The call that stands for an upgrade which is passed through, until its connection ends. */
export function readPassThroughUpgrade(
  upgrade: Upgrade,
  route: PassThroughRoute,
  context: Context,
  signal: CallSignal,
): Call {
  return passThroughCall({ kind: "upgrade", upgrade }, upgrade.head.fields, route, context, signal);
}
