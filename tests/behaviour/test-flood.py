#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Users who flood the service: whatever they send, it goes on, others are answered, and it keeps no more than it may.

Usage (below tests/with-bus, as root): test-flood.py
"""

import array
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

from gi.repository import Gio, GLib

from rig import DEADLINE, NAME, ROOT, Bus, BusError, Hypervisor, User, contains, run

PROPERTIES = "org.freedesktop.DBus.Properties"
MEMORY_MAX = 64 * 1024  # KiB over its start


# A client that knows no rules: it sends bytes.

def frame(path, interface, member, body=None, flags=0, serial=1, destination=NAME, descriptors=0):
    message = Gio.DBusMessage.new_method_call(destination, path, interface, member)
    message.set_serial(serial)
    message.set_flags(Gio.DBusMessageFlags(flags))
    if body is not None:
        message.set_body(body)
    if descriptors:
        message.set_unix_fd_list(Gio.UnixFDList.new_from_array([os.open("/dev/null", os.O_RDONLY) for _ in range(descriptors)]))
    return bytes(message.to_blob(Gio.DBusCapabilityFlags.UNIX_FD_PASSING))


class Raw:
    """A connection that has authenticated itself; what it sends need not be D-Bus, and it reads only when it is told to."""

    def __init__(self, address, hello=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(address)
        uid = str(os.geteuid()).encode().hex().encode()
        self.socket.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\nNEGOTIATE_UNIX_FD\r\n")
        said = b""
        while said.count(b"\r\n") < 2:
            piece = self.socket.recv(256)
            if not piece:
                raise ConnectionError("refused")
            said += piece
        self.socket.sendall(b"BEGIN\r\n")
        self.buffer = b""
        if hello:
            self.send(frame("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", destination="org.freedesktop.DBus"))
            self.answer(1)

    def send(self, data, descriptors=()):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        sent = self.socket.sendmsg([data], ancillary)
        self.socket.sendall(data[sent:])

    def message(self):
        while True:
            if len(self.buffer) >= 16:
                needed = Gio.DBusMessage.bytes_needed(self.buffer[:16])
                if len(self.buffer) >= needed:
                    blob, self.buffer = self.buffer[:needed], self.buffer[needed:]
                    return Gio.DBusMessage.new_from_blob(blob, Gio.DBusCapabilityFlags.UNIX_FD_PASSING)
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("the connection has ended")
            self.buffer += piece

    def answer(self, serial):
        """The answer to a call: the name of an error, or the values."""
        while True:
            message = self.message()
            if message.get_reply_serial() == serial:
                return message.get_error_name() or (message.get_body() and message.get_body().unpack())

    def ended(self):
        """Waits until the other side has ended the connection."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True


def bus_path():
    return f"{ROOT}/bus"


# What attackers do: in processes of their own, as a user of their own. Each says "ready" when it has done it, and stays until it is ended.

def dump(flags=0, serial=2, path="/org/virtbus1/test/domain/x", descriptors=1, body=True):
    arguments = GLib.Variant("(ha{sv})", (0, {})) if body else None
    return frame(path, f"{NAME}.Domain", "Dump", arguments, flags, serial, descriptors=descriptors)


def attack_descriptors(domain):
    """Calls with descriptors, of methods that take one, and that take none; with more than they take; without wanting an answer."""
    null = os.open("/dev/null", os.O_RDONLY)
    clients = [Raw(bus_path()) for _ in range(20)]
    get = GLib.Variant("(ss)", (f"{NAME}.Domain", "State"))
    calls = [
        (dump(path=domain), 1), (dump(path=domain, descriptors=16), 16), (dump(path=domain, flags=1, descriptors=16), 16),
        (frame(domain, PROPERTIES, "Get", get, 0, 3, descriptors=16), 16),
        (frame(domain, PROPERTIES, "Set", GLib.Variant("(ssv)", (f"{NAME}.Domain", "Autostart", GLib.Variant("b", True))), 1, 4, descriptors=16), 16),
        (frame(domain, f"{NAME}.Domain", "Nothing", None, 0, 5, descriptors=16), 16),
        (frame("/nowhere", f"{NAME}.Domain", "Start", None, 1, 6, descriptors=16), 16),
        (frame("/org/virtbus1", "org.freedesktop.DBus.Peer", "Ping", None, 1, 7, descriptors=16), 16),
    ]
    for _ in range(60):
        for client in clients:
            for data, n in calls:
                client.send(data, [null] * n)
    return clients


