#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network cards of containers: real ones, seen from inside and from the host.

Usage (below VIRTBUS_ALSO=lxc tests/with-bus, in a network namespace): test-container-cards.py
"""

import contextlib
import json
import os
import re
import signal
import time

from container_rig import CONNECTION, IDMAP, PATH, bus, container, define, do, document, groups, guests, make_root, patiently, say, state
from face_rig import virsh_on
from gi.repository import GLib
from rig import NAME, BusError, contains, expect, run, variants
from spaces import shell

MAC = "52:54:00:aa:bb:01"


def links():
    return {link["ifname"]: link for link in json.loads(shell("ip -j -d link show"))}


def card(kind, more="", source="", mac=MAC):
    return f"<interface type='{kind}'><mac address='{mac}'/>{source}{more}</interface>"


def pairs():
    return [name for name, link in links().items() if link.get("linkinfo", {}).get("info_kind") == "veth"]


def a_card_is_in_a_bridge():
    shell("ip link add br-c type bridge; ip link set br-c up; ip addr add 10.99.0.1/24 dev br-c; ip addr add fd00:99::1/64 dev br-c nodad")
    source = "<source bridge='br-c'/>"
    given = ("<ip address='10.99.0.7' family='ipv4' prefix='24'/><ip family='ipv6' address='fd00:99::7' prefix='64'/>"
             "<route family='ipv4' address='0.0.0.0' gateway='10.99.0.1'/><route address='10.98.0.0' netmask='255.255.0.0' gateway='10.99.0.2' metric='7'/>")
    two = card("bridge", given + "<mtu size='1400'/>", source) + card("bridge", "<target dev='of-two'/><guest dev='lan0'/><link state='down'/>", source, "52:54:00:aa:bb:02")
    for more in ("", IDMAP):
        with container("wired", script="exec sh", devices=two, more=more) as domain:
            text = say(domain, "ip addr; ip route; ip link show lan0; ping -c1 -W5 10.99.0.1")
            contains(text, MAC, "52:54:00:aa:bb:02", "inet 10.99.0.7/24 brd 10.99.0.255", "inet6 fd00:99::7/64", "mtu 1400", "default via 10.99.0.1 dev eth0",
                     "10.98.0.0/16 via 10.99.0.2 dev eth0  metric 7", " 0% packet loss", "NO-CARRIER")
            host = links()
            name = re.search(r'<target dev="(vnet\d+)"/>', bus.call(domain, "org.virtbus1.Domain", "GetXML", "a{sv}", {})).group(1)
            assert host[name]["master"] == host["of-two"]["master"] == "br-c" and host[name]["mtu"] == 1400, host
            assert host[name]["address"] == "fe" + MAC[2:] and "UP" in host[name]["flags"] and "UP" not in host["of-two"]["flags"], host
            assert shell(f"cat /proc/sys/net/ipv6/conf/{name}/accept_ra").strip() == "0"
            stats = bus.call(PATH, CONNECTION, "GetDomainStats", "aoasa{sv}", [domain], ["interface"], {})[domain]
            assert stats["interface.net0"]["tx_packets"] > 0 and stats["interface.net0"]["rx_bytes"] > 0, stats
            with virsh_on(bus, "lxc+unix:///system?socket={socket}") as virsh:
                contains(virsh("domiflist", "wired"), name, "of-two", "bridge", "br-c", MAC)
                contains(virsh("domifstat", "wired", name), "rx_bytes", "tx_packets")
            # It stays as it is when the driver is killed, and what it sends is counted on.
            bus.kill_driver("LXC")
            assert state(domain) == "running" and name in links()
            assert bus.call(PATH, CONNECTION, "GetDomainStats", "aoasa{sv}", [domain], ["interface"], {})[domain]["interface.net0"]["tx_packets"] > 0
        bus.wait(lambda: not pairs(), "the pairs to go")


def one_on_the_host_and_on_a_card_of_the_hosts():
    shell("ip tuntap add low mode tap; ip link set low up")
    devices = (card("ethernet", "<ip address='10.97.0.2' prefix='24'/><target dev='to-host'/><guest dev='up0'/>") +
               card("direct", "<guest dev='mv0'/>", "<source dev='low' mode='bridge'/>", "52:54:00:aa:bb:02"))
    # A card is a network of its own: nothing else is to be said.
    domain = define(document("two", script="exec sh", devices=devices).replace("<privnet/>", ""))
    do(domain, "Start")
    shell("ip addr add 10.97.0.1/24 dev to-host")
    text = say(domain, "ip link; ping -c1 -W5 10.97.0.1")
    contains(text, "up0@", "mv0@", " 0% packet loss", "52:54:00:aa:bb:02")
    assert "master" not in links()["to-host"] and "mv0" not in links()
    do(domain, "Destroy")
    bus.wait(lambda: "to-host" not in links(), "the pair to go")
    # At once again, by the same name.
    for _ in range(4):
        do(domain, "Start")
        do(domain, "Destroy")
    do(domain, "Undefine")


def one_that_restarts_has_its_cards_again():
    root = make_root()
    domain = define(document("again", script="echo x >> /tmp/starts; ip link show fix0 && [ $(cat /tmp/starts | wc -l) -ge 3 ] && exec sleep 1000; reboot -f", root=root,
                             devices=card("ethernet", "<target dev='fixed'/><guest dev='fix0'/>") + card("ethernet", mac="52:54:00:aa:bb:02")))
    do(domain, "Start")
    bus.wait(lambda: os.path.exists(f"{root}/tmp/starts") and os.stat(f"{root}/tmp/starts").st_size >= 6, "the third start")
    bus.wait(lambda: len(pairs()) == 2 and "fixed" in pairs(), "its cards alone")
    do(domain, "Destroy")
    do(domain, "Undefine")


def nothing_is_left_whoever_is_killed():
    domain = patiently(define, document("often", devices=card("ethernet") + card("ethernet", mac="52:54:00:aa:bb:02")))
    for step in range(10):
        answer = bus.begin(domain, "org.virtbus1.Domain", "Start", "a{sv}", {})
        if step % 2:
            bus.kill_driver("LXC", after=lambda: None)
        else:
            bus.wait(lambda: guests() or answer, "who watches")
            for pid in guests():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        bus.wait(lambda: answer, "an answer")
        bus.wait(lambda: patiently(state, domain) in ("running", "shutoff"), "a state")
        if patiently(state, domain) == "running":
            try:
                patiently(do, domain, "Destroy")
            except BusError as error:
                contains(error.name, "OperationInvalid")
        bus.wait(lambda: not guests() and not groups(domain) and not pairs(), "nothing to be left")
    patiently(do, domain, "Undefine")


HOST = "/org/virtbus1/host"


@contextlib.contextmanager
def network(name, more=""):
    """One that is active."""
    xml = (f"<network><name>{name}</name><bridge name='b-{name}' stp='off'/>{more}<ip address='10.96.0.1' prefix='24'>"
           "<dhcp><range start='10.96.0.50' end='10.96.0.99'/></dhcp></ip></network>")
    path = bus.call(HOST, f"{NAME}.Networks", "CreateNetwork", "sa{sv}", xml, {})
    try:
        yield path
    finally:
        bus.call(path, f"{NAME}.Network", "Stop", "a{sv}", {})


def ports(path):
    return {place: parts[f"{NAME}.NetworkPort"] for place, parts in bus.objects(path).items() if f"{NAME}.NetworkPort" in parts}


def get_xml(domain):
    return bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})


def a_card_is_a_port_of_a_network():
    """With the network's address and packets; it lasts as long as the container, whichever driver is killed."""
    limits = "<bandwidth><inbound average='4000'/></bandwidth>"
    with network("n", "<mtu size='1300'/>") as path:
        card_of = card("network", f"<ip address='10.96.0.7' prefix='24'/>{limits}<target dev='in-n'/>", "<source network='n'/>")
        with container("guest", script="exec sh", devices=card_of + card("network", source="<source network='n'/>", mac="52:54:00:aa:bb:02")) as domain:
            text = say(domain, "udhcpc -n -q -f -i eth0 -s /bin/true 2>&1; ping -c1 -W5 -s 1200 10.96.0.1; ip link")
            contains(text, "lease of 10.96.0.", " 0% packet loss")
            assert len(re.findall("mtu 1300", text)) == 2, text
            given = {port["MAC"]: port for port in ports(path).values()}
            assert given[MAC]["HostInterface"] == "in-n" and given[MAC]["DomainName"] == "guest" and given[MAC]["MTU"] == 1300, given
            assert "average=\"4000\"" in given[MAC]["Bandwidth"] and "32Mbit" in shell("tc class show dev in-n"), given
            assert len(given) == 2 and all(links()[port["HostInterface"]]["master"] == "b-n" for port in given.values())
            assert bus.call(path, f"{NAME}.Network", "GetLeases", "a{sv}", {})[0]["mac"] == MAC
            contains(get_xml(domain), f'portid="{given[MAC]["UUID"]}"', 'bridge="b-n"')
            for driver in ("LXC", "Network"):
                bus.kill_driver(driver)
                bus.wait(lambda: len(ports(path)) == 2, "its ports")
            assert state(domain) == "running"
            contains(say(domain, "ping -c1 -W5 10.96.0.1"), " 0% packet loss")
            # What was of that run is not of the definition.
            assert "portid" not in bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True}))
        bus.wait(lambda: not ports(path) and not pairs(), "the ports to go")
        with virsh_on(bus, "lxc+unix:///system?socket={socket}") as virsh, container("seen", devices=card_of):
            contains(virsh("domiflist", "seen"), "in-n", "network", "n", MAC)


