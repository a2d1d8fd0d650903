"""Reads a mail with a report of TLS (RFC 8460), by Python's own libraries and dkimpy.

Request: {"mail": base64, "name": of the DKIM key, "record": its TXT}.
Answer: {"signed": whether the signature is valid for such a report, "type": and "subject": of the mail,
"file": the name of the attachment, "report": what is in it}.
"""

import base64
import email
import email.policy
import gzip
import json
import sys

# Where Debian's packages lie, should this be a Python from elsewhere.
sys.path.append("/usr/lib/python3/dist-packages")
try:
    import dkim
except ImportError as error:
    sys.exit(f"{error}: apt-get install python3-dkim")

request = json.load(sys.stdin)
octets = base64.b64decode(request["mail"])
name = request["name"].encode() + b"."


def ask(asked, timeout=5):
    return request["record"].encode() if asked == name else None


mail = email.message_from_bytes(octets, policy=email.policy.default)
part = next(
    part for part in mail.walk() if part.get_content_type() == "application/tlsrpt+gzip"
)
json.dump(
    {
        "signed": dkim.verify(octets, dnsfunc=ask, tlsrpt=True),
        "type": f'{mail.get_content_type()}; {mail["Content-Type"].params["report-type"]}',
        "subject": mail["Subject"],
        "domain": mail["TLS-Report-Domain"],
        "submitter": mail["TLS-Report-Submitter"],
        "file": part.get_filename(),
        "report": json.loads(gzip.decompress(part.get_content())),
    },
    sys.stdout,
)
