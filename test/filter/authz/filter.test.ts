import { expect, test } from "vitest";
import { scopesFilter } from "#filter/authz";
import { Code } from "#rpc";
import { failure, makeCall, unaryReply } from "../support/call.ts";

const cases: readonly {
  readonly name: string;
  readonly required: readonly string[];
  readonly has: readonly string[];
  readonly missing?: string;
}[] = [
  { name: "the scope that is demanded", required: ["orders.read"], has: ["orders.read"] },
  { name: "more than is demanded", required: ["b"], has: ["a", "b", "c"] },
  { name: "all of several, in any order", required: ["a", "b"], has: ["b", "a"] },
  { name: "one of several is not enough", required: ["a", "b"], has: ["a"], missing: "b" },
  { name: "none", required: ["a", "b"], has: [], missing: "a, b" },
  { name: "a longer name is another scope", required: ["orders"], has: ["orders.read"], missing: "orders" },
  {
    name: "a shorter one too",
    required: ["orders.read"],
    has: ["orders", "read"],
    missing: "orders.read",
  },
  { name: "case matters", required: ["Orders"], has: ["orders"], missing: "Orders" },
  { name: "a name that every object has", required: ["toString"], has: [], missing: "toString" },
];

test.each(cases)("$name", async ({ required, has, missing }) => {
  let calls = 0;
  const handle = scopesFilter(required)(async () => {
    calls++;
    return unaryReply();
  });
  const outcome = handle(makeCall({ subject: "ann", scopes: has }));
  if (missing === undefined) {
    await outcome;
    expect(calls).toBe(1);
    return;
  }
  expect(await failure(outcome)).toMatchObject({
    code: Code.PERMISSION_DENIED,
    reason: "scope_missing",
    message: `the caller lacks the scope ${missing}`,
    challenge: `Bearer error="insufficient_scope", scope="${required.join(" ")}"`,
  });
  expect(calls).toBe(0);
});

test("who was never authenticated has no scopes", async () => {
  const handle = scopesFilter(["a"])(async () => unaryReply());
  expect(await failure(handle(makeCall()))).toMatchObject({ code: Code.PERMISSION_DENIED });
});
