"""Decodes a mail as a reader's program does; request and answer are JSON.

Request: {"message": base64}
Answer: {"encoding": the content-transfer-encoding or null, "body": base64 of the decoded body,
"longest": octets in the longest line as sent, "ascii": bool, all of it is ASCII}
"""

import base64
import email
import json
import sys

octets = base64.b64decode(json.load(sys.stdin)["message"])
message = email.message_from_bytes(octets)
body = message.get_payload(decode=True)
answer = {
    "encoding": message["Content-Transfer-Encoding"],
    "body": base64.b64encode(body).decode(),
    "longest": max(len(line) for line in octets.split(b"\r\n")),
    "ascii": octets.isascii(),
}
json.dump(answer, sys.stdout)
