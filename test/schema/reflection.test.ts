import { expect, test } from "vitest";
import { compileSchema } from "../../src/schema/compile.ts";
import { loadSchema } from "../../src/schema/index.ts";
import { loadByReflection } from "../../src/schema/reflection.ts";
import { compiled, service } from "./support/compiled.ts";
import { answersFrom, reflectingServer, type Version } from "./support/reflecting-server.ts";

const sources = {
  "shop/orders.proto": `syntax = "proto3";
package shop;
import "google/api/annotations.proto";
import "shop/item.proto";
service Orders {
  rpc Get(Item) returns (Item) { option (google.api.http) = { get: "/v1/{id}" }; }
}
`,
  "shop/item.proto": 'syntax = "proto3";\npackage shop;\nmessage Item { string id = 1; }\n',
};
const { files } = await compiled(sources);
const descriptors = new Map(files.map(({ name, bytes }) => [name, bytes]));
const services = {
  "shop.Orders": "shop/orders.proto",
  "grpc.reflection.v1.ServerReflection": "grpc/reflection/v1/reflection.proto",
  "grpc.health.v1.Health": "grpc/health/v1/health.proto",
};

const without = (...names: string[]) => new Map([...descriptors].filter(([name]) => !names.includes(name)));

test.each<{ versions: Version[]; asked: Version }>([
  { versions: ["v1", "v1alpha"], asked: "v1" },
  { versions: ["v1"], asked: "v1" },
  { versions: ["v1alpha"], asked: "v1alpha" },
])("a server that offers $versions is asked in $asked", async ({ versions, asked }) => {
  await using server = await reflectingServer(versions, answersFrom(services, descriptors));
  const { schema, problems } = await loadSchema(
    [{ kind: "reflection", upstream: "orders" }],
    () => server.stream,
  );
  expect(problems).toEqual([]);
  expect([...(schema?.methods.keys() ?? [])]).toEqual(["shop.Orders/Get"]);
  expect(schema?.methods.get("shop.Orders/Get")?.idempotent).toBe(true);
  expect(schema?.registry.getMessage("shop.Item")?.fields).toHaveLength(1);
  expect(new Set(server.asked)).toEqual(new Set([asked]));
});

test("the usual imports that a server does not know are filled in", async () => {
  const known = without("google/api/annotations.proto", "google/api/http.proto");
  await using server = await reflectingServer(["v1"], answersFrom(services, known));
  const { problems, schema } = compileSchema([await loadByReflection("orders", server.stream)]);
  expect(problems).toEqual([]);
  expect(schema?.methods.size).toBe(1);
});

test("another import that it does not know is named", async () => {
  await using server = await reflectingServer(["v1"], answersFrom(services, without("shop/item.proto")));
  const { problems, schema } = compileSchema([await loadByReflection("orders", server.stream)]);
  expect(schema).toBeUndefined();
  expect(problems[0]?.message).toBe(
    "shop/orders.proto imports shop/item.proto, which reflection of orders does not have",
  );
});

test("a service of which it knows no file is left out with a warning", async () => {
  await using server = await reflectingServer(
    ["v1"],
    answersFrom({ ...services, "shop.Lost": "x" }, descriptors),
  );
  const { problems, schema } = compileSchema([await loadByReflection("orders", server.stream)]);
  expect([...(schema?.methods.keys() ?? [])]).toEqual(["shop.Orders/Get"]);
  expect(problems).toMatchObject([{ severity: "warning", message: expect.stringContaining("shop.Lost") }]);
});

test("a server without reflection", async () => {
  await using server = await reflectingServer([], undefined);
  const { problems } = await loadByReflection("orders", server.stream);
  expect(problems[0]?.message).toBe("reflection of orders: the upstream does not offer server reflection");
});

test.each([
  [
    "another kind of answer",
    answersFrom({}, new Map())({ case: "fileByFilename", value: "x" }),
    "list its services",
  ],
  [
    "an answer to another question",
    {
      case: "fileDescriptorResponse" as const,
      value: {
        $typeName: "grpc.reflection.v1.FileDescriptorResponse" as const,
        fileDescriptorProto: [new Uint8Array([1])],
      },
    },
    "list its services",
  ],
])("%s is a problem", async (_, answer, said) => {
  await using server = await reflectingServer(["v1"], () => answer);
  const { problems } = await loadByReflection("orders", server.stream);
  expect(problems).toMatchObject([{ severity: "error", message: expect.stringContaining(said) }]);
});

test("a descriptor that is none is a problem", async () => {
  const broken = new Map([["shop/orders.proto", new Uint8Array([0x0a, 0x7f, 1])]]);
  await using server = await reflectingServer(["v1"], answersFrom(services, broken));
  const { problems } = await loadByReflection("orders", server.stream);
  expect(problems[0]?.message).toBe("reflection of orders: it sent what is no file descriptor");
});

test("nobody there", async () => {
  const server = await reflectingServer(["v1"], answersFrom(services, descriptors));
  await server[Symbol.asyncDispose]();
  const { problems } = await loadByReflection("orders", server.stream);
  expect(problems[0]?.message).toBe("reflection of orders: the upstream did not answer");
});

test("a silent server is given up with the signal, even by a stream that pays no heed to it", async () => {
  const abort = new AbortController();
  const asked = loadByReflection(
    "orders",
    () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }),
    abort.signal,
  );
  abort.abort();
  expect((await asked).problems).toHaveLength(1);
});

test("offline it is not asked, and that is no error", async () => {
  const folder = await compiled({ "a.proto": service("a.A") });
  expect(folder.problems).toEqual([]);
  const { schema, problems } = await loadSchema([{ kind: "reflection", upstream: "orders" }], undefined);
  expect(schema?.methods.size).toBe(0);
  expect(problems).toMatchObject([{ severity: "warning" }]);
});
