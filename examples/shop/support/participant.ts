import type { ChatRequest } from "#gen/shop/v1/support_pb";
import { invalid } from "../grpc/status-error.ts";
import { keptLines } from "./rooms.ts";

/** Who takes part in a talk, as far as their requests have said. */
export interface Participant {
  readonly room: string;
  readonly author: string;
}

/** Who joins with a first request. @throws StatusError INVALID_ARGUMENT */
export function joining(first: ChatRequest, user: string | undefined): Participant {
  if (first.room === "") throw invalid("room", "is required");
  if (first.room.length > 64) throw invalid("room", "must not have more than 64 characters");
  if (first.history < 0 || first.history > keptLines)
    throw invalid("history", `must be from 0 to ${keptLines}`);
  return { room: first.room, author: authorOf(first, user ?? "guest") };
}

/** Who the same participant is after another request. @throws StatusError INVALID_ARGUMENT */
export function continuing(before: Participant, request: ChatRequest): Participant {
  if (request.room !== "" && request.room !== before.room) throw invalid("room", "must not change");
  return { room: before.room, author: authorOf(request, before.author) };
}

/** The text of a request. @throws StatusError INVALID_ARGUMENT */
export function textOf({ text }: ChatRequest): string {
  if (text.length > 2000) throw invalid("text", "must not have more than 2000 characters");
  return text.trim();
}

function authorOf({ author }: ChatRequest, otherwise: string): string {
  const name = author.trim();
  if (name.length > 40) throw invalid("author", "must not have more than 40 characters");
  return name || otherwise;
}
