#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests, QEMUs and users that are attackers: what they name, put in the way of the driver, or tell it, gives them nothing that they may not have.

Usage (below tests/with-bus, as root): test-hostile.py
"""

import os
import pwd
import shutil

from gi.repository import GLib
from rig import NAME, ROOT, Bus, BusError, Hypervisor, User, contains, expect, run

if os.geteuid() != 0:
    raise SystemExit("test-hostile.py: needs root, for other users")

bus = Bus()
qemu = Hypervisor(bus, "qemu")
CONNECTION = f"{NAME}.Connection"
WORK = os.path.join(ROOT, "hostile")
os.makedirs(WORK, mode=0o755)
os.chmod(WORK, 0o755)
ALICE = pwd.getpwnam("vb-alice").pw_uid
RAN = os.path.join(WORK, "ran")


def program(path, owner=0, mode=0o755):
    """A program that tells that it was run."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\necho \"$0\" >> {RAN}\n")
    os.chmod(path, mode)
    os.chown(path, owner, owner)
    return path


def folder(name, owner=0, mode=0o755):
    path = os.path.join(WORK, name)
    os.mkdir(path)
    os.chown(path, owner, owner)
    os.chmod(path, mode)
    return path


def with_emulator(path, name="e"):
    return qemu.document(name, devices=f"<emulator>{path}</emulator>")


def has_run():
    ran = os.path.exists(RAN) and open(RAN, encoding="utf-8").read()
    with open(RAN, "w", encoding="utf-8"):
        os.chmod(RAN, 0o666)
    return ran or ""


def programs_are_run_only_where_nobody_but_root_could_have_put_them():
    has_run()
    hers, open_to_all, shared = folder("hers", ALICE), folder("open", mode=0o777), folder("shared", mode=0o1777)
    group = folder("group", mode=0o775)
    os.chown(group, 0, ALICE)
    good = program(f"{folder('good')}/qemu-system-x86_64")
    os.symlink(good, f"{hers}/link")
    os.symlink(WORK + "/good", f"{hers}/folder")
    os.symlink(hers, f"{WORK}/to-hers")
    os.symlink(f"{hers}/own", f"{WORK}/good/to-hers")
    loop = os.path.join(WORK, "loop")
    os.symlink(loop, loop)
    program(f"{hers}/own", ALICE)
    program(f"{hers}/roots")
    refused = [f"{hers}/own", f"{hers}/roots", f"{hers}/link", f"{hers}/folder/qemu-system-x86_64", f"{WORK}/to-hers/roots", f"{WORK}/good/to-hers",
               program(f"{open_to_all}/qemu"), program(f"{group}/qemu"), program(f"{WORK}/writable", mode=0o777),
               program(f"{WORK}/alices", ALICE), program(f"{shared}/alices", ALICE), f"{hers}/../good/qemu-system-x86_64"]
    nothing = [f"{good}/", f"{good}/x", WORK, loop, "/", f"{WORK}/none", program(f"{WORK}/plain", mode=0o644), "/dev/null", "qemu-system-x86_64", "./x"]
    for path in refused:
        contains(expect("InvalidArgument", qemu.define, with_emulator(path)), "<emulator>", path, "where only root may write")
        contains(expect("InvalidArgument", qemu.create, with_emulator(path)), path)
        for arguments in (("DomainXMLToNative", with_emulator(path)), ("DomainXMLFromNative", f"{path} -machine pc -m 64")):
            try:
                bus.call(qemu.path, CONNECTION, arguments[0], "ss", "qemu-argv", arguments[1])
            except BusError:
                pass
        expect("Unsupported", bus.call, qemu.path, CONNECTION, "GetDomainCapabilities", "ssss", path, "", "", "")
    for path in nothing:
        contains(expect("InvalidArgument", qemu.define, with_emulator(path)), "<emulator>")
    assert has_run() == "", open(RAN, encoding="utf-8").read()
    for path in (good, program(f"{shared}/roots"), f"{WORK}/good/../good//qemu-system-x86_64"):
        qemu.do(qemu.define(with_emulator(path)), "Undefine")
        assert len(has_run().splitlines()) == 2, path  # asked without KVM, and with it


def what_changed_since_it_was_defined_is_not_run():
    path = program(f"{WORK}/good/changed")
    domain = qemu.define(with_emulator(path, "changed"))
    has_run()
    os.chown(path, ALICE, ALICE)
    contains(expect("InvalidArgument", qemu.do, domain, "Start"), "'changed'", path, "not root's")
    assert has_run() == "" and qemu.state(domain) == "shutoff"
    os.unlink(path)
    contains(expect("InvalidArgument", qemu.do, domain, "Start"), "'changed'", path, "No such file")
    qemu.do(domain, "Undefine")


def who_may_only_read_has_nothing_run():
    path = os.path.join(ROOT, "polkit-rules", "50-test.rules")
    changes = []
    bus.call("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Peer", "Ping", destination="org.freedesktop.PolicyKit1")
    bus.connection.signal_subscribe("org.freedesktop.PolicyKit1", "org.freedesktop.PolicyKit1.Authority", "Changed", None, None, 0,
                                    lambda *_: changes.append(1))
    with open(path, "w", encoding="utf-8") as file:
        file.write("polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.read') return polkit.Result.YES; });")
    bus.wait(lambda: changes, "polkit's signal Changed")
    bus.settle()
    alice = User("vb-alice")
    fresh = program(f"{WORK}/good/qemu-system-i386")
    has_run()
    for member, text in (("DomainXMLToNative", with_emulator(fresh)), ("DomainXMLFromNative", f"{fresh} -machine pc -m 64")):
        expect("InteractiveAuthorizationRequired", alice.call, qemu.path, CONNECTION, member, "ss", "'qemu-argv'", GLib.Variant("s", text).print_(False))
    expect("Unsupported", alice.call, qemu.path, CONNECTION, "GetDomainCapabilities", "ssss", f"'{fresh}'", "''", "''", "''")
    assert has_run() == ""
    alice.leave()


def few_binaries_are_asked_at_the_same_time():
    """Each that is asked tells when it begins; a new one begins only when one has ended."""
    running = folder("running", mode=0o1777)
    slow = folder("slow")
    gate = os.path.join(WORK, "gate")
    os.mkfifo(gate)
    os.chmod(gate, 0o666)
    answers = []
    for i in range(10):
        path = f"{slow}/qemu-system-{i}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n: > {running}/$$\nread -r line < {gate}\nrm {running}/$$\nexit 1\n")
        os.chmod(path, 0o755)
        answers.append(bus.begin(qemu.path, CONNECTION, "DefineDomain", "sa{sv}", with_emulator(path, f"slow{i}"), {}))
    most = 0
    while not all(answers):
        most = max(most, len(os.listdir(running)))
        try:
            fd = os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
            os.write(fd, b"\n")
            os.close(fd)
        except OSError:
            pass
        GLib.MainContext.default().iteration(False)
    assert 0 < most <= 8, most  # four, each without KVM and with it
    for answer in answers:
        qemu.do(answer[0][0], "Undefine")
    shutil.rmtree(slow)


run([
    programs_are_run_only_where_nobody_but_root_could_have_put_them,
    what_changed_since_it_was_defined_is_not_run,
    who_may_only_read_has_nothing_run,
    few_binaries_are_asked_at_the_same_time,
])
