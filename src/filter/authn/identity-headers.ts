import type { Metadata, Principal } from "#rpc";

/** What the gateway tells upstreams of a caller; whatever clients send under this name is dropped. */
export const subjectHeader = "x-dragoman-subject";

/** No client has anything to say under such a name. */
const ownPrefix = "x-dragoman-";

const maxJudged = 1000;

const maxKept = 64;

/** Claims by the headers that tell them. */
export type ClaimHeaders = Readonly<Record<string, string>>;

/** Tells upstreams who calls, by headers that clients cannot set. Made once for all providers. */
export class IdentityHeaders {
  readonly #byProvider: ReadonlyMap<string, readonly (readonly [string, string])[]>;
  readonly #names: ReadonlySet<string>;
  /** Names that were looked at already. */
  readonly #judged = new Map<string, boolean>();
  /** Names of the last header that stay in it, by their places: calls have mostly the same names in the same order. */
  readonly #kept: string[] = [];
  /** Names and values for callers, who come again. */
  readonly #told = new WeakMap<Principal, readonly string[]>();

  /** @param byProvider for each provider what is told of its callers; names in lower case with dashes */
  constructor(byProvider: ReadonlyMap<string, ClaimHeaders> = new Map()) {
    this.#byProvider = new Map([...byProvider].map(([name, claims]) => [name, Object.entries(claims)]));
    this.#names = new Set([...byProvider.values()].flatMap((claims) => Object.keys(claims)));
  }

  /** Drops whatever a client says in the gateway's name, in the spellings that servers take for the same too. */
  strip(header: Metadata): void {
    let forged: string[] | undefined;
    const { pairs } = header;
    for (let i = 0; i < pairs.length; i += 2) {
      const name = pairs[i] as string;
      if (this.#kept[i >> 1] === name) continue;
      if (this.#judged.get(name) ?? this.#judge(name)) {
        forged ??= [];
        forged.push(name);
      } else if (i < maxKept * 2) this.#keep(i >> 1, name);
    }
    for (const name of forged ?? []) header.delete(name);
  }

  #keep(place: number, name: string): void {
    const kept = this.#kept;
    // Places that were passed over belong to no name.
    while (kept.length < place) kept.push("");
    kept[place] = name;
  }

  #judge(name: string): boolean {
    const dashed = name.replaceAll("_", "-");
    const isOwn = dashed.startsWith(ownPrefix) || this.#names.has(dashed);
    if (this.#judged.size >= maxJudged) this.#judged.clear();
    this.#judged.set(name, isOwn);
    return isOwn;
  }

  /** Says who calls; to be called on a header that was stripped. */
  tell(header: Metadata, principal: Principal): void {
    let told = this.#told.get(principal);
    if (told === undefined) {
      told = this.#read(principal);
      this.#told.set(principal, told);
    }
    for (let i = 0; i < told.length; i += 2) header.append(told[i] as string, told[i + 1] as string);
  }

  #read({ subject, provider, claims }: Principal): readonly string[] {
    const told = [subjectHeader, headerText(subject)];
    for (const [name, claim] of this.#byProvider.get(provider) ?? []) {
      const text = claim === "sub" ? subject : claimText(claims[claim]);
      if (text !== undefined) told.push(name, headerText(text));
    }
    return told;
  }
}

/** Lists of texts are joined by commas; what has parts has no text. */
function claimText(claim: unknown): string | undefined {
  if (typeof claim === "string") return claim;
  if (typeof claim === "number" || typeof claim === "boolean") return String(claim);
  if (!Array.isArray(claim)) return undefined;
  return claim
    .filter((each) => typeof each === "string")
    .map(encodeURIComponent)
    .join(",");
}

/** A subject may be any text; a header may not. */
function headerText(text: string): string {
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) ? text : encodeURIComponent(text);
}
