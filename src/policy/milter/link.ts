/**
 * A connection to a filter: packets out, replies in, and a limit to each wait.
 *
 * What fails: a filter that is not there, closes, is too slow, says more than it may or what it was not asked for: an
 * error that says so, after which the connection is closed. A filter may ask for more time (`progress`), but nothing
 * lasts longer than {@link LONGEST}.
 *
 * @module
 */

import { concat } from "../../bytes.ts";
import type { Connection, Network, SocketAddress } from "../../runtime/network.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { formatNegotiation, type Negotiated, parseNegotiation } from "./negotiation.ts";
import { COMMANDS, formatPacket, type MilterPacket, MilterPacketDecoder } from "./packet.ts";
import { type MilterReply, parseMilterReply, REPLACED_BODY } from "./reply.ts";

/** Milliseconds each wait may last. */
export interface MilterTimeouts {
  /** To connect and agree on the protocol. */
  readonly connect: number;
  /** For the answer to a command of the envelope. */
  readonly command: number;
  /** For each answer about the content. */
  readonly content: number;
}

/** What holds where nothing is said: as Postfix has it. */
export const DEFAULT_MILTER_TIMEOUTS: MilterTimeouts = {
  connect: 30_000,
  command: 30_000,
  content: 300_000,
};

/** Milliseconds a stage may take in all: a client waits ten minutes for the answer to its mail (RFC 5321 §4.5.3.2.6). */
export const LONGEST = 9 * 60_000;

/** Octets of a packet; one that brings another body is taken in pieces. */
const PACKET_LIMIT = 256 * 1024;
/** Milliseconds a filter has to take a goodbye. */
const FAREWELL = 5_000;
/** Octets that are gathered before they are written. */
const GATHER = 64 * 1024;

/** What a link needs. */
export interface LinkServices {
  readonly network: Network;
  readonly clock: Clock;
}

/** The filter has ended the connection by itself. */
export class FilterGone extends Error {}

/** A connection that has been agreed on. */
export class MilterLink {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #decoder = new MilterPacketDecoder(PACKET_LIMIT, REPLACED_BODY);
  readonly #buffer = new Uint8Array(4096);
  #gathered: Uint8Array[] = [];
  #gatheredSize = 0;
  #negotiated: Negotiated | null = null;
  #closed = false;
  /** When the wait under way is over; what each step of it may take; when all of it is over. */
  #due = 0;
  #patience = 0;
  #end = 0;

  private constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** Connects and agrees on the protocol. @throws an error that says why it is not to be had. */
  static async open(
    address: SocketAddress,
    { network, clock }: LinkServices,
    patience: number,
  ): Promise<MilterLink> {
    const stop = new AbortController();
    const give = new AbortController();
    const timer = clock.sleep(patience, stop.signal).then(
      () => give.abort(new Error(`no connection within ${patience} ms`)),
      () => {},
    );
    let connection: Connection;
    try {
      connection = await network.connect(address, { signal: give.signal });
    } finally {
      stop.abort(null);
      await timer;
    }
    const link = new MilterLink(connection, clock);
    await link.within(patience, async () => {
      link.send(formatNegotiation());
      const agreed = parseNegotiation(await link.#packet());
      if (typeof agreed === "string") throw new Error(`broke the protocol: ${agreed}`);
      link.#negotiated = agreed;
    });
    return link;
  }

  /** What was agreed on. */
  get negotiated(): Negotiated {
    return this.#negotiated!;
  }

  /** Whether the filter wants all of these flags of {@link STEPS}. */
  wants(steps: number): boolean {
    return (this.negotiated.steps & steps) === steps;
  }

  /**
   * Has a talk with the filter of which each step may take `patience` milliseconds. Where it fails, the link is closed.
   * @param end when it must be over, by the clock.
   *
   * @throws what `talk` throws; an error that says so where the time is over.
   */
  async within<T>(
    patience: number,
    talk: () => Promise<T>,
    end = this.#clock.now() + LONGEST,
  ): Promise<T> {
    const stop = new AbortController();
    let late = false;
    this.#patience = patience;
    this.#end = end;
    this.#touch();
    const watch = async () => {
      for (let left; (left = this.#due - this.#clock.now()) > 0;) {
        await this.#clock.sleep(left, stop.signal);
      }
      late = true;
      this.close();
    };
    watch().catch(() => {});
    try {
      return await talk();
    } catch (error) {
      this.close();
      throw late ? new Error(`no answer within ${patience} ms`, { cause: error }) : error;
    } finally {
      stop.abort(null);
    }
  }

  /** Sends a packet, with the next thing that is waited for at the latest. */
  send(packet: Uint8Array): void {
    this.#gathered.push(packet);
    this.#gatheredSize += packet.length;
  }

  /** Writes what was sent, where that is much. */
  async relieve(): Promise<void> {
    if (this.#gatheredSize >= GATHER) await this.#flush();
  }

  /** The next reply. @throws where it is none. */
  async reply(): Promise<MilterReply> {
    const packet = await this.#packet();
    const reply = parseMilterReply(packet);
    if (reply !== null) return reply;
    const { kind, data } = packet;
    const what = `${JSON.stringify(kind)} with ${data.length} octets`;
    throw new Error(`broke the protocol: a reply that cannot be read (${what})`);
  }

  /** Fails where the filter has said something that it was not asked for: answers must not change places. */
  demandSilence(): void {
    if (this.#decoder.pending) throw new Error("broke the protocol: more replies than commands");
  }

  /** Says goodbye and closes. */
  quit(): void {
    if (this.#closed) return;
    this.#closed = true;
    const connection = this.#connection;
    const stop = new AbortController();
    // A filter that does not read must not keep the socket.
    this.#clock.sleep(FAREWELL, stop.signal).then(() => connection.close(), () => {});
    connection.write(formatPacket(COMMANDS.quit)).catch(() => {}).finally(() => {
      stop.abort(null);
      connection.close();
    });
  }

  /** Closes at once; who waits for a reply has an error. Harmless when already closed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
  }

  async #packet(): Promise<MilterPacket> {
    await this.#flush();
    const decoder = this.#decoder;
    for (;;) {
      const packet = decoder.next();
      if (typeof packet === "string") throw new Error(`broke the protocol: ${packet}`);
      if (packet !== null) {
        this.#touch();
        return packet;
      }
      const length = await this.#connection.read(this.#buffer);
      if (length === null) throw new FilterGone("closed the connection");
      decoder.receive(this.#buffer.subarray(0, length));
    }
  }

  async #flush(): Promise<void> {
    if (this.#gathered.length === 0) return;
    const octets = concat(this.#gathered);
    this.#gathered = [];
    this.#gatheredSize = 0;
    await this.#connection.write(octets);
    this.#touch();
  }

  /** Something went on: the wait begins anew. */
  #touch(): void {
    this.#due = Math.min(this.#clock.now() + this.#patience, this.#end);
  }
}
