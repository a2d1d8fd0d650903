import { assertEquals } from "@std/assert";
import { BodyHashes } from "../../../src/mailauth/dkim/body_hashes.ts";
import { DkimVerifier, verifyDkim } from "../../../src/mailauth/dkim/verify.ts";
import { parseFields } from "../../../src/message/header.ts";
import { rfc6376Message, rfc8463Message, rfc8463Records } from "./rfc_examples.ts";
import {
  dnsOf,
  ED25519_KEY,
  latin1,
  makeRsaKey,
  NOW,
  RSA_KEY,
  signByHand,
  type ToSign,
  verdicts,
} from "./signer.ts";

const HEAD =
  "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: a  tale\r\n\tof two\r\n";
const BODY = "One.  \r\n\r\nTwo\twords.\r\n\r\n\r\n";
const PLACE = "s._domainkey.example.org";

/** RFC 6376 §A.2. */
const RFC_6376_RECORDS = {
  "brisbane._domainkey.example.com": "v=DKIM1; p=" +
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkM" +
    "oGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/R" +
    "tdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToI" +
    "MmPSPDdQPNUYckcQ2QIDAQAB",
};
const EXAMPLES = [[rfc6376Message, RFC_6376_RECORDS], [rfc8463Message, rfc8463Records]] as const;

/** Verifies a whole message, as the RFCs print it. */
const verifyMessage = async (message: string, keys: Parameters<typeof dnsOf>[0]) => {
  const end = message.indexOf("\r\n\r\n") + 2;
  const fields = parseFields(latin1(message.slice(0, end)));
  const body = latin1(message.slice(end + 2));
  return await verifyDkim(fields, body, { resolver: dnsOf(keys), now: NOW });
};

/** Signs the usual message, perhaps otherwise, and verifies it. */
const signed = (
  how: Partial<ToSign>,
  ...rest: [keys?: Parameters<typeof dnsOf>[0], options?: Parameters<typeof verdicts>[3]]
) => {
  const { body = BODY } = how;
  return verdicts(signByHand({ head: HEAD, body, ...how }), body, ...rest);
};

Deno.test("verifyDkim() passes the example of RFC 6376 §A, and says who signed", async () => {
  assertEquals(await verifyMessage(rfc6376Message, RFC_6376_RECORDS), [{
    result: "pass",
    testing: false,
    domain: "example.com",
    selector: "brisbane",
    identity: "joe@football.example.com",
    algorithm: "rsa-sha256",
    signature: "AuUoFEfD",
  }]);
});

Deno.test("verifyDkim() passes both signatures of RFC 8463 §A", async () => {
  const results = await verifyMessage(rfc8463Message, rfc8463Records);
  assertEquals(results.map(({ result, algorithm }) => `${result} ${algorithm}`), [
    "pass ed25519-sha256",
    "pass rsa-sha256",
  ]);
});

Deno.test("verifyDkim() fails the examples of the RFCs when anything signed is another", async () => {
  for (const [message, keys] of EXAMPLES) {
    for (
      const changed of [
        message.replace("Joe.", "Jim."),
        message.replace("Joe SixPack", "Jim SixPack"),
        message.replaceAll("q=dns/txt;", "q=dns/txt; z=;"),
      ]
    ) {
      const results = await verifyMessage(changed, keys);
      assertEquals(results.map(({ result }) => result), results.map(() => "fail"));
    }
  }
});

Deno.test("verifyDkim() has nothing to say of a message without a signature, and asks nobody", async () => {
  const asked: string[] = [];
  const fields = parseFields(latin1(HEAD));
  assertEquals(
    await verifyDkim(fields, latin1(BODY), { resolver: dnsOf({}, asked), now: NOW }),
    [],
  );
  assertEquals(asked, []);
});

Deno.test("verifyDkim() passes all mixes of canonicalizations, with both kinds of keys", async () => {
  for (const key of [RSA_KEY, ED25519_KEY]) {
    const forms = ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"];
    for (const c of [...forms, "simple", "relaxed", "Relaxed / Simple", undefined]) {
      for (const body of [BODY, "", "\r\n", "\r\n\r\n", "no end", "a \r\n b\r\n"]) {
        assertEquals(
          await signed({ tags: { c }, body, key }, { [PLACE]: key.record }),
          ["pass"],
          `${c}`,
        );
      }
    }
  }
});

