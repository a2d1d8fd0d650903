import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { decode, encode } from "../../../src/bytes.ts";
import { formatBase64, parseBase64 } from "../../../src/smtp/sasl/base64.ts";
import type { SaslStep } from "../../../src/smtp/sasl/sasl.ts";
import { ScramServer } from "../../../src/smtp/sasl/scram.ts";
import { scramKeys, type ScramVerifier } from "../../../src/smtp/sasl/scram_verifier.ts";

// The exchange of RFC 7677 §3: user "user", password "pencil".
const NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const SALT = parseBase64("W22ZaJ0SNY7soEsUEjb6gQ==")!;
const FIRST = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST =
  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const FINAL = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," +
  "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

const VERIFIER: ScramVerifier = {
  iterations: 4096,
  salt: SALT,
  ...scramKeys(pbkdf2Sync("pencil", SALT, 4096, 32, "sha256")),
};

function text(step: SaslStep): string {
  if (step.type === "challenge") return decode(step.data);
  return step.type === "failed" ? `failed: ${step.reason}` : step.type;
}

function isMalformed(step: SaslStep): boolean {
  return step.type === "failed" && step.malformed;
}

/** A client written from RFC 5802 §3 on its own, to make proofs for messages we choose. */
function proofFor(authMessage: string, password = "pencil"): string {
  const hmac = (key: Uint8Array, data: string) => createHmac("sha256", key).update(data).digest();
  const clientKey = hmac(pbkdf2Sync(password, SALT, 4096, 32, "sha256"), "Client Key");
  const signature = hmac(createHash("sha256").update(clientKey).digest(), authMessage);
  return formatBase64(clientKey.map((octet, i) => octet ^ signature[i]!));
}

/** Runs an exchange with our own client; gives the step after client-final-message. */
function exchange(
  { header = "n,,", bare = "n=user,r=abc", binding = formatBase64(encode(header)) }: {
    header?: string;
    bare?: string;
    binding?: string;
  },
): { machine: ScramServer; asked: SaslStep; step: SaslStep } {
  const machine = new ScramServer("XYZ");
  const asked = machine.start(encode(header + bare));
  if (asked.type !== "verifier") return { machine, asked, step: asked };
  const serverFirst = text(machine.verifier(VERIFIER));
  const withoutProof = `c=${binding},r=abcXYZ`;
  const proof = proofFor(`${bare},${serverFirst},${withoutProof}`);
  return { machine, asked, step: machine.respond(encode(`${withoutProof},p=${proof}`)) };
}

Deno.test("ScramServer speaks the exchange of RFC 7677 §3", () => {
  const machine = new ScramServer(NONCE);
  assertEquals(machine.start(encode(FIRST)), { type: "verifier", name: "user" });
  assertEquals(text(machine.verifier(VERIFIER)), SERVER_FIRST);
  assertEquals(text(machine.respond(encode(FINAL))), SERVER_FINAL);
  assertEquals(machine.respond(new Uint8Array(0)), {
    type: "proved",
    authorize: "user",
    name: "user",
  });
});

Deno.test("ScramServer asks with an empty challenge when there is no initial response", () => {
  const machine = new ScramServer(NONCE);
  assertEquals(machine.start(null), { type: "challenge", data: new Uint8Array(0) });
  assertEquals(machine.respond(encode(FIRST)).type, "verifier");
});

Deno.test("ScramServer is proved only after the empty answer to its signature", () => {
  const { machine, step } = exchange({});
  assertEquals(step.type, "challenge");
  assertEquals(isMalformed(machine.respond(encode("x"))), true);
});

Deno.test("ScramServer refuses a wrong password, and does not call it malformed", () => {
  const machine = new ScramServer(NONCE);
  machine.start(encode(FIRST));
  machine.verifier({ ...VERIFIER, storedKey: new Uint8Array(32) });
  assertEquals(machine.respond(encode(FINAL)), {
    type: "failed",
    reason: "wrong password or unknown name",
    name: "user",
    malformed: false,
  });
});

Deno.test("ScramServer refuses each proof with one bit turned", () => {
  const proof = parseBase64("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")!;
  fc.assert(fc.property(fc.nat(255), (bit) => {
    const turned = proof.slice();
    turned[bit >> 3]! ^= 1 << (bit & 7);
    const machine = new ScramServer(NONCE);
    machine.start(encode(FIRST));
    machine.verifier(VERIFIER);
    const final = FINAL.replace(/p=.*/, `p=${formatBase64(turned)}`);
    return machine.respond(encode(final)).type === "failed";
  }));
});

Deno.test("ScramServer takes the flags n and y, an authorization identity and extensions", () => {
  assertEquals(exchange({ binding: "biws" }).step.type, "challenge");
  assertEquals(exchange({ header: "y,,", binding: "eSws" }).step.type, "challenge");
  const { machine, step } = exchange({ header: "n,a=Ursel,", bare: "n=Kurt,r=abc,x=1,y=2" });
  assertEquals(step.type, "challenge");
  assertEquals(machine.respond(new Uint8Array(0)), {
    type: "proved",
    authorize: "Ursel",
    name: "Kurt",
  });
});

Deno.test("ScramServer takes an empty authorization identity for none, as GNU SASL sends it", () => {
  const { machine, step } = exchange({ header: "n,a=," });
  assertEquals(step.type, "challenge");
  assertEquals(machine.respond(new Uint8Array(0)), {
    type: "proved",
    authorize: "user",
    name: "user",
  });
});

