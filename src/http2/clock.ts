/** Something that has deadlines of its own. */
export interface Ticked {
  /** @param now milliseconds, of `performance.now()`. */
  tick(now: number): void;
}

/** Milliseconds between two looks at all deadlines; they are met that late at most. */
const interval = 100;

const ticked = new Set<Ticked>();
let timer: NodeJS.Timeout | undefined;

/** Milliseconds of `performance.now()`, as of the last look: for what need not be exact. */
export const clock = { now: performance.now() };

/** One timer for all connections, instead of one or more each. It does not keep the process alive. */
export function startTicking(each: Ticked): void {
  ticked.add(each);
  if (timer !== undefined) return;
  clock.now = performance.now();
  timer = setInterval(() => {
    clock.now = performance.now();
    for (const one of ticked) one.tick(clock.now);
  }, interval);
  timer.unref();
}

export function stopTicking(each: Ticked): void {
  ticked.delete(each);
  if (ticked.size > 0 || timer === undefined) return;
  clearInterval(timer);
  timer = undefined;
}
