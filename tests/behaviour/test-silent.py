#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU that does not answer, or does not tell: whatever is at work on its guest comes to an end, and what follows too.

Usage (below tests/with-bus, with --answer-timeout=10): test-silent.py
"""

import json
import os
import shutil
import signal

from rig import NAME, ROOT, SOURCE, Bus, BusError, Hypervisor, contains, expect, run, variants

bus = Bus()
qemu = Hypervisor(bus, "qemu")
WORK = os.path.join(ROOT, "silent")
os.makedirs(WORK, mode=0o755)
os.chmod(WORK, 0o755)
with open(f"{WORK}/image", "wb") as image:
    image.truncate(1 << 20)
DISK = f"<disk type='file'><driver name='qemu' type='raw'/><source file='{WORK}/image'/><target dev='vda' bus='virtio'/></disk>"


def lying(name, **lies):
    """A domain whose QEMU tells lies: lying-qemu.py."""
    place = os.path.join(WORK, name)
    os.makedirs(place, mode=0o755, exist_ok=True)
    os.chmod(place, 0o755)
    shutil.copy(f"{SOURCE}/tests/tools/lying-qemu.py", f"{place}/qemu-system-x86_64")
    with open(f"{place}/lies.json", "w", encoding="utf-8") as file:
        json.dump(lies, file)
    return qemu.define(qemu.document(name, devices=f"<emulator>{place}/qemu-system-x86_64</emulator>", memory=16))


def begin(domain, member, signature="", *arguments):
    return bus.begin(domain, f"{NAME}.Domain", member, signature, *arguments)


def dump(domain):
    return bus.begin_with_fd(domain, f"{NAME}.Domain", "Dump", os.open(f"{WORK}/core", os.O_WRONLY | os.O_CREAT))


# What is done, on a guest that runs or not, and commands of it.
WORKS = {
    "suspend": (lambda domain: begin(domain, "Suspend"), True, ("stop",)),
    "resume": (lambda domain: begin(domain, "Resume"), False, ("cont",)),
    "reset": (lambda domain: begin(domain, "Reset"), False, ("system_reset",)),
    "shutdown": (lambda domain: begin(domain, "Shutdown", "a{sv}", {}), True, ("system_powerdown",)),
    "attach": (lambda domain: begin(domain, "AttachDevice", "sa{sv}", DISK, variants({"live": True})), False,
               ("query-fdsets", "add-fd", "blockdev-add", "device_add")),
    "memory": (lambda domain: begin(domain, "SetMemory", "ta{sv}", 8 << 20, variants({"live": True})), False, ("balloon",)),
    "save": (lambda domain: begin(domain, "ManagedSave", "a{sv}", {}), True, ("stop", "getfd", "migrate")),
    "dump": (dump, False, ("dump-guest-memory",)),
}


# Whose end is told by an event, whether they were answered or not.
TOLD = ("migrate", "dump-guest-memory")


def come_to_an_end(lies, *causes):
    """Begins each work on a domain of its own, all at the same time; each fails, and its domain can be destroyed."""
    domains = {}
    for name, (_, runs, commands) in WORKS.items():
        for command in commands:
            if "silent" in lies(command) and command in TOLD:
                continue
            domain = lying(f"{name}-{command}", **lies(command))
            qemu.do(domain, "Start", paused=not runs)
            domains[domain] = name
    answers = {domain: WORKS[name][0](domain) for domain, name in domains.items()}
    for domain, name in domains.items():
        bus.wait(lambda domain=domain: answers[domain], f"an answer to {name}")
        answer = answers[domain][0]
        if isinstance(answer, BusError):
            error = f"{answer.name} {answer.message}"
        else:
            assert name in ("save", "dump"), (name, answer)
            success, *error = bus.wait_signal(answer[0], "Completed")
            assert not success, (name, error)
            error = " ".join(error)
        assert any(cause in error for cause in causes), (name, domain, error)
    for domain, name in domains.items():
        assert bus.get(domain, "Domain", "Active"), name
        qemu.do(domain, "Destroy")
        assert qemu.state(domain) == "shutoff" and not bus.get(domain, "Domain", "HasManagedSave"), name
        qemu.do(domain, "Undefine")


def whatever_is_not_answered_fails():
    come_to_an_end(lambda command: {"silent": [command]}, "has not answered")


def whatever_waits_for_a_monitor_that_is_closed_fails():
    come_to_an_end(lambda command: {"cut": command}, "monitor")


def a_save_and_a_dump_end_without_their_event():
    for name in ("save", "dump"):
        domain = lying(f"quiet-{name}", untold=["MIGRATION", "DUMP_COMPLETED"])
        qemu.do(domain, "Start")
        answers = WORKS[name][0](domain)
        bus.wait(lambda: answers, f"an answer to {name}")
        success, *error = bus.wait_signal(answers[0][0], "Completed")
        assert success, error
        if name == "dump":
            qemu.do(domain, "Destroy")
        qemu.do(domain, "Undefine", managed_save=True)


def one_that_answers_again_is_managed_again():
    domain = lying("again", silent=["query-fdsets"])
    qemu.do(domain, "Start")
    error = expect("Timeout", bus.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", DISK, variants({"live": True}))
    contains(error, "query-fdsets")
    contains(expect("HypervisorFailed", qemu.do, domain, "Suspend"), "does not answer")
    process = qemu.pid_of(domain)
    # Its successor finds it as it is: the machine itself has never stood still.
    qemu.kill_driver()
    qemu.do(domain, "Suspend")
    assert qemu.state(domain) == "paused" and qemu.pid_of(domain) == process
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


def a_guest_whose_save_was_cut_off_by_a_silence_goes_on_when_it_answers_again():
    domain = qemu.define(qemu.document("cut-off", memory=16))
    qemu.do(domain, "Start")
    reader, writer = os.pipe()  # which nobody reads: QEMU is held up in the middle
    job = bus.call(domain, f"{NAME}.Domain", "SaveToFD", "ha{sv}", 0, {}, fds=[writer])
    os.close(writer)
    begun = b""
    while b"QEVM" not in begun:  # after our header
        begun += os.read(reader, 1)
    os.kill(qemu.pid_of(domain), signal.SIGSTOP)
    success, *error = bus.wait_signal(job, "Completed")
    contains(" ".join(error), "Error.Timeout")
    assert not success and qemu.state(domain) == "paused"
    os.close(reader)
    os.kill(qemu.pid_of(domain), signal.SIGCONT)
    bus.wait(lambda: qemu.state(domain) == "running", "the guest")
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


def a_device_for_which_the_machine_lacks_acpi_is_refused_without_asking():
    """Refusing it can be the last that a QEMU does."""
    domain = qemu.define(qemu.document("plain", memory=16).replace("<features><acpi/></features>", ""))
    qemu.do(domain, "Start", paused=True)
    error = expect("Unsupported", bus.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", DISK, variants({"live": True}))
    contains(error, "domain 'plain'", "<acpi/>")
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


run([whatever_is_not_answered_fails, whatever_waits_for_a_monitor_that_is_closed_fails, a_save_and_a_dump_end_without_their_event,
     one_that_answers_again_is_managed_again, a_guest_whose_save_was_cut_off_by_a_silence_goes_on_when_it_answers_again,
     a_device_for_which_the_machine_lacks_acpi_is_refused_without_asking])
