#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong around the QEMU driver: no room, no descriptors, damaged files, a second driver.
Asserted after each: nothing lost, no QEMU that nobody knows or twice, states that are true.

Usage (below tests/with-bus, as root): test-faults.py
"""

import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "behaviour"))
from rig import BUILD, DEADLINE, NAME, ROOT, Bus, BusError, Hypervisor, Skip, contains, end_process, run, variants  # noqa: E402

bus = Bus()
hypervisor = Hypervisor(bus, "qemu")
DRIVER = f"{NAME}.Driver.QEMU"
STATE, RUN = f"{ROOT}/qemu/state/qemu", f"{ROOT}/qemu/run/qemu"


def uuid_of(number):
    return f"fb000000-0000-4000-8000-{number:012}"


def path_of(number):
    return f"{hypervisor.path}/domain/{uuid_of(number).replace('-', '_')}"


def define(number, memory=16):
    return hypervisor.define(hypervisor.document(f"fault{number}", memory=memory, uuid=uuid_of(number)))


def qemus(number):
    """The processes of a domain's QEMU."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace").split("\0")
            dead = open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()[0] in "ZX"
        except OSError:
            continue
        if uuid_of(number) in command and "qemu-system" in command[0] and not dead:
            found.append(int(pid))
    return found


def shown():
    return {path for path, parts in bus.objects(hypervisor.path).items() if f"{NAME}.Domain" in parts}


def clear():
    for path in shown():
        for member, arguments in (("Destroy", {}), ("Undefine", {"managed_save": True})):
            try:
                bus.call(path, f"{NAME}.Domain", member, "a{sv}", variants(arguments))
            except BusError:
                pass


def outcome(function, *arguments, **named):
    """None, or the error."""
    try:
        function(*arguments, **named)
    except BusError as error:
        return error
    return None


class Full:
    """A folder with nothing in it that has room for so many bytes more, and is not there afterwards."""

    def __init__(self, folder, free):
        self.folder, self.free = folder, free

    def __enter__(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", self.folder], check=True)
        room = os.statvfs(self.folder)
        with open(f"{self.folder}/filler", "wb") as filler:
            filler.write(b"x" * max(0, room.f_bavail * room.f_frsize - self.free))
        return self

    def empty(self):
        os.unlink(f"{self.folder}/filler")

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], check=True)


def a_full_disk_fails_a_definition_and_loses_none():
    if os.geteuid() != 0:
        raise Skip("mounts need root")
    hypervisor_is_back()
    with Full(f"{STATE}/domains", 16384) as full:
        known, error = set(), None
        for number in range(32):
            error = outcome(define, number)
            if error:
                break
            known.add(path_of(number))
        assert error and known, "it was never full"
        assert error.name.endswith("LimitExceeded"), error
        contains(error.message, "No space left")
        assert shown() == known
        # A definition that does not fit leaves the one before it.
        first = path_of(0)
        large = hypervisor.document("fault0", memory=24, uuid=uuid_of(0), more="<description>" + "x" * 20000 + "</description>")
        assert outcome(hypervisor.define, large)
        assert bus.get(first, "Domain", "Memory") == 16 << 20
        hypervisor.kill_driver()
        assert shown() == known and bus.get(first, "Domain", "Memory") == 16 << 20
        full.empty()
        assert outcome(define, 40) is None
        clear()
    hypervisor.kill_driver()


def a_guest_that_cannot_be_written_down_does_not_start():
    if os.geteuid() != 0:
        raise Skip("mounts need root")
    domain = define(1)
    with Full(f"{RUN}/domains", 0) as full:
        error = outcome(hypervisor.do, domain, "Start", paused=True)
        assert error, "it started, and would not be found again"
        contains(error.message, "make space there")
        assert hypervisor.state(domain) == "shutoff" and not qemus(1), qemus(1)
        hypervisor.kill_driver()
        assert hypervisor.state(domain) == "shutoff" and not qemus(1)
        full.empty()
        hypervisor.do(domain, "Start", paused=True)
        assert len(qemus(1)) == 1
        hypervisor.do(domain, "Destroy")
    hypervisor.kill_driver()
    clear()


def limit_descriptors(pid, more):
    """Leaves a process room for so many descriptors; returns what undoes it."""
    owner = os.stat(f"/proc/{pid}").st_uid
    as_owner = ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups"] if os.geteuid() == 0 else []
    soft, hard = re.search(r"Max open files +(\d+) +(\d+)", open(f"/proc/{pid}/limits", encoding="utf-8").read()).groups()

    def limit(number):
        subprocess.run([*as_owner, "prlimit", f"--pid={pid}", f"--nofile={number}:{hard}"], check=True)
    limit(len(os.listdir(f"/proc/{pid}/fd")) + more)
    return lambda: limit(soft)


