/**
 * Mail in, whatever brings it: one session's questions answered from the directory, the router and the
 * policies, and one transaction at a time carried from MAIL to its end (`content.ts` has the
 * message as it streams, `finish.ts` what becomes of it). Knows no protocol: it gets values and gives {@link Reply} values.
 *
 * What fails: a directory or policy that throws is answered 451 (454 at a login) with an event; the
 * session lives on. Nothing here throws for what a client did.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { describeError } from "../events.ts";
import type { Decision, Notice, Stage } from "../policy/chain.ts";
import type { Policy, PolicyAnswer, SessionView } from "../policy/policy.ts";
import { mayRelay, relayGround } from "../policy/relay.ts";
import type { Envelope } from "../queue/entry.ts";
import type { Destinations } from "../routing/expand.ts";
import type { TlsInfo } from "../runtime/tls.ts";
import type { MailParameters, RcptParameters } from "../smtp/parameters.ts";
import { describeReply, fixedReply, type Reply, reply } from "../smtp/reply.ts";
import type { ServerAnswer } from "../smtp/server_event.ts";
import { type Soon, whenKnown } from "../soon.ts";
import { ReceivedStamp } from "../message/received.ts";
import type { IntakeClient, IntakeOrigin } from "./client.ts";
import { MessageContent } from "./content.ts";
import { type Finished, finishMessage } from "./finish.ts";
import { Login, type LoginEvent } from "./login.ts";
import { Lookup } from "./lookup.ts";
import { expandAddress, startQueue, verifyAddress } from "./queries.ts";
import { Refusals, type RefusedCommand } from "./refusals.ts";
import { MessageReport } from "./report.ts";
import type { IntakeServices } from "./services.ts";
import { type AcceptedRecipient, envelopeOf, MAX_COPIES, type Transaction } from "./transaction.ts";

/** One session's way in. */
export class IntakeSession implements IntakeClient {
  readonly id: string;
  readonly role: string;
  readonly client: string;
  readonly origin: IntakeOrigin;
  hello: string | null = null;
  /** HELO, EHLO or LHLO: says what the client speaks. */
  verb: "HELO" | "EHLO" | "LHLO" = "HELO";
  tls: TlsInfo | null = null;
  identity: string | null = null;
  mechanism: string | undefined;
  viewsHeld = false;
  /** Policies were told that it is over; whoever still waits for one of them asks no other. */
  over = false;
  readonly stamp: ReceivedStamp = new ReceivedStamp();

  readonly #services: IntakeServices;
  readonly #lookup: Lookup;
  readonly #refusals: Refusals;
  readonly #login: Login;
  #transaction: Transaction | null = null;
  #content: MessageContent | null = null;
  #count = 0;
  #view: SessionView | null = null;
  /** Whether the client may relay without logging in; not looked up yet while `null`. */
  #isTrusted: boolean | null = null;

  constructor(services: IntakeServices, origin: IntakeOrigin) {
    this.#services = services;
    this.#lookup = new Lookup(services, (where, error) => this.#internalError(where, error));
    this.#refusals = new Refusals(services, this);
    this.#login = new Login(services, this, this.#refusals);
    this.origin = origin;
    this.id = origin.id;
    this.role = origin.role;
    this.client = origin.client;
  }

  /** Whether a transaction is open. */
  get busy(): boolean {
    return this.#transaction !== null;
  }

  /** A client connected: the refusal, or `null` to greet it. */
  connect(): Soon<Reply | null> {
    return this.#stage("connect", (policy) => policy.connect?.(this.view));
  }

