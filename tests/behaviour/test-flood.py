#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Users who flood the service: whatever they send, it goes on, others are answered, and it keeps no more than it may.

Usage (below tests/with-bus, as root): test-flood.py
"""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time

from gi.repository import Gio, GLib

from attacks import PROPERTIES, Attack, Raw, bus_path, dump, frame, odd_frame, reply_frame, signal_frame
from rig import DEADLINE, NAME, ROOT, Bus, BusError, Hypervisor, User, contains, polkit_rules, read_away, run, socket_activate

MEMORY_MAX = 64 * 1024  # KiB over its start


if os.geteuid() != 0:
    print("1..0 # SKIP needs root, for other users")
    raise SystemExit(0)

bus = Bus()
test = Hypervisor(bus, "test")
alice = User("vb-alice")
state = {}


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


def alices_call(*call):
    """The bus daemon refuses messages by itself while the service, on a slow machine, has not read so many yet."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return alice.call(*call)
        except BusError as error:
            if error.name != "org.freedesktop.DBus.Error.LimitsExceeded" or time.monotonic() > deadline:
                raise


def others_are_answered():
    """A call that polkit decides, and one that needs no leave."""
    for _ in range(20):
        alices_call(state["domain"], f"{NAME}.Domain", "Suspend")
        contains(alices_call(state["domain"], PROPERTIES, "Get", "ss", f"'{NAME}.Domain'", "'State'"), "paused")
        alices_call(state["domain"], f"{NAME}.Domain", "Resume")
    contains(alices_call(state["domain"], PROPERTIES, "Get", "ss", f"'{NAME}.Domain'", "'State'"), "running")


def the_service_is_ready():
    polkit_rules(bus, "polkit.addRule(function(a, s) { if (s.user == 'vb-alice') return polkit.Result.YES; });")
    policy = os.path.join(ROOT, "bus.conf")
    text = open(policy, encoding="utf-8").read()
    open(policy, "w", encoding="utf-8").write(text.replace(
        "</busconfig>", '<policy user="root"><allow send_interface="org.freedesktop.DBus.Debug.Stats"/></policy></busconfig>'))
    bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig", destination="org.freedesktop.DBus")
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


class As:
    """What is connected meanwhile is another user's."""

    def __init__(self, user):
        self.uid = pwd.getpwnam(user).pw_uid

    def __enter__(self):
        os.seteuid(self.uid)

    def __exit__(self, *_):
        os.seteuid(0)


def get_state(serial, destination=NAME):
    return frame(state["domain"], PROPERTIES, "Get", GLib.Variant("(ss)", (f"{NAME}.Domain", "State")), 0, serial, destination)


def reply(client, serial):
    """The message that answers a call."""
    while True:
        message = client.message()
        if message.get_reply_serial() == serial:
            return message


def outgoing(name):
    """What the bus daemon keeps for a connection."""
    return bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus.Debug.Stats", "GetConnectionStats", "s", name,
                    destination="org.freedesktop.DBus")["OutgoingBytes"]


def a_call_overtakes_those_of_other_users_that_came_before():
    """They are all in the service's socket, which has room for a hundred, when it goes on. It numbers what it sends."""
    calls = 12
    with As("vb-alice"):
        alices = Raw(bus_path())
    alices.send(get_state(2))
    assert alices.answer(2) == ("running",)
    floods = [Raw(bus_path()) for _ in range(8)]
    os.kill(state["pid"], signal.SIGSTOP)
    try:
        for number in range(calls):
            for client in floods:
                client.send(get_state(100 + number))
        for client in floods + [alices]:
            if client == alices:
                client.send(get_state(3))
            client.send(frame("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", None, 0, 4, "org.freedesktop.DBus"))
            reply(client, 4)  # the bus has read what came before
        bus.wait(lambda: outgoing(NAME) == 0, "the bus to pass it on")
    finally:
        os.kill(state["pid"], signal.SIGCONT)
    own = reply(alices, 3)
    assert own.get_body().unpack() == ("running",)
    others = [reply(client, 100 + number) for client in floods for number in range(calls)]
    assert all(message.get_body().unpack() == ("running",) for message in others)
    before = sum(message.get_serial() < own.get_serial() for message in others)
    assert before < len(others) / 4, f"{before} of {len(others)} calls were answered before it"


