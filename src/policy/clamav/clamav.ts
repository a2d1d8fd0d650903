/**
 * Mail is looked through for malware by ClamAV's daemon (clamd) before it is taken: 554 5.7.1 with the name of what
 * was found, or into quarantine. It is asked for every message, whoever brings it: a virus from one of our own users
 * is the one that does most harm.
 *
 * The message streams to the daemon as it lies in the draft, head and body, so it takes 64 KiB of memory whatever its
 * size. Nothing is kept between messages: each has a connection of its own, {@link DEFAULT_CONNECTIONS} at once.
 *
 * What fails: a daemon that is not there, too slow or not to be understood is `onTrouble`, and an event; a message
 * that is larger than it takes is `onTooLarge`. What is taken without having been looked at says so in a field
 * `X-Virus-Scanned`. A draft that cannot be read is no trouble of the daemon's: it is thrown, which is 451.
 *
 * @module
 */

import type { MtaFact } from "../../events.ts";
import { BusyError, Gate } from "../../gate.ts";
import type { RawField } from "../../message/header.ts";
import type { Connection, Network, SocketAddress } from "../../runtime/network.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { reply } from "../../smtp/reply.ts";
import type { Change, MessageView, Policy, Verdict } from "../policy.ts";
import { type ScanResult, scanStream } from "./clamd.ts";

/** Milliseconds a message may take, from connecting to the answer. */
export const DEFAULT_TIMEOUT = 60_000;
/** Messages that are looked at at once: a clamd as it comes has ten threads. */
export const DEFAULT_CONNECTIONS = 10;
/** Messages that may wait for their turn, for each that is looked at. */
const WAITING = 10;

/** What a policy of this kind is told. */
export interface ClamavOptions {
  /** Where clamd listens: LocalSocket or TCPSocket of its configuration. */
  readonly address: SocketAddress;
  /** Milliseconds a message may take in all. Default {@link DEFAULT_TIMEOUT}. */
  readonly timeout?: number;
  /** Messages at once; others wait. Default {@link DEFAULT_CONNECTIONS}. */
  readonly connections?: number;
  /** What becomes of an infected message: refused, or taken and held in the queue. Default `"reject"`. */
  readonly onInfected?: "reject" | "quarantine";
  /** What is answered when the daemon cannot be asked: 451 4.7.1, or the message is taken. Default `"defer"`. */
  readonly onTrouble?: "defer" | "accept";
  /** Octets of a message that are sent to the daemon; a larger one is `onTooLarge` at once. Default: no bound. */
  readonly maxSize?: number;
  /**
   * What becomes of a message that is larger than the daemon takes (its StreamMaxLength): taken; 451 4.7.1, for the
   * operator to set it right; or 552 5.3.4. Default `"accept"`.
   */
  readonly onTooLarge?: "accept" | "defer" | "reject";
}

/** What the policy needs of the machine. */
export interface ClamavServices {
  /** Tells the time. */
  readonly clock: Clock;
  /** Connects to it. */
  readonly network: Network;
  /** Is told of events. */
  readonly emit: (fact: MtaFact) => void;
}

/** The name in events and in the log. */
const NAME = "clamav";

/**
 * The policy.
 *
 * @example
 * ```ts
 * import { clamav } from "./clamav.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const runtime = memoryRuntime({ address: "192.0.2.25" });
 * const address = { transport: "unix", path: "/run/clamav/clamd.ctl" } as const;
 * const policy = clamav({ address, onTrouble: "accept" }, { ...runtime, emit: () => {} });
 * assertEquals(policy.name, "clamav");
 * ```
 */
