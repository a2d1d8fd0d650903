/**
 * What a notice says to people: who, why, the other server's own words, and what can be done. Plain text,
 * lines of at most 76 columns ending in CRLF.
 *
 * Words of other servers and subjects come from strangers: they are cut, cleaned of controls and
 * indented, so that they cannot pass for ours.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { describeReply } from "../smtp/reply.ts";
import { formatDate } from "./date.ts";
import type { DsnFacts, DsnRecipient } from "./dsn_facts.ts";
import { statusOf } from "./dsn_status.ts";

const COLUMNS = 76;
/** Characters of a server's answer that are quoted. */
const QUOTED = 1000;
/** Characters of an address: it may have 320. */
const ADDRESS = 320;
/** Recipients that are named; the machine part names all. */
const NAMED = 100;

/** The text of a notice. */
export function formatDsnText(facts: DsnFacts): string {
  const { kind, recipients, hostname, postmaster } = facts;
  const paragraphs = [
    wrap(`This is the mail system of ${clean(hostname)}.`),
    wrap(opening(facts)),
    subjectLines(facts),
  ];
  for (const recipient of recipients.slice(0, NAMED)) {
    paragraphs.push(describeRecipient(facts, recipient));
  }
  if (recipients.length > NAMED) {
    paragraphs.push(wrap(`… and ${recipients.length - NAMED} more, named below.`, "  "));
  }
  paragraphs.push(wrap(closing(facts)));
  if (postmaster !== undefined && kind !== "delivered" && kind !== "relayed") {
    paragraphs.push(
      wrap(`If you need help, write to ${shown(postmaster)} and enclose this notice.`),
    );
  }
  return paragraphs.filter((lines) => lines.length > 0).map((lines) =>
    lines.map((line) => `${line}\r\n`).join("")
  ).join("\r\n");
}

function opening({ kind, recipients, audience, sender }: DsnFacts): string {
  const whom = recipients.length === 1 ? "this recipient" : "these recipients";
  if (audience === "postmaster") {
    const from = sender === null
      ? "A notice or other mail without a sender"
      : `Mail of <${shown(sender)}>`;
    return `${from} could not be delivered to ${whom}, and there is nobody else to tell. It is given up:`;
  }
  switch (kind) {
    case "failed":
      return `I am sorry: your message could not be delivered to ${whom}. It has been given up:`;
    case "delayed":
      return `Your message has not been delivered to ${whom} yet. You need not do anything: ` +
        `it will be tried again. This is only to tell you:`;
    case "delivered":
      return `Your message has been delivered to ${whom}:`;
    case "relayed":
      return `Your message has been passed on for ${whom}, to a server that does not report ` +
        `deliveries. If it cannot be delivered there, you may or may not be told:`;
  }
}

function closing({ kind, audience, body }: DsnFacts): string {
  switch (kind) {
    case "failed": {
      const whose = audience === "sender" ? "your message" : "the message";
      return body === null
        ? `The header of ${whose} is attached.`
        : `A copy of ${whose} is attached.`;
    }
    case "delayed":
      return "If it cannot be delivered in the end, you will get another notice.";
    case "delivered":
    case "relayed":
      return "You asked to be told of this.";
  }
}

function subjectLines({ subject, arrived }: DsnFacts): string[] {
  const lines = [`  Sent:    ${formatDate(arrived)}`];
  const text = clean(subject ?? "").trim();
  if (text !== "") lines.push(`  Subject: ${cut(text, COLUMNS - 11)}`);
  return lines;
}

function describeRecipient(facts: DsnFacts, recipient: DsnRecipient): string[] {
  const { kind } = facts;
  const lines = [`  <${shown(recipient.address)}>`];
  if (recipient.forwarded) lines.push(...wrap("sent on from there to another address", "    "));
  if (kind === "delivered") return lines;
  const who = recipient.host === undefined
    ? `${clean(facts.hostname)} says:`
    : `${recipient.forwarded ? "The server there" : clean(recipient.host)} answered:`;
  lines.push(...wrap(who, "    "));
  lines.push(...wrap(cut(clean(describeReply(recipient.reply)), QUOTED), "      "));
  if (kind === "relayed") return lines;
  lines.push(...wrap(adviceFor(recipient, facts), "    "));
  if (kind === "delayed") {
    const { nextAttempt, retryUntil } = recipient;
    const next = nextAttempt === undefined ? "" : `Next attempt: ${formatDate(nextAttempt)}.`;
    const end = retryUntil === undefined ? "" : `Given up after: ${formatDate(retryUntil)}.`;
    lines.push(...wrap(next, "    "), ...wrap(end, "    "));
  }
  return lines;
}

/**
 * What can be done about it, by subject and detail of the status (RFC 3463). The most special comes first.
 */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^[45]\.1\.2$/, "There seems to be no such domain. Is what follows the @ written correctly?"],
  [/^[45]\.1\.10$/, "This domain takes no mail at all. Is the address written correctly?"],
  [/^[45]\.2\.1$/, "This mailbox takes no mail at present."],
  [/^[45]\.2\.2$/, "The mailbox is full. Try again later, or reach the recipient in another way."],
  [/^[45]\.(?:2\.3|3\.4)$/, "The message is too large. Make it smaller, or send a link."],
  [
    /^[45]\.4\.6$/,
    "The mail would go round in circles. Those who run the servers must mend that.",
  ],
  [
    /^[45]\.4\.7$/,
    "It was tried many times. Send it again, or reach the recipient in another way.",
  ],
  [/^5\.6\.[79]$/, "The other server does not take addresses or subjects with such letters."],
  [/^5\.6\./, "The other server cannot take a message of this kind. Try it as plain text."],
  [/^5\.4\./, "The way to the other server does not work. Is the domain written correctly?"],
  [/^4\.4\./, "The other server cannot be reached at present."],
  [/^4\./, "This is a passing trouble."],
];

/** What is only true where another server said it. What we say ourselves says it all. */
const ADVICE_OF_OTHERS: readonly (readonly [RegExp, string])[] = [
  [/^[45]\.1\.[0136]$/, "There seems to be no such address. Is it written correctly?"],
  [/^[45]\.1\.[78]$/, "The other server does not accept your own address as the sender."],
  [
    /^5\.7\./,
    "The other server refuses it by its own rules. Its words may say why; its operator can tell more.",
  ],
  [/^4\.7\./, "The other server does not take it for now: many do so with senders new to them."],
  ...ADVICE,
  [/^5\./, "The other server will not take it. Its words may say why."],
];

function adviceFor(recipient: DsnRecipient, { audience, kind }: DsnFacts): string {
  if (audience === "postmaster") return "";
  const { host, forwarded, reply } = recipient;
  const status = statusOf(reply, kind);
  const advice = host === undefined && !forwarded ? ADVICE : ADVICE_OF_OTHERS;
  return advice.find(([pattern]) => pattern.test(status))?.[1] ?? "";
}

function shown(address: Address): string {
  return cut(clean(formatAddress(address)), ADDRESS);
}

/** One line without anything that could end it. */
function clean(text: string): string {
  return text.toWellFormed().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
}

function cut(text: string, length: number): string {
  const characters = [...text.slice(0, 2 * length)];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

/** Lines of words, indented; words that are longer than a line stand alone or are broken at 900. */
function wrap(text: string, indent = ""): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ").flatMap((one) => one.match(/.{1,900}/gsu) ?? [])) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && indent.length + longer.length > COLUMNS) {
      lines.push(indent + line);
      line = word;
    } else line = longer;
  }
  if (line !== "") lines.push(indent + line);
  return lines;
}