def who_does_not_read_has_no_more_than_a_bound_kept_by_the_bus():
    """Else the bus daemon would read no more of the service. Who reads again is answered."""
    introspect = frame("/org/virtbus1/test", "org.freedesktop.DBus.Introspectable", "Introspect", None, 0, 9)
    with As("vb-bob"):
        deaf = Raw(bus_path(), hello=False)
    deaf.send(frame("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", destination="org.freedesktop.DBus"))
    name = deaf.answer(1)[0]
    deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    most = 0
    for turn in range(60):
        deaf.send(introspect * 100)
        bus.settle()
        most = max(most, outgoing(name))
    deadline = time.monotonic() + DEADLINE
    while most < 1000000 and time.monotonic() < deadline:
        bus.settle()
        most = max(most, outgoing(name))
    assert most > 1000000, most
    for _ in range(20):
        bus.settle()
        most = max(most, outgoing(name))
    assert most < 8 * 1024 * 1024, most
    others_are_answered()
    deaf.socket.settimeout(DEADLINE)
    deaf.send(frame("/org/virtbus1", PROPERTIES, "Get", GLib.Variant("(ss)", (f"{NAME}.Manager", "Version")), 0, 10))
    assert not isinstance(deaf.answer(10), str)
    check_the_service()


def deaf_client():
    """Hears of what there is, and reads nothing more; and its name."""
    client = Raw(bus_path(), hello=False)
    client.send(frame("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", destination="org.freedesktop.DBus"))
    name = client.answer(1)[0]
    client.send(frame("/org/virtbus1/test", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", None, 0, 2))
    assert state["domain"] in client.answer(2)[0]
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return client, name


def hears_of_a_change(client, members):
    """Whether it is told that it missed some, and then of one, once it has read what came before; adds what it reads."""
    test.do(state["domain"], "Suspend")
    test.do(state["domain"], "Resume")
    client.socket.settimeout(1)
    try:
        while not ("SignalsLost" in members and members[-1] == "StateChanged"):
            members.append(client.message().get_member())
        return True
    except TimeoutError:
        return False


def who_does_not_read_signals_has_no_more_than_a_bound_kept_by_the_bus():
    """Else the bus daemon would read no more of the service. Who reads again is told that it missed some, and is told again."""
    with As("vb-alice"):
        deaf = [deaf_client() for _ in range(16)]
    for number in range(40):
        for letter in "ab":
            described = test.define(test.document("described", more=f"<description>{letter * 60000}</description>",
                                                  uuid="ab" * 4 + "-abab-abab-abab-" + "ab" * 6))
    others_are_answered()
    kept = sum(outgoing(name) for _, name in deaf)
    assert 4 * 1024 * 1024 < kept < 24 * 1024 * 1024, kept
    test.do(described, "Undefine")
    client, _ = deaf[0]
    members = []
    deadline = time.monotonic() + DEADLINE
    while not hears_of_a_change(client, members):
        assert time.monotonic() < deadline, f"it is told nothing more, or not that it missed some: {members[-10:]}"
    others_are_answered()
    check_the_service()
    for client, _ in deaf:
        client.socket.close()


def descriptors_come_only_where_a_method_takes_them():
    null = os.open("/dev/null", os.O_RDONLY)
    client = Raw(bus_path())
    get = GLib.Variant("(ss)", (f"{NAME}.Domain", "State"))
    for data, n in ((dump(path=state["domain"], descriptors=2), 2), (dump(path=state["domain"], descriptors=16), 16),
                    (frame(state["domain"], PROPERTIES, "Get", get, 0, 2, descriptors=1), 1)):
        client.send(data, [null] * n)
        assert client.answer(2) == "org.freedesktop.DBus.Error." + ("AccessDenied" if n > 1 else "InvalidArgs")  # the bus's policy, and the service
    client.send(dump(path=state["domain"]), [null])
    contains(str(client.answer(2)), "/org/virtbus1/job/")
    os.close(null)


def a_property_is_set_without_naming_its_interface():
    bus.call(state["domain"], PROPERTIES, "Set", "ssv", "", "Autostart", GLib.Variant("b", True))
    assert bus.get(state["domain"], "Domain", "Autostart") is True
    bus.set(state["domain"], "Domain", "Autostart", GLib.Variant("b", False))


class Questions:
    """Counts what polkit is asked."""

    def __init__(self):
        self.watcher = Bus(listen=False)
        self.seen = []
        self.watcher.call("/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu",
                          ["type='method_call',member='CheckAuthorization'", "type='method_call',member='GetId'"], 0,
                          destination="org.freedesktop.DBus")
        self.watcher.connection.add_filter(self.on_message)

    def on_message(self, _connection, message, _incoming):  # in a thread of GDBus
        self.seen.append(message.get_member())
        GLib.idle_add(lambda: False)

    def count(self):
        """Of those that were asked before now."""
        before = self.seen.count("GetId")
        bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", destination="org.freedesktop.DBus")
        bus.wait(lambda: self.seen.count("GetId") > before, "the monitor to have seen what was before")
        return self.seen.count("CheckAuthorization")


def names():
    return set(bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames", destination="org.freedesktop.DBus"))


def what_the_bus_and_polkit_say_nobody_else_can():
    """A signal may be sent to the service by anybody; it counts for nothing."""
    questions, before = Questions(), names()
    reader = User("vb-alice")
    get = (state["domain"], PROPERTIES, "Get", "ss", f"'{NAME}.Domain'", "'State'")
    contains(reader.call(*get), "running")
    own, = (name for name in names() - before if name.startswith(":"))
    drivers, asked = bus.get("/org/virtbus1", "Manager", "Drivers"), questions.count()
    with Attack("forged_signals", own) as attack:
        attack.done()
    contains(reader.call(*get), "running")
    assert questions.count() == asked, "polkit was asked again"
    assert bus.get("/org/virtbus1", "Manager", "Drivers") == drivers
    with Attack("forged_signals", own) as attack:
        attack.done()
    test.do(state["domain"], "Suspend")
    reader.signals(state["domain"], "StateChanged", "paused")  # as who has not left
    test.do(state["domain"], "Resume")
    reader.leave()


def answers_come_only_from_who_was_asked():
    polkit = bus.owner_pid("org.freedesktop.PolicyKit1")
    os.kill(polkit, signal.SIGSTOP)
    try:
        asker = subprocess.Popen(["setpriv", "--reuid=vb-bob", "--regid=vb-bob", "--clear-groups", "busctl", f"--address=unix:path={bus_path()}",
                                  "call", NAME, state["domain"], f"{NAME}.Domain", "Suspend"], stderr=subprocess.PIPE, text=True)
        with Attack("forged_answers", "") as attack:
            attack.done()
        assert test.state(state["domain"]) == "running"
    finally:
        os.kill(polkit, signal.SIGCONT)
    contains(asker.communicate()[1], "not authorized")
    assert test.state(state["domain"]) == "running"


def nobody_else_sends_to_the_connection_that_polkit_is_asked_by():
    """The bus daemon drops an answer to who has too much waiting for it: by that connection nothing comes but answers."""
    as_alice = ["setpriv", "--reuid=vb-alice", "--regid=vb-alice", "--clear-groups", "busctl", f"--address=unix:path={bus_path()}"]
    called = subprocess.run([*as_alice, "call", f"{NAME}.Asking", "/", "org.freedesktop.DBus.Peer", "Ping"], stderr=subprocess.PIPE, text=True, check=False)
    contains(called.stderr, "Access denied")
    log = os.path.join(ROOT, "log")
    subprocess.run([*as_alice, "emit", f"--destination={NAME}.Asking", "/", "com.example.Forged", "Forged"], check=True)
    bus.wait(lambda: any("Rejected send message" in line and "com.example.Forged" in line for line in open(log, encoding="utf-8", errors="replace")),
             "the bus's word that it rejects a signal")


def who_calls_is_asked_by_that_connection_too():
    """Where calls come, the answer would stand behind them, or be dropped."""
    watcher = Bus(listen=False)
    askers = set()

    def on_message(_connection, message, _incoming):  # in a thread of GDBus
        if message.get_member() == "GetConnectionUnixUser":
            askers.add(message.get_sender())
        return None
    asking = bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", "s", f"{NAME}.Asking", destination="org.freedesktop.DBus")
    watcher.call("/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu",
                 ["type='method_call',member='GetConnectionUnixUser'"], 0, destination="org.freedesktop.DBus")
    watcher.connection.add_filter(on_message)
    Bus(listen=False).get(state["domain"], "Domain", "State")  # a caller that is not known yet
    bus.wait(lambda: askers, "the question")
    assert asking in askers and bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", "s", NAME, destination="org.freedesktop.DBus") not in askers, askers


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
    command = [*socket_activate(), "-l", path, "--fdname=virtbus", "setpriv", "--reuid=virtbus", "--regid=virtbus", "--clear-groups",
               f"{ROOT}/build/service/virtbusd"]
    bus.kill_owner(NAME, signal.SIGTERM)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while "Listening on" not in process.stderr.readline():
        pass
    read_away(process.stderr)
    os.chmod(path, 0o666)
    state["socket"], state["process"] = path, process
    first = Raw(path, hello=False)
    first.send(frame("/org/virtbus1", PROPERTIES, "Get", GLib.Variant("(ss)", (f"{NAME}.Manager", "Version")), 0, 2, None))
    assert first.answer(2)
    state["pid"] = process.pid
    first.socket.close()
    bus.wait_owner(NAME, process.pid)
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


def nested(depth):
    value = GLib.Variant("s", "x")
    for _ in range(depth):
        value = GLib.Variant("v", value)
    return value


def n_direct_clients():
    """Connections on the service's socket that it has not closed: /proc/net/unix has its ends of them by the socket's path."""
    with open("/proc/net/unix", encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return sum(len(line) == 8 and line[5] == "03" and line[7] == state["socket"] for line in lines)


def without_descriptors_connections_are_closed_and_cost_no_time():
    pid = state["pid"]
    # What earlier clients had is free for others as soon as their end is seen: five descriptors are a connection.
    deadline = time.monotonic() + DEADLINE
    while n_direct_clients() > 0:
        assert time.monotonic() < deadline, n_direct_clients()
        bus.settle()
    others_are_answered()
    soft, hard = next(line.split()[3:5] for line in open(f"/proc/{pid}/limits", encoding="utf-8") if line.startswith("Max open files"))
    taken = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}

    def limit(number):
        subprocess.run(["setpriv", "--reuid=virtbus", "--regid=virtbus", "--clear-groups", "prlimit", f"--pid={pid}", f"--nofile={number}:{hard}"],
                       check=True)
    limit(next(number for number in range(len(taken) + 1) if number not in taken))
    try:
        for _ in range(5):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(DEADLINE)
            client.connect(state["socket"])
            assert client.recv(1) == b""
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(5)]
        for client in waiting:
            client.connect(state["socket"])
        spent = cpu(pid)
        time.sleep(1)
        assert cpu(pid) - spent < 50  # of 100 ticks
    finally:
        limit(soft)
    others_are_answered()


def what_is_odd_is_answered_or_costs_its_sender_alone():
    """Messages that are whole and that no library sends, on the bus and on a socket."""
    big, state_of = Gio.DBusMessageByteOrder.BIG_ENDIAN, GLib.Variant("(ss)", (f"{NAME}.Domain", "State"))
    domain, connection = state["domain"], "/org/virtbus1/test"
    for address, destination in ((bus_path(), NAME), (state["socket"], None)):
        def client():
            return Raw(address, hello=destination is not None)

        def lives(one):
            one.send(frame(domain, PROPERTIES, "Get", state_of, 0, 900, destination))
            assert one.answer(900) == ("running",), address
        one = client()
        # Each order of bytes.
        one.send(odd_frame(domain, PROPERTIES, "Get", state_of, 2, destination, big))
        assert one.answer(2) == ("running",)
        one.send(odd_frame(connection, f"{NAME}.Connection", "DefineDomain", GLib.Variant("(sa{sv})", ("<a/>", {"a": nested(3)})), 3, destination, big))
        assert one.answer(3).startswith(f"{NAME}.Error."), "options"
        # As deep as D-Bus has it, and deeper.
        for number, depth in enumerate((10, 30, 58, 61, 62, 63, 64, 65, 100, 500), 10):
            for member, body in ((f"{NAME}.Connection.DefineDomain", GLib.Variant("(sa{sv})", ("<a/>", {"a": nested(depth)}))),
                                 (f"{PROPERTIES}.Set", GLib.Variant("(ssv)", (f"{NAME}.Domain", "Autostart", nested(depth))))):
                deep = client()
                try:
                    deep.send(frame(connection if "Define" in member else domain, *member.rsplit(".", 1), body, 0, number, destination))
                    assert "Error" in deep.answer(number)
                except (ConnectionError, BrokenPipeError):
                    assert depth > 58, depth
        lives(one)
        # Text that is none, names as long as can be, paths that are longer than a header.
        bad = frame(domain, PROPERTIES, "Get", state_of, 0, 4, destination).replace(b"State", b"\xff\xfe\xc0\x80a")
        for data in (bad, frame("/" + "a" * 60000, PROPERTIES, "Get", state_of, 0, 4, destination), frame(domain, "a." + "b" * 253, "c" * 255, None, 0, 4, destination)):
            odd = client()
            try:
                odd.send(data)
                assert "Error" in odd.answer(4)
            except ConnectionError:
                assert data == bad
        for length in (66000, 70000, 1000000):
            one.send(frame("/" + "a" * length, PROPERTIES, "Get", state_of, 0, 5, destination))
            one.send(frame("/" + "a" * length, f"{NAME}.Domain", "Start", GLib.Variant("(a{sv})", ({},)), 1, 6, destination))  # wants no answer
            one.send(frame("/" + "a" * length, f"{NAME}.Domain", "Dump", GLib.Variant("(s)", ("x" * 100000,)), 0, 7, destination))
            for number in (5, 7):
                assert one.answer(number) == f"{NAME}.Error.LimitExceeded", length
        one.send(signal_frame("/" + "a" * 70000, f"{NAME}.Domain", "StateChanged", GLib.Variant("(sss)", ("running", "paused", "x")), 8, destination))
        lives(one)
        # What is not a call, and calls that want no answer.
        one.send(signal_frame(domain, f"{NAME}.Domain", "StateChanged", GLib.Variant("(sss)", ("running", "paused", "x")), 6, destination))
        if not destination:  # the bus lets nobody answer who was not asked
            one.send(reply_frame(1, GLib.Variant("((bba{ss}))", ((True, False, {}),)), None, 7, destination))
            one.send(reply_frame(1, GLib.Variant("(s)", ("x",)), "a.b", 8, destination))
            for number in range(1000):
                one.send(frame("/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", GLib.Variant("(s)", ("type='signal'",)), 1, 9, "org.freedesktop.DBus"))
        for number in range(3000):
            one.send(frame(domain, PROPERTIES, "Get", state_of, 1, 1000 + number, destination))
        lives(one)
    check_the_service()
    others_are_answered()


def who_has_no_connection_finds_a_place_when_others_have_all():
    get = frame(state["domain"], PROPERTIES, "Get", GLib.Variant("(ss)", (f"{NAME}.Domain", "State")), 0, 2, None)
    with contextlib.ExitStack() as attacks:
        for attack in [attacks.enter_context(Attack("slow", state["socket"], user=str(70000 + number))) for number in range(8)]:
            attack.done()
        for _ in range(3):
            direct = User("vb-alice", f"unix:path={state['socket']}")
            contains(direct.call(state["domain"], PROPERTIES, "Get", "ss", f"'{NAME}.Domain'", "'State'"), "running")
            direct.leave()
        kept = []
        for _ in range(5):
            kept.append(Raw(state["socket"], hello=False))
            kept[-1].send(get)
        assert [client.answer(2) for client in kept] == [("running",)] * 5
    others_are_answered()


def signals_that_are_not_read_are_bounded():
    """A user's connections hear of changes and do not read: they are cut off."""
    before = n_descriptors(state["pid"])
    with Attack("unread_signals", state["socket"], user="vb-alice") as attack:
        attack.done()
        documents = [test.document("described", more=f"<description>{letter * 60000}</description>", uuid="ab" * 4 + "-abab-abab-abab-" + "ab" * 6)
                     for letter in "ab"]
        for _ in range(400):
            for document in documents:
                domain = test.define(document)
        check_the_service(before)
        others_are_answered()
    test.do(domain, "Undefine")


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


def paths_of_very_many_elements_cost_no_time():
    deep = state["domain"] + "/a" * 30000
    before = cpu(state["pid"])
    for address, destination in ((bus_path(), NAME), (state["socket"], None)):
        client = Raw(address, hello=destination is not None)
        for number in range(10, 40):
            client.send(frame(deep, "org.freedesktop.DBus.Introspectable", "Introspect", None, 0, number, destination))
            assert client.answer(number) == "org.freedesktop.DBus.Error.UnknownObject"
            client.send(frame(deep, PROPERTIES, "Get", GLib.Variant("(ss)", (f"{NAME}.Domain", "State")), 0, 100 + number, destination))
            assert client.answer(100 + number) == "org.freedesktop.DBus.Error.UnknownObject"
    spent = cpu(state["pid"]) - before
    assert spent < 500, f"120 calls took {spent} ticks"


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

def a_call_that_waits(answers, *call):
    """One that the service has taken, as it has answered what the caller asked after it."""
    caller = Bus(listen=False)
    caller.connection.call(NAME, *call, None, 0, DEADLINE * 1000, None, lambda source, result: answers.append(finish(source, result)))
    caller.get("/org/virtbus1", "Manager", "Version")


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
    questions = Questions()
    partial, idle = Raw(state["socket"], hello=False), Raw(state["socket"], hello=False)
    partial.socket.sendall(frame("/", "a.b", "C", None, 0, 1, None)[:20])
    unread = Raw(state["socket"], hello=False)
    try:
        answers = []
        a_call_that_waits(answers, *start)  # for the driver
        asker = subprocess.Popen(["setpriv", "--reuid=vb-alice", "--regid=vb-alice", "--clear-groups", "busctl",
                                  f"--address=unix:path={state['socket']}", "call", NAME, state["domain"], f"{NAME}.Domain", "Suspend"],
                                 stderr=subprocess.PIPE, text=True)
        introspect = frame("/org/virtbus1/test", "org.freedesktop.DBus.Introspectable", "Introspect", None, 0, 2, None)
        for _ in range(100):
            unread.send(introspect)
        bus.wait(lambda: "CheckAuthorization" in questions.seen, "the question to polkit")
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
    if bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", NAME, destination="org.freedesktop.DBus"):
        bus.kill_owner(NAME, signal.SIGTERM)
    os.kill(driver, signal.SIGSTOP)
    try:
        process = subprocess.Popen(["setpriv", "--reuid=virtbus", "--regid=virtbus", "--clear-groups", f"{ROOT}/build/service/virtbusd"])
        caller = Bus(listen=False)
        bus.wait(lambda: caller.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", NAME, destination="org.freedesktop.DBus"),
                 "the service's name")
        answers = []
        a_call_that_waits(answers, "/org/virtbus1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", None)
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


run([the_service_is_ready, a_call_overtakes_those_of_other_users_that_came_before,
     who_does_not_read_has_no_more_than_a_bound_kept_by_the_bus,
     who_does_not_read_signals_has_no_more_than_a_bound_kept_by_the_bus, descriptors_come_only_where_a_method_takes_them, descriptors_end_no_service, questions_to_polkit_wait_by_user,
     one_question_has_one_answer_for_all_who_ask_it, what_the_bus_and_polkit_say_nobody_else_can,
     nobody_else_sends_to_the_connection_that_polkit_is_asked_by, who_calls_is_asked_by_that_connection_too, answers_come_only_from_who_was_asked, large_calls_that_wait_are_bounded, answers_that_are_not_read_are_bounded,
     a_property_is_set_without_naming_its_interface, direct_clients_are_bounded_too, what_is_odd_is_answered_or_costs_its_sender_alone,
     without_descriptors_connections_are_closed_and_cost_no_time, who_has_no_connection_finds_a_place_when_others_have_all, signals_that_are_not_read_are_bounded, junk_costs_no_time,
     paths_of_very_many_elements_cost_no_time,
     a_client_cannot_say_that_it_is_another_user, a_client_whose_process_has_ended_is_cut_off,
     a_client_that_had_ended_before_it_was_looked_at_is_refused, told_to_end_it_fails_what_waits_and_exits_with_success,
     told_to_end_while_drivers_come_it_exits_with_success, the_guests_are_as_they_were])
