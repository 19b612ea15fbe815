// A gateway in a process of its own, so that what it holds is told from what clients and upstreams hold. Run with
// --expose-gc and a configuration file; says over IPC where it listens, and answers every message with what it holds.
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseConfig } from "#config";
import { startGateway } from "#gateway";
import { formatProblem } from "#schema";

const [file = "", stateDir = ""] = process.argv.slice(2);
const loaded = parseConfig(readFileSync(file, "utf8"), { file: path.resolve(file), env: {} });
if (loaded.config === undefined) throw new Error(loaded.problems.map(formatProblem).join("\n"));
const warnings = [];
process.on("warning", (warning) => warnings.push(`${warning.name}: ${warning.message}`));
const gateway = await startGateway(loaded.config, { stateDir, sink: { write: () => {} } });

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

process.on("message", () => void held().then((answer) => process.send(answer)));
process.on("disconnect", () => void gateway.close(0).then(() => process.exit()));
process.send({ httpsPort: gateway.httpsPort, adminPort: gateway.adminPort, caPath: gateway.caPath });
