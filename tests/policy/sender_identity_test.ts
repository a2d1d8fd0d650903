import { assertEquals, assertRejects } from "@std/assert";
import { parseAddress } from "../../src/address.ts";
import { encode } from "../../src/bytes.ts";
import type { Directory } from "../../src/directory/directory.ts";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import { parseFields } from "../../src/message/header.ts";
import type { SessionView } from "../../src/policy/policy.ts";
import { senderIdentity, type SenderIdentityOptions } from "../../src/policy/sender_identity.ts";
import { describeReply } from "../../src/smtp/reply.ts";

const DIRECTORY = mapDirectory({
  accounts: { "alice@example.org": { sendAs: ["example.net"] }, "bob@example.org": {} },
  aliases: { "info@example.org": "alice@example.org" },
});

function session(identity: string | null, role = "submission"): SessionView {
  return {
    id: "1",
    role,
    client: "192.0.2.7",
    hello: "laptop",
    tls: null,
    identity,
    trusted: false,
  };
}

const ALICE = session("alice@example.org");

interface Setting {
  session?: SessionView;
  options?: SenderIdentityOptions;
  directory?: Directory;
}

/** What MAIL is answered: "ok" or the reply. */
async function mail(sender: string, setting: Setting = {}): Promise<string> {
  const policy = senderIdentity(setting.directory ?? DIRECTORY, setting.options);
  const address = sender === "" ? null : parseAddress(sender);
  const verdict = await policy.sender!(setting.session ?? ALICE, address);
  return verdict?.action === "reject" ? describeReply(verdict.reply) : verdict?.action ?? "ok";
}

/** What a message with this header section is answered: "ok" or the reply. */
async function message(head: string, setting: Setting = {}): Promise<string> {
  const policy = senderIdentity(setting.directory ?? DIRECTORY, setting.options);
  const verdict = await policy.message!({
    id: "1.1",
    session: setting.session ?? ALICE,
    envelope: {
      sender: null,
      recipients: [],
      body: "7BIT",
      smtputf8: false,
      requireTls: false,
    },
    fields: parseFields(encode(head)),
    hasResults: false,
    bodySize: 0,
    bodyReplaced: false,
    carriage: "8bit",
    goesOn: false,
    async *openBody() {},
    draftBody() {
      throw new Error("it changes nothing");
    },
  });
  return verdict?.action === "reject" ? describeReply(verdict.reply) : verdict?.action ?? "ok";
}

Deno.test("senderIdentity() lets an account send from what is its own", async () => {
  const own = ["alice@example.org", "Alice@EXAMPLE.ORG", "info@example.org", "any@example.net"];
  for (const text of [...own, "alice+tag@example.org", "info+tag@example.org"]) {
    assertEquals(await mail(text), "ok", text);
    assertEquals(await message(`From: <${text}>\r\n`), "ok", text);
  }
});

Deno.test("senderIdentity() refuses other senders, and says which and whose they are not", async () => {
  assertEquals(
    await mail("bob@example.org"),
    "550 5.7.1 the sender <bob@example.org> is not an address of alice@example.org",
  );
  assertEquals((await mail("alice@example.com")).slice(0, 9), "550 5.7.1");
  assertEquals((await mail("bob+alice@example.org")).slice(0, 9), "550 5.7.1");
});

Deno.test("senderIdentity() lets the null sender pass, and looks at From all the same", async () => {
  assertEquals(await mail(""), "ok");
  assertEquals((await message("From: bob@example.org\r\n")).slice(0, 9), "550 5.7.1");
});

Deno.test("senderIdentity() refuses a From field with any other address, and says which", async () => {
  const wanted =
    "550 5.7.1 <bob@example.org> in the From field is not an address of alice@example.org";
  const heads = [
    "From: bob@example.org\r\n",
    "Subject: x\r\nFROM: Alice <bob@example.org>\r\n",
    "From: alice@example.org, bob@example.org\r\n",
    "From:\r\n =?utf-8?q?alice=40example=2Eorg?=\r\n <bob@example.org>\r\n",
    'From: "alice@example.org" <bob@example.org>\r\n',
    "From: bob@example.org (alice@example.org)\r\n",
  ];
  for (const head of heads) assertEquals(await message(head), wanted, head);
});

