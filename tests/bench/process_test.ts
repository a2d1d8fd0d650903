import { assertEquals } from "@std/assert";
import { parsePerf } from "../../bench/support/instructions.ts";
import { freePorts } from "../../bench/support/ports.ts";
import { descendants, parseStat } from "../../bench/support/process_tree.ts";
import { configFor } from "../../bench/support/server.ts";

// proc_pid_stat(5): pid, comm, state, ppid, …, utime 14, stime 15, cutime 16, cstime 17.
const STAT = "77 (a) b) S 12 77 77 0 -1 4194560 100 200 0 0 150 50 30 20 20 0 8 0 12345 0 0";

Deno.test("parseStat() reads times and the parent, whatever the name is", () => {
  assertEquals(parseStat(STAT), { pid: 77, parent: 12, cpu: 2.5 });
});

Deno.test("descendants() are the root and all below it", () => {
  const all = [[1, 0], [10, 1], [11, 10], [12, 11], [20, 1]].map(([pid, parent]) => ({
    pid: pid!,
    parent: parent!,
    cpu: 0,
  }));
  assertEquals(descendants(all, 10).map(({ pid }) => pid), [10, 11, 12]);
  assertEquals(descendants(all, 99), []);
});

Deno.test("parsePerf() reads both counts, and nothing where they were not counted", () => {
  const text =
    "112627,,instructions:u,16937569,100.00,,\n819757,,instructions:k,16937569,100.00,,\n";
  assertEquals(parsePerf(text), { user: 112627, kernel: 819757 });
  assertEquals(parsePerf("<not supported>,,instructions:u,0,100.00,,\n"), null);
  assertEquals(parsePerf("perf: permission denied\n"), null);
});

Deno.test("freePorts() gives ports that can be listened on, below those of clients", () => {
  const first = freePorts(2);
  const listeners = [first, first + 1].map((port) => Deno.listen({ hostname: "127.0.0.1", port }));
  for (const listener of listeners) listener.close();
  assertEquals(first + 1 < 32768, true);
});

Deno.test("configFor() pauses the queue of hold only, and relays for relay only", () => {
  const options = { folder: "/tmp/x", port: 2525, sink: 2526 };
  const hold = configFor({ ...options, role: "hold" });
  const maildir = configFor({ ...options, role: "maildir" });
  const relay = configFor({ ...options, role: "relay" });
  assertEquals([hold, maildir, relay].map(({ queue }) => queue?.paused ?? false), [
    true,
    false,
    false,
  ]);
  assertEquals(relay.relay?.routes?.[0]?.via, {
    kind: "smarthost",
    host: "127.0.0.1",
    port: 2526,
  });
  assertEquals(maildir.relay, undefined);
});
