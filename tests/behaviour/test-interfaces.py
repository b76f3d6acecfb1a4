#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The interfaces of the host, as objects: what the kernel makes, changes and takes away is told as it happens. Only in a network
namespace of its own.

Usage (below tests/with-bus): test-interfaces.py.
"""

import os
import xml.etree.ElementTree as ET

from gi.repository import GLib
from rig import NAME, Bus, Skip, User, contains, expect, polkit_rules, run
from spaces import shell

PATH = "/org/virtbus1/host"
bus = Bus()
IS_ROOT = os.geteuid() == 0


def interfaces():
    """What there is, by name."""
    found = {path: parts[f"{NAME}.Interface"] for path, parts in bus.objects(PATH).items() if f"{NAME}.Interface" in parts}
    return {each["Name"]: each for each in found.values()}


def find(name):
    return bus.call(PATH, f"{NAME}.Interfaces", "GetInterfaceByName", "s", name)


def get(name, prop):
    return bus.get(find(name), "Interface", prop)


def xml_of(name):
    return bus.call(find(name), f"{NAME}.Interface", "GetXML", "a{sv}", {})


def check(xml, **options):
    return bus.call(PATH, f"{NAME}.Interfaces", "CheckInterfaceXML", "sa{sv}", xml, options)


def wait_until(name, prop, value):
    bus.wait(lambda: name in interfaces() and interfaces()[name][prop] == value, f"{prop} of {name}")


def an_interface_comes_changes_and_goes_with_a_signal_for_each():
    bus.objects(PATH)
    assert interfaces()["lo"]["Type"] == "ethernet" and not {"e0", "e1"} & set(interfaces())
    assert all(bus.get(find(name), "Interface", "Name") == name for name in interfaces())
    shell("ip link add e0 address 52:54:00:00:00:e0 type veth peer name e1")
    path = f"{PATH}/interface/e0"
    bus.wait_signal(PATH, "InterfacesAdded", lambda a: a[0] == path and a[1][f"{NAME}.Interface"]["Name"] == "e0")
    here = interfaces()["e0"]
    assert (here["Kind"], here["Type"], here["MAC"], here["MTU"], here["Active"], here["State"], here["Lower"]) == (
        "veth", "ethernet", "52:54:00:00:00:e0", 1500, False, "down", ""), here
    for command, wanted in (("link set e0 mtu 1400", {"MTU": 1400}), ("link set e0 address 52:54:00:00:00:e7", {"MAC": "52:54:00:00:00:e7"}),
                            ("link set e0 up", {"Active": True}), ("addr add 10.9.0.1/24 dev e0", {"Addresses": [("10.9.0.1", 24)]}),
                            ("link set e1 up", {"State": "up"}), ("addr del 10.9.0.1/24 dev e0", {"Addresses": []})):
        shell(f"ip {command}")
        bus.wait_signal(path, "PropertiesChanged", lambda a: {key: a[1].get(key) for key in wanted} == wanted if "Addresses" not in wanted
                        else [x for x in a[1].get("Addresses", [("", 0)]) if ":" not in x[0]] == wanted["Addresses"])
    # One that is named anew is another object.
    shell("ip link set e0 down && ip link set e0 name e.0-x")
    bus.wait_signal(PATH, "InterfacesRemoved", lambda a: a[0] == path)
    assert find("e.0-x") == f"{PATH}/interface/e_2e0_2dx"
    contains(expect("NoSuchInterface", find, "e0"), "'e0'")
    shell("ip link del e.0-x")
    bus.wait_signal(PATH, "InterfacesRemoved", lambda a: a[0] == f"{PATH}/interface/e_2e0_2dx")
    expect("UnknownObject", bus.call, f"{PATH}/interface/e_2e0_2dx", f"{NAME}.Interface", "GetXML", "a{sv}", {})


def a_bridge_names_its_members_but_those_of_guests():
    shell("ip link add br7 type bridge stp_state 1 forward_delay 400; ip link add e0 type veth peer name e1; ip link set e0 master br7; ip link set br7 up; "
          "ip addr add fd00:9::1/64 dev br7; ip addr add 10.9.0.1/24 dev br7")
    bus.wait(lambda: "br7" in interfaces() and get("br7", "Addresses")[:2] == [("10.9.0.1", 24), ("fd00:9::1", 64)], "its addresses, which came last")
    assert get("br7", "Members") == ["e0"]
    assert get("e0", "Master") == "br7" and get("br7", "Type") == get("br7", "Kind") == "bridge"
    if os.path.exists("/dev/net/tun"):
        shell("ip tuntap add t0 mode tap; ip link set t0 master br7")
        expect("NoSuchInterface", find, "t0")
        assert get("br7", "Members") == ["e0"]
        shell("ip link del t0")
    root = ET.fromstring(xml_of("br7"))
    assert root.attrib == {"type": "bridge", "name": "br7"} and root.find("bridge").attrib == {"stp": "on", "delay": "4"}
    assert [each.get("name") for each in root.findall("bridge/interface")] == ["e0"] and root.find("mtu").get("size") == "1500"
    assert [each.get("address") for each in root.findall("protocol/ip")][:2] == ["10.9.0.1", "fd00:9::1"]
    for name in interfaces():  # what is told is right by our own word
        assert check(xml_of(name)) == xml_of(name), name
    # Two have the address of one of them.
    mac = get("e0", "MAC")
    shell(f"ip link set br7 address {mac}")
    wait_until("br7", "MAC", mac)
    assert bus.call(PATH, f"{NAME}.Interfaces", "GetInterfacesByMAC", "s", mac.upper()) == [find("br7"), find("e0")]
    assert bus.call(PATH, f"{NAME}.Interfaces", "GetInterfacesByMAC", "s", "52:54:00:00:00:77") == []
    expect("InvalidArgument", bus.call, PATH, f"{NAME}.Interfaces", "GetInterfacesByMAC", "s", "x")
    shell("ip link set br7 name br8 2>/dev/null || { ip link set br7 down; ip link set br7 name br8; }")
    wait_until("e0", "Master", "br8")
    shell("ip link set e0 nomaster")
    wait_until("br8", "Members", [])
    shell("ip link del br8; ip link del e0")
    bus.wait(lambda: set(interfaces()) == {"lo"}, "their end")


def hundreds_that_come_and_go_are_all_told():
    shell("".join(f"ip link add v{n} type veth peer name w{n};" for n in range(60)))
    bus.wait(lambda: len(interfaces()) == 121, "all of them")
    shell("".join(f"ip link del v{n};" for n in range(60)))
    bus.wait(lambda: set(interfaces()) == {"lo"}, "their end")


def a_driver_that_begins_anew_finds_those_that_are_there():
    shell("ip link add br7 type bridge; ip link add e0 type veth peer name e1; ip link set e0 master br7")
    wait_until("br7", "Members", ["e0"])
    bus.kill_driver("Network")
    bus.wait(lambda: set(interfaces()) == {"lo", "br7", "e0", "e1"}, "the interfaces")
    assert get("br7", "Members") == ["e0"] and get("e0", "Master") == "br7"
    shell("ip link del e0; ip link del br7")
    bus.wait(lambda: set(interfaces()) == {"lo"}, "their end")


def documents_are_checked_with_line_and_remedy():
    xml = "<interface type='vlan'><vlan tag='7'><interface name='eth0'/></vlan></interface>"
    contains(check(xml), 'name="eth0.7"')
    contains(expect("InvalidXML", check, "<interface type='bridge' name='a'/>"), "line 1", "<bridge> is missing")
    contains(expect("InvalidXML", check, "<interface type='ethernet' name='a'><frob/></interface>"), "<frob>", "leave it out")
    expect("InvalidXML", check, "<network/>")
    expect("InvalidArgument", check, xml, x=GLib.Variant("b", True))
    expect("InvalidArgument", bus.call, find("lo"), f"{NAME}.Interface", "GetXML", "a{sv}", {"x": GLib.Variant("b", True)})


def who_may_not_read_sees_none():
    if not IS_ROOT:
        raise Skip("a session bus has one user")
    alice = User("vb-alice")
    polkit_rules(bus, "")
    for path, interface, member, arguments in ((find("lo"), "Interface", "GetXML", ("a{sv}", "@a{sv} {}")), (PATH, "Interfaces", "GetInterfaceByName", ("s", "'lo'")),
                                               (PATH, "Interfaces", "GetInterfacesByMAC", ("s", "'00:00:00:00:00:00'")),
                                               (PATH, "Interfaces", "CheckInterfaceXML", ("sa{sv}", "'<interface/>'", "@a{sv} {}"))):
        expect("InteractiveAuthorizationRequired", alice.call, path, f"{NAME}.{interface}", member, *arguments)
    assert "/interface/" not in alice.call(PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    polkit_rules(bus, "polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.read' && a.lookup('interface_name') == 'lo') return polkit.Result.YES; });")
    contains(alice.call(find("lo"), f"{NAME}.Interface", "GetXML", "a{sv}", "@a{sv} {}"), "lo")
    contains(alice.call(PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"), "/interface/lo")
    alice.leave()
    polkit_rules(bus, "")


run([an_interface_comes_changes_and_goes_with_a_signal_for_each, a_bridge_names_its_members_but_those_of_guests, hundreds_that_come_and_go_are_all_told,
     a_driver_that_begins_anew_finds_those_that_are_there, documents_are_checked_with_line_and_remedy, who_may_not_read_sees_none])
