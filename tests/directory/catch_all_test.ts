import { assert, assertEquals } from "@std/assert";
import { catchAllDirectory } from "../../src/directory/catch_all.ts";
import { mailboxPath } from "../../src/delivery/maildir/mailbox_path.ts";

Deno.test("catchAllDirectory() has every address, in one spelling", async () => {
  const directory = catchAllDirectory();
  const spellings = [["Some.Body+tag", "Example.TEST"], ["some.body+tag", "example.test"]] as const;
  for (const [local, domain] of spellings) {
    assert(await directory.isLocalDomain(domain));
    assertEquals(await directory.lookup({ local, domain }), {
      kind: "mailbox",
      mailbox: { user: "some.body+tag", domain: "example.test" },
    });
  }
});

Deno.test("catchAllDirectory() has a legal mailbox for literals and for <Postmaster>", async () => {
  const directory = catchAllDirectory("mail.test");
  const folder = async (local: string, domain: string) => {
    const entry = await directory.lookup({ local, domain });
    return entry?.kind === "mailbox" ? mailboxPath(entry.mailbox) : entry;
  };
  assertEquals(await folder("root", "[127.0.0.1]"), "[127.0.0.1]/root");
  assertEquals(await folder("Postmaster", ""), "mail.test/postmaster");
  const literal = await directory.lookup({ local: "x", domain: "[IPv6:::1]" });
  assertEquals(literal, { kind: "mailbox", mailbox: { user: "x", domain: "[ipv6:::1]" } });
});

Deno.test("catchAllDirectory() lets anybody in and send as anybody, without SCRAM", async () => {
  const directory = catchAllDirectory();
  assertEquals(await directory.verify("me", "anything"), { name: "me" });
  assert(await directory.maySendAs({ name: "me" }, { local: "you", domain: "example.org" }));
  assertEquals(directory.scramVerifier, undefined);
});
