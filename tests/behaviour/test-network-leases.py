#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Addresses that networks lease to guests, and networks that are changed while guests are on them: real dnsmasqs, and clients in network
namespaces.

Usage (below unshare --net tests/with-bus): test-network-leases.py
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

from gi.repository import GLib
from network_rig import RUNTIME, blocks, bus, call, define, document, get, kill_driver, left, links, networks, servers, undefine, xml_of
from processes import words_of
from rig import DEADLINE, NAME, ROOT, User, contains, denied, expect, polkit_rules, run
from spaces import Space, shell

SOON = 0.02  # a lease is told within, in the middle; DEADLINE ends a test that fails
DHCP = "<dhcp><range start='10.77.1.10' end='10.77.1.250'><lease expiry='2' unit='hours'/></range><host mac='52:54:00:77:01:99' name='known' ip='10.77.1.9'/></dhcp>"
SENDTO = "44 " if os.uname().machine == "x86_64" else "206 "  # its number, as /proc/PID/syscall has it
MAC = "52:54:00:77:01:{:02x}"


def leases(network, **options):
    found = bus.call(network, f"{NAME}.Network", "GetLeases", "a{sv}", {key: GLib.Variant("s", value) for key, value in options.items()})
    return {lease["address"]: lease for lease in found}


def update(network, command, section, xml, parent=-1, **options):
    bus.call(network, f"{NAME}.Network", "Update", "ssisa{sv}", command, section, parent, xml, {key: GLib.Variant("b", value) for key, value in options.items()})


spaces = []


def guest(name, number, bridge="b-n"):
    space = Space(name)
    spaces.append(space)
    space.attach(bridge, f"fe80::{number}/64", mac=MAC.format(number))
    return space


def clean_up():
    undefine(*networks())
    while spaces:
        spaces.pop().leave()


def forget_signals():
    bus.settle()
    bus.signals.clear()


def wait_lease(network, member, condition):
    return bus.wait_signal(network, member, lambda a: condition(a[0]))[0]


def a_lease_is_told_when_it_is_given_changed_and_given_back():
    network = define(document("n", "", blocks(1, DHCP)))
    assert leases(network) == {}
    call(network, "Start")
    one = guest("one", 1)
    forget_signals()
    before = time.time()
    answer = one.do("dhcp", MAC.format(1), "web-1", [[61, "01" + MAC.format(1).replace(":", "")]])
    lease = wait_lease(network, "LeaseAdded", lambda lease: lease["address"] == answer["address"])
    assert answer["seconds"] == 7200 and lease["hostname"] == "web-1" and lease["mac"] == MAC.format(1) and lease["prefix"] == 24, lease
    assert lease["client_id"] == "01:" + MAC.format(1) and lease["iaid"] == ""
    assert abs(lease["expires"] / 1e6 - before - 7200) < 30, (lease, before)
    assert leases(network) == leases(network, mac=MAC.format(1).upper()) == {answer["address"]: lease} and leases(network, mac=MAC.format(2)) == {}
    contains(expect("InvalidArgument", leases, network, mac="card"), "'card'")
    time.sleep(1.1)  # dnsmasq counts seconds
    assert one.do("dhcp", MAC.format(1), "web-2", [[61, "01" + MAC.format(1).replace(":", "")]])["address"] == answer["address"]
    later = wait_lease(network, "LeaseChanged", lambda lease: lease["hostname"] == "web-2")
    assert later["expires"] > lease["expires"] and leases(network)[answer["address"]] == later
    one.do("dhcp_release", MAC.format(1), answer["address"], answer["server"], "01" + MAC.format(1).replace(":", ""))
    assert wait_lease(network, "LeaseRemoved", lambda lease: lease["address"] == answer["address"]) == later
    assert leases(network) == {}
    one.do("dhcp", MAC.format(1), "web")
    wait_lease(network, "LeaseAdded", lambda lease: lease["hostname"] == "web")
    call(network, "Stop")
    assert leases(network) == {}
    spaces.pop().leave()
    undefine(network)
    assert left() == [], left()


