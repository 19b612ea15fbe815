import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type PriceRange,
  type Product,
  SearchOrder,
  type SearchProductsRequest,
} from "#gen/shop/v1/catalog_pb";

/** The products that meet every condition of the request, in its order. */
export function search(products: readonly Product[], request: SearchProductsRequest): Product[] {
  const words = request.query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = products.filter(
    (product) => hasWords(product, words) && meetsLists(product, request) && meetsBounds(product, request),
  );
  const compare = orders[request.order];
  return compare === undefined ? found : found.sort(compare);
}

const priceOf = ({ price }: Product): number => Number(price?.minorUnits ?? 0n);
const cameAt = ({ createTime }: Product): number => (createTime === undefined ? 0 : timestampMs(createTime));

const orders: Partial<Record<SearchOrder, (a: Product, b: Product) => number>> = {
  [SearchOrder.PRICE]: (a, b) => priceOf(a) - priceOf(b),
  [SearchOrder.PRICE_DESCENDING]: (a, b) => priceOf(b) - priceOf(a),
  [SearchOrder.RATING]: (a, b) => b.rating - a.rating,
  [SearchOrder.NEWEST]: (a, b) => cameAt(b) - cameAt(a),
};

function hasWords({ title, subtitle, description, tags }: Product, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const text = [title, subtitle, description, ...tags].join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}

function meetsLists(product: Product, { categories, tags, ids, sha256 }: SearchProductsRequest): boolean {
  const { delivery } = product;
  return (
    (categories.length === 0 || categories.includes(product.category)) &&
    tags.every((tag) => product.tags.includes(tag)) &&
    (ids.length === 0 || ids.includes(product.id)) &&
    (sha256.length === 0 ||
      (delivery.case === "download" && Buffer.compare(delivery.value.sha256, sha256) === 0))
  );
}

function meetsBounds(product: Product, request: SearchProductsRequest): boolean {
  const { delivery, leadTime } = product;
  const parcel = delivery.case === "parcel" ? delivery.value : undefined;
  const { fragile, maximumWeightGrams, maximumLeadTime, createdAfter } = request;
  return (
    product.rating >= request.minimumRating &&
    inRange(product, request.price) &&
    (fragile === undefined || (parcel?.fragile ?? false) === fragile) &&
    (maximumWeightGrams === undefined || (parcel?.weightGrams ?? 0) <= maximumWeightGrams) &&
    (maximumLeadTime === undefined ||
      leadTime === undefined ||
      durationMs(leadTime) <= durationMs(maximumLeadTime)) &&
    (createdAfter === undefined || cameAt(product) > timestampMs(createdAfter))
  );
}

function inRange({ price, exportPrices }: Product, range: PriceRange | undefined): boolean {
  if (range === undefined) return true;
  const currency = range.currencyCode || "EUR";
  const amount = price?.currencyCode === currency ? price.minorUnits : exportPrices[currency];
  if (amount === undefined) return false;
  return amount >= (range.minimum ?? amount) && amount <= (range.maximum ?? amount);
}
