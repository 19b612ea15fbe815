import cluster from "node:cluster";
import type { ToWorker } from "./messages.ts";
import type { PrimaryLink } from "./worker.ts";

/** The way to the process that started this one as a worker; undefined for any other. */
export function primaryLink(): PrimaryLink | undefined {
  const { worker } = cluster;
  if (worker === undefined) return undefined;
  return {
    send: (message) =>
      new Promise((resolve) => {
        // The primary may be gone, which ends this process too.
        if (worker.isConnected()) worker.send(message, () => resolve());
        else resolve();
      }),
    onMessage: (listener) => void worker.on("message", (message: ToWorker) => listener(message)),
    close: () => void worker.disconnect(),
  };
}