def a_lease_is_told_soon():
    network = define(document("n", "", blocks(1, DHCP)))
    call(network, "Start")
    one = guest("one", 1)
    took = []
    for number in range(21):
        forget_signals()
        address = one.do("dhcp", MAC.format(number), f"host-{number}")["address"]
        begin = time.monotonic()
        wait_lease(network, "LeaseAdded", lambda lease, address=address: lease["address"] == address)
        took.append(time.monotonic() - begin)
    print(f"# a lease is told {sorted(took)[10] * 1000:.1f} ms after the guest has it in the middle, at most {max(took) * 1000:.1f}")
    assert len(leases(network)) == 21
    spaces.pop().leave()
    undefine(network)


# What a guest says that it is called.
LIES = [b"\x1b]0;owned\x07\x1b[31m", b"</hostname><evil a='1'>", b"a\nb", b"x" * 255, b"\xff\xfe\x80", b"a b", b"-", b"..", b"$(id)", b"\0web", b"'; --", b"a" * 63 + b"." + b"b" * 63]


def what_a_guest_says_of_itself_is_a_name_or_left_out():
    network = define(document("n", "", blocks(1, DHCP)))
    call(network, "Start")
    one = guest("one", 1)
    for number, lie in enumerate(LIES):
        answer = one.do("dhcp", MAC.format(number), "", [[12, lie.hex()], [61, lie.hex()], [60, lie.hex()]])
        bus.wait(lambda answer=answer: answer["address"] in leases(network), "the lease")
        lease = leases(network)[answer["address"]]
        assert all(c.isalnum() or c in "-_." for c in lease["hostname"]) and lease["hostname"].isascii() and len(lease["hostname"]) <= 255, lease
        assert all(c in "0123456789abcdef:" for c in lease["client_id"]), lease
    shown = virtbusctl("network", "leases", "n", "--no-legend", "--full")
    assert len(shown.splitlines()) == len(LIES) and "\x1b" not in shown, shown
    # One that no program of dnsmasq's has sent is nobody's, whoever that is.
    message = "\0".join(["1", get(network, "UUID"), "add", "10.77.1.66", MAC.format(66), "", "", "", "forged", "0"]).encode() + b"\0"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(message, f"{RUNTIME}/leases")  # root's, who may write to it
    assert subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c",
                           f"import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect('{RUNTIME}/leases')"], capture_output=True, check=False).returncode != 0
    one.do("dhcp", MAC.format(67), "last")
    bus.wait(lambda: any(lease["hostname"] == "last" for lease in leases(network).values()), "the lease after it")
    assert "10.77.1.66" not in leases(network)
    spaces.pop().leave()
    undefine(network)


def leases_of_ipv6_are_told():
    more = "<mac address='52:54:00:77:00:01'/><ip family='ipv6' address='fd00:77:1::1' prefix='64'><dhcp><range start='fd00:77:1::100' end='fd00:77:1::1ff'/></dhcp></ip>"
    network = define(document("n", "", more))
    call(network, "Start")
    one = guest("one", 1)
    duids = ["00030001" + MAC.format(7).replace(":", ""), "0004" + "ab" * 16, "000100012af3b1c2" + MAC.format(8).replace(":", "")]
    for number, duid in enumerate(duids):
        answer = one.do("dhcp6", duid, 7 + number, f"six-{number}")
        lease = wait_lease(network, "LeaseAdded", lambda lease, answer=answer: lease["address"] == answer["address"])
        assert lease["client_id"] == ":".join(duid[i:i + 2] for i in range(0, len(duid), 2)) and lease["iaid"] == str(7 + number) and lease["prefix"] == 64, lease
        assert lease["hostname"] == f"six-{number}", lease
    before = leases(network)
    assert len(before) == 3
    kill_driver()
    bus.wait(lambda: leases(network) == before, "the leases of before")
    spaces.pop().leave()
    undefine(network)


