import { type Call, type Filter, handlerOf, Metadata, type Reply, RpcError, unaryOf } from "#rpc";

/** Fields for the answer to a call: name, value, name, value. */
export type AnswerFields = readonly string[];

/** Whether the head of the answer is still to be written, so that a caller can be told of fields. */
export function takesFields({ context, head }: Call): boolean {
  return head !== undefined || context.protocol !== "websocket";
}

/**
 * Like `guard`, for a check that may have something to say in the head of the answer, whatever becomes of the call.
 *
 * @param check throws, or rejects, with an RpcError for a call that may not go on
 */
export function guardWithFields(check: (call: Call) => Promise<AnswerFields> | AnswerFields): Filter {
  return (next) => {
    const nextUnary = unaryOf(next);
    return handlerOf(
      (call, sink) => {
        const proceed = (fields: AnswerFields): void => {
          if (fields.length === 0) {
            nextUnary(call, sink);
            return;
          }
          append(call.head, fields);
          nextUnary(call, {
            succeeded: (reply) => sink.succeeded(told(call, reply, fields)),
            failed: (error) => sink.failed(withFields(error, fields)),
          });
        };
        let checked: Promise<AnswerFields> | AnswerFields;
        try {
          checked = check(call);
        } catch (error) {
          sink.failed(error);
          return;
        }
        if (checked instanceof Promise) checked.then(proceed, (error: unknown) => sink.failed(error));
        else proceed(checked);
      },
      async (call) => {
        const fields = await check(call);
        append(call.head, fields);
        let reply: Reply;
        try {
          reply = await next(call);
        } catch (error) {
          throw withFields(error, fields);
        }
        return told(call, reply, fields);
      },
    );
  };
}

function told<R extends Reply>(call: Call, reply: R, fields: AnswerFields): R {
  if (call.head !== undefined || fields.length === 0) return reply;
  // A reply that comes from a cache is others' too.
  const header = reply.header.clone();
  append(header, fields);
  return { ...reply, header };
}

function withFields(thrown: unknown, fields: AnswerFields): unknown {
  if (fields.length === 0) return thrown;
  const error = RpcError.from(thrown);
  error.head ??= new Metadata();
  append(error.head, fields);
  return error;
}

function append(header: Metadata | undefined, fields: AnswerFields): void {
  for (let i = 0; i < fields.length; i += 2) header?.append(fields[i] as string, fields[i + 1] as string);
}
