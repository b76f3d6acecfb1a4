#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ports that are macvtap interfaces on one of the host's: guests' cards of type 'direct'.

Usage (below unshare --net tests/with-bus): test-direct-ports.py
"""

import json
import os
import sys
import time

from packets import ethernet
from ports_rig import CARDS, DOMAIN, KIND, LIMITS, OTHER, PATH, HostPort, add, bus, kill_driver, passes, see_own_sys
from rig import NAME, ROOT, BusError, Hypervisor, User, contains, end_process, expect, polkit_rules, run, variants
from spaces import shell

RUN = f"{ROOT}/network/run/network"
qemu = Hypervisor(bus, "qemu")


class DirectPort(HostPort):
    """It is there as long as its holder is open."""

    def take(self, answer):
        (self.path, self.uuid, self.interface, *_), (*self.queues, self.holder) = answer
        self.fd = self.queues[0]

    def close(self):
        for fd in (*self.queues, self.holder):
            os.close(fd)


def direct(number, mode="bridge", lower="low", **options):
    return DirectPort(*(("passthrough", lower, number) if mode == "passthrough" else ("direct", lower, number)), **({} if mode == "passthrough" else {"mode": mode}), **options)


def macvtaps():
    return {row["ifname"]: row for row in json.loads(shell("ip -j -d link show")) if row.get("linkinfo", {}).get("info_kind") == "macvtap"}


def ports():
    return {path: rows[f"{NAME}.HostPort"] for path, rows in bus.objects(PATH).items() if f"{NAME}.HostPort" in rows}


def left():
    """What there is of any port."""
    return list(ports()), list(macvtaps()), [name for name in os.listdir(f"{RUN}/ports") if name.endswith(".xml")], os.listdir(f"{RUN}/direct")


def gone():
    bus.wait(lambda: left() == ([], [], [], []), "the end of the ports")


def lower_address():
    (row,) = json.loads(shell("ip -j link show low"))
    return row["address"]


def a_port_is_there_in_each_mode_and_ends_with_its_holder():
    own = lower_address()
    for mode, kernel in (("vepa", "vepa"), ("bridge", "bridge"), ("private", "private"), ("passthrough", "passthru")):
        port = direct(1, mode, mtu=1400, queues=2, interface="mine0" if mode == "vepa" else "")
        ((name, link),) = macvtaps().items()
        assert (link["linkinfo"]["info_data"]["mode"], link["link"], link["address"], link["mtu"], link["ifalias"]) == (kernel, "low", CARDS.format(1), 1400, port.uuid), link
        assert name == port.interface and "UP" in link["flags"] and name.startswith("mine0" if mode == "vepa" else "macvtap") and len(port.queues) == 2
        row = ports()[port.path]
        assert row == {"UUID": port.uuid, "Plug": "passthrough" if mode == "passthrough" else "direct", "Mode": mode, "Interface": "low",
                       "DomainName": "guest", "DomainUUID": DOMAIN, "MAC": CARDS.format(1), "HostInterface": name, "MTU": 1400, "Isolated": False, "Filter": "", "FilterXML": "",
                       "Bandwidth": ""}, row
        # The next driver knows all of that.
        kill_driver()
        bus.wait(lambda port=port, row=row: ports() == {port.path: row}, "the port, found again")
        for fd in port.queues:
            os.close(fd)
        assert left() == ([port.path], [name], [f"{port.uuid}.xml"], [str(link["ifindex"])]), left()
        os.close(port.holder)
        gone()
        assert lower_address() == own


def packets_go_where_the_mode_says():
    first, second, third = direct(1, "bridge"), direct(2, "bridge"), direct(3, "private")
    outside = HostPort("ethernet", "out0", 9)
    shell("ip link add wire type bridge; ip link set wire up; ip link set lowp master wire; ip link set out0 master wire")
    frame = {n: ethernet(b"", KIND, CARDS.format(n).replace(":", ""), CARDS.format(1).replace(":", "")) for n in (2, 3, 9)}
    assert passes(first, second, frame[2]) and passes(first, outside, frame[9])
    third.drain()
    first.send(frame[3])
    assert passes(first, second, frame[2]) and third.receive(0) is None
    for port in (first, second, third):
        port.close()
    os.close(outside.fd)
    gone()
    shell("ip link delete wire")


def its_bandwidth_is_the_guests_which_is_its_own_end():
    """What is inbound is the guest's: the kernel needs act_police for that here, which test-host.py has."""
    port = direct(1, bandwidth=LIMITS.replace("inbound", "outbound"))
    contains(shell(f"tc -d class show dev {port.interface}"), "rate 8Mbit", "ceil 16Mbit")
    bus.call(port.path, f"{NAME}.HostPort", "SetBandwidth", "sa{sv}", "<bandwidth><outbound average='500'/></bandwidth>", {})
    contains(shell(f"tc -d class show dev {port.interface}"), "rate 4Mbit")
    contains(expect("Unsupported", port.set_filter, "<filterref filter='clean-traffic'/>"), port.interface, "bridge")
    # Where the kernel cannot, there is no port; one that has gone is in nobody's way, told or not.
    try:
        direct(2, bandwidth=LIMITS).close()
    except BusError as error:
        contains(str(error), "HypervisorFailed", "act_police")
    direct(2).close()
    for _ in range(10):
        port.close()
        port = direct(1, "passthrough")
        port.close()
        port = direct(1, interface="mine0")
    port.close()
    gone()


