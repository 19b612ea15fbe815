import type { ExtensionIndex, FileIndex, MethodIndex, ServiceIndex, SymbolIndex } from "./file-index.ts";
import { type Range, WireCursor, WireError } from "./wire-cursor.ts";

/** Field numbers of google/protobuf/descriptor.proto. */
const inSet = { file: 1 } as const;
const inFile = {
  name: 1,
  package: 2,
  dependency: 3,
  message: 4,
  enum: 5,
  service: 6,
  extension: 7,
  sourceInfo: 9,
  publicDependency: 10,
} as const;
const inMessage = { name: 1, field: 2, nested: 3, enum: 4, extension: 6 } as const;
const inField = { name: 1, extendee: 2, number: 3, typeName: 6 } as const;
const inEnum = { name: 1 } as const;
const inService = { name: 1, method: 2, options: 3 } as const;
const inMethod = {
  name: 1,
  input: 2,
  output: 3,
  options: 4,
  clientStreaming: 5,
  serverStreaming: 6,
} as const;

/** `buf.alpha.image.v1.ImageFile.buf_extension`, and `is_import` within it. */
const inImageFile = { extension: 8042 } as const;
const inImageExtension = { isImport: 1 } as const;

const noBytes = new Uint8Array(0);

/** The files of a `google.protobuf.FileDescriptorSet` or a buf image. @throws WireError when the bytes are neither */
export function indexFileSet(bytes: Uint8Array): FileIndex[] {
  const cursor = new WireCursor(bytes);
  const files: FileIndex[] = [];
  for (let no = cursor.next(bytes.length); no !== 0; no = cursor.next(bytes.length)) {
    if (no === inSet.file) files.push(indexFile(cursor.bytes()));
    else cursor.skip();
  }
  return files;
}

/** Indexes a `google.protobuf.FileDescriptorProto`. @throws WireError when the bytes are none */
export function indexFile(bytes: Uint8Array): FileIndex {
  return new Indexer(bytes).index();
}

