/**
 * The ways a recipient can go, as values. `route_table.ts` finds the one for an address.
 *
 * @module
 */

import type { Network } from "../net_address.ts";
import type { SocketAddress } from "../runtime/network.ts";

/** One way out. */
export type Route =
  /** Into a mailbox here. */
  | { readonly kind: "local" }
  | MxRoute
  | SmarthostRoute
  | LmtpRoute
  | PipeRoute
  | HoldRoute;

/** What TLS a next station must give. */
export type TlsLevel =
  /** Never asked for. */
  | "none"
  /** Used where offered, with any certificate; where it fails, the mail goes in clear. RFC 7435. */
  | "opportunistic"
  /** Used with any certificate, else deferred. */
  | "required"
  /** Used with a certificate that TLSA records of a signed zone vouch for, else deferred (RFC 7672). */
  | "dane"
  /** Used with a chain that is trusted and a name that fits, else deferred. */
  | "verified";

/** What ways over the network by SMTP have in common. */
export interface RelaySettings {
  /** Default for MX: `opportunistic`; for a smarthost with credentials `verified`, without `opportunistic`. */
  readonly tls: TlsLevel;
  /**
   * Whether TLSA records are looked for and obeyed, where a name server is trusted to validate; what is to be
   * `verified` goes by that. Default for MX `true`, for a smarthost `false`.
   */
  readonly dane?: boolean;
  /** More roots to trust for `verified`, PEM. */
  readonly authorities?: readonly string[];
  /** The addresses of ours to connect from. */
  readonly source?: { readonly ipv4?: string; readonly ipv6?: string };
  /** Which to try first, or only. Default `ipv6-first`. */
  readonly family: "ipv6-first" | "ipv4-first" | "ipv6-only" | "ipv4-only";
  /** Addresses that may be connected to though they are loopback, link-local or the like. Default none. */
  readonly allowAddresses: readonly Network[];
  /** Connections at once; the scheduler stays under it. Default 20. */
  readonly connections: number;
  /**
   * What becomes of 8-bit mail where the next station takes none. Default `convert`, but for signed mail, which is
   * returned. `convert-first`: the station is known to take none, so what we sign is made 7-bit before it is signed.
   */
  readonly eightBit: "convert" | "convert-first" | "bounce";
}

/** To whoever DNS says takes mail for the domain (RFC 5321 §5). */
export interface MxRoute extends RelaySettings {
  /** By MX records. */
  readonly kind: "mx";
  /** The domain, in A-labels or an address literal. */
  readonly domain: string;
  /** Default 25. */
  readonly port: number;
  /** Whether the domain's MTA-STS policy is heeded (RFC 8461). Default `true`. */
  readonly mtaSts?: boolean;
}

/** To one host, whatever the recipient. */
export interface SmarthostRoute extends RelaySettings {
  /** By the operator's word. */
  readonly kind: "smarthost";
  /** A name (its A and AAAA are asked, not its MX), or an IP address. */
  readonly host: string;
  /** Where it listens. */
  readonly port: number;
  /** TLS from the first octet (port 465); counts as `required` at least. */
  readonly implicitTls: boolean;
  /** How to log in there; absent: without. */
  readonly credentials?: Credentials;
}

/** How to log in to a smarthost. */
export interface Credentials {
  /** The login name. */
  readonly user: string;
  /** Its password. */
  readonly password: string;
  /** Offers the password though the certificate is not verified. Default `false`. */
  readonly allowUnverified?: boolean;
}

/** To an LMTP server (RFC 2033), the end of the road. */
export interface LmtpRoute {
  readonly kind: "lmtp";
  readonly address: SocketAddress;
  /** Connections at once. Default 10. */
  readonly connections: number;
}

/** Into a program, the end of the road; sysexits say what became of it. */
export interface PipeRoute {
  readonly kind: "pipe";
  readonly program: string;
  /**
   * Its arguments, each given as it is and never to a shell. In them `{recipient}`, `{user}`, `{tag}`,
   * `{domain}` and `{sender}` stand for what they say, `{sender}` for `MAILER-DAEMON` in notices, which
   * have none. `{tag}` by itself is an empty argument for an address without one.
   *
   * Mail is returned (550 5.1.3) where an argument would begin with `-` by what a stranger chose, or is
   * an option whose value is empty and which would so take the next argument for it. Options such as
   * `-t{tag}`, where that is sure to happen, are refused with the route; `--tag={tag}` is none of them.
   * So is mail where an argument with a `/`, such as `/srv/{domain}/{user}`, would name another folder by
   * a value that has a `/`, or is `.` or `..`.
   */
  readonly arguments: readonly string[];
  /** At once. Default 4. */
  readonly processes: number;
}

/** Kept until the client for whom it is asks by ETRN (RFC 1985), or an operator says so. */
export interface HoldRoute {
  readonly kind: "hold";
  readonly domain: string;
  /** The way it goes then. */
  readonly then: MxRoute | SmarthostRoute | LmtpRoute;
}

/** Whether the next station is known to take 7-bit mail only. */
export function isSevenBit(route: Route): boolean {
  if (route.kind === "hold") return isSevenBit(route.then);
  return "eightBit" in route && route.eightBit === "convert-first";
}

/** What of two routes makes them one destination: connections and concurrency are counted by it. */
export function destinationOf(route: Route): string {
  switch (route.kind) {
    case "local":
      return "local";
    case "mx":
      return `mx:${route.domain}:${route.port}`;
    case "smarthost":
      return `smarthost:${route.host}:${route.port}`;
    case "lmtp":
      return route.address.transport === "unix"
        ? `lmtp:unix:${route.address.path}`
        : `lmtp:${route.address.hostname}:${route.address.port}`;
    case "pipe":
      return `pipe:${route.program}`;
    case "hold":
      return `hold:${route.domain}`;
  }
}
