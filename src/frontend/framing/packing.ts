import type { Coding, Compression } from "../content-coding.ts";
import { frameMessage, pushFrame } from "./frame.ts";

interface Parts {
  push(part: Uint8Array): void;
}

/** How the messages of one answer are framed. */
export interface Packing {
  /** For `grpc-encoding` or `connect-content-encoding`; undefined for messages as they are. */
  readonly encoding: string | undefined;
  /** Hands on the parts of one frame; the promise never rejects. */
  push(to: Parts, message: Uint8Array): Promise<void> | undefined;
}

const asIs: Packing = {
  encoding: undefined,
  push(to, message) {
    pushFrame(to, message);
    return undefined;
  },
};

/**
 * @param accepted what the client says it can undo: names with commas between them, without qualities ("compression.md",
 * "Connect Protocol Reference"). Undefined for a client that did not ask.
 */
export function packingFor(accepted: string | undefined, compression: Compression | undefined): Packing {
  if (accepted === undefined || compression === undefined) return asIs;
  const names = accepted.split(",").map((name) => name.trim());
  const coding = compression.codings.find(({ name, stream }) => stream !== undefined && names.includes(name));
  return coding === undefined ? asIs : packed(coding, compression.threshold);
}

/** Each message by itself; a small one as it is, which its flag says. */
function packed({ name, encode }: Coding, threshold: number): Packing {
  return {
    encoding: name,
    push(to, message) {
      if (message.length < threshold) return asIs.push(to, message);
      return encode(message).then(
        (shorter) => {
          if (shorter.length < message.length) pushFrame(to, shorter, 1);
          else pushFrame(to, message);
        },
        () => pushFrame(to, message),
      );
    },
  };
}

/** The frame of one message in one piece. */
export function frameWith(packing: Packing, message: Uint8Array): Promise<Uint8Array> | Uint8Array {
  if (packing.encoding === undefined) return frameMessage(message);
  const parts: Uint8Array[] = [];
  const packed = packing.push(parts, message);
  return packed === undefined ? Buffer.concat(parts) : packed.then(() => Buffer.concat(parts));
}
