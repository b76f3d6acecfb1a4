#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests, QEMUs and users that are attackers: what they name, put in the way of the driver, or tell it, gives them nothing that they may not have.

Usage (below tests/with-bus, as root): test-hostile.py
"""

import json
import os
import pwd
import random
import re
import select
import shlex
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time

from gi.repository import GLib
from processes import all_processes
from rig import DEADLINE, NAME, ROOT, SOURCE, Bus, BusError, Hypervisor, User, contains, expect, open_files, polkit_rules, run, variants

if os.geteuid() != 0:
    raise SystemExit("test-hostile.py: needs root, for other users")

bus = Bus()
qemu = Hypervisor(bus, "qemu")
CONNECTION = f"{NAME}.Connection"
WORK = os.path.join(ROOT, "hostile")
os.makedirs(WORK, mode=0o755)
os.chmod(WORK, 0o755)
ALICE = pwd.getpwnam("vb-alice").pw_uid
QEMU = pwd.getpwnam("virtbus-qemu").pw_uid
RUNTIME = f"{ROOT}/qemu/run/qemu"
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
    contains(expect("InvalidArgument", qemu.do, domain, "Start"), "'changed'", path, "there is no program")
    qemu.do(domain, "Undefine")


def who_may_only_read_has_nothing_run():
    polkit_rules(bus, "polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.read') return polkit.Result.YES; });")
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


def user_of(domain):
    """Whom its QEMU runs as."""
    return os.stat(f"/proc/{qemu.pid_of(domain)}").st_uid


def as_user(uid, *command):
    """What a QEMU of that user that its guest has taken over can do."""
    return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command], capture_output=True, check=False).returncode


def open_console(domain, name):
    return bus.call(f"{domain}/device/{name}", f"{NAME}.Device.Console", "Open", "a{sv}", variants({"force": True}))


def a_guests_folder_is_the_drivers_alone():
    channel = "<channel type='unix'><target type='virtio' name='org.example.{}'/></channel>"
    display = "<graphics type='vnc'><listen type='socket'/></graphics>"
    domain = qemu.define(qemu.document("closed", devices=channel.format("a") + channel.format("b") + display))
    qemu.do(domain, "Start", paused=True)
    mine, user = f"{RUNTIME}/{bus.get(domain, 'Domain', 'UUID')}", user_of(domain)
    for path in (mine, f"{mine}/channel0", f"{mine}/channel1"):
        assert os.lstat(path).st_uid == 0 and not os.lstat(path).st_mode & 0o002, path
    assert stat.S_IMODE(os.stat(mine).st_mode) == 0o711 and os.stat(f"{mine}/qemu").st_uid == user
    for command in (["ln", "-s", "/etc/shadow", f"{mine}/x"], ["rm", "-f", f"{mine}/channel0"], ["mv", mine, mine + ".x"], ["mkdir", f"{RUNTIME}/x"]):
        assert as_user(user, *command) != 0, command
    # What it puts into its own part leads the driver nowhere.
    precious = folder("precious")
    with open(f"{precious}/file", "w", encoding="utf-8"):
        pass
    own = f"{mine}/qemu"
    assert as_user(user, "mkdir", "-p", f"{own}/deep/deeper") == 0 and as_user(user, "ln", "-s", precious, f"{own}/deep/link") == 0
    assert as_user(user, "rm", "-f", f"{own}/graphics0") == 0 and as_user(user, "ln", "-s", f"{precious}/file", f"{own}/graphics0") == 0
    os.close(open_console(domain, "channel0"))
    qemu.do(domain, "Destroy")
    assert not os.path.exists(mine) and os.listdir(f"{RUNTIME}/ended") == [] and os.path.exists(f"{precious}/file")
    os.mkdir(mine)  # as a driver that was killed leaves one
    os.chown(mine, user, user)
    qemu.do(domain, "Start", paused=True)
    assert os.stat(mine).st_uid == 0
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


def a_socket_that_was_put_in_anothers_place_is_not_connected_to():
    theirs = folder("theirs", QEMU)
    secret = socket.socket(socket.AF_UNIX)
    secret.bind(f"{WORK}/secret.sock")
    os.chmod(f"{WORK}/secret.sock", 0o600)
    secret.listen(5)
    secret.setblocking(False)
    serial = f"<serial type='unix'><source mode='bind' path='{theirs}/serial'/></serial>"
    domain = qemu.define(qemu.document("swapped", devices=serial))
    qemu.do(domain, "Start", paused=True)
    os.close(open_console(domain, "serial0"))
    assert os.stat(f"{theirs}/serial").st_uid == 0
    os.rename(f"{theirs}/serial", f"{theirs}/aside")
    for swap in (lambda: os.symlink(f"{WORK}/secret.sock", f"{theirs}/serial"), lambda: os.link(f"{WORK}/secret.sock", f"{theirs}/serial"),
                 lambda: os.symlink("aside", f"{theirs}/serial"), lambda: os.mkfifo(f"{theirs}/serial"), lambda: None):
        swap()
        contains(expect("HypervisorFailed", open_console, domain, "serial0"), "'swapped'", "serial0")
        if os.path.lexists(f"{theirs}/serial"):
            os.unlink(f"{theirs}/serial")
    os.rename(f"{theirs}/aside", f"{theirs}/serial")
    qemu.kill_driver()
    os.close(open_console(domain, "serial0"))  # a successor knows it again
    os.rename(f"{theirs}/serial", f"{theirs}/aside")
    os.symlink(f"{WORK}/secret.sock", f"{theirs}/serial")
    expect("HypervisorFailed", open_console, domain, "serial0")
    qemu.do(domain, "Destroy")
    assert os.path.islink(f"{theirs}/serial") and os.path.exists(f"{WORK}/secret.sock")
    try:
        secret.accept()
        raise AssertionError("the driver has connected to root's socket")
    except BlockingIOError:
        pass
    qemu.do(domain, "Undefine")


def sockets_are_not_made_where_others_lead_to():
    hers = folder("leading", ALICE)
    aim = folder("aim")
    live = socket.socket(socket.AF_UNIX)
    live.bind(f"{aim}/live")
    live.listen(5)
    os.symlink(aim, f"{hers}/link")
    os.symlink(f"{aim}/new", f"{hers}/new")
    for path in (f"{hers}/link/new", f"{hers}/link/live", f"{hers}/new", f"{aim}/live", f"{hers}/none/x", "relative"):
        domain = qemu.define(qemu.document("led", devices=f"<serial type='unix'><source mode='bind' path='{path}'/></serial>"))
        try:
            qemu.do(domain, "Start", paused=True)
            raise AssertionError(f"it has started with {path}")
        except BusError as error:
            contains(error.message, "'led'", path)
        assert sorted(os.listdir(aim)) == ["live"] and not os.path.exists(f"{RUNTIME}/{bus.get(domain, 'Domain', 'UUID')}")
        qemu.do(domain, "Undefine")
    # One that is left from an earlier run, by a link of root's own, is replaced; two guests cannot have the same one.
    live.close()
    os.symlink(aim, f"{WORK}/own-link")
    domains = [qemu.define(qemu.document(name, devices=f"<serial type='unix'><source mode='bind' path='{WORK}/own-link/live'/></serial>"))
               for name in ("led", "second")]
    qemu.do(domains[0], "Start", paused=True)
    contains(expect("HypervisorFailed", qemu.do, domains[1], "Start"), "in use")
    os.close(open_console(domains[0], "serial0"))
    qemu.do(domains[0], "Destroy")
    assert os.listdir(aim) == []
    for domain in domains:
        qemu.do(domain, "Undefine")


def lying(name, devices="", **lies):
    """A domain whose QEMU tells lies."""
    place = os.path.join(WORK, "lying")
    os.makedirs(place, exist_ok=True)
    if not os.path.exists(f"{place}/qemu-system-x86_64"):
        shutil.copy(f"{SOURCE}/tests/tools/lying-qemu.py", f"{place}/qemu-system-x86_64")
    with open(f"{place}/lies.json", "w", encoding="utf-8") as file:
        json.dump(lies, file)
    return qemu.define(qemu.document(name, devices=f"<emulator>{place}/qemu-system-x86_64</emulator>" + devices))


def event(kind, **data):
    return {"event": kind, "data": data, "timestamp": {"seconds": 1, "microseconds": 1}}


def gone(domain):
    try:
        qemu.do(domain, "Destroy")
    except BusError as error:  # it has ended by itself
        assert error.name.endswith(".OperationInvalid"), error
    try:
        qemu.do(domain, "Undefine", managed_save=True, snapshots=True)
    except BusError as error:
        raise AssertionError(f"{domain}: {error}") from None


def finish(job):
    return bus.wait_signal(job, "Completed")


def the_same_driver(function):
    """What a QEMU tells may harm its own guest, and nobody else."""
    def test():
        expect("NoSuchDomain", bus.call, qemu.path, CONNECTION, "GetDomainByID", "u", 0)  # it is there
        pid = bus.driver("QEMU")
        function()
        assert bus.driver("QEMU") == pid, "the driver has ended"
    test.__name__ = function.__name__
    return test


DEVICES = ("<disk type='file'><source file='{0}/image'/><target dev='vda' bus='virtio'/></disk><interface type='user'><model type='virtio'/></interface>"
           "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel><serial type='pty'/><memballoon model='virtio'/>")


@the_same_driver
def one_that_says_for_ever_that_its_migration_ends_keeps_no_save():
    domain = lying("endless", fail=[["migrate", "no"]], answer=[["query-status", {"status": "finish-migrate", "running": False, "singlestep": False}]])
    qemu.do(domain, "Start", paused=True)
    success, name, message = bus.wait_signal(bus.call(domain, f"{NAME}.Domain", "ManagedSave", "a{sv}", {}), "Completed")
    assert not success and name == f"{NAME}.Error.HypervisorFailed", (name, message)
    qemu.do(domain, "Resume")
    assert qemu.state(domain) == "running" and not bus.get(domain, "Domain", "HasManagedSave")
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


def a_migration_that_completes_twice_or_unasked_is_taken_once():
    completed = event("MIGRATION", status="completed")
    # Before there is anything to load, and while the machine is set up.
    domain = lying("unasked", script=[["query-version", [completed]], ["query-chardev", [completed, completed]], ["cont", [completed]]], devices="<serial type='pty'/>")
    qemu.do(domain, "Start")
    assert qemu.state(domain) == "running"
    gone(domain)
    path = f"{WORK}/saved"
    domain = lying("twice", after=[["migrate", [completed, completed, completed, event("MIGRATION", status="failed"), event("MIGRATION", status="cancelled")]]])
    qemu.do(domain, "Start", paused=True)
    finish(bus.call(domain, f"{NAME}.Domain", "Save", "sa{sv}", path, {}))
    bus.wait(lambda: qemu.state(domain) == "shutoff", "the save's end")
    gone(domain)
    # Of a dump that has not begun, and one that is told twice.
    dumped = event("DUMP_COMPLETED", result={"status": "completed", "total": 1, "completed": 1})
    domain = lying("dumped", script=[["dump-guest-memory", [dumped, dumped]]], after=[["cont", [dumped]], ["dump-guest-memory", [dumped]]])
    qemu.do(domain, "Start")
    with open(f"{WORK}/core", "wb") as file:
        finish(bus.call(domain, f"{NAME}.Domain", "Dump", "ha{sv}", 0, {}, fds=[file.fileno()]))
    gone(domain)


@the_same_driver
def a_monitor_that_is_cut_leaves_the_guest_as_it_is():
    domain = lying("cut", cut="query-balloon")
    qemu.do(domain, "Start", paused=True)
    # A driver that finds it anew is cut off before it is ready.
    with open(f"{WORK}/lying/lies.json", "w", encoding="utf-8") as file:
        json.dump({}, file)
    gone(domain)


def a_driver_that_is_cut_off_before_it_is_ready_leaves_the_guest_to_be_destroyed():
    """The first answer that its successor waits for never comes, as the monitor is closed instead."""
    for command in ("qmp_capabilities", "query-status"):
        domain = lying("found", cut_later=command)
        qemu.do(domain, "Start", paused=True)
        old = qemus(domain)
        qemu.kill_driver()
        expect("OperationInvalid", qemu.do, domain, "Start")
        assert qemus(domain) == old, "it was ended"
        answers = [bus.begin(domain, f"{NAME}.Domain", "Suspend", ""), bus.begin(domain, f"{NAME}.Domain", "ManagedSave", "a{sv}", {})]
        bus.wait(lambda: all(answers), "answers")
        qemu.do(domain, "Destroy")
        bus.wait(lambda: qemus(domain) == [], "the end of what lied and of its QEMU")
        qemu.do(domain, "Undefine", managed_save=True)


TRAY = "<disk type='file' device='cdrom'><source file='{0}/{1}'/><target dev='sda' bus='sata'/><readonly/></disk>"


@the_same_driver
def a_tray_that_the_guest_has_locked_is_busy():
    for name in ("image", "other"):
        with open(f"{WORK}/{name}", "wb") as file:
            file.truncate(1 << 20)
    for words in ("Device 'sata0-0-0' is locked and force was not specified, wait for tray to open and try again", "Tray of device 'sata0-0-0' is not open"):
        domain = lying("locked", devices=TRAY.format(WORK, "image"), fail=[["blockdev-open-tray", words], ["blockdev-remove-medium", words]])
        qemu.do(domain, "Start", paused=True)
        drive, = [path for path in bus.objects(domain) if "/device/" in path and "sata" in path and bus.objects(domain)[path].get(f"{NAME}.Device.Disk")]
        for call in (("Device.Disk", "ChangeMedia", "ssa{sv}", f"{WORK}/other", ""), ("Device", "Update", "sa{sv}", TRAY.format(WORK, "other"))):
            told = expect("ResourceBusy", bus.call, drive, f"{NAME}.{call[0]}", *call[1:], {})
            contains(told, "'locked'", "locked", "force")
            contains(qemu.do(domain, "GetXML"), f"{WORK}/image")  # as it was
        gone(domain)


@the_same_driver
def a_qemu_that_lists_no_nodes_changes_media_all_the_same():
    """As one does that has given up an image, of whatever disk, as it is damaged."""
    for name in ("image", "other"):
        with open(f"{WORK}/{name}", "wb") as file:
            file.truncate(1 << 20)
    domain = lying("damaged", devices=TRAY.format(WORK, "image"), fail=[["query-named-block-nodes", "Block device 'libvirt-1-format' is ejected"]])
    qemu.do(domain, "Start", paused=True)
    drive, = [path for path in bus.objects(domain) if "/device/" in path and "sata" in path and bus.objects(domain)[path].get(f"{NAME}.Device.Disk")]
    for name in ("other", "image", "other", "image", "other"):
        bus.call(drive, f"{NAME}.Device.Disk", "ChangeMedia", "ssa{sv}", f"{WORK}/{name}", "", {})
    contains(qemu.do(domain, "GetXML"), f"{WORK}/other")
    gone(domain)


@the_same_driver
def a_domain_is_named_once_in_an_error_whatever_it_is_called():
    for name in ("a", "QEMU", "domain"):
        domain = lying(name, fail=[["stop", "a QEMU of any domain refuses"], ["device_add", "a QEMU of any domain refuses"]])
        qemu.do(domain, "Start")
        for told in (expect("HypervisorFailed", qemu.do, domain, "Suspend"),
                     expect("HypervisorFailed", bus.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>", {})):
            assert f"domain '{name}': " in told and told.count("domain '") == 1, told
        gone(domain)


@the_same_driver
def words_that_are_cut_stay_text():
    words = "x" + "\u00fc" * 4000  # cut after any even number of bytes, that is in a character's middle
    domain = lying("cut-words", fail=[["stop", words], ["system_reset", "xy" + words]])
    qemu.do(domain, "Start")
    for member in ("Suspend", "Reset"):
        contains(expect("HypervisorFailed", qemu.do, domain, member), "cut-words", "\u00fc\u00fc")
    gone(domain)
    for text in (f"<vcpu>{words}</vcpu>", f"<os firmware='{words}'><type>hvm</type></os>", f"<clock offset='{words}'/>", f"<devices><video><model type='{words}'/></video></devices>",
                 f"<devices><interface type='{words}'/></devices>", f"<devices><disk type='file' device='disk'><driver type='{words}'/><target dev='vda'/></disk></devices>"):
        try:
            qemu.do(qemu.define(f"<domain type='qemu'><name>words</name><memory>65536</memory><os><type>hvm</type></os>{text}</domain>"), "Undefine")
            raise AssertionError(f"{text[:40]} was taken")
        except BusError as error:
            assert error.message.strip(), text[:40]  # the bus has delivered it


def refused_or_answered(function, *arguments):
    """It is answered, in the API's words where it fails."""
    try:
        return function(*arguments)
    except BusError as error:
        assert error.name.startswith(f"{NAME}.Error.") and not error.name.endswith(".Timeout"), error
        return None


