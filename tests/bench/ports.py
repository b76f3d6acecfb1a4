# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures of networks' ports and their filters; in a network namespace of their own."""

import os
import time

from measures import add, p50, p99, say, timed
from ports_rig import PATH, Port, bus, define, end_network, includes, make_network, reference, ruled, undefine
from rig import NAME, Hypervisor
from spaces import shell

NETWORKS, PORTS, ROUNDS = 20, 100, 40
qemu = Hypervisor(bus, "qemu")


def one_port(network, filter_xml):
    """Of adding one, and of the end of its rules, in microseconds, sorted."""
    ports = []
    durations = sorted(timed(ROUNDS, lambda: ports.append(Port(network, 1, filter_xml))))
    for port in ports:
        os.close(port.fd)
    return durations


def many():
    networks = [make_network(f"m{number}") for number in range(NETWORKS)]
    began = time.monotonic()
    ports = [Port(networks[number % NETWORKS], 1, reference("n", IP="10.0.0.1")) for number in range(PORTS)]
    add(f"{PORTS} ports with clean-traffic, one after the other", (time.monotonic() - began) * 1e3, "<= 500", "ms", f"on {NETWORKS} networks", in_readme=False)
    versions = iter(range(1000))
    durations = sorted(timed(10, lambda: define("n", includes("clean-traffic") + f"<rule action='drop' direction='out'><tcp dstportstart='{next(versions) + 1}' state='NONE'/></rule>")))
    add(f"a filter of {PORTS} ports defined anew, p50", p50(durations) / 1e3, "<= 50", "ms", f"at most {durations[-1] / 1e3:.0f} ms; its file is written too")
    backs = []
    for _ in range(5):
        bus.kill_driver("Network")
        began = time.monotonic()
        bus.call(PATH, f"{NAME}.NetworkFilters", "GetFilterByName", "s", "clean-traffic")
        backs.append((time.monotonic() - began) * 1e3)
    assert len(ruled()) == PORTS
    add(f"a killed driver answers again with {NETWORKS} networks and {PORTS} ports, p50", p50(backs), "<= 300", "ms", f"at most {max(backs):.0f} ms; started by the bus")
    for port in ports:
        os.close(port.fd)
    bus.wait(lambda: ruled() == set(), "the end of all rules")
    for network in networks:
        end_network(network)


def starts():
    domains = {name: qemu.define(qemu.document(f"bench-{name}", devices=card)) for name, card in (
        ("network", "<interface type='network'><source network='s'/><model type='virtio'/></interface>"), ("none", "<interface type='user'><model type='virtio'/></interface>"))}
    took = {name: [] for name in domains}
    for _ in range(15):
        for name, domain in domains.items():
            took[name] += timed(1, lambda domain=domain: qemu.do(domain, "Start"))
            qemu.do(domain, "Destroy")
    with_it, without = (p50(took[name]) / 1e3 for name in ("network", "none"))
    add("a start on a network, over one without, p50", max(with_it - without, 0.01), "<= 5", "ms", f"{with_it:.0f} ms / {without:.0f} ms")
    for domain in domains.values():
        qemu.do(domain, "Undefine")


def measure():
    say("ports of networks, and their filters")
    shell("sysctl -q net.ipv6.conf.default.disable_ipv6=1")
    network, made = make_network("s"), define("n", includes("clean-traffic"))
    plain, filtered = one_port(network, ""), one_port(network, reference("n", IP="10.0.0.1"))
    add("a port of a network, p50", p50(plain) / 1e3, "<= 2", "ms", f"p99 {p99(plain) / 1e3:.1f} ms; through the service")
    add("a port with clean-traffic, p50", p50(filtered) / 1e3, "<= 5", "ms", f"p99 {p99(filtered) / 1e3:.1f} ms")
    bus.wait(lambda: ruled() == set(), "the end of all rules")
    starts()
    many()
    undefine(made)
    end_network(network)
