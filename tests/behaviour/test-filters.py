#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network filters: those that come with virtbus, defined, found, changed and kept through the death of their driver; and who may not.

Usage (below tests/with-bus): test-filters.py
"""

import ctypes
import os
import socket
import struct
import subprocess
import time

from gi.repository import GLib
from packets import ALL, FILTERS, IPV6, MAC, PEER, SENTINEL, STRANGER, TABLE, arp, ethernet, ipv4, tcp, udp
from rig import NAME, ROOT, Bus, Skip, User, contains, denied, expect, polkit_rules, run
from spaces import Space

PATH = "/org/virtbus1/host"
STATE = f"{ROOT}/network/state/network/filters"
SHIPPED = 24
bus = Bus()
IS_ROOT = os.geteuid() == 0


def document(name, rules="", uuid=""):
    return f"<filter name='{name}'>{uuid and f'<uuid>{uuid}</uuid>'}{rules}</filter>"


def include(*names):
    return "".join(f"<filterref filter='{name}'/>" for name in names)


def define(xml, **options):
    return bus.call(PATH, f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}", xml, options)


def find(name):
    return bus.call(PATH, f"{NAME}.NetworkFilters", "GetFilterByName", "s", name)


def call(network_filter, member, **options):
    return bus.call(network_filter, f"{NAME}.NetworkFilter", member, "a{sv}", options)


def get(network_filter, name):
    return bus.get(network_filter, "NetworkFilter", name)


def filters():
    return {path: interfaces[f"{NAME}.NetworkFilter"] for path, interfaces in bus.objects(PATH).items()
            if f"{NAME}.NetworkFilter" in interfaces}


def kill_driver():
    bus.kill_driver("Network")
    find("clean-traffic")  # which starts it


def those_that_libvirt_ships_are_there():
    there = {properties["Name"]: properties for properties in filters().values()}
    assert len(there) == SHIPPED and all(properties["Shipped"] and properties["Owner"] == 0 for properties in there.values()), there
    assert there["clean-traffic"]["References"] == ["no-mac-spoofing", "no-ip-spoofing", "allow-incoming-ipv4", "no-arp-spoofing",
                                                    "no-other-l2-traffic", "qemu-announce-self"]
    assert {name for properties in there.values() for name in properties["References"]} <= set(there)
    assert (there["no-ip-spoofing"]["Chain"], there["no-ip-spoofing"]["Priority"]) == ("ipv4-ip", -710)
    contains(call(find("no-mac-spoofing"), "GetXML"), 'srcmacaddr="$MAC"')
    contains(expect("OperationInvalid", call, find("clean-traffic"), "Undefine"), "'clean-traffic'", "define it again")


def one_that_is_defined_anew_is_as_it_came_when_it_is_undefined():
    shipped = find("allow-arp")
    before, uuid = call(shipped, "GetXML"), get(shipped, "UUID")
    contains(expect("AlreadyExists", define, document("allow-arp")), "'allow-arp'", uuid)
    assert define(document("allow-arp", "<rule action='drop' direction='in'/>", uuid)) == shipped
    bus.wait_signal(shipped, "PropertiesChanged", lambda a: a[1].get("Shipped") is False)
    kill_driver()
    assert get(shipped, "Shipped") is False
    contains(call(shipped, "GetXML"), 'action="drop"')
    call(shipped, "Undefine")
    assert get(shipped, "Shipped") is True and call(shipped, "GetXML") == before and not os.listdir(STATE)
    kill_driver()
    assert call(shipped, "GetXML") == before and len(filters()) == SHIPPED


def a_filter_is_defined_found_changed_and_kept():
    mine = define(document("mine", "<rule action='drop' direction='out'><tcp dstportstart='25'/></rule>" + include("not-yet")))
    uuid = get(mine, "UUID")
    assert mine == f"{PATH}/filter/{uuid.replace('-', '_')}" and find("mine") == mine
    assert bus.call(PATH, f"{NAME}.NetworkFilters", "GetFilterByUUID", "s", uuid.upper()) == mine
    assert filters()[mine] == {"Name": "mine", "UUID": uuid, "Chain": "root", "Priority": 0, "References": ["not-yet"], "Shipped": False,
                               "Owner": os.geteuid()}
    assert define(document("mine", include("allow-arp"), uuid)) == mine
    bus.wait_signal(mine, "PropertiesChanged", lambda a: a[1].get("References") == ["allow-arp"])
    contains(expect("AlreadyExists", define, document("mine")), uuid)
    contains(expect("AlreadyExists", define, document("other", uuid=uuid)), "'mine'")
    kill_driver()
    assert get(mine, "References") == ["allow-arp"]
    call(mine, "Undefine")
    expect("NoSuchFilter", find, "mine")
    expect("UnknownObject", call, mine, "GetXML")
    assert len(filters()) == SHIPPED


def what_is_wrong_is_refused_by_name_and_no_filter_includes_itself():
    contains(expect("InvalidXML", define, document("n", "<rule action='drop' direction='out'><tcp srcportstart='x'/></rule>")), "line 1", "<tcp>")
    contains(expect("InvalidXML", define, document("n", include("n"))), "'n'", "itself")
    first, second = define(document("first", include("second"))), define(document("second", include("third")))
    contains(expect("InvalidXML", define, document("third", include("allow-arp", "first"))), "'third'", "'first'")
    third = define(document("third", include("allow-arp")))
    expect("InvalidXML", define, document("third", include("first"), get(third, "UUID")))
    option = GLib.Variant("b", True)
    expect("InvalidArgument", define, document("n"), x=option)
    for member in ("GetXML", "Undefine"):
        expect("InvalidArgument", call, first, member, x=option)
    expect("InvalidArgument", bus.call, PATH, f"{NAME}.NetworkFilters", "GetFilterByUUID", "s", "no uuid")
    expect("LimitExceeded", define, document("n", "<rule action='drop' direction='out'/>" * 4097))
    for made in (first, second, third):
        call(made, "Undefine")


def what_a_filter_includes_is_bounded_when_it_is_defined():
    """All that it leads to is looked at, so that it does not include itself: not without end."""
    each, wide = 4000, "w" * 40
    layers = [document(f"layer{number}", include(*(f"{wide}{number}.{n}" for n in range(each)), f"layer{number + 1}")) for number in range(5)]
    made = [define(layer) for layer in reversed(layers[1:])]
    before = time.monotonic()
    contains(expect("LimitExceeded", define, layers[0]), "'layer0'", "'layer1'", "references")
    assert time.monotonic() - before < 1
    chain = [define(document(f"link{number}", include(f"link{number + 1}"))) for number in range(500, 0, -1)]
    contains(expect("InvalidXML", define, document("link501", include("link1"))), "'link501'", "itself")
    for path in made + chain:
        call(path, "Undefine")


def damaged_files_and_those_of_a_later_version_cost_themselves_alone():
    good, damaged, newer = (define(document(name)) for name in ("good", "damaged", "newer"))
    files = {path: f"{STATE}/{get(path, 'UUID')}.xml" for path in (good, damaged, newer)}
    with open(files[damaged], "w", encoding="utf-8") as file:
        file.write("<filter")
    with open(files[newer], encoding="utf-8") as file:
        text = file.read()
    with open(files[newer], "w", encoding="utf-8") as file:
        file.write(text.replace('format="1"', 'format="9"').replace("format='1'", "format='9'"))
    assert text != open(files[newer], encoding="utf-8").read(), text
    kill_driver()
    assert good in filters() and damaged not in filters() and newer not in filters() and len(filters()) == SHIPPED + 1
    expect("Unsupported", define, document("newer", uuid=os.path.basename(files[newer])[:36]))
    for path in (damaged, newer):
        os.unlink(files[path])
    call(good, "Undefine")
    kill_driver()


def rules_of(xml, **parameters):
    return bus.call(PATH, f"{NAME}.NetworkFilters", "FilterXMLToNative", "ssa{sas}a{sv}", xml, CARD, parameters, {})


# A card, and another one on the same bridge: what one sends, the other gets, if the rules let it pass.
CARD, BRIDGE = "vnet0", "filtered0"
GUEST, OTHER = "guest0", "guest1"
class Wire:
    """Both ends of two cards in a bridge, in a network namespace of their own: the driver guards the rules of its own one."""

    def __init__(self):
        self.space = Space("wire")
        for command in (f"link add {BRIDGE} type bridge", f"link add {CARD} type veth peer name {GUEST}", f"link add vnet1 type veth peer name {OTHER}",
                        f"link set {CARD} master {BRIDGE}", f"link set vnet1 master {BRIDGE}"):
            self.space.do("shell", f"ip {command}")
        for name in (BRIDGE, CARD, "vnet1", GUEST, OTHER):
            self.space.do("shell", f"echo 1 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6; ip link set {name} up")
        self.ends = self.open_ends()
        for end in self.ends.values():
            end.settimeout(20)

    def open_ends(self):
        """A socket belongs to the namespace that this thread is in when it makes it."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net", encoding="utf-8") as own, open(f"/proc/{self.space.pid}/ns/net", encoding="utf-8") as wires:
            assert libc.setns(wires.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
            ends = {name: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for name in (GUEST, OTHER)}
            for name, end in ends.items():
                end.bind((name, 0))
            assert libc.setns(own.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
        return ends

    def apply(self, xml, **parameters):
        text = rules_of(xml, **parameters)
        for hook in ("prerouting", "postrouting"):  # what says that all before has been judged
            text += f"insert rule bridge virtbus cards_{hook} ether type {SENTINEL} accept\n"
        result = subprocess.run(["nsenter", f"--net=/proc/{self.space.pid}/ns/net", "nft", "-f", "-"], input=text, text=True, capture_output=True, check=False)
        assert result.returncode == 0, result.stderr + text

    def passes(self, frame, to_guest=False):
        sender, receiver = (OTHER, GUEST) if to_guest else (GUEST, OTHER)
        self.ends[sender].send(frame)
        if frame[12:14] == b"\x81\0":  # as the kernel tells of it
            frame = frame[:12] + frame[16:]
        self.ends[sender].send(ethernet(b"", SENTINEL, ALL, "5254000000ff"))
        got = False
        while True:
            found, (_, _, kind, *_) = self.ends[receiver].recvfrom(2048)
            if kind == socket.PACKET_OUTGOING:
                continue
            if found[12:14] == struct.pack("!H", SENTINEL):
                return got
            got = got or found[:len(frame)] == frame[:len(found)]  # what fills a short frame up goes where IPv4 is looked at


def the_filters_that_are_shipped_let_pass_what_they_should():
    if not IS_ROOT:
        raise Skip("interfaces need root")
    wire = Wire()
    found = {row[0] + str(n): "" for n, row in enumerate(TABLE)}
    for name in FILTERS:
        wire.apply(document("n", include(name)), MAC=["52:54:00:00:00:01"], IP=["10.0.0.1"], GATEWAY_MAC=["52:54:00:00:00:fe"])
        for n, (what, frame, _) in enumerate(TABLE):
            found[what + str(n)] += "P" if wire.passes(frame) else "."
    wanted = {row[0] + str(n): row[2] for n, row in enumerate(TABLE)}
    assert found == wanted, {what: (found[what], wanted[what]) for what in wanted if found[what] != wanted[what]}
    # To the guest.
    wire.apply(document("n", include("clean-traffic")), MAC=["52:54:00:00:00:01"], IP=["10.0.0.1"])
    for frame, passes in ((ethernet(ipv4("10.0.0.7", "10.0.0.1", 17, udp(1, 2)), 0x800, MAC, PEER), True), (ethernet(arp(PEER, "10.0.0.7"), 0x806, ALL, PEER), True),
                          (ethernet(IPV6, 0x86dd, MAC, PEER), False), (ethernet(b"", 0x88cc, MAC, PEER), False)):
        assert wire.passes(frame, to_guest=True) == passes, frame.hex()
    # Rules of the test's own, above IP and below, with lists, ranges and what is negated.
    rule = "<rule action='{}' direction='{}' statematch='false'>{}</rule>".format
    wire.apply(document("n", rule("accept", "out", "<tcp dstipaddr='$A' dstportstart='$P[@1]' dstportend='$Q[@1]'/>") + rule("accept", "in", "<tcp dstportstart='22'/>") +
                        rule("drop", "inout", "<all/>") + rule("drop", "out", "<mac match='no' srcmacaddr='$MAC'/>")),
               MAC=["52:54:00:00:00:01"], A=["10.0.0.2", "10.0.0.3"], P=["80"], Q=["90"])
    for source, target, protocol, payload, passes in (
            ("10.0.0.1", "10.0.0.2", 6, tcp(1000, 80), True), ("10.0.0.1", "10.0.0.3", 6, tcp(1000, 90), True), ("10.0.0.1", "10.0.0.3", 6, tcp(1000, 91), False),
            ("10.0.0.1", "10.0.0.4", 6, tcp(1000, 80), False), ("10.0.0.1", "10.0.0.2", 17, udp(1000, 80), False),
            ("10.0.0.1", "10.0.0.7", 6, tcp(22, 1000), True), ("10.0.0.1", "10.0.0.7", 6, tcp(23, 1000), False)):
        assert wire.passes(ethernet(ipv4(source, target, protocol, payload), 0x800)) == passes, (source, target, protocol, payload.hex())
    for port, passes in ((22, True), (23, False)):
        assert wire.passes(ethernet(ipv4("10.0.0.7", "10.0.0.1", 6, tcp(1000, port)), 0x800, MAC, PEER), to_guest=True) == passes, port
    assert not wire.passes(ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(1000, 80)), 0x800, source=STRANGER))
    assert wire.passes(ethernet(IPV6, 0x86dd))
    # ARP by which a guest tells of its own address; and what is about the sender's card alone says nothing of answers to it.
    wire.apply(document("n", rule("drop", "out", "<arp gratuitous='true'/>") + rule("drop", "out", "<arp gratuitous='false' opcode='2'/>") +
                        rule("drop", "inout", "<udp match='no' srcmacaddr='52:54:00:00:00:02'/>")))
    for target, operation, passes in (("10.0.0.1", 1, False), ("10.0.0.2", 1, True), ("10.0.1.1", 1, True), ("11.0.0.1", 1, True), ("10.1.0.1", 1, True), ("10.0.0.2", 2, False)):
        assert wire.passes(ethernet(arp(MAC, "10.0.0.1", operation, target=target), 0x806)) == passes, target
    packet = ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(1000, 80)), 0x800)
    assert wire.passes(packet)
    for source, passes in ((PEER, True), (STRANGER, False)):
        assert wire.passes(ethernet(packet[14:], 0x800, MAC, source), to_guest=True) == passes, source
    wire.space.leave()


