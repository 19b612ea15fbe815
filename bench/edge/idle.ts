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

/** Resolves when the process does as little in a second as in the one before: what it does all the time is left. */
async function settled(subject: Subject): Promise<void> {
  let before = subject.cpu();
  let last = Number.NaN;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = subject.cpu();
    const used = now - before;
    if (Math.abs(used - last) < 0.03) return;
    before = now;
    last = used;
  }
}
