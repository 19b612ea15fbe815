import { spawn, spawnSync } from "node:child_process";
import net, { type AddressInfo, type Server, type Socket } from "node:net";
import path from "node:path";
import tls from "node:tls";
import { Redis } from "ioredis";
import { tempFolder } from "./temp-folder.ts";
import { until } from "./until.ts";

/** Whether there is a redis-server to test with. */
export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

/** For the names of tests that are skipped without it. */
export const needsRedis = hasRedis ? "" : " (skipped: apt-get install redis-server)";

/** A real redis-server, and the way to it, which can be held up and cut. */
export interface TestRedis extends AsyncDisposable {
  readonly url: string;
  /** To look at it, by another way. */
  readonly client: Redis;
  /** Connections over the way that are open. */
  readonly connections: number;
  /** Nothing gets through, either way, and nobody is told. */
  hold(): void;
  release(): void;
  /** Ends every connection, and refuses new ones until it is mended. */
  cut(): Promise<void>;
  mend(): Promise<void>;
}

export interface TestRedisOptions {
  readonly args?: readonly string[];
  /** The way is by TLS. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
}

/** Starts a server that listens on a Unix socket alone, so that it needs no port; the way to it has one of the system's choice. */
export async function startRedis({ args = [], tls: secure }: TestRedisOptions = {}): Promise<TestRedis> {
  const folder = await tempFolder();
  const socketPath = path.join(folder.dir, "redis.sock");
  const base = [
    "--port",
    "0",
    "--unixsocket",
    socketPath,
    "--save",
    "",
    "--appendonly",
    "no",
    "--dir",
    folder.dir,
  ];
  const child = spawn("redis-server", [...base, ...args], { stdio: "ignore" });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const client = new Redis(socketPath, { retryStrategy: () => 20, maxRetriesPerRequest: null });
  client.on("error", () => {});
  const stop = async (): Promise<void> => {
    client.disconnect();
    child.kill("SIGKILL");
    await exited;
    await folder[Symbol.asyncDispose]();
  };
  try {
    await until("redis answers", () => client.status === "ready");
  } catch (error) {
    await stop();
    throw error;
  }

  const pairs = new Set<readonly [Socket, Socket]>();
  let held = false;
  const onConnection = (near: Socket): void => {
    const far = net.connect(socketPath);
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.once("close", () => {
        pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
    near.on("data", (chunk) => far.write(chunk));
    far.on("data", (chunk) => near.write(chunk));
    if (held) for (const socket of pair) socket.pause();
  };
  const way: Server =
    secure === undefined ? net.createServer(onConnection) : tls.createServer(secure, onConnection);
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      way.once("error", reject);
      way.listen(port, "127.0.0.1", resolve);
    });
  await listen(0);
  const { port } = way.address() as AddressInfo;
  const cut = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => way.close(() => resolve()));
    for (const pair of pairs) for (const socket of pair) socket.destroy();
    await closed;
  };
  return {
    url: `${secure === undefined ? "redis" : "rediss"}://127.0.0.1:${port}`,
    client,
    get connections() {
      return pairs.size;
    },
    hold() {
      held = true;
      for (const pair of pairs) for (const socket of pair) socket.pause();
    },
    release() {
      held = false;
      for (const pair of pairs) for (const socket of pair) socket.resume();
    },
    cut,
    mend: () => listen(port),
    async [Symbol.asyncDispose]() {
      if (way.listening) await cut();
      await stop();
    },
  };
}
