#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What attackers send: clients that know no rules, each attack in a process of its own as a user of its own.

Usage: attacks.py ATTACK ARGUMENT [again]: attacks, says "ready", and goes on to hold what it has until its standard input ends. With
"again" it attacks again and again until then.
"""

import array
import os
import select
import socket
import struct
import subprocess
import sys

from gi.repository import Gio, GLib

from rig import DEADLINE, NAME, ROOT

PROPERTIES = "org.freedesktop.DBus.Properties"


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


def odd_frame(path, interface, member, body, serial, destination, order=Gio.DBusMessageByteOrder.LITTLE_ENDIAN):
    """In either order of bytes."""
    message = Gio.DBusMessage.new_method_call(destination, path, interface, member)
    message.set_serial(serial)
    message.set_byte_order(order)
    message.set_body(body)
    return bytes(message.to_blob(0))


def signal_frame(path, interface, member, body, serial=1, destination=NAME):
    message = Gio.DBusMessage.new_signal(path, interface, member)
    message.set_destination(destination)
    message.set_serial(serial)
    message.set_body(body)
    return bytes(message.to_blob(0))


def reply_frame(answered, body, error=None, serial=1, destination=NAME):
    message = Gio.DBusMessage()
    message.set_message_type(Gio.DBusMessageType.ERROR if error else Gio.DBusMessageType.METHOD_RETURN)
    message.set_destination(destination)
    message.set_serial(serial)
    message.set_reply_serial(answered)
    if error:
        message.set_error_name(error)
    message.set_body(body)
    return bytes(message.to_blob(0))


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
    for _ in range(100):
        for data in bad:
            client = Raw(path, hello=False)
            try:
                client.send(data * 2, [null] * 16)
            except (BrokenPipeError, ConnectionResetError):
                pass
            client.ended()
    client = Raw(path, hello=False)
    client.send(good, [null] * 16)
    assert client.answer(2).startswith("org.freedesktop.DBus.Error.")
    return [client]


def attack_slow(path):
    """As many connections as a user may have, none of which ever says anything whole."""
    clients = []
    for number in range(16):
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        try:
            client.sendall(b"\0AUTH EXT" if number % 2 else b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\nl\1\0\1")
        except (BrokenPipeError, ConnectionResetError):
            pass
        clients.append(client)
    return clients


def attack_unread_signals(path):
    """Who may hear of everything, asks for it, and reads nothing of it."""
    clients = [Raw(path, hello=False) for _ in range(4)]
    for client in clients:
        client.send(frame("/org/virtbus1/test", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", None, 0, 2, None))
        client.answer(2)
    return clients


def attack_forged_signals(victim):
    """What the bus and polkit say, said by somebody else: a caller has left, drivers have come and gone, decisions have changed."""
    client = Raw(bus_path())
    bus = "org.freedesktop.DBus"
    owners = [(victim, victim, ""), (f"{NAME}.Driver.Forged", "", ":1.1"), (f"{NAME}.Driver.Test", ":1.1", ""),
              ("org.freedesktop.PolicyKit1", ":1.1", "")]
    for path in ("/org/freedesktop/DBus", "/"):
        for names in owners:
            client.send(signal_frame(path, bus, "NameOwnerChanged", GLib.Variant("(sss)", names)))
        client.send(signal_frame(path, bus, "NameLost", GLib.Variant("(s)", (NAME,))))
        client.send(signal_frame(path, bus, "ActivatableServicesChanged", GLib.Variant("()", ())))
    client.send(signal_frame("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority", "Changed", GLib.Variant("()", ())))
    client.send(frame("/org/virtbus1", PROPERTIES, "Get", GLib.Variant("(ss)", (f"{NAME}.Manager", "Version")), 0, 2))
    client.answer(2)  # the service has read all before that
    return [client]


def attack_forged_answers(_argument):
    """Answers to what the service has asked others, whatever number that had: yes, nobody, and failures."""
    client = Raw(bus_path())
    yes = GLib.Variant("((bba{ss}))", ((True, False, {}),))
    for number in range(1, 500):
        client.send(reply_frame(number, yes))
        client.send(reply_frame(number, GLib.Variant("(u)", (0,))))
        client.send(reply_frame(number, GLib.Variant("(s)", ("no",)), "org.freedesktop.DBus.Error.NoReply"))
    client.send(frame("/org/virtbus1", PROPERTIES, "Get", GLib.Variant("(ss)", (f"{NAME}.Manager", "Version")), 0, 2))
    client.answer(2)
    return [client]


ATTACKS = {name.removeprefix("attack_"): function for name, function in list(globals().items()) if name.startswith("attack_")}


class Attack:
    """An attack of a user's, in a process of its own."""

    def __init__(self, name, argument, *more, user="nobody"):
        group = {"nobody": "nogroup"}.get(user, user)
        self.process = subprocess.Popen(["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", sys.executable,
                                         f"{ROOT}/source/tests/behaviour/attacks.py", name, argument, *more],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

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


def main(name, argument, again=""):
    kept = ATTACKS[name](argument)
    print("ready", flush=True)
    while again and not select.select([sys.stdin], [], [], 0)[0]:
        for client in kept:
            getattr(client, "socket", client).close()
        kept = ATTACKS[name](argument)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
