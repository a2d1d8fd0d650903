/**
 * What the site gives mail programs, read by parsers of others: Python's for XML and for Apple's property lists.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { decode } from "../../src/bytes.ts";
import { formatAppleProfile } from "../../src/web/apple_profile.ts";
import { formatAutoconfig } from "../../src/web/autoconfig.ts";
import { formatAutodiscover } from "../../src/web/autodiscover.ts";
import { assertEnded, interopTest, run } from "./support.ts";

const LOGIN = '"a&<b>"@example.org';
const SERVICE = {
  domain: "example.org",
  incoming: [{ kind: "imap", hostname: "mail.example.org", port: 993, tls: "implicit" }],
  outgoing: [{ kind: "smtp", hostname: "mail.example.org", port: 465, tls: "implicit" }],
} as const;

async function python(program: string, input: string): Promise<string> {
  const ran = await run(
    "python3",
    ["-c", `import sys\ndata = sys.stdin.buffer.read()\n${program}`],
    {
      input,
    },
  );
  assertEnded(ran);
  return decode(ran.stdout).trim();
}

interopTest("Python's plistlib reads a profile for Apple's devices", ["python3"], async () => {
  const read = await python(
    "import plistlib, json\nprofile = plistlib.loads(data)\naccount = profile['PayloadContent'][0]\n" +
      "print(json.dumps([profile['PayloadType'], account['PayloadType'], account['EmailAddress'], " +
      "account['IncomingMailServerPortNumber'], account['OutgoingMailServerUseSSL']]))",
    formatAppleProfile(SERVICE, LOGIN)!,
  );
  assertEquals(JSON.parse(read), ["Configuration", "com.apple.mail.managed", LOGIN, 993, true]);
});

interopTest("Python's ElementTree reads autoconfig and autodiscover", ["python3"], async () => {
  const read = "import xml.etree.ElementTree as tree\nroot = tree.fromstring(data)\n";
  const config = await python(
    `${read}print(root.find('.//incomingServer/hostname').text)`,
    formatAutoconfig(SERVICE),
  );
  assertEquals(config, "mail.example.org");
  const answer = await python(
    `${read}print([one.text for one in root.iter() if one.tag.endswith('LoginName')][0])`,
    formatAutodiscover(SERVICE, LOGIN),
  );
  assertEquals(answer, LOGIN);
});
