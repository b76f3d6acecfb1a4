#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network filters of ports: which packets pass by a guest's tap interface, before, during and after each change.

Usage (below unshare --net tests/with-bus): test-port-filters.py
"""

import json
import os
import random
import select
import signal
import sys
import threading
import time
import xml.etree.ElementTree as ET

from gi.repository import GLib
from packets import ALL, FILTERS, IPV6, MAC, PEER, STRANGER, TABLE, arp, ethernet, ipv4, udp
from ports_rig import CARDS, DOMAIN, LETS_SENTINEL, PATH, Port, bus, define, end_network, filters, includes, kill_driver, make_network, passes, reference, ruled, undefine
from rig import NAME, BusError, Ends, Hypervisor, User, contains, denied, end_process, expect, polkit_rules, run
from spaces import shell

qemu = Hypervisor(bus, "qemu")


OWN = ethernet(ipv4("10.0.0.1", "10.0.0.9", 17, udp(1, 2)), 0x800)
SPOOFED = ethernet(ipv4("10.0.0.2", "10.0.0.9", 17, udp(1, 2)), 0x800)


def the_filters_that_are_shipped_let_pass_what_they_should_by_a_port():
    network = make_network()
    guest, other = Port(network, 1), Port(network, 2)
    found = {row[0] + str(n): "" for n, row in enumerate(TABLE)}
    for name in FILTERS:
        define("n", includes(name))
        guest.set_filter(reference("n", IP="10.0.0.1", GATEWAY_MAC="52:54:00:00:00:fe"))
        assert (guest.get("Filter"), ruled()) == ("n", {guest.interface})
        for n, (what, frame, _) in enumerate(TABLE):
            found[what + str(n)] += "P" if passes(guest, other, frame) else "."
    wanted = {row[0] + str(n): row[2] for n, row in enumerate(TABLE)}
    assert found == wanted, {what: (found[what], wanted[what]) for what in wanted if found[what] != wanted[what]}
    define("n", includes("clean-traffic"))
    guest.set_filter(reference("n", IP=["10.0.0.1", "10.0.0.2"]))
    assert passes(guest, other, OWN) and passes(guest, other, SPOOFED)  # both are its own
    for frame, goes in ((ethernet(ipv4("10.0.0.7", "10.0.0.1", 17, udp(1, 2)), 0x800, MAC, PEER), True), (ethernet(arp(PEER, "10.0.0.7"), 0x806, ALL, PEER), True),
                        (ethernet(IPV6, 0x86dd, MAC, PEER), False), (ethernet(b"", 0x88cc, MAC, PEER), False)):
        assert passes(other, guest, frame) == goes, frame.hex()
    guest.set_filter()
    assert (guest.get("Filter"), guest.get("FilterXML"), ruled()) == ("", "", set()) and passes(guest, other, ethernet(OWN[14:], 0x800, source=STRANGER))
    guest.close()
    other.close()
    undefine(*(path for path, row in filters().items() if row["Name"] == "n"))
    end_network(network)


def a_port_has_its_filter_before_it_is_up():
    network, made = make_network(), define("n", "<rule action='drop' direction='inout'><mac protocolid='0x9998'/></rule>")
    other, ends = Port(network, 2), threading.Event()
    frame = ethernet(b"", 0x9998, ALL, PEER)

    def flood():
        while not ends.is_set():
            other.send(frame)
            time.sleep(0.0002)

    flooder = threading.Thread(target=flood)
    flooder.start()
    for number in range(8):
        guest = Port(network, 1, reference("n") if number else "")
        time.sleep(0.02)
        got = []
        while (found := guest.receive(0)) is not None:
            got.append(found[12:14])
        assert (frame[12:14] in got) == (number == 0), got  # without a filter it comes
        guest.close()
    ends.set()
    flooder.join()
    other.close()
    undefine(made)
    end_network(network)


class Stream:
    """Frames of a guest's own and spoofed ones, one after the other, while something changes: none of these is lost, and none of those passes."""

    def __init__(self, sender, receiver):
        self.sender, self.receiver = sender, receiver
        self.sent, self.seen, self.leaked, self.ends = 0, set(), 0, threading.Event()
        self.threads = [threading.Thread(target=part) for part in (self.send, self.receive)]

    def send(self):
        while not self.ends.is_set():
            number = self.sent.to_bytes(4, "big")
            for source in ("10.0.0.1", "10.0.0.2"):
                self.sender.send(ethernet(ipv4(source, "10.0.0.9", 17, udp(1, 2) + number), 0x800))
            self.sent += 1
            time.sleep(0.001)

    def receive(self):
        while not self.ends.is_set() or select.select([self.receiver.fd], [], [], 0.2)[0]:
            frame = self.receiver.receive(0.05)
            if frame and frame[12:14] == b"\x08\0" and frame[6:12].hex() == MAC:
                self.leaked += frame[26:30] == b"\x0a\0\0\x02"
                self.seen.add(int.from_bytes(frame[42:46], "big"))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.ends.set()
        for thread in self.threads:
            thread.join()
        missing = set(range(self.sent)) - self.seen
        print(f"# {self.sent} frames sent of each kind, {len(missing)} lost, {self.leaked} let pass")
        assert self.sent > 20 and not missing and self.leaked == 0, (self.sent, sorted(missing)[:10], self.leaked)


