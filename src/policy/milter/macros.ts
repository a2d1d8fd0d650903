/**
 * Macros: what a filter is told of a session and a message beside the commands, by the names sendmail has given them
 * (its operations guide, §5.2; Postfix has the same and some of its own). A name of one letter stands alone, others
 * in braces. Pure.
 *
 * @module
 */

import { type Address, formatAddress } from "../../address.ts";
import type { Reply } from "../../smtp/reply.ts";
import type { SessionView } from "../policy.ts";
import type { ClientName } from "./client_name.ts";
import type { MacroStage } from "./negotiation.ts";
import { COMMANDS, formatPacket } from "./packet.ts";

/** What macros are made of. */
export interface MacroFacts {
  /** Our name. */
  readonly hostname: string;
  readonly session: SessionView;
  readonly clientName: ClientName;
  /** The message's id, where it is known. */
  readonly id?: string;
  readonly sender?: Address | null;
  readonly recipient?: Address;
  /** Why the recipient was refused. */
  readonly refusal?: Reply;
}

/** What is sent at a stage where the filter does not say. */
const USUAL: Readonly<Record<MacroStage, readonly string[]>> = {
  connect: [
    ...["j", "_", "{daemon_name}", "v", "{client_addr}", "{client_name}", "{client_port}"],
    ...["{client_ptr}", "{client_resolve}"],
  ],
  hello: ["{tls_version}", "{cipher}", "{cipher_bits}"],
  mail: ["{auth_type}", "{auth_authen}", "{auth_author}", "{mail_addr}", "{mail_host}"],
  recipient: ["{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}"],
  data: ["i"],
  endOfHeaders: ["i"],
  endOfMessage: ["i"],
};

/** How each is found; `undefined`: there is none now. */
const VALUES: Readonly<Record<string, (facts: MacroFacts) => string | number | undefined>> = {
  j: ({ hostname }) => hostname,
  v: () => "Yizhan",
  i: ({ id }) => id,
  _: ({ clientName, session }) => `${clientName.name} [${addressOf(session)}]`,
  "{daemon_name}": ({ session }) => session.role,
  "{client_addr}": ({ session }) => addressOf(session),
  "{client_name}": ({ clientName }) => clientName.name,
  "{client_port}": ({ session }) => session.port ?? 0,
  "{client_ptr}": ({ clientName }) => clientName.ptr ?? "unknown",
  "{client_resolve}": ({ clientName }) => clientName.resolve,
  "{tls_version}": ({ session }) => session.tls?.protocol,
  "{cipher}": ({ session }) => session.tls?.cipher,
  "{cipher_bits}": ({ session }) => cipherBits(session.tls?.cipher),
  // Filters that sign take the mail of whoever has logged in, which they see by this one.
  "{auth_type}": ({ session }) =>
    session.identity === null ? undefined : session.mechanism ?? "unknown",
  "{auth_authen}": ({ session }) => session.identity ?? undefined,
  "{auth_author}": ({ session }) => session.identity ?? undefined,
  "{mail_addr}": ({ sender }) => sender === undefined ? undefined : formatPath(sender),
  "{mail_host}": ({ sender }) => sender?.domain,
  "{rcpt_addr}": ({ recipient, refusal }) =>
    refusal?.lines.join(" ") ?? (recipient && formatAddress(recipient)),
  "{rcpt_host}": ({ recipient, refusal }) => refusal?.enhanced ?? recipient?.domain,
  "{rcpt_mailer}": ({ refusal }) => refusal && "error",
};

/** The client's address; programs of this machine come from this machine. */
export function addressOf({ client }: SessionView): string {
  return client === "unix" ? "127.0.0.1" : client;
}

/** Those that there are of what a filter asked for, as it wrote it: however many it named, these are few. */
export function knownMacros(wanted: readonly string[]): string[] {
  const names = new Set(wanted.map(canonicalName));
  return [...names].filter((name) => Object.hasOwn(VALUES, name));
}

/** The macros of a stage, by name. @param wanted what the filter asked for, by {@link knownMacros}. */
export function macrosOf(
  stage: MacroStage,
  facts: MacroFacts,
  wanted: readonly string[] = USUAL[stage],
): [name: string, value: string][] {
  return wanted.flatMap((name) => {
    const value = VALUES[name]!(facts);
    return value === undefined ? [] : [[name, String(value)] as [string, string]];
  });
}

/** The packet that goes before a command. @param command its kind. */
export function formatMacros(
  command: string,
  macros: readonly (readonly [name: string, value: string])[],
): Uint8Array {
  const kind = new Uint8Array([command.charCodeAt(0)]);
  return formatPacket(COMMANDS.macro, kind, ...macros.flat());
}

function canonicalName(name: string): string {
  const bare = name.replace(/^\{(.*)\}$/, "$1");
  return bare.length === 1 ? bare : `{${bare}}`;
}

/** The key's length, as far as the suite's name tells. */
function cipherBits(cipher: string | undefined): number | undefined {
  if (cipher === undefined) return undefined;
  const digits = /(?:AES|CAMELLIA|ARIA)_?(128|256)/.exec(cipher)?.[1];
  return digits !== undefined ? Number(digits) : cipher.includes("CHACHA20") ? 256 : undefined;
}

/** Without brackets; `<>` for nobody. */
function formatPath(address: Address | null): string {
  return address === null ? "<>" : formatAddress(address);
}
