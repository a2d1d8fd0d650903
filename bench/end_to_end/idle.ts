/**
 * What an idle connection takes of a server's memory: many are opened, each says EHLO and waits; the memory of all the
 * server's processes (PSS) is held against that of the fresh server. After a while each must still be served.
 * What the kernel keeps for a socket is not in it.
 *
 * @module
 */

import { freePorts } from "../support/ports.ts";
import { memoryOf } from "../support/process_tree.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { type Context, startOurs, startPeer } from "./context.ts";
import { type Measured, OURS } from "./results.ts";

const KIB = 1024;
/** Connections that are opened at once: no more than a listener's backlog holds. */
const GROUP = 50;

/** Ours, with so many connections. */
export async function idleOfOurs(context: Context, count: number): Promise<Measured> {
  return await measure(OURS, context, count, async (port) => {
    const { pid, stop } = await startOurs(context, "hold", port);
    return { pid, stop };
  });
}

/** A peer's, with 500: some have a process for each. */
export async function idleOfPeer(context: Context, name: string): Promise<Measured> {
  const start = (port: number) => startPeer(context, name, "many", port);
  return await measure(name, context, context.quick ? 100 : 500, start);
}

async function measure(
  server: string,
  { runs, quick }: Context,
  count: number,
  start: (port: number) => Promise<{ readonly pid: number; stop(): Promise<void> }>,
): Promise<Measured> {
  const values: number[] = [];
  let failed = 0;
  for (let run = 0; run < runs; run++) {
    const port = freePorts(2);
    const { pid, stop } = await start(port);
    (await SmtpClient.connect(port)).close(); // what is made with the first one
    const before = memoryOf(pid);
    const clients: SmtpClient[] = [];
    while (clients.length < count) {
      const group = Math.min(GROUP, count - clients.length);
      clients.push(
        ...await Promise.all(Array.from({ length: group }, () => SmtpClient.connect(port))),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, quick ? 2_000 : 20_000));
    values.push((memoryOf(pid) - before) / count / KIB);
    for (const client of clients) await client.command("NOOP", 250).catch(() => failed++);
    for (const client of clients) client.close();
    await stop();
  }
  return { server, values, cpu: [], failed };
}
