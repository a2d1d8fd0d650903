/**
 * Which way mail for an address elsewhere goes: the route and who said so, the reverse-path it leaves with, the
 * hosts in the order in which they are tried and those that are passed over, what guards them, what TLS they must
 * give, and when it is tried again.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { formatDuration } from "../config/fields.ts";
import { findHosts, type HostNote } from "../delivery/mx.ts";
import { tlsGuards } from "../delivery/outbound.ts";
import { demandNamed, guardHosts, targetsOf } from "../delivery/remote.ts";
import type { ExchangeTarget } from "../delivery/smtp_exchange.ts";
import type { HostGuard } from "../delivery/tls_guard.ts";
import { tlsPlan } from "../delivery/tls_policy.ts";
import { retryDelay } from "../queue/retry.ts";
import { expandArguments } from "../routing/program_arguments.ts";
import {
  destinationOf,
  type LmtpRoute,
  type MxRoute,
  type PipeRoute,
  type Route,
  type SmarthostRoute,
} from "../routing/route.ts";
import { forwardedSender } from "../routing/srs.ts";
import { DEFAULT_SUBADDRESS_DELIMITER } from "../routing/subaddress.ts";
import { formatSocketAddress } from "../runtime/network.ts";
import { describeReply } from "../smtp/reply.ts";
import { explainGuards } from "./explain_guard.ts";
import type { ExplainStep } from "./explanation.ts";
import type { ExplainedStation } from "./explained_station.ts";

/** One recipient elsewhere. */
export interface WayQuestion {
  readonly recipient: Address;
  /** The address of ours that sends it on; absent where mail only passes. */
  readonly forwardedBy?: Address;
  readonly sender: Address | null;
  readonly requireTls: boolean;
}

/** A way. */
export interface ExplainedWay {
  readonly steps: readonly ExplainStep[];
  /** Whom an attempt would connect to, in order. */
  readonly targets: readonly ExchangeTarget[];
}

/** Finds the way. */
export async function explainWay(
  station: ExplainedStation,
  question: WayQuestion,
): Promise<ExplainedWay> {
  const { recipient } = question;
  const { options: { queue }, routes } = station;
  if (queue === undefined) return { steps: [withoutQueue(recipient)], targets: [] };
  const route = routes.find(recipient.domain);
  const steps = [...explainSender(station, question), explainRoute(station, recipient, route)];
  if (queue.paused) steps.push(paused(recipient));
  if (route.kind === "hold") steps.push(held(recipient));
  const open = route.kind === "hold" ? route.then : route;
  const way = await explainOpenWay(station, open, question);
  // What cannot be delivered is returned at once.
  const waits = way.steps.every(({ outcome }) => outcome !== "bad");
  const retry = waits ? [explainRetry(station, recipient)] : [];
  return { steps: [...steps, ...way.steps, ...retry], targets: way.targets };
}

async function explainOpenWay(
  station: ExplainedStation,
  route: Exclude<Route, { kind: "hold" }>,
  question: WayQuestion,
): Promise<ExplainedWay> {
  switch (route.kind) {
    case "mx":
    case "smarthost":
      return await explainHosts(station, route, question.requireTls);
    case "lmtp":
      return { steps: [explainLmtp(route)], targets: [lmtpTarget(route)] };
    case "pipe":
      return { steps: [explainPipe(station, route, question)], targets: [] };
    case "local":
      return { steps: [], targets: [] };
  }
}

function withoutQueue(recipient: Address): ExplainStep {
  return {
    step: "route",
    about: formatAddress(recipient),
    outcome: "bad",
    verdict: "it goes nowhere",
    because: "relay.enabled is false: nothing is sent on from here",
  };
}

function explainSender(
  { options: { hostname }, srsSecret, srsGuessed, runtime: { clock } }: ExplainedStation,
  { sender, forwardedBy }: WayQuestion,
): ExplainStep[] {
  if (forwardedBy === undefined || sender === null) return [];
  const station = { hostname, srsSecret };
  const given = formatAddress(forwardedSender(sender, forwardedBy, station, clock.now()) ?? sender);
  const old = formatAddress(sender);
  const guess = srsGuessed ? " (with another hash: the station's secret cannot be read)" : "";
  const verdict = given === old ? "stays as it is" : `${given}${guess}`;
  const because = given !== old
    ? `${formatAddress(forwardedBy)} sends it on: a sender of ours keeps SPF valid (SRS)`
    : sender.domain === forwardedBy.domain
    ? "it is of the domain that sends the mail on"
    : "the address would be too long for SRS";
  return [{ step: "sender", about: old, outcome: "told", verdict, because }];
}

