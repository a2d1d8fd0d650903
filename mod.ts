/**
 * Yizhan 驿站, a mail station for Deno: an SMTP and LMTP server with Maildir delivery, a queue that
 * survives power cuts, an SMTP client that hands mail on, and the pieces they are made of. No dependencies.
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
import { mapDirectory } from "./src/directory/map_directory.ts";
import { type Mta, startMta } from "./src/mta.ts";
import type { MtaOptions } from "./src/mta_options.ts";
import type { SubmitEnvelope, SubmitMessage } from "./src/intake/submit.ts";
import { denoRuntime } from "./src/runtime/deno.ts";
import { sendMail as send, type SendMailOptions, type SendMailResult } from "./src/send_mail.ts";

/** How to send: {@link SendMailOptions} of the machine this runs on. */
export type SendOptions = Partial<SendMailOptions>;

/**
 * Sends one mail from a program, without a station: to a server, or straight to the mail hosts of each
 * recipient. One attempt; what is put off is the caller's to try again ({@link Mta.submit} has a queue).
 *
 * @throws {TypeError} for arguments that make no sense; what becomes of the mail out there is a value.
 *
 * @example
 * ```ts no-eval
 * import { describeSent, sendMail } from "./mod.ts";
 *
 * const envelope = { sender: "me@example.org", recipients: ["you@example.net"] };
 * const auth = { user: "me@example.org", password: "secret" };
 * const sent = await sendMail(envelope, "Subject: Hi\n\nHello.\n", {
 *   server: { host: "smtp.example.org", auth },
 * });
 * console.log(describeSent(sent));
 * ```
 */
export function sendMail(
  envelope: SubmitEnvelope,
  message: SubmitMessage,
  options: SendOptions = {},
): Promise<SendMailResult> {
  return send(envelope, message, { runtime: denoRuntime(), ...options });
}

/** {@link MtaOptions}, where what is usual need not be said. */
export type CreateMtaOptions =
  & Omit<MtaOptions, "runtime" | "hostname" | "directory" | "listeners">
  & Partial<Pick<MtaOptions, "runtime" | "hostname" | "directory" | "listeners">>;

/**
 * Builds and starts a station on Deno; resolves when all its listeners are up.
 *
 * Without `directory` every address is a mailbox and any password is right: a catcher for tests, not
 * for the internet. With a `queue` and without `directory` nobody lives here, and all mail goes on.
 * `hostname` is `"localhost"` when not given; `listeners` are none.
 *
 * @throws {TypeError} when the options contradict each other; the message says where.
 */
export function createMta(options: CreateMtaOptions): Promise<Mta> {
  return startMta({
    runtime: denoRuntime(),
    hostname: "localhost",
    directory: options.queue === undefined ? catchAllDirectory() : mapDirectory({ accounts: {} }),
    listeners: [],
    ...options,
  });
}

export { type Mta, type PreparedReload, startMta } from "./src/mta.ts";
export type { ListenerOptions, MtaOptions, ReloadOptions } from "./src/mta_options.ts";
export type { DownDestination, ListenerStatus, MtaStatus, QueueStatus } from "./src/mta_status.ts";
export type { QueueOptions, QueueSettings } from "./src/mta_queue.ts";
export {
  type SubmitEnvelope,
  SubmitError,
  type SubmitMessage,
  type SubmitOptions,
  type Submitted,
} from "./src/intake/submit.ts";
export type { LocalUser } from "./src/message/received.ts";
export {
  describeSent,
  type SendMailOptions,
  type SendMailResult,
  type SendMailServer,
  type SentRecipient,
} from "./src/send_mail.ts";
export type { Conversation, Tracer } from "./src/observe/trace.ts";
export type { ConversationFacts, TraceFilter } from "./src/observe/trace_filter.ts";
export type { Traced, TraceKind, TraceLine, TraceListener } from "./src/observe/trace_listener.ts";
export type { SessionTap } from "./src/smtp/session_tap.ts";
export type { EventSink, MtaEvent, MtaFact } from "./src/events.ts";
export type { DeliveryFact } from "./src/events/delivery.ts";
export type { DropFact } from "./src/events/drop.ts";
export type { MessageFact } from "./src/events/message.ts";
export type { QueueFact } from "./src/events/queue.ts";
export type { SessionFact } from "./src/events/session.ts";
export type { StationFact } from "./src/events/station.ts";
export { formatEventJson } from "./src/observe/event_json.ts";
export { type EventLineOptions, formatEventLine } from "./src/observe/log.ts";

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

