#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills at random instants of the service, the QEMU driver, both, the bus and polkitd, while clients define, start, plug, save, restore,
destroy and undefine. After each, what was answered has lasted: no definition, save or guest is lost, no QEMU runs that nobody knows,
none twice, and what is shown is true.

Usage (below tests/with-bus): test-kills.py [--seed N] [--kills N] [--minutes N]; the long form is --kills 200 --minutes 60.
"""

import argparse
import collections
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "behaviour"))
from rig import DEADLINE, NAME, ROOT, Bus, BusError, end_process, expect, memory_of, run, variants  # noqa: E402

CLIENTS = 3
DOMAINS = 2  # of each client
WORK = os.path.join(ROOT, "faults")
os.makedirs(WORK, exist_ok=True)
DRIVER, POLKIT = f"{NAME}.Driver.QEMU", "org.freedesktop.PolicyKit1"
FENCE = "fence"  # the name of a domain that nobody touches

options = argparse.ArgumentParser()
options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
options.add_argument("--kills", type=int, default=200)
options.add_argument("--minutes", type=float, default=1)
options = options.parse_args()
print(f"# seed {options.seed}", flush=True)
# Errors of the call itself: whatever came of it is certain. Others tell of a peer that died while it was at work.
CERTAIN = ("OperationInvalid", "UnknownObject", "UnknownMethod", "AlreadyExists", "NoSuchDomain", "InvalidArgument", "InvalidXML", "ResourceBusy")


def qemus():
    """The QEMUs of these domains, by UUID."""
    found = collections.defaultdict(list)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace").split("\0")
            dead = open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()[0] in "ZX"
        except OSError:
            continue
        if "-uuid" in command and "qemu-system" in command[0] and not dead:
            found[command[command.index("-uuid") + 1]].append(int(pid))
    return found


class Fact:
    """What is known of one domain: a set of what may be true, as a call that was cut off has been done or not."""

    def __init__(self, number):
        self.number = number
        self.uuid = f"fa000000-0000-4000-8000-{number:012}"
        self.path = f"/org/virtbus1/qemu/domain/{self.uuid.replace('-', '_')}"
        self.file = f"{WORK}/{number}.save"
        self.disk = f"{WORK}/{number}.img"
        self.defined = {None}  # MiB of memory of the definition; None: there is none
        self.saved = {False}  # a managed save
        self.active = {False}
        self.in_file = {False}

    def xml(self, memory, name=None):
        return (f"<domain type='qemu'><name>{name or f'fault{self.number}'}</name><uuid>{self.uuid}</uuid><memory unit='MiB'>{memory}</memory>"
                "<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features><devices><serial type='pty'/></devices></domain>")


class Client(threading.Thread):
    """Calls, one after the other, on domains that nobody else touches; notes what it was told."""

    def __init__(self, number, seed):
        super().__init__(daemon=True)
        self.random = random.Random(seed)
        self.facts = [Fact(number * DOMAINS + i) for i in range(DOMAINS)]
        self.may_go, self.idle = threading.Event(), threading.Event()
        self.ended = False
        self.calls = 0
        self.history = collections.deque(maxlen=30)
        self.failure = None
        self.bus = None

    def run(self):
        while not self.ended:
            if not self.may_go.is_set():
                self.idle.set()
                self.may_go.wait()
                self.idle.clear()
                continue
            try:
                self.step(self.random.choice(self.facts))
            except Exception as failure:  # of this test: told by the main thread
                self.failure = failure
                self.may_go.clear()

    def call(self, path, interface, member, signature="", *arguments):
        """Returns what the call came to: 'done', 'refused' or 'unknown', and the answer."""
        self.calls += 1
        began = time.monotonic()
        came_to, answer = self.try_call(path, interface, member, signature, *arguments)
        self.history.append(f"{began:.3f} to {time.monotonic():.3f}: {path.rsplit('_', 1)[-1]} {member}: {came_to}, {answer}"[:200])
        return came_to, answer

    def try_call(self, path, interface, member, signature, *arguments):
        try:
            if self.bus is None or self.bus.connection.is_closed():
                self.bus = Bus(listen=False)
            return "done", self.bus.call(path, f"{NAME}.{interface}", member, signature, *arguments)
        except BusError as error:
            return ("refused" if error.name.rsplit(".", 1)[-1] in CERTAIN else "unknown"), error
        except Exception as error:  # the bus cannot be connected to
            self.bus = None
            return "unknown", error

    def note(self, facts, came_to, value):
        if came_to == "done":
            facts.clear()
        if came_to != "refused":
            facts.add(value)

    def step(self, fact):
        domain, connection, roll = fact.path, "/org/virtbus1/qemu", self.random.randrange(100)
        if roll < 25:
            memory = self.random.choice((16, 20, 24))
            came_to, _ = self.call(connection, "Connection", "DefineDomain", "sa{sv}", fact.xml(memory), {})
            self.note(fact.defined, came_to, memory)
        elif roll < 50:
            came_to, _ = self.call(domain, "Domain", "Start", "a{sv}", variants({"paused": self.random.random() < 0.5}))
            self.note(fact.active, came_to, True)
            self.note(fact.saved, came_to, False)
        elif roll < 58:
            self.call(domain, "Domain", self.random.choice(("Suspend", "Resume", "Reset")))
        elif roll < 65:
            disk = f"<disk type='file'><driver name='qemu' type='raw'/><source file='{fact.disk}'/><target dev='vdb' bus='virtio'/></disk>"
            self.call(domain, "Domain", "AttachDevice", "sa{sv}", disk, variants({"live": True}))
        elif roll < 73:
            self.save(fact, "ManagedSave", ("a{sv}", {}), fact.saved)
        elif roll < 78:
            self.save(fact, "Save", ("sa{sv}", fact.file, {}), fact.in_file)
        elif roll < 83:
            came_to, answer = self.call(connection, "Connection", "RestoreDomain", "sa{sv}", fact.file, {})
            if came_to != "refused":
                fact.active.add(True)
                fact.saved.add(False)  # as by every start: the disks have gone on
                if came_to == "done":
                    self.wait_job(answer[1])
        elif roll < 93:
            came_to, _ = self.call(domain, "Domain", "Destroy", "a{sv}", {})
            self.note(fact.active, came_to, False)
        else:
            came_to, _ = self.call(domain, "Domain", "Undefine", "a{sv}", variants({"managed_save": True}))
            self.note(fact.defined, came_to, None)
            self.note(fact.saved, came_to, False)

    def save(self, fact, member, arguments, saved):
        came_to, job = self.call(fact.path, "Domain", member, *arguments)
        if came_to == "refused":
            return
        saved.add(True)
        fact.active.add(False)
        if came_to == "done":
            self.wait_job(job)
        # It is known to be done where the guest is off for that reason; where the driver died meanwhile, the guest may run on.
        try:
            now = self.bus.get_all(fact.path, "Domain")
        except Exception:
            return
        if (now["State"], now["StateReason"]) == ("shutoff", "saved") and came_to == "done":
            saved.clear()
            saved.add(True)

    def wait_job(self, job):
        """Until its object has gone, with its end or with its driver's."""
        for _ in range(DEADLINE * 50):
            try:
                self.bus.get(job, "Job", "Operation")
            except Exception:
                return
            time.sleep(0.02)  # a thread has no loop for signals


