/**
 * What the next servers say when they are asked: greeting, what they offer, TLS and whether the certificate is
 * valid, the login where the route has one. No mail is begun; each conversation ends with QUIT.
 *
 * @module
 */

import { openExchange } from "../delivery/open_exchange.ts";
import type { OpeningFailure } from "../delivery/opening_failure.ts";
import type { ExchangeServices, ExchangeTarget, SmtpExchange } from "../delivery/smtp_exchange.ts";
import { Tracer } from "../observe/trace.ts";
import { Deadlines } from "../runtime/deadlines.ts";
import { describeReply } from "../smtp/reply.ts";
import type { ExplainedStation } from "./explained_station.ts";
import type { ExplainStep } from "./explanation.ts";

/** Servers asked until one is ready. */
const AT_MOST = 3;

/** Connects to the first servers of a way until one is ready. Never throws. */
export async function explainConnect(
  station: ExplainedStation,
  targets: readonly ExchangeTarget[],
  signal: AbortSignal,
): Promise<ExplainStep[]> {
  const { options: { hostname }, runtime: { network, clock, random } } = station;
  const deadlines = new Deadlines(clock);
  const services = {
    ...{ hostname, network, clock, deadlines },
    nonce: () => random.bytes(18).toBase64(),
    emit: () => {},
  };
  const steps: ExplainStep[] = [];
  try {
    for (const target of targets.slice(0, AT_MOST)) {
      const step = await ask(services, target, signal);
      steps.push(step);
      if (step.outcome === "good" || signal.aborted) break;
    }
  } finally {
    deadlines.stop();
  }
  return steps;
}

/** What is known of a certificate. */
interface TlsFinding {
  /** In a few words. */
  readonly tls: string;
  readonly said: readonly string[];
}

async function ask(
  services: ExchangeServices,
  target: ExchangeTarget,
  signal: AbortSignal,
): Promise<ExplainStep> {
  const { start, guard } = target.tls;
  const strict = { ...target, tls: { ...target.tls, mandatory: true, verify: true } };
  // Under DANE no authority need vouch for a certificate.
  const asStrict = start === "never" || guard?.kind === "dane"
    ? null
    : await converse(services, strict, signal);
  if (asStrict !== null && !isTlsTrouble(asStrict.outcome)) {
    const tls = `${asStrict.outcome.tls}, and the certificate is valid for ${target.serverName}`;
    return describe(target, asStrict, { tls, said: [] });
  }
  // A certificate that is not valid, or no TLS at all: what an attempt would do then.
  const trouble = asStrict === null ? "" : wordsOf(asStrict.outcome);
  const said = asStrict === null ? [] : [...asStrict.said, "(once more, as mail would be sent:)"];
  const second = await converse(services, target, signal);
  const clear = isFailure(second.outcome) && second.outcome.clear === true;
  const last = clear
    ? await converse(services, { ...target, tls: { ...target.tls, start: "never" } }, signal)
    : second;
  const tls = isFailure(last.outcome) || last.outcome.tls === undefined
    ? trouble === "" ? "in clear" : `in clear: ${trouble}`
    : trouble === ""
    ? last.outcome.tls
    : `${last.outcome.tls}, but the certificate is not valid: ${trouble}`;
  return describe(target, last, { tls, said: clear ? [...said, ...second.said] : said });
}

/** A conversation: how far it came, and what was said. */
interface Asked {
  readonly outcome: OpeningFailure | Ready;
  readonly said: readonly string[];
}

/** A server that takes mail. */
interface Ready {
  readonly status: "ready";
  /** Such as `TLSv1.3`. */
  readonly tls: string | undefined;
  readonly requireTls: boolean;
}

async function converse(
  services: ExchangeServices,
  target: ExchangeTarget,
  signal: AbortSignal,
): Promise<Asked> {
  const tracer = new Tracer(services.clock);
  using listener = tracer.listen({ by: "all" })!;
  const exchange = await openExchange({ ...services, tracer }, target, signal);
  const outcome = "status" in exchange ? exchange : await close(exchange);
  // Everything was told by now: nothing is waited for.
  const lines = await listener.next(AbortSignal.abort());
  const said = lines.flatMap((line) => {
    if ("lost" in line) return [`(${line.lost} lines more)`];
    if (line.kind === "command") return [`C: ${line.text}`];
    return [line.kind === "reply" ? `S: ${line.text}` : `(${line.text})`];
  });
  return { outcome, said };
}

async function close(exchange: SmtpExchange): Promise<Ready> {
  const { tls, peer: { requireTls } } = exchange;
  await exchange.quit();
  return { status: "ready", tls, requireTls };
}

function describe(
  { label, tls: plan }: ExchangeTarget,
  { outcome, said }: Asked,
  found: TlsFinding,
): ExplainStep {
  const step = { step: "connect", about: label, details: [...found.said, ...said] } as const;
  if (isFailure(outcome)) {
    const whose = outcome.remote ? "it says so" : "so it seems from here";
    const because = `${whose} (${STAGES[outcome.stage]})`;
    return { ...step, outcome: "later", verdict: describeReply(outcome.reply), because };
  }
  if (plan.requireTls && !outcome.requireTls) {
    const because = `it does not offer REQUIRETLS; ${found.tls}`;
    return { ...step, outcome: "bad", verdict: "would not be given this mail", because };
  }
  return { ...step, outcome: "good", verdict: "ready for mail", because: found.tls };
}

const STAGES: Readonly<Record<OpeningFailure["stage"], string>> = {
  connect: "connecting",
  greeting: "greeting",
  hello: "EHLO",
  tls: "TLS",
  login: "login",
  loop: "it is this server",
};

function isFailure(outcome: Asked["outcome"]): outcome is OpeningFailure {
  return outcome.status === "failed";
}

function isTlsTrouble(outcome: Asked["outcome"]): boolean {
  return isFailure(outcome) && outcome.stage === "tls";
}

function wordsOf(outcome: Asked["outcome"]): string {
  return isFailure(outcome) ? outcome.reply.lines.join(" ") : "";
}
