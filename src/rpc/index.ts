export type { Call, CallBase, StreamCall, UnaryCall } from "./call.ts";
export { CallAbort, type CallSignal, eitherSignal } from "./call-signal.ts";
export { checkRequests, type RequestCheck } from "./checked-requests.ts";
export { Code, type CodeName, codeFromName, codeFromNumber, codeName } from "./code.ts";
export { compose } from "./compose.ts";
export type { Context, Peer, PeerCertificate } from "./context.ts";
export { formatGrpcTimeout, parseGrpcTimeout } from "./deadline.ts";
export {
  type ErrorBody,
  type ErrorDetail,
  type ProblemType,
  RpcError,
  type RpcErrorOptions,
} from "./error.ts";
export {
  type Filter,
  guard,
  type Handler,
  handlerOf,
  type UnaryHandler,
  type UnarySink,
  unaryOf,
} from "./handler.ts";
export { Metadata } from "./metadata.ts";
export { ownOrigin } from "./own-origin.ts";
export {
  type BytesSink,
  Payload,
  type PayloadCodec,
  type PayloadSource,
  type PayloadWaiter,
} from "./payload.ts";
export type { Principal } from "./principal.ts";
export { nextOf, type PullSink, type PullSource, Pump, type PumpTarget, pullSource } from "./pull.ts";
export { type Reason, reasons } from "./reason.ts";
export type { Reply, StreamReply, UnaryReply } from "./reply.ts";
export { type ResponseWatch, watchResponses } from "./response-stream.ts";
export { stricterLimits } from "./stricter-limits.ts";
export { type Timed, TimingWheel } from "./timing-wheel.ts";
export { turnDate, turnNow } from "./turn-clock.ts";
