import { createHash } from "node:crypto";

/** A Lua script that the store runs as one step. */
export interface Script {
  readonly text: string;
  /** SHA-1, in hexadecimal, as the store names scripts that it knows. */
  readonly digest: string;
}

export function script(text: string): Script {
  return { text, digest: createHash("sha1").update(text).digest("hex") };
}
