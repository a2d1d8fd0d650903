import { assertEquals } from "@std/assert";
import { encode } from "../../../src/bytes.ts";
import { signHook, verifyHook } from "../../../src/policy/http_hook/signature.ts";

Deno.test("signHook() signs as Standard Webhooks does", () => {
  // The example of the specification's libraries: secret, id, time and payload with the signature they give.
  const headers = signHook(
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1_614_265_330_000,
    encode('{"test": 2432232314}'),
  );
  assertEquals(headers, {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
});

Deno.test("signHook() takes any other text for the secret itself, as any HMAC does", async () => {
  // By the other implementation of the runtime.
  const key = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode("a secret of ours"),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const wanted = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode("id.12.{}"));
  const { "webhook-signature": signature } = signHook(
    "a secret of ours",
    "id",
    12_345,
    encode("{}"),
  );
  assertEquals(signature, `v1,${new Uint8Array(wanted).toBase64()}`);
});

Deno.test("attack: verifyHook() takes nothing that was changed, forged or kept", () => {
  const secret = "a secret of ours";
  const [body, now] = [encode('{"version":1}'), 1_700_000_000_000];
  const signed: Record<string, string> = { ...signHook(secret, "one", now, body) };
  const verify = (changed: Record<string, string>, at = now, text = body) => {
    const headers = new Headers({ ...signed, ...changed });
    return verifyHook(secret, (name) => headers.get(name), at, text);
  };
  assertEquals(verify({}), true);
  assertEquals(verify({ "webhook-signature": `v1,AAAA ${signed["webhook-signature"]}` }), true);
  assertEquals(verify({}, now, encode('{"version":2}')), false);
  assertEquals(verify({ "webhook-id": "two" }), false);
  assertEquals(verify({ "webhook-timestamp": "1700000001" }), false);
  assertEquals(verify({ "webhook-timestamp": "1.7e9" }), false);
  assertEquals(verify({ "webhook-signature": "v1," }), false);
  assertEquals(verify({ "webhook-signature": signed["webhook-signature"]!.slice(3) }), false);
  assertEquals(verify({}, now + 301_000), false);
  assertEquals(verify({}, now - 301_000), false);
  assertEquals(verifyHook(secret, () => null, now, body), false);
});
