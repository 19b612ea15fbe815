import { readFileSync } from "node:fs";
import path from "node:path";
import { loadConfig } from "#config";
import { startGateway } from "#gateway";
import { packageRoot } from "../../examples/shop/package-root.ts";
import { startShop } from "../../examples/shop/supervisor.ts";
import { mintToken } from "../../examples/token.ts";
import { keepLines } from "../support/lines.ts";
import { tempFolder } from "../support/temp-folder.ts";

/** The example shop behind the gateway as the example configures it, but that it serves plain HTTP too. */
export interface ShopGateway extends AsyncDisposable {
  readonly httpsPort: number;
  readonly httpPort: number;
  /** Of the customer of the example. */
  readonly token: string;
  readonly ca: Buffer;
  readonly caPath: string;
}

export async function startShopGateway(): Promise<ShopGateway> {
  const folder = await tempFolder({});
  const shop = await startShop();
  const { token, jwksFile } = await mintToken(folder.dir);
  const addresses = Object.entries(shop.upstreams).map(([service, list]) => [
    `SHOP_${service.toUpperCase()}`,
    list.join(","),
  ]);
  const ports = { HTTPS_PORT: "0", HTTP_PORT: "0", ADMIN_PORT: "0" };
  const loaded = loadConfig({
    file: path.join(packageRoot, "examples/gateway.yaml"),
    env: { ...ports, ...Object.fromEntries(addresses), SHOP_WEB: "127.0.0.1:1", SHOP_JWKS: jwksFile },
  });
  if (loaded.config === undefined) throw new Error("the example's configuration is wrong");
  const { listen } = loaded.config;
  const gateway = await startGateway(
    { ...loaded.config, listen: { ...listen, http: { ...listen.http, mode: "serve" } } },
    { stateDir: path.join(packageRoot, ".dragoman/test"), sink: keepLines([]) },
  );
  const { httpsPort, httpPort, caPath } = gateway;
  if (httpPort === undefined || caPath === undefined) throw new Error("the gateway lacks a port or its CA");
  return {
    httpsPort,
    httpPort,
    token,
    caPath,
    ca: readFileSync(caPath),
    async [Symbol.asyncDispose]() {
      await gateway.close(1000);
      await shop.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
