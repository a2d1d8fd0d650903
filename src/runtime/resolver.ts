/**
 * What DNS says, as the rest of the program sees it. Types only.
 *
 * @module
 */

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
