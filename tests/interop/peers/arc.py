"""Seals and verifies mails by ARC, with dkimpy.

Request: {"mails": [base64], "records": {name: TXT}}, to verify; or {"mails": [base64], "seal": {"domain", "selector",
"key": PEM, "id": authserv-id}}. Answer: for each mail what its chain came to ("pass", "fail", "none"), or the fields of
its new set, in base64.
"""

import base64
import json
import sys

# Where Debian's packages lie, should this be a Python from elsewhere.
sys.path.append("/usr/lib/python3/dist-packages")
try:
    import dkim
    import authres  # noqa: F401 (dkimpy seals with it)
except ImportError as error:
    sys.exit(f"{error}: apt-get install python3-dkim python3-authres")

request = json.load(sys.stdin)
records = {f"{name}.".encode(): text.encode() for name, text in request.get("records", {}).items()}
seal = request.get("seal")


def ask(name, timeout=5):
    return records.get(name)


def answer(mail):
    if seal is None:
        result, _, reason = dkim.arc_verify(mail, dnsfunc=ask)
        print(reason, file=sys.stderr)
        return (result or dkim.CV_Fail).decode()
    fields = dkim.arc_sign(
        mail, *(seal[key].encode() for key in ("selector", "domain", "key", "id"))
    )
    # It ends its fields as it likes.
    text = b"".join(field.rstrip(b"\r\n") + b"\r\n" for field in fields)
    return base64.b64encode(text).decode()


json.dump([answer(base64.b64decode(mail)) for mail in request["mails"]], sys.stdout)