def leases_are_found_again_by_the_next_driver():
    network = define(document("n", "", blocks(1, DHCP)))
    call(network, "Start")
    one = guest("one", 1)
    first, second = (one.do("dhcp", MAC.format(number), f"host-{number}") for number in (1, 2))
    bus.wait(lambda: len(leases(network)) == 2, "both leases")
    before = leases(network)
    done = []

    def meanwhile():
        one.do("dhcp_release", MAC.format(1), first["address"], first["server"], "")
        done.append(one.do("dhcp", MAC.format(3), "host-3"))
    kill_driver(after=meanwhile)
    bus.wait(lambda: set(leases(network)) == {second["address"], done[0]["address"]}, "what has become of leases meanwhile")
    assert leases(network)[second["address"]] == before[second["address"]]
    # A driver that hears nothing hears it later; dnsmasq does not wait for it.
    pid = bus.driver("Network")
    os.kill(pid, signal.SIGSTOP)
    others = [one.do("dhcp", MAC.format(number), f"host-{number}")["address"] for number in range(10, 50)]
    os.kill(pid, signal.SIGCONT)
    bus.wait(lambda: set(others) <= set(leases(network)), "what was told to a driver that did not listen")
    spaces.pop().leave()
    undefine(network)
    assert left() == [], left()


def a_helper_that_is_told_to_end_while_nobody_reads_ends_well():
    network = define(document("n", "", blocks(1, DHCP)))
    call(network, "Start")
    helper = next(word.partition("=")[2] for word in words_of(servers()[get(network, "UUID")]) if word.startswith("--dhcp-script="))
    undefine(network)
    path = f"{ROOT}/leases-of-nobody"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as writer:
            writer.connect(path)
            with contextlib.suppress(BlockingIOError):
                while True:
                    writer.send(b"before")
        with subprocess.Popen([helper, "add", MAC.format(1), "10.77.1.20"], env={"VIRTBUS_LEASES": path, "VIRTBUS_NETWORK": "n"}) as process:
            bus.wait(lambda: open(f"/proc/{process.pid}/syscall", encoding="utf-8").read().startswith(SENDTO), "the helper that waits in sendto(2)")
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == 0
        reader.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                assert reader.recv(1024) == b"before"
    os.unlink(path)