Deno.test("senderIdentity() refuses From fields that can be read in two ways", async () => {
  assertEquals(
    await message("From: alice@example.org\r\nFrom: bob@example.org\r\n"),
    "550 5.7.1 the message has more than one From field",
  );
  const heads = [
    "From: alice@example.org <bob@example.org>\r\n",
    "From: bob@example.org <alice@example.org>\r\n",
    "From: undisclosed:;\r\n",
    "From: \r\n",
    "From: Alice\r\n",
  ];
  for (const head of heads) {
    const answer = await message(head);
    assertEquals(answer, "550 5.7.1 the From field holds no address that can be read", head);
  }
});

Deno.test("senderIdentity() refuses a tagged address that somebody else has", async () => {
  const directory = mapDirectory({
    accounts: { "alice@example.org": {}, "alice+boss@example.org": {} },
    aliases: { "alice+list@example.org": "alice+boss@example.org" },
  });
  for (
    const other of ["alice+boss@example.org", "Alice+Boss@Example.ORG", "alice+list@example.org"]
  ) {
    assertEquals((await mail(other, { directory })).slice(0, 9), "550 5.7.1", other);
    const answer = await message(`From: ${other}\r\n`, { directory });
    assertEquals(answer.slice(0, 9), "550 5.7.1", other);
  }
  assertEquals(await mail("alice+other@example.org", { directory }), "ok");
  const boss = { directory, session: session("alice+boss@example.org") };
  for (const own of ["alice+boss@example.org", "alice+list@example.org"]) {
    assertEquals(await mail(own, boss), "ok", own);
  }
});

const NAMING = ["Sender", "Resent-From", "Resent-Sender"];

Deno.test("senderIdentity() refuses other names in Sender and the fields of a resent message", async () => {
  for (const name of NAMING) {
    const wanted =
      `550 5.7.1 <bob@example.org> in the ${name} field is not an address of alice@example.org`;
    for (const from of ["", "From: alice@example.org\r\n"]) {
      const head = `${from}${name.toLowerCase()}: Alice <bob@example.org>\r\n`;
      assertEquals(await message(head), wanted, head);
    }
    const own = `From: alice@example.org\r\n${name}: Info <info+x@example.org>\r\n`;
    assertEquals(await message(own), "ok", own);
    const unreadable = `550 5.7.1 the ${name} field holds no address that can be read`;
    assertEquals(await message(`${name}: alice\r\n`), unreadable);
    assertEquals(
      await message(`${name}: bob@example.org\r\n`, { options: { checkFrom: false } }),
      "ok",
    );
  }
});

Deno.test("senderIdentity() takes one Sender, and as many resent fields as are the account's", async () => {
  assertEquals(
    await message("Sender: alice@example.org\r\nSender: alice@example.org\r\n"),
    "550 5.7.1 the message has more than one Sender field",
  );
  const resent = "Resent-From: alice@example.org\r\n";
  assertEquals(await message(resent + resent), "ok");
  assertEquals(
    await message(`${resent}Resent-From: bob@example.org\r\n`),
    "550 5.7.1 <bob@example.org> in the Resent-From field is not an address of alice@example.org",
  );
});

Deno.test("senderIdentity() lets a message without From pass", async () => {
  assertEquals(await message("Subject: x\r\n"), "ok");
});

Deno.test("senderIdentity() leaves alone who has not logged in, and a catcher", async () => {
  for (const who of [session(null, "mx"), session("alice@example.org", "catcher")]) {
    assertEquals(await mail("bob@example.org", { session: who }), "ok");
    assertEquals(await message("From: bob@example.org\r\n", { session: who }), "ok");
    assertEquals(await message("From: junk\r\nFrom:\r\n", { session: who }), "ok");
  }
});

Deno.test("senderIdentity() can leave From alone, and subaddresses to be strangers", async () => {
  const noFrom = { options: { checkFrom: false } };
  assertEquals(await message("From: bob@example.org\r\n", noFrom), "ok");
  assertEquals((await mail("bob@example.org", noFrom)).slice(0, 3), "550");
  const noTags = { options: { subaddressDelimiter: null } };
  assertEquals((await mail("alice+tag@example.org", noTags)).slice(0, 3), "550");
  const minus = { options: { subaddressDelimiter: "-" } };
  assertEquals(await mail("alice-tag@example.org", minus), "ok");
});

Deno.test("senderIdentity() throws what the directory throws, so that nothing is let pass", async () => {
  const directory = { ...DIRECTORY, maySendAs: () => Promise.reject(new Error("down")) };
  await assertRejects(() => mail("alice@example.org", { directory }), Error, "down");
  await assertRejects(() => message("From: alice@example.org\r\n", { directory }), Error, "down");
});