function explainRoute(
  { routes }: ExplainedStation,
  { domain }: Address,
  route: Route,
): ExplainStep {
  const place = routes.place(domain);
  return {
    step: "route",
    about: domain,
    outcome: "good",
    verdict: destinationOf(route),
    because: place === null
      ? "no route names the domain, so mail goes to whoever DNS names"
      : `relay.routes[${place.index}] is for ${
        place.pattern === "*" ? "all others (*)" : place.pattern
      }`,
  };
}

function paused({ domain }: Address): ExplainStep {
  return {
    step: "queue",
    about: domain,
    outcome: "later",
    verdict: "waits until yizhan queue retry names the message, or a start without queue.paused",
    because: "queue.paused is true",
  };
}

function held({ domain }: Address): ExplainStep {
  return {
    step: "queue",
    about: domain,
    outcome: "later",
    verdict:
      `waits until a client asks for it by ETRN ${domain}, or yizhan queue retry --to ${domain}`,
    because: "the route holds mail for the domain",
  };
}

async function explainHosts(
  { runtime: { resolver, random }, own, options }: ExplainedStation,
  route: MxRoute | SmarthostRoute,
  requireTls: boolean,
): Promise<ExplainedWay> {
  const notes: HostNote[] = [];
  const search = await findHosts(
    resolver,
    route,
    own,
    random,
    undefined,
    (note) => notes.push(note),
  );
  const hosts = search.status === "found" ? search.hosts : [];
  const guards = search.status === "found"
    ? await guardHosts(tlsGuards(resolver, options.guards), route, search)
    : [];
  const strict = requireTls && search.status === "found" ? demandNamed(search, guards) : guards;
  const targets = [...targetsOf(route, hosts, requireTls, own, strict)];
  const step = { step: "hosts", about: route.kind === "mx" ? route.domain : route.host } as const;
  const because = notes.flatMap((note) => note.type === "hosts" ? [SOURCES[note.from]] : [])[0] ??
    "DNS says so";
  const passedOver = notes.flatMap((note) =>
    note.type === "passed-over" ? [describeNote(note)] : []
  );
  if (search.status !== "found") {
    const outcome = search.status === "failed" ? "bad" : "later";
    const verdict = describeReply(search.reply);
    return { steps: [{ ...step, outcome, verdict, because, details: passedOver }], targets };
  }
  const found = hosts.map(({ name, preference, addresses }) =>
    `${route.kind === "mx" ? `${preference} ` : ""}${name} [${
      addresses.join(", ")
    }] port ${route.port}`
  );
  const hostStep: ExplainStep = {
    ...step,
    outcome: "good",
    verdict: `first ${targets[0]?.label ?? "nobody"}`,
    because,
    details: [...found, ...passedOver],
  };
  const steps = [
    hostStep,
    ...(route.kind === "mx" || route.dane ? [explainGuards(step.about, hosts, strict)] : []),
    explainTls(route, requireTls, strict.find(({ kind }) => kind !== "shut")),
    ...explainLogin(route),
  ];
  return { steps, targets };
}

const SOURCES = {
  mx: "its MX records, the lowest preference first, equal ones in any order (RFC 5321 §5.1)",
  none: "it has no MX record, so it is its own mail host (RFC 5321 §5.1)",
  literal: "the address names the host itself",
  route: "the route names the host",
} as const;

function describeNote({ host, address, why }: Extract<HostNote, { type: "passed-over" }>): string {
  return `passed over: ${host.exchange}${address === undefined ? "" : ` [${address}]`}: ${why}`;
}

