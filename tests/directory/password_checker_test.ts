import { assert, assertEquals, assertFalse, assertNotEquals, assertRejects } from "@std/assert";
import { encode } from "../../src/bytes.ts";
import { BusyError } from "../../src/gate.ts";
import { makeVerifier } from "../../src/directory/password.ts";
import {
  PasswordChecker,
  type PasswordCheckerOptions,
} from "../../src/directory/password_checker.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import type { ScramVerifier } from "../../src/smtp/sasl/scram_verifier.ts";

const MINUTE = 60_000;

/** A stand-in whose password is written in its salt. */
function verifierOf(password: string): ScramVerifier {
  const key = new Uint8Array(32);
  return { iterations: 100_000, salt: encode(password), storedKey: key, serverKey: key };
}

/** A checker that writes down each hash it would do. */
function watched(options: Partial<PasswordCheckerOptions> = {}) {
  const { clock, random } = memoryRuntime();
  const work: { password: string; iterations: number }[] = [];
  const checker = new PasswordChecker({
    clock,
    random,
    check: (password, { salt, iterations }) => {
      work.push({ password, iterations });
      return Promise.resolve(new TextDecoder().decode(salt) === password);
    },
    ...options,
  });
  return { clock, checker, work };
}

Deno.test("PasswordChecker.verify() tells right from wrong with the real hash", async () => {
  const { clock, random } = memoryRuntime();
  const checker = new PasswordChecker({ clock, random });
  const verifier = await makeVerifier("pencil", random);
  assert(await checker.verify("alice", "pencil", verifier));
  assertFalse(await checker.verify("alice", "Pencil", verifier));
  assertFalse(await checker.verify("mallory", "pencil", null));
});

Deno.test("PasswordChecker.verify() remembers a right password five minutes", async () => {
  const { clock, checker, work } = watched();
  const verifier = verifierOf("pencil");
  assert(await checker.verify("alice", "pencil", verifier));
  await clock.advance(5 * MINUTE - 1);
  assert(await checker.verify("alice", "pencil", verifier));
  assertEquals(work.length, 1);
  await clock.advance(1);
  assert(await checker.verify("alice", "pencil", verifier));
  assertEquals(work.length, 2);
});

Deno.test("PasswordChecker.verify() never remembers a wrong one", async () => {
  const { checker, work } = watched();
  for (let i = 0; i < 3; i++) {
    assertFalse(await checker.verify("alice", "wrong", verifierOf("pencil")));
  }
  assertEquals(work.length, 3);
});

Deno.test("PasswordChecker.verify() remembers for the name and the verifier it was right for", async () => {
  const { checker, work } = watched();
  assert(await checker.verify("alice", "pencil", verifierOf("pencil")));
  // The password was changed: the old one is wrong at once.
  assertFalse(await checker.verify("alice", "pencil", verifierOf("crayon")));
  assertFalse(await checker.verify("bob", "pencil", verifierOf("crayon")));
  assertFalse(await checker.verify("alice", "pencil", null));
  // Nor can the border between name and password be moved.
  assertFalse(await checker.verify("alicep", "encil", verifierOf("pencil")));
  assertEquals(work.length, 5);
});

Deno.test("PasswordChecker.verify() remembers no more than its capacity, the newest", async () => {
  const { checker, work } = watched({ capacity: 2 });
  for (const name of ["a", "b", "c"]) await checker.verify(name, "x", verifierOf("x"));
  await checker.verify("b", "x", verifierOf("x"));
  await checker.verify("c", "x", verifierOf("x"));
  assertEquals(work.length, 3);
  await checker.verify("a", "x", verifierOf("x"));
  assertEquals(work.length, 4);
});

Deno.test("PasswordChecker.verify() does the same work for a name nobody has", async () => {
  const { checker, work } = watched({
    shapes: [{ iterations: 123_456, saltLength: 16, count: 1 }],
  });
  const { salt } = checker.fakeVerifier("nobody");
  assertFalse(await checker.verify("nobody", "pencil", null));
  assertEquals(work, [{ password: "pencil", iterations: 123_456 }]);
  // Not even the password a fake verifier would be right for.
  assertFalse(await checker.verify("nobody", new TextDecoder().decode(salt), null));
});

Deno.test("PasswordChecker.verify() does not take busy for wrong", async () => {
  const { checker } = watched({ check: () => Promise.reject(new BusyError("busy")) });
  await assertRejects(() => checker.verify("alice", "pencil", verifierOf("pencil")), BusyError);
});

Deno.test("PasswordChecker.fakeVerifier() is the same for a name, and like a real one", () => {
  const secret = encode("0123456789abcdef");
  const one = watched({ secret }).checker;
  const other = watched({ secret }).checker;
  assertEquals(one.fakeVerifier("nobody"), other.fakeVerifier("nobody"));
  assertNotEquals(one.fakeVerifier("nobody").salt, one.fakeVerifier("noone").salt);
  const { iterations, salt, storedKey, serverKey } = one.fakeVerifier("nobody");
  assertEquals([iterations, salt.length, storedKey.length, serverKey.length], [
    100_000,
    16,
    32,
    32,
  ]);
  const stranger = watched({ secret: encode("fedcba9876543210") }).checker;
  assertNotEquals(stranger.fakeVerifier("nobody").salt, salt);
});
