import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Busboy, type BusboyInstance } from "@fastify/busboy";
import { Code, RpcError } from "#rpc";

/** What a form may have before its file: so many fields, of names and values of so many bytes, and headers of parts. */
const limits = { fields: 100, nameBytes: 256, valueBytes: 64 * 1024, headerBytes: 8 * 1024 } as const;

/** A form with one file, once its fields have been read. */
export interface FormUpload {
  /** The fields, written as a query. */
  readonly query: string;
  readonly contentType: string;
  /** The bytes of the file as they come; ends when the whole form has. @throws RpcError */
  readonly file: AsyncIterable<Uint8Array>;
}

/** Whether a body is `multipart/form-data` (RFC 7578). */
export function isForm(contentType: string | undefined): contentType is string {
  return contentType !== undefined && /^\s*multipart\/form-data\s*(?:;|$)/i.test(contentType);
}

/**
 * Reads the fields of a form up to its file, which must be its last part. What is not pulled of the file is not read from
 * the client.
 *
 * @throws RpcError INVALID_ARGUMENT for what is no form, has no file, or goes over its limits; that of the chunks
 */
export async function readForm(contentType: string, chunks: AsyncIterable<Uint8Array>): Promise<FormUpload> {
  const parser = parserOf(contentType);
  const fields: string[] = [];
  const refuse = (message: string): void => void parser.destroy(malformed(message));
  parser.on("error", () => {});
  parser.on("filesLimit", () => refuse("a form has one file"));
  parser.on("fieldsLimit", () => refuse(`a form has no more than ${limits.fields} fields`));
  let begun = false;
  const file = new Promise<{ readonly stream: Readable; readonly type: string }>((resolve) => {
    parser.on("file", (name, stream, _filename, _encoding, type) => {
      begun = true;
      // Told by the parser too.
      stream.on("error", () => {});
      if (!isName(name)) refuse("the name of the file's field is missing or too long");
      else resolve({ stream, type });
    });
  });
  parser.on("field", (name, value, _nameTruncated, truncated) => {
    if (begun) refuse("the fields of a form must come before its file");
    else if (!isName(name)) refuse("the name of a field is missing or too long");
    else if (truncated) refuse(`a field is larger than ${limits.valueBytes} bytes`);
    else fields.push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  });
  const source = Readable.from(chunks, { objectMode: false });
  const done = pipeline(source, parser).then(
    () => undefined,
    (error: unknown) => (error instanceof RpcError ? error : malformed("the body is no form", error)),
  );
  const found = await Promise.race([file, done]);
  if (found === undefined) throw malformed("the form has no file");
  if (found instanceof RpcError) throw found;
  return { query: fields.join("&"), contentType: found.type, file: bytesOf(found.stream, source, done) };
}

async function* bytesOf(
  file: Readable,
  source: Readable,
  done: Promise<RpcError | undefined>,
): AsyncGenerator<Uint8Array> {
  // The parser leaves a file open when it fails itself.
  void done.then((error) => {
    if (error !== undefined) file.destroy(error);
  });
  try {
    for await (const chunk of file) yield chunk as Uint8Array;
    const error = await done;
    if (error !== undefined) throw error;
  } catch (thrown) {
    throw thrown instanceof RpcError ? thrown : malformed("the form is cut short", thrown);
  } finally {
    source.destroy();
    file.destroy();
  }
}

function parserOf(contentType: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { "content-type": contentType },
      limits: {
        fields: limits.fields,
        fieldSize: limits.valueBytes,
        files: 1,
        parts: limits.fields + 1,
        headerSize: limits.headerBytes,
      },
    });
  } catch (cause) {
    throw malformed("the content-type has no boundary", cause);
  }
}

function isName(name: string | undefined): name is string {
  return name !== undefined && name !== "" && Buffer.byteLength(name) <= limits.nameBytes;
}

function malformed(message: string, cause?: unknown): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, message, {
    reason: "malformed_body",
    ...(cause === undefined ? {} : { cause }),
  });
}
