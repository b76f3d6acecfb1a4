#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that are told to end in the middle of work: who waits is told Cancelled, the exit status is 0, nothing is left, and what is known
afterwards is true. One suite, run against the test driver and against real QEMUs.

Usage (below tests/with-bus): test-ending.py test|qemu
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys

from gi.repository import GLib

from processes import all_processes
from rig import BUILD, DEADLINE, NAME, ROOT, SOURCE, Bus, BusError, Ends, Hypervisor, expect, run, variants

bus = Bus()
hypervisor = Hypervisor(bus, sys.argv[1])
REAL = hypervisor.name == "qemu"
WORK = os.path.join(ROOT, "ending")
HOUR = 3600 * 10**6
state = {}
os.makedirs(WORK, mode=0o755)
os.chmod(WORK, 0o755)

def end_driver(stopped=False):
    """Tells the driver to end, which must be a success, and waits until the service has seen that. STOPPED: it was, and goes on."""
    def ends():
        return [1 for path, _, member, arguments in bus.signals
                if path == "/org/virtbus1" and member == "PropertiesChanged" and "Drivers" in arguments[1]
                for name, _, phase, _ in arguments[1]["Drivers"] if name == hypervisor.name and phase != "attached"]
    bus.settle()
    seen, pid = len(ends()), bus.driver(hypervisor.driver_name)
    os.kill(pid, signal.SIGTERM)
    if stopped:
        os.kill(pid, signal.SIGCONT)
    state["ends"].well(pid)
    bus.wait(lambda: len(ends()) > seen, "the end of the driver to be told")


def reach_driver():
    """A call that it answers itself: what was called before has come to it."""
    expect("NoSuchDomain", bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByID", "u", 0)


def delay(operation, microseconds):
    bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", operation, microseconds)


def disk(target):
    path = f"{WORK}/{target}.img"
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.truncate(1 << 20)
    return f"<disk type='file'><driver name='qemu' type='raw'/><source file='{path}'/><target dev='{target}' bus='virtio'/></disk>"


def image_job(domain, disk, method, signature, *arguments, **options):
    return bus.begin(f"{domain}/device/virtio_2ddisk{disk}", f"{NAME}.Device.Disk.Image", method, signature + "a{sv}", *arguments, variants(options))


def layered(target):
    """A disk of two images."""
    base, top = (f"{WORK}/{target}.{name}.qcow2" for name in ("base", "top"))
    if not os.path.exists(top):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "1M"], check=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top], check=True)
    return (f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{top}'/><backingStore type='file'><format type='qcow2'/>"
            f"<source file='{base}'/><backingStore/></backingStore><target dev='{target}' bus='virtio'/></disk>")


AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
DRIVE = "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target dev='hdc' bus='ide'/></disk>"


def begin(domain, member, signature="", *arguments):
    return bus.begin(domain, f"{NAME}.Domain", member, signature, *arguments)


def save(domain, **options):
    return begin(domain, "Save", "sa{sv}", f"{WORK}/file.save", variants(options))


def dump(domain):
    return bus.begin_with_fd(domain, f"{NAME}.Domain", "Dump", os.open(f"{WORK}/core", os.O_WRONLY | os.O_CREAT, 0o600))


def restore(_domain):
    return bus.begin(hypervisor.path, f"{NAME}.Connection", "RestoreDomain", "sa{sv}", f"{WORK}/restored.save", {})


def snapshot(domain, **options):
    return begin(domain, "CreateSnapshot", "sa{sv}", "<domainsnapshot/>", variants(options))


def its_snapshot(domain):
    """Its only snapshot, which is there."""
    return next(path for path, interfaces in bus.objects(domain).items() if f"{NAME}.Snapshot" in interfaces)


def snapshot_do(domain, member):
    return bus.begin(its_snapshot(domain), f"{NAME}.Snapshot", member, "a{sv}", {})


def live(**options):
    return variants({"live": True, **options})


class Work:
    """What is done to a domain that is off, paused or running; DEVICES it has; what holds it up: operations of the test driver, or what QEMU is
    never asked to answer; the states that the domain may be in afterwards, whether the work ends as a job, and whether
    it can be done again without a system in the guest."""

    def __init__(self, call, before, after, operation=None, devices="", job=False, again=True):
        self.call, self.before, self.after, self.operation, self.devices, self.job = call, before, after, operation, devices, job
        self.again = again


