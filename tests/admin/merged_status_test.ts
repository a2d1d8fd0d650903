import { assertEquals } from "@std/assert";
import { mergeStatus } from "../../src/admin/merged_status.ts";
import type { ListenerStatus, MtaStatus, QueueStatus } from "../../src/mta_status.ts";

const REPLY = { code: 451, lines: ["cannot connect"] };

function listener(port: number, connections: number, listening = true): ListenerStatus {
  const address = { transport: "tcp", hostname: "127.0.0.1", port } as const;
  return { name: "mx", role: "mx", address, connections, listening };
}

function status(listeners: ListenerStatus[], queue: QueueStatus | null): MtaStatus {
  const facts = { started: 1, loaded: 2, reloads: 3, hostname: "mx.test", stopping: false };
  return { ...facts, listeners, bodyMemory: 10, queue };
}

function queue(messages: number, down: QueueStatus["down"], troubled = false): QueueStatus {
  return { paused: false, troubled, messages, waiting: 1, running: 2, down };
}

Deno.test("mergeStatus() adds up what is counted, and says once what is the same", () => {
  const down = (destination: string, until: number) => ({ destination, until, reply: REPLY });
  const first = status([listener(25, 1), listener(587, 2)], queue(5, [down("mx:a.test:25", 10)]));
  const other = status(
    [listener(25, 4), listener(26, 7, false)],
    queue(6, [down("mx:a.test:25", 30), down("mx:b.test:25", 20)], true),
  );
  const merged = mergeStatus({ ...first, pid: 7 }, [other]);
  assertEquals([merged.pid, merged.bodyMemory], [7, 20]);
  assertEquals(
    merged.listeners.map((
      { address, connections, listening },
    ) => [address.transport === "tcp" && address.port, connections, listening]),
    [[25, 5, true], [587, 2, true], [26, 7, false]],
  );
  assertEquals(merged.queue, {
    ...{ paused: false, troubled: true, messages: 11, waiting: 2, running: 4 },
    down: [down("mx:a.test:25", 30), down("mx:b.test:25", 20)],
  });
});

Deno.test("mergeStatus() of one alone, or without queues, is as it was", () => {
  const alone = status([listener(25, 1)], null);
  assertEquals(mergeStatus(alone, []), alone);
  assertEquals(mergeStatus(alone, [alone]).queue, null);
});
