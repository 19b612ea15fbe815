import { KeySetError } from "./key-set.ts";

/** How long keys are good without the provider saying so, and at least and at most. */
const freshMs = 10 * 60_000;
const minFreshMs = 60_000;
const maxFreshMs = 24 * 3_600_000;
const maxBytes = 512 * 1024;

export interface Fetched {
  readonly text: string;
  readonly freshMs: number;
}

/** Gets a document of a provider: no redirects, no more bytes than bounded. @throws KeySetError, or what `fetch` throws */
export async function fetchBounded(url: string, signal: AbortSignal): Promise<Fetched> {
  const { username, password } = new URL(url);
  if (username !== "" || password !== "") {
    // `fetch` refuses these too, with the credentials in its message.
    throw new KeySetError("the URL of the keys has credentials in it");
  }
  const response = await fetch(url, {
    headers: { accept: "application/jwk-set+json, application/json" },
    redirect: "error",
    signal,
  });
  if (!response.ok) throw new KeySetError(`the provider answered with ${response.status}`);
  return { text: await readBounded(response), freshMs: freshness(response.headers.get("cache-control")) };
}

/**
 * Where the keys of an issuer are, as it tells itself (OpenID Connect Discovery 1.0, 4). The document must be about this
 * very issuer, and its keys must be fetched as safely as the document was.
 */
export async function discoverKeys(issuer: string, signal: AbortSignal): Promise<string> {
  const { text } = await fetchBounded(
    `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`,
    signal,
  );
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new KeySetError("the document of the issuer is not JSON");
  }
  if (typeof document !== "object" || document === null)
    throw new KeySetError("the document of the issuer is no object");
  if (!("issuer" in document) || document.issuer !== issuer)
    throw new KeySetError("the document of the issuer is about another issuer");
  if (!("jwks_uri" in document) || typeof document.jwks_uri !== "string" || !URL.canParse(document.jwks_uri))
    throw new KeySetError("the document of the issuer does not say where its keys are");
  const { protocol, hostname } = new URL(document.jwks_uri);
  // Only an issuer on this machine may have its keys on this machine, without TLS.
  const allowed =
    protocol === "https:" ||
    (protocol === "http:" && isLoopback(hostname) && isLoopback(new URL(issuer).hostname));
  if (!allowed) throw new KeySetError("the keys of the issuer are not at an https URL");
  return document.jwks_uri;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw new KeySetError(`the key set is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function freshness(cacheControl: string | null): number {
  const seconds = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(cacheControl ?? "")?.[1];
  if (seconds === undefined) return freshMs;
  return Math.min(maxFreshMs, Math.max(minFreshMs, Number(seconds) * 1000));
}