def a_port_has_the_filter_of_its_card():
    """Of a network, and of a bridge of the host's: what it sends by another address goes nowhere."""
    rules = "<rule action='return' direction='out'><mac srcmacaddr='$MAC'/></rule><rule action='drop' direction='out'><mac/></rule>"
    path = bus.call(HOST, f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}", f"<filter name='own-only'>{rules}</filter>", {})
    shell("ip link add br-f type bridge; ip link set br-f up; ip addr add 10.95.0.1/24 dev br-f")
    with network("m"):
        for source in (card("network", "<filterref filter='own-only'/>", "<source network='m'/>"), card("bridge", "<filterref filter='own-only'/>", "<source bridge='br-f'/>")):
            host = "10.96.0" if "network=" in source else "10.95.0"
            with container("held", script="exec sh", devices=source, more=IDMAP) as held:
                contains(say(held, f"ip addr add {host}.7/24 dev eth0; ping -c1 -W5 {host}.1"), " 0% packet loss")
                contains(say(held, "ip link set eth0 down; ip link set eth0 address 52:54:00:aa:bb:99; ip link set eth0 up; "
                                   f"ip neigh flush dev eth0; ping -c2 -W1 {host}.1"), "100% packet loss")
        domain = define(document("none", devices=card("network", "<filterref filter='no-such'/>", "<source network='m'/>")))
        contains(expect("NoSuchFilter", do, domain, "Start"), "no-such")
        bus.wait(lambda: not pairs() and not guests() and not groups(domain), "nothing to be left")
        do(domain, "Undefine")
    bus.call(path, f"{NAME}.NetworkFilter", "Undefine", "a{sv}", {})
    bus.wait(lambda: not pairs(), "the pairs to go")