def nothing_is_lost_and_nothing_passes_while_a_filter_changes():
    network = make_network()
    made = [define("inner", includes("no-ip-spoofing")), define("n", includes("inner")), define("m", includes("clean-traffic"))]
    guest, other = Port(network, 1, reference("n", IP="10.0.0.1")), Port(network, 2)
    more = [Port(network, 3 + n, reference("n", IP=f"10.0.0.{3 + n}")) for n in range(4)]
    with Stream(guest, other):
        for number in range(12):  # what is included
            define("inner", includes("no-ip-spoofing") + "<rule action='drop' direction='out'><tcp dstportstart='25' state='NONE'/></rule>" * (number % 3))
    with Stream(guest, other):
        for number in range(12):  # the filter, and its values
            guest.set_filter(reference("nm"[number % 2], IP=["10.0.0.1", f"10.0.0.{number + 10}"]))
    with Stream(guest, other):
        for number in range(6):  # others come and go
            more.append(Port(network, 9, reference("n", IP="10.0.0.10")))
            more.pop(0).close()
    with Stream(guest, other):
        for _ in range(3):
            kill_driver()
            assert guest.get("Filter") == "m"
    for port in more + [guest, other]:
        port.close()
    undefine(made[1], made[0], made[2])
    end_network(network)


def an_address_that_nobody_gives_is_learned_from_the_first_packet():
    network = make_network()
    made = [define("n", includes("clean-traffic"))]
    other = Port(network, 2)
    frames = {"first": OWN, "dhcp": ethernet(ipv4("0.0.0.0", "255.255.255.255", 17, udp(68, 67)), 0x800, ALL), "other": SPOOFED,
              "arp": ethernet(arp(MAC, "10.0.0.1"), 0x806, ALL), "other arp": ethernet(arp(MAC, "10.0.0.2"), 0x806, ALL),
              "card": ethernet(OWN[14:], 0x800, source=STRANGER)}
    for how in ({}, {"CTRL_IP_LEARNING": "any"}):
        for first in ("first", "arp"):
            guest = Port(network, 1, reference("n", **how))
            learned = f"card_{guest.uuid.replace('-', '_')}_ip"
            assert not passes(guest, other, frames["card"]) and passes(guest, other, frames["dhcp"])  # by which nothing is learned
            for name in (first, "other", "first", "other arp", "arp", "card", "dhcp"):
                assert passes(guest, other, frames[name]) == (name in ("first", "arp", "dhcp")), (first, name)
            define("n", includes("clean-traffic", "allow-arp"))  # which changes nothing of it
            define("n", includes("clean-traffic"))
            assert not passes(guest, other, SPOOFED) and passes(guest, other, OWN) and "10.0.0.1" in shell(f"nft list set bridge virtbus {learned}")
            guest.set_filter(reference("n", IP="10.0.0.2"))
            assert passes(guest, other, SPOOFED) and not passes(guest, other, OWN) and learned not in shell("nft list ruleset")
            guest.set_filter(reference("n", **how))
            assert passes(guest, other, SPOOFED) and not passes(guest, other, OWN)  # anew
            guest.close()
    for error, how, part in (("InvalidArgument", "none", "IP"), ("Unsupported", "dhcp", "DHCP"), ("InvalidArgument", "some", "'some'")):
        contains(expect(error, Port, network, 1, reference("n", CTRL_IP_LEARNING=how)), part)
    Port(network, 1, reference("n", CTRL_IP_LEARNING="dhcp", IP="10.0.0.1")).close()
    made.append(define("m", "<rule action='drop' direction='out'><ip srcipaddr='$IP' srcipmask='24'/></rule>"))
    contains(expect("Unsupported", Port, network, 1, reference("m")), "srcipaddr", "IP")
    made.append(define("v", includes("no-ipv6-spoofing")))
    contains(expect("InvalidArgument", Port, network, 1, reference("v")), "IPV6")
    other.close()
    undefine(*made)
    end_network(network)


