import { create } from "@bufbuild/protobuf";
import { type Client, Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll } from "vitest";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as Serving,
} from "#gen/grpc/health/v1/health_pb";
import { callUnary } from "../../examples/shop/grpc/client.ts";
import type { ShopService } from "../../examples/shop/services.ts";
import { type Shop, startShop } from "../../examples/shop/supervisor.ts";
import { until } from "../support/until.ts";
import { clientOf } from "./clients.ts";

/** Some services of the shop, for all tests of a file. */
export interface ShopUnderTest {
  /** Only within tests. */
  readonly shop: Shop;
  /** A client of each replica of a service, closed after the tests. */
  both(service: ShopService): [Client, Client];
  pidOf(name: string): number | undefined;
  /** Ends a replica the hard way; resolves when its successor answers health checks. */
  killAndAwaitReturn(name: string, client: Client): Promise<void>;
}

export function useShop(...services: ShopService[]): ShopUnderTest {
  let shop: Shop | undefined;
  const clients: Client[] = [];
  const running = (): Shop => {
    if (shop === undefined) throw new Error("the shop does not run yet");
    return shop;
  };
  beforeAll(async () => {
    shop = await startShop({ services });
  }, 60_000);
  afterAll(async () => {
    for (const client of clients) client.close();
    await shop?.close();
  });
  const pidOf = (name: string) =>
    running()
      .replicas()
      .find((replica) => replica.name === name)?.pid;
  return {
    get shop() {
      return running();
    },
    both(service) {
      const [first = "", second = ""] = running().upstreams[service];
      const pair: [Client, Client] = [clientOf(first), clientOf(second)];
      clients.push(...pair);
      return pair;
    },
    pidOf,
    async killAndAwaitReturn(name, client) {
      const before = pidOf(name);
      if (before === undefined) throw new Error(`${name} does not run`);
      process.kill(before, "SIGKILL");
      await until(`${name} runs again`, () => ![undefined, before].includes(pidOf(name)));
      await until(`${name} serves`, () => isServing(client));
    },
  };
}

/** Whether a server says so, for itself or for one of its services. */
export async function isServing(client: Client, service = ""): Promise<boolean> {
  try {
    const request = create(HealthCheckRequestSchema, { service });
    const answer = await callUnary(client, Health.method.check, request, { deadline: Date.now() + 500 });
    return answer.status === Serving.SERVING;
  } catch {
    return false;
  }
}

/** Metadata of a call by somebody. */
export function as(user: string): Metadata {
  const metadata = new Metadata();
  metadata.set("x-dragoman-subject", user);
  return metadata;
}
