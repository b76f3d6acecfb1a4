#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Emulated TPMs: swtpm beside a real QEMU, from the making of its keys to its end, whoever ends."""

import os
import shutil
import signal
import sys

from processes import all_processes, status_of, wait_for_end
from rig import NAME, ROOT, Bus, BusError, Ends, Hypervisor, contains, expect, run, variants

if os.geteuid() != 0:
    print("1..0 # SKIP needs root: a user for each emulator")
    sys.exit(0)
for program in ("swtpm", "swtpm_setup"):
    if not shutil.which(program):
        print(f"1..0 # SKIP {program} is not installed")
        sys.exit(0)

UUID = "7b2f5c3e-5d0f-4d5a-9d3f-0b9f5d3c1a77"
FOLDER = f"{ROOT}/qemu/state/qemu/tpm/{UUID}"
STATE = f"{FOLDER}/tpm2-00.permall"

bus = Bus()
qemu = Hypervisor(bus, "qemu")
ends = Ends(bus, "QEMU")


def equal(one, other):
    assert one == other, (one, other)


def document(backend="<backend type='emulator' version='2.0'/>", name="sealed", **options):
    return qemu.document(name, f"<tpm model='tpm-crb'>{backend}</tpm>", uuid=UUID, **options)


def emulators():
    """The processes of swtpm that this test's folders are of."""
    return [pid for pid, words in all_processes().items() if words[0].endswith("/swtpm") and any(FOLDER in word for word in words)]


def emulator():
    found = emulators()
    assert len(found) == 1, found
    return found[0]


def off(domain):
    tpm = emulators()
    qemu.do(domain, "Destroy")
    for pid in tpm:
        wait_for_end(pid)


def undefine(domain):
    qemu.do(domain, "Undefine", tpm=True)


def it_begins_and_ends_with_its_guest():
    domain = qemu.define(document())
    assert not os.path.exists(FOLDER)
    qemu.do(domain, "Start", paused=True)
    pid, guest = emulator(), qemu.pid_of(domain)
    users = [status_of(p, "Uid")[0] for p in (pid, guest)]
    assert users[0] != users[1] and "0" not in users, users
    for p in (pid, guest):
        equal(status_of(p, "NoNewPrivs"), ["1"])
        equal(set(status_of(p, "CapEff")), {"0" * 16})
    information = os.stat(FOLDER)
    equal((information.st_mode & 0o777, information.st_uid), (0o700, int(users[0])))
    contains(open(f"/proc/{guest}/cmdline", encoding="utf-8").read(), "chrtpm", "tpm-crb")
    kept = open(STATE, "rb").read()
    assert len(kept) > 1000, len(kept)
    off(domain)
    # Nobody else's: its user is another guest's later.
    equal({os.stat(os.path.join(folder, name)).st_uid for folder, folders, files in os.walk(FOLDER) for name in files + folders + ["."]}, {0})
    qemu.do(domain, "Start", paused=True)
    equal(os.path.exists(f"{FOLDER}/unfinished"), False)
    off(domain)
    undefine(domain)


def its_keys_go_only_when_that_is_said():
    domain = qemu.define(document())
    qemu.do(domain, "Start", paused=True)
    contains(expect("OperationInvalid", qemu.do, domain, "Undefine"), "sealed", "TPM", "option tpm")
    off(domain)
    contains(expect("OperationInvalid", qemu.do, domain, "Undefine"), "option tpm")
    assert os.path.exists(STATE)
    undefine(domain)
    assert not os.path.exists(FOLDER)
    # Of one that runs they go when it ends.
    domain = qemu.define(document())
    qemu.do(domain, "Start", paused=True)
    undefine(domain)
    assert os.path.exists(STATE)
    off(domain)
    assert not os.path.exists(FOLDER)


def a_transient_domains_goes_with_its_run_but_where_its_document_keeps_it():
    for keeps in (False, True):
        kept = " persistent_state='yes'" if keeps else ""
        domain = bus.call(qemu.path, f"{NAME}.Connection", "CreateDomain", "sa{sv}", document(f"<backend type='emulator' version='2.0'{kept}/>"), variants({"paused": True}))
        off(domain)
        bus.wait(lambda: domain not in bus.objects(qemu.path), "the end of the domain")
        equal(os.path.exists(STATE), keeps)
    shutil.rmtree(FOLDER)


