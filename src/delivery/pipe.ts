/**
 * The way into a program: one run for each recipient, the message on its standard input, its exit code the
 * answer (sysexits.h, as sendmail reads it). No shell is ever involved: an argument is one
 * argument, whatever a stranger chose for a local part.
 *
 * The program reads lines that end in LF, `Return-Path` and `Delivered-To` on top: what programs for
 * mailboxes on Unix expect. It runs with an empty environment but for `PATH`.
 *
 * What fails: 75 (EX_TEMPFAIL), 71 and 74 (the system, input and output), a signal, a code nobody knows, a
 * program that is missing or does not end in time are deferred; the other sysexits are for ever. When the
 * output of a failed program begins with an enhanced status code (RFC 3463), that counts instead.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { concat } from "../bytes.ts";
import { describeError, type MtaFact } from "../events.ts";
import type { QueueEntry } from "../queue/entry.ts";
import type { MessageSource } from "../queue/local_delivery.ts";
import type { Outcome } from "../queue/outcome.ts";
import { expandArguments } from "../routing/program_arguments.ts";
import type { PipeRoute } from "../routing/route.ts";
import { DEFAULT_SUBADDRESS_DELIMITER } from "../routing/subaddress.ts";
import type { ProgramResult, Programs } from "../runtime/programs.ts";
import type { Clock } from "../runtime/runtime.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { UnixLineEncoder } from "./maildir/unix_line_encoder.ts";
import { storedHead } from "./maildir/stored_head.ts";
import { failureOf, STOPPED } from "./outcomes.ts";
import type { DeliveryJob, Transport } from "./transport.ts";

/** How long a program may run, in milliseconds: as long as Postfix lets it. */
const TIME_LIMIT = 1000_000;
/** Octets of a program's output that are told on. */
const OUTPUT_LIMIT = 400;

/** What pipes are made of. */
export interface PipeTransportServices {
  readonly programs: Programs;
  readonly clock: Clock;
  /** Told what went wrong here, beyond what a reply says. */
  readonly emit: (fact: MtaFact) => void;
  /** Between user and tag; `null` for none. Default `+`. */
  readonly subaddressDelimiter?: string | null;
  /** How long a program may run, in milliseconds. Default 1,000,000. */
  readonly timeLimit?: number;
}

/**
 * The transport of routes `pipe`.
 *
 * @example
 * ```ts
 * import { pipeTransport } from "./pipe.ts";
 * import { memoryRuntime } from "../runtime/memory.ts";
 *
 * const { programs, clock } = memoryRuntime();
 * const transport = pipeTransport({ programs, clock, emit: (fact) => console.log(fact) });
 * ```
 */
export function pipeTransport(services: PipeTransportServices): Transport {
  return {
    async deliver(job, signal) {
      const outcomes: Outcome[] = [];
      for (const recipient of job.recipients) {
        outcomes.push({ recipient, ...await deliverOne(services, job, recipient, signal) });
      }
      return outcomes;
    },
  };
}

async function deliverOne(
  services: PipeTransportServices,
  job: DeliveryJob,
  index: number,
  signal: AbortSignal,
): Promise<Omit<Outcome, "recipient">> {
  const { entry, sender, route } = job;
  const recipient = entry.recipients[index];
  if (route.kind !== "pipe" || recipient === undefined) {
    return { status: "deferred", reply: NO_PROGRAM };
  }
  if (signal.aborted) return { status: "deferred", reply: STOPPED };
  const { subaddressDelimiter = DEFAULT_SUBADDRESS_DELIMITER } = services;
  const filled = expandArguments(route.arguments, recipient.address, sender, subaddressDelimiter);
  if ("refused" in filled) {
    services.emit(trouble(route, entry, filled.refused));
    return { status: "failed", reply: BAD_ARGUMENT };
  }
  const late = new AbortController();
  const limit = new AbortController();
  const { clock, programs, timeLimit = TIME_LIMIT } = services;
  clock.sleep(timeLimit, limit.signal).then(() => late.abort(), () => {});
  try {
    const input = unixMessage(await job.open(), sender, recipient.address);
    const result = await programs.run(
      {
        program: route.program,
        arguments: filled.arguments,
        environment: ENVIRONMENT,
        input,
      },
      AbortSignal.any([signal, late.signal]),
    );
    // Though it was aborted meanwhile: what the program says it has done is not done again.
    return outcomeOf(result);
  } catch (error) {
    if (signal.aborted) return { status: "deferred", reply: STOPPED };
    if (late.signal.aborted) return { status: "deferred", reply: TOO_LONG };
    services.emit(trouble(route, entry, describeError(error)));
    return { status: "deferred", reply: NOT_RUN };
  } finally {
    limit.abort(null);
  }
}

