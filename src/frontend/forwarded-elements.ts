/** One element of `Forwarded` (RFC 7239 4): what one proxy says of who asked it, and how. */
export interface ForwardedElement {
  /** An address, without port and brackets, or what stands in its place: `unknown`, `_hidden`; empty when nothing is said. */
  readonly node: string;
  /** Lower case. */
  readonly proto: string | undefined;
  /** Lower case. */
  readonly host: string | undefined;
}

const nothing: ForwardedElement = { node: "", proto: undefined, host: undefined };

/** The elements of all fields of that name, in order. One that breaks the grammar says nothing. */
export function forwardedElements(values: readonly string[]): ForwardedElement[] {
  return values.flatMap((value) => splitUnquoted(value, ",")).map(elementOf);
}

const pair = /^([!#$%&'*+.^_`|~\w-]+)=(?:([!#$%&'*+.^_`|~\w-]+)|"((?:[^"\\]|\\.)*)")$/;

function elementOf(text: string): ForwardedElement {
  const said = new Map<string, string>();
  for (const part of splitUnquoted(text, ";")) {
    const trimmed = part.trim();
    if (trimmed === "") continue;
    const match = pair.exec(trimmed);
    if (match === null) return nothing;
    const [, name = "", token, quoted = ""] = match;
    // Said twice, it could mean either (RFC 7239 4).
    if (said.has(name.toLowerCase())) return nothing;
    said.set(name.toLowerCase(), token ?? quoted.replace(/\\(.)/g, "$1"));
  }
  return {
    node: nodeName(said.get("for") ?? ""),
    proto: said.get("proto")?.toLowerCase(),
    host: said.get("host")?.toLowerCase(),
  };
}

/** `192.0.2.1:80`, `[2001:db8::1]:80`, `unknown`, `_hidden` (RFC 7239 6). */
function nodeName(node: string): string {
  const bracketed = /^\[([^\]]*)\](?::[\w.-]+)?$/.exec(node);
  if (bracketed !== null) return bracketed[1] ?? "";
  return node.replace(/:[\w.-]+$/, "");
}

function splitUnquoted(text: string, separator: "," | ";"): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (isQuoted && char === "\\") i++;
    else if (char === '"') isQuoted = !isQuoted;
    else if (!isQuoted && char === separator) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
