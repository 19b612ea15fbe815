// Random messages of random schemas, converted by our codec and by two other libraries. What is random depends on the seed
// alone, so that each run is the same, and a failure says how to run its case again. Environment variables:
//
// CODEC_FUZZ_SCHEMAS  how many schemas to try, each with a few messages; default 25. 2000 take some minutes.
// CODEC_FUZZ_SEED     an integer, default 1: another one tries other schemas.
// CODEC_FUZZ_SCHEMA   tries only the schema of this index, from 0.
import { createRequire } from "node:module";
import {
  type DescMessage,
  fromBinary,
  fromJsonString,
  type JsonValue,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import { type Codec, CodecError, createCodecs } from "#codec";
import { ways } from "./messages.ts";
import { createRandom, type Random } from "./random.ts";
import { randomMessage } from "./random-message.ts";
import { messageCount, type RandomSchema, randomSchema } from "./random-schema.ts";

const require = createRequire(import.meta.url);
require("protobufjs/ext/descriptor");
require("protobufjs/ext/protojson").install();

const { CODEC_FUZZ_SCHEMAS = "25", CODEC_FUZZ_SEED = "1", CODEC_FUZZ_SCHEMA } = process.env;
const seed = Number(CODEC_FUZZ_SEED);
const schemas =
  CODEC_FUZZ_SCHEMA === undefined
    ? [...Array(Number(CODEC_FUZZ_SCHEMAS)).keys()]
    : [Number(CODEC_FUZZ_SCHEMA)];
const messagesEach = 8;

/**
 * Where two JSON values differ, or undefined. Numbers are the same when they are the same float: the libraries print
 * floats as doubles.
 *
 * @param withinAny whether what an Any holds counts
 */
function difference(one: unknown, other: unknown, path = "$", withinAny = true): string | undefined {
  if (typeof one === "number" && typeof other === "number" && Math.fround(one) === Math.fround(other)) {
    return undefined;
  }
  if (one === null || other === null || typeof one !== "object" || typeof other !== "object") {
    return Object.is(one, other)
      ? undefined
      : `${path}: ${JSON.stringify(one)}, not ${JSON.stringify(other)}`;
  }
  if (!withinAny && Object.hasOwn(one, "@type") && Object.hasOwn(other, "@type")) return undefined;
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    // The library writes the host of a type's URL anew.
    if (key === "@type") continue;
    const below = `${path}.${key}`;
    if (!Object.hasOwn(one, key) || !Object.hasOwn(other, key)) return `${below} is in only one`;
    const found = difference(Reflect.get(one, key), Reflect.get(other, key), below, withinAny);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** JSON with the integers in quotes as doubles hold them. */
function rounded(text: string): unknown {
  return JSON.parse(text.replace(/"(-?\d+)"/g, (_, digits) => JSON.stringify(String(Number(digits)))));
}

function parse(json: Uint8Array): JsonValue {
  return JSON.parse(Buffer.from(json).toString());
}

function attempt<T>(run: () => T): T | Error {
  try {
    return run();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

test.each(ways)(
  "random messages convert as by the reference libraries, %s",
  { timeout: 600_000 },
  (_name, options) => {
    for (const index of schemas) {
      const random = createRandom(seed * 100003 + index);
      const schema = randomSchema(random);
      const codecs = createCodecs(schema.registry, options);
      const root = protobuf.Root.fromDescriptor(schema.image);
      for (let turn = 0; turn < messagesEach; turn++) {
        const type = schema.registry.getMessage(`fuzz.M${random.int(messageCount)}`);
        if (type === undefined) throw new Error("no such type");
        const note = `message ${turn} of a random schema`;
        try {
          checkMessage(random, type, codecs.message(type), schema, root.lookupType(type.typeName), note);
        } catch (error) {
          const again = `CODEC_FUZZ_SEED=${seed} CODEC_FUZZ_SCHEMA=${index} npx vitest run test/codec/fuzz.test.ts`;
          const why = error instanceof Error ? error.message : String(error);
          throw new Error(`seed ${seed}, schema ${index}, ${why}\nTo run this one again: ${again}`, {
            cause: error,
          });
        }
      }
    }
  },
);

function checkMessage(
  random: Random,
  type: DescMessage,
  codec: Codec,
  { registry, syntax }: RandomSchema,
  other: protobuf.Type,
  note: string,
): void {
  const first = randomMessage(random, type, registry);
  const wire = toBinary(type, first);
  const json = codec.toJson(wire);
  const text = Buffer.from(json).toString();

  // Printed: as protobuf-es and protobufjs print it, and read back by protobuf-es as the same message.
  expect(difference(parse(json), toJson(type, first, { registry })), `${note}: ${text}`).toBeUndefined();
  const again = attempt(() => fromJsonString(type, text, { registry }));
  if (again instanceof Error) throw new Error(`${note}: ${text}`, { cause: again });
  expect(
    difference(toJson(type, again, { registry }), toJson(type, first, { registry })),
    note,
  ).toBeUndefined();
  const printed = attempt(() => other.toJson(other.decode(wire)));
  // protobufjs loses fields named __proto__ and negative zeros, rounds wide integers, and does not know every feature of editions.
  if (!(printed instanceof Error) && syntax !== "editions" && !/__proto__|:-0[,}]/.test(text)) {
    expect(
      difference(rounded(text), rounded(JSON.stringify(printed))),
      `${note}, protobufjs: ${text} ${JSON.stringify(printed)}`,
    ).toBeUndefined();
  }

  // Read: the same message, from our text and from that of the library.
  for (const source of [text, JSON.stringify(toJson(type, first, { registry }), null, random.int(3))]) {
    const read = fromBinary(type, codec.fromJson(Buffer.from(source)));
    expect(
      difference(
        toJson(type, read, { registry }),
        toJson(type, fromJsonString(type, source, { registry }), { registry }),
      ),
      `${note}: ${source}`,
    ).toBeUndefined();
  }

  // In pieces: two messages after each other merge.
  const pieces = Buffer.concat([
    wire,
    toBinary(type, randomMessage(random, type, registry)),
    wire.subarray(0, 0),
  ]);
  const merged = attempt(() => toJson(type, fromBinary(type, pieces), { registry }));
  const ours = attempt(() => parse(codec.toJson(pieces)));
  // The library has no JSON for two Durations of opposite signs. Of an Any with the value of another type, it takes
  // fields by their numbers alone, whatever their wire types.
  if (!(merged instanceof Error))
    expect(difference(ours, merged, "$", false), `${note}: merged`).toBeUndefined();

  checkDamaged(random, type, codec, wire, json, registry, note);
}

/** Damaged input is refused by a CodecError, or gives a message. Damaged JSON means the same to the library. */
function checkDamaged(
  random: Random,
  type: DescMessage,
  codec: Codec,
  wire: Uint8Array,
  json: Uint8Array,
  registry: RandomSchema["registry"],
  note: string,
): void {
  for (let turn = 0; turn < 6; turn++) {
    const bytes = damaged(random, wire);
    const printed = attempt(() => Buffer.from(codec.toJson(bytes)).toString());
    if (printed instanceof Error) expect(printed, note).toBeInstanceOf(CodecError);
    else {
      const again = attempt(() => fromJsonString(type, printed, { registry }));
      // What the damage made an Any of no known type can be printed, but not read.
      const isGood = !(again instanceof Error) || again.message.includes("google.protobuf.Any");
      expect(isGood, `${note}: ${printed}: ${again}`).toBe(true);
    }

    const source = damaged(random, json);
    const read = attempt(() => codec.fromJson(source));
    if (read instanceof Error) {
      expect(read, note).toBeInstanceOf(CodecError);
      continue;
    }
    // What we take, any parser of JSON takes.
    expect(() => JSON.parse(Buffer.from(source).toString()), note).not.toThrow();
    const reference = attempt(() => fromJsonString(type, Buffer.from(source).toString(), { registry }));
    if (reference instanceof Error) continue;
    const ours = toJson(type, fromBinary(type, read), { registry });
    expect(
      difference(ours, toJson(type, reference, { registry })),
      `${note}: ${Buffer.from(source)}`,
    ).toBeUndefined();
  }
}

function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  if (copy.length === 0) return copy;
  for (let flips = 1 + random.int(2); flips > 0; flips--) copy[random.int(copy.length)] = random.int(256);
  return random.chance(0.2) ? copy.subarray(0, random.int(copy.length)) : copy;
}
