/**
 * What a client may ask without sending mail: whether an address exists (VRFY), what is behind it (EXPN), and to
 * have the mail that waits for a domain sent now (ETRN).
 *
 * @module
 */

import { type Address, formatAddress, parseAddress, parseDomain } from "../address.ts";
import { isAscii } from "../bytes.ts";
import type { Destinations } from "../routing/expand.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { Soon } from "../soon.ts";
import type { QueueServices } from "./services.ts";

/** Says where mail for an address goes, or why it cannot. */
export type Resolve = (address: Address) => Soon<Destinations | Reply>;

/** VRFY (RFC 5321 §3.5). */
export async function verifyAddress(argument: string, resolve: Resolve): Promise<Reply> {
  const address = readArgument(argument);
  if (address === null) return reply(252, "2.5.0", "cannot verify that; send the mail and see");
  const resolution = await resolve(address);
  if ("code" in resolution) return resolution;
  if (resolution.remote.length > 0 && !resolution.forwarded) return WILL_TRY;
  const shown = formatAddress(address);
  return isAscii(shown) ? reply(250, "2.1.5", `<${shown}>`) : CANNOT_SHOW;
}

/** EXPN (RFC 5321 §3.5): the mailboxes behind an alias. */
export async function expandAddress(argument: string, resolve: Resolve): Promise<Reply> {
  const address = readArgument(argument);
  if (address === null) return reply(550, "5.1.3", "expected an address");
  const resolution = await resolve(address);
  if ("code" in resolution) return resolution;
  const addresses = [...resolution.mailboxes.map((each) => each.address), ...resolution.remote];
  const lines = addresses.map((each) => `<${formatAddress(each)}>`);
  // RFC 6531 §3.7.4.2: UTF-8 goes only to those who said that they take it.
  return lines.every((line) => isAscii(line))
    ? { code: 250, enhanced: "2.1.5", lines }
    : CANNOT_SHOW;
}

/** ETRN (RFC 1985). @param started is told the domain whose queue was started. */
export function startQueue(
  argument: string,
  queue: QueueServices | null,
  started: (domain: string) => void,
): Reply {
  const domain = parseDomain(argument.replace(/^@/, ""), { smtputf8: true });
  // RFC 1985 §5.2: `#` names a queue, and we have none but those of domains.
  if (domain === null) return reply(501, "5.5.4", "expected a domain");
  if (queue?.routes.find(domain).kind !== "hold") {
    return reply(459, "4.7.0", "nothing is kept for that domain here");
  }
  queue.start(argument.startsWith("@") ? `@${domain}` : domain);
  started(domain);
  return reply(250, "2.0.0", `OK, queuing for ${domain} started`);
}

function readArgument(argument: string): Address | null {
  return parseAddress(argument.replace(/^<(.*)>$/, "$1"), { smtputf8: true });
}

/** RFC 5321 §3.5.3: we would take it, but cannot say whether it exists. */
const WILL_TRY = reply(252, "2.1.5", "mail for it is sent on; whether it exists is not known here");
const CANNOT_SHOW = reply(252, "2.5.0", "there is such an address, but it takes UTF-8 to show it");
