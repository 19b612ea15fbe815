import path from "node:path";
import { parseArgs } from "node:util";
import { loadConfig } from "#config";
import { type SoleGateway, StartError, startGateway } from "#gateway";
import { formatProblem } from "#schema";
import { batchedLines } from "#telemetry";
import { packageRoot } from "./shop/package-root.ts";
import { type Shop, startShop } from "./shop/supervisor.ts";
import { type ExampleWeb, startWeb } from "./shop/web.ts";
import { mintToken } from "./token.ts";

const usage = `npm start -- [--port N] [--http-port N] [--admin-port N] [--access-log]

Runs the example shop, two replicas of each service, and the gateway before it.
The ports are 8443, 8080 and 9901, or what HTTPS_PORT, HTTP_PORT and ADMIN_PORT say; 0 takes any free one.`;

/** How long running calls may take to end on Ctrl-C, in milliseconds. */
const graceMs = 5000;

interface Running {
  readonly shop: Shop;
  readonly web: ExampleWeb;
  readonly gateway: SoleGateway;
  readonly token: string;
}

async function start(ports: Readonly<Record<string, string>>, accessLog: boolean): Promise<Running> {
  const stateDir = path.join(packageRoot, ".dragoman");
  const print = (line: string): void => void process.stderr.write(`${line}\n`);
  const { token, jwksFile } = await mintToken(stateDir);
  const web = await startWeb();
  const shop = await startShop({ onLog: print }).catch(async (error: unknown) => {
    await web.close();
    throw error;
  });
  const close = async (): Promise<void> => {
    await Promise.all([shop.close(), web.close()]);
  };
  try {
    const addresses = Object.entries(shop.upstreams).map(
      ([service, list]) => [`SHOP_${service.toUpperCase()}`, list.join(",")] as const,
    );
    const loaded = loadConfig({
      file: path.join(packageRoot, "examples/gateway.yaml"),
      env: {
        ...ports,
        ...Object.fromEntries(addresses),
        SHOP_WEB: new URL(web.url).host,
        SHOP_JWKS: jwksFile,
      },
    });
    if (loaded.config === undefined) throw new StartError("the example's configuration is wrong", loaded);
    const config = accessLog
      ? loaded.config
      : { ...loaded.config, telemetry: { accessLog: "off", log: "warn" } as const };
    const gateway = await startGateway(config, { stateDir, sink: batchedLines(process.stderr) });
    return { shop, web, gateway, token };
  } catch (error) {
    await close();
    throw error;
  }
}

function welcome({ gateway, token }: Running): string {
  const base = `https://localhost:${gateway.httpsPort}`;
  const ca = path.relative(process.cwd(), gateway.caPath ?? "");
  const routes = gateway.snapshot.plan.entries
    .filter(
      ({ target, template }) => target.kind === "method" && template.text !== target.planned.method.path,
    )
    .map(({ httpMethod, template, name }) => `  ${httpMethod.padEnd(7)}${template.text.padEnd(44)}${name}`)
    .sort();
  return `
Dragoman serves the example shop.

  gateway   ${base}${gateway.httpPort === undefined ? "" : `   (http://localhost:${gateway.httpPort} redirects here)`}
  chat      ${base}/examples/chat
  console   http://127.0.0.1:${gateway.adminPort}/
  docs      README.md and docs/

${routes.join("\n")}

Every method also answers POST /package.Service/Method, native gRPC and WebSocket. Try:

  curl --cacert ${ca} '${base}/v1/products?page_size=2'
  curl --cacert ${ca} -N -H 'accept: text/event-stream' ${base}/v1/products/assam-second-flush/stock:watch
  curl --cacert ${ca} -H 'authorization: Bearer ${token}' ${base}/v1/orders

Ctrl-C stops everything.
`;
}

async function main(): Promise<number> {
  let values: { readonly [name: string]: string | boolean | undefined };
  try {
    ({ values } = parseArgs({
      options: {
        port: { type: "string" },
        "http-port": { type: "string" },
        "admin-port": { type: "string" },
        "access-log": { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}\n`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const given = (name: string, variable: string, fallback: string): string =>
    String(values[name] ?? process.env[variable] ?? fallback);
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  let running: Running;
  try {
    running = await start(
      {
        HTTPS_PORT: given("port", "HTTPS_PORT", "8443"),
        HTTP_PORT: given("http-port", "HTTP_PORT", "8080"),
        ADMIN_PORT: given("admin-port", "ADMIN_PORT", "9901"),
      },
      values["access-log"] === true,
    );
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`${[error.message, ...error.problems.map(formatProblem)].join("\n")}\n`);
    return 1;
  }
  process.stdout.write(welcome(running));
  await stopped;
  await running.gateway.close(graceMs);
  await Promise.all([running.shop.close(), running.web.close()]);
  return 0;
}

process.exitCode = await main();
