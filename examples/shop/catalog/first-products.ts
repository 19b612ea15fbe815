import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  Category,
  DownloadSchema,
  ParcelSchema,
  type Product,
  ProductSchema,
  ProductState,
} from "#gen/shop/v1/catalog_pb";
import { goods, openedAt } from "./goods/all.ts";
import type { Delivery, Good } from "./goods/good.ts";
import { drawPng, drawSvg } from "./picture.ts";

/** An image of a product, as its bytes came. */
export interface Image {
  readonly contentType: string;
  readonly data: Uint8Array;
}

const dayMs = 86_400_000;
const minuteMs = 60_000;
const wrappingGrams = 60;

/** The number of the first product: 2^56, so that no double can tell it from its neighbours. */
const firstId = 72_057_594_037_927_936n;

/** The products that the shop opens with, the same whenever and wherever it is asked. */
export function firstProducts(): Product[] {
  return goods.map(toProduct);
}

/** Their images: patterns for things, lettering for what is made of paper or words. */
export function firstImages(): Map<string, Image> {
  const lettered = new Set([Category.BOOKS, Category.MAPS, Category.STATIONERY, Category.COURSES]);
  return new Map(
    goods.map(({ id, title, category }) => [
      `products/${id}`,
      lettered.has(category)
        ? { contentType: "image/svg+xml", data: drawSvg(title) }
        : { contentType: "image/png", data: drawPng(title, 160) },
    ]),
  );
}

function toProduct(good: Good, index: number): Product {
  const came = openedAt + index * 5 * dayMs + index * 17 * minuteMs;
  const reviews = (good.reviews ?? []).map(([author, stars, text], place) => ({
    author,
    stars,
    text,
    createTime: timestampFromMs(came + (40 - 9 * place) * dayMs + (index * 37 + place * 101) * minuteMs),
  }));
  const stars = reviews.reduce((sum, review) => sum + review.stars, 0);
  return create(ProductSchema, {
    name: `products/${good.id}`,
    id: firstId + BigInt(index * 7919 + 1),
    title: good.title,
    ...(good.subtitle === undefined ? {} : { subtitle: good.subtitle }),
    description: good.description,
    category: good.category,
    state: ProductState.ACTIVE,
    price: { minorUnits: BigInt(good.cents), currencyCode: "EUR" },
    exportPrices: {
      GBP: BigInt(Math.round((good.cents * 0.86) / 5) * 5),
      USD: BigInt(Math.round((good.cents * 1.17) / 5) * 5),
      JPY: BigInt(Math.round((good.cents * 1.72) / 10) * 10),
    },
    tags: [...good.tags],
    labels: { ...good.labels },
    ...(good.attributes === undefined ? {} : { attributes: good.attributes }),
    delivery: toDelivery(good.delivery, good.id),
    leadTime: durationFromMs((good.leadDays ?? 0.5) * dayMs),
    rating: reviews.length === 0 ? 0 : stars / reviews.length,
    ...(good.minimumAge === undefined ? {} : { minimumAge: good.minimumAge }),
    thumbnail: drawPng(good.title, 8),
    reviews,
    createTime: timestampFromMs(came),
    updateTime: timestampFromMs(came + 42 * dayMs + 250),
  });
}

function toDelivery(delivery: Delivery, id: string): Product["delivery"] {
  switch (delivery.kind) {
    case "parcel": {
      const { grams, cm, fragile = false } = delivery;
      const parcel = { weightGrams: grams + wrappingGrams, lengthCm: cm, fragile };
      return { case: "parcel", value: create(ParcelSchema, parcel) };
    }
    case "download": {
      const sha256 = createHash("sha256").update(id).digest();
      const download = { mediaType: "application/zip", sizeBytes: BigInt(delivery.bytes), sha256 };
      return { case: "download", value: create(DownloadSchema, download) };
    }
    case "desk":
      return { case: "pickupDesk", value: delivery.desk };
  }
}
