/**
 * What an address means here: each rule that was applied on the way to mailboxes and to addresses elsewhere, and
 * the mailboxes with their place and their room.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { mailboxPath } from "../delivery/maildir/mailbox_path.ts";
import type { Mailbox } from "../directory/directory.ts";
import { formatSize } from "../observe/visible_text.ts";
import { AliasError, type Destination, type MailboxDestination } from "../routing/aliases.ts";
import type { Resolution, RouterRule, RouterStep } from "../routing/router.ts";
import { describeReply } from "../smtp/reply.ts";
import type { ExplainStep } from "./explanation.ts";
import type { ExplainedStation } from "./explained_station.ts";

/** An address elsewhere to which mail goes on. */
export interface RemoteAddress {
  readonly recipient: Address;
  /** The address of ours that sends it on; absent where mail only passes. */
  readonly forwardedBy?: Address;
}

/** What an address came to. */
export interface ExplainedAddress {
  readonly steps: readonly ExplainStep[];
  readonly remote: readonly RemoteAddress[];
}

/** How many steps and mailboxes are told: an alias may lead to ten thousand. */
const TOLD = 100;

/** Follows an address. */
export async function explainAddress(
  station: ExplainedStation,
  address: Address,
): Promise<ExplainedAddress> {
  const seen: RouterStep[] = [];
  let resolution: Resolution;
  try {
    resolution = await station.router.resolve(address, (step) => seen.push(step));
  } catch (error) {
    if (!(error instanceof AliasError)) throw error;
    const because = "the users file must be mended; until then mail waits with its sender (451)";
    const wrong = { step: "address", about: formatAddress(address), outcome: "later" } as const;
    return {
      steps: [...tellSteps(seen), { ...wrong, verdict: error.message, because }],
      remote: [],
    };
  }
  const steps = tellSteps(seen);
  switch (resolution.kind) {
    case "unknown":
      return { steps: [...steps, ...deadEnd(address, seen)], remote: [] };
    case "relay":
      return { steps, remote: [{ recipient: address }] };
    case "returned":
      return { steps, remote: [{ recipient: resolution.address }] };
    case "local": {
      const { mailboxes, remote } = resolution;
      const boxes = mailboxes.slice(0, TOLD).map((one) => explainMailbox(station, one));
      return {
        steps: [...steps, ...await Promise.all(boxes)],
        remote: remote.slice(0, TOLD).map((recipient) => ({ recipient, forwardedBy: address })),
      };
    }
  }
}

function tellSteps(seen: readonly RouterStep[]): ExplainStep[] {
  const told = seen.slice(0, TOLD).map(explainStep);
  if (seen.length === told.length) return told;
  const verdict = `and ${seen.length - told.length} more addresses`;
  const because = "an alias leads to that many";
  return [...told, { step: "address", about: "", outcome: "told", verdict, because }];
}

/** An alias that leads nowhere says so: each target was looked at, and none is anybody's. */
function deadEnd(address: Address, seen: readonly RouterStep[]): ExplainStep[] {
  if (!seen.some(({ destination }) => destination.kind === "alias")) return [];
  const loops = seen.every(({ rule }) => rule !== "nobody");
  return [{
    step: "address",
    about: formatAddress(address),
    outcome: "bad",
    verdict: loops ? "the aliases lead only to each other" : "the aliases lead to nobody",
    because: "mail for it is refused with 550 5.1.1 until the users file is mended",
  }];
}

function explainStep({ address, rule, destination }: RouterStep): ExplainStep {
  return {
    step: "address",
    about: formatAddress(address),
    outcome: rule === "nobody" ? "bad" : "told",
    verdict: describeDestination(destination),
    because: RULES[rule],
  };
}

function describeDestination(destination: Destination): string {
  switch (destination.kind) {
    case "mailbox":
      return `the mailbox ${destination.mailbox.user}@${destination.mailbox.domain}`;
    case "alias": {
      const targets = destination.targets.slice(0, 20).map(formatAddress);
      const more = destination.targets.length - targets.length;
      return `leads to ${targets.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
    }
    case "remote":
      return "an address elsewhere";
    case "unknown":
      return "nobody has this address";
  }
}

const RULES: Readonly<Record<RouterRule, string>> = {
  entry: "the users file has just this address",
  subaddress: "the users file has it without the tag (mail.subaddressDelimiter)",
  postmaster: "mail for postmaster goes to mail.postmaster, where the users file has none",
  "catch-all": "nobody has it, and its domain has a catch-all",
  root: "programs of this machine write to root at its name: it is postmaster, where nobody has it",
  "own-postmaster": "mail for postmaster is never refused: it has a mailbox of that name",
  nobody: "its domain is of this server, and no user, alias or catch-all has it",
  elsewhere: "its domain is not of this server",
  "rewritten-sender": "this server made the address when it sent mail on (SRS): a bounce goes back",
};

async function explainMailbox(
  { options: { delivery }, intake }: ExplainedStation,
  { mailbox, address }: MailboxDestination,
): Promise<ExplainStep> {
  const root = "maildirRoot" in delivery ? `${delivery.maildirRoot.replace(/\/+$/, "")}/` : "";
  const full = await Promise.try(() => intake(() => {}).delivery.checkRoom(mailbox, 0))
    .catch((error) => String(error));
  const step = { step: "mailbox", about: `${mailbox.user}@${mailbox.domain}` } as const;
  if (full !== null) {
    const reply = typeof full === "string" ? full : describeReply(full);
    return { ...step, outcome: "bad", verdict: reply, because: describeQuota(mailbox) };
  }
  return {
    ...step,
    outcome: "good",
    verdict: `${root}${mailboxPath(mailbox)}/new`,
    because: `Delivered-To: ${formatAddress(address)}; ${describeQuota(mailbox)}`,
  };
}

function describeQuota({ quota = {} }: Mailbox): string {
  const parts = [
    ...quota.bytes === undefined ? [] : [formatSize(quota.bytes)],
    ...quota.messages === undefined ? [] : [`${quota.messages} messages`],
  ];
  return parts.length === 0 ? "no quota" : `its quota is ${parts.join(" and ")}`;
}
