# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the behaviour tests share: a connection to the private bus that tests/with-bus runs, signals, other users, and a runner
that prints TAP."""

import ast
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "org.virtbus1"
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOT = os.environ["VIRTBUS_ROOT"]
BUILD = os.environ["VIRTBUS_BUILD"]
DEADLINE = 150  # seconds: a test that waits longer for an event has failed
FRESH = 50000  # microseconds: as long a call for statistics waits for what is told
LOOK_AGAIN = 50  # milliseconds
BOOT_DEADLINE = 180  # as that, for a system that boots on an emulated processor
AGENT_PATIENCE = 50  # seconds: as long a guest's agent on one may take, within a call's DEADLINE


class BusError(Exception):
    def __init__(self, error):
        self.name = Gio.DBusError.get_remote_error(error) or str(error)
        Gio.DBusError.strip_remote_error(error)
        self.message = error.message
        super().__init__(f"{self.name}: {self.message}")


class Bus:
    """A connection of its own; signals of org.virtbus1 are kept in order as (path, interface, member, arguments)."""

    def __init__(self, listen=True):
        self.connection = Gio.DBusConnection.new_for_address_sync(
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"],
            Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.signals = []
        if listen:
            self.connection.signal_subscribe(NAME, None, None, None, None, Gio.DBusSignalFlags.NONE, self._on_signal)

    def _on_signal(self, _connection, _sender, path, interface, member, arguments):
        self.signals.append((path, interface, member, arguments.unpack()))

    def call(self, path, interface, member, signature="", *arguments, destination=NAME, fds=None):
        try:
            body = GLib.Variant(f"({signature})", arguments) if signature else None
            result, out = self.connection.call_with_unix_fd_list_sync(
                destination, path, interface, member, body, None, Gio.DBusCallFlags.NONE, DEADLINE * 1000,
                Gio.UnixFDList.new_from_array([os.dup(fd) for fd in fds]) if fds else None, None)
        except GLib.Error as error:
            raise BusError(error) from None
        values = result.unpack()
        if out is not None and out.get_length():
            return {name: out.get(place) for name, place in values[0].items()} if isinstance(values[0], dict) else out.get(values[0])
        return values[0] if len(values) == 1 else values

    def call_without_interface(self, path, member, signature, *arguments):
        message = Gio.DBusMessage.new_method_call(NAME, path, None, member)
        message.set_body(GLib.Variant(f"({signature})", arguments))
        reply, _serial = self.connection.send_message_with_reply_sync(message, Gio.DBusSendMessageFlags.NONE, DEADLINE * 1000, None)
        return reply.get_body().unpack()[0]

    def begin(self, path, interface, member, signature, *arguments, destination=NAME):
        """Calls without waiting; returns a list that gets the answer, or a BusError."""
        answers = []

        def on_answer(connection, result):
            try:
                answers.append(connection.call_finish(result).unpack())
            except GLib.Error as error:
                answers.append(BusError(error))

        self.connection.call(destination, path, interface, member, GLib.Variant(f"({signature})", arguments) if signature else None,
                             None, Gio.DBusCallFlags.NONE, DEADLINE * 1000, None, on_answer)
        return answers

    def begin_with_fd(self, path, interface, member, fd):
        """As begin, for a method that takes a descriptor and options; the descriptor is given away."""
        answers = []

        def on_answer(connection, result):
            try:
                answers.append(connection.call_with_unix_fd_list_finish(result)[0].unpack())
            except GLib.Error as error:
                answers.append(BusError(error))

        self.connection.call_with_unix_fd_list(NAME, path, interface, member, GLib.Variant("(ha{sv})", (0, {})), None,
                                               Gio.DBusCallFlags.NONE, DEADLINE * 1000, Gio.UnixFDList.new_from_array([fd]), None, on_answer)
        return answers

    def get(self, path, interface, name):
        return self.call(path, "org.freedesktop.DBus.Properties", "Get", "ss", f"{NAME}.{interface}", name)

    def get_all(self, path, interface):
        return self.call(path, "org.freedesktop.DBus.Properties", "GetAll", "s", f"{NAME}.{interface}")

    def set(self, path, interface, name, value):
        self.call(path, "org.freedesktop.DBus.Properties", "Set", "ssv", f"{NAME}.{interface}", name, value)

    def objects(self, path):
        return self.call(path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")

    def wait(self, condition, what, deadline=DEADLINE):
        """Runs the main loop until the condition holds: it is looked at each time something has happened on the bus, and from time to time, as no
        signal tells of everything, and some have come while the condition itself asked something."""
        began = time.monotonic()
        look = GLib.timeout_add(LOOK_AGAIN, lambda: True)
        try:
            while not condition():
                if time.monotonic() - began > deadline:
                    raise AssertionError(f"waited {deadline} seconds for: {what}; signals: {self.signals[-10:]}")
                GLib.MainContext.default().iteration(True)
        finally:
            GLib.source_remove(look)

    def wait_signal(self, path, member, check=lambda arguments: True):
        def find():
            return [s for s in self.signals if s[0] == path and s[2] == member and check(s[3])]
        self.wait(find, f"signal {member} of {path}")
        return find()[0][3]

    def wait_state(self, domain, state):
        self.wait_signal(domain, "StateChanged", lambda arguments: arguments[1] == state)

    def wait_driver(self, name, *states):
        """Waits until Manager.Drivers says that the driver, by the last word of its bus name in small letters, is in one of the states."""
        def states_of(rows):
            return [row[2] for row in rows if row[1].lower() == f"{NAME}.driver.{name}"]
        self.settle()
        seen = len(self.signals)
        now = states_of(self.get("/org/virtbus1", "Manager", "Drivers"))
        while GLib.MainContext.default().iteration(False):
            pass  # what was told before that answer is not taken for later than it

        def state():
            told = [state for path, _, member, arguments in self.signals[seen:]
                    if path == "/org/virtbus1" and member == "PropertiesChanged" and "Drivers" in arguments[1]
                    for state in states_of(arguments[1]["Drivers"])]
            return (now + told or [None])[-1]
        self.wait(lambda: state() in states, f"driver {name} to be {' or '.join(states)}")

    def settle(self):
        """Takes in all signals that were sent before now: the bus keeps the order of what one service sends."""
        self.call("/org/virtbus1", "org.freedesktop.DBus.Peer", "Ping")
        while GLib.MainContext.default().iteration(False):
            pass

    def kill_owner(self, name, number=signal.SIGKILL):
        """Sends a signal that ends the owner of a name, and waits until the bus has seen that."""
        lost = []
        subscription = self.connection.signal_subscribe("org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", None, name, 0,
                                                        lambda *event: lost.append(1) if not event[5].unpack()[2] else None)
        os.kill(self.owner_pid(name), number)
        self.wait(lambda: lost, f"the end of {name}")
        self.connection.signal_unsubscribe(subscription)

    def owner_pid(self, name):
        return self.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixProcessID", "s", name,
                         destination="org.freedesktop.DBus")

    def wait_owner(self, name, pid):
        """Waits until a process owns a name; a call to that name could start another before."""
        self.wait(lambda: name in self.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames", destination="org.freedesktop.DBus")
                  and self.owner_pid(name) == pid, f"the name {name}")

    def driver(self, name):
        return self.owner_pid(f"{NAME}.Driver.{name}")

    def kill_driver(self, name, pid=None, before=lambda: None, after=lambda: None, number=signal.SIGKILL):
        """Kills a driver, or ends it by another signal, by the last word of its bus name, and waits until virtbusd has seen that: it answers no call by the one that has ended.

        BEFORE is called just before, AFTER when its process has ended, which virtbusd may not have seen yet."""
        def states():
            return [state for path, _, member, arguments in self.signals
                    if path == "/org/virtbus1" and member == "PropertiesChanged" and "Drivers" in arguments[1]
                    for _, driver, state, _ in arguments[1]["Drivers"] if driver == f"{NAME}.Driver.{name}"]
        self.settle()
        seen, pid = len(states()), pid or self.driver(name)
        before()
        end_process(pid, number)
        after()
        self.wait(lambda: any(state != "attached" for state in states()[seen:]), "the end of the driver")


class Nobody:
    """A process of a user without rights, as polkit has it for a subject."""

    def __init__(self):
        self.process = subprocess.Popen(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "cat"], stdin=subprocess.PIPE)

    def subject(self):
        pid = self.process.pid
        started = open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()[19]
        return ("unix-process", {"pid": GLib.Variant("u", pid), "start-time": GLib.Variant("t", int(started)), "uid": GLib.Variant("i", 65534)})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def polkit_rules(bus, text):
    """Gives polkit these rules, and waits until it decides by them.

    It says "Changed" once and again for one new file, so that what it says does not tell of which: it is asked something that only
    this file allows.
    """
    polkit, authority = "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority"
    mark = f"rules {time.monotonic_ns()}"
    changes = []
    bus.call(authority, "org.freedesktop.DBus.Peer", "Ping", destination=polkit)
    subscription = bus.connection.signal_subscribe(polkit, f"{polkit}.Authority", "Changed", None, None, 0, lambda *_: changes.append(1))
    bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", destination="org.freedesktop.DBus")  # the match is in force
    path = os.path.join(ROOT, "polkit-rules", "50-test.rules")
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(f"polkit.addRule(function(a, s) {{ if (a.lookup('mark') == '{mark}') return polkit.Result.YES; }});\n{text}")
    os.rename(path + ".new", path)
    with Nobody() as nobody:
        def decides_by_them():
            return bus.call(authority, f"{polkit}.Authority", "CheckAuthorization", "(sa{sv})sa{ss}us", nobody.subject(), f"{NAME}.read",
                            {"mark": mark}, 0, "", destination=polkit)[0]
        while not decides_by_them():
            seen = len(changes)
            bus.wait(lambda: len(changes) > seen, "polkit's signal Changed")
    bus.connection.signal_unsubscribe(subscription)
    bus.settle()


def slow_disk(name):
    """A disk over an image that has data, so that a job that is limited does not end."""
    folder = f"{ROOT}/images"
    os.makedirs(folder, mode=0o711, exist_ok=True)
    with open(f"{folder}/{name}.raw", "wb") as base:
        base.write(os.urandom(8 << 20))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", f"{name}.raw", f"{folder}/{name}.qcow2"], check=True)
    return f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{folder}/{name}.qcow2'/><target dev='vda' bus='virtio'/></disk>"


class Full:
    """A folder with nothing in it that has room for so many bytes more, and is not there afterwards."""

    def __init__(self, folder, free):
        self.folder, self.free = folder, free

    def __enter__(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", self.folder], check=True)
        self.fill()
        return self

    def fill(self):
        room = os.statvfs(self.folder)
        with open(f"{self.folder}/filler", "wb") as filler:
            filler.write(b"x" * max(0, room.f_bavail * room.f_frsize - self.free))

    def empty(self):
        os.unlink(f"{self.folder}/filler")

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], check=True)


class Hypervisor:
    """A connection under test: the test driver's, or QEMU's."""

    def __init__(self, bus, name):
        self.bus, self.name, self.path = bus, name, f"/org/virtbus1/{name}"
        self.driver_name = {"test": "Test", "qemu": "QEMU"}[name]

    def document(self, name, devices="", more="", memory=64, uuid="", kernel=""):
        kind = {"test": "test", "qemu": "qemu"}[self.name]
        return (f"<domain type='{kind}'><name>{name}</name>{uuid and f'<uuid>{uuid}</uuid>'}<memory unit='MiB'>{memory}</memory>"
                f"<os><type arch='x86_64' machine='pc'>hvm</type>{kernel}</os><features><acpi/></features>{more}"
                f"<devices>{devices}</devices></domain>")

    def define(self, xml):
        return self.bus.call(self.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", xml, {})

    def create(self, xml, **options):
        return self.bus.call(self.path, f"{NAME}.Connection", "CreateDomain", "sa{sv}", xml, variants(options))

    def do(self, domain, member, **options):
        if member in ("Suspend", "Resume", "Reset"):
            return self.bus.call(domain, f"{NAME}.Domain", member)
        return self.bus.call(domain, f"{NAME}.Domain", member, "a{sv}", variants(options))

    def state(self, domain):
        return self.bus.get(domain, "Domain", "State")

    def wait_agent(self, domain):
        """Waits until the agent in a guest has opened its channel; it may take its time then."""
        self.bus.wait(lambda: self.bus.objects(domain).get(f"{domain}/guest", {}).get(f"{NAME}.Domain.Guest", {}).get("Connected"), "the guest's agent", BOOT_DEADLINE)
        if self.name == "qemu":
            self.ask_agent(domain, "SetAgentResponseTimeout", "i", AGENT_PATIENCE)

    def ask_agent(self, domain, method, signature, *arguments):
        """Calls a method of a guest's agent. A guest on an emulated processor may be silent for longer than the driver waits for an agent's
        first word; nothing was asked of it then."""
        deadline = time.monotonic() + BOOT_DEADLINE
        while True:
            try:
                return self.bus.call(f"{domain}/guest", f"{NAME}.Domain.Guest", method, signature, *arguments)
            except BusError as error:
                if not error.name.endswith(".Timeout") or "guest-sync" not in error.message or time.monotonic() > deadline:
                    raise

    def in_guest(self, domain, command):
        """Runs a command of a guest's shell; returns what it says."""
        pid = self.ask_agent(domain, "Exec", "sasasayb", "/bin/sh", ["-c", command], ["PATH=/bin:/sbin"], b"", True)
        status = (False,)
        while not status[0]:
            status = self.ask_agent(domain, "GetExecStatus", "x", pid)
        return bytes(status[3]).decode()

    def wait_statistics(self, domain, *groups):
        """Asks what a domain uses until all these groups are told, and fresh: an answer is without what QEMU has not told in time."""
        told = {}

        def is_fresh():
            told.update(self.bus.call(self.path, f"{NAME}.Connection", "GetDomainStats", "aoasa{sv}", [domain], [], {})[domain])
            return all(group in told and told[group]["age"] < FRESH for group in groups)
        self.bus.wait(is_fresh, f"statistics of {domain}: {groups}")
        return told

    def status_of(self, domain):
        """The file of what the driver keeps of a guest that runs."""
        return f"{ROOT}/qemu/run/qemu/domains/{self.bus.get(domain, 'Domain', 'UUID')}.xml"

    def pid_of(self, domain):
        """The process of a running guest of QEMU's."""
        return int(open(self.status_of(domain), encoding="utf-8").read().split(' pid="')[1].split('"')[0])

    def kill_driver(self, **options):
        """Kills the driver, as Bus.kill_driver does, and waits until virtbusd has attached its successor."""
        self.bus.kill_driver(self.driver_name, **options)
        # One that ends soon after it was attached is started again only when it is needed; these tests are that quick.
        expect("NoSuchDomain", self.bus.call, self.path, f"{NAME}.Connection", "GetDomainByID", "u", 0)


