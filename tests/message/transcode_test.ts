import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, decode, encode } from "../../src/bytes.ts";
import { transcode } from "../../src/message/transcode.ts";

/** Text as octets, one a character. */
const octets = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** A message of head lines and a body, one octet a character, in chunks that cut lines anywhere. */
function message(head: readonly string[], body: string, size = 5) {
  const bytes = octets(body);
  return {
    head: octets(head.map((line) => `${line}\r\n`).join("")),
    openBody: async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
    },
  };
}

/** Head and body after transcoding, one octet a character; `null` as the function says it. */
async function run(source: ReturnType<typeof message>, to: "7bit" | "8bit") {
  const made = await transcode(source, to);
  if (made === null) return null;
  const chunks: Uint8Array[] = [];
  for await (const chunk of made.openBody()) chunks.push(chunk.slice());
  const latin1 = new TextDecoder("latin1");
  return { head: latin1.decode(made.head), body: latin1.decode(concat(chunks)) };
}

const MIME = "MIME-Version: 1.0";
const UTF8 = "Content-Type: text/plain; charset=utf-8";
const MULTIPART = 'Content-Type: multipart/mixed; boundary="b"';

Deno.test("transcode() makes 8-bit text quoted-printable and replaces the label in place", async () => {
  const head = [MIME, "Content-Transfer-Encoding: 8bit", UTF8, "Subject: x"];
  assertEquals(await run(message(head, "caf\xc3\xa9 = good\r\n\r\nend \r\n"), "7bit"), {
    head: `${MIME}\r\nContent-Transfer-Encoding: quoted-printable\r\n${UTF8}\r\nSubject: x\r\n`,
    body: "caf=C3=A9 =3D good\r\n\r\nend=20\r\n",
  });
});

Deno.test("transcode() uses base64 where text is mostly 8-bit, and for what is no text", async () => {
  // echo -ne '\xe9\xa9\xbf\xe7\xab\x99\r\n' | base64
  const text = await run(message([MIME, UTF8], "\xe9\xa9\xbf\xe7\xab\x99\r\n"), "7bit");
  assertEquals(text?.body, "6am/56uZDQo=\r\n");
  assert(text?.head.endsWith("Content-Transfer-Encoding: base64\r\n"));
  const image = message([MIME, "Content-Type: image/png"], `${"x".repeat(57)}\xff\r\n`);
  assertEquals((await run(image, "7bit"))?.body, `${"eHh4".repeat(19)}\r\n/w0K\r\n`);
});

Deno.test("transcode() labels a body that is not MIME", async () => {
  const utf8 = await run(message(["Subject: x"], "only caf\xc3\xa9 here\r\n"), "7bit");
  assertEquals(
    utf8?.head,
    "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n" +
      "Content-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n",
  );
  const latin1 = await run(message(["Subject: x"], "only caf\xe9 here\r\n"), "7bit");
  assert(latin1?.head.includes("text/plain; charset=unknown-8bit\r\n")); // RFC 1428 §3
});

Deno.test("transcode() gives the message back untouched when nothing needs it", async () => {
  const head = [MIME, UTF8, "Content-Transfer-Encoding: 8bit"];
  const source = message(head, "plain\r\n");
  const made = await transcode(source, "7bit");
  assertEquals(made?.head, source.head);
  assertEquals(made?.bodySize, 7);
  const eightBit = await transcode(message(head, "caf\xe9\r\n"), "8bit");
  assertEquals(eightBit?.head, source.head);
});

Deno.test("transcode() changes only the parts that need it, and the labels above them", async () => {
  const body = [
    "preamble \xe9",
    "--b",
    "Content-Type: text/plain",
    "",
    "plain",
    "--b",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
    "",
    "a long enough caf\xc3\xa9",
    "--b  ",
    "Content-Type: multipart/alternative; boundary=c",
    "Content-Transfer-Encoding: 8bit",
    "",
    "--c",
    "Content-Type: application/x-y",
    "",
    "\xff",
    "--c--",
    "--bb is no boundary",
    "--b--",
    "",
  ].join("\r\n");
  const made = await run(
    message([MIME, MULTIPART, "Content-Transfer-Encoding: 8bit"], body),
    "7bit",
  );
  assertEquals(made?.head, `${MIME}\r\n${MULTIPART}\r\nContent-Transfer-Encoding: 7bit\r\n`);
  assertEquals(
    made?.body,
    [
      "preamble ?",
      "--b",
      "Content-Type: text/plain",
      "",
      "plain",
      "--b",
      "Content-Type: text/plain; charset=utf-8",
      "Content-Transfer-Encoding: quoted-printable",
      "",
      "a long enough caf=C3=A9",
      "--b  ",
      "Content-Type: multipart/alternative; boundary=c",
      "Content-Transfer-Encoding: 7bit",
      "",
      "--c",
      "Content-Type: application/x-y",
      "Content-Transfer-Encoding: base64",
      "",
      "/w==",
      "--c--",
      "--bb is no boundary",
      "--b--",
      "",
    ].join("\r\n"),
  );
});

