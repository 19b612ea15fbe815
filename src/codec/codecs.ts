import type { DescField, DescMessage, Registry } from "@bufbuild/protobuf";
import type { Codec, CodecOptions, Codecs, FieldCodec } from "./codec.ts";
import { fieldCodec } from "./field-codec.ts";
import { canGenerate, generate, generateInUse } from "./generate.ts";
import { interpret } from "./interpret.ts";
import { createPlans } from "./plans.ts";
import { jsonReader, wireReader } from "./run.ts";
import { isWellKnown, wellKnown } from "./well-known.ts";

/**
 * Codecs for the types of one snapshot. Each type is prepared when its first message arrives: compiled to code, or, where
 * the platform forbids to make code of strings, walked as data.
 */
export function createCodecs(registry: Registry, options: CodecOptions = {}): Codecs {
  const messages = new Map<DescMessage, Codec>();
  const fields = new Map<DescField, FieldCodec>();
  const implement = implementation(options.compile ?? "in use");
  const plans = createPlans(
    registry,
    options,
    (plan, all) => (plan.special ? wellKnown(plan, all) : undefined) ?? implement(plan),
    isWellKnown,
  );
  return {
    message: (type) =>
      memo(messages, type, () => {
        const plan = plans.message(type);
        return {
          type,
          toJson: wireReader(plan),
          fromJson: jsonReader(type, (pos, at) => plan.fromJson(pos, at, 1)),
        };
      }),
    field: (field) => memo(fields, field, () => fieldCodec(field, plans)),
  };
}

function implementation(compile: NonNullable<CodecOptions["compile"]>): typeof interpret {
  if (compile === "never" || !canGenerate()) return interpret;
  return compile === "at first" ? generate : generateInUse;
}

function memo<K, V>(cache: Map<K, V>, key: K, make: () => V): V {
  let value = cache.get(key);
  if (value === undefined) {
    value = make();
    cache.set(key, value);
  }
  return value;
}
