import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseReportRecord } from "../../../src/delivery/tls_reports/record.ts";

const mail = (address: string) => ({ kind: "mail", address } as const);

Deno.test("parseReportRecord() reads the examples of RFC 8460 §3.1", () => {
  assertEquals(parseReportRecord(["v=TLSRPTv1;rua=mailto:reports@example.com"]), [
    mail("reports@example.com"),
  ]);
  assertEquals(parseReportRecord(["v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"]), [{
    kind: "https",
    host: "reporting.example.com",
    port: 443,
    target: "/v1/tlsrpt",
    url: "https://reporting.example.com/v1/tlsrpt",
  }]);
});

Deno.test("parseReportRecord() takes several targets, four at most, and passes over what it does not know", () => {
  assertEquals(
    parseReportRecord([
      "v=spf1 -all",
      "v=TLSRPTv1; ext=x; rua=ftp://example.com/, mailto:a@example.com ,MAILTO:b%2Bc@example.com?subject=x;",
    ]),
    [mail("a@example.com"), mail("b+c@example.com")],
  );
  const many = Array.from({ length: 9 }, (_, index) => `mailto:${index}@example.com`).join(",");
  assertEquals(parseReportRecord([`v=TLSRPTv1; rua=${many}`])?.length, 4);
});

Deno.test("parseReportRecord() finds nobody to report to in what is wrong", () => {
  for (
    const texts of [
      [],
      ["v=TLSRPTv1"],
      ["v=TLSRPTv1;"],
      ["v=tlsrptv1; rua=mailto:a@example.com"],
      ["v=TLSRPTv1; rua=mailto:a@example.com", "v=TLSRPTv1; rua=mailto:a@example.com"],
      ["v=TLSRPTv1; rua=mailto:a@example.com; rua=mailto:b@example.com"],
      ["v=TLSRPTv1; rua=mailto:a@example.com; nonsense"],
      ["v=TLSRPTv1; rua="],
      ["v=TLSRPTv1; rua=mailto:"],
      ["v=TLSRPTv1; rua=mailto:no-address"],
      ["v=TLSRPTv1; rua=mailto:a@example.com%0d%0aBcc:b@example.com"],
      ["v=TLSRPTv1; rua=mailto:%"],
      ["v=TLSRPTv1; rua=http://example.com/"],
      ["v=TLSRPTv1; rua=https://user:secret@example.com/"],
      ["v=TLSRPTv1; rua=https://127.0.0.1/"],
      ["v=TLSRPTv1; rua=https://2130706433/"],
      ["v=TLSRPTv1; rua=https://[::1]/"],
      ["v=TLSRPTv1; rua=https://"],
      [`v=TLSRPTv1; rua=https://example.com/${"x".repeat(2000)}`],
    ]
  ) assertEquals(parseReportRecord(texts), null, texts.join(" | "));
});

Deno.test("parseReportRecord() never throws, and gives targets that stay on their line", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    for (const rua of [text, `mailto:${text}`, `https://${text}`, `https://a.example/${text}`]) {
      for (const target of parseReportRecord([`v=TLSRPTv1; rua=${rua}`]) ?? []) {
        const said = target.kind === "mail" ? target.address : target.host + target.target;
        assertEquals(/\p{Cc}/u.test(said), false);
        if (target.kind === "https") assertEquals(/^\/[\x21-\x7e]*$/.test(target.target), true);
      }
    }
  }));
});