def it_outlives_the_driver():
    domain = qemu.define(document())
    qemu.do(domain, "Start", paused=True)
    pid = emulator()
    qemu.kill_driver()
    equal(bus.get(domain, "Domain", "State"), "paused")
    equal(emulator(), pid)
    off(domain)
    equal(os.stat(FOLDER).st_uid, 0)
    undefine(domain)


def a_guest_whose_emulator_has_ended_is_not_reset():
    domain = qemu.define(document())
    qemu.do(domain, "Start")
    pid = emulator()
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)
    equal(bus.get(domain, "Domain", "State"), "running")
    contains(expect("OperationInvalid", bus.call, domain, f"{NAME}.Domain", "Reset"), "sealed", "TPM", "start it again")
    off(domain)
    undefine(domain)


def it_is_saved_and_restored_with_its_guest():
    domain = qemu.define(document())
    qemu.do(domain, "Start", paused=True)
    first = emulator()
    qemu.do(domain, "ManagedSave")
    wait_for_end(first)
    bus.wait(lambda: qemu.state(domain) == "shutoff", "the save")
    qemu.do(domain, "Start", paused=True)
    assert emulator() != first
    off(domain)
    undefine(domain)


def what_is_restored_where_there_was_no_tpm_is_not_made_anew():
    domain = qemu.define(document())
    qemu.do(domain, "Start", paused=True)
    bus.call(domain, f"{NAME}.Domain", "Save", "sa{sv}", f"{ROOT}/sealed.save", {})
    bus.wait(lambda: qemu.state(domain) == "shutoff", "the save")
    undefine(domain)
    assert not os.path.exists(FOLDER)
    bus.call(qemu.path, f"{NAME}.Connection", "RestoreDomain", "sa{sv}", f"{ROOT}/sealed.save", variants({"paused": True}))
    bus.wait(lambda: emulators(), "its emulator")
    bus.wait(lambda: domain in bus.objects(qemu.path) and qemu.state(domain) == "paused", "the restore")
    domain = qemu.define(document())  # it stays then
    off(domain)
    assert os.path.exists(STATE)
    qemu.do(domain, "Start", paused=True)
    assert "manufacturing" not in open(f"{ROOT}/qemu/log/qemu/{UUID}.log", encoding="utf-8").read()
    off(domain)
    undefine(domain)


def what_its_document_says_is_done():
    domain = qemu.define(document("<backend type='emulator' version='2.0' debug='1'><active_pcr_banks><sha384/><sha512/></active_pcr_banks></backend>"))
    qemu.do(domain, "Start", paused=True)
    contains(open(f"/proc/{emulator()}/cmdline", encoding="utf-8").read(), "level=1", "--tpm2")
    contains(open(f"{ROOT}/qemu/log/qemu/{UUID}.log", encoding="utf-8").read(), "sha384,sha512")
    off(domain)
    undefine(domain)
    domain = qemu.define(document("<backend type='emulator' version='1.2'/>").replace("tpm-crb", "tpm-tis"))
    qemu.do(domain, "Start", paused=True)
    assert os.path.exists(f"{FOLDER}/tpm-00.permall")
    off(domain)
    undefine(domain)


def a_secret_encrypts_what_it_keeps():
    secrets = "/org/virtbus1/host"
    uuid = "0b8a4c55-0f0d-4a5e-bd8a-5e2e6d0d0c11"
    text = f"<secret ephemeral='no' private='yes'><uuid>{uuid}</uuid><usage type='vtpm'><name>sealed</name></usage></secret>"
    secret = bus.call(secrets, f"{NAME}.Secrets", "DefineSecret", "sa{sv}", text, {})
    bus.call(secret, f"{NAME}.Secret", "SetValue", "aya{sv}", list(b"correct horse"), {})
    domain = qemu.define(document(f"<backend type='emulator' version='2.0'><encryption secret='{uuid}'/></backend>"))
    qemu.do(domain, "Start", paused=True)
    assert b"correct horse" not in open(f"/proc/{emulator()}/cmdline", "rb").read()
    off(domain)
    qemu.do(domain, "Start", paused=True)
    off(domain)
    # Another value does not open it, and says so.
    bus.call(secret, f"{NAME}.Secret", "SetValue", "aya{sv}", list(b"wrong"), {})
    contains(expect("HypervisorFailed", qemu.do, domain, "Start", paused=True), "sealed")
    equal(emulators(), [])
    bus.call(secret, f"{NAME}.Secret", "Undefine", "a{sv}", {})
    contains(expect("NoSuchSecret", qemu.do, domain, "Start", paused=True), uuid, "virtbusctl secret define")
    equal(emulators(), [])
    undefine(domain)


