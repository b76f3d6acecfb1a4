#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks: defined, found, changed and kept through the death of their driver; and what who may not do.

Usage (below tests/with-bus): test-networks.py
"""

import glob
import os
import random
import signal
import time

from gi.repository import GLib
from rig import NAME, ROOT, Bus, BusError, Full, Skip, User, contains, denied, expect, polkit_rules, run

PATH = "/org/virtbus1/host"
DRIVER = "Network"
STATE = f"{ROOT}/network/state/network"
NOBODYS = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
KILLS = 16
bus = Bus()
IS_ROOT = os.geteuid() == 0


def document(name, more="", uuid=""):
    return f"<network><name>{name}</name>{uuid and f'<uuid>{uuid}</uuid>'}{more}</network>"


def define(xml):
    return bus.call(PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", xml, {})


def call(network, member, signature="a{sv}", *arguments):
    return bus.call(network, f"{NAME}.Network", member, signature, *(arguments or ({},)))


def undefine(*made):
    for network in made:
        call(network, "Undefine")


def get(network, name):
    return bus.get(network, "Network", name)


def networks():
    return {path: interfaces[f"{NAME}.Network"] for path, interfaces in bus.objects(PATH).items() if f"{NAME}.Network" in interfaces}


def states():
    return [row[2] for path, _, member, arguments in bus.signals
            if path == "/org/virtbus1" and member == "PropertiesChanged" and "Drivers" in arguments[1]
            for row in arguments[1]["Drivers"] if row[1].endswith(f".{DRIVER}")]


def kill_driver(pid=None):
    """Kills the driver, and waits until virtbusd has seen that; the next call starts it."""
    bus.settle()
    seen = len(states())
    os.kill(pid or bus.driver(DRIVER), signal.SIGKILL)
    bus.wait(lambda: any(state != "attached" for state in states()[seen:]), "the end of the driver")
    expect("NoSuchNetwork", bus.call, PATH, f"{NAME}.Networks", "GetNetworkByName", "s", "nobody's")


def a_network_is_defined_found_and_listed():
    assert networks() == {}
    network = define(document("lab", "<title>a lab</title><forward mode='nat' dev='eth0'/><bridge name='own0' stp='off'/><mtu size='9000'/>"
                              "<domain name='lab.example'/><ip address='192.168.130.1' prefix='24'/>"
                              "<ip family='ipv6' address='fd00:1::1' prefix='64'/>"))
    uuid = get(network, "UUID")
    assert network == f"{PATH}/network/{uuid.replace('-', '_')}"
    properties = networks()[network]
    assert properties == {
        "Name": "lab", "UUID": uuid, "Title": "a lab", "Description": "", "ForwardMode": "nat", "ForwardInterfaces": ["eth0"], "Bridge": "own0",
        "Addresses": [("192.168.130.1", 24), ("fd00:1::1", 64)], "DomainName": "lab.example", "MTU": 9000, "Autostart": False,
        "Owner": os.geteuid(), "Active": False, "Persistent": True, "Obstacles": []}, properties
    assert bus.call(PATH, f"{NAME}.Networks", "GetNetworkByName", "s", "lab") == network
    assert bus.call(PATH, f"{NAME}.Networks", "GetNetworkByUUID", "s", uuid.upper()) == network
    contains(call(network, "GetXML"), f"<uuid>{uuid}</uuid>", 'stp="off"', 'delay="0"')
    expect("NoSuchNetwork", bus.call, PATH, f"{NAME}.Networks", "GetNetworkByUUID", "s", NOBODYS)
    expect("InvalidArgument", bus.call, PATH, f"{NAME}.Networks", "GetNetworkByUUID", "s", "no uuid")
    undefine(network)
    assert networks() == {}
    expect("UnknownObject", call, network, "GetXML")


def documents_that_are_wrong_are_refused_by_name():
    for xml, *parts in (("<network/>", "<name> is missing"), ("<net/>", "must be <network>"), ("", "empty"), ("<network", "line 1"),
                        (document("n", "<color/>"), "line 1", "<color>", "<network>"),
                        (document("n", "<ip address='192.168.1.1' prefix='24'><dhcp><range start='10.0.0.1' end='10.0.0.2'/></dhcp></ip>"),
                         "<range>", "10.0.0.1", "192.168.1.0/24"),
                        (document("a/b"), "<name>"), (document("n", "<bridge name='a b'/>"), "<bridge>")):
        contains(expect("InvalidXML", define, xml), *parts)
    expect("LimitExceeded", define, document("n", "<description>" + "x" * 2**20 + "</description>"))
    network = define(document("n"))
    options = {"x": GLib.Variant("b", True)}
    expect("InvalidArgument", bus.call, PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", document("m"), options)
    for member, signature, arguments in (("GetXML", "a{sv}", []), ("Undefine", "a{sv}", []), ("GetMetadata", "sa{sv}", ["urn:a"]),
                                         ("SetMetadata", "sssa{sv}", ["urn:a", "", ""])):
        expect("InvalidArgument", call, network, member, signature, *arguments, options)
    undefine(network)


def what_dnsmasq_is_told_is_shown_of_a_document():
    def translate(xml, **options):
        return bus.call(PATH, f"{NAME}.Networks", "NetworkXMLToNative", "sa{sv}", xml, options)
    files = translate(document("lab", "<dns><host ip='10.0.0.9'><hostname>nine</hostname></host></dns><ip address='10.0.0.1' prefix='24'>"
                               "<dhcp><host mac='52:54:00:00:00:09' ip='10.0.0.9'/></dhcp></ip>"))
    assert set(files) == {"dnsmasq.conf", "dhcp-hosts", "hosts", "nftables"}, files
    contains(files["dnsmasq.conf"], "interface=virbr0\n", "dhcp-range=10.0.0.1,static\n")
    assert files["dhcp-hosts"] == "52:54:00:00:00:09,10.0.0.9\n" and files["hosts"] == "10.0.0.9\tnine\n", files
    assert set(translate(document("lab"))) == {"nftables"} and translate(document("lab", "<forward mode='open'/>")) == {} and networks() == {}
    expect("InvalidXML", translate, document("a/b"))
    expect("InvalidArgument", translate, document("lab"), x=GLib.Variant("b", True))


def a_change_is_told_and_what_is_anothers_is_refused():
    network = define(document("lab"))
    uuid, bridge = get(network, "UUID"), get(network, "Bridge")
    contains(bridge, "virbr")
    assert define(document("lab", "<description>changed</description><mtu size='1400'/>", uuid)) == network
    bus.wait_signal(network, "PropertiesChanged", lambda a: a[1].get("Description") == "changed" and a[1].get("MTU") == 1400)
    assert get(network, "Bridge") == bridge
    bus.set(network, "Network", "Autostart", GLib.Variant("b", True))
    bus.wait_signal(network, "PropertiesChanged", lambda a: a[1].get("Autostart") is True)
    contains(expect("AlreadyExists", define, document("lab")), "'lab'", uuid)
    contains(expect("AlreadyExists", define, document("other", uuid=uuid)), "'lab'")
    contains(expect("AlreadyExists", define, document("other", f"<bridge name='{bridge}'/>")), bridge, "'lab'")
    call(network, "SetMetadata", "sssa{sv}", "urn:a", "a", "<b>c</b>", {})
    contains(call(network, "GetMetadata", "sa{sv}", "urn:a", {}), "c</a:b>")
    expect("InvalidArgument", call, network, "SetMetadata", "sssa{sv}", "urn:a", "", "<b xmlns='urn:b'/>", {})
    expect("InvalidXML", call, network, "SetMetadata", "sssa{sv}", "urn:a", "", "<b", {})
    kill_driver()
    assert get(network, "Autostart") is True and get(network, "Bridge") == bridge
    contains(call(network, "GetXML"), "urn:a")
    call(network, "SetMetadata", "sssa{sv}", "urn:a", "", "", {})
    assert call(network, "GetMetadata", "sa{sv}", "urn:a", {}) == ""
    undefine(network)


def damaged_files_cost_themselves_alone():
    good, bad = define(document("good")), define(document("bad"))
    with open(f"{STATE}/networks/{get(bad, 'UUID')}.xml", "w", encoding="utf-8") as file:
        file.write("<network")
    with open(f"{STATE}/networks/.{get(good, 'UUID')}.left", "w", encoding="utf-8") as file:
        file.write("half")
    for file in glob.glob(f"{STATE}/networks/*"):
        assert os.stat(file).st_mode & 0o777 == 0o600, file
    kill_driver()
    assert set(networks()) == {good}
    undefine(good)
    assert define(document("bad"))
    undefine(*networks())


def a_driver_that_is_killed_at_any_instant_has_all_or_nothing_of_a_change():
    seed = int(os.environ.get("VIRTBUS_SEED", "1"))
    print(f"# VIRTBUS_SEED={seed}")
    chance, now = random.Random(seed), {}
    for number in range(KILLS):
        name = f"n{chance.randrange(3)}"
        path = next((path for path, properties in networks().items() if properties["Name"] == name), None)
        pid = bus.driver(DRIVER)
        if path and chance.random() < 0.4:
            answers, then = bus.begin(path, f"{NAME}.Network", "Undefine", "a{sv}", {}), {k: v for k, v in now.items() if k != name}
        else:
            mtu = chance.randrange(1000, 9000)
            xml = document(name, f"<mtu size='{mtu}'/>", path and get(path, "UUID") or "")
            answers, then = bus.begin(PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", xml, {}), {**now, name: mtu}
        bus.connection.flush_sync()
        time.sleep(chance.random() * 0.02)  # the instant
        kill_driver(pid)
        bus.wait(lambda answers=answers: answers, "an answer")
        found = {properties["Name"]: properties["MTU"] for properties in networks().values()}
        done = not isinstance(answers[0], BusError)
        assert found == then or (not done and found == now), (number, answers, found, then, now)
        now = found
        assert not glob.glob(f"{STATE}/networks/.*"), "what was cut off is left"
    undefine(*networks())


def a_full_disk_fails_a_change_and_loses_none():
    if not IS_ROOT:
        raise Skip("mounts need root")
    undefine(define(document("first")))  # the driver has made its folder
    with Full(f"{STATE}/networks", 24576) as full:
        kill_driver()
        kept, error, more = define(document("kept")), None, []
        while not error:
            try:
                more.append(define(document(f"more{len(more)}", f"<description>{'y' * 4000}</description>")))
            except BusError as failure:
                error = failure
            assert len(more) < 32, "it was never full"
        assert error.name.endswith("LimitExceeded"), error
        contains(error.message, "No space left")
        there = networks()
        kill_driver()
        assert networks() == there and kept in there
        full.empty()
        undefine(*networks())
    kill_driver()


def who_may_not_is_refused_and_owners_may():
    if not IS_ROOT:
        raise Skip("a session bus has one user")
    alice, bob = User("vb-alice"), User("vb-bob")
    none, interface, properties = "@a{sv} {}", f"{NAME}.Network", "org.freedesktop.DBus.Properties"
    network = define(document("roots", "<ip address='10.0.0.1'/>"))
    polkit_rules(bus, "polkit.addRule(function(a, s) { return polkit.Result.NO; });")
    for member, signature, arguments in (("GetXML", "a{sv}", (none,)), ("Undefine", "a{sv}", (none,)),
                                         ("GetMetadata", "sa{sv}", ("'urn:a'", none)), ("SetMetadata", "sssa{sv}", ("'urn:a'", "''", "''", none))):
        assert denied(alice.call, network, interface, member, signature, *arguments), member
    assert denied(alice.call, network, properties, "GetAll", "s", f"'{interface}'")
    assert denied(alice.call, network, properties, "Set", "ssv", f"'{interface}'", "'Autostart'", "<true>")
    assert denied(alice.call, PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", repr(document("alices")), none)
    assert denied(alice.call, PATH, f"{NAME}.Networks", "GetNetworkByName", "s", "'roots'")
    assert "10.0.0.1" not in repr(alice.call(PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))
    # Who may define owns what they define, and nothing else.
    polkit_rules(bus, """polkit.addRule(function(a, s) {
        if (a.lookup("caller_is_owner") === "true") return polkit.Result.YES;
        if (a.id === "org.virtbus1.network.define" && s.user === "vb-alice" && !a.lookup("network_uuid")) return polkit.Result.YES;
        if (a.id === "org.virtbus1.read" && s.user === "vb-bob" && a.lookup("network_name") === "alices" &&
            a.lookup("network_mode") === "isolated") return polkit.Result.YES;
        return polkit.Result.NO; });""")
    alice.call(PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", repr(document("alices")), none)
    hers = bus.call(PATH, f"{NAME}.Networks", "GetNetworkByName", "s", "alices")
    contains(alice.call(hers, interface, "GetXML", "a{sv}", none), "alices")
    contains(bob.call(hers, interface, "GetXML", "a{sv}", none), "alices")
    assert denied(bob.call, hers, interface, "Undefine", "a{sv}", none)
    assert denied(alice.call, network, interface, "GetXML", "a{sv}", none)
    alice.call(hers, properties, "Set", "ssv", f"'{interface}'", "'Autostart'", "<true>")
    alice.call(hers, interface, "Undefine", "a{sv}", none)
    undefine(network)
    alice.leave()
    bob.leave()


run([a_network_is_defined_found_and_listed, documents_that_are_wrong_are_refused_by_name, what_dnsmasq_is_told_is_shown_of_a_document, a_change_is_told_and_what_is_anothers_is_refused,
     damaged_files_cost_themselves_alone, a_driver_that_is_killed_at_any_instant_has_all_or_nothing_of_a_change,
     a_full_disk_fails_a_change_and_loses_none, who_may_not_is_refused_and_owners_may])
