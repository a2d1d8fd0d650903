/**
 * The site's sockets: over TLS on one port, in clear on another (for authorities, and to send others to https), moved
 * when a reload says so. An authority that proves a name by tls-alpn-01 (RFC 8737 §3) says so in its first flight, and
 * is shown the certificate made for it and nothing else.
 *
 * What fails: {@link WebServer.prepare} throws what the machine says when an address cannot be had, and goes on where
 * it was.
 *
 * @module
 */

import { HttpServer } from "../admin/http_server.ts";
import {
  type Connection,
  formatSocketAddress,
  type Network,
  type SocketAddress,
} from "../runtime/network.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { TlsCertificate, TlsServer } from "../runtime/tls.ts";
import { CLIENT_HELLO_LIMIT, readClientHello } from "./client_hello.ts";
import { answerInClear, answerSecurely, type Site, SITE_BODY_LIMIT } from "./site.ts";

/** Where to listen, and how. */
export interface WebListener {
  readonly address: SocketAddress;
  readonly tls: boolean;
}

/** What it is made of. */
export interface WebServerOptions {
  readonly network: Network;
  readonly clock: Clock;
  /** What it tells, now. */
  readonly site: () => Site;
  /** The certificate for an authority that proves this name by TLS; `null`: none does. */
  readonly proof: (serverName: string) => TlsCertificate | null;
  /** Whether any such proof is under way. */
  readonly proves: () => boolean;
  readonly onFault: (error: unknown) => void;
}

/** Places that are had and not yet used. One of the two is to be called. */
export interface PreparedWeb {
  /** Listens there from now on, and no more where it did before. Never rejects. */
  adopt(): Promise<void>;
  /** Gives them up. */
  discard(): Promise<void>;
}

/** RFC 8737 §3. */
const ACME_PROTOCOL = "acme-tls/1";
/** Connections at once, of one listener. */
const CONNECTIONS = 256;
/** Of them of one client: a browser opens six. */
const CONNECTIONS_PER_CLIENT = 16;
/** Reads for a first flight, which comes in a few packets: each makes us read it anew. */
const FLIGHT_READS = 16;

/** The servers of the site. */
export class WebServer {
  readonly #options: WebServerOptions;
  #servers = new Map<string, HttpServer>();
  #tls: TlsServer | null = null;

  constructor(options: WebServerOptions) {
    this.#options = options;
  }

  /** Where it listens, with the real ports. */
  get addresses(): readonly SocketAddress[] {
    return [...this.#servers.values()].map(({ address }) => address);
  }

  /** Shows these from now on. @throws {TypeError} where one cannot be used. */
  replaceCertificates(certificates: readonly TlsCertificate[]): void {
    if (certificates.length === 0) return;
    if (this.#tls === null) this.#tls = this.#options.network.tlsServer({ certificates });
    else this.#tls.replace(certificates);
  }

  /**
   * Has the sockets to listen there, while it goes on where it was; what is the same address stays.
   *
   * @throws what the machine says when an address cannot be had; nothing has changed then.
   */
  async prepare(listeners: readonly WebListener[]): Promise<PreparedWeb> {
    const next = new Map<string, HttpServer>();
    const opened: HttpServer[] = [];
    try {
      for (const listener of listeners) {
        const name = `${formatSocketAddress(listener.address)} ${listener.tls}`;
        const kept = this.#servers.get(name);
        const server = kept ?? await this.#listen(listener);
        if (kept === undefined) opened.push(server);
        next.set(name, server);
      }
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
    return {
      adopt: async () => {
        const gone = [...this.#servers].filter(([name]) => !next.has(name));
        this.#servers = next;
        await closeAll(gone.map(([, server]) => server));
      },
      discard: () => closeAll(opened),
    };
  }

  /** Ends all. */
  async stop(): Promise<void> {
    const servers = [...this.#servers.values()];
    this.#servers = new Map();
    await closeAll(servers);
  }

  #listen({ address, tls }: WebListener): Promise<HttpServer> {
    const { network, clock, site, onFault } = this.#options;
    const shared = {
      network,
      clock,
      onFault,
      connections: CONNECTIONS,
      connectionsPerClient: CONNECTIONS_PER_CLIENT,
    };
    return HttpServer.listen(
      tls
        ? {
          ...shared,
          bodyLimit: SITE_BODY_LIMIT,
          secure: (connection) => this.#secure(connection),
          handler: (request) => answerSecurely(site(), request),
        }
        : { ...shared, handler: (request) => answerInClear(site(), request) },
      address,
    );
  }

  async #secure(connection: Connection): Promise<Connection> {
    const { proves, proof, network } = this.#options;
    if (!proves()) return await connection.startTlsServer(this.#demandTls());
    const received = await readFirstFlight(connection);
    const hello = readClientHello(received);
    if (hello === null || hello === "more" || !hello.protocols.includes(ACME_PROTOCOL)) {
      return await connection.startTlsServer(this.#demandTls(), received);
    }
    const certificate = proof(hello.serverName ?? "");
    if (certificate === null) throw new Error("no proof of this name is under way");
    const server = network.tlsServer({
      certificates: [certificate],
      protocols: [ACME_PROTOCOL],
    });
    return await connection.startTlsServer(server, received);
  }

  #demandTls(): TlsServer {
    if (this.#tls === null) throw new Error("there is no certificate yet");
    return this.#tls;
  }
}

async function readFirstFlight(connection: Connection): Promise<Uint8Array> {
  const buffer = new Uint8Array(CLIENT_HELLO_LIMIT);
  let size = 0;
  for (let reads = 0; reads < FLIGHT_READS && size < buffer.length; reads++) {
    const length = await connection.read(buffer.subarray(size));
    if (length === null) break;
    size += length;
    if (readClientHello(buffer.subarray(0, size)) !== "more") break;
  }
  return buffer.slice(0, size);
}

async function closeAll(servers: readonly HttpServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.close()));
}
