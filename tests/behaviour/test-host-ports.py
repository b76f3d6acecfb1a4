#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ports of the host: guests' cards in its bridges, or by a tap alone.

Usage (below unshare --net tests/with-bus): test-host-ports.py
"""

import json
import os
import socket
import struct
import sys
import time

from gi.repository import GLib
from packets import ethernet
from ports_rig import CARDS, DOMAIN, KIND, LIMITS, OTHER, PATH, HostPort, Port, add, bus, define, end_network, kill_driver, make_network, passes, reference, ruled, undefine
from rig import NAME, ROOT, Hypervisor, User, contains, end_process, expect, polkit_rules, run, variants
from spaces import shell

RECORDS = f"{ROOT}/network/run/network/ports"
qemu = Hypervisor(bus, "qemu")


def ports():
    return {path: rows[f"{NAME}.HostPort"] for path, rows in bus.objects(PATH).items() if f"{NAME}.HostPort" in rows}


def links():
    return {row["ifname"]: row for row in json.loads(shell("ip -j -d link show"))}


def records():
    return [name for name in os.listdir(RECORDS) if name.endswith(".xml")]


def gone():
    bus.wait(lambda: ports() == {} and records() == [], "the end of the ports")


def bridge(name="br0"):
    shell(f"ip link add {name} type bridge; ip link set {name} up")


def frames():
    """From the first port's guest with its own address, and with another's."""
    return [ethernet(b"", KIND, CARDS.format(2).replace(":", ""), card.replace(":", "")) for card in (CARDS.format(1), "52:54:00:00:00:99")]


def rates(interface):
    return shell(f"tc -d class show dev {interface}")


def a_port_is_in_the_bridge_with_its_filter_and_its_bandwidth():
    bridge()
    own, spoofed = frames()
    made = define("own-only", "<rule action='return' direction='out'><mac srcmacaddr='$MAC'/></rule><rule action='drop' direction='out'><mac/></rule>")
    guest = HostPort("bridge", "br0", 1, filter=reference("own-only"), bandwidth=LIMITS, mtu=1400, isolated=False)
    other = HostPort("bridge", "br0", 2, interface="b-tap")
    link = links()[guest.interface]
    assert link["master"] == links()["b-tap"]["master"] == "br0" and link["mtu"] == 1400 and "UP" in link["flags"] and link["ifalias"] == guest.uuid, link
    row = ports()[guest.path]
    assert row.pop("FilterXML") and "2000" in row.pop("Bandwidth") and guest.path == f"{PATH}/port/{guest.uuid.replace('-', '_')}"
    assert row == {"UUID": guest.uuid, "Plug": "bridge", "Interface": "br0", "DomainName": "guest", "DomainUUID": DOMAIN, "MAC": CARDS.format(1),
                   "HostInterface": guest.interface, "MTU": 1400, "Isolated": False, "Filter": "own-only", "Mode": ""}, row
    contains(rates(guest.interface), "rate 8Mbit", "ceil 16Mbit", "burst 512Kb")
    before = ports()
    for again in (lambda: None, kill_driver, lambda: shell("nft flush ruleset")):
        again()
        bus.wait(lambda: ruled() == {guest.interface} and ports() == before, "its rules")
        assert passes(guest, other, own) and not passes(guest, other, spoofed, CARDS.format(1).replace(":", ""))
    guest.set_filter()
    assert passes(guest, other, spoofed) and ruled() == set() and guest.get("Filter") == ""
    set_bandwidth(guest, "<bandwidth><inbound average='500'/></bandwidth>")
    contains(rates(guest.interface), "rate 4Mbit")
    for error, text, part in (("InvalidXML", "<bandwidth><inbound average='5' peak='4'/></bandwidth>", "peak"), ("InvalidXML", "<bandwidth><inbound/></bandwidth>", "average"),
                              ("InvalidXML", "<bandwidth><inbound average='5' floor='4'/></bandwidth>", "floor"), ("InvalidXML", "<bandwidth>", "bandwidth"), ("InvalidXML", "<b/>", "<b>"),
                              ("InvalidXML", "<bandwidth><inbound average='5000000000'/></bandwidth>", "average")):
        contains(expect(error, set_bandwidth, guest, text), part)
    contains(rates(guest.interface), "rate 4Mbit")
    set_bandwidth(guest, "")
    assert rates(guest.interface) == "" and guest.get("Bandwidth") == ""
    undefine(made)
    for port in (guest, other):
        port.close()
    gone()
    shell("ip link delete br0")


def set_bandwidth(port, text):
    bus.call(port.path, f"{NAME}.{port.KIND}", "SetBandwidth", "sa{sv}", text, {})


def a_networks_port_has_a_bandwidth_too():
    network = make_network()
    port = Port(network, 1)
    assert rates(port.interface) == ""
    set_bandwidth(port, LIMITS)
    contains(rates(port.interface), "rate 8Mbit")
    bus.kill_driver("Network")
    bus.wait(lambda: "2000" in port.get("Bandwidth"), "the port, found again")
    port.close()
    end_network(network)


def a_networks_bandwidth_is_its_bridges_and_its_groups_their_ports():
    groups = "<portgroup name='slow' default='yes'><bandwidth><inbound average='250'/></bandwidth></portgroup><portgroup name='fast'/>"
    xml = f"<network><name>limited</name><bridge name='b-limited' stp='off'/>{LIMITS}{groups}</network>"
    network = bus.call(PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", xml, {})
    bus.call(network, f"{NAME}.Network", "Start", "a{sv}", {})
    contains(rates("b-limited"), "rate 8Mbit", "ceil 16Mbit")
    kill_driver()
    contains(rates("b-limited"), "rate 8Mbit")

    def rate(number, **options):
        (_, _, interface, *_), (fd,) = add(network, "Network", "guest", DOMAIN, CARDS.format(number), {key: GLib.Variant("s", value) for key, value in options.items()})
        found = rates(interface)
        os.close(fd)
        return found
    contains(rate(1), "rate 2Mbit")
    contains(rate(2, portgroup="slow"), "rate 2Mbit")
    contains(rate(3, bandwidth=LIMITS), "rate 8Mbit")
    assert rate(4, portgroup="fast") == ""
    contains(expect("InvalidArgument", rate, 5, portgroup="none"), "'limited'", "'none'", "update")
    contains(expect("InvalidArgument", HostPort, "ethernet", "", 5, portgroup="slow"), "portgroup")
    card_xml = f"<interface type='network'><mac address='{CARDS.format(6)}'/><source network='limited' portgroup='slow'/></interface>"
    domain = qemu.define(qemu.document("grouped", devices=card_xml))
    qemu.do(domain, "Start")
    contains(rates(bus.get(f"{domain}/device/net0", "Device.NetworkInterface", "HostInterface")), "rate 2Mbit")
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")
    end_network(network)
    # One of the host's is as it was when the network stops.
    bridge()
    network = bus.call(PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", f"<network><name>lan</name><forward mode='bridge'/><bridge name='br0'/>{LIMITS}</network>", {})
    bus.call(network, f"{NAME}.Network", "Start", "a{sv}", {})
    contains(rates("br0"), "rate 8Mbit")
    end_network(network)
    assert rates("br0") == ""
    shell("ip link delete br0")


def two_isolated_ones_reach_only_others():
    bridge()
    first, second, third = (HostPort("bridge", "br0", number, isolated=number < 3) for number in (1, 2, 3))
    frame, same = frames()[0], ethernet(b"", KIND, CARDS.format(3).replace(":", ""), CARDS.format(1).replace(":", ""))
    assert passes(first, third, same)
    second.drain()
    first.send(frame)
    assert passes(first, third, same) and second.receive(0) is None
    for port in (first, second, third):
        port.close()
    gone()
    shell("ip link delete br0")


def what_is_wrong_leaves_nothing():
    bridge()
    shell("ip link add plain type veth peer name plain-peer")
    guest = HostPort("bridge", "br0", 1)
    for error, arguments, options, part in (
            ("InvalidArgument", ("bridge", "none0", 2), {}, "'none0'"), ("InvalidArgument", ("bridge", "plain", 2), {}, "not a bridge"), ("InvalidArgument", ("bridge", "", 2), {}, "interface_name"),
            ("InvalidArgument", ("bridge", "a/b", 2), {}, "'a/b'"), ("InvalidArgument", ("switch", "br0", 2), {}, "switch"), ("InvalidArgument", ("network", "br0", 2), {}, "network"),
            ("InvalidArgument", ("bridge", "br0", 2), {"existing": True, "interface": "plain"}, "existing"), ("InvalidArgument", ("bridge", "br0", 2), {"speed": 1}, "speed"),
            ("InvalidArgument", ("ethernet", "", 2), {"existing": True}, "name"), ("InvalidArgument", ("ethernet", "", 2), {"isolated": True}, "isolated"),
            ("InvalidArgument", ("ethernet", "x0", 2), {"interface": "x1"}, "interface_name"), ("InvalidArgument", ("bridge", "br0", 2), {"queues": 65}, "65"),
            ("AlreadyExists", ("ethernet", "plain", 2), {}, "'plain'"), ("AlreadyExists", ("bridge", "br0", 2), {"interface": guest.interface}, guest.interface),
            ("NoSuchFilter", ("bridge", "br0", 2), {"filter": reference("nobodys")}, "nobodys"), ("InvalidXML", ("bridge", "br0", 2), {"bandwidth": "<bandwidth><inbound/></bandwidth>"}, "average"),
            ("InvalidXML", ("bridge", "br0", 2), {"filter": "<filterref/>"}, "filter")):
        contains(expect(error, HostPort, *arguments, **options), part)
    # Another domain's card has the address; but in another bridge.
    bridge("br1")
    words = ("s" * 5 + "a{sv}", "bridge", "br0", "thief", OTHER, CARDS.format(1), {})
    contains(expect("AlreadyExists", bus.call, PATH, f"{NAME}.HostPorts", "AddPort", *words), "bridge 'br0'", "'guest'", CARDS.format(1))
    HostPort("bridge", "br1", 1).close()
    bus.wait(lambda: list(ports()) == [guest.path] and len(records()) == 1, "the end of the others")
    assert [name for name, row in links().items() if row.get("linkinfo", {}).get("info_kind") == "tun"] == [guest.interface]
    shell(f"ip link delete {guest.interface}")
    gone()
    guest.close()
    shell("ip link delete br0; ip link delete br1; ip link delete plain")


def forge(index, name):
    """Tells all who listen to the kernel that an interface has gone: whoever may change the network can, such as a dnsmasq that a guest has taken over."""
    words = name.encode() + b"\0"
    body = struct.pack("=BxHiII", 0, 1, index, 0, 0xffffffff) + struct.pack("=HH", 4 + len(words), 3) + words + bytes(-len(words) % 4)
    message = struct.pack("=IHHII", 16 + len(body), 17, 0, 0, 0) + body  # RTM_DELLINK, IFLA_IFNAME
    with open("/proc/net/netlink", encoding="utf-8") as file:
        listeners = [int(row.split()[2]) for row in file.read().splitlines()[1:] if row.split()[1] == "0" and int(row.split()[2]) > 0 and row.split()[3] != "00000000"]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as liar:
        for listener in listeners:
            liar.sendto(message, (listener, 0))
    return len(listeners)


def nobody_but_the_kernel_is_believed_about_interfaces():
    bridge()
    made = define("n", "<rule action='drop' direction='inout'><mac protocolid='0x9998'/></rule>")
    guest = HostPort("bridge", "br0", 1, filter=reference("n"))
    assert f"{PATH}/interface/br0" in bus.objects(PATH)
    for name in (guest.interface, "br0"):
        assert forge(links()[name]["ifindex"], name) >= 2  # ports', and interfaces'
    # What the kernel says after that has been heard.
    other = HostPort("bridge", "br0", 2)
    os.close(other.fd)
    bus.wait(lambda: other.path not in ports(), "the end of another one")
    assert list(ports()) == [guest.path] and ruled() == {guest.interface} and f"{PATH}/interface/br0" in bus.objects(PATH)
    guest.close()
    gone()
    undefine(made)
    shell("ip link delete br0")


def a_tap_alone_is_the_administrators_to_connect():
    gone()
    port = HostPort("ethernet", "lone0", 1)
    assert port.interface == "lone0" and "master" not in links()["lone0"] and (port.get("Plug"), port.get("Interface")) == ("ethernet", "lone0")
    port.close()
    port = HostPort("ethernet", "", 1)
    assert port.interface.startswith("vnet")
    port.close()
    # One that is there, if that is wanted; filtered before it is up.
    made = define("n", "<rule action='drop' direction='inout'><mac protocolid='0x9998'/></rule>")
    shell("ip tuntap add dev kept0 mode tap; ip link set kept0 up")
    expect("AlreadyExists", HostPort, "ethernet", "kept0", 1)
    port = HostPort("ethernet", "kept0", 1, existing=True, filter=reference("n"))
    assert ruled() == {"kept0"} and "UP" in links()["kept0"]["flags"]
    os.close(port.fd)
    # Whoever uses it next has it, as it is wanted then.
    port = HostPort("ethernet", "kept0", 2, existing=True)
    bus.wait(lambda: list(ports()) == [port.path] and len(records()) == 1 and ruled() == set(), "the end of the one before")
    os.close(port.fd)
    port = HostPort("ethernet", "kept0", 2, existing=True, filter=reference("n"))
    kill_driver()
    bus.wait(lambda: list(ports()) == [port.path] and ruled() == {"kept0"}, "the port, found again")
    os.close(port.fd)
    shell("ip link delete kept0")
    bus.wait(lambda: ruled() == set(), "the end of its rules")
    gone()
    undefine(made)


def card(kind, number=1, more=""):
    source = {"bridge": "<source bridge='br0'/>", "ethernet": f"<target dev='lone{number}'/>"}[kind]
    return f"<interface type='{kind}'><mac address='{CARDS.format(number)}'/>{source}<model type='virtio'/>{more}</interface>"


def xml_of(domain, **options):
    return bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants(options))


def filters_of():
    return sorted((row["MAC"], row["Filter"], "average" in row["Bandwidth"]) for row in ports().values())


def a_guests_cards_are_ports_of_the_host():
    bridge()
    made = [define(name, "<rule action='drop' direction='inout'><mac protocolid='0x9998'/></rule>") for name in ("n", "m")]
    domain = qemu.define(qemu.document("g", devices=card("bridge", 1, "<driver queues='2'/>" + reference("n") + LIMITS)))
    qemu.do(domain, "Start")
    (_, port), = ports().items()
    assert (port["DomainName"], port["DomainUUID"], port["Plug"], port["Interface"]) == ("g", bus.get(domain, "Domain", "UUID"), "bridge", "br0"), port
    contains(xml_of(domain), f"portid=\"{port['UUID']}\"", f'<target dev="{port["HostInterface"]}"/>')
    bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", card("ethernet", 2, reference("n")), {})
    assert filters_of() == [(CARDS.format(1), "n", True), (CARDS.format(2), "n", False)] and "master" not in links()["lone2"]

    def change(kind, number, more):
        bus.call(f"{domain}/device/net{number - 1}", f"{NAME}.Device", "Update", "sa{sv}", card(kind, number, more), {})
    # As an author has it, who knows nothing of ports; and again.
    change("bridge", 1, "<driver queues='2'/>" + reference("m") + LIMITS)
    change("bridge", 1, "<driver queues='2'/>" + reference("m"))
    change("ethernet", 2, LIMITS)
    assert filters_of() == [(CARDS.format(1), "m", False), (CARDS.format(2), "", True)], filters_of()
    # What fails leaves both as they were.
    contains(expect("NoSuchFilter", change, "ethernet", 2, reference("nobodys")), "'g'", "nobodys")
    contains(expect("InvalidXML", change, "ethernet", 2, reference("n") + "<bandwidth><inbound average='5' peak='4'/></bandwidth>"), "peak")
    assert filters_of() == [(CARDS.format(1), "m", False), (CARDS.format(2), "", True)], filters_of()
    bus.call(f"{domain}/device/net0", f"{NAME}.Device.NetworkInterface", "SetBandwidth", "a{st}a{sv}", {"inbound_average": 1000000}, {})
    contains(rates(port["HostInterface"]), "rate 8Mbit")
    live = xml_of(domain)
    assert live.count("portid=") == 2 and qemu.define(live) == domain and "portid" not in xml_of(domain, inactive=True)
    before = ports()
    for driver in ("QEMU", "Network"):
        bus.kill_driver(driver)
    bus.wait(lambda: ports() == before and qemu.state(domain) == "running", "the guest and its ports, found again")
    end_process(qemu.pid_of(domain))
    gone()
    bus.wait_state(domain, "shutoff")
    qemu.do(domain, "Undefine")
    undefine(*made)
    assert ruled() == set()
    shell("ip link delete br0")


def whoever_is_killed_during_a_start_a_guest_has_its_ports_or_there_are_none():
    bridge()
    domain = qemu.define(qemu.document("g", devices=card("bridge") + card("ethernet", 2)))
    for number in range(4):
        answers = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {})
        bus.connection.flush_sync()
        time.sleep(number * 0.02)  # the instant
        bus.kill_driver(("Network", "QEMU")[number % 2])
        bus.wait(lambda answers=answers: answers, "an answer")
        bus.wait(lambda: (qemu.state(domain), len(ports())) in (("running", 2), ("shutoff", 0)), "a guest with its ports, or neither")
        if qemu.state(domain) == "running":
            qemu.do(domain, "Destroy")
        gone()
    qemu.do(domain, "Undefine")
    shell("ip link delete br0")


def polkit_decides_which_domain_whoever_starts_it_may_attach_to_what():
    bridge()
    bridge("br1")
    alice, none = User("vb-alice"), "@a{sv} {}"
    domains = {name: qemu.define(qemu.document(name, devices=devices)) for name, devices in
               (("hers", card("bridge")), ("other", card("bridge")), ("elsewhere", card("bridge").replace("br0", "br1")), ("alone", card("ethernet")))}
    polkit_rules(bus, "polkit.addRule(function(a, s) { return a.id.indexOf('attach') < 0 ? polkit.Result.YES : a.id === 'org.virtbus1.interface.attach' && a.lookup('plug') === 'bridge' && "
                 f"a.lookup('interface_name') === 'br0' && a.lookup('domain_name') === 'hers' && a.lookup('domain_uuid') === '{bus.get(domains['hers'], 'Domain', 'UUID')}' ? "
                 "polkit.Result.YES : polkit.Result.NO; });")
    for name, part in (("other", "bridge 'br0'"), ("elsewhere", "bridge 'br1'"), ("alone", "an interface of the host's")):
        contains(expect("AccessDenied", alice.call, domains[name], f"{NAME}.Domain", "Start", "a{sv}", none), "'net0'", part)
    assert ports() == {}
    alice.call(domains["hers"], f"{NAME}.Domain", "Start", "a{sv}", none)
    ((path, port),) = ports().items()
    assert port["DomainName"] == "hers"
    # To attach is no right to what was attached for others, nor to attach by hand without saying what for.
    expect("AccessDenied", alice.call, PATH, f"{NAME}.HostPorts", "AddPort", "sssssa{sv}", "'bridge'", "'br0'", "'hers'", f"'{port['DomainUUID']}'", f"'{CARDS.format(3)}'", none)
    bus.kill_driver("Network")
    bus.wait(lambda: path in ports(), "the port, found again")
    # What was attached for her is hers to filter, where she may attach to that.
    words = (path, f"{NAME}.HostPort", "SetFilter", "sa{sv}", repr(reference("no-mac-spoofing")), none)
    for uuid in ("none", port["UUID"]):
        polkit_rules(bus, "polkit.addRule(function(a, s) { return a.id === 'org.virtbus1.interface.attach' && a.lookup('plug') === 'bridge' && a.lookup('interface_name') === 'br0' && "
                     f"a.lookup('port_uuid') === '{uuid}' ? polkit.Result.YES : polkit.Result.NO; }});")
        if uuid == "none":
            expect("AccessDenied", alice.call, *words)
        else:
            alice.call(*words)
    assert ports()[path]["Filter"] == "no-mac-spoofing"
    alice.leave()
    qemu.do(domains["hers"], "Destroy")
    for domain in domains.values():
        qemu.do(domain, "Undefine")
    gone()
    shell("ip link delete br0; ip link delete br1")


if os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or "UP" in shell("ip -o link show up"):
    sys.exit("this is for root with /dev/net/tun, in a network namespace of its own: unshare --net tests/with-bus tests/behaviour/test-host-ports.py")
shell("sysctl -q net.ipv6.conf.default.disable_ipv6=1")
run([a_port_is_in_the_bridge_with_its_filter_and_its_bandwidth, a_networks_port_has_a_bandwidth_too, a_networks_bandwidth_is_its_bridges_and_its_groups_their_ports,
     two_isolated_ones_reach_only_others, what_is_wrong_leaves_nothing, nobody_but_the_kernel_is_believed_about_interfaces,
     a_tap_alone_is_the_administrators_to_connect, a_guests_cards_are_ports_of_the_host, whoever_is_killed_during_a_start_a_guest_has_its_ports_or_there_are_none,
     polkit_decides_which_domain_whoever_starts_it_may_attach_to_what])
