import { Code, codeName, type ErrorDetail, type Metadata, type RpcError } from "#rpc";

/** An error as Connect shows it ("Connect Protocol Reference", Error Codes and Error End-Stream). */
export function connectError(error: RpcError): Record<string, unknown> {
  return {
    code: connectCode(error.code),
    ...(error.message === "" ? {} : { message: error.message }),
    ...(error.details.length === 0 ? {} : { details: error.details.map(connectDetail) }),
  };
}

/** Connect writes codes in lower case, and one of them with a single l. */
function connectCode(code: Code): string {
  return code === Code.CANCELLED ? "canceled" : codeName(code).toLowerCase();
}

function connectDetail({ typeUrl, value }: ErrorDetail): { type: string; value: string } {
  const type = typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
  return { type, value: Buffer.from(value).toString("base64").replace(/=+$/, "") };
}

/** Trailers as the end of a stream has them: each name with all its values. */
export function connectMetadata(metadata: Metadata): Record<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, value] of metadata) {
    if (name.startsWith("grpc-") || name.startsWith(":")) continue;
    const values = found.get(name);
    if (values === undefined) found.set(name, [value]);
    else values.push(value);
  }
  return Object.fromEntries(found);
}
