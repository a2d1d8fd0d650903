"""Runs IMAP commands with Python's imaplib; request and answer are JSON.

Request: {"port", "user", "password", "commands": [[name, argument, ...], ...]}, where a name is a
method of imaplib.IMAP4 or "uid". Answer: for each command the list of its data, where octets come
as {"octets": base64} and a literal as a pair of them.
"""

import base64
import imaplib
import json
import sys


def pack(value):
    if isinstance(value, bytes):
        return {"octets": base64.b64encode(value).decode("ascii")}
    if isinstance(value, (list, tuple)):
        return [pack(part) for part in value]
    return value


def main():
    request = json.load(sys.stdin)
    client = imaplib.IMAP4("127.0.0.1", request["port"], timeout=60)
    client.login(request["user"], request["password"])
    answers = []
    for name, *arguments in request["commands"]:
        status, data = getattr(client, name)(*arguments)
        if status != "OK":
            sys.exit(f"{name} {arguments}: {status} {data}")
        answers.append(pack(data))
    client.logout()
    json.dump(answers, sys.stdout)


main()
