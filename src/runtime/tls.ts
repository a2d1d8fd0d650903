/**
 * TLS, as the rest of the program sees it: certificates, what each side asks for, and what a handshake came to. Types
 * only; on which sockets it happens is `network.ts`.
 *
 * @module
 */

/** A certificate chain and its key, both PEM. */
export interface TlsCertificate {
  /** The certificate, then its intermediates. */
  readonly certificate: string;
  /** The private key. */
  readonly key: string;
}

/** How the server's side of TLS is made. */
export interface TlsServerOptions {
  /** Chosen by SNI among the names in the certificates; the first where none fits. At least one. */
  readonly certificates: readonly TlsCertificate[];
  /** Protocols to agree on by ALPN (RFC 7301), the first the best; absent: clients that ask hear of none. */
  readonly protocols?: readonly string[];
}

/** The server's side of TLS, shared by all connections of a listener. */
export interface TlsServer {
  /**
   * New certificates for handshakes from now on; connections already secured keep theirs.
   *
   * @throws {TypeError} as `Network.tlsServer()`; the old ones stay then.
   */
  replace(certificates: readonly TlsCertificate[]): void;
}

/** How the client's side of TLS is made. */
export interface TlsClientOptions {
  /** The name sent as SNI and, with `verify`, demanded of the certificate. */
  readonly serverName: string;
  /** Whether chain and name must be valid; `false` takes any certificate. */
  readonly verify: boolean;
  /** More roots to trust, PEM. */
  readonly authorities?: readonly string[];
  /**
   * Looks at who answered, when the handshake is over and before anything is sent: gives why it is not the right
   * one, and then the handshake has failed, or `null`.
   */
  readonly inspect?: (peer: TlsPeer) => string | null;
}

/** Who answered. That it has the key of its certificate is seen to, whether or not `verify` is set. */
export interface TlsPeer {
  /** The certificates it showed, DER: its own, then the others in its order; a dozen at most. */
  readonly certificates: readonly Uint8Array[];
  /** What the rules of the web say of chain and name (RFC 5280, RFC 9525): `null` that they are valid. */
  check(): TlsProblem | null;
}

/** Why a certificate is not valid. */
export interface TlsProblem {
  /** As in `node:tls`, such as `"CERT_HAS_EXPIRED"`, `"ERR_TLS_CERT_ALTNAME_INVALID"`. */
  readonly code: string;
  /** For people. */
  readonly text: string;
}

/** What a TLS handshake agreed on. */
export interface TlsInfo {
  /** `"TLSv1.2"` or `"TLSv1.3"`. */
  readonly protocol: string;
  /** The cipher suite's IANA name, such as `"TLS_AES_256_GCM_SHA384"`. */
  readonly cipher: string;
  /** The name the client asked for by SNI. */
  readonly serverName?: string;
}
