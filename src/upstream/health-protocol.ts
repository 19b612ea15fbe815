import path from "node:path";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";
import { packageRoot } from "#schema";

interface HealthRequest {
  readonly service: string;
}

interface HealthResponse {
  readonly status: string;
}

const file = "grpc/health/v1/health.proto";

/** The gateway is itself a client of this one service: its messages come from the `.proto` as it stands. */
const definitions = loadSync(file, {
  includeDirs: [path.join(packageRoot, "src/schema/imports")],
  enums: String,
});

function methodOf(name: "Check" | "Watch"): MethodDefinition<HealthRequest, HealthResponse> {
  const service = definitions["grpc.health.v1.Health"];
  if (service === undefined || !(name in service)) throw new Error(`${file} has no method ${name}`);
  return (service as Record<string, MethodDefinition<HealthRequest, HealthResponse>>)[
    name
  ] as MethodDefinition<HealthRequest, HealthResponse>;
}

const check = methodOf("Check");
const watch = methodOf("Watch");

export const checkPath = check.path;
export const watchPath = watch.path;

export function encodeHealthRequest(service: string): Uint8Array {
  return check.requestSerialize({ service });
}

/** True for SERVING; every other status, known or not, means that no calls are wanted. */
export function decodeServing(message: Uint8Array): boolean {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  return check.responseDeserialize(bytes).status === "SERVING";
}
