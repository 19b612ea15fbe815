import path from "node:path";
import { startMeasured } from "../load/processes.ts";
import type { Subject } from "./proxies.ts";

/** Opened before anything is measured, so that what the first ones make is not counted. */
const warmUp = 500;

/** Bytes of memory that a server takes for each idle connection of HTTP/2 over TLS. */
export async function idleBytes(subject: Subject, count: number): Promise<number> {
  const client = (connections: number) =>
    startMeasured(
      [path.join(import.meta.dirname, "idle-client.js"), subject.url, String(connections)],
      /open/,
      1,
    );
  const first = await client(warmUp);
  await settled(subject);
  const before = subject.rss();
  const others = await client(count);
  await settled(subject);
  const bytes = (subject.rss() - before) / count;
  await others.stop();
  await first.stop();
  return bytes;
}

/** Resolves when the process has had nothing to do for a while. */
async function settled(subject: Subject): Promise<void> {
  let before = Number.NaN;
  for (;;) {
    const now = subject.cpu();
    if (now - before < 0.02) return;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
