import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Kind, kinds, type Protocol } from "./client.ts";
import type { Place } from "./stage.ts";
import type { HttpVersion } from "./wire.ts";

const file = path.resolve(import.meta.dirname, "../../docs/protocols.md");
const head = path.join(import.meta.dirname, "protocols.head.md");

const versionNames: Readonly<Record<HttpVersion, string>> = { "1.1": "http/1.1", "2": "HTTP/2" };
const kindNames: Readonly<Record<Kind, string>> = {
  Unary: "unary",
  Server: "server stream",
  Client: "client stream",
  Bidi: "both stream",
};
const nothing = "–";

/** What the run of the matrix has shown, cell by cell. */
export class Shown {
  readonly #cells = new Map<string, string>();

  add(scenario: string, place: Place, text: string): void {
    this.#cells.set(keyOf(scenario, place), text);
  }

  /** How many cells have been played. */
  get size(): number {
    return this.#cells.size;
  }

  cell(scenario: string, protocol: Protocol, kind: Kind): string {
    const texts = protocol.versions.map((version) => ({
      version,
      text: this.#cells.get(keyOf(scenario, { protocol, version, kind })) ?? nothing,
    }));
    const [first] = texts;
    if (first === undefined) return nothing;
    if (texts.every(({ text }) => text === first.text)) return first.text;
    return texts.map(({ version, text }) => `${versionNames[version]}: ${text}`).join("; ");
  }
}

function keyOf(scenario: string, { protocol, version, kind }: Place): string {
  return [scenario, protocol.name, version, kind].join("\n");
}

/** The document that a run makes: its head as it is written by hand, then a table of each protocol. */
export function documentOf(
  shown: Shown,
  protocols: readonly Protocol[],
  scenarios: readonly string[],
): string {
  const tables = together(
    protocols.map(({ name, ...protocol }) => ({
      name,
      table: tableOf(shown, { name, ...protocol }, scenarios),
    })),
  );
  return [readFileSync(head, "utf8").trimEnd(), ...tables].join("\n\n").concat("\n");
}

function tableOf(shown: Shown, protocol: Protocol, scenarios: readonly string[]): string {
  const columns = kinds.filter((kind) => protocol.carries[kind] === true);
  const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const lines = [
    `Over ${protocol.versions.map((version) => versionNames[version]).join(" and ")}.`,
    "",
    row(["", ...columns.map((kind) => kindNames[kind])]),
    row(["---", ...columns.map(() => "---")]),
    ...scenarios
      .map((scenario) => [scenario, ...columns.map((kind) => shown.cell(scenario, protocol, kind))])
      .filter(([, ...cells]) => cells.some((cell) => cell !== nothing))
      .map(row),
  ];
  const notes = [...notCarried(protocol), ...lacking(protocol)];
  return (notes.length === 0 ? lines : [...lines, "", ...notes]).join("\n");
}

/** One table for protocols next to each other that show the same. */
function together(shown: readonly { readonly name: string; readonly table: string }[]): string[] {
  const sections: { names: string[]; table: string }[] = [];
  for (const { name, table } of shown) {
    const last = sections.at(-1);
    if (last?.table === table) last.names.push(name);
    else sections.push({ names: [name], table });
  }
  return sections.map(({ names, table }) => `### ${names.join("; ")}\n\n${table}`);
}

function notCarried({ carries }: Protocol): string[] {
  const reasons = new Map<string, string[]>();
  for (const kind of kinds) {
    const reason = carries[kind];
    if (reason !== true) reasons.set(reason, [...(reasons.get(reason) ?? []), kindNames[kind]]);
  }
  return [...reasons].map(([reason, names]) => `- Does not carry ${names.join(", ")}: ${reason}.`);
}

const lackNames = {
  header: "response metadata",
  trailer: "trailers",
  details: "details of errors",
  lateStatus: "the status of a stream that fails late",
  duplex: "requests and responses at the same time",
  drain: "the end of calls under way while the gateway drains",
} as const;

function lacking({ carries, versions, lacks }: Protocol): string[] {
  const carried = kinds.filter((kind) => carries[kind] === true);
  return Object.entries(lackNames).flatMap(([lack, name]) => {
    const reasons = versions.flatMap((version) =>
      carried.map((kind) => Object.entries(lacks(kind, version)).find(([key]) => key === lack)?.[1]),
    );
    if (lack === "duplex" && carries.Bidi !== true) return [];
    return [...new Set(reasons)]
      .filter((reason) => reason !== undefined)
      .map((reason) => `- No ${name}: ${reason}.`);
  });
}

/** The document as it stands in docs/. Rewritten first when the environment says `MATRIX=write`. */
export function committedDocument(made: string): string {
  if (process.env.MATRIX === "write") writeFileSync(file, made);
  return readFileSync(file, "utf8");
}
