import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { decode, encode } from "../../../src/bytes.ts";
import {
  exceeds,
  formatQuota,
  MaildirSizeFile,
  parseMaildirSize,
} from "../../../src/delivery/maildir/maildir_size.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { SystemError } from "../../../src/runtime/system_error.ts";

const BOX = "/box";
const QUOTA = { bytes: 1000, messages: 10 };
const NONE = { bytes: 0, messages: 0 };

/** A mailbox with these files. */
async function machine(content: Record<string, string> = {}) {
  const { files, clock } = memoryRuntime();
  for (const folder of [BOX, `${BOX}/tmp`, `${BOX}/new`, `${BOX}/cur`]) {
    await files.makeDirectory(folder, 0o700);
  }
  const write = async (path: string, text: string) => {
    const file = await files.open(`${BOX}/${path}`, { write: true, create: true, truncate: true });
    await file.write(encode(text));
    file.close();
  };
  for (const [path, text] of Object.entries(content)) await write(path, text);
  const read = async () => {
    const found = await files.stat(`${BOX}/maildirsize`);
    return found && decode(await files.readFile(`${BOX}/maildirsize`));
  };
  return { files, clock, write, read, size: new MaildirSizeFile(files, clock, BOX) };
}

Deno.test("formatQuota() writes the first line of the file", () => {
  assertEquals(formatQuota({ bytes: 10_000_000, messages: 1000 }), "10000000S,1000C");
  assertEquals(formatQuota({ bytes: 5 }), "5S");
  assertEquals(formatQuota({ messages: 5 }), "5C");
});

Deno.test("parseMaildirSize() adds up the lines, padded or not", () => {
  assertEquals(parseMaildirSize("1000S,10C\n100 1\n    200     2\n-100 -1\n"), {
    quota: "1000S,10C",
    bytes: 200,
    messages: 2,
    entries: 3,
  });
});

Deno.test("parseMaildirSize() gives null for what cannot be believed", () => {
  for (
    const text of [
      "",
      "1000S\n",
      "1000S\n100 1",
      "1000S\n100\n",
      "1000S\nx y\n",
      "1000S\n-1 0\n",
      "1000S\n1 -1\n",
      "1000S\n1e3 1\n",
      "1000S\n\n",
      `1000S\n${"9".repeat(30)} 1\n`,
      "1000S\n1 1\nx 1\n2 1\n",
      "1000S\n1 1 1\n",
      "1000S\n5 5\n1-1\n",
      "1000S\n- 1\n",
      "1000S\n1\n1\n",
      "1000S\n1 1\n2 2",
      "1000S",
    ]
  ) assertEquals(parseMaildirSize(text), null, JSON.stringify(text));
});

Deno.test("parseMaildirSize() takes any text, and gives a sum only of whole numbers", () => {
  const unit = fc.constantFrom("0", "9", "-", " ", "\n", "\n", "S", "C", "\0", "é");
  const line = fc.tuple(fc.integer({ min: -9, max: 99 }), fc.nat(9)).map(([a, b]) => `${a} ${b}\n`);
  const text = fc.array(fc.oneof(line, line, line, fc.string({ unit })), { maxLength: 5 });
  fc.assert(fc.property(text, (parts) => {
    const size = parseMaildirSize(`1000S\n${parts.join("")}`);
    if (size === null) return;
    assert(Number.isSafeInteger(size.bytes) && size.bytes >= 0);
    assert(Number.isSafeInteger(size.messages) && size.messages >= 0);
    assert(size.entries >= 1);
  }));
});

Deno.test("exceeds() lets a mailbox be filled to the brim", () => {
  assertEquals(exceeds({ bytes: 900, messages: 9 }, { bytes: 100, messages: 1 }, QUOTA), false);
  assertEquals(exceeds({ bytes: 901, messages: 9 }, { bytes: 100, messages: 1 }, QUOTA), true);
  assertEquals(exceeds({ bytes: 0, messages: 10 }, { bytes: 1, messages: 1 }, QUOTA), true);
  assertEquals(
    exceeds({ bytes: 1e12, messages: 9 }, { bytes: 1, messages: 1 }, { messages: 10 }),
    false,
  );
  assertEquals(
    exceeds({ bytes: 1, messages: 1e9 }, { bytes: 1, messages: 1 }, { bytes: 10 }),
    false,
  );
});

