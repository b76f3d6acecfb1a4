#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several clients who want the same names and UUIDs at once: what is answered is true, and what is left is what is on disk.

Usage (below tests/with-bus): test-together.py test|qemu. VIRTBUS_SEED repeats a run of the last test, VIRTBUS_SECONDS makes it longer.
"""

import fcntl
import os
import random
import re
import select
import signal
import struct
import sys
import termios
import time
import xml.etree.ElementTree as ET

from rig import DEADLINE, NAME, ROOT, Bus, BusError, Hypervisor, contains, expect, run, variants

bus = Bus()
hypervisor = Hypervisor(bus, sys.argv[1])
REAL = hypervisor.name == "qemu"
DEFINITIONS = f"{ROOT}/{hypervisor.name}/state/{hypervisor.name}/domains"
STATUSES = f"{ROOT}/{hypervisor.name}/run/{hypervisor.name}/domains"
SEED = int(os.environ.get("VIRTBUS_SEED", "1"))
SECONDS = float(os.environ.get("VIRTBUS_SECONDS", "8"))
UUIDS = [f"0000000{i}-1111-4222-8333-444444444444" for i in range(3)]
NAMES = [f"together-{i}" for i in range(3)]


def path_of(uuid):
    return f"{hypervisor.path}/domain/{uuid.replace('-', '_')}"


def document(number, more="", uuid=None):
    return hypervisor.document(NAMES[number], uuid=uuid or UUIDS[number], more=more, memory=32)


def answered(*calls):
    """Waits for the answers of calls that were begun; returns them."""
    bus.wait(lambda: all(calls), "the answers")
    return [call[0] for call in calls]


def begin(path, interface, member, signature="", *arguments):
    return bus.begin(path, f"{NAME}.{interface}", member, signature, *arguments)


def begin_define(number, more=""):
    return begin(hypervisor.path, "Connection", "DefineDomain", "sa{sv}", document(number, more), {})


def on_disk(uuid):
    try:
        return open(f"{DEFINITIONS}/{uuid}.xml", encoding="utf-8").read()
    except FileNotFoundError:
        return None


def exists(uuid):
    return path_of(uuid) in bus.objects(hypervisor.path)


def leave(number):
    """Nothing of it stays."""
    path = path_of(UUIDS[number])
    for member in ("Destroy", "Undefine"):
        try:
            hypervisor.do(path, member, **({"managed_save": True, "nvram": True} if member == "Undefine" else {}))
        except BusError:
            pass
    bus.wait(lambda: not exists(UUIDS[number]) or bus.settle(), f"the end of {NAMES[number]}")


def a_transient_domain_that_ends_while_it_is_defined_has_that_definition():
    driver = bus.driver(hypervisor.driver_name)
    for _ in range(8):
        path = hypervisor.create(document(0))
        destroyed = begin(path, "Domain", "Destroy", "a{sv}", {})
        defined = begin_define(0, "<description>kept</description>")
        destroyed, defined = answered(destroyed, defined)
        assert not isinstance(destroyed, BusError) and not isinstance(defined, BusError), (destroyed, defined)
        assert bus.get(path, "Domain", "Persistent") and hypervisor.state(path) == "shutoff"
        contains(on_disk(UUIDS[0]), "kept")
        leave(0)
        assert on_disk(UUIDS[0]) is None
    assert bus.driver(hypervisor.driver_name) == driver


def calls_about_one_domain_are_done_one_after_the_other():
    calls = []
    for i in range(5):
        calls += [begin_define(1, f"<description>number {i}</description>"), begin(path_of(UUIDS[1]), "Domain", "Undefine", "a{sv}", {})]
    calls.append(begin_define(1, "<description>the last</description>"))
    for answer in answered(*calls):
        assert not isinstance(answer, BusError) or answer.name.endswith((".NoSuchDomain", ".UnknownObject")), answer
    text = on_disk(UUIDS[1])
    assert exists(UUIDS[1]) == bool(text)
    if text:
        contains(text, f"<description>{bus.get(path_of(UUIDS[1]), 'Domain', 'Description')}</description>")
    leave(1)


def two_definitions_of_one_name_are_one_domain():
    calls = [begin(hypervisor.path, "Connection", "DefineDomain", "sa{sv}", document(0, uuid=uuid), {}) for uuid in UUIDS]
    answers = answered(*calls)
    assert len([1 for answer in answers if isinstance(answer, BusError) and answer.name.endswith(".AlreadyExists")]) == 2, answers
    for number, answer in enumerate(answers):
        assert (on_disk(UUIDS[number]) is not None) == (not isinstance(answer, BusError)), answers
        leave(number)


def what_is_defined_while_a_device_is_attached_is_not_undone():
    path = hypervisor.define(document(0))
    hypervisor.do(path, "Start", paused=True)

    def meanwhile(source, *call):
        """Attaches a device, which is not there before the other call is answered; returns both answers."""
        rng = f"<rng model='virtio'><backend model='random'>/dev/{source}</backend></rng>"
        if REAL:
            qemu = hypervisor.pid_of(path)
            os.kill(qemu, signal.SIGSTOP)
        else:
            bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "attach", 4000000)
        attached = begin(path, "Domain", "AttachDevice", "sa{sv}", rng, variants({"live": True, "config": True}))
        try:
            answer, = answered(begin(*call))
            assert not attached, attached
        finally:
            if REAL:
                os.kill(qemu, signal.SIGCONT)
        return [*answered(attached), answer]
    for answer in meanwhile("urandom", hypervisor.path, "Connection", "DefineDomain", "sa{sv}", document(0, "<description>AFTER</description>"), {}):
        assert not isinstance(answer, BusError), answer
    contains(on_disk(UUIDS[0]), "AFTER", "<rng")
    attached, undefined = meanwhile("random", path, "Domain", "Undefine", "a{sv}", {})
    assert not isinstance(undefined, BusError), undefined
    contains(attached.message, "its definition has not")
    assert on_disk(UUIDS[0]) is None and not bus.get(path, "Domain", "Persistent")
    if not REAL:
        bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "attach", 0)
    hypervisor.do(path, "Destroy")
    leave(0)


def saved_file(number):
    return f"{ROOT}/together-{number}.save"


def a_domain_is_restored_and_defined_at_once():
    driver = bus.driver(hypervisor.driver_name)
    for number in range(3):
        path = hypervisor.create(document(number))
        job = bus.call(path, f"{NAME}.Domain", "Save", "sa{sv}", saved_file(number), {})
        assert bus.wait_signal(job, "Completed")[0]
        bus.wait(lambda: not exists(UUIDS[number]) or bus.settle(), "its end")
    for _ in range(4):
        calls = [begin(hypervisor.path, "Connection", "RestoreDomain", "sa{sv}", saved_file(0), {}), begin_define(0),
                 begin(hypervisor.path, "Connection", "RestoreDomain", "sa{sv}", saved_file(0), {}), begin_define(0)]
        answers = answered(*calls)
        assert len([1 for answer in answers if not isinstance(answer, BusError)]) >= 3, answers
        assert bus.get(path_of(UUIDS[0]), "Domain", "Persistent")
        leave(0)
    assert bus.driver(hypervisor.driver_name) == driver


def a_driver_that_is_told_to_end_starts_nothing_and_tells_who_waits():
    reader, writer = os.pipe()
    with open(saved_file(0), "rb") as file:
        header = file.read(64)
    os.write(writer, header[:16])  # the rest is held back
    answers = bus.begin_with_fd(hypervisor.path, f"{NAME}.Connection", "RestoreDomainFromFD", reader)
    # Each question is an event; when the driver has read what there is, the call is at work.
    while struct.unpack("i", fcntl.ioctl(writer, termios.FIONREAD, bytes(4)))[0]:
        assert not exists(UUIDS[0])
    driver = os.pidfd_open(bus.driver(hypervisor.driver_name))
    signal.pidfd_send_signal(driver, signal.SIGTERM)
    os.write(writer, header[16:])
    error, = answered(answers)
    assert isinstance(error, BusError) and error.name.endswith(".Cancelled"), error
    os.close(writer)
    assert select.select([driver], [], [], DEADLINE)[0], "the driver has not ended"
    os.close(driver)
    assert not exists(UUIDS[0]) and not processes_of(UUIDS[0])
    log = open(f"{ROOT}/log", errors="replace").read()
    expect("NoSuchDomain", bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByID", "u", 0)  # by a driver that is there again
    assert "** ERROR **" not in log and "received signal" not in log, log[-2000:]


# What a client may be told by a call that came too late, or too early.
TRUE_ERRORS = ("AlreadyExists", "NoSuchDomain", "OperationInvalid", "ResourceBusy", "Cancelled", "UnknownObject", "InvalidArgument", "NoSuchDevice")


def some_call(chance):
    number = chance.randrange(3)
    path = path_of(UUIDS[number])
    device = f"<rng model='virtio'><backend model='random'>/dev/{chance.choice(['u', ''])}random</backend></rng>"
    uuid = chance.choice(UUIDS) if chance.random() < 0.1 else None
    return chance.choice([
        (hypervisor.path, "Connection", "DefineDomain", "sa{sv}", document(number, f"<description>{chance.random()}</description>", uuid), {}),
        (hypervisor.path, "Connection", "DefineDomain", "sa{sv}", document(number), {}),
        (hypervisor.path, "Connection", "CreateDomain", "sa{sv}", document(number, "", uuid), {}),
        (hypervisor.path, "Connection", "RestoreDomain", "sa{sv}", saved_file(number), {}),
        (path, "Domain", "Start", "a{sv}", {}), (path, "Domain", "Start", "a{sv}", variants({"force_boot": True})),
        (path, "Domain", "Destroy", "a{sv}", {}), (path, "Domain", "Destroy", "a{sv}", {}),
        (path, "Domain", "Undefine", "a{sv}", variants({"managed_save": True})),
        (path, "Domain", "Undefine", "a{sv}", variants({"managed_save": True})),
        (path, "Domain", "ManagedSave", "a{sv}", {}), (path, "Domain", "RemoveManagedSave"),
        (path, "Domain", "AttachDevice", "sa{sv}", device, variants({"live": True, "config": True})),
        (path, "Domain", "AttachDevice", "sa{sv}", device, {}),
        (f"{path}/device/rng0", "Device", "Detach", "a{sv}", variants({"config": True})),
        (path, "Domain", "Suspend"), (path, "Domain", "Resume")])


def processes_of(uuid):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open(f"/proc/{pid}/cmdline", "rb").read()
        except OSError:
            continue
        if uuid.encode() in line and b"qemu-system" in line:
            found.append(pid)
    return found


def what_many_clients_leave_is_what_is_on_disk():
    print(f"# seed {SEED}")
    chance = random.Random(SEED)
    clients = [Bus(listen=False) for _ in range(6)]
    driver, waiting, errors, n = bus.driver(hypervisor.driver_name), [], {}, 0
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        client = chance.choice(clients)
        path, interface, member, *arguments = some_call(chance)
        waiting.append((member, client.begin(path, f"{NAME}.{interface}", member, *(arguments or [""]))))
        n += 1
        bus.wait(lambda: len([1 for _, answer in waiting if not answer]) < 24, "answers")
        for called, answer in [(m, a[0]) for m, a in waiting if a]:
            if isinstance(answer, BusError):
                kind = answer.name.rsplit(".", 1)[1]
                errors[kind] = errors.get(kind, 0) + 1
                assert kind in TRUE_ERRORS or "QEMU refuses" in answer.message or "cut off" in answer.message, (called, answer)
        waiting = [(m, a) for m, a in waiting if not a]
    bus.wait(lambda: all(answer for _, answer in waiting), "the last answers")
    print(f"# {n} calls, errors {errors}")
    assert bus.driver(hypervisor.driver_name) == driver, "the driver has died"
    # Jobs that are under way end by themselves.
    bus.wait(lambda: not [p for p in bus.objects("/org/virtbus1") if "/job/" in p], "the end of all jobs")
    objects = bus.objects(hypervisor.path)
    for number, uuid in enumerate(UUIDS):
        domain = objects.get(path_of(uuid), {}).get(f"{NAME}.Domain")
        text = on_disk(uuid)
        assert bool(domain and domain["Persistent"]) == bool(text), (uuid, domain, text)
        if text:
            told = bus.call(path_of(uuid), f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True}))
            assert ET.canonicalize(re.sub(r"<\?.*?\?>", "", text), strip_text=True) == ET.canonicalize(re.sub(r"<\?.*?\?>", "", told), strip_text=True)
        active = bool(domain and domain["State"] != "shutoff")
        assert os.path.exists(f"{STATUSES}/{uuid}.xml") == active, (uuid, domain)
        assert len(processes_of(uuid)) == (1 if REAL and active else 0), (uuid, domain, processes_of(uuid))
        leave(number)
    names = [properties[f"{NAME}.Domain"]["Name"] for properties in bus.objects(hypervisor.path).values() if f"{NAME}.Domain" in properties]
    assert not [name for name in names if name in NAMES], names
    assert not [file for file in os.listdir(DEFINITIONS) + os.listdir(STATUSES) if any(uuid in file for uuid in UUIDS)]
    assert not [uuid for uuid in UUIDS if processes_of(uuid)]


hypervisor.do(hypervisor.define(hypervisor.document("first")), "Undefine")
run([a_transient_domain_that_ends_while_it_is_defined_has_that_definition, calls_about_one_domain_are_done_one_after_the_other,
     two_definitions_of_one_name_are_one_domain, what_is_defined_while_a_device_is_attached_is_not_undone,
     a_domain_is_restored_and_defined_at_once, a_driver_that_is_told_to_end_starts_nothing_and_tells_who_waits,
     what_many_clients_leave_is_what_is_on_disk])
