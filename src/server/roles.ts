/**
 * The roles a listener can have, as plain data: what each offers, demands and limits by default.
 *
 * | role | port | for |
 * | --- | --- | --- |
 * | `mx` | 25 | mail from other stations; no AUTH, no relaying |
 * | `submission` | 587 | mail from our users; STARTTLS, then AUTH (RFC 6409) |
 * | `submissions` | 465 | the same with TLS from the first octet (RFC 8314) |
 * | `lmtp` | a unix socket or port | mail from a local MTA (RFC 2033) |
 * | `catcher` | 2525 | development: takes anything from anybody |
 *
 * @module
 */

import type { Extensions } from "../smtp/extensions.ts";
import type { SessionLimits, SessionSettings, SessionTimeouts } from "../smtp/session_settings.ts";

/** What a listener is for. */
export type Role = "mx" | "submission" | "submissions" | "lmtp" | "catcher";

/** The settings of a listener that its role does not fix for good. */
export interface RoleOverrides {
  /** Extensions to switch on or off. */
  readonly extensions?: Partial<Extensions>;
  /** Limits to set. */
  readonly limits?: Partial<Omit<SessionLimits, "timeouts">> & {
    readonly timeouts?: Partial<SessionTimeouts>;
  };
  /** See {@link SessionSettings.auth}. */
  readonly auth?: SessionSettings["auth"];
  /** See {@link SessionSettings.authInClear}. */
  readonly authInClear?: boolean;
  /** See {@link SessionSettings.tls}. */
  readonly tls?: SessionSettings["tls"];
  /** See {@link SessionSettings.newlines}. */
  readonly newlines?: SessionSettings["newlines"];
  /** See {@link SessionSettings.refuseEarlyTalk}. */
  readonly refuseEarlyTalk?: boolean;
  /** See {@link SessionSettings.banner}. */
  readonly banner?: string;
  /** See {@link SessionSettings.greetingDelay}. */
  readonly greetingDelay?: number;
  /** See {@link SessionSettings.help}. */
  readonly help?: string;
}

const MINUTE = 60_000;

/** The limits every role starts from. */
export const DEFAULT_LIMITS: SessionLimits = {
  messageSize: 50 * 1024 * 1024,
  recipients: 1000,
  refusedRecipients: 100,
  messages: 1000,
  commandLine: 2048,
  authLine: 12288,
  errors: 20,
  idleCommands: 1000,
  failedLogins: 3,
  bodyRate: 100,
  timeouts: {
    command: 5 * MINUTE,
    data: 3 * MINUTE,
    reply: 3 * MINUTE,
    handshake: MINUTE,
    message: 60 * MINUTE,
    withoutMail: 60 * MINUTE,
    session: 24 * 60 * MINUTE,
  },
};

/** DSN, BINARYMIME and REQUIRETLS take a queue that can honour them. */
const EXTENSIONS: Extensions = {
  pipelining: true,
  size: DEFAULT_LIMITS.messageSize,
  eightBitMime: true,
  smtputf8: true,
  enhancedStatusCodes: true,
  chunking: true,
  binaryMime: false,
  dsn: false,
  startTls: true,
  auth: [],
  limits: true,
  requireTls: false,
  etrn: false,
  verify: false,
  expand: false,
};

const SASL: Extensions["auth"] = ["SCRAM-SHA-256", "PLAIN", "LOGIN"];

/** The settings of a role on a host, with what the operator changed. */
export function settingsOf(
  role: Role,
  hostname: string,
  overrides: RoleOverrides = {},
): SessionSettings {
  const base = ROLE_DEFAULTS[role];
  const limits: SessionLimits = {
    ...DEFAULT_LIMITS,
    ...overrides.limits,
    timeouts: { ...DEFAULT_LIMITS.timeouts, ...overrides.limits?.timeouts },
  };
  return {
    hostname,
    protocol: role === "lmtp" ? "lmtp" : "smtp",
    extensions: {
      ...EXTENSIONS,
      size: limits.messageSize,
      ...base.extensions,
      ...overrides.extensions,
    },
    limits,
    auth: overrides.auth ?? base.auth,
    authInClear: overrides.authInClear ?? base.authInClear,
    emptyPassword: base.emptyPassword ?? false,
    tls: overrides.tls ?? base.tls,
    newlines: overrides.newlines ?? "strict",
    refuseEarlyTalk: overrides.refuseEarlyTalk ?? base.refuseEarlyTalk,
    banner: overrides.banner ?? "ESMTP",
    greetingDelay: overrides.greetingDelay ?? 0,
    help: overrides.help ?? "https://www.rfc-editor.org/rfc/rfc5321",
  };
}

/** What a role fixes where the operator says nothing. */
interface RoleDefaults {
  readonly auth: SessionSettings["auth"];
  readonly authInClear: boolean;
  readonly emptyPassword?: boolean;
  readonly tls: SessionSettings["tls"];
  readonly refuseEarlyTalk: boolean;
  readonly extensions: Partial<Extensions>;
}

/** All roles. */
export const ROLES: readonly Role[] = ["mx", "submission", "submissions", "lmtp", "catcher"];

const ROLE_DEFAULTS: Record<Role, RoleDefaults> = {
  mx: { auth: "none", authInClear: false, tls: "optional", refuseEarlyTalk: true, extensions: {} },
  submission: {
    auth: "required",
    authInClear: false,
    tls: "required",
    refuseEarlyTalk: true,
    extensions: { auth: SASL },
  },
  submissions: {
    auth: "required",
    authInClear: false,
    tls: "required",
    refuseEarlyTalk: true,
    extensions: { auth: SASL, startTls: false },
  },
  lmtp: {
    auth: "none",
    authInClear: false,
    tls: "optional",
    refuseEarlyTalk: false,
    extensions: { startTls: false },
  },
  catcher: {
    auth: "optional",
    authInClear: true,
    emptyPassword: true,
    tls: "optional",
    refuseEarlyTalk: false,
    extensions: { auth: ["PLAIN", "LOGIN"] },
  },
};
