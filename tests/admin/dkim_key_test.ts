import { assert, assertEquals } from "@std/assert";
import {
  type DkimPublicKey,
  dkimRecordProblem,
  formatDkimRecord,
  readDkimKey,
} from "../../src/admin/dkim_key.ts";
import {
  rfc8463Ed25519Key as ED25519,
  rfc8463RsaKey as RSA,
} from "../mailauth/dkim/rfc_examples.ts";

/** RFC 8463 Appendix A.2: what the records of the two keys have. */
const ED25519_RECORD = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

const RSA_RECORD =
  "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bd" +
  "OKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYL" +
  "zBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";

function keyOf(pem: string): DkimPublicKey {
  const read = readDkimKey(pem);
  assert(read.status === "key", JSON.stringify(read));
  return read.key;
}

Deno.test("formatDkimRecord() gives the records of RFC 8463 for its private keys", () => {
  assertEquals(formatDkimRecord(keyOf(ED25519)), ED25519_RECORD);
  assertEquals(formatDkimRecord(keyOf(RSA)), RSA_RECORD);
});

Deno.test("readDkimKey() says what is wrong with a file", () => {
  const reasonOf = (pem: string) => {
    const read = readDkimKey(pem);
    return read.status === "bad" ? read.reason : "";
  };
  assertEquals(reasonOf(""), "holds no private key in PEM form without a passphrase");
  assertEquals(
    reasonOf(RSA.slice(0, 300)),
    "holds no private key in PEM form without a passphrase",
  );
  // RFC 5480: a key for ECDSA, which DKIM does not know.
  const ec = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2
OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r
1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G
-----END PRIVATE KEY-----
`;
  assertEquals(reasonOf(ec), "holds a key of kind ec; wanted RSA or Ed25519");
});

Deno.test("dkimRecordProblem() takes every way to write the same key (RFC 6376 §3.6.1)", () => {
  const key = keyOf(RSA);
  const { data } = key;
  for (
    const text of [
      RSA_RECORD,
      `p=${data}`,
      `v=DKIM1;p=${data};`,
      ` v = DKIM1 ; h=sha1 : sha256 ; s = * ; n=a note ; p = ${data.slice(0, 50)} \t${
        data.slice(50)
      }`,
      `v=DKIM1; s=email; t=y; x=unknown; p=${data}`,
    ]
  ) assertEquals(dkimRecordProblem(text, key), null, text);
});

Deno.test("dkimRecordProblem() says what keeps a record from being ours", () => {
  const key = keyOf(RSA);
  const { data } = key;
  const cases: [string, RegExp][] = [
    [ED25519_RECORD, /kind ed25519, and ours is rsa/],
    [`v=DKIM1; k=rsa; p=${data.slice(0, 100)}`, /only the first 100 of the 216 characters/],
    [`v=DKIM1; k=rsa; p=${data.replace("M", "N")}`, /another key/],
    ["v=DKIM1; k=rsa; p=", /revokes/],
    ["v=DKIM1; k=rsa", /no key/],
    [`k=rsa; v=DKIM1; p=${data}`, /begin with v=DKIM1/],
    [`v=DKIM2; p=${data}`, /begin with v=DKIM1/],
    [`v=DKIM1; h=sha1; p=${data}`, /SHA-256/],
    [`v=DKIM1; s=other; p=${data}`, /not for mail/],
    ["not a record", /no list of tags/],
    [`v=DKIM1; p=${data}; p=${data}`, /no list of tags/],
  ];
  for (const [text, problem] of cases) {
    const found = dkimRecordProblem(text, key);
    assert(found !== null && problem.test(found), `${text}: ${found}`);
  }
});
