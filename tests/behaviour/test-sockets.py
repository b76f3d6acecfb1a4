#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtbusd without a bus in between: on sockets that systemd-socket-activate gives it, told apart by their names.

Usage: below tests/with-bus, as root."""

import os
import signal
import socket
import subprocess

from attacks import Raw, frame
from gi.repository import Gio, GLib

from rig import DEADLINE, NAME, ROOT, Bus, BusError, Skip, contains, expect, polkit_rules, run, socket_activate

BOTH = {"virtbus": "virtbus.sock", "virtbus-ro": "virtbus-ro.sock"}
DOCUMENT = "<domain type='test'><name>{}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"
state = {}


def path_of(file):
    return os.path.join(ROOT, file)


def serve(files, names=None):
    """Starts virtbusd when someone connects to one of the files; returns its process and waits until it listens."""
    command = socket_activate()
    for file in files:
        command += ["-l", path_of(file)]
    if names:
        command += ["--fdname=" + ":".join(names)]
    service = f"{ROOT}/build/service/virtbusd"
    process = subprocess.Popen([*command, "setpriv", "--reuid=virtbus", "--regid=virtbus", "--clear-groups", service, "--call-timeout=20"],
                               stderr=subprocess.PIPE, text=True)
    said = ""
    while said.count("Listening on") < len(files):
        said += process.stderr.readline()
    for file in files:
        os.chmod(path_of(file), 0o666)
    return process


def busctl(file, *arguments, user=None):
    prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
    return subprocess.run([*prefix, "busctl", f"--address=unix:path={path_of(file)}", *arguments], capture_output=True, text=True, check=False)


def define(file, name, user=None):
    return busctl(file, "call", NAME, "/org/virtbus1/test", f"{NAME}.Connection", "DefineDomain", "sa{sv}", DOCUMENT.format(name), "0", user=user)


def ended(process):
    process.send_signal(signal.SIGTERM)
    process.wait()
    for file in BOTH.values():
        if os.path.exists(path_of(file)):
            os.unlink(path_of(file))


def connect(flags=Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, file="virtbus.sock"):
    return Gio.DBusConnection.new_for_address_sync(f"unix:path={path_of(file)}", flags, None, None)


def call(connection, path, interface, member, body=None):
    try:
        return connection.call_sync(NAME if connection.get_unique_name() else None, path, interface, member, body, None, 0, DEADLINE * 1000, None)
    except GLib.Error as error:
        raise BusError(error) from None


def a_name_that_is_not_known_is_refused_at_the_start():
    if os.geteuid() != 0:
        raise Skip("needs root: a system bus and its users")
    process = serve(["virtbus.sock"], ["unheard-of"])
    client = socket.socket(socket.AF_UNIX)
    client.connect(path_of("virtbus.sock"))
    said = process.stderr.read()
    assert process.wait() != 0
    contains(said, "named 'unheard-of' is not known", "FileDescriptorName=virtbus")
    client.close()
    ended(process)


def without_names_the_files_names_count():
    process = serve(["virtbus-ro.sock"])
    contains(define("virtbus-ro.sock", "no").stderr, "Access denied")
    ended(process)
    process = serve(["other.sock"])
    busctl("other.sock", "list")
    said = process.stderr.read()
    assert process.wait() != 0
    contains(said, "whose file is called 'other'")
    os.unlink(path_of("other.sock"))


def busctl_works_on_both():
    state["process"] = serve(BOTH.values(), BOTH.keys())
    answer = define("virtbus.sock", "direct")
    contains(answer.stdout + answer.stderr, 'o "/org/virtbus1/test/domain/')
    state["domain"] = answer.stdout.split('"')[1]
    for file in BOTH.values():
        contains(busctl(file, "get-property", NAME, state["domain"], f"{NAME}.Domain", "Name").stdout, 's "direct"')
        contains(busctl(file, "tree", "--no-pager", NAME).stdout, state["domain"])
        contains(busctl(file, "introspect", "--no-pager", NAME, state["domain"]).stdout, f"{NAME}.Domain", "shutoff")
        contains(busctl(file, "list", "--no-pager").stdout, NAME)
        contains(busctl(file, "call", "org.example.Other", "/", "org.example.Other", "Do").stderr, "only org.virtbus1")


def on_the_one_for_reading_nothing_is_changed_whoever_asks():
    options = GLib.Variant("(a{sv})", ({},))
    reader = connect(file="virtbus-ro.sock")
    document = GLib.Variant("(sa{sv})", (DOCUMENT.format("forbidden"), {}))
    contains(expect("AccessDenied", call, reader, "/org/virtbus1/test", f"{NAME}.Connection", "DefineDomain", document), "DefineDomain", "reading only")
    contains(expect("AccessDenied", call, reader, state["domain"], f"{NAME}.Domain", "Start", options), "reading only")
    contains(expect("AccessDenied", call, reader, state["domain"], f"{NAME}.Domain", "GetXMLWithSecrets", options), "shows secrets")
    write = GLib.Variant("(ssv)", (f"{NAME}.Domain", "Autostart", GLib.Variant("b", True)))
    contains(expect("AccessDenied", call, reader, state["domain"], "org.freedesktop.DBus.Properties", "Set", write), "reading only")
    contains(busctl("virtbus-ro.sock", "call", NAME, state["domain"], f"{NAME}.Domain", "GetXML", "a{sv}", "0").stdout, "<name>direct</name>")
    contains(busctl("virtbus.sock", "get-property", NAME, state["domain"], f"{NAME}.Domain", "State").stdout, "shutoff")


def polkit_decides_about_the_process():
    start = ["call", NAME, state["domain"], f"{NAME}.Domain", "Start", "a{sv}", "0"]
    contains(busctl("virtbus.sock", *start, user="vb-alice").stderr, "org.virtbus1.domain.start")
    polkit_rules(Bus(), "polkit.addRule(function(a, s) { if (s.user == 'vb-alice' && a.id.indexOf('org.virtbus1.') == 0) return polkit.Result.YES; });")
    assert busctl("virtbus.sock", *start, user="vb-alice").returncode == 0
    assert busctl("virtbus.sock", *start, user="vb-bob").returncode != 0
    # What she defines there is hers.
    answer = define("virtbus.sock", "hers", user="vb-alice")
    owner = busctl("virtbus.sock", "get-property", NAME, answer.stdout.split('"')[1], f"{NAME}.Domain", "Owner").stdout
    assert int(owner.split()[1]) == int(subprocess.run(["id", "-u", "vb-alice"], capture_output=True, text=True, check=True).stdout)


def signals_come_to_clients_of_both_ways():
    """GDBus takes the connection for a bus, or for a peer: signals come to both."""
    heard = []
    connections = [connect(), connect(Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT)]
    for number, connection in enumerate(connections):
        sender = NAME if connection.get_unique_name() else None
        connection.signal_subscribe(sender, f"{NAME}.Domain", "StateChanged", None, None, 0,
                                    lambda *arguments, number=number: heard.append((number, arguments[2], arguments[5].unpack()[1])))
        call(connection, "/org/virtbus1", "org.freedesktop.DBus.Peer", "Ping")
    call(connections[0], state["domain"], f"{NAME}.Domain", "Destroy", GLib.Variant("(a{sv})", ({},)))
    wanted = {(0, state["domain"], "shutoff"), (1, state["domain"], "shutoff")}
    bus = Bus()
    bus.wait(lambda: wanted <= set(heard), "StateChanged on both")
    # The bus heard it too: it is one service.
    assert bus.get(state["domain"], "Domain", "State") == "shutoff"


def a_user_has_only_so_many_connections():
    clients = []
    for _ in range(40):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(DEADLINE)
        client.connect(path_of("virtbus.sock"))
        clients.append(client)
    assert clients[-1].recv(1) == b""  # closed at once
    contains(busctl("virtbus.sock", "get-property", NAME, "/org/virtbus1", f"{NAME}.Manager", "Version", user="vb-alice").stdout, "0.")
    for client in clients:
        client.close()


def who_does_not_read_is_cut_off():
    client = connect()
    name = client.get_unique_name()
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(path_of("virtbus.sock"))
    raw.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
    assert raw.recv(256).startswith(b"OK")
    raw.sendall(b"BEGIN\r\n")
    message = Gio.DBusMessage.new_method_call(NAME, "/org/virtbus1/test", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    message.set_serial(1)
    blob = bytes(message.to_blob(Gio.DBusCapabilityFlags.NONE))
    raw.settimeout(DEADLINE)
    try:
        for _ in range(200000):
            raw.sendall(blob)
        raise AssertionError("it was never cut off")
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert name and call(client, "/org/virtbus1", "org.freedesktop.DBus.Peer", "Ping") is not None


def who_leaves_in_the_middle_of_a_part_costs_nobody_else():
    client, title = connect(), "x" * 65000
    for i in range(17):  # more than one part
        document = DOCUMENT.format(f"part-{i}").replace("<memory", f"<title>{title}</title><memory")
        call(client, "/org/virtbus1/test", f"{NAME}.Connection", "DefineDomain", GLib.Variant("(sa{sv})", (document, {})))
    ask = frame("/org/virtbus1/test", f"{NAME}.ManagedObjects", "GetPart", GLib.Variant("(sa{sv})", ("", {})), 0, 2)
    leavers = [Raw(path_of("virtbus.sock")) for _ in range(4)]
    for client in leavers:
        client.send(ask)
    for client in leavers:
        assert client.socket.recv(1000)  # it is on its way, and the socket does not hold it
    reader = Raw(path_of("virtbus.sock"))
    reader.send(ask)
    objects, after = reader.answer(2)
    assert after and len(objects) > 10, len(objects)
    for client in leavers:
        client.socket.close()
    reader.send(frame("/org/virtbus1/test", f"{NAME}.ManagedObjects", "GetPart", GLib.Variant("(sa{sv})", (after, {})), 0, 3))
    rest, after = reader.answer(3)
    assert rest and not after and not set(rest) & set(objects)
    reader.socket.close()


def it_ends_with_its_service():
    ended(state["process"])


run([value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == "__main__"
     and value.__name__ not in ("path_of", "serve", "busctl", "define", "ended", "connect", "call")])
