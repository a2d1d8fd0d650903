import { assert, assertEquals } from "@std/assert";
import {
  type DkimPublicKey,
  dkimRecordProblem,
  formatDkimRecord,
  readDkimKey,
} from "../../src/admin/dkim_key.ts";

/** RFC 8463 Appendix A.2: the private key (as PKCS#8, RFC 8410 §7) and what its record has. */
const ED25519 = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
`;
const ED25519_RECORD = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/** RFC 8463 Appendix A.2: `test._domainkey.football.example.com`, 1024 bits. */
const RSA = `-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
`;
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
