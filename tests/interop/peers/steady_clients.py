"""Clients that send mail without a pause until a file tells them to stop, each in a thread of its own: half of them
log in on submission, by STARTTLS, and half bring mail to the MX. Reads a request as JSON, writes how many mails were
taken and everything that went wrong."""

import json
import os
import smtplib
import ssl
import sys
import threading

request = json.load(sys.stdin)
sent = [0] * request["clients"]
errors = []


def message(sender, number):
    return f"From: {sender}\r\nTo: {request['to']}\r\nSubject: mail {number}\r\n\r\nHello.\r\n"


def connect(number):
    if number % 2 == 0:
        return smtplib.SMTP("127.0.0.1", request["mx"], timeout=60), "friend@elsewhere.test"
    client = smtplib.SMTP("127.0.0.1", request["submission"], timeout=60)
    client.starttls(context=ssl._create_unverified_context())
    client.login(request["user"], request["password"])
    return client, request["user"]


def work(number):
    try:
        while not os.path.exists(request["stop"]):
            client, sender = connect(number)
            with client:
                for _ in range(3):
                    client.sendmail(sender, [request["to"]], message(sender, number))
                    sent[number] += 1
    except Exception as error:
        errors.append(f"client {number}: {error!r}")


threads = [threading.Thread(target=work, args=(number,)) for number in range(request["clients"])]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
json.dump({"sent": sent, "errors": errors}, sys.stdout)
