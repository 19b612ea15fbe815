import { clock } from "./clock.ts";
import { ConnectionFault } from "./connection-fault.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { ErrorCode, maxWindow, preface, Setting } from "./constants.ts";
import type { Sender } from "./sender.ts";
import { defaultSettings, type PeerSettings, readSettings } from "./settings.ts";
import type { StreamSlots } from "./stream-slots.ts";

/** Both sides' settings: ours are sent once, the peer's may change at any time (RFC 9113 6.5). */
export class SettingsExchange {
  readonly peer: PeerSettings = defaultSettings();
  readonly #options: ConnectionOptions;
  readonly #sender: Sender;
  /** The peer's first settings have come. */
  settled = false;
  /** Since when our settings wait for their acknowledgement, in milliseconds of the clock; 0 when they do not. */
  unacknowledgedSince = 0;

  constructor(options: ConnectionOptions, sender: Sender) {
    this.#options = options;
    this.#sender = sender;
  }

  /** Sends what a connection begins with: a client's preface (RFC 9113 3.4), and our settings. */
  introduce(): void {
    const { role, streamWindow, sections, maxStreams, extendedConnect } = this.#options;
    const settings: [number, number][] = [
      [Setting.INITIAL_WINDOW_SIZE, streamWindow],
      [Setting.MAX_HEADER_LIST_SIZE, sections.bytes],
    ];
    if (role === "server") {
      settings.push([Setting.MAX_CONCURRENT_STREAMS, maxStreams]);
      if (extendedConnect) settings.push([Setting.ENABLE_CONNECT_PROTOCOL, 1]);
    } else {
      this.#sender.output.raw(preface);
      settings.push([Setting.ENABLE_PUSH, 0]);
    }
    this.#sender.output.settings(settings);
    this.unacknowledgedSince = clock.now;
    this.#sender.touch();
  }

  /** Takes the peer's settings, with effect on the streams that are open, and acknowledges them. @throws ConnectionFault */
  received(payload: Buffer, start: number, end: number, streams: StreamSlots): void {
    const { peer } = this;
    const before = peer.initialWindow;
    const leastTable = readSettings(
      peer,
      payload,
      start,
      end,
      this.#options.role === "server" ? "client" : "server",
    );
    if (leastTable < peer.headerTableSize) this.#sender.configure(leastTable, peer.maxFrameSize);
    this.#sender.configure(peer.headerTableSize, peer.maxFrameSize);
    this.#sender.output.settingsAck();
    this.#sender.touch();
    const change = peer.initialWindow - before;
    if (change !== 0) {
      for (const stream of streams.all()) {
        stream.sendWindow += change;
        if (stream.sendWindow > maxWindow) {
          throw new ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window is too large");
        }
        this.#sender.pump(stream);
      }
    }
    this.settled = true;
  }

  /** False for an acknowledgement of nothing. */
  acknowledged(): boolean {
    const awaited = this.unacknowledgedSince > 0;
    this.unacknowledgedSince = 0;
    return awaited;
  }
}
