import { assertEquals, assertThrows } from "@std/assert";
import { type AnsweredMail, findUndurable, parseTrace } from "./durability.ts";

/** A mail queued in a new segment, as strace shows it: the reply waits for both syncs. */
const QUEUED = `\
7 mkdir("/q/segments", 0700) = 0
7 openat(AT_FDCWD</>, "/q", O_RDONLY|O_CLOEXEC) = 9</q>
8 fsync(9</q>) = 0
7 openat(AT_FDCWD</>, "/q/segments/1.log", O_WRONLY|O_CREAT|O_EXCL|O_APPEND|O_CLOEXEC, 0600) = 10</q/segments/1.log>
8 fsync(11</q/segments> <unfinished ...>
7 sendto(20<socket:[99]>, "250 2.0.0 ok\\r\\n", 14, MSG_NOSIGNAL, NULL, 0) = 14
8 <... fsync resumed>) = 0
7 write(10</q/segments/1.log>, "record 1\\nSubject: mark-1\\r\\n\\r\\nmark-1\\r\\nmark-1\\r\\n", 48) = 48
8 fdatasync(12</q/segments/1.log>) = 0
7 sendto(20<socket:[99]>, "250 2.0.0 taken as abc.1\\r\\n", 26, MSG_NOSIGNAL, NULL, 0) = 26
7 +++ exited with 0 +++
`;
const QUEUED_MAIL: AnsweredMail = { id: "abc.1", mark: "mark-1", holders: [/\.log$/] };

