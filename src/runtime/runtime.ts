/**
 * The machine, as the rest of the program sees it: sockets, TLS, names, files, programs, clock and
 * randomness as one injected value. `deno.ts` makes it from Deno, `memory.ts` makes a virtual one for tests and the
 * simulator. Types only, and what is the same for all adapters.
 *
 * What fails: every call that touches the machine may throw. Adapters throw `Error`s whose `code`
 * is the errno name (`"ENOSPC"`, `"ENOENT"`, `"EEXIST"`, `"ECONNRESET"`, …); {@link errorCode}
 * reads it. A call on something already closed throws with code `"EBADF"`; a pending read or accept
 * that `close()` wakes throws with code `"ECANCELED"`.
 *
 * @module
 */

/** Everything the program asks of the machine. */
export interface Runtime {
  /** Which adapter this is, for messages to people: `"deno"`, `"memory"`, `"bun"`. */
  readonly name: string;
  /** Sockets and TLS. */
  readonly network: Network;
  /** What DNS says. */
  readonly resolver: Resolver;
  /** The disk. */
  readonly files: Files;
  /** Other programs. */
  readonly programs: Programs;
  /** Time. */
  readonly clock: Clock;
  /** Randomness. */
  readonly random: Random;
}

/** Time is an input, so that tests can own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Resolves after `ms` milliseconds; rejects with the signal's reason when it is aborted first. A
   * sleep never keeps the process alive on its own.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Randomness fit for secrets in production, seeded in tests. */
export interface Random {
  /** `length` random octets. */
  bytes(length: number): Uint8Array;
  /** A number in [0, 1). */
  float(): number;
}

/** Where a socket is, or shall be. */
export type SocketAddress =
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

/** Octets that the path of a unix socket has at most, on Linux. */
export const SOCKET_PATH_LIMIT = 107;

/** Sockets, in and out. */
export interface Network {
  /** Whether several may share a TCP address, see {@link ListenOptions}; absent: no. */
  readonly canShare?: boolean;
  /** Listens. Port 0 takes a free one; {@link Listener.address} tells which. */
  listen(address: SocketAddress, options?: ListenOptions): Promise<Listener>;
  /** Connects; aborting the signal gives up. */
  connect(address: SocketAddress, options?: ConnectOptions): Promise<Connection>;
  /**
   * Readies the server's side of TLS.
   *
   * @throws {TypeError} when a certificate cannot be read or does not belong to its key; the message
   * says which.
   */
  tlsServer(options: TlsServerOptions): TlsServer;
}

/** How to listen. */
export interface ListenOptions {
  /**
   * Others that say so too may listen at the same address, in this process or another one of the same user; the
   * system gives each a part of the connections (SO_REUSEPORT). TCP only, and where {@link Network.canShare}.
   */
  readonly shared?: boolean;
}

/** How to connect. */
export interface ConnectOptions {
  /** Gives up when aborted. */
  readonly signal?: AbortSignal;
  /** The IP address of ours to connect from (TCP only); absent: the system chooses. */
  readonly source?: string;
}

/** A listening socket. */
export interface Listener {
  /** The address in force (the real port where 0 was asked for). */
  readonly address: SocketAddress;
  /**
   * The next connection, or `null` once closed. Passing troubles (too many open files, a peer gone
   * before it was accepted) are waited out inside and reported to `onTrouble`; they never end it.
   */
  accept(onTrouble?: (error: unknown) => void): Promise<Connection | null>;
  /** Stops listening; a pending `accept` gives `null`. A unix socket's path is removed. */
  close(): void;
}

/** One connection, in the clear or secured. Only one read and one write may be pending at a time. */
export interface Connection {
  /** Our end. */
  readonly local: SocketAddress;
  /** The peer's end. IPv4 peers of a dual-stack socket appear in dotted form, not `::ffff:`. */
  readonly remote: SocketAddress;
  /** What TLS agreed on, `null` in the clear. */
  readonly tls: TlsInfo | null;
  /** Reads at least one octet; gives how many, or `null` at the peer's orderly end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes all of it. The bytes belong to the connection until the promise settles. */
  write(bytes: Uint8Array): Promise<void>;
  /** Says that no more will be written (FIN, or TLS close_notify). */
  closeWrite(): Promise<void>;
  /** Ends both directions at once; wakes a pending read or write. Harmless when already closed. */
  close(): void;
  /**
   * Becomes the server's side of TLS on this socket. This connection must not be used afterwards.
   * `received` is what was already read of the peer's first flight.
   *
   * @throws when the handshake fails; the socket is closed then.
   */
  startTlsServer(server: TlsServer, received?: Uint8Array): Promise<Connection>;
  /**
   * Becomes the client's side of TLS on this socket. This connection must not be used afterwards.
   *
   * @throws when the handshake fails or, with `verify`, the certificate is not valid for the name;
   * the socket is closed then.
   */
  startTlsClient(options: TlsClientOptions): Promise<Connection>;
}

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
   * @throws {TypeError} as {@link Network.tlsServer}; the old ones stay then.
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

