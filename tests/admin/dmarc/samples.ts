/**
 * Aggregate reports to be read: the sample of RFC 9990, one that has all of RFC 7489's schema, and one as a large
 * provider used to send them, which keeps to neither.
 *
 * @module
 */

import { deflateRawSync, gzipSync } from "node:zlib";
import { crc32 } from "node:zlib";
import { concat, encode } from "../../../src/bytes.ts";

/** RFC 9990, Appendix B. */
export const RFC_9990 = `<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">
  <version>1.0</version>
  <report_metadata>
    <org_name>Sample Reporter</org_name>
    <email>report_sender@example-reporter.com</email>
    <extra_contact_info>...</extra_contact_info>
    <report_id>3v98abbp8ya9n3va8yr8oa3ya</report_id>
    <date_range>
      <begin>302832000</begin>
      <end>302918399</end>
    </date_range>
    <generator>Example DMARC Aggregate Reporter v1.2</generator>
  </report_metadata>
  <policy_published>
    <domain>example.com</domain>
    <p>quarantine</p>
    <sp>none</sp>
    <np>none</np>
    <testing>n</testing>
    <discovery_method>treewalk</discovery_method>
  </policy_published>
  <record>
    <row>
      <source_ip>192.0.2.123</source_ip>
      <count>123</count>
      <policy_evaluated>
        <disposition>pass</disposition>
        <dkim>pass</dkim>
        <spf>fail</spf>
      </policy_evaluated>
    </row>
    <identifiers>
      <envelope_from>example.com</envelope_from>
      <header_from>example.com</header_from>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>example.com</domain>
        <result>pass</result>
        <selector>abc123</selector>
      </dkim>
      <spf>
        <domain>example.com</domain>
        <result>fail</result>
      </spf>
    </auth_results>
  </record>
</feedback>
`;

/** All elements of RFC 7489, Appendix C. */
export const RFC_7489 = `<?xml version="1.0" encoding="UTF-8"?>
<!-- of a receiver -->
<feedback>
  <version>1.0</version>
  <report_metadata>
    <org_name>acme.com</org_name>
    <email>noreply-dmarc-support@acme.com</email>
    <extra_contact_info>http://acme.com/dmarc/support</extra_contact_info>
    <report_id>9391651994964116463</report_id>
    <date_range><begin>1335571200</begin><end>1335657599</end></date_range>
    <error>nothing &amp; nobody</error>
  </report_metadata>
  <policy_published>
    <domain>example.com</domain>
    <adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct><fo>0</fo>
  </policy_published>
  <record>
    <row>
      <source_ip>72.150.241.94</source_ip>
      <count>2</count>
      <policy_evaluated>
        <disposition>none</disposition><dkim>fail</dkim><spf>pass</spf>
        <reason><type>mailing_list</type><comment>a list</comment></reason>
        <reason><type>sampled_out</type></reason>
      </policy_evaluated>
    </row>
    <identifiers>
      <envelope_to>acme.com</envelope_to>
      <envelope_from>example.com</envelope_from>
      <header_from>example.com</header_from>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>example.com</domain><selector>s</selector><result>fail</result>
        <human_result>body hash</human_result>
      </dkim>
      <dkim><domain>list.example</domain><selector>t</selector><result>pass</result></dkim>
      <spf><domain>example.com</domain><scope>mfrom</scope><result>pass</result></spf>
    </auth_results>
  </record>
</feedback>
`;

/** Namespaces with prefixes, capitals, fractions, mail without a sender, a record that is none. */
export const ODD = `<?xml version="1.0" encoding="windows-1252"?>
<ns1:feedback xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'
    xmlns:ns1='http://dmarc.org/dmarc-xml/0.1' xsi:schemaLocation='http://dmarc.org/dmarc-xml/0.1 x.xsd'>
  <report_metadata>
    <org_name><![CDATA[R\xE9seau <SA>]]></org_name>
    <email>postmaster@reseau.example</email>
    <report_id> website.com_1504828800 </report_id>
    <date_range><begin>1504742400.0</begin><end>1504828800</end></date_range>
  </report_metadata>
  <policy_published><domain>Website.COM.</domain><p>Reject</p></policy_published>
  <record><row><source_ip>not told</source_ip><count>1</count></row></record>
  <record>
    <row>
      <source_ip>2001:DB8:0::1</source_ip><count>7</count>
      <policy_evaluated><disposition>Reject</disposition><dkim>FAIL</dkim><spf>FAIL</spf></policy_evaluated>
    </row>
    <identifiers><envelope_from/><header_from>b\xFCcher.website.com</header_from></identifiers>
    <auth_results><spf><domain></domain><result>None</result></spf></auth_results>
  </record>
</ns1:feedback>
`;

/** One octet for each character. */
export function octetsOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Gzipped. */
export function gzipped(text: string | Uint8Array): Uint8Array {
  return new Uint8Array(gzipSync(typeof text === "string" ? encode(text) : text));
}

/** How a file is put into an archive. */
export interface ZipFile {
  readonly name: string;
  readonly content: Uint8Array;
  readonly stored?: boolean;
  readonly flags?: number;
  readonly method?: number;
  readonly crc?: number;
}

/** A ZIP archive, by PKWARE's APPNOTE §4.3. */
export function zipped(...files: readonly ZipFile[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  for (const { name, content, stored = false, flags = 0, ...more } of files) {
    const data = stored ? content : new Uint8Array(deflateRawSync(content));
    const { method = stored ? 0 : 8, crc = crc32(content) } = more;
    const rest = [[4, crc], [4, data.length], [4, content.length], [2, name.length], [2, 0]];
    const local = [[4, 0x04034b50], [2, 20], [2, flags], [2, method], [4, 0], ...rest];
    const entry = [[4, 0x02014b50], [2, 20], [2, 20], [2, flags], [2, method], [4, 0], ...rest];
    central.push(numbers(...entry, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]), encode(name));
    parts.push(numbers(...local), encode(name), data);
    at += 30 + name.length + data.length;
  }
  const list = concat(central);
  const end = [[4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length]];
  return concat([...parts, list, numbers(...end, [4, list.length], [4, at], [2, 0])]);
}

/** Numbers of so many octets each, the lowest first. */
function numbers(...pairs: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from(
    pairs.flatMap(([size, value]) =>
      Array.from({ length: size! }, (_, index) => Math.trunc(value! / 256 ** index) % 256)
    ),
  );
}
