/** `unreachable`: there is no connection. `slow`: no answer in time. `refused`: an error for an answer. */
export type StoreFailure = "unreachable" | "slow" | "refused";

/** What the store could not do. Its message is for the log, and has no credentials. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly failure: StoreFailure;

  constructor(failure: StoreFailure, message: string) {
    super(message);
    this.failure = failure;
  }
}
