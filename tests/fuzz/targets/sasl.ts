/**
 * Fuzzing of SASL exchanges, both sides: what a hostile client says to the server's machines, and what a hostile
 * server says to the client's.
 *
 * @module
 */

import { assert } from "@std/assert";
import { decode, encode } from "../../../src/bytes.ts";
import { SaslExchange, type SaslOutcome } from "../../../src/smtp/sasl/exchange.ts";
import { ScramClient } from "../../../src/smtp/sasl/scram_client.ts";
import type { FuzzTarget } from "../engine/target.ts";

const MECHANISMS = ["PLAIN", "LOGIN", "SCRAM-SHA-256"];
const MESSAGES = [
  ...[
    "\0tim\0secret",
    "a\0tim\0secret",
    "\0\0",
    "tim",
    "secret",
    "n,,n=user,r=abc",
    "y,,n=user,r=abc",
  ],
  ...[
    "n,a=x,n=u=2Cser,r=abc",
    "p=tls-unique,,n=user,r=abc",
    "c=biws,r=abcnonce,p=AAAA",
    "r=noncex,s=c2E=,i=4096",
  ],
  ...[
    "v=AAAA",
    "e=other-error",
    "r=noncex,s=c2E=,i=4",
    "m=x,r=nonce,s=,i=99999999999",
    "",
    "n=\u{1f4a9}",
    "\xad",
  ],
];

const sasl: FuzzTarget = {
  name: "sasl",
  about:
    "SASL exchanges, a line each, first the mechanism: bounded, no NUL in names, nobody logged in unproved",
  words: [...MESSAGES.map((text) => encode(text).toBase64()), "=", "*", "\n", ...MECHANISMS],
  generate: (chance) =>
    encode(
      [
        chance.pick(MECHANISMS),
        ...Array.from({ length: chance.between(1, 4) }, () =>
          encode(chance.pick(MESSAGES)).toBase64()),
      ].join("\n"),
    ),
  run(input) {
    const [mechanism = "", ...lines] = decode(input).split("\n");
    const exchange = new SaslExchange(
      MECHANISMS.includes(mechanism) ? mechanism : "PLAIN",
      () => "nonce",
    );
    let outcome: SaslOutcome = exchange.start(lines.shift() || null);
    for (let turn = 0; turn < 8; turn++) {
      if ("ask" in outcome && outcome.ask.type === "scram") {
        const key = new Uint8Array(32);
        outcome = exchange.verifier({
          iterations: 4096,
          salt: encode("salt"),
          storedKey: key,
          serverKey: key,
        });
      } else if ("challenge" in outcome && lines.length > 0) {
        outcome = exchange.respond(encode(lines.shift()!));
      } else break;
    }
    if ("ask" in outcome) {
      const { ask } = outcome;
      // Nobody knows what hashes to 32 zero octets.
      assert(ask.type === "auth", `${ask.type} without a proof`);
      assert(!`${ask.name}${ask.authorize}`.includes("\0") && ask.name !== "");
      assert(encode(ask.name).length <= 512 && encode(ask.password).length <= 1024);
    } else if ("challenge" in outcome) {
      assert(/^[A-Za-z0-9+/=]*$/.test(outcome.challenge.lines.join("")));
    }
  },
};

const client: FuzzTarget = {
  name: "sasl-client",
  about:
    "SCRAM challenges of a hostile server, a line each: no rounds over the limit, no login it has not proved",
  words: [...MESSAGES, "\n", ",", "r=", "s=", "i=", "v=", "nonce"],
  generate: (chance) =>
    encode(
      `r=nonce${chance.pick(["x", ""])},s=${chance.pick(["c2E=", "!", ""])},i=${
        chance.pick(["4096", "4095", "1e9", "0", "100000", "10000001"])
      }${chance.pick(["", ",x=1", ",m=1"])}\n${chance.pick(MESSAGES)}`,
    ),
  run(input) {
    const machine = new ScramClient({
      user: "tim",
      password: "p",
      nonce: "nonce",
      maxIterations: 100_000,
    });
    machine.start();
    for (const line of decode(input).split("\n").slice(0, 6)) {
      const step = machine.challenge(encode(line));
      if (step.type !== "derive") continue;
      assert(step.iterations >= 4096 && step.iterations <= 100_000, `${step.iterations} rounds`);
      machine.derived(new Uint8Array(32));
    }
    assert(!machine.complete, "it took the server for one that knows the password");
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [sasl, client];
