import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import fc from "fast-check";
import { concat, encode } from "../../../src/bytes.ts";
import { formatDropFile } from "../../../src/intake/drop/drop_file.ts";
import { parseBulletin } from "../../../src/intake/drop/drop_bulletin.ts";
import { DropFolderError } from "../../../src/intake/drop/drop_folder.ts";
import { SubmitError } from "../../../src/intake/submit.ts";
import type { DropBoxOptions } from "../../../src/intake/drop/drop_options.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";
import type { FileHandle, FileIdentity, OpenOptions } from "../../../src/runtime/files.ts";
import { reply } from "../../../src/smtp/reply.ts";
import { DropStation, mailName, UID } from "./station.ts";

const MAIL = "Subject: hello\n\nHello.\n";

function modeOf(path: string): number {
  return Deno.lstatSync(path).mode! & 0o7777;
}

Deno.test("DropBox.start() makes a folder of mode 3733 whatever the umask, and says who it is in it", async () => {
  await using station = await DropStation.start();
  await station.open();
  assertEquals(modeOf(station.drop), 0o3733);
  assertEquals(modeOf(`${station.path}/refused`), 0o700);
  assertEquals(modeOf(`${station.path}/nudge.sock`), 0o666);
  assertEquals(modeOf(`${station.drop}/station.json`), 0o644);
  const bulletin = parseBulletin(await Deno.readFile(`${station.drop}/station.json`));
  assertEquals(bulletin?.hostname, "host.test");
});

Deno.test("DropBox takes what was left while it did not run, and what a nudge tells of", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const early = await station.leave(MAIL);
  const box = await station.open();
  const taken = await station.event("drop.taken", early);
  assertEquals([taken.uid, taken.user], [UID, "alice"]);
  const late = await station.leave("Subject: later\r\n\r\nCRLF.\r\n");
  box.look();
  await station.event("drop.taken", late);
  const mails = await station.mails("bob");
  assertEquals(mails.length, 2);
  const first = mails.find((mail) => mail.includes("Hello."))!;
  assertMatch(
    first,
    new RegExp(
      `Received: from localhost\\s+\\(user alice, uid ${UID}\\)\\s+by host\\.test with local id drop-[0-9a-f]{32}\\.1`,
    ),
  );
  assertMatch(first, /^From: <alice@host\.test>$/m);
  assertMatch(first, /^Date: /m);
  assertMatch(first, /^Message-ID: /m);
  assertEquals(await station.names(), ["station.json"]);
});

Deno.test("DropBox hears a nudge from anybody over its socket", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.event("listener.started");
  const name = await station.leave(MAIL);
  const { network } = denoRuntime();
  for (let time = 0; time < 5; time++) {
    (await network.connect({ transport: "unix", path: `${station.path}/nudge.sock` })).close();
  }
  await station.event("drop.taken", name);
});

Deno.test("DropBox never takes a file that is being written", async () => {
  await using station = await DropStation.start();
  const box = await station.open();
  const whole = formatDropFile(
    { sender: "alice@host.test", recipients: ["bob@host.test"] },
    encode(MAIL),
  );
  await Deno.writeFile(`${station.drop}/tmp-${"0".repeat(32)}`, whole);
  await Deno.writeFile(`${station.drop}/mail-other`, whole);
  const name = await station.leave(MAIL);
  box.look();
  await station.event("drop.taken", name);
  assertEquals((await station.mails("bob")).length, 1);
});

Deno.test("DropBox removes what was left unfinished for a day, and nothing younger", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const old = `${station.drop}/tmp-${"1".repeat(32)}`;
  const young = `${station.drop}/tmp-${"2".repeat(32)}`;
  for (const path of [old, young]) await Deno.writeTextFile(path, "half");
  const longAgo = Date.now() / 1000 - 25 * 3600;
  await Deno.utime(old, longAgo, longAgo);
  await station.open();
  const name = await station.leave(MAIL);
  await station.event("listener.started");
  await station.close();
  await station.open();
  await station.event("drop.taken", name);
  assertEquals(await station.names(), [
    "station.json",
    `tmp-${"2".repeat(32)}`,
  ]);
});

Deno.test("DropBox.start() refuses a link, and a folder that others could replace", async () => {
  await using station = await DropStation.start();
  await Deno.mkdir(`${station.path}/elsewhere`);
  await Deno.symlink(`${station.path}/elsewhere`, station.drop);
  await assertRejects(() => station.open(), DropFolderError, "is a link");
  await Deno.remove(station.drop);
  await Deno.chmod(station.path, 0o777);
  await assertRejects(() => station.open(), DropFolderError, "chmod go-w");
  await Deno.chmod(station.path, 0o711);
  await assertRejects(() => station.open({ ownUid: UID + 1 }), DropFolderError, "chown");
  await Deno.writeTextFile(`${station.path}/nudge.sock`, "");
  await assertRejects(() => station.open(), DropFolderError, "is no socket");
});