def cards_come_go_and_change_while_it_runs():
    """In the container and in its document, also when the driver is killed; who stands in the way is named, and nothing is left."""
    def attach(xml, **options):
        return bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", xml, variants(options))
    rules = "<rule action='drop' direction='out'><mac/></rule>"
    path = bus.call(HOST, f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}", f"<filter name='silent'>{rules}</filter>", {})
    shell("ip link add br-h type bridge; ip link set br-h up; ip addr add 10.94.0.1/24 dev br-h")
    with network("p") as net, container("plugs", script="exec sh", devices=card("ethernet"), more=IDMAP) as domain:
        one = attach(card("bridge", "<ip address='10.94.0.7' prefix='24'/>", "<source bridge='br-h'/>", "52:54:00:aa:bb:02"))
        two = attach(card("network", "<ip address='10.96.0.7' prefix='24'/><target dev='to-p'/>", "<source network='p'/>", "52:54:00:aa:bb:03"), config=True, live=True)
        contains(say(domain, "ip link; ping -c1 -W5 10.94.0.1; ping -c1 -W5 10.96.0.1"), "eth1@", "eth2@", "10.94.0.1: seq=0", "10.96.0.1: seq=0")
        assert len(ports(net)) == 1 and links()["to-p"]["master"] == "b-p"
        contains(get_xml(domain), 'portid="', 'actual="eth2"', 'dev="to-p"')
        # Its filter is another at once.
        xml = card("network", "<ip address='10.96.0.7' prefix='24'/><target dev='to-p'/><filterref filter='silent'/>", "<source network='p'/>", "52:54:00:aa:bb:03")
        bus.call(two, f"{NAME}.Device", "Update", "sa{sv}", xml, {})
        assert next(iter(ports(net).values()))["Filter"] == "silent"
        contains(say(domain, "ip neigh flush dev eth2; ping -c1 -W1 10.96.0.1"), "100% packet loss")
        contains(expect("Unsupported", bus.call, two, f"{NAME}.Device", "Update", "sa{sv}", xml.replace("10.96.0.7", "10.96.0.8"), {}), "filterref")
        bus.kill_driver("LXC")
        assert state(domain) == "running"
        bus.call(one, f"{NAME}.Device", "Detach", "a{sv}", {})
        assert "eth1" not in say(domain, "ip link") and 'actual="eth1"' not in get_xml(domain)
        for wrong, *parts in ((card("bridge", source="<source bridge='br-none'/>", mac="52:54:00:aa:bb:04"), "br-none"),
                              (card("ethernet", "<guest dev='taken'/>", mac="52:54:00:aa:bb:04"), "taken")):
            say(domain, "ip link set eth0 down; ip link set eth0 name taken")
            contains(expect("HypervisorFailed", attach, wrong), "plugs", *parts)
        contains(expect("NoSuchNetwork", attach, card("network", source="<source network='nobodys'/>", mac="52:54:00:aa:bb:04")), "nobodys")
        contains(expect("Unsupported", attach, "<filesystem type='ram'><source usage='1'/><target dir='/x'/></filesystem>"), "filesystem")
        assert len(pairs()) == 2, pairs()
        # What is cut off leaves nothing, or all of it.
        for step in range(6):
            bus.begin(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", card("ethernet", mac=f"52:54:00:aa:bb:1{step}"), {})
            time.sleep(0.004 * step)
            bus.kill_driver("LXC")
            assert patiently(state, domain) == "running"
            wanted = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}).count("<interface")
            bus.wait(lambda: len(pairs()) == wanted, "nothing but what its document says")  # pylint: disable=cell-var-from-loop
        bus.call(f"{domain}/device/net0", f"{NAME}.Device", "Detach", "a{sv}", {})
        contains(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True})), "to-p")
        with virsh_on(bus, "lxc+unix:///system?socket={socket}") as virsh:
            virsh("attach-interface", "plugs", "bridge", "br-h", "--mac", "52:54:00:aa:bb:05", "--live")
            contains(virsh("domiflist", "plugs"), "52:54:00:aa:bb:05")
            virsh("detach-interface", "plugs", "bridge", "--mac", "52:54:00:aa:bb:05", "--live")
    bus.wait(lambda: not pairs(), "the pairs to go")
    bus.call(path, f"{NAME}.NetworkFilter", "Undefine", "a{sv}", {})


