import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import {
  Catalog,
  Category,
  CreateProductRequestSchema,
  DeleteProductRequestSchema,
  DownloadImageRequestSchema,
  GetProductRequestSchema,
  ListProductsRequestSchema,
  SearchOrder,
  SearchProductsRequestSchema,
  UpdateProductRequestSchema,
  UploadImageRequestSchema,
} from "#gen/shop/v1/catalog_pb";
import { callUnary } from "../../examples/shop/grpc/client.ts";
import { until } from "../support/until.ts";
import { callClientStreaming, callServerStreaming, reader } from "./clients.ts";
import { isServing, useShop } from "./shop-under-test.ts";

const under = useShop("catalog");

function newProduct(productId: string) {
  return create(CreateProductRequestSchema, {
    productId,
    product: {
      title: "Sugar tongs",
      category: Category.HOME,
      price: { minorUnits: 900n, currencyCode: "EUR" },
      labels: { material: "brass", origin: "Iran" },
    },
  });
}

const getProduct = (name: string) => create(GetProductRequestSchema, { name });

test("lists every product once, page by page, beyond 2^53", async () => {
  const [client] = under.both("catalog");
  const names = new Set<string>();
  let pageToken = "";
  do {
    const request = create(ListProductsRequestSchema, { pageSize: 7, pageToken, category: Category.BOOKS });
    const page = await callUnary(client, Catalog.method.listProducts, request);
    for (const { name, id } of page.products) {
      expect(id).toBeGreaterThan(2n ** 53n);
      names.add(name);
    }
    pageToken = page.nextPageToken;
    expect(page.totalSize).toBe(5);
  } while (pageToken !== "");
  expect(names.size).toBe(5);
  const all = await callUnary(
    client,
    Catalog.method.listProducts,
    create(ListProductsRequestSchema, { pageSize: 100 }),
  );
  expect(all.products.length).toBeGreaterThanOrEqual(40);
});

test("refuses a page token of another query", async () => {
  const [client] = under.both("catalog");
  const { listProducts } = Catalog.method;
  const { nextPageToken } = await callUnary(
    client,
    listProducts,
    create(ListProductsRequestSchema, { pageSize: 2 }),
  );
  expect(nextPageToken).not.toBe("");
  const other = create(ListProductsRequestSchema, { pageToken: nextPageToken, category: Category.TEA });
  await expect(callUnary(client, listProducts, other)).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
  });
});

test("what one replica wrote, the other has when the call returns", async () => {
  const [one, two] = under.both("catalog");
  const created = await callUnary(one, Catalog.method.createProduct, newProduct("sugar-tongs"));
  expect(await callUnary(two, Catalog.method.getProduct, getProduct(created.name))).toEqual(created);
  const updated = await callUnary(
    two,
    Catalog.method.updateProduct,
    create(UpdateProductRequestSchema, {
      product: { name: created.name, title: "Tongs", labels: { origin: "Syria" } },
      updateMask: { paths: ["title", "labels.origin"] },
    }),
  );
  expect(updated).toMatchObject({
    title: "Tongs",
    labels: { material: "brass", origin: "Syria" },
    price: { minorUnits: 900n },
    id: created.id,
  });
  expect(await callUnary(one, Catalog.method.getProduct, getProduct(created.name))).toEqual(updated);
  await callUnary(
    one,
    Catalog.method.deleteProduct,
    create(DeleteProductRequestSchema, { name: created.name }),
  );
  await expect(callUnary(two, Catalog.method.getProduct, getProduct(created.name))).rejects.toMatchObject({
    code: status.NOT_FOUND,
  });
});

test("one id goes to one of two who want it at once", async () => {
  const [one, two] = under.both("catalog");
  const outcomes = await Promise.allSettled(
    [one, two].map((client) => callUnary(client, Catalog.method.createProduct, newProduct("wanted-by-two"))),
  );
  const refusals = outcomes.filter((outcome) => outcome.status === "rejected");
  expect(refusals).toHaveLength(1);
  expect(refusals[0]).toMatchObject({ reason: { code: status.ALREADY_EXISTS } });
});

test("an update refuses unknown paths and invalid results, and keeps what is output only", async () => {
  const [client] = under.both("catalog");
  const update = (paths: string[], product: object) =>
    callUnary(
      client,
      Catalog.method.updateProduct,
      create(UpdateProductRequestSchema, {
        product: { name: "products/rize-black", ...product },
        updateMask: { paths },
      }),
    );
  await expect(update(["nonsense"], {})).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  await expect(update(["price"], {})).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  const before = await callUnary(client, Catalog.method.getProduct, getProduct("products/rize-black"));
  const after = await update(["rating", "attributes", "minimum_age"], {
    rating: 1,
    attributes: { leaf: "CTC" },
    minimumAge: 3,
  });
  expect(after).toMatchObject({ rating: before.rating, attributes: { leaf: "CTC" }, minimumAge: 3 });
});

