/**
 * Programs that send by sendmail, as they call it of their own accord, and what another user of the machine
 * can and cannot do to the drop folder.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Sendmail } from "./sendmail.ts";
import { NOBODY } from "./shared_program.ts";
import { assertEnded, interopTest, run } from "./support.ts";

const BOB = "bob@host.test";

interopTest("mutt sends by sendmail", ["mutt", "setpriv"], async () => {
  await using sendmail = await Sendmail.install();
  const { station } = sendmail;
  const settings = [
    `set sendmail="${sendmail.path} -oem -oi"`,
    "set copy=no",
    "set from=root@host.test",
  ];
  const args = ["-n", "-F", "/dev/null", ...settings.flatMap((one) => ["-e", one])];
  assertEnded(await run("mutt", [...args, "-s", "from mutt", BOB], { input: "one\n.\ntwo\n" }));
  await station.event("drop.taken");
  const [mail] = await station.mails("bob");
  assertStringIncludes(mail!, "Subject: from mutt\n");
  assert(mail!.endsWith("\n\none\n.\ntwo\n"));
});

interopTest("s-nail sends by sendmail", ["s-nail", "setpriv"], async () => {
  await using sendmail = await Sendmail.install();
  const { station } = sendmail;
  const args = [
    "-:/",
    "-S",
    `mta=${sendmail.path}`,
    "-s",
    "from s-nail",
    "-b",
    "alice@host.test",
    BOB,
  ];
  assertEnded(await run("s-nail", args, { input: "text\n" }));
  await station.event("drop.taken");
  for (const user of ["bob", "alice"]) {
    const [mail] = await station.mails(user);
    assertStringIncludes(mail!, "Subject: from s-nail\n");
    assert(!mail!.includes("Bcc"));
  }
});

interopTest("swaks speaks SMTP to sendmail -bs", ["swaks", "setpriv"], async () => {
  await using sendmail = await Sendmail.install();
  const { station } = sendmail;
  const args = ["--pipe", `${sendmail.path} -bs`, "--from", "root@host.test", "--to", BOB];
  assertEnded(await run("swaks", [...args, "--header", "Subject: from swaks"]));
  await station.event("drop.taken");
  const [mail] = await station.mails("bob");
  assertStringIncludes(mail!, "Subject: from swaks\n");
});

interopTest("nodemailer sends by sendmail", ["deno", "setpriv"], async () => {
  await using sendmail = await Sendmail.install();
  const { station } = sendmail;
  const program = `
    import { createTransport } from "npm:nodemailer@10.6.0";
    const transport = createTransport({ sendmail: true, newline: "unix", path: "${sendmail.path}" });
    await transport.sendMail({ from: "root@host.test", to: "${BOB}", subject: "from nodemailer", text: "x" });
  `;
  const args = ["run", "--no-prompt", "--no-lock", "--no-config", "-A", "-"];
  assertEnded(await run("deno", args, { input: program, limit: 120_000 }));
  await station.event("drop.taken");
  assertStringIncludes((await station.mails("bob"))[0]!, "Subject: from nodemailer\n");
});

interopTest(
  "another user sends in the own name only, as cron and PHP would",
  ["setpriv"],
  async () => {
    await using sendmail = await Sendmail.install();
    const { station } = sendmail;
    const cron =
      "From: root (Cron Daemon)\nTo: nobody\nSubject: Cron <nobody@host> true\n\noutput\n";
    assertEnded(await sendmail.asNobody('"$sendmail" -i -FCronDaemon -B8BITMIME -oem bob', cron));
    const taken = await station.event("drop.taken");
    assertEquals([taken.uid, taken.user], [NOBODY, "nobody"]);
    const [mail] = await station.mails("bob");
    assertMatch(mail!, /^From: nobody@host\.test \(Cron Daemon\)$/m);
    assertMatch(mail!, /^To: nobody@host\.test$/m);
    assertMatch(mail!, /\(user nobody, uid 65534\)/);
    const php = "To: bob@host.test\nFrom: root@host.test\nSubject: x\n\nx\n";
    const refused = await sendmail.asNobody('"$sendmail" -t -i', php);
    assertEnded(refused, 77);
    assertStringIncludes(
      refused.text,
      "<root@host.test> in the From field is not an address of nobody",
    );
  },
);

interopTest(
  "flags with line ends in them begin no field and no recipient",
  ["setpriv"],
  async () => {
    await using sendmail = await Sendmail.install();
    const { station } = sendmail;
    const evil = "\r\nX-Evil: yes\n\nBcc: alice@host.test";
    const text = "Subject: hi\n\nHello.\n.\nMAIL FROM:<root@host.test>\n";
    assertEnded(await run(sendmail.path, ["-i", "-F", `Ann${evil}`, BOB], { input: text }));
    await station.event("drop.taken");
    const [mail] = await station.mails("bob");
    const head = mail!.slice(0, mail!.indexOf("\n\n"));
    assertEquals(head.split("\n").filter((line) => /^(?:X-Evil|Bcc)/.test(line)), []);
    assertStringIncludes(mail!, "\n.\nMAIL FROM:<root@host.test>\n");
    const wrong: readonly (readonly string[])[] = [
      ["-f", `root@host.test${evil}`, BOB],
      ["-V", `id${evil}`, BOB],
      ["-R", `HDRS${evil}`, BOB],
      ["-N", `NEVER${evil}`, BOB],
      [`${BOB}${evil}`],
      [`"b${evil}"@host.test`],
    ];
    for (const args of wrong) {
      const ran = await run(sendmail.path, args, { input: text });
      assert(ran.code !== 0, `${JSON.stringify(args)}: ${ran.text}`);
      assert(!/^X-Evil/m.test(ran.text), ran.text);
    }
    assertEquals((await station.mails("bob")).length, 1);
    assertEquals(await station.mails("alice"), []);
  },
);

interopTest(
  "a forged file of another user is set aside, and its owner told",
  ["setpriv"],
  async () => {
    await using sendmail = await Sendmail.install();
    const { station } = sendmail;
    const name = `mail-${"a".repeat(32)}`;
    const file =
      `# yizhan drop 1\n{"sender":"root@host.test","recipients":["bob@host.test"]}\n\nx\n`;
    assertEnded(
      await sendmail.asNobody(
        `cat >"$drop/tmp-x" && chmod 644 "$drop/tmp-x" && mv "$drop/tmp-x" "$drop/${name}" && "$sendmail" bob`,
        file,
      ),
    );
    const { uid, kept } = await station.event("drop.refused", name);
    assertEquals(uid, NOBODY);
    assertEquals(await Deno.readTextFile(kept!), file);
    assertMatch((await station.mails("nobody"))[0]!, /5\.7\.1/);
    assertEnded(await sendmail.asNobody(`cat "${kept}"`), 1);
  },
);

interopTest(
  "another user cannot list, change or remove what others left",
  ["setpriv"],
  async () => {
    await using sendmail = await Sendmail.install();
    const { station } = sendmail;
    await station.close();
    const name = await station.leave("Subject: root's\n\nx\n");
    assertEnded(await run(sendmail.path, ["bob"], { input: "Subject: root's\n\nx\n" }));
    const left = (await station.names()).find((one) => one.startsWith("mail-") && one !== name);
    const forbidden = [
      `cat "$drop/${left}"`,
      'ls "$drop"',
      `rm -f "$drop/${name}"`,
      `mv "$drop/${name}" "$drop/mail-${"b".repeat(32)}"`,
      `echo x >>"$drop/${name}"`,
      `echo x >"$drop/mine" && mv -f "$drop/mine" "$drop/${name}"`,
      'echo x >"$drop/station.json"',
      'rm -f "$drop/station.json"',
      'rmdir "$drop"; test ! -d "$drop"',
      'mv "$drop" "$drop.gone"',
      'ls "$drop/../refused"',
      'touch "$drop/../x"',
    ];
    for (const script of forbidden) {
      const ran = await sendmail.asNobody(script);
      assert(ran.code !== 0, `${script} was allowed`);
    }
    assertStringIncludes(await Deno.readTextFile(`${station.drop}/${name}`), "root's");
  },
);

interopTest(
  "links, FIFOs and folders of another user are refused, and lead nowhere",
  ["setpriv"],
  async () => {
    await using sendmail = await Sendmail.install();
    const { station } = sendmail;
    await station.close();
    const secret = `${station.path}/secret`;
    const mail = '# yizhan drop 1\n{"sender":null,"recipients":["nobody@host.test"]}\n\nsecret\n';
    await Deno.writeTextFile(secret, mail, { mode: 0o600 });
    const named = (digit: string) => `mail-${digit.repeat(32)}`;
    assertEnded(
      await sendmail.asNobody([
        `ln -s "${secret}" "$drop/${named("0")}"`,
        `mkfifo "$drop/${named("1")}"`,
        `mkdir "$drop/${named("2")}"`,
        `mkdir "$drop/${named("3")}" && touch "$drop/${named("3")}/full"`,
        // The system may not let it (fs.protected_hardlinks); where it does, the file has two names.
        `{ ln "$drop/station.json" "$drop/${named("4")}" || true; }`,
        `echo '${mail}' >"$drop/${named("5")}"`,
        `chmod 644 "$drop/${named("5")}"`,
      ].join(" && ")),
    );
    await station.open();
    for (const digit of ["0", "1", "2"]) await station.event("drop.refused", named(digit));
    // What is not ours to empty stays, and stops nobody.
    await station.event("drop.trouble", undefined);
    await station.event("drop.taken", named("5"));
    const mails = await station.mails("nobody");
    assertEquals(mails.length, 1);
    assertMatch(mails[0]!, /uid 65534/);
    assertEquals(await Deno.readTextFile(secret), mail);
  },
);

interopTest(
  "a file that another user moves into the folder is not sent in its owner's name",
  ["setpriv"],
  async () => {
    await using sendmail = await Sendmail.install();
    const { station } = sendmail;
    await station.close();
    const shared = `${station.path}/shared`;
    await Deno.mkdir(shared);
    await Deno.chmod(shared, 0o777);
    // Its owner may not even know that it is here.
    await Deno.chown(shared, NOBODY, NOBODY);
    const mail =
      '# yizhan drop 1\n{"sender":"root@host.test","recipients":["bob@host.test"]}\n\nx\n';
    await Deno.writeTextFile(`${shared}/file`, mail);
    await Deno.chown(`${shared}/file`, 0, 12345);
    const name = `mail-${"c".repeat(32)}`;
    assertEnded(await sendmail.asNobody(`mv "${shared}/file" "$drop/${name}"`));
    await station.open();
    const { reason } = await station.event("drop.refused", name);
    assertStringIncludes(reason, "made elsewhere");
    assertEquals(await station.mails("bob"), []);
  },
);
