import type { RpcError } from "#rpc";

/** Bytes of text that a close frame can carry (RFC 6455 5.5). */
const maxReasonBytes = 123;

/** 4000 and the gRPC code: the range that RFC 6455 7.4.2 leaves to applications. */
export function closeCode(error: RpcError): number {
  return 4000 + error.code;
}

/** As much of a text as a close frame can carry, cut between characters. */
export function closeReason(message: string): string {
  if (Buffer.byteLength(message) <= maxReasonBytes) return message;
  let cut = "";
  let size = 0;
  for (const char of message) {
    size += Buffer.byteLength(char);
    if (size > maxReasonBytes) break;
    cut += char;
  }
  return cut;
}