Deno.test("verifyDkim() tells simple from relaxed by what happens on the way", async () => {
  const on = async (c: string, changeHead: string, changeBody: string) => {
    const head = signByHand({ head: HEAD, body: BODY, tags: { c } });
    return await verdicts(
      changeHead === "" ? head : head.replace("Subject: a  tale\r\n\tof", `Subject: ${changeHead}`),
      BODY.replace("\tw", `${changeBody}w`),
    );
  };
  assertEquals(await on("relaxed/simple", " a tale of", "\t"), ["pass"]);
  assertEquals(await on("simple/relaxed", "", "  "), ["pass"]);
  assertEquals(await on("simple/simple", "a tale of", "\t"), [
    "fail: the signature does not fit the head and the key",
  ]);
  assertEquals(await on("simple/simple", "", " "), [
    "fail: the body is not the one that was signed",
  ]);
  assertEquals(await on("relaxed/relaxed", "", ""), [
    "fail: the body is not the one that was signed",
  ]);
});

Deno.test("verifyDkim() takes fields of one name from the bottom up, and none for those that are missing", async () => {
  const head = `Received: 2\r\nreceived: 1\r\n${HEAD}Received: 0\r\n`;
  const h = "received:From:RECEIVED:list-id:from:received:received";
  const all = signByHand({ head, body: BODY, tags: { h } });
  assertEquals(await verdicts(all, BODY), ["pass"]);
  assertEquals(await verdicts(all.replace("Received: 2", "Received: 3"), BODY), [
    "fail: the signature does not fit the head and the key",
  ]);
  assertEquals(await verdicts(`Received: 3\r\n${all}`, BODY), [
    "fail: the signature does not fit the head and the key",
  ]);
  assertEquals(await verdicts(`List-ID: x\r\n${all}`, BODY), [
    "fail: the signature does not fit the head and the key",
  ]);
  const two = signByHand({ head, body: BODY, tags: { h: "from:received:received" } });
  assertEquals(await verdicts(`Received: 3\r\n${two}`, BODY), ["pass"]);
});

Deno.test("verifyDkim() never takes a signature for a part of what it signs, and others of its name it does", async () => {
  const inner = signByHand({ head: HEAD, body: BODY });
  const tags = { h: "from:dkim-signature:DKIM-Signature" };
  const outer = signByHand({ head: inner, body: BODY, tags });
  assertEquals(await verdicts(outer, BODY), ["pass", "pass"]);
  const other = outer.replace(/(?<=\r\n)DKIM-Signature: v=1;/, "DKIM-Signature: v=1; ; ");
  assertEquals(
    (await verdicts(other, BODY))[0],
    "fail: the signature does not fit the head and the key",
  );
});

Deno.test("verifyDkim() passes 8-bit heads, UTF-8 and Latin-1, octet by octet", async () => {
  const utf8 = String.fromCharCode(...new TextEncoder().encode("Subject: 驿站 ünd\r\n"));
  for (const subject of [utf8, "Subject: \xe4\x80\x00 b\r\n"]) {
    for (const c of ["simple/simple", "relaxed/relaxed"]) {
      const head = `From: a@example.org\r\n${subject}`;
      assertEquals(await signed({ head, tags: { c, h: "from:subject" } }), ["pass"]);
    }
  }
});

Deno.test("verifyDkim() finds the value of b= in odd folding, and no other tag's", async () => {
  const key = { [PLACE]: RSA_KEY.record };
  for (const c of ["simple/simple", "relaxed/relaxed"]) {
    for (const fold of ["\r\n\t", "", "\r\n ", "   "]) {
      assertEquals(
        await signed({ tags: { c, B: "no", b2: "no", xb: "b=x", z: "b:b=" }, fold }, key),
        ["pass"],
      );
    }
  }
  // The white space within, before and behind the value was not there when it was signed.
  const head = signByHand({ head: HEAD, body: BODY, tags: { c: "simple/simple" } });
  const broken = head.replace(/ b=(.{20})(.{30})([^\r]*)/, " b= \r\n\t$1\r\n $2 \t$3 \r\n ");
  assertEquals(await verdicts(broken, BODY, key), ["pass"]);
  // What stands before the value, and behind its semicolon, was.
  assertEquals(await verdicts(head.replace(" b=", " b ="), BODY, key), [
    "fail: the signature does not fit the head and the key",
  ]);
  assertEquals(await verdicts(head.replace(/(b=[^\r]*)/, "$1;"), BODY, key), [
    "fail: the signature does not fit the head and the key",
  ]);
});

