import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { type UploadImageRequest, UploadImageRequestSchema } from "#gen/shop/v1/catalog_pb";
import { invalid, refused } from "../grpc/status-error.ts";

const types = new Set(["image/png", "image/jpeg", "image/webp", "image/gif", "image/svg+xml"]);
const largest = 4 * 1024 * 1024;

/** Puts the pieces of an upload together. @throws StatusError for what is no image, or too large a one */
export async function gatherImage(pieces: AsyncIterable<UploadImageRequest>): Promise<UploadImageRequest> {
  let name = "";
  let contentType = "";
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    if (chunks.length === 0) {
      name = piece.name;
      contentType = (piece.body?.contentType ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
      if (!types.has(contentType))
        throw invalid("body.content_type", `must be one of ${[...types].join(", ")}`);
    } else if (piece.name !== "" && piece.name !== name)
      throw invalid("name", "must not change between pieces");
    const data = piece.body?.data ?? new Uint8Array();
    size += data.length;
    if (size > largest)
      throw refused(status.INVALID_ARGUMENT, "IMAGE_TOO_LARGE", "the image has more than 4 MiB", {
        largest_bytes: String(largest),
      });
    chunks.push(data);
  }
  if (size === 0) throw invalid("body", "is required");
  return create(UploadImageRequestSchema, { name, body: { contentType, data: Buffer.concat(chunks) } });
}
