import net, { type Socket } from "node:net";
import type { Peer } from "#rpc";
import { plainAddress } from "./address-blocks.ts";

/**
 * The header of the PROXY protocol, versions 1 and 2, by which a proxy of connections says whose connection it passes on
 * (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
 */
export type ProxyHeader =
  | { readonly kind: "incomplete" }
  | { readonly kind: "malformed" }
  /** `peer` is undefined where the proxy speaks for itself, or of what has no address: its own holds then. */
  | { readonly kind: "complete"; readonly bytes: number; readonly peer: Peer | undefined };

/** A header of version 2 may bring as many bytes of extensions; more than proxies send is not waited for. */
const maxBytes = 4096;

/** The longest header of version 1, its line end included. */
const maxTextBytes = 107;

const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const textStart = Buffer.from("PROXY ");

const incomplete: ProxyHeader = { kind: "incomplete" };
const malformed: ProxyHeader = { kind: "malformed" };

/** Reads the header that a connection begins with. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsAs(bytes, signature)) return bytes.length < 16 ? incomplete : parseBinary(bytes);
  if (startsAs(bytes, textStart)) return parseText(bytes);
  return malformed;
}

/** As far as it has come. */
function startsAs(bytes: Buffer, start: Buffer): boolean {
  const compared = Math.min(bytes.length, start.length);
  return bytes.subarray(0, compared).equals(start.subarray(0, compared));
}

function parseText(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, maxTextBytes).indexOf("\r\n");
  if (end < 0) return bytes.length < maxTextBytes ? incomplete : malformed;
  const [, family, source = "", target = "", sourcePort = "", targetPort = "", ...more] = bytes
    .toString("latin1", 0, end)
    .split(" ");
  if (family === "UNKNOWN") return { kind: "complete", bytes: end + 2, peer: undefined };
  const version = family === "TCP4" ? 4 : family === "TCP6" ? 6 : undefined;
  const ports = [sourcePort, targetPort];
  if (version === undefined || more.length > 0 || !ports.every(isPort)) return malformed;
  if (net.isIP(source) !== version || net.isIP(target) !== version || source.includes("%")) return malformed;
  const peer = { address: plainAddress(source), port: Number(sourcePort) };
  return { kind: "complete", bytes: end + 2, peer };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function parseBinary(bytes: Buffer): ProxyHeader {
  const [versionAndCommand = 0, familyAndTransport = 0] = bytes.subarray(12, 14);
  const length = bytes.readUInt16BE(14);
  const whole = 16 + length;
  if (versionAndCommand >> 4 !== 2 || whole > maxBytes) return malformed;
  if (bytes.length < whole) return incomplete;
  const command = versionAndCommand & 15;
  // LOCAL: the proxy speaks for itself, whatever else it says.
  if (command === 0) return { kind: "complete", bytes: whole, peer: undefined };
  if (command !== 1) return malformed;
  const family = familyAndTransport >> 4;
  const transport = familyAndTransport & 15;
  if (family > 3 || transport > 2) return malformed;
  if (family === 0 || transport === 0) return { kind: "complete", bytes: whole, peer: undefined };
  // Datagrams are not what a connection carries.
  if (transport !== 1) return malformed;
  // What comes after the addresses are extensions, which nobody here asks for.
  const addresses = bytes.subarray(16, whole);
  if (family === 1) {
    if (length < 12) return malformed;
    const peer = { address: addresses.subarray(0, 4).join("."), port: addresses.readUInt16BE(8) };
    return { kind: "complete", bytes: whole, peer };
  }
  if (family === 2) {
    if (length < 36) return malformed;
    const peer = { address: ipv6(addresses), port: addresses.readUInt16BE(32) };
    return { kind: "complete", bytes: whole, peer };
  }
  // A socket of the proxy's own machine has no address.
  return length < 216 ? malformed : { kind: "complete", bytes: whole, peer: undefined };
}

function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  // In the form that addresses of sockets have, so that one client is one key.
  return plainAddress(new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1));
}

/**
 * Reads the header and puts back what comes after it. A connection that brings none, or not in time, is closed.
 *
 * @param timeoutMs how long all of it may take
 */
export function readProxyHeader(
  socket: Socket,
  timeoutMs: number,
  go: (peer: Peer | undefined) => void,
): void {
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  const leave = (): void => {
    clearTimeout(timer);
    socket.off("data", onData).off("end", onEnd).off("close", leave);
  };
  const onEnd = (): void => void socket.destroy();
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const header = parseProxyHeader(seen);
    if (header.kind === "incomplete") return;
    leave();
    if (header.kind === "malformed") {
      socket.destroy();
      return;
    }
    socket.pause();
    if (seen.length > header.bytes) socket.unshift(seen.subarray(header.bytes));
    go(header.peer);
  };
  socket.on("data", onData).on("end", onEnd).on("close", leave);
}