def what_has_no_rules_is_refused_by_name():
    rule = "<rule action='drop' direction='out'>{}</rule>".format
    contains(expect("InvalidArgument", rules_of, document("n", include("no-mac-spoofing"))), "MAC", "<parameter")
    contains(expect("InvalidArgument", rules_of, document("n", include("no-ip-spoofing")), IP=["nonsense"]), "IP", "nonsense", "IPv4")
    contains(expect("InvalidArgument", rules_of, document("n", include("no-ip-spoofing")), IP=["$MAC"], MAC=["10.0.0.1"]), "IP")
    contains(expect("NoSuchFilter", rules_of, document("n", include("nobodys"))), "nobodys")
    contains(expect("Unsupported", rules_of, document("n", rule("<all ipset='a' ipsetflags='src'/>"))), "ipset")
    contains(expect("Unsupported", rules_of, document("n", rule("<arp match='no' gratuitous='true'/>"))), "gratuitous", "match='no'")
    contains(expect("InvalidArgument", rules_of, document("n", rule("<tcp srcportstart='$A[2]'/>")), A=["1", "2"]), "$A[2]")
    contains(expect("InvalidArgument", rules_of, document("n", rule("<tcp srcportstart='$A' dstportstart='$B'/>")), A=["1", "2"], B=["1"]), "iterator")
    contains(expect("LimitExceeded", rules_of, document("n", rule("<tcp srcportstart='$A' dstportstart='$B[@1]'/>")), A=["1"] * 200, B=["1"] * 200), "16384")
    assert rules_of(document("n", rule("<tcp srcportstart='$A' dstportstart='$B'/>")), A=["1", "2"], B=["3", "4"]).count("th sport") == 4
    # What costs much and comes to nothing: includes that double at each level, and lists that are multiplied by a rule that does nothing.
    made = [define(document("double0"))] + [define(document(f"double{n + 1}", include(f"double{n}", f"double{n}"))) for n in range(24)]
    contains(expect("LimitExceeded", rules_of, document("n", include("double24"))), "65536")
    many = "<mac protocolid='$A' srcmacaddr='$B[@1]' dstmacaddr='$C[@2]'/>"
    contains(expect("LimitExceeded", rules_of, document("n", f"<rule action='continue' direction='out'>{many}</rule>"),
                    A=["0x800"] * 1000, B=["52:54:00:00:00:01"] * 1000, C=["52:54:00:00:00:01"] * 1000), "65536")
    contains(expect("LimitExceeded", rules_of, document("n", include(*["double0"] * 100)), **{f"V{n}": ["1"] for n in range(1000)}), "65536")
    chains = [define(f"<filter name='chain{n}' chain='arp-{n}'/>") for n in range(257)]
    contains(expect("LimitExceeded", rules_of, document("n", include(*[f"chain{n}" for n in range(257)]))), "256 chains")
    for filter_path in made + chains:
        call(filter_path, "Undefine")
    assert rules_of(document("n", rule("<tcp srcportstart='$A' dstportstart='$B[@1]'/>")), A=["1", "2"], B=["3", "4"]).count("th sport") == 8
    expect("InvalidXML", rules_of, "<filter/>")
    expect("InvalidArgument", bus.call, PATH, f"{NAME}.NetworkFilters", "FilterXMLToNative", "ssa{sas}a{sv}", document("n"), 'a"b', {}, {})