Deno.test("DropBox.start() mends a mode, and says so", async () => {
  await using station = await DropStation.start();
  await Deno.mkdir(station.drop);
  await Deno.chmod(station.drop, 0o777);
  await Deno.chmod(station.path, 0o700);
  await station.open();
  assertEquals(modeOf(station.drop), 0o3733);
  const texts = station.facts.flatMap((fact) => fact.type === "drop.trouble" ? [fact.error] : []);
  assertStringIncludes(texts[0]!, "had mode 0777");
  assertStringIncludes(texts[1]!, "chmod go+x");
});

Deno.test("DropBox.start() replaces the socket of a dead server, and refuses that of a living one", async () => {
  await using station = await DropStation.start();
  const path = `${station.path}/nudge.sock`;
  const left = Deno.listen({ transport: "unix", path: `${path}.old` });
  await Deno.rename(`${path}.old`, path);
  left.close();
  await station.open();
  await assertRejects(() => station.open(), DropFolderError, "another server");
});

Deno.test("DropBox sets aside what is no mail, and takes the others all the same", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const { drop } = station;
  const secret = `${station.path}/secret`;
  await Deno.writeFile(
    secret,
    formatDropFile({ sender: "root@host.test", recipients: ["bob@host.test"] }, encode(MAIL)),
  );
  const link = mailName();
  await Deno.symlink(secret, `${drop}/${link}`);
  const hard = mailName();
  await Deno.link(secret, `${drop}/${hard}`);
  const fifo = mailName();
  await new Deno.Command("mkfifo", { args: [`${drop}/${fifo}`] }).output();
  const folder = mailName();
  await Deno.mkdir(`${drop}/${folder}`);
  const socket = mailName();
  using _listener = Deno.listen({ transport: "unix", path: `${drop}/${socket}` });
  const garbage = await station.leaveOctets(encode("Subject: no version\n\n"));
  const large = await station.leave("x".repeat(1_000_001));
  const good = await station.leave(MAIL);
  await station.open();
  await station.event("drop.taken", good);
  const reasons: [string, RegExp, boolean][] = [
    [link, /link/, false],
    [hard, /2 names/, true],
    [fifo, /no file/, false],
    [folder, /no file/, false],
    [socket, /no file/, false],
    [garbage, /first line/, true],
    [large, /larger/, true],
  ];
  for (const [name, reason, isKept] of reasons) {
    const { reason: told, kept } = await station.event("drop.refused", name);
    assertMatch(told, reason);
    assertEquals(kept !== undefined, isKept);
    if (kept !== undefined) assert((await Deno.lstat(kept)).isFile);
  }
  assertEquals(await station.names(), ["station.json"]);
  assertEquals((await station.mails("bob")).length, 1);
  assert((await Deno.lstat(secret)).isFile);
});

Deno.test("DropBox leaves what a later program left where it is, and sets it aside after a day", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const octets = encode("# yizhan drop 2\nnobody knows\n");
  const fresh = await station.leaveOctets(octets);
  const old = await station.leaveOctets(octets);
  const yesterday = Date.now() / 1000 - 90_000;
  await Deno.utime(`${station.drop}/${old}`, yesterday, yesterday);
  await station.open();
  const reason = "it is of version 2, and this server reads version 1: restart it";
  assertEquals((await station.event("drop.deferred", fresh)).reply, reason);
  const refused = await station.event("drop.refused", old);
  assertEquals(refused.reason, reason);
  assertEquals(await Deno.readFile(refused.kept!), octets);
  assertEquals(await Deno.readFile(`${station.drop}/${fresh}`), octets);
});

/** Opens the box on a machine where all mail in the folder belongs to user 12345, called bob. */
async function openAsOther(station: DropStation, changes: Partial<DropBoxOptions>): Promise<void> {
  const nameOf = () => Promise.resolve("bob");
  await openWith(station, () => ({ owner: 12345 }), { nameOf, ...changes });
}

