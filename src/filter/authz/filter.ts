import { Code, type Filter, guard, RpcError } from "#rpc";

/** Lets a caller pass who has all of the scopes. Runs after authentication. */
export function scopesFilter(required: readonly string[]): Filter {
  return guard((call) => {
    const has = call.context.principal?.scopes ?? [];
    const missing = required.filter((scope) => !has.includes(scope));
    if (missing.length > 0) throw denied(missing, required);
  });
}

function denied(missing: readonly string[], required: readonly string[]): RpcError {
  return new RpcError(Code.PERMISSION_DENIED, `the caller lacks the scope ${missing.join(", ")}`, {
    reason: "scope_missing",
    challenge: `Bearer error="insufficient_scope", scope="${required.join(" ")}"`,
  });
}
