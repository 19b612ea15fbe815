import path from "node:path";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";
import { packageRoot } from "#schema";

interface HealthRequest {
  readonly service: string;
}

interface HealthResponse {
  readonly status: string;
}

type HealthMethod = MethodDefinition<HealthRequest, HealthResponse>;

const service = "grpc.health.v1.Health";

export const checkPath = `/${service}/Check`;
export const watchPath = `/${service}/Watch`;

let loaded: HealthMethod | undefined;

/** Both methods have the same messages. Read from the `.proto` when first needed. */
function messages(): HealthMethod {
  if (loaded === undefined) {
    const file = path.join(packageRoot, "src/schema/imports/grpc/health/v1/health.proto");
    const definition = loadSync(file, { enums: String, defaults: true })[service];
    if (definition === undefined || !("Check" in definition)) throw new Error(`${file} lacks ${service}`);
    loaded = (definition as Readonly<Record<"Check", HealthMethod>>).Check;
  }
  return loaded;
}

export function encodeHealthRequest(name: string): Uint8Array {
  return messages().requestSerialize({ service: name });
}

/** True for SERVING; every other status, known or not, means that no calls are wanted. @throws for other bytes */
export function decodeServing(message: Uint8Array): boolean {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  return messages().responseDeserialize(bytes).status === "SERVING";
}
