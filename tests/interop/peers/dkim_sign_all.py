"""Signs mails by DKIM, with dkimpy.

Request: [{"mail": base64, "domain", "selector", "key", "ed25519": bool, "head", "body": canonicalizations,
"names": [field names] or null, "identity" or null, "length": bool}], where "key" is PEM, or base64 of the 32 octets of
an Ed25519 key. Answer: [base64 of the DKIM-Signature field].
"""

import base64
import json
import sys

# Where Debian's packages lie, should this be a Python from elsewhere.
sys.path.append("/usr/lib/python3/dist-packages")
try:
    import dkim
except ImportError as error:
    sys.exit(f"{error}: apt-get install python3-dkim")


def sign(wanted):
    names, identity = wanted["names"], wanted["identity"]
    field = dkim.sign(
        base64.b64decode(wanted["mail"]),
        wanted["selector"].encode(),
        wanted["domain"].encode(),
        wanted["key"].encode(),
        identity=identity and identity.encode(),
        canonicalize=(wanted["head"].encode(), wanted["body"].encode()),
        signature_algorithm=b"ed25519-sha256" if wanted["ed25519"] else b"rsa-sha256",
        include_headers=names and [name.encode() for name in names],
        length=wanted["length"],
    )
    return base64.b64encode(field).decode()


json.dump([sign(wanted) for wanted in json.load(sys.stdin)], sys.stdout)
