#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Saving and restoring: one suite, run against the test driver and against a real guest.

Usage (below tests/with-bus): test-save.py test|qemu [GUEST], the folder that tests/guest/build-guest has filled.
"""

import glob
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET

from gi.repository import Gio, GLib

from rig import DEADLINE, NAME, ROOT, Bus, BusError, Hypervisor, User, contains, expect, kernel, run, variants

bus = Bus()
hypervisor = Hypervisor(bus, sys.argv[1])
REAL = hypervisor.name == "qemu"
WORK = os.path.join(ROOT, "saves")
os.makedirs(WORK, exist_ok=True)
state = {}
KERNEL = kernel(sys.argv[2]) if REAL else ""
WAKES = REAL and " version 7." in subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout  # whom it saves


def do(member, signature="", *arguments, fds=None):
    if fds is None:
        return bus.call(state["domain"], f"{NAME}.Domain", member, signature, *arguments)
    return bus.call(state["domain"], f"{NAME}.Domain", member, signature, *arguments, fds=fds)


def get(name):
    return bus.get(state["domain"], "Domain", name)


def wait_job(job):
    """Returns how it ended: (success, error name, message)."""
    bus.wait(lambda: [a for p, _, m, a in bus.signals if p == job and m == "Completed"], f"the end of {job}")
    return [a for p, _, m, a in bus.signals if p == job and m == "Completed"][0]


def succeeds(job):
    success, name, message = wait_job(job)
    assert success, (name, message)


def fails(job, name, *parts):
    success, error, message = wait_job(job)
    assert not success and error == f"{NAME}.Error.{name}", (error, message)
    contains(message, *parts)


def wait_agent():
    hypervisor.wait_agent(state["domain"])


def ask_guest(command):
    return hypervisor.in_guest(state["domain"], command).strip()


def remember(word):
    if REAL:
        ask_guest(f"echo {word} > /tmp/word")


def check_remembers(word):
    """It is the same guest: it has not booted since."""
    if REAL:
        wait_agent()
        assert ask_guest("cat /tmp/word") == word


def save(path, **options):
    return do("Save", "sa{sv}", path, variants(options))


def restore(path, **options):
    return bus.call(hypervisor.path, f"{NAME}.Connection", "RestoreDomain", "sa{sv}", path, variants(options))


def files():
    return sorted(os.listdir(WORK)) + sorted(glob.glob(f"{ROOT}/{hypervisor.name}/state/{hypervisor.name}/save/*"))


def fresh():
    bus.settle()
    bus.signals.clear()


def a_guest_runs():
    agent = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    domain = state["domain"] = hypervisor.define(hypervisor.document("kept", memory=256, kernel=KERNEL, devices=f"<serial type='pty'/>{agent}<interface type='user'/>"))
    contains(expect("OperationInvalid", save, f"{WORK}/no"), "shutoff")
    contains(expect("OperationInvalid", do, "RemoveManagedSave"), "no managed save")
    hypervisor.do(domain, "Start")
    wait_agent()


def it_is_saved_to_a_file_and_restored():
    remember("first")
    fresh()
    job = save(f"{WORK}/one")
    properties = {}

    def look():
        try:
            properties.update(bus.get_all(job, "Job"))
        except Exception:
            pass
    look()
    succeeds(job)
    bus.wait_state(state["domain"], "shutoff")
    assert get("StateReason") == "saved"
    assert not properties or (properties["Operation"] == "save" and properties["Cancellable"]), properties
    assert files() == ["one"] and oct(os.stat(f"{WORK}/one").st_mode & 0o777) == "0o600"
    contains(open(f"{WORK}/one", "rb").read(3000), b"virtbus-save 1 ", b"<name>kept</name>")
    states = [a[1] for p, _, m, a in bus.signals if m == "StateChanged" and p == state["domain"]]
    assert states == ["paused", "stopping", "shutoff"], states
    fresh()
    domain, job = restore(f"{WORK}/one")
    assert domain == state["domain"]
    succeeds(job)
    assert get("State") == "running" and get("StateReason") == "restored"
    check_remembers("first")
    contains(expect("OperationInvalid", restore, f"{WORK}/one"), "running")
    assert files() == ["one"]


def what_was_plugged_into_it_is_in_it_again():
    """A QEMU makes the queues of a disk of the processors that it starts with: it starts with the same ones, and gets the others."""
    image = os.path.join(ROOT, "plugged.img")
    with open(image, "wb") as file:
        file.truncate(1 << 20)
    os.chmod(image, 0o666)
    disk = f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/><target dev='vda' bus='virtio'/></disk>"
    memory = "<maxMemory slots='2' unit='MiB'>256</maxMemory><cpu><numa><cell cpus='0-3' memory='64' unit='MiB'/></numa></cpu>" if REAL else ""
    domain = hypervisor.define(hypervisor.document("plugged", disk + "<controller type='scsi' model='virtio-scsi'/>" if REAL else "", f"<vcpu current='2'>4</vcpu>{memory}"))

    def call(member, signature="", *arguments):
        return bus.call(domain, f"{NAME}.Domain", member, signature, *arguments)

    def what_it_has():
        document = ET.fromstring(call("GetXML", "a{sv}", {}))
        return ([sorted(one.attrib.items()) for one in document.findall("vcpus/vcpu")],
                sorted((device.tag, device.find("alias").get("name")) for device in document.find("devices") if device.find("alias") is not None))
    hypervisor.do(domain, "Start", paused=True)
    call("SetVCPUs", "ua{sv}", 3, {})
    if REAL:
        for device in ("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
                       "<memory model='dimm'><target><size unit='MiB'>64</size><node>0</node></target></memory>"):
            call("AttachDevice", "sa{sv}", device, {})
    before = what_it_has()
    assert [dict(one) for one in before[0]] == [
        {"id": "0", "enabled": "yes", "hotpluggable": "no", "order": "1"}, {"id": "1", "enabled": "yes", "hotpluggable": "no", "order": "2"},
        {"id": "2", "enabled": "yes", "hotpluggable": "yes", "order": "3"}, {"id": "3", "enabled": "no", "hotpluggable": "yes"}], before
    succeeds(call("Save", "sa{sv}", f"{WORK}/plugged", {}))
    _domain, job = restore(f"{WORK}/plugged")
    succeeds(job)
    assert bus.get(domain, "Domain", "VCPUs") == 3 and what_it_has() == before, what_it_has()
    call("SetVCPUs", "ua{sv}", 4, {})
    succeeds(call("ManagedSave", "a{sv}", {}))
    hypervisor.do(domain, "Start", paused=True)
    assert bus.get(domain, "Domain", "StateReason") in ("restored", "user") and bus.get(domain, "Domain", "VCPUs") == 4
    document = call("GetXML", "a{sv}", {})
    hypervisor.do(domain, "Destroy")
    hypervisor.define(document)  # what it was is a document that can be started
    hypervisor.do(domain, "Start", paused=True)
    assert bus.get(domain, "Domain", "VCPUs") == 4
    hypervisor.do(domain, "Destroy")
    call("Undefine", "a{sv}", {})
    os.unlink(f"{WORK}/plugged")


def it_stays_paused_if_it_was_or_if_it_is_asked_to():
    hypervisor.do(state["domain"], "Suspend")
    succeeds(save(f"{WORK}/paused"))
    _domain, job = restore(f"{WORK}/paused")
    succeeds(job)
    assert get("State") == "paused"
    hypervisor.do(state["domain"], "Resume")
    succeeds(save(f"{WORK}/paused"))
    _domain, job = restore(f"{WORK}/paused", paused=True)
    succeeds(job)
    assert get("State") == "paused"
    for saved, restored in (({"running": True}, {}), ({}, {"running": True})):
        if get("State") == "running":
            hypervisor.do(state["domain"], "Suspend")
        succeeds(save(f"{WORK}/paused", **saved))
        _domain, job = restore(f"{WORK}/paused", **restored)
        succeeds(job)
        assert get("State") == "running"
    expect("InvalidArgument", save, f"{WORK}/paused", running=True, paused=True)
    check_remembers("first")


def its_managed_save_is_where_start_goes_on():
    remember("second")
    fresh()
    succeeds(do("ManagedSave", "a{sv}", variants({"compression": "gzip"})))
    bus.wait_state(state["domain"], "shutoff")
    assert get("HasManagedSave")
    hypervisor.kill_driver()
    assert get("HasManagedSave")
    contains(expect("OperationInvalid", bus.call, state["domain"], f"{NAME}.Domain", "Undefine", "a{sv}", {}), "managed_save")
    fresh()
    hypervisor.do(state["domain"], "Start")
    assert get("State") == "running" and not get("HasManagedSave")
    check_remembers("second")
    bus.settle()
    bus.wait(lambda: files() == ["one", "paused"], "what was read to be taken away")
    succeeds(do("ManagedSave", "a{sv}", {}))
    do("RemoveManagedSave")
    assert not get("HasManagedSave")
    succeeds_start(boots=True)
    # Throwing it away while starting anew.
    succeeds(do("ManagedSave", "a{sv}", {}))
    hypervisor.do(state["domain"], "Start", force_boot=True)
    assert not get("HasManagedSave")
    wait_agent()


def succeeds_start(boots):
    hypervisor.do(state["domain"], "Start")
    wait_agent()
    if REAL:
        assert (ask_guest("cat /tmp/word 2>/dev/null || echo none") == "none") == boots


def a_broken_managed_save_is_told_and_kept():
    succeeds(do("ManagedSave", "a{sv}", {}))
    bus.wait_state(state["domain"], "shutoff")
    path = files()[-1]
    whole = open(path, "rb").read()
    for broken, part in ((whole[:30], "ends too early"), (b"x" * 100, "not a saved state"), (whole[:70], "ends too early")):
        with open(path, "wb") as file:
            file.write(broken)
        contains(expect("InvalidArgument", hypervisor.do, state["domain"], "Start"), part, "force_boot")
        assert get("HasManagedSave") and get("State") == "shutoff"
    if REAL:
        with open(path, "wb") as file:
            file.write(whole[:-len(whole) // 2])
        contains(expect("HypervisorFailed", hypervisor.do, state["domain"], "Start"), "QEMU has ended")
        assert get("HasManagedSave") and get("State") == "shutoff"
    with open(path, "wb") as file:
        file.write(whole)
    hypervisor.do(state["domain"], "Start")
    assert not get("HasManagedSave")


def it_goes_through_pipes_and_compressed():
    remember("third")
    for compression in ("none", "gzip", "xz" if shutil.which("xz") and not REAL else "zstd"):
        if compression != "none" and not shutil.which(compression):
            continue
        reader, writer = os.pipe()
        data = []
        thread = threading.Thread(target=lambda r=reader, d=data: d.append(open(r, "rb").read()))
        thread.start()
        fresh()
        job = do("SaveToFD", "ha{sv}", 0, variants({"compression": compression}), fds=[writer])
        os.close(writer)
        succeeds(job)
        thread.join()
        bus.wait_state(state["domain"], "shutoff")
        reader, writer = os.pipe()
        thread = threading.Thread(target=lambda w=writer, d=data: open(w, "wb").write(d[0]))
        thread.start()
        _reply, _ = bus.connection.call_with_unix_fd_list_sync(NAME, hypervisor.path, f"{NAME}.Connection", "RestoreDomainFromFD", GLib.Variant("(ha{sv})", (0, {})),
                                                               None, 0, DEADLINE * 1000, Gio.UnixFDList.new_from_array([reader]), None)
        succeeds(_reply.unpack()[1])
        thread.join()
        assert get("State") == "running"
        check_remembers("third")
    bus.wait(lambda: files() == ["one", "paused"], "what was read to be taken away")


def an_interrupted_save_leaves_the_guest_running_and_no_file():
    remember("fourth")
    if not REAL:
        bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "save", 10**9)
    # A reader that does not read holds QEMU up in the middle.
    reader, writer = os.pipe()
    fresh()
    job = do("SaveToFD", "ha{sv}", 0, {}, fds=[writer])
    os.close(writer)
    bus.wait(lambda: get("State") == "paused", "the pause")
    bus.call(job, f"{NAME}.Job", "Cancel")
    if REAL:
        threading.Thread(target=lambda: open(reader, "rb").read(), daemon=True).start()
    fails(job, "Cancelled", "cancelled")
    bus.wait_state(state["domain"], "running")
    check_remembers("fourth")
    if not REAL:
        bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "save", 0)
        os.close(reader)
        bus.call(hypervisor.path, f"{NAME}.Test", "FailNext", "sss", "save", "HypervisorFailed", "the disk is on fire")
        fails(save(f"{WORK}/burnt"), "HypervisorFailed", "fire")
    else:
        # A disk that is full.
        small = os.path.join(WORK, "small")
        os.makedirs(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "none", small], check=False, capture_output=True).returncode == 0:
            fails(save(f"{small}/full"), "HypervisorFailed", "saved")
            assert os.listdir(small) == []
            fails(do("Save", "sa{sv}", f"{small}/full", variants({"compression": "gzip"})), "HypervisorFailed", "gzip")
            assert os.listdir(small) == []
            subprocess.run(["umount", "-l", small], check=True)  # who has written there may still be closing its file
        os.rmdir(small)
    bus.wait_state(state["domain"], "running")
    bus.wait(lambda: files() == ["one", "paused"], "all others to be taken away")
    check_remembers("fourth")


def a_killed_driver_leaves_the_guest_running_and_no_file():
    if not REAL:
        bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "save", 10**9)
    fresh()
    if REAL:  # slow enough to be met in the middle
        os.kill(hypervisor.pid_of(state["domain"]), signal.SIGSTOP)
    save(f"{WORK}/half")
    bus.wait(lambda: [f for f in os.listdir(WORK) if f.startswith("half.")], "its file")
    if REAL:
        os.kill(bus.driver("QEMU"), signal.SIGSTOP)
        os.kill(hypervisor.pid_of(state["domain"]), signal.SIGCONT)
    hypervisor.kill_driver()
    bus.wait(lambda: get("State") == "running", "the guest")
    bus.wait(lambda: files() == ["one", "paused"], "what is half written to be taken away")
    check_remembers("fourth")


def a_paused_guest_whose_save_is_given_up_at_its_very_end_is_as_it_was():
    """All has been written then, QEMU has let go of the disks, and would not save it again."""
    if not REAL:
        return
    image = f"{WORK}/image"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    disk = f"<disk type='file'><driver type='qcow2'/><source file='{image}'/><target dev='vda' bus='virtio'/></disk>"
    kept, size, domain = state["domain"], {"is": 1 << 20}, hypervisor.define(hypervisor.document("ended", memory=16, devices=disk))
    state["domain"] = domain
    hypervisor.do(domain, "Start", paused=True)

    def begin():
        """It waits for QEMU, which stands still."""
        os.kill(hypervisor.pid_of(domain), signal.SIGSTOP)
        job = save(f"{WORK}/late")
        bus.wait(halves, "its file")
        return job

    def halves():
        return [name for name in os.listdir(WORK) if name.startswith("late.")]

    def check_as_it_was():
        bus.wait(lambda: not halves(), "what is half written to be taken away")
        assert get("State") == "paused"
        size["is"] += 1 << 20
        bus.call(f"{domain}/device/virtio_2ddisk0", f"{NAME}.Device.Disk", "Resize", "ta{sv}", size["is"], {})  # which a driver does that has found the guest
        contains(subprocess.run(["qemu-img", "info", image], capture_output=True, text=True, check=False).stderr, "lock")
    fresh()
    job = begin()
    os.mkdir(f"{WORK}/late")  # which a file does not replace
    os.kill(hypervisor.pid_of(domain), signal.SIGCONT)
    fails(job, "InvalidArgument", "late", "directory")
    assert not [arguments for _, _, member, arguments in bus.signals if member == "StateChanged"], bus.signals
    check_as_it_was()
    os.rmdir(f"{WORK}/late")
    # The driver is killed, and QEMU may have written all, something or nothing.
    begin()
    driver = bus.driver("QEMU")
    os.kill(driver, signal.SIGSTOP)
    os.kill(hypervisor.pid_of(domain), signal.SIGCONT)
    hypervisor.kill_driver()
    check_as_it_was()
    succeeds(save(f"{WORK}/late"))
    bus.wait_state(domain, "shutoff")
    hypervisor.do(domain, "Undefine")
    for name in ("late", "image"):
        os.unlink(f"{WORK}/{name}")
    state["domain"] = kept


def a_guest_that_has_crashed_is_saved_as_often_as_it_is_tried_and_runs_again_when_it_is_reset():
    """It is a boot sector that tells its panic device that it has panicked, and then waits for ever."""
    if not REAL:
        return
    sector = f"{WORK}/panics"
    code = bytes.fromhex("ba0505 b001 ee f4 ebfd")  # mov $0x505, %dx; mov $1, %al; out %al, %dx; hlt; jmp
    with open(sector, "wb") as file:
        file.write(code.ljust(510, b"\0") + b"\x55\xaa")
    disk = f"<disk type='file'><driver type='raw'/><source file='{sector}'/><target dev='hda' bus='ide'/></disk><panic model='isa'/>"
    kept, domain = state.get("domain"), hypervisor.define(hypervisor.document("crashed", memory=16, devices=disk, more="<on_crash>preserve</on_crash>"))
    state["domain"] = domain
    hypervisor.do(domain, "Start")
    bus.wait_state(domain, "crashed")
    fresh()
    for _ in range(2):
        os.kill(hypervisor.pid_of(domain), signal.SIGSTOP)
        job = save(f"{WORK}/dump")
        bus.wait(lambda: [name for name in os.listdir(WORK) if name.startswith("dump.")], "its file")
        os.mkdir(f"{WORK}/dump")  # which a file does not replace, when all has been written
        os.kill(hypervisor.pid_of(domain), signal.SIGCONT)
        fails(job, "InvalidArgument", "dump", "directory")
        os.rmdir(f"{WORK}/dump")
    hypervisor.kill_driver()
    assert get("State") == "crashed"
    assert not [arguments for path, _, member, arguments in bus.signals if path == domain and member == "StateChanged"], bus.signals
    hypervisor.do(domain, "Reset")
    bus.wait_signal(domain, "StateChanged", lambda arguments: arguments[1] == "running")
    bus.wait_signal(domain, "StateChanged", lambda arguments: arguments[:2] == ("running", "crashed"))
    succeeds(save(f"{WORK}/dump"))
    bus.wait_state(domain, "shutoff")
    hypervisor.do(domain, "Undefine")
    for name in ("dump", "panics"):
        os.unlink(f"{WORK}/{name}")
    state["domain"] = kept


def a_sleeping_guest_is_not_left_in_between_when_its_save_is_given_up():
    """It is a boot sector that tells its chipset to sleep, whenever it is begun: woken, the firmware begins it anew. A QEMU before 9.0 wakes it."""
    if not REAL:
        return
    sector = f"{WORK}/sleeps"
    code = bytes.fromhex("ba0406 b80024 ef f4 ebfd")  # mov $0x604, %dx; mov $0x2400, %ax; out %ax, %dx; hlt; jmp
    with open(sector, "wb") as file:
        file.write(code.ljust(510, b"\0") + b"\x55\xaa")
    disk = f"<disk type='file'><driver type='raw'/><source file='{sector}'/><target dev='hda' bus='ide'/></disk>"
    more = "<pm><suspend-to-mem enabled='yes'/></pm>"
    kept, domain = state.get("domain"), hypervisor.define(hypervisor.document("asleep", memory=16, devices=disk, more=more))
    state["domain"] = domain
    hypervisor.do(domain, "Start")
    bus.wait_state(domain, "pmsuspended")
    for _ in range(2):
        fresh()
        os.kill(hypervisor.pid_of(domain), signal.SIGSTOP)
        job = save(f"{WORK}/dump")
        bus.wait(lambda: [name for name in os.listdir(WORK) if name.startswith("dump.")], "its file")
        os.mkdir(f"{WORK}/dump")  # which a file does not replace, when all has been written
        os.kill(hypervisor.pid_of(domain), signal.SIGCONT)
        fails(job, "InvalidArgument", "dump", "directory")
        os.rmdir(f"{WORK}/dump")
        if WAKES:
            bus.wait_signal(domain, "StateChanged", lambda arguments: arguments[:2] == ("running", "pmsuspended"))
        bus.wait_state(domain, "pmsuspended")
    fresh()
    bus.call(domain, f"{NAME}.Domain", "WakeUp")
    bus.wait_signal(domain, "StateChanged", lambda arguments: arguments[:2] == ("pmsuspended", "running"))
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")
    os.unlink(sector)
    state["domain"] = kept


def a_driver_that_starts_removes_half_written_managed_saves_that_no_status_names():
    folder = f"{ROOT}/{hypervisor.name}/state/{hypervisor.name}/save"
    os.makedirs(folder, exist_ok=True)
    uuid = get("UUID")
    half = [f"{uuid}.save.0badcafe", "00000000-0000-4000-8000-000000000001.save.12345678"]  # of a guest that runs, and of no domain
    others = sorted(["notes", f"{uuid}.save.copy", f"{uuid}.save.0badcafe.gz", "mine.save.0badcafe"])
    for name in half + others:
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write("virtbus-save 1 ")
    hypervisor.kill_driver()
    bus.wait(lambda: sorted(os.listdir(folder)) == others, "what is half written to be taken away")
    for name in others:
        os.unlink(os.path.join(folder, name))
    assert get("State") == "running" and not get("HasManagedSave")
    check_remembers("fourth")


def a_pipe_that_nobody_serves_is_given_up():
    if REAL:
        return  # the same code, which takes its time
    fresh()
    reader, writer = os.pipe()
    results = []
    bus.connection.call_with_unix_fd_list(NAME, hypervisor.path, f"{NAME}.Connection", "RestoreDomainFromFD", GLib.Variant("(ha{sv})", (0, {})), None, 0, DEADLINE * 1000,
                                          Gio.UnixFDList.new_from_array([reader]), None, lambda c, r: results.append(r))
    hypervisor.do(state["domain"], "Suspend")  # others are not held up
    hypervisor.do(state["domain"], "Resume")
    bus.wait(lambda: results, "the end of its patience")
    try:
        bus.connection.call_with_unix_fd_list_finish(results[0])
        raise AssertionError("it was answered")
    except GLib.Error as error:
        contains(str(error), "Error.Timeout", "10 seconds")
    os.close(writer)


def bad_input_is_refused():
    fresh()
    contains(expect("InvalidArgument", save, "relative"), "relative")
    contains(expect("InvalidArgument", save, f"{WORK}/x", compression="zip"), "zip", "gzip")
    contains(expect("InvalidArgument", save, f"{WORK}/x", colour=True), "colour")
    fails(save("/no/such/folder/x"), "InvalidArgument", "/no/such/folder/x")
    for path, make in ((f"{WORK}/pipe", os.mkfifo), (f"{WORK}/folder", os.mkdir)):  # as a device would be replaced by a file
        make(path)
        fails(save(path), "InvalidArgument", "not a file")
        assert stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFIFO, stat.S_IFDIR)
    os.unlink(f"{WORK}/pipe")
    os.rmdir(f"{WORK}/folder")
    null = os.open("/dev/null", os.O_RDONLY)
    contains(expect("InvalidArgument", do, "SaveToFD", "ha{sv}", 0, {}, fds=[null]), "not open for writing")
    os.close(null)
    assert get("State") == "running"
    for path, part in ((f"{WORK}/none", "none"), ("relative", "relative"), ("/etc/passwd", "not a saved state"), ("/dev", "not a file"), ("/dev/null", "not a file")):
        contains(expect("InvalidArgument", restore, path), part)
    hypervisor.do(state["domain"], "Destroy")
    other = ET.fromstring(do("GetXML", "a{sv}", {}))
    other.find("uuid").text = "00000000-0000-0000-0000-00000000000a"
    contains(expect("InvalidArgument", restore, f"{WORK}/one", xml=ET.tostring(other, encoding="unicode")), "UUID")
    contains(expect("InvalidXML", restore, f"{WORK}/one", xml="<domain"), "domain")
    # Without its definition it comes back as a transient domain.
    hypervisor.do(state["domain"], "Undefine")
    domain, job = restore(f"{WORK}/one")
    succeeds(job)
    assert not bus.get(domain, "Domain", "Persistent") and bus.get(domain, "Domain", "State") == "running"
    contains(expect("OperationInvalid", do, "ManagedSave", "a{sv}", {}), "transient")
    check_remembers("first")
    hypervisor.do(domain, "Destroy")


def a_restore_that_has_not_begun_ends_with_the_service_that_was_asked():
    before = sorted(path for path, parts in bus.objects(hypervisor.path).items() if f"{NAME}.Domain" in parts)
    reader, writer = os.pipe()
    answer = bus.begin_with_fd(hypervisor.path, f"{NAME}.Connection", "RestoreDomainFromFD", reader)
    expect("NoSuchDomain", bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByID", "u", 0)  # the driver waits for what is saved
    bus.kill_owner(NAME)
    expect("NoSuchDomain", bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByID", "u", 0)  # from the driver, by the next service
    with open(f"{WORK}/one", "rb") as saved:
        try:
            while True:  # until nobody has the other end any more
                os.write(writer, saved.read(1 << 16) or b"0")
        except BrokenPipeError:
            pass
    os.close(writer)
    bus.wait(lambda: answer, "the end of the call")
    assert isinstance(answer[0], Exception), answer
    after = bus.objects(hypervisor.path)
    assert sorted(path for path, parts in after.items() if f"{NAME}.Domain" in parts) == before, after


def damaged(whole, header):
    """A saved state with something wrong in its header, in its document and in what the hypervisor has written: a byte, or all from there on."""
    chance = random.Random(1)
    places = [*range(header), *chance.sample(range(header, whole.index(b"</domain>")), 6 if REAL else 40),
              *chance.sample(range(whole.index(b"</domain>") + 9, min(len(whole), 100000)), 6 if REAL else 2)]
    for place in places:
        yield whole[:place] + bytes([whole[place] ^ chance.choice((1, 2, 16, 128, whole[place]))]) + whole[place + 1:]
    for place in (0, 1, header - 1, header, header + 1, header + 100, *chance.sample(range(len(whole)), 3)):
        yield whole[:place]
    for size in (b"0", b"1", b"-1", b"99999999", b"1048577", b"18446744073709551615", b"340282366920938463463374607431768211456"):
        words = whole[:header].split()
        words[2] = size
        yield b" ".join(words).ljust(header) + whole[header:]


def a_saved_state_that_is_damaged_anywhere_is_restored_or_refused_and_harms_nobody_else():
    domain = hypervisor.define(hypervisor.document("damaged", memory=16))
    hypervisor.do(domain, "Start", paused=True)
    succeeds(bus.call(domain, f"{NAME}.Domain", "Save", "sa{sv}", f"{WORK}/damaged", {}))
    driver = bus.driver(hypervisor.driver_name)
    with open(f"{WORK}/damaged", "rb") as file:
        whole = file.read()
    n_restored = 0
    for data in damaged(whole, 64):
        with open(f"{WORK}/damaged", "wb") as file:
            file.write(data)
        try:
            restored, job = restore(f"{WORK}/damaged")
            n_restored += wait_job(job)[0]
        except BusError as error:
            assert error.name in [f"{NAME}.Error.{name}" for name in ("InvalidArgument", "InvalidXML", "Unsupported", "LimitExceeded", "HypervisorFailed", "AlreadyExists")], (error, data[:80])
            restored = domain
        try:
            hypervisor.do(restored, "Destroy")  # it may be another one by its document
        except BusError as error:
            assert error.name.endswith(("OperationInvalid", "UnknownObject")), error
        assert bus.driver(hypervisor.driver_name) == driver, "the driver has ended"
    assert 0 < n_restored < 80, n_restored
    with open(f"{WORK}/damaged", "wb") as file:
        file.write(whole)
    succeeds(restore(f"{WORK}/damaged")[1])
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")
    os.unlink(f"{WORK}/damaged")


def no_managed_save_is_left_of_a_domain_that_is_undefined_meanwhile():
    """A domain that gets its UUID later would be restored from it."""
    if not REAL:
        domain = state["domain"] = hypervisor.define(hypervisor.document("half", memory=16))
        hypervisor.do(domain, "Start")
        bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "save", 10**9)
        job = do("ManagedSave", "a{sv}", {})
        contains(expect("ResourceBusy", hypervisor.do, domain, "Undefine"), "managed save")
        contains(expect("ResourceBusy", hypervisor.do, domain, "Undefine", managed_save=True), "managed save")
        bus.call(job, f"{NAME}.Job", "Cancel")
        fails(job, "Cancelled", "cancelled")
        bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "save", 0)
        hypervisor.do(domain, "Undefine")
        hypervisor.do(domain, "Destroy")
    uuid, outcomes = "11111111-2222-4333-8444-555555555555", set()
    for turn in range(12):
        domain = hypervisor.define(hypervisor.document("half", memory=16, uuid=uuid))
        hypervisor.do(domain, "Start", paused=turn % 2 == 0)
        begun = [bus.begin(domain, f"{NAME}.Domain", member, "a{sv}", {}) for member in (("ManagedSave", "Undefine") if turn % 3 else ("Undefine", "ManagedSave"))]
        bus.wait(lambda begun=begun: all(begun), "the answers")
        saved, undefined = [begun[not turn % 3][0], begun[bool(turn % 3)][0]]
        if not isinstance(saved, BusError):
            wait_job(saved[0])
        there = bus.objects(hypervisor.path).get(domain, {}).get(f"{NAME}.Domain", {})
        outcomes.add((isinstance(saved, BusError), isinstance(undefined, BusError)))
        assert bool(there) or not isinstance(undefined, BusError), (turn, saved, undefined)
        saves = bool(there.get("HasManagedSave"))
        assert there.get("Persistent") or not saves, there
        bus.wait(lambda saves=saves: any(uuid in name for name in files()) == saves, f"the file to be there: {saves}")
        if there.get("Active"):
            hypervisor.do(domain, "Destroy")
        if there.get("Persistent"):
            hypervisor.do(domain, "Undefine", managed_save=True)
        bus.wait(lambda domain=domain: domain not in bus.objects(hypervisor.path), "its end")
        bus.wait(lambda: not any(uuid in name for name in files()), "its file to be taken away")
    print("# whether the save, and the undefining, failed:", sorted(outcomes))


def the_document_in_a_saved_state_is_shown_and_replaced():
    path, other = os.path.join(WORK, "documented"), os.path.join(WORK, "other.img")
    secret = "<graphics type='vnc' passwd='hush'/>" if REAL else ""
    domain = hypervisor.define(hypervisor.document("documented", devices=secret + "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>"))

    def call(member, *arguments, on=None, **options):
        signature = "s" * len(arguments) + "a{sv}"
        return bus.call(on or hypervisor.path, f"{NAME}.{'Domain' if on else 'Connection'}", member, signature, *arguments, variants(options))

    def leftovers():
        return glob.glob(f"{path}.*") + [name for name in files() if ".save." in name]
    with open(other, "wb") as file:
        file.write(bytes(4096))
    os.chmod(other, 0o644)
    contains(expect("OperationInvalid", call, "GetManagedSaveXML", on=domain), "no managed save")
    for managed in (False, True):
        hypervisor.do(domain, "Start", paused=True)
        succeeds(bus.call(domain, f"{NAME}.Domain", "ManagedSave" if managed else "Save", "a{sv}" if managed else "sa{sv}", *(() if managed else (path,)), {}))
        bus.wait_state(domain, "shutoff")

        def get_xml(**options):
            if managed:
                return call("GetManagedSaveXMLWithSecrets" if options.get("secrets") else "GetManagedSaveXML", on=domain)
            return call("GetSavedXML", path, **options)

        def put(xml, **options):
            return call("SetManagedSaveXML", xml, on=domain, **options) if managed else call("SetSavedXML", path, xml, **options)
        before = get_xml(secrets=True)
        assert ("hush" in before) == REAL and "hush" not in get_xml() and "<name>documented</name>" in before
        changed = before.replace('<target dev="hdc"', f'<source file="{other}"/><target dev="hdc"').replace("<name>", "<title>T\u00e4t</title><name>", 1)
        assert changed.count(other) == 1, before
        for wrong, error in (("<domain", "InvalidXML"), (before.replace("documented", "documented<"), "InvalidXML"), ("", "InvalidXML"),
                             (before.replace(bus.get(domain, "Domain", "UUID"), "6a3a1f0e-9c1c-4c1a-8f0e-2d1b7a3c5e99"), "InvalidArgument"), (before.replace("</memory>", "0</memory>", 1), "InvalidArgument"),
                             (before.replace("<devices>", "<devices><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"), "InvalidArgument")):
            expect(error, put, wrong)
        contains(expect("InvalidArgument", put, before, running=True, paused=True), "exclude")
        contains(expect("InvalidArgument", put, before, run=True), "run")
        assert get_xml(secrets=True) == before and not leftovers(), leftovers()
        put(changed)
        hypervisor.kill_driver()
        contains(get_xml(), other, "T\u00e4t")
        put(changed, running=True)
        put(changed, paused=True)
        assert not leftovers(), leftovers()
        if managed:
            hypervisor.do(domain, "Start")
        else:
            succeeds(bus.call(hypervisor.path, f"{NAME}.Connection", "RestoreDomain", "sa{sv}", path, {})[1])
        bus.wait_state(domain, "paused")
        contains(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}), other)
        hypervisor.do(domain, "Destroy")
    for bad, error in (("relative", "InvalidArgument"), (os.path.join(WORK, "missing"), "InvalidArgument"), (other, "InvalidArgument"), ("/dev/null", "InvalidArgument"), (WORK, "InvalidArgument")):
        expect(error, call, "GetSavedXML", bad)
        expect(error, call, "SetSavedXML", bad, "<domain/>")
    # A driver that is killed while it writes leaves the old state, or has written the new one.
    with open(path, "ab") as file:
        file.write(bytes(64 << 20))
    for _ in range(3):
        bus.begin(hypervisor.path, f"{NAME}.Connection", "SetSavedXML", "ssa{sv}", path, before, {})
        hypervisor.kill_driver()
        contains(call("GetSavedXML", path), "documented")
    for name in glob.glob(f"{path}*"):
        os.unlink(name)
    hypervisor.do(domain, "Undefine", managed_save=True)


def who_may_not_is_refused():
    if os.geteuid() != 0:
        return
    alice = User("vb-alice")
    domain = hypervisor.define(hypervisor.document("guarded"))
    for path, interface, member, signature, arguments, action in (
            (domain, "Domain", "Save", "sa{sv}", ("'/tmp/x'", "@a{sv} {}"), "domain.define"), (domain, "Domain", "ManagedSave", "a{sv}", ("@a{sv} {}",), "domain.save"),
            (hypervisor.path, "Connection", "RestoreDomain", "sa{sv}", ("'/tmp/x'", "@a{sv} {}"), "domain.define")):
        contains(expect("InteractiveAuthorizationRequired", alice.call, path, f"{NAME}.{interface}", member, signature, *arguments), f"org.virtbus1.{action}")
    alice.leave()


run([value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == "__main__"
     and value.__name__ not in ("do", "get", "wait_job", "succeeds", "fails", "wait_agent", "ask_guest", "remember", "check_remembers", "save", "restore", "files",
                                "fresh", "succeeds_start", "damaged")])
