import { randomInt } from "node:crypto";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { Command, FromReplica, ToReplica } from "./messages.ts";

/** What a change may know beside its request, the same on all replicas. */
export interface Stamp {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** A number that no other change has. */
  readonly id: bigint;
}

interface Change {
  apply(command: Command, proposal: number | undefined): void;
  commit(proposal: number): void;
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/**
 * A replica's end of the log of changes that all replicas of a service share: changes are proposed, put in one order
 * by the supervisor, and made by every replica in that order, before the one who proposed hears of it.
 */
export class ReplicatedLog {
  readonly #send: (message: FromReplica) => void;
  readonly #changes = new Map<string, Change>();
  readonly #proposed = new Map<number, Change>();
  #lastProposal = 0;

  constructor(send: (message: FromReplica) => void) {
    this.#send = send;
  }

  /**
   * Defines a kind of change. `apply` must come to the same result on every replica: it may look at nothing but the
   * state, the request and the stamp. What it throws is the answer to whoever proposed, and nobody else's concern.
   *
   * @returns proposes such a change; resolves to what `apply` returned here, once all replicas have made it
   */
  define<I extends DescMessage, T>(
    name: string,
    schema: I,
    apply: (request: MessageShape<I>, stamp: Stamp) => T,
  ): (request: MessageShape<I>) => Promise<T> {
    const outcomes = new Map<number, Outcome<T>>();
    const waiting = new Map<number, (outcome: Outcome<T>) => void>();
    const change: Change = {
      apply({ request, at, id }, proposal) {
        const outcome = attempt(() => apply(fromBinary(schema, request), { at, id }));
        if (proposal !== undefined) outcomes.set(proposal, outcome);
      },
      commit(proposal) {
        const outcome = outcomes.get(proposal);
        if (outcome !== undefined) waiting.get(proposal)?.(outcome);
        outcomes.delete(proposal);
        waiting.delete(proposal);
      },
    };
    this.#changes.set(name, change);
    return async (request) => {
      const proposal = ++this.#lastProposal;
      this.#proposed.set(proposal, change);
      const outcome = await new Promise<Outcome<T>>((resolve) => {
        waiting.set(proposal, resolve);
        const at = Date.now();
        const command = { name, request: toBinary(schema, request), at, id: newId(at) };
        this.#send({ kind: "propose", proposal, command });
      });
      if ("error" in outcome) throw outcome.error;
      return outcome.value;
    };
  }

  /** Takes what the supervisor says of changes. */
  receive(message: Extract<ToReplica, { kind: "apply" | "committed" }>): void {
    if (message.kind === "committed") {
      this.#proposed.get(message.proposal)?.commit(message.proposal);
      this.#proposed.delete(message.proposal);
      return;
    }
    this.#changes.get(message.command.name)?.apply(message.command, message.proposal);
    this.#send({ kind: "applied", sequence: message.sequence });
  }
}

function attempt<T>(apply: () => T): Outcome<T> {
  try {
    return { value: apply() };
  } catch (error) {
    return { error };
  }
}

const epoch = Date.UTC(2020, 0);

/** A positive number of 63 bits, far beyond 2^53: milliseconds since 2020, then 22 random bits. */
function newId(at: number): bigint {
  return (BigInt(at - epoch) << 22n) | BigInt(randomInt(2 ** 22));
}
