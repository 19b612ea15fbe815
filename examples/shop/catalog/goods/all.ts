import type { Good } from "./good.ts";
import { house } from "./house.ts";
import { lessons } from "./lessons.ts";
import { pantry } from "./pantry.ts";
import { paper } from "./paper.ts";

/** Everything that the shop opens with, in the order in which it came. */
export const goods: readonly Good[] = [...pantry, ...house, ...paper, ...lessons];

/** When the shop opened, in milliseconds since the epoch. */
export const openedAt = Date.UTC(2025, 2, 3, 8);
