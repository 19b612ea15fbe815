import { type Fields, field } from "./fields.ts";

/** Makes the fields of an answer those that go out: what every answer has is added, and what none may have is left out. */
export interface CompleteFields {
  (fields: Fields): string[];
  /**
   * What is only to be sent behind these fields to complete them, for who can do so without a list of all: each time the same
   * list. Undefined for fields that have to change.
   */
  behind(fields: Fields): Fields | undefined;
}

const mostKept = 64;

/**
 * @param added name, value, name, value; each where the answer has none of that name
 * @param removed names, whoever has set them
 */
export function completing(added: Fields, removed: readonly string[]): CompleteFields {
  const drops = new Set(removed);
  const adds = new Set(added.filter((_, i) => i % 2 === 0));
  /** Names of the last fields that stayed, by their places: answers have mostly the same names in the same order. */
  const kept: string[] = [];
  const stays = (name: string, place: number): boolean => {
    if (kept[place] === name) return true;
    if (drops.has(name) || adds.has(name)) return false;
    if (place <= kept.length && place < mostKept) kept[place] = name;
    return true;
  };
  const behind = (fields: Fields): Fields | undefined => {
    for (let i = 0; i < fields.length; i += 2) if (!stays(fields[i] as string, i >> 1)) return undefined;
    return added;
  };
  const complete = (fields: Fields): string[] => {
    const more = behind(fields);
    // One that is copied at once has just the room that it needs.
    if (more !== undefined) return fields.concat(more);
    const all: string[] = [];
    for (let i = 0; i < fields.length; i += 2)
      if (!drops.has(fields[i] as string)) all.push(fields[i] as string, fields[i + 1] as string);
    for (let i = 0; i < added.length; i += 2)
      if (field(all, added[i] as string) === undefined) all.push(added[i] as string, added[i + 1] as string);
    return all;
  };
  return Object.assign(complete, { behind });
}