Deno.test("verifyDkim() takes a signature that leaves the end of the body unsigned for no pass, unless told to", async () => {
  const l = "5";
  assertEquals(await signed({ tags: { l } }), ["policy: the end of the body is not signed (l=)"]);
  assertEquals(await signed({ tags: { l } }, undefined, { acceptPartialBody: true }), ["pass"]);
  assertEquals(await signed({ tags: { l: "0" } }), [
    "policy: the end of the body is not signed (l=)",
  ]);
  // All but the last line feed.
  assertEquals(await signed({ tags: { l: "6" }, body: "12345\r\n" }), [
    "policy: the end of the body is not signed (l=)",
  ]);
  const whole = signByHand({ head: HEAD, body: "12345\r\n", tags: { l: "7" } });
  assertEquals(await verdicts(whole, "12345\r\n"), ["pass"]);
  assertEquals(await verdicts(whole, "12345\r\n\r\n"), ["pass"]);
  assertEquals(await verdicts(whole, "12345\r\n6\r\n"), [
    "policy: the end of the body is not signed (l=)",
  ]);
  assertEquals(await verdicts(whole, "12345\r\n6\r\n", undefined, { acceptPartialBody: true }), [
    "pass",
  ]);
  assertEquals(await verdicts(whole, "1234\r\n"), [
    "fail: the body is not the one that was signed",
  ]);
});

Deno.test("verifyDkim() believes no l= beyond the end of the body", async () => {
  for (const l of ["1000", "9".repeat(76)]) {
    assertEquals(await signed({ tags: { l } }), [
      "permerror: more of a body is signed than there is (l=)",
    ]);
  }
});

Deno.test("verifyDkim() takes a message with a second From for no pass, unless both are signed", async () => {
  const twice = `From: boss@example.org\r\n${signByHand({ head: HEAD, body: BODY })}`;
  assertEquals(await verdicts(twice, BODY), ["policy: there is a From field that is not signed"]);
  const head = `FROM: a@example.org\r\n${HEAD}`;
  assertEquals(await signed({ head, tags: { h: "from:from" } }), ["pass"]);
});

Deno.test("verifyDkim() heeds x= and t=", async () => {
  const now = NOW / 1000;
  const times = (t?: number, x?: number) =>
    signed({ tags: { t: t?.toString(), x: x?.toString() } });
  assertEquals(await times(now - 9, now + 9), ["pass"]);
  assertEquals(await times(now - 9, now), ["pass"]);
  assertEquals(await times(undefined, now - 1), ["fail: the signature has expired"]);
  assertEquals(await times(now - 1, now - 1), ["fail: the signature has expired"]);
  assertEquals(await times(now - 1, now - 2), [
    "permerror: the signature expired before it was made (x=)",
  ]);
  assertEquals(await times(now + 3600), ["pass"]);
  assertEquals(await times(now + 3601), ["policy: the signature is from the future (t=)"]);
});

Deno.test("verifyDkim() wants the identity at the domain, or below it where the key allows that", async () => {
  const strict = { [PLACE]: `${RSA_KEY.record}; t=s` };
  for (const i of ["@example.org", "ann@Example.ORG", "a=20b @ example.org", '"a@b"@example.org']) {
    assertEquals(await signed({ tags: { i } }, strict), ["pass"], i);
  }
  assertEquals(await signed({}, strict), ["pass"]);
  assertEquals(await signed({ tags: { i: "@a.b.example.org" } }), ["pass"]);
  assertEquals(await signed({ tags: { i: "@b.example.org" } }, strict), [
    "permerror: the key allows no identity below its domain (t=s)",
  ]);
  for (const i of ["@example.com", "@badexample.org", "@org", "a@example.org.evil.test"]) {
    assertEquals(await signed({ tags: { i } }), [
      "permerror: the identity (i=) is not of the domain that signs (d=)",
    ]);
  }
});

Deno.test("verifyDkim() says that a key is only a test", async () => {
  const records = { [PLACE]: `${RSA_KEY.record}; t = y : x` };
  const verify = async (body: string) => {
    const fields = parseFields(latin1(signByHand({ head: HEAD, body: BODY })));
    return await verifyDkim(fields, latin1(body), { resolver: dnsOf(records), now: NOW });
  };
  assertEquals((await verify(BODY)).map(({ result, testing }) => [result, testing]), [[
    "pass",
    true,
  ]]);
});

