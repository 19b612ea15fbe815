import { execFileSync } from "node:child_process";
import path from "node:path";
import {
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  type JsonValue,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** One message to convert. */
export interface Shape {
  readonly name: string;
  readonly type: DescMessage;
  readonly json: JsonValue;
}

/** The shapes that are measured, and the registry of their types. */
export interface Shapes {
  readonly registry: FileRegistry;
  readonly image: Uint8Array;
  readonly shapes: readonly Shape[];
  /** Messages within each other, so many deep. */
  nested(depth: number): Shape;
}

const folder = path.join(process.cwd(), "bench/codec");

export function makeShapes(): Shapes {
  const image = execFileSync(
    "npx",
    ["buf", "build", folder, "--as-file-descriptor-set", "-o", "-#format=binpb"],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
  const shape = (name: string, type: string, json: JsonValue): Shape => {
    const descriptor = registry.getMessage(`dragoman.bench.v1.${type}`);
    if (descriptor === undefined) throw new Error(`no type ${type}`);
    return { name, type: descriptor, json };
  };
  return {
    registry,
    image,
    shapes: [
      shape("127 B", "Product", small),
      shape("2 KB nested", "Order", medium()),
      shape("100 KB list", "Products", large()),
    ],
    nested: (depth) => shape(`${depth} deep`, "Folder", folders(depth)),
  };
}

const small: JsonValue = {
  id: "p-1042",
  title: "Espresso cup",
  price: { currencyCode: "EUR", units: "12", nanos: 500000000 },
  stock: 7,
  rating: 4.5,
  available: true,
};

function medium(): JsonValue {
  const address = (name: string): JsonValue => ({
    name,
    lines: ["Rosenthaler Straße 40", "Hinterhaus, 3. Etage"],
    city: "Berlin",
    postalCode: "10178",
    countryCode: "DE",
    latitude: 52.524061,
    longitude: 13.402344,
  });
  return {
    id: "orders/2026-11-23-000184467",
    customerId: "9007199254740993",
    state: "STATE_PAID",
    createTime: "2026-11-23T13:14:15.123Z",
    shipping: address("Ada Lovelace"),
    billing: address("Charles Babbage"),
    lines: Array.from({ length: 8 }, (_, index) => ({
      productId: `products/p-${1000 + index * 37}`,
      title: `Espresso cup, porcelain, no. ${index + 1}`,
      quantity: index + 1,
      price: { currencyCode: "EUR", units: String(10 + index * 3), nanos: 990000000 },
      discounts: [5, 10, 250 + index],
    })),
    total: { currencyCode: "EUR", units: "1234", nanos: 560000000 },
    labels: { channel: "web", campaign: "autumn-2026", region: "eu-central" },
    etag: Buffer.from("a hash of the order").toString("base64"),
    note: 'Please ring twice; the bell says "Lovelace".\nThank you!',
    gift: true,
    card: "tok_1JxkQ2eZvKYlo2C",
  };
}

function large(): JsonValue {
  return {
    products: Array.from({ length: 330 }, (_, index) => ({
      id: `products/p-${100000 + index}`,
      title: `Espresso cup ${index}, hand made, porcelain`,
      description:
        "Holds 60 ml, keeps warm for a quarter of an hour, stacks well, and may go into the dishwasher.",
      price: {
        currencyCode: "EUR",
        units: String(5 + (index % 40)),
        nanos: (index % 10) * 100000000 + 90000000,
      },
      stock: index * 13,
      rating: 1 + (index % 41) / 10,
      tags: ["kitchen", "porcelain", `batch-${index % 12}`],
      available: index % 7 !== 0,
    })),
    nextPageToken: "CgwI8ZzjsgYQgJ2u3QE",
  };
}

function folders(depth: number): JsonValue {
  return depth === 1 ? { name: "a folder" } : { name: "a folder", folder: folders(depth - 1) };
}
