import { type Fields, field } from "./fields.ts";

/** Makes the fields of an answer those that go out: what every answer has is added, and what none may have is left out. */
export type CompleteFields = (fields: Fields) => string[];

/**
 * @param added name, value, name, value; each where the answer has none of that name
 * @param removed names, whoever has set them
 */
export function completing(added: Fields, removed: readonly string[]): CompleteFields {
  const drops = new Set(removed);
  return (fields) => {
    let all: string[];
    if (drops.size === 0) all = fields.slice();
    else {
      all = [];
      for (let i = 0; i < fields.length; i += 2)
        if (!drops.has(fields[i] as string)) all.push(fields[i] as string, fields[i + 1] as string);
    }
    for (let i = 0; i < added.length; i += 2)
      if (field(all, added[i] as string) === undefined) all.push(added[i] as string, added[i + 1] as string);
    return all;
  };
}
