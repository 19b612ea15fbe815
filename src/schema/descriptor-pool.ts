import {
  createFileRegistry,
  type DescEnum,
  type DescExtension,
  type DescFile,
  type DescMessage,
  type DescService,
  type FileRegistry,
  fromBinary,
} from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  SourceCodeInfoSchema,
} from "@bufbuild/protobuf/wkt";
import type { FileIndex } from "./file-index.ts";
import { IndexOutline } from "./index-outline.ts";
import type { MessageOutline } from "./outline.ts";
import type { SchemaRegistry } from "./schema.ts";

type DescType = DescMessage | DescEnum | DescExtension | DescService;

interface Entry {
  readonly index: FileIndex;
  /** Undefined until somebody asks for it. */
  built: FileRegistry | undefined;
}

/** Builds the descriptors of a file, together with the files that it imports, when one of its types is asked for. */
export class DescriptorPool implements SchemaRegistry {
  readonly kind = "registry";
  readonly #entries = new Map<string, Entry>();
  /** Types and extensions, by full name. */
  readonly #symbols = new Map<string, Entry>();
  /** Names of extensions, by number, by the name of the message that they extend. */
  readonly #extensions = new Map<string, Map<number, string>>();

  /** @param files whose imports are all among them, without a cycle, and that define no name twice */
  constructor(files: Iterable<FileIndex>) {
    for (const index of files) {
      const entry: Entry = { index, built: undefined };
      this.#entries.set(index.name, entry);
      for (const { name } of index.symbols) this.#symbols.set(name, entry);
      for (const { name, extendee, number } of index.extensions) {
        this.#symbols.set(name, entry);
        let byNumber = this.#extensions.get(extendee);
        if (byNumber === undefined) {
          byNumber = new Map();
          this.#extensions.set(extendee, byNumber);
        }
        byNumber.set(number, name);
      }
    }
  }

  /** A message type, without building its descriptor. */
  outline(typeName: string): MessageOutline | undefined {
    const file = this.#symbols.get(typeName)?.index;
    const symbol = file?.symbols.find(({ name, kind }) => name === typeName && kind === "message");
    if (file === undefined || symbol === undefined) return undefined;
    return new IndexOutline({ file, symbol }, (name) => this.outline(name));
  }

  get(typeName: string): DescType | undefined {
    const entry = this.#symbols.get(typeName);
    return entry === undefined ? undefined : this.#build(entry).get(typeName);
  }

  getMessage(typeName: string): DescMessage | undefined {
    const type = this.get(typeName);
    return type?.kind === "message" ? type : undefined;
  }

  getEnum(typeName: string): DescEnum | undefined {
    const type = this.get(typeName);
    return type?.kind === "enum" ? type : undefined;
  }

  getExtension(typeName: string): DescExtension | undefined {
    const type = this.get(typeName);
    return type?.kind === "extension" ? type : undefined;
  }

  getExtensionFor(extendee: DescMessage, no: number): DescExtension | undefined {
    const name = this.#extensions.get(extendee.typeName)?.get(no);
    return name === undefined ? undefined : this.getExtension(name);
  }

  extensionsOf(extendee: DescMessage): readonly DescExtension[] {
    const byNumber = [...(this.#extensions.get(extendee.typeName) ?? [])].sort(([a], [b]) => a - b);
    return byNumber.flatMap(([, name]) => this.getExtension(name) ?? []);
  }

  getService(typeName: string): DescService | undefined {
    const type = this.get(typeName);
    return type?.kind === "service" ? type : undefined;
  }

  getFile(fileName: string): DescFile | undefined {
    const entry = this.#entries.get(fileName);
    return entry === undefined ? undefined : this.#build(entry).getFile(fileName);
  }

  get files(): Iterable<DescFile> {
    return this.#files();
  }

  *[Symbol.iterator](): IterableIterator<DescType> {
    for (const name of this.#symbols.keys()) {
      const type = this.get(name);
      if (type !== undefined) yield type;
    }
  }

  *#files(): IterableIterator<DescFile> {
    for (const name of this.#entries.keys()) {
      const file = this.getFile(name);
      if (file !== undefined) yield file;
    }
  }

  #build(entry: Entry): FileRegistry {
    if (entry.built !== undefined) return entry.built;
    const proto = decodeFile(entry.index);
    const built = createFileRegistry(proto, (name) => this.#visible(name));
    const file = built.getFile(proto.name);
    // What was resolved above were views; the descriptors themselves belong in their place.
    for (const [place, name] of proto.dependency.entries()) {
      const dependency = this.getFile(name);
      if (file !== undefined && dependency !== undefined) file.dependencies[place] = dependency;
    }
    entry.built = built;
    return built;
  }

  /**
   * A dependency as its importer sees it, with what it imports publicly: the library would take in everything below
   * it, once for every path on which it is reached, which grows exponentially in a mesh of imports.
   */
  #visible(name: string): DescFile | undefined {
    const file = this.getFile(name);
    if (file === undefined) return undefined;
    const seen = new Map<string, DescFile>();
    this.#addPublic(name, seen);
    return { ...file, dependencies: [...seen.values()].map((each) => ({ ...each, dependencies: [] })) };
  }

  #addPublic(name: string, seen: Map<string, DescFile>): void {
    for (const exported of this.#entries.get(name)?.index.publicDependencies ?? []) {
      const file = this.getFile(exported);
      if (file === undefined || seen.has(exported)) continue;
      seen.set(exported, file);
      this.#addPublic(exported, seen);
    }
  }
}

/** Comments and places are the larger part of a file and seldom looked at: decoded when they are. */
function decodeFile({ body, sourceInfo }: FileIndex): FileDescriptorProto {
  const proto = fromBinary(
    FileDescriptorProtoSchema,
    body.length === 1 ? (body[0] as Uint8Array) : Buffer.concat(body),
  );
  if (sourceInfo === undefined) return proto;
  return Object.defineProperty(proto, "sourceCodeInfo", {
    configurable: true,
    enumerable: true,
    get: () => {
      const value = fromBinary(SourceCodeInfoSchema, sourceInfo);
      Object.defineProperty(proto, "sourceCodeInfo", {
        value,
        configurable: true,
        enumerable: true,
        writable: true,
      });
      return value;
    },
  });
}
