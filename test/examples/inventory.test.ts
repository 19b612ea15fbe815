import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import {
  AdjustStockRequestSchema,
  GetStockRequestSchema,
  Inventory,
  WatchStockRequestSchema,
} from "#gen/shop/v1/inventory_pb";
import { callUnary } from "../../examples/shop/grpc/client.ts";
import { callClientStreaming, callServerStreaming, reader } from "./clients.ts";
import { useShop } from "./shop-under-test.ts";

const under = useShop("inventory");

test("an adjustment through one replica reaches a watcher at the other", async () => {
  const [one, two] = under.both("inventory");
  const product = "products/copper-ibrik";
  const watch = callServerStreaming(
    two,
    Inventory.method.watchStock,
    create(WatchStockRequestSchema, { product }),
  );
  const next = reader(watch);
  const before = await next();
  const adjusted = await callClientStreaming(one, Inventory.method.adjustStock, [
    create(AdjustStockRequestSchema, { product, delta: 7 }),
  ]);
  const after = await next();
  watch.cancel();
  expect(after?.available).toBe((before?.available ?? 0n) + 7n);
  expect(after?.revision).toBe((before?.revision ?? 0n) + 1n);
  expect(adjusted).toMatchObject({ adjustments: 1, stocks: [after] });
});

test("adjustments through both replicas at once all count", async () => {
  const pair = under.both("inventory");
  const product = "products/new-arrivals";
  const one = create(AdjustStockRequestSchema, { product, delta: 1 });
  await Promise.all(
    pair.flatMap((client) =>
      [1, 2, 3].map(() => callClientStreaming(client, Inventory.method.adjustStock, Array(10).fill(one))),
    ),
  );
  const stocks = await Promise.all(
    pair.map((client) =>
      callUnary(client, Inventory.method.getStock, create(GetStockRequestSchema, { product })),
    ),
  );
  expect(stocks[0]).toEqual(stocks[1]);
  expect(stocks[0]).toMatchObject({ available: 60n, revision: 60n });
});

test("what is not there cannot be taken out, and what was booked before stays", async () => {
  const [one, two] = under.both("inventory");
  const product = "products/never-many";
  const adjust = [3, -2, -2].map((delta) => create(AdjustStockRequestSchema, { product, delta }));
  await expect(callClientStreaming(one, Inventory.method.adjustStock, adjust)).rejects.toMatchObject({
    code: status.FAILED_PRECONDITION,
  });
  const stock = await callUnary(two, Inventory.method.getStock, create(GetStockRequestSchema, { product }));
  expect(stock.available).toBe(1n);
});
