import { Code, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import * as node from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Catalog, Category, type Product } from "#gen/shop/v1/catalog_pb";
import { Inventory } from "#gen/shop/v1/inventory_pb";
import { Orders } from "#gen/shop/v1/orders_pb";
import { ChatLineKind, Support } from "#gen/shop/v1/support_pb";
import { createGrpcJsTransport } from "./grpc-js-transport.ts";
import { type ShopGateway, startShopGateway } from "./shop-gateway.ts";

let at: ShopGateway;

beforeAll(async () => {
  at = await startShopGateway();
}, 60_000);

afterAll(async () => {
  await at?.[Symbol.asyncDispose]();
});

interface Speaker {
  readonly name: string;
  readonly transport: (interceptors: Interceptor[]) => Transport;
  /** Streams of requests: a browser's fetch has none. */
  readonly streamsRequests: boolean;
  /** Reads while it sends. */
  readonly duplex: boolean;
}

const https = (): string => `https://localhost:${at.httpsPort}`;
const http = (): string => `http://localhost:${at.httpPort}`;

const versions = ["1.1", "2"] as const;

const speakers: readonly Speaker[] = [
  ...versions.flatMap((httpVersion) =>
    [false, true].map(
      (useBinaryFormat): Speaker => ({
        name: `connect-node, Connect over HTTP/${httpVersion}, ${useBinaryFormat ? "binary" : "JSON"}`,
        transport: (interceptors) =>
          node.createConnectTransport({
            baseUrl: https(),
            httpVersion,
            useBinaryFormat,
            useHttpGet: useBinaryFormat,
            interceptors,
            nodeOptions: { ca: at.ca },
          }),
        streamsRequests: true,
        duplex: httpVersion === "2",
      }),
    ),
  ),
  ...versions.map(
    (httpVersion): Speaker => ({
      name: `connect-node, gRPC-Web over HTTP/${httpVersion}`,
      transport: (interceptors) =>
        node.createGrpcWebTransport({
          baseUrl: https(),
          httpVersion,
          interceptors,
          nodeOptions: { ca: at.ca },
        }),
      streamsRequests: true,
      duplex: httpVersion === "2",
    }),
  ),
  {
    name: "connect-node, gRPC",
    transport: (interceptors) =>
      node.createGrpcTransport({ baseUrl: https(), interceptors, nodeOptions: { ca: at.ca } }),
    streamsRequests: true,
    duplex: true,
  },
  ...[false, true].map(
    (useBinaryFormat): Speaker => ({
      name: `connect-web, Connect, ${useBinaryFormat ? "binary" : "JSON"}`,
      transport: (interceptors) =>
        web.createConnectTransport({
          baseUrl: http(),
          useBinaryFormat,
          useHttpGet: !useBinaryFormat,
          interceptors,
        }),
      streamsRequests: false,
      duplex: false,
    }),
  ),
  {
    name: "connect-web, gRPC-Web",
    transport: (interceptors) => web.createGrpcWebTransport({ baseUrl: http(), interceptors }),
    streamsRequests: false,
    duplex: false,
  },
];

/** What a tour has to go through: every method of the shop that this client can call. */
const methodsFor = (streamsRequests: boolean): string[] =>
  [Catalog, Inventory, Orders, Support]
    .flatMap(({ methods }) => [...methods])
    .filter(
      ({ methodKind }) => streamsRequests || methodKind === "unary" || methodKind === "server_streaming",
    )
    .map(({ parent, name }) => `${parent.typeName}/${name}`)
    .sort();

async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

let tours = 0;

/** One customer goes through the whole shop. */
async function tour(transport: Transport, { streamsRequests, duplex }: Omit<Speaker, "name" | "transport">) {
  const productId = `tour-${tours++}`;
  const product = await tourCatalog(transport, productId, streamsRequests);
  await tourInventory(transport, streamsRequests);
  await tourOrders(transport);
  if (streamsRequests) await tourSupport(transport, productId, duplex);
  const catalog = createClient(Catalog, transport);
  await catalog.deleteProduct({ name: product.name });
  await expect(catalog.getProduct({ name: product.name })).rejects.toMatchObject({ code: Code.NotFound });
}

