/**
 * A small name server on a loopback port, UDP and TCP, over {@link DnsZones}: what it answers, and how it
 * fails, is what they say.
 *
 * @module
 */

import { createSocket, type Socket } from "node:dgram";
import { decodeDnsMessage, encodeDnsMessage } from "../../src/runtime/dns_message.ts";
import { DnsZones } from "../../src/runtime/dns_zones.ts";
import type { NameServer } from "../../src/runtime/resolv_conf.ts";

/** What fits into a datagram without extensions (RFC 1035 §4.2.1). */
const DATAGRAM = 512;

/** What becomes of one question in a name server that is not honest: datagrams in place of the answer. */
export type Tamper = (
  query: Uint8Array,
  answer: Uint8Array,
  from: { readonly address: string; readonly port: number },
) => readonly Uint8Array[];

/** A running name server. */
export class DnsServer implements AsyncDisposable {
  /** Its answers, also from now on. */
  readonly zones: DnsZones;
  /** Where it listens. */
  readonly server: NameServer;
  /** What came, in order: `"udp MX example.org"`. */
  readonly asked: string[] = [];
  /** Sends other datagrams than it should. */
  tamper: Tamper | null = null;
  readonly #datagrams: Socket;
  readonly #listener: Deno.Listener;
  readonly #accepting: Promise<void>;
  readonly #connections = new Set<Deno.Conn>();

  private constructor(zones: DnsZones, datagrams: Socket, listener: Deno.TcpListener) {
    this.zones = zones;
    this.#datagrams = datagrams;
    this.#listener = listener;
    this.server = { address: listener.addr.hostname, port: listener.addr.port };
    datagrams.on("message", (query, from) => {
      const octets = this.#answer(query, "udp");
      if (octets === null) return;
      const sent = this.tamper === null ? [octets] : this.tamper(query, octets, from);
      for (const one of sent) datagrams.send(one, from.port, from.address);
    });
    this.#accepting = this.#accept();
  }

  /** Starts one on a port the system chooses. */
  static async start(zones = new DnsZones(), address = "127.0.0.1"): Promise<DnsServer> {
    for (let attempt = 0;; attempt++) {
      const listener = Deno.listen({ hostname: address, port: 0 });
      const datagrams = createSocket(address.includes(":") ? "udp6" : "udp4");
      try {
        await bind(datagrams, listener.addr.port, address);
        return new DnsServer(zones, datagrams, listener);
      } catch (error) {
        listener.close();
        datagrams.close();
        if (attempt === 20) throw error; // Another has each port by UDP.
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
    await this.#accepting;
    await new Promise<void>((closed) => this.#datagrams.close(() => closed()));
  }

  async #accept(): Promise<void> {
    const serving: Promise<void>[] = [];
    try {
      for (;;) serving.push(this.#serve(await this.#listener.accept()));
    } catch { /* closed */ }
    await Promise.all(serving);
  }

  /** One question a connection; silence keeps it open. */
  async #serve(connection: Deno.Conn): Promise<void> {
    this.#connections.add(connection);
    try {
      const buffer = new Uint8Array(2 + 512);
      const length = await connection.read(buffer) ?? 0;
      const octets = this.#answer(buffer.subarray(2, length), "tcp");
      if (octets === null) return;
      await connection.write(Uint8Array.of(octets.length >> 8, octets.length & 0xff));
      for (let at = 0; at < octets.length;) at += await connection.write(octets.subarray(at));
      this.#connections.delete(connection);
      connection.close();
    } catch { /* closed by either side */ }
  }

  #answer(octets: Uint8Array, by: "udp" | "tcp"): Uint8Array | null {
    const query = decodeDnsMessage(octets);
    this.asked.push(`${by} ${query?.question?.type} ${query?.question?.name.toLowerCase()}`);
    const answer = this.zones.answer(query, by === "tcp");
    return answer && encodeDnsMessage(answer, by === "udp" ? DATAGRAM : undefined);
  }
}

function bind(socket: Socket, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, address, () => {
      socket.off("error", reject);
      resolve();
    });
  });
}
