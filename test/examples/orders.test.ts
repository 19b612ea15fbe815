import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import {
  CreateOrderRequestSchema,
  GetOrderRequestSchema,
  ListOrdersRequestSchema,
  Orders,
} from "#gen/shop/v1/orders_pb";
import { callUnary } from "../../examples/shop/grpc/client.ts";
import { as, useShop } from "./shop-under-test.ts";

const under = useShop("orders");

const order = {
  items: [
    { product: "products/rize-black", quantity: 3 },
    { product: "products/kilim-runner", quantity: 2 },
  ],
};

test("an order is priced by the catalog and seen by its customer alone, through either replica", async () => {
  const [one, two] = under.both("orders");
  const { createOrder, getOrder, listOrders } = Orders.method;
  const placed = await callUnary(
    one,
    createOrder,
    create(CreateOrderRequestSchema, { order }),
    {},
    as("ana"),
  );
  expect(placed).toMatchObject({ customer: "ana", total: 67_070n, currencyCode: "EUR" });
  const request = create(GetOrderRequestSchema, { name: placed.name });
  expect(await callUnary(two, getOrder, request, {}, as("ana"))).toEqual(placed);
  await expect(callUnary(two, getOrder, request, {}, as("ben"))).rejects.toMatchObject({
    code: status.NOT_FOUND,
  });
  const list = await callUnary(two, listOrders, create(ListOrdersRequestSchema), {}, as("ana"));
  expect(list.orders).toEqual([placed]);
  await expect(callUnary(one, listOrders, create(ListOrdersRequestSchema))).rejects.toMatchObject({
    code: status.UNAUTHENTICATED,
  });
});

test("a token that the gateway did not vouch for says nothing", async () => {
  const [one] = under.both("orders");
  const metadata = as("ben");
  const claims = Buffer.from(JSON.stringify({ sub: "cem" })).toString("base64url");
  metadata.set("authorization", `Bearer e30.${claims}.c2ln`);
  const placed = await callUnary(
    one,
    Orders.method.createOrder,
    create(CreateOrderRequestSchema, { order }),
    {},
    metadata,
  );
  expect(placed.customer).toBe("ben");
});

test("the same request places one order, whoever takes it", async () => {
  const [one, two] = under.both("orders");
  const request = create(CreateOrderRequestSchema, { order, requestId: "once" });
  const placed = await Promise.all(
    [one, two, one].map((client) => callUnary(client, Orders.method.createOrder, request, {}, as("dov"))),
  );
  expect(new Set(placed.map(({ name }) => name)).size).toBe(1);
});

test("an unknown product and an empty order are refused by their field", async () => {
  const [one] = under.both("orders");
  const place = (init: object) =>
    callUnary(
      one,
      Orders.method.createOrder,
      create(CreateOrderRequestSchema, { order: init }),
      {},
      as("eli"),
    );
  const unknown = { items: [{ product: "products/nothing", quantity: 1 }] };
  await expect(place(unknown)).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: "order.items[0].product: products/nothing does not exist",
  });
  await expect(place({ items: [] })).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
});
