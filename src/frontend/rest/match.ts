import { Code, RpcError } from "#rpc";
import type { TranscodedResponse, Transcoder } from "#transcode";
import type { RequestHead } from "../exchange.ts";
import { listField } from "../fields.ts";
import { forwardedTarget } from "../forwarded-path.ts";
import type { Match } from "../protocol.ts";
import type { ErrorOptions, MethodRoute, PassThroughRoute, Routes } from "../routes.ts";
import { queryOf } from "../target.ts";
import { HeadHold, withinHold } from "./head-hold.ts";
import type { JsonView } from "./json-view.ts";
import { negotiate } from "./negotiate.ts";
import { requested } from "./requested.ts";
import { streamMediaTypes } from "./stream-format.ts";
import { systemParameters } from "./system-parameters.ts";

export interface MethodMatch extends Match {
  readonly kind: "method";
  readonly route: MethodRoute;
  /** Decoded values of the variables of the template, in its order. */
  readonly captures: readonly string[];
  /** What the client takes, of what this method can give; unused where the method itself decides (HttpBody). */
  readonly mediaType: string;
  /** The route's own, or the one that the caller asked for. */
  readonly transcoder: Transcoder;
  readonly view: JsonView | undefined;
  /** The body is a form, and means what a query means. */
  readonly formIsQuery: boolean;
  /** For errors told in band. */
  readonly errors: ErrorOptions;
  /** How long the head of a stream of responses waits; undefined for as long as its first message takes. */
  readonly hold: HeadHold | undefined;
  /** Ends the call of a HEAD request, which wants no more than a head. */
  leave: (() => void) | undefined;
  /** What the caller will see of a unary response, once that is there. */
  shown: TranscodedResponse | undefined;
}

export interface PassThroughMatch extends Match {
  readonly kind: "passthrough";
  readonly route: PassThroughRoute;
  /** What the upstream is asked for. */
  readonly target: string;
}

export type RestMatch = MethodMatch | PassThroughMatch;

const unaryMediaTypes = ["application/json", "application/x-protobuf", "application/protobuf"];

/** Finds the route of a request and what to answer it with. @throws RpcError 400, 404, 405 or 406 */
export function matchRoute(asked: RequestHead, routes: Routes): RestMatch {
  let head = asked;
  let wanted = requested(head, routes);
  // What is passed on is what was matched, in one spelling.
  while (wanted.found.kind === "found" && wanted.found.target.kind === "passthrough") {
    const target = forwardedTarget(head.target, wanted.found.target);
    if (target === head.target) break;
    head = { ...head, target };
    wanted = requested(head, routes);
  }
  const { found, formIsQuery } = wanted;
  switch (found.kind) {
    case "malformed":
      throw new RpcError(Code.INVALID_ARGUMENT, found.message, { reason: "malformed_path" });
    case "not_found":
      throw new RpcError(Code.NOT_FOUND, "no such path", { reason: "route_not_found" });
    case "redirect":
      throw new RpcError(Code.NOT_FOUND, "this path is served without the slash at its end", {
        reason: "route_not_found",
        httpStatus: 308,
        location: `${found.path}${queryWithMark(head.target)}`,
      });
    case "method_not_allowed":
      throw new RpcError(Code.UNIMPLEMENTED, "this path does not take that HTTP method", {
        reason: "method_not_allowed",
        httpStatus: 405,
        allow: found.allow,
      });
    case "found":
      break;
  }
  const route = found.target;
  if (route.kind === "passthrough") {
    const { handler, template, cors } = route;
    return { kind: "passthrough", route, target: head.target, handler, template, cors };
  }
  const { served } = route;
  const hold =
    streamsResponses(route) && !route.transcoder.outputIsHttpBody
      ? new HeadHold(served.streams.holdMs)
      : undefined;
  const { systemParameters: heeded } = route.answers;
  const system = heeded ? systemParameters(queryOf(head.target), route.transcoder.rule) : undefined;
  return {
    kind: "method",
    route,
    errors: routes.errors,
    captures: found.captures,
    formIsQuery,
    mediaType: system?.wire === true ? "application/x-protobuf" : acceptable(head, route),
    transcoder: system?.numbers === true ? route.numbersTranscoder : route.transcoder,
    view: system?.view,
    hold,
    leave: undefined,
    shown: undefined,
    handler: hold === undefined ? served.handler : withinHold(served.handler, hold),
    template: route.template,
    cors: served.cors,
  };
}

function streamsResponses({ served }: MethodRoute): boolean {
  const { kind } = served.method;
  return kind === "server_streaming" || kind === "bidi_streaming";
}

function queryWithMark(target: string): string {
  const query = queryOf(target);
  return query === "" ? "" : `?${query}`;
}

/** @throws RpcError 406 */
function acceptable(head: RequestHead, route: MethodRoute): string {
  if (route.transcoder.outputIsHttpBody) return "*/*";
  const offers = streamsResponses(route) ? streamMediaTypes(route.answers.streamFormat) : unaryMediaTypes;
  const { memo } = head;
  if (memo?.accepted?.offers === offers) return memo.accepted.mediaType;
  const mediaType = negotiate(withoutProblem(listField(head.fields, "accept")), offers);
  if (mediaType !== undefined) {
    if (memo !== undefined) memo.accepted = { offers, mediaType };
    return mediaType;
  }
  throw new RpcError(Code.INVALID_ARGUMENT, `this path can answer with ${offers.join(", ")}`, {
    reason: "not_acceptable",
    httpStatus: 406,
  });
}

/** How errors shall look says nothing of what else is accepted. */
function withoutProblem(accept: string | undefined): string | undefined {
  if (accept === undefined || !accept.includes("problem+json")) return accept;
  return accept
    .split(",")
    .filter((range) => !range.trim().startsWith("application/problem+json"))
    .join(",");
}
