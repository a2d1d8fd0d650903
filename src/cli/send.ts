/**
 * `yizhan send`, also as `sendmail`: a program of this machine sends a mail. It is left in the drop folder,
 * whether the server runs or not, and the server is nudged; nobody waits for its delivery. Under the names
 * `mailq` and `newaliases` it does what programs of these names do.
 *
 * @module
 */

import process from "node:process";
import { formatAddress, mailboxKey } from "../address.ts";
import { encode } from "../bytes.ts";
import { senderTrouble } from "../intake/drop/drop_senders.ts";
import type { SubmitEnvelope } from "../intake/submit.ts";
import { formatFields, type RawField } from "../message/header.ts";
import type { Command } from "./command.ts";
import {
  commandLineOf,
  completionOf,
  type DropPlace,
  findDropPlace,
  senderOf,
} from "./drop_place.ts";
import { DropWriter, nudge } from "./drop_writer.ts";
import { CommandError, EXIT, type ExitCode, UsageError } from "./exit.ts";
import {
  completeHead,
  type MessageInput,
  readMessage,
  readRecipients,
  recipientsInHead,
} from "./message_input.ts";
import { SendSession } from "./send_session.ts";
import { parseSendmailFlags, type SendmailRequest } from "./sendmail_flags.ts";
import { StandardOutput } from "./standard_output.ts";
import { isTerminal, say } from "./terminal.ts";

const FLAGS: Command["flags"] = {
  t: { help: "Recipients are in the message (To, Cc, Bcc), beside those named here" },
  f: {
    value: "ADDR",
    help: "The sender, where notices go; '' for none (default: you, at this host)",
  },
  F: { value: "NAME", help: "Your full name, where the message has no From" },
  i: { help: "A line with nothing but a dot does not end the message (also -oi)" },
  N: { value: "WHEN", help: "Tell the sender: never, or some of success,delay,failure" },
  R: { value: "full|hdrs", help: "What a notice of failure shall hold of the message" },
  V: { value: "ID", help: "A mark of the message that notices repeat" },
  b: { value: "m|s|p|i", help: "-bm send (default), -bs SMTP, -bp print the queue, -bi nothing" },
  q: { help: "Try the queue now; -qIID, -qRRECIPIENT, -qSSENDER: only such mail" },
  drop: { value: "DIR", help: "The drop folder itself, in place of what the configuration says" },
  config: { value: "FILE", help: "The configuration of the server" },
  socket: { value: "PATH", help: "The server's control socket (-bp, -q)" },
};

/** Of both names. */
const DESCRIPTION = [
  "Reads a message on standard input, up to its end or a line with nothing but a dot, and leaves it in",
  "the drop folder of the server, which takes it at once, or when it starts. Lines may end with LF. Date",
  "and From are added where they are missing, Bcc is taken out.",
  "",
  "Names without a domain, at localhost or at the machine's bare name are of the server's host name, in",
  "the recipients and in the message. Who is meant the users file says (alias root@HOSTNAME ADDRESS);",
  "root is postmaster where it does not. What nobody has comes back to its sender, or else goes to",
  "postmaster, as a notice.",
  "",
  "Root and the server's own user may send as anybody, others as themselves and as the configuration",
  "says (drop.senders). It is durable when this ends with 0; what cannot be delivered comes back.",
  "",
  "Other flags of sendmail are understood, and have no effect: -B -G -L -U -X -h -m -n -o.. -v and more.",
  "",
  "Exit codes: 0 it is left, 64 wrong command line, 65 the message is wrong, 73 no such folder, 75 try",
  "again later, 77 not allowed.",
];

/** The command. */
export const send: Command = {
  name: "send",
  usage: "[FLAGS] [--] [RECIPIENT]...",
  description: DESCRIPTION.join("\n"),
  flags: FLAGS,
  ownRules: true,
  examples: [
    "send bob@example.net <message.eml",
    "send -t -i <message.eml",
    "send -f bounces@example.org -F 'The Shop' bob@example.net <message.eml",
    "send -bp",
  ],
  run: (line, words) => runSend(line.operands, words, true),
};

