import { isNode, LineCounter, parseDocument } from "yaml";
import { z } from "zod";

/** One key of a consumer, as its hash. */
export interface HashedKey {
  readonly consumer: string;
  /** SHA-256 of the key. */
  readonly hash: Buffer;
  readonly scopes: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch; undefined for never. */
  readonly expiresAt: number | undefined;
}

/** What is wrong with a file, and where; 1-based. Never what stands there: it may be a key. */
export interface KeyFileFault {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

export class KeyFileError extends Error {
  override readonly name = "KeyFileError";
  readonly faults: readonly KeyFileFault[];

  constructor(faults: readonly KeyFileFault[]) {
    super(faults.map(({ message, line, column }) => `${line}:${column}: ${message}`).join("; "));
    this.faults = faults;
  }
}

const key = z.strictObject({
  sha256: z
    .string("expected 64 digits, in quotes")
    .regex(/^[\da-f]{64}$/, "expected 64 hexadecimal digits in lower case"),
  expires: z.iso
    .datetime({ offset: true, error: "expected a time such as 2027-01-31T00:00:00Z" })
    .transform((text) => Date.parse(text))
    .optional(),
});

const file = z.strictObject({
  consumers: z.record(
    z.string().regex(/^[\w.@:/-]+$/, "a consumer is letters, digits and . _ @ : / -"),
    z.strictObject({
      keys: z.array(key).min(1),
      scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, "expected a scope")).default([]),
      claims: z.record(z.string(), z.json()).default({}),
    }),
  ),
});

/** The keys of a file in YAML or JSON. @throws KeyFileError */
export function parseKeyFile(text: string): readonly HashedKey[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const faultAt = (message: string, offset: number): KeyFileFault => {
    const { line, col } = lines.linePos(offset);
    return { message, line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0) {
    throw new KeyFileError(
      document.errors.map((error) => faultAt(`this is no YAML: ${error.code}`, error.pos[0])),
    );
  }
  const place = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length--) {
      const node: unknown = document.getIn(path.slice(0, length), true);
      if (isNode(node)) return node.range?.[0] ?? 0;
    }
    return 0;
  };
  const parsed = file.safeParse(document.toJS());
  if (!parsed.success)
    throw new KeyFileError(parsed.error.issues.map((issue) => faultAt(issue.message, place(issue.path))));
  const keys: HashedKey[] = [];
  const owners = new Map<string, string>();
  for (const [consumer, { keys: own, scopes, claims }] of Object.entries(parsed.data.consumers)) {
    for (const [index, { sha256, expires }] of own.entries()) {
      const owner = owners.get(sha256);
      if (owner !== undefined) {
        const at = place(["consumers", consumer, "keys", index, "sha256"]);
        throw new KeyFileError([faultAt(`this key is ${owner}'s already`, at)]);
      }
      owners.set(sha256, consumer);
      keys.push({ consumer, hash: Buffer.from(sha256, "hex"), scopes, claims, expiresAt: expires });
    }
  }
  return keys;
}