/** Opens the box on a machine where files are what the test says. */
async function openWith(
  station: DropStation,
  change: (path: string) => Partial<FileIdentity>,
  changes: Partial<DropBoxOptions> = {},
): Promise<void> {
  const runtime = denoRuntime();
  const files: typeof runtime.files = Object.create(runtime.files, {
    open: {
      value: async (path: string, options: OpenOptions): Promise<FileHandle> => {
        const file = await runtime.files.open(path, options);
        if (!/\/mail-[0-9a-f]{32}$/.test(path)) return file;
        const identity = { ...await file.identify(), ...change(path) };
        return {
          identify: () => Promise.resolve(identity),
          read: (into) => file.read(into),
          write: (bytes) => file.write(bytes),
          seek: (offset) => file.seek(offset),
          sync: () => file.sync(),
          close: () => file.close(),
        };
      },
    },
  });
  await station.open({ runtime: { ...runtime, files }, ...changes });
}

Deno.test("DropBox does not take what was made elsewhere, and so perhaps not put here by its owner", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const mounted = await station.leave(MAIL);
  const moved = await station.leave(MAIL);
  const good = await station.leave(MAIL);
  await openWith(station, (path) => {
    if (path.endsWith(mounted)) return { device: -1 };
    return path.endsWith(moved) ? { group: 12345 } : {};
  });
  await station.event("drop.taken", good);
  assertStringIncludes((await station.event("drop.refused", mounted)).reason, "file system");
  assertStringIncludes((await station.event("drop.refused", moved)).reason, "made elsewhere");
  assertEquals((await station.mails("bob")).length, 1);
});

Deno.test("DropBox takes mail where folders are on another file system than files, as overlayfs has them", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const mail = await station.leave(MAIL);
  await openWith(station, (path) => path === station.drop ? { device: -7 } : {});
  await station.event("drop.taken", mail);
});

Deno.test("DropBox takes mail of any group where the folder had no setgid until now, or cannot have it", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  await Deno.chmod(station.drop, 0o1733);
  const early = await station.leave(MAIL);
  await openWith(station, () => ({ group: 12345 }));
  await station.event("drop.taken", early);
  assertEquals(modeOf(station.drop), 0o3733);
  await station.close();
  const late = await station.leave(MAIL);
  const { files } = denoRuntime();
  const without: typeof files = Object.create(files, {
    setMode: {
      // As systemd's RestrictSUIDSGID has it.
      value: (path: string, mode: number) =>
        (mode & 0o2000) === 0
          ? files.setMode(path, mode)
          : Promise.reject(Object.assign(new Error("EPERM"), { code: "EPERM" })),
    },
  });
  await Deno.chmod(station.drop, 0o1733);
  await station.open({ runtime: { ...denoRuntime(), files: without } });
  await station.event("drop.taken", late);
  assertEquals(modeOf(station.drop), 0o1733);
  const texts = station.facts.flatMap((fact) => fact.type === "drop.trouble" ? [fact.error] : []);
  assertStringIncludes(texts.at(-1)!, "mode 3733");
});

Deno.test("DropBox gives each user a turn, whoever leaves how many", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const many = await Promise.all(Array.from({ length: 1005 }, () => station.leave(MAIL)));
  const one = await station.leave(MAIL);
  const runtime = denoRuntime();
  const files: typeof runtime.files = Object.create(runtime.files, {
    stat: {
      value: async (path: string) => {
        const found = await runtime.files.stat(path);
        return found && { ...found, owner: path.endsWith(one) ? 1 : 2 };
      },
    },
  });
  const submitted = { id: "1", refused: [] };
  const submit = () => Promise.resolve(submitted);
  await station.open({ runtime: { ...runtime, files }, submit });
  for (const name of [...many, one]) await station.event("drop.taken", name);
  const order = station.facts.flatMap((fact) => fact.type === "drop.taken" ? [fact.file] : []);
  assert(order.indexOf(one) < 10);
});

Deno.test("DropBox keeps what it refused across file systems too, for a month by the name", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const refused = `${station.path}/refused`;
  const month = 30 * 86_400_000;
  const old = `${refused}/${(Date.now() - month - 1000).toString(36)}-1-x`;
  const young = `${refused}/${(Date.now() - month + 3_600_000).toString(36)}-1-x`;
  for (const path of [old, young]) await Deno.writeTextFile(path, "");
  await Deno.utime(old, Date.now() / 1000 + 1e8, Date.now() / 1000 + 1e8);
  await Deno.utime(young, 0, 0);
  const name = await station.leaveOctets(encode("no mail"));
  const { files } = denoRuntime();
  const apart: typeof files = Object.create(files, {
    rename: {
      value: (from: string, to: string) =>
        to.startsWith(refused)
          ? Promise.reject(Object.assign(new Error("EXDEV"), { code: "EXDEV" }))
          : files.rename(from, to),
    },
  });
  await station.open({ runtime: { ...denoRuntime(), files: apart } });
  const { kept } = await station.event("drop.refused", name);
  assertEquals(await Deno.readTextFile(kept!), "no mail");
  assertEquals(modeOf(kept!), 0o600);
  assertEquals(await station.names(), ["station.json"]);
  await assertRejects(() => Deno.lstat(old), Deno.errors.NotFound);
  await Deno.lstat(young);
});

