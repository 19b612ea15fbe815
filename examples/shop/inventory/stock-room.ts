import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { type AdjustStockRequest, type Stock, StockSchema } from "#gen/shop/v1/inventory_pb";
import { goods, openedAt } from "../catalog/goods/all.ts";
import { invalid, notFound, refused } from "../grpc/status-error.ts";
import type { Stamp } from "../replication/log.ts";
import type { Snapshot } from "../replication/messages.ts";

const defaultWarehouse = "quayside";
const otherWarehouse = "upper-town";

/** How much of everything is there. Stocks are never changed, only replaced, so they may be handed out as they are. */
export class StockRoom {
  readonly #stocks = new Map<string, Stock>();
  readonly #watchers = new Map<string, Set<(stock: Stock) => void>>();

  constructor() {
    for (const [index, { id }] of goods.entries()) {
      const warehouses = {
        [defaultWarehouse]: BigInt((index * 53) % 140),
        [otherWarehouse]: BigInt((index * 29) % 37),
      };
      this.#put(`products/${id}`, warehouses, 1n, openedAt + index * 3_600_000);
    }
  }

  /** @throws StatusError NOT_FOUND */
  get(product: string): Stock {
    const stock = this.#stocks.get(product);
    if (stock === undefined) throw notFound("shop.example/Stock", product);
    return stock;
  }

  /** @throws StatusError when the stock would fall below nothing, or the request makes no sense */
  adjust({ product, delta, warehouse }: AdjustStockRequest, { at }: Stamp): Stock {
    if (!/^products\/[^/]+$/.test(product)) throw invalid("product", "must be a name such as products/lamp");
    if (delta === 0) throw invalid("delta", "must not be 0");
    const place = warehouse || defaultWarehouse;
    if (!/^[a-z][a-z-]{0,30}$/.test(place))
      throw invalid("warehouse", "must be lower-case letters and hyphens");
    const before = this.#stocks.get(product);
    if (before === undefined && delta < 0) throw notFound("shop.example/Stock", product);
    const there = before?.warehouses[place] ?? 0n;
    const left = there + BigInt(delta);
    if (left < 0n)
      throw refused(
        status.FAILED_PRECONDITION,
        "OUT_OF_STOCK",
        `there are ${there} of ${product} in ${place}, not ${-delta}`,
        { product, warehouse: place, available: String(there) },
      );
    const warehouses = { ...before?.warehouses, [place]: left };
    const stock = this.#put(product, warehouses, (before?.revision ?? 0n) + 1n, at);
    for (const notify of this.#watchers.get(product) ?? []) notify(stock);
    return stock;
  }

  /** Calls back at each change from now on, until the returned function is called. */
  watch(product: string, notify: (stock: Stock) => void): () => void {
    const watchers = this.#watchers.get(product) ?? new Set();
    this.#watchers.set(product, watchers.add(notify));
    return () => {
      watchers.delete(notify);
      if (watchers.size === 0 && this.#watchers.get(product) === watchers) this.#watchers.delete(product);
    };
  }

  snapshot(): Snapshot {
    return [...this.#stocks.values()].map((stock) => toBinary(StockSchema, stock));
  }

  restore(state: Snapshot): void {
    this.#stocks.clear();
    for (const bytes of state) {
      const stock = fromBinary(StockSchema, bytes);
      this.#stocks.set(stock.product, stock);
    }
  }

  #put(product: string, warehouses: Record<string, bigint>, revision: bigint, at: number): Stock {
    const available = Object.values(warehouses).reduce((sum, pieces) => sum + pieces, 0n);
    const stock = create(StockSchema, {
      product,
      available,
      warehouses,
      revision,
      updateTime: timestampFromMs(at),
    });
    this.#stocks.set(product, stock);
    return stock;
  }
}
