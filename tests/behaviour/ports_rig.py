# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks, filters and ports for tests that hold the guests' ends of them. Only in a network namespace of their own."""

import json
import os
import select

from gi.repository import GLib
from packets import ALL, SENTINEL, ethernet
from rig import DEADLINE, NAME, ROOT, Bus, BusError
from spaces import shell

PATH = "/org/virtbus1/host"
DOMAIN = "44444444-4444-4444-4444-444444444444"
CARDS = "52:54:00:00:00:0{}"
KIND = 0x88b5  # of packets: for experiments
LIMITS = "<bandwidth><inbound average='1000' peak='2000' burst='512'/></bandwidth>"
OTHER = "55555555-5555-4555-8555-555555555555"
# What says that all before it has been judged: every filter of these tests lets it pass.
LETS_SENTINEL = f"<rule action='accept' direction='inout' priority='-1000'><mac protocolid='{SENTINEL:#x}'/></rule>"
VNET_HEADER = bytes(10)  # of a tap with IFF_VNET_HDR
bus = Bus()


def make_network(name="n"):
    network = bus.call(PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", f"<network><name>{name}</name><bridge name='b-{name}' stp='off'/></network>", {})
    bus.call(network, f"{NAME}.Network", "Start", "a{sv}", {})
    return network


def end_network(network):
    for member in ("Stop", "Undefine"):
        bus.call(network, f"{NAME}.Network", member, "a{sv}", {})


def define(name, rules, chain=""):
    old = {row["Name"]: row["UUID"] for row in filters().values()}.get(name)
    xml = f"<filter name='{name}'{chain}>{old and f'<uuid>{old}</uuid>' or ''}{LETS_SENTINEL}{rules}</filter>"
    return bus.call(PATH, f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}", xml, {})


def undefine(*made):
    for path in made:
        bus.call(path, f"{NAME}.NetworkFilter", "Undefine", "a{sv}", {})


def filters():
    return {path: parts[f"{NAME}.NetworkFilter"] for path, parts in bus.objects(PATH).items() if f"{NAME}.NetworkFilter" in parts}


def reference(name, **values):
    parameters = "".join(f"<parameter name='{key}' value='{value}'/>" for key, all_of_it in sorted(values.items())
                         for value in (all_of_it if isinstance(all_of_it, list) else [all_of_it]))
    return f"<filterref filter='{name}'>{parameters}</filterref>"


def includes(*names):
    return "".join(f"<filterref filter='{name}'/>" for name in names)


def add(path, interface, *arguments):
    """What AddPort answers, and its descriptors, which the caller closes."""
    words = GLib.Variant("(" + "s" * (len(arguments) - 1) + "a{sv})", arguments)
    try:
        answer, files = bus.connection.call_with_unix_fd_list_sync(NAME, path, f"{NAME}.{interface}", "AddPort", words, None, 0, DEADLINE * 1000, None, None)
    except GLib.Error as error:
        raise BusError(error) from None
    return answer.unpack(), files.steal_fds()


def see_own_sys():
    """This network's part of /sys, for macvtaps, which is else that of whoever has mounted it: the mounts are this test's and the drivers' alone."""
    shell(f"mkdir {ROOT}/sys; mount -t sysfs sysfs {ROOT}/sys; mount --bind {ROOT}/sys/devices /sys/devices; mount --bind {ROOT}/sys/class /sys/class; umount {ROOT}/sys; rmdir {ROOT}/sys")


class Port:
    """A port of a network, as its guest has it: it is gone when this is closed."""

    KIND = "NetworkPort"

    def __init__(self, network, number, filter_xml=""):
        self.take(add(network, "Network", "guest", DOMAIN, CARDS.format(number), {"filter": GLib.Variant("s", filter_xml)}))

    def take(self, answer):
        self.path, self.uuid, self.interface = answer[0][:3]
        (self.fd,) = answer[1]

    def set_filter(self, xml=""):
        bus.call(self.path, f"{NAME}.{self.KIND}", "SetFilter", "sa{sv}", xml, {})

    def get(self, name):
        return bus.get(self.path, self.KIND, name)

    def send(self, frame):
        os.write(self.fd, VNET_HEADER + frame)

    def receive(self, patience=DEADLINE):
        """The next frame; None where none comes in time."""
        return os.read(self.fd, 4096)[len(VNET_HEADER):] if select.select([self.fd], [], [], patience)[0] else None

    def drain(self):
        while self.receive(0) is not None:
            pass

    def close(self):
        os.close(self.fd)
        bus.wait(lambda: self.interface not in ruled() and f"card_{self.uuid.replace('-', '_')}" not in shell("nft list ruleset"), "the end of its rules")


class HostPort(Port):
    """One of the host's: "bridge" or "ethernet", with the name of that."""

    KIND = "HostPort"

    def __init__(self, plug, source, number, **options):
        kinds = {str: "s", int: "u", bool: "b"}
        self.take(add(PATH, "HostPorts", plug, source, "guest", DOMAIN, CARDS.format(number),
                      {key: GLib.Variant(kinds[type(value)], value) for key, value in options.items()}))


def passes(sender, receiver, frame, source="5254000000ff"):
    """Whether a frame comes from one port to the other; what the host itself sends is not looked at."""
    receiver.drain()
    sender.send(frame)
    sender.send(ethernet(b"", SENTINEL, ALL, source))
    got = False
    while True:
        found = receiver.receive()
        assert found is not None, "a filter of these tests stops what all of them should let pass"
        if found[12:14] == SENTINEL.to_bytes(2, "big"):
            return got
        got = got or found[:len(frame)] == frame[:len(found)]


def ruled():
    """The interfaces that lead to rules."""
    answer = json.loads(shell("nft -j list ruleset"))["nftables"]
    return {element[0] for row in answer if row.get("map", {}).get("name") == "cards_from" for element in row["map"].get("elem", [])}


def kill_driver(**options):
    bus.kill_driver("Network", None, **options)
    bus.call(PATH, f"{NAME}.NetworkFilters", "GetFilterByName", "s", "clean-traffic")
