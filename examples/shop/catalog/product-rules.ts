import { Category, type CreateProductRequest, type Product } from "#gen/shop/v1/catalog_pb";
import { invalid } from "../grpc/status-error.ts";

const idPattern = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Refuses what the catalog could not show. @throws StatusError INVALID_ARGUMENT */
export function checkProduct(product: Product | undefined): Product {
  if (product === undefined) throw invalid("product", "is required");
  if (product.title.trim() === "") throw invalid("product.title", "is required");
  if (product.title.length > 120) throw invalid("product.title", "must not have more than 120 characters");
  if (product.category === Category.UNSPECIFIED) throw invalid("product.category", "is required");
  if (product.price === undefined) throw invalid("product.price", "is required");
  if (product.price.minorUnits < 0n) throw invalid("product.price.minor_units", "must not be negative");
  if (!/^[A-Z]{3}$/.test(product.price.currencyCode))
    throw invalid("product.price.currency_code", "must be three capital letters, such as EUR");
  if (product.thumbnail.length > 4096)
    throw invalid("product.thumbnail", "must not have more than 4096 bytes");
  return product;
}

/** The id that a new product gets: the wanted one, or one made from its title. @throws StatusError INVALID_ARGUMENT */
export function productId({ productId: wanted, product }: CreateProductRequest, number: bigint): string {
  if (wanted !== "") {
    if (idPattern.test(wanted)) return wanted;
    throw invalid(
      "product_id",
      "must be lower-case letters, digits and hyphens, begin with a letter, and have up to 63",
    );
  }
  const words = (product?.title ?? "")
    .normalize("NFKD")
    .toLowerCase()
    .replace(/\p{M}/gu, "")
    .replace(/[^a-z0-9]+/g, "-");
  const stem = words.slice(0, 40).replace(/^[^a-z]+|-+$/g, "");
  return `${stem || "product"}-${number.toString(36)}`;
}
