import type { ConfigSource } from "#config";
import type { ApiKeyView, RefreshOutcome } from "#filter/authn";
import type { Priority } from "#filter/concurrency-limit";
import type { Demand, Standing } from "#filter/rate-limit";
import type { GateSettings, UpstreamView } from "#gateway";
import type { Problem } from "#schema";
import type { FamilySample } from "#telemetry";

/** What a worker is asked to tell of itself, by the name of the question. */
export interface Answers {
  readonly reload: readonly Problem[];
  readonly refresh: readonly Problem[];
  readonly samples: readonly FamilySample[];
  readonly notReady: readonly string[];
  readonly routes: unknown;
  readonly upstreams: readonly UpstreamView[];
  readonly keys: readonly ApiKeyView[];
  readonly schema: unknown;
}

export type Question = { readonly name: Exclude<keyof Answers, "reload"> } | ReloadQuestion;

export interface ReloadQuestion {
  readonly name: "reload";
  readonly source: ConfigSource;
}

/** What the primary process says to a worker. */
export type ToWorker =
  | {
      readonly kind: "start";
      readonly number: number;
      readonly source: ConfigSource;
      readonly stateDir: string;
    }
  | { readonly kind: "question"; readonly id: number; readonly question: Question }
  | { readonly kind: "decided"; readonly decisions: readonly Decision[] }
  | { readonly kind: "drain"; readonly graceMs: number };

/** What a worker says to the primary process. */
export type FromWorker =
  | { readonly kind: "awake" }
  | ({ readonly kind: "started" } & Opened)
  | { readonly kind: "refused"; readonly message: string; readonly problems: readonly Problem[] }
  | { readonly kind: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly kind: "counted"; readonly operations: readonly Operation[] }
  /** It was asked to end by somebody else than the primary. */
  | { readonly kind: "leaving" }
  | { readonly kind: "drained"; readonly samples: readonly FamilySample[] };

/** What a worker has opened, and what it serves. */
export interface Opened {
  readonly httpsPort: number;
  readonly httpPort: number | undefined;
  readonly caPath: string | undefined;
  readonly methods: number;
  readonly routes: number;
}

/** Something that is counted over all workers. Gates go by a number that the worker gives them. */
export type Operation =
  | { readonly kind: "take"; readonly id: number; readonly demands: readonly Demand[] }
  | { readonly kind: "giveBack"; readonly demands: readonly Demand[] }
  | { readonly kind: "gate"; readonly gate: number; readonly settings: GateSettings }
  | { readonly kind: "enter"; readonly id: number; readonly gate: number; readonly priority: Priority }
  /** Nobody waits for the place any more; it is to be given back if it was had. */
  | { readonly kind: "abandon"; readonly id: number }
  | { readonly kind: "leave"; readonly gate: number }
  | { readonly kind: "observe"; readonly gate: number; readonly ms: number }
  /** Asks for what comes of the refresh of a session, or to be the one who does it. */
  | { readonly kind: "claim"; readonly id: number; readonly key: string }
  | { readonly kind: "settle"; readonly key: string; readonly outcome: RefreshOutcome };

/** How a `take`, an `enter` or a `claim` went. */
export type Decision =
  | { readonly kind: "taken"; readonly id: number; readonly standings: readonly Standing[] }
  | { readonly kind: "entered"; readonly id: number }
  | { readonly kind: "full"; readonly id: number }
  /** Without an outcome: the worker is to do it. */
  | { readonly kind: "claimed"; readonly id: number; readonly outcome: RefreshOutcome | undefined };