export type { Soon } from "./src/soon.ts";
export { maildirDelivery, type MaildirOptions } from "./src/delivery/maildir/maildir.ts";
export {
  DeliveryError,
  type LocalDelivery,
  type LocalRecipient,
  type MessageSource,
  type PreparedDelivery,
} from "./src/queue/local_delivery.ts";
export type { BodySource } from "./src/queue/body_store.ts";
export type {
  Attempt,
  EntryOrigin,
  Envelope,
  EnvelopeRecipient,
  NoticeKind,
  QueuedRecipient,
  QueueEntry,
  RecipientStatus,
} from "./src/queue/entry.ts";
export { type Claim, LeaseLostError, type NewMessage, type QueueStore } from "./src/queue/store.ts";
export { MemoryStore, type MemoryStoreOptions } from "./src/queue/memory_store.ts";
export { SpoolBusyError } from "./src/queue/spool/owner.ts";
export type { RetryOptions, RetrySchedule } from "./src/queue/retry.ts";
export type { QueueChange } from "./src/queue/operator/queue_change.ts";
export type { ChangeResult } from "./src/queue/operator/apply_change.ts";
export type {
  QueueControl,
  QueueControlOptions,
  QueueSelection,
  QueueWorker,
} from "./src/queue/operator/queue_control.ts";
export {
  type QueueFilter,
  type QueueMatcher,
  queueMatcher,
  type QueueState,
} from "./src/queue/operator/queue_filter.ts";
export type {
  AttemptDetails,
  QueueDetails,
  QueueSummary,
  RecipientDetails,
} from "./src/queue/operator/queue_view.ts";
export type { RunnerLimits } from "./src/delivery/runner_rules.ts";
export type { FeedbackLimits } from "./src/delivery/destination.ts";
export type { SchedulerLimits } from "./src/delivery/scheduler.ts";
export type {
  Credentials,
  MxRoute,
  RelaySettings,
  SmarthostRoute,
  TlsLevel,
} from "./src/routing/route.ts";
export type {
  HoldOptions,
  LmtpOptions,
  MxOptions,
  PipeOptions,
  RelayOptions,
  RouteOptions,
  SmarthostOptions,
  ViaOptions,
  WayOptions,
} from "./src/routing/route_table.ts";

