"""Verifies the first DKIM signature of a mail, by dkimpy.

Request: {"mail": base64, "name": the name asked for, "record": the TXT}. Answer: {"valid": true or false}.
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

request = json.load(sys.stdin)
name = request["name"].encode() + b"."


def ask(asked, timeout=5):
    return request["record"].encode() if asked == name else None


# The key of a test is as short as the test likes.
valid = dkim.verify(base64.b64decode(request["mail"]), dnsfunc=ask, minkey=512)
json.dump({"valid": valid}, sys.stdout)
