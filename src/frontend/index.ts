export { completing } from "./complete-fields.ts";
export { connectStreamProtocol } from "./connect/stream.ts";
export { connectUnaryProtocol } from "./connect/unary.ts";
export { codingsOf } from "./content-coding.ts";
export { type Cors, type CorsOptions, createCors } from "./cors.ts";
export { createDragomanListener } from "./dragoman-engine/listener.ts";
export { grpcProtocol } from "./grpc/protocol.ts";
export { grpcWebProtocol } from "./grpc-web/protocol.ts";
export type { FieldLimits, ListenAddress, Listener, ListenerEvents, ListenerLimits } from "./listener.ts";
export { createNodeListener } from "./node-engine/listener.ts";
export { answeringHandler, type OwnAnswer } from "./passthrough/answer.ts";
export { createForwarder, type Forwarder } from "./passthrough/forward.ts";
export { readPassThrough, readPassThroughUpgrade } from "./passthrough/protocol.ts";
export { admitting, trustedPeers } from "./peer.ts";
export { redirectToHttps } from "./redirect.ts";
export { createRestProtocol } from "./rest/protocol.ts";
export type {
  AnswerCompression,
  AnswerOptions,
  EventId,
  MethodRoute,
  PassThroughRoute,
  Route,
  Routes,
  ServedMethod,
  StreamOptions,
} from "./routes.ts";
export { createServe } from "./serve.ts";
export {
  CertificateError,
  type Certificates,
  loadCertificates,
  onlyCertificate,
  type RenewalOutcome,
} from "./tls/certificates.ts";
export { type DevCertificate, devCertificate } from "./tls/dev-ca.ts";
export { type HandshakeFailure, handshakeFailures } from "./tls/handshake-failure.ts";
export { WebSocketFront } from "./websocket/front.ts";
export type { WebSocketSettings } from "./websocket/settings.ts";