def what_somebody_has_put_there_is_not_followed():
    """Who has taken an emulator over may write to its folder: what leads out of it is not given away."""
    domain = qemu.define(document())
    qemu.do(domain, "Start", paused=True)
    off(domain)
    outside = f"{ROOT}/outside"
    open(outside, "w", encoding="utf-8").close()
    os.chmod(outside, 0o600)
    os.symlink(outside, f"{FOLDER}/link")
    os.link(outside, f"{FOLDER}/second")
    os.mkfifo(f"{FOLDER}/pipe")
    qemu.do(domain, "Start", paused=True)
    equal(os.stat(outside).st_uid, 0)
    equal([name for name in ("link", "second", "pipe") if os.path.lexists(f"{FOLDER}/{name}")], [])
    off(domain)
    for place in range(20):  # no folder of which has many names
        os.mkdir(f"{FOLDER}/{place}")
        for name in range(20):
            open(f"{FOLDER}/{place}/{name}", "w", encoding="utf-8").close()
    contains(expect("HypervisorFailed", qemu.do, domain, "Start", paused=True), FOLDER, "cannot be given")
    for place in range(20):
        shutil.rmtree(f"{FOLDER}/{place}")
    qemu.do(domain, "Start", paused=True)
    off(domain)
    undefine(domain)


def hold_the_making():
    """Stops the emulator by which the keys of a new TPM are made, so that they are not ready before the test goes on."""
    def held():
        found = emulators()
        for pid in found:
            os.kill(pid, signal.SIGSTOP)
        return found
    bus.wait(held, "the making of the TPM")
    return emulators()


def a_start_that_is_given_up_leaves_nobody():
    """While a new TPM is made: Destroy, and a driver that is told to end, or is killed."""
    place = f"{ROOT}/serial-of-sealed"
    serial = f"<serial type='unix'><source mode='bind' path='{place}'/></serial>"
    domain = qemu.define(document().replace("<tpm ", f"{serial}<tpm "))
    answers = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {})
    hold_the_making()
    qemu.do(domain, "Destroy")
    bus.wait(lambda: answers, "the answer")
    assert isinstance(answers[0], BusError) and answers[0].name.endswith(".Cancelled"), answers
    equal(emulators(), [])
    assert not os.path.lexists(place)
    for number in (signal.SIGTERM, signal.SIGKILL):
        answers = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {})
        making, pid = hold_the_making(), bus.driver("QEMU")
        qemu.kill_driver(number=number)
        if number == signal.SIGTERM:
            ends.well(pid)
            bus.wait(lambda: answers, "the answer")
            assert isinstance(answers[0], BusError) and answers[0].name.endswith(".Cancelled"), answers
            assert not os.path.lexists(place)
        for pid in making:
            wait_for_end(pid)
        equal(qemu.state(domain), "shutoff")
    qemu.do(domain, "Start", paused=True)  # it is made anew
    off(domain)
    undefine(domain)


run([it_begins_and_ends_with_its_guest, its_keys_go_only_when_that_is_said, a_transient_domains_goes_with_its_run_but_where_its_document_keeps_it, it_outlives_the_driver, a_guest_whose_emulator_has_ended_is_not_reset, it_is_saved_and_restored_with_its_guest, what_is_restored_where_there_was_no_tpm_is_not_made_anew, what_its_document_says_is_done, a_secret_encrypts_what_it_keeps, what_somebody_has_put_there_is_not_followed, a_start_that_is_given_up_leaves_nobody])
