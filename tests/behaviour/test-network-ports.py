#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ports whose network goes while their guests live, and ports of one address.

Usage (below unshare --net tests/with-bus): test-network-ports.py
"""

import os
import sys

import ports_rig
from gi.repository import GLib
from packets import ethernet
from ports_rig import CARDS, DOMAIN, KIND, PATH, Port, bus, define, kill_driver, passes, reference, ruled, undefine
from rig import DEADLINE, NAME, ROOT, BusError, User, contains, expect, polkit_rules, run
from spaces import shell

RECORDS = f"{ROOT}/network/run/network/ports"
UUID, OTHER = "77777777-7777-4777-8777-777777777777", "55555555-5555-4555-8555-555555555555"


def document(name="n"):
    return f"<network><name>{name}</name><uuid>{UUID}</uuid><bridge name='b-{name}' stp='off'/></network>"


def make(method, name="n"):
    return bus.call(PATH, f"{NAME}.Networks", method, "sa{sv}", document(name), {})


def call(network, *members):
    for member in members:
        bus.call(network, f"{NAME}.Network", member, "a{sv}", {})


def objects():
    return {path for path in bus.objects(PATH) if path.startswith(f"{PATH}/network/")}


def ports(network):
    return set(bus.objects(network))


def records():
    return {name.removesuffix(".xml") for name in os.listdir(RECORDS)}


def master(port):
    return next((word for word in shell(f"ip -o link show {port.interface}").split("master ")[1:]), "").split(" ")[0]


def frames():
    """From the first port's guest with its own address, and with another's."""
    return [ethernet(b"", KIND, CARDS.format(2).replace(":", ""), card.replace(":", "")) for card in (CARDS.format(1), "52:54:00:00:00:99")]


def a_port_whose_network_has_gone_keeps_its_record_and_its_filter():
    own, spoofed = frames()
    own_only = define("own-only", "<rule action='return' direction='out'><mac srcmacaddr='$MAC'/></rule><rule action='drop' direction='out'><mac/></rule>")
    network = make("CreateNetwork")
    guest, other = Port(network, 1, reference("own-only")), Port(network, 2)
    assert passes(guest, other, own) and not passes(guest, other, spoofed, CARDS.format(1).replace(":", ""))
    call(network, "Stop")
    assert objects() == set() and records() == {guest.uuid, other.uuid} and ruled() == {guest.interface}
    # Whoever connects it again: it is filtered.
    shell("ip link add b-by-hand type bridge; ip link set b-by-hand up")

    def connect(*way):
        for port in (guest, other):
            shell(f"ip link set {port.interface} {' '.join(way)}")
    connect("master", "b-by-hand")
    for again in (lambda: None, kill_driver, lambda: shell("nft flush ruleset")):
        again()
        bus.wait(lambda: ruled() == {guest.interface}, "its rules")
        assert passes(guest, other, own) and not passes(guest, other, spoofed, CARDS.format(1).replace(":", ""))
    assert records() == {guest.uuid, other.uuid}
    # A network of the same UUID has them again, whatever its name is.
    connect("nomaster")
    network = make("CreateNetwork", "m")
    assert ports(network) == {guest.path, other.path} and master(guest) == master(other) == "b-m"
    assert passes(guest, other, own) and not passes(guest, other, spoofed, CARDS.format(1).replace(":", ""))
    guest.set_filter(reference("own-only", X="1"))
    call(network, "Stop")
    kill_driver()
    network = make("DefineNetwork")
    assert ports(network) == {guest.path, other.path}
    kill_driver()
    call(network, "Start")
    assert ports(network) == {guest.path, other.path} and master(guest) == "b-n"
    call(network, "Stop", "Undefine")
    guest.close()
    bus.wait(lambda: records() == {other.uuid}, "the end of a port without a network")
    other.close()
    kill_driver()
    assert records() == set()
    shell("ip link delete b-by-hand")
    undefine(own_only)


def add(network, mac, domain=DOMAIN, name="guest"):
    """The port's descriptor, which the caller closes."""
    arguments = GLib.Variant("(sssa{sv})", (name, domain, mac, {}))
    try:
        _, files = bus.connection.call_with_unix_fd_list_sync(NAME, network, f"{NAME}.Network", "AddPort", arguments, None, 0, DEADLINE * 1000, None, None)
    except GLib.Error as error:
        raise BusError(error) from None
    return files.steal_fds()[0]


def two_domains_have_not_one_address_on_a_network():
    network, mac = make("CreateNetwork"), "52:54:00:00:00:0a"
    apart = ports_rig.make_network("apart")
    alice = User("vb-alice")
    polkit_rules(bus, "polkit.addRule(function(a, s) { return polkit.Result.YES; });")
    first = add(network, mac)
    for attempt in (mac, mac.upper()):
        contains(expect("AlreadyExists", add, network, attempt, OTHER, "thief"), "'n'", "'guest'", mac.upper() if attempt != mac else mac)
    # Whoever says that the domain is that one is not believed.
    contains(expect("AlreadyExists", alice.call, network, f"{NAME}.Network", "AddPort", "sssa{sv}", repr("guest"), repr(DOMAIN), repr(mac), "@a{sv} {}"), "'guest'")
    others = [add(network, mac), add(apart, mac, OTHER), add(network, "52:54:00:00:00:0b", OTHER)]
    for fd in (first, others.pop(0)):
        os.close(fd)
    others.append(add(network, mac, OTHER))  # at once
    assert len(ports(network)) >= 2
    # Of those that ask at the same time one has it.
    answers = []

    def on_answer(connection, result):
        try:
            answers.append(connection.call_with_unix_fd_list_finish(result))
        except GLib.Error as error:
            answers.append(BusError(error))
    for number in range(8):
        arguments = GLib.Variant("(sssa{sv})", ("guest", f"{number:08d}-5555-4555-8555-555555555555", "52:54:00:00:00:0c", {}))
        bus.connection.call_with_unix_fd_list(NAME, network, f"{NAME}.Network", "AddPort", arguments, None, 0, DEADLINE * 1000, None, None, on_answer)
    bus.wait(lambda: len(answers) == 8, "answers")
    failed = [answer for answer in answers if isinstance(answer, BusError)]
    assert len(failed) == 7 and all(error.name.endswith(".AlreadyExists") for error in failed), answers
    for fd in others:
        os.close(fd)
    alice.leave()
    call(network, "Stop")
    ports_rig.end_network(apart)


if os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or "UP" in shell("ip -o link show up"):
    sys.exit("this is for root with /dev/net/tun, in a network namespace of its own: unshare --net tests/with-bus tests/behaviour/test-network-ports.py")
shell("sysctl -q net.ipv6.conf.default.disable_ipv6=1")
run([a_port_whose_network_has_gone_keeps_its_record_and_its_filter, two_domains_have_not_one_address_on_a_network])
