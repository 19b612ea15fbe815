import { z } from "zod";

/** An address or a block of them, in CIDR notation. */
export const addressBlock = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);

const blocks = (text: string) => z.array(addressBlock).min(1).optional().describe(text);

/** Who may connect to a listener. */
export const connectionAddresses = {
  allowIps: blocks("Connections of other clients are closed."),
  denyIps: blocks("Connections of these clients are closed, also of those that are allowed."),
};

/** Who may call by a route. */
export const callAddresses = {
  allowIps: blocks("Calls of other clients are refused."),
  denyIps: blocks("Calls of these clients are refused, also of those that are allowed."),
};

export const proxyProtocolSchema = z
  .boolean()
  .default(false)
  .describe("Connections of trustProxies begin with a header of the PROXY protocol, version 1 or 2.");