Deno.test("transcode() goes into enclosed messages, never encodes them", async () => {
  const head = [MIME, "Content-Type: message/rfc822", "Content-Transfer-Encoding: 8bit"];
  const made = await run(
    message(head, `Subject: in\r\n${UTF8}\r\n\r\nback at the caf\xc3\xa9\r\n`),
    "7bit",
  );
  assert(made?.head.endsWith("Content-Transfer-Encoding: 7bit\r\n")); // RFC 2046 §5.2.1
  assertEquals(
    made?.body,
    `Subject: in\r\n${UTF8}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n` +
      "back at the caf=C3=A9\r\n",
  );
  // RFC 6532 §3.7: this one may be encoded.
  const global = await run(
    message([MIME, "Content-Type: message/global"], "Subject: \xc3\xa9\r\n\r\n"),
    "7bit",
  );
  assertEquals(global?.body, "Subject: =C3=A9\r\n\r\n");
});

Deno.test("transcode() takes parts of a digest for messages", async () => {
  const head = [MIME, "Content-Type: multipart/digest; boundary=b"];
  const made = await run(
    message(head, "--b\r\n\r\nSubject: in\r\n\r\nthe caf\xe9\r\n--b--\r\n"),
    "7bit",
  );
  assertEquals(
    made?.body,
    "--b\r\n\r\nSubject: in\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" +
      "Content-Transfer-Encoding: quoted-printable\r\n\r\nthe caf=E9\r\n--b--\r\n",
  );
});

Deno.test("transcode() encodes what is binary for 8-bit transport, and only that", async () => {
  for (const binary of ["a\0b", "a\rb", "a\nb", "x".repeat(999)]) {
    const body = `--b\r\n\r\n${binary}\r\n--b\r\n${UTF8}\r\n\r\ncaf\xc3\xa9\r\n--b--\r\n`;
    const head = [MIME, MULTIPART, "Content-Transfer-Encoding: binary"];
    const made = await run(message(head, body), "8bit");
    assertEquals(made?.head, `${MIME}\r\n${MULTIPART}\r\nContent-Transfer-Encoding: 8bit\r\n`);
    const lines = btoa(binary).replace(/.{76}(?=.)/g, "$&\r\n");
    assertEquals(
      made?.body,
      `--b\r\nContent-Transfer-Encoding: base64\r\n\r\n${lines}\r\n` +
        `--b\r\n${UTF8}\r\n\r\ncaf\xc3\xa9\r\n--b--\r\n`,
    );
  }
  const fitting = message([MIME, UTF8], `${"x".repeat(998)}\r\n`);
  assertEquals((await transcode(fitting, "8bit"))?.head, fitting.head);
});

Deno.test("transcode() ends quoted-printable without line end where there was none", async () => {
  const made = await run(message([MIME, UTF8], "a good caf\xc3\xa9"), "7bit");
  assertEquals(made?.body, "a good caf=C3=A9=\r\n");
});

const SIGNED = 'Content-Type: multipart/signed; protocol="x/y"; boundary="b"';

