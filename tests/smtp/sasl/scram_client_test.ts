import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { pbkdf2Sync } from "node:crypto";
import { decode, encode } from "../../../src/bytes.ts";
import { formatBase64, parseBase64 } from "../../../src/smtp/sasl/base64.ts";
import type { SaslClientStep } from "../../../src/smtp/sasl/client.ts";
import { ScramServer } from "../../../src/smtp/sasl/scram.ts";
import { ScramClient } from "../../../src/smtp/sasl/scram_client.ts";
import { scramKeys } from "../../../src/smtp/sasl/scram_verifier.ts";

// The exchange of RFC 7677 §3: user "user", password "pencil".
const NONCE = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST =
  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const FINAL = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," +
  "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

function newClient(user = "user", password = "pencil", maxIterations = 10_000): ScramClient {
  return new ScramClient({ user, password, nonce: NONCE, maxIterations });
}

function derive(step: SaslClientStep): Uint8Array {
  if (step.type !== "derive") throw new Error(show(step));
  return pbkdf2Sync(step.password, step.salt, step.iterations, 32, "sha256");
}

function show(step: SaslClientStep): string {
  if (step.type === "respond") return decode(step.data);
  return step.type === "failed" ? `failed: ${step.reason}` : step.type;
}

/** A client that has sent its proof. */
function atFinal(): ScramClient {
  const client = newClient();
  client.start();
  const key = derive(client.challenge(encode(SERVER_FIRST)));
  assertEquals(show(client.derived(key)), FINAL);
  return client;
}

Deno.test("ScramClient speaks the exchange of RFC 7677 §3", () => {
  const client = newClient();
  assertEquals(show(client.start()), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const step = client.challenge(encode(SERVER_FIRST));
  assertEquals(step, {
    type: "derive",
    password: encode("pencil"),
    salt: parseBase64("W22ZaJ0SNY7soEsUEjb6gQ==")!,
    iterations: 4096,
  });
  assertEquals(show(client.derived(derive(step))), FINAL);
  assertEquals(client.complete, false);
  assertEquals(show(client.challenge(encode(SERVER_FINAL))), "");
  assertEquals(client.complete, true);
});

Deno.test("ScramClient begins once more when the server took no initial response", () => {
  const client = newClient();
  client.start();
  assertEquals(show(client.challenge(new Uint8Array(0))), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  assertEquals(client.challenge(encode(SERVER_FIRST)).type, "derive");
});

Deno.test("ScramClient is not complete where the server proves nothing", () => {
  const zeros = formatBase64(new Uint8Array(32));
  for (const final of [`v=${zeros}`, "v=", "v=6rri", "e=invalid-proof", "", SERVER_FIRST]) {
    const client = atFinal();
    assertEquals(client.challenge(encode(final)).type, "failed", final);
    assertEquals(client.complete, false);
    assertEquals(client.challenge(encode(SERVER_FINAL)).type, "failed");
    assertEquals(client.complete, false);
  }
});

const refused: [title: string, message: string | null][] = [
  ["a nonce that is not ours", SERVER_FIRST.replace("rOpr", "xOpr")],
  ["our nonce alone", `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
  ["no rounds", SERVER_FIRST.replace(",i=4096", "")],
  ["one round", SERVER_FIRST.replace("4096", "1")],
  ["4095 rounds (RFC 7677 §4)", SERVER_FIRST.replace("4096", "4095")],
  ["more rounds than allowed", SERVER_FIRST.replace("4096", "10001")],
  ["rounds beyond all measure", SERVER_FIRST.replace("4096", "9".repeat(400))],
  ["negative rounds", SERVER_FIRST.replace("4096", "-4096")],
  ["no salt", SERVER_FIRST.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "")],
  ["salt that is no base64", SERVER_FIRST.replace("W22Z", "W2*Z")],
  ["a mandatory extension", `m=x,${SERVER_FIRST}`],
  ["another message", SERVER_FINAL],
  ["no base64", null],
  ["4097 octets", `${SERVER_FIRST},x=${"y".repeat(4097)}`],
];

for (const [title, message] of refused) {
  Deno.test(`ScramClient refuses ${title}`, () => {
    const client = newClient();
    client.start();
    const step = client.challenge(message === null ? null : encode(message));
    assertEquals(step.type, "failed");
    assertEquals(client.complete, false);
  });
}

Deno.test("ScramClient takes as many rounds as allowed, and optional extensions", () => {
  const client = newClient();
  client.start();
  const message = `${SERVER_FIRST.replace("4096", "10000")},x=y`;
  assertEquals(client.challenge(encode(message)).type, "derive");
});

Deno.test("ScramClient writes commas and equals signs of a name as RFC 5802 §5.1 wants", () => {
  assertEquals(show(newClient("a,b=c").start()), `n,,n=a=2Cb=3Dc,r=${NONCE}`);
});

Deno.test("ScramClient fails where name or password cannot be prepared", () => {
  assertEquals(newClient("a\0b").start().type, "failed");
  assertEquals(newClient("").start().type, "failed");
  const client = newClient("user", "a\u0007b");
  client.start();
  assertEquals(client.challenge(encode(SERVER_FIRST)).type, "failed");
});

Deno.test("ScramClient throws on a nonce that is not printable", () => {
  const options = { user: "u", password: "p", nonce: "a,b", maxIterations: 4096 };
  assertThrows(() => new ScramClient(options), TypeError);
});

Deno.test("ScramClient and ScramServer agree for every name and password, and for no other", () => {
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(text, text, fc.boolean(), (user, password, wrong) => {
      const client = newClient(user, password);
      const first = client.start();
      if (first.type !== "respond") return;
      const server = new ScramServer("server-nonce");
      if (server.start(first.data).type !== "verifier") throw new Error("no verifier asked for");
      const salt = encode("salt");
      // The same verifier as a server has that once was told the password.
      let key: Uint8Array | null = null;
      const probe = new ScramClient({ user, password, nonce: NONCE, maxIterations: 4096 });
      probe.start();
      const asked = probe.challenge(encode(`r=${NONCE}x,s=${formatBase64(salt)},i=4096`));
      if (asked.type === "failed") return;
      key = derive(asked);
      const stored = wrong ? encode("x".repeat(32)) : key;
      const second = server.verifier({ iterations: 4096, salt, ...scramKeys(stored) });
      if (second.type !== "challenge") throw new Error(second.type);
      const derived = derive(client.challenge(second.data));
      const last = client.derived(derived);
      if (last.type !== "respond") throw new Error(show(last));
      const verdict = server.respond(last.data);
      assertEquals(verdict.type, wrong ? "failed" : "challenge");
      if (verdict.type !== "challenge") return;
      assertEquals(show(client.challenge(verdict.data)), "");
      assertEquals(client.complete, true);
    }),
    { numRuns: 30 },
  );
});
