import { createHmac, randomBytes } from "node:crypto";
import { Code, type Principal, RpcError } from "#rpc";
import type { Logger } from "#telemetry";
import { HashedCache } from "./hashed-cache.ts";
import { costOf, matchesPassword, type PasswordHash } from "./password.ts";
import { type FileUser, parseUserFile } from "./user-file.ts";
import { readContent, watchContent } from "./watched-file.ts";

/** Where users with passwords are, as parsed from the configuration. */
export interface BasicOptions {
  /** How the configuration calls them. */
  readonly name: string;
  readonly file: string;
  /** What a browser shows to whom it asks for a password. */
  readonly realm: string;
  /** Passwords are taken over plain HTTP too. */
  readonly insecure: boolean;
}

/** What a caller shows (RFC 7617). */
export interface BasicCredentials {
  readonly user: string;
  readonly password: string;
}

interface Known {
  readonly principal: Principal;
  readonly until: number;
}

interface User extends FileUser {
  readonly principal: Principal;
}

/** How long a password that was right need not be computed again, in milliseconds. */
const knownMs = 60_000;
/** Passwords that are computed at once, and that wait: each takes a thread, and memory. */
const maxRunning = 2;
const maxWaiting = 50;

/**
 * The users of one file. A password is computed the same way for a name that nobody has, as many at once as the machine can
 * bear, and is remembered for a while when it was right. The file is watched; one with a fault leaves those before in force.
 */
export class UserList {
  readonly options: BasicOptions;
  readonly #logger: Logger;
  readonly #stop: () => void;
  readonly #known: HashedCache<Known>;
  readonly #checking = new Map<string, Promise<Principal | undefined>>();
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #users: ReadonlyMap<string, User>;
  #decoy: PasswordHash | undefined;

  /** @throws CredentialFileError, or what reading the file fails with */
  constructor(options: BasicOptions, logger: Logger) {
    this.options = options;
    this.#logger = logger;
    // A password can be guessed, and so can what has the same hash: nobody but this process can compute this one.
    const secret = randomBytes(32);
    this.#known = new HashedCache({
      max: 1000,
      keyOf: (text) => createHmac("sha256", secret).update(text).digest("base64"),
    });
    this.#users = this.#read();
    this.#decoy = costliest(this.#users);
    this.#stop = watchContent(options.file, () => this.#reload());
  }

  /** Who has shown this password a while ago. @param now milliseconds since the epoch */
  known(credentials: BasicCredentials, now: number): Principal | undefined {
    return this.#known.get(textOf(credentials), ({ until }) => until > now)?.principal;
  }

  /** Who has this password; undefined for nobody. @throws RpcError UNAVAILABLE when too many wait already */
  check(credentials: BasicCredentials): Promise<Principal | undefined> {
    const text = textOf(credentials);
    const under = this.#checking.get(text);
    if (under !== undefined) return under;
    if (this.#running >= maxRunning && this.#waiting.length >= maxWaiting) {
      const message = "too many passwords are being checked";
      return Promise.reject(new RpcError(Code.UNAVAILABLE, message, { reason: "overloaded", retryAfter: 1 }));
    }
    const checking = this.#check(credentials, text).finally(() => this.#checking.delete(text));
    this.#checking.set(text, checking);
    return checking;
  }

  close(): void {
    this.#stop();
  }

  async #check({ user, password }: BasicCredentials, text: string): Promise<Principal | undefined> {
    // Who ends hands its place on.
    if (this.#running >= maxRunning) await new Promise<void>((go) => this.#waiting.push(go));
    else this.#running++;
    try {
      const found = this.#users.get(user);
      const kept = found?.password ?? this.#decoy;
      if (kept === undefined || !(await matchesPassword(password, kept)) || found === undefined)
        return undefined;
      // The file may have changed in the meantime.
      if (this.#users.get(user) !== found) return undefined;
      this.#known.set(text, { principal: found.principal, until: Date.now() + knownMs });
      return found.principal;
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #read(): ReadonlyMap<string, User> {
    const { name: provider, file } = this.options;
    return new Map(
      parseUserFile(readContent(file)).map((user) => {
        const { name: subject, scopes, claims } = user;
        return [subject, { ...user, principal: { subject, provider, scopes, claims, expiresAt: undefined } }];
      }),
    );
  }

  #reload(): void {
    const { name: provider } = this.options;
    try {
      this.#users = this.#read();
    } catch (error) {
      this.#logger.warn("the file of users cannot be used; those before stay in force", { provider, error });
      return;
    }
    this.#decoy = costliest(this.#users);
    this.#known.clear();
    this.#logger.info("users were loaded", { provider, users: this.#users.size });
  }
}

function textOf({ user, password }: BasicCredentials): string {
  return `${user}:${password}`;
}

/** What is computed for a name that nobody has: as much as for anybody. */
function costliest(users: ReadonlyMap<string, User>): PasswordHash | undefined {
  return [...users.values()].map(({ password }) => password).sort((a, b) => costOf(b) - costOf(a))[0];
}
