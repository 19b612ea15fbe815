import { accessSync, constants, readFileSync } from "node:fs";
import type { Config } from "#config";
import { CredentialFileError, parseKeyFile, parseUserFile } from "#filter/authn";
import type { Problem } from "#schema";

/** The files that a configuration names and that cannot be read now; those of API keys and users with what is wrong in them. */
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
  for (const [index, file] of (tls === "dev" ? [] : (tls.clientCert?.ca ?? [])).entries())
    check(`listen.https.tls.clientCert.ca[${index}]`, file);
  for (const [name, { jwks }] of config.issuers) {
    if (jwks !== undefined && !/^https?:/.test(jwks)) check(`auth.issuers.${name}.jwks`, jwks);
  }
  for (const [name, { file }] of config.apiKeys) {
    check(`auth.keys.${name}.file`, file);
    if (isReadable(file)) problems.push(...faultsOf(file, parseKeyFile));
  }
  for (const [name, { file }] of config.basic) {
    check(`auth.basic.${name}.file`, file);
    if (isReadable(file)) problems.push(...faultsOf(file, parseUserFile));
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

function faultsOf(file: string, parse: (text: string) => unknown): Problem[] {
  try {
    parse(readFileSync(file, "utf8"));
    return [];
  } catch (error) {
    if (!(error instanceof CredentialFileError)) throw error;
    return error.faults.map((fault) => ({ severity: "error", file, ...fault }));
  }
}
