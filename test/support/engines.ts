import type { Config } from "#config";

/** Whose HTTP/2 this run tests, at the front and towards upstreams: the gateway's own, or that of Node and grpc-js. */
const own = process.env.DRAGOMAN_TEST_HTTP2 !== "node";

export const engine: "dragoman" | "node" = own ? "dragoman" : "node";
export const transport: "dragoman" | "grpc-js" = own ? "dragoman" : "grpc-js";

/** A configuration with these in place of what it says. */
export function withEngines(config: Config): Config {
  const upstreams = [...config.upstreams].map(
    ([name, upstream]) => [name, upstream.kind === "grpc" ? { ...upstream, transport } : upstream] as const,
  );
  return { ...config, listen: { ...config.listen, engine }, upstreams: new Map(upstreams) };
}
