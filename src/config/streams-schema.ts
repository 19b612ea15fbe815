import { z } from "zod";
import { durationPattern, parseDuration } from "./units.ts";

const duration = (text: string) =>
  z
    .string()
    .regex(durationPattern, "expected a duration such as 250ms, 5s or 1m")
    .transform(parseDuration)
    .describe(text);

const durationOrOff = (text: string, leastMs: number) =>
  z
    .string()
    .regex(
      new RegExp(`^off$|${durationPattern.source}`),
      "expected a duration such as 250ms, 5s or 1m, or off",
    )
    .transform((value) => (value === "off" ? undefined : parseDuration(value)))
    .refine((ms) => ms === undefined || ms >= leastMs, `expected ${leastMs}ms at least`)
    .describe(text);

const holdHead = duration(
  "How long the head of a stream over plain HTTP waits for the first message, so that an early failure has its own status.",
);
const heartbeat = durationOrOff("Between comments on a stream of server-sent events that is silent.", 100);
const retry = durationOrOff(
  "How long an EventSource waits before it connects again; off leaves that to the browser.",
  0,
);

/** `streams`. */
export const streamsSchema = z
  .strictObject({
    holdHead: holdHead.prefault("1s"),
    heartbeat: heartbeat.prefault("15s"),
    retry: retry.prefault("3s"),
    endEvent: z
      .string()
      .regex(/^[\w.-]+$/, "expected the name of an event")
      .default("end")
      .describe("The event that tells of the good end of a stream of server-sent events."),
    unread: duration(
      "How long a client may leave what was sent to it unread before its stream is torn down.",
    ).prefault("5m"),
  })
  .describe("Streams of responses.");

/** `routes[].streams`. */
export const routeStreamsSchema = z
  .strictObject({
    holdHead: holdHead.optional(),
    heartbeat: heartbeat.optional(),
    retry: retry.optional(),
    eventId: z
      .string()
      .optional()
      .describe("The field of the responses, a text or an integer, that is the id of their events."),
  })
  .describe("How streams of responses are shown, where it differs here.");

type RouteStreams = z.output<typeof routeStreamsSchema>;

/** What a route says of its streams; undefined where `streams` holds. Milliseconds; "off" for what is not to be. */
export interface RouteStreamsConfig {
  readonly holdHead: number | undefined;
  readonly heartbeat: number | "off" | undefined;
  readonly retry: number | "off" | undefined;
  readonly eventId: string | undefined;
}

export function routeStreamsOf(written: RouteStreams): RouteStreamsConfig {
  const orOff = (key: "heartbeat" | "retry"): number | "off" | undefined =>
    key in written ? (written[key] ?? "off") : undefined;
  return {
    holdHead: written.holdHead,
    heartbeat: orOff("heartbeat"),
    retry: orOff("retry"),
    eventId: written.eventId,
  };
}