Deno.test("DropBox runs where somebody put a folder in the place of the bulletin", async () => {
  await using station = await DropStation.start();
  await Deno.mkdir(`${station.drop}/station.json/full`, { recursive: true });
  await station.open();
  await station.event("drop.taken", await leaveAndLook(station));
  const texts = station.facts.flatMap((fact) => fact.type === "drop.trouble" ? [fact.where] : []);
  assert(texts.includes(`${station.drop}/station.json`));
});

async function leaveAndLook(station: DropStation): Promise<string> {
  const name = await station.leave(MAIL);
  await station.close();
  await station.open();
  return name;
}

Deno.test("DropBox holds a user to the own name, in the envelope and in From, and tells whoever broke it", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const bob = { sender: "bob@host.test", recipients: ["alice@host.test"] };
  const own = await station.leave("From: Bob <bob+tag@host.test>\n\nmine\n", bob);
  const forged = await station.leave("Subject: forged\n\nx\n", {
    sender: "alice@host.test",
    recipients: ["alice@host.test"],
  });
  const from = await station.leave("From: alice@host.test\n\nx\n", bob);
  const shop = await station.leave("From: orders@shop.test\n\nx\n", {
    sender: "bounces@shop.test",
    recipients: ["alice@host.test"],
  });
  await openAsOther(station, { senders: { "12345": ["shop.test"] } });
  await station.event("drop.taken", own);
  await station.event("drop.taken", shop);
  const refused = await station.event("drop.refused", forged);
  assertStringIncludes(refused.reason, "alice@host.test");
  assertStringIncludes((await station.event("drop.refused", from)).reason, "From field");
  assertEquals((await station.mails("alice")).length, 2);
  const notices = await station.mails("bob");
  assertEquals(notices.length, 2);
  for (const notice of notices) assertStringIncludes(notice, "5.7.1");
});

Deno.test("DropBox puts a From before any message, and nothing of the message gets into it", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const bob = { sender: "bob@host.test", recipients: ["alice@host.test"] };
  const messages = [" , alice@host.test\n\nx\n", "\n\nempty line\n", "no field\n", "\t\n"];
  const names = await Promise.all(messages.map((message) => station.leave(message, bob)));
  await openAsOther(station, {});
  for (const name of names) await station.event("drop.taken", name);
  for (const mail of await station.mails("alice")) {
    assertMatch(mail, /^From: <bob@host\.test>\n[^ \t]/m);
  }
  assertEquals((await station.mails("alice")).length, messages.length);
});

Deno.test("DropBox takes all, however many there are", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const names = await Promise.all(Array.from({ length: 1100 }, () => station.leave(MAIL)));
  let count = 0;
  await station.open({
    submit: () => Promise.resolve({ id: `${++count}`, refused: [] }),
  });
  for (const name of names) await station.event("drop.taken", name);
  assertEquals(count, names.length);
  assertEquals(await station.names(), ["station.json"]);
});

Deno.test("DropBox takes or sets aside whatever octets it finds, and is up afterwards", async () => {
  await using station = await DropStation.start();
  const box = await station.open();
  const sound = formatDropFile(
    { sender: "alice@host.test", recipients: ["bob@host.test"] },
    encode("Subject: x\r\n\r\nx"),
  );
  const files = fc.sample(
    fc.tuple(fc.nat(sound.length), fc.uint8Array({ maxLength: 40 }), fc.nat(sound.length)),
    { numRuns: 200, seed: 7 },
  ).map(([from, noise, to]) => concat([sound.subarray(0, from), noise, sound.subarray(to)]));
  const names = await Promise.all(files.map((octets) => station.leaveOctets(octets)));
  const last = await station.leave(MAIL);
  box.look();
  await station.event("drop.taken", last);
  await station.close();
  const told = station.facts.flatMap((fact) =>
    fact.type === "drop.taken" || fact.type === "drop.refused" ? [fact.file] : []
  );
  assertEquals(told.sort(), [...names, last].sort());
  assertEquals(station.facts.filter(({ type }) => type === "drop.trouble"), []);
  assertEquals(await station.names(), ["station.json"]);
});

