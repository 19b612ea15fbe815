import type { JsonObject } from "@bufbuild/protobuf";
import type { Category } from "#gen/shop/v1/catalog_pb";

/** A product as the first stock of the shop is written down; everything else follows from it. */
export interface Good {
  /** The last part of its name. */
  readonly id: string;
  readonly title: string;
  readonly subtitle?: string;
  readonly description: string;
  readonly category: Category;
  /** In cents of a euro. */
  readonly cents: number;
  readonly tags: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly attributes?: JsonObject;
  readonly delivery: Delivery;
  readonly leadDays?: number;
  readonly minimumAge?: number;
  /** Author, stars, text; the latest first. */
  readonly reviews?: readonly (readonly [string, number, string])[];
}

export type Delivery =
  | { readonly kind: "parcel"; readonly grams: number; readonly cm: number; readonly fragile?: boolean }
  | { readonly kind: "download"; readonly bytes: number }
  | { readonly kind: "desk"; readonly desk: string };