class Indexer {
  readonly #bytes: Uint8Array;
  readonly #cursor: WireCursor;
  readonly #symbols: SymbolIndex[] = [];
  readonly #extensions: ExtensionIndex[] = [];
  readonly #services: ServiceIndex[] = [];
  readonly #references = new Map<string, string>();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#cursor = new WireCursor(bytes);
  }

  index(): FileIndex {
    const cursor = this.#cursor;
    const end = cursor.length;
    const dependencies: string[] = [];
    const publicPlaces: number[] = [];
    const definitions: Part[] = [];
    const body: Uint8Array[] = [];
    const sourceInfo: Uint8Array[] = [];
    let name = "";
    let scope = "";
    let isImport = false;
    let bodyStart = 0;
    for (let no = cursor.next(end); no !== 0; no = cursor.next(end)) {
      switch (no) {
        case inFile.name:
          name = cursor.string();
          break;
        case inFile.package:
          scope = `${cursor.string()}.`;
          break;
        case inFile.dependency:
          dependencies.push(cursor.string());
          break;
        case inFile.publicDependency:
          cursor.varints(publicPlaces);
          break;
        case inFile.message:
        case inFile.enum:
        case inFile.service:
        case inFile.extension:
          definitions.push({ no, range: cursor.range() });
          break;
        case inFile.sourceInfo:
          body.push(this.#bytes.subarray(bodyStart, cursor.fieldStart));
          sourceInfo.push(cursor.bytes());
          bodyStart = cursor.pos;
          break;
        case inImageFile.extension:
          isImport = this.#isImport(cursor.range());
          break;
        default:
          cursor.skip();
      }
    }
    if (name === "") throw new WireError("a file descriptor without a name");
    body.push(this.#bytes.subarray(bodyStart));
    for (const { no, range } of definitions) this.#define(no, range, scope === "." ? "" : scope);
    return {
      name,
      dependencies,
      publicDependencies: publicPlaces.flatMap((place) => dependencies[place] ?? []),
      symbols: this.#symbols,
      extensions: this.#extensions,
      services: this.#services,
      references: this.#references,
      isImport,
      bytes: this.#bytes,
      body,
      sourceInfo: sourceInfo.length > 1 ? Buffer.concat(sourceInfo) : sourceInfo[0],
    };
  }

  #isImport({ start, end }: Range): boolean {
    let isImport = false;
    this.#cursor.seek(start);
    for (let no = this.#cursor.next(end); no !== 0; no = this.#cursor.next(end)) {
      if (no === inImageExtension.isImport) isImport = this.#cursor.varint() !== 0;
      else this.#cursor.skip();
    }
    return isImport;
  }

  #define(no: number, range: Range, scope: string): void {
    if (no === inFile.message) this.#message(range, scope);
    else if (no === inFile.enum) this.#enum(range, scope);
    else if (no === inFile.service) this.#service(range, scope);
    else this.#extension(range, scope);
  }

  #message(range: Range, scope: string): void {
    const cursor = this.#cursor;
    const parts: Part[] = [];
    let simple = "";
    cursor.seek(range.start);
    for (let no = cursor.next(range.end); no !== 0; no = cursor.next(range.end)) {
      switch (no) {
        case inMessage.name:
          simple = cursor.string();
          break;
        case inMessage.field:
        case inMessage.nested:
        case inMessage.enum:
        case inMessage.extension:
          parts.push({ no, range: cursor.range() });
          break;
        default:
          cursor.skip();
      }
    }
    const name = `${scope}${simple}`;
    this.#symbols.push({ kind: "message", name, start: range.start, end: range.end });
    for (const part of parts) {
      if (part.no === inMessage.field) this.#field(part.range, name);
      else if (part.no === inMessage.nested) this.#message(part.range, `${name}.`);
      else if (part.no === inMessage.enum) this.#enum(part.range, `${name}.`);
      else this.#extension(part.range, `${name}.`);
    }
  }

  #field({ start, end }: Range, message: string): void {
    const cursor = this.#cursor;
    cursor.seek(start);
    for (let no = cursor.next(end); no !== 0; no = cursor.next(end)) {
      if (no === inField.typeName) this.#refer(cursor.string(), message);
      else cursor.skip();
    }
  }

  #extension({ start, end }: Range, scope: string): void {
    const cursor = this.#cursor;
    let name = "";
    let extendee = "";
    let type = "";
    let number = 0;
    cursor.seek(start);
    for (let no = cursor.next(end); no !== 0; no = cursor.next(end)) {
      if (no === inField.name) name = `${scope}${cursor.string()}`;
      else if (no === inField.extendee) extendee = cursor.string();
      else if (no === inField.typeName) type = cursor.string();
      else if (no === inField.number) number = cursor.varint();
      else cursor.skip();
    }
    if (type !== "") this.#refer(type, name);
    this.#extensions.push({ name, extendee: this.#refer(extendee, name), number });
  }

  #enum({ start, end }: Range, scope: string): void {
    const cursor = this.#cursor;
    let name = "";
    cursor.seek(start);
    for (let no = cursor.next(end); no !== 0; no = cursor.next(end)) {
      if (no === inEnum.name) name = `${scope}${cursor.string()}`;
      else cursor.skip();
    }
    this.#symbols.push({ kind: "enum", name, start, end });
  }

  #service({ start, end }: Range, scope: string): void {
    const cursor = this.#cursor;
    const methods: Range[] = [];
    let name = "";
    let options: Uint8Array = noBytes;
    cursor.seek(start);
    for (let no = cursor.next(end); no !== 0; no = cursor.next(end)) {
      if (no === inService.name) name = `${scope}${cursor.string()}`;
      else if (no === inService.method) methods.push(cursor.range());
      else if (no === inService.options) options = cursor.bytes();
      else cursor.skip();
    }
    this.#symbols.push({ kind: "service", name, start, end });
    this.#services.push({ name, methods: methods.map((range) => this.#method(range, name)), options });
  }

  #method({ start, end }: Range, service: string): MethodIndex {
    const cursor = this.#cursor;
    let name = "";
    let input = "";
    let output = "";
    let options: Uint8Array = noBytes;
    let clientStreaming = false;
    let serverStreaming = false;
    cursor.seek(start);
    for (let no = cursor.next(end); no !== 0; no = cursor.next(end)) {
      if (no === inMethod.name) name = cursor.string();
      else if (no === inMethod.input) input = cursor.string();
      else if (no === inMethod.output) output = cursor.string();
      else if (no === inMethod.options) options = cursor.bytes();
      else if (no === inMethod.clientStreaming) clientStreaming = cursor.varint() !== 0;
      else if (no === inMethod.serverStreaming) serverStreaming = cursor.varint() !== 0;
      else cursor.skip();
    }
    const referrer = `${service}.${name}`;
    input = this.#refer(input, referrer);
    output = this.#refer(output, referrer);
    return { name, input, output, clientStreaming, serverStreaming, options };
  }

  /** Compilers write full names with a dot before them. */
  #refer(type: string, referrer: string): string {
    const name = type.startsWith(".") ? type.slice(1) : type;
    if (!this.#references.has(name)) this.#references.set(name, referrer);
    return name;
  }
}

/** A field of a descriptor that is looked at once the name around it is known. */
interface Part {
  readonly no: number;
  readonly range: Range;
}
