/** What the name of a field means to HTTP/2, so that nobody compares names twice. */
export const FieldKind = {
  INVALID: 0,
  REGULAR: 1,
  METHOD: 2,
  SCHEME: 3,
  AUTHORITY: 4,
  PATH: 5,
  STATUS: 6,
  PROTOCOL: 7,
  /** Belongs to one connection of http/1.1 and makes a message malformed (RFC 9113 8.2.2). */
  CONNECTION: 8,
  TE: 9,
  CONTENT_LENGTH: 10,
  COOKIE: 11,
} as const;

export type FieldKind = (typeof FieldKind)[keyof typeof FieldKind];

const kinds: ReadonlyMap<string, FieldKind> = new Map([
  [":method", FieldKind.METHOD],
  [":scheme", FieldKind.SCHEME],
  [":authority", FieldKind.AUTHORITY],
  [":path", FieldKind.PATH],
  [":status", FieldKind.STATUS],
  [":protocol", FieldKind.PROTOCOL],
  ["connection", FieldKind.CONNECTION],
  ["keep-alive", FieldKind.CONNECTION],
  ["proxy-connection", FieldKind.CONNECTION],
  ["transfer-encoding", FieldKind.CONNECTION],
  ["upgrade", FieldKind.CONNECTION],
  ["te", FieldKind.TE],
  ["content-length", FieldKind.CONTENT_LENGTH],
  ["cookie", FieldKind.COOKIE],
]);

/** By character: 1 where a field name may have it, in lower case (RFC 9110 5.6.2, RFC 9113 8.2.1). */
const nameCharacters = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  nameCharacters[character.charCodeAt(0)] = 1;
}

/** The kind of a name; INVALID for what no field may be called, unknown pseudo-header fields included. */
export function kindOf(name: string): FieldKind {
  const known = kinds.get(name);
  if (known !== undefined) return known;
  if (name.length === 0) return FieldKind.INVALID;
  for (let i = 0; i < name.length; i++) {
    if (nameCharacters[name.charCodeAt(i)] !== 1) return FieldKind.INVALID;
  }
  return FieldKind.REGULAR;
}

/** No NUL, CR or LF anywhere and no blank at either end (RFC 9113 8.2.1); nor any other control but HTAB (RFC 9110 5.5). */
export function valueIsValid(value: string): boolean {
  const { length } = value;
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i);
    if ((code < 0x20 && code !== 9) || code === 0x7f) return false;
  }
  if (length === 0) return true;
  const first = value.charCodeAt(0);
  const last = value.charCodeAt(length - 1);
  return first !== 0x20 && first !== 9 && last !== 0x20 && last !== 9;
}
