import { accessSync, constants } from "node:fs";
import type { Config } from "#config";
import type { Problem } from "#schema";

/** The certificates, keys and key sets that a configuration names and that cannot be read now. */
export function unreadableFiles(config: Config): Problem[] {
  const problems: Problem[] = [];
  const check = (key: string, file: string | undefined): void => {
    if (file !== undefined && !isReadable(file)) {
      problems.push({ severity: "error", message: `${key}: ${file} cannot be read` });
    }
  };
  const { tls } = config.listen.https;
  for (const [index, { cert, key }] of (tls === "dev" ? [] : tls.certificates).entries()) {
    check(`listen.https.tls.certificates[${index}].cert`, cert);
    check(`listen.https.tls.certificates[${index}].key`, key);
  }
  for (const [name, { jwks }] of config.issuers) {
    if (!/^https?:/.test(jwks)) check(`auth.issuers.${name}.jwks`, jwks);
  }
  if (config.store.kind === "redis") check("store.ca", config.store.tls?.ca);
  for (const upstream of config.upstreams.values()) {
    if (upstream.kind !== "grpc" || upstream.tls === undefined) continue;
    const { ca, cert, key } = upstream.tls;
    for (const [name, file] of Object.entries({ ca, cert, key })) {
      check(`upstreams.${upstream.name}.tls.${name}`, file);
    }
  }
  return problems;
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
