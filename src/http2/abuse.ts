import { ConnectionFault } from "./connection-fault.ts";
import { ErrorCode } from "./constants.ts";

/** What a peer may send that costs it nothing, and how much of it at once and a second. */
interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
}

/** Far above what well-meant peers send, far below what hurts. */
const allowances = {
  /** Streams that were reset before they were answered, by the peer or for its fault (CVE-2023-44487, CVE-2025-8671). */
  resets: { burst: 1000, perSecond: 100 },
  pings: { burst: 500, perSecond: 50 },
  settings: { burst: 50, perSecond: 5 },
  priorities: { burst: 1000, perSecond: 100 },
  /** Frames without payload that end nothing (CVE-2019-9518). */
  empty_frames: { burst: 100, perSecond: 10 },
  window_updates: { burst: 2000, perSecond: 200 },
  /** Of types that nobody knows, or for streams that have gone. */
  idle_frames: { burst: 1000, perSecond: 100 },
} satisfies Readonly<Record<string, Allowance>>;

export type AbuseKind = keyof typeof allowances;

interface Account {
  left: number;
  at: number;
}

/** Counts what a peer sends that has no use. Over the allowance the connection ends with ENHANCE_YOUR_CALM. */
export class AbuseGuard {
  readonly #accounts: Partial<Record<AbuseKind, Account>> = {};

  /** @param now milliseconds of any clock. */
  spend(kind: AbuseKind, now: number): void {
    const { burst, perSecond } = allowances[kind];
    const account = this.#accounts[kind];
    if (account === undefined) {
      this.#accounts[kind] = { left: burst - 1, at: now };
      return;
    }
    account.left = Math.min(burst, account.left + ((now - account.at) * perSecond) / 1000) - 1;
    account.at = now;
    if (account.left < 0) {
      throw new ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, `too many ${kind.replaceAll("_", " ")}`, kind);
    }
  }
}
