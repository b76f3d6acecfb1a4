# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtbusctl for tests: as a script calls it, and at a terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

from rig import DEADLINE

CTL = os.path.abspath(sys.argv[1])
ENVIRONMENT = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "xterm"}


def ctl(*arguments, status=0, text=None, **more):
    """What it says, on both outputs together; it must exit with this status."""
    result = subprocess.run([CTL, *arguments], input=text or "", capture_output=True, encoding="utf-8", check=False, env={**ENVIRONMENT, **more})
    assert result.returncode == status, (arguments, result)
    return result.stdout + result.stderr


class Terminal:
    """A terminal of some width with a program on it."""

    def __init__(self, *arguments, columns=80, lines=24, command=(CTL,), **more):
        reader, writer = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.read(reader, 1)
            os.execvpe(command[0], [*command, *arguments], {**ENVIRONMENT, **more})
        # Before the program can ask for the one, or change the other.
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(self.fd)
        os.write(writer, b"x")
        os.close(reader)
        os.close(writer)
        self.said = ""

    def expect(self, pattern):
        while not re.search(pattern, self.said):
            assert select.select([self.fd], [], [], DEADLINE)[0], f"{pattern!r} is not in {self.said!r}"
            try:
                piece = os.read(self.fd, 65536)
            except OSError:
                piece = b""
            assert piece, f"it has ended; {pattern!r} is not in {self.said!r}"
            self.said += piece.decode(errors="replace")

    def type(self, text):
        os.write(self.fd, text.encode())

    def type_unseen(self, text):
        """When it is not shown any more: what is typed before a password is asked for is thrown away."""
        while termios.tcgetattr(self.fd)[3] & termios.ECHO:
            time.sleep(0.01)
        self.type(text)

    def end(self):
        """Reads to the end; returns the exit status."""
        while True:
            assert select.select([self.fd], [], [], DEADLINE)[0], f"it does not end; it has said {self.said!r}"
            try:
                piece = os.read(self.fd, 65536)
            except OSError:
                break
            if not piece:
                break
            self.said += piece.decode(errors="replace")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
