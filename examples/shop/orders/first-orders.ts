import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Order, OrderSchema, OrderState } from "#gen/shop/v1/orders_pb";
import { demoCustomer } from "../caller.ts";
import { goods } from "../catalog/goods/all.ts";

/** The first number, beyond 2^53. */
const firstId = 9_007_199_254_741_001n;

const dayMs = 86_400_000;

const wanted: readonly {
  readonly items: Readonly<Record<string, number>>;
  readonly state: OrderState;
  readonly day: number;
}[] = [
  { items: { "rize-black": 2, "tulip-glasses": 1 }, state: OrderState.DELIVERED, day: 0 },
  { items: { "the-interpreters-trade": 1 }, state: OrderState.SENT, day: 33 },
  { items: { "lampblack-ink": 1, "reed-pens": 1, "ahar-paper": 3 }, state: OrderState.PLACED, day: 41 },
];

/** What the customer of the example has ordered before, the same whenever it is asked. */
export function firstOrders(): Order[] {
  return wanted.map(({ items, state, day }, index) => {
    const lines = Object.entries(items).map(([id, quantity]) => {
      const good = goods.find((candidate) => candidate.id === id);
      const minorUnits = BigInt(good?.cents ?? 0);
      const unitPrice = { minorUnits, currencyCode: "EUR" };
      return { product: `products/${id}`, quantity, title: good?.title ?? "", unitPrice };
    });
    return create(OrderSchema, {
      name: `orders/${firstId + BigInt(index)}`,
      id: firstId + BigInt(index),
      customer: demoCustomer,
      items: lines,
      total: lines.reduce(
        (sum, { quantity, unitPrice }) => sum + BigInt(quantity) * unitPrice.minorUnits,
        0n,
      ),
      currencyCode: "EUR",
      state,
      handover: {
        case: "shipTo",
        value: {
          recipient: "Defne Aydın",
          lines: ["Galip Dede Caddesi 12", "3rd floor"],
          postalCode: "34421",
          locality: "İstanbul",
          countryCode: "TR",
        },
      },
      createTime: timestampFromMs(Date.UTC(2026, 8, 14, 9, 30) + day * dayMs),
    });
  });
}