function explainTls(
  route: MxRoute | SmarthostRoute,
  requireTls: boolean,
  hostGuard: HostGuard | undefined,
): ExplainStep {
  const { start, mandatory, verify, guard } = tlsPlan(route, requireTls, hostGuard);
  const byRecords = guard?.kind === "dane" && guard.records.length > 0;
  const verdict = start === "never"
    ? "in clear"
    : byRecords
    ? "TLS with a certificate that its TLSA records vouch for, else the mail waits"
    : !mandatory
    ? "TLS where it is offered, with any certificate; in clear where it is not, or fails"
    : verify
    ? "TLS with a certificate that is valid for the name, else the mail waits"
    : "TLS with any certificate, else the mail waits";
  return {
    step: "tls",
    about: route.kind === "mx" ? route.domain : route.host,
    outcome: start === "never" ? "told" : "good",
    verdict: requireTls ? `${verdict}; the server must offer REQUIRETLS` : verdict,
    because: guard === undefined || requireTls
      ? becauseOfTls(route, requireTls)
      : "what guards the host says so",
  };
}

function becauseOfTls(route: MxRoute | SmarthostRoute, requireTls: boolean): string {
  if (requireTls) return "the mail comes with REQUIRETLS (RFC 8689)";
  if (route.kind === "smarthost" && route.credentials !== undefined) {
    return "a password is said only over TLS" +
      (route.credentials.allowUnverified ? " (allowUnverified: to whoever answers)" : "");
  }
  if (route.kind === "smarthost" && route.implicitTls) {
    return "implicitTls: TLS from the first octet";
  }
  return `the route's tls is ${route.tls}`;
}

function explainLogin(route: MxRoute | SmarthostRoute): ExplainStep[] {
  if (route.kind !== "smarthost" || route.credentials === undefined) return [];
  const because = "the route has credentials";
  const verdict = `logs in as ${route.credentials.user}`;
  return [{ step: "login", about: route.host, outcome: "told", verdict, because }];
}

function explainLmtp({ address }: LmtpRoute): ExplainStep {
  return {
    step: "hosts",
    about: formatSocketAddress(address),
    outcome: "good",
    verdict: "handed over by LMTP, which is the end of the road",
    because: "the route names the server",
  };
}

function lmtpTarget({ address }: LmtpRoute): ExchangeTarget {
  return {
    address,
    serverName: "localhost",
    label: formatSocketAddress(address),
    protocol: "lmtp",
    tls: { start: "never", mandatory: false, verify: false, requireTls: false },
  };
}

function explainPipe(
  { options: { subaddressDelimiter = DEFAULT_SUBADDRESS_DELIMITER } }: ExplainedStation,
  { program, arguments: templates }: PipeRoute,
  { recipient, sender }: WayQuestion,
): ExplainStep {
  const filled = expandArguments(templates, recipient, sender, subaddressDelimiter);
  const step = { step: "program", about: program } as const;
  if ("refused" in filled) {
    const because = "what a stranger chose must not change what the program does";
    return { ...step, outcome: "bad", verdict: `550 5.1.3: ${filled.refused}`, because };
  }
  return {
    ...step,
    outcome: "good",
    verdict: [program, ...filled.arguments].map((word) => JSON.stringify(word)).join(" "),
    because: "the route names the program; it gets the message on standard input, without a shell",
  };
}

function explainRetry({ scheduleFor, options }: ExplainedStation, address: Address): ExplainStep {
  const schedule = scheduleFor({ address });
  const usual = scheduleFor({ address: { ...address, domain: "invalid" } });
  const { lifetime, noticeLifetime, delayNotice, longest } = schedule;
  const waits: string[] = [];
  for (let attempt = 1; attempt <= 8; attempt++) {
    const delay = retryDelay(schedule, attempt, () => 0.5);
    waits.push(formatDuration(delay));
    if (delay >= longest) break;
  }
  const notice = delayNotice === null
    ? ""
    : `; the sender is told after ${formatDuration(delayNotice)}`;
  const domains = options.queue?.retry?.domains ?? {};
  return {
    step: "retry",
    about: address.domain,
    outcome: "told",
    verdict: `where it must wait: again after ${waits.join(", ")} and so on, ` +
      `for ${formatDuration(lifetime)} (notices ${formatDuration(noticeLifetime)})${notice}`,
    because: Object.keys(domains).length > 0 && schedule !== usual
      ? "queue.retryDomains names the domain"
      : "queue.retry",
  };
}
