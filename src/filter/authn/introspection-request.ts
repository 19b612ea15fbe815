/** How an authorization server is asked about tokens, as parsed from the configuration. */
export interface IntrospectionEndpoint {
  /** Where it is: https, or this machine. */
  readonly endpoint: string;
  /** As what the gateway itself authenticates there, and how (RFC 6749 2.3.1). */
  readonly client: {
    readonly id: string;
    readonly secret: { reveal(): string };
    readonly method: "basic" | "post";
  };
  readonly timeoutMs: number;
}

/** Why there is no answer. Its message is for the log. */
export class IntrospectionError extends Error {
  override readonly name = "IntrospectionError";
}

const maxAnswerBytes = 256 * 1024;

/**
 * Asks an authorization server about a token (RFC 7662 2.1): one POST, no redirects, no more bytes and no more time than
 * bounded. Resolves to the answer, an object with `active`. @throws IntrospectionError
 */
export async function askAbout(
  token: string,
  { endpoint, client, timeoutMs }: IntrospectionEndpoint,
): Promise<Readonly<Record<string, unknown>> & { readonly active: boolean }> {
  const form = new URLSearchParams({ token, token_type_hint: "access_token" });
  const headers: Record<string, string> = { accept: "application/json" };
  if (client.method === "basic") {
    const credentials = `${formEncoded(client.id)}:${formEncoded(client.secret.reveal())}`;
    headers.authorization = `Basic ${Buffer.from(credentials).toString("base64")}`;
  } else {
    form.set("client_id", client.id);
    form.set("client_secret", client.secret.reveal());
  }
  const asking = new AbortController();
  const timer = setTimeout(
    () => asking.abort(new IntrospectionError("the server did not answer in time")),
    timeoutMs,
  );
  let text: string;
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      body: form,
      headers,
      redirect: "error",
      signal: asking.signal,
    });
    if (response.status !== 200) throw new IntrospectionError(`the server answered with ${response.status}`);
    if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(response.headers.get("content-type") ?? ""))
      throw new IntrospectionError("the answer is not JSON by its content type");
    text = await readBounded(response);
  } catch (error) {
    if (error instanceof IntrospectionError) throw error;
    throw new IntrospectionError("the server cannot be asked", { cause: error });
  } finally {
    clearTimeout(timer);
    // Lets go of what was not read, too.
    asking.abort();
  }
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new IntrospectionError("the answer is not JSON");
  }
  if (!isAnswer(answer)) throw new IntrospectionError("the answer does not say whether the token is active");
  return answer;
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxAnswerBytes)
      throw new IntrospectionError(`the answer has more than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function isAnswer(value: unknown): value is Readonly<Record<string, unknown>> & { readonly active: boolean } {
  return (
    typeof value === "object" && value !== null && "active" in value && typeof value.active === "boolean"
  );
}

/** As in a form: what RFC 6749 2.3.1 asks of both parts, so that neither can hold a colon. */
function formEncoded(text: string): string {
  return new URLSearchParams({ v: text }).toString().slice(2);
}
