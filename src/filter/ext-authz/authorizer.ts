import type { Call } from "#rpc";
import type { Decision } from "./decision.ts";

/** What an authorization service is asked. */
export interface Question {
  readonly call: Call;
  /** The request as JSON, where the service is to see it. */
  readonly body: string | undefined;
  /** Milliseconds that the answer may take. */
  readonly timeoutMs: number;
}

/** An authorization service, however it is reached. */
export interface Authorizer {
  /** @throws NoDecision when there is no answer in time, or none that can be heeded */
  ask(question: Question): Promise<Decision>;
  close(): void;
}