def whoever_is_dead_when_it_ends_nothing_is_left():
    # The driver: the next one sees that nobody holds it.
    kept, ended = direct(1), direct(2)
    kill_driver()
    ended.close()
    bus.wait(lambda: list(ports()) == [kept.path] and list(macvtaps()) == [kept.interface], "the end of one")
    kept.close()
    gone()
    # What it is on, or somebody's hand.
    port = direct(1)
    shell(f"ip link delete {port.interface}")
    gone()
    port.close()
    shell("ip link add brief type veth peer name briefp")
    port = direct(1, lower="brief")
    shell("ip link delete brief")
    gone()
    port.close()
    # The driver, at any instant: who asked has no answer, or a port.
    for number in range(6):
        answers = bus.begin(PATH, f"{NAME}.HostPorts", "AddPort", "sssssa{sv}", "direct", "low", "guest", DOMAIN, CARDS.format(1), {})
        bus.connection.flush_sync()
        time.sleep(number * 0.004)  # the instant
        kill_driver()
        bus.wait(lambda answers=answers: answers, "an answer")
        answers.clear()  # and with it the descriptors
        gone()


def a_driver_that_nobody_calls_stays_for_the_end_of_its_ports():
    """It ends when it has had nothing to do for a while, but not as long as it has this to do (meson gives it two seconds for that)."""
    port = direct(1)
    time.sleep(4)
    port.close()
    gone()


def what_is_wrong_leaves_nothing():
    tap = HostPort("ethernet", "others0", 9)
    shell("ip link add held type veth peer name heldp; ip link add br0 type bridge; ip link set held master br0")
    port = direct(1)
    for error, arguments, options, part in (
            ("InvalidArgument", ("direct", "none0", 2), {}, "'none0'"), ("InvalidArgument", ("direct", "", 2), {}, "interface_name"), ("InvalidArgument", ("direct", "a/b", 2), {}, "'a/b'"),
            ("InvalidArgument", ("direct", "low", 2), {"mode": "passthrough"}, "vepa, bridge or private"), ("InvalidArgument", ("passthrough", "low", 2), {"mode": "vepa"}, "mode"),
            ("InvalidArgument", ("direct", "low", 2), {"isolated": True}, "isolated"), ("InvalidArgument", ("direct", "low", 2), {"existing": True, "interface": "x"}, "existing"),
            ("InvalidArgument", ("bridge", "br0", 2), {"mode": "vepa"}, "mode"), ("InvalidArgument", ("ethernet", "", 2), {"mode": "vepa"}, "mode"),
            ("Unsupported", ("direct", "low", 2), {"filter": "<filterref filter='clean-traffic'/>"}, "filter"), ("InvalidArgument", ("direct", "low", 2), {"portgroup": "x"}, "portgroup"),
            ("InvalidArgument", ("direct", "low", 2), {"queues": 65}, "65"), ("AlreadyExists", ("direct", "low", 2), {"interface": port.interface}, port.interface),
            ("ResourceBusy", ("passthrough", "low", 2), {}, "'low'"), ("ResourceBusy", ("direct", "held", 2), {}, "bridge"),
            # Who is on another guest's end has its packets.
            ("InvalidArgument", ("direct", "others0", 2), {}, "'others0'"), ("InvalidArgument", ("passthrough", "others0", 2), {}, "'others0'"),
            ("InvalidArgument", ("direct", port.interface, 2), {}, port.interface)):
        contains(expect(error, DirectPort, *arguments, **options), part)
    # Another domain's card has the address.
    for plug in ("direct", "passthrough"):
        words = ("s" * 5 + "a{sv}", plug, "low", "thief", OTHER, CARDS.format(1), {})
        contains(expect("AlreadyExists", bus.call, PATH, f"{NAME}.HostPorts", "AddPort", *words), "interface 'low'", "'guest'", CARDS.format(1))
    bus.wait(lambda: list(macvtaps()) == [port.interface] and len(os.listdir(f"{RUN}/direct")) == 1, "the end of the others")
    port.close()
    # Where somebody has the whole of it there is no room.
    port = direct(1, "passthrough")
    contains(expect("ResourceBusy", direct, 2), "'low'")
    port.close()
    os.close(tap.fd)
    gone()
    shell("ip link delete br0; ip link delete held")


