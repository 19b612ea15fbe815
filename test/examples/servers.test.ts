import { create, type DescMethod, getOption } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { http } from "#gen/google/api/annotations_pb";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as Serving,
} from "#gen/grpc/health/v1/health_pb";
import { ServerReflection, ServerReflectionRequestSchema } from "#gen/grpc/reflection/v1/reflection_pb";
import {
  ServerReflection as ServerReflectionAlpha,
  ServerReflectionRequestSchema as ServerReflectionRequestAlphaSchema,
} from "#gen/grpc/reflection/v1alpha/reflection_pb";
import { Catalog, DownloadImageRequestSchema, UploadImageRequestSchema } from "#gen/shop/v1/catalog_pb";
import { Inventory, WatchStockRequestSchema } from "#gen/shop/v1/inventory_pb";
import { Orders } from "#gen/shop/v1/orders_pb";
import { Support } from "#gen/shop/v1/support_pb";
import { loadSchema, type ReflectionStream } from "#schema";
import { until } from "../support/until.ts";
import { callBidi, callClientStreaming, callServerStreaming, clientOf, reader } from "./clients.ts";
import { isServing, useShop } from "./shop-under-test.ts";

const under = useShop("catalog", "inventory", "orders", "support");

test.each([
  ["catalog", Catalog.typeName],
  ["inventory", Inventory.typeName],
  ["orders", Orders.typeName],
  ["support", Support.typeName],
] as const)("both replicas of %s answer health checks, by name too", async (service, typeName) => {
  for (const client of under.both(service)) {
    expect(await isServing(client)).toBe(true);
    expect(await isServing(client, typeName)).toBe(true);
    expect(await isServing(client, "shop.v1.Nothing")).toBe(false);
  }
});

test("reflection yields the schema with the HTTP rules in it", async () => {
  const [client] = under.both("catalog");
  const stream: ReflectionStream = async function* (path, requests) {
    const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
    const call = client.makeBidiStreamRequest(path, toBuffer, (bytes: Buffer): Uint8Array => bytes);
    const sending = (async () => {
      for await (const request of requests) call.write(request);
      call.end();
    })();
    yield* call;
    await sending;
  };
  const { schema, problems } = await loadSchema([{ kind: "reflection", upstream: "catalog" }], () => stream);
  expect(problems).toEqual([]);
  const method: DescMethod | undefined = schema?.methods.get("shop.v1.Catalog/GetProduct")?.descriptor;
  if (method === undefined) throw new Error("the method is missing");
  expect(getOption(method, http).pattern).toEqual({ case: "get", value: "/v1/{name=products/*}" });
});

test("reflection answers in both of its versions", async () => {
  const [client] = under.both("orders");
  const v1 = callBidi(client, ServerReflection.method.serverReflectionInfo);
  const messageRequest = { case: "listServices", value: "*" } as const;
  v1.write(create(ServerReflectionRequestSchema, { messageRequest }));
  const alpha = callBidi(client, ServerReflectionAlpha.method.serverReflectionInfo);
  alpha.write(create(ServerReflectionRequestAlphaSchema, { messageRequest }));
  for (const answer of [await reader(v1)(), await reader(alpha)()]) {
    expect(answer?.messageResponse).toMatchObject({
      case: "listServicesResponse",
      value: { service: [{ name: "shop.v1.Orders" }, { name: "grpc.health.v1.Health" }, {}] },
    });
  }
  const unknown = { case: "fileContainingSymbol", value: "shop.v1.Nothing" } as const;
  const another = callBidi(client, ServerReflection.method.serverReflectionInfo);
  another.write(create(ServerReflectionRequestSchema, { messageRequest: unknown }));
  expect((await reader(another)())?.messageResponse).toMatchObject({
    case: "errorResponse",
    value: { errorCode: status.NOT_FOUND },
  });
  for (const call of [v1, alpha, another]) call.end();
});

test("a replica that is told to stop says so first, ends endless calls as UNAVAILABLE, and comes back", async () => {
  const [address = ""] = under.shop.upstreams.inventory;
  using client = clientOf(address);
  const watchHealth = callServerStreaming(client, Health.method.watch, create(HealthCheckRequestSchema));
  watchHealth.on("error", () => {});
  const health = reader(watchHealth);
  expect((await health())?.status).toBe(Serving.SERVING);
  const stock = reader(
    callServerStreaming(
      client,
      Inventory.method.watchStock,
      create(WatchStockRequestSchema, { product: "products/reed-pens" }),
    ),
  );
  expect(await stock()).toBeDefined();
  const pid = under.pidOf("inventory-1");
  if (pid === undefined) throw new Error("inventory-1 does not run");
  process.kill(pid, "SIGTERM");
  const ending = expect(stock()).rejects.toMatchObject({
    code: status.UNAVAILABLE,
    details: expect.stringContaining("about to stop"),
  });
  expect((await health())?.status).toBe(Serving.NOT_SERVING);
  await ending;
  await until("it is back", async () => under.pidOf("inventory-1") !== pid && (await isServing(client)));
});

test("an image that is on its way to a slow reader gets there although the replica is told to stop", async () => {
  const [address = ""] = under.shop.upstreams.catalog;
  using client = clientOf(address);
  const name = "products/mosaic-lamp";
  // More than the windows of HTTP/2 and the buffers of both ends hold.
  const data = Buffer.alloc(4 * 1024 * 1024, "pixels");
  const pieces = Array.from({ length: 4 }, (_, index) =>
    create(UploadImageRequestSchema, {
      name,
      body: { contentType: "image/png", data: data.subarray(index << 20, (index + 1) << 20) },
    }),
  );
  await callClientStreaming(client, Catalog.method.uploadImage, pieces);
  const next = reader(
    callServerStreaming(client, Catalog.method.downloadImage, create(DownloadImageRequestSchema, { name })),
  );
  const received = [await next()];
  const pid = under.pidOf("catalog-1");
  if (pid === undefined) throw new Error("catalog-1 does not run");
  process.kill(pid, "SIGTERM");
  const stopped = performance.now();
  await until("it takes no more calls", async () => !(await isServing(client)));
  await until("it would have gone, but for the image", () => performance.now() - stopped > 800);
  for (let piece = await next(); piece !== undefined; piece = await next()) received.push(piece);
  expect(Buffer.concat(received.map((piece) => piece?.data ?? data)).equals(data)).toBe(true);
  await until("it has gone", () => under.pidOf("catalog-1") !== pid);
});
