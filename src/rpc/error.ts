import { Code, codeName } from "./code.ts";
import { Metadata } from "./metadata.ts";
import type { Reason } from "./reason.ts";

/** How RFC 9457 tells an error whose type is registered, for callers who want it told so. */
export interface ProblemType {
  readonly type: string;
  readonly title: string;
  /** Members of its own. */
  readonly members: Readonly<Record<string, readonly string[]>>;
}

/** One entry of `google.rpc.Status.details`: a `google.protobuf.Any`, still packed. */
export interface ErrorDetail {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** The body of an answer that is not made of the error. */
export interface ErrorBody {
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

export interface RpcErrorOptions {
  readonly details?: readonly ErrorDetail[];
  /** Metadata that came before a call failed. */
  readonly header?: Metadata;
  /** Trailers that came with the status, or that shall go with it. */
  readonly metadata?: Metadata;
  /** Present exactly when the gateway itself made this error. */
  readonly reason?: Reason;
  /** Seconds, rounded up by whoever renders it, after which a new attempt makes sense. */
  readonly retryAfter?: number;
  /** What to tell an HTTP caller to authenticate with (RFC 9110 11.6.1). */
  readonly challenge?: string;
  /**
   * The HTTP status where a plain mapping of the code would be less exact, such as 413 or 415; only protocols that
   * speak HTTP statuses look at it.
   */
  readonly httpStatus?: number;
  /** Fields for the head of the answer, where the error is all of it; never trailers. Lower case. */
  readonly head?: Metadata;
  readonly problem?: ProblemType;
  /** What callers by HTTP get in place of a body of the gateway's own: another's words about its refusal. */
  readonly body?: ErrorBody;
  /** Methods for the `allow` header of a 405. */
  readonly allow?: readonly string[];
  /** Where an HTTP caller should ask instead: the `location` of a redirect. */
  readonly location?: string;
  /** For the log only; never shown to a caller. */
  readonly cause?: unknown;
}

/**
 * The one error that crosses the waist. Its message is meant for callers and must not carry addresses, paths of this
 * machine, or the words of a library; those belong in `cause`.
 */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: Code;
  readonly details: readonly ErrorDetail[];
  readonly header: Metadata | undefined;
  readonly metadata: Metadata;
  readonly reason: Reason | undefined;
  readonly retryAfter: number | undefined;
  readonly challenge: string | undefined;
  readonly httpStatus: number | undefined;
  /** Filters that the error passes may add to it, as they do to the header of a reply. */
  head: Metadata | undefined;
  readonly problem: ProblemType | undefined;
  readonly body: ErrorBody | undefined;
  readonly allow: readonly string[] | undefined;
  readonly location: string | undefined;

  constructor(code: Code, message: string, options: RpcErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? [];
    this.header = options.header;
    this.metadata = options.metadata ?? new Metadata();
    this.reason = options.reason;
    this.retryAfter = options.retryAfter;
    this.challenge = options.challenge;
    this.httpStatus = options.httpStatus;
    this.head = options.head;
    this.problem = options.problem;
    this.body = options.body;
    this.allow = options.allow;
    this.location = options.location;
  }

  override toString(): string {
    return `${codeName(this.code)}: ${this.message}`;
  }

  /** Any thrown value as an RpcError: a defect of ours becomes INTERNAL with the defect as its cause. */
  static from(thrown: unknown): RpcError {
    if (thrown instanceof RpcError) return thrown;
    return new RpcError(Code.INTERNAL, "internal error of the gateway", {
      reason: "internal",
      cause: thrown,
    });
  }
}
