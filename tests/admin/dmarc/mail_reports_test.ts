import { assertEquals } from "@std/assert";
import { maybeReport, reportParts } from "../../../src/admin/dmarc/mail_reports.ts";
import { unpackReports } from "../../../src/admin/dmarc/unpack.ts";
import { decode, encode } from "../../../src/bytes.ts";
import { gzipped, RFC_9990, zipped } from "./samples.ts";

const SUBJECT = "Subject: Report domain: example.com Submitter: a.example Report-ID: <1>\n";

function base64(octets: Uint8Array): string {
  return octets.toBase64().match(/.{1,76}/g)!.join("\n");
}

function part(type: string, encoding: string, content: string): string {
  return `Content-Type: ${type}\nContent-Transfer-Encoding: ${encoding}\n\n${content}\n`;
}

function multipart(...parts: readonly string[]): Uint8Array {
  const head = `From: a@b.example\n${SUBJECT}Content-Type: multipart/mixed; boundary="x"\n\n`;
  return encode(`${head}${parts.map((one) => `--x\n${one}`).join("")}--x--\n`);
}

function reportsIn(mail: Uint8Array): string[] {
  return reportParts(mail).flatMap((pack) => unpackReports(pack)).map((xml) => decode(xml));
}

const TEXT = part("text/plain", "7bit", "This is a report.\n<?xml is nothing here");
const GZIP = base64(gzipped(RFC_9990));
const ZIP = base64(zipped({ name: "a.xml", content: encode(RFC_9990) }));

Deno.test("reportParts() finds a report in whatever part, by whatever type", () => {
  assertEquals(reportsIn(multipart(TEXT, part("application/gzip", "base64", GZIP))), [RFC_9990]);
  assertEquals(reportsIn(multipart(part("application/zip", "BASE64", ZIP))), [RFC_9990]);
  assertEquals(reportsIn(multipart(part('x-y/z; name="a.gz"', "base64", ZIP), TEXT)), [RFC_9990]);
  const two = multipart(part("application/gzip", "base64", GZIP), part("a/b", "base64", ZIP));
  assertEquals(reportsIn(two), [RFC_9990, RFC_9990]);
  const inner = part(
    "multipart/mixed; boundary=y",
    "7bit",
    `--y\n${part("a/b", "base64", ZIP)}--y--`,
  );
  assertEquals(reportsIn(multipart(inner)), [RFC_9990]);
  const alone = encode(`${SUBJECT}${part("application/gzip", "base64", GZIP)}`);
  assertEquals(reportsIn(alone), [RFC_9990]);
});

Deno.test("reportParts() reads XML as it is, and in quoted-printable", () => {
  const crlf = RFC_9990.replaceAll("\n", "\r\n");
  assertEquals(reportsIn(multipart(part("text/xml", "7bit", RFC_9990.trimEnd()))), [
    crlf.trimEnd(),
  ]);
  const quoted = RFC_9990.trimEnd().replaceAll("=", "=3D").replace("Sample Rep", "Sample R=\ne=70");
  assertEquals(reportsIn(multipart(part("text/xml", "Quoted-Printable", quoted))), [
    crlf.trimEnd(),
  ]);
});

Deno.test("reportParts() finds none in other mail", () => {
  const none = [
    "",
    "Subject: hi\n\nHello.\n",
    `${SUBJECT}\n${RFC_9990}`,
    `${SUBJECT}${part("application/gzip", "base64", "aGVsbG8=")}`,
    `${SUBJECT}${part("application/tlsrpt+gzip", "base64", GZIP)}`,
    `${SUBJECT}${part("application/gzip", "base64", "\x00\x01?!")}`,
    `${SUBJECT}Content-Type: multipart/mixed; boundary=x\n\n--x\n`,
  ];
  for (const mail of none) assertEquals(reportParts(encode(mail)), [], mail);
});

Deno.test("maybeReport() goes by the subject, wherever the head ends", () => {
  const is = (subject: string) => maybeReport(encode(`From: a@b.example\n${subject}\n\nHello`));
  assertEquals(is("Subject: Report Domain: a.example\n Submitter: b.example"), true);
  assertEquals(is("Subject: [Preview] Report\n Domain: a.example"), true);
  assertEquals(is("subject: report domain: a.example"), true);
  assertEquals(maybeReport(encode("Subject: Report Domain: a.exam")), true);
  for (
    const other of ["Subject: hello", "X-Subject: Report Domain: x", "Subject: reporting domains"]
  ) {
    assertEquals(is(other), false, other);
  }
  assertEquals(maybeReport(new Uint8Array()), false);
  const tls = "Subject: Report Domain: a.example\nTLS-Report-Domain: a.example";
  assertEquals(is(tls), false);
  const type = 'Content-Type: multipart/report; report-type="tlsrpt"; boundary=x';
  assertEquals(is(`${type}\nSubject: Report Domain: a.example`), false);
});
