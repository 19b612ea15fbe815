import { Code, Metadata, RpcError } from "#rpc";

/** @param challenge what a caller may authenticate with (RFC 9110 11.6.1); empty where that is nothing here */
export function missingCredentials(challenge: string): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, "credentials are required", {
    reason: "credentials_missing",
    ...(challenge === "" ? {} : { challenge }),
  });
}

/** A person who has to log in first: a browser that shows a page is led there. @param location absolute */
export function loginRequired(location: string): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, "credentials are required", {
    reason: "credentials_missing",
    httpStatus: 302,
    location,
    head: Metadata.from([["cache-control", "no-store"]]),
  });
}

/** A session that has ended. */
export function sessionOver(challenge: string): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, "the session has ended: log in again", {
    reason: "credentials_expired",
    ...(challenge === "" ? {} : { challenge }),
  });
}

/** A request that a page of another site had a browser send, with credentials that browsers send by themselves. */
export function crossSite(): RpcError {
  return new RpcError(Code.PERMISSION_DENIED, "pages of other sites may not do this with your session", {
    reason: "cross_site",
  });
}

/** @param message must not have quotes in it */
export function invalidToken(message: string, cause?: unknown): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, message, {
    reason: "credentials_invalid",
    challenge: `Bearer error="invalid_token", error_description="${message}"`,
    ...(cause === undefined ? {} : { cause }),
  });
}

export function expiredToken(): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, "the token has expired", {
    reason: "credentials_expired",
    challenge: 'Bearer error="invalid_token", error_description="the token has expired"',
  });
}

/** Credentials of which none can be told to be the one that is meant. */
export function ambiguousCredentials(challenge: string): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, "more than one credential was sent", {
    reason: "credentials_invalid",
    ...(challenge === "" ? {} : { challenge }),
  });
}

/** Credentials that are not those of a token: a name, a password, a certificate. */
export function invalidCredentials(message: string, challenge: string): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, message, {
    reason: "credentials_invalid",
    ...(challenge === "" ? {} : { challenge }),
  });
}

export function invalidCertificate(expired: boolean, challenge: string): RpcError {
  return new RpcError(
    Code.UNAUTHENTICATED,
    expired ? "the client certificate has expired" : "the client certificate is nobody's who is known here",
    {
      reason: expired ? "credentials_expired" : "credentials_invalid",
      ...(challenge === "" ? {} : { challenge }),
    },
  );
}

export function invalidKey(expired: boolean, challenge: string): RpcError {
  return new RpcError(
    Code.UNAUTHENTICATED,
    expired ? "the API key has expired" : "the API key is not valid",
    {
      reason: expired ? "credentials_expired" : "credentials_invalid",
      challenge,
    },
  );
}