def ignore_closed(bus):
    bus.connection.set_exit_on_close(False)
    return bus


def start_bus():
    """As tests/with-bus does, at the same address; returns the process."""
    daemon = subprocess.Popen(["dbus-daemon", f"--config-file={ROOT}/bus.conf", "--nofork", "--nopidfile", "--print-address=1"],
                              stdout=subprocess.PIPE, stderr=open(f"{ROOT}/log", "ab"), text=True)
    daemon.stdout.readline()
    return daemon


def bus_daemon():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
        except OSError:
            continue
        if command[0].endswith(b"dbus-daemon") and f"--config-file={ROOT}/bus.conf".encode() in command:
            return int(pid)
    raise AssertionError("there is no bus")


def owner(bus, name):
    try:
        return bus.owner_pid(name)
    except BusError:
        return None


def kill(bus, what):
    """Kills at once, waits until all of it has ended, and gives the clients a bus again."""
    names = {"service": [NAME], "driver": [DRIVER], "both": [NAME, DRIVER], "polkitd": [POLKIT], "bus": []}[what]
    pids = [pid for pid in (owner(bus, name) for name in names) if pid]
    if what == "bus":
        others = [pid for pid in (owner(bus, name) for name in (NAME, DRIVER, POLKIT)) if pid]
        watches = [os.pidfd_open(pid) for pid in others]
        end_process(bus_daemon())
        for watch in watches:  # each ends by itself when its bus has gone
            select.select([watch], [], [], DEADLINE)
            os.close(watch)
        start_bus()
        return
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def connect(bus=None):
    """When the driver answers again; by the same connection where there is one, as the bus does not give everybody hundreds."""
    began = time.monotonic()
    while True:
        if bus is None or bus.connection.is_closed():
            bus = ignore_closed(Bus())
        try:
            bus.call("/org/virtbus1/qemu", f"{NAME}.Connection", "GetDomainByID", "u", 0)
        except BusError as error:
            if error.name.endswith("NoSuchDomain"):
                return bus
            assert time.monotonic() - began < DEADLINE, f"after {DEADLINE} seconds: {error}"
            time.sleep(0.05)  # whoever is to answer is being started


