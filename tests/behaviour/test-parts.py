#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lists that are longer than any message of the bus: read in parts, whatever happens between two of them.

Usage (below tests/with-bus): test-parts.py
"""

import ast
import json
import os
import shutil
import signal
import socket
import subprocess
import uuid

from attacks import Raw, bus_path, frame
from gi.repository import GLib
from rig import BUILD, NAME, ROOT, Bus, Hypervisor, Skip, User, expect, polkit_rules, run

bus = Bus(listen=False)
test = Hypervisor(bus, "test")
PARTS = f"{NAME}.ManagedObjects"
DOMAIN = f"{NAME}.Domain"
# As few domains as may be, each with as long a title as it may have: 35 MiB.
N, TITLE_BYTES = 560, 65000
domains = []


def variants(**options):
    return {name: GLib.Variant(*value) for name, value in options.items()}


def part(after="", path=test.path, caller=bus, **options):
    return caller.call(path, PARTS, "GetPart", "sa{sv}", after, variants(**options))


def rest(after, **options):
    """The parts after one: the objects, of which none may come twice, and how many parts there were."""
    found, n = {}, 0
    while after:
        objects, after = part(after, **options)
        assert not set(objects) & set(found), "an object is in two parts"
        found.update(objects)
        n += 1
    return found, n


def whole(**options):
    objects, after = part(**options)
    found, n = rest(after, **options)
    assert not set(objects) & set(found)
    return {**objects, **found}, n + 1


def names(objects):
    return sorted(interfaces[DOMAIN]["Name"] for interfaces in objects.values())


def whole_of_names():
    return whole(properties=("a{sas}", {DOMAIN: ["Name"]}))[0]


def reader_of_names(readable):
    """Another user, who may read those domains."""
    if os.geteuid() != 0:
        raise Skip("needs root, for another user")
    polkit_rules(bus, f"polkit.addRule(function(a, s) {{ if (a.id == 'org.virtbus1.read' && s.user == 'vb-alice' && "
                      f"{json.dumps(list(readable))}.indexOf(a.lookup('domain_name')) >= 0) return polkit.Result.YES; }});")
    return User("vb-alice")


def parts_for(user):
    """The names in all parts that the user gets."""
    found, after = {}, "first"
    while after:
        objects, after = ast.literal_eval(user.call(test.path, PARTS, "GetPart", "sa{sv}", f"'{'' if after == 'first' else after}'",
                                                    f"{{'properties': <{{'{DOMAIN}': ['Name']}}>}}"))
        assert not set(objects) & set(found)
        found.update(objects)
    return found


def number(i, **options):
    return test.document(f"large-{i:03}", more=f"<title>{chr(97 + i % 26) * TITLE_BYTES}</title>", **options)


def write_definitions():
    """Before the driver is started: that many are quicker read than made, and are no news to anybody, who would have to read that."""
    folder = f"{ROOT}/test/state/test/domains"
    for part_of_path in (f"{ROOT}/test", f"{ROOT}/test/state", f"{ROOT}/test/state/test", folder):
        os.mkdir(part_of_path, 0o711 if part_of_path == f"{ROOT}/test" else 0o700)
    for i in range(N):
        name = str(uuid.uuid4())
        with open(f"{folder}/{name}.xml", "w", encoding="utf-8") as file:
            file.write(f'<?xml version="1.0"?>\n<?virtbus owner="0" autostart="no"?>\n{number(i, uuid=name)}\n')
        domains.append(f"{test.path}/domain/{name.replace('-', '_')}")


def a_list_longer_than_any_message_is_refused_with_what_to_do_and_read_in_parts():
    error = expect("LimitExceeded", bus.objects, test.path)
    assert f"{PARTS}.GetPart" in error, error
    found, n = whole()
    assert set(found) == set(domains) and n > 20, (len(found), n)
    assert all(len(interfaces[DOMAIN]["Title"]) == TITLE_BYTES for interfaces in found.values())


def only_what_is_wanted_is_sent():
    found, n = whole(properties=("a{sas}", {DOMAIN: ["Name"]}))
    assert set(found) == set(domains), len(found)
    assert all(interfaces == {DOMAIN: {"Name": interfaces[DOMAIN]["Name"]}} for interfaces in found.values())
    found, n = whole(properties=("a{sas}", {f"{NAME}.Job": []}))
    assert not found, found


def table(after="", interface=DOMAIN, properties=(), caller=bus):
    return caller.call(test.path, PARTS, "GetColumns", "ssas", after, interface, list(properties))


def a_table_has_the_same():
    found, after, n = {}, "", 0
    while not n or after:
        paths, columns, after = table(after, properties=["Name", "MaxVCPUs", "Active", "UUID"])
        assert set(columns) == {"Name", "MaxVCPUs", "Active", "UUID"} and all(len(column) == len(paths) for column in columns.values()), columns
        for i, path in enumerate(paths):
            found[path] = {name: column[i] for name, column in columns.items()}
        n += 1
    for path in (domains[0], domains[N // 2], domains[-1]):
        assert found[path] == {name: value for name, value in bus.get_all(path, "Domain").items() if name in found[path]}
    assert set(found) == set(domains) and n <= 20, (len(found), n)
    assert table(interface=f"{NAME}.Job")[0] == [] and set(table(interface=DOMAIN)[1]) == set(bus.get_all(domains[0], "Domain"))
    for arguments, words in ((("0-0",), "begin with the first part"), (("", f"{NAME}.Nothing"), "no interface"), (("", DOMAIN, ["Colour"]), "no property")):
        assert words in expect("InvalidArgument", table, *arguments)


def virtbusctl(*arguments):
    return subprocess.run([os.path.join(BUILD, "client", "virtbusctl", "virtbusctl"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def virtbusctl_and_the_library_read_it():
    listed = virtbusctl("-c", "test", "--json", "list")
    assert sorted(row["name"] for row in json.loads(listed.stdout)) == [f"large-{i:03}" for i in range(N)], listed.stderr
    shown = virtbusctl("-c", "test", "show", "--property=Name", f"large-{N - 1:03}")  # which the library finds
    assert shown.stdout == f"Name=large-{N - 1:03}\n", shown.stderr


def libvirts_clients_are_shown_all_of_it():
    face = os.path.join(BUILD, "client", "libvirt", "virtbus-libvirt")
    if not shutil.which("virsh") or not os.path.exists(face):
        raise Skip("virsh or virtbus-libvirt is not there")
    path = os.path.join(ROOT, "libvirt-sock")
    environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": os.environ["DBUS_SYSTEM_BUS_ADDRESS"], "LC_ALL": "C", "HOME": ROOT}
    process = subprocess.Popen([face, f"--socket={path}"], env=environment)
    bus.wait(lambda: socket.socket(socket.AF_UNIX).connect_ex(path) == 0, "its socket")
    listed = subprocess.run(["virsh", "-c", f"test+unix:///default?socket={path}", "list", "--all", "--name"], env=environment,
                            capture_output=True, text=True, check=False)
    assert sorted(listed.stdout.split()) == [f"large-{i:03}" for i in range(N)], listed.stderr
    process.terminate()
    process.wait()


def what_comes_goes_and_changes_between_two_parts_is_known_by_parts_and_signals():
    listener = Bus()
    objects, after = part(caller=listener)
    known = {path: interfaces[DOMAIN]["Name"] for path, interfaces in objects.items()}
    assert 0 < len(known) < N / 2, len(known)
    gone = [domains.pop(domains.index(list(known)[-1])), domains.pop()]  # the part's last, and the list's
    for path in gone:
        test.do(path, "Undefine")
    domains.append(test.define(number(N)))
    test.do(domains[0], "Start")
    while after:
        objects, after = part(after, caller=listener)
        known.update({path: interfaces[DOMAIN]["Name"] for path, interfaces in objects.items()})
    listener.settle()

    def told(member):
        return [s[3] for s in listener.signals if s[0] == test.path and s[2] == member]
    listener.wait(lambda: len(told("InterfacesRemoved")) >= 2, "both are told of")
    for path, _ in told("InterfacesRemoved"):
        known.pop(path, None)
    assert set(known) == set(domains)
    assert [s for s in listener.signals if s[0] == domains[0] and s[2] == "PropertiesChanged"]
    test.do(domains[0], "Destroy")


def a_driver_that_is_killed_between_two_parts_loses_and_doubles_nothing():
    objects, after = part()
    os.kill(bus.driver("Test"), signal.SIGKILL)
    found, _ = rest(after)
    assert not set(objects) & set(found)
    assert set(objects) | set(found) == set(domains)


def who_leaves_without_an_answer_costs_nothing():
    before = bus.get(test.path, "Connection", "Name")
    for _ in range(10):
        leaver = Bus(listen=False)
        for _ in range(10):
            leaver.begin(test.path, PARTS, "GetPart", "sa{sv}", "", {})
        leaver.connection.flush_sync(None)
        leaver.connection.close_sync(None)
    assert bus.get(test.path, "Connection", "Name") == before
    found, _ = whole()
    assert set(found) == set(domains)


def who_does_not_read_its_parts_holds_up_nobody_else_and_gets_them_when_it_does():
    alice = reader_of_names(f"large-{i:03}" for i in range(N + 1))
    body = GLib.Variant("(sa{sv})", ("", {}))
    first = part()
    silent, leaver = Raw(bus_path()), Raw(bus_path())
    for client, serial in (silent, 2), (leaver, 2), (silent, 3):  # each answer is a megabyte: more than a socket holds, less than a user may leave
        client.send(frame(test.path, PARTS, "GetPart", body, 0, serial))
    assert leaver.socket.recv(1000)
    assert names(parts_for(alice)) == names(whole_of_names())
    leaver.socket.close()  # in the middle of a part
    for serial in 2, 3:
        answer = silent.answer(serial)
        assert answer == first, (serial, str(answer)[:200])
    silent.socket.close()
    found, _ = whole()
    assert set(found) == set(domains)
    alice.leave()


def what_no_part_ended_with_is_refused():
    _, after = part()
    expect("InvalidArgument", part, "x")
    expect("InvalidArgument", part, after + "0")
    expect("InvalidArgument", part, after, path="/org/virtbus1")
    expect("InvalidArgument", part, colour=("b", True))
    expect("InvalidArgument", part, properties=("as", [DOMAIN]))
    expect("InvalidArgument", part, properties=("a{sas}", {DOMAIN: ["Colour"]}))
    expect("UnknownObject", part, path=f"{test.path}/domain")
    bus.kill_owner(NAME, signal.SIGTERM)
    bus.objects("/org/virtbus1")
    error = expect("InvalidArgument", part, after)  # of a service that has begun anew
    assert "begin with the first part" in error, error
    found, _ = whole()
    assert set(found) == set(domains)


def who_may_read_few_gets_those_and_all_of_those():
    few = [f"large-{i:03}" for i in (2, 150, N)]
    alice = reader_of_names(few)
    assert names(parts_for(alice)) == few
    found, after = [], "first"
    while after:
        _, columns, after = ast.literal_eval(alice.call(test.path, PARTS, "GetColumns", "ssas", f"'{'' if after == 'first' else after}'",
                                                        f"'{DOMAIN}'", "['Name']").replace("@ao ", "").replace("@as ", "").replace("objectpath ", "")
                                             .replace("<", "").replace(">", ""))
        found += columns["Name"]
    assert sorted(found) == few, found
    alice.leave()


write_definitions()
run([a_list_longer_than_any_message_is_refused_with_what_to_do_and_read_in_parts, only_what_is_wanted_is_sent,
    a_table_has_the_same, virtbusctl_and_the_library_read_it, libvirts_clients_are_shown_all_of_it,
    what_comes_goes_and_changes_between_two_parts_is_known_by_parts_and_signals,
    a_driver_that_is_killed_between_two_parts_loses_and_doubles_nothing, who_leaves_without_an_answer_costs_nothing,
    who_does_not_read_its_parts_holds_up_nobody_else_and_gets_them_when_it_does, what_no_part_ended_with_is_refused,
    who_may_read_few_gets_those_and_all_of_those])
