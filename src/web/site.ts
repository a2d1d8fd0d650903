/**
 * The pages that a mail domain needs on the web, as a function from a request to a response: the policy of MTA-STS
 * (RFC 8461 §3.3), what mail programs ask for to set up an account, and the answers to an authority that is to give
 * a certificate (RFC 8555 §8.3). Sockets and TLS are `web_server.ts`'s business.
 *
 * Nothing here says whether an address exists: the same is told of every address of a domain of ours. In clear only
 * the authority is answered; everybody else is sent to https.
 *
 * What fails: nothing; what is not known is 404.
 *
 * @module
 */

import { toAsciiDomain } from "../address.ts";
import { formatAppleProfile } from "./apple_profile.ts";
import { formatAutoconfig } from "./autoconfig.ts";
import {
  formatAutodiscover,
  formatAutodiscoverError,
  readAutodiscoverAddress,
} from "./autodiscover.ts";
import { addressOf, loginName, type MailService } from "./mail_service.ts";

/** What a site tells. What is a function is asked for each request. */
export interface Site {
  /** Whether a domain is one of ours. */
  readonly isOurs: (domain: string) => boolean | Promise<boolean>;
  /** What mail programs are told of a domain of ours. */
  readonly service: (domain: string) => MailService;
  /** The policy of MTA-STS for a domain of ours; `null`: none. */
  readonly stsPolicy: (domain: string) => string | null;
  /** What an authority shall find at a token; `null`: no such thing is under way. */
  readonly challenge: (token: string) => string | null;
}

/** Octets of a request's body: a little XML. */
export const SITE_BODY_LIMIT = 16 * 1024;

/** Answers requests over TLS. */
export async function answerSecurely(site: Site, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const path = url.pathname;
  const known = challengeAt(site, path);
  if (known !== null) return known;
  const host = hostOf(request);
  if (/^\/autodiscover\/autodiscover\.xml$/i.test(path)) {
    return await autodiscover(site, request);
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return plain(405, "GET and HEAD only\n", { allow: "GET, HEAD" });
  }
  switch (path.toLowerCase()) {
    case "/.well-known/mta-sts.txt":
      return await stsPolicy(site, host);
    case "/mail/config-v1.1.xml":
    case "/.well-known/autoconfig/mail/config-v1.1.xml":
      return await autoconfig(site, host, url);
    case "/autodiscover/autodiscover.json":
      return await autodiscoverPlace(site, url);
    case "/apple.mobileconfig":
      return await appleProfile(site, url);
    default:
      return NOT_FOUND();
  }
}

/** Answers requests in clear. */
export async function answerInClear(site: Site, request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const known = challengeAt(site, pathname);
  if (known !== null) return known;
  const host = hostOf(request);
  for (const prefix of PREFIXES) {
    const domain = below(host, prefix);
    if (domain === null || !await site.isOurs(domain)) continue;
    return plain(301, "", { location: `https://${host}${pathname}${search}` });
  }
  return NOT_FOUND();
}

/** Host names that pages are asked for by, before a domain of ours. */
const PREFIXES = ["", "mta-sts.", "autoconfig.", "autodiscover."];

function challengeAt(site: Site, path: string): Response | null {
  const token = /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]{1,200})$/.exec(path)?.[1];
  if (token === undefined) return null;
  const text = site.challenge(token);
  return text === null ? NOT_FOUND() : plain(200, text);
}

async function stsPolicy(site: Site, host: string): Promise<Response> {
  const domain = below(host, "mta-sts.");
  const text = domain !== null && await site.isOurs(domain) ? site.stsPolicy(domain) : null;
  return text === null ? NOT_FOUND() : plain(200, text);
}

async function autoconfig(site: Site, host: string, { searchParams }: URL): Promise<Response> {
  const asked = await addressOf(searchParams.get("emailaddress"), site.isOurs);
  const domain = asked?.domain ?? below(host, "autoconfig.") ?? host;
  if (!await site.isOurs(domain)) return NOT_FOUND();
  const service = site.service(domain);
  // A file without a way to read mail is none.
  if (service.incoming.length === 0) return NOT_FOUND();
  return xml(formatAutoconfig(service));
}

async function autodiscover(site: Site, request: Request): Promise<Response> {
  const asked = request.method === "POST" ? readAutodiscoverAddress(await request.text()) : null;
  const address = await addressOf(asked, site.isOurs);
  if (address === null) return xml(formatAutodiscoverError());
  return xml(formatAutodiscover(site.service(address.domain), loginName(address)));
}

/** Newer programs ask first, by JSON, where to ask. */
async function autodiscoverPlace(site: Site, { searchParams }: URL): Promise<Response> {
  const protocol = searchParams.get("Protocol") ?? searchParams.get("protocol") ?? "";
  const address = await addressOf(
    searchParams.get("Email") ?? searchParams.get("email"),
    site.isOurs,
  );
  if (address === null || protocol.toLowerCase() !== "autodiscoverv1") return NOT_FOUND();
  const domain = toAsciiDomain(address.domain) ?? address.domain;
  const place = {
    Protocol: "AutodiscoverV1",
    Url: `https://autodiscover.${domain}/autodiscover/autodiscover.xml`,
  };
  return answer(200, `${JSON.stringify(place)}\n`, "application/json");
}

async function appleProfile(site: Site, { searchParams }: URL): Promise<Response> {
  const address = await addressOf(searchParams.get("email"), site.isOurs);
  if (address === null) return NOT_FOUND();
  const profile = formatAppleProfile(site.service(address.domain), loginName(address));
  if (profile === null) return NOT_FOUND();
  return answer(200, profile, "application/x-apple-aspen-config", {
    "content-disposition": 'attachment; filename="mail.mobileconfig"',
  });
}

/** What the client calls us, without a port, in lower case; empty where that is no name. */
function hostOf(request: Request): string {
  const host = (request.headers.get("host") ?? "").toLowerCase();
  return /^([a-z0-9._-]{1,253}?)\.?(?::\d{1,5})?$/.exec(host)?.[1] ?? "";
}

/** What stands behind a prefix; `null` where the host does not begin so. */
function below(host: string, prefix: string): string | null {
  return host.startsWith(prefix) ? host.slice(prefix.length) : null;
}

const NOT_FOUND = () => plain(404, "there is nothing here\n");

function plain(
  status: number,
  text: string,
  more: Readonly<Record<string, string>> = {},
): Response {
  return answer(status, text, "text/plain; charset=utf-8", more);
}

function xml(text: string): Response {
  return answer(200, text, "application/xml; charset=utf-8");
}

function answer(
  status: number,
  text: string,
  type: string,
  more: Readonly<Record<string, string>> = {},
): Response {
  const headers = { "content-type": type, "x-content-type-options": "nosniff", ...more };
  return new Response(text, { status, headers });
}