def attack_questions(domain):
    """Calls that polkit must decide, more than the bus lets one connection wait for."""
    clients = [Raw(bus_path()) for _ in range(8)]
    members = ("Start", "Suspend", "Destroy", "Shutdown", "Reset", "Undefine", "Reboot")
    number = 2
    for turn in range(120):
        for client in clients:
            member = members[turn % len(members)]
            body = None if member in ("Suspend", "Reset") else GLib.Variant("(a{sv})", ({},))
            client.send(frame(domain, f"{NAME}.Domain", member, body, 4 if turn % 3 else 0, number + turn))
    return clients


def attack_bytes(_domain):
    """Large calls that wait for polkit."""
    clients = [Raw(bus_path()) for _ in range(40)]
    body = GLib.Variant("(sa{sv})", ("x" * 1000000, {}))
    data = frame("/org/virtbus1/test", f"{NAME}.Connection", "DefineDomain", body, 1, 2)
    for _ in range(4):
        for client in clients:
            client.send(data)
    large = frame("/org/virtbus1/test", f"{NAME}.Connection", "DefineDomain", GLib.Variant("(sa{sv})", ("x" * 30000000, {})), 0, 3)
    clients[0].send(large)
    assert clients[0].answer(3) == f"{NAME}.Error.LimitExceeded"
    return clients


def attack_unread(_domain):
    """Questions that anyone may ask, whose answers are not read; matches; paths that there are not."""
    clients = [Raw(bus_path()) for _ in range(20)]
    for client in clients:
        client.socket.settimeout(5)
        try:
            for serial in range(2, 2000):
                client.send(frame("/org/virtbus1/test", "org.freedesktop.DBus.Introspectable", "Introspect", None, 0, serial))
        except (TimeoutError, ConnectionError):  # the bus reads no more of it
            pass
    return clients


def attack_junk(path):
    """What is not D-Bus, on a socket of the service's."""
    clients = []
    total = struct.pack("<4B3I", ord("l"), 1, 0, 1, 64, 1, 2**26)
    pieces = [os.urandom(32), b"\0" + os.urandom(32), b"\0" * 64, b"\0AUTH EXTERNAL " + b"3" * 5000, b"\0BEGIN\r\n" + os.urandom(64),
              b"\0" + b"AUTH\r\n" * 5000, b"\0AUTH ANONYMOUS\r\nBEGIN\r\n" + total]
    for piece in pieces:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(DEADLINE)
        client.connect(path)
        try:
            client.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        clients.append(client)
    for junk in (os.urandom(64), total, struct.pack("<4B3I", ord("l"), 1, 0, 2, 0, 1, 8) + bytes(8), struct.pack("<4B3I", ord("x"), 1, 0, 1, 0, 1, 8)):
        client = Raw(path, hello=False)
        client.socket.sendall(junk)
        if not (junk[:1] == b"l" and junk[3] == 1 and junk[12] == 8):
            client.ended()
    return clients


