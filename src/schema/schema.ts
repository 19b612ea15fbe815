import type { FileRegistry } from "@bufbuild/protobuf";
import type { Method } from "./method.ts";

/** Everything the gateway knows of the services it fronts; immutable, replaced whole. */
export interface Schema {
  /** All files, the usual imports and google.rpc error details included, for `Any` and options. */
  readonly registry: FileRegistry;
  /** Methods to be served, by `pkg.Service/Method`, in the order of their names. Not those of mere imports. */
  readonly methods: ReadonlyMap<string, Method>;
  /** Changes whenever the content does. */
  readonly fingerprint: string;
}
