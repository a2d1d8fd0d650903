/**
 * A small name server on a loopback port, UDP and TCP, over {@link DnsZones}: what it answers, and how it
 * fails, is what they say.
 *
 * @module
 */

import { createSocket, type Socket } from "node:dgram";
import { type AddressInfo, createServer, type Server, type Socket as Connection } from "node:net";
import { concat } from "../../src/bytes.ts";
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
  readonly #listener: Server;
  readonly #connections = new Set<Connection>();

  private constructor(zones: DnsZones, datagrams: Socket, listener: Server) {
    this.zones = zones;
    this.#datagrams = datagrams;
    this.#listener = listener;
    const { address, port } = listener.address() as AddressInfo;
    this.server = { address, port };
    datagrams.on("message", (query, from) => {
      const octets = this.#answer(query, "udp");
      if (octets === null) return;
      const sent = this.tamper === null ? [octets] : this.tamper(query, octets, from);
      for (const one of sent) datagrams.send(one, from.port, from.address);
    });
    listener.on("connection", (connection) => this.#serve(connection));
  }

  /** Starts one on a port the system chooses. */
  static async start(zones = new DnsZones(), address = "127.0.0.1"): Promise<DnsServer> {
    for (let attempt = 0;; attempt++) {
      const listener = await listen(address);
      const datagrams = createSocket(address.includes(":") ? "udp6" : "udp4");
      try {
        await bind(datagrams, (listener.address() as AddressInfo).port, address);
        return new DnsServer(zones, datagrams, listener);
      } catch (error) {
        listener.close();
        datagrams.close();
        if (attempt === 20) throw error; // Another has each port by UDP.
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#listener.close(resolve));
    for (const connection of this.#connections) connection.destroy();
    await closed;
    await new Promise<void>((closed) => this.#datagrams.close(() => closed()));
  }

  /** One question a connection; silence keeps it open. */
  #serve(connection: Connection): void {
    this.#connections.add(connection);
    connection.on("error", () => {});
    connection.on("close", () => this.#connections.delete(connection));
    connection.once("data", (query: Uint8Array) => {
      const octets = this.#answer(query.subarray(2), "tcp");
      if (octets === null) return;
      connection.end(concat([Uint8Array.of(octets.length >> 8, octets.length & 0xff), octets]));
    });
  }

  #answer(octets: Uint8Array, by: "udp" | "tcp"): Uint8Array | null {
    const query = decodeDnsMessage(octets);
    this.asked.push(`${by} ${query?.question?.type} ${query?.question?.name.toLowerCase()}`);
    const answer = this.zones.answer(query, by === "tcp");
    return answer && encodeDnsMessage(answer, by === "udp" ? DATAGRAM : undefined);
  }
}

function listen(address: string): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, address, () => resolve(server));
  });
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
