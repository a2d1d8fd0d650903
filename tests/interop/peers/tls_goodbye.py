"""Says QUIT behind STARTTLS and tells how the server ends TLS, which a lenient client never notices.

Request: {"host", "port", "version": "TLSv1_2" | "TLSv1_3"}. Answer: {"reply": to QUIT, "end":
"close_notify" or the error}
"""

import json
import socket
import ssl
import sys


def main():
    request = json.load(sys.stdin)
    sock = socket.create_connection((request["host"], request["port"]), timeout=60)
    file = sock.makefile("rb", buffering=0)
    file.readline()
    sock.sendall(b"EHLO client.test\r\n")
    while file.readline()[3:4] == b"-":
        pass
    sock.sendall(b"STARTTLS\r\n")
    file.readline()
    context = ssl._create_unverified_context()
    context.minimum_version = getattr(ssl.TLSVersion, request["version"])
    context.maximum_version = context.minimum_version
    # Python up to 3.11 takes the end of the stream for the end of TLS otherwise.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    secured = context.wrap_socket(sock, suppress_ragged_eofs=False)
    secured.sendall(b"QUIT\r\n")
    reply, end = b"", "close_notify"
    try:
        while part := secured.recv(4096):
            reply += part
    except (ssl.SSLError, OSError) as error:
        end = str(error)
    json.dump({"reply": reply.decode("ascii"), "end": end}, sys.stdout)


main()
