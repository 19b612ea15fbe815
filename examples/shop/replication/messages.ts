/** A change of the state of a service, so told that every replica comes to the same result from it. */
export interface Command {
  /** Which kind of change: the name of its method. */
  readonly name: string;
  /** What it is about, as a protobuf message. */
  readonly request: Uint8Array;
  /** When it was proposed, in milliseconds since the epoch: replicas must not look at their clocks. */
  readonly at: number;
  /** A number for whatever it creates: replicas must not draw their own. */
  readonly id: bigint;
}

/** The state of a service, as protobuf messages whose meaning the service knows. */
export type Snapshot = readonly Uint8Array[];

/** What the supervisor tells a replica. */
export type ToReplica =
  /** Serve, on this port (0: any), from this state, or from the first one of all. */
  | {
      readonly kind: "start";
      readonly port: number;
      readonly catalog: readonly string[];
      readonly state: Snapshot | undefined;
    }
  /** Make this change; all replicas get all changes in the same order. `proposal` is there if it is your own. */
  | {
      readonly kind: "apply";
      readonly sequence: number;
      readonly command: Command;
      readonly proposal: number | undefined;
    }
  /** Every replica has made the change that you proposed. */
  | { readonly kind: "committed"; readonly proposal: number }
  /** Say what your state is now. */
  | { readonly kind: "report"; readonly report: number };

/** What a replica tells the supervisor. */
export type FromReplica =
  | { readonly kind: "loaded" }
  | { readonly kind: "serving"; readonly port: number }
  | { readonly kind: "propose"; readonly proposal: number; readonly command: Command }
  | { readonly kind: "applied"; readonly sequence: number }
  | { readonly kind: "state"; readonly report: number; readonly state: Snapshot };

const toReplica: ReadonlySet<unknown> = new Set<ToReplica["kind"]>(["start", "apply", "committed", "report"]);
const fromReplica: ReadonlySet<unknown> = new Set<FromReplica["kind"]>([
  "loaded",
  "serving",
  "propose",
  "applied",
  "state",
]);

/** Both ends are of one build, so the kind tells everything. */
export function isToReplica(message: unknown): message is ToReplica {
  return hasKind(message) && toReplica.has(message.kind);
}

export function isFromReplica(message: unknown): message is FromReplica {
  return hasKind(message) && fromReplica.has(message.kind);
}

function hasKind(message: unknown): message is { readonly kind: unknown } {
  return typeof message === "object" && message !== null && "kind" in message;
}