Deno.test("usage() counts the messages of all folders but Trash, by name or by size", async () => {
  const { files, size, write, read } = await machine({
    "new/1.a.host,S=100,W=110": "not looked at",
    "cur/2.b.host,S=200:2,S": "",
    "cur/3.c.host:2,ST": "12345",
    "cur/.hidden": "no message",
    "new/4.d.host,S=x": "123",
    "tmp/5.e.host,S=999": "",
    "dovecot-uidlist": "no message",
    ".notafolder": "",
  });
  for (const folder of [".Sent", ".Trash", ".Trash.old", "other"]) {
    await files.makeDirectory(`${BOX}/${folder}`, 0o700);
    await files.makeDirectory(`${BOX}/${folder}/cur`, 0o700);
    await write(`${folder}/cur/6.f.host,S=40:2,`, "");
  }
  assertEquals(await size.usage(QUOTA, NONE), { bytes: 100 + 200 + 5 + 3 + 80, messages: 6 });
  assertEquals(await read(), "1000S,10C\n388 6\n");
});

Deno.test("usage() believes the file until it must not", async () => {
  const cases: [name: string, file: string, bytes: number][] = [
    ["sound", "1000S,10C\n100 1\n-30 0\n", 70],
    ["another quota", "2000S,10C\n100 1\n", 40],
    ["no lines", "1000S,10C\n", 40],
    ["torn", "1000S,10C\n100 1\n20", 40],
    ["5119 octets", `1000S,10C\n70 1\n${"0 0".padEnd(5103)}\n`, 70],
    ["5120 octets", `1000S,10C\n70 1\n${"0 0".padEnd(5104)}\n`, 40],
  ];
  for (const [name, file, bytes] of cases) {
    if (/octets/.test(name)) assertEquals(`${file.length} octets`, name);
    const { size } = await machine({ "new/1.a.host,S=40": "", maildirsize: file });
    assertEquals((await size.usage({ bytes: 1000, messages: 10 }, NONE)).bytes, bytes, name);
  }
});

Deno.test("usage() counts anew before it says full, unless that was done just now", async () => {
  const more = { bytes: 200, messages: 1 };
  // Several lines: something came and went since it was counted.
  const several = await machine({
    "new/1.a.host,S=40": "",
    maildirsize: "1000S,10C\n800 1\n90 1\n",
  });
  assertEquals(await several.size.usage(QUOTA, more), { bytes: 40, messages: 1 });
  assertEquals(await several.read(), "1000S,10C\n40 1\n");

  // One line is the count itself; it is believed for fifteen minutes.
  const one = await machine({ "new/1.a.host,S=40": "", maildirsize: "1000S,10C\n900 5\n" });
  await one.clock.runUntil(one.clock.sleep(15 * 60_000 - 1));
  assertEquals(await one.size.usage(QUOTA, more), { bytes: 900, messages: 5 });
  await one.clock.runUntil(one.clock.sleep(1));
  assertEquals(await one.size.usage(QUOTA, more), { bytes: 40, messages: 1 });
});

Deno.test("usage() does not leave a count that somebody may have disturbed", async () => {
  const { files, clock, size, read } = await machine({ "new/1.a.host,S=40": "" });
  await clock.runUntil(clock.sleep(1000));
  files.onCall = ({ operation }) => {
    if (operation !== "rename") return;
    files.onCall = () => {};
    void files.open(`${BOX}/new/2.b.host,S=7`, { write: true, createNew: true });
  };
  assertEquals(await size.usage(QUOTA, NONE), { bytes: 40, messages: 1 });
  assertEquals(await read(), null);
});

Deno.test("usage() passes over a message that vanishes while it is counted", async () => {
  const { files, size } = await machine({ "cur/1.a.host:2,": "12345", "cur/2.b.host:2,": "123" });
  files.onCall = ({ operation, path }) => {
    if (operation !== "stat" || !path.endsWith("1.a.host:2,")) return;
    files.onCall = () => {};
    void files.remove(`${BOX}/cur/1.a.host:2,`);
  };
  assertEquals(await size.usage(QUOTA, NONE), { bytes: 3, messages: 1 });
});

Deno.test("usage() is zero for a mailbox that is not there", async () => {
  const { files, clock } = memoryRuntime();
  const size = new MaildirSizeFile(files, clock, BOX);
  assertEquals(await size.usage(QUOTA, NONE), { bytes: 0, messages: 0 });
  assertEquals(await files.stat(BOX), null);
});

Deno.test("add() appends a line, and only to a file that is there", async () => {
  const { size, write, read } = await machine();
  await size.add({ bytes: 5, messages: 1 });
  assertEquals(await read(), null);
  await write("maildirsize", "1000S,10C\n0 0\n");
  await size.add({ bytes: 5, messages: 1 });
  await size.add({ bytes: -5, messages: -1 });
  assertEquals(await read(), "1000S,10C\n0 0\n5 1\n-5 -1\n");
});

Deno.test("add() takes the file away when it cannot write its line", async () => {
  const { files, size, read } = await machine({ maildirsize: "1000S,10C\n0 0\n" });
  files.onCall = ({ operation }) => {
    if (operation === "write") throw new SystemError("ENOSPC", "full");
  };
  await size.add({ bytes: 5, messages: 1 });
  assertEquals(await read(), null);
});
