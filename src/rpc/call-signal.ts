/**
 * Tells those who work on a call that it is over before its end. What of AbortSignal a call needs, so that one of those
 * serves as well; a signal of the platform costs several microseconds to make, and every call has some.
 */
export interface CallSignal {
  readonly aborted: boolean;
  /** Why; of the gateway's own signals an RpcError. Undefined until it is aborted. */
  readonly reason: unknown;
  /** The listener is called at most once, and never for what had happened before. */
  addEventListener(type: "abort", listener: AbortListener, options?: { readonly once?: boolean }): void;
  removeEventListener(type: "abort", listener: AbortListener): void;
}

/** Who hears of an abort: an object where a function for each call would cost more than the call. */
export type AbortListener = (() => void) | { handleEvent(): void };

/** A signal with the means to abort it. */
export class CallAbort implements CallSignal {
  #aborted = false;
  #reason: unknown;
  /** One is the rule; an array for more. */
  #listeners: AbortListener | AbortListener[] | undefined;

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  /** The first reason counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    if (listeners === undefined) return;
    if (!Array.isArray(listeners)) tell(listeners);
    else for (const listener of listeners) tell(listener);
  }

  addEventListener(_type: "abort", listener: AbortListener): void {
    const listeners = this.#listeners;
    if (this.#aborted || listeners === listener) return;
    if (listeners === undefined) this.#listeners = listener;
    else if (!Array.isArray(listeners)) this.#listeners = [listeners, listener];
    else if (!listeners.includes(listener)) this.#listeners = [...listeners, listener];
  }

  removeEventListener(_type: "abort", listener: AbortListener): void {
    const listeners = this.#listeners;
    if (listeners === listener) this.#listeners = undefined;
    else if (Array.isArray(listeners)) this.#listeners = listeners.filter((each) => each !== listener);
  }
}

function tell(listener: AbortListener): void {
  if (typeof listener === "function") listener();
  else listener.handleEvent();
}

/** A signal that is aborted by whichever of two comes first. What listens to them stays until one has. */
export function eitherSignal(one: CallSignal, other: CallSignal): CallSignal {
  const either = new CallAbort();
  for (const signal of [one, other]) {
    if (signal.aborted) either.abort(signal.reason);
    else signal.addEventListener("abort", () => either.abort(signal.reason));
  }
  return either;
}
