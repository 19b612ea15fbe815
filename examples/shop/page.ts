import { createHash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { invalid } from "./grpc/status-error.ts";

const defaultSize = 20;
const largestSize = 100;

export interface Page<T> {
  readonly items: readonly T[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/**
 * One page of a list (AIP-158). A token names the last item of its page, and belongs to one query: everything in the
 * request but the page. Should that item be gone, the place where it stood serves as well as it can.
 */
export function pageOf<T extends { readonly name: string }>(
  all: readonly T[],
  request: { readonly pageSize: number; readonly pageToken: string },
  query: string,
): Page<T> {
  if (request.pageSize < 0) throw invalid("page_size", "must not be negative");
  const size = Math.min(request.pageSize || defaultSize, largestSize);
  const start = request.pageToken === "" ? 0 : startOf(all, request.pageToken, query);
  const items = all.slice(start, start + size);
  const last = items.at(-1);
  const next = start + items.length;
  const more = last !== undefined && next < all.length;
  return {
    items,
    nextPageToken: more ? Buffer.from(`${query} ${next} ${last.name}`).toString("base64url") : "",
  };
}

/** A short name for a request without its page. */
export function queryOf<D extends DescMessage>(
  schema: D,
  request: MessageShape<D> & { readonly pageSize: number; readonly pageToken: string },
): string {
  const bytes = toBinary(schema, { ...request, pageSize: 0, pageToken: "" });
  return createHash("sha256").update(bytes).digest("base64url").slice(0, 10);
}

function startOf(all: readonly { readonly name: string }[], token: string, query: string): number {
  const [owner, place, name] = Buffer.from(token, "base64url").toString().split(" ");
  if (owner !== query || place === undefined || !/^\d{1,9}$/.test(place))
    throw invalid("page_token", "does not belong to this query");
  const last = all.findIndex((item) => item.name === name);
  return last < 0 ? Number(place) : last + 1;
}
