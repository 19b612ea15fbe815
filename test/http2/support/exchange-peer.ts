import { once } from "node:events";
import type net from "node:net";
import type { AddressInfo } from "node:net";
import type { Exchange, Heard } from "./exchange-plan.ts";

const atOnce = 8;

/** A server that answers as planned, and what it has heard. */
export interface ExchangeServer extends AsyncDisposable {
  readonly port: number;
  readonly requests: Map<number, Heard>;
}

/** Sends what is planned, and tells what it has heard. */
export type ExchangeClient = (port: number, planned: readonly Exchange[]) => Promise<Heard[]>;

export async function listen(server: net.Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Runs all, so many at once, in order. */
export async function each(
  planned: readonly Exchange[],
  run: (exchange: Exchange) => Promise<Heard>,
): Promise<Heard[]> {
  const all: Heard[] = [];
  for (let at = 0; at < planned.length; at += atOnce)
    all.push(...(await Promise.all(planned.slice(at, at + atOnce).map(run))));
  return all;
}
