# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes of the machine, as tests look at them: they may end meanwhile."""

import os
import re
import select

DEADLINE = 150  # seconds


def words_of(pid):
    """Its command line."""
    with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
        return file.read().split("\0")


def all_processes():
    """Their command lines, by number."""
    found = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            found[pid] = words_of(pid)
        except OSError:
            pass
    return found


def is_here(pid):
    """Whether it is in this network namespace: other tests may have some too."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net")
    except OSError:
        return False


def status_of(pid, what):
    """The words of a line of its status."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return re.search(rf"^{what}:\s*(.*)$", file.read(), re.M)[1].split()


def wait_for_end(pid):
    """It may have ended before."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(fd) as process:
        assert select.select([process], [], [], DEADLINE)[0], f"process {pid} does not end"
