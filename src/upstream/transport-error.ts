import { Code, RpcError, type RpcErrorOptions } from "#rpc";
import type { Progress } from "./transport.ts";

/** An attempt that did not end with OK: what the caller is told, and whether another endpoint may try. */
export class TransportError extends RpcError {
  readonly progress: Progress;

  constructor(code: Code, message: string, progress: Progress, options: RpcErrorOptions = {}) {
    super(code, message, options);
    this.progress = progress;
  }
}

/** The request never left: there was no connection to send it on. */
export function notConnected(cause?: unknown): TransportError {
  return new TransportError(Code.UNAVAILABLE, "the upstream cannot be reached", "not_started", {
    reason: "connect_failed",
    cause,
  });
}

/** The upstream broke the rules of gRPC in some way that is clear from here. */
export function brokenProtocol(message: string): TransportError {
  return new TransportError(Code.INTERNAL, message, "processed", { reason: "upstream_protocol" });
}

/** Why a call was cancelled, as an error. Signals of the gateway carry one; a foreign signal means a caller that left. */
export function abortReason(signal: AbortSignal): RpcError {
  const reason: unknown = signal.reason;
  if (reason instanceof RpcError) return reason;
  return new RpcError(Code.CANCELLED, "the call was cancelled", { reason: "client_gone", cause: reason });
}
