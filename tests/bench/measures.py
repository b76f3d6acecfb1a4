# SPDX-License-Identifier: LGPL-2.1-or-later
"""How figures are taken and kept."""

import os
import statistics
import sys
import time

rows = []


def add(what, value, wanted, unit, detail, may_be_nothing=False, in_readme=True):
    """A figure that was not measured is an error. README.md shows those by which a user would choose."""
    if not (may_be_nothing and value == 0) and not 0 < value < float("inf"):
        sys.exit(f"not measured: {what}: {value} {unit} ({detail})")
    rows.append({"what": what, "value": round(value, 2), "wanted": wanted, "unit": unit, "detail": detail, "in_readme": in_readme})


def say(text):
    print(f"  {text} ...", file=sys.stderr, flush=True)


def p50(durations):
    return statistics.median(durations)


def p99(durations):
    return durations[int(len(durations) * 0.99)]


def cpu_time(pid):
    fields = open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_memory(pid):
    """Bytes that are this process's alone."""
    return sum(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") if line.startswith("Private")) * 1024


def timed(rounds, function):
    durations = []
    for _ in range(rounds):
        began = time.monotonic()
        function()
        durations.append((time.monotonic() - began) * 1e6)
    return durations
