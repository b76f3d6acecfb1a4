#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""HACKING.md's worked examples, as virtbusd and its callers see them: a method, a driver, a kind of object.

Usage (below tests/with-bus): test-hacking.py EXAMPLE-DRIVER NOTES-DRIVER
"""

import os
import subprocess
import sys

from rig import NAME, ROOT, Bus, Hypervisor, Skip, User, contains, expect, polkit_rules, run

bus = Bus()
HOST, EXAMPLE = "/org/virtbus1/host", "/org/virtbus1/example"
programs = dict(zip(("Example", "Notes"), sys.argv[1:]))
started = {}
state = {}


def driver_state(name):
    return {row[1]: row[2] for row in bus.get("/org/virtbus1", "Manager", "Drivers")}.get(f"{NAME}.Driver.{name}")


def start_driver(name):
    user = [] if os.geteuid() == 0 else ["--user"]
    started[name] = subprocess.Popen([programs[name], *user, f"--root={ROOT}/{name.lower()}"])
    bus.wait(lambda: driver_state(name) == "attached", f"the driver {name}")


def a_driver_is_a_folder_and_a_name():
    start_driver("Example")
    hypervisor = Hypervisor(bus, "test")
    hypervisor.name, hypervisor.path = "example", EXAMPLE
    document = "<domain type='example'><name>one</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    domain = hypervisor.define(document)
    hypervisor.do(domain, "Start")
    assert hypervisor.state(domain) == "running"
    contains(expect("Unsupported", hypervisor.do, domain, "Suspend"), "one")  # what it does not fill in
    hypervisor.do(domain, "Destroy")
    assert hypervisor.state(domain) == "shutoff"


def a_method_is_an_entry_and_a_function():
    assert bus.call(EXAMPLE, f"{NAME}.Test.Greeter", "Greet", "s", "reader") == "Good day, reader."
    for name in ("", "x" * 65):
        contains(expect("InvalidArgument", bus.call, EXAMPLE, f"{NAME}.Test.Greeter", "Greet", "s", name), "64 bytes")
    contains(bus.call(EXAMPLE, "org.freedesktop.DBus.Introspectable", "Introspect"), "Test.Greeter", "Greet")


def a_kind_is_an_interface_and_a_folder():
    start_driver("Notes")
    note = bus.call(HOST, f"{NAME}.Test.Notes", "Write", "s", "milk, bread")
    assert note.startswith(f"{HOST}/note/")
    assert bus.get(note, "Test.Note", "Text") == "milk, bread" and bus.get(note, "Test.Note", "Writer") == os.geteuid()
    bus.wait_signal(HOST, "PropertiesChanged", lambda arguments: arguments[1] == {"Count": 1})
    assert note in bus.objects(HOST)
    state["note"] = note


def polkit_decides_by_the_annotations():
    if os.geteuid() != 0:
        raise Skip("needs root, for other users")
    alice = User("vb-alice")
    polkit_rules(bus, "")
    for path, interface, member, arguments in ((HOST, "Notes", "Write", ("s", "'mine'")), (EXAMPLE, "Greeter", "Greet", ("s", "'me'")),
                                               (state["note"], "Note", "Erase", ())):
        expect("InteractiveAuthorizationRequired", alice.call, path, f"{NAME}.Test.{interface}", member, *arguments)
    polkit_rules(bus, f"polkit.addRule(function(a, s) {{ if (a.id == '{NAME}.test' && s.user == 'vb-alice') return polkit.Result.YES; }});")
    alice.call(EXAMPLE, f"{NAME}.Test.Greeter", "Greet", "s", "'me'")
    alice.leave()


def what_is_done_with_is_gone():
    bus.call(state["note"], f"{NAME}.Test.Note", "Erase")
    bus.wait_signal(HOST, "InterfacesRemoved", lambda arguments: arguments[0] == state["note"])
    expect("UnknownObject", bus.get, state["note"], "Test.Note", "Text")
    for process in started.values():
        process.terminate()
        assert process.wait() == 0


run([a_driver_is_a_folder_and_a_name, a_method_is_an_entry_and_a_function, a_kind_is_an_interface_and_a_folder,
     polkit_decides_by_the_annotations, what_is_done_with_is_gone])
