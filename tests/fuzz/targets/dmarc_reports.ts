/**
 * Fuzzing of aggregate reports that others send: XML, what it is packed in, and the places that a record names for ours.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { deflateRawSync, gzipSync } from "node:zlib";
import { reportParts } from "../../../src/admin/dmarc/mail_reports.ts";
import { parseAggregateReport } from "../../../src/admin/dmarc/report.ts";
import { DmarcSummary } from "../../../src/admin/dmarc/summary.ts";
import { unpackReports } from "../../../src/admin/dmarc/unpack.ts";
import { PackFault } from "../../../src/admin/dmarc/zip.ts";
import { parseAddress } from "../../../src/address.ts";
import { decode, encode } from "../../../src/bytes.ts";
import { formatDomainSummary } from "../../../src/cli/dmarc_text.ts";
import { parseReportPlaces } from "../../../src/delivery/dmarc_reports/targets.ts";
import { RFC_7489, RFC_9990, zipped } from "../../admin/dmarc/samples.ts";
import type { FuzzTarget } from "../engine/target.ts";

const ELEMENTS = RFC_7489.match(/<[^>!]+>/g) ?? [];

const report: FuzzTarget = {
  name: "dmarc-report",
  about:
    "aggregate reports of DMARC: a report whose sums are right, or a fault; no control in what is printed",
  words: [
    ...ELEMENTS,
    ...["<!DOCTYPE x [", "<!ENTITY a 'b'>", "&a;", "&#0;", "&#x9b;", "<![CDATA[", "]]>", "<!--"],
    ...["-->", "<?xml encoding='latin1'?>", "\xff\xfe", "99999999999999", "::1", "xmlns:a="],
  ],
  longest: 16_384,
  generate: (chance) => encode(chance.pick([RFC_7489, RFC_9990])),
  run(input) {
    const read = parseAggregateReport(input);
    if (read.status === "fault") {
      assert(read.reason !== "" && read.reason.length < 400);
      return;
    }
    const summary = new DmarcSummary();
    assertEquals(summary.add(read.report), "added");
    assertEquals(summary.add(read.report), "twice");
    const [domain, ...more] = summary.finish();
    assertEquals(more, []);
    const counts = read.report.rows.reduce((sum, { count }) => sum + count, 0);
    assertEquals(domain!.messages, counts);
    assert(domain!.passed <= counts && domain!.dkimAligned <= domain!.passed);
    const text = formatDomainSummary(domain!, false);
    assert(!/[^\P{C}\n]/u.test(text), JSON.stringify(text));
  },
};

const packs: readonly ((xml: Uint8Array) => Uint8Array)[] = [
  (xml) => xml,
  (xml) => new Uint8Array(gzipSync(xml)),
  (content) => zipped({ name: "a.xml", content }),
  (content) => zipped({ name: "a.xml", content, stored: true }, { name: "b.xml", content }),
];

/** Small enough to be reached. */
const LIMIT = 8192;

const pack: FuzzTarget = {
  name: "dmarc-pack",
  about:
    "what reports are packed in, gzip, ZIP and mails: not more octets than there may be, or a fault",
  words: [
    ...["PK\x01\x02", "PK\x03\x04", "PK\x05\x06", "\x1f\x8b\x08", "\xff\xff\xff\xff", "<?xml "],
    new Uint8Array(deflateRawSync(new Uint8Array(100_000))),
    ...["Content-Type: application/gzip\r\n", "Content-Transfer-Encoding: base64\r\n", "--x\r\n"],
  ],
  generate(chance) {
    const packed = chance.pick(packs)(encode(chance.pick([RFC_7489, RFC_9990, "<feedback/>"])));
    if (chance.oneIn(2)) return packed;
    const type = "Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    const multipart = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n";
    return encode(`${chance.pick(["", multipart])}${type}${packed.toBase64()}\r\n--x--\r\n`);
  },
  run(input) {
    for (const octets of [input, ...reportParts(input)]) {
      try {
        const found = unpackReports(octets, LIMIT);
        assert(found.reduce((sum, { length }) => sum + length, 0) <= LIMIT);
      } catch (error) {
        if (!(error instanceof PackFault)) throw error;
        assert(error.message !== "");
      }
    }
  },
};

const places: FuzzTarget = {
  name: "dmarc-places",
  about: "rua of policy records: a few addresses that stay on their line",
  words: ["rua=", "mailto:", "!10m", "!99999999999g", ",", ";", "%0d%0a", "%2C", "?", "@", "\r\n"],
  generate: (chance) =>
    encode(
      `v=DMARC1; p=none; rua=${
        chance.many(0, 6, () =>
          chance.pick([
            ...[
              "mailto:a@b.example",
              "mailto:a@b.example!10m",
              "https://x.example",
              "mailto:%41@b.c",
            ],
            ...["mailto:a@b.example?x=y", "mailto:", "mailto:a%0d%0a@b.example!1", "!"],
          ]), ",")
      }`,
    ),
  run(input) {
    const found = parseReportPlaces(decode(input));
    assert(found.length <= 4);
    for (const { address, limit } of found) {
      assert(parseAddress(address) !== null && !/[^!-~ ]/.test(address), address);
      assert(limit === null || limit >= 0);
    }
  },
};

/** All of them. */
export const targets: readonly FuzzTarget[] = [report, pack, places];
