import type { DescField, DescMessage } from "@bufbuild/protobuf";

type Step = string | number;
/** What stands at some place of JSON text, as far as the schema says. */
type Place =
  | { readonly kind: "message"; readonly type: DescMessage }
  | { readonly kind: "field"; readonly field: DescField }
  | { readonly kind: "unknown" };

/** The path to a position of JSON text, such as `items[3].price.units`. The text is valid up to there. */
export function pathTo(json: Uint8Array, offset: number, root: DescMessage | DescField): string {
  let place = rootPlace(root);
  let path = "";
  for (const step of stepsTo(json, offset)) {
    const isField: boolean =
      typeof step === "string" && (place.kind === "message" || (place.kind === "unknown" && isName(step)));
    if (!isField) path += typeof step === "number" ? `[${step}]` : `[${excerpt(step)}]`;
    else path += path === "" ? short(step) : `.${short(step)}`;
    place = placeOf(step, place);
  }
  return path;
}

function rootPlace(root: DescMessage | DescField): Place {
  if (root.kind === "message") return { kind: "message", type: root };
  return root.fieldKind === "message"
    ? { kind: "message", type: root.message }
    : { kind: "field", field: root };
}

function isName(step: Step): boolean {
  return typeof step === "string" && /^[A-Za-z_]\w*$/.test(step);
}

function short(step: Step): string {
  const text = String(step);
  return /^[\w.[\]@-]{1,80}$/.test(text) ? text : excerpt(text);
}

function placeOf(step: Step, place: Place): Place {
  if (place.kind === "message") {
    const field = place.type.fields.find(({ jsonName, name }) => jsonName === step || name === step);
    if (field === undefined || place.type.typeName.startsWith("google.protobuf.")) return { kind: "unknown" };
    if (field.fieldKind !== "message") return { kind: "field", field };
    return { kind: "message", type: field.message };
  }
  return place.kind === "field" && place.field.message !== undefined
    ? { kind: "message", type: place.field.message }
    : { kind: "unknown" };
}

interface Container {
  step: Step;
  /** In an object: a key comes next. */
  expectsKey: boolean;
}

function stepsTo(json: Uint8Array, offset: number): Step[] {
  const containers: Container[] = [];
  let pos = 0;
  while (pos < json.length && pos <= offset) {
    const container = containers.at(-1);
    switch (json[pos]) {
      case 0x7b:
        if (pos < offset) containers.push({ step: "", expectsKey: true });
        break;
      case 0x5b:
        if (pos < offset) containers.push({ step: 0, expectsKey: false });
        break;
      case 0x7d:
      case 0x5d:
        if (pos < offset) containers.pop();
        break;
      case 0x2c:
        if (typeof container?.step === "number") container.step++;
        else if (container !== undefined) {
          container.step = "";
          container.expectsKey = true;
        }
        break;
      case 0x22: {
        const end = stringEnd(json, pos);
        if (container?.expectsKey === true) {
          container.step = textOf(json.subarray(pos, end));
          container.expectsKey = false;
        }
        pos = end - 1;
        break;
      }
    }
    pos++;
  }
  return containers.filter(({ expectsKey }) => !expectsKey).map(({ step }) => step);
}

function stringEnd(json: Uint8Array, start: number): number {
  for (let pos = start + 1; pos < json.length; pos++) {
    if (json[pos] === 0x5c) pos++;
    else if (json[pos] === 0x22) return pos + 1;
  }
  return json.length;
}

function textOf(token: Uint8Array): string {
  const text = Buffer.from(token).toString();
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, 40);
  }
}

/** What stands at a position, in as many words as an error may quote. */
export function describe(json: Uint8Array, offset: number): string {
  switch (json[offset]) {
    case undefined:
      return "nothing";
    case 0x7b:
      return "an object";
    case 0x5b:
      return "a list";
    case 0x22:
      return excerpt(textOf(json.subarray(offset, stringEnd(json, offset))));
  }
  const text = Buffer.from(json.subarray(offset, offset + 42)).toString();
  const [token = ""] = /^[\w.+-]*/.exec(text) ?? [];
  return token.length > 40
    ? `${token.slice(0, 40)}...`
    : token || (/^[!-~]/.test(text) ? text.charAt(0) : excerpt(text.charAt(0)));
}

/** At most so much of the input as an error may quote. */
function excerpt(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}
