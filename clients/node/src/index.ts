/** Client of a sigcast server: its stream, its log, its webhooks. */

export type { BackoffOptions } from "./backoff.js";
export { Client, type ClientOptions, type Verification } from "./client.js";
export { type DigestState, RollingDigest } from "./digest.js";
export {
  AuthenticationError,
  ConnectionLost,
  FatalError,
  ProtocolError,
  RefusedError,
  RequestError,
  SigcastError,
  SignatureError,
  SilenceError,
  StateError,
  SubscriptionError,
  SupersededError,
} from "./errors.js";
export { fileState, type FileStateOptions } from "./file.js";
export type { Filter } from "./filter.js";
export type { Authorities } from "./http.js";
export type { ListOptions, Log, Page } from "./log.js";
export type { Notice } from "./notice.js";
export { type Claim, Once } from "./once.js";
export type * from "./payloads/api.js";
export type * from "./payloads/consensus.js";
export type * from "./payloads/insider.js";
export type * from "./payloads/rest.js";
export {
  type Channel,
  type EventName,
  isConsensusBuy,
  isConsensusExit,
  isInsiderSignal,
  type PublishedSignal,
  type Rank,
  type Signal,
  type SignalBase,
  type SignalEvent,
} from "./payloads/signal.js";
export type * from "./payloads/stream.js";
export { parsePlace, type Place } from "./place.js";
export { type ReceiverOptions, type Reply, WebhookReceiver } from "./receiver.js";
export { type Frame, SseParser } from "./sse.js";
export { readState, type State, type StateStore } from "./state.js";
export { type HeadersLike, type Verified, type VerifyOptions, verifySigmate, verifyWebhook } from "./webhook.js";
