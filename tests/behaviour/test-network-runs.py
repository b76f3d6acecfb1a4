#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks that run: what the kernel has of them, what becomes of packets, and what is left when something ends.

Usage (below unshare --net tests/with-bus): test-network-runs.py
"""

import os
import random
import re
import signal
import sys
import time

from gi.repository import GLib
from network_rig import PATH, RUNTIME, blocks, bridges, bus, call, chains, create, define, document, get, kill_driver, left, links, networks, ruled, servers, undefine, xml_of
from rig import DEADLINE, NAME, BusError, Hypervisor, Skip, User, contains, denied, end_process, expect, polkit_rules, run
from spaces import Space, shell

KILLS = 16
GUEST_KILLS = 6
qemu = Hypervisor(bus, "qemu")


CARD = "52:54:00:77:01:0{}"
DOMAIN = "44444444-4444-4444-4444-444444444444"


def need_taps():
    if not os.path.exists("/dev/net/tun"):
        raise Skip("needs /dev/net/tun")


def add_port(network, mac, **options):
    """What is known of the port, and its descriptors, which the caller closes."""
    arguments = GLib.Variant("(sssa{sv})", ("guest", DOMAIN, mac, {key: GLib.Variant({str: "s", int: "u", bool: "b"}[type(value)], value) for key, value in options.items()}))
    try:
        answer, files = bus.connection.call_with_unix_fd_list_sync(NAME, network, f"{NAME}.Network", "AddPort", arguments, None, 0, DEADLINE * 1000, None, None)
    except GLib.Error as error:
        raise BusError(error) from None
    path, uuid, interface, bridge, mtu, _ = answer.unpack()
    return {"path": path, "uuid": uuid, "interface": interface, "bridge": bridge, "mtu": mtu}, files.steal_fds()


def close(*files):
    for fd in files:
        os.close(fd)


def ports():
    return {path: interfaces[f"{NAME}.NetworkPort"] for network in networks() for path, interfaces in bus.objects(network).items()}


def gone(*paths):
    bus.wait(lambda: not set(paths) & set(ports()), "the end of a port")


def a_port_is_an_interface_in_the_bridge_as_long_as_its_descriptors():
    need_taps()
    network = define(document("one", "", blocks(1) + "<mtu size='1400'/>"))
    contains(expect("OperationInvalid", add_port, network, CARD.format(1)), "'one'", "not active", "virtbusctl network start one")
    call(network, "Start")
    port, files = add_port(network, CARD.format(1))
    link = links()[port["interface"]]
    assert link["master"] == port["bridge"] == "b-one" and link["address"] == "fe" + CARD.format(1)[2:] and link["mtu"] == port["mtu"] == 1400, (port, link)
    assert "UP" in link["flags"] and link["ifalias"] == port["uuid"] and not link["linkinfo"]["info_slave_data"]["isolated"], link
    assert port["path"] == f"{network}/port/{port['uuid'].replace('-', '_')}"
    assert ports() == {port["path"]: {"UUID": port["uuid"], "DomainName": "guest", "DomainUUID": DOMAIN, "MAC": CARD.format(1),
                                      "HostInterface": port["interface"], "MTU": 1400, "Isolated": False, "Bandwidth": "", "Filter": "",
                                      "FilterXML": "", "Interface": "b-one", "Mode": ""}}, ports()
    other, queues = add_port(network, CARD.format(2), interface="b-tap", queues=4, mtu=1300, isolated=True)
    link = links()["b-tap"]
    assert other["interface"] == "b-tap" and len(queues) == 4 and link["mtu"] == 1300 and link["linkinfo"]["info_slave_data"]["isolated"], link
    for error, mac, options, part in (("InvalidArgument", "card", {}, "'card'"), ("InvalidArgument", CARD.format(3), {"interface": "a/b"}, "'a/b'"),
                                      ("InvalidArgument", CARD.format(3), {"queues": 65}, "65"), ("InvalidArgument", CARD.format(3), {"speed": 1}, "speed"),
                                      ("AlreadyExists", CARD.format(3), {"interface": "b-one"}, "'b-one'")):
        contains(expect(error, add_port, network, mac, **options), part)
    assert len(ports()) == 2
    close(*files)
    gone(port["path"])
    close(*queues[1:])
    assert list(ports()) == [other["path"]]
    shell("ip link delete b-tap")
    gone(other["path"])
    close(queues[0])
    undefine(network)
    assert left() == [], left()


def no_port_is_a_queue_of_an_interface_that_is_there():
    need_taps()
    network = define(document("one", "", blocks(1)))
    call(network, "Start")
    port, files = add_port(network, CARD.format(1), interface="b-tap", queues=2)
    shell("ip tuntap add b-kept mode tap multi_queue; ip tuntap add b-single mode tap")

    def seen():
        return {name: [link.get(key) for key in ("address", "mtu", "master", "ifalias")] + [link.get("linkinfo", {}).get("info_data", {}).get("numqueues")]
                for name, link in links().items()}
    before = seen()
    for name, queues in (("b-tap", 2), ("b-tap", 1), ("b-kept", 2), ("b-single", 1)):
        contains(expect("AlreadyExists", add_port, network, CARD.format(2), interface=name, queues=queues), f"'{name}'")
    assert seen() == before and list(ports()) == [port["path"]], (before, seen())
    shell("ip link delete b-kept; ip link delete b-single")
    close(*files)
    gone(port["path"])
    undefine(network)


def ports_outlive_their_networks_run_and_the_driver():
    need_taps()
    made = [define(document(f"n{number}", "", blocks(number))) for number in (1, 2)]
    for network in made:
        call(network, "Start")
    (stays, files), (ends, closed), (other, more) = add_port(made[0], CARD.format(1), isolated=True), add_port(made[0], CARD.format(2)), add_port(made[1], CARD.format(3))
    before = ports()

    def master(port):
        return links()[port["interface"]].get("master")

    kill_driver(after=lambda: close(*closed))
    gone(ends["path"])
    assert ports() == {path: port for path, port in before.items() if path != ends["path"]}, ports()
    call(made[0], "Stop")
    assert master(stays) is None and stays["path"] in ports()
    kill_driver()
    call(made[0], "Start")
    assert master(stays) == "b-n1" and links()[stays["interface"]]["linkinfo"]["info_slave_data"]["isolated"]
    # An interface that has taken the place of a port's is none.
    number = links()[other["interface"]]["ifindex"]

    def replace():
        close(*more)
        bus.wait(lambda: other["interface"] not in links(), "the end of an interface")
        shell(f"ip link add {other['interface']} index {number} type dummy || ip link add {other['interface']} index {number} type veth")

    kill_driver(after=replace)
    gone(other["path"])
    shell(f"ip link delete {other['interface']}")
    undefine(made[0])
    assert ports() == {}
    close(*files)
    undefine(made[1])
    assert left() == [] and os.listdir(f"{RUNTIME}/ports") == [], left()


def a_bridge_that_is_deleted_is_told():
    need_taps()
    network = define(document("n", "", blocks(1)))
    call(network, "Start")
    port, files = add_port(network, CARD.format(1))
    shell("ip link delete b-n")
    bus.wait_signal(network, "PropertiesChanged", lambda a: a[1].get("Obstacles"))
    contains(get(network, "Obstacles")[0], "'b-n'", "deleted", "stop and start")
    call(network, "Stop", "Start")
    assert get(network, "Obstacles") == [] and links()[port["interface"]]["master"] == "b-n"
    close(*files)
    undefine(network)


def who_may_not_attach_is_refused():
    need_taps()
    alice = User("vb-alice")
    network = define(document("n", "", blocks(1)))
    call(network, "Start")
    polkit_rules(bus, "polkit.addRule(function(a, s) { return polkit.Result.NO; });")
    words = (network, f"{NAME}.Network", "AddPort", "sssa{sv}", repr("guest"), repr(DOMAIN), repr(CARD.format(1)), "@a{sv} {}")
    assert denied(alice.call, *words)
    polkit_rules(bus, "polkit.addRule(function(a, s) { return a.id === 'org.virtbus1.network.attach' && a.lookup('network_name') === 'n' && !a.lookup('domain_name') ? "
                 "polkit.Result.YES : polkit.Result.NO; });")
    alice.call(*words)
    alice.leave()
    bus.wait(lambda: ports() == {}, "the end of a port")
    undefine(network)


def card(network, number=1, more=""):
    return f"<interface type='network'><mac address='{CARD.format(number)}'/><source network='{network}'/><model type='virtio'/>{more}</interface>"


def guest(name, *cards):
    return qemu.define(qemu.document(name, devices="".join(cards)))


def domain_xml(domain, **options):
    return bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {key: GLib.Variant("b", value) for key, value in options.items()})


def end_guest(domain):
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")
    bus.wait(lambda: ports() == {}, "the end of its ports")


def a_guests_cards_are_ports_of_its_network():
    need_taps()
    network = define(document("one", "", blocks(1) + "<mtu size='1400'/>"))
    domain = guest("g", card("one", 1, "<driver queues='2'/><port isolated='yes'/>"))
    contains(expect("OperationInvalid", qemu.do, domain, "Start"), "'g'", "'net0'", "'one' is not active", "virtbusctl network start one")
    call(network, "Start")
    qemu.do(domain, "Start")
    (path, port), = ports().items()
    assert (port["DomainName"], port["DomainUUID"], port["MAC"], port["MTU"], port["Isolated"]) == ("g", bus.get(domain, "Domain", "UUID"), CARD.format(1), 1400, True), port
    link = links()[port["HostInterface"]]
    assert link["master"] == "b-one" and link["linkinfo"]["info_slave_data"]["isolated"] and link["mtu"] == 1400, link
    contains(domain_xml(domain), f"portid=\"{port['UUID']}\"", 'bridge="b-one"', f'<target dev="{port["HostInterface"]}"/>')
    assert "portid" not in domain_xml(domain, inactive=True)
    assert bus.get(f"{domain}/device/net0", "Device.NetworkInterface", "HostInterface") == port["HostInterface"]
    with open(f"/proc/{qemu.pid_of(domain)}/cmdline", encoding="utf-8") as file:
        contains(file.read(), '"host_mtu":1400', '"fds":"')
    bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", card("one", 2), {})
    assert sorted(row["MAC"] for row in ports().values()) == [CARD.format(1), CARD.format(2)]
    contains(expect("NoSuchNetwork", bus.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", card("none", 3), {}), "'none'", "virtbusctl network", "virtbusctl import")
    before = ports()
    for driver in ("QEMU", "Network"):
        bus.kill_driver(driver)
    bus.wait(lambda: ports() == before and qemu.state(domain) == "running", "the guest and its ports, found again")
    end_process(qemu.pid_of(domain))
    gone(*before)
    bus.wait_state(domain, "shutoff")
    qemu.do(domain, "Undefine")
    undefine(network)
    assert left() == [], left()


def whoever_is_killed_during_a_start_a_guest_has_its_port_or_there_is_none():
    need_taps()
    seed = int(os.environ.get("VIRTBUS_SEED", time.time()))
    print(f"# VIRTBUS_SEED={seed}")
    chance = random.Random(seed)
    network, domain = define(document("one", "", blocks(1))), guest("g", card("one"))
    call(network, "Start")
    for number in range(GUEST_KILLS):
        driver = ("QEMU", "Network")[number % 2]
        answers = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {})
        bus.connection.flush_sync()
        time.sleep(chance.random() * 0.1)  # the instant
        bus.kill_driver(driver)
        bus.wait(lambda answers=answers: answers, "an answer")

        def is_settled():
            state = qemu.state(domain)
            return (state, len(ports())) in (("running", 1), ("shutoff", 0))
        bus.wait(is_settled, "a guest with its port, or neither")
        if qemu.state(domain) == "running":
            (port,) = ports().values()
            assert links()[port["HostInterface"]]["master"] == "b-one"
            qemu.do(domain, "Destroy")
        bus.wait(lambda: ports() == {}, "the end of its port")
    qemu.do(domain, "Undefine")
    undefine(network)


def polkit_decides_which_domain_whoever_starts_it_may_attach():
    need_taps()
    alice = User("vb-alice")
    network, domains = define(document("n", "", blocks(1))), {name: guest(name, card("n")) for name in ("hers", "other")}
    call(network, "Start")
    polkit_rules(bus, "polkit.addRule(function(a, s) { return a.id === 'org.virtbus1.network.attach' ? a.lookup('network_name') === 'n' && a.lookup('domain_name') === 'hers' && "
                 f"a.lookup('domain_uuid') === '{bus.get(domains['hers'], 'Domain', 'UUID')}' ? polkit.Result.YES : polkit.Result.NO : polkit.Result.YES; }});")
    none = "@a{sv} {}"
    contains(expect("AccessDenied", alice.call, domains["other"], f"{NAME}.Domain", "Start", "a{sv}", none), "'net0'", "'n'")
    assert ports() == {}
    alice.call(domains["hers"], f"{NAME}.Domain", "Start", "a{sv}", none)
    assert [port["DomainName"] for port in ports().values()] == ["hers"]
    alice.leave()
    qemu.do(domains["other"], "Undefine")
    end_guest(domains["hers"])
    undefine(network)


def a_network_has_its_bridge_rules_and_dnsmasq_while_it_is_active():
    dhcp = "<dhcp><range start='10.77.1.10' end='10.77.1.20'/></dhcp>"
    route = "<route address='192.0.2.0' prefix='24' gateway='10.77.1.9'/>"
    network = define(document("one", "nat", blocks(1, dhcp) + route + "<mtu size='1400'/>"))
    assert not get(network, "Active") and get(network, "Persistent")
    call(network, "Start")
    bus.wait_signal(network, "PropertiesChanged", lambda a: a[1].get("Active") is True)
    assert get(network, "Active") and get(network, "Obstacles") == []
    link = bridges()["b-one"]
    assert link["mtu"] == 1400 and link["address"] == "52:54:00:77:00:01" and "UP" in link["flags"], link
    assert link["linkinfo"]["info_data"]["stp_state"] == 0, link
    assert {(row["local"], row["prefixlen"]) for row in link["addr_info"]} >= {("10.77.1.1", 24), ("fd00:77:1::1", 64)}, link
    contains(shell("ip route show dev b-one"), "192.0.2.0/24 via 10.77.1.9")
    assert all("b-one" in names for names in ruled().values()) and ruled(), ruled()
    for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        with open(f"/proc/sys/net/{path}", encoding="utf-8") as file:
            assert file.read().strip() == "1", path
    pid = servers()[get(network, "UUID")]
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = file.read()
    assert os.stat(f"/proc/{pid}").st_uid != 0 and "CapEff:\t0000000000003400" in status, status
    with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
        assert re.search(rf"Max file size +{64 << 20} +{64 << 20} ", file.read())
    contains(expect("OperationInvalid", call, network, "Start"), "'one'", "active")
    call(network, "Stop")
    bus.wait_signal(network, "PropertiesChanged", lambda a: a[1].get("Active") is False)
    contains(expect("OperationInvalid", call, network, "Stop"), "'one'", "not active")
    assert left() == [], left()
    call(network, "Start", "Stop")  # again
    undefine(network)


def what_is_in_the_way_is_said_and_nothing_is_left():
    shell("ip link add taken type bridge; ip link set taken address 52:54:00:77:00:0a; ip link add card type veth peer name drac; ip addr add 10.77.0.1/16 dev card")
    cases = [
        (document("n", bridge="taken"), "AlreadyExists", ["'taken'", "'n'", "ip link delete taken"]),
        (document("n", "", "<mac address='52:54:00:77:00:0a'/>", bridge="taken"), "AlreadyExists", ["'taken'", "'n'"]),  # it claims to have made it
        (document("n", "nat", blocks(1)), "AlreadyExists", ["10.77.1.1/24", "'card'", "'n'"]),
        (document("n", "bridge", bridge="none0").replace(" stp='off'", ""), "InvalidArgument", ["'none0'"]),
        (document("n", "bridge", bridge="card").replace(" stp='off'", ""), "InvalidArgument", ["'card'"]),
        ("<network><name>n</name><forward mode='hostdev'><interface dev='card'/></forward></network>", "Unsupported", ["'hostdev'", "'direct'"]),
        (document("n", "", "<ip address='10.78.0.1' prefix='24'><tftp root='/nowhere'/></ip>"), "InvalidArgument", ["/nowhere", "<tftp>"]),
        (document("n", "", "<ip address='10.78.0.1' prefix='24'/>").replace("<network>", "<network xmlns:d='http://libvirt.org/schemas/network/dnsmasq/1.0'>")
         .replace("</network>", "<d:options><d:option value='frob=1'/></d:options></network>"), "HypervisorFailed", ["dnsmasq", "bad option"]),
    ]
    for xml, error, parts in cases:
        network = define(xml)
        contains(expect(error, call, network, "Start"), *parts)
        assert not get(network, "Active")
        undefine(network)
        contains(expect(error, create, xml), *parts)
        assert networks() == {} and left() == ["taken"], left()
    shell("ip link delete card; ip link delete taken")


def a_transient_network_is_gone_when_it_stops():
    network = create(document("short"))
    assert get(network, "Active") and not get(network, "Persistent")
    for member in ("Undefine",):
        contains(expect("OperationInvalid", call, network, member), "'short'")
    expect("OperationInvalid", bus.set, network, "Network", "Autostart", GLib.Variant("b", True))
    contains(expect("AlreadyExists", create, document("short")), "'short'")
    kill_driver()
    assert get(network, "Active") and not get(network, "Persistent") and "b-short" in bridges()
    assert define(xml_of(network)) == network and get(network, "Persistent")
    call(network, "Stop")
    assert not get(network, "Active")
    call(network, "Start", "Undefine")
    assert get(network, "Active") and not get(network, "Persistent")
    call(network, "Stop")
    assert networks() == {} and left() == []


def another_definition_is_that_of_the_next_start():
    network = define(document("one", "", blocks(1)))
    call(network, "Start")
    uuid = f"<uuid>{get(network, 'UUID')}</uuid>"
    define(document("one", "route", blocks(2) + uuid, bridge="other"))
    assert get(network, "Bridge") == "b-one" and get(network, "ForwardMode") == "isolated"
    contains(xml_of(network), "10.77.1.1")
    contains(xml_of(network, inactive=True), "10.77.2.1", "other")
    kill_driver()
    contains(xml_of(network), "10.77.1.1")
    call(network, "Stop")
    assert get(network, "Bridge") == "other" and left() == []
    call(network, "Start")
    assert "other" in bridges()
    undefine(network)


def a_bridge_of_the_hosts_is_used_and_left_as_it_is():
    shell("ip link add lan0 type bridge; ip link set lan0 up")
    network = define("<network><name>lan</name><forward mode='bridge'/><bridge name='lan0'/></network>")
    call(network, "Start")
    assert get(network, "Active") and get(network, "Bridge") == "lan0" and not servers() and ruled().get("guests_to", []) == []
    call(network, "Stop")
    assert "lan0" in bridges()
    undefine(network)
    shell("ip link delete lan0")


# The table of packets: by mode, for IPv4 and IPv6: from a guest outwards, from outside to a guest, from a guest to one of another network of the mode.
# Among guests of a network, between them and the host, all is well in each.
TABLE = {
    "nat": {4: ("masqueraded", "rejected", "rejected"), 6: ("passed", "passed", "passed")},
    "nat6": {4: ("masqueraded", "rejected", "rejected"), 6: ("masqueraded", "rejected", "rejected")},
    "route": {4: ("passed",) * 3, 6: ("passed",) * 3},
    "open": {4: ("passed",) * 3, 6: ("passed",) * 3},
    "": {4: ("rejected",) * 3, 6: ("rejected",) * 3},
}


def packets_pass_as_the_mode_says():
    def verdict(asker, target, family, kind, own, port=0):
        seen = asker.do("ask", family, kind, target, port)
        return "rejected" if seen == "rejected" else "passed" if seen[0] == own else "masqueraded"

    host, out, one, two, three = Space("host", own=False), *(Space(name) for name in ("out", "one", "two", "three"))
    address = {
        4: {"host": "10.77.1.1", out: "198.51.100.2", one: "10.77.1.11", two: "10.77.1.12", three: "10.77.2.13"},
        6: {"host": "fd00:77:1::1", out: "fd00:99::2", one: "fd00:77:1::11", two: "fd00:77:1::12", three: "fd00:77:2::13"}}
    shell(f"ip addr add 198.51.100.1/24 dev {out.attach('', '198.51.100.2/24', 'fd00:99::2/64', gateways=('198.51.100.1', 'fd00:99::1'))}")
    shell("ip -6 addr add fd00:99::1/64 dev v-out nodad")
    for space, number in ((one, 1), (two, 1), (three, 2)):
        space.attach("", *(f"{address[family][space]}/{24 if family == 4 else 64}" for family in (4, 6)), gateways=(f"10.77.{number}.1", f"fd00:77:{number}::1"))
    for space in (host, out, one, two, three):
        space.do("serve")
    for mode, families in TABLE.items():
        nat = "<nat ipv6='yes'/>" if mode == "nat6" else ""
        made = [define(document(f"n{number}", mode[:3] if nat else mode, blocks(number), nat=nat)) for number in (1, 2)]
        for network in made:
            call(network, "Start")
        shell("ip link set v-one master b-n1; ip link set v-two master b-n1; ip link set v-three master b-n2")
        for family, wanted in families.items():
            a = address[family]
            for kind in ("udp", "tcp") if family == 4 else ("udp",):
                found = (verdict(one, a[out], family, kind, a[one]), verdict(out, a[one], family, kind, a[out]), verdict(one, a[three], family, kind, a[one]))
                assert found == wanted, (mode, family, kind, found, wanted)
                for asker, target, own in ((one, a[two], a[one]), (one, a["host"], a[one]), (host, a[one], a["host"])):
                    assert verdict(asker, target, family, kind, own) == "passed", (mode, family, kind, asker.name, target)
        if mode == "nat":  # nobody takes a guest for a program of root's
            assert int(one.do("ask", 4, "udp", address[4][out], 600)[1]) >= 1024
        for network in made:
            call(network, "Stop", "Undefine")
        assert left() == [], left()
    for space in (host, out, one, two, three):
        space.leave()


def a_killed_driver_finds_its_networks_again():
    made = [define(document(f"n{number}", "nat", blocks(number))) for number in (1, 2)]
    for network in made:
        call(network, "Start")
    before, rules = servers(), ruled()
    numbers = {name: link["ifindex"] for name, link in bridges().items()}
    shell("nft delete table inet virtbus")
    kill_driver()
    assert all(get(network, "Active") for network in made)
    bus.wait(lambda: ruled() == rules, "the rules that were flushed")
    call(made[0], "Stop")  # after what was taken up
    assert servers() == {uuid: pid for uuid, pid in before.items() if uuid == get(made[1], "UUID")}
    assert {name: link["ifindex"] for name, link in bridges().items()} == {"b-n2": numbers["b-n2"]}
    end_process(servers()[get(made[1], "UUID")])
    bus.wait_signal(made[1], "PropertiesChanged", lambda a: a[1].get("Obstacles"))
    contains(get(made[1], "Obstacles")[0], "dnsmasq has ended", "stop and start")
    kill_driver()
    call(made[0], "Start")
    bus.wait(lambda: get(made[1], "UUID") in servers(), "dnsmasq, which the next driver starts")
    assert get(made[1], "Obstacles") == []
    undefine(*made)
    assert left() == [], left()


def a_driver_that_is_killed_at_any_instant_leaves_all_or_nothing():
    seed = int(os.environ.get("VIRTBUS_SEED", time.time()))
    print(f"# VIRTBUS_SEED={seed}")
    chance = random.Random(seed)
    network = define(document("n", "nat", blocks(1)))
    uuid = get(network, "UUID")
    for number in range(KILLS):
        was, pid = get(network, "Active"), bus.driver("Network")
        answers = bus.begin(network, f"{NAME}.Network", "Stop" if was else "Start", "a{sv}", {})
        bus.connection.flush_sync()
        time.sleep(chance.random() * 0.04)  # the instant
        kill_driver(pid, number=chance.choice((signal.SIGKILL, signal.SIGTERM)))
        bus.wait(lambda answers=answers: answers, "an answer")
        # One that was being started or stopped is taken down. What was done is done, though the driver did not come to say so.
        active = get(network, "Active")
        assert active == (not was) or isinstance(answers[0], BusError), (number, was, active, answers)
        if active:
            bus.wait(lambda: set(left()) == {"b-n", uuid, *chains(), f"{uuid}.xml"}, "all of it")
        else:
            bus.wait(lambda: left() == [], "nothing of it")
    undefine(network)
    assert left() == [], left()


def damaged_files_of_runs_cost_themselves_alone():
    made = [define(document(f"n{number}", "", blocks(number))) for number in (1, 2)]
    for network in made:
        call(network, "Start")
    pid, uuid = bus.driver("Network"), get(made[0], "UUID")

    def damage():
        os.kill(pid, signal.SIGSTOP)
        with open(f"{RUNTIME}/networks/{uuid}.xml", "w", encoding="utf-8") as file:
            file.write("<networkstatus")

    kill_driver(pid, before=damage)
    assert get(made[1], "Active") and not get(made[0], "Active")
    assert os.path.exists(f"{RUNTIME}/networks/{uuid}.damaged")
    end_process(servers()[uuid])
    status, pid = f"{RUNTIME}/networks/{uuid}.xml", bus.driver("Network")
    call(made[0], "Start")  # takes its bridge for made

    def take_for_newer():
        os.kill(pid, signal.SIGSTOP)
        with open(status, encoding="utf-8") as file:
            text = file.read().replace('format="1"', 'format="9"')
        with open(status, "w", encoding="utf-8") as file:
            file.write(text)
        return text

    later = []
    kill_driver(pid, before=lambda: later.append(take_for_newer()))
    contains(expect("Unsupported", call, made[0], "Start"), "'n1'", "format 9", "later version")
    kill_driver()
    with open(status, encoding="utf-8") as file:
        assert [file.read()] == later
    with open(status, "w", encoding="utf-8") as file:
        file.write(later[0].replace('format="9"', 'format="1"'))
    kill_driver()
    assert get(made[0], "Active")
    undefine(*made)
    os.unlink(f"{RUNTIME}/networks/{uuid}.damaged")
    assert left() == [], left()


def networks_are_started_with_the_machine():
    on, off = (define(document(name, "", blocks(number))) for number, name in enumerate(("on", "off"), 1))
    bus.set(on, "Network", "Autostart", GLib.Variant("b", True))
    kill_driver()
    assert not get(on, "Active")
    os.unlink(f"{RUNTIME}/started")  # as the machine's start does
    kill_driver()
    bus.wait(lambda: get(on, "Active"), "the network that is started with the machine")
    assert not get(off, "Active")
    undefine(on, off)


def who_may_not_start_and_stop_is_refused():
    alice = User("vb-alice")
    network, interface, none = define(document("n")), f"{NAME}.Network", "@a{sv} {}"
    polkit_rules(bus, "polkit.addRule(function(a, s) { return polkit.Result.NO; });")
    assert denied(alice.call, network, interface, "Start", "a{sv}", none)
    assert denied(alice.call, PATH, f"{NAME}.Networks", "CreateNetwork", "sa{sv}", repr(document("m")), none)
    polkit_rules(bus, "polkit.addRule(function(a, s) { return a.id === 'org.virtbus1.network.start' && a.lookup('network_name') === 'n' ? "
                 "polkit.Result.YES : polkit.Result.NO; });")
    alice.call(network, interface, "Start", "a{sv}", none)
    assert denied(alice.call, network, interface, "Stop", "a{sv}", none)
    polkit_rules(bus, "polkit.addRule(function(a, s) { return a.id === 'org.virtbus1.network.stop' ? polkit.Result.YES : polkit.Result.NO; });")
    alice.call(network, interface, "Stop", "a{sv}", none)
    alice.leave()
    undefine(network)


if os.geteuid() != 0 or any("UP" in link["flags"] for name, link in links().items() if name != "lo"):
    sys.exit("this is for root in a network namespace of its own: unshare --net tests/with-bus tests/behaviour/test-network-runs.py")
shell("ip link set lo up; sysctl -q net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")
run([a_network_has_its_bridge_rules_and_dnsmasq_while_it_is_active, what_is_in_the_way_is_said_and_nothing_is_left,
     a_transient_network_is_gone_when_it_stops, another_definition_is_that_of_the_next_start, a_bridge_of_the_hosts_is_used_and_left_as_it_is,
     packets_pass_as_the_mode_says, a_killed_driver_finds_its_networks_again, a_driver_that_is_killed_at_any_instant_leaves_all_or_nothing,
     a_port_is_an_interface_in_the_bridge_as_long_as_its_descriptors, no_port_is_a_queue_of_an_interface_that_is_there,
     ports_outlive_their_networks_run_and_the_driver, a_bridge_that_is_deleted_is_told,
     who_may_not_attach_is_refused,
     a_guests_cards_are_ports_of_its_network, whoever_is_killed_during_a_start_a_guest_has_its_port_or_there_is_none,
     polkit_decides_which_domain_whoever_starts_it_may_attach,
     damaged_files_of_runs_cost_themselves_alone, networks_are_started_with_the_machine, who_may_not_start_and_stop_is_refused])
