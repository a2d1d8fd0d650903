/**
 * The handshakes of TLS by `node:tls`, both ways, over any stream.
 *
 * What fails: a handshake rejects with a `SystemError` once the stream is closed: ECANCELED when its owner ended
 * it (how time-outs are made), ECONNRESET when the peer went away, else EPROTO with TLS's own error as `cause`.
 * It waits for the peer without limit of its own.
 *
 * @module
 */

import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import {
  checkServerIdentity,
  connect,
  type PeerCertificate,
  rootCertificates,
  type TLSSocket,
} from "node:tls";
import { NodeTlsServer } from "./node_tls_server.ts";
import { errorCode, SystemError } from "./system_error.ts";
import type { TlsClientOptions, TlsInfo, TlsPeer, TlsProblem, TlsServer } from "./tls.ts";

/** Certificates of a peer that are looked at. */
const MAX_CERTIFICATES = 12;

/** What comes of a handshake. */
export interface Secured {
  readonly socket: TLSSocket;
  readonly info: TlsInfo;
}

/** The server's side. @throws {TypeError} where `server` is of another adapter. */
export function acceptTls(stream: Duplex, server: TlsServer): Promise<Secured> {
  if (!(server instanceof NodeTlsServer)) {
    return Promise.reject(new TypeError("the TlsServer is of another adapter"));
  }
  return handshake(stream, (onSecure, onError) => {
    server.handshake(
      stream,
      (socket) => onSecure(socket, (socket as { servername?: string | null }).servername),
      onError,
    );
  });
}

/** The client's side. */
export function connectTls(stream: Duplex, options: TlsClientOptions): Promise<Secured> {
  const { serverName, verify, authorities = [], inspect } = options;
  const trusting = (verify || inspect !== undefined) && authorities.length > 0;
  return handshake(stream, (onSecure, onError) => {
    // An address is never sent as SNI (RFC 6066 §3), but may be demanded of the certificate.
    const name = isIP(serverName) === 0 ? serverName : undefined;
    const settings = {
      socket: stream,
      host: serverName,
      servername: name,
      minVersion: "TLSv1.2" as const,
      allowHalfOpen: true, // Bun wants to be told so; others do it anyway.
      rejectUnauthorized: verify,
      checkServerIdentity: verify ? checkServerIdentity : () => undefined,
      // Given authorities replace the well-known ones in node:tls; here they are added to them.
      ca: trusting ? [...rootCertificates, ...authorities] : undefined,
    };
    const socket = connect(settings);
    socket.on("error", onError);
    socket.once("secureConnect", () => {
      try {
        const fault = inspect?.(peerOf(socket, serverName)) ?? null;
        if (fault === null) onSecure(socket, name);
        else onError(new SystemError("EPROTO", fault));
      } catch (error) {
        onError(new SystemError("EPROTO", "the peer cannot be looked at", { cause: error }));
      }
    });
  });
}

/**
 * Who answered. The runtimes make a list of what the peer sent, in its order, and call each the issuer of the one
 * before, whether it is or not; a root of ours may come behind.
 */
function peerOf(socket: TLSSocket, name: string): TlsPeer {
  const certificates: Uint8Array[] = [];
  const seen = new Set<object>();
  let next: PeerCertificate | undefined = socket.getPeerCertificate(true);
  while (next?.raw && !seen.has(next) && certificates.length < MAX_CERTIFICATES) {
    seen.add(next);
    certificates.push(Uint8Array.from(next.raw));
    next = (next as { issuerCertificate?: PeerCertificate }).issuerCertificate;
  }
  return { certificates, check: () => problemOf(socket, name) };
}

function problemOf(socket: TLSSocket, name: string): TlsProblem | null {
  if (!socket.authorized) {
    const error: unknown = socket.authorizationError;
    const text = error instanceof Error ? error.message : String(error ?? "not authorized");
    return { code: errorCode(error) ?? text, text };
  }
  const error = checkServerIdentity(name, socket.getPeerCertificate());
  return error === undefined
    ? null
    : { code: errorCode(error) ?? "ERR_TLS_CERT_ALTNAME_INVALID", text: error.message };
}

type Begin = (
  onSecure: (socket: TLSSocket, serverName?: string | null) => void,
  onError: (error: Error) => void,
) => void;

/** Waits for a handshake's end, good or bad; a bad one has closed the stream when this rejects. */
function handshake(stream: Duplex, begin: Begin): Promise<Secured> {
  const { promise, resolve, reject } = Promise.withResolvers<Secured>();
  let reason: unknown = null;
  const onError = (error: unknown) => {
    reason ??= error;
    stream.destroy();
  };
  // TLS does not notice by itself that its stream ends in the middle of a handshake.
  const onEnd = () => onError(new SystemError("ECONNRESET", "the peer closed the connection"));
  const onClose = () => reject(handshakeError(stream.errored ?? reason));
  stream.once("end", onEnd).once("close", onClose);
  try {
    begin((socket, serverName) => {
      if (stream.destroyed) return;
      stream.off("end", onEnd).off("close", onClose);
      resolve({ socket, info: tlsInfo(socket, serverName) });
    }, onError);
  } catch (error) {
    onError(error);
  }
  return promise;
}

function handshakeError(reason: unknown): SystemError {
  // Deno says so of all that its authorities do not vouch for.
  const more = errorCode(reason) === "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
    ? " (its authority is unknown, or it has ended)"
    : "";
  const said = reason instanceof Error ? reason.message : "cut off";
  const text = `TLS handshake failed: ${said}${more}`;
  switch (errorCode(reason)) {
    // The owner closed the socket, while it was being read or between two reads.
    case "ECANCELED":
    case "EBADF":
      return new SystemError("ECANCELED", text, { cause: reason });
    case "ECONNRESET":
    case "EPIPE":
    case undefined:
      return new SystemError("ECONNRESET", text, { cause: reason });
    default:
      return new SystemError("EPROTO", text, { cause: reason });
  }
}

function tlsInfo(socket: TLSSocket, serverName?: string | null): TlsInfo {
  const cipher = socket.getCipher();
  return {
    protocol: socket.getProtocol() ?? "",
    cipher: cipher.standardName ?? cipher.name,
    ...(serverName ? { serverName } : {}),
  };
}