def rules_of_chains():
    """The numbers of the rules that the kernel has, by chain: a rule that is written anew has another one."""
    found = {}
    for item in json.loads(shell("nft -a -j list table bridge virtbus"))["nftables"]:
        if "rule" in item:
            found.setdefault(item["rule"]["chain"], []).append(item["rule"]["handle"])
    return found


def what_another_definition_does_not_change_is_left_alone():
    drop = "<rule action='drop' direction='inout' priority='{}'><arp opcode='{}'/></rule>".format
    made = [define("of-arp", drop(500, 1), " chain='arp'"), define("all", includes("of-arp") + "<rule action='drop' direction='inout'><ip dscp='1'/></rule>")]
    network = make_network()
    ports = [Port(network, number, reference("all")) for number in (1, 2)]
    before = rules_of_chains()
    define("of-arp", drop(500, 2), " chain='arp'")
    after = rules_of_chains()
    changed = {chain for chain in before if before[chain] != after[chain]}
    # In and out of each card; neither the table's own chains nor root's, nor anything of those that are added later.
    assert set(before) == set(after) and len(changed) == 4, (before, after)
    third = Port(network, 3, reference("all"))
    assert {chain: after[chain] for chain in after} == {chain: rules_of_chains()[chain] for chain in after}
    request, answer = (ethernet(arp(MAC, "10.0.0.1", operation), 0x806, ALL) for operation in (1, 2))
    assert passes(ports[0], ports[1], request) and not passes(ports[0], ports[1], answer) and not passes(third, ports[1], answer)
    # A filter that grows by a chain, and shrinks again.
    made.append(define("of-rarp", "<rule action='drop' direction='inout'><rarp/></rule>", " chain='rarp'"))
    for more in (includes("of-rarp"), ""):
        define("all", includes("of-arp") + more + "<rule action='drop' direction='inout'><ip dscp='1'/></rule>")
        assert passes(ports[0], ports[1], request) and not passes(ports[0], ports[1], answer)
        assert passes(ports[0], ports[1], ethernet(arp(MAC, "10.0.0.1", 3), 0x8035, ALL)) == (not more)
    assert len(rules_of_chains()) == len(after) + 4  # of the third port
    for port in [*ports, third]:
        port.close()
    undefine(*reversed(made))
    end_network(network)


