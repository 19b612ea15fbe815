let monotonic = 0;
let epoch = 0;
let known = false;

/**
 * The time as of the present turn of the event loop, in milliseconds of `performance.now()`: for what happens to many calls
 * in one turn and need not be told apart. Clocks are cheap, but a call would look at ten.
 */
export function turnNow(): number {
  if (!known) look();
  return monotonic;
}

/** The same in milliseconds since the epoch. */
export function turnDate(): number {
  if (!known) look();
  return epoch;
}

function look(): void {
  monotonic = performance.now();
  epoch = Date.now();
  known = true;
  setImmediate(forget);
}

function forget(): void {
  known = false;
}