WORKS = {
    "suspend": Work(lambda d: begin(d, "Suspend"), "running", ("running", "paused"), "suspend"),
    "resume": Work(lambda d: begin(d, "Resume"), "paused", ("running", "paused"), "resume"),
    "reset": Work(lambda d: begin(d, "Reset"), "running", ("running",), "reset"),
    "shutdown": Work(lambda d: begin(d, "Shutdown", "a{sv}", {}), "running", ("running",), "shutdown"),
    "dump": Work(dump, "running", ("running",), "dump", job=True),
    "save": Work(save, "running", ("running",), "save", job=True),
    "compressed save": Work(lambda d: save(d, compression="gzip"), "running", ("running",), "save", job=True),
    "managed save": Work(lambda d: begin(d, "ManagedSave", "a{sv}", {}), "paused", ("paused",), "save", job=True),
    "attach": Work(lambda d: begin(d, "AttachDevice", "sa{sv}", disk("vdb"), live()), "paused", ("paused",), "attach"),
    "attach to both": Work(lambda d: begin(d, "AttachDevice", "sa{sv}", disk("vdc"), live(config=True)), "paused", ("paused",), "attach"),
    "detach": Work(lambda d: bus.begin(f"{d}/device/virtio_2ddisk3", f"{NAME}.Device", "Detach", "a{sv}", live(timeout=GLib.Variant("t", HOUR // 60))),
                   "running", ("running",), "detach", devices=disk("vdd"), again=not REAL),
    "media": Work(lambda d: bus.begin(f"{d}/device/ide0_2d1_2d0", f"{NAME}.Device.Disk", "ChangeMedia", "ssa{sv}", f"{WORK}/media.iso", "raw", live()),
                  "paused", ("paused",), "update", devices=DRIVE),
    "link": Work(lambda d: bus.begin(f"{d}/device/net0", f"{NAME}.Device.NetworkInterface", "SetLink", "ba{sv}", False, live()),
                 "paused", ("paused",), "update", devices="<interface type='user'><model type='virtio'/></interface>"),
    "size of a disk": Work(lambda d: bus.begin(f"{d}/device/virtio_2ddisk4", f"{NAME}.Device.Disk", "Resize", "ta{sv}", 2 << 20, {}),
                           "paused", ("paused",), "resize", devices=disk("vde")),
    "statistics": Work(lambda d: bus.begin(hypervisor.path, f"{NAME}.Connection", "GetDomainStats", "aoasa{sv}", [d], [], {}),
                       "paused", ("paused",), "statistics", devices=disk("vdf")),
    "memory": Work(lambda d: begin(d, "SetMemory", "ta{sv}", 8 << 20, live()), "paused", ("paused",), "resize"),
    "start": Work(lambda d: begin(d, "Start", "a{sv}", {}), "shutoff", ("shutoff", "running"), "start"),
    "start of what was saved": Work(lambda d: begin(d, "Start", "a{sv}", {}), "saved", ("shutoff", "running"), "start"),
    "restore": Work(restore, "file", ("shutoff", "paused"), "start", job=True),
    "destroy": Work(lambda d: begin(d, "Destroy", "a{sv}", {}), "paused", ("paused", "shutoff"), "destroy"),
}
if REAL:
    WORKS |= {
        "screenshot": Work(lambda d: begin(d, "Screenshot", "ua{sv}", 0, {}), "paused", ("paused",), devices="<video><model type='vga'/></video>"),
        "peek": Work(lambda d: begin(d, "PeekMemory", "tta{sv}", 0, 16, {}), "paused", ("paused",)),
        "commit": Work(lambda d: image_job(d, 6, "Commit", "ss", "", "", pivot=True), "paused", ("paused",), devices=layered("vdg"), job=True),
        "pull": Work(lambda d: image_job(d, 7, "Pull", "s", ""), "paused", ("paused",), devices=layered("vdh"), job=True),
        "copy": Work(lambda d: image_job(d, 8, "Copy", "ss", f"{WORK}/copy.img", "raw", pivot=True), "paused", ("paused",), devices=disk("vdi"), job=True),
        "keys": Work(lambda d: begin(d, "SendKeys", "asa{sv}", ["a"], {}), "paused", ("paused",)),
    }
    WORKS |= {
        "snapshot": Work(snapshot, "running", ("running",), devices=layered("vdj")),
        "revert": Work(lambda d: snapshot_do(d, "Revert"), "kept", ("paused",), devices=layered("vdl")),
        "delete of a snapshot": Work(lambda d: snapshot_do(d, "Delete"), "kept", ("paused",), devices=layered("vdm"), again=False),
    }
    del WORKS["destroy"]  # the kernel does it
else:
    WORKS |= {
        "agent": Work(lambda d: bus.begin(f"{d}/guest", f"{NAME}.Domain.Guest", "Ping", ""), "agent", ("paused",), devices=AGENT, again=False),
    }
    del WORKS["media"], WORKS["size of a disk"]  # which it does at once


# Those of whose QEMU something is asked.
ACTIVE = ("running", "paused", "kept")
# What a hypervisor is asked for some time only, and a call answered without it then.
GIVEN_UP = ("statistics",)


def lines():
    return {pid: "\0".join(words) for pid, words in all_processes().items()}


def machines(uuid):
    return [pid for pid, line in lines().items() if uuid in line and "guest=" in line and "qemu-system" in line]


def files():
    """All that lies in the driver's folders and ours, without logs."""
    found = []
    for top in (f"{ROOT}/{hypervisor.name}/state", f"{ROOT}/{hypervisor.name}/run", WORK):
        for folder, _, names in os.walk(top):
            found += [os.path.join(folder, name) for name in names]
    return sorted(found)


def slow(name, **lies):
    """A QEMU that does not answer everything: lying-qemu.py."""
    place = f"{WORK}/{name}"
    os.makedirs(place, mode=0o755, exist_ok=True)
    shutil.copy(f"{SOURCE}/tests/tools/lying-qemu.py", f"{place}/qemu-system-x86_64")
    with open(f"{place}/lies.json", "w", encoding="utf-8") as file:
        json.dump(lies, file)
    return f"<emulator>{place}/qemu-system-x86_64</emulator>"


def made(name, work):
    """A domain on which the work can be done."""
    emulator = slow(name.replace(" ", "-")) if REAL and work.operation == "start" else ""
    domain = hypervisor.define(hypervisor.document(name, devices=emulator + work.devices, memory=16))
    if work.before != "shutoff":
        hypervisor.do(domain, "Start", paused=work.before != "running")
    if work.before == "agent":
        hypervisor.do(domain, "Resume")
        hypervisor.do(domain, "Suspend")
    if work.before in ("saved", "file"):
        job = begin(domain, "ManagedSave", "a{sv}", {}) if work.before == "saved" else begin(domain, "Save", "sa{sv}", f"{WORK}/restored.save", {})
        bus.wait(lambda: job, "the job")
        assert bus.wait_signal(job[0][0], "Completed")[0]
    if work.before == "kept":
        answers = snapshot(domain)
        bus.wait(lambda: answers, "the snapshot")
    if emulator:
        slow(name.replace(" ", "-"), silent=["query-chardev", "query-status", "cont"], untold=["MIGRATION"])
    return domain


def hold(domains):
    """All that is begun from now on goes on when it is let go."""
    if not REAL:
        for operation in {work.operation for work in WORKS.values() if work.operation}:
            delay(operation, HOUR)
        return []
    held = [os.pidfd_open(hypervisor.pid_of(domain)) for name, domain in domains.items() if WORKS[name].before in ACTIVE]
    for process in held:
        signal.pidfd_send_signal(process, signal.SIGSTOP)
    return held


def let_go(held):
    for process in held:
        signal.pidfd_send_signal(process, signal.SIGCONT)
        os.close(process)


def outcome(name, answers):
    """None, or the error of a call and of its job."""
    bus.wait(lambda: answers, f"the answer to {name}")
    if isinstance(answers[0], BusError) or not WORKS[name].job:
        return answers[0] if isinstance(answers[0], BusError) else None
    success, error, message = bus.wait_signal(answers[0][-1], "Completed")
    return None if success else f"{error}: {message}"


def whoever_waits_is_told_cancelled():
    with open(f"{WORK}/media.iso", "wb") as file:
        file.truncate(1 << 20)
    domains = state["domains"] = {name: made(name, work) for name, work in WORKS.items()}
    state["held"] = hold(domains)
    bus.settle()
    bus.signals.clear()
    answers = {name: WORKS[name].call(domain) for name, domain in domains.items()}
    # Others wait for their turn.
    behind = {name: begin(domain, "Reset") for name, domain in domains.items() if WORKS[name].before in ACTIVE and name != "destroy"}
    reach_driver()
    for name in ("start", "start of what was saved", "restore"):
        bus.wait_state(domains[name], "starting")
    for name, answer in answers.items():
        assert not answer or WORKS[name].job or name in GIVEN_UP, (name, answer)
    end_driver()
    for name, answer in answers.items():
        error = str(outcome(name, answer))
        if name in GIVEN_UP and not isinstance(answer[0], BusError):
            continue
        assert "Error.Cancelled" in error, (name, error)
    bus.wait(lambda: all(behind.values()), "answers to what waits")
    assert all(isinstance(answer[0], BusError) and answer[0].name.endswith(".Cancelled") for answer in behind.values()), list(behind.items())


def while_it_finds_what_runs_again():
    """Nothing answers yet: all are looked for when it is told to end again."""
    reach_driver()
    answers = {name: begin(domain, "Suspend") for name, domain in state["domains"].items() if REAL and WORKS[name].before in ACTIVE}
    reach_driver()
    end_driver()
    bus.wait(lambda: all(answers.values()), "answers to what waits")
    assert all(isinstance(answer[0], BusError) and answer[0].name.endswith(".Cancelled") for answer in answers.values()), answers


def what_is_known_afterwards_is_true():
    """The work is wholly done, or not at all: it can be done (again)."""
    let_go(state.pop("held"))
    reach_driver()
    for name, domain in state["domains"].items():
        work = WORKS[name]
        bus.wait(lambda domain=domain: hypervisor.state(domain) not in ("starting", "stopping"), f"{name} to come to rest")
        now, active = hypervisor.state(domain), bus.get(domain, "Domain", "Active")
        assert now in work.after, (name, now)
        if REAL and work.operation == "start":
            slow(name.replace(" ", "-"))
        if REAL:
            running = machines(bus.get(domain, "Domain", "UUID"))
            assert (hypervisor.pid_of(domain) in running if active else not running), (name, running)
        if work.before == "saved":
            assert active != bus.get(domain, "Domain", "HasManagedSave"), (name, now)
        error = outcome(name, work.call(domain)) if work.again else None
        # It is known how far it came when QEMU has been asked, behind which the call waits.
        assert error is None or ("OperationInvalid" in str(error) and hypervisor.state(domain) != work.before), (name, now, error)
    for domain in state["domains"].values():
        if bus.get(domain, "Domain", "Active"):
            hypervisor.do(domain, "Destroy")
        hypervisor.do(domain, "Undefine", managed_save=True, snapshots=True)


def what_is_answered_has_been_done():
    """Definitions and their ends, told to end at any point of them."""
    documents = {f"many-{n}": hypervisor.document(f"many-{n}") for n in range(24)}
    old = {name: hypervisor.define(documents[name]) for name in list(documents)[:12]}
    answers = {name: begin(old[name], "Undefine", "a{sv}", {}) if name in old else
               bus.begin(hypervisor.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", text, {}) for name, text in documents.items()}
    bus.wait(lambda: any(answers.values()), "the first answer")
    end_driver()
    bus.wait(lambda: all(answers.values()), "all answers")
    reach_driver()
    there = {properties[f"{NAME}.Domain"]["Name"]: path for path, properties in bus.objects(hypervisor.path).items() if f"{NAME}.Domain" in properties}
    for name, answer in answers.items():
        if isinstance(answer[0], BusError):
            assert answer[0].name.endswith(".Cancelled"), (name, answer)
        else:
            assert (name in there) == (name not in old), (name, answer)
    for name in documents:
        if name in there:
            hypervisor.do(there[name], "Undefine")


def what_it_had_not_read_is_cancelled_too():
    """Calls in the driver's socket, and more behind them than it has room for."""
    domain, large = hypervisor.define(hypervisor.document("unread")), "<!--" + "x" * 900000 + "-->"
    bus.settle()
    os.kill(bus.driver(hypervisor.driver_name), signal.SIGSTOP)
    answers = [begin(domain, "GetXML", "a{sv}", {}) for _ in range(100)]  # the bus lets a connection wait for 128 answers
    answers += [bus.begin(hypervisor.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", hypervisor.document(f"unread-{n}") + large, {}) for n in range(6)]
    assert hypervisor.state(domain) == "shutoff"  # a call that is behind them
    end_driver(stopped=True)
    bus.wait(lambda: all(answers), "all answers")
    others = [answer[0] for answer in answers if isinstance(answer[0], BusError) and not answer[0].name.endswith(".Cancelled")]
    assert not others, others
    reach_driver()
    there = {properties[f"{NAME}.Domain"]["Name"]: path for path, properties in bus.objects(hypervisor.path).items() if f"{NAME}.Domain" in properties}
    for number, answer in enumerate(answers[100:]):
        assert (f"unread-{number}" in there) == (not isinstance(answer[0], BusError)), (number, answer, there)
    for name, path in there.items():
        if name.startswith("unread"):
            hypervisor.do(path, "Undefine")


def mute():
    """A QEMU that never says what it can do, as <emulator>, and a function that waits until it has been asked."""
    emulator, opened = f"{WORK}/mute/qemu-system-x86_64", f"{WORK}/mute/opened"
    if not os.path.exists(opened):
        os.makedirs(f"{WORK}/mute", exist_ok=True)
        os.mkfifo(opened)
        os.chmod(opened, 0o666)
        with open(emulator, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\necho > {opened}\nexec sleep {HOUR}\n")
        os.chmod(emulator, 0o755)

    reader = os.open(opened, os.O_RDWR)

    def wait():
        assert select.select([reader], [], [], DEADLINE)[0], "it was not asked"
        os.read(reader, 1)
        os.close(reader)
    return f"<emulator>{emulator}</emulator>", wait


def what_waits_for_a_program_that_tells_what_it_can_is_cancelled():
    """An emulator that never answers: whatever needs to know it waits, and the program ends with the driver."""
    if not REAL:
        return
    emulator, opened = mute()
    document = hypervisor.document("mute", devices=emulator)
    command = f"{emulator.removeprefix('<emulator>').removesuffix('</emulator>')} -machine pc -m 64"
    calls = {"DefineDomain": ("sa{sv}", document, {}), "CreateDomain": ("sa{sv}", document, {}),
             "DomainXMLToNative": ("ss", "qemu-argv", document), "DomainXMLFromNative": ("ss", "qemu-argv", command)}
    answers = {name: bus.begin(hypervisor.path, f"{NAME}.Connection", name, *arguments) for name, arguments in calls.items()}
    opened()
    # What came later is answered: the driver has read them all.
    expect("InvalidArgument", bus.call, hypervisor.path, f"{NAME}.Connection", "DomainXMLFromNative", "ss", "none", "")
    assert not any(answers.values()), answers
    end_driver()
    bus.wait(lambda: all(answers.values()), "answers")
    assert all(isinstance(answer[0], BusError) and answer[0].name.endswith(".Cancelled") for answer in answers.values()), answers
    bus.wait(lambda: not [line for line in lines().values() if str(HOUR) in line], "the end of the program, which is told when the driver ends")
    reach_driver()
    expect("NoSuchDomain", bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByName", "s", "mute")


def an_open_console_ends_and_can_be_opened_again():
    """Whoever reads it reads that it has ended, and the guest goes on."""
    domain = hypervisor.define(hypervisor.document("console", devices="<serial type='pty'/>"))
    hypervisor.do(domain, "Start", paused=True)

    def open_console():
        return bus.call(f"{domain}/device/serial0", f"{NAME}.Device.Console", "Open", "a{sv}", {})
    console = open_console()
    end_driver()
    said = b"x"
    while said:
        assert select.select([console], [], [], DEADLINE)[0], "it has not ended"
        said = os.read(console, 4096)
    os.close(console)
    reach_driver()
    bus.wait(lambda: hypervisor.state(domain) == "paused", "the guest to be found")
    os.close(open_console())
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")


class Run:
    """virtbus-run with a guest; it is ended when it does what it was begun for."""
    temporary = f"{ROOT}/t"  # short: sockets lie below it

    def __init__(self, name, devices="", document=None, root=None):
        self.name = name
        if not document:
            document = f"{WORK}/{name}.xml"
            with open(document, "w", encoding="utf-8") as file:
                file.write(hypervisor.document(name, devices=devices, memory=16))
        self.process = subprocess.Popen([f"{BUILD}/client/virtbus-run", "--verbose", *([f"--root={root}"] if root else []), document],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "TMPDIR": self.temporary})

    def until(self, word):
        said = ""
        for line in self.process.stdout:
            said += line
            if word in line:
                return self
        raise AssertionError(f"{self.name} ended before it said {word!r}: {said}")

    def stop_guest(self):
        guest, = [pid for pid, line in lines().items() if f"guest={self.name}," in line]
        os.kill(guest, signal.SIGSTOP)
        return self


def a_guest_without_a_service_ends_with_its_program():
    """In any state of it; and nothing is left."""
    if not REAL:
        return
    os.makedirs(Run.temporary)
    runs = []
    # Nobody writes its document.
    os.mkfifo(f"{WORK}/unwritten")
    runs.append(Run("unwritten", document=f"{WORK}/unwritten"))
    writer = os.open(f"{WORK}/unwritten", os.O_WRONLY)  # waits until somebody reads
    # Its QEMU is asked what it can do.
    emulator, asked = mute()
    runs.append(Run("asked", devices=emulator))
    runs[-1].until("starting")
    asked()
    runs.append(Run("begins", devices=slow("begins", silent=["query-status", "query-chardev"])).until("starting"))
    runs.append(Run("runs").until("running"))
    runs.append(Run("hangs").until("running").stop_guest())
    # What an earlier run has left does not answer while it is looked for.
    earlier = Run("earlier", root=f"{ROOT}/r").until("running").stop_guest()
    earlier.process.kill()
    earlier.process.wait()
    runs.append(Run("later", root=f"{ROOT}/r").until("the driver is ready"))  # what it says next depends on what was written down
    for each in runs:
        each.process.terminate()
    for each in runs:
        said, _ = each.process.communicate(timeout=DEADLINE)
        assert each.process.returncode == 0, (each.name, each.process.returncode, said)
    os.close(writer)
    assert os.listdir(Run.temporary) == []
    names = [f"guest={name}," for name in ("begins", "runs", "hangs", "earlier", "later")]
    bus.wait(lambda: not [line for line in lines().values() if str(HOUR) in line or any(name in line for name in names)], "the ends of all that they had started")


def left():
    """What the work has left: files and processes. What was learnt of programs is kept, and our own is not looked at."""
    kept = (f"{WORK}/", f"{ROOT}/{hypervisor.name}/state/{hypervisor.name}/capabilities/")
    return [path for path in files() if path not in state["files"] and not path.startswith(kept)] + \
           [path for path in files() if path.startswith(f"{WORK}/file.save.")] + \
           [line for line in lines().values() if line.startswith("gzip") or "guest=" in line]


def nothing_is_left():
    reach_driver()
    try:
        bus.wait(lambda: not left(), "what is left to be taken away")
    except AssertionError:
        raise AssertionError(left()) from None


state["ends"] = Ends(bus, hypervisor.driver_name)
hypervisor.do(hypervisor.define(hypervisor.document("first")), "Undefine")
state["files"] = files()
run([whoever_waits_is_told_cancelled, while_it_finds_what_runs_again, what_is_known_afterwards_is_true, what_is_answered_has_been_done,
     what_it_had_not_read_is_cancelled_too, an_open_console_ends_and_can_be_opened_again,
     what_waits_for_a_program_that_tells_what_it_can_is_cancelled,
     a_guest_without_a_service_ends_with_its_program, nothing_is_left])