@the_same_driver
def what_lacks_its_source_is_refused_by_every_call():
    running = qemu.define(qemu.document("lacking-running", devices=DEVICES.format(WORK)))
    with open(f"{WORK}/image", "wb") as file:
        file.truncate(1 << 20)
    qemu.do(running, "Start", paused=True)
    disk = "<disk type='file'><driver name='qemu' type='qcow2'/><source file='{}/image'/>{}<target dev='vdz' bus='virtio'/></disk>"
    layers = [f"<backingStore type='{kind}'><format type='{form}'/></backingStore>" for kind in ("network", "file", "block", "dir", "volume", "nvme", "vhostuser", "x", "")
              for form in ("raw", "qcow2")] + ["<backingStore type='network'><source/></backingStore>", "<backingStore type='network'/>", "<mirror type='network'/>", "<mirror/>"]
    devices = [disk.format(WORK, layer) for layer in layers]
    devices += [f"<disk type='{kind}'>{source}<target dev='vdz' bus='virtio'/></disk>" for kind in ("network", "block", "dir", "volume", "nvme", "vhostuser") for source in ("", "<source/>")]
    devices += [f"<{kind} type='{form}'/>" for kind in ("serial", "parallel", "console", "channel", "interface", "hostdev", "redirdev", "smartcard", "rng", "filesystem", "graphics", "tpm")
                for form in ("unix", "tcp", "file", "dev", "network", "direct", "ethernet", "vhostuser", "pci", "usb", "mount", "vnc", "spice", "emulator")]
    for device in devices:
        document = qemu.document("lacking", devices=device)
        refused_or_answered(bus.call, qemu.path, CONNECTION, "DomainXMLToNative", "ss", "qemu-argv", document)
        for define in (lambda text: bus.call(qemu.path, CONNECTION, "DefineDomain", "sa{sv}", text, {}),
                       lambda text: bus.call(qemu.path, CONNECTION, "DefineDomain", "sa{sv}", text, variants({"unsupported": True}))):
            domain = refused_or_answered(define, document)
            if domain:
                qemu.do(domain, "Undefine")
        refused_or_answered(bus.call, running, f"{NAME}.Domain", "AttachDevice", "sa{sv}", device, {})
    for place in ("bus=pci.300", "bus=pci.0,addr=99.9", "addr=zz", "bus=", "bus=pcie.0,addr=", "bus=pci.-1"):
        refused_or_answered(bus.call, qemu.path, CONNECTION, "DomainXMLFromNative", "ss", "qemu-argv", f"qemu-system-x86_64 -machine pc -m 64 -device virtio-rng-pci,{place}")
    assert qemu.state(running) == "paused"
    gone(running)