def attack_unfinished(path):
    """Messages that do not come whole, as large as D-Bus has them and as large as the service takes them; and with descriptors."""
    clients = []
    null = os.open("/dev/null", os.O_RDONLY)
    for body in (2**27 - 65536, 2**21) * 7:
        client = Raw(path, hello=False)
        header = frame("/", "a.b", "C", GLib.Variant("(s)", ("",)), 0, 1, None)
        size = struct.unpack_from("<I", header, 12)[0]
        head = header[:4] + struct.pack("<I", body) + header[8:16 + (size + 7) // 8 * 8]
        client.socket.settimeout(2)
        try:
            client.send(head, [null] * 3)
            for _ in range(min(body // 65536 - 1, 1200)):
                client.socket.sendall(b"x" * 65536)
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        clients.append(client)
    return clients


def attack_lost_descriptors(path):
    """Messages that cannot be read, with descriptors."""
    null = os.open("/dev/null", os.O_RDONLY)
    good = frame("/", "a.b", "C", None, 0, 2, None, descriptors=16)
    bad = [good.replace(b"a.b\0", b"a-b\0"), good.replace(struct.pack("<I", 16), struct.pack("<I", 3)), frame("/", "a.b", "C", None, 0, 2, None)]
    client = Raw(path, hello=False)
    for _ in range(400):
        for data in bad:
            client.send(data, [null] * 16)
    client.send(frame("/org/virtbus1", "org.freedesktop.DBus.Peer", "Ping", None, 0, 3, None))
    assert client.answer(3) is None
    return [client]


ATTACKS = {name.removeprefix("attack_"): function for name, function in list(globals().items()) if name.startswith("attack_")}


class Attack:
    """An attack of a user's, in a process of its own."""

    def __init__(self, name, argument="", user="nobody"):
        group = {"nobody": "nogroup"}.get(user, user)
        self.process = subprocess.Popen(["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", sys.executable,
                                         f"{ROOT}/source/tests/behaviour/test-flood.py", name, argument], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def done(self):
        said = self.process.stdout.readline()
        assert said == "ready\n", said
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


if len(sys.argv) > 1:
    kept = ATTACKS[sys.argv[1]](sys.argv[2])
    print("ready", flush=True)
    sys.stdin.read()
    raise SystemExit(0)

if os.geteuid() != 0:
    print("1..0 # SKIP needs root, for other users")
    raise SystemExit(0)

bus = Bus()
test = Hypervisor(bus, "test")
alice = User("vb-alice")
state = {}


def rules(text):
    """Replaces polkit's rules, and waits until it has read them."""
    changes = []
    subscription = bus.connection.signal_subscribe("org.freedesktop.PolicyKit1", "org.freedesktop.PolicyKit1.Authority", "Changed", None,
                                                   None, 0, lambda *_: changes.append(1))
    bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "StartServiceByName", "su", "org.freedesktop.PolicyKit1", 0,
             destination="org.freedesktop.DBus")
    file = os.path.join(ROOT, "polkit-rules", "50-test.rules")
    with open(file + ".new", "w", encoding="utf-8") as new:
        new.write(text)
    os.rename(file + ".new", file)
    bus.wait(lambda: changes, "polkit's signal Changed")
    bus.connection.signal_unsubscribe(subscription)


def memory(pid):
    for line in open(f"/proc/{pid}/status", encoding="utf-8"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def n_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu(pid):
    fields = open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def others_are_answered():
    """A call that polkit decides, and one that needs no leave."""
    for _ in range(20):
        alice.call(state["domain"], f"{NAME}.Domain", "Suspend")
        contains(alice.call(state["domain"], PROPERTIES, "Get", "ss", f"'{NAME}.Domain'", "'State'"), "paused")
        alice.call(state["domain"], f"{NAME}.Domain", "Resume")
    assert test.state(state["domain"]) == "running"


def the_service_is_ready():
    rules("polkit.addRule(function(a, s) { if (s.user == 'vb-alice') return polkit.Result.YES; });")
    state["domain"] = test.define(test.document("flooded"))
    test.do(state["domain"], "Start")
    others_are_answered()
    state["pid"] = bus.owner_pid(NAME)
    state["memory"] = memory(state["pid"])
    state["sanitized"] = "libasan" in open(f"/proc/{state['pid']}/maps", encoding="utf-8").read()


def check_the_service(descriptors=None):
    assert bus.owner_pid(NAME) == state["pid"], "the service has ended"
    if not state["sanitized"]:  # those builds keep what was freed
        grown = memory(state["pid"]) - state["memory"]
        assert grown < MEMORY_MAX, f"it has grown by {grown} KiB"
    if descriptors is not None:
        bus.settle()
        assert n_descriptors(state["pid"]) <= descriptors + 2, (n_descriptors(state["pid"]), descriptors)


def attacked(name):
    before = n_descriptors(state["pid"])
    with Attack(name, state["domain"]) as attack:
        others_are_answered()
        attack.done()
        others_are_answered()
        check_the_service()
    others_are_answered()
    # What is left of it is what polkit has still to answer.
    deadline = time.monotonic() + DEADLINE
    while n_descriptors(state["pid"]) > before + 2 and time.monotonic() < deadline:
        others_are_answered()
    check_the_service(before)


def descriptors_end_no_service():
    attacked("descriptors")


def questions_to_polkit_wait_by_user():
    attacked("questions")


def large_calls_that_wait_are_bounded():
    attacked("bytes")


def answers_that_are_not_read_are_bounded():
    attacked("unread")


def descriptors_come_only_where_a_method_takes_them():
    null = os.open("/dev/null", os.O_RDONLY)
    client = Raw(bus_path())
    get = GLib.Variant("(ss)", (f"{NAME}.Domain", "State"))
    for data, n in ((dump(path=state["domain"], descriptors=2), 2), (dump(path=state["domain"], descriptors=16), 16),
                    (frame(state["domain"], PROPERTIES, "Get", get, 0, 2, descriptors=1), 1)):
        client.send(data, [null] * n)
        assert client.answer(2) == "org.freedesktop.DBus.Error.InvalidArgs"
    client.send(dump(path=state["domain"]), [null])
    contains(str(client.answer(2)), "/org/virtbus1/job/")
    os.close(null)


def a_property_is_set_without_naming_its_interface():
    bus.call(state["domain"], PROPERTIES, "Set", "ssv", "", "Autostart", GLib.Variant("b", True))
    assert bus.get(state["domain"], "Domain", "Autostart") is True
    bus.set(state["domain"], "Domain", "Autostart", GLib.Variant("b", False))


def one_question_has_one_answer_for_all_who_ask_it():
    """Many calls of one caller that need the same leave are one question to polkit."""
    watcher = Bus(listen=False)
    seen = []

    def on_message(_connection, message, _incoming):  # in a thread of GDBus
        if message.get_member() == "CheckAuthorization":
            seen.append(message.get_body().unpack()[1])
            GLib.idle_add(lambda: False)
        return None
    watcher.call("/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu",
                 ["type='method_call',member='CheckAuthorization'"], 0, destination="org.freedesktop.DBus")
    watcher.connection.add_filter(on_message)
    with Attack("questions", state["domain"]) as attack:
        attack.done()
        bus.wait(lambda: seen, "a question")
        others_are_answered()
    # 960 calls of 8 callers and 7 actions, of which those that let a person be asked have an answer each.
    assert len(seen) < 960, len(seen)


# Without a bus

def serve():
    path = f"{ROOT}/virtbus.sock"
    command = ["systemd-socket-activate", "-E", "DBUS_SYSTEM_BUS_ADDRESS", "-l", path, "--fdname=virtbus", "setpriv", "--reuid=virtbus",
               "--regid=virtbus", "--clear-groups", f"{ROOT}/build/service/virtbusd"]
    bus.kill_owner(NAME, signal.SIGTERM)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while "Listening on" not in process.stderr.readline():
        pass
    os.chmod(path, 0o666)
    state["socket"], state["process"] = path, process
    first = Raw(path, hello=False)
    first.send(frame("/org/virtbus1", PROPERTIES, "Get", GLib.Variant("(ss)", (f"{NAME}.Manager", "Version")), 0, 2, None))
    assert first.answer(2)
    state["pid"] = process.pid
    first.socket.close()
    others_are_answered()
    state["memory"] = memory(process.pid)


def direct_clients_are_bounded_too():
    serve()
    for name in ("junk", "unfinished", "lost_descriptors"):
        before = n_descriptors(state["pid"])
        with Attack(name, state["socket"]) as attack:
            others_are_answered()
            attack.done()
            others_are_answered()
            assert state["process"].poll() is None
            check_the_service()
        bus.settle()
        deadline = time.monotonic() + DEADLINE
        while n_descriptors(state["pid"]) > before + 2 and time.monotonic() < deadline:
            bus.settle()
        check_the_service(before)


def junk_costs_no_time():
    bus.settle()
    client = socket.socket(socket.AF_UNIX)
    client.connect(state["socket"])
    client.sendall(os.urandom(32))
    client.settimeout(DEADLINE)
    try:
        assert client.recv(1) == b""
    except ConnectionResetError:
        pass
    before = cpu(state["pid"])
    time.sleep(1)
    assert cpu(state["pid"]) - before < 50  # of 100 ticks


def a_client_cannot_say_that_it_is_another_user():
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(DEADLINE)
    client.connect(state["socket"])
    client.sendall(b"\0AUTH EXTERNAL " + b"12345".hex().encode() + b"\r\n")
    assert client.recv(256).startswith(b"REJECTED")
    service = str(int(open(f"/proc/{state['pid']}/status", encoding="utf-8").read().split("\nUid:\t")[1].split()[0]))
    client.sendall(b"AUTH EXTERNAL " + service.encode().hex().encode() + b"\r\n")
    assert client.recv(256).startswith(b"REJECTED")
    client.sendall(b"AUTH ANONYMOUS\r\n")
    assert client.recv(256).startswith(b"REJECTED")
    client.sendall(b"AUTH EXTERNAL " + b"0".hex().encode() + b"\r\n")
    assert client.recv(256).startswith(b"OK")
    client.close()


def a_client_whose_process_has_ended_is_cut_off():
    """Its child keeps the socket: whoever has its ID next must not be taken for it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    child = os.fork()
    if child == 0:
        client = Raw(state["socket"], hello=False)
        socket.send_fds(theirs, [b"x"], [client.socket.fileno()])
        os._exit(0)
    _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    client = socket.socket(fileno=descriptors[0])
    client.settimeout(DEADLINE)
    assert client.recv(1) == b""  # while it is a zombie
    os.waitpid(child, 0)


def a_client_that_had_ended_before_it_was_looked_at_is_refused():
    os.kill(state["pid"], signal.SIGSTOP)
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        child = os.fork()
        if child == 0:
            client = socket.socket(socket.AF_UNIX)
            client.connect(state["socket"])
            socket.send_fds(theirs, [b"x"], [client.fileno()])
            os._exit(0)
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    finally:
        os.kill(state["pid"], signal.SIGCONT)
    client = socket.socket(fileno=descriptors[0])
    client.settimeout(DEADLINE)
    assert client.recv(1) == b""
    os.waitpid(child, 0)


# Ending

def a_call_that_waits(connection, answers, *call):
    connection.call(NAME if connection.get_unique_name() else None, *call, None, 0, DEADLINE * 1000, None,
                    lambda source, result: answers.append(finish(source, result)))


def finish(source, result):
    try:
        return source.call_finish(result).unpack()
    except GLib.Error as error:
        return BusError(error)


def told_to_end_it_fails_what_waits_and_exits_with_success():
    start = (state["domain"], f"{NAME}.Domain", "Suspend", None)
    polkit = bus.owner_pid("org.freedesktop.PolicyKit1")
    driver = bus.driver("Test")
    os.kill(driver, signal.SIGSTOP)
    os.kill(polkit, signal.SIGSTOP)
    partial, idle = Raw(state["socket"], hello=False), Raw(state["socket"], hello=False)
    partial.socket.sendall(frame("/", "a.b", "C", None, 0, 1, None)[:20])
    unread = Raw(state["socket"], hello=False)
    try:
        answers = []
        a_call_that_waits(Bus(listen=False).connection, answers, *start)  # for the driver
        asker = subprocess.Popen(["setpriv", "--reuid=vb-alice", "--regid=vb-alice", "--clear-groups", "busctl",
                                  f"--address=unix:path={state['socket']}", "call", NAME, state["domain"], f"{NAME}.Domain", "Suspend"],
                                 stderr=subprocess.PIPE, text=True)
        introspect = frame("/org/virtbus1/test", "org.freedesktop.DBus.Introspectable", "Introspect", None, 0, 2, None)
        for _ in range(100):
            unread.send(introspect)
        bus.settle()
        select.select([asker.stderr], [], [], 1)  # it has asked polkit, in all likelihood; if not, it is refused
        state["process"].send_signal(signal.SIGTERM)
        assert state["process"].wait(DEADLINE) == 0
        bus.wait(lambda: answers, "the answer to what waited")
        assert answers[0].name == "org.virtbus1.Error.Cancelled", answers
        contains(asker.communicate()[1], "virtbusd is ending")
        assert idle.ended() and partial.ended()
    finally:
        os.kill(driver, signal.SIGCONT)
        os.kill(polkit, signal.SIGCONT)
    os.unlink(state["socket"])


def told_to_end_while_drivers_come_it_exits_with_success():
    """It waits for a driver to attach, as does who has called it."""
    driver = bus.driver("Test")
    os.kill(driver, signal.SIGSTOP)
    try:
        process = subprocess.Popen(["setpriv", "--reuid=virtbus", "--regid=virtbus", "--clear-groups", f"{ROOT}/build/service/virtbusd"])
        caller = Bus(listen=False)
        bus.wait(lambda: caller.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", NAME, destination="org.freedesktop.DBus"),
                 "the service's name")
        answers = []
        a_call_that_waits(Bus(listen=False).connection, answers, "/org/virtbus1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", None)
        caller.call("/org/virtbus1", "org.freedesktop.DBus.Peer", "Ping")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        bus.wait(lambda: answers, "the answer to what waited")
        assert isinstance(answers[0], BusError) and answers[0].name == "org.virtbus1.Error.Cancelled", answers
    finally:
        os.kill(driver, signal.SIGCONT)


def the_guests_are_as_they_were():
    test.do(state["domain"], "Destroy")
    test.do(state["domain"], "Undefine")
    alice.leave()


run([the_service_is_ready, descriptors_come_only_where_a_method_takes_them, descriptors_end_no_service, questions_to_polkit_wait_by_user,
     one_question_has_one_answer_for_all_who_ask_it, large_calls_that_wait_are_bounded, answers_that_are_not_read_are_bounded,
     a_property_is_set_without_naming_its_interface, direct_clients_are_bounded_too, junk_costs_no_time,
     a_client_cannot_say_that_it_is_another_user, a_client_whose_process_has_ended_is_cut_off,
     a_client_that_had_ended_before_it_was_looked_at_is_refused, told_to_end_it_fails_what_waits_and_exits_with_success,
     told_to_end_while_drivers_come_it_exits_with_success, the_guests_are_as_they_were])
