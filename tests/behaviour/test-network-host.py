#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks and the host around them: the network "default" of a new machine, and what is in the way of networks.

Usage (below unshare --net tests/with-bus): test-network-host.py
"""

import os
import random
import shutil
import subprocess
import sys
import time

from network_rig import PATH, STATE, blocks, bus, call, define, document, get, kill_driver, left, links, networks, undefine
from rig import NAME, BusError, contains, run
from spaces import Space, shell

MADE = f"{STATE}/default-network-made"
KILLS = 6


def named(name):
    try:
        return bus.call(PATH, f"{NAME}.Networks", "GetNetworkByName", "s", name)
    except BusError:
        return None


def as_new():
    """The driver, as on a machine where it has never run."""
    kill_driver(after=lambda: os.remove(MADE))


def a_new_machine_has_the_network_default_which_fits_beside_the_hosts():
    shell("ip link add card type veth peer name drac; ip link set card up; ip link set drac up; ip addr add 192.168.122.77/24 dev card; ip route add 192.168.123.128/25 via 192.168.122.1")
    other = define(document("other", "", "<ip address='192.168.124.1' prefix='23'/>"))
    as_new()
    assert os.path.exists(MADE)
    network = named("default")
    assert network and len(networks()) == 2
    properties = networks()[network]
    assert properties["Addresses"] == [("192.168.126.1", 24)] and properties["ForwardMode"] == "nat" and properties["Persistent"], properties
    assert not properties["Active"] and not properties["Autostart"] and properties["Owner"] == 0 and properties["Obstacles"] == [], properties
    call(network, "Start")
    guest = Space("g")
    guest.attach(properties["Bridge"], mac="52:54:00:77:03:01")
    contains(guest.do("dhcp", "52:54:00:77:03:01")["address"], "192.168.126.")
    guest.leave()
    undefine(network)
    kill_driver()
    assert named("default") is None
    undefine(other)
    shell("ip link delete card")
    assert left() == [], left()


def a_network_default_that_is_there_is_the_one():
    mine = define(document("default"))
    as_new()
    assert list(networks()) == [mine] and os.path.exists(MADE)
    undefine(mine)
    kill_driver()
    assert networks() == {}


def a_driver_that_is_killed_at_any_instant_has_made_it_once():
    seed = int(os.environ.get("VIRTBUS_SEED", time.time()))
    print(f"# VIRTBUS_SEED={seed}")
    chance = random.Random(seed)
    for _ in range(KILLS):
        as_new()
        bus.begin(PATH, f"{NAME}.Networks", "GetNetworkByName", "s", "default")
        bus.connection.flush_sync()
        time.sleep(chance.random() * 0.02)  # the instant
        kill_driver()
        assert [network["Name"] for network in networks().values()] == ["default"] and os.path.exists(MADE), networks()
        undefine(named("default"))


def nothing_is_made_where_no_block_is_free():
    shell("ip link add card type veth peer name drac; ip link set card up; ip link set drac up; ip addr add 192.168.7.1/16 dev card")
    as_new()
    assert named("default") is None and not os.path.exists(MADE)
    shell("ip link delete card")
    kill_driver()
    network = named("default")
    assert get(network, "Addresses") == [("192.168.122.1", 24)]
    undefine(network)


def wait_obstacles(network, *kinds):
    bus.wait(lambda: [text.split(": ")[0] for text in get(network, "Obstacles")] == list(kinds), f"{network}: {kinds}, not {get(network, 'Obstacles')}")
    return get(network, "Obstacles")


def what_is_in_the_way_is_told_before_and_after_a_start():
    network = define(document("n", "nat", blocks(1)))
    assert wait_obstacles(network) == []
    shell("ip link add b-n type bridge; ip link add card type veth peer name drac; ip link set card up; ip link set drac up; ip addr add 10.77.1.9/28 dev card")
    bridge, address = sorted(wait_obstacles(network, "address", "bridge"), reverse=True)
    contains(address, "10.77.1.0/28", "'card'", "10.77.1.0/24", "another block")
    contains(bridge, "'b-n'", "ip link delete b-n")
    bus.wait_signal(network, "PropertiesChanged", lambda a: len(a[1].get("Obstacles", [])) == 2)
    kill_driver()
    wait_obstacles(network, "address", "bridge")
    answer = subprocess.run(["virtbusctl", "network", "show", "n"], check=True, capture_output=True, encoding="utf-8")
    contains(answer.stderr, "network 'n': address: ", "network 'n': bridge: ")
    assert "address: " in subprocess.run(["virtbusctl", "--json", "network", "list"], check=True, capture_output=True, encoding="utf-8").stdout
    shell("ip link delete b-n; ip addr flush dev card")
    wait_obstacles(network)
    call(network, "Start")
    wait_obstacles(network)
    # Behind another one of the host's, in a wider block, and by an unreachable gateway's route of IPv6.
    shell("ip addr add 10.9.0.1/24 dev card; ip addr add fd09::1/64 dev card nodad; ip route add 10.64.0.0/10 via 10.9.0.2; ip route add fd00:77:1:0:8000::/65 via fd09::2")
    contains(" ".join(wait_obstacles(network, "address", "address")), "10.64.0.0/10", "fd00:77:1:0:8000::/65")
    shell("ip link delete card")
    wait_obstacles(network)
    shell("sysctl -q net.ipv4.ip_forward=0")
    (text,) = wait_obstacles(network, "forwarding")
    contains(text, "IPv4", "sysctl net.ipv4.ip_forward=1")
    shell(text.rsplit(": ", 1)[1])
    wait_obstacles(network)
    undefine(network)
    assert left() == [], left()


# Who else decides, each with what its table is like: of nft's own, of iptables', with docker's chain, and of firewalld's.
FIREWALLS = {
    "closed": ["add table inet closed", "add chain inet closed forwarding { type filter hook forward priority 10; policy drop; }"],
    "filter": ["add table ip filter", "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }"],
    "docker": ["add table ip filter", "add chain ip filter DOCKER-USER", "add rule ip filter DOCKER-USER counter return",
               "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }", "add rule ip filter FORWARD counter jump DOCKER-USER"],
}


def nft(*lines):
    subprocess.run(["nft", "-f", "-"], input="\n".join(lines) + "\n", check=True, encoding="utf-8")


def a_firewall_that_drops_a_networks_packets_is_told_with_what_lets_them_pass():
    network = define(document("n", "nat", blocks(1)))
    call(network, "Start")
    guest, outside = Space("g"), Space("out")
    guest.attach("b-n", "10.77.1.5/24", gateways=["10.77.1.1"])
    shell(f"ip addr add 10.9.0.1/24 dev {outside.attach('', '10.9.0.2/24')}")
    outside.do("serve")
    assert guest.do("ask", 4, "udp", "10.9.0.2")[0] == "10.9.0.1"
    for name, lines in FIREWALLS.items():
        if not shutil.which("iptables") and name != "closed":
            continue
        nft(*lines)
        (text,) = wait_obstacles(network, "firewall")
        contains(text, "'b-n'", "DOCKER-USER" if name == "docker" else lines[1].split()[4])
        assert not guest.do("try_once", 4, "udp", "10.9.0.2")
        # One that names another interface, or drops what comes from this one, is none that lets it pass.
        chain = lines[1].split(" ", 2)[2].split(" {")[0]
        nft(f"add rule {chain} iifname b-m accept", f"add rule {chain} iifname b-n drop")
        shell(text.rsplit(": ", 1)[1])
        wait_obstacles(network)
        assert guest.do("ask", 4, "udp", "10.9.0.2")[0] == "10.9.0.1", name
        nft(f"delete table {chain.rsplit(' ', 1)[0]}")
    # What drops before this host's own programs keeps guests from addresses; names of several interfaces count.
    nft("add table inet closed", "add chain inet closed incoming { type filter hook input priority 0; policy drop; }")
    serving = define(document("s", "", blocks(2, "<dhcp><range start='10.77.2.9' end='10.77.2.20'/></dhcp>")))
    contains(wait_obstacles(serving, "firewall")[0], "no address", "nft insert rule inet closed incoming iifname b-s accept")
    nft("add rule inet closed incoming iifname \"b-*\" accept")
    wait_obstacles(serving)
    nft("delete table inet closed", "add table inet firewalld", "add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy accept; }")
    contains(wait_obstacles(network, "firewall")[0], "firewall-cmd --permanent --zone=trusted --add-interface=b-n")
    nft("delete table inet firewalld")
    wait_obstacles(network)
    for space in (guest, outside):
        space.leave()
    undefine(network, serving)


def a_host_that_changes_all_the_time_is_looked_at_in_measure():
    network = define(document("n", "nat", blocks(1)))
    wait_obstacles(network)
    shell("ip link add card type veth peer name drac; ip link set card up")
    bus.settle()
    seen = len(bus.signals)
    for _ in range(20):
        shell("ip -batch - <<< $(for i in $(seq 20); do echo addr add 10.77.1.9/28 dev card; echo addr del 10.77.1.9/28 dev card; done)".join(["bash -c '", "'"]))
    shell("ip addr add 10.77.1.9/28 dev card")
    wait_obstacles(network, "address")  # the last word is true
    told = sum("Obstacles" in arguments[1] for path, _, member, arguments in bus.signals[seen:] if path == network and member == "PropertiesChanged")
    assert told < 20, told
    shell("ip link delete card")
    wait_obstacles(network)
    undefine(network)


if os.geteuid() != 0 or any("UP" in link["flags"] for name, link in links().items() if name != "lo"):
    sys.exit("this is for root in a network namespace of its own: unshare --net tests/with-bus tests/behaviour/test-network-host.py")
shell("ip link set lo up; sysctl -q net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")
run([a_new_machine_has_the_network_default_which_fits_beside_the_hosts, a_network_default_that_is_there_is_the_one,
     a_driver_that_is_killed_at_any_instant_has_made_it_once, nothing_is_made_where_no_block_is_free,
     what_is_in_the_way_is_told_before_and_after_a_start, a_firewall_that_drops_a_networks_packets_is_told_with_what_lets_them_pass,
     a_host_that_changes_all_the_time_is_looked_at_in_measure])