/** The same, as programs call it. */
export const sendmail: Command = {
  ...send,
  name: "sendmail",
  description: [
    ...DESCRIPTION,
    "",
    "This is send for programs: what is called by the name sendmail (a link to this program, or a",
    "script) comes here; mailq is sendmail -bp. A yizhan.yaml in the folder where the program happens",
    "to be is not looked at.",
  ].join("\n"),
  examples: ["sendmail -t -oi <message.eml", "sendmail -bs"],
  run: (line, words) => runSend(line.operands, words, false),
};

async function runSend(
  flags: readonly string[],
  words: readonly string[],
  here: boolean,
): Promise<ExitCode> {
  const request = parseSendmailFlags(flags);
  const place = () => findDropPlace(request.long, { here, words });
  switch (request.mode) {
    case "nothing":
      return EXIT.ok;
    case "list":
    case "retry": {
      const { printQueue, retryQueue } = await import("./send_queue.ts");
      const line = commandLineOf(request.long);
      return request.mode === "list"
        ? await printQueue(line, words)
        : await retryQueue(line, words, request.choice);
    }
    case "smtp":
      return await speakSmtp(request, await place());
    case "deliver":
      return await leaveMail(request, await place());
  }
}

async function speakSmtp(request: SendmailRequest, place: DropPlace): Promise<ExitCode> {
  const author = senderOf(request.sender || undefined, place)!;
  const output = new StandardOutput();
  const input = standardInput()[Symbol.asyncIterator]();
  try {
    await new SendSession(place, author).serve(input, output);
  } catch (error) {
    if (!output.gone) throw error;
  }
  return EXIT.ok;
}

async function leaveMail(request: SendmailRequest, place: DropPlace): Promise<ExitCode> {
  const { bulletin, user } = place;
  const given = request.recipients.flatMap((text) => readRecipients(text, place, "a recipient"));
  if (given.length === 0 && !request.fromHead) {
    throw new UsageError("no recipients: name them, or give -t to take them from the message");
  }
  const sender = senderOf(request.sender, place);
  if (isTerminal("stdin")) say("type the message; end it with a line with nothing but a dot");
  const message = await readMessage(standardInput(), request);
  const named = request.fromHead ? recipientsInHead(message.fields, place) : [];
  const recipients = new Map([...given, ...named].map((one) => [mailboxKey(one), one]));
  if (recipients.size === 0) {
    throw new UsageError("no recipients: the message names none in To, Cc or Bcc");
  }
  const { fullName } = request;
  const author = {
    address: sender ?? senderOf(undefined, place)!,
    ...(fullName !== undefined && { fullName }),
  };
  const fields = completeHead(message.fields, completionOf(place, author));
  const trouble = bulletin && await senderTrouble(bulletin, user, sender, fields);
  if (trouble !== null) {
    const advice = "the configuration of the server (drop.senders) says who may";
    throw new CommandError(EXIT.noPermission, `${trouble}; ${advice}`);
  }
  const { notify, dsnReturn, dsnEnvelopeId } = request;
  const envelope: SubmitEnvelope = {
    sender: sender && formatAddress(sender),
    recipients: [...recipients.values()].map((address) => ({
      address: formatAddress(address),
      ...(notify && { notify }),
    })),
    ...(dsnReturn && { dsnReturn }),
    ...(dsnEnvelopeId !== undefined && { dsnEnvelopeId }),
  };
  await writeMail(place, envelope, fields, message);
  await nudge(place.nudge);
  return EXIT.ok;
}

async function writeMail(
  { folder, sizeLimit }: DropPlace,
  envelope: SubmitEnvelope,
  fields: readonly RawField[],
  { body }: MessageInput,
): Promise<void> {
  const writer = new DropWriter(folder, envelope);
  try {
    const head = formatFields(fields);
    let size = head.length + 2;
    writer.write(head);
    writer.write(encode("\r\n"));
    for await (const piece of body) {
      size += piece.length;
      if (size > sizeLimit) {
        throw new CommandError(EXIT.dataError, `the message is larger than ${sizeLimit} octets`);
      }
      writer.write(piece);
    }
    writer.finish();
  } finally {
    writer.abort();
  }
}

/** What comes on standard input. */
async function* standardInput(): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of process.stdin) yield chunk as Uint8Array;
}
