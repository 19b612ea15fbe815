import { availableParallelism } from "node:os";
import type { Config } from "#config";

/** How many processes serve. */
export function workerCount({ workers }: Config): number {
  return workers === "auto" ? availableParallelism() : workers;
}
