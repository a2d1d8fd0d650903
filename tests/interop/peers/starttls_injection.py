"""Sends commands in the clear behind STARTTLS, in the same segment, as an attacker on the wire would
(CVE-2011-0411), and tells what the server answers once TLS is on.

Request: {"host", "port", "injected": text}. Answer: {"go_ahead": the reply to STARTTLS, "first": the
first line read under TLS, where only EHLO was sent, "mail": the reply to a MAIL sent then, "closed":
whether the server hung up instead}
"""

import json
import socket
import ssl
import sys


def read_reply(file):
    lines = []
    while True:
        line = file.readline().decode("utf-8", "replace").rstrip("\r\n")
        lines.append(line)
        if line[3:4] != "-":
            return lines


def main():
    request = json.load(sys.stdin)
    sock = socket.create_connection((request["host"], request["port"]), timeout=60)
    file = sock.makefile("rb", buffering=0)
    read_reply(file)
    sock.sendall(b"EHLO attacker.test\r\n")
    read_reply(file)
    sock.sendall(b"STARTTLS\r\n" + request["injected"].encode("ascii"))
    go_ahead = read_reply(file)
    context = ssl._create_unverified_context()
    answer = {"go_ahead": go_ahead[0], "first": "", "mail": "", "closed": False}
    try:
        secured = context.wrap_socket(sock, server_hostname="mx.example.test")
        secured_file = secured.makefile("rb", buffering=0)
        secured.sendall(b"EHLO client.test\r\n")
        answer["first"] = read_reply(secured_file)[0]
        secured.sendall(b"MAIL FROM:<victim@sender.test>\r\n")
        answer["mail"] = read_reply(secured_file)[0]
        secured.sendall(b"RSET\r\nQUIT\r\n")
    except (ssl.SSLError, ConnectionError, OSError):
        answer["closed"] = True
    json.dump(answer, sys.stdout)


main()
