import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

export const hasChromium = existsSync(executablePath);

/** For the names of tests that are skipped without it. */
export const needsChromium = hasChromium
  ? ""
  : " (skipped: apt-get install chromium, or CHROMIUM=/path/to/it)";

/** A browser without a window, that takes the certificates of the tests. @param more arguments */
export function startChromium(more: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      "--ignore-certificate-errors",
      // Its sandbox does not work for root.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      ...more,
    ],
  });
}
