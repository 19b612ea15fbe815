import { execFile } from "node:child_process";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** The compiler, as its npm package brings it: the binary itself, or where that is not found, its launcher by Node. */
function bufCommand(): readonly [string, ...string[]] {
  const launcher = require.resolve("@bufbuild/buf/bin/buf");
  const suffix = process.platform === "win32" ? ".exe" : "";
  try {
    const binary = `@bufbuild/buf-${process.platform}-${process.arch}/bin/buf${suffix}`;
    return [createRequire(launcher).resolve(binary)];
  } catch {
    return [process.execPath, launcher];
  }
}

export interface BufOutcome {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs buf. Rejects only when it is not installed. Aborting the signal kills it. */
export async function runBuf(
  args: readonly string[],
  cwd: string,
  signal?: AbortSignal,
): Promise<BufOutcome> {
  const [command, ...first] = bufCommand();
  const options = { cwd, maxBuffer: 64 * 1024 * 1024 };
  return new Promise((resolve) => {
    execFile(
      command,
      [...first, ...args],
      signal === undefined ? options : { ...options, signal },
      (error, stdout, stderr) =>
        resolve({ ok: error === null, stdout, stderr: stderr || (error?.message ?? "") }),
    );
  });
}
