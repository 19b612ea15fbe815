import type { DescExtension, DescMessage, FileRegistry } from "@bufbuild/protobuf";
import type { Method } from "./method.ts";

/**
 * The descriptors of a schema. Those of a file are built when one of its types is first asked for; iterating over types
 * or files builds them all, which takes seconds where the schema is large.
 */
export interface SchemaRegistry extends FileRegistry {
  /** The extensions of a message that any file defines, in the order of their numbers. */
  extensionsOf(extendee: DescMessage): readonly DescExtension[];
}

/** Everything the gateway knows of the services it fronts; immutable, replaced whole. */
export interface Schema {
  /** All files, the usual imports and google.rpc error details included, for `Any` and options. */
  readonly registry: SchemaRegistry;
  /** Methods to be served, by `pkg.Service/Method`, in the order of their names. Not those of mere imports. */
  readonly methods: ReadonlyMap<string, Method>;
  /** Changes whenever the content does. */
  readonly fingerprint: string;
}
