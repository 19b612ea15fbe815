import type { DescFile } from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  file_google_protobuf_any,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import { file_dragoman_v1_policy } from "#gen/dragoman/v1/policy_pb";
import { file_google_api_annotations } from "#gen/google/api/annotations_pb";
import { file_google_api_client } from "#gen/google/api/client_pb";
import { file_google_api_field_behavior } from "#gen/google/api/field_behavior_pb";
import { file_google_api_http } from "#gen/google/api/http_pb";
import { file_google_api_httpbody } from "#gen/google/api/httpbody_pb";
import { file_google_api_resource } from "#gen/google/api/resource_pb";
import { file_google_longrunning_operations } from "#gen/google/longrunning/operations_pb";
import { file_google_rpc_code } from "#gen/google/rpc/code_pb";
import { file_google_rpc_error_details } from "#gen/google/rpc/error_details_pb";
import { file_google_rpc_status } from "#gen/google/rpc/status_pb";

/**
 * Files that every schema has, so that details of errors can be shown, and that fill in for imports which a descriptor
 * set was made without. Each after those that it imports.
 */
export const bundledFiles: readonly FileDescriptorProto[] = withImports([
  file_google_protobuf_any,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  file_google_api_http,
  file_google_api_annotations,
  file_google_api_client,
  file_google_api_field_behavior,
  file_google_api_httpbody,
  file_google_api_resource,
  file_google_rpc_code,
  file_google_rpc_status,
  file_google_rpc_error_details,
  file_google_longrunning_operations,
  file_dragoman_v1_policy,
]);

function withImports(roots: readonly DescFile[]): FileDescriptorProto[] {
  const ordered = new Map<string, FileDescriptorProto>();
  const visit = (file: DescFile): void => {
    if (ordered.has(file.proto.name)) return;
    for (const dependency of file.dependencies) visit(dependency);
    ordered.set(file.proto.name, file.proto);
  };
  for (const root of roots) visit(root);
  return [...ordered.values()];
}
