import type { DescService } from "@bufbuild/protobuf";
import type { BoundMethod } from "./grpc/method.ts";
import type { ReplicatedLog } from "./replication/log.ts";
import type { Snapshot } from "./replication/messages.ts";

/** The services of the shop, by the names under which a gateway knows them. */
export const shopServices = ["catalog", "inventory", "orders", "support"] as const;

export type ShopService = (typeof shopServices)[number];

export function isShopService(name: unknown): name is ShopService {
  return shopServices.some((service) => service === name);
}

/** One service of the shop within a replica: its methods, and the state behind them. */
export interface ServiceInstance {
  readonly descriptor: DescService;
  readonly methods: readonly BoundMethod[];
  /** The state, to begin another replica from. */
  snapshot(): Snapshot;
  /** Replaces the state. */
  restore(state: Snapshot): void;
  /** The replica is about to stop: ends the calls that would not end by themselves. */
  drain(): void;
}

/** What a service is made from. */
export interface ServiceEnvironment {
  readonly log: ReplicatedLog;
  /** Where the catalog is served, as `host:port`. */
  readonly catalog: readonly string[];
}
