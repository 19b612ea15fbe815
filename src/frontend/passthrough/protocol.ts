import type { Call, CallSignal, Context } from "#rpc";
import type { Exchange, Upgrade } from "../exchange.ts";
import type { PassThroughRoute } from "../routes.ts";
import { passThroughCall } from "./call.ts";

/** The call that stands for an exchange which is passed through. */
export function readPassThrough(
  exchange: Exchange,
  target: string,
  route: PassThroughRoute,
  context: Context,
): Call {
  return passThroughCall(
    { kind: "exchange", exchange, target, cors: route.cors },
    exchange.head.fields,
    route,
    context,
    exchange.signal,
  );
}

/** The call that stands for an upgrade which is passed through, until its connection ends. */
export function readPassThroughUpgrade(
  upgrade: Upgrade,
  target: string,
  route: PassThroughRoute,
  context: Context,
  signal: CallSignal,
): Call {
  return passThroughCall({ kind: "upgrade", upgrade, target }, upgrade.head.fields, route, context, signal);
}
