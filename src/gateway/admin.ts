import { type ActionOutcome, type Admin, type AdminOptions, startAdmin } from "#admin";
import type { Config } from "#config";
import type { Problem } from "#schema";
import { portError } from "./listeners.ts";

/** Opens the admin of a configuration. @throws StartError that names the port that stands in the way */
export async function openAdmin(
  { admin }: Config,
  shown: Omit<AdminOptions, "host" | "port" | "token">,
): Promise<Admin> {
  const { host, port } = admin;
  try {
    return await startAdmin({ ...shown, host, port, token: admin.auth?.token.reveal() });
  } catch (cause) {
    throw portError("admin", host, port, cause);
  }
}

/**
 * How a reload went that was asked for.
 *
 * @param refused what speaks against the configuration as it is now
 * @param refresh looks at the schema when nothing does; resolves to what is wrong with it
 */
export async function reloaded(
  refused: readonly Problem[],
  refresh: () => Promise<readonly Problem[]>,
): Promise<ActionOutcome> {
  const problems = refused.length === 0 ? await refresh() : refused;
  return { done: !problems.some(({ severity }) => severity === "error"), shown: { problems } };
}
