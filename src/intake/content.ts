/**
 * A message as it streams in: its head is kept in memory, its body goes to the store and past the
 * policies that watch it. In the usual case (a small body, nobody watching) a chunk costs one copy
 * and no promise.
 *
 * What fails: a head over 256 KiB and a disk that is full become the reply to refuse the message with;
 * an observer that throws counts against its policy when the message is judged.
 *
 * @module
 */

import { describeError } from "../events.ts";
import { HeadCollector } from "../message/head_collector.ts";
import { Head } from "../message/head.ts";
import type { BodyDraft, BodyObserver, Policy, PolicyAnswer } from "../policy/policy.ts";
import type { Body } from "../queue/body_store.ts";
import { errorCode } from "../runtime/system_error.ts";
import { NewlineCheck } from "../smtp/newline_check.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { isPending, type Soon, whenKnown } from "../soon.ts";
import { StoredDraft } from "./body_draft.ts";
import type { IntakeClient } from "./client.ts";
import type { IntakeServices } from "./services.ts";
import { envelopeOf, type Transaction } from "./transaction.ts";

/** One message on its way in. */
export class MessageContent {
  readonly #services: IntakeServices;
  readonly #client: IntakeClient;
  readonly #transaction: Transaction;
  readonly #body: Body;
  readonly #collector = new HeadCollector();
  /** Those who watch the body; `null` for nobody, which is most mail. */
  #observers: Map<Policy, BodyObserver> | null = null;
  /** What the observers of these policies threw. */
  readonly #broken = new Map<Policy, unknown>();
  #head: Head | null = null;
  /** Other bodies for it, by those who asked last; `null` for none, which is most mail. */
  #drafts: StoredDraft[] | null = null;
  #disposed = false;
  /** Octets of the memory for heads. */
  #reserved = 0;

  constructor(
    services: IntakeServices,
    client: IntakeClient,
    transaction: Transaction,
    body: Body,
  ) {
    this.#services = services;
    this.#client = client;
    this.#transaction = transaction;
    this.#body = body;
  }

  /** The header section as it came. Not to be asked for before {@link end}. */
  get head(): Head {
    return this.#head!;
  }

  /** Whether lines of the head end as they should; only BINARYMIME can bring others this far. */
  get headIsClean(): boolean {
    const check = new NewlineCheck();
    check.scan(this.#collector.head);
    return !check.bare;
  }

  /** The body so far. */
  get body(): Body {
    return this.#body;
  }

  /** Octets so far, as the client counts them. */
  get size(): number {
    return this.#collector.head.length + 2 + this.#body.size;
  }

  /** The next octets. Gives, at once or later, the reply to refuse the message with, or `null`. */
  write(bytes: Uint8Array): Soon<Reply | null> {
    if (this.#head !== null) return this.#writeBody(bytes);
    const rest = this.#collector.write(bytes);
    if (this.#collector.state === "too-large") return HEAD_TOO_LARGE;
    const held = bytes.length - (rest?.length ?? 0);
    if (!this.#services.bodies.reserveHead(held)) return TOO_MUCH_AT_ONCE;
    this.#reserved += held;
    if (rest === null) return null;
    return this.#headComplete() ?? this.#writeBody(rest);
  }

  /** No more octets come. */
  end(): Soon<Reply | null> {
    if (this.#head !== null) return this.#finish(null);
    const rest = this.#collector.end();
    const failure = this.#headComplete() ?? this.#writeBody(rest);
    return whenKnown(failure, (failure) => this.#finish(failure));
  }

  #finish(failure: Reply | null): Reply | null {
    if (failure === null) this.#body.finish();
    return failure;
  }

  /** What the policy that watched the body says of it. Throws what its observer threw. */
  verdictOf(policy: Policy): PolicyAnswer {
    if (this.#broken.has(policy)) throw this.#broken.get(policy);
    return this.#observers?.get(policy)?.end();
  }

  /** Begins another body, that a policy wants. */
  draftBody(): BodyDraft {
    // Whoever still writes when the message is gone gets no room.
    const body = this.#disposed ? null : this.#services.bodies.create();
    const draft = new StoredDraft(body, (error) => this.#troubled(error));
    if (body !== null) (this.#drafts ??= []).push(draft);
    return draft;
  }

  /** Frees what the message holds. */
  dispose(): Soon<void> {
    this.#disposed = true;
    this.#services.bodies.releaseHead(this.#reserved);
    this.#reserved = 0;
    const gone = this.#body.dispose()?.catch((error) => this.#troubled(error));
    if (this.#drafts === null) return gone;
    return Promise.all([gone, ...this.#drafts.map((draft) => draft.dispose())]).then(() => {});
  }

  #headComplete(): Reply | null {
    const head = new Head(this.#collector.head);
    if (head.count > MAX_FIELDS) return TOO_MANY_FIELDS;
    this.#head = head;
    for (const policy of this.#services.policies.having("body")) this.#watch(policy, head);
    return null;
  }

  #watch(policy: Policy, head: Head): void {
    try {
      const { view } = this.#client;
      if (policy.watches?.(view) === false) return;
      const observer = policy.body?.(view, head.fields, envelopeOf(this.#transaction));
      if (observer === undefined) return;
      this.#observers ??= new Map();
      this.#observers.set(policy, checkObserver(observer));
    } catch (error) {
      this.#broken.set(policy, error);
    }
  }

  #writeBody(bytes: Uint8Array): Soon<Reply | null> {
    if (bytes.length === 0) return null;
    const stored = this.#body.write(bytes);
    if (stored === undefined && this.#observers === null) return null;
    return this.#settle(bytes, stored);
  }

  /** The view of the octets is free again only when disk and observers are done with it. */
  async #settle(bytes: Uint8Array, stored: void | Promise<void>): Promise<Reply | null> {
    const observed = this.#observe(bytes);
    try {
      await stored;
      return null;
    } catch (error) {
      this.#troubled(error);
      return FULL_DISK.has(errorCode(error) ?? "") ? NO_SPACE : CANNOT_STORE;
    } finally {
      await observed;
    }
  }

  async #observe(bytes: Uint8Array): Promise<void> {
    for (const [policy, observer] of this.#observers ?? []) {
      if (this.#broken.has(policy)) continue;
      try {
        const seen = observer.write(bytes);
        if (isPending(seen)) await this.#services.policies.inTime(policy, seen);
      } catch (error) {
        this.#broken.set(policy, error);
        this.#client.viewsHeld = true;
      }
    }
  }

  #troubled(error: unknown): void {
    const { id: session } = this.#client;
    const facts = { where: "body store", error: describeError(error), session };
    this.#services.emit({ type: "internal.error", ...facts });
  }
}

/** An observer is wanted at once, for octets are there; a promise of one is a mistake. */
function checkObserver(observer: BodyObserver): BodyObserver {
  if (!isPending(observer)) return observer;
  observer.then(undefined, () => {});
  throw new TypeError("the body hook must give its observer at once, not a promise");
}

/** More fields than any honest mail has; each costs more memory than its octets. */
const MAX_FIELDS = 2000;
const TOO_MANY_FIELDS = reply(552, "5.3.4", `too many header fields: the limit is ${MAX_FIELDS}`);
const FULL_DISK: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);
const HEAD_TOO_LARGE = reply(552, "5.3.4", "header section too big: the limit is 256 KiB");
const TOO_MUCH_AT_ONCE = reply(451, "4.3.2", "too many messages at once: try again later");
const NO_SPACE = reply(452, "4.3.1", "no room on the disk now: try again later");
const CANNOT_STORE = reply(451, "4.3.0", "cannot store the message now: try again later");
