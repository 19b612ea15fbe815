// A gRPC server with the health service: answers `/test.Echo/Unary` after a few milliseconds, so that calls are always
// under way. Sends its port to the parent.
import * as grpc from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";

const bytes = (message) => message;
const server = new grpc.Server();
server.addService(
  {
    Unary: {
      path: "/test.Echo/Unary",
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  },
  { Unary: (call, reply) => setTimeout(() => reply(null, call.request), 3) },
);
new HealthImplementation({ "": "SERVING" }).addToServer(server);
server.bindAsync(`127.0.0.1:${process.argv[2]}`, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send?.(port);
});
process.on("disconnect", () => process.exit());
