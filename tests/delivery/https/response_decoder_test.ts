import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { encode } from "../../../src/bytes.ts";
import { HttpResponseDecoder, mediaTypeOf } from "../../../src/delivery/https/response_decoder.ts";

/** Reads a response that comes in pieces: the body as text, or what is wrong. */
function read(text: string, size = Infinity, limit = 1000) {
  const decoder = new HttpResponseDecoder(limit);
  const octets = encode(text);
  for (let at = 0; at < octets.length; at += size) {
    const fault = decoder.receive(octets.subarray(at, Math.min(octets.length, at + size)));
    if (fault !== null) return fault;
  }
  const { done } = decoder;
  return done && { ...done, body: new TextDecoder().decode(done.body) };
}

const OK = "HTTP/1.1 200 OK\r\n";

Deno.test("HttpResponseDecoder reads bodies of a known length and in chunks, however they come", () => {
  const responses = [
    `${OK}Content-Type: text/plain; charset=utf-8\r\nContent-Length: 11\r\n\r\nhello world`,
    `${OK}content-type:text/plain\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n6;x="y"\r\n world\r\n0\r\nX: y\r\n\r\n`,
    `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${OK}Content-Type: Text/Plain\r\nContent-Length: 11\r\n\r\nhello world`,
    `HTTP/1.0 200\nContent-Type: text/plain\nContent-Length: 11\n\nhello world and more`,
  ];
  for (const response of responses) {
    for (const size of [1, 2, 3, 7, Infinity]) {
      const got = read(response, size);
      assert(got !== null && typeof got === "object", `${got}: ${response}`);
      assertEquals([got.status, got.body, mediaTypeOf(got)], [200, "hello world", "text/plain"]);
    }
  }
});

Deno.test("HttpResponseDecoder has no body of a response that has none", () => {
  const got = read("HTTP/1.1 204 No Content\r\n\r\n");
  assert(got !== null && typeof got === "object");
  assertEquals([got.status, got.body, mediaTypeOf(got)], [204, "", ""]);
});

Deno.test("HttpResponseDecoder waits for the rest of what is not whole", () => {
  const whole = `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`;
  for (let length = 0; length < whole.length; length++) {
    assertEquals(read(whole.slice(0, length)), null, `${length}`);
  }
});

Deno.test("HttpResponseDecoder joins fields of one name", () => {
  const got = read(`${OK}A: 1\r\nContent-Length: 0\r\na:  2 \r\n\r\n`);
  assert(got !== null && typeof got === "object");
  assertEquals(got.headers.get("a"), "1, 2");
});

Deno.test("HttpResponseDecoder finds fault with what is wrong, too large, or to be read in two ways", () => {
  const cases: [string, RegExp][] = [
    ["SSH-2.0-OpenSSH\r\n\r\n", /no response/],
    ["HTTP/2 200 OK\r\n\r\n", /no response/],
    ["HTTP/1.1 20 OK\r\n\r\n", /no response/],
    [`${OK}no field\r\n\r\n`, /no field/],
    [`${OK}A : b\r\n\r\n`, /no field/],
    [`${OK}A: b\r\n folded\r\n\r\n`, /no field/],
    [`${OK}A: b\0\r\n\r\n`, /no field/],
    [`${OK}A: ${"b".repeat(17_000)}`, /head is larger/],
    [`${OK}${"A: b\r\n".repeat(4000)}`, /head is larger/],
    [`HTTP/1.1 100 Continue\r\n\r\n`.repeat(1000), /head is larger/],
    [`${OK}\r\nuntil the end`, /how long/],
    [`${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`, /content length/],
    [`${OK}Content-Length: +5\r\n\r\nhello`, /content length/],
    [`${OK}Content-Length: 1001\r\n\r\n`, /larger than 1000/],
    [`${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, /not chunked alone/],
    [`${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, /not chunked alone/],
    [`${OK}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, /no size/],
    [`${OK}Transfer-Encoding: chunked\r\n\r\n-1\r\n`, /no size/],
    [`${OK}Transfer-Encoding: chunked\r\n\r\n\r\n`, /no size/],
    [`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello world\r\n`, /longer than its size/],
    [`${OK}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n`, /larger than 1000/],
    [`${OK}Transfer-Encoding: chunked\r\n\r\n5;${"x".repeat(2000)}`, /no end/],
    [`${OK}Transfer-Encoding: chunked\r\n\r\n${"1\r\na\r\n".repeat(1001)}`, /larger than 1000/],
    [`${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n${"A: b\r\n".repeat(4000)}`, /head is larger/],
  ];
  for (const [response, fault] of cases) {
    for (const size of [Infinity, 1]) {
      const got = read(response, size);
      assert(typeof got === "string", `${JSON.stringify(got)} for ${response.slice(0, 80)}`);
      assertMatch(got, fault);
    }
  }
});

Deno.test("HttpResponseDecoder never throws and holds no more than its limit", () => {
  const pieces = fc.array(
    fc.oneof(
      fc.constantFrom(
        OK,
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "\r\n",
        "3\r\nabc\r\n",
        "0\r\n",
      ),
      fc.string(),
    ).map(encode),
  );
  fc.assert(fc.property(pieces, (parts) => {
    const decoder = new HttpResponseDecoder(10);
    for (const part of parts) if (decoder.receive(part) !== null) return;
    assert((decoder.done?.body.length ?? 0) <= 10);
  }));
});
