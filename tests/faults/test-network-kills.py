#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills at random instants of the networks' driver, the service, or both, and flushes of nftables, while ports come and go and filters change. After
each, every port that somebody holds is there, in its bridge, with its filter, and no other one; what is not its guest's does not pass.

Usage (below unshare --net tests/with-bus): test-network-kills.py [--seed N] [--kills N] [--networks N] [--ports N]; the long form is --kills 100.
"""

import argparse
import json
import os
import random
import signal
import sys
import time

from gi.repository import GLib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "behaviour"))
from packets import ethernet, ipv4, udp  # noqa: E402
from ports_rig import PATH, Port, bus, define, end_network, includes, make_network, passes, reference, ruled, undefine  # noqa: E402
from rig import NAME, BusError, end_process, run  # noqa: E402
from spaces import shell  # noqa: E402

options = argparse.ArgumentParser()
options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
options.add_argument("--kills", type=int, default=100)
options.add_argument("--networks", type=int, default=20)
options.add_argument("--ports", type=int, default=100)
options = options.parse_args()
print(f"# seed {options.seed}", flush=True)
chance = random.Random(options.seed)
NAMES = [f"k{number}" for number in range(options.networks)]
OWN, SPOOFED = (ethernet(ipv4(source, "10.0.0.9", 17, udp(1, 2)), 0x800) for source in ("10.0.0.1", "10.0.0.2"))


def interfaces():
    return {link["ifname"]: link for link in json.loads(shell("ip -j -d link show"))}


def ports_of(networks):
    return {path: parts[f"{NAME}.NetworkPort"] for network in networks for path, parts in bus.objects(network).items()}


class Held:
    """What this test holds of ports, and which filter each has."""

    def __init__(self, networks):
        self.networks, self.ports = networks, []

    def add(self):
        number = chance.randrange(len(self.networks))
        filtered = chance.random() < 0.6
        port = Port(self.networks[number], 1, reference("n", IP="10.0.0.1") if filtered else "")
        self.ports.append((port, NAMES[number], {"n" if filtered else ""}))

    def close(self):
        port, _, _ = self.ports.pop(chance.randrange(len(self.ports)))
        os.close(port.fd)

    def change(self):
        at = chance.randrange(len(self.ports))
        port, name, may_have = self.ports[at]
        new = chance.choice(("n", "m", ""))
        self.ports[at] = (port, name, may_have | {new})  # until it is answered
        try:
            bus.call(port.path, f"{NAME}.NetworkPort", "SetFilter", "sa{sv}", reference(new, IP="10.0.0.1") if new else "", {})
            self.ports[at] = (port, name, {new})
        except BusError as error:  # the driver is still at what the service that was killed has asked for
            assert error.name.endswith(".ResourceBusy"), error

    def check(self):
        wanted = {port.path for port, _, _ in self.ports}
        bus.wait(lambda: set(ports_of(self.networks)) == wanted, "those ports, and no others")
        shown, links = ports_of(self.networks), interfaces()
        for at, (port, name, may_have) in enumerate(self.ports):
            has = shown[port.path]["Filter"]
            assert has in may_have, (port.path, has, may_have)
            self.ports[at] = (port, name, {has})
            assert links[port.interface]["master"] == f"b-{name}" and "UP" in links[port.interface]["flags"], links[port.interface]
        filtered = {port.interface for port, _, (has,) in self.ports if has}
        bus.wait(lambda: ruled() == filtered, "the rules of each port that has a filter, and no others")
        pairs = [(one, other) for one, name, (has,) in self.ports if has for other, network, (free,) in self.ports if not free and network == name]
        for one, other in chance.sample(pairs, min(len(pairs), 3)):
            other.drain()
            assert not passes(one, other, SPOOFED) and passes(one, other, OWN), one.path


def kill(what):
    """At an instant of a call that is at work."""
    pids = [bus.driver("Network")] if what in ("driver", "both") else []
    if what in ("service", "both"):
        pids.append(bus.connection.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixProcessID",
                                             GLib.Variant("(s)", (NAME,)), None, 0, -1, None).unpack()[0])
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # both at the same instant
    for pid in pids:
        end_process(pid)
    if what == "flush":
        shell("nft flush ruleset")


def answers():
    """Whoever has to be started, is."""
    for _ in range(200):
        try:
            return bus.call(PATH, f"{NAME}.NetworkFilters", "GetFilterByName", "s", "clean-traffic")
        except BusError:
            time.sleep(0.05)
    raise AssertionError("nobody answers")


def every_port_that_is_held_is_there_whatever_is_killed_and_whenever():
    networks, made = [make_network(name) for name in NAMES], [define("n", includes("no-ip-spoofing")), define("m", includes("no-ip-spoofing", "allow-arp"))]
    held = Held(networks)
    while len(held.ports) < options.ports:
        held.add()
    held.check()
    waits, kinds = [], {}
    for number in range(options.kills):
        what = chance.choices(("driver", "service", "both", "flush"), (5, 2, 2, 2))[0]
        kinds[what] = kinds.get(what, 0) + 1
        victim = held.ports[chance.randrange(len(held.ports))][0]
        before = set(ports_of(networks))
        begun = [bus.begin(victim.path, f"{NAME}.NetworkPort", "SetFilter", "sa{sv}", reference("m", IP="10.0.0.1"), {}),
                 bus.begin(PATH, f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}", f"<filter name='extra{number}'/>", {})]
        held.ports = [(port, name, may_have | {"m"} if port is victim else may_have) for port, name, may_have in held.ports]
        bus.connection.flush_sync()
        time.sleep(chance.random() * 0.03)  # the instant
        began = time.monotonic()
        kill(what)
        answers()
        waits.append((what, time.monotonic() - began))
        for answer in begun:
            bus.wait(lambda answer=answer: answer, "an answer")
        for deed in chance.choices((held.close, held.add, held.change), k=3):
            if len(held.ports) > 2:
                deed()
        try:
            held.check()
        except AssertionError:
            print(f"# seed {options.seed}, after kill {number}: {what}; {len(before)} ports before")
            raise
    for what in ("driver", "both"):
        times = sorted(wait for kind, wait in waits if kind == what)
        if times:
            print(f"# {what}: answered again after {times[len(times) // 2]:.3f} s (p50), {times[-1]:.3f} s (most)")
    print(f"# {kinds}, {len(held.ports)} ports on {len(networks)} networks")
    while held.ports:
        held.close()
    bus.wait(lambda: not ports_of(networks) and ruled() == set(), "the end of all ports")
    for network in networks:
        end_network(network)
    for number in range(options.kills):
        try:
            made.append(bus.call(PATH, f"{NAME}.NetworkFilters", "GetFilterByName", "s", f"extra{number}"))
        except BusError:
            pass  # the driver ended before
    undefine(*made)


if os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or "UP" in shell("ip -o link show up"):
    sys.exit("this is for root with /dev/net/tun, in a network namespace of its own: unshare --net tests/with-bus tests/faults/test-network-kills.py")
shell("sysctl -q net.ipv6.conf.default.disable_ipv6=1")
run([every_port_that_is_held_is_there_whatever_is_killed_and_whenever])