def a_flood_of_leases_is_told_in_measure_and_the_last_word_is_true():
    network = define(document("n", "", blocks(1, DHCP)))
    call(network, "Start")
    uuid, uid = get(network, "UUID"), os.stat(f"/proc/{servers()[get(network, 'UUID')]}").st_uid
    forget_signals()
    # As fast as a dnsmasq that somebody has taken over might.
    code = f"""
import os, socket
os.setgid({os.stat(f'{RUNTIME}/leases').st_gid}); os.setuid({uid})
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect({RUNTIME + '/leases'!r})
def tell(*fields): s.send("\\0".join(fields).encode() + b"\\0")
for i in range(6000):
    tell("1", {uuid!r}, "add", f"10.77.1.{{i % 200}}", "52:54:00:00:00:01", "", "", "", f"h{{i}}", "4000000000")
    s.send(os.urandom(50)); s.send(b"")
for i in range(100): tell("1", {uuid!r}, "del", f"10.77.1.{{i}}", "52:54:00:00:00:01", "", "", "", "", "")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    bus.wait(lambda: len(leases(network)) == 100, "the end of it")
    known = leases(network)
    assert known["10.77.1.199"]["hostname"] == "h5999", known["10.77.1.199"]
    seen = {}

    def is_last():
        while bus.signals:
            path, _, member, arguments = bus.signals.pop(0)
            if path == network and member.startswith("Lease"):
                seen[arguments[0]["address"]] = (member, arguments[0])
                seen["n"] = seen.get("n", 0) + 1
        return all(seen.get(address, (None, None))[1] == lease for address, lease in known.items()) and all(seen.get(f"10.77.1.{i}", ("",))[0] in ("LeaseRemoved", "") for i in range(100))
    bus.wait(is_last, "the last word about each")
    assert seen["n"] < 4000, seen["n"]
    undefine(network)


def answered(mac, address, one):

    given = one.do("dhcp", mac, "")["address"]

    return given == address


HOST = "<host mac='{}' name='{}' ip='{}'/>"


def a_host_that_is_added_is_served_when_that_is_answered():
    network = define(document("n", "nat", blocks(1, DHCP)))
    call(network, "Start")
    pid, uuid, one = servers()[get(network, "UUID")], get(network, "UUID"), guest("one", 1)
    took = []

    for number in range(20, 41):
        begin = time.monotonic()
        update(network, "add-last", "ip-dhcp-host", HOST.format(MAC.format(number), f"h{number}", f"10.77.1.{200 + number}"))
        took.append(time.monotonic() - begin)
        assert answered(MAC.format(number), f"10.77.1.{200 + number}", one), number
    print(f"# a host is added in {sorted(took)[10] * 1000:.1f} ms in the middle, at most {max(took) * 1000:.1f}")
    assert servers() == {uuid: pid}  # the same one
    assert "h20" not in xml_of(network, inactive=True) and "h20" in xml_of(network)
    update(network, "modify", "ip-dhcp-host", HOST.format(MAC.format(20), "h20", "10.77.1.180"))
    update(network, "delete", "ip-dhcp-host", f"<host mac='{MAC.format(21).upper()}'/>")
    one.do("dhcp_release", MAC.format(20), "10.77.1.220", "10.77.1.1", "")
    assert answered(MAC.format(20), "10.77.1.180", one)
    for error, command, xml, parts in (
            ("AlreadyExists", "add-first", HOST.format(MAC.format(22), "other", "10.77.1.3"), ["'n'", "ip-dhcp-host", "already"]),
            ("AlreadyExists", "add-last", HOST.format(MAC.format(90), "h22", "10.77.1.3"), ["h22"]),
            ("InvalidXML", "add-last", HOST.format(MAC.format(90), "h90", "10.78.1.3"), ["<host>", "10.77.1.0/24"]),
            ("InvalidXML", "add-last", "<host mac='card' ip='10.77.1.3'/>", ["<host>", "'card'"]),
            ("InvalidXML", "add-last", "<range start='10.77.1.2' end='10.77.1.3'/>", ["host"]),
            ("InvalidXML", "add-last", "<host", []),
            ("InvalidArgument", "delete", f"<host mac='{MAC.format(91)}'/>", ["none"]),
            ("InvalidArgument", "modify", HOST.format(MAC.format(22), "h23", "10.77.1.3"), ["several"]),
            ("InvalidArgument", "insert", "<host/>", ["'insert'", "add-first"])):
        before = xml_of(network)
        contains(expect(error, update, network, command, "ip-dhcp-host", xml), *parts)
        assert xml_of(network) == before
    contains(expect("InvalidArgument", update, network, "add-last", "ip-dhcp-host", HOST.format(MAC.format(90), "x", "10.77.1.3"), parent=7), "parent")
    contains(expect("InvalidArgument", update, network, "add-last", "cards", "<host/>"), "'cards'", "portgroup")
    contains(expect("Unsupported", update, network, "modify", "bridge", "<bridge/>"), "'bridge'", "define")
    # The next driver makes dnsmasq know what the last one has not told it any more.
    kill_driver()
    assert servers() == {uuid: pid} and "h22" in xml_of(network)
    path, driver = f"{RUNTIME}/dnsmasq/{uuid}/dhcp-hosts", bus.driver("Network")

    def told():
        lines = []
        for name in [path, *(f"{path}.d/{name}" for name in os.listdir(f"{path}.d"))]:
            with open(name, encoding="utf-8") as file:
                lines += file.read().splitlines()
        return lines
    hosts = told()

    def forget():
        os.kill(driver, signal.SIGSTOP)
        with open(path, "w", encoding="utf-8") as file:
            file.write("")
    kill_driver(driver, before=forget)
    update(network, "add-last", "ip-dhcp-host", HOST.format(MAC.format(50), "h50", "10.77.1.50"))
    assert sorted(told()) == sorted([*hosts, f"{MAC.format(50)},10.77.1.50,h50"]), (told(), hosts)
    assert servers() == {uuid: pid} and answered(MAC.format(50), "10.77.1.50", one)
    spaces.pop().leave()
    undefine(network)
    assert left() == [], left()


def each_section_is_changed_in_what_runs_in_the_definition_or_in_both():
    network = define(document("n", "nat", blocks(1, DHCP) + "<domain name='lab'/>"))
    contains(expect("OperationInvalid", update, network, "add-last", "dns-txt", "<txt name='a' value='b'/>", live=True), "'n'", "not active")
    update(network, "add-last", "dns-txt", "<txt name='before' value='start'/>")
    call(network, "Start")
    one = guest("one", 1)
    address = one.do("dhcp", MAC.format(1), "web")["address"]
    one.do("shell", f"ip addr add {address}/24 dev eth0")
    bus.wait(lambda: leases(network), "the lease")
    known = leases(network)
    cases = [
        ("ip-dhcp-range", "<range start='10.77.1.251' end='10.77.1.253'/>", "10.77.1.251"),
        ("dns-host", "<host ip='10.77.1.77'><hostname>seven</hostname><hostname>sept</hostname></host>", "seven"),
        ("dns-txt", "<txt name='note.lab' value='a, b'/>", "note.lab"),
        ("dns-srv", "<srv service='ldap' protocol='tcp' domain='lab' target='seven.lab' port='389'/>", "ldap"),
        ("portgroup", "<portgroup name='fast'><bandwidth><inbound average='1000'/></bandwidth></portgroup>", "fast"),
    ]
    for section, xml, part in cases:
        for options, places in (({}, (True, False)), ({"config": True}, (False, True)), ({"live": True, "config": True}, (True, True))):
            update(network, "add-first", section, xml, **options)
            contains(expect("AlreadyExists", update, network, "add-last", section, xml, **options), "already")
            assert (part in xml_of(network), part in xml_of(network, inactive=True)) == places, (section, options)
            if section == "dns-host" and places[0]:
                assert one.do("resolve", "10.77.1.1", "sept.lab", 1) == ["10.77.1.77"]
            if section == "dns-txt" and places[0]:
                assert one.do("resolve", "10.77.1.1", "note.lab", 16) == ["a, b"]
            update(network, "delete", section, xml, **options)
            assert part not in xml_of(network) and part not in xml_of(network, inactive=True), (section, options)
    assert leases(network) == known  # kept by what was started again
    contains(expect("Unsupported", update, network, "modify", "forward-interface", "<interface dev='eth9'/>"), "delete")
    update(network, "add-last", "forward-interface", "<interface dev='eth9'/>", live=True, config=True)
    contains(shell("nft list table inet virtbus"), '"eth9"')
    update(network, "delete", "forward-interface", "<interface dev='eth9'/>", live=True, config=True)
    assert '"eth9"' not in shell("nft list table inet virtbus") and "eth9" not in xml_of(network)
    # What the definition cannot be, changes nothing at all.
    update(network, "add-last", "dns-txt", "<txt name='once' value='1'/>", config=True)
    contains(expect("AlreadyExists", update, network, "add-last", "dns-txt", "<txt name='once' value='1'/>", live=True, config=True), "once")
    assert "once" not in xml_of(network)
    spaces.pop().leave()
    undefine(network)
    assert left() == [], left()


def a_change_that_dnsmasq_refuses_leaves_all_as_it_was():
    options = "<d:options xmlns:d='http://libvirt.org/schemas/network/dnsmasq/1.0'><d:option value='txt-record=a,b'/></d:options>"
    network = define(document("n", "", blocks(1, DHCP) + options))
    call(network, "Start")
    uuid, before = get(network, "UUID"), xml_of(network)
    # Its program is gone: what has to start again cannot.
    with Hidden(shell("command -v dnsmasq").strip()):
        contains(expect("Unsupported", update, network, "add-last", "dns-txt", "<txt name='x' value='y'/>", live=True, config=True), "dnsmasq")
    assert xml_of(network) == before and xml_of(network, inactive=True) == before
    undefine(network)
    assert uuid not in servers() and left() == [], left()


def who_may_not_update_is_refused():
    alice = User("vb-alice")
    network = define(document("n", "", blocks(1, DHCP)))
    words = (network, f"{NAME}.Network", "Update", "ssisa{sv}", "'add-last'", "'dns-txt'", "-1", repr("<txt name='a' value='b'/>"), "@a{sv} {}")
    polkit_rules(bus, "polkit.addRule(function(a, s) { return a.id === 'org.virtbus1.read' ? polkit.Result.YES : polkit.Result.NO; });")
    assert denied(alice.call, *words)
    alice.call(network, f"{NAME}.Network", "GetLeases", "a{sv}", "@a{sv} {}")
    polkit_rules(bus, "polkit.addRule(function(a, s) { return polkit.Result.NO; });")
    assert denied(alice.call, network, f"{NAME}.Network", "GetLeases", "a{sv}", "@a{sv} {}")
    polkit_rules(bus, "polkit.addRule(function(a, s) { return a.id === 'org.virtbus1.network.define' && a.lookup('network_name') === 'n' ? polkit.Result.YES : polkit.Result.NO; });")
    alice.call(*words)
    alice.leave()
    undefine(network)


def a_driver_that_is_killed_during_an_update_leaves_one_or_the_other():
    network = define(document("n", "nat", blocks(1, DHCP)))
    call(network, "Start")
    uuid, one = get(network, "UUID"), guest("one", 1)
    for number in range(8):
        section, xml = ("dns-txt", "<txt name='t{}' value='v'/>".format(number)) if number % 2 else ("ip-dhcp-host", HOST.format(MAC.format(60 + number), f"h{number}", f"10.77.1.{60 + number}"))
        pid = bus.driver("Network")
        answers = bus.begin(network, f"{NAME}.Network", "Update", "ssisa{sv}", "add-last", section, -1, xml, {"live": GLib.Variant("b", True)})
        bus.connection.flush_sync()
        time.sleep(number * 0.002)  # the instant
        kill_driver(pid)
        bus.wait(lambda answers=answers: answers, "an answer")
        document_now = xml_of(network)
        bus.wait(lambda: uuid in servers(), "its dnsmasq")
        is_there = (f"'t{number}'" if number % 2 else f"'h{number}'").replace("'", '"') in document_now
        if number % 2 == 0:
            bus.wait(lambda number=number, is_there=is_there: answered(MAC.format(60 + number), f"10.77.1.{60 + number}", one) == is_there, "the host as the document has it")
    spaces.pop().leave()
    undefine(network)
    assert left() == [], left()


class Hidden:
    """A program that is not there for a while."""

    def __init__(self, path):
        self.path = os.path.realpath(path)

    def __enter__(self):
        shell(f"mount --bind /dev/null {self.path}")

    def __exit__(self, *_):
        shell(f"umount {self.path}")


def virtbusctl(*words):
    return subprocess.run([os.environ.get("VIRTBUSCTL", "virtbusctl"), *words], check=True, capture_output=True, encoding="utf-8").stdout


if os.geteuid() != 0 or any("UP" in link["flags"] for name, link in links().items() if name != "lo"):
    sys.exit("this is for root in a network namespace of its own: unshare --net tests/with-bus tests/behaviour/test-network-leases.py")
shell("ip link set lo up")
run([a_lease_is_told_when_it_is_given_changed_and_given_back, a_lease_is_told_soon, what_a_guest_says_of_itself_is_a_name_or_left_out,
     leases_of_ipv6_are_told, leases_are_found_again_by_the_next_driver,
     a_helper_that_is_told_to_end_while_nobody_reads_ends_well, a_flood_of_leases_is_told_in_measure_and_the_last_word_is_true,
     a_host_that_is_added_is_served_when_that_is_answered, each_section_is_changed_in_what_runs_in_the_definition_or_in_both,
     a_change_that_dnsmasq_refuses_leaves_all_as_it_was, who_may_not_update_is_refused, a_driver_that_is_killed_during_an_update_leaves_one_or_the_other], after_failure=clean_up)
