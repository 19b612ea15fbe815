import { create, createFileRegistry } from "@bufbuild/protobuf";
import { AnySchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Schema } from "#schema";

/** What a gateway serves that cannot reach its schema yet: nothing. */
export function emptySchema(): Schema {
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [AnySchema.file.proto] }));
  return { registry, methods: new Map(), fingerprint: "" };
}
