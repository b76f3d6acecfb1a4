#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random sequences of calls by several clients, held against a model of what each must answer, signal and leave behind; on QEMU, then
the same sequence on the test driver. Between them storms: calls of all clients at once, whose order nobody knows, and after which
everything that was signalled must be what is read.

Usage (below tests/with-bus): test-model.py [--seed N] [--minutes N]
"""

import argparse
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "behaviour"))
from rig import NAME, ROOT, Bus, BusError, Hypervisor, memory_of, run, variants  # noqa: E402

DOMAINS = 3
CLIENTS = 3
STORM_EVERY = 15  # steps
STORM_CALLS = 4  # of each client
WORK = os.path.join(ROOT, "model")
os.makedirs(WORK, exist_ok=True)

options = argparse.ArgumentParser()
options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
options.add_argument("--minutes", type=float, default=1)
options = options.parse_args()
print(f"# seed {options.seed}: test-model.py --seed {options.seed} does the same again", flush=True)


def uuid_of(number):
    return f"a1b2c3d4-0000-4000-8000-{number:012}"


class Model:
    """What one domain is; the methods say what a call answers (None, or an error's name) and which states follow."""

    def __init__(self):
        self.persistent = self.live = None  # MiB of memory, as the definitions say
        self.state, self.reason = "shutoff", "unknown"
        self.autostart = self.saved = self.saved_running = False
        self.file = None  # (memory, running) of the state in the domain's file
        self.changes = []  # (old, new, reason) of this call

    def exists(self):
        return self.persistent is not None or self.live is not None

    def active(self):
        return self.state != "shutoff"

    def become(self, state, reason):
        self.changes.append((self.state, state, reason))
        self.state, self.reason = state, reason

    def off(self, reason):
        self.become("stopping", reason)
        self.become("shutoff", reason)
        self.live = None
        if self.persistent is None:
            self.forget()

    def forget(self):
        file, changes = self.file, self.changes
        self.__init__()
        self.file, self.changes = file, changes

    def run(self, memory, running, reason, last):
        self.live = memory
        self.become("starting", reason)
        self.become("running" if running else "paused", last)

    def define(self, memory):
        self.persistent = memory

    def create(self, memory, paused):
        if self.exists():
            return "AlreadyExists"
        self.run(memory, not paused, "user", "user" if paused else "booted")

    def undefine(self, managed_save):
        if not self.exists():
            return "UnknownObject"
        if self.persistent is None or (self.saved and not managed_save):
            return "OperationInvalid"
        self.persistent, self.autostart, self.saved = None, False, False
        if not self.active():
            self.forget()

    def start(self, paused):
        if not self.exists():
            return "UnknownObject"
        if self.active():
            return "OperationInvalid"
        if self.saved:
            self.saved = False
            running = self.saved_running and not paused
            self.run(self.saved_memory, running, "user", "restored")
        else:
            self.run(self.persistent, not paused, "user", "user" if paused else "booted")

    def in_state(self, *states):
        if not self.exists():
            return "UnknownObject"
        return None if self.state in states else "OperationInvalid"

    def suspend(self):
        error = self.in_state("running")
        if not error:
            self.become("paused", "user")
        return error

    def resume(self):
        error = self.in_state("paused")
        if not error:
            self.become("running", "resumed")
        return error

    def reset(self):
        return self.in_state("running", "paused")

    def destroy(self):
        error = self.in_state("running", "paused")
        if not error:
            self.off("destroyed")
        return error

    def end_saved(self):
        if self.state == "running":
            self.become("paused", "saving")
        self.off("saved")

    def managed_save(self):
        error = self.in_state("running", "paused")
        if error or self.persistent is None:
            return error or "OperationInvalid"
        self.saved, self.saved_running, self.saved_memory = True, self.state == "running", self.live
        self.end_saved()

    def remove_managed_save(self):
        if not self.exists():
            return "UnknownObject"
        if not self.saved:
            return "OperationInvalid"
        self.saved = False

    def save(self):
        error = self.in_state("running", "paused")
        if not error:
            self.file = (self.live, self.state == "running")
            self.end_saved()
        return error

    def restore(self):
        if self.file is None:
            return "InvalidArgument"
        if self.active():
            return "OperationInvalid"
        self.saved = False  # as after every start: the disks have gone on
        self.run(self.file[0], self.file[1], "restored", "restored")

    def set_autostart(self, value):
        if not self.exists():
            return "UnknownObject"
        if self.persistent is None:
            return "OperationInvalid"
        self.autostart = value

    def read_inactive(self):
        if not self.exists():
            return "UnknownObject"
        return "OperationInvalid" if self.persistent is None else None

    def properties(self):
        return {"State": self.state, "StateReason": self.reason, "Active": self.active(), "Persistent": self.persistent is not None,
                "Autostart": self.autostart, "HasManagedSave": self.saved,
                "Memory": (self.live if self.live is not None else self.persistent) << 20}

    def learn(self, properties, inactive_memory):
        """Takes over what a storm has left."""
        file = self.file
        self.__init__()
        self.file = file
        if properties is None:
            return
        self.state, self.reason = properties["State"], properties["StateReason"]
        self.autostart, self.saved = properties["Autostart"], properties["HasManagedSave"]
        self.persistent = inactive_memory if properties["Persistent"] else None
        self.live = properties["Memory"] >> 20 if properties["Active"] else None


class Player:
    """Plays one sequence on one hypervisor."""

    def __init__(self, name):
        self.random = random.Random(options.seed)
        self.clients = [Bus(listen=number == 0) for number in range(CLIENTS)]
        self.bus = self.clients[0]
        self.hypervisor = Hypervisor(self.bus, name)
        self.models = [Model() for _ in range(DOMAINS)]
        self.history = []
        self.shown = {}  # path -> properties, of what was signalled alone
        self.seen = 0

    def path(self, number):
        return f"{self.hypervisor.path}/domain/{uuid_of(number).replace('-', '_')}"

    def document(self, number, memory, name=None):
        return self.hypervisor.document(name or f"model{number}", memory=memory, uuid=uuid_of(number), more="<on_reboot>restart</on_reboot>")

    def choose(self):
        """A step: what the model does, and the call: path, interface, member, signature, arguments, and whether a job follows."""
        number, memory = self.random.randrange(DOMAINS), self.random.choice((16, 24))
        flag, roll = self.random.random() < 0.4, self.random.randrange(100)
        path, connection, domain = self.path(number), f"{NAME}.Connection", f"{NAME}.Domain"
        file = f"{WORK}/{self.hypervisor.name}-{number}"
        steps = (
            (14, "define", (memory,), (self.hypervisor.path, connection, "DefineDomain", "sa{sv}", self.document(number, memory), {})),
            (6, "create", (memory, flag), (self.hypervisor.path, connection, "CreateDomain", "sa{sv}", self.document(number, memory), variants({"paused": flag}))),
            (8, "undefine", (flag,), (path, domain, "Undefine", "a{sv}", variants({"managed_save": flag}))),
            (22, "start", (flag,), (path, domain, "Start", "a{sv}", variants({"paused": flag}))),
            (10, "suspend", (), (path, domain, "Suspend", "")),
            (10, "resume", (), (path, domain, "Resume", "")),
            (4, "reset", (), (path, domain, "Reset", "")),
            (8, "destroy", (), (path, domain, "Destroy", "a{sv}", {})),
            (5, "managed_save", (), (path, domain, "ManagedSave", "a{sv}", {})),
            (3, "remove_managed_save", (), (path, domain, "RemoveManagedSave", "")),
            (3, "save", (), (path, domain, "Save", "sa{sv}", file, {})),
            (3, "restore", (), (self.hypervisor.path, connection, "RestoreDomain", "sa{sv}", file, {})),
            (2, "set_autostart", (flag,), (path, "org.freedesktop.DBus.Properties", "Set", "ssv", domain, "Autostart", variants({"v": flag})["v"])),
            (2, "read_inactive", (), (path, domain, "GetXML", "a{sv}", variants({"inactive": True}))),
        )
        for weight, name, arguments, call in steps:
            if roll < weight:
                return number, name, arguments, call
            roll -= weight
        raise AssertionError("the weights do not add up to 100")

    # Signals

    def take_signals(self):
        """Follows the signals that have come; returns the states that domains went through, by path."""
        self.bus.settle()
        states = {}
        for path, _interface, member, arguments in self.bus.signals[self.seen:]:
            if member == "InterfacesAdded" and path == self.hypervisor.path and f"{NAME}.Domain" in arguments[1]:
                assert arguments[0] not in self.shown, f"{arguments[0]} was added twice"
                self.shown[arguments[0]] = dict(arguments[1][f"{NAME}.Domain"])
            elif member == "InterfacesRemoved" and path == self.hypervisor.path and f"{NAME}.Domain" in arguments[1]:
                del self.shown[arguments[0]]
            elif member == "PropertiesChanged" and arguments[0] == f"{NAME}.Domain" and path in self.shown:
                self.shown[path].update(arguments[1])
                for name in arguments[2]:
                    self.shown[path].pop(name, None)
            elif member == "StateChanged" and path.startswith(self.hypervisor.path + "/"):
                states.setdefault(path, []).append(arguments)
        self.seen = len(self.bus.signals)
        return states

    def check_signalled(self):
        """What was signalled is what is read."""
        read = {path: interfaces[f"{NAME}.Domain"] for path, interfaces in self.bus.objects(self.hypervisor.path).items()
                if f"{NAME}.Domain" in interfaces}
        self.take_signals()
        assert set(read) == set(self.shown), (set(read), set(self.shown))
        for path, shown in self.shown.items():
            differ = {name: (value, read[path].get(name)) for name, value in shown.items() if read[path].get(name) != value}
            assert not differ, f"{path}: signalled and read differ: {differ}"

    def processes(self):
        return self.bus.owner_pid(NAME), self.bus.driver(self.hypervisor.driver_name)

    # Steps

    def wait_job(self, job):
        ended = self.bus.wait_signal(job, "Completed")
        assert ended[0], f"job {job} has failed: {ended[1:]}"

    def call(self, client, call, name):
        try:
            answer = client.call(*call)
        except BusError as error:
            return error.name.rsplit(".", 1)[1], error.message
        if name in ("managed_save", "save"):
            self.wait_job(answer)
        elif name == "restore":
            self.wait_job(answer[1])
        return None, ""

    def step(self):
        number, name, arguments, call = self.choose()
        client = self.random.choice(self.clients)
        model = self.models[number]
        model.changes = []
        self.history.append(f"{name} {number} {arguments}")
        wanted = getattr(model, name)(*arguments)
        error, message = self.call(client, call, name)
        assert error == wanted, f"the model says {wanted}, the answer is {error}: {message}"
        states = self.take_signals()
        changes = states.pop(self.path(number), [])
        assert changes == model.changes, f"the model says {model.changes}, signalled was {changes}"
        assert not states, f"others changed: {states}"
        self.check(number)

    def check(self, number):
        model, path = self.models[number], self.path(number)
        assert (path in self.shown) == model.exists(), f"the model says {model.exists()}"
        if model.exists():
            read = self.bus.get_all(path, "Domain")
            differ = {name: (value, read[name]) for name, value in model.properties().items() if read[name] != value}
            assert not differ, f"(the model, what is read): {differ}"

    def storm(self):
        allowed = {"ResourceBusy", "Cancelled", "OperationInvalid", "UnknownObject", "AlreadyExists", "NoSuchDomain", "InvalidArgument",
                   "LimitExceeded", "HypervisorFailed"}
        calls = [(client, self.choose()) for _ in range(STORM_CALLS) for client in self.clients]
        self.history.append("storm: " + "; ".join(f"{name} {number} {arguments}" for _, (number, name, arguments, _) in calls))
        answers = [(name, client.begin(*call)) for client, (_, name, _, call) in calls]
        self.bus.wait(lambda: all(answer for _, answer in answers), "the answers of a storm")
        for name, (answer,) in answers:
            if isinstance(answer, BusError):
                assert answer.name.rsplit(".", 1)[1] in allowed, (name, answer)
            elif name in ("managed_save", "save", "restore"):
                self.bus.wait_signal(answer[-1], "Completed")
        self.wait_quiet()
        for path, states in self.take_signals().items():
            for before, after in zip(states, states[1:]):
                assert before[1] == after[0] or (before[1] == "shutoff"), f"{path} went from {before} to {after}"
        self.check_signalled()
        assert self.processes() == self.started, "the service or a driver has ended"
        self.learn()

    def wait_quiet(self):
        """No domain is between two states."""
        def states():
            return [read[f"{NAME}.Domain"]["State"] for read in self.bus.objects(self.hypervisor.path).values() if f"{NAME}.Domain" in read]
        seen = len(self.bus.signals)
        while any(state in ("starting", "stopping") for state in states()):
            self.bus.wait(lambda: len(self.bus.signals) > seen, "a domain to come to rest")
            seen = len(self.bus.signals)

    def learn(self):
        for number, model in enumerate(self.models):
            path = self.path(number)
            properties = self.shown.get(path) and self.bus.get_all(path, "Domain")
            inactive = None
            assert not properties or properties["Persistent"] or properties["Active"], f"domain {number} is off and has no definition, and stays"
            if properties and properties["Persistent"]:
                xml = self.bus.call(path, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True}))
                inactive = memory_of(xml)
            # What a save in the storm has kept is not known: the files and managed saves begin anew.
            if properties and properties["HasManagedSave"]:
                self.bus.call(path, f"{NAME}.Domain", "RemoveManagedSave")
                properties["HasManagedSave"] = False
            file = f"{WORK}/{self.hypervisor.name}-{number}"
            if os.path.exists(file):
                os.unlink(file)
            model.file = None
            model.learn(properties, inactive)
        self.take_signals()

    def play(self, steps, deadline):
        """Plays so many steps, or until the deadline; returns how many."""
        self.bus.objects("/org/virtbus1")  # which waits for the drivers
        self.bus.settle()
        self.seen = len(self.bus.signals)
        self.started = self.processes()
        done = 0
        try:
            while done < steps and time.monotonic() < deadline:
                done += 1
                if done % STORM_EVERY == 0:
                    self.storm()
                else:
                    self.step()
            self.check_signalled()
        except AssertionError:
            print(f"# seed {options.seed}, step {done} on {self.hypervisor.name}; the last steps:")
            for line in self.history[-12:]:
                print(f"#   {line}")
            for number, model in enumerate(self.models):
                print(f"# the model's {number}: {vars(model)}; signalled: {self.shown.get(self.path(number))}")
            print("# signals:", *(str(received)[:200] for received in self.bus.signals[-12:]), sep="\n#   ")
            raise
        self.clear()
        return done

    def clear(self):
        for number in range(DOMAINS):
            for member, signature, arguments in (("Destroy", "a{sv}", [{}]), ("Undefine", "a{sv}", [variants({"managed_save": True})])):
                try:
                    self.bus.call(self.path(number), f"{NAME}.Domain", member, signature, *arguments)
                except BusError:
                    pass
        self.take_signals()
        assert not self.shown and not self.bus.objects(self.hypervisor.path), self.shown


played = []


def qemu_does_what_the_model_says():
    played.append(Player("qemu").play(1 << 30, time.monotonic() + options.minutes * 60 * 0.8))
    print(f"# {played[0]} steps")


def the_test_driver_does_the_same():
    steps = played[0] if played else 1 << 30
    print(f"# {Player('test').play(steps, time.monotonic() + options.minutes * 60)} steps")


def nothing_is_left():
    for name in ("qemu", "test"):
        for folder in (f"{ROOT}/{name}/run/{name}/domains", f"{ROOT}/{name}/state/{name}/domains"):
            assert os.listdir(folder) == [], (folder, os.listdir(folder))
    commands = [open(f"/proc/{pid}/cmdline", "rb").read() for pid in os.listdir("/proc") if pid.isdigit()]
    assert not [c for c in commands if b"qemu-system" in c.split(b"\0")[0] and b"guest=model" in c], commands


run([qemu_does_what_the_model_says, the_test_driver_does_the_same, nothing_is_left])
