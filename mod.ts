/**
 * Yizhan 驿站, a mail station for Deno: an SMTP and LMTP server with Maildir delivery, and the pieces
 * it is made of. No dependencies.
 *
 * @example A station that takes mail for anybody, for tests
 * ```ts
 * import { createMta } from "./mod.ts";
 *
 * const mta = await createMta({
 *   listeners: [{ role: "catcher", address: { transport: "tcp", hostname: "127.0.0.1", port: 0 } }],
 *   delivery: { maildirRoot: await Deno.makeTempDir() },
 *   onEvent: (event) => event.type === "message.accepted" && console.log(event.subject),
 * });
 * console.log(mta.addresses); // [{ transport: "tcp", hostname: "127.0.0.1", port: 40123 }]
 * await mta.stop();
 * ```
 *
 * @module
 */

import { catchAllDirectory } from "./src/directory/catch_all.ts";
import { type Mta, type MtaOptions, startMta } from "./src/mta.ts";
import { denoRuntime } from "./src/runtime/deno.ts";

/** {@link MtaOptions}, where what is usual need not be said. */
export type CreateMtaOptions =
  & Omit<MtaOptions, "runtime" | "hostname" | "directory">
  & Partial<Pick<MtaOptions, "runtime" | "hostname" | "directory">>;

/**
 * Builds and starts a station on Deno; resolves when all its listeners are up.
 *
 * Without `directory` every address is a mailbox and any password is right: a catcher for tests, not
 * for the internet. `hostname` is `"localhost"` when not given.
 *
 * @throws {TypeError} when the options contradict each other; the message says where.
 */
export function createMta(options: CreateMtaOptions): Promise<Mta> {
  return startMta({
    runtime: denoRuntime(),
    hostname: "localhost",
    directory: catchAllDirectory(),
    ...options,
  });
}

export { type ListenerOptions, type Mta, type MtaOptions, startMta } from "./src/mta.ts";
export type { EventSink, MtaEvent, MtaFact } from "./src/events.ts";
export { type EventLineOptions, formatEventJson, formatEventLine } from "./src/observe/log.ts";

export {
  type Address,
  addressesEqual,
  type AddressOptions,
  formatAddress,
  parseAddress,
} from "./src/address.ts";

export { catchAllDirectory } from "./src/directory/catch_all.ts";
export type {
  Account,
  Directory,
  DirectoryEntry,
  Mailbox,
  Quota,
} from "./src/directory/directory.ts";
export {
  type FileDirectory,
  type FileDirectoryOptions,
  openFileDirectory,
} from "./src/directory/file_directory.ts";
export {
  type MapAccount,
  mapDirectory,
  type MapDirectoryOptions,
} from "./src/directory/map_directory.ts";

export { maildirDelivery, type MaildirOptions } from "./src/delivery/maildir/maildir.ts";
export {
  DeliveryError,
  type LocalDelivery,
  type LocalRecipient,
  type MessageSource,
  type PreparedDelivery,
} from "./src/queue/local_delivery.ts";
export type { Envelope, EnvelopeRecipient } from "./src/queue/entry.ts";

export { senderIdentity, type SenderIdentityOptions } from "./src/policy/sender_identity.ts";
export { mayRelay } from "./src/policy/relay.ts";
export { type IpAddress, type Network as IpNetwork, parseNetwork } from "./src/net_address.ts";
export type {
  BodyObserver,
  Change,
  MessageView,
  Policy,
  PolicyAnswer,
  SessionView,
  Verdict,
} from "./src/policy/policy.ts";

export { decodeEncodedWords } from "./src/message/encoded_word.ts";
export {
  fieldValue,
  findField,
  formatFields,
  makeField,
  parseFields,
  type RawField,
  removeFields,
} from "./src/message/header.ts";

export { type Cursor, cursorOver } from "./src/smtp/cursor.ts";
export { LineDecoder, type LineResult } from "./src/smtp/line_decoder.ts";
export { DataDecoder, type DataResult } from "./src/smtp/data_decoder.ts";
export { ChunkDecoder, type ChunkResult } from "./src/smtp/chunk_decoder.ts";
export { DataEncoder, type EncodeResult } from "./src/smtp/data_encoder.ts";
export type { Extensions, SaslMechanism } from "./src/smtp/extensions.ts";
export type {
  DsnNotify,
  MailParameters,
  OriginalRecipient,
  RcptParameters,
} from "./src/smtp/parameters.ts";
export type { ScramVerifier } from "./src/smtp/sasl/scram_verifier.ts";
export { describeReply, formatReply, type Reply, reply } from "./src/smtp/reply.ts";
export type { ServerState, Transaction } from "./src/smtp/server_state.ts";
export { ServerSession, type SessionContext, type Waiting } from "./src/smtp/server_session.ts";
export type { FaultKind, ServerAnswer, ServerEvent } from "./src/smtp/server_event.ts";
export type {
  SessionLimits,
  SessionSettings,
  SessionTimeouts,
} from "./src/smtp/session_settings.ts";
export { type Role, type RoleOverrides, settingsOf } from "./src/server/roles.ts";

export { denoRuntime } from "./src/runtime/deno.ts";
export type * from "./src/runtime/runtime.ts";