def check(bus, clients):
    """What was told has lasted; what is shown is true."""
    for fact in (fact for client in clients for fact in client.facts):
        pass_turn(bus, fact)
    settle_states(bus)
    objects = {path: parts[f"{NAME}.Domain"] for path, parts in bus.objects("/org/virtbus1/qemu").items() if f"{NAME}.Domain" in parts}
    running = qemus()
    for fact in (fact for client in clients for fact in client.facts):
        shown = objects.get(fact.path)
        where = f"domain {fact.number}"
        persistent = bool(shown) and bus.get(fact.path, "Domain", "Persistent")
        memory = None
        if persistent:
            xml = bus.call(fact.path, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True}))
            memory = memory_of(xml)
        assert memory in fact.defined, f"{where}: its definition is {memory}, and should be one of {fact.defined}"
        active = bool(shown) and bus.get(fact.path, "Domain", "Active")
        assert active in fact.active, f"{where}: it is {'active' if active else 'off'}, and should be one of {fact.active}"
        assert len(running[fact.uuid]) == int(active), f"{where}: it is {'active' if active else 'off'}, and has the QEMUs {running[fact.uuid]}"
        saved = bool(shown) and bus.get(fact.path, "Domain", "HasManagedSave")
        assert saved in fact.saved, f"{where}: that it has a managed save is {saved}, and should be one of {fact.saved}"
        file = f"{ROOT}/qemu/state/qemu/save/{fact.uuid}.save"
        assert not saved or os.path.exists(file), f"{where}: its managed save is lost"
        for _ in range(DEADLINE * 20):  # one that is not shown any more is being removed
            if saved or not os.path.exists(file):
                break
            time.sleep(0.05)
        assert saved or not os.path.exists(file), f"{where}: a managed save is not shown"
        assert os.path.exists(fact.file) or True not in fact.in_file or False in fact.in_file, f"{where}: its saved file is lost"
        if active:
            check_true(bus, fact)
            saved = bus.get(fact.path, "Domain", "HasManagedSave")  # one that was cut off at its very end is older, as its guest has run since
        fact.defined, fact.active, fact.saved = {memory}, {active}, {saved}
    known = {fact.uuid for client in clients for fact in client.facts}
    assert not {uuid: pids for uuid, pids in running.items() if pids and uuid not in known}, running


