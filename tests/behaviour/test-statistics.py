#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Statistics, also of guests that hang: one suite, run against the test driver and against real QEMUs.

Usage (below tests/with-bus): test-statistics.py test|qemu
"""

import os
import signal
import subprocess
import sys
import time

from rig import FRESH, NAME, ROOT, Bus, Hypervisor, User, contains, expect, run, variants

bus = Bus()
hypervisor = Hypervisor(bus, sys.argv[1])
REAL = hypervisor.name == "qemu"
WORK = os.path.join(ROOT, "images")
os.makedirs(WORK, exist_ok=True)
state = {}


def stats(domains=(), groups=(), **options):
    return bus.call(hypervisor.path, f"{NAME}.Connection", "GetDomainStats", "aoasa{sv}", list(domains), list(groups), variants(options))


def guests_run():
    path = os.path.join(WORK, "disk.img")
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", path, "1M"], check=True)
    disk = f"<disk type='file'><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"
    card = "<interface type='ethernet'/>" if REAL and os.geteuid() == 0 else ""
    for name in ("one", "two", "off"):
        state[name] = hypervisor.define(hypervisor.document(name, devices=(disk if name == "one" else "") + (card if name == "one" else "")))
    for name in ("one", "two"):
        hypervisor.do(state[name], "Start", paused=True)


def all_domains_tell_in_one_call():
    told = stats()
    assert set(told) == {state[n] for n in ("one", "two", "off")}
    assert told[state["off"]] == {"state": {"age": 0, "state": "shutoff", "reason": "unknown"}}, told[state["off"]]
    one = hypervisor.wait_statistics(state["one"], "state", "cpu", "block.virtio-disk0", *(["memory", "vcpu.0", "balloon"] if REAL else []))
    assert {"read_bytes", "write_bytes"} <= set(one["block.virtio-disk0"]) and one["cpu"]["time"] > 0, one
    if REAL:
        assert one["balloon"]["current"] == one["balloon"]["maximum"] == 64 << 20 and one["memory"]["rss"] > 1 << 20
        assert os.geteuid() != 0 or {"rx_bytes", "tx_packets"} <= set(one["interface.net0"]), one


def what_is_wanted_can_be_chosen():
    assert set(stats(domains=[state["two"]])) == {state["two"]}
    assert set(stats(active=True)) == {state["one"], state["two"]}
    assert set(stats(groups=["block"])[state["one"]]) == {"block.virtio-disk0"}
    assert set(stats(groups=["state", "cpu"])[state["two"]]) == {"state", "cpu"}
    assert set(stats(groups=["block.virtio-disk0"])[state["one"]]) == {"block.virtio-disk0"}
    assert stats(groups=["nothing"])[state["one"]] == {}
    contains(expect("NoSuchDomain", stats, domains=[f"{hypervisor.path}/domain/none"]), "domain/none")
    contains(expect("NoSuchDomain", stats, domains=["/org/virtbus1"]), "/org/virtbus1")
    gone = hypervisor.define(hypervisor.document("gone"))
    hypervisor.do(gone, "Undefine")
    assert stats(domains=[gone]) == {}
    contains(expect("InvalidArgument", stats, sideways=True), "sideways")


def hang(name):
    if REAL:
        pid = hypervisor.pid_of(state[name])
        os.kill(pid, signal.SIGSTOP)
        return lambda: os.kill(pid, signal.SIGCONT)
    bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "statistics", 3600 * 10**6)
    return lambda: bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "statistics", 0)


def a_guest_that_hangs_is_not_waited_for():
    hypervisor.wait_statistics(state["one"], "block.virtio-disk0")
    go_on = hang("one")
    first = stats()[state["one"]]["block.virtio-disk0"]["age"]  # which has waited a little
    assert first >= FRESH, first
    told, took = [], []
    for _ in range(20):
        began = time.monotonic()
        told.append(stats())
        took.append(time.monotonic() - began)
    assert min(took) < FRESH / 10**6, f"it was waited for each time: {took}"
    ages = [t[state["one"]]["block.virtio-disk0"]["age"] for t in told]
    assert ages == sorted(ages) and ages[0] >= first, ages
    assert told[-1][state["one"]]["state"]["state"] == "paused"
    if REAL:
        hypervisor.wait_statistics(state["two"], "balloon")
        # All that is known of it is still told, and other guests obey.
        assert bus.get(state["one"], "Domain", "State") == "paused"
        hypervisor.do(state["two"], "Resume")
        hypervisor.do(state["two"], "Suspend")
        contains(expect("Timeout", hypervisor.do, state["one"], "Resume"), "20 seconds")
    go_on()
    if REAL:
        hypervisor.wait_statistics(state["one"], "block.virtio-disk0")
        hypervisor.do(state["one"], "Destroy")
    else:
        hypervisor.kill_driver()


def a_guest_that_ends_is_not_waited_for():
    if not REAL:
        return
    go_on = hang("two")
    answer = bus.begin(hypervisor.path, f"{NAME}.Connection", "GetDomainStats", "aoasa{sv}", [state["two"]], [], {})
    hypervisor.do(state["two"], "Destroy")
    bus.wait(lambda: answer, "the answer")
    assert not isinstance(answer[0], Exception), answer
    del go_on
    assert stats()[state["two"]] == {"state": {"age": 0, "state": "shutoff", "reason": "destroyed"}}


def who_may_not_read_is_refused():
    if os.geteuid() != 0:
        return
    bob = User("vb-bob")
    contains(expect("InteractiveAuthorizationRequired", bob.call, hypervisor.path, f"{NAME}.Connection", "GetDomainStats", "aoasa{sv}", "@ao []", "@as []", "@a{sv} {}"),
             "org.virtbus1.read")
    bob.leave()


run([value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == "__main__"
     and value.__name__ not in ("stats", "hang")])