def who_may_not_is_refused_and_owners_may():
    if not IS_ROOT:
        raise Skip("a session bus has one user")
    alice, none, interface = User("vb-alice"), "@a{sv} {}", f"{NAME}.NetworkFilter"
    roots = find("clean-traffic")
    polkit_rules(bus, "polkit.addRule(function(a, s) { return polkit.Result.NO; });")
    for member in ("GetXML", "Undefine"):
        assert denied(alice.call, roots, interface, member, "a{sv}", none), member
    assert denied(alice.call, PATH, f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}", repr(document("alices")), none)
    assert denied(alice.call, PATH, f"{NAME}.NetworkFilters", "GetFilterByName", "s", "'clean-traffic'")
    assert "clean-traffic" not in repr(alice.call(PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))
    polkit_rules(bus, """polkit.addRule(function(a, s) {
        if (a.lookup("caller_is_owner") === "true") return polkit.Result.YES;
        if (a.id === "org.virtbus1.filter.define" && s.user === "vb-alice" && !a.lookup("filter_uuid")) return polkit.Result.YES;
        if (a.id === "org.virtbus1.read" && a.lookup("filter_name") === "allow-arp") return polkit.Result.YES;
        return polkit.Result.NO; });""")
    alice.call(PATH, f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}", repr(document("alices")), none)
    hers = find("alices")
    contains(alice.call(hers, interface, "GetXML", "a{sv}", none), "alices")
    contains(alice.call(find("allow-arp"), interface, "GetXML", "a{sv}", none), "allow-arp")
    assert denied(alice.call, find("allow-arp"), interface, "Undefine", "a{sv}", none)
    alice.call(hers, interface, "Undefine", "a{sv}", none)
    alice.leave()


run([those_that_libvirt_ships_are_there, one_that_is_defined_anew_is_as_it_came_when_it_is_undefined,
    a_filter_is_defined_found_changed_and_kept, what_is_wrong_is_refused_by_name_and_no_filter_includes_itself, what_a_filter_includes_is_bounded_when_it_is_defined,
    damaged_files_and_those_of_a_later_version_cost_themselves_alone, the_filters_that_are_shipped_let_pass_what_they_should,
     what_has_no_rules_is_refused_by_name, who_may_not_is_refused_and_owners_may])
