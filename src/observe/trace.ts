/**
 * SMTP conversations, overheard while they go on: which of them are heard by whom, and their lines. A
 * conversation that nobody listens to costs its session a look at one boolean (`heard`). What is secret never
 * comes here (`smtp/session_tap.ts`); how lines wait for a listener is for `trace_listener.ts`.
 *
 * What fails: nothing. Mail never waits for who listens.
 *
 * @module
 */

import { decode } from "../bytes.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { TlsInfo } from "../runtime/tls.ts";
import { formatReply, type Reply } from "../smtp/reply.ts";
import type { SessionTap } from "../smtp/session_tap.ts";
import { type ConversationFacts, letsThrough, type TraceFilter } from "./trace_filter.ts";
import { type TraceKind, type TraceLine, TraceListener } from "./trace_listener.ts";
import { formatVisible } from "./visible_text.ts";

/** Characters of a line at most. */
const LINE_LIMIT = 1000;
/** Characters of a peer's name at most: MX records are strangers'. */
const PEER_LIMIT = 300;
const NOBODY: readonly TraceListener[] = [];
/** How many may listen at once. */
const LISTENERS = 16;

/** All conversations of a station, and who listens to them. */
export class Tracer {
  readonly #clock: Clock;
  readonly #open = new Set<Conversation>();
  readonly #listeners = new Set<TraceListener>();

  /** Nobody talks and nobody listens yet. @param clock times the lines. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A conversation begins: is there already, or (`out`) is tried to be had. Must be closed. */
  open(facts: ConversationFacts, text: string): Conversation {
    const conversation = new Conversation(this.#clock, facts, {
      listeners: this.#listeners,
      onClose: () => this.#open.delete(conversation),
    });
    this.#open.add(conversation);
    conversation.tell("opened", text);
    return conversation;
  }

  /** Whether a conversation goes on that the filter lets through. */
  hears(filter: TraceFilter): boolean {
    return this.#open.values().some(({ facts }) => letsThrough(filter, facts));
  }

  /** Begins to listen, until the listener is closed; `null` when too many do. */
  listen(filter: TraceFilter): TraceListener | null {
    if (this.#listeners.size >= LISTENERS) return null;
    const listener = new TraceListener(filter, () => {
      this.#listeners.delete(listener);
      for (const conversation of this.#open) conversation.heed();
    });
    this.#listeners.add(listener);
    for (const conversation of this.#open) {
      conversation.heed();
      if (letsThrough(filter, conversation.facts)) conversation.tellOpen(listener);
    }
    return listener;
  }
}

/** What a conversation needs of its tracer. */
interface Surroundings {
  readonly listeners: ReadonlySet<TraceListener>;
  readonly onClose: () => void;
}

/** One conversation: what its sessions tell goes to those who listen to it. */
export class Conversation implements SessionTap {
  heard = false;
  readonly #clock: Clock;
  readonly #surroundings: Surroundings;
  readonly #opened: number;
  #facts: ConversationFacts;
  #listeners: readonly TraceListener[] = NOBODY;
  #closed = false;

  /** Made by {@link Tracer.open}. */
  constructor(clock: Clock, facts: ConversationFacts, surroundings: Surroundings) {
    this.#clock = clock;
    this.#facts = facts;
    this.#surroundings = surroundings;
    this.#opened = clock.now();
    this.heed();
  }

  /** Who talks with whom at this moment. */
  get facts(): ConversationFacts {
    return this.#facts;
  }

  /** Whether anybody listens to any conversation, and may so to this one with the next message. */
  get attended(): boolean {
    return this.#surroundings.listeners.size > 0;
  }

  /** Looks anew who listens. */
  heed(): void {
    const { listeners } = this.#surroundings;
    if (listeners.size === 0) this.#listeners = NOBODY;
    else this.#listeners = [...listeners].filter(({ filter }) => letsThrough(filter, this.#facts));
    this.heard = this.#listeners.length > 0;
  }

  /** It is about this message from now on. */
  carry(id: string): void {
    if (id === this.#facts.id) return;
    const before = this.#listeners;
    this.#facts = { ...this.#facts, id };
    this.heed();
    for (const listener of this.#listeners) {
      if (!before.includes(listener)) this.tellOpen(listener);
    }
  }

  /** The socket is secured. */
  secured({ protocol, cipher }: TlsInfo): void {
    this.tell("tls", `TLS: ${protocol}, ${cipher}`);
  }

  command(line: string): void {
    this.tell("command", line);
  }

  reply(given: Reply, enhanced: boolean): void {
    const lines = decode(formatReply(given, enhanced)).split("\r\n");
    for (const line of lines.slice(0, -1)) this.tell("reply", line);
  }

  message(octets: number): void {
    this.tell("message", `[… ${octets.toLocaleString("en-US")} octets]`);
  }

  note(text: string): void {
    this.tell("note", text);
  }

  /** It is over. May be said again, which changes nothing. */
  close(text: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.tell("closed", text);
    this.heard = false;
    this.#listeners = NOBODY;
    this.#surroundings.onClose();
  }

  /** A line for all who listen. */
  tell(kind: TraceKind, text: string): void {
    if (!this.heard) return;
    const line = this.#line(kind, text);
    for (const listener of this.#listeners) listener.take(line);
  }

  /** Tells one who begins to listen in the middle. */
  tellOpen(listener: TraceListener): void {
    const seconds = Math.round((this.#clock.now() - this.#opened) / 1000);
    listener.take(this.#line("opened", `connection, open for ${seconds} s`));
  }

  #line(kind: TraceKind, text: string): TraceLine {
    const { side, id, peer } = this.#facts;
    return {
      time: this.#clock.now(),
      ...{ side, id, peer: formatVisible(peer, PEER_LIMIT), kind },
      text: formatVisible(text, LINE_LIMIT),
    };
  }
}
