/**
 * SMTP on standard input and output (`sendmail -bs`): the server's own session, whose messages go to the drop
 * folder. Whoever has logged in to this machine needs no password; as whom they may send, the server decides when
 * it takes the mail, and it is said at once where the rule is known.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { encode } from "../bytes.ts";
import { DROP_RECIPIENTS } from "../intake/drop/drop_file.ts";
import { senderTrouble } from "../intake/drop/drop_senders.ts";
import { HeadCollector } from "../message/head_collector.ts";
import { formatFields, parseFields } from "../message/header.ts";
import { settingsOf } from "../server/roles.ts";
import type { MailParameters, RcptParameters } from "../smtp/parameters.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { ServerEvent } from "../smtp/server_event.ts";
import { ServerSession } from "../smtp/server_session.ts";
import { completionOf, type DropPlace } from "./drop_place.ts";
import { DropWriter, nudge } from "./drop_writer.ts";
import { CommandError, EXIT } from "./exit.ts";
import { atHome } from "./home.ts";
import { completeHead } from "./message_input.ts";
import type { StandardOutput } from "./standard_output.ts";

/** One mail as it comes. */
interface Transaction {
  readonly sender: Address | null;
  readonly parameters: MailParameters;
  readonly recipients: { readonly address: Address; readonly parameters: RcptParameters }[];
  head: HeadCollector;
  writer: DropWriter | null;
}

/** A session on standard input and output. */
export class SendSession {
  readonly #place: DropPlace;
  readonly #author: Address;
  readonly #session: ServerSession;
  #transaction: Transaction | null = null;

  /** @param author of messages that name none. */
  constructor(place: DropPlace, author: Address) {
    this.#place = place;
    this.#author = author;
    const settings = settingsOf("mx", place.hostname, {
      // A pipe has no round trips worth waiting for, and mail of this machine is mended, not refused.
      refuseEarlyTalk: false,
      newlines: "normalize",
      auth: "none",
      extensions: { startTls: false, dsn: true, etrn: false },
      limits: { messageSize: place.sizeLimit, recipients: DROP_RECIPIENTS },
    });
    this.#session = new ServerSession(settings, { nonce: () => "" });
  }

  /** Serves until QUIT, or the end of the input; a message that is not whole is dropped. */
  async serve(input: AsyncIterator<Uint8Array>, output: StandardOutput): Promise<void> {
    try {
      for (;;) {
        const event = this.#session.next();
        if (event !== null) {
          await this.#handle(event);
          continue;
        }
        if (this.#session.pendingOutput > 0) output.write(this.#session.take());
        if (this.#session.waiting === "closed") return;
        const { done, value } = await input.next();
        if (done) return;
        this.#session.receive(value);
      }
    } finally {
      this.#abort();
    }
  }

  async #handle(event: ServerEvent): Promise<void> {
    switch (event.type) {
      case "connect":
        return this.#answer(reply(220, undefined, `${this.#place.hostname} ESMTP`));
      case "hello":
        return this.#answer(reply(250, undefined, "OK"));
      case "sender":
        return this.#answer(
          await this.#begin(event.sender && atHome(event.sender, this.#place), event.parameters),
        );
      case "recipient":
        this.#transaction!.recipients.push({
          address: atHome(event.recipient, this.#place),
          parameters: event.parameters,
        });
        return this.#answer(reply(250, "2.1.5", "recipient OK"));
      case "body":
        this.#transaction!.head = new HeadCollector();
        return this.#answer(reply(354, undefined, "go ahead; end with a dot on a line of its own"));
      case "chunk":
        return await this.#chunk(event.bytes);
      case "end":
        return this.#answer(await this.#end());
      case "abort":
        return this.#abort();
      case "verify":
      case "expand":
        return this.#answer(reply(252, "2.5.0", "cannot verify that; send the mail and see"));
      case "etrn":
        return this.#answer(reply(459, "4.7.0", "nothing is kept here"));
      case "auth":
      case "scram":
      case "authenticated":
        return this.#answer(reply(535, "5.7.8", "nobody logs in here"));
      case "starttls":
      case "auth-failed":
      case "fault":
      case "quit":
        return;
    }
  }

  async #begin(sender: Address | null, parameters: MailParameters): Promise<Reply> {
    this.#abort();
    const { bulletin, user } = this.#place;
    const trouble = bulletin && await senderTrouble(bulletin, user, sender, []);
    if (trouble !== null) return reply(550, "5.7.1", trouble);
    const head = new HeadCollector();
    this.#transaction = { sender, parameters, recipients: [], head, writer: null };
    return reply(250, "2.1.0", "sender OK");
  }

  async #chunk(bytes: Uint8Array): Promise<void> {
    const transaction = this.#transaction!;
    const refusal = await this.#attempt(async () => {
      if (transaction.writer !== null) {
        transaction.writer.write(bytes);
        return null;
      }
      const rest = transaction.head.write(bytes);
      if (transaction.head.state === "too-large") {
        return reply(552, "5.3.4", "header section too big");
      }
      return rest === null ? null : await this.#open(transaction, rest);
    });
    if (refusal === null) return;
    this.#abort();
    this.#session.refuse(refusal);
  }

  /** The head is whole: the file begins. */
  async #open(transaction: Transaction, rest: Uint8Array): Promise<Reply | null> {
    const { bulletin, user, folder } = this.#place;
    const { sender, parameters, recipients, head } = transaction;
    const completion = completionOf(this.#place, { address: sender ?? this.#author });
    const fields = completeHead(parseFields(head.head), completion);
    const trouble = bulletin && await senderTrouble(bulletin, user, sender, fields);
    if (trouble !== null) return reply(550, "5.7.1", trouble);
    const writer = new DropWriter(folder, {
      sender: sender && formatAddress(sender),
      recipients: recipients.map(({ address, parameters: { notify, originalRecipient } }) => ({
        address: formatAddress(address),
        ...(notify && { notify }),
        ...(originalRecipient && { originalRecipient }),
      })),
      ...(parameters.dsnReturn && { dsnReturn: parameters.dsnReturn }),
      ...(parameters.dsnEnvelopeId !== undefined && { dsnEnvelopeId: parameters.dsnEnvelopeId }),
    });
    transaction.writer = writer;
    writer.write(formatFields(fields));
    writer.write(encode("\r\n"));
    writer.write(rest);
    return null;
  }

  async #end(): Promise<Reply> {
    const transaction = this.#transaction!;
    const refusal = await this.#attempt(async () => {
      if (transaction.writer === null) {
        const refused = await this.#open(transaction, transaction.head.end());
        if (refused !== null) return refused;
      }
      transaction.writer!.finish();
      return null;
    });
    if (refusal !== null) {
      this.#abort();
      return refusal;
    }
    this.#transaction = null;
    await nudge(this.#place.nudge);
    return reply(250, "2.0.0", "left for the server");
  }

  /** What the disk says, as a reply. */
  async #attempt(work: () => Promise<Reply | null>): Promise<Reply | null> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return error.exitCode === EXIT.temporary
        ? reply(452, "4.3.1", "no room on the disk now: try again later")
        : reply(451, "4.3.0", "cannot leave the message now: try again later");
    }
  }

  #answer(answer: Reply): void {
    this.#session.answer({ reply: answer });
  }

  #abort(): void {
    this.#transaction?.writer?.abort();
    this.#transaction = null;
  }
}
