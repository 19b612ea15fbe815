import { type CelEnv, CelScalar, type CelType, celEnv, mapType } from "@bufbuild/cel";
import { createRegistry, type DescEnum, type DescMessage, type Registry } from "@bufbuild/protobuf";
import { bounded } from "./budget.ts";
import { patterns } from "./patterns.ts";
import { variables } from "./variables.ts";

const { DYN, STRING } = CelScalar;
const record = mapType(STRING, DYN);

/** The variables as the library is told of them. */
const declared = {
  caller: record,
  method: record,
  peer: record,
  request: record,
  path: STRING,
  input: DYN,
} as const satisfies Readonly<Record<string, CelType>>;

export type Environment = CelEnv<typeof declared>;

let plain: Environment | undefined;
const byInput = new WeakMap<DescMessage, Environment>();

/** Where expressions are evaluated that may name the types within a message; within none for those without input. */
export function environment(input: DescMessage | undefined): Environment {
  if (input === undefined) {
    plain ??= celEnv({ variables: declared, funcs: [bounded], re2: patterns });
    return plain;
  }
  let own = byInput.get(input);
  if (own === undefined) {
    own = celEnv({ variables: declared, funcs: [bounded], re2: patterns, registry: typesWithin(input) });
    byInput.set(input, own);
  }
  return own;
}

/** Messages and enums that a message can hold, less those whose names would hide a variable. */
function typesWithin(root: DescMessage): Registry {
  const seen = new Set<DescMessage | DescEnum>();
  const waiting: DescMessage[] = [root];
  for (let desc = waiting.pop(); desc !== undefined; desc = waiting.pop()) {
    if (seen.has(desc)) continue;
    seen.add(desc);
    for (const field of desc.fields) {
      if (field.message !== undefined) waiting.push(field.message);
      if (field.enum !== undefined) seen.add(field.enum);
    }
  }
  const hides = (name: string): boolean => {
    const [first = ""] = name.split(".");
    return first === "input" || variables.has(first);
  };
  return createRegistry(...[...seen].filter(({ typeName }) => !hides(typeName)));
}
