"""Sends one mail with Python's smtplib; request and answer are JSON.

Request: {"kind": "smtp" | "ssl" | "lmtp", "host", "port", "path" (LMTP on a unix socket),
"starttls": bool, "mechanism": "PLAIN" | "LOGIN" | null, "user", "password", "sender",
"recipients": [...], "message": base64, "parse": bool (through email.message and send_message),
"mail_options": [...], "no_size": bool (do not announce the size)}

Answer: {"features": {...}, "refused": {address: [code, text]}, "error": null | {"kind", "code",
"text"}}
"""

import base64
import email
import email.policy
import json
import smtplib
import ssl
import sys


def connect(request):
    kind = request["kind"]
    if kind == "lmtp":
        return smtplib.LMTP(request.get("path") or request["host"], request.get("port") or 0)
    context = ssl._create_unverified_context()
    if kind == "ssl":
        return smtplib.SMTP_SSL(request["host"], request["port"], timeout=60, context=context)
    client = smtplib.SMTP(request["host"], request["port"], timeout=60)
    client.ehlo("client.test")
    if request.get("starttls"):
        client.starttls(context=context)
        client.ehlo("client.test")
    return client


def log_in(client, request):
    client.user, client.password = request["user"], request["password"]
    mechanism = request["mechanism"]
    method = {"PLAIN": client.auth_plain, "LOGIN": client.auth_login}[mechanism]
    client.auth(mechanism, method, initial_response_ok=request.get("initial", True))


def send(client, request):
    octets = base64.b64decode(request["message"])
    sender, recipients = request["sender"], request["recipients"]
    options = request.get("mail_options", [])
    if request.get("no_size"):
        client.ehlo_or_helo_if_needed()
        client.esmtp_features.pop("size", None)
    if request.get("parse"):
        message = email.message_from_bytes(octets, policy=email.policy.SMTP)
        return client.send_message(message, sender, recipients, options)
    return client.sendmail(sender, recipients, octets, options)


def describe(error):
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, text = error.smtp_code, error.smtp_error
    else:
        code, text = 0, str(error)
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return {"kind": type(error).__name__, "code": code, "text": text}


def main():
    request = json.load(sys.stdin)
    client = connect(request)
    features, refused, error = {}, {}, None
    try:
        client.ehlo_or_helo_if_needed()
        features = dict(client.esmtp_features)
        if request.get("mechanism"):
            log_in(client, request)
        refused = send(client, request)
        client.quit()
    except smtplib.SMTPException as caught:
        error = describe(caught)
        client.close()
    refused = {k: [code, text.decode("utf-8", "replace")] for k, (code, text) in refused.items()}
    json.dump({"features": features, "refused": refused, "error": error}, sys.stdout)


main()
