/**
 * A station to be killed: takes mail for the mailboxes of `local.test`, and hands all other mail to a
 * smarthost on loopback. Unlike `yizhan serve` it tries again after a second, so that a test can see it.
 *
 * Its argument is a `StationPlan` as JSON. It writes what is out of the ordinary as JSON lines, does what it
 * reads on standard input, a word a line (`retry`: everything that waits, now; `count`: answers
 * `{"type":"counted","messages":N}`; `stop`), and stops where that ends.
 *
 * @module
 */

import { mapDirectory } from "../../../src/directory/map_directory.ts";
import type { MtaEvent } from "../../../src/events.ts";
import { startMta } from "../../../src/mta.ts";
import type { QueueMatcher } from "../../../src/queue/operator/queue_filter.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";

/** What the station is started with. */
export interface StationPlan {
  /** Its folder: mailboxes lie in `mail`, the queue in `queue`. */
  readonly folder: string;
  /** The users of `local.test`. */
  readonly users: readonly string[];
  /** Where the smarthost listens. */
  readonly smarthost: number;
}

/** Says nothing but that all is well. */
const ROUTINE: ReadonlySet<MtaEvent["type"]> = new Set([
  "session.opened",
  "session.closed",
  "session.fault",
  "message.accepted",
  "message.done",
  "delivery.done",
  "delivery.deferred",
  "queue.changed",
]);

const ALL: QueueMatcher = { matches: () => true, matchesRecipient: () => true };

function write(line: unknown): void {
  console.log(JSON.stringify(line));
}

if (import.meta.main) {
  const { folder, users, smarthost }: StationPlan = JSON.parse(Deno.args[0]!);
  const mta = await startMta({
    runtime: denoRuntime(),
    hostname: "station.test",
    listeners: [{ role: "mx", address: { transport: "tcp", hostname: "127.0.0.1", port: 0 } }],
    directory: mapDirectory({
      accounts: Object.fromEntries(users.map((user) => [`${user}@local.test`, {}])),
    }),
    delivery: { maildirRoot: `${folder}/mail` },
    relayFrom: ["127.0.0.0/8"],
    queue: {
      directory: `${folder}/queue`,
      pid: Deno.pid,
      retry: {
        usual: { first: 1000, factor: 1, longest: 1000, delayNotice: null },
        // The second time it is put off goes to another folder of ten minutes, until somebody asks for it.
        domains: { "late.test": { first: 1000, factor: 3600, longest: 3_600_000 } },
      },
    },
    routes: [{ domains: ["*"], via: { kind: "smarthost", host: "127.0.0.1", port: smarthost } }],
    onEvent: (event) => ROUTINE.has(event.type) || write(event),
  });
  const queue = mta.queue!;
  const never = new AbortController().signal;
  let rest = "";
  reading: for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const words = (rest + text).split("\n");
    rest = words.pop() ?? "";
    for (const word of words) {
      if (word === "stop") break reading;
      if (word === "retry") {
        for await (const _ of queue.change({ matcher: ALL }, { action: "retry" }, never));
      }
      if (word === "count") {
        let messages = 0;
        for await (const _ of queue.list(ALL, never)) messages++;
        write({ type: "counted", messages });
      }
    }
  }
  await mta.stop();
  write({ type: "stopped" });
  Deno.exit(0);
}
