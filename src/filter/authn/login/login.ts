import type { Logger } from "#telemetry";
import { LoginEndpoints } from "./endpoints.ts";
import type { LoginOptions } from "./options.ts";
import { Provider } from "./provider.ts";
import type { Refreshes } from "./refreshes.ts";
import { returnToOf } from "./return-to.ts";
import { Sessions } from "./sessions.ts";

/** Login at one provider: its endpoints for browsers, and the sessions that come of them. */
export class Login {
  readonly options: LoginOptions;
  readonly endpoints: LoginEndpoints;
  readonly sessions: Sessions;
  readonly #provider: Provider;

  /** @param now milliseconds since the epoch; for tests */
  constructor(options: LoginOptions, refreshes: Refreshes, logger: Logger, now: () => number = Date.now) {
    this.options = options;
    this.#provider = new Provider(options, logger);
    this.sessions = new Sessions(options, this.#provider, refreshes, logger, now);
    this.endpoints = new LoginEndpoints(options, this.#provider, this.sessions, logger, now);
  }

  /** Where people log in. */
  get url(): string {
    return `${this.options.origin}${this.options.path}/login`;
  }

  /** Where somebody logs in who asked for this path, to come back to it. */
  urlFor(path: string, query: string): string {
    return `${this.url}?return_to=${encodeURIComponent(returnToOf(path, query))}`;
  }

  async close(): Promise<void> {
    await this.#provider.close();
  }
}
