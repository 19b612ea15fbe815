import { execFileSync } from "node:child_process";
import path from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { createCodecs } from "#codec";
import { createRandom } from "./random.ts";
import { randomMessage } from "./random-message.ts";
import { messageCount, randomSchema } from "./random-schema.ts";

test.each([1, 2, 3])("where code may not be made of strings, results are the same (seed %i)", (seed) => {
  const random = createRandom(seed);
  const { registry, image } = randomSchema(random);
  const typeOf = (name: string) => {
    const type = registry.getMessage(name);
    if (type === undefined) throw new Error(name);
    return type;
  };
  const messages = Array.from({ length: 40 }, () => {
    const name = `fuzz.M${random.int(messageCount)}`;
    const message = randomMessage(random, typeOf(name), registry);
    return [name, Buffer.from(toBinary(typeOf(name), message)).toString("base64")] as const;
  });
  const printed = execFileSync(
    process.execPath,
    ["--disallow-code-generation-from-strings", path.join(import.meta.dirname, "convert.js")],
    {
      input: JSON.stringify({
        image: Buffer.from(image).toString("base64"),
        messages,
      }),
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    },
  );
  const child: { generates: boolean; results: unknown } = JSON.parse(printed);
  expect(child.generates).toBe(false);
  const codecs = createCodecs(registry, { compile: "at first" });
  const expected = messages.map(([name, wire]) => {
    const codec = codecs.message(typeOf(name));
    const json = Buffer.from(codec.toJson(Buffer.from(wire, "base64")));
    return [json.toString(), Buffer.from(codec.fromJson(json)).toString("base64")];
  });
  expect(child.results).toEqual(expected);
});