export { senderIdentity, type SenderIdentityOptions } from "./src/policy/sender_identity.ts";
export { mayRelay } from "./src/policy/relay.ts";
export { type IpAddress, type Network as IpNetwork, parseNetwork } from "./src/net_address.ts";
export type { Ledger, Note, Rate } from "./src/policy/ledger/ledger.ts";
export { type LedgerBounds, MemoryLedger } from "./src/policy/ledger/memory_ledger.ts";
export { KeptLedger, type KeptLedgerOptions } from "./src/policy/ledger/kept_ledger.ts";
export {
  type AccountLimitOptions,
  accountLimits,
  type AccountLimitServices,
  type AccountRates,
} from "./src/policy/abuse/accounts.ts";
export { type BanOptions, bans, type BanServices } from "./src/policy/abuse/bans.ts";
export {
  type BounceStormOptions,
  bounceStorms,
  type BounceStormServices,
} from "./src/policy/abuse/bounce_storms.ts";
export {
  greylisting,
  type GreylistingOptions,
  type GreylistingServices,
} from "./src/policy/abuse/greylisting.ts";
export { loginBackoff, type LoginBackoffOptions } from "./src/policy/abuse/login_backoff.ts";
export {
  type ClientRates,
  type ConnectionRateOptions,
  connectionRates,
  type MailRates,
  type MessageRateOptions,
  messageRates,
  type RateServices,
} from "./src/policy/abuse/rates.ts";
export { tarpit, type TarpitOptions } from "./src/policy/abuse/tarpit.ts";
export { type DnsListKind, type DnsListOptions } from "./src/policy/dns/dns_list.ts";
export {
  dnsLists,
  type DnsListsOptions,
  type DnsListsPolicy,
  type DnsListsServices,
} from "./src/policy/dns/dns_lists.ts";
export {
  helloChecks,
  type HelloChecksOptions,
  type HelloChecksServices,
} from "./src/policy/dns/hello_checks.ts";
export {
  reverseDns,
  type ReverseDnsOptions,
  type ReverseDnsServices,
} from "./src/policy/dns/reverse_dns.ts";
export {
  senderDomain,
  type SenderDomainOptions,
  type SenderDomainServices,
} from "./src/policy/dns/sender_domain.ts";
export {
  milter,
  type MilterOptions,
  type MilterServices,
  type MilterTrouble,
} from "./src/policy/milter/milter.ts";
export type { MilterTimeouts } from "./src/policy/milter/link.ts";
export { clamav, type ClamavOptions, type ClamavServices } from "./src/policy/clamav/clamav.ts";
export {
  httpHook,
  type HttpHookOptions,
  type HttpHookServices,
} from "./src/policy/http_hook/http_hook.ts";
export {
  authentication,
  type AuthenticationOptions,
  type AuthenticationServices,
} from "./src/policy/mailauth/authentication.ts";
export type { DnsShare } from "./src/policy/dns/dns_share.ts";
export type {
  AuthenticationAction,
  AuthenticationRules,
} from "./src/policy/mailauth/authentication_rules.ts";
export type { AuthResult } from "./src/mailauth/result.ts";
export {
  type DmarcQuery,
  type DmarcResult,
  type DmarcServices,
  evaluateDmarc,
} from "./src/mailauth/dmarc/evaluate.ts";
export type {
  DmarcObservation,
  DmarcObserver,
  DmarcOverride,
  DmarcOverrideType,
  ObservedSignature,
  ObservedSpf,
  PublishedPolicy,
} from "./src/mailauth/dmarc/observation.ts";
export {
  type DmarcAlignment,
  type DmarcRecord,
  type DmarcRequest,
  parseDmarcRecord,
} from "./src/mailauth/dmarc/record.ts";
export { PolicyRecords, type RecordAnswer } from "./src/mailauth/dmarc/tree.ts";
export {
  dkimSigning,
  type DkimSigningOptions,
  type DkimSigningServices,
} from "./src/policy/mailauth/signing.ts";
export {
  type DkimKeyText,
  type DomainKey,
  type DomainKeys,
  SigningKeys,
} from "./src/policy/mailauth/signing_keys.ts";
export {
  type OpenedSigningKey,
  openSigningKey,
  type SigningKey,
} from "./src/mailauth/dkim/signing_key.ts";
export { namesToSign, signDkim, type SignOptions } from "./src/mailauth/dkim/sign.ts";
export {
  type DkimResult,
  DkimVerifier,
  type DkimVerifyOptions,
  verifyDkim,
} from "./src/mailauth/dkim/verify.ts";
export {
  checkHost,
  helloQuery,
  mailFromQuery,
  type SpfAnswer,
  type SpfQuery,
  type SpfServices,
  type SpfSession,
} from "./src/mailauth/spf/check_host.ts";
export type { SpfLimits, SpfResolver } from "./src/mailauth/spf/questions.ts";
export type { SignatureClaims } from "./src/mailauth/dkim/signature.ts";
export { formatReceivedSpf } from "./src/mailauth/spf/received_spf.ts";
export {
  arcSealing,
  type ArcSealingOptions,
  type ArcSealingServices,
} from "./src/policy/mailauth/sealing.ts";
export {
  type ArcResult,
  type ArcSetFacts,
  ArcVerifier,
  type ArcVerifyOptions,
  verifyArc,
} from "./src/mailauth/arc/verify.ts";
export { type ArcSealOptions, sealArc } from "./src/mailauth/arc/seal.ts";
export type { SealForm } from "./src/mailauth/arc/seal_field.ts";
export { type OwnResults, ownResults } from "./src/mailauth/arc/own_results.ts";
export { trustedArcPass, type TrustedPass } from "./src/mailauth/arc/trust.ts";
export { type BodyHash, BodyHashes } from "./src/mailauth/dkim/body_hashes.ts";
export type { Canonicalization } from "./src/mailauth/dkim/canonical_field.ts";
export {
  type AuthenticationResults,
  formatAuthenticationResults,
  type MethodResult,
  parseAuthenticationResults,
  type ReportedProperty,
  type ReportedResult,
  type ResultProperty,
} from "./src/message/authentication_results.ts";
export {
  type DaneGuard,
  type GuardQuestion,
  guardsInOrder,
  type HostGuard,
  type ShutGuard,
  type StsGuard,
  type TlsFault,
  type TlsFaultType,
  type TlsGuards,
  type TlsResult,
  type Unguarded,
} from "./src/delivery/tls_guard.ts";
export type { MailHost } from "./src/delivery/mx.ts";
export type { DnssecTrust } from "./src/runtime/dns_servers.ts";
export {
  formatStsPolicy,
  parseStsPolicy,
  stsCovers,
  type StsPolicy,
  stsPolicyId,
} from "./src/delivery/sts/policy.ts";
export { parseStsRecord, type StsRecord } from "./src/delivery/sts/record.ts";
export { type StsFinding, StsPolicies, type StsServices } from "./src/delivery/sts/policies.ts";
export { type KeptPolicy, StsPolicyStore } from "./src/delivery/sts/policy_store.ts";
export type { fetchStsPolicy, StsFetchOptions } from "./src/delivery/sts/fetch_policy.ts";
export type { HttpsServices } from "./src/delivery/https/request.ts";
export { stsGuards } from "./src/delivery/sts/sts_guards.ts";
export { DmarcCounts } from "./src/delivery/dmarc_reports/counts.ts";
export { DmarcReporter, type DmarcReporterOptions } from "./src/delivery/dmarc_reports/reporter.ts";
export type { DayCountsOptions } from "./src/delivery/reports/day_counts.ts";
export type {
  ReportSettings,
  SentReport,
  SubmitReport,
  SubmittedReport,
} from "./src/delivery/reports/submit_report.ts";
export {
  parseTlsReport,
  type ReceivedFailure,
  type ReceivedPolicy,
  type ReceivedTlsReport,
} from "./src/delivery/tls_reports/received_report.ts";
export { HOOK_STAGES, type HookStage } from "./src/policy/http_hook/hook_request.ts";
export { verifyHook } from "./src/policy/http_hook/signature.ts";
export type {
  BodyDraft,
  BodyObserver,
  Change,
  HeadChange,
  MessageView,
  NoticeView,
  Policy,
  PolicyAnswer,
  Refusal,
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

export {
  type ClientContext,
  type ClientCredentials,
  type ClientMechanism,
  ClientSession,
  type ClientWaiting,
} from "./src/smtp/client_session.ts";
export type {
  ClientEvent,
  ClientFailure,
  RecipientOutcome,
  Transaction as ClientTransaction,
  TransactionRecipient,
  TransactionStage,
} from "./src/smtp/client_event.ts";
export {
  type ClientLimits,
  type ClientOptions,
  type ClientSettings,
  clientSettings,
  type ClientTimeouts,
} from "./src/smtp/client_settings.ts";
export type { OfferContext, PeerExtensions, PeerLimits } from "./src/smtp/peer_extensions.ts";
export { denoRuntime, type DenoRuntimeOptions } from "./src/runtime/deno.ts";
export type * from "./src/runtime/files.ts";
export type * from "./src/runtime/network.ts";
export type * from "./src/runtime/programs.ts";
export type * from "./src/runtime/resolver.ts";
export type * from "./src/runtime/runtime.ts";
export type * from "./src/runtime/system_error.ts";
export type * from "./src/runtime/tls.ts";
