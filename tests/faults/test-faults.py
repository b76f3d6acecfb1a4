#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong around the QEMU driver: no room, no descriptors, damaged files, a second driver, an end at any instant of any work.
Asserted after each: nothing lost, no QEMU that nobody knows or twice, states that are true.

Usage (below tests/with-bus, as root): test-faults.py [--seed N]
"""

import argparse
import contextlib
import glob
import os
import random
import re
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "behaviour"))
from rig import BUILD, DEADLINE, NAME, ROOT, Bus, BusError, Full, Hypervisor, Skip, contains, end_process, run, variants  # noqa: E402

options = argparse.ArgumentParser()
options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
options = options.parse_args()
print(f"# seed {options.seed}", flush=True)
bus = Bus()
hypervisor = Hypervisor(bus, "qemu")
DRIVER = f"{NAME}.Driver.QEMU"
# Ends that a test makes one after the other, of the driver under load.
ENDS = 12
STATE, RUN = f"{ROOT}/qemu/state/qemu", f"{ROOT}/qemu/run/qemu"
DEVICE = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"


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
        # Nor does one get a device that a driver after this one would not know.
        before = set(bus.objects(domain))
        full.fill()
        error = outcome(bus.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", DEVICE, {})
        assert error, "it has a device, and that would not be known"
        contains(error.message, "make space there")
        assert set(bus.objects(domain)) == before
        full.empty()
        bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", DEVICE, {})
        hypervisor.kill_driver()
        assert len(set(bus.objects(domain)) - before) == 1
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
    # A descriptor that its answer has no room for is no reason to leave a call without one.
    for more in range(8):
        undo = limit_descriptors(pid, more)
        error = outcome(bus.call, running, f"{NAME}.Domain", "OpenLog", "a{sv}", {})
        assert not error or not error.name.endswith(".Timeout"), (more, error)
        undo()
        assert bus.owner_pid(DRIVER) == pid, f"the driver has ended, with {more} descriptors left"
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


def a_guest_whose_status_is_lost_is_still_known():
    """Whatever the file has become: the domain is active, in the state that it is in, and no second QEMU is started."""
    domain = define(2)
    path = f"{RUN}/domains/{uuid_of(2)}.xml"
    for transient in (False, True):
        if transient:
            hypervisor.do(domain, "Undefine")
        damages = {"empty": lambda text: b"", "truncated": lambda text: text[:len(text) // 2], "garbage": lambda text: b"\0\xff\xfe garbage",
                   "missing": lambda text: None, "wrong UUID": lambda text: text.replace(uuid_of(2).encode(), uuid_of(3).encode()),
                   "wrong pid": lambda text: text.replace(b' pid="', b' pid="1'), "no capabilities": lambda text: text.replace(b"capabilities>", b"x>"),
                   "unknown state": lambda text: text.replace(b'state="', b'state="un')}
        for name, damage in damages.items():
            if transient and name not in ("truncated", "missing"):
                continue
            if transient:
                hypervisor.create(hypervisor.document("fault2", memory=16, uuid=uuid_of(2)), paused=True)
            else:
                hypervisor.do(domain, "Start", paused=True)
            process, = qemus(2)
            driver = bus.owner_pid(DRIVER)
            if transient and name == "missing":
                hypervisor.do(domain, "Resume")
            end_process(driver)
            text = damage(open(path, "rb").read())
            if text is None:
                os.unlink(path)
            else:
                with open(path, "wb") as file:
                    file.write(text)
            hypervisor_is_back()
            where = (name, transient)
            wanted = "running" if transient and name == "missing" else "paused"
            bus.wait(lambda: hypervisor.state(domain) == wanted, f"the state, {where}")
            assert bus.get(domain, "Domain", "Active") and bus.get(domain, "Domain", "Name") == "fault2", where
            assert outcome(hypervisor.do, domain, "Start").name.endswith(".OperationInvalid"), where
            assert qemus(2) == [process], where
            hypervisor.do(domain, "Suspend" if wanted == "running" else "Resume")
            assert hypervisor.state(domain) != wanted, where
            hypervisor.do(domain, "Destroy")
            assert not qemus(2) and not os.path.exists(path), where
    clear()


def what_a_start_has_left_that_was_cut_off_goes():
    """A driver that is killed before it can write down that a guest starts has made its folder."""
    running = define(1)
    hypervisor.do(running, "Start", paused=True)
    lost = f"{RUN}/{uuid_of(4)}"
    os.makedirs(f"{lost}/qemu/deep")
    with open(f"{lost}/channel0", "wb"):
        pass
    end_process(bus.owner_pid(DRIVER))
    hypervisor_is_back()
    bus.wait(lambda: not os.path.exists(lost) and not os.listdir(f"{RUN}/ended"), "its end")
    assert os.path.isdir(f"{RUN}/{uuid_of(1)}") and bus.get(running, "Domain", "Active")
    clear()


def hypervisor_is_back():
    """Until the driver has been started again: a call that needs it waits for that."""
    bus.wait(lambda: outcome(bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByID", "u", 0).name.endswith("NoSuchDomain"), "the driver to come back")


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


def works(chance, number, ended):
    """Work of one client until it is told to end: each kind there is, in an order of chance."""
    own = Bus(listen=False)
    path, connection = path_of(number), f"{NAME}.Connection"
    disk = f"<disk type='file'><driver name='qemu' type='raw'/><source file='{ROOT}/{number}.img'/><target dev='vdb' bus='virtio'/></disk>"
    null = os.open("/dev/null", os.O_RDWR)
    kinds = ((hypervisor.path, connection, "DefineDomain", "sa{sv}", hypervisor.document(f"fault{number}", memory=16, uuid=uuid_of(number)), {}),
             (path, f"{NAME}.Domain", "Start", "a{sv}", {}), (path, f"{NAME}.Domain", "AttachDevice", "sa{sv}", disk, {}),
             (path, f"{NAME}.Domain", "Save", "sa{sv}", f"{ROOT}/{number}.save", {}), (path, f"{NAME}.Domain", "ManagedSave", "a{sv}", {}),
             (hypervisor.path, connection, "RestoreDomain", "sa{sv}", f"{ROOT}/{number}.save", {}),
             (hypervisor.path, connection, "GetDomainStats", "aoa{sv}", [], {}), (path, f"{NAME}.Domain", "Screenshot", "ua{sv}", 0, {}),
             (hypervisor.path, connection, "DomainXMLToNative", "ssa{sv}", "qemu-argv", hypervisor.document("x"), {}),
             (path, f"{NAME}.Domain", "Destroy", "a{sv}", {}), (path, f"{NAME}.Domain", "Undefine", "a{sv}", variants({"managed_save": True})))
    while not ended.is_set():
        try:
            own.call(*chance.choices(kinds, (2, 4, 2, 2, 1, 2, 1, 1, 1, 1, 1))[0])
        except BusError:
            pass  # whatever the state allows
    os.close(null)


def whoever_is_told_to_end_at_any_instant_ends_well():
    chance = random.Random(options.seed)
    ours = 0
    for number in (1, 2, 3):
        with open(f"{ROOT}/{number}.img", "wb") as image:
            image.truncate(1 << 20)
    ended = threading.Event()
    clients = [threading.Thread(target=works, args=(random.Random(options.seed + number), number, ended), daemon=True) for number in (1, 2, 3)]
    hypervisor_is_back()
    end_process(bus.owner_pid(DRIVER), signal.SIGTERM)
    for client in clients:
        client.start()
    try:
        for attempt in range(ENDS):
            # As a child of ours, which says how it ended.
            driver = subprocess.Popen([f"{BUILD}/drivers/virtbus-qemu", f"--root={ROOT}/qemu"], stderr=subprocess.PIPE, text=True)
            try:
                driver.wait(chance.uniform(0.1, 0.8))
                # One that the bus has started was quicker: it is ended, unless it has, and ours has its turn next.
                pid = outcome_pid()
                with contextlib.suppress(ProcessLookupError):
                    if pid:
                        end_process(pid, signal.SIGTERM)
                continue
            except subprocess.TimeoutExpired:
                driver.send_signal(signal.SIGTERM)
            _, words = driver.communicate(timeout=DEADLINE)
            assert driver.returncode == 0, (attempt, driver.returncode, words[-3000:])
            ours += 1
    finally:
        ended.set()
        for client in clients:
            client.join(DEADLINE)
    print(f"# {ours} of {ENDS} ends")
    assert ours > 0
    hypervisor_is_back()
    settle()
    for number in (1, 2, 3):
        active = path_of(number) in shown() and bus.get(path_of(number), "Domain", "Active")
        assert len(qemus(number)) == int(active), (number, active, qemus(number))
    clear()
    assert not [number for number in (1, 2, 3) if qemus(number)]


def settle():
    """Until nothing starts or stops."""
    def between():
        found = []
        for path in shown():
            try:
                found += [path] if hypervisor.state(path) in ("starting", "stopping") else []
            except BusError as error:  # it has gone since it was shown
                assert error.name.endswith(".UnknownObject"), error
        return found
    seen = len(bus.signals)
    while between():
        bus.wait(lambda: len(bus.signals) > seen, "a domain to come to rest")
        seen = len(bus.signals)


def outcome_pid():
    try:
        return bus.owner_pid(DRIVER)
    except BusError:
        return None


run([a_full_disk_fails_a_definition_and_loses_none, a_guest_that_cannot_be_written_down_does_not_start,
     a_driver_without_descriptors_fails_what_needs_them_and_no_more, a_service_without_descriptors_fails_what_needs_them_and_no_more,
     a_damaged_file_costs_itself_alone, a_guest_whose_status_is_lost_is_still_known, what_a_start_has_left_that_was_cut_off_goes,
     a_second_driver_of_the_folder_ends_and_touches_nothing, whoever_is_told_to_end_at_any_instant_ends_well],
    after_failure=clear)