def no_caller_connects_a_pair_of_anothers():
    """Only a driver may name one: whose it is, it knows."""
    shell("ip link add theirs type veth peer name other")
    number = links()["theirs"]["ifindex"]
    with network("o") as path:
        contains(expect("InvalidArgument", bus.call, path, f"{NAME}.Network", "AddPort", "sssa{sv}", "x", "44444444-4444-4444-8444-444444444444", MAC,
                        {"interface": GLib.Variant("s", "theirs"), "pair": GLib.Variant("u", number)}), "driver")
        assert "master" not in links()["theirs"]
    shell("ip link del theirs")


def what_cannot_be_is_named():
    bridge = "<source bridge='br-none'/>"
    for more, error, *parts in (
            (card("bridge"), "InvalidXML", "bridge"), (card("direct"), "InvalidXML", "dev"), (card("network"), "InvalidXML", "network"),
            (card("user"), "Unsupported", "user"), (card("direct", "<filterref filter='x'/>", "<source dev='low'/>"), "Unsupported", "filter"),
            (card("network", "<link state='down'/>", "<source network='x'/>"), "Unsupported", "link"),
            (card("bridge", "<guest dev='lo'/>", bridge), "InvalidXML", "lo"), (card("bridge", "<guest dev='a%d'/>", bridge), "InvalidXML", "a%d"),
            (card("bridge", "<target dev='of a very long name'/>", bridge), "InvalidXML", "of a very long name"),
            (card("bridge", "<guest dev='x0'/>", bridge) * 2, "InvalidXML", "x0"), (card("bridge", "<mtu size='7'/>", bridge), "LimitExceeded", "size"),
            (card("bridge", "<ip address='10.0.0.300'/>", bridge), "InvalidXML", "10.0.0.300"), (card("bridge", "<ip address='fd00::1' family='ipv4'/>", bridge), "InvalidXML", "fd00::1"),
            (card("bridge", "<ip address='10.0.0.3' prefix='33'/>", bridge), "LimitExceeded", "prefix"), (card("bridge", "<ip address='10.0.0.3' peer='::1'/>", bridge), "InvalidXML", "::1"),
            (card("bridge", "<route address='10.0.0.0' netmask='255.0.255.0' gateway='10.0.0.1'/>", bridge), "InvalidXML", "255.0.255.0"),
            (card("bridge", "<route address='10.0.0.0' prefix='8'/>", bridge), "InvalidXML", "needs a gateway"),
            (card("bridge", "<ip address='10.0.0.1'/>" * 65, bridge), "LimitExceeded", "64"), (card("bridge", source=bridge) * 17, "LimitExceeded", "16"),
            (card("direct", source="<source dev='low' mode='passthrough'/>"), "Unsupported", "passthrough")):
        contains(expect(error, define, document("a", devices=more)), *parts)
    shell("ip tuntap add dull mode tap; ip tuntap add there mode tap")
    for more, *parts in ((card("bridge", source=bridge), "br-none"), (card("bridge", source="<source bridge='dull'/>"), "dull"),
                         (card("direct", source="<source dev='nowhere'/>"), "nowhere"), (card("ethernet", "<target dev='there'/>"), "there"),
                         (card("ethernet", "<route address='10.0.0.0' prefix='8' gateway='192.0.2.1'/>"), "10.0.0.0/8"),
                         (card("ethernet") + card("bridge", source=bridge), "br-none")):
        domain = define(document("wrong", devices=more))
        contains(expect("HypervisorFailed", do, domain, "Start"), "wrong", *parts)
        assert state(domain) == "shutoff" and not groups(domain) and not guests()
        bus.wait(lambda: not pairs(), "nothing to be left")
        do(domain, "Undefine")
    domain = define(document("wrong", devices=card("network", source="<source network='nobodys'/>")))
    contains(expect("NoSuchNetwork", do, domain, "Start"), "wrong", "nobodys", "define and start")
    bus.wait(lambda: not pairs() and not guests(), "nothing to be left")
    do(domain, "Undefine")
    assert "there" in links()


def a_container_reaches_no_network_of_the_hosts():
    """Its root may do anything within its own: it still cannot make a card in another, nor take one of the host's."""
    shell("ip tuntap add of-host mode tap")
    with container("hostile", script="exec sh", more=IDMAP, devices=card("ethernet")) as domain:
        text = say(domain, "ip link set eth0 down; ip link set eth0 name mine; ip link set mine up; ip link | grep -c of-host; ip link set mine netns 1; ip link show mine")
        contains(text, "mine@")
        assert re.search(r"^0$", text, re.MULTILINE), text
        do(domain, "Destroy")
        bus.wait(lambda: not pairs(), "the pair to go")
    assert "of-host" in links() and "mine" not in links()


run([a_card_is_in_a_bridge, one_on_the_host_and_on_a_card_of_the_hosts, one_that_restarts_has_its_cards_again, nothing_is_left_whoever_is_killed,
     a_card_is_a_port_of_a_network, a_port_has_the_filter_of_its_card, cards_come_go_and_change_while_it_runs, no_caller_connects_a_pair_of_anothers, what_cannot_be_is_named, a_container_reaches_no_network_of_the_hosts])