Deno.test("ScramServer refuses binding data that is not the header first sent", () => {
  for (const [header, binding] of [["n,,", "eSws"], ["y,,", "biws"], ["n,a=x,", "biws"]] as const) {
    const { step } = exchange({ header, binding });
    assertEquals(text(step), "failed: channel binding data is not what the client first sent");
  }
});

Deno.test("ScramServer refuses a nonce that is not the client's and ours together", () => {
  for (const nonce of ["rOprNGfwEbeRWgbNEkqO", NONCE, `${NONCE}x`, `x${NONCE}`]) {
    const machine = new ScramServer(NONCE);
    machine.start(encode(FIRST));
    machine.verifier(VERIFIER);
    const final = FINAL.replace(/r=[^,]*/, () => `r=${nonce}`);
    assertEquals(text(machine.respond(encode(final))), "failed: the nonce is not ours");
  }
});

Deno.test("ScramServer decodes =2C and =3D in names and takes no other =", () => {
  assertEquals(exchange({ bare: "n=a=2Cb=3Dc=3D2C,r=abc" }).asked, {
    type: "verifier",
    name: "a,b=c=2C",
  });
  for (const name of ["a=b", "a=2c", "a=", "=3", ""]) {
    assertEquals(isMalformed(exchange({ bare: `n=${name},r=abc` }).asked), true, name);
  }
});

Deno.test("ScramServer says in the log what it does not support", () => {
  const reason = (message: string) => text(new ScramServer(NONCE).start(encode(message)));
  assertEquals(reason("n,,m=1,n=user,r=a"), "failed: mandatory extensions are not supported");
  assertEquals(
    reason("p=tls-exporter,,n=user,r=a"),
    "failed: channel binding asked for, but not offered",
  );
});

Deno.test("ScramServer calls malformed first messages RFC 5802 §7 does not allow", async (t) => {
  const cases: Record<string, string> = {
    "nothing": "",
    "channel binding": "p=tls-unique,,n=user,r=abc",
    "an unknown flag": "x,,n=user,r=abc",
    "no header": "n=user,r=abc",
    "a mandatory extension": "n,,m=1,n=user,r=abc",
    "no name": "n,,r=abc",
    "no nonce": "n,,n=user",
    "an empty nonce": "n,,n=user,r=",
    "a nonce with a blank": "n,,n=user,r=a b",
    "a nonce of 257": `n,,n=user,r=${"a".repeat(257)}`,
    "a bare authorization identity": "n,Ursel,n=user,r=abc",
    "half an authorization identity": "n,a,n=user,r=abc",
    "a control in the name": "n,,n=us\x01er,r=abc",
    "a NUL": "n,,n=user,r=abc,x=\0",
    "an empty extension": "n,,n=user,r=abc,",
    "a long name": `n,,n=${"u".repeat(513)},r=abc`,
    "a long message": `n,,n=user,r=abc,x=${"y".repeat(5000)}`,
  };
  for (const [what, message] of Object.entries(cases)) {
    await t.step(what, () => {
      assertEquals(isMalformed(new ScramServer(NONCE).start(encode(message))), true);
    });
  }
  await t.step("not UTF-8", () => {
    assertEquals(isMalformed(new ScramServer(NONCE).start(new Uint8Array([0xff]))), true);
  });
});

Deno.test("ScramServer calls malformed final messages RFC 5802 §7 does not allow", async (t) => {
  const nonce = `r=rOprNGfwEbeRWgbNEkqO${NONCE}`;
  const proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
  const cases: Record<string, string> = {
    "nothing": "",
    "no proof": `c=biws,${nonce}`,
    "no binding": `${nonce},${proof}`,
    "no nonce": `c=biws,${proof}`,
    "the proof not last": `c=biws,${nonce},${proof},x=1`,
    "a proof that is not base64": `c=biws,${nonce},p=!!!!`,
    "a proof of 31 octets": `c=biws,${nonce},p=${formatBase64(new Uint8Array(31))}`,
    "a proof of 33 octets": `c=biws,${nonce},p=${formatBase64(new Uint8Array(33))}`,
    "an empty extension": `c=biws,${nonce},,${proof}`,
  };
  for (const [what, message] of Object.entries(cases)) {
    await t.step(what, () => {
      const machine = new ScramServer(NONCE);
      machine.start(encode(FIRST));
      machine.verifier(VERIFIER);
      assertEquals(isMalformed(machine.respond(encode(message))), true);
    });
  }
});

Deno.test("ScramServer never throws on any octets", () => {
  const octets = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.array(fc.constantFrom("n", "y", ",", "n=", "r=", "a=", "c=biws", "p=", "m=", "=2C", "x"))
      .map(
        (parts) => encode(parts.join("")),
      ),
  );
  fc.assert(fc.property(octets, octets, (first, final) => {
    const early = new ScramServer(NONCE).start(first).type;
    const machine = new ScramServer(NONCE);
    machine.start(encode(FIRST));
    machine.verifier(VERIFIER);
    return (early === "failed" || early === "verifier") && machine.respond(final).type === "failed";
  }));
});

Deno.test("ScramServer throws when its caller is out of turn", () => {
  assertThrows(() => new ScramServer("a,b"), TypeError);
  assertThrows(() => new ScramServer(NONCE).verifier(VERIFIER), Error, "not asked");
  const machine = new ScramServer(NONCE);
  machine.start(encode(FIRST));
  assertThrows(() => machine.respond(encode(FINAL)), Error, "no use for a response");
});
