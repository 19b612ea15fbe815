import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { HttpBodySchema } from "#gen/google/api/httpbody_pb";
import {
  Catalog,
  CreateProductRequestSchema,
  DeleteProductRequestSchema,
  ListProductsRequestSchema,
  ListProductsResponseSchema,
  type Product,
  ProductSchema,
  ProductView,
  SearchProductsRequestSchema,
  SearchProductsResponseSchema,
  UpdateProductRequestSchema,
  UploadImageRequestSchema,
  UploadImageResponseSchema,
} from "#gen/shop/v1/catalog_pb";
import { clientStreaming, serverStreaming, unary } from "../grpc/method.ts";
import { invalid } from "../grpc/status-error.ts";
import { pageOf, queryOf } from "../page.ts";
import type { ServiceEnvironment, ServiceInstance } from "../services.ts";
import { copyFields, UnknownPathError } from "./field-mask.ts";
import { gatherImage } from "./image-upload.ts";
import { ProductStore } from "./product-store.ts";
import { search } from "./search.ts";

const imagePieceBytes = 16 * 1024;

/** `shop.v1.Catalog`. */
export function createCatalog({ log }: ServiceEnvironment): ServiceInstance {
  const store = new ProductStore();
  const { method } = Catalog;
  const createProduct = log.define("CreateProduct", CreateProductRequestSchema, (request, stamp) =>
    store.create(request, stamp),
  );
  const updateProduct = log.define("UpdateProduct", UpdateProductRequestSchema, (request, stamp) =>
    store.update(request, stamp),
  );
  const deleteProduct = log.define("DeleteProduct", DeleteProductRequestSchema, ({ name }) =>
    store.delete(name),
  );
  const setImage = log.define("UploadImage", UploadImageRequestSchema, (request) => store.setImage(request));
  const methods = [
    unary(method.listProducts, (request) => {
      const { category, view } = request;
      const all = store.all().filter((product) => category === 0 || product.category === category);
      const { items, nextPageToken } = pageOf(all, request, queryOf(ListProductsRequestSchema, request));
      const products = view === ProductView.FULL ? [...items] : items.map(basicView);
      return create(ListProductsResponseSchema, { products, nextPageToken, totalSize: all.length });
    }),
    unary(method.getProduct, ({ name, view }) => {
      const product = store.get(name);
      return view === ProductView.BASIC ? basicView(product) : product;
    }),
    unary(method.createProduct, createProduct),
    unary(method.updateProduct, updateProduct),
    unary(method.deleteProduct, async (request) => {
      await deleteProduct(request);
      return create(EmptySchema);
    }),
    unary(method.searchProducts, (request) => {
      const found = search(store.all(), request);
      const { items, nextPageToken } = pageOf(found, request, queryOf(SearchProductsRequestSchema, request));
      const paths = request.readMask?.paths ?? [];
      const products = items.map((product) =>
        paths.length === 0 ? basicView(product) : only(product, paths),
      );
      return create(SearchProductsResponseSchema, { products, nextPageToken, totalSize: found.length });
    }),
    clientStreaming(method.uploadImage, async (pieces) => {
      const upload = await gatherImage(pieces);
      const { contentType, data } = await setImage(upload);
      return create(UploadImageResponseSchema, {
        name: upload.name,
        contentType,
        sizeBytes: BigInt(data.length),
        sha256: createHash("sha256").update(data).digest(),
      });
    }),
    serverStreaming(method.downloadImage, async function* ({ name }) {
      const { contentType, data } = store.image(name);
      for (let at = 0; at < data.length; at += imagePieceBytes) {
        const piece = data.subarray(at, at + imagePieceBytes);
        yield create(HttpBodySchema, { contentType: at === 0 ? contentType : "", data: piece });
      }
    }),
  ];
  return {
    descriptor: Catalog,
    methods,
    snapshot: () => store.snapshot(),
    restore: (state) => store.restore(state),
    drain() {},
  };
}

function basicView(product: Product): Product {
  const { attributes: _, ...rest } = product;
  return { ...rest, thumbnail: new Uint8Array(), reviews: [] };
}

/** A product with the fields of a mask alone. @throws StatusError INVALID_ARGUMENT */
function only(product: Product, paths: readonly string[]): Product {
  const part = create(ProductSchema);
  try {
    copyFields(ProductSchema, product, part, paths);
  } catch (error) {
    if (error instanceof UnknownPathError) throw invalid("read_mask", error.message);
    throw error;
  }
  return part;
}
