/** What Postfix's and Exim's sendmail(1) say of each flag, and command lines that programs are known to use. */

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UsageError } from "../../src/cli/exit.ts";
import { parseSendmailFlags, type SendmailRequest } from "../../src/cli/sendmail_flags.ts";

function check(line: string | readonly string[], expected: Partial<SendmailRequest>): void {
  const words = typeof line === "string" ? line.split(" ") : line;
  const request = parseSendmailFlags(words);
  const found = Object.fromEntries(
    Object.keys(expected).map((key) => [key, request[key as keyof SendmailRequest]]),
  );
  assertEquals(found, expected, words.join(" "));
}

const KNOWN: readonly [string, string | readonly string[], Partial<SendmailRequest>][] = [
  ["PHP's mail()", "-t -i", { fromHead: true, ignoreDots: true, recipients: [] }],
  ["git send-email", "-i bob@b.test ann@a.test", {
    ignoreDots: true,
    recipients: ["bob@b.test", "ann@a.test"],
  }],
  ["git send-email with a sender", "-f me@a.test -i bob@b.test", {
    sender: "me@a.test",
    recipients: ["bob@b.test"],
  }],
  ["mutt", ["-oem", "-oi", "-f", "me@a.test", "--", "bob@b.test"], {
    ignoreDots: true,
    sender: "me@a.test",
    recipients: ["bob@b.test"],
  }],
  ["cron (vixie)", ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"], {
    fullName: "CronDaemon",
    ignoreDots: true,
    recipients: ["root"],
  }],
  ["cron (Debian)", ["-i", "-FCronDaemon", "-B8BITMIME", "-oem", "ann"], {
    fullName: "CronDaemon",
    recipients: ["ann"],
  }],
  ["bsd-mailx", ["-i", "bob"], { ignoreDots: true, recipients: ["bob"] }],
  ["Python's and Ruby's mail libraries", "-i -t", { fromHead: true }],
  ["nodemailer", "-i -f me@a.test bob@b.test", { sender: "me@a.test" }],
  ["logwatch, mdadm", ["-t", "-oi", "-oem"], { fromHead: true, ignoreDots: true }],
  ["-f attached", "-fme@a.test x", { sender: "me@a.test", recipients: ["x"] }],
  ["-f apart", "-f me@a.test x", { sender: "me@a.test", recipients: ["x"] }],
  ["-f with brackets", ["-f", "<me@a.test>", "x"], { sender: "me@a.test" }],
  ["-f for no sender", ["-f", "", "x"], { sender: "" }],
  ["-f for no sender, in brackets", ["-f<>", "x"], { sender: "" }],
  ["-r, the same", "-r me@a.test x", { sender: "me@a.test" }],
  ["-F apart", ["-F", "Ann B.", "x"], { fullName: "Ann B.", recipients: ["x"] }],
  ["letters together", "-ti", { fromHead: true, ignoreDots: true }],
  ["letters together, the last with a value", "-tifme@a.test", {
    fromHead: true,
    ignoreDots: true,
    sender: "me@a.test",
  }],
  ["-o apart (Postfix)", "-o i -t", { ignoreDots: true, fromHead: true }],
  ["-O", ["-O", "IgnoreDots=true", "-ODeliveryMode=b", "x"], {
    ignoreDots: true,
    recipients: ["x"],
  }],
  [
    "flags without effect",
    "-v -m -n -G -U -A m -Ac -h 5 -L tag -p ESMTP:h -X log -C f -d8.1 -em x",
    {
      mode: "deliver",
      recipients: ["x"],
    },
  ],
  ["other options of -o", "-odb -odi -odq -oem -oep -oeq -o7 -om x", {
    ignoreDots: false,
    recipients: ["x"],
  }],
  ["-B", "-B 8BITMIME x", { recipients: ["x"] }],
  ["DSN", "-N success,delay -R hdrs -V id42 x", {
    notify: ["SUCCESS", "DELAY"],
    dsnReturn: "HDRS",
    dsnEnvelopeId: "id42",
  }],
  ["DSN, attached", "-Nnever -Rfull x", { notify: ["NEVER"], dsnReturn: "FULL" }],
  ["-- ends the flags", "-t -- -x@a.test", { recipients: ["-x@a.test"] }],
  ["the first name ends the flags", "bob -t", { fromHead: false, recipients: ["bob", "-t"] }],
  ["-bm", "-bm x", { mode: "deliver" }],
  ["-b apart (Postfix)", "-b s", { mode: "smtp" }],
  ["-bs", "-bs", { mode: "smtp" }],
  ["-bp", "-bp", { mode: "list" }],
  ["-bi", "-bi", { mode: "nothing" }],
  ["-I, the same", "-I", { mode: "nothing" }],
  ["-q", "-q", { mode: "retry", choice: {} }],
  ["-qf", "-qf", { mode: "retry", choice: {} }],
  ["-qI", "-qIabc.1", { mode: "retry", choice: { id: "abc.1" } }],
  ["-qR", "-qR@b.test", { mode: "retry", choice: { to: "b.test" } }],
  ["-qS", "-qSann@a.test", { mode: "retry", choice: { from: "ann@a.test" } }],
  ["long flags", "--drop /d --config=c.yaml -t", {
    fromHead: true,
    long: new Map([["drop", "/d"], ["config", "c.yaml"]]),
  }],
];

for (const [name, line, expected] of KNOWN) {
  Deno.test(`parseSendmailFlags() reads ${name}`, () => check(line, expected));
}

const WRONG: readonly [string, string][] = [
  ["-f", "-f wants a value"],
  ["-bd", "start the server with yizhan serve"],
  ["-bv bob", "yizhan explain"],
  ["-bz", "wanted -bm, -bs, -bp or -bi"],
  ["-q30m", "no daemon"],
  ["-q!x", "wanted -q"],
  ["-qR", "wants a value"],
  ["-Z", "there is no flag -Z"],
  ["-tZ", "there is no flag -Z in -tZ"],
  ["-B UTF8", "7BIT or 8BITMIME"],
  ["-N sometimes", "wanted never"],
  ["-N never,delay", "wanted never"],
  ["-R some", "full or hdrs"],
  ["-s", "-bs"],
  ["--dorp x", "did you mean --drop"],
  ["--drop", "--drop wants a value"],
];

for (const [line, named] of WRONG) {
  Deno.test(`parseSendmailFlags() refuses ${line}`, () => {
    assertThrows(() => parseSendmailFlags(line.split(" ")), UsageError, named);
  });
}

Deno.test("parseSendmailFlags() reads or refuses anything, and loses no name behind --", () => {
  const words = fc.array(
    fc.oneof(fc.string({ maxLength: 6 }), fc.stringMatching(/^-[a-zA-Z]{0,4}$/)),
    { maxLength: 5 },
  );
  fc.assert(fc.property(words, fc.array(fc.string()), (flags, names) => {
    try {
      const { recipients } = parseSendmailFlags([...flags, "--", ...names]);
      // A flag that wants a value may have taken the dashes.
      assertEquals(recipients.slice(recipients.length - names.length), names);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
  }));
});
