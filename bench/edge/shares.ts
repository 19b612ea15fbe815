import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";

/** What part of a processor each process gets. */
const share = 0.25;
/** Short, so that nobody waits long for a turn; in microseconds. */
const periodMicros = 10_000;

const root = "/sys/fs/cgroup";

/**
 * Holds each process to a quarter of a processor by a control group of its own (Linux, for root). Returns what gives them free, once they
 * have ended; undefined where that cannot be.
 */
export function holdToShares(pids: readonly number[]): (() => void) | undefined {
  const made: string[] = [];
  const free = (): void => {
    for (const folder of made) rmdirSync(folder);
  };
  try {
    for (const pid of pids) {
      const isOld = existsSync(path.join(root, "cpu"));
      const folder = path.join(root, isOld ? "cpu" : "", `dragoman-bench-${pid}`);
      mkdirSync(folder);
      made.push(folder);
      const quota = String(periodMicros * share);
      if (isOld) {
        writeFileSync(path.join(folder, "cpu.cfs_period_us"), String(periodMicros));
        writeFileSync(path.join(folder, "cpu.cfs_quota_us"), quota);
      } else writeFileSync(path.join(folder, "cpu.max"), `${quota} ${periodMicros}`);
      writeFileSync(path.join(folder, "cgroup.procs"), String(pid));
    }
    return free;
  } catch {
    return undefined;
  }
}