def a_driver_without_descriptors_fails_what_needs_them_and_no_more():
    running, waiting = define(1), define(2)
    hypervisor.do(running, "Start", paused=True)
    pid = bus.owner_pid(DRIVER)
    for more in range(0, 12, 2):
        undo = limit_descriptors(pid, more)
        outcome(hypervisor.do, waiting, "Start", paused=True)
        assert hypervisor.state(running) == "paused"
        undo()
        state = hypervisor.state(waiting)
        assert len(qemus(2)) == (state != "shutoff"), (more, state, qemus(2))
        if state != "shutoff":
            hypervisor.do(waiting, "Destroy")
        assert bus.owner_pid(DRIVER) == pid, f"the driver has ended, with {more} descriptors left"
    hypervisor.do(waiting, "Start", paused=True)
    clear()


def last_words():
    with open(f"{ROOT}/log", encoding="utf-8", errors="replace") as log:
        return "".join(log.readlines()[-20:])


def a_service_without_descriptors_fails_what_needs_them_and_no_more():
    domain = define(1)
    hypervisor.do(domain, "Start", paused=True)
    pid = bus.owner_pid(NAME)
    null = os.open("/dev/null", os.O_WRONLY)
    for more in (0, 1, 3):
        undo = limit_descriptors(pid, more)
        for _ in range(4):
            outcome(bus.call, domain, f"{NAME}.Domain", "Dump", "ha{sv}", 0, {}, fds=[null])
        assert os.path.exists(f"/proc/{pid}"), f"virtbusd has ended, with {more} descriptors left: {last_words()}"
        undo()
        assert bus.owner_pid(NAME) == pid, f"virtbusd has ended, with {more} descriptors left: {last_words()}"
        assert bus.get(domain, "Domain", "Active")
    os.close(null)
    clear()


def a_damaged_file_costs_itself_alone():
    whole, damaged = define(1), define(2)
    hypervisor.do(whole, "Start", paused=True)
    hypervisor.do(damaged, "Start", paused=True)
    files = {"a definition": f"{STATE}/domains/{uuid_of(2)}.xml", "a status": f"{RUN}/domains/{uuid_of(2)}.xml",
             "what a QEMU can do": (glob.glob(f"{STATE}/capabilities/*") or [None])[0]}
    for kind, path in files.items():
        if not path:
            continue
        text = open(path, "rb").read()
        for damage in (b"", text[:len(text) // 2], b"\0\xff\xfe garbage", b"<a>" * 10000, b"{\"a\":" * 10000, text.replace(b"pid=", b"pod=")):
            end_process(bus.owner_pid(DRIVER))
            with open(path, "wb") as file:
                file.write(damage)
            where = f"{kind} of {len(damage)} bytes, {damage[:20]!r}"
            hypervisor_is_back()
            assert hypervisor.state(whole) == "paused" and len(qemus(1)) == 1, where
            hypervisor.do(whole, "Resume")
            hypervisor.do(whole, "Suspend")
            assert len(qemus(2)) <= 1, where
            # Whatever is known of it now, it can be had again, with one QEMU.
            define(2)
            if not bus.get(damaged, "Domain", "Active"):
                hypervisor.do(damaged, "Start", paused=True)
            assert len(qemus(2)) == 1, (where, qemus(2))
            if kind == "a status":
                hypervisor.do(damaged, "Destroy")
                assert not qemus(2), where
                hypervisor.do(damaged, "Start", paused=True)
            text = open(path, "rb").read() if os.path.exists(path) else text
    clear()
    assert not qemus(1) and not qemus(2)


def hypervisor_is_back():
    """Until the driver has been started again: a call that needs it waits for that."""
    for _ in range(DEADLINE):
        error = outcome(bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByID", "u", 0)
        if error.name.endswith("NoSuchDomain"):
            return
    raise AssertionError(f"the driver does not come back: {error}")


def a_second_driver_of_the_folder_ends_and_touches_nothing():
    domain = define(1)
    hypervisor.do(domain, "Start", paused=True)
    before = sorted(glob.glob(f"{ROOT}/qemu/*/qemu/**", recursive=True))
    second = subprocess.run([f"{BUILD}/drivers/virtbus-qemu", f"--root={ROOT}/qemu"], capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert second.returncode != 0 and second.stderr.strip(), second
    assert sorted(glob.glob(f"{ROOT}/qemu/*/qemu/**", recursive=True)) == before
    assert hypervisor.state(domain) == "paused" and len(qemus(1)) == 1
    hypervisor.do(domain, "Resume")
    clear()


run([a_full_disk_fails_a_definition_and_loses_none, a_guest_that_cannot_be_written_down_does_not_start,
     a_driver_without_descriptors_fails_what_needs_them_and_no_more, a_service_without_descriptors_fails_what_needs_them_and_no_more,
     a_damaged_file_costs_itself_alone, a_second_driver_of_the_folder_ends_and_touches_nothing],
    after_failure=clear)
