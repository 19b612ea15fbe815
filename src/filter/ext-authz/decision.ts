import { Code, Metadata, RpcError } from "#rpc";

export type Pair = readonly [name: string, value: string];

/** What is done to one header of a request that may go on. */
export interface HeaderChange {
  readonly kind: "set" | "append" | "add if absent" | "set if present" | "remove";
  readonly name: string;
  readonly value: string;
}

/** What an authorization service says of a call. */
export type Decision =
  | {
      readonly kind: "allow";
      readonly changes: readonly HeaderChange[];
      /** Added to the header of the reply. */
      readonly reply: readonly Pair[];
    }
  | {
      readonly kind: "deny";
      /** 300 to 599. */
      readonly httpStatus: number;
      readonly code: Code;
      readonly message: string;
      readonly header: readonly Pair[];
      /** Undefined for an answer of the gateway's own. */
      readonly body: { readonly contentType: string; readonly bytes: Uint8Array } | undefined;
    };

/** There is no decision. Its message is for the log. */
export class NoDecision extends Error {
  override readonly name = "NoDecision";
  /** There was an answer, and it cannot be heeded: whatever is configured for failures, nobody passes on that. */
  readonly answered: boolean;

  constructor(message: string, options: { readonly answered: boolean; readonly cause?: unknown }) {
    super(message, { cause: options.cause });
    this.answered = options.answered;
  }
}

/** Bytes of a refusal that are passed on; what is longer is cut off. */
export const maxBodyBytes = 8 * 1024;

/** The code that says in gRPC what a status says in HTTP. */
export function codeOfStatus(httpStatus: number): Code {
  switch (httpStatus) {
    case 401:
      return Code.UNAUTHENTICATED;
    case 404:
      return Code.NOT_FOUND;
    case 429:
      return Code.RESOURCE_EXHAUSTED;
    case 503:
      return Code.UNAVAILABLE;
    default:
      return Code.PERMISSION_DENIED;
  }
}

/** A refusal as an error; a new one each time, since those whom it passes add to it. */
export function denial({ httpStatus, code, message, header, body }: Decision & { kind: "deny" }): RpcError {
  return new RpcError(code, message, {
    reason: "authorization_denied",
    httpStatus,
    head: Metadata.from(header),
    ...(body === undefined ? {} : { body }),
  });
}
