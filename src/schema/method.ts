import type { DescMethod } from "@bufbuild/protobuf";

/** `unary`, or which sides stream. */
export type MethodKind = "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";

/** What the `.proto` itself demands of callers (`dragoman.v1.policy`); the configuration may tighten or replace it. */
export interface DeclaredPolicy {
  readonly public: boolean | undefined;
  readonly scopes: readonly string[];
  readonly timeoutMs: number | undefined;
}

/** A place in a source file, 1-based; `file` as the compiler was given it. */
export interface SourceLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A gRPC method that the schema knows. The unit of every policy. */
export interface Method {
  readonly descriptor: DescMethod;
  /** `pkg.Service/Method`: how configuration, logs and metrics name it. */
  readonly name: string;
  /** `/pkg.Service/Method`: the `:path` of a gRPC call. */
  readonly path: string;
  /** `pkg.Service` */
  readonly service: string;
  readonly kind: MethodKind;
  /** Calling twice does no more than calling once: `idempotency_level` says so, or a GET binding does. */
  readonly idempotent: boolean;
  readonly declared: DeclaredPolicy;
  /** Where the method is defined; undefined when the source came without locations. */
  readonly location: SourceLocation | undefined;
}