@the_same_driver
def floods_of_one_guest_hold_up_no_other():
    """Events without end, of all kinds that a guest can cause: others are served all the while, and their own is ended when it is told to."""
    other = qemu.define(qemu.document("calm"))
    qemu.do(other, "Start", paused=True)
    kinds = [event("RTC_CHANGE", offset=1), event("NIC_RX_FILTER_CHANGED", name="net0", path="/x"), event("BALLOON_CHANGE", actual=1 << 26), event("RESET", guest=True, reason="guest-reset"),
             event("BLOCK_IO_ERROR", device="", **{"node-name": "x"}, action="report", operation="read"), event("STOP"), event("RESUME"), event("SUSPEND"), event("WAKEUP"),
             event("VSERPORT_CHANGE", id="channel0", open=True), event("VSERPORT_CHANGE", id="channel0", open=False),
             event("WATCHDOG", action="frob"), event("WATCHDOG", action="none"), event("DEVICE_TRAY_MOVED", device="", id="/machine/../x/", **{"tray-open": "yes"}),
             event("MEMORY_FAILURE", recipient="guest", action="inject", flags=7), event("VNC_CONNECTED", server=[], client={"host": "x" * 5000, "family": "\u00e9", "service": 1}),
             event("DEVICE_UNPLUG_GUEST_ERROR", device="channel0", path="/x"), event("MEMORY_DEVICE_SIZE_CHANGE", id="channel0", size=-1)]
    domain = lying("flooding", flood=kinds, devices="<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>")
    qemu.do(domain, "Start")
    quiet = Bus(listen=False)  # as who hears all of it has enough to do
    for _ in range(5):
        for member in ("Resume", "Suspend"):
            quiet.call(other, f"{NAME}.Domain", member)
        assert quiet.get(other, "Domain", "State") == "paused"
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")
    gone(other)


@the_same_driver
def what_a_guest_causes_is_told_in_measure_and_the_last_word_is_true():
    """A guest whose QEMU stops and goes on again and again, is stopped in the end, and has its balloon inflated after that."""
    size = 48 << 20
    domain = lying("restless", after=[["cont", [event("STOP"), event("RESUME")] * 2000 + [event("STOP"), event("BALLOON_CHANGE", actual=size)]]],
                   devices="<memballoon model='virtio'/>")
    bus.signals.clear()
    began = time.monotonic()
    qemu.do(domain, "Start")
    bus.wait_signal(domain, "PropertiesChanged", lambda arguments: arguments[1].get("Memory") == size)
    took = time.monotonic() - began
    told = [s for s in bus.signals if s[0] == domain and s[2] == "StateChanged"]
    assert told[-1][3][1] == qemu.state(domain) == "paused", told[-3:]
    assert len(told) < 200 + 50 * (took + 1) + 10, (len(told), took)
    gone(domain)


