import { create } from "@bufbuild/protobuf";
import { type Metadata, status } from "@grpc/grpc-js";
import {
  CreateOrderRequestSchema,
  ListOrdersRequestSchema,
  ListOrdersResponseSchema,
  type Order,
  Orders,
} from "#gen/shop/v1/orders_pb";
import { callerOf } from "../caller.ts";
import { unary } from "../grpc/method.ts";
import { invalid, StatusError } from "../grpc/status-error.ts";
import { pageOf, queryOf } from "../page.ts";
import type { ServiceEnvironment, ServiceInstance } from "../services.ts";
import { OrderBook } from "./order-book.ts";
import { Pricing } from "./pricing.ts";

/** `shop.v1.Orders`. */
export function createOrders({ log, catalog }: ServiceEnvironment): ServiceInstance {
  const book = new OrderBook();
  const pricing = new Pricing(catalog);
  const place = log.define("CreateOrder", CreateOrderRequestSchema, (request, stamp) =>
    book.place(request, stamp),
  );
  const { method } = Orders;
  const methods = [
    unary(method.createOrder, async ({ order: wanted, requestId }, { metadata }) => {
      const customer = customerOf(metadata);
      if (requestId.length > 64) throw invalid("request_id", "must not have more than 64 characters");
      const order = await pricing.price(checkOrder(wanted));
      return place(create(CreateOrderRequestSchema, { order: { ...order, customer }, requestId }));
    }),
    unary(method.getOrder, ({ name }, { metadata }) => book.get(name, customerOf(metadata))),
    unary(method.listOrders, (request, { metadata }) => {
      const { states } = request;
      const latestFirst = book.of(customerOf(metadata)).reverse();
      const all = latestFirst.filter(({ state }) => states.length === 0 || states.includes(state));
      const { items, nextPageToken } = pageOf(all, request, queryOf(ListOrdersRequestSchema, request));
      return create(ListOrdersResponseSchema, { orders: [...items], nextPageToken });
    }),
  ];
  return {
    descriptor: Orders,
    methods,
    snapshot: () => book.snapshot(),
    restore: (state) => book.restore(state),
    drain() {},
  };
}

/** @throws StatusError UNAUTHENTICATED when nobody says who calls */
function customerOf(metadata: Metadata): string {
  const customer = callerOf(metadata);
  if (customer === undefined)
    throw new StatusError(status.UNAUTHENTICATED, "orders belong to somebody: say who calls");
  return customer;
}

/** @throws StatusError INVALID_ARGUMENT */
function checkOrder(order: Order | undefined): Order {
  const items = order?.items ?? [];
  if (order === undefined || items.length === 0) throw invalid("order.items", "must have at least one item");
  if (items.length > 50) throw invalid("order.items", "must not have more than 50 items");
  for (const [index, { product, quantity }] of items.entries()) {
    if (product === "") throw invalid(`order.items[${index}].product`, "is required");
    if (quantity < 1 || quantity > 999)
      throw invalid(`order.items[${index}].quantity`, "must be from 1 to 999");
  }
  return order;
}
