#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests of KVM, which are a boot sector of 512 bytes: they start, stop, are saved and restored as others are.

/dev/kvm is a node of the test's own, in its own mount namespace: whose it is can be changed there."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import NAME, ROOT, SOURCE, Bus, Hypervisor, Skip, contains, expect, run  # noqa: E402

KVM = "/dev/kvm"
SECTOR = os.path.join(ROOT, "sector.img")

bus = Bus()
qemu = Hypervisor(bus, "qemu")
state = {}


def document():
    disk = f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{SECTOR}'/><target dev='hda' bus='ide'/></disk>"
    return qemu.document("sector", disk + "<serial type='pty'/>", "<cpu><model>qemu64</model></cpu>").replace("type='qemu'", "type='kvm'", 1)


def own_node(mode):
    """Puts a node of KVM's with this mode over the machine's, for this test alone."""
    node = os.path.join(ROOT, f"kvm-{mode:o}")
    if not os.path.exists(node):
        os.mknod(node, mode | 0o020000, os.stat(KVM).st_rdev)
        os.chmod(node, mode)
    subprocess.run(["mount", "--bind", node, KVM], check=True)


def do(member, signature="", *arguments):
    return bus.call(state["domain"], f"{NAME}.Domain", member, signature, *arguments)


def succeeds(job):
    arguments = bus.wait_signal(job, "Completed")
    assert arguments[0], arguments


def kvm_that_the_guests_user_may_not_open_is_told_with_what_to_do():
    if os.geteuid() != 0 or not os.path.exists(KVM):
        raise Skip("this needs root and /dev/kvm")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["as", "--32", "-o", f"{folder}/o", f"{SOURCE}/tests/guest/sector.S"], check=True)
        subprocess.run(["ld", "-m", "elf_i386", "-Ttext=0x7c00", "-o", f"{folder}/elf", f"{folder}/o"], check=True)
        subprocess.run(["objcopy", "-O", "binary", f"{folder}/elf", SECTOR], check=True)
    assert os.path.getsize(SECTOR) == 512
    own_node(0o600)
    state["domain"] = qemu.define(document())
    contains(expect("InvalidArgument", qemu.do, state["domain"], "Start"), "may not open /dev/kvm", "give it to a group of that user's (chgrp, chmod g+rw)")
    subprocess.run(["umount", "-l", KVM], check=True)
    own_node(0o666)


def a_guest_of_kvm_starts_suspends_and_resumes():
    if "domain" not in state:
        raise Skip("this needs root and /dev/kvm")
    qemu.do(state["domain"], "Start")
    assert qemu.state(state["domain"]) == "running"
    do("Suspend")
    bus.wait_state(state["domain"], "paused")
    do("Resume")
    bus.wait_state(state["domain"], "running")


def a_guest_of_kvm_is_saved_and_restored():
    if "domain" not in state:
        raise Skip("this needs root and /dev/kvm")
    succeeds(qemu.do(state["domain"], "ManagedSave"))
    bus.wait(lambda: qemu.state(state["domain"]) == "shutoff", "the end of its run")
    qemu.do(state["domain"], "Start")
    assert qemu.state(state["domain"]) == "running"
    qemu.do(state["domain"], "Destroy")
    qemu.do(state["domain"], "Undefine")


run([kvm_that_the_guests_user_may_not_open_is_told_with_what_to_do, a_guest_of_kvm_starts_suspends_and_resumes,
     a_guest_of_kvm_is_saved_and_restored])