def qemus(domain):
    """The processes that run it."""
    uuid = bus.get(domain, "Domain", "UUID")
    return [pid for pid, words in all_processes().items() if uuid in words]


def two_qemus_never_run_one_domain():
    """Whatever becomes of the file that says what runs: an older QEMU is ended before a new one starts."""
    domain = qemu.define(qemu.document("once"))
    uuid = bus.get(domain, "Domain", "UUID")
    status = f"{RUNTIME}/domains/{uuid}.xml"
    qemu.do(domain, "Start", paused=True)
    for damage in (lambda: os.unlink(status), lambda: open(status, "wb").close(), lambda: open(status, "w", encoding="utf-8").write("<x/>"),
                   lambda: os.truncate(status, 100)):
        old = qemus(domain)
        assert len(old) == 1, old
        bus.kill_driver("QEMU", before=damage, after=lambda damage=damage: damage() if os.path.exists(status) else None)
        expect("NoSuchDomain", bus.call, qemu.path, CONNECTION, "GetDomainByID", "u", 0)
        if qemu.state(domain) == "shutoff":
            qemu.do(domain, "Start", paused=True)
        else:
            qemu.do(domain, "Destroy")
            qemu.do(domain, "Start", paused=True)
        assert len(qemus(domain)) == 1 and qemus(domain) != old, (qemus(domain), old)
    qemu.do(domain, "Destroy")
    assert qemus(domain) == [] and not [name for name in os.listdir(f"{RUNTIME}/monitors") if name.startswith(uuid)]
    qemu.do(domain, "Undefine")


