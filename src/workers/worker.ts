import { parseConfig } from "#config";
import { type Serving, StartError, startServing } from "#gateway";
import { createLogger, createPrometheusMeter, type LineOutput, type PrometheusMeter } from "#telemetry";
import type { Answers, FromWorker, Question, ToWorker } from "./messages.ts";
import { RemoteCounts } from "./remote-counts.ts";

/** The way to the primary process. */
export interface PrimaryLink {
  /** Resolves when the message has been handed over. */
  send(message: FromWorker): Promise<void>;
  onMessage(listener: (message: ToWorker) => void): void;
  close(): void;
}

export interface WorkerOptions {
  readonly link: PrimaryLink;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly sink: LineOutput;
}

/** A worker process: serves what the primary tells it to. */
export interface RunningWorker {
  /** Resolves when it has drained, or when it could not start. */
  readonly done: Promise<void>;
  /** Tells the primary that this process was asked to end. */
  leave(): void;
}

/** Runs what a worker does, until the primary tells it to end. */
export function runWorker({ link, env, sink }: WorkerOptions): RunningWorker {
  const meter = createPrometheusMeter();
  const counts = new RemoteCounts((operations) => void link.send({ kind: "counted", operations }));
  let serving: Promise<Serving> | undefined;

  const start = async ({ number, source, stateDir }: Extract<ToWorker, { kind: "start" }>) => {
    const { config, problems } = parseConfig(source.text, { file: source.file, env });
    if (config === undefined) throw new StartError("the configuration is not right any more", { problems });
    const logger = createLogger(sink, config.telemetry.log, { worker: number });
    return startServing(config, { stateDir, sink, logger, meter, counts });
  };
  const answer = async (id: number, question: Question): Promise<void> => {
    const running = await serving;
    if (running === undefined) return;
    await link.send({ kind: "answer", id, answer: await answerTo(question, running, meter, env) });
  };

  const done = new Promise<void>((resolve) => {
    link.onMessage((message) => {
      switch (message.kind) {
        case "start":
          serving = start(message);
          void serving.then(
            (running) => link.send({ kind: "started", ...openedBy(running) }),
            async (error: unknown) => {
              await link.send({ kind: "refused", ...refusalOf(error) });
              resolve();
            },
          );
          return;
        case "question":
          void answer(message.id, message.question);
          return;
        case "decided":
          counts.decided(message.decisions);
          return;
        case "drain": {
          const drain = async (): Promise<void> => {
            await (await serving)?.close(message.graceMs);
            await link.send({ kind: "drained", samples: meter.samples() });
          };
          drain().then(resolve, resolve);
        }
      }
    });
  });
  void link.send({ kind: "awake" });
  return { done, leave: () => void link.send({ kind: "leaving" }) };
}

async function answerTo(
  question: Question,
  serving: Serving,
  meter: PrometheusMeter,
  env: WorkerOptions["env"],
): Promise<Answers[keyof Answers]> {
  switch (question.name) {
    case "reload": {
      const { config, problems } = parseConfig(question.source.text, { file: question.source.file, env });
      return config === undefined ? problems : serving.reload(config);
    }
    case "refresh":
      return serving.refresh();
    case "samples":
      return meter.samples();
    case "notReady":
      return serving.notReady();
    default:
      return serving.views[question.name]() as Answers[typeof question.name];
  }
}

function openedBy({ httpsPort, httpPort, caPath, serves }: Serving) {
  return { httpsPort, httpPort, caPath, ...serves };
}

/** A defect is told as what it is; its cause stands in the log of the worker. */
function refusalOf(error: unknown) {
  if (error instanceof StartError) return { message: error.message, problems: error.problems };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), problems: [] };
}
