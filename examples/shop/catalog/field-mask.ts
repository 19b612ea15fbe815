import { create, type DescMessage, isMessage, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";

/** A path of a mask that the message does not have. */
export class UnknownPathError extends Error {
  override readonly name = "UnknownPathError";
  readonly path: string;

  constructor(path: string) {
    super(`${path} is not a field`);
    this.path = path;
  }
}

/**
 * Copies the fields that a mask names from one message into another, in place; what the source lacks is cleared. A
 * path may lead into messages and to a key of a map (AIP-161); `*` stands for all fields. @throws UnknownPathError
 */
export function copyFields<D extends DescMessage>(
  schema: D,
  from: MessageShape<D>,
  to: MessageShape<D>,
  paths: readonly string[],
): void {
  const source = reflect(schema, from);
  const target = reflect(schema, to);
  for (const path of paths) {
    if (path === "*") for (const field of schema.fields) copyPath(source, target, [field.name], path);
    else copyPath(source, target, path.split("."), path);
  }
}

/** The names of the fields that have a value. */
export function populatedFields<D extends DescMessage>(schema: D, message: MessageShape<D>): string[] {
  const reflected = reflect(schema, message);
  return schema.fields.filter((field) => reflected.isSet(field)).map(({ name }) => name);
}

function copyPath(
  source: ReflectMessage | undefined,
  target: ReflectMessage,
  segments: readonly string[],
  path: string,
): void {
  const [name, ...rest] = segments;
  const field = target.fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw new UnknownPathError(path);
  if (rest.length === 0) {
    if (source?.isSet(field)) target.set(field, source.get(field));
    else target.clear(field);
  } else if (field.fieldKind === "message") {
    const inner = source?.isSet(field) ? source.get(field) : undefined;
    if (!target.isSet(field)) target.set(field, reflect(field.message, create(field.message)));
    // Messages from JSON such as Struct are no messages to reflection, and have no fields to name.
    const into = target.get(field);
    if (!isReflected(into)) throw new UnknownPathError(path);
    copyPath(isReflected(inner) ? inner : undefined, into, rest, path);
  } else if (field.fieldKind === "map" && field.mapKey === ScalarType.STRING) {
    const key = rest.join(".");
    const value = source?.get(field).get(key);
    if (value === undefined) target.get(field).delete(key);
    else target.get(field).set(key, value);
  } else throw new UnknownPathError(path);
}

function isReflected(value: ReflectMessage | undefined): value is ReflectMessage {
  return value !== undefined && isMessage(value.message);
}
