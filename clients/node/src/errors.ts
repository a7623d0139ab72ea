/** What can go wrong, by what a program does about it. None of them ever holds the key. */

/** All errors of this package. */
export class SigcastError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The server will say the same again: nothing is to be gained by waiting. */
export class FatalError extends SigcastError {
  constructor(
    /** The server's word for it, such as `invalid_api_key`. */
    readonly code: string,
    /** The HTTP status that goes with it. */
    readonly status: number,
    message: string,
  ) {
    super(`${code}: ${message}`);
  }
}

/** The key is absent, malformed, unknown, revoked or expired, or its account is suspended. */
export class AuthenticationError extends FatalError {}

/** The plan has no stream, or lapsed. */
export class SubscriptionError extends FatalError {}

/** The request itself is refused: a parameter, a path. */
export class RequestError extends FatalError {}

/** Another connection took this key's seat. It holds it on purpose: taking it back would only start a quarrel. */
export class SupersededError extends FatalError {}

/** It will pass by itself. The stream waits and comes back; calls of the log's own throw it. */
export class RefusedError extends SigcastError {
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    /** What the server asks to wait for at least; 0: it says nothing. */
    readonly retryAfterMs: number,
  ) {
    super(`${status} ${code}: ${message}`);
  }
}

/** The connection could not be made, or broke. */
export class ConnectionLost extends SigcastError {}

/** Nothing was heard for longer than the server's pings allow, or it did not answer in time. */
export class SilenceError extends ConnectionLost {}

/** What came is not what the protocol says. */
export class ProtocolError extends SigcastError {}

/** The position cannot be read or written. */
export class StateError extends SigcastError {}

/** A webhook that nobody with the secret has sent, or not now. */
export class SignatureError extends SigcastError {}

/** The words of anything that was thrown. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  return error.message || code || error.name;
}
