import { type DescField, fromBinary, type Message, ScalarType } from "@bufbuild/protobuf";
import type { Config, RouteConfig } from "#config";
import { didYouMean } from "#config";
import type { EventId, StreamOptions } from "#frontend";
import type { Method, Problem } from "#schema";

/** What schema and configuration say of the streams of one method. */
export function streamOptions(
  { streams }: Config,
  route: RouteConfig | undefined,
  method: Method,
): StreamOptions {
  const own = route?.streams;
  const either = (mine: number | "off" | undefined, all: number | undefined): number | undefined =>
    mine === "off" ? undefined : (mine ?? all);
  const field = own?.eventId === undefined ? undefined : eventIdField(method, own.eventId);
  return {
    holdMs: own?.holdHead ?? streams.holdHead,
    heartbeatMs: either(own?.heartbeat, streams.heartbeat),
    retryMs: either(own?.retry, streams.retry),
    endEvent: streams.endEvent,
    eventId: field === undefined ? undefined : readField(field),
    unreadMs: streams.unread,
  };
}

/** Says when the responses of a method have no such field as its route takes for the id of events. */
export function checkEventId(route: RouteConfig, method: Method, problems: Problem[]): void {
  const name = route.streams?.eventId;
  const streams = method.kind === "server_streaming" || method.kind === "bidi_streaming";
  if (name === undefined || !streams || eventIdField(method, name) !== undefined) return;
  const { fields } = method.descriptor.output;
  const meant = didYouMean(
    name,
    fields.filter(isId).map((field) => field.name),
  );
  const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
  const message = `routes: ${route.match}: streams.eventId: the responses of ${method.name} have no text or integer ${name}${hint}`;
  problems.push({ severity: "error", message });
}

function eventIdField({ descriptor }: Method, name: string): DescField | undefined {
  return descriptor.output.fields.find(
    (field) => (field.name === name || field.jsonName === name) && isId(field),
  );
}

const noIds: ReadonlySet<ScalarType> = new Set([
  ScalarType.BOOL,
  ScalarType.BYTES,
  ScalarType.DOUBLE,
  ScalarType.FLOAT,
]);

function isId(field: DescField): boolean {
  return field.fieldKind === "scalar" && !noIds.has(field.scalar);
}

function readField(field: DescField): EventId {
  const type = field.parent;
  return (wire) => {
    const message: Message & Readonly<Record<string, unknown>> = fromBinary(type, wire);
    const value = message[field.localName];
    return value === undefined ? undefined : String(value);
  };
}
