/**
 * What every {@link Directory} of the same people does, whatever it keeps them in.
 *
 * The people: `Alice@Example.org` (password `wonderland`, quota 1,000 messages, may send as
 * `sales@example.com` and anything of `example.net`), `bob@example.org` (no password), the aliases
 * `info@example.org` → alice and `all@example.org` → info, bob, x@elsewhere.example, a catch-all of
 * `bücher.example` → bob, and the bare domain `example.info`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { parseAddress } from "../../src/address.ts";
import type { Directory } from "../../src/directory/directory.ts";
import { checkPassword } from "../../src/directory/password.ts";

function address(text: string) {
  const parsed = parseAddress(text, { smtputf8: true });
  assert(parsed !== null, text);
  return parsed;
}

const ALICE = { name: "Alice@example.org" };

/** Registers the tests. */
export function directoryContract(kind: string, open: () => Promise<Directory>): void {
  const test = (name: string, body: (directory: Directory) => Promise<void>) =>
    Deno.test(`${kind}: ${name}`, async () => body(await open()));

  test("isLocalDomain() knows the domains of all lines, in any case and spelling", async (it) => {
    const local = [
      "example.org",
      "EXAMPLE.org",
      "example.info",
      "bücher.example",
      "xn--bcher-kva.example",
    ];
    for (const domain of local) assert(await it.isLocalDomain(domain), domain);
    const others = [
      "example.com",
      "example.net",
      "elsewhere.example",
      "org",
      "sub.example.org",
      "",
    ];
    for (const domain of others) assert(!await it.isLocalDomain(domain), domain);
  });

  test("lookup() finds a mailbox in lower case, with its quota", async (it) => {
    for (const text of ["Alice@example.org", "alice@EXAMPLE.ORG"]) {
      assertEquals(await it.lookup(address(text)), {
        kind: "mailbox",
        mailbox: { user: "alice", domain: "example.org", quota: { messages: 1000 } },
      });
    }
    assertEquals(await it.lookup(address("bob@example.org")), {
      kind: "mailbox",
      mailbox: { user: "bob", domain: "example.org" },
    });
  });

  test("lookup() finds an alias as it stands", async (it) => {
    assertEquals(await it.lookup(address("ALL@example.org")), {
      kind: "alias",
      targets: ["info@example.org", "bob@example.org", "x@elsewhere.example"].map(address),
    });
  });

  test("lookup() finds nothing but exact addresses", async (it) => {
    for (
      const text of [
        "alice+tag@example.org",
        "postmaster@example.org",
        "any@bücher.example",
        "x@y.z",
      ]
    ) {
      assertEquals(await it.lookup(address(text)), null, text);
    }
    assertEquals(await it.lookup({ local: "postmaster", domain: "" }), null);
  });

  test("catchAll() gives the targets of the domain only", async (it) => {
    assertEquals(await it.catchAll?.("xn--bcher-kva.example"), [address("bob@example.org")]);
    assertEquals(await it.catchAll?.("bücher.example"), [address("bob@example.org")]);
    assertEquals(await it.catchAll?.("example.org"), null);
  });

  test("verify() gives the account, by its own name", async (it) => {
    assertEquals(await it.verify("Alice@example.org", "wonderland"), ALICE);
    assertEquals(await it.verify("aLICE@eXAMPLE.org", "wonderland"), ALICE);
  });

  test("verify() refuses everybody else", async (it) => {
    const wrong = [
      ["Alice@example.org", "Wonderland"],
      ["Alice@example.org", ""],
      ["alice", "wonderland"],
      ["bob@example.org", ""],
      ["bob@example.org", "-"],
      ["info@example.org", "wonderland"],
      ["nobody@example.org", "wonderland"],
      ["", "wonderland"],
      ["\0", "\0"],
    ] as const;
    for (const [name, password] of wrong) {
      assertEquals(await it.verify(name, password), null, `${name} ${password}`);
    }
  });

  test("scramVerifier() gives verifiers, and for others stable fakes like them", async (it) => {
    const real = await it.scramVerifier!("alice@example.org");
    assertEquals(real.account, ALICE);
    assert(await checkPassword("wonderland", real.verifier));
    for (const name of ["nobody@example.org", "bob@example.org", "info@example.org", "alice"]) {
      const fake = await it.scramVerifier!(name);
      assertEquals(fake.account, null, name);
      assertEquals(fake.verifier.iterations, real.verifier.iterations);
      assertEquals(fake.verifier.salt.length, real.verifier.salt.length);
      assertEquals(fake.verifier.storedKey.length, 32);
      assertEquals((await it.scramVerifier!(name.toUpperCase())).verifier, fake.verifier);
    }
  });

  test("maySendAs() allows own addresses, aliases and rights", async (it) => {
    const own = [
      "alice@example.org",
      "ALICE@Example.Org",
      "info@example.org",
      "all@example.org",
      "sales@example.com",
      "anything@example.net",
    ];
    for (const text of own) assert(await it.maySendAs(ALICE, address(text)), text);
    const bob = { name: "bob@example.org" };
    assert(await it.maySendAs(bob, address("all@example.org")));
  });

  test("maySendAs() allows nothing else", async (it) => {
    const others = [
      "bob@example.org",
      "other@example.com",
      "x@sub.example.net",
      "postmaster@example.org",
      "any@bücher.example",
      "x@elsewhere.example",
    ];
    for (const text of others) assert(!await it.maySendAs(ALICE, address(text)), text);
    assert(!await it.maySendAs(ALICE, { local: "alice", domain: "" }));
    assert(!await it.maySendAs({ name: "bob@example.org" }, address("info@example.org")));
    const nobody = { name: "nobody@example.org" };
    assert(!await it.maySendAs(nobody, address("nobody@example.org")));
  });
}
