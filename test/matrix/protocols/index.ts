import type { Protocol } from "../client.ts";
import { connectProtocols } from "./connect.ts";
import { grpcProtocols } from "./grpc.ts";
import { grpcWebProtocols } from "./grpc-web.ts";
import { restProtocols } from "./rest.ts";
import { webSocketProtocols } from "./websocket.ts";

/** In the order in which the document shows them. */
export const protocols: readonly Protocol[] = [
  ...restProtocols,
  ...webSocketProtocols,
  ...connectProtocols,
  ...grpcWebProtocols,
  ...grpcProtocols,
];
