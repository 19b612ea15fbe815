import { clone, create } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import {
  Catalog,
  GetProductRequestSchema,
  type Product,
  ProductState,
  ProductView,
} from "#gen/shop/v1/catalog_pb";
import { type Order, type OrderItem, OrderSchema } from "#gen/shop/v1/orders_pb";
import { callUnary } from "../grpc/client.ts";
import { invalid, refused, StatusError } from "../grpc/status-error.ts";

const timeoutMs = 3000;

/** Any replica of the catalog will do, and another one if that has just died. */
const serviceConfig = JSON.stringify({
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: Catalog.typeName }],
      waitForReady: true,
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: "0.05s",
        maxBackoff: "0.5s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
});

/** Asks the catalog, over gRPC, what things cost. */
export class Pricing {
  readonly #catalog: Client;

  /** @param addresses of the catalog, as `host:port` */
  constructor(addresses: readonly string[]) {
    this.#catalog = new Client(`ipv4:${addresses.join(",")}`, credentials.createInsecure(), {
      "grpc.service_config": serviceConfig,
      "grpc.max_reconnect_backoff_ms": 1000,
    });
  }

  /** The order with titles, prices and total filled in. @throws StatusError when it cannot be priced */
  async price(wanted: Order): Promise<Order> {
    const order = clone(OrderSchema, wanted);
    const products = await Promise.all(order.items.map((item, index) => this.#product(item, index)));
    let total = 0n;
    for (const [index, item] of order.items.entries()) {
      const { title, price } = products[index] as Product;
      if (price === undefined) throw unavailable();
      item.title = title;
      item.unitPrice = price;
      if (price.currencyCode !== products[0]?.price?.currencyCode)
        throw invalid(`order.items[${index}].product`, "is priced in another currency than the rest");
      total += price.minorUnits * BigInt(item.quantity);
      order.currencyCode = price.currencyCode;
    }
    order.total = total;
    return order;
  }

  async #product({ product: name }: OrderItem, index: number): Promise<Product> {
    const request = create(GetProductRequestSchema, { name, view: ProductView.BASIC });
    try {
      const deadline = Date.now() + timeoutMs;
      const product = await callUnary(this.#catalog, Catalog.method.getProduct, request, { deadline });
      if (product.state === ProductState.ACTIVE) return product;
      throw refused(status.FAILED_PRECONDITION, "NOT_FOR_SALE", `${name} is not for sale`, { product: name });
    } catch (error) {
      if (isNotFound(error)) throw invalid(`order.items[${index}].product`, `${name} does not exist`);
      if (error instanceof StatusError) throw error;
      throw unavailable();
    }
  }
}

function unavailable(): StatusError {
  return refused(status.UNAVAILABLE, "NO_PRICES", "the catalog does not tell its prices at the moment");
}

function isNotFound(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && error.code === status.NOT_FOUND;
}