for (
  const [what, head, body] of [
    ["a signed part", [MIME, SIGNED], "--b\r\n\r\ncaf\xe9\r\n--b--\r\n"],
    ["an encrypted part", [MIME, "Content-Type: multipart/encrypted; boundary=b"], "\xe9\r\n"],
    ["a multipart without boundary", [MIME, "Content-Type: multipart/mixed"], "\xe9\r\n"],
    ["a multipart with two boundaries", [MIME, `${MULTIPART}; boundary=c`], "\xe9\r\n"],
    ["a header field of a part", [MIME, MULTIPART], "--b\r\nX: \xe9\r\n\r\n--b--\r\n"],
    ["a header of a part that is none", [MIME, MULTIPART], "--b\r\nno field\r\n\xe9\r\n--b--\r\n"],
    ["base64", [MIME, "Content-Transfer-Encoding: base64"], "\xe9\r\n"],
    ["an unknown encoding", [MIME, "Content-Transfer-Encoding: x-y"], "\xe9\r\n"],
    ["a part of a message", [MIME, "Content-Type: message/partial; id=1"], "\r\n\xe9\r\n"],
  ] as const
) {
  Deno.test(`transcode() gives null when 8-bit octets are in ${what}`, async () => {
    assertEquals(await run(message(head, body), "7bit"), null);
    const clean = message(head, body.replace(/\xe9/g, "e"));
    assertEquals((await transcode(clean, "7bit"))?.head, clean.head);
  });
}

Deno.test("transcode() leaves a signed part alone when others change", async () => {
  const signed = `${SIGNED.replace('"b"', '"s"')}\r\n\r\n--s\r\n` +
    "Content-Transfer-Encoding: 8bit\r\n\r\nplain\r\n--s--";
  const made = await run(
    message(
      [MIME, MULTIPART],
      `--b\r\n${signed}\r\n--b\r\n${UTF8}\r\n\r\nthis is \xc3\xa9 too\r\n--b--\r\n`,
    ),
    "7bit",
  );
  assert(made?.body.includes(signed));
  assert(made?.body.includes("this is =C3=A9 too\r\n--b--\r\n"));
});

Deno.test("transcode() tells that the head is 8-bit, and does not touch it", async () => {
  const made = await transcode(
    message(["Subject: \xc3\xa9", MIME], "caf\xc3\xa9 au lait\r\n"),
    "7bit",
  );
  assertEquals(made?.headIs8bit, true);
  assert(decode(made!.head).startsWith("Subject: é\r\n"));
  assertEquals((await transcode(message([MIME], ""), "7bit"))?.headIs8bit, false);
});

Deno.test("transcode() looks into a bounded depth and number of parts", async () => {
  const deep = (levels: number): string =>
    levels === 0
      ? "\r\ncaf\xe9 au lait"
      : `Content-Type: multipart/mixed; boundary=b${levels}\r\n\r\n--b${levels}\r\n${
        deep(levels - 1)
      }` +
        `\r\n--b${levels}--\r\n`;
  const nested = (levels: number) => {
    const text = deep(levels);
    const [field = ""] = text.split("\r\n", 1);
    return message([MIME, field], text.slice(field.length + 4), 4096);
  };
  assert(await run(nested(15), "7bit") !== null);
  assertEquals(await run(nested(40), "7bit"), null);
  const many = `${"--b\r\n\r\n".repeat(20_000)}\r\ncaf\xe9\r\n--b--\r\n`;
  assertEquals(await run(message([MIME, MULTIPART], many, 4096), "7bit"), null);
});

Deno.test("transcode() never throws, and what it gives fits (property)", async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "\r\n",
      "\r",
      "\n",
      "--b",
      "--c",
      "--",
      "\r\n\r\n",
      "\xe9",
      "\0",
      " ",
      "x:y",
      "=",
    ),
    fc.constantFrom(
      "Content-Type: ",
      "multipart/mixed; boundary=",
      "c",
      "message/rfc822",
      "text/plain",
    ),
    fc.constantFrom("\r\n--b\r\n", "\r\n--c--\r\n", "Content-Transfer-Encoding: 8bit\r\n"),
    fc.string({ maxLength: 20 }).map((text) => decode(encode(text)).replace(/[^\0-\xff]/g, "?")),
  );
  await fc.assert(fc.asyncProperty(
    fc.array(piece, { maxLength: 60 }),
    fc.constantFrom("7bit", "8bit"),
    fc.integer({ min: 1, max: 50 }),
    async (pieces, to, size) => {
      const made = await run(message([MIME, MULTIPART], pieces.join(""), size), to);
      if (made === null) return;
      if (to === "7bit") assert(!/[\x80-\xff]/.test(made.body));
      assert(made.body.split("\r\n").every((line) => line.length <= 998));
      assert(!/\0|\r(?!\n)|(?<!\r)\n/.test(made.body));
    },
  ));
});
