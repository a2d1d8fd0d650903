"""Parses a mail with Python's email package and lists its attachments; request and answer are JSON.

Request: {"message": base64}. Answer: [{"name", "octets": base64}, ...]
"""

import base64
import email
import email.policy
import json
import sys

message = email.message_from_bytes(
    base64.b64decode(json.load(sys.stdin)["message"]), policy=email.policy.default
)
json.dump(
    [
        {
            "name": part.get_filename(),
            "octets": base64.b64encode(part.get_payload(decode=True)).decode("ascii"),
        }
        for part in message.iter_attachments()
    ],
    sys.stdout,
)
