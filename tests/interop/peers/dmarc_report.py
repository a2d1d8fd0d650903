"""Reads a mail with an aggregate report of DMARC (RFC 9990), by Python's own libraries.

Request: {"mail": base64}.
Answer: {"type" and "file" of the attachment, "subject": of the mail, "root": the element with its namespace,
"counts": messages by source}.
"""

import base64
import email
import email.policy
import gzip
import json
import sys
import xml.etree.ElementTree as ElementTree

mail = email.message_from_bytes(
    base64.b64decode(json.load(sys.stdin)["mail"]), policy=email.policy.default
)
[part] = list(mail.iter_attachments())
root = ElementTree.fromstring(gzip.decompress(part.get_content()))
names = {"d": "urn:ietf:params:xml:ns:dmarc-2.0"}
counts = {}
for row in root.findall("d:record/d:row", names):
    source = row.findtext("d:source_ip", namespaces=names)
    counts[source] = counts.get(source, 0) + int(row.findtext("d:count", namespaces=names))
json.dump(
    {
        "type": part.get_content_type(),
        "file": part.get_filename(),
        "subject": mail["Subject"],
        "root": root.tag,
        "counts": counts,
    },
    sys.stdout,
)
