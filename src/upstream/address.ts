export interface HostPort {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
}

/** The parts of `host:port`, `1.2.3.4:port` or `[::1]:port`; undefined when it is none of them. */
export function splitAddress(address: string): HostPort | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(address);
  if (match === null || Number(match[3]) > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? "", port: Number(match[3]) };
}

/** `host:port`, an IPv6 host in brackets. */
export function joinAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
