import path from "node:path";

/** An absolute path as people like to read it: relative to the working directory when it is below that. */
export function displayPath(absolute: string): string {
  const relative = path.relative(process.cwd(), absolute);
  if (relative === "") return ".";
  return /^\.\.(?:[/\\]|$)/.test(relative) || path.isAbsolute(relative) ? absolute : relative;
}
