"""Sends every file of a folder, in the order of their names, with Python's smtplib over several sessions at once.

Request: {"port", "sender", "recipient", "folder", "sessions"}
Answer: {"sent": how many, "refused": {name: what was said}}
"""

import json
import os
import smtplib
import sys
import threading


def main():
    order = json.load(sys.stdin)
    names = sorted(os.listdir(order["folder"]))
    refused = {}
    lock = threading.Lock()
    rest = iter(names)

    def work():
        client = smtplib.SMTP("127.0.0.1", order["port"], timeout=120)
        client.ehlo("client.test")
        while True:
            with lock:
                name = next(rest, None)
            if name is None:
                break
            with open(os.path.join(order["folder"], name), "rb") as file:
                message = file.read()
            try:
                client.sendmail(
                    order["sender"], [order["recipient"]], message, mail_options=["BODY=8BITMIME"]
                )
            except smtplib.SMTPException as error:
                refused[name] = str(error)
        client.quit()

    threads = [threading.Thread(target=work) for _ in range(order["sessions"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"sent": len(names) - len(refused), "refused": refused}))


main()
