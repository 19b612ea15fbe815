// A gateway in a process of its own, so that what it holds is told from what clients and upstreams hold. Run with
// --expose-gc and a configuration file; says over IPC where it listens, and answers every message with what it holds: counted
// by kinds of objects, too, when the message is "objects".
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import v8 from "node:v8";
import { parseConfig } from "#config";
import { startGateway } from "#gateway";
import { formatProblem } from "#schema";

const [file = "", stateDir = ""] = process.argv.slice(2);
const loaded = parseConfig(readFileSync(file, "utf8"), { file: path.resolve(file), env: {} });
if (loaded.config === undefined) throw new Error(loaded.problems.map(formatProblem).join("\n"));
const warnings = [];
process.on("warning", ({ name, message }) => {
  if (name !== "ExperimentalWarning") warnings.push(`${name}: ${message}`);
});
const gateway = await startGateway(loaded.config, {
  stateDir,
  sink: { write: () => {}, writeOctets: () => {} },
});

const counted = {
  // Sockets, servers, WebSockets.
  EventEmitter,
  // Those that keep no process alive are no resource that Node tells of.
  Timeout: setTimeout(() => {}, 0).constructor,
  // Every listener is one.
  Function,
};

/** How many there are of each kind of object that a call makes. Looking at the whole heap for it takes seconds. */
function objects() {
  const counts = Object.entries(counted).map(([name, made]) => [name, v8.queryObjects(made)]);
  return { objects: Object.fromEntries(counts) };
}

async function held() {
  // What is let go of within a turn of the loop counts no more.
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    globalThis.gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  const resources = {};
  for (const type of process.getActiveResourcesInfo()) resources[type] = (resources[type] ?? 0) + 1;
  return { bytes: heapUsed + external, heapUsed, external, resources, warnings };
}

process.on("message", async (wanted) =>
  process.send({ ...(await held()), ...(wanted === "objects" ? objects() : {}) }),
);
process.on("disconnect", () => void gateway.close(0).then(() => process.exit()));
process.send({ httpsPort: gateway.httpsPort, adminPort: gateway.adminPort, caPath: gateway.caPath });
