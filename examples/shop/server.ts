// One replica of one service of the shop, in a process of its own: forked by supervisor.ts, which it talks to over IPC.
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { Health } from "#gen/grpc/health/v1/health_pb";
import { ServerReflection } from "#gen/grpc/reflection/v1/reflection_pb";
import { createCatalog } from "./catalog/service.ts";
import { ActiveCalls } from "./grpc/active-calls.ts";
import type { BoundMethod } from "./grpc/method.ts";
import { reflectionMethods } from "./grpc/reflection.ts";
import { createInventory } from "./inventory/service.ts";
import { createOrders } from "./orders/service.ts";
import { ReplicatedLog } from "./replication/log.ts";
import { type FromReplica, isToReplica, type ToReplica } from "./replication/messages.ts";
import {
  isShopService,
  type ServiceEnvironment,
  type ServiceInstance,
  type ShopService,
} from "./services.ts";
import { createSupport } from "./support/service.ts";

const create: Readonly<Record<ShopService, (environment: ServiceEnvironment) => ServiceInstance>> = {
  catalog: createCatalog,
  inventory: createInventory,
  orders: createOrders,
  support: createSupport,
};

/** Time for balancers to see NOT_SERVING before the listener goes. */
const noticeMs = 250;
/** Time for calls under way to end. */
const graceMs = 5000;
/** Time for the last answers to leave the process. */
const flushMs = 100;

const [service, name] = process.argv.slice(2);

function send(message: FromReplica): void {
  // The supervisor may be gone already; this process then ends by `disconnect`.
  if (process.connected) process.send?.(message, () => {});
}

if (!isShopService(service) || process.send === undefined) {
  console.error("usage: forked by the supervisor of the shop, with the name of a service and of the replica");
  process.exitCode = 2;
} else {
  process.title = `shop ${name}`;
  serve(service);
  send({ kind: "loaded" });
}

function serve(service: ShopService): void {
  const log = new ReplicatedLog(send);
  let stop = (): void => process.exit(0);
  process.on("message", (message) => {
    if (!isToReplica(message)) return;
    switch (message.kind) {
      case "start":
        return start(message);
      case "apply":
      case "committed":
        return log.receive(message);
      case "report":
        return send({ kind: "state", report: message.report, state: instance?.snapshot() ?? [] });
    }
  });
  let instance: ServiceInstance | undefined;
  const start = (message: Extract<ToReplica, { kind: "start" }>): void => {
    instance = create[service]({ log, catalog: message.catalog });
    if (message.state !== undefined) instance.restore(message.state);
    const listener = listen(instance, message.port);
    stop = listener.stop;
  };
  // Ctrl-C in a terminal reaches the whole group of processes: the supervisor decides who ends when.
  process.on("SIGINT", () => {});
  process.once("SIGTERM", () => stop());
  process.once("disconnect", () => process.exit(0));
}

/** Serves an instance, health and reflection; `stop` ends that without cutting calls short, and then the process. */
function listen(instance: ServiceInstance, port: number): { stop(): void } {
  const server = new Server();
  const calls = new ActiveCalls();
  const health = new HealthImplementation({ "": "SERVING", [instance.descriptor.typeName]: "SERVING" });
  health.addToServer(server);
  addMethods(server, instance.methods, calls);
  // Asking for descriptors is no reason to keep a server up.
  addMethods(server, reflectionMethods([instance.descriptor, Health, ServerReflection]), new ActiveCalls());
  bind(server, port);
  const stop = async (): Promise<void> => {
    health.setStatus("", "NOT_SERVING");
    health.setStatus(instance.descriptor.typeName, "NOT_SERVING");
    await new Promise((resolve) => setTimeout(resolve, noticeMs));
    instance.drain();
    server.tryShutdown(() => process.exit(0));
    setTimeout(() => process.exit(0), graceMs);
    // Those who watch the health of this server never stop by themselves, so it does not end by itself either.
    await calls.idle();
    setTimeout(() => process.exit(0), flushMs);
  };
  return { stop };
}

function addMethods(server: Server, methods: readonly BoundMethod[], calls: ActiveCalls): void {
  for (const { descriptor, definition, bind } of methods)
    server.addService({ [descriptor.name]: definition }, { [descriptor.name]: bind(calls) });
}

/** A process of before may still be letting go of the port. */
function bind(server: Server, port: number): void {
  server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
    if (error === null) send({ kind: "serving", port: bound });
    else if (port === 0) throw error;
    else setTimeout(() => bind(server, port), 100);
  });
}
