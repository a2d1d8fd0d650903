"""Asks flufl.bounce, which Mailman uses, who failed; request and answer are JSON.

Request: {"messages": [base64, ...]}.
Answer: for each message {"temporary": [address, ...], "permanent": [address, ...]}, sorted
"""

import base64
import email
import json
import sys

# Where Debian's packages lie, should this be a Python from elsewhere.
sys.path.append("/usr/lib/python3/dist-packages")
try:
    from flufl.bounce import all_failures
except ImportError as error:
    sys.exit(f"{error}: apt-get install python3-flufl.bounce")


def ask(octets):
    temporary, permanent = all_failures(email.message_from_bytes(octets))
    return {
        "temporary": sorted(address.decode("ascii") for address in temporary),
        "permanent": sorted(address.decode("ascii") for address in permanent),
    }


request = json.load(sys.stdin)
json.dump([ask(base64.b64decode(one)) for one in request["messages"]], sys.stdout)