Deno.test("DropBox tells the sender of recipients that nobody has, and the others get it", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const both = await station.leave("Subject: both\n\nx\n", {
    sender: "alice@host.test",
    recipients: ["bob@host.test", "nosuch@host.test"],
  });
  const none = await station.leave("Subject: none\n\nx\n", {
    sender: "alice@host.test",
    recipients: ["nosuch@host.test"],
  });
  const quiet = await station.leave("Subject: quiet\n\nx\n", {
    sender: "alice@host.test",
    recipients: [{ address: "nosuch@host.test", notify: ["NEVER"] }],
  });
  await station.open();
  await station.event("drop.taken", both);
  await station.event("drop.refused", none);
  await station.event("drop.refused", quiet);
  assertEquals((await station.mails("bob")).length, 1);
  const notices = await station.mails("alice");
  assertEquals(notices.length, 2);
  for (const notice of notices) assertStringIncludes(notice, "nosuch@host.test");
});

Deno.test("DropBox tells the postmaster where the mailbox of the sender is full", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const name = await station.leave("Subject: x\n\nx\n", {
    sender: "full@host.test",
    recipients: ["bob@host.test", "nosuch@host.test"],
  });
  await station.open();
  await station.event("drop.taken", name);
  assertEquals((await station.mails("bob")).length, 1);
  assertEquals((await station.mails("root")).length, 1);
});

Deno.test("DropBox takes a mail once whose sender has no room for the notice now", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const name = await station.leave("Subject: x\n\nx\n", {
    sender: "alice@host.test",
    recipients: ["bob@host.test", "nosuch@host.test"],
  });
  // Who asks for it has mail for mailboxes without room wait in the queue.
  const full = new SubmitError("message", reply(452, "4.2.2", "full"));
  await station.open({
    submit: (envelope, message, options) =>
      envelope.sender === null && !options.unattended
        ? Promise.reject(full)
        : station.mta.submit(envelope, message, options),
  });
  await station.event("drop.taken", name);
  assertEquals((await station.mails("bob")).length, 1);
});

Deno.test("DropBox tells the postmaster what it can tell nobody else", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const lost = await station.leave("Subject: lost\n\nx\n", {
    sender: "nosuch@host.test",
    recipients: ["nobody-either@host.test"],
  });
  const foreign = await station.leave("From: root@host.test\n\nx\n", {
    sender: "alice@host.test",
    recipients: ["bob@host.test"],
  });
  await station.open();
  await station.event("drop.refused", lost);
  await station.event("drop.taken", foreign);
  await station.close();
  const nameless = await station.leave("From: root@host.test\n\nx\n");
  await openAsOther(station, { nameOf: () => Promise.resolve(null) });
  await station.event("drop.refused", nameless);
  const notices = await station.mails("root");
  assertEquals(notices.length, 2);
  for (const notice of notices) assertStringIncludes(notice, "Mail that nobody can be told of");
  assertEquals(station.facts.filter(({ type }) => type === "notice.dropped"), []);
});

Deno.test("DropBox leaves a mail that cannot be taken now, and takes it later", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const name = await station.leave(MAIL);
  const busy = new SubmitError("message", reply(452, "4.3.1", "no room"));
  await station.open({ submit: () => Promise.reject(busy) });
  const { reply: told, next } = await station.event("drop.deferred", name);
  assertStringIncludes(told, "no room");
  assert(next > Date.now());
  await station.close();
  await station.open();
  await station.event("drop.taken", name);
});

Deno.test("DropBox submits again under the same id after a crash, and there is one mail", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const name = await station.leave(MAIL);
  const ids: (string | undefined)[] = [];
  // Durable, and then the machine stops before the file is gone.
  await station.open({
    submit: async (envelope, message, given) => {
      ids.push(given.id);
      await station.mta.submit(envelope, message, given);
      throw new Error("crash");
    },
  });
  await station.event("drop.trouble");
  await station.close();
  await station.open({
    submit: async (envelope, message, given) => {
      ids.push(given.id);
      return await station.mta.submit(envelope, message, given);
    },
  });
  await station.event("drop.taken", name);
  assertEquals(ids.length, 2);
  assertEquals(ids[0], ids[1]);
  assertEquals((await station.mails("bob")).length, 1);
});

Deno.test("DropBox takes nothing of a file that changes while it is read", async () => {
  await using station = await DropStation.start();
  await station.open();
  await station.close();
  const name = await station.leave(MAIL);
  await station.open({
    submit: async (envelope, message, given) => {
      await Deno.writeTextFile(`${station.drop}/${name}`, "!", { append: true });
      return await station.mta.submit(envelope, message, given);
    },
  });
  assertStringIncludes((await station.event("drop.deferred", name)).reply, "changes");
  assertEquals(await station.mails("bob"), []);
});
