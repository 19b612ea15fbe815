import type { CustomFetch } from "openid-client";
import { ProviderError } from "./provider-error.ts";

const maxBytes = 512 * 1024;

/** Asks a provider: no redirects are followed, and no more bytes are read than bounded. The time is the caller's to bound. */
export const boundedFetch: CustomFetch = async (url, options) => {
  const { headers, method, signal } = options;
  const response = await fetch(url, {
    headers,
    method,
    redirect: "error",
    ...(options.body === undefined ? {} : { body: options.body }),
    ...(signal === undefined ? {} : { signal }),
  });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes)
      throw new ProviderError("unavailable", `it answers with more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const { status, statusText } = response;
  const bodiless = status === 204 || status === 205 || status === 304;
  return new Response(bodiless ? null : Buffer.concat(chunks), {
    status,
    statusText,
    headers: response.headers,
  });
};
