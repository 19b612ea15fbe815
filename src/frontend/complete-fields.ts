import { type Fields, field } from "./fields.ts";

/** Makes the fields of an answer those that go out: what every answer has is added, and what none may have is left out. */
export type CompleteFields = (fields: Fields) => string[];

const mostKept = 64;

/**
 * @param added name, value, name, value; each where the answer has none of that name
 * @param removed names, whoever has set them
 */
export function completing(added: Fields, removed: readonly string[]): CompleteFields {
  const drops = new Set(removed);
  /** Names of the last fields that stayed, by their places: answers have mostly the same names in the same order. */
  const kept: string[] = [];
  const isDropped = (name: string, place: number): boolean => {
    if (kept[place] === name) return false;
    if (drops.has(name)) return true;
    if (place <= kept.length && place < mostKept) kept[place] = name;
    return false;
  };
  const dropsAny = (fields: Fields): boolean => {
    if (drops.size === 0) return false;
    for (let i = 0; i < fields.length; i += 2) if (isDropped(fields[i] as string, i >> 1)) return true;
    return false;
  };
  return (fields) => {
    // One that is copied at once has just the room that it needs.
    if (!hasAny(fields, added) && !dropsAny(fields)) return fields.concat(added);
    const all: string[] = [];
    for (let i = 0; i < fields.length; i += 2)
      if (!drops.has(fields[i] as string)) all.push(fields[i] as string, fields[i + 1] as string);
    for (let i = 0; i < added.length; i += 2)
      if (field(all, added[i] as string) === undefined) all.push(added[i] as string, added[i + 1] as string);
    return all;
  };
}

/** Whether some name of the one is among those of the other. */
function hasAny(fields: Fields, names: Fields): boolean {
  for (let i = 0; i < names.length; i += 2) if (field(fields, names[i] as string) !== undefined) return true;
  return false;
}
