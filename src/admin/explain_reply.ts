/**
 * Why a listener answers as it does, from what was said, which policy spoke, and the rules for relaying.
 *
 * @module
 */

import { formatAddress } from "../address.ts";
import type { MtaFact } from "../events.ts";
import { mayRelay, relayGround } from "../policy/relay.ts";
import type { Resolution } from "../routing/router.ts";
import type { ConnectionSettings } from "../server/smtp_connection.ts";
import type { ExplainedStation } from "./explained_station.ts";
import type { Conversation, Visit } from "./rehearsal.ts";

/** Why the conversation ended as it did, in a line. */
export async function explainReply(
  station: ExplainedStation,
  visit: Visit,
  settings: ConnectionSettings,
  said: Conversation,
  events: readonly MtaFact[],
): Promise<string> {
  const { command, code } = said.at(-1)!;
  const policy = events.flatMap((event) =>
    event.type === "command.refused" && event.policy !== undefined ? [event.policy] : []
  ).at(-1);
  if (policy === "sender-identity" && visit.login !== null) {
    return `the policy sender-identity says so: ${visit.login} sends as its own address, and as what sendAs ` +
      "in the users file allows (yizhan user list)";
  }
  if (policy !== undefined) return `the policy ${policy} says so`;
  if (command.startsWith("AUTH")) {
    return "no user who can log in has that name (yizhan user list shows all)";
  }
  if (command.startsWith("MAIL")) return explainSender(settings, visit, code);
  if (!command.startsWith("RCPT")) return "the server turns the client away";
  const resolution = await station.router.resolve(visit.recipient);
  return code < 400
    ? explainTaken(station, visit, resolution)
    : explainRefused(station, visit, resolution);
}

function explainSender({ session }: ConnectionSettings, visit: Visit, code: number): string {
  if (code === 530 && session.auth === "required" && visit.login === null) {
    return "only users who have logged in may send here (--login USER: what one of them is told)";
  }
  if (code === 530) return "this listener wants TLS first, and the server has no certificate";
  if (code === 452) return "too little room is left on the disk";
  if (visit.requireTls && !session.extensions.requireTls) {
    return "this listener does not promise REQUIRETLS (extensions.requireTls)";
  }
  return "the sender, or a parameter of MAIL, is not taken";
}

function explainTaken(
  station: ExplainedStation,
  visit: Visit,
  resolution: Resolution,
): string {
  const { domain } = visit.recipient;
  const { hostname } = station.options;
  switch (resolution.kind) {
    case "local": {
      const { mailboxes, remote } = resolution;
      const places = [
        ...mailboxes.length > 0 ? [count(mailboxes.length, "mailbox", "mailboxes") + " here"] : [],
        ...remote.length > 0 ? [count(remote.length, "address", "addresses") + " elsewhere"] : [],
      ];
      return `mail for ${domain || hostname} ends here, and the address leads to ${
        places.join(" and ")
      }`;
    }
    case "returned":
      return `this server made the address (SRS); it stands for ${
        formatAddress(resolution.address)
      }`;
    default:
      return `${domain} is not of this server, but ${describeGround(station, visit)}`;
  }
}

function describeGround(station: ExplainedStation, visit: Visit): string {
  switch (groundOf(station, visit)) {
    case "network":
      return `${visit.client} is in relay.from`;
    case "login":
      return `${visit.login} has logged in`;
    case "accepted-domain":
      return "a route accepts mail for it from anybody";
    case null:
      return "it may be sent on";
  }
}

function explainRefused(
  station: ExplainedStation,
  visit: Visit,
  resolution: Resolution,
): string {
  const { options, routes } = station;
  const { domain, local } = visit.recipient;
  if (resolution.kind === "unknown") {
    return `mail for ${domain} ends here, and the address leads to nobody`;
  }
  if (resolution.kind !== "relay") {
    return options.queue === undefined
      ? "the address leads elsewhere, and relay.enabled is false: nothing is sent on"
      : "no room is left: in the mailbox, or for so many copies";
  }
  const ground = groundOf(station, visit);
  if (ground !== null) return "mail may be sent on, but relay.enabled is false";
  if (routes.accepts(domain)) {
    return `a route accepts mail for ${domain} from anybody, but not with @, % or ! in ${local}`;
  }
  return `${domain} is not of this server, no route accepts mail for it from anybody, and ${visit.client} ` +
    "has not logged in and is in none of relay.from";
}

function groundOf(station: ExplainedStation, { client, login, recipient }: Visit) {
  const { relayFrom, queue } = station.intake(() => {});
  const near = mayRelay({ client, identity: null }, relayFrom);
  const accepts = (domain: string) => queue?.routes.accepts(domain) === true;
  return relayGround({ near, identity: login }, recipient, accepts);
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