/** A mail into a mailbox that is there: written in `tmp`, synced, renamed, the folder synced. */
const DELIVERED = `\
7 openat(AT_FDCWD</>, "/m/tmp/5", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600) = 10</m/tmp/5>
7 write(10</m/tmp/5>, "Subject: mark-2\\n\\nmark-2\\n", 25) = 25
7 write(10</m/tmp/5>, "mark-2\\n", 7) = 7
8 fdatasync(11</m/tmp/5>) = 0
7 rename("/m/tmp/5", "/m/new/6") = 0
8 fsync(12</m/new>) = 0
7 write(20<socket:[99]>, "250 2.0.0 taken as abc.2\\r\\n", 26) = 26
`;
const DELIVERED_MAIL: AnsweredMail = { id: "abc.2", mark: "mark-2", holders: [/\/new\//] };

function problems(trace: string, mail: AnsweredMail): string[] {
  return findUndurable(parseTrace(trace), [mail]);
}

/** The trace without the lines that match; there must be one. */
function without(trace: string, line: RegExp): string {
  const lines = trace.split("\n");
  const rest = lines.filter((text) => !line.test(text));
  assertEquals(rest.length < lines.length, true);
  return rest.join("\n");
}

/** The trace with the line that matches moved to its end. */
function later(trace: string, line: RegExp): string {
  const [moved] = trace.split("\n").filter((text) => line.test(text));
  return `${without(trace, line)}${moved}\n`;
}

Deno.test("parseTrace() joins a call that another thread interrupted", () => {
  const calls = parseTrace(QUEUED);
  const sync = calls.find((call) => call.arguments.startsWith("11<"));
  assertEquals(sync, {
    name: "fsync",
    arguments: "11</q/segments>",
    result: 0,
    begun: 4,
    ended: 6,
  });
  assertEquals(calls.length, 9);
});

Deno.test("parseTrace() tells a call that never ended, and one whose result is unknown", () => {
  const [first, second] = parseTrace('1 fsync(3</a> <unfinished ...>\n2 write(4</b>, "", 0) = ?\n');
  assertEquals([first?.result, first?.ended], [null, Infinity]);
  assertEquals([second?.result, second?.ended], [null, 1]);
});

Deno.test("parseTrace() refuses what is no trace", () => {
  for (const text of ["nonsense", "1 nonsense", "1 <... fsync resumed>) = 0", "1 fsync(3</a>"]) {
    assertThrows(() => parseTrace(text), SyntaxError);
  }
});

Deno.test("findUndurable() finds nothing where all was synced in time", () => {
  assertEquals(problems(QUEUED, QUEUED_MAIL), []);
  assertEquals(problems(DELIVERED, DELIVERED_MAIL), []);
});

Deno.test("findUndurable() misses the sync of the octets", () => {
  const segment = ["abc.1 (mark-1): /q/segments/1.log is not synced"];
  assertEquals(problems(without(QUEUED, /fdatasync/), QUEUED_MAIL), segment);
  assertEquals(problems(later(QUEUED, /fdatasync/), QUEUED_MAIL), segment);
  const file = ["abc.2 (mark-2): /m/new/6 is not synced"];
  assertEquals(problems(without(DELIVERED, /fdatasync/), DELIVERED_MAIL), file);
  assertEquals(problems(later(DELIVERED, /fdatasync/), DELIVERED_MAIL), file);
});

Deno.test("findUndurable() misses the sync of a name", () => {
  const segment = ["abc.1 (mark-1): the name /q/segments/1.log is not synced"];
  assertEquals(problems(without(QUEUED, /fsync\(11<|fsync resumed/), QUEUED_MAIL), segment);
  const file = ["abc.2 (mark-2): the name /m/new/6 is not synced"];
  assertEquals(problems(without(DELIVERED, /fsync\(12</), DELIVERED_MAIL), file);
  assertEquals(problems(later(DELIVERED, /fsync\(12</), DELIVERED_MAIL), file);
});

Deno.test("findUndurable() misses the sync of the name of a folder above", () => {
  assertEquals(problems(without(QUEUED, /fsync\(9</), QUEUED_MAIL), [
    "abc.1 (mark-1): the name /q/segments is not synced",
  ]);
});

Deno.test("findUndurable() does not believe a sync that failed", () => {
  const failed = QUEUED.replace(/(fdatasync.*) = 0/, "$1 = -1 EIO (Input/output error)");
  assertEquals(problems(failed, QUEUED_MAIL), [
    "abc.1 (mark-1): /q/segments/1.log is not synced",
  ]);
});

Deno.test("findUndurable() does not believe a sync that began before the write had ended", () => {
  const racing = QUEUED
    .replace(/^7 write\((.*)\) = 48$/m, "7 write($1 <unfinished ...>")
    .replace(/^8 fdatasync(.*) = 0$/m, "8 fdatasync$1 = 0\n7 <... write resumed>) = 48");
  assertEquals(problems(racing, QUEUED_MAIL), [
    "abc.1 (mark-1): /q/segments/1.log is not synced",
  ]);
});

Deno.test("findUndurable() does not believe a sync that has not ended", () => {
  const racing = QUEUED
    .replace(/^8 (fdatasync.*)\) = 0$/m, "8 $1 <unfinished ...>")
    .replace(/^7 \+\+\+/m, "8 <... fdatasync resumed>) = 0\n7 +++");
  assertEquals(problems(racing, QUEUED_MAIL), [
    "abc.1 (mark-1): /q/segments/1.log is not synced",
  ]);
});

Deno.test("findUndurable() does not believe a sync of the folder before the rename", () => {
  const [rename = ""] = /^.*rename.*$/m.exec(DELIVERED) ?? [];
  const [sync = ""] = /^.*fsync\(12.*$/m.exec(DELIVERED) ?? [];
  const swapped = DELIVERED.replace(`${rename}\n${sync}`, `${sync}\n${rename}`);
  assertEquals(problems(swapped, DELIVERED_MAIL), [
    "abc.2 (mark-2): the name /m/new/6 is not synced",
  ]);
});

Deno.test("findUndurable() lets what is for others in the same file be on its way", () => {
  const next = '7 write(10</q/segments/1.log>, "mark-3", 6) = 6\n7 sendto(';
  const trace = QUEUED.replace(/7 sendto\((?=.*taken)/, next);
  assertEquals(problems(trace, QUEUED_MAIL), []);
  assertEquals(
    problems(trace.replace("mark-3", "mark-1"), QUEUED_MAIL),
    ["abc.1 (mark-1): /q/segments/1.log is not synced"],
  );
});

Deno.test("findUndurable() tells of a mail that is nowhere, or was never answered for", () => {
  const elsewhere = { ...DELIVERED_MAIL, holders: [/\/new\//, /\/bob\//] };
  assertEquals(problems(DELIVERED, elsewhere), [
    "abc.2 (mark-2): no file \\/bob\\/ holds it",
  ]);
  assertEquals(problems(QUEUED, { ...QUEUED_MAIL, id: "abc.9" }), [
    "abc.9 (mark-1): no reply names it",
  ]);
});

Deno.test("findUndurable() refuses a trace that shows only the first octets of a write", () => {
  const cut = QUEUED.replace(/mark-1\\r\\n", 48/, '"..., 480');
  assertThrows(() => problems(cut, QUEUED_MAIL), SyntaxError, "line 8");
});