def kernel(folder, more=""):
    """What a document's <os> has for the guest that tests/guest/build-guest has put into a folder.

    A kernel that looks whether its timer's interrupts come panics where this machine is too busy to emulate them in time."""
    folder = os.path.abspath(folder)
    return (f"<kernel>{folder}/vmlinuz</kernel><initrd>{folder}/guest.cpio.gz</initrd>"
            f"<cmdline>console=ttyS0 quiet no_timer_check {more}</cmdline>")


def variants(options):
    kinds = {bool: "b", int: "u", str: "s", dict: "a{sv}"}
    return {name: value if isinstance(value, GLib.Variant) else GLib.Variant(kinds[type(value)], value)
            for name, value in options.items()}


class FakeDriver:
    """A driver that says what a test wants, such as what no driver may. It speaks the contract by hand on the peer connection, being the outermost edge.

    METHODS has, by name, functions that answer method calls: (message) -> a GVariant, or a (name, message) of an error, or None for no answer. They are
    called in GDBus's thread."""

    def __init__(self, name, refusals=0, silent=False):
        self.connection, self.refusals, self.seen, self.answers, self.when_attached = None, refusals, [], False, None
        self.silent, self.methods, self.calls = silent, {}, []
        self.name = f"{NAME}.Driver.{name}"
        self.own = Bus()
        xml = "<node><interface name='org.virtbus1.Driver'><method name='Attach'><arg type='h' direction='out'/></method></interface></node>"
        info = Gio.DBusNodeInfo.new_for_xml(xml).interfaces[0]
        self.own.connection.register_object("/org/virtbus1/driver", info, self._attach, None, None)
        self.objects = []
        self.come()

    def come(self):
        self.own.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su", self.name, 0, destination="org.freedesktop.DBus")

    def go(self):
        self.own.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReleaseName", "s", self.name, destination="org.freedesktop.DBus")

    def _attach(self, _connection, _sender, _path, _interface, _member, _arguments, invocation):
        if self.refusals:
            self.refusals -= 1
            invocation.return_dbus_error("com.example.Broken", "it is made to fail")
            return
        ours, theirs = socket.socketpair()
        stream = Gio.Socket.new_from_fd(ours.detach()).connection_factory_create_connection()
        Gio.DBusConnection.new(stream, Gio.dbus_generate_guid(), Gio.DBusConnectionFlags.AUTHENTICATION_SERVER |
                               Gio.DBusConnectionFlags.AUTHENTICATION_ALLOW_ANONYMOUS |
                               Gio.DBusConnectionFlags.DELAY_MESSAGE_PROCESSING, None, None, self._connected)
        invocation.return_value_with_unix_fd_list(GLib.Variant("(h)", (0,)), Gio.UnixFDList.new_from_array([theirs.detach()]))

    def _connected(self, _source, result):
        self.connection = Gio.DBusConnection.new_finish(result)
        self.connection.add_filter(self._filter)
        self.connection.start_message_processing()

    def _filter(self, connection, message, incoming):
        if incoming and message.get_member() == "Synchronize" and self.silent:
            return None
        if incoming and message.get_member() == "Synchronize":
            for name, value in self.objects:
                self.emit(name, value)
            connection.send_message(Gio.DBusMessage.new_method_reply(message), Gio.DBusSendMessageFlags.NONE)
            if self.when_attached:
                GLib.idle_add(self.when_attached, connection)
            return None
        if incoming:
            self.seen.append(message.get_member())
        if incoming and message.get_member() in self.methods:
            self.calls.append((message.get_member(), message.get_sender(), message.get_body().unpack() if message.get_body() else ()))
        if incoming:
            GLib.idle_add(lambda: False)  # this is a thread of GDBus
        if incoming and message.get_member() in self.methods:
            self._answer(connection, message, self.methods[message.get_member()](message))
            return None
        if incoming and message.get_member() == "GetDomainByID" and self.answers:
            reply = Gio.DBusMessage.new_method_reply(message)
            reply.set_body(GLib.Variant("(o)", (message.get_path() + "/domain/answered",)))
            connection.send_message(reply, Gio.DBusSendMessageFlags.NONE)
        return None if incoming and message.get_member() in ("GetDomainByID", "Release") else message  # which are never answered otherwise

    @staticmethod
    def _answer(connection, message, answer):
        if answer is None:
            return
        if isinstance(answer, tuple):
            reply = Gio.DBusMessage.new_method_error_literal(message, *answer)
        else:
            reply = Gio.DBusMessage.new_method_reply(message)
            reply.set_body(answer)
        connection.send_message(reply, Gio.DBusSendMessageFlags.NONE)

    def tell(self, path, interfaces):
        """Publishes an object."""
        self.objects.append(("ObjectsAdded", GLib.Variant("(a(oa{sa{sv}}))", ([(path, interfaces)],))))
        if self.connection:
            self.emit(*self.objects[-1])

    def ask(self, path, interface, member, argument="", sender=None):
        """Calls another driver, through the service; returns a list that gets the answer, or a BusError."""
        message, answers = Gio.DBusMessage.new_method_call(None, path, interface, member), []
        if sender:
            message.set_sender(sender)
        if argument:
            message.set_body(GLib.Variant("(s)", (argument,)))

        def on_answer(connection, result):
            try:
                reply = connection.send_message_with_reply_finish(result)
                reply.to_gerror()
                answers.append(reply.get_body().unpack())
            except GLib.Error as error:
                answers.append(BusError(error))

        self.connection.send_message_with_reply(message, Gio.DBusSendMessageFlags.NONE, DEADLINE * 1000, None, on_answer)
        return answers

    def reply(self, message, answer):
        """Answers a call that a method has answered with None."""
        self._answer(self.connection, message, answer)

    def end(self):
        """Ends as a driver that is killed does: its connections close."""
        self.connection.close_sync(None)
        self.own.connection.close_sync(None)

    def emit(self, name, value, path="/org/virtbus1/driver", interface=f"{NAME}.Driver"):
        message = Gio.DBusMessage.new_signal(path, interface, name)
        if value:
            message.set_body(value)
        self.connection.send_message(message, Gio.DBusSendMessageFlags.NONE)


