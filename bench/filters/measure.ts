import {
  type Call,
  CallAbort,
  type Handler,
  Metadata,
  Payload,
  type Peer,
  type Principal,
  type UnaryCall,
  unaryOf,
} from "#rpc";
import type { Method } from "#schema";

const codec = { toJson: (wire: Uint8Array) => wire, fromJson: (json: Uint8Array) => json };

/** What a call of a benchmark differs in. */
export interface CallOptions {
  readonly method: Method;
  readonly header?: readonly string[];
  readonly request?: () => Payload;
  readonly principal?: Principal;
  readonly address?: string;
  /** Of the connection that the call comes over; a new one where absent. */
  readonly peer?: Peer;
}

/** A call as the front end makes one: as new, since what has been decoded or written is not done again. */
export function callOf({ method, header = [], request, principal, address, peer }: CallOptions): UnaryCall {
  return {
    kind: "unary",
    method,
    header: new Metadata(["accept", "application/json", "user-agent", "bench", "x-beta", "1", ...header]),
    deadline: undefined,
    signal: new CallAbort(),
    request: request?.() ?? Payload.fromProto(new Uint8Array(0), codec),
    context: {
      requestId: "bench",
      protocol: "rest",
      peer: peer ?? { address: address ?? "192.0.2.1", port: 1 },
      secure: true,
      httpMethod: "POST",
      httpPath: "/v1/orders",
      route: "/v1/orders",
      startedAt: performance.now(),
      principal,
      upstream: undefined,
      endpoint: undefined,
      tried: [],
      attempts: 0,
      queuedMs: 0,
      upstreamMs: undefined,
    },
  };
}

/** Answers at once, each time with a reply of its own. */
export function answering(): Handler {
  const response = Payload.fromProto(new Uint8Array(0), codec);
  const reply = () => ({
    kind: "unary" as const,
    header: new Metadata(),
    response,
    trailer: new Metadata(),
  });
  return Object.assign(async (_call: Call) => reply(), {
    unary: (_call: UnaryCall, sink: Parameters<ReturnType<typeof unaryOf>>[1]) => sink.succeeded(reply()),
  });
}

/** What is measured: a handler, and what to call it with, by turns. */
export interface Case {
  readonly handler: Handler;
  readonly calls: (index: number) => UnaryCall;
}

/** Nanoseconds of one call, in one round. */
async function roundOf({ handler, calls }: Case, perRound: number): Promise<number> {
  const unary = unaryOf(handler);
  const all = Array.from({ length: perRound }, (_, index) => calls(index));
  const startedAt = process.hrtime.bigint();
  for (const call of all) {
    let ended = false;
    let wake: (() => void) | undefined;
    let failure: unknown;
    const end = (error?: unknown): void => {
      ended = true;
      failure = error;
      wake?.();
    };
    unary(call, { succeeded: () => end(), failed: end });
    if (!ended)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    if (failure !== undefined) throw failure;
  }
  return Number(process.hrtime.bigint() - startedAt) / perRound;
}

/** Nanoseconds a call of each case, the least of the rounds, which all cases take by turns: what disturbs only adds. */
export async function costsOf<Name extends string>(
  cases: Readonly<Record<Name, Case>>,
  { rounds, perRound }: { readonly rounds: number; readonly perRound: number },
): Promise<ReadonlyMap<Name, number>> {
  const least = new Map<Name, number>();
  const names = Object.keys(cases) as Name[];
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const ns = await roundOf(cases[name], perRound);
      least.set(name, Math.min(ns, least.get(name) ?? Number.POSITIVE_INFINITY));
    }
  }
  return least;
}
