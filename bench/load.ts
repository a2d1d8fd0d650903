/**
 * A load for an SMTP server on this machine, as a process of its own. Either as fast as the sessions get replies, or
 * at a fixed rate: then a message is begun when it is due, whether or not the earlier ones have been
 * answered, as long as a session is free, so that a slow server cannot slow the load down and look fast.
 *
 * Prints one line of JSON: the rate; percentiles of the time from the final dot to its reply; and, at a fixed rate,
 * how late messages were begun. Any reply other than the expected one ends it with an error.
 *
 *     deno run --no-prompt --allow-net bench/load.ts PORT [--sessions=50] [--messages=10000] [--rate=0] …
 *
 * @module
 */

import { commandLine } from "./support/command_line.ts";
import { quantile } from "./support/statistics.ts";
import { SmtpClient, type Transaction, transactionOf } from "./support/smtp_client.ts";

/** What is to be sent. */
export interface Load {
  readonly port: number;
  readonly sessions: number;
  readonly messages: number;
  readonly transaction: Transaction;
  /** Messages of a session; 0 for any number. */
  readonly perSession: number;
  /** Messages a second; 0 for as many as there are replies. */
  readonly rate: number;
}

/** What came of it. Times in milliseconds. */
export interface LoadResult {
  readonly messages: number;
  readonly seconds: number;
  /** Messages a second. */
  readonly rate: number;
  /** From the final dot to its reply. */
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  /** How late messages were begun at a fixed rate, as p99; 0 else. */
  readonly late: number;
}

/** Sends all of it. */
export async function send(load: Load): Promise<LoadResult> {
  const replies = new Float64Array(load.messages);
  const late = new Float64Array(load.messages);
  let next = 0;
  const start = performance.now();
  const session = async () => {
    let client: SmtpClient | null = null;
    for (let used = 0; next < load.messages;) {
      const index = next++;
      if (load.rate > 0) late[index] = await untilDue(start + index / load.rate * 1000);
      client ??= await SmtpClient.connect(load.port);
      replies[index] = await client.send(load.transaction);
      if (++used === load.perSession) {
        await client.quit();
        client = null;
        used = 0;
      }
    }
    await client?.quit();
  };
  await Promise.all(Array.from({ length: Math.min(load.sessions, load.messages) }, session));
  const seconds = (performance.now() - start) / 1000;
  return {
    messages: load.messages,
    seconds,
    rate: load.messages / seconds,
    p50: quantile([...replies], 0.5),
    p99: quantile([...replies], 0.99),
    longest: quantile([...replies], 1),
    late: quantile([...late], 0.99),
  };
}

/** Waits for a moment; gives how many milliseconds it has passed by. */
async function untilDue(moment: number): Promise<number> {
  const ahead = moment - performance.now();
  if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead));
  return Math.max(0, performance.now() - moment);
}

if (import.meta.main) {
  const { values, flags, words } = commandLine({
    program: "bench/load.ts",
    about: "Sends messages to the SMTP server on a port of 127.0.0.1; prints a line of JSON.",
    words: { any: "PORT" },
    values: {
      sessions: ["COUNT", "50", "Sessions at once"],
      messages: ["COUNT", "10000", "Messages in all"],
      size: ["OCTETS", "10000", "Of each message"],
      rate: ["COUNT", "0", "Messages a second; 0: as many as there are replies"],
      "per-session": ["COUNT", "0", "Messages of a session; 0: all that are left"],
      to: ["ADDRESS", "foo@bench.test", "Recipient"],
    },
    flags: { pipelined: "MAIL, RCPT and DATA in one group" },
  });
  const port = Number(words[0]);
  if (!(port > 0 && port < 65536)) {
    console.error("bench/load.ts: expected the port of a server on 127.0.0.1; see --help");
    Deno.exit(64);
  }
  const result = await send({
    port,
    sessions: Number(values.sessions),
    messages: Number(values.messages),
    transaction: transactionOf(Number(values.size), values.to, flags.pipelined),
    perSession: Number(values["per-session"]),
    rate: Number(values.rate),
  });
  console.log(JSON.stringify(result));
}
