"""Signs with a private key and checks with a record, both by dkimpy.

Request: {"key": PEM, "selector": …, "domain": …, "record": the TXT}. Answer: {"valid": true or false}.
"""

import json
import sys

# Where Debian's packages lie, should this be a Python from elsewhere.
sys.path.append("/usr/lib/python3/dist-packages")
try:
    import dkim
except ImportError as error:
    sys.exit(f"{error}: apt-get install python3-dkim")

request = json.load(sys.stdin)
domain, selector = request["domain"].encode(), request["selector"].encode()
mail = b"From: alice@" + domain + b"\r\nSubject: signed\r\n\r\nHello\r\n"
signature = dkim.sign(mail, selector, domain, request["key"].encode())


def ask(name, timeout=5):
    asked = selector + b"._domainkey." + domain + b"."
    return request["record"].encode() if name == asked else None


json.dump({"valid": dkim.verify(signature + mail, dnsfunc=ask)}, sys.stdout)
