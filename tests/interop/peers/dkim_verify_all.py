"""Verifies all DKIM signatures of mails, by dkimpy.

Request: {"mails": [base64], "records": {name: TXT}}. Answer: for each mail a list of "pass" and "fail", one for each
signature from the top.
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
records = {f"{name}.".encode(): text.encode() for name, text in request["records"].items()}


def ask(name, timeout=5):
    return records.get(name)


def verify(mail):
    signed = dkim.DKIM(mail)
    count = sum(name.lower() == b"dkim-signature" for name, _ in signed.headers)
    return [verify_one(mail, index) for index in range(count)]


def verify_one(mail, index):
    try:
        return "pass" if dkim.DKIM(mail).verify(idx=index, dnsfunc=ask) else "fail"
    except dkim.DKIMException as error:
        print(error, file=sys.stderr)
        return "fail"


json.dump([verify(base64.b64decode(mail)) for mail in request["mails"]], sys.stdout)
