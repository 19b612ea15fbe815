import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import {
  ChatLineKind,
  type ChatRequest,
  type ChatResponse,
  ChatResponseSchema,
  Support,
} from "#gen/shop/v1/support_pb";
import { callerOf } from "../caller.ts";
import { Mailbox } from "../grpc/mailbox.ts";
import { bidiStreaming } from "../grpc/method.ts";
import { StatusError } from "../grpc/status-error.ts";
import type { ServiceEnvironment, ServiceInstance } from "../services.ts";
import { continuing, joining, type Participant, textOf } from "./participant.ts";
import { Rooms } from "./rooms.ts";

/** Lines that wait for a participant who reads slowly. */
const patience = 1000;

/** `shop.v1.Support`. */
export function createSupport({ log }: ServiceEnvironment): ServiceInstance {
  const rooms = new Rooms();
  const present = new Set<Mailbox<ChatResponse>>();
  const add = log.define("Chat", ChatResponseSchema, (line, stamp) => rooms.add(line, stamp));
  const tell = (kind: ChatLineKind, { room, author }: Participant, text = ""): Promise<ChatResponse> =>
    add(create(ChatResponseSchema, { room, author, kind, text }));

  const chat = bidiStreaming(Support.method.chat, async function* (requests, { metadata }) {
    const incoming = requests[Symbol.asyncIterator]();
    const first = await incoming.next();
    if (first.done === true) return;
    const { history } = first.value;
    let participant = joining(first.value, callerOf(metadata));
    await tell(ChatLineKind.JOINED, participant);
    const mailbox = new Mailbox<ChatResponse>(
      patience,
      new StatusError(status.RESOURCE_EXHAUSTED, `you are more than ${patience} lines behind`),
    );
    for (const line of rooms.history(participant.room, history)) mailbox.push(line);
    const leave = rooms.listen(participant.room, (line) => mailbox.push(line));
    present.add(mailbox);
    const speak = async (): Promise<void> => {
      let request: IteratorResult<ChatRequest> = first;
      for (; request.done !== true; request = await incoming.next()) {
        participant = continuing(participant, request.value);
        const text = textOf(request.value);
        if (text !== "") await tell(ChatLineKind.MESSAGE, participant, text);
      }
    };
    // What was said has been handed out by the time that speaking it has ended, so the box may close.
    speak().then(
      () => mailbox.close(),
      (error: unknown) =>
        mailbox.close(error instanceof Error ? error : new Error("the requests have broken off")),
    );
    try {
      yield* mailbox;
    } finally {
      present.delete(mailbox);
      leave();
      void tell(ChatLineKind.LEFT, participant);
    }
  });
  return {
    descriptor: Support,
    methods: [chat],
    snapshot: () => rooms.snapshot(),
    restore: (state) => rooms.restore(state),
    drain() {
      const stopping = new StatusError(status.UNAVAILABLE, "this server is about to stop: join again");
      for (const mailbox of present) mailbox.close(stopping);
    },
  };
}
