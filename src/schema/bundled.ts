import { type DescFile, toBinary } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  file_google_protobuf_api,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_source_context,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_type,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "#gen/buf/validate/validate_pb";
import { file_dragoman_v1_policy } from "#gen/dragoman/v1/policy_pb";
import { file_google_api_annotations } from "#gen/google/api/annotations_pb";
import { file_google_api_client } from "#gen/google/api/client_pb";
import { file_google_api_field_behavior } from "#gen/google/api/field_behavior_pb";
import { file_google_api_field_info } from "#gen/google/api/field_info_pb";
import { file_google_api_http } from "#gen/google/api/http_pb";
import { file_google_api_httpbody } from "#gen/google/api/httpbody_pb";
import { file_google_api_launch_stage } from "#gen/google/api/launch_stage_pb";
import { file_google_api_resource } from "#gen/google/api/resource_pb";
import { file_google_api_routing } from "#gen/google/api/routing_pb";
import { file_google_api_visibility } from "#gen/google/api/visibility_pb";
import { file_google_longrunning_operations } from "#gen/google/longrunning/operations_pb";
import { file_google_rpc_code } from "#gen/google/rpc/code_pb";
import { file_google_rpc_error_details } from "#gen/google/rpc/error_details_pb";
import { file_google_rpc_status } from "#gen/google/rpc/status_pb";
import { file_google_type_calendar_period } from "#gen/google/type/calendar_period_pb";
import { file_google_type_color } from "#gen/google/type/color_pb";
import { file_google_type_date } from "#gen/google/type/date_pb";
import { file_google_type_datetime } from "#gen/google/type/datetime_pb";
import { file_google_type_dayofweek } from "#gen/google/type/dayofweek_pb";
import { file_google_type_decimal } from "#gen/google/type/decimal_pb";
import { file_google_type_expr } from "#gen/google/type/expr_pb";
import { file_google_type_fraction } from "#gen/google/type/fraction_pb";
import { file_google_type_interval } from "#gen/google/type/interval_pb";
import { file_google_type_latlng } from "#gen/google/type/latlng_pb";
import { file_google_type_localized_text } from "#gen/google/type/localized_text_pb";
import { file_google_type_money } from "#gen/google/type/money_pb";
import { file_google_type_month } from "#gen/google/type/month_pb";
import { file_google_type_phone_number } from "#gen/google/type/phone_number_pb";
import { file_google_type_postal_address } from "#gen/google/type/postal_address_pb";
import { file_google_type_quaternion } from "#gen/google/type/quaternion_pb";
import { file_google_type_timeofday } from "#gen/google/type/timeofday_pb";
import type { FileIndex } from "./file-index.ts";
import { indexFile } from "./index-file.ts";

/** Everything that `import` finds without anybody vendoring it. */
const roots: readonly DescFile[] = [
  file_google_protobuf_any,
  file_google_protobuf_api,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_source_context,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_type,
  file_google_protobuf_wrappers,
  file_buf_validate_validate,
  file_dragoman_v1_policy,
  file_google_api_annotations,
  file_google_api_client,
  file_google_api_field_behavior,
  file_google_api_field_info,
  file_google_api_http,
  file_google_api_httpbody,
  file_google_api_launch_stage,
  file_google_api_resource,
  file_google_api_routing,
  file_google_api_visibility,
  file_google_longrunning_operations,
  file_google_rpc_code,
  file_google_rpc_error_details,
  file_google_rpc_status,
  file_google_type_calendar_period,
  file_google_type_color,
  file_google_type_date,
  file_google_type_datetime,
  file_google_type_dayofweek,
  file_google_type_decimal,
  file_google_type_expr,
  file_google_type_fraction,
  file_google_type_interval,
  file_google_type_latlng,
  file_google_type_localized_text,
  file_google_type_money,
  file_google_type_month,
  file_google_type_phone_number,
  file_google_type_postal_address,
  file_google_type_quaternion,
  file_google_type_timeofday,
];

let files: ReadonlyMap<string, FileIndex> | undefined;

/**
 * Files that every schema has, so that details of errors can be shown and `Any` resolves, and that fill in for imports
 * which a source was made without. By name, each after those that it imports.
 */
export function bundledFiles(): ReadonlyMap<string, FileIndex> {
  files ??= indexAll();
  return files;
}

function indexAll(): Map<string, FileIndex> {
  const ordered = new Map<string, FileIndex>();
  const visit = ({ proto, dependencies }: DescFile): void => {
    if (ordered.has(proto.name)) return;
    for (const dependency of dependencies) visit(dependency);
    ordered.set(proto.name, indexFile(toBinary(FileDescriptorProtoSchema, proto)));
  };
  for (const root of roots) visit(root);
  return ordered;
}