/**
 * What DNS says. No method throws: a server that is down or ill is `failed`, which is not at all the same
 * as a name that does not exist.
 */
export interface Resolver {
  /** The IPv4 addresses of a name, dotted. CNAMEs are followed. */
  a(name: string, signal?: AbortSignal): Promise<DnsAnswer<string>>;
  /** The IPv6 addresses of a name. CNAMEs are followed. */
  aaaa(name: string, signal?: AbortSignal): Promise<DnsAnswer<string>>;
  /** Who takes mail for a domain (RFC 5321 §5), in no order. A null MX (RFC 7505) is a record of exchange `""`. */
  mx(name: string, signal?: AbortSignal): Promise<DnsAnswer<MxRecord>>;
  /** The TXT records of a name, the strings of each joined. */
  txt(name: string, signal?: AbortSignal): Promise<DnsAnswer<string>>;
  /** The names of an IP address. */
  ptr(address: string, signal?: AbortSignal): Promise<DnsAnswer<string>>;
  /** The name this one is only another name of; what that leads to is not looked at. */
  cname(name: string, signal?: AbortSignal): Promise<DnsAnswer<string>>;
  /** Where a service of a domain is (RFC 2782), asked for as `_submission._tcp.example.org`, in no order. */
  srv(name: string, signal?: AbortSignal): Promise<DnsAnswer<SrvRecord>>;
  /** What keys a service has (RFC 6698), asked for as `_25._tcp.mx.example.org`. CNAMEs are followed. */
  tlsa(name: string, signal?: AbortSignal): Promise<DnsAnswer<TlsaRecord>>;
}

/** One MX record. Names have no dot at the end and are in lower case. */
export interface MxRecord {
  /** Lower ones are to be tried first. */
  readonly preference: number;
  /** The host; `""` in a null MX. */
  readonly exchange: string;
}

/** One SRV record (RFC 2782). The name has no dot at the end and is in lower case. */
export interface SrvRecord {
  /** Lower ones are to be tried first. */
  readonly priority: number;
  /** Among those of one priority, how often this one is to be chosen. */
  readonly weight: number;
  /** The port of the service. */
  readonly port: number;
  /** The host; `""` where the service is not offered. */
  readonly target: string;
}

/** One TLSA record (RFC 6698 §2.1), as DNS has it: whether it can be used is for others to say. */
export interface TlsaRecord {
  /** 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE. */
  readonly usage: number;
  /** Of what: 0 the certificate, 1 its SubjectPublicKeyInfo. */
  readonly selector: number;
  /** How: 0 itself, 1 SHA-256, 2 SHA-512. */
  readonly matching: number;
  /** The octets to compare with. */
  readonly data: Uint8Array;
}

/**
 * What became of a question. `authenticated`: DNSSEC vouches for it, all of its CNAMEs too, by the word of a name
 * server that is trusted to validate (AD, RFC 6840 §5.7-5.8); never there otherwise. An answer that DNSSEC finds
 * forged is `failed`.
 */
export type DnsAnswer<T> =
  | {
    readonly status: "found";
    readonly records: readonly T[];
    readonly authenticated?: boolean;
    /** Whose records they are, where CNAMEs led to another name; only from a server that is trusted to validate. */
    readonly canonical?: string;
  }
  /** Believed: the rcode was seen. `nxdomain`: no such name. `nodata`: no such record of it. */
  | {
    readonly status: "none";
    readonly reason: "nxdomain" | "nodata";
    readonly authenticated?: boolean;
  }
  /** Nothing is known: SERVFAIL, REFUSED, a time-out, no server at all. To be asked again later. */
  | { readonly status: "failed"; readonly reason: string };

/** Other programs. */
export interface Programs {
  /**
   * Runs a program, without a shell and with an empty environment but for `environment`; `input` is its
   * standard input. Aborting the signal kills it, and what it started as far as the system allows, and
   * rejects with the reason; a program that has ended by itself before is a result.
   *
   * @throws `ENOENT` when there is no such program, `EACCES` when it may not be run.
   */
  run(command: ProgramCommand, signal?: AbortSignal): Promise<ProgramResult>;
}

/** What to run. */
export interface ProgramCommand {
  /** The path, or a name in the path of the system. */
  readonly program: string;
  /** Its arguments, each as it is. */
  readonly arguments: readonly string[];
  /** Its whole environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What it reads. It may stop reading before the end. */
  readonly input: AsyncIterable<Uint8Array>;
}

