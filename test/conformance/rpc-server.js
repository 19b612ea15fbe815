// The server under test for `connectconformance --mode server`: reads a ServerCompatRequest from stdin, and answers with
// where the gateway that CONFORMANCE_GATEWAY tells of listens. One gateway serves all that the suite asks for: a protocol
// and a version of HTTP are a client's choice. Ends with the signal by which the suite ends it.
import { readFileSync } from "node:fs";
import { compatTypes, framed, readMessage } from "./rpc-suite.js";

const { Request, Response } = compatTypes(process.env.CONFORMANCE_DESCRIPTORS ?? "");
const { httpsPort, httpPort, caPath } = JSON.parse(process.env.CONFORMANCE_GATEWAY ?? "");
const { useTls } = await readMessage(process.stdin, Request);
process.stdout.write(
  framed(Response, {
    host: "127.0.0.1",
    port: useTls ? httpsPort : httpPort,
    pemCert: useTls ? readFileSync(caPath) : new Uint8Array(),
  }),
);
setInterval(() => {}, 60_000);
