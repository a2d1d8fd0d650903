"""Runs a program on a terminal and types what a person would.

Request: {"command": [...], "cwd": folder, "typed": [[text to wait for, line to type], ...]}.
Answer: {"screen": all that was shown, "code": exit code}.
"""

import json
import os
import pty
import select
import sys
import time

request = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    os.chdir(request["cwd"])
    os.execvp(request["command"][0], request["command"])

screen = b""
deadline = time.monotonic() + 50


def more():
    """Reads what is shown; False at the end."""
    global screen
    if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
        sys.exit(f"nothing more came: {screen!r}")
    try:
        octets = os.read(terminal, 4096)
    except OSError:
        return False
    screen += octets
    return octets != b""


at = 0
for wanted, line in request["typed"]:
    while wanted.encode() not in screen[at:]:
        if not more():
            sys.exit(f"never came: {wanted!r} in {screen!r}")
    at = screen.index(wanted.encode(), at) + len(wanted.encode())
    os.write(terminal, line.encode() + b"\n")
while more():
    pass
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
json.dump({"screen": screen.decode(), "code": code}, sys.stdout)
