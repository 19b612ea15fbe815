import { Metadata, stricterLimits } from "#rpc";
import { limitItem } from "./limit-item.ts";
import { type Demand, rounding, type Standing, wholeMs } from "./store.ts";

/** Which response fields tell callers how they stand. */
export type LimitFields = "standard" | "legacy" | "both" | "off";

const names = [
  "ratelimit",
  "ratelimit-policy",
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
] as const;

/** Moves what an upstream tells of its limits to where those of the gateway are told, which may only make it stricter. */
export function moveLimitFields(from: Metadata, to: Metadata): void {
  for (const name of names) {
    if (!from.has(name)) continue;
    for (const value of from.getAll(name)) to.append(name, value);
    from.delete(name);
  }
}

/**
 * Adds `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11, 3 and 4), and `x-ratelimit-*` for
 * those who want the older names. What is there already, from an upstream or another limit, only becomes stricter
 * (section 7.2).
 */
export function addLimitFields(
  header: Metadata,
  kind: LimitFields,
  demands: readonly Demand[],
  standings: readonly Standing[],
): void {
  if (kind === "off") return;
  const items = itemsOf(demands, standings);
  if (items === undefined) return;
  const { policies, limits, tightest } = items;
  if (kind !== "legacy") {
    join(header, "ratelimit-policy", policies);
    join(header, "ratelimit", limits);
  }
  if (kind !== "standard")
    addLegacyFields(header, demands[tightest] as Demand, standings[tightest] as Standing);
}

/** The same beside a header that stays as it is. */
export function withLimitFields(
  header: Metadata,
  kind: LimitFields,
  demands: readonly Demand[],
  standings: readonly Standing[],
): Metadata {
  if (header.size === 0 && kind === "standard") {
    const items = itemsOf(demands, standings);
    if (items === undefined) return header;
    return new Metadata(["ratelimit-policy", items.policies, "ratelimit", items.limits]);
  }
  const all = header.clone();
  addLimitFields(all, kind, demands, standings);
  return all;
}

/** What callers are told of the limits that are enforced; undefined where none is. */
interface Items {
  readonly policies: string;
  readonly limits: string;
  /** Of which there is the least left. */
  readonly tightest: number;
}

function itemsOf(demands: readonly Demand[], standings: readonly Standing[]): Items | undefined {
  let policies = "";
  let limits = "";
  let tightest = -1;
  for (let i = 0; i < demands.length; i++) {
    const demand = demands[i] as Demand;
    if (!demand.enforced) continue;
    const standing = standings[i] as Standing;
    const { limit, allowance, partition } = demand;
    const pk = partition === undefined ? "" : `;pk=:${partition}:`;
    const policy = pk === "" ? allowance.advertised : allowance.advertised + pk;
    const left = limitItem(limit, whole(standing), windowSeconds(demand, standing), pk);
    policies = tightest < 0 ? policy : `${policies}, ${policy}`;
    limits = tightest < 0 ? left : `${limits}, ${left}`;
    if (tightest < 0 || standing.available < (standings[tightest] as Standing).available) tightest = i;
  }
  return tightest < 0 ? undefined : { policies, limits, tightest };
}

function whole({ available }: Standing): number {
  return Math.floor(available + rounding);
}

/**
 * The effective window. What is left may be used at once, but a client that spreads it evenly over the window keeps to
 * the rate and is never refused; with nothing left, it is the time until there is something.
 */
function windowSeconds({ allowance }: Demand, standing: Standing): number {
  if (standing.waitMs > 0) return Math.ceil(wholeMs(standing.waitMs) / 1000);
  const left = whole(standing);
  const ms = left > 0 ? left * allowance.msPerUnit : (1 - standing.available) * allowance.msPerUnit;
  return Math.ceil(wholeMs(ms) / 1000);
}

/** An item for a policy of the same name is replaced when it allows more, and kept when it allows less. */
function join(header: Metadata, name: string, own: string): void {
  if (header.has(name)) header.set(name, stricterLimits(header.getAll(name).join(", "), own));
  else header.append(name, own);
}

function addLegacyFields(header: Metadata, demand: Demand, standing: Standing): void {
  const left = whole(standing);
  const before = header.get("x-ratelimit-remaining");
  if (before !== undefined && !(Number(before) > left)) return;
  const { burst, msPerUnit } = demand.allowance;
  header.set("x-ratelimit-limit", String(burst));
  header.set("x-ratelimit-remaining", String(left));
  const untilFull = standing.waitMs > 0 ? standing.waitMs : (burst - standing.available) * msPerUnit;
  header.set("x-ratelimit-reset", String(Math.ceil(wholeMs(untilFull) / 1000)));
}