def a_redefinition_that_one_port_cannot_have_changes_none():
    network = make_network()
    made = [define("n", includes("no-ip-spoofing"))]
    guest, other, third = Port(network, 1, reference("n", IP="10.0.0.1")), Port(network, 2), Port(network, 3, reference("n", IP="10.0.0.3", PORT="80"))
    before = shell("nft list ruleset")
    blocks = "<rule action='drop' direction='out'><ip srcipaddr='10.0.0.1' protocol='udp' dstportstart='$PORT'/></rule>"
    contains(expect("InvalidArgument", define, "n", blocks), "'guest'", guest.interface, "PORT", "<parameter")
    contains(expect("NoSuchFilter", define, "n", includes("nobodys")), "nobodys")
    contains(expect("Unsupported", define, "n", "<rule action='drop' direction='out'><all ipset='a' ipsetflags='src'/></rule>"), "ipset")
    assert shell("nft list ruleset") == before and "no-ip-spoofing" in bus.call(made[0], f"{NAME}.NetworkFilter", "GetXML", "a{sv}", {})
    contains(expect("OperationInvalid", undefine, made[0]), "'guest'", guest.interface, "'n'")
    # One that comes with virtbus, defined anew, and as it came again.
    shipped = bus.call(PATH, f"{NAME}.NetworkFilters", "GetFilterByName", "s", "no-ip-spoofing")
    define("no-ip-spoofing", "", " chain='ipv4-ip' priority='-710'")
    assert passes(guest, other, SPOOFED)
    undefine(shipped)
    assert not passes(guest, other, SPOOFED) and passes(guest, other, OWN)
    for error, xml, part in (("InvalidArgument", reference("n", CTRL_IP_LEARNING="none"), "IP"), ("NoSuchFilter", reference("nobodys"), "nobodys"), ("InvalidXML", "<filterref/>", "filter"),
                             ("InvalidXML", reference("n", IP="a b"), "value"), ("InvalidXML", "<filter/>", "filterref")):
        contains(expect(error, guest.set_filter, xml), part)
        contains(expect(error, Port, network, 4, xml), part)
        assert guest.get("Filter") == "n" and not passes(guest, other, SPOOFED) and passes(guest, other, OWN)
    assert ruled() == {guest.interface, third.interface} and len([path for path in bus.objects(network) if "/port/" in path]) == 3
    for port in (guest, other, third):
        port.close()
    undefine(*made)
    end_network(network)


def what_somebody_takes_away_is_put_back_and_what_is_left_is_taken_away():
    network = make_network()
    made = [define("n", includes("no-ip-spoofing"))]
    guest, other = Port(network, 1, reference("n", IP="10.0.0.1")), Port(network, 2)
    rules = shell("nft list ruleset")
    for words in ("flush ruleset", "delete table bridge virtbus", "flush chain bridge virtbus cards_prerouting", "flush map bridge virtbus cards_from",
                  "delete table inet virtbus"):
        shell(f"nft {words}")
        began = time.monotonic()
        bus.wait(lambda: sorted(shell("nft list ruleset").split("\n")) == sorted(rules.split("\n")), f"what there was before: {words}")
        print(f"# {words}: put back and seen in {time.monotonic() - began:.3f} s")
        assert not passes(guest, other, SPOOFED) and passes(guest, other, OWN)
    kill_driver(after=lambda: shell("nft flush ruleset"))  # when none is there to see it
    bus.wait(lambda: not passes(guest, other, SPOOFED), "the filter")
    name = guest.interface

    def end_port():
        os.close(guest.fd)
        bus.wait(lambda: name not in shell("ip -o link"), "the end of an interface")

    kill_driver(after=end_port)
    bus.wait(lambda: ruled() == set(), "the end of what is left of a port")
    again = Port(network, 1)
    assert again.interface == name and passes(again, other, SPOOFED)
    again.close()
    other.close()
    undefine(*made)
    end_network(network)


def card(number=1, more=""):
    return f"<interface type='network'><mac address='{CARDS.format(number)}'/><source network='n'/><model type='virtio'/>{more}</interface>"


