import { CelScalar, type CelType, listType, mapType, objectType } from "@bufbuild/cel";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { RecordType, Type } from "./type.ts";

const { DYN, INT, STRING } = CelScalar;

function record(
  name: string,
  fields: Readonly<Record<string, Type>>,
  extra: { readonly rest?: CelType; readonly lowerCase?: boolean; readonly key?: string } = {},
): RecordType {
  const { rest, lowerCase = false, key } = extra;
  return { kind: "record", name, fields: new Map(Object.entries(fields)), rest, lowerCase, key };
}

/** Every variable but `input`, which has the type of the method's request. */
export const variables: ReadonlyMap<string, Type> = new Map<string, Type>([
  [
    "caller",
    // A claim may be asked for as a field of the caller too: `caller.tenant`.
    record(
      "caller",
      { sub: STRING, iss: STRING, scopes: listType(STRING), provider: STRING, claims: mapType(STRING, DYN) },
      { rest: DYN },
    ),
  ],
  [
    "method",
    record("method", { name: STRING, service: STRING, package: STRING, route: STRING }, { key: "name" }),
  ],
  [
    "peer",
    record("peer", {
      ip: STRING,
      port: INT,
      certificate: record("peer.certificate", {
        subject: STRING,
        subject_alt_names: listType(STRING),
        fingerprint: STRING,
      }),
    }),
  ],
  [
    "request",
    record("request", {
      header: record("request.header", {}, { rest: STRING, lowerCase: true }),
      path: STRING,
      http_method: STRING,
      protocol: STRING,
      time: objectType(TimestampSchema),
    }),
  ],
  ["path", STRING],
]);
