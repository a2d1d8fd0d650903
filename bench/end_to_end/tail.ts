/**
 * How long the reply to the final dot takes when the servers are half as busy as the peer can be: a load at a fixed
 * rate, the same for both, in turns.
 *
 * @module
 */

import type { LoadResult } from "../load.ts";
import { freePorts } from "../support/ports.ts";
import { cpuSeconds } from "../support/process_tree.ts";
import { HERE } from "../support/server.ts";
import { type Context, shell, startOurs, startPeer } from "./context.ts";
import { type Measured, OURS } from "./results.ts";

/** A server that takes its turn. */
interface Side {
  readonly server: string;
  readonly port: number;
  readonly pid: number;
  clean(): Promise<void>;
  readonly values: number[];
  readonly cpu: number[];
  /** Messages that were not taken at the rate they were offered at. */
  failed: number;
}

/** The p99 of both at this rate (messages a second), in milliseconds. */
export async function measureTail(
  context: Context,
  name: string,
  rate: number,
): Promise<readonly [ours: Measured, peer: Measured]> {
  const port = freePorts(4);
  const ours = await startOurs(context, "hold", port);
  const peer = await startPeer(context, name, "hold", port + 1);
  const side = (server: string, port: number, pid: number, clean: () => Promise<void>): Side => ({
    ...{ server, port, pid, clean },
    ...{ values: [], cpu: [], failed: 0 },
  });
  const sides = [
    side(OURS, port, ours.pid, () => shell(ours.clean)),
    side(name, port + 1, peer.pid, () => peer.clean()),
  ] as const;
  const seconds = context.quick ? 3 : 10;
  for (const each of sides) await run(each, rate, 2); // warms both up
  for (let turn = 0; turn < context.runs; turn++) {
    for (const each of sides) {
      const { result, cpu } = await run(each, rate, seconds);
      each.values.push(result.p99);
      each.cpu.push(cpu / result.messages * 1000);
      each.failed += Math.max(0, Math.round((0.95 * rate - result.rate) * result.seconds));
    }
  }
  await ours.stop();
  await peer.stop();
  return sides;
}

async function run({ port, pid, clean }: Side, rate: number, seconds: number) {
  const before = cpuSeconds(pid);
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--no-check", "--allow-net", `${HERE}/bench/load.ts`, `${port}`],
      ...[`--rate=${rate}`, `--messages=${Math.ceil(rate * seconds)}`, "--sessions=50"],
    ],
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error(`the load on port ${port} ended with ${code}`);
  const cpu = cpuSeconds(pid) - before;
  await clean();
  await shell("sync");
  return { result: JSON.parse(new TextDecoder().decode(stdout)) as LoadResult, cpu };
}
