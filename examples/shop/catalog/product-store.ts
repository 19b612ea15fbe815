import { clone, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import {
  type CreateProductRequest,
  ListProductsResponseSchema,
  type Product,
  ProductSchema,
  ProductState,
  type UpdateProductRequest,
  type UploadImageRequest,
  UploadImageRequestSchema,
} from "#gen/shop/v1/catalog_pb";
import { invalid, notFound, refused } from "../grpc/status-error.ts";
import type { Stamp } from "../replication/log.ts";
import type { Snapshot } from "../replication/messages.ts";
import { copyFields, populatedFields, UnknownPathError } from "./field-mask.ts";
import { firstImages, firstProducts, type Image } from "./first-products.ts";
import { checkProduct, productId } from "./product-rules.ts";

const resource = "shop.example/Product";

/** The products and their images. Products are never changed, only replaced, so they may be handed out as they are. */
export class ProductStore {
  readonly #products = new Map<string, Product>();
  readonly #images: Map<string, Image>;

  constructor() {
    for (const product of firstProducts()) this.#products.set(product.name, product);
    this.#images = firstImages();
  }

  /** In the order in which they came. */
  all(): Product[] {
    return [...this.#products.values()];
  }

  /** @throws StatusError NOT_FOUND */
  get(name: string): Product {
    const product = this.#products.get(name);
    if (product === undefined) throw notFound(resource, name);
    return product;
  }

  /** @throws StatusError NOT_FOUND */
  image(name: string): Image {
    this.get(name);
    const image = this.#images.get(name);
    if (image === undefined) throw notFound("shop.example/Image", `${name}/image`);
    return image;
  }

  create(request: CreateProductRequest, { at, id }: Stamp): Product {
    const wanted = checkProduct(request.product);
    const name = `products/${productId(request, id)}`;
    if (this.#products.has(name))
      throw refused(status.ALREADY_EXISTS, "PRODUCT_EXISTS", `${name} exists already`, { name });
    const product = clone(ProductSchema, wanted);
    product.name = name;
    product.id = id;
    if (product.state === ProductState.UNSPECIFIED) product.state = ProductState.ACTIVE;
    product.rating = 0;
    product.reviews = [];
    product.createTime = timestampFromMs(at);
    product.updateTime = timestampFromMs(at);
    if (!request.validateOnly) this.#products.set(name, product);
    return product;
  }

  update(request: UpdateProductRequest, { at }: Stamp): Product {
    const wanted = request.product ?? create(ProductSchema);
    const before = this.get(wanted.name);
    const paths = request.updateMask?.paths ?? [];
    const product = clone(ProductSchema, before);
    try {
      copyFields(
        ProductSchema,
        wanted,
        product,
        paths.length > 0 ? paths : populatedFields(ProductSchema, wanted),
      );
    } catch (error) {
      if (error instanceof UnknownPathError) throw invalid("update_mask", error.message);
      throw error;
    }
    const kept = ["name", "id", "rating", "reviews", "create_time"];
    copyFields(ProductSchema, before, product, kept);
    checkProduct(product);
    product.updateTime = timestampFromMs(at);
    this.#products.set(product.name, product);
    return product;
  }

  delete(name: string): void {
    this.get(name);
    this.#products.delete(name);
    this.#images.delete(name);
  }

  setImage({ name, body }: UploadImageRequest): Image {
    this.get(name);
    const image = { contentType: body?.contentType ?? "", data: body?.data ?? new Uint8Array() };
    this.#images.set(name, image);
    return image;
  }

  /** The products in one message, then a message for each image. */
  snapshot(): Snapshot {
    const products = toBinary(
      ListProductsResponseSchema,
      create(ListProductsResponseSchema, { products: this.all() }),
    );
    const images = [...this.#images].map(([name, image]) =>
      toBinary(UploadImageRequestSchema, create(UploadImageRequestSchema, { name, body: image })),
    );
    return [products, ...images];
  }

  restore([products, ...images]: Snapshot): void {
    this.#products.clear();
    this.#images.clear();
    if (products === undefined) return;
    for (const product of fromBinary(ListProductsResponseSchema, products).products)
      this.#products.set(product.name, product);
    for (const image of images) this.setImage(fromBinary(UploadImageRequestSchema, image));
  }
}
