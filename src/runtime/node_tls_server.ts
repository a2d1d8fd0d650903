/**
 * The server's side of TLS by `node:tls`, without a listening socket: a `tls.Server` that never
 * listens is handed each stream as if it had accepted it. Connections secured before `replace` keep
 * their certificates, later handshakes get the new ones.
 *
 * A `tls.Server` tells of a finished handshake without telling of which stream; so each works on
 * one handshake at a time, and a server that has finished one is kept for the next (making one
 * costs a quarter of a handshake). One whose handshake failed is thrown away: a late word of it must
 * never be taken for its successor's.
 *
 * @module
 */

import type { Duplex } from "node:stream";
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
} from "node:tls";
import type { TlsCertificate, TlsServer, TlsServerOptions } from "./tls.ts";
import {
  CertificateChoice,
  checkCertificates,
  type CheckedCertificate,
} from "./tls_certificates.ts";

/** TLS 1.0 and 1.1 are dead (RFC 8996). */
const MIN_VERSION = "TLSv1.2";

/**
 * The ciphers of TLS 1.2, best first: forward secrecy and AEAD only, as RFC 9325 §4.2 wants it. Bun would offer
 * those with CBC too, of which Lucky 13 and its kin make use, and let the client choose. Deno's TLS has only
 * these, and takes the client's order whatever is said here. Those of TLS 1.3 are all good.
 */
const CIPHERS = {
  ciphers: [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
  ].join(":"),
  honorCipherOrder: true,
};

/** Certificates, and the `tls.Server`s that are made of them. */
export class NodeTlsServer implements TlsServer {
  #generation: Generation;
  readonly #protocols: readonly string[] | undefined;

  /** With these certificates. @throws {TypeError} as {@link TlsServer.replace}. */
  constructor({ certificates, protocols }: TlsServerOptions) {
    this.#protocols = protocols;
    this.#generation = new Generation(checkCertificates(certificates), protocols);
  }

  replace(certificates: readonly TlsCertificate[]): void {
    this.#generation = new Generation(checkCertificates(certificates), this.#protocols);
  }

  /** Does one handshake over a stream; exactly one of the two is called, once. */
  handshake(
    stream: Duplex,
    onSecure: (socket: TLSSocket) => void,
    onError: (error: Error) => void,
  ): void {
    const { idle } = this.#generation;
    const acceptor = idle.pop() ?? new Acceptor(this.#generation);
    acceptor.handshake(stream, (socket) => {
      if (idle.length < MOST_IDLE) idle.push(acceptor);
      onSecure(socket);
    }, onError);
  }
}

/** Acceptors kept for later; more are made while so many handshakes go on at once. */
const MOST_IDLE = 64;

/** One set of certificates. */
class Generation {
  readonly idle: Acceptor[] = [];
  readonly first: CheckedCertificate;
  /** Where there is a choice. To be asked for one costs a second reading of a certificate and its key. */
  readonly contexts: CertificateChoice<SecureContext> | null;
  readonly protocols: readonly string[] | undefined;

  constructor(
    certificates: readonly CheckedCertificate[],
    protocols: readonly string[] | undefined,
  ) {
    this.protocols = protocols;
    this.first = certificates[0]!;
    this.contexts = certificates.length === 1
      ? null
      : new CertificateChoice(certificates.map(({ names, chain, key }) => ({
        names,
        value: createSecureContext({ cert: chain, key, minVersion: MIN_VERSION, ...CIPHERS }),
      })));
    // The first use of node:tls costs 80 ms: at start, not in the first client's handshake.
    this.idle.push(new Acceptor(this));
  }
}

/** A `tls.Server` and the one handshake it is at. */
class Acceptor {
  readonly #server: Server;
  #onSecure: ((socket: TLSSocket) => void) | null = null;
  #onError: ((error: Error) => void) | null = null;

  constructor({ first, contexts, protocols }: Generation) {
    this.#server = createServer({
      cert: first.chain,
      key: first.key,
      minVersion: MIN_VERSION,
      ...CIPHERS,
      ...(protocols && { ALPNProtocols: [...protocols] }),
      // A client may end its direction and still wait for the reply to what it said.
      allowHalfOpen: true,
      // Must answer at once: a handshake whose callback answers later hangs in Deno.
      ...(contexts === null ? {} : {
        SNICallback: (
          name: string,
          callback: (error: null, context: SecureContext) => void,
        ) => callback(null, contexts.choose(name)),
      }),
    });
    this.#server.on("secureConnection", (socket) => {
      const onSecure = this.#onSecure;
      this.#onSecure = this.#onError = null;
      if (onSecure === null) socket.destroy();
      else onSecure(socket);
    });
    this.#server.on("tlsClientError", (error, socket) => {
      const onError = this.#onError;
      this.#onSecure = this.#onError = null;
      // What comes of the ruined socket is of no interest, but must not be uncaught.
      socket.on("error", () => {});
      socket.destroy();
      onError?.(error);
    });
  }

  handshake(
    stream: Duplex,
    onSecure: (socket: TLSSocket) => void,
    onError: (error: Error) => void,
  ): void {
    this.#onSecure = onSecure;
    this.#onError = onError;
    this.#server.emit("connection", stream);
  }
}