class User:
    """A user without rights, who calls through a connection of their own (in a process of their own)."""

    def __init__(self, name, address=os.environ["DBUS_SYSTEM_BUS_ADDRESS"]):
        self.name = name
        self.process = subprocess.Popen(
            ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", sys.executable, f"{ROOT}/source/tests/behaviour/rig.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address})

    def call(self, path, interface, member, signature="", *arguments, interactive=False, destination=NAME, files=()):
        """Arguments are in GVariant's text form, so that they can be sent along; fds are FILES, (path, flags) that the user opens, or /dev/null."""
        self.process.stdin.write(json.dumps([destination, path, interface, member, signature, arguments, interactive, files]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            error = BusError.__new__(BusError)
            error.name, error.message = answer["error"], answer["message"]
            error.args = (f"{error.name}: {error.message}",)
            raise error
        return answer["result"]

    def signals(self, path, *words):
        """Waits until the user has heard a signal of an object that has all these words in it; returns all that was heard."""
        self.process.stdin.write(json.dumps(["signals", path, *words]) + "\n")
        self.process.stdin.flush()
        return ast.literal_eval(json.loads(self.process.stdout.readline())["result"])

    def heard(self):
        """All that the user has heard until now."""
        return self.signals("")

    def leave(self):
        self.process.stdin.close()
        self.process.wait()


def serve_user():
    """The user's process: a call a line."""
    bus = Bus()
    for line in sys.stdin:
        if json.loads(line)[0] == "signals":
            _, wanted, *words = json.loads(line)
            bus.settle()
            if wanted:
                bus.wait(lambda: [s for s in bus.signals if s[0] == wanted and all(word in repr(s) for word in words)], f"a signal of {wanted}")
            print(json.dumps({"result": repr(bus.signals)}), flush=True)
            continue
        destination, path, interface, member, signature, arguments, interactive, *more = json.loads(line)
        files = more[0] if more and more[0] else [["/dev/null", os.O_RDWR]] if "h" in signature else []
        body = GLib.Variant.parse(GLib.VariantType(f"({signature})"), f"({', '.join(arguments)}{',' if len(arguments) == 1 else ''})", None, None)
        flags = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION if interactive else Gio.DBusCallFlags.NONE
        fds = Gio.UnixFDList.new_from_array([os.open(name, how) for name, how in files]) if files else None
        try:
            result, _fds = bus.connection.call_with_unix_fd_list_sync(destination, path, interface, member, body, None, flags, DEADLINE * 1000, fds, None)
            answer = {"result": repr(result.unpack())}
        except GLib.Error as error:
            error = BusError(error)
            answer = {"error": error.name, "message": error.message}
        print(json.dumps(answer), flush=True)


def expect(name, function, *arguments, **options):
    """The call must fail with this error (its last part); returns its message."""
    try:
        result = function(*arguments, **options)
    except BusError as error:
        assert error.name.endswith("." + name), f"wanted {name}, got {error}"
        return error.message
    raise AssertionError(f"wanted {name}, got the answer {result!r}")


def denied(function, *arguments):
    """Whether polkit's word, or the lack of it, has refused the call; another error is one."""
    try:
        function(*arguments)
    except BusError as error:
        assert error.name.endswith(("AccessDenied", "InteractiveAuthorizationRequired")), error
        return True
    return False


def memory_of(xml):
    """The MiB of memory that a definition says, in any unit; virtbus keeps them as libvirt does, in KiB."""
    number, unit = re.search(r"<memory(?: unit=.(MiB|KiB).)?>([0-9]+)<", xml).group(2, 1)
    return int(number) // (1 if unit == "MiB" else 1024)


def contains(text, *parts):
    for part in parts:
        assert part in text, f"{part!r} is not in {text!r}"


def read_until(fd, pattern):
    """Reads a console until what it has said matches."""
    data = b""
    while not re.search(pattern, data):
        assert select.select([fd], [], [], DEADLINE)[0], f"the console is silent; it had said {data[-2000:]!r}"
        piece = os.read(fd, 65536)
        assert piece, f"the console ended; it had said {data[-2000:]!r}"
        data += piece
    return data


class Skip(Exception):
    pass


def end_process(pid, number=signal.SIGKILL):
    """Sends a signal that ends a process, and waits until it has ended."""
    process = os.pidfd_open(pid)
    signal.pidfd_send_signal(process, number)
    ended = select.select([process], [], [], DEADLINE)[0]
    os.close(process)
    assert ended, f"process {pid} has not ended {DEADLINE} seconds after signal {number}"


class Ends:
    """How a driver ends, which the bus has started: by a script that tells it."""

    def __init__(self, bus, name):
        script, service, told = os.path.join(ROOT, f"told-end-{name}"), f"{ROOT}/services/{NAME}.Driver.{name}.service", os.path.join(ROOT, f"ends-{name}")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\n"$@" &\npid=$!\nwait $pid\necho "$pid $?" > {told}\n')
        os.chmod(script, 0o755)
        os.mkfifo(told, 0o600)
        self.fd, self.told = os.open(told, os.O_RDWR), {}
        with open(service, encoding="utf-8") as file:
            text = file.read()
        with open(service, "w", encoding="utf-8") as file:
            file.write(text.replace("Exec=", f"Exec={script} "))
        bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig", destination="org.freedesktop.DBus")

    def well(self, pid):
        """Waits for the driver's end, which must be a success. Others may have ended before."""
        while str(pid) not in self.told:
            assert select.select([self.fd], [], [], DEADLINE)[0], "the driver has not ended"
            self.told.update(line.split() for line in os.read(self.fd, 4096).decode().splitlines())
        assert self.told[str(pid)] == "0", (pid, self.told)


def open_files(pid):
    """What a process has open, without what it has closed meanwhile."""
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return links


def threads(pid):
    """The processors that each thread of a process may run on, by its name; without those that have ended meanwhile."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as file:
                found[file.read().strip()] = os.sched_getaffinity(int(task))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def read_away(stream, said=None):
    """Reads what a process says, so that it never waits for somebody to do so; SAID, a list, gets the lines."""
    threading.Thread(target=lambda: [said.append(line) for line in stream if said is not None], daemon=True).start()


def socket_activate():
    """The words that begin a systemd-socket-activate of virtbusd, which passes on no variables but those that it is told."""
    return ["systemd-socket-activate", *(["-E", "DBUS_SYSTEM_BUS_ADDRESS"] if "DBUS_SYSTEM_BUS_ADDRESS" in os.environ else [])]


def end_services():
    """Tells the service and its drivers to end, and waits until they have: sanitizers report leaks then."""
    bus = Bus()
    for name in (NAME, f"{NAME}.Driver.Test", f"{NAME}.Driver.QEMU", f"{NAME}.Driver.ESX"):
        try:
            pid = bus.owner_pid(name)
        except BusError:
            continue
        end_process(pid, signal.SIGTERM)


def run(tests, *arguments, after_failure=lambda: None):
    """Runs test functions and prints TAP; a test's name is what it promises."""
    only = os.environ.get("VIRTBUS_TESTS", "")
    tests = [t for t in tests if re.search(only, t.__name__)]
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        began = time.monotonic()
        try:
            test(*arguments)
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception:  # a failure of any kind fails the test, and the next one runs
            failed += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} - {name}", flush=True)
            after_failure()
        print(f"# {time.monotonic() - began:.1f} s", flush=True)
    end_services()
    log = os.path.join(ROOT, "log")
    if os.path.exists(log):
        text = open(log, errors="replace").read()
        if failed:
            for line in text.splitlines()[-60:]:
                print(f"# log: {line}")
        if "ERROR: AddressSanitizer" in text or "runtime error:" in text or "ERROR: LeakSanitizer" in text:
            for line in text.splitlines():
                print(f"# log: {line}")
            failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    serve_user()