def a_guests_cards_have_the_filters_of_its_document():
    network, made = make_network(), [define("n", includes("no-ip-spoofing")), define("m", includes("clean-traffic"))]

    def filters_of():
        return sorted((parts[f"{NAME}.NetworkPort"]["MAC"], parts[f"{NAME}.NetworkPort"]["Filter"]) for path, parts in bus.objects(network).items())

    def change(number, xml):
        """As virsh edits a card: all of it stays but its filter."""
        live = ET.fromstring(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})).findall("devices/interface")[number - 1]
        for old in live.findall("filterref"):
            live.remove(old)
        if xml:
            live.append(ET.fromstring(xml))
        bus.call(f"{domain}/device/net{number - 1}", f"{NAME}.Device", "Update", "sa{sv}", ET.tostring(live, encoding="unicode"), {})

    wrong = qemu.define(qemu.document("w", devices=card(1, reference("n", CTRL_IP_LEARNING="none"))))
    contains(expect("InvalidArgument", qemu.do, wrong, "Start"), "'w'", "'net0'", "'n'", "IP")
    contains(expect("Unsupported", qemu.define, qemu.document("v", devices=card(1, "<filterref filter='n'><frob/></filterref>"))), "frob")
    qemu.do(wrong, "Undefine")
    domain = qemu.define(qemu.document("g", devices=card(1, reference("n", IP="10.0.0.1"))))
    qemu.do(domain, "Start")
    assert filters_of() == [(CARDS.format(1), "n")]
    contains(expect("OperationInvalid", undefine, made[0]), "'g'")
    bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", card(2, reference("m", IP="10.0.0.2")), {})
    change(1, reference("m", IP="10.0.0.1"))
    assert filters_of() == [(CARDS.format(1), "m"), (CARDS.format(2), "m")]
    contains(expect("NoSuchFilter", change, 1, reference("nobodys")), "'g'", "nobodys")
    change(2, "")
    assert filters_of() == [(CARDS.format(1), "m"), (CARDS.format(2), "")]
    change(2, reference("n", IP="10.0.0.2"))
    live = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
    assert live.count("portid=") == 2 and qemu.define(live) == domain
    inactive = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {"inactive": GLib.Variant("b", True)})
    assert inactive.count("<filterref") == 2 and "portid" not in inactive and "b-n" not in inactive, inactive
    for driver in ("QEMU", "Network"):
        bus.kill_driver(driver)
    bus.wait(lambda: filters_of() == [(CARDS.format(1), "m"), (CARDS.format(2), "n")] and qemu.state(domain) == "running", "the guest and its filters, found again")
    assert len(ruled()) == 2
    end_process(qemu.pid_of(domain))
    bus.wait_state(domain, "shutoff")
    bus.wait(lambda: ruled() == set(), "the end of its rules")
    qemu.do(domain, "Undefine")
    undefine(*made)
    end_network(network)


def who_may_not_change_a_ports_filter_is_refused():
    alice, network = User("vb-alice"), make_network()
    guest = Port(network, 1)
    words = (guest.path, f"{NAME}.NetworkPort", "SetFilter", "sa{sv}", repr(reference("clean-traffic", IP="10.0.0.1")), "@a{sv} {}")
    polkit_rules(bus, "polkit.addRule(function(a, s) { return polkit.Result.NO; });")
    assert denied(alice.call, *words) and ruled() == set()
    polkit_rules(bus, "polkit.addRule(function(a, s) { return a.id === 'org.virtbus1.network.attach' && a.lookup('network_name') === 'n' ? polkit.Result.YES : polkit.Result.NO; });")
    # To attach is no right to what was attached for others.
    contains(expect("AccessDenied", alice.call, *words), "another user")
    assert ruled() == set()
    holder = User("vb-alice")
    holder.call(network, f"{NAME}.Network", "AddPort", "sssa{sv}", repr("hers"), repr("0d4b8e7a-3d3c-4e52-9df2-0c8f6f3d1f01"), repr(CARDS.format(2)), "@a{sv} {}")
    theirs = next(path for path, interfaces in bus.objects(network).items() if interfaces.get(f"{NAME}.NetworkPort", {}).get("DomainName") == "hers")
    alice.call(theirs, *words[1:])
    assert len(ruled()) == 1
    bus.kill_driver("Network")
    bus.wait(lambda: theirs in bus.objects(network), "the port, found again")
    contains(expect("AccessDenied", alice.call, *words), "another user")
    alice.call(theirs, *words[1:-2], "''", words[-1])
    assert ruled() == set()
    alice.leave()
    holder.leave()
    guest.close()
    end_network(network)


ENDS = 16


