import type { DescMessage } from "@bufbuild/protobuf";
import { loadSchema } from "#schema";
import { tempFolder } from "../support/temp-folder.ts";

const proto = `syntax = "proto3";
package shop.v1;
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
service Orders { rpc Create(Order) returns (Order); }
enum Kind { KIND_UNSPECIFIED = 0; KIND_GIFT = 1; }
message Order {
  string tenant_id = 1;
  int64 total = 2;
  uint32 count = 3;
  repeated Line lines = 4;
  map<string, string> labels = 5;
  Kind kind = 6;
  google.protobuf.Timestamp create_time = 7;
  google.protobuf.StringValue note = 8;
  google.protobuf.Struct extra = 9;
  oneof payment { string card = 10; bool cash = 11; }
  Line main = 12;
  repeated string tags = 13;
}
message Line { string product_id = 1; int32 quantity = 2; }
`;

/** A request type with a field of every kind. */
export async function orderType(): Promise<DescMessage> {
  await using folder = await tempFolder({ "proto/shop/v1/orders.proto": proto });
  const { schema, problems } = await loadSchema([{ kind: "proto", dir: `${folder.dir}/proto` }], undefined);
  const type = schema?.registry.getMessage("shop.v1.Order");
  if (type === undefined) throw new Error(JSON.stringify(problems));
  return type;
}
