/**
 * The `for` of each element of `Forwarded` (RFC 7239 4), in order, without ports and brackets: addresses, or what stands in
 * their place (`unknown`, `_hidden`). An empty text is an element that says nothing of it, or that breaks the grammar.
 */
export function forwardedFor(values: readonly string[]): string[] {
  return values.flatMap((value) => splitUnquoted(value, ",")).map(forOf);
}

const pair = /^([!#$%&'*+.^_`|~\w-]+)=(?:([!#$%&'*+.^_`|~\w-]+)|"((?:[^"\\]|\\.)*)")$/;

function forOf(element: string): string {
  let found = "";
  for (const part of splitUnquoted(element, ";")) {
    const text = part.trim();
    if (text === "") continue;
    const match = pair.exec(text);
    if (match === null) return "";
    const [, name = "", token, quoted = ""] = match;
    if (name.toLowerCase() !== "for") continue;
    // Said twice, it could mean either (RFC 7239 4).
    if (found !== "") return "";
    found = nodeName(token ?? quoted.replace(/\\(.)/g, "$1"));
  }
  return found;
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
