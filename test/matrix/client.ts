import type { Status } from "./status.ts";
import type { Step } from "./step.ts";
import type { Gate, HttpVersion } from "./wire.ts";

/** The kinds of methods, by the name of the method that stands for each. */
export const kinds = ["Unary", "Server", "Client", "Bidi"] as const;
export type Kind = (typeof kinds)[number];

export type Fields = Readonly<Record<string, string>>;

/** What a test wants of a call, in the terms of gRPC. */
export interface Ask {
  readonly service: string;
  readonly method: string;
  readonly kind: Kind;
  /** Request metadata; values of -bin keys are base64. */
  readonly metadata: Fields;
  readonly token?: string;
  readonly timeoutMs?: number;
  /** Every message leaves in several pieces. */
  readonly inPieces?: boolean;
}

/** How a call ended, in the terms of gRPC, and how this protocol showed it. */
export interface Outcome {
  /** Undefined when the answer was torn down, so that the client cannot take it for whole, but does not know why. */
  readonly status: Status | undefined;
  readonly header: Fields;
  readonly trailer: Fields;
  /** For the document. */
  readonly shown: string;
}

/** One call of a client. Messages are read only when asked for, so that not reading holds the gateway back. */
export interface ClientCall {
  send(message: Step): Promise<void>;
  /** No more requests. */
  end(): Promise<void>;
  /** Goes away without a word, as far as the protocol has none. */
  cancel(): void;
  /** The next response; undefined when the call has ended. */
  read(): Promise<Step | undefined>;
  /** How the call ended. After `read` has given undefined. */
  outcome(): Outcome;
}

/** What a protocol has no means for; the text says why, and stands in the document. */
export interface Lacks {
  readonly header?: string;
  readonly trailer?: string;
  readonly details?: string;
  /** The status of a call that fails after its first response. */
  readonly lateStatus?: string;
  /** Requests and responses at the same time. */
  readonly duplex?: string;
  /** Calls that are under way are let finish when the gateway goes away. */
  readonly drain?: string;
}

/** A way of speaking RPC, as clients of the matrix do. */
export interface Protocol {
  readonly name: string;
  readonly versions: readonly HttpVersion[];
  /** True for the kinds of methods that it carries, else why it does not. */
  readonly carries: Readonly<Record<Kind, true | string>>;
  lacks(kind: Kind, version: HttpVersion): Lacks;
  /** The code for what no route takes. */
  readonly unknownMethod: number;
  open(gate: Gate, version: HttpVersion, ask: Ask): ClientCall;
}

export async function readAll(call: ClientCall): Promise<Step[]> {
  const messages: Step[] = [];
  for (let next = await call.read(); next !== undefined; next = await call.read()) messages.push(next);
  return messages;
}