/** The message as files on Unix have it, in pieces. */
async function* unixMessage(
  source: MessageSource,
  sender: Address | null,
  recipient: Address,
): AsyncGenerator<Uint8Array> {
  const lines = new UnixLineEncoder();
  const encoded = (octets: Uint8Array) => {
    const into = new Uint8Array(octets.length + 1);
    return into.subarray(0, lines.encodeInto(octets, into, 0));
  };
  const head = encoded(storedHead(source.head, sender, recipient));
  let first: Uint8Array | null = head;
  for await (const chunk of source.openBody()) {
    // Small messages go in one write.
    yield first === null ? encoded(chunk) : concat([first, encoded(chunk)]);
    first = null;
  }
  if (first !== null) yield first;
  const rest = new Uint8Array(1);
  if (lines.end(rest, 0) > 0) yield rest;
}

/** What the sysexits mean: an enhanced status code and words. */
const SYSEXITS: Readonly<Record<number, readonly [enhanced: string, text: string]>> = {
  64: ["5.3.0", "command line usage error"],
  65: ["5.6.0", "data format error"],
  66: ["5.3.0", "cannot open input"],
  67: ["5.1.1", "user unknown"],
  68: ["5.1.2", "host name unknown"],
  69: ["5.3.0", "service unavailable"],
  70: ["5.3.0", "internal software error"],
  71: ["4.3.0", "system resource problem"],
  72: ["5.3.0", "critical system file missing"],
  73: ["5.2.0", "cannot create user output file"],
  74: ["4.3.0", "input or output error"],
  75: ["4.3.0", "temporary failure"],
  76: ["5.5.0", "remote error in protocol"],
  77: ["5.7.0", "permission denied"],
  78: ["5.3.5", "local configuration error"],
};

function outcomeOf({ code, output }: ProgramResult): Pick<Outcome, "status" | "reply"> {
  const said = firstWords(output);
  if (code === 0) {
    return { status: "delivered", reply: reply(250, "2.0.0", "taken by the program") };
  }
  const status = /^([45]\.\d{1,3}\.\d{1,3})(?:\s+(.*))?$/s.exec(said);
  if (status !== null) return failureOf(answer(status[1]!, status[2] ?? "refused by the program"));
  const [enhanced, text] = SYSEXITS[code] ??
    [
      "4.3.0",
      code > 128
        ? `the program was ended by signal ${code - 128}`
        : `the program ended with status ${code}`,
    ];
  return failureOf(answer(enhanced, said === "" ? text : `${text}: ${said}`));
}

function answer(enhanced: string, text: string): Reply {
  return reply(enhanced.startsWith("4") ? 451 : 550, enhanced, text);
}

/** What a program wrote, on one line that can stand in a reply. */
function firstWords(output: string): string {
  // deno-lint-ignore no-control-regex
  return output.replace(/[\x00-\x20\x7f]+/g, " ").trim().slice(0, OUTPUT_LIMIT).toWellFormed();
}

function trouble({ program }: PipeRoute, { id: message }: QueueEntry, error: string): MtaFact {
  return { type: "queue.trouble", where: `pipe ${program}`, error, message };
}

/** A script needs its interpreter found; nothing else of ours is a program's business. */
const ENVIRONMENT = { PATH: "/usr/local/bin:/usr/bin:/bin" };

const NO_PROGRAM: Reply = reply(451, "4.3.5", "no program is known for this recipient");
const NOT_RUN: Reply = reply(451, "4.3.0", "the program cannot be run now");
const TOO_LONG: Reply = reply(451, "4.3.0", "the program did not end in time");
const BAD_ARGUMENT: Reply = reply(550, "5.1.3", "this address cannot be handed to the program");
