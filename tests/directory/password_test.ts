import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import fc from "fast-check";
import { pbkdf2Sync } from "node:crypto";
import {
  checkPassword,
  formatVerifier,
  makeVerifier,
  parseVerifier,
  passwordProblem,
} from "../../src/directory/password.ts";
import type { Random } from "../../src/runtime/runtime.ts";
import { parseBase64 } from "../../src/smtp/sasl/base64.ts";
import { scramKeys } from "../../src/smtp/sasl/scram_verifier.ts";

// Made by Python's hashlib.pbkdf2_hmac and hmac, with the salt of RFC 7677 §3.
const SALT = parseBase64("W22ZaJ0SNY7soEsUEjb6gQ==")!;
const PENCIL = "SCRAM-SHA-256$100000:W22ZaJ0SNY7soEsUEjb6gQ==$" +
  "DrV7xy/qKHIOj+YKWfow7KE6edXL/2q4lAqKIspiBqY=:LG0R4sd2Si2JCO3krs1YC+dGK3pojC6G4jjnVbvxuqc=";
const IX = "SCRAM-SHA-256$100000:W22ZaJ0SNY7soEsUEjb6gQ==$" +
  "yrW2J7W34v9/G6LZXmXUXRZqbgY18CWCXYdFR4rCa68=:PKTHwM0SZYPj6eLlDrLquj5M+Ruz1i0omWiMLz3Wtnc=";

const random: Random = { bytes: () => SALT, float: () => 0 };

function verifier(text: string) {
  const parsed = parseVerifier(text);
  assert(parsed.ok);
  return parsed.verifier;
}

Deno.test("makeVerifier() makes what Python makes of the same salt", async () => {
  assertEquals(formatVerifier(await makeVerifier("pencil", random)), PENCIL);
});

Deno.test("makeVerifier() prepares the password as SASL clients do", async () => {
  assertEquals(formatVerifier(await makeVerifier("\u2168", random)), IX);
});

Deno.test("makeVerifier() refuses what would be no protection", async () => {
  await assertRejects(() => makeVerifier("pencil", random, 99_999), RangeError);
  await assertRejects(() => makeVerifier("pencil", random, 10_000_001), RangeError);
  await assertRejects(() => makeVerifier("pencil", random, NaN), RangeError);
  await assertRejects(() => makeVerifier("", random), TypeError, "empty");
  await assertRejects(() => makeVerifier("pen\ncil", random), TypeError, "control");
});

Deno.test("checkPassword() tells the right password from others", async () => {
  assert(await checkPassword("pencil", verifier(PENCIL)));
  assert(await checkPassword("I\u00adX", verifier(IX)));
  for (const wrong of ["Pencil", "pencil ", "", "pen\0cil"]) {
    assertFalse(await checkPassword(wrong, verifier(PENCIL)), wrong);
  }
});

Deno.test("checkPassword() takes no password that cannot be prepared for an empty one", async () => {
  // Were there ever a verifier of the empty password, a control character must not open it.
  const { salt } = verifier(PENCIL);
  const keys = scramKeys(pbkdf2Sync("", salt, 1000, 32, "sha256"));
  assertFalse(await checkPassword("\0", { iterations: 1000, salt, ...keys }));
});

Deno.test("passwordProblem() says what is wrong, in words", () => {
  assertEquals(passwordProblem("pencil"), null);
  assertEquals(passwordProblem("correct horse 🐎 battery"), null);
  assertEquals(passwordProblem(""), "the password is empty");
  const other = "the password holds control characters or is longer than 1024 octets";
  assertEquals(passwordProblem("\x1b"), other);
  assertEquals(passwordProblem("x".repeat(1025)), other);
});

Deno.test("parseVerifier() reads what formatVerifier() writes", () => {
  assertEquals(formatVerifier(verifier(PENCIL)), PENCIL);
  assertEquals(verifier(PENCIL).salt, SALT);
});

Deno.test("parseVerifier() says what is wrong and never repeats the text", async (t) => {
  const [, , keys] = PENCIL.split("$") as [string, string, string];
  const head = "SCRAM-SHA-256$100000:W22ZaJ0SNY7soEsUEjb6gQ==";
  const cases: Record<string, [string, string]> = {
    "nothing": ["", "not of the form"],
    "a password": ["pencil", "not of the form"],
    "another hash": [PENCIL.replace("SHA-256", "SHA-1"), "not of the form"],
    "PostgreSQL's 4096 iterations": [PENCIL.replace("100000", "4096"), "4096 iterations"],
    "99,999 iterations": [PENCIL.replace("100000", "99999"), "allowed are 100000 to 10000000"],
    "too many iterations": [PENCIL.replace("100000", "10000001"), "allowed are 100000 to 10000000"],
    "far too many iterations": [PENCIL.replace("100000", "9".repeat(40)), "not of the form"],
    "a short salt": [`SCRAM-SHA-256$100000:Zm9v$${keys}`, "salt is not"],
    "a salt that is not base64": [`SCRAM-SHA-256$100000:!!!!$${keys}`, "salt is not"],
    "a short stored key": [`${head}$Zm9v:${keys.split(":")[1]}`, "stored key is not"],
    "a short server key": [`${head}$${keys.split(":")[0]}:Zm9v`, "server key is not"],
    "something behind": [`${PENCIL}:x`, "not of the form"],
    "a line end behind": [`${PENCIL}\n`, "server key is not"],
  };
  for (const [what, [text, wanted]] of Object.entries(cases)) {
    await t.step(what, () => {
      const parsed = parseVerifier(text);
      assert(!parsed.ok);
      assert(parsed.problem.includes(wanted), parsed.problem);
      assertFalse(parsed.problem.includes("DrV7xy"));
    });
  }
});

Deno.test("parseVerifier() never throws, and what it takes is written the same again", () => {
  const part = fc.constantFrom("SCRAM-SHA-256", "$", ":", "100000", "Zm9v", PENCIL, "=", "x");
  fc.assert(fc.property(fc.array(part).map((parts) => parts.join("")), (text) => {
    const parsed = parseVerifier(text);
    return !parsed.ok || formatVerifier(parsed.verifier) === text;
  }));
});
