import { createHash, timingSafeEqual } from "node:crypto";

const hashed = /^sha256:([\da-f]{64})$/i;

/**
 * Tells whether an `authorization` field shows the token: as a bearer, or for browsers as the password of whichever user. Takes
 * as long whether it does or not.
 *
 * @param configured the token, or `sha256:` and its hash in hex
 */
export function tokenCheck(configured: string): (authorization: string | undefined) => boolean {
  const given = hashed.exec(configured)?.[1];
  const expected = given === undefined ? sha256(configured) : Buffer.from(given, "hex");
  return (authorization) => timingSafeEqual(sha256(tokenOf(authorization ?? "")), expected);
}

function tokenOf(authorization: string): string {
  const [scheme = "", value = ""] = authorization.split(" ");
  switch (scheme.toLowerCase()) {
    case "bearer":
      return value;
    case "basic": {
      const pair = Buffer.from(value, "base64").toString();
      return pair.slice(pair.indexOf(":") + 1);
    }
    default:
      return "";
  }
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