def a_driver_that_is_told_to_end_cancels_what_waits_and_ends_well():
    """Within whatever it does to networks, ports and filters, at random instants; what was answered is so, and nothing is half done."""
    seed = int(os.environ.get("VIRTBUS_SEED", time.time()))
    print(f"# VIRTBUS_SEED={seed}")
    chance, ends, network = random.Random(seed), Ends(bus, "Network"), make_network()
    kill_driver()  # by the script that tells
    ports, rules = [], ["<rule action='drop' direction='inout'><mac protocolid='0x9998'/></rule>", includes("clean-traffic")]
    define("n", rules[0])
    guest, dropped = Port(network, 1, reference("n", IP="10.0.0.1")), ethernet(b"", 0x9998, ALL, PEER)
    other = Port(network, 2)
    more = bus.call(PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", "<network><name>more</name><bridge name='b-more' stp='off'/></network>", {})

    def options(**text):
        return {key: GLib.Variant("s", value) for key, value in text.items()}
    for number in range(ENDS):
        was, pid = bus.get(more, "Network", "Active"), bus.driver("Network")
        uuid = next(row["UUID"] for row in filters().values() if row["Name"] == "n")
        begun = {
            "Start or Stop": bus.begin(more, f"{NAME}.Network", "Stop" if was else "Start", "a{sv}", {}),
            "DefineNetwork": bus.begin(PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", f"<network><name>d{number}</name></network>", {}),
            "DefineFilter": bus.begin(PATH, f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}",
                                      f"<filter name='n'><uuid>{uuid}</uuid>{LETS_SENTINEL}{rules[number % 2]}</filter>", {}),
            "SetFilter": bus.begin(guest.path, f"{NAME}.NetworkPort", "SetFilter", "sa{sv}", reference("n", IP="10.0.0.1"), {}),
            "AddPort": bus.begin(network, f"{NAME}.Network", "AddPort", "sssa{sv}", "guest", DOMAIN, CARDS.format(4), options(filter=reference("n", IP="10.0.0.4"))),
            "Update": bus.begin(more, f"{NAME}.Network", "Update", "ssisa{sv}", "add-last", "dns-host", -1, f"<host ip='10.0.0.{number + 1}'><hostname>h{number}</hostname></host>", {}),
        }
        bus.connection.flush_sync()
        time.sleep(chance.random() * 0.06)  # the instant
        bus.kill_driver("Network", pid, number=signal.SIGTERM)
        ends.well(pid)
        bus.wait(lambda begun=begun: all(begun.values()), "answers")
        bus.call(PATH, f"{NAME}.NetworkFilters", "GetFilterByName", "s", "clean-traffic")
        failed = {what: answers[0] for what, answers in begun.items() if isinstance(answers[0], BusError)}
        assert all(error.name.endswith((".Cancelled", ".ResourceBusy", ".UnknownMethod")) for error in failed.values()), (number, failed)
        active, defined = bus.get(more, "Network", "Active"), [path for path, parts in bus.objects(PATH).items()
                                                               if parts.get(f"{NAME}.Network", {}).get("Name") == f"d{number}"]
        assert active == (not was) or "Start or Stop" in failed, (number, was, active, failed)
        assert defined or "DefineNetwork" in failed, (number, failed)
        for path in defined:
            bus.call(path, f"{NAME}.Network", "Undefine", "a{sv}", {})
        # The guest's port is there, and filtered by one or the other.
        assert guest.path in bus.objects(network) and not passes(guest, other, dropped), number
        bus.wait(lambda: ruled() == {guest.interface}, "rules of the port that is there alone")
    for port in (guest, other, *ports):
        port.close()
    if bus.get(more, "Network", "Active"):
        bus.call(more, f"{NAME}.Network", "Stop", "a{sv}", {})
    bus.call(more, f"{NAME}.Network", "Undefine", "a{sv}", {})
    undefine(*(path for path, row in filters().items() if row["Name"] == "n"))
    end_network(network)


if os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or "UP" in shell("ip -o link show up"):
    sys.exit("this is for root with /dev/net/tun, in a network namespace of its own: unshare --net tests/with-bus tests/behaviour/test-port-filters.py")
shell("sysctl -q net.ipv6.conf.default.disable_ipv6=1")
run([what_another_definition_does_not_change_is_left_alone, the_filters_that_are_shipped_let_pass_what_they_should_by_a_port, a_port_has_its_filter_before_it_is_up,
     nothing_is_lost_and_nothing_passes_while_a_filter_changes, an_address_that_nobody_gives_is_learned_from_the_first_packet, a_redefinition_that_one_port_cannot_have_changes_none,
     what_somebody_takes_away_is_put_back_and_what_is_left_is_taken_away, a_guests_cards_have_the_filters_of_its_document,
     who_may_not_change_a_ports_filter_is_refused, a_driver_that_is_told_to_end_cancels_what_waits_and_ends_well])