Deno.test("verifyDkim() gives permerror for a key that is not there, not for this, or no key", async () => {
  const asks = async (records: Parameters<typeof dnsOf>[0], key = RSA_KEY) =>
    await signed({ key }, records);
  assertEquals(await asks({}), [`permerror: there is no key at ${PLACE}`]);
  assertEquals(await asks({ [PLACE]: "v=DKIM1; p=" }), ["permerror: the key is revoked"]);
  assertEquals(await asks({ [PLACE]: "v=spf1 -all" }), [`permerror: there is no key at ${PLACE}`]);
  assertEquals(await asks({ [PLACE]: [RSA_KEY.record, "v=DKIM1; p="] }), [
    `permerror: there are 2 key records at ${PLACE}`,
  ]);
  assertEquals(await asks({ [PLACE]: ["v=spf1 -all", RSA_KEY.record] }), ["pass"]);
  assertEquals(await asks({ [PLACE]: ED25519_KEY.record }), [
    "permerror: the key is of another kind than the signature (k=)",
  ]);
  assertEquals(await asks({ [PLACE]: RSA_KEY.record }, ED25519_KEY), [
    "permerror: the key is of another kind than the signature (k=)",
  ]);
  const weak = makeRsaKey(768);
  assertEquals(await asks({ [PLACE]: weak.record }, weak), [
    "permerror: the RSA key has 768 bits, and fewer than 1024 do not count",
  ]);
});

Deno.test("verifyDkim() gives temperror when DNS fails, and fail when the body says so without it", async () => {
  const keys = { [PLACE]: "!SERVFAIL" };
  assertEquals(await signed({}, keys), [`temperror: DNS failed for ${PLACE}: SERVFAIL`]);
  const head = signByHand({ head: HEAD, body: BODY });
  assertEquals(await verdicts(head, "other", keys), [
    "fail: the body is not the one that was signed",
  ]);
  const resolver = {
    txt: () => {
      throw new Error("out of order");
    },
  };
  assertEquals(await signed({}, {}, { resolver }), [
    `temperror: DNS failed for ${PLACE}: out of order`,
  ]);
});

Deno.test("verifyDkim() fails a message that a list has put a footer or a prefix on", async () => {
  for (const c of ["simple/simple", "relaxed/relaxed"]) {
    const head = signByHand({ head: HEAD, body: BODY, tags: { c } });
    const footer = `${BODY}_______\r\nlist mailing list\r\n`;
    assertEquals(await verdicts(head, footer), ["fail: the body is not the one that was signed"]);
    const prefixed = head.replace("Subject: ", "Subject: [list] ");
    assertEquals(await verdicts(prefixed, BODY), [
      "fail: the signature does not fit the head and the key",
    ]);
    assertEquals(await verdicts(`List-Id: <list.example>\r\n${head}`, BODY), ["pass"]);
  }
});

Deno.test("verifyDkim() asks for a domain of U-labels by its A-labels", async () => {
  const asked: string[] = [];
  const d = String.fromCharCode(...new TextEncoder().encode("bücher.example"));
  const place = "s._domainkey.xn--bcher-kva.example";
  const fields = parseFields(latin1(signByHand({ head: HEAD, body: BODY, tags: { d } })));
  const resolver = dnsOf({ [place]: RSA_KEY.record }, asked);
  const [result] = await verifyDkim(fields, latin1(BODY), { resolver, now: NOW });
  assertEquals([result?.result, result?.domain, result?.identity, asked], [
    "pass",
    "xn--bcher-kva.example",
    "@xn--bcher-kva.example",
    [place],
  ]);
});

Deno.test("DkimVerifier takes the body in pieces, and asks for keys before it", async () => {
  const asked: string[] = [];
  const fields = parseFields(latin1(signByHand({ head: HEAD, body: BODY })));
  const hashes = new BodyHashes();
  const resolver = dnsOf({ [PLACE]: RSA_KEY.record }, asked);
  const verifier = new DkimVerifier(fields, hashes, { resolver, now: NOW });
  assertEquals(asked, [PLACE]);
  assertEquals(verifier.signed, true);
  const piece = new Uint8Array(1);
  for (const octet of latin1(BODY)) {
    piece[0] = octet;
    hashes.write(piece);
  }
  hashes.end();
  assertEquals((await verifier.finish()).map(({ result }) => result), ["pass"]);
});