/** What became of a program. */
export interface ProgramResult {
  /** Its exit code; 128 and the number where a signal ended it. */
  readonly code: number;
  /** The beginning of what it wrote on standard output and standard error, at most 4 KiB. */
  readonly output: string;
}

/** What kind of thing lies at a path. */
export type FileKind = "file" | "directory" | "link" | "other";

/** The disk. Paths are absolute or relative to the process. */
export interface Files {
  /** Opens a file. @throws `EEXIST` with `createNew`, `ENOENT`, `ENOSPC`, … */
  open(path: string, options: OpenOptions): Promise<FileHandle>;
  /** The whole of a file. @throws `EFBIG` when it is longer than `limit` octets. */
  readFile(path: string, limit?: number): Promise<Uint8Array>;
  /** Renames, replacing what is at the new path. */
  rename(from: string, to: string): Promise<void>;
  /**
   * Removes one file or one empty folder. With `large` others are not held up meanwhile: to give back the blocks of a
   * large file takes a disk tens of milliseconds.
   */
  remove(path: string, options?: { readonly large?: boolean }): Promise<void>;
  /**
   * Gives a file of ours the owner, group and mode of another file, where the system has such.
   *
   * @param mode that it gets in place of the other's, which it does not have for a moment then.
   * @throws `EPERM` when the owner or group is not this process's to give.
   */
  copyAccess(from: string, to: string, mode?: number): Promise<void>;
  /** Gives a file or folder this mode, whatever the umask; does nothing where the system has none. */
  setMode(path: string, mode: number): Promise<void>;
  /** Makes one folder. @throws `EEXIST`, `ENOENT` when the parent is missing. */
  makeDirectory(path: string, mode: number): Promise<void>;
  /** The entries of a folder, in no order. */
  list(path: string): AsyncIterable<{ readonly name: string; readonly kind: FileKind }>;
  /**
   * What lies there, or `null` when nothing does: a link itself, or with `follow` what it leads to.
   */
  stat(path: string, options?: { readonly follow?: boolean }): Promise<FileStat | null>;
  /** Makes the names in a folder durable. */
  syncDirectory(path: string): Promise<void>;
  /** What is left on the file system that holds `path`. */
  space(path: string): Promise<{ readonly bytes: number; readonly inodes: number }>;
}

/** What is known of a file. */
export interface FileStat {
  /** What it is. */
  readonly kind: FileKind;
  /** Octets. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  /** The number of the user it belongs to; 0 where the system has none. */
  readonly owner: number;
}

/** How a file is opened. */
export interface OpenOptions {
  /** For reading. */
  readonly read?: boolean;
  /** For writing, at the position. */
  readonly write?: boolean;
  /** For writing, always at the end. */
  readonly append?: boolean;
  /** Makes the file; `EEXIST` when something is there. */
  readonly createNew?: boolean;
  /** Makes the file where it is missing. */
  readonly create?: boolean;
  /** Empties the file. */
  readonly truncate?: boolean;
  /** The mode of a file that is made. Default 0o600. */
  readonly mode?: number;
  /**
   * For a folder where others write: a link at the path is not followed (`ELOOP`), and nothing that lies there
   * (a FIFO, a device) makes us wait. What was opened, {@link FileHandle.identify} tells.
   */
  readonly noFollow?: boolean;
}

/** What is known of a file that is open, whatever its name leads to by now. */
export interface FileIdentity extends FileStat {
  /** The number of the group it belongs to; 0 where the system has none. */
  readonly group: number;
  /** The number of the file system it is on. */
  readonly device: number;
  /** How many names it has. */
  readonly links: number;
  /** The twelve bits of its mode (such as 0o3733); 0 where the system has none. */
  readonly mode: number;
}

/** An open file. */
export interface FileHandle {
  /** What it is, and whose. */
  identify(): Promise<FileIdentity>;
  /** Reads at the file's position; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes all of it at the file's position. */
  write(bytes: Uint8Array): Promise<void>;
  /** Moves the position, in octets from the start. */
  seek(offset: number): Promise<void>;
  /** Resolves when all that was written survives a power cut (fdatasync). */
  sync(): Promise<void>;
  /** Closes. Harmless when already closed. */
  close(): void;
}

/** The errno name an adapter's error carries, or `undefined`. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}

/** An error as adapters throw it: a message for people and an errno name for programs. */
export class SystemError extends Error {
  /** The errno name, such as `"ENOSPC"`. */
  readonly code: string;

  /** Of an errno name and a message that says what failed, and on what. */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SystemError";
    this.code = code;
  }
}

/** `127.0.0.1:2525`, `[::1]:2525` or `unix:/run/x.sock`, for people and logs. */
export function formatSocketAddress(address: SocketAddress): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const { hostname, port } = address;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
