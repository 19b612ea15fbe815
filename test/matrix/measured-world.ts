import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { stringify } from "yaml";
import { tempFolder } from "../support/temp-folder.ts";
import type { World } from "./stage.ts";
import { startUpstream } from "./upstream.ts";
import { type Gate, gateTo } from "./wire.ts";
import { matrixConfig, matrixProto, serviceNames } from "./world.ts";

/** What the process of a gateway holds, after garbage collection. */
export interface Held {
  /** The heap, and what it keeps outside of it. */
  readonly bytes: number;
  /** How many of each type of handle and request: sockets, timers, ... */
  readonly resources: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
}

/** How many objects there are of each kind that calls make, beside. */
export interface HeldObjects extends Held {
  readonly objects: {
    /** Sockets, servers, WebSockets. */
    readonly EventEmitter: number;
    /** Those that keep no process alive included. */
    readonly Timeout: number;
    /** Every listener is one. */
    readonly Function: number;
  };
}

/** The matrix' gateway in a process of its own, that tells what it holds. */
export interface MeasuredWorld extends World, AsyncDisposable {
  held(): Promise<Held>;
  /** Looks at the whole heap, which takes seconds. */
  heldObjects(): Promise<HeldObjects>;
  /** What a gauge or counter of its metrics says, summed over its labels; 0 when there is none. */
  metric(name: string): Promise<number>;
  /** The same way by connections of its own. */
  newGate(): Gate;
}

export async function startMeasuredWorld(): Promise<MeasuredWorld> {
  const upstream = await startUpstream(serviceNames);
  const folder = await tempFolder({
    "proto/matrix.proto": matrixProto(),
    "jwks.json": JSON.stringify({ keys: [] }),
  });
  const config = {
    version: 1,
    listen: { https: { host: "127.0.0.1", port: 0 }, http: { mode: "off" } },
    admin: { port: 0 },
    schema: [{ proto: "./proto" }],
    telemetry: { accessLog: "off" },
  };
  const more = matrixConfig(upstream, "jwks.json");
  const text = stringify({ ...config, ...more, listen: { ...config.listen, ...more.listen } });
  await folder.write("gateway.yaml", text);
  const file = path.join(folder.dir, "gateway.yaml");
  const root = path.resolve(import.meta.dirname, "../..");
  const child = fork(
    path.join(import.meta.dirname, "gateway-process.js"),
    [file, path.join(root, ".dragoman/test")],
    { cwd: root, execArgv: ["--expose-gc"] },
  );
  const [opened] = (await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => Promise.reject(new Error("the gateway did not start"))),
  ])) as [{ httpsPort: number; adminPort: number; caPath: string }];
  const newGate = () => gateTo(`https://localhost:${opened.httpsPort}`, readFileSync(opened.caPath));
  const gate = newGate();
  return {
    gate,
    newGate,
    upstream,
    token: "",
    async held() {
      child.send("held");
      const [answer] = await once(child, "message");
      return answer as Held;
    },
    async heldObjects() {
      child.send("objects");
      const [answer] = await once(child, "message");
      return answer as HeldObjects;
    },
    async metric(name) {
      const answer = await textOf(`http://127.0.0.1:${opened.adminPort}/metrics`);
      const lines = answer.split("\n").filter((each) => /^\w+/.exec(each)?.[0] === name);
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
    async [Symbol.asyncDispose]() {
      gate[Symbol.dispose]();
      const exited = once(child, "exit");
      child.disconnect();
      await exited;
      await upstream[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Over a connection that is closed afterwards, so that it is not counted among what the gateway holds. */
function textOf(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent: false }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve(Buffer.concat(chunks).toString());
    });
    request.on("error", reject);
  });
}
