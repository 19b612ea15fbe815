import type { DescField } from "@bufbuild/protobuf";
import type { RpcError } from "#rpc";
import { badRequest } from "./errors.ts";
import { fieldParts, nestedMessage } from "./wire.ts";

/** Why a path of fields cannot be given beside others: the same, one within the other, or two of one oneof. */
export function clashOf(
  path: readonly DescField[],
  others: readonly (readonly DescField[])[],
  same: string,
  repeats: boolean,
): string | undefined {
  for (const other of others) {
    const length = Math.min(path.length, other.length);
    let shared = 0;
    while (shared < length && path[shared] === other[shared]) shared++;
    if (shared === length) {
      if (path.length !== other.length) return same;
      if (!repeats) return same;
      continue;
    }
    const mine = path[shared] as DescField;
    const theirs = other[shared] as DescField;
    if (mine.oneof !== undefined && mine.oneof === theirs.oneof) {
      return `only one of ${theirs.name} and ${mine.name} may be set`;
    }
  }
  return undefined;
}

/** Whether the body gives the field the same value. @throws RpcError when it gives another, or fills its oneof */
export function standsInBody(
  path: readonly DescField[],
  body: Uint8Array,
  value: Uint8Array,
  name: string,
): boolean {
  let within: Uint8Array | undefined = body;
  for (const [index, field] of path.entries()) {
    if (within === undefined) return false;
    for (const sibling of field.oneof?.fields ?? []) {
      if (sibling !== field && fieldParts(within, sibling.number) !== undefined) {
        throw conflict(name, `the body sets ${sibling.name}, of which only one may be set`);
      }
    }
    if (index < path.length - 1) {
      within = nestedMessage(within, field);
      continue;
    }
    const before = fieldParts(within, field.number);
    if (before === undefined) return false;
    if (Buffer.compare(before, value) === 0) return true;
    throw conflict(name, "the path and the body give different values");
  }
  return false;
}

function conflict(field: string, description: string): RpcError {
  return badRequest("field_conflict", [{ field, description }]);
}
