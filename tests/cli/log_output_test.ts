import { assertEquals } from "@std/assert";
import type { Output } from "../../src/cli/line_output.ts";
import { EventLog } from "../../src/cli/log_output.ts";
import type { MtaEvent } from "../../src/events.ts";

const event = (listener: string): MtaEvent => ({
  time: 0,
  type: "listener.trouble",
  listener,
  error: "x",
});

const NAME = (event: MtaEvent) => event.type === "listener.trouble" ? event.listener : null;

/** An output that takes at most `step` octets a time, and waits for `open` first. */
function slowOutput(step: number, open: Promise<void> = Promise.resolve()) {
  const decoder = new TextDecoder();
  const output = {
    text: "",
    pending: 0,
    most: 0,
    async write(bytes: Uint8Array): Promise<number> {
      output.most = Math.max(output.most, ++output.pending);
      await open;
      const taken = bytes.slice(0, step);
      output.text += decoder.decode(taken, { stream: true });
      output.pending--;
      return taken.length;
    },
  };
  return output;
}

Deno.test("EventLog writes lines whole and in order through an output that takes them in bits", async () => {
  const output = slowOutput(2);
  const log = new EventLog(output, NAME);
  for (const name of ["first", "second", "third"]) log.record(event(name));
  log.record({ time: 0, type: "listener.stopped", listener: "not shown", address: "" });
  await log.flush();
  log.record(event("fourth"));
  await log.flush();
  assertEquals(output.text, "first\nsecond\nthird\nfourth\n");
  assertEquals(output.most, 1);
});

Deno.test("EventLog drops and counts what an output that is held cannot take", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const output = slowOutput(Infinity, promise);
  const line = "x".repeat(1024 * 1024);
  const log = new EventLog(
    output,
    (event) => event.type === "internal.error" ? event.error : NAME(event),
  );
  for (let i = 0; i < 20; i++) log.record(event(line));
  resolve();
  await log.flush();
  const lines = output.text.trimEnd().split("\n");
  const written = lines.filter((one) => one === line).length;
  assertEquals(
    lines.at(-1),
    `${20 - written} events were not logged: standard output was not read`,
  );
  assertEquals(lines.length, written + 1);
  assertEquals(written >= 4 && written < 8, true, `${written}`);
  assertEquals(log.dropped, 20 - written);
});

Deno.test("EventLog goes on silently when its output is gone", async () => {
  let writes = 0;
  const output: Output = {
    write: () => {
      writes++;
      return Promise.reject(new Error("broken pipe"));
    },
  };
  const log = new EventLog(output, NAME);
  log.record(event("a"));
  await log.flush();
  log.record(event("b"));
  await log.flush();
  assertEquals(writes, 1);
});

Deno.test("EventLog.flush() does not wait for ever for an output that is held", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const output = slowOutput(Infinity, promise);
  const log = new EventLog(output, NAME);
  log.record(event("a"));
  await log.flush(1);
  assertEquals(output.text, "");
  resolve();
  await log.flush();
  assertEquals(output.text, "a\n");
});

Deno.test("EventLog writes a line that comes alone at once, and those that follow together", async () => {
  const written: string[] = [];
  const output: Output = {
    write: (bytes) => {
      written.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    },
  };
  const log = new EventLog(output, NAME);
  log.record(event("first"));
  assertEquals(written, ["first\n"]);
  for (const name of ["second", "third", "fourth"]) {
    await Promise.resolve();
    log.record(event(name));
  }
  await log.flush();
  assertEquals(written, ["first\n", "second\nthird\nfourth\n"]);
  log.record(event("fifth"));
  log.record(event("sixth"));
  while (written.length < 4) await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals(written.slice(2), ["fifth\n", "sixth\n"]);
  await log.flush();
});
