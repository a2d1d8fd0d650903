"""Sends many different mails with Python's smtplib, over several sessions at once.

Request: {"sessions": per order, "orders": [{"port", "sender", "recipient", "first", "count"}, ...]}
Answer: {"sent": {recipient: {number: SHA-256 of the message as it was put on the wire, in hex}}}

The messages follow from their numbers: from 100 octets to a megabyte, with lines of dots, of octets that
are not ASCII, of 998 octets, with and without an end of the last line (SMTP gives it one).
"""

import hashlib
import json
import random
import smtplib
import sys
import threading


def make_line(chance, kind):
    if kind == "dots":
        return b"." * chance.randint(1, 5) + bytes(chance.choices(b"ab. ", k=chance.randint(0, 20)))
    if kind == "eight bit":
        octets = [octet for octet in range(1, 256) if octet not in b"\r\n"]
        return bytes(chance.choices(octets, k=chance.randint(1, 300)))
    if kind == "long":
        return bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz. ", k=998))
    if kind == "empty":
        return b""
    return bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz ,.", k=chance.randint(1, 76)))


def make_size(chance, number):
    if number % 100 == 7:
        return 1_000_000
    if number % 10 == 3:
        return chance.randint(50_000, 200_000)
    return int(100 * 10 ** chance.uniform(0, 2.2))


def make_mail(number, sender, recipient):
    chance = random.Random(number)
    kinds = ["dots", "eight bit", "long", "empty", "plain", "plain"]
    head = [
        f"From: {sender}",
        f"To: {recipient}",
        f"Subject: number {number}.",
        "Date: Sun, 22 Nov 2026 10:00:00 +0000",
        f"Message-ID: <{number}@client.test>",
    ]
    if number % 2:
        head.append("X-Folded: one\r\n\ttwo\r\n three")
    mail = "\r\n".join(head).encode() + b"\r\n\r\n"
    # Lines are made once and used many times: a megabyte of chance takes too long.
    lines = [make_line(chance, chance.choice(kinds)) for _ in range(40)]
    size = make_size(chance, number)
    while len(mail) < size:
        mail += chance.choice(lines) + b"\r\n"
    if number % 5 == 0:
        mail += b"the last line"
    return mail


def send(order, numbers, sent, failures):
    client = None
    try:
        client = smtplib.SMTP("127.0.0.1", order["port"], local_hostname="client.test", timeout=60)
        for number in numbers:
            mail = make_mail(number, order["sender"], order["recipient"])
            client.ehlo_or_helo_if_needed()
            for code, text in (
                client.mail(order["sender"], ["BODY=8BITMIME"]),
                client.rcpt(order["recipient"]),
                client.data(mail),
            ):
                if code != 250:
                    raise RuntimeError(f"{number}: {code} {text}")
            wire = mail if mail.endswith(b"\r\n") else mail + b"\r\n"
            sent[order["recipient"]][number] = hashlib.sha256(wire).hexdigest()
        client.quit()
    except Exception as error:
        failures.append(repr(error))
    finally:
        if client is not None:
            client.close()


request = json.load(sys.stdin)
sessions = request["sessions"]
sent = {order["recipient"]: {} for order in request["orders"]}
failures = []
threads = []
for order in request["orders"]:
    numbers = range(order["first"], order["first"] + order["count"])
    for session in range(sessions):
        arguments = (order, numbers[session::sessions], sent, failures)
        threads.append(threading.Thread(target=send, args=arguments))
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if failures:
    sys.exit("\n".join(failures))
json.dump({"sent": sent}, sys.stdout)