def what_an_image_says_of_itself_opens_nothing_that_not_everybody_may_read():
    """A guest that has taken over its QEMU can write the header of its image; what the document names is root's word."""
    private, shown, place = folder("private"), folder("shown"), folder("place")
    for path, mode in ((f"{private}/secret", 0o600), (f"{shown}/base", 0o644), (f"{place}/beside", 0o600)):
        with open(path, "wb") as file:
            file.truncate(1 << 20)
        os.chmod(path, mode)
    os.mkfifo(f"{private}/fifo")
    top = f"{place}/top.qcow2"

    def backed_by(path, form="raw"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", path, "-F", form, top, "1M"], check=True)

    def start(name, below=""):
        domain = qemu.define(qemu.document(name, devices=f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{top}'/>"
                                                         f"<target dev='vda' bus='virtio'/>{below}</disk>"))
        try:
            qemu.do(domain, "Start", paused=True)
            return set(open_files(qemu.pid_of(domain)))
        finally:
            gone(domain)

    for number, path in enumerate((f"{private}/secret", "../private/secret", f"{place}/../private/secret", "/etc/shadow", "/proc/1/environ", "/proc/1/maps", "/dev/../etc/shadow")):
        backed_by(path)
        contains(expect("InvalidArgument", start, f"backed{number}"), top, "<backingStore>")
    for number, path in enumerate((f"{private}/fifo", "/dev/zero", "/dev/kmsg", private)):
        backed_by(path)
        contains(expect("InvalidArgument", start, f"odd{number}"), "neither a file nor a block device")
    # What others can lead elsewhere: a link beside the image, a way through a link, and a file that only its mode shows to everybody.
    hidden = folder("hidden", mode=0o700)
    with open(f"{hidden}/base", "wb") as file:
        file.truncate(1 << 20)
    os.chmod(f"{hidden}/base", 0o644)
    backed_by(f"{hidden}/base")
    contains(expect("InvalidArgument", start, "hidden"), top, "<backingStore>")
    os.chown(place, ALICE, ALICE)
    for name, aim in (("link", f"{private}/secret"), ("way", private)):
        os.symlink(aim, f"{place}/{name}")
        os.lchown(f"{place}/{name}", ALICE, ALICE)
    for number, path in enumerate(("link", f"{place}/link", "way/secret", f"{shown}/../place/link")):
        backed_by(path)
        contains(expect("InvalidArgument", start, f"led{number}"), "a link that somebody else may have made")
    backed_by("way/../secret")
    contains(expect("InvalidArgument", start, "ledback"), "No such file")
    os.chown(place, 0, 0)
    for number, path in enumerate((f"{shown}/base", "../shown/base", "beside", f"{place}/beside")):
        backed_by(path)
        assert os.path.realpath(os.path.join(place, path)) in start(f"open{number}"), path
    # As far in as QEMU looks: all of a cluster, which has 2 MiB at most.
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-o", "cluster_size=2M", "-b", "x", "-F", "raw", top, "1M"], check=True)
    with open(top, "r+b") as file:
        file.seek(8)
        file.write(struct.pack(">QI", 2**21 - 6, 6))
        file.seek(2**21 - 6)
        file.write(b"beside")
    assert f"{place}/beside" in start("far")
    backed_by("/etc/shadow")
    chain = f"<backingStore type='file'><format type='raw'/><source file='{private}/secret'/>{{}}</backingStore>"
    for number, below in enumerate((chain.format(""), chain.format("<backingStore/>"))):
        opened = start(f"named{number}", below)
        assert f"{private}/secret" in opened and "/etc/shadow" not in opened, opened
    opened = start("ended", "<backingStore/>")
    assert top in opened and not opened & {"/etc/shadow", f"{private}/secret"}, opened


def no_document_gives_a_guest_what_the_kernel_tells_of_processes():
    """The driver's own memory, which root may write, is a file there like any other."""
    for path in ("/proc/self/mem", "/proc/self/environ", "/proc/1/maps", "/proc/thread-self/mem", "/proc/kmsg"):
        disk = f"<disk type='{{}}'><driver name='qemu' type='raw'/><source {{}}='{path}'/><target dev='vda' bus='virtio'/></disk>"
        for number, (devices, kernel) in enumerate(((disk.format("file", "file"), ""), (disk.format("block", "dev"), ""), (f"<serial type='file'><source path='{path}'/></serial>", ""),
                                                    (f"<serial type='pty'><log file='{path}'/></serial>", ""), (f"<interface type='user'><model type='virtio'/><rom file='{path}'/></interface>", ""),
                                                    ("", f"<kernel>{path}</kernel>"))):
            domain = qemu.define(qemu.document(f"process{number}", devices=devices, kernel=kernel))
            contains(expect("InvalidArgument", qemu.do, domain, "Start", paused=True), path, "a file")
            qemu.do(domain, "Undefine")
        contains(expect("InvalidArgument", bus.call, qemu.path, CONNECTION, "RestoreDomain", "sa{sv}", path, {}), path, "not a file")
    left = socket.socket(socket.AF_UNIX)
    left.bind(f"{WORK}/left.sock")
    contains(expect("InvalidArgument", bus.call, qemu.path, CONNECTION, "RestoreDomain", "sa{sv}", f"{WORK}/left.sock", {}), "left.sock")
    left.close()


def disk_of(path, below=""):
    return f"<disk type='file'><driver name='qemu' type='{'qcow2' if below else 'raw'}'/><source file='{path}'/><target dev='vda' bus='virtio'/>{below}</disk>"


# What each part of a document names: devices, and what is in <os>. BESIDE is a file that root has, of the right kind.
NAMED = {
    "disk": lambda path, beside: (disk_of(path), ""),
    "backing": lambda path, beside: (disk_of(f"{beside}.qcow2", f"<backingStore type='file'><format type='raw'/><source file='{path}'/></backingStore>"), ""),
    "block": lambda path, beside: (f"<disk type='block'><driver name='qemu' type='raw'/><source dev='{path}'/><target dev='vda' bus='virtio'/></disk>", ""),
    "cdrom": lambda path, beside: (f"<disk type='file' device='cdrom'><source file='{path}' startupPolicy='optional'/><target dev='sda' bus='scsi'/></disk>", ""),
    "kernel": lambda path, beside: ("", f"<kernel>{path}</kernel>"),
    "initrd": lambda path, beside: ("", f"<kernel>{beside}</kernel><initrd>{path}</initrd>"),
    "dtb": lambda path, beside: ("", f"<kernel>{beside}</kernel><dtb>{path}</dtb>"),
    "rom": lambda path, beside: (f"<interface type='user'><model type='virtio'/><rom file='{path}'/></interface>", ""),
    "serial": lambda path, beside: (f"<serial type='file'><source path='{path}'/></serial>", ""),
    "log": lambda path, beside: (f"<serial type='pty'><log file='{path}'/></serial>", ""),
    "pipe": lambda path, beside: (f"<serial type='pipe'><source path='{path}'/></serial>", ""),
    "socket": lambda path, beside: (f"<serial type='unix'><source mode='connect' path='{path}'/></serial>", ""),
    "input": lambda path, beside: (f"<input type='evdev'><source dev='{path}'/></input>", ""),
    "nvram": lambda path, beside: ("", f"<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>{path}</nvram>"),
    "template": lambda path, beside: ("", f"<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram template='{path}'>{beside}.vars</nvram>"),
}


def no_document_leads_root_where_others_decide():
    """Whoever may write to a folder that a document names changes it for a link, or for a second name, to what is root's alone."""
    top = tempfile.mkdtemp(dir="/var/tmp")  # below none that each guest is shown here
    os.chmod(top, 0o755)
    hers, roots = folder(f"{top}/hers", ALICE), folder(f"{top}/roots", mode=0o700)
    secret = f"{roots}/secret"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "x", "-F", "raw", f"{secret}.qcow2", "1M"], check=True)

    def fresh():
        with open(secret, "wb") as file:
            file.truncate(1 << 20)
        os.chmod(secret, 0o600)
        return sorted(os.listdir(roots))

    fresh()
    os.symlink(secret, f"{hers}/link")
    os.symlink(secret, f"{hers}/link.in")
    os.symlink(roots, f"{hers}/way")
    os.link(secret, f"{hers}/second")
    for path in ("link", "link.in", "way"):
        os.lchown(f"{hers}/{path}", ALICE, ALICE)
    for kind, make in NAMED.items():
        if kind in ("nvram", "template") and not os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"):
            continue
        for way in ("link", "way/secret", "way/made", "second"):
            before = fresh()
            if (kind, way) in (("pipe", "second"), ("pipe", "way/secret")):
                continue  # whose names are others
            devices, kernel = make(f"{hers}/{way}", secret)
            domain = qemu.define(qemu.document("named", devices=devices, kernel=kernel))
            try:
                qemu.do(domain, "Start", paused=True)
                raise AssertionError(f"{kind} has started by {way}")
            except BusError as error:
                contains(error.message, "'named'", "somebody else may have made", hers)
            finally:
                gone(domain)
            assert sorted(os.listdir(roots)) == before and os.stat(secret).st_size == 1 << 20, (kind, way)
    # What is restored, or saved, by a call.
    domain = qemu.define(qemu.document("named"))
    for way in ("link", "way/secret", "second"):
        contains(expect("InvalidArgument", bus.call, qemu.path, CONNECTION, "RestoreDomain", "sa{sv}", f"{hers}/{way}", {}), "somebody else may have made")
    qemu.do(domain, "Start", paused=True)
    before = fresh()
    contains(finish(bus.call(domain, f"{NAME}.Domain", "Save", "sa{sv}", f"{hers}/way/made", {}))[2], "somebody else may have made")
    assert qemu.state(domain) == "paused" and sorted(os.listdir(roots)) == before
    # It is plugged as it is started.
    for way in ("link", "way/secret", "second"):
        for kind in ("disk", "serial"):
            devices = NAMED[kind](f"{hers}/{way}", secret)[0].replace("vda", "vdb").replace("<serial type", "<channel type").replace("</serial>", "<target type='virtio' name='org.example.x'/></channel>")
            contains(expect("InvalidArgument", bus.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", devices, variants({"live": True})), "somebody else may have made")
    shown = f"<channel type='unix'><source mode='connect' path='{hers}/link'/><target type='virtio' name='org.example.y'/></channel>"
    contains(expect("InvalidArgument", bus.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", shown, variants({"live": True})), "somebody else may have made")
    gone(domain)
    shutil.rmtree(top)


def links_that_root_has_made_lead_on():
    """As /var/lib/libvirt/images, which is another disk's on many hosts."""
    place, data, hers = folder("linked"), folder("data"), folder("hers-linked", ALICE)
    os.symlink(data, f"{place}/images")
    os.symlink(hers, f"{place}/hers")
    for path in (f"{data}/disk", f"{hers}/disk", f"{data}/out"):
        with open(path, "wb") as file:
            file.truncate(1 << 20)
        os.chown(path, ALICE if path.startswith(hers) else 0, 0)
    os.symlink("disk", f"{data}/current")
    for number, path in enumerate((f"{place}/images/disk", f"{place}/images/current", f"{place}/hers/disk", f"{hers}/disk")):
        domain = qemu.define(qemu.document(f"linked{number}", devices=disk_of(path) + f"<serial type='file'><source path='{place}/images/out'/></serial>"))
        qemu.do(domain, "Start", paused=True)
        assert os.path.realpath(path) in open_files(qemu.pid_of(domain)), path
        gone(domain)


def told_emulator(name, script):
    """An emulator that nobody but root could have put there, which tells in a file whom it runs as before it goes on."""
    folder, told = f"{WORK}/{name}", f"{WORK}/{name}.told"
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)
    with open(told, "w", encoding="utf-8"):
        os.chmod(told, 0o666)
    with open(f"{folder}/qemu-system-x86_64", "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\ncase "$*" in *fdset*) (cat /proc/self/status; echo "Arguments: $*") >> {told}; {script} ;; esac\n'
                   'exec /usr/bin/qemu-system-x86_64 "$@"\n')
    os.chmod(f"{folder}/qemu-system-x86_64", 0o755)
    return f"{folder}/qemu-system-x86_64", told


def told_lines(path):
    with open(path, encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":", 1) for line in file if ":" in line)


def an_image_of_a_domain_that_is_off_is_resized_without_roots_rights():
    emulator, told = told_emulator("resizer", "")
    for form in ("raw", "qcow2"):
        image = f"{WORK}/off.{form}"
        subprocess.run(["qemu-img", "create", "-q", "-f", form, image, "1M"], check=True)
        os.chmod(image, 0o600)
        domain = qemu.define(qemu.document(f"off-{form}", devices=f"<emulator>{emulator}</emulator><disk type='file'><driver name='qemu' type='{form}'/>"
                                           f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk>"))
        disk = f"{domain}/device/virtio_2ddisk0"

        def size():
            return json.loads(subprocess.run(["qemu-img", "info", "-f", form, "--output=json", image], capture_output=True, check=True).stdout)["virtual-size"]
        for wanted, options in ((2 << 20, {}), (1 << 20, {"add": True}), (1 << 20, {"shrink": True})):
            bus.call(disk, f"{NAME}.Device.Disk", "Resize", "ta{sv}", wanted, variants(options))
            assert size() == (3 << 20 if "add" in options else wanted), (form, options, size())
        lines = told_lines(told)
        contains(lines["Arguments"], "-sandbox", "/dev/fdset/")
        assert image not in lines["Arguments"], "it is named where it could be opened by its name"
        if os.geteuid() == 0:
            user = str(pwd.getpwnam("virtbus-qemu").pw_uid)
            assert lines["Uid"].split() == [user] * 4 and not lines["Groups"].split(), lines
            assert int(lines["CapEff"], 16) == 0 and lines["NoNewPrivs"].strip() == "1", lines
        # What QEMU cannot read in the image, it says.
        if form == "qcow2":
            with open(image, "r+b") as file:
                file.seek(20)
                file.write(b"\0\0\0\x40")  # clusters of 2^64 bytes
            contains(expect("HypervisorFailed", bus.call, disk, f"{NAME}.Device.Disk", "Resize", "ta{sv}", 4 << 20, {}), image, "luster")
        qemu.do(domain, "Undefine")


def who_resizes_an_image_ends_with_the_driver():
    emulator, told = told_emulator("slow-resizer", "echo $$ > $0.pid; exec sleep 86399")
    image = f"{WORK}/slow.img"
    os.mkfifo(f"{emulator}.pid")
    os.chmod(f"{emulator}.pid", 0o666)
    with open(image, "wb") as file:
        file.truncate(1 << 20)
    domain = qemu.define(qemu.document("slow-resize", devices=f"<emulator>{emulator}</emulator><disk type='file'><source file='{image}'/><target dev='vda' bus='virtio'/></disk>"))
    for number, error in ((signal.SIGTERM, "Cancelled"), (signal.SIGKILL, "HypervisorFailed")):
        bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})  # a driver that ends again, having answered nothing, is left alone for a while
        answer = bus.begin(f"{domain}/device/virtio_2ddisk0", f"{NAME}.Device.Disk", "Resize", "ta{sv}", 2 << 20, {})
        with open(f"{emulator}.pid", encoding="utf-8") as file:
            process = os.pidfd_open(int(file.read()))
        os.kill(bus.driver("QEMU"), number)
        bus.wait(lambda: answer, "the answer")
        assert answer[0].name.endswith(error), answer
        assert select.select([process], [], [], DEADLINE)[0], "what resizes the image has not ended"
        os.close(process)
        assert os.path.getsize(image) == 1 << 20
    assert told_lines(told)
    qemu.do(domain, "Undefine")


def no_image_has_root_open_what_its_header_names_when_it_is_resized():
    """The header names a pipe, at which whoever opens it waits."""
    os.mkfifo(f"{WORK}/named")
    for form in ("qed", "qcow", "vmdk", "qcow2"):
        image = f"{WORK}/resized.{form}"
        subprocess.run(["qemu-img", "create", "-q", "-f", form, image, *([] if form == "vmdk" else ["-u", "-b", f"{WORK}/named"]),
                        *(["-F", "raw"] if form != "vmdk" else []), "1M"], check=True)
        domain = qemu.define(qemu.document(f"resized-{form}", devices=f"<disk type='file'><driver name='qemu' type='{form}'/><source file='{image}'/>"
                                           "<target dev='vda' bus='virtio'/></disk>"))
        before = open(image, "rb").read()
        disk = f"{domain}/device/virtio_2ddisk0"
        contains(expect("InvalidArgument" if form == "qcow2" else "Unsupported", bus.call, disk, f"{NAME}.Device.Disk", "Resize", "ta{sv}", 2 << 20, {}), WORK)
        assert open(image, "rb").read() == before
        qemu.do(domain, "Undefine")


def files_that_are_copied_for_a_guest_are_bounded():
    """A kernel that QEMU's user may not read is copied to memory, and a template of UEFI variables: not what is as large as one likes, or has no end."""
    large = f"{folder('large')}/sparse"
    with open(large, "wb") as file:
        file.truncate(1 << 40)
    os.chmod(large, 0o600)
    domain = qemu.define(qemu.document("largekernel", kernel=f"<kernel>{large}</kernel>"))
    contains(expect("LimitExceeded", qemu.do, domain, "Start"), large, "bytes")
    gone(domain)
    loader = "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
    for path, error in ((large, "LimitExceeded"), ("/dev/zero", "InvalidArgument"), (f"{WORK}/private/fifo", "InvalidArgument")):
        domain = qemu.define(qemu.document("largetemplate", kernel=f"{loader}<nvram template='{path}'/>")) if os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd") else None
        if domain:
            contains(expect(error, qemu.do, domain, "Start"), path)
            gone(domain)


def script(name, text):
    path = f"{WORK}/{name}"
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def a_guests_log_is_bounded_and_goes_with_its_definition():
    spammer = script("spammer", "case \"$*\" in *none,accel=*) exec /usr/bin/qemu-system-x86_64 \"$@\";; esac\n"
                                "yes spam | head -c 30000000 >&2\necho the last words >&2\nexec /usr/bin/qemu-system-x86_64 \"$@\"\n")
    domain = qemu.define(with_emulator(spammer, "spammer"))
    log = f"{ROOT}/qemu/log/qemu/{bus.get(domain, 'Domain', 'UUID')}.log"
    for _ in range(4):
        qemu.do(domain, "Start", paused=True)
        bus.wait(lambda: os.path.getsize(log) <= 2 << 20, "the log to be cut")
        qemu.do(domain, "Destroy")
    logs = [name for name in os.listdir(os.path.dirname(log)) if name.startswith(os.path.basename(log))]
    assert 2 <= len(logs) <= 3 and all(os.path.getsize(f"{os.path.dirname(log)}/{name}") <= 2 << 20 for name in logs), logs
    assert any(b"the last words" in open(f"{os.path.dirname(log)}/{name}", "rb").read() for name in logs)
    qemu.do(domain, "Undefine")
    assert not [name for name in os.listdir(os.path.dirname(log)) if name.startswith(os.path.basename(log))]


def a_log_goes_with_a_guest_that_has_no_definition():
    """Undefined while it runs, or never defined; ended by itself, by force, or while no driver was there; or it did not start."""
    def logs():
        return sorted(os.listdir(f"{ROOT}/qemu/log/qemu"))

    def gone(domain):
        bus.wait(lambda: domain not in bus.objects(qemu.path), "the domain to go")
        assert logs() == before, logs()
    before = logs()
    for ending in ("undefined", "transient", "crashes", "crashes without a driver", "driver killed"):
        document = qemu.document(f"logged-{ending.replace(' ', '-')}")
        if ending == "undefined":
            domain = qemu.define(document)
            qemu.do(domain, "Start", paused=True)
            qemu.do(domain, "Undefine")
        else:
            domain, = bus.call(qemu.path, f"{NAME}.Connection", "CreateDomain", "sa{sv}", document, variants({"paused": True})),
        assert len(logs()) == len(before) + 1, logs()
        if ending == "crashes":
            os.kill(qemus(domain)[0], signal.SIGKILL)
        elif ending == "crashes without a driver":
            process = os.pidfd_open(qemus(domain)[0])

            def crash(process=process):
                os.kill(bus.driver("QEMU"), signal.SIGSTOP)
                signal.pidfd_send_signal(process, signal.SIGKILL)
                assert select.select([process], [], [], DEADLINE)[0], "it lives on"
                os.close(process)
            bus.kill_driver("QEMU", before=crash)
            expect("NoSuchDomain", bus.call, qemu.path, f"{NAME}.Connection", "GetDomainByID", "u", 0)
        else:
            if ending == "driver killed":
                qemu.kill_driver()
            qemu.do(domain, "Destroy")
        gone(domain)
    broken = script("broken", "case \"$*\" in *none,accel=*) exec /usr/bin/qemu-system-x86_64 \"$@\";; esac\necho this is why >&2\nexit 1\n")
    failure = expect("HypervisorFailed", bus.call, qemu.path, f"{NAME}.Connection", "CreateDomain", "sa{sv}", with_emulator(broken, "broken"), {})
    assert "this is why" in str(failure) and "its log is" not in str(failure), failure
    bus.wait(lambda: logs() == before, "the log to go")


def what_a_wrapper_has_started_ends_with_it():
    wrapper = script("wrapper", "case \"$*\" in *none,accel=*) exec /usr/bin/qemu-system-x86_64 \"$@\";; esac\n"
                                "trap 'exit 0' TERM\nsh -c \"trap '' TERM; while :; do sleep 1000; done\" stays \"$@\" &\n"
                                "/usr/bin/qemu-system-x86_64 \"$@\" &\nwait\n")
    domain = qemu.define(with_emulator(wrapper, "wrapped"))
    for restart in (False, True):
        qemu.do(domain, "Start", paused=True)
        processes = [os.pidfd_open(pid) for pid in qemus(domain)]
        assert len(processes) >= 3, qemus(domain)  # one that has just been forked, too
        if restart:
            qemu.kill_driver()
        qemu.do(domain, "Destroy")
        for process in processes:
            assert select.select([process], [], [], DEADLINE)[0], "it lives on"
            os.close(process)
    qemu.do(domain, "Undefine")


def filter_of(job):
    """The program that compresses: the driver's child that runs none of its own."""
    found = []

    def look():
        driver = bus.driver("QEMU")
        with open(f"/proc/{driver}/task/{driver}/children", encoding="ascii") as file:
            for pid in file.read().split():
                try:
                    if os.readlink(f"/proc/{pid}/exe").endswith("/gzip"):
                        found.append(int(pid))
                except FileNotFoundError:  # another that has ended
                    pass
        return found
    bus.wait(look, f"the program of {job}")
    return found[0]


def reads_memory(pid, *command):
    """Whether a user can read what a process holds: what it has mapped, and a byte of it."""
    program = (f"line = next(l for l in open('/proc/{pid}/maps') if ' rw' in l)\n"
               f"file = open('/proc/{pid}/mem', 'rb'); file.seek(int(line.split('-')[0], 16)); assert file.read(1)")
    return subprocess.run([*command, "python3", "-c", program], capture_output=True, check=False).returncode == 0


def what_compresses_a_guest_is_nobody_elses_to_read():
    domain = qemu.define(qemu.document("compressed"))
    qemu.do(domain, "Start")
    reader, writer = os.pipe()
    job = bus.call(domain, f"{NAME}.Domain", "SaveToFD", "ha{sv}", 0, variants({"compression": "gzip"}), fds=[writer])
    os.close(writer)
    pid = filter_of(job)
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert set(status["Uid"].split()) == {str(pwd.getpwnam("virtbus-filter").pw_uid)} and status["Groups"].strip() == "", status
    assert int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1" and int(status["Seccomp"]) == 2, status
    for space in ("ipc", "mnt", "net", "uts"):
        assert os.readlink(f"/proc/{pid}/ns/{space}") != os.readlink(f"/proc/self/ns/{space}"), space
    # While it is being loaded it has its libraries open.
    bus.wait(lambda: {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")} == {0, 1, 2}, "its descriptors alone")
    contains(open(f"/proc/{pid}/limits", encoding="ascii").read(), "Max core file size        1                    1 ")
    assert reads_memory(pid)  # root may: what follows shows something
    for user in ("nobody", "virtbus-qemu", "vb-alice"):
        assert not reads_memory(pid, "setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"), user
    bus.call(job, f"{NAME}.Job", "Cancel")
    with open(reader, "rb") as file:
        file.read()
    finish(job)
    gone(domain)


def no_text_of_a_document_becomes_an_option():
    """Each text that goes into a list of options has its commas doubled, or is JSON's, or an argument of its own."""
    evil = "/x,evil=on"
    words = [f"<devices><graphics type='{kind}' port='5999' listen='{evil}'/></devices>" for kind in ("vnc", "spice")]
    words += [f"<devices><graphics type='{kind}'><listen type='socket' socket='{evil}'/></graphics></devices>" for kind in ("vnc", "spice")]
    words += [f"<devices><graphics type='vnc' keymap='{evil}'/></devices>", f"<devices><graphics type='vnc' port='5999' passwd='{evil}'/></devices>",
              f"<devices><graphics type='egl-headless'><gl rendernode='{evil}'/></graphics></devices>", f"<devices><graphics type='spice'><gl enable='yes' rendernode='{evil}'/></graphics></devices>"]
    words += [f"<sysinfo type='smbios'><bios><entry name='vendor'>{evil}</entry></bios><system><entry name='serial'>{evil}</entry></system><oemStrings><entry>{evil}</entry></oemStrings></sysinfo>",
              f"<sysinfo type='fwcfg'><entry name='opt/x'>{evil}</entry></sysinfo>", f"<sysinfo type='fwcfg'><entry name='opt/x' file='{evil}'/></sysinfo>", f"<title>{evil}</title>"]
    words += [f"<devices><{kind} type='{form}'>{source}<target type='{target}' {more}/></{kind}></devices>"
              for kind, target, more in (("serial", "isa-serial", ""), ("channel", "virtio", f"name='{evil}'"))
              for form, source in (("file", f"<source path='{evil}'/>"), ("dev", f"<source path='{evil}'/>"), ("pipe", f"<source path='{evil}'/>"), ("unix", f"<source mode='connect' path='{evil}'/>"),
                                   ("tcp", f"<source mode='connect' host='{evil}' service='1{evil}'/>"), ("pty", f"<log file='{evil}'/>"))]
    words += [f"<devices><disk type='file'><source file='{evil}'/><target dev='vda' bus='virtio'/><serial>{evil}</serial></disk></devices>",
              f"<devices><interface type='user'><model type='virtio'/><backend tap='{evil}'/><alias name='ua-{evil}'/></interface></devices>", f"<devices><emulator>{evil}</emulator></devices>",
              f"<devices><audio id='1' type='file' path='{evil}'/></devices>", f"<devices><filesystem type='mount' accessmode='passthrough'><source dir='{evil}'/><target dir='{evil}'/></filesystem></devices>",
              f"<devices><rng model='virtio'><backend model='random'>{evil}</backend></rng></devices>", f"<cpu mode='custom'><model>{evil}</model></cpu>", "<memoryBacking><source type='file'/></memoryBacking>"]
    shown = 0
    for text in words:
        document = qemu.document("comma", more=text) if not text.startswith("<devices>") else qemu.document("comma", devices=text[len("<devices>"):-len("</devices>")])
        try:
            native = bus.call(qemu.path, CONNECTION, "DomainXMLToNative", "ss", "qemu-argv", document)
        except BusError:
            continue  # refused is as well
        for argument in shlex.split(native):
            if ",evil=on" in argument and argument != evil and not argument.startswith("{"):
                shown += 1
                assert not re.search(r"[^,],evil=on", argument), (text, argument)
    assert shown > 10, shown
    contains(expect("InvalidXML", qemu.define, qemu.document("comma,evil=on/")), "name")


def text_of_a_document_stays_within_its_option():
    for graphics in ("<graphics type='vnc' port='5999' listen='127.0.0.1,password=on'/>", "<graphics type='spice' port='5999' listen='127.0.0.1,disable-ticketing=on'/>"):
        try:
            native = bus.call(qemu.path, CONNECTION, "DomainXMLToNative", "ss", "qemu-argv", qemu.document("comma", devices=graphics))
        except BusError as error:
            contains(error.message, "listen")  # refused is as well
            continue
        contains(native, "127.0.0.1,,")


IMAGE_JOBS = {"Commit": ("ssa{sv}", "", ""), "Pull": ("sa{sv}", ""), "Copy": ("ssa{sv}", f"{WORK}/copied.img", "raw")}


def layered(path):
    """A disk of two images, which are new."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", f"{path}.base", "1M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{path}.base", "-F", "qcow2", f"{path}.top"], check=True)
    if os.path.exists(f"{WORK}/copied.img"):
        os.unlink(f"{WORK}/copied.img")
    return (f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}.top'/><backingStore type='file'><format type='qcow2'/><source file='{path}.base'/>"
            "<backingStore/></backingStore><target dev='vda' bus='virtio'/></disk>")


@the_same_driver
def whatever_a_qemu_tells_the_driver_lives_on():
    """Operations on a guest whose QEMU lies at random: each ends, well or not, and another guest is as it was."""
    with open(f"{WORK}/image", "wb") as file:
        file.truncate(1 << 20)
    other = qemu.define(qemu.document("other"))
    qemu.do(other, "Start", paused=True)
    rounds, seed = int(os.environ.get("VIRTBUS_ROUNDS", "6")), int(os.environ.get("VIRTBUS_SEED", "1"))
    extra = [f"<disk type='file'><source file='{WORK}/other'/><target dev='vdb' bus='virtio'/></disk>", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
             "<channel type='unix'><target type='virtio' name='org.example.x'/></channel>"]
    with open(f"{WORK}/other", "wb") as file:
        file.truncate(1 << 20)
    for turn in range(seed, seed + rounds):
        chance = random.Random(turn)
        layers = layered(f"{WORK}/layers") if turn % 2 else None
        domain = lying(f"liar{turn}", seed=turn, rate=chance.choice([0.02, 0.1, 0.3]), devices=layers + DEVICES.split("</disk>")[1] if layers else DEVICES.format(WORK))
        try:
            qemu.do(domain, "Start", paused=chance.random() < 0.3)
        except BusError:
            pass
        for _ in range(8):
            answers = []
            what = chance.choice(["Suspend", "Resume", "Reset", "attach", "detach", "media", "save", "dump", "memory", "stats", "shutdown", "console", "screenshot", "peek",
                                  *(["snapshot", "snapshot", "Revert", "Delete", "Commit", "Pull", "Copy"] if layers else [])])
            if what in ("Suspend", "Resume", "Reset"):
                answers.append(bus.begin(domain, f"{NAME}.Domain", what, ""))
            elif what == "attach":
                answers.append(bus.begin(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", chance.choice(extra), {}))
            elif what == "detach":
                answers.append(bus.begin(f"{domain}/device/" + chance.choice(["net0", "virtio_2ddisk0", "virtio_2ddisk1", "rng0", "channel1"]), f"{NAME}.Device", "Detach",
                                         "a{sv}", {"timeout": GLib.Variant("t", 300000)}))
            elif what == "save":
                answers.append(bus.begin(domain, f"{NAME}.Domain", "ManagedSave", "a{sv}", {}))
            elif what == "dump":
                with open(f"{WORK}/core", "wb") as file:
                    try:
                        bus.call(domain, f"{NAME}.Domain", "Dump", "ha{sv}", 0, {}, fds=[file.fileno()])
                    except BusError:
                        pass
            elif what == "memory":
                answers.append(bus.begin(domain, f"{NAME}.Domain", "SetMemory", "ta{sv}", 48 << 20, {}))
            elif what == "stats":
                answers.append(bus.begin(qemu.path, CONNECTION, "GetDomainStats", "aoasa{sv}", [domain], [], {}))
            elif what == "shutdown":
                answers.append(bus.begin(domain, f"{NAME}.Domain", "Shutdown", "a{sv}", {}))
            elif what == "console":
                answers.append(bus.begin(f"{domain}/device/serial0", f"{NAME}.Device.Console", "Open", "a{sv}", {}))
            elif what == "screenshot":
                answers.append(bus.begin(domain, f"{NAME}.Domain", "Screenshot", "ua{sv}", 0, {}))
            elif what == "peek":
                answers.append(bus.begin(domain, f"{NAME}.Domain", "PeekMemory", "tta{sv}", 0, 16, {}))
            elif what == "snapshot":
                answers.append(bus.begin(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", "<domainsnapshot/>", {}))
            elif what in ("Revert", "Delete"):
                answers += [bus.begin(path, f"{NAME}.Snapshot", what, "a{sv}", {}) for path, interfaces in bus.objects(domain).items() if f"{NAME}.Snapshot" in interfaces][:1]
            elif what in IMAGE_JOBS:
                answers.append(bus.begin(f"{domain}/device/virtio_2ddisk0", f"{NAME}.Device.Disk.Image", what, *IMAGE_JOBS[what], variants({"pivot": True} if what != "Pull" else {})))
            bus.wait(lambda: all(answers), f"an answer to {what} of round {turn}")
        assert qemu.state(other) == "paused"
        qemu.do(other, "Resume")
        qemu.do(other, "Suspend")
        gone(domain)
    gone(other)


run([
    programs_are_run_only_where_nobody_but_root_could_have_put_them,
    what_changed_since_it_was_defined_is_not_run,
    who_may_only_read_has_nothing_run,
    few_binaries_are_asked_at_the_same_time,
    a_guests_folder_is_the_drivers_alone,
    a_socket_that_was_put_in_anothers_place_is_not_connected_to,
    sockets_are_not_made_where_others_lead_to,
    one_that_says_for_ever_that_its_migration_ends_keeps_no_save,
    a_migration_that_completes_twice_or_unasked_is_taken_once,
    a_monitor_that_is_cut_leaves_the_guest_as_it_is,
    a_driver_that_is_cut_off_before_it_is_ready_leaves_the_guest_to_be_destroyed,
    a_tray_that_the_guest_has_locked_is_busy,
    a_qemu_that_lists_no_nodes_changes_media_all_the_same,
    a_domain_is_named_once_in_an_error_whatever_it_is_called,
    words_that_are_cut_stay_text,
    what_lacks_its_source_is_refused_by_every_call,
    floods_of_one_guest_hold_up_no_other,
    what_a_guest_causes_is_told_in_measure_and_the_last_word_is_true,
    two_qemus_never_run_one_domain,
    what_an_image_says_of_itself_opens_nothing_that_not_everybody_may_read,
    no_document_gives_a_guest_what_the_kernel_tells_of_processes,
    no_document_leads_root_where_others_decide,
    links_that_root_has_made_lead_on,
    no_image_has_root_open_what_its_header_names_when_it_is_resized,
    an_image_of_a_domain_that_is_off_is_resized_without_roots_rights,
    who_resizes_an_image_ends_with_the_driver,
    files_that_are_copied_for_a_guest_are_bounded,
    a_guests_log_is_bounded_and_goes_with_its_definition,
    a_log_goes_with_a_guest_that_has_no_definition,
    what_a_wrapper_has_started_ends_with_it,
    what_compresses_a_guest_is_nobody_elses_to_read,
    no_text_of_a_document_becomes_an_option,
    text_of_a_document_stays_within_its_option,
    whatever_a_qemu_tells_the_driver_lives_on,
])
