import { kinds } from "./client.ts";
import { protocols } from "./protocols/index.ts";
import type { Place } from "./stage.ts";

/** Everywhere that a call can be made. */
export const places: readonly Place[] = protocols.flatMap((protocol) =>
  protocol.versions.flatMap((version) =>
    kinds
      .filter((kind) => protocol.carries[kind] === true)
      .map((kind): Place => ({ protocol, version, kind })),
  ),
);

export const titleOf = ({ protocol, version, kind }: Place): string =>
  `${protocol.name}, HTTP/${version}, ${kind}`;