async function tourCatalog(
  transport: Transport,
  productId: string,
  streamsRequests: boolean,
): Promise<Product> {
  const catalog = createClient(Catalog, transport);
  const created = await catalog.createProduct({
    productId,
    product: {
      title: "Çay bardağı",
      category: Category.HOME,
      price: { minorUnits: 9_007_199_254_740_993n, currencyCode: "EUR" },
      labels: { made: "here" },
      thumbnail: Uint8Array.of(0, 255),
      delivery: { case: "pickupDesk", value: "one" },
    },
  });
  expect(created).toMatchObject({ name: `products/${productId}`, labels: { made: "here" } });
  expect(created.id).toBeGreaterThan(2n ** 53n);
  const { name } = created;
  expect(await catalog.getProduct({ name })).toEqual(created);
  const updated = await catalog.updateProduct({
    product: { name, subtitle: "" },
    updateMask: { paths: ["subtitle"] },
  });
  expect(updated.subtitle).toBe("");
  expect(updated.price?.minorUnits).toBe(9_007_199_254_740_993n);
  const page = await catalog.listProducts({ pageSize: 3, category: Category.TEA });
  expect(page.products).toHaveLength(3);
  const found = await catalog.searchProducts({ ids: [created.id] });
  expect(found.products.map((each) => each.name)).toEqual([name]);
  if (!streamsRequests) {
    const image = await collect(catalog.downloadImage({ name: page.products[0]?.name ?? "" }));
    expect(image[0]?.contentType).toMatch(/^image\//);
    return created;
  }
  const data = Buffer.alloc(150_000, "image");
  async function* upload() {
    for (let at = 0; at < data.length; at += 50_000) {
      yield {
        name: at === 0 ? name : "",
        body: { contentType: at === 0 ? "image/webp" : "", data: data.subarray(at, at + 50_000) },
      };
    }
  }
  expect(await catalog.uploadImage(upload())).toMatchObject({ name, sizeBytes: 150_000n });
  const pieces = await collect(catalog.downloadImage({ name }));
  expect(pieces[0]?.contentType).toBe("image/webp");
  expect(Buffer.concat(pieces.map((piece) => piece.data)).equals(data)).toBe(true);
  return created;
}

async function tourInventory(transport: Transport, streamsRequests: boolean): Promise<void> {
  const inventory = createClient(Inventory, transport);
  const product = "products/kilim-runner";
  const before = await inventory.getStock({ product });
  const leave = new AbortController();
  const watched = inventory.watchStock({ product }, { signal: leave.signal })[Symbol.asyncIterator]();
  expect((await watched.next()).value).toMatchObject({ product, available: before.available });
  if (streamsRequests) {
    async function* adjustments() {
      yield { product, delta: 7 };
      yield { product, delta: -2 };
    }
    const adjusted = await inventory.adjustStock(adjustments());
    expect(adjusted).toMatchObject({ adjustments: 2, stocks: [{ available: before.available + 5n }] });
    let seen = before.available;
    while (seen !== before.available + 5n) seen = (await watched.next()).value?.available ?? 0n;
  }
  const next = watched.next();
  leave.abort();
  await expect(next).rejects.toMatchObject({ code: Code.Canceled });
}

async function tourOrders(transport: Transport): Promise<void> {
  const orders = createClient(Orders, transport);
  const headers = { authorization: `Bearer ${at.token}` };
  await expect(orders.listOrders({})).rejects.toMatchObject({ code: Code.Unauthenticated });
  const order = { items: [{ product: "products/rize-black", quantity: 3 }] };
  const placed = await orders.createOrder({ order }, { headers });
  expect(placed.items[0]).toMatchObject({ quantity: 3 });
  expect(await orders.getOrder({ name: placed.name }, { headers })).toEqual(placed);
  const { orders: listed } = await orders.listOrders({ pageSize: 1 }, { headers });
  expect(listed).toEqual([placed]);
}

async function tourSupport(transport: Transport, room: string, duplex: boolean): Promise<void> {
  const texts = ["is anybody there?", "good bye"];
  let heard: () => void = () => {};
  async function* talk() {
    for (const text of texts) {
      const answered = new Promise<void>((resolve) => {
        heard = resolve;
      });
      yield { room, author: "Ann", text };
      if (duplex) await answered;
    }
  }
  const lines: string[] = [];
  for await (const { kind, text } of createClient(Support, transport).chat(talk())) {
    if (kind !== ChatLineKind.MESSAGE) continue;
    lines.push(text);
    heard();
  }
  expect(lines).toEqual(texts);
}

describe("the typed clients call every method of the shop through the gateway", () => {
  test.each(speakers)("$name", async (speaker) => {
    const called = new Set<string>();
    const transport = speaker.transport([
      (next) => (request) => {
        called.add(`${request.service.typeName}/${request.method.name}`);
        return next(request);
      },
    ]);
    await tour(transport, speaker);
    expect([...called].sort()).toEqual(methodsFor(speaker.streamsRequests));
  });

  test.each([
    ["TLS", () => [`localhost:${at.httpsPort}`, credentials.createSsl(at.ca)] as const],
    ["cleartext", () => [`localhost:${at.httpPort}`, credentials.createInsecure()] as const],
  ])("grpc-js over %s", async (_name, to) => {
    using transport = createGrpcJsTransport(...to());
    await tour(transport, { streamsRequests: true, duplex: true });
    expect([...transport.called].sort()).toEqual(methodsFor(true));
  });
});
