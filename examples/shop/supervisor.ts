import path from "node:path";
import { packageRoot } from "./package-root.ts";
import { ReplicaGroup } from "./replication/group.ts";
import type { FromReplica } from "./replication/messages.ts";
import { type Incarnation, ReplicaProcess } from "./replication/replica-process.ts";
import { type ShopService, shopServices } from "./services.ts";

export interface ShopOptions {
  /** Which services to run: all by default. Orders brings the catalog with it, whose prices it asks for. */
  readonly services?: readonly ShopService[];
  /** Hears, line by line, what the replicas print and when one is started again. */
  readonly onLog?: (line: string) => void;
}

export interface Replica {
  readonly service: ShopService;
  /** Such as `catalog-1`. */
  readonly name: string;
  /** Undefined for the moment between a death and the next start. */
  readonly pid: number | undefined;
  /** `host:port`; the same for as long as the shop runs. */
  readonly address: string;
}

/** A running shop. */
export interface Shop {
  /** The addresses of each service, as `host:port`; empty for one that does not run. */
  readonly upstreams: Readonly<Record<ShopService, readonly string[]>>;
  replicas(): readonly Replica[];
  /** Ends all replicas; resolves when they are gone. */
  close(): Promise<void>;
}

const replicasPerService = 2;
const startMs = 30_000;
const closeMs = 8000;

/** The program of a replica: built JavaScript, also when this file runs from its source. */
const program = import.meta.filename.endsWith(".ts")
  ? path.join(packageRoot, "dist/examples/shop/server.js")
  : path.join(import.meta.dirname, "server.js");

/** Starts two replicas of each service, in processes of their own. Resolves when all of them serve. */
export async function startShop(options: ShopOptions = {}): Promise<Shop> {
  const wanted = new Set(options.services ?? shopServices);
  if (wanted.has("orders")) wanted.add("catalog");
  const log = options.onLog ?? (() => {});
  const catalog = wanted.has("catalog")
    ? new ServiceSupervisor("catalog", Promise.resolve([]), log)
    : undefined;
  const addresses = catalog?.serving ?? Promise.resolve([]);
  const others = [...wanted].filter((service) => service !== "catalog");
  const running = others.map((service) => new ServiceSupervisor(service, addresses, log));
  if (catalog !== undefined) running.unshift(catalog);
  const close = async (): Promise<void> => {
    await Promise.all(running.map((service) => service.close()));
  };
  try {
    await withDeadline(Promise.all(running.map(({ serving }) => serving)));
  } catch (error) {
    await close();
    throw error;
  }
  const of = (service: ShopService) => running.find(({ name }) => name === service)?.addresses ?? [];
  const upstreams = {
    catalog: of("catalog"),
    inventory: of("inventory"),
    orders: of("orders"),
    support: of("support"),
  };
  return { upstreams, replicas: () => running.flatMap((service) => service.replicas()), close };
}

async function withDeadline<T>(started: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the shop did not start within 30 s")), startMs);
  });
  try {
    return await Promise.race([started, late]);
  } finally {
    clearTimeout(timer);
  }
}

interface Slot {
  readonly process: ReplicaProcess;
  /** 0 until the first process has chosen one. */
  port: number;
}

/** The replicas of one service. */
class ServiceSupervisor {
  readonly name: ShopService;
  /** The addresses, as soon as all replicas serve. */
  readonly serving: Promise<readonly string[]>;
  readonly #catalog: Promise<readonly string[]>;
  readonly #group = new ReplicaGroup();
  readonly #members = new Map<Incarnation, { send: Incarnation["send"]; kill(): void }>();
  readonly #slots: readonly Slot[];
  #serves: (addresses: readonly string[]) => void = () => {};

  constructor(name: ShopService, catalog: Promise<readonly string[]>, log: (line: string) => void) {
    this.name = name;
    this.#catalog = catalog;
    this.serving = new Promise((resolve) => {
      this.#serves = resolve;
    });
    this.#slots = Array.from({ length: replicasPerService }, (_, index) => {
      const replica = `${name}-${index + 1}`;
      const process = new ReplicaProcess(replica, program, [name, replica], {
        message: (message, incarnation) => void this.#receive(index, incarnation, message),
        exit: (incarnation) => this.#forget(incarnation),
        log,
      });
      return { process, port: 0 };
    });
  }

  get addresses(): readonly string[] {
    return this.#slots.map(({ port }) => `127.0.0.1:${port}`);
  }

  replicas(): Replica[] {
    return this.#slots.map(({ process, port }) => ({
      service: this.name,
      name: process.name,
      pid: process.pid,
      address: `127.0.0.1:${port}`,
    }));
  }

  async close(): Promise<void> {
    await Promise.all(this.#slots.map(({ process }) => process.close(closeMs)));
    this.#group.close();
  }

  async #receive(index: number, incarnation: Incarnation, message: FromReplica): Promise<void> {
    const slot = this.#slots[index] as Slot;
    if (message.kind === "loaded") {
      const catalog = await this.#catalog;
      // It may have died while the catalog was not there yet.
      if (slot.process.pid !== incarnation.pid) return;
      const member = { send: incarnation.send, kill: () => incarnation.kill("SIGKILL") };
      this.#members.set(incarnation, member);
      this.#group.join(member, (state) =>
        incarnation.send({ kind: "start", port: slot.port, catalog, state }),
      );
    } else if (message.kind === "serving") {
      slot.port = message.port;
      if (this.#slots.every(({ port }) => port !== 0)) this.#serves(this.addresses);
    } else {
      const member = this.#members.get(incarnation);
      if (member !== undefined) this.#group.receive(member, message);
    }
  }

  #forget(incarnation: Incarnation): void {
    const member = this.#members.get(incarnation);
    this.#members.delete(incarnation);
    if (member !== undefined) this.#group.leave(member);
  }
}
