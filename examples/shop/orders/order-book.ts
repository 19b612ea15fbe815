import { clone, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type CreateOrderRequest,
  CreateOrderRequestSchema,
  type Order,
  OrderSchema,
  OrderState,
} from "#gen/shop/v1/orders_pb";
import { notFound } from "../grpc/status-error.ts";
import type { Stamp } from "../replication/log.ts";
import type { Snapshot } from "../replication/messages.ts";
import { firstOrders } from "./first-orders.ts";

/** The oldest orders are forgotten beyond this many: an example must not fill the memory of its machine. */
const capacity = 20_000;

/** All orders. Orders are never changed, only replaced, so they may be handed out as they are. */
export class OrderBook {
  readonly #orders = new Map<string, CreateOrderRequest>();
  readonly #byRequest = new Map<string, string>();

  constructor() {
    for (const order of firstOrders()) this.#add(create(CreateOrderRequestSchema, { order }));
  }

  /** Of one customer, in the order in which they were placed. */
  of(customer: string): Order[] {
    const orders: Order[] = [];
    for (const { order } of this.#orders.values()) if (order?.customer === customer) orders.push(order);
    return orders;
  }

  /** @throws StatusError NOT_FOUND also for an order of somebody else */
  get(name: string, customer: string): Order {
    const order = this.#orders.get(name)?.order;
    if (order === undefined || order.customer !== customer) throw notFound("shop.example/Order", name);
    return order;
  }

  /** Places an order that is complete but for its name, or finds the one that the same request placed before. */
  place({ order, requestId }: CreateOrderRequest, { at, id }: Stamp): Order {
    const placed = clone(OrderSchema, order ?? create(OrderSchema));
    const before = this.#orders.get(this.#byRequest.get(requestKey(placed.customer, requestId)) ?? "")?.order;
    if (before !== undefined) return before;
    placed.name = `orders/${id}`;
    placed.id = id;
    placed.state = OrderState.PLACED;
    placed.createTime = timestampFromMs(at);
    this.#add(create(CreateOrderRequestSchema, { order: placed, requestId }));
    return placed;
  }

  snapshot(): Snapshot {
    return [...this.#orders.values()].map((entry) => toBinary(CreateOrderRequestSchema, entry));
  }

  restore(state: Snapshot): void {
    this.#orders.clear();
    this.#byRequest.clear();
    for (const bytes of state) this.#add(fromBinary(CreateOrderRequestSchema, bytes));
  }

  #add(entry: CreateOrderRequest): void {
    if (entry.order === undefined) return;
    this.#orders.set(entry.order.name, entry);
    if (entry.requestId !== "")
      this.#byRequest.set(requestKey(entry.order.customer, entry.requestId), entry.order.name);
    if (this.#orders.size <= capacity) return;
    const [oldest] = this.#orders;
    if (oldest === undefined) return;
    const [name, { order, requestId }] = oldest;
    this.#orders.delete(name);
    this.#byRequest.delete(requestKey(order?.customer ?? "", requestId));
  }
}

function requestKey(customer: string, requestId: string): string {
  return requestId === "" ? "" : `${requestId}\n${customer}`;
}