export function clamav(options: ClamavOptions, services: ClamavServices): Policy {
  const {
    timeout = DEFAULT_TIMEOUT,
    connections = DEFAULT_CONNECTIONS,
    maxSize = Infinity,
    onInfected = "reject",
    onTrouble = "defer",
    onTooLarge = "accept",
  } = options;
  const gate = new Gate(connections, connections * WAITING);

  async function scan(message: MessageView): Promise<ScanResult> {
    if (headSize(message.fields) + 2 + message.bodySize > maxSize) return { status: "too-large" };
    const { clock } = services;
    const late = new AbortController();
    const over = new AbortController();
    clock.sleep(timeout, over.signal).then(() => late.abort(), () => {});
    try {
      return await gate.run(() => scanBefore(late.signal, options.address, message, services));
    } catch (error) {
      if (error instanceof BusyError) return { status: "failed", reason: error.message };
      throw error;
    } finally {
      over.abort(null);
    }
  }

  function judge(result: ScanResult, message: MessageView): Verdict | undefined {
    switch (result.status) {
      case "clean":
        return undefined;
      case "infected":
        return onInfected === "quarantine" ? quarantine(result.signature) : {
          action: "reject",
          reply: reply(554, "5.7.1", `the message holds malware: ${result.signature}`),
        };
      case "too-large":
        return onTooLarge === "accept"
          ? unscanned("larger than the scanner takes")
          : TOO_LARGE[onTooLarge];
      case "failed": {
        const { id: session } = message.session;
        const facts = { session, policy: NAME, stage: "message", error: `clamd: ${result.reason}` };
        services.emit({ type: "policy.failed", ...facts });
        return onTrouble === "accept" ? unscanned("the scanner could not be asked") : UNAVAILABLE;
      }
    }
  }

  return {
    name: NAME,
    // Ours runs out first and closes the socket; this one is for a source that hangs.
    timeout: timeout + 5000,
    async message(message) {
      return judge(await scan(message), message);
    },
  };
}

/** One message over one connection, closed when the time is over. */
async function scanBefore(
  late: AbortSignal,
  address: SocketAddress,
  message: MessageView,
  { network }: ClamavServices,
): Promise<ScanResult> {
  const inTime = (result: ScanResult): ScanResult =>
    late.aborted && result.status === "failed"
      ? { status: "failed", reason: "no answer in time" }
      : result;
  if (late.aborted) return inTime({ status: "failed", reason: "" });
  let connection: Connection;
  try {
    connection = await network.connect(address, { signal: late });
  } catch (error) {
    return inTime({
      status: "failed",
      reason: error instanceof Error ? error.message : `${error}`,
    });
  }
  const close = () => connection.close();
  late.addEventListener("abort", close);
  try {
    return inTime(await scanStream(connection, octetsOf(message)));
  } finally {
    late.removeEventListener("abort", close);
    connection.close();
  }
}

/** The message as it would be stored: its fields, an empty line, its body. */
async function* octetsOf(message: MessageView): AsyncGenerator<Uint8Array> {
  for (const { raw } of message.fields) yield raw;
  yield CRLF;
  yield* message.openBody();
}

const CRLF = Uint8Array.of(0x0d, 0x0a);

function headSize(fields: readonly RawField[]): number {
  return fields.reduce((size, { raw }) => size + raw.length, 0);
}

function quarantine(signature: string): Verdict {
  return annotate(
    { change: "add-field", name: "X-Virus-Scanned", value: `infected: ${signature}` },
    { change: "quarantine", reason: `malware: ${signature}` },
  );
}

function unscanned(why: string): Verdict {
  return annotate({ change: "add-field", name: "X-Virus-Scanned", value: `no: ${why}` });
}

function annotate(...changes: Change[]): Verdict {
  return { action: "annotate", changes };
}

const UNAVAILABLE: Verdict = {
  action: "defer",
  reply: reply(451, "4.7.1", "the virus scanner is not available now: try again later"),
};

const TOO_LARGE = {
  defer: {
    action: "defer",
    reply: reply(451, "4.7.1", "the message is larger than the virus scanner takes"),
  },
  reject: {
    action: "reject",
    reply: reply(552, "5.3.4", "the message is larger than the virus scanner takes"),
  },
} as const satisfies Record<string, Verdict>;
