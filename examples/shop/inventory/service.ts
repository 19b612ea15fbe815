import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import {
  AdjustStockRequestSchema,
  AdjustStockResponseSchema,
  Inventory,
  type Stock,
} from "#gen/shop/v1/inventory_pb";
import { Mailbox } from "../grpc/mailbox.ts";
import { clientStreaming, serverStreaming, unary } from "../grpc/method.ts";
import { StatusError } from "../grpc/status-error.ts";
import type { ServiceEnvironment, ServiceInstance } from "../services.ts";
import { StockRoom } from "./stock-room.ts";

/** `shop.v1.Inventory`. */
export function createInventory({ log }: ServiceEnvironment): ServiceInstance {
  const room = new StockRoom();
  const watching = new Set<Mailbox<Stock>>();
  const adjust = log.define("AdjustStock", AdjustStockRequestSchema, (request, stamp) =>
    room.adjust(request, stamp),
  );
  const { method } = Inventory;
  const methods = [
    unary(method.getStock, ({ product }) => room.get(product)),
    serverStreaming(method.watchStock, async function* ({ product }, { signal }) {
      const mailbox = new Mailbox<Stock>(1, "latest");
      mailbox.push(room.get(product));
      const unwatch = room.watch(product, (stock) => mailbox.push(stock));
      const leave = () => mailbox.close();
      signal.addEventListener("abort", leave);
      watching.add(mailbox);
      try {
        yield* mailbox;
      } finally {
        watching.delete(mailbox);
        signal.removeEventListener("abort", leave);
        unwatch();
      }
    }),
    clientStreaming(method.adjustStock, async (requests) => {
      const stocks = new Map<string, Stock>();
      let adjustments = 0;
      for await (const request of requests) {
        stocks.set(request.product, await adjust(request));
        adjustments++;
      }
      return create(AdjustStockResponseSchema, { adjustments, stocks: [...stocks.values()] });
    }),
  ];
  return {
    descriptor: Inventory,
    methods,
    snapshot: () => room.snapshot(),
    restore: (state) => room.restore(state),
    drain() {
      const stopping = new StatusError(status.UNAVAILABLE, "this server is about to stop: watch again");
      for (const mailbox of watching) mailbox.close(stopping);
    },
  };
}