def pass_turn(bus, fact):
    """Until the driver has done, or begun, what was asked of it by a service that was killed: definitions, undefinitions and restores take
    turns, and this call, which changes nothing, has the one behind them."""
    expect("AlreadyExists", bus.call, "/org/virtbus1/qemu", f"{NAME}.Connection", "DefineDomain", "sa{sv}", fact.xml(16, FENCE), {})


def settle_states(bus):
    """Until nothing starts or stops, and no job is at work: one goes on when the service was killed."""
    def between():
        own = bus.objects("/org/virtbus1/qemu")  # which waits for the driver
        return [p for p, parts in {**bus.objects("/org/virtbus1"), **own}.items()
                if f"{NAME}.Job" in parts or parts.get(f"{NAME}.Domain", {}).get("State") in ("starting", "stopping")]
    seen = len(bus.signals)
    while between():
        bus.wait(lambda: len(bus.signals) > seen, "a domain to come to rest")
        seen = len(bus.signals)
    bus.settle()


def check_true(bus, fact):
    """Its state is QEMU's: what the state allows is done."""
    state = bus.get(fact.path, "Domain", "State")
    for member in {"running": ("Suspend", "Resume"), "paused": ("Resume", "Suspend")}.get(state, ()):
        bus.call(fact.path, f"{NAME}.Domain", member)
    assert bus.get(fact.path, "Domain", "State") == state


def nothing_is_lost_whatever_is_killed_and_whenever():
    chance = random.Random(options.seed)
    clients = [Client(number, options.seed * CLIENTS + number) for number in range(CLIENTS)]
    for fact in (fact for client in clients for fact in client.facts):
        with open(fact.disk, "wb") as image:
            image.truncate(1 << 20)
    bus = connect()
    fence = Fact(CLIENTS * DOMAINS)
    bus.call("/org/virtbus1/qemu", f"{NAME}.Connection", "DefineDomain", "sa{sv}", fence.xml(16, FENCE), {})
    for client in clients:
        client.start()
    deadline = time.monotonic() + options.minutes * 60
    kills = collections.Counter()
    while sum(kills.values()) < options.kills and time.monotonic() < deadline:
        what = chance.choices(("driver", "service", "both", "bus", "polkitd"), (5, 3, 4, 2, 1))[0]
        for client in clients:
            client.may_go.set()
        time.sleep(chance.uniform(0.02, 0.8))  # the random instant
        kill(bus, what)
        time.sleep(chance.uniform(0, 0.2))  # they go on, with whoever comes next
        for client in clients:
            client.may_go.clear()
        for client in clients:
            assert client.idle.wait(DEADLINE), "a client waits for an answer that does not come"
            if client.failure:
                raise client.failure
        kills[what] += 1
        bus = connect(bus)
        try:
            check(bus, clients)
        except AssertionError:
            for client in clients:
                print(f"# client {client.facts[0].number // DOMAINS}:", *client.history, sep="\n#   ")
            print(f"# seed {options.seed}, after kill {sum(kills.values())}: {what}; so far {dict(kills)}")
            raise
    print(f"# {dict(kills)}, {sum(client.calls for client in clients)} calls")
    for client in clients:
        client.ended = True
        client.may_go.set()
    for fact in [fence, *(fact for client in clients for fact in client.facts)]:
        for member, arguments in (("Destroy", {}), ("Undefine", {"managed_save": True})):
            try:
                bus.call(fact.path, f"{NAME}.Domain", member, "a{sv}", variants(arguments))
            except BusError:
                pass
    assert not any(qemus().values()), qemus()
    for folder in ("state/qemu/domains", "state/qemu/save", "run/qemu/domains", "run/qemu/monitors"):
        path = f"{ROOT}/qemu/{folder}"
        for _ in range(DEADLINE * 20):  # what was cut off is removed by and by
            if not os.path.exists(path) or not os.listdir(path):
                break
            time.sleep(0.05)
        assert not os.path.exists(path) or not os.listdir(path), (folder, os.listdir(path))


run([nothing_is_lost_whatever_is_killed_and_whenever])
