import { ConnectionFault } from "./connection-fault.ts";
import { defaultMaxFrameSize, defaultWindow, ErrorCode, maxWindow, Setting } from "./constants.ts";

/** What the other side has said of itself; what it has not said has these values (RFC 9113 6.5.2). */
export interface PeerSettings {
  headerTableSize: number;
  /** How many streams we may have open. */
  maxConcurrentStreams: number;
  initialWindow: number;
  maxFrameSize: number;
  /** Advice only. */
  maxHeaderListSize: number;
  /** RFC 8441: `:protocol` may be used. */
  extendedConnect: boolean;
}

export function defaultSettings(): PeerSettings {
  return {
    headerTableSize: 4096,
    maxConcurrentStreams: Number.POSITIVE_INFINITY,
    initialWindow: defaultWindow,
    maxFrameSize: defaultMaxFrameSize,
    maxHeaderListSize: Number.POSITIVE_INFINITY,
    extendedConnect: false,
  };
}

/**
 * Reads the payload of a SETTINGS frame into `settings`, in order. Returns the smallest size of the header table that it says
 * on the way, which has its effect even if a larger one follows (RFC 7541 4.2). Throws ConnectionFault for values that have
 * no meaning.
 */
export function readSettings(
  settings: PeerSettings,
  payload: Buffer,
  start: number,
  end: number,
  sender: "client" | "server",
): number {
  let leastTable = settings.headerTableSize;
  for (let pos = start; pos < end; pos += 6) {
    const value = payload.readUInt32BE(pos + 2);
    switch (payload.readUInt16BE(pos)) {
      case Setting.HEADER_TABLE_SIZE:
        settings.headerTableSize = value;
        leastTable = Math.min(leastTable, value);
        break;
      case Setting.ENABLE_PUSH:
        if (value > 1 || (value === 1 && sender === "server")) throw protocolError("ENABLE_PUSH");
        break;
      case Setting.MAX_CONCURRENT_STREAMS:
        settings.maxConcurrentStreams = value;
        break;
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > maxWindow) {
          throw new ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large");
        }
        settings.initialWindow = value;
        break;
      case Setting.MAX_FRAME_SIZE:
        if (value < defaultMaxFrameSize || value > 0xff_ff_ff) throw protocolError("MAX_FRAME_SIZE");
        settings.maxFrameSize = value;
        break;
      case Setting.MAX_HEADER_LIST_SIZE:
        settings.maxHeaderListSize = value;
        break;
      case Setting.ENABLE_CONNECT_PROTOCOL:
        if (value > 1 || (value === 0 && settings.extendedConnect))
          throw protocolError("ENABLE_CONNECT_PROTOCOL");
        settings.extendedConnect = value === 1;
        break;
    }
  }
  return leastTable;
}

function protocolError(name: string): ConnectionFault {
  return new ConnectionFault(ErrorCode.PROTOCOL_ERROR, `${name} has a value that it cannot have`);
}
