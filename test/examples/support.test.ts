import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { ChatLineKind, ChatRequestSchema, Support } from "#gen/shop/v1/support_pb";
import { callBidi, reader } from "./clients.ts";
import { useShop } from "./shop-under-test.ts";

const under = useShop("support");

test("participants at different replicas hear each other in one order", async () => {
  const [one, two] = under.both("support");
  const ann = callBidi(one, Support.method.chat);
  const hearAnn = reader(ann);
  ann.write(create(ChatRequestSchema, { room: "both", author: "Ann", text: "anybody?" }));
  expect(await hearAnn()).toMatchObject({ author: "Ann", text: "anybody?" });
  const bob = callBidi(two, Support.method.chat);
  const hearBob = reader(bob);
  bob.write(create(ChatRequestSchema, { room: "both", author: "Bob", history: 10 }));
  expect(await hearBob()).toMatchObject({ author: "Ann", text: "anybody?" });
  expect(await hearAnn()).toMatchObject({ kind: ChatLineKind.JOINED, author: "Bob" });
  bob.write(create(ChatRequestSchema, { text: "yes" }));
  const heard = await hearAnn();
  expect(heard).toMatchObject({ kind: ChatLineKind.MESSAGE, author: "Bob", text: "yes" });
  expect(await hearBob()).toEqual(heard);
  bob.end();
  expect(await hearBob()).toBeUndefined();
  expect(await hearAnn()).toMatchObject({ kind: ChatLineKind.LEFT, author: "Bob" });
  ann.cancel();
});

test("all that was said before the end of the requests is handed out before the end of the call", async () => {
  const [one] = under.both("support");
  const call = callBidi(one, Support.method.chat);
  const hear = reader(call);
  call.write(create(ChatRequestSchema, { room: "brief", text: "first" }));
  for (const text of ["second", "third"]) call.write(create(ChatRequestSchema, { text }));
  call.end();
  const heard = [await hear(), await hear(), await hear(), await hear()];
  expect(heard.map((line) => line?.text)).toEqual(["first", "second", "third", undefined]);
});

test("a talk without a room is refused, though more requests wait", async () => {
  const [one] = under.both("support");
  const call = callBidi(one, Support.method.chat);
  for (const text of ["one", "two"]) call.write(create(ChatRequestSchema, { text }));
  await expect(reader(call)()).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: "room: is required",
  });
});
