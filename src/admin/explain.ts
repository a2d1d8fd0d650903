/**
 * What would happen to a mail, and why, step by step: what RCPT would be answered at each listener, what the
 * address means here, and which way the mail would go. All of it comes from the code that would do it
 * (`explained_station.ts`, `rehearsal.ts`, the router, the route table, `delivery/`); nothing is sent or
 * stored. Names are asked for, since hosts are found by them.
 *
 * The answer is data; the command line makes text of it.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import type { ExchangeTarget } from "../delivery/smtp_exchange.ts";
import type { MtaFact } from "../events.ts";
import type { MtaOptions } from "../mta_options.ts";
import { formatSocketAddress } from "../runtime/network.ts";
import type { ExplainQuestion, ExplainStep, Explanation } from "./explanation.ts";
import { explainAddress } from "./explain_address.ts";
import { explainReply } from "./explain_reply.ts";
import { explainWay } from "./explain_way.ts";
import {
  accountOf,
  type ExplainedListener,
  type ExplainedStation,
  explainedStation,
  isMailbox,
} from "./explained_station.ts";
import { type Conversation, rehearse, type Visit } from "./rehearsal.ts";

/** An explanation, and whom to connect to for more of it. */
export interface Explained {
  readonly explanation: Explanation;
  readonly station: ExplainedStation;
  /** The servers that would be tried, of each way, in order. */
  readonly ways: readonly (readonly ExchangeTarget[])[];
}

/** A client that nobody knows: an address that nobody has (RFC 5737). */
export const STRANGER = "203.0.113.1";

/**
 * Explains. `options` are those of the station; its runtime is asked for names, and its disk is only looked at.
 *
 * @throws {TypeError} for options with which no station could start; and what the directory throws.
 */
export async function explain(options: MtaOptions, question: ExplainQuestion): Promise<Explained> {
  const station = await explainedStation(options);
  const { recipient, sender, client = STRANGER, requireTls = false } = question;
  const login = question.login ?? await userOf(station, sender);
  const steps: ExplainStep[] = [];
  for (const listener of station.listeners) {
    steps.push(
      await explainListener(station, listener, { client, login, sender, recipient, requireTls }),
    );
  }
  const { steps: told, remote } = await explainAddress(station, recipient);
  steps.push(...told);
  const taken = steps.some(({ step, outcome }) => step === "reply" && outcome !== "bad");
  if (remote.length > 0 && !taken) steps.push(forProgramsOnly(recipient));
  const ways: (readonly ExchangeTarget[])[] = [];
  for (const way of remote) {
    const explained = await explainWay(station, { ...way, sender, requireTls });
    steps.push(...explained.steps);
    ways.push(explained.targets);
  }
  const explanation = {
    recipient: formatAddress(recipient),
    sender: sender === null ? "<>" : formatAddress(sender),
    ...{ client, login, steps },
  };
  return { explanation, station, ways };
}

/** What goes on may still come from a program on this machine. */
function forProgramsOnly(recipient: Address): ExplainStep {
  return {
    step: "address",
    about: formatAddress(recipient),
    outcome: "bad",
    verdict: "no listener takes it",
    because: "what follows is for mail that programs on this machine send (yizhan send)",
  };
}

/** Whoever sends as a user has logged in as that one, where nothing else is said. */
async function userOf({ options }: ExplainedStation, sender: Address | null) {
  if (sender === null || !await isMailbox(options.directory, sender)) return null;
  return (await accountOf(options.directory, formatAddress(sender)))?.name ?? null;
}

async function explainListener(
  station: ExplainedStation,
  { options, settings }: ExplainedListener,
  visit: Visit,
): Promise<ExplainStep> {
  const { role, name = role, address } = options;
  const where = `${name} (${formatSocketAddress(address)})`;
  if ("wrong" in settings) {
    const because = "this listener could not start";
    return { step: "reply", about: where, outcome: "bad", verdict: settings.wrong, because };
  }
  const client = address.transport === "unix" ? "unix" : visit.client;
  const login = settings.session.extensions.auth.length > 0 ? visit.login : null;
  const events: MtaFact[] = [];
  const services = station.intake((fact) => events.push(fact));
  const said = await rehearse(services, settings, { ...visit, client, login });
  const { code, reply } = said.at(-1)!;
  return {
    step: "reply",
    about: `${where}, ${login === null ? `from ${client}` : `${login} from ${client}`}`,
    outcome: code < 400 ? "good" : code < 500 ? "later" : "bad",
    verdict: lastLine(reply),
    because: await explainReply(station, { ...visit, client, login }, settings, said, events),
    details: transcript(said),
  };
}

function transcript(said: Conversation): string[] {
  return said.flatMap(({ command, reply }) => [
    ...command === "connect" ? [] : [`C: ${command}`],
    ...reply.split("\n").map((line) => `S: ${line}`),
  ]);
}

function lastLine(reply: string): string {
  return reply.slice(reply.lastIndexOf("\n") + 1);
}