  /** The client said its name: the refusal, or `null`. */
  greet(verb: "HELO" | "EHLO" | "LHLO", name: string): Soon<Reply | null> {
    const view = Object.freeze({ ...this.view, hello: name });
    const refusal = this.#stage("hello", (policy) => policy.hello?.(view));
    return whenKnown(refusal, (refusal) => {
      if (refusal !== null) return refusal; // RFC 5321 §4.1.4: nothing has changed then
      return whenKnown(this.#end(), () => {
        this.#view = null;
        this.hello = name;
        this.verb = verb;
        return null;
      });
    });
  }

  /** The socket is secured: what was said before is forgotten (RFC 3207 §4.2). */
  secured(tls: TlsInfo): void {
    this.#view = null;
    this.tls = tls;
    this.hello = null;
    this.identity = null;
    this.mechanism = undefined;
  }

  /** Credentials, a name that needs a verifier, or a proof. */
  async login(event: LoginEvent): Promise<ServerAnswer> {
    const given = await this.#login.answer(event);
    if (!("identity" in given)) return given;
    this.#view = null;
    this.identity = given.identity;
    this.mechanism = event.mechanism;
    return given;
  }

  /** A SASL exchange failed before anything was asked. */
  loginFailed(mechanism: string, name: string | null, reason: string): Soon<void> {
    return whenKnown(this.#login.failed(mechanism, name, reason), () => {});
  }

  /** The client did something wrong that nobody was asked about. */
  fault(kind: string, detail: string): void {
    const { id: session, client, view } = this;
    this.#services.emit({ type: "session.fault", session, client, kind, detail });
    this.#services.policies.tell("fault", (policy) => policy.fault?.(view, kind, detail), this);
  }

  /** MAIL. */
  sender(sender: Address | null, parameters: MailParameters): Soon<Reply> {
    return whenKnown(this.#services.space.hasRoom(), (room) => {
      if (!room) return this.#refused("sender", NO_SPACE, sender);
      const asking = (policy: Policy) => policy.sender?.(this.view, sender, parameters);
      const decision = this.#decide("sender", asking);
      return whenKnown(decision, (decided) => this.#senderDecided(sender, parameters, decided));
    });
  }

  #senderDecided(
    sender: Address | null,
    parameters: MailParameters,
    decision: Decision,
  ): Soon<Reply> {
    if (decision.action === "refuse") {
      return this.#refused("sender", decision.reply, sender, decision.policy);
    }
    this.#transaction = {
      id: `${this.id}.${++this.#count}`,
      started: this.#services.clock.now(),
      sender,
      parameters,
      recipients: [],
      copies: 0,
      changes: decision.action === "accept" ? [...decision.changes] : [],
      discard: decision.action === "discard" ? decision : null,
    };
    return SENDER_OK;
  }

  /** RCPT. */
  recipient(recipient: Address, parameters: RcptParameters): Soon<Reply> {
    return whenKnown(
      this.#resolve(recipient),
      (resolution) =>
        "code" in resolution
          ? this.#refused("recipient", resolution, recipient)
          : this.#recipientFound(
            { address: recipient, parameters, ...resolution, discard: null },
            this.#open(),
          ),
    );
  }

  #recipientFound(accepted: AcceptedRecipient, transaction: Transaction): Soon<Reply> {
    const { address } = accepted;
    const copies = accepted.mailboxes.length + accepted.remote.length;
    if (transaction.copies + copies > MAX_COPIES) {
      return this.#refused("recipient", TOO_MANY_COPIES, address);
    }
    // Made once, and only where somebody looks: it is as long as there are recipients.
    let known: Envelope | undefined;
    const envelope = () => known ??= Object.freeze(envelopeOf(transaction, accepted));
    const decision = this.#decide(
      "recipient",
      (policy) => policy.recipient?.(this.view, address, envelope()),
    );
    return whenKnown(decision, (decision) => {
      if (decision.action === "refuse") {
        return this.#refused("recipient", decision.reply, address, decision.policy);
      }
      return whenKnown(this.#lookup.room(accepted, transaction.parameters.size ?? 0), (full) => {
        // Whoever waits can try again; where nobody does, the queue will.
        const queued = this.origin.unattended === true && this.#services.queue !== null;
        if (full !== null && !(queued && full.code < 500)) {
          return this.#refused("recipient", full, address);
        }
        if (decision.action === "accept") transaction.changes.push(...decision.changes);
        const discard = decision.action === "discard" ? decision : null;
        transaction.recipients.push(discard === null ? accepted : { ...accepted, discard });
        transaction.copies += copies;
        return RECIPIENT_OK;
      });
    });
  }

  /** DATA or the first BDAT: 354, or why no message can be taken now. */
  begin(): Soon<Reply> {
    return whenKnown(this.#discardContent(), () => {
      const transaction = this.#open();
      const body = this.#services.bodies.create();
      if (body === null) {
        this.#transaction = null;
        return TOO_MANY_LARGE;
      }
      this.#content = new MessageContent(this.#services, this, transaction, body);
      return GO_AHEAD;
    });
  }

  /** Octets of the message. Gives, at once or later, the reply to refuse the rest with. */
  chunk(bytes: Uint8Array): Reply | null | Promise<Reply | null> {
    return this.#content === null ? null : this.#content.write(bytes);
  }

  /** The message is whole: one reply, or in LMTP one for each recipient. */
  async end(): Promise<Reply[]> {
    const transaction = this.#open();
    try {
      const finished = await finishMessage(this.#services, this, transaction, this.#content!);
      await this.#messageRefused(finished);
      return finished.replies;
    } catch (error) {
      this.#internalError("intake", error);
      const count = this.origin.lmtp ? transaction.recipients.length : 1;
      return new Array<Reply>(count).fill(BROKEN);
    } finally {
      await this.#end();
    }
  }

  /** The transaction is gone; where its message was refused as it came, `refusal` says why. */
  abort(refusal?: Reply): Soon<void> {
    if (refusal === undefined || this.#transaction === null) return this.#end();
    const report = new MessageReport(this.#services, this, this.#transaction);
    report.refused(refusal, this.#content?.size ?? 0);
    return whenKnown(this.#messageRefused({ replies: [refusal] }), () => this.#end());
  }

  /** VRFY (RFC 5321 §3.5). */
  verify(argument: string): Promise<Reply> {
    return verifyAddress(argument, (address) => this.#resolve(address));
  }

  /** EXPN (RFC 5321 §3.5). */
  expand(argument: string): Promise<Reply> {
    return expandAddress(argument, (address) => this.#resolve(address));
  }

  /** ETRN (RFC 1985): somebody wants the mail that waits for a domain sent now. */
  etrn(argument: string): Reply {
    const { id: session, client } = this;
    return startQueue(
      argument,
      this.#services.queue,
      (domain) => this.#services.emit({ type: "queue.started", session, client, domain }),
    );
  }

  /** The session is over: tells the policies, and waits for none of them. */
  close(): void {
    const { view } = this;
    this.over = true;
    this.#services.policies.tell("close", (policy) => policy.close?.(view), this);
  }

  /** A policy failed: those who watch hear of it. */
  policyFailed(policy: string, stage: Stage | Notice, error: unknown): void {
    const facts = { session: this.id, policy, stage, error: describeError(error) };
    this.#services.emit({ type: "policy.failed", ...facts });
  }

  /** Where mail goes for an address that a policy added: it may be anybody's. */
  destinationsOf(address: Address): Soon<Destinations | null> {
    return whenKnown(this.#lookup.destinations(address, () => true), (found) => {
      if (!("code" in found)) return found;
      const error = `no recipient: <${formatAddress(address)}>: ${describeReply(found)}`;
      this.#internalError("policy", error);
      return null;
    });
  }

  /** Whether the client may relay without logging in. */
  get trusted(): boolean {
    // Where it connects from does not change: it is looked up once.
    return this.#isTrusted ??= this.origin.trusted === true ||
      mayRelay({ client: this.client, identity: null }, this.#services.relayFrom);
  }

  /** Where mail for an address goes that the client names, or why it cannot. */
  #resolve(address: Address): Soon<Destinations | Reply> {
    return this.#lookup.destinations(address, this.#mayRelay);
  }

  readonly #mayRelay = (address: Address): boolean => {
    const { queue } = this.#services;
    const asker = { near: this.trusted, identity: this.identity };
    const accepts = (domain: string) => queue?.routes.accepts(domain) === true;
    return relayGround(asker, address, accepts) !== null;
  };

  #decide(stage: Stage, hook: (policy: Policy) => PolicyAnswer): Soon<Decision> {
    return this.#services.policies.decide(stage, hook, this);
  }

  /** A stage without a message: there is nothing to discard or annotate, so discard turns away. */
  #stage(stage: "connect" | "hello", hook: (policy: Policy) => PolicyAnswer): Soon<Reply | null> {
    return whenKnown(this.#decide(stage, hook), (decision) => {
      if (decision.action === "accept") return null;
      const given = decision.action === "refuse"
        ? decision.reply
        : reply(stage === "connect" ? 554 : 550, "5.7.1", "not accepted");
      return this.#refused(stage, given, undefined, decision.policy);
    });
  }

  /** Tells of a refusal; gives the reply when the client may have it. */
  #refused(
    stage: RefusedCommand["stage"],
    reply: Reply,
    address?: Address | null,
    policy?: string,
  ): Soon<Reply> {
    return this.#refusals.command({
      ...{ stage, reply },
      ...(address !== undefined && { address }),
      ...(this.#transaction && { sender: this.#transaction.sender }),
      ...(policy !== undefined && { policy }),
    });
  }

  #messageRefused({ replies, ...by }: Finished): Soon<unknown> {
    const refusal = replies.every(({ code }) => code >= 400) ? replies[0] : undefined;
    return refusal && this.#refusals.tell({ stage: "message", reply: refusal, ...by });
  }

  #internalError(where: string, error: unknown): void {
    const facts = { where, error: describeError(error), session: this.id };
    this.#services.emit({ type: "internal.error", ...facts });
  }

  /** What policies are shown: a value that changes no more. */
  get view(): SessionView {
    return this.#view ??= this.#viewNow();
  }

  #viewNow(): SessionView {
    const { id, role, client, hello, tls, identity, mechanism, trusted } = this;
    const { port } = this.origin;
    return Object.freeze({
      ...{ id, role, client, hello, tls, identity, trusted },
      ...(port !== undefined && { port }),
      ...(mechanism !== undefined && { mechanism }),
    });
  }

  #open(): Transaction {
    if (this.#transaction === null) throw new Error("no transaction is open");
    return this.#transaction;
  }

  #end(): Soon<void> {
    this.#transaction = null;
    return this.#discardContent();
  }

  #discardContent(): Soon<void> {
    const content = this.#content;
    this.#content = null;
    return content?.dispose();
  }
}

const SENDER_OK = fixedReply(250, "2.1.0", "sender OK");
const RECIPIENT_OK = fixedReply(250, "2.1.5", "recipient OK");
const GO_AHEAD = fixedReply(354, undefined, "go ahead; end with a dot on a line of its own");
const TOO_MANY_LARGE = reply(451, "4.3.2", "too many large messages at once: try again later");
const TOO_MANY_COPIES = reply(452, "4.5.3", "too many mailboxes: send the rest in another message");
const NO_SPACE = reply(452, "4.3.1", "no room on the disk now: try again later");
const BROKEN = reply(451, "4.3.0", "cannot take the message now: try again later");