def the_device_of_another_network_is_not_taken_for_ones_own():
    """A namespace of somebody's has the device that the kernel names by the number of ours: what is opened is looked at."""
    port = direct(1)
    index = os.listdir(f"{RUN}/direct")[0]
    assert int(index) >= 1 << 24 and sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in port.queues) == [f"/dev/tap{index}"], index
    with open(f"/sys/class/net/{port.interface}/macvtap/tap{index}/dev", encoding="utf-8") as file:
        assert file.read() == "{}:{}\n".format(os.major(os.fstat(port.fd).st_rdev), os.minor(os.fstat(port.fd).st_rdev))
    port.close()
    gone()
    # Here another's /sys stands for that: it knows the name for another device, or not at all.
    shell("mount -t tmpfs tmpfs /sys/class/net")
    contains(expect("HypervisorFailed", direct, 1), "/sys/class/net")
    os.makedirs("/sys/class/net/mine0")
    shell("umount /sys/class/net")
    gone()


def network_of(mode, *interfaces):
    inside = "".join(f"<interface dev='{name}'/>" for name in interfaces)
    network = bus.call(PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", f"<network><name>pool</name><forward mode='{mode}'>{inside}</forward></network>", {})
    bus.call(network, f"{NAME}.Network", "Start", "a{sv}", {})
    return network


class PoolPort(DirectPort):
    KIND = "NetworkPort"

    def __init__(self, network, number, **options):
        self.take(add(network, "Network", "guest", DOMAIN, CARDS.format(number), variants(options)))


def a_network_of_interfaces_spreads_its_ports_over_them():
    shell("ip link add low2 type veth peer name low2p; ip link set low2 up; ip link set low2p up")
    for mode in ("bridge", "private", "vepa"):
        network = network_of(mode, "low", "low2")
        taken = [PoolPort(network, number) for number in (1, 2, 3, 4)]
        assert sorted(port.get("Interface") for port in taken) == ["low", "low", "low2", "low2"] and {port.get("Mode") for port in taken} == {mode}
        # Those of the host count, too, and the next driver's.
        taken.append(direct(5, "private"))
        kill_driver()
        bus.wait(lambda: len(bus.objects(network)) == 4 and len(macvtaps()) == 5, "the ports, found again")  # pylint: disable=cell-var-from-loop
        taken.append(PoolPort(network, 6))
        assert taken[-1].get("Interface") == "low2" and {row["link"] for row in macvtaps().values()} == {"low", "low2"}
        for error, options, part in (("Unsupported", {"filter": "<filterref filter='clean-traffic'/>"}, "filter"), ("Unsupported", {"isolated": True}, "isolated"), ("InvalidArgument", {"mode": "vepa"}, "mode")):
            contains(expect(error, PoolPort, network, 7, **options), part)
        for port in taken:
            port.close()
        gone()
        for member in ("Stop", "Undefine"):
            bus.call(network, f"{NAME}.Network", member, "a{sv}", {})
    # Asked for at once, each has one for itself, as long as there are any.
    network = network_of("passthrough", "low", "low2")
    answers = [bus.begin(network, f"{NAME}.Network", "AddPort", "sssa{sv}", "guest", DOMAIN, CARDS.format(number), {}) for number in (1, 2, 3)]
    bus.wait(lambda: all(answers), "the answers")
    contains(str([answer for answer in answers if isinstance(answer[0], Exception)]), "ResourceBusy", "'pool'", "<interface>")
    answers.clear()
    gone()
    first, second = PoolPort(network, 1), PoolPort(network, 2)
    assert {first.get("Interface"), second.get("Interface")} == {"low", "low2"}
    contains(expect("ResourceBusy", PoolPort, network, 3), "'pool'")
    first.close()
    first = PoolPort(network, 3)  # at once
    # A guest lives on when its network stops, and its interface goes with it.
    for member in ("Stop", "Undefine"):
        bus.call(network, f"{NAME}.Network", member, "a{sv}", {})
    assert len(macvtaps()) == 2
    for port in (first, second):
        port.close()
    gone()
    shell("ip link delete low2")


def a_guests_card_is_on_a_network_of_interfaces():
    network = network_of("bridge", "low")
    domain = qemu.define(qemu.document("g", devices=f"<interface type='network'><mac address='{CARDS.format(1)}'/><source network='pool'/><model type='virtio'/></interface>"))
    qemu.do(domain, "Start")
    ((name, link),) = macvtaps().items()
    xml = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
    contains(xml, f'<target dev="{name}"/>', 'network="pool"')
    assert link["address"] == CARDS.format(1) and "bridge=" not in xml and len(holders(qemu.pid_of(domain))) == 1, xml
    end_process(qemu.pid_of(domain))
    gone()
    bus.wait_state(domain, "shutoff")
    qemu.do(domain, "Undefine")
    for member in ("Stop", "Undefine"):
        bus.call(network, f"{NAME}.Network", member, "a{sv}", {})


def card(mode, number=1, more=""):
    return f"<interface type='direct'><mac address='{CARDS.format(number)}'/><source dev='low' mode='{mode}'/><model type='virtio'/>{more}</interface>"


def holders(pid):
    return [path for path in (os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")) if path.startswith(f"{RUN}/direct/")]


def a_guests_cards_are_ports():
    domain = qemu.define(qemu.document("g", devices=card("bridge", 1, "<driver queues='2'/>")))
    qemu.do(domain, "Start")
    (_, port), = ports().items()
    assert (port["DomainName"], port["Plug"], port["Mode"], port["Interface"]) == ("g", "direct", "bridge", "low"), port
    xml = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
    contains(xml, f"portid=\"{port['UUID']}\"", f'<target dev="{port["HostInterface"]}"/>')
    assert qemu.define(xml) == domain and "macvtap" not in bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True}))
    pid = qemu.pid_of(domain)
    assert len(holders(pid)) == 1
    contains(expect("Unsupported", bus.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", card("vepa", 2, "<filterref filter='clean-traffic'/>"), {}), "filter")
    expect("ResourceBusy", bus.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", card("passthrough", 2), {})
    assert len(ports()) == len(macvtaps()) == 1
    # Plugged, limited, and unplugged again, by another driver than the one that plugged it.
    device = bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", card("private", 2, "<target dev='lan7'/>"), {})
    bus.call(device, f"{NAME}.Device", "Update", "sa{sv}", card("private", 2, "<target dev='lan7'/>" + LIMITS.replace("inbound", "outbound")), {})
    contains(shell("tc -d class show dev lan7"), "rate 8Mbit")
    before = ports()
    assert sorted(macvtaps()) == sorted(row["HostInterface"] for row in before.values()) and len(holders(pid)) == 2
    for driver in ("QEMU", "Network"):
        bus.kill_driver(driver)
    bus.wait(lambda: ports() == before and qemu.state(domain) == "running", "the guest and its ports, found again")
    end_process(pid)
    gone()
    bus.wait_state(domain, "shutoff")
    qemu.do(domain, "Undefine")


def a_card_that_leaves_takes_its_port_along():
    """Its back end goes as it does when the guest has let go of it: no guest is here that could, so QEMU says that it has."""
    domain = qemu.define(qemu.document("g", devices=card("bridge", 1).replace("virtio", "usb-net") + "<controller type='usb' model='qemu-xhci'/>"))
    qemu.do(domain, "Start")
    pid = qemu.pid_of(domain)
    plugged = bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", card("private", 2).replace("virtio", "usb-net"), {})
    assert len(ports()) == 2 and len(holders(pid)) == 2
    for device, rest in ((plugged, 1), (f"{domain}/device/net0", 0)):
        bus.call(device, f"{NAME}.Device", "Detach", "a{sv}", {})
        bus.wait(lambda rest=rest: len(ports()) == len(macvtaps()) == rest, "the end of its port")
        assert len(holders(pid)) == rest
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")
    gone()


def whoever_is_killed_during_a_start_a_guest_has_its_port_or_there_is_none():
    domain = qemu.define(qemu.document("g", devices=card("vepa")))
    for number in range(6):
        answers = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {})
        bus.connection.flush_sync()
        time.sleep(number * 0.02)  # the instant
        bus.kill_driver(("Network", "QEMU")[number % 2])
        bus.wait(lambda answers=answers: answers, "an answer")
        bus.wait(lambda: (qemu.state(domain), len(ports()), len(macvtaps())) in (("running", 1, 1), ("shutoff", 0, 0)), "a guest with its port, or neither")
        if qemu.state(domain) == "running":
            assert len(holders(qemu.pid_of(domain))) == 1
            qemu.do(domain, "Destroy")
        gone()
    qemu.do(domain, "Undefine")


def polkit_decides_who_is_on_what_and_who_has_the_whole_of_it():
    alice, none = User("vb-alice"), "@a{sv} {}"
    domains = {mode: qemu.define(qemu.document(mode, devices=card(mode))) for mode in ("bridge", "passthrough")}
    polkit_rules(bus, "polkit.addRule(function(a, s) { return a.id.indexOf('attach') < 0 ? polkit.Result.YES : a.id === 'org.virtbus1.interface.attach' && "
                 "a.lookup('plug') === 'direct' && a.lookup('interface_name') === 'low' && a.lookup('domain_name') === 'bridge' ? polkit.Result.YES : polkit.Result.NO; });")
    contains(expect("AccessDenied", alice.call, domains["passthrough"], f"{NAME}.Domain", "Start", "a{sv}", none), "'net0'", "interface 'low'")
    assert ports() == {} and macvtaps() == {}
    alice.call(domains["bridge"], f"{NAME}.Domain", "Start", "a{sv}", none)
    assert [row["DomainName"] for row in ports().values()] == ["bridge"]
    alice.leave()
    qemu.do(domains["bridge"], "Destroy")
    for domain in domains.values():
        qemu.do(domain, "Undefine")
    gone()


if os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or "UP" in shell("ip -o link show up"):
    sys.exit("this is for root with /dev/net/tun, in a network namespace of its own: unshare --net tests/with-bus tests/behaviour/test-direct-ports.py")
if " macvtap\n" not in shell("cat /proc/devices"):
    print("1..0 # SKIP the kernel has no macvtap; test-host.py has cards of type direct on a machine that has it")
    sys.exit()
see_own_sys()
shell("sysctl -q net.ipv6.conf.default.disable_ipv6=1; ip link add low type veth peer name lowp; ip link set low up; ip link set lowp up")
run([a_port_is_there_in_each_mode_and_ends_with_its_holder, packets_go_where_the_mode_says, its_bandwidth_is_the_guests_which_is_its_own_end,
     whoever_is_dead_when_it_ends_nothing_is_left, a_driver_that_nobody_calls_stays_for_the_end_of_its_ports, what_is_wrong_leaves_nothing, the_device_of_another_network_is_not_taken_for_ones_own,
     a_network_of_interfaces_spreads_its_ports_over_them, a_guests_card_is_on_a_network_of_interfaces, a_guests_cards_are_ports,
     a_card_that_leaves_takes_its_port_along, whoever_is_killed_during_a_start_a_guest_has_its_port_or_there_is_none, polkit_decides_who_is_on_what_and_who_has_the_whole_of_it])
