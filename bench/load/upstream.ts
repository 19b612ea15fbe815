import { startGrpcServer } from "./grpc-server.ts";

/** The gRPC server of the benchmarks as a process of its own. Prints its port. */
const { port } = await startGrpcServer();
process.stdout.write(`${port}\n`);