test("a search combines its conditions", async () => {
  const [client] = under.both("catalog");
  const find = async (init: Parameters<typeof create<typeof SearchProductsRequestSchema>>[1]) => {
    const request = create(SearchProductsRequestSchema, init);
    return (await callUnary(client, Catalog.method.searchProducts, request)).products;
  };
  const cheapTea = await find({
    categories: [Category.TEA, Category.COFFEE],
    query: "loose LEAF",
    price: { maximum: 2000n },
    order: SearchOrder.PRICE_DESCENDING,
  });
  expect(cheapTea.map(({ name }) => name)).toEqual(["products/sencha-yame", "products/assam-second-flush"]);
  const [lamp, ...rest] = await find({
    fragile: true,
    tags: ["lamp"],
    readMask: { paths: ["name", "price.minor_units"] },
  });
  expect(rest).toEqual([]);
  expect(lamp).toMatchObject({
    name: "products/mosaic-lamp",
    title: "",
    price: { minorUnits: 8900n, currencyCode: "" },
  });
});

test("an image goes up in pieces through one replica and comes down through the other", async () => {
  const [one, two] = under.both("catalog");
  const name = "products/hand-mill";
  const data = Buffer.alloc(50_000, "pixels");
  const pieces = [0, 20_000, 40_000].map((at) =>
    create(UploadImageRequestSchema, {
      name: at === 0 ? name : "",
      body: { contentType: at === 0 ? "image/webp" : "", data: data.subarray(at, at + 20_000) },
    }),
  );
  const uploaded = await callClientStreaming(one, Catalog.method.uploadImage, pieces);
  expect(uploaded).toMatchObject({ name, contentType: "image/webp", sizeBytes: 50_000n });
  const next = reader(
    callServerStreaming(two, Catalog.method.downloadImage, create(DownloadImageRequestSchema, { name })),
  );
  const received: Uint8Array[] = [];
  const types: string[] = [];
  for (let piece = await next(); piece !== undefined; piece = await next()) {
    received.push(piece.data);
    types.push(piece.contentType);
  }
  expect(Buffer.concat(received).equals(data)).toBe(true);
  expect(types).toEqual(["image/webp", "", "", ""]);
  const text = create(UploadImageRequestSchema, { name, body: { contentType: "text/plain", data } });
  await expect(callClientStreaming(one, Catalog.method.uploadImage, [text])).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
  });
});

test("a replica that was killed comes back on its port with the state of the other", async () => {
  const [one, two] = under.both("catalog");
  const created = await callUnary(one, Catalog.method.createProduct, newProduct("survivor"));
  const addresses = [...under.shop.upstreams.catalog];
  await under.killAndAwaitReturn("catalog-1", one);
  expect(await callUnary(one, Catalog.method.getProduct, getProduct(created.name))).toEqual(created);
  await under.killAndAwaitReturn("catalog-2", two);
  expect(await callUnary(two, Catalog.method.getProduct, getProduct(created.name))).toEqual(created);
  expect(under.shop.upstreams.catalog).toEqual(addresses);
});

test("writes through one replica go on while the other is killed", async () => {
  const [one, two] = under.both("catalog");
  let returned = false;
  const writing = (async () => {
    const names: string[] = [];
    while (!returned)
      names.push(
        (await callUnary(one, Catalog.method.createProduct, newProduct(`during-${names.length}`))).name,
      );
    return names;
  })();
  await under.killAndAwaitReturn("catalog-2", two);
  returned = true;
  const names = await writing;
  const found = await Promise.all(
    names.map((name) => callUnary(two, Catalog.method.getProduct, getProduct(name))),
  );
  expect(found.map(({ name }) => name)).toEqual(names);
});

test("a replica that hangs is not waited for for ever: it is ended, and comes back in step", async () => {
  const [one, two] = under.both("catalog");
  const hung = under.pidOf("catalog-2");
  if (hung === undefined) throw new Error("catalog-2 does not run");
  process.kill(hung, "SIGSTOP");
  const created = await callUnary(one, Catalog.method.createProduct, newProduct("patience"));
  await until("it is back", async () => under.pidOf("catalog-2") !== hung && (await isServing(two)));
  expect(await callUnary(two, Catalog.method.getProduct, getProduct(created.name))).toEqual(created);
});
