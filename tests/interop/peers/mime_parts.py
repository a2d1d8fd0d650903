"""Parses mails with Python's email package; request and answer are JSON.

Request: {"messages": [base64, ...], "strict": bool (parse with the modern policy and tell defects)}.
Answer: for each message {"parts": [{"type", "octets": base64}, ...] (those with content, in order),
"children": [type, ...] (of a multipart), "headers": [[name, value], ...], "defects": [text, ...]}
"""

import base64
import email
import email.policy
import json
import sys


def describe(octets, strict):
    policy = email.policy.default if strict else email.policy.compat32
    message = email.message_from_bytes(octets, policy=policy)
    parts = []
    defects = []
    for part in message.walk():
        defects += [repr(defect) for defect in part.defects]
        if strict:
            for name, value in part.items():
                defects += [f"{name}: {defect!r}" for defect in getattr(value, "defects", ())]
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        parts.append(
            {
                "type": part.get_content_type(),
                "octets": base64.b64encode(content).decode("ascii"),
            }
        )
    headers = [[name, str(value)] for name, value in message.items()]
    children = message.get_payload() if message.is_multipart() else []
    return {
        "parts": parts,
        "children": [child.get_content_type() for child in children],
        "headers": headers,
        "defects": defects,
    }


request = json.load(sys.stdin)
json.dump(
    [describe(base64.b64decode(one), request["strict"]) for one in request["messages"]],
    sys.stdout,
)
