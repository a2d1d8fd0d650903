/**
 * The sections `web` and `acme`: what our domains show on the web, and certificates that the server gets by itself.
 *
 * @module
 */

import {
  duration,
  hostname,
  mailAddress,
  path,
  port,
  secret,
  socketAddress,
  wait,
} from "./fields.ts";
import { z } from "./packages.ts";

const webListener = z.strictObject({
  address: socketAddress.meta({ examples: ["[::]:443", "[::]:80"] }).describe("Where it listens"),
  tls: z.boolean().default(true).describe(
    "false: in clear, for authorities (http-01) and to send others to https; usually port 80",
  ),
}).describe("A listener");

const clientServer = (port_: number) =>
  z.strictObject({
    hostname: hostname.optional().describe("Its name; default hostname"),
    port: port.default(port_).describe("Its port"),
    tls: z.enum(["implicit", "starttls"]).default("implicit")
      .describe("implicit: from the first octet; starttls: later, by command"),
  });

// RFC 8461 §3.2: one label may stand for any.
const MX_PATTERN = /^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;

/** The section. */
export const webSchema = z.strictObject({
  listeners: z.array(webListener).default([]).describe(
    "Where the site listens: the names mta-sts.DOMAIN, autoconfig.DOMAIN and autodiscover.DOMAIN must lead here",
  ),
  mtaSts: z.strictObject({
    mode: z.enum(["none", "testing", "enforce"]).default("testing").describe(
      "What others do who cannot reach us by verified TLS (RFC 8461 §5): testing: report it; enforce: wait",
    ),
    // RFC 8461 §3.2.
    maxAge: wait.refine((milliseconds) => milliseconds <= 366 * 86_400_000, "wanted 366d at most")
      .default(7 * 86_400_000).describe("How long others remember the policy"),
    mx: z.array(
      z.string().regex(MX_PATTERN, "wanted a host name in lower case, or *. and the name above it"),
    )
      .default([]).describe("The hosts that take our mail; default hostname"),
  }).prefault({}).describe("The policy at https://mta-sts.DOMAIN/.well-known/mta-sts.txt"),
  imap: clientServer(993).optional().describe(
    "Where users read their mail, for mail programs that ask: an IMAP server on the Maildirs",
  ),
  pop3: clientServer(995).optional().describe("The same for a POP3 server"),
}).describe(
  "The site of our domains: MTA-STS, and accounts that mail programs set up by themselves",
);

const DIRECTORY = "https://acme-v02.api.letsencrypt.org/directory";

const NAME_WANTED = "wanted a host name, such as mail.example.org, or *. and a domain";
const certificateName = z.string(NAME_WANTED).refine(
  (text) => hostname.safeParse(text.replace(/^\*\./, "")).success,
  NAME_WANTED,
).meta({ title: "name", examples: ["mail.example.org", "*.example.org"] });

/** The section. */
export const acmeSchema = z.strictObject({
  agreeToTerms: z.literal(
    true,
    "wanted true, once you have read the authority's terms of service and agree",
  )
    .describe("You have read the authority's terms of service, and agree"),
  names: z.array(certificateName).default([]).describe(
    "What certificates are for, each one of its own; *.DOMAIN by dns-01. Default hostname and, where web " +
      "listens for TLS, the names of the site under domains",
  ),
  challenge: z.enum(["http-01", "tls-alpn-01", "dns-01"]).default("http-01").describe(
    "How names are proved. http-01: at port 80 of a web listener with tls: false; tls-alpn-01: at port 443 " +
      "of one with TLS; dns-01: by acme.dnsHook",
  ),
  dnsHook: z.string().min(1).optional().describe(
    "A program that publishes TXT records: it is called with add or remove, the name and the value",
  ),
  // RFC 8555 §6.1.
  directory: z.url({ protocol: /^https$/, error: "wanted a URL with https:" }).default(DIRECTORY)
    .describe("The authority's directory; default Let's Encrypt"),
  contact: mailAddress.optional().describe("Whom the authority may write to"),
  // RFC 8555 §7.3.4.
  externalAccount: z.strictObject({
    keyId: z.string().min(1).describe("The key's id, as the authority gave it (EAB KID)"),
    hmacKey: secret.describe("The key (EAB HMAC key, base64url), or file: PATH"),
  }).optional().describe(
    "The customer of the authority in whose name we ask, as ZeroSSL, Google Trust Services and SSL.com want it",
  ),
  renewBefore: duration.default(30 * 86_400_000).describe(
    "How long before its end a certificate is renewed, a third of its life where that is less; or when the authority " +
      "asks for it (RFC 9773), a day later at most",
  ),
  reuseKey: z.boolean().default(true).describe(
    "Whether a renewed certificate has the key of the one before, so that TLSA records stay true",
  ),
  authorities: z.array(path).default([]).describe(
    "PEM files of authorities to trust for the directory, where it is one of your own",
  ),
}).describe("Certificates by ACME (RFC 8555), beside those of tls.certificates");
