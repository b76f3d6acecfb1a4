#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's clients of the machine's guests: virtbusd accepts them, knows them by the kernel's word, and hands them to virtbus-libvirt,
which has no rights; polkit decides about each of them.

Usage: below tests/with-bus, as root."""

import os
import pwd
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

from gi.repository import Gio, GLib
from system_rig import DRIVER, FULL, GATEWAY, READ_ONLY, SCHEME, allow, as_user, document, end, no_rules, serve_all, serve_gateway, state
from rig import DEADLINE, NAME, ROOT, Bus, BusError, Hypervisor, Skip, contains, expect, polkit_rules, run

if os.geteuid() != 0:
    raise SystemExit("test-libvirt-system.py: needs root, for a polkitd and other users")

if not shutil.which("virsh"):
    print("1..0 # SKIP virsh is not installed")
    raise SystemExit

UNITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data")
# What a client does by itself, byte by byte: opens its connection, defines a domain by a document, and says what it is answered.
CLIENT = """
import os, socket, struct, sys
PROGRAM, OPEN, DEFINE, AUTH_LIST, AUTH_POLKIT = 0x20008086, 1, 11, 66, 70
URI = %r
def text(value):
    data = value.encode()
    return struct.pack(">I", len(data)) + data + bytes(-len(data) %% 4)
def ask(client, procedure, body):
    client.sendall(struct.pack(">7I", 28 + len(body), PROGRAM, 1, procedure, 0, 0, 0) + body)
    return hear(client)
def hear(client):
    # The answer: 0, or an error's code and whom it is from; None where the connection has ended.
    try:
        size = client.recv(4, socket.MSG_WAITALL)
        rest = client.recv(struct.unpack(">I", size)[0] - 4, socket.MSG_WAITALL) if len(size) == 4 else b""
    except ConnectionResetError:
        rest = b""
    if not rest or struct.unpack(">6I", rest[:24])[5] == 0:
        return 0 if rest else None
    return struct.unpack(">2i", rest[24:32])
def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(path)
    return client
def opened(path):
    client = connect(path)
    assert ask(client, OPEN, struct.pack(">I", 1) + text(URI) + struct.pack(">I", 0)) == 0
    return client
def define(client, document):
    return ask(client, DEFINE, text(document))
""" % SCHEME.replace("+unix", "")


def pwd_of(user):
    return pwd.getpwnam(user).pw_uid


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def processes(name):
    """The processes with that program."""
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and program_of(pid) == name]


def program_of(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def bus_on(fd):
    """A connection to virtbusd on a descriptor, made by root, who says so; and what calls on it."""
    stream = Gio.Socket.new_from_fd(fd).connection_factory_create_connection()
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    connection = Gio.DBusConnection.new_sync(stream, None, flags, None, None)

    def call(path, interface, member, signature, *arguments):
        try:
            return connection.call_sync(NAME, path, f"{NAME}.{interface}", member, GLib.Variant(f"({signature})", arguments), None, 0, DEADLINE * 1000, None)
        except GLib.Error as error:
            raise BusError(error) from None

    return connection, call


def virsh(*words, user="root", path=FULL, fails=False):
    """What virsh says; where it is to fail, its errors."""
    environment = {**os.environ, "LC_ALL": "C", "HOME": ROOT, "XDG_CACHE_HOME": f"{ROOT}/cache"}
    done = subprocess.run([*as_user(user), "virsh", "-q", "-c", f"{SCHEME}?socket={path}", *words], env=environment, capture_output=True, text=True,
                          timeout=DEADLINE, stdin=subprocess.DEVNULL, start_new_session=True, check=False)
    assert (done.returncode != 0) == fails, f"virsh {words}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stderr if fails else done.stdout.strip()


def client_of(user, code, *arguments, program=sys.executable):
    """A process of a user's that runs CODE after what CLIENT defines."""
    return subprocess.Popen([*as_user(user), program, "-c", CLIENT + code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def xml(name):
    return state["hypervisor"].document(name)


def root_is_served_and_polkit_is_not_asked():
    serve_all()
    contains(virsh("hostname"), socket.gethostname())
    state["bus"] = Bus()
    state["hypervisor"] = Hypervisor(state["bus"], DRIVER)
    virsh("define", document("roots"))
    contains(virsh("list", "--all"), "roots", "shut off")


def each_user_is_who_the_kernel_says():
    allow("vb-alice", "read", "domain.define")
    virsh("define", document("hers"), user="vb-alice")
    hers = next(path for path, found in state["bus"].objects(state["hypervisor"].path).items()
                if found.get(f"{NAME}.Domain", {}).get("Name") == "hers")
    assert state["bus"].get(hers, "Domain", "Owner") == pwd_of("vb-alice")
    contains(virsh("list", "--all", user="vb-alice"), "roots", "hers")
    # The rule for owners is asked as of her.
    virsh("start", "hers", user="vb-alice")
    contains(virsh("start", "roots", user="vb-alice", fails=True), "org.virtbus1.domain.start")
    # Nobody can be asked for a password, and he may see nothing.
    contains(virsh("list", "--all", user="vb-bob", fails=True), "org.virtbus1.manage", "a password is required")
    virsh("destroy", "hers", user="vb-alice")


class Agent:
    """Who is asked for passwords on behalf of a process: it gives the administrator's, or cancels."""

    XML = """<node><interface name='org.freedesktop.PolicyKit1.AuthenticationAgent'>
      <method name='BeginAuthentication'><arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='s' direction='in'/>
        <arg type='a{ss}' direction='in'/><arg type='s' direction='in'/><arg type='a(sa{sv})' direction='in'/></method>
      <method name='CancelAuthentication'><arg type='s' direction='in'/></method></interface></node>"""

    def __init__(self, user, pid):
        self.asked, self.agrees = [], True
        self.connection = state["bus"].connection
        interface = Gio.DBusNodeInfo.new_for_xml(self.XML).interfaces[0]
        self.object = self.connection.register_object(f"/agent/{pid}", interface, self.on_call)
        self.began = int(read(f"/proc/{pid}/stat").rpartition(")")[2].split()[19])
        subject = ("unix-process", {"pid": GLib.Variant("u", pid), "start-time": GLib.Variant("t", self.began), "uid": GLib.Variant("i", pwd_of(user))})
        self.polkit("RegisterAuthenticationAgent", "((sa{sv})ss)", subject, "C", f"/agent/{pid}")

    def polkit(self, member, signature, *arguments):
        self.connection.call_sync("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority", member,
                                  GLib.Variant(signature, arguments), None, 0, DEADLINE * 1000, None)

    def on_call(self, _connection, _sender, _path, _interface, _member, arguments, invocation):
        action, _message, _icon, _details, cookie, identities = arguments.unpack()
        self.asked.append(action.removeprefix("org.virtbus1."))
        if self.agrees:
            kind, details = identities[0]
            identity = (kind, {name: GLib.Variant("u", value) for name, value in details.items()})
            self.polkit("AuthenticationAgentResponse2", "(us(sa{sv}))", 0, cookie, identity)
            invocation.return_value(None)
        else:
            invocation.return_dbus_error("org.freedesktop.PolicyKit1.Error.Cancelled", "it was cancelled")


class Manager:
    """A client of a user's who is asked for passwords: each line is evaluated, and its value answered."""

    def __init__(self, user, agent=True):
        self.process = client_of(user, """
client = connect(sys.argv[1])
for line in sys.stdin:
    print(eval(line), flush=True)
""", FULL)
        self.agent = Agent(user, self.process.pid) if agent else None

    def do(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        state["bus"].wait(lambda: select.select([self.process.stdout], [], [], 0)[0], f"the answer to {line}")
        return self.process.stdout.readline().strip()

    def open(self):
        return self.do("ask(client, OPEN, struct.pack('>I', 1) + text(URI) + struct.pack('>I', 0))")

    def define(self, name):
        return self.do(f"define(client, {xml(name)!r})")

    def leave(self):
        self.process.stdin.close()
        self.process.wait()


def a_password_is_asked_for_once_when_a_client_connects():
    no_rules()
    client = Manager("vb-alice")
    assert client.do("ask(client, AUTH_LIST, b'')") == "0"
    assert client.do("ask(client, AUTH_POLKIT, b'')") == "0" and client.open() == "0"
    assert client.define("managed") == "0" and client.define("managed-too") == "0"
    assert client.agent.asked == ["manage"]
    state["client"] = client


def leave_to_manage_is_not_stronger_than_a_rule_and_ends_with_one():
    client = state["client"]
    polkit_rules(state["bus"], "polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.domain.define') return polkit.Result.NO; });")
    assert client.define("refused") == "(88, 12)"
    no_rules()
    assert client.define("allowed") == "0"
    assert client.agent.asked == ["manage"]
    client.leave()
    # A rule gives it, so that polkit remembers no password for it; it is no longer given: whoever has it loses it, for good.
    allow("vb-alice", "manage")
    client = Manager("vb-alice")
    client.agent.agrees = False
    assert client.do("ask(client, AUTH_POLKIT, b'')") == "0" and client.open() == "0"
    assert client.define("by-rule") == "0"
    polkit_rules(state["bus"], "polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.manage') return polkit.Result.NO; });")
    assert client.define("lost") in ("(94, 60)", "(88, 12)")  # where rules were read once more meanwhile, the person was asked
    no_rules()
    assert client.define("asked") == "(88, 12)"
    assert set(client.agent.asked) == {"domain.define"}
    client.leave()


def who_may_not_manage_is_let_in_with_what_they_may():
    allow("vb-alice", "read", "domain.define")
    client = Manager("vb-alice")
    client.agent.agrees = False
    assert client.do("ask(client, AUTH_POLKIT, b'')") == "0" and client.open() == "0"
    assert client.define("hers-alone") == "0"
    assert client.agent.asked == ["manage"]
    client.leave()
    no_rules()
    client = Manager("vb-alice")
    client.agent.agrees = False
    assert client.do("ask(client, AUTH_POLKIT, b'')") == "(45, 60)"
    client.leave()
    client = Manager("vb-alice", agent=False)
    assert client.do("ask(client, AUTH_POLKIT, b'')") == "(94, 60)"
    client.leave()


def the_socket_for_reading_changes_nothing_whoever_asks():
    contains(virsh("list", "--all", path=READ_ONLY), "roots")
    for words in (("start", "roots"), ("define", document("other"))):
        contains(virsh(*words, path=READ_ONLY, fails=True), "read only")
    # What shows secrets is refused by virtbusd itself.
    contains(virsh("dumpxml", "roots", "--security-info", path=READ_ONLY, fails=True), "reading only")
    contains(virsh("list", "--all"), "roots", "shut off")


def clients_elsewhere_come_by_ssh_as_who_has_logged_in():
    """What ssh runs here has the user's rights: a program in its place runs the helper as alice."""
    allow("vb-alice", "read", "domain.define")
    ssh = f"{ROOT}/ssh"
    with open(ssh, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\nexec {' '.join(as_user('vb-alice'))} {ROOT}/build/client/libvirt/virtbus-libvirt-ssh-helper -U {FULL}\n")
    os.chmod(ssh, 0o755)
    environment = {**os.environ, "LC_ALL": "C", "HOME": ROOT}
    uri = f"{SCHEME.replace('unix', 'ssh').replace('///', '//elsewhere/')}?command={ssh}"

    def remote(*words):
        return subprocess.run(["virsh", "-q", "-c", uri, *words], env=environment, capture_output=True, text=True, timeout=DEADLINE,
                              stdin=subprocess.DEVNULL, start_new_session=True, check=False)

    done = remote("define", document("by-ssh"))
    assert done.returncode == 0, done.stderr
    done = remote("start", "roots")
    assert done.returncode != 0 and "org.virtbus1.domain.start" in done.stderr, done.stderr


def files_that_clients_name_are_not_opened_by_the_gateway():
    virsh("start", "roots")
    contains(virsh("dump", "roots", f"{ROOT}/dump", fails=True), "with your rights")
    assert not os.path.exists(f"{ROOT}/dump")
    virsh("destroy", "roots")


def a_client_is_cut_off_when_its_process_ends_whoever_has_its_socket():
    """Its number may be another process's then."""
    client = client_of("vb-alice", """
client = opened(sys.argv[1])
if os.fork() == 0:
    os.setsid()
    print("cut off" if client.recv(1) == b"" else "not cut off", flush=True)
""", FULL)
    assert client.stdout.read() == "cut off\n"
    client.wait()


def a_client_that_has_ended_before_it_is_looked_at_is_sent_away():
    service = int(state["bus"].owner_pid(NAME))
    os.kill(service, signal.SIGSTOP)
    try:
        client = client_of("vb-alice", """
client = connect(sys.argv[1])
if os.fork() == 0:
    os.setsid()
    print("sent away" if hear(client) is None else "served", flush=True)
""", FULL)
        client.wait()
    finally:
        os.kill(service, signal.SIGCONT)
    assert client.stdout.read() == "sent away\n"


def a_setuid_program_that_a_client_becomes_is_the_client_still():
    program = f"{ROOT}/python-of-root"
    shutil.copy(os.path.realpath(sys.executable), program)
    os.chmod(program, 0o4755)
    if os.statvfs(ROOT).f_flag & os.ST_NOSUID:
        raise Skip("the file system has no setuid programs")
    allow("vb-alice", "read")
    client = client_of("vb-alice", """
client = opened(sys.argv[1])
client.set_inheritable(True)
os.execve(sys.argv[3], [sys.argv[3], "-c", CLIENT + "client = socket.socket(fileno=%d)\\nclient.settimeout(60)\\nprint(os.geteuid(), define(client, sys.argv[1])[0])" % client.fileno(), sys.argv[2]], os.environ)
""".replace("CLIENT", repr(CLIENT)), FULL, xml("by-setuid"), program)
    assert client.stdout.read() == "0 94\n"
    assert "by-setuid" not in virsh("list", "--all")


def who_speaks_for_a_client_is_that_client_whatever_it_says():
    """Somebody in the gateway's place: it says that it is root, and has root's socket with it."""
    end_gateway()
    no_rules()
    place = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    place.bind(GATEWAY)
    shutil.chown(GATEWAY, "virtbus")
    place.listen()
    place.settimeout(DEADLINE)
    client = client_of("vb-alice", "client = connect(sys.argv[1]); sys.stdin.read()", FULL)
    gateway, _ = place.accept()
    gateway.settimeout(DEADLINE)
    words, fds, _flags, _address = socket.recv_fds(gateway, 64, 4)
    assert struct.unpack("3I", words) == (1, pwd_of("vb-alice"), 0) and len(fds) == 2
    # What it sends there is read by nobody.
    root = socket.socket(socket.AF_UNIX)
    root.connect(FULL)
    _, others, _flags, _address = socket.recv_fds(gateway, 64, 4)
    socket.send_fds(gateway, [struct.pack("3I", 1, 0, 0)], [root.fileno(), others[1]])
    connection, call = bus_on(fds[1])
    for method in ("DefineDomain", "CreateDomain"):
        message = expect("InteractiveAuthorizationRequired", call, f"/org/virtbus1/{DRIVER}", "Connection", method, "sa{sv}", xml("taken"), {})
        contains(message, "org.virtbus1.domain.define")
    # When the client has gone, so has its connection to the service, though its socket is held here.
    client.stdin.close()
    client.wait()
    state["bus"].wait(connection.is_closed, "the end of the client's connection to the service")
    for fd in (fds[0], *others):
        os.close(fd)
    for held in (gateway, place, root):
        held.close()
    serve_gateway()
    contains(virsh("list", "--all"), "roots")


def a_gateway_that_has_ended_is_started_for_the_next_client():
    end_gateway()
    serve_gateway()
    contains(virsh("list", "--all"), "roots")


def what_serves_a_client_has_no_rights():
    client = client_of("root", "client = opened(sys.argv[1]); print(flush=True); sys.stdin.read()", FULL)
    client.stdout.readline()
    workers = [pid for pid in processes("virtbus-libvirt") if pid != state["gateway"].pid]
    assert workers
    for pid in [state["gateway"].pid, *workers]:
        status = read(f"/proc/{pid}/status")
        if pid in workers and "libasan" not in read(f"/proc/{pid}/maps"):  # whose builds need more system calls
            contains(status, "Seccomp:\t2")
        contains(status, "NoNewPrivs:\t1", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000")
        assert set(re.findall(r"^Uid:\s(.*)$", status, re.M)[0].split()) == {str(pwd_of("virtbus-libvirt"))}
    client.stdin.close()
    client.wait()
    unit = read(os.path.join(UNITS, "virtbus-libvirt.system.service.in"))
    for line in ("User=virtbus-libvirt", "CapabilityBoundingSet=", "AmbientCapabilities=", "NoNewPrivileges=yes", "RestrictNamespaces=yes"):
        assert f"\n{line}\n" in unit, line
    gateway = read(os.path.join(UNITS, "virtbus-libvirt-gateway.socket"))
    contains(gateway, "SocketMode=0600\n", "SocketUser=virtbus\n", "ListenSequentialPacket=/run/virtbus/libvirt-gateway\n")


def end_gateway():
    os.unlink(GATEWAY)
    state["gateway"].send_signal(signal.SIGTERM)
    state["gateway"].wait()


def one_user_has_only_so_many_clients_and_leaves_others_a_place():
    """With few descriptors there are few places: 32."""
    end()
    serve_all(["prlimit", "--nofile=1024:1024"])
    hoarder = client_of("vb-bob", """
import select
clients = [connect(sys.argv[1]) for _ in range(40)]
poll = select.poll()
for client in clients:
    poll.register(client, select.POLLRDHUP)
gone = set()
while len(gone) < 8:
    gone.update(fd for fd, _ in poll.poll())
print(len(gone), flush=True)
sys.stdin.read()
""", FULL)
    assert hoarder.stdout.readline() == "8\n"
    # They say nothing, and hold all places: another user finds one.
    state["bus"] = Bus()
    allow("vb-alice", "read")
    virsh("list", "--all", user="vb-alice")
    hoarder.stdin.close()
    hoarder.wait()


def hears(process, text):
    """Waits until a program has said that."""
    said, deadline = getattr(process, "said", ""), time.monotonic() + DEADLINE
    while text not in said:
        assert select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0], f"{text!r} is not in {said!r}"
        more = os.read(process.stdout.fileno(), 65536).decode()
        assert more, said
        said = process.said = said + more


def who_was_not_told_all_is_told_what_has_become_of_it():
    """While polkit is asked anew, no more than a bound is kept of what is to be told: the gateway then reads all again."""
    bus, host = state["bus"], "/org/virtbus1/host"
    gate = os.path.join(ROOT, "gate")
    rule = "polkit.addRule(function(a, s) { if (s.user == 'vb-alice') { GATE return polkit.Result.YES; } });"
    polkit_rules(bus, rule.replace("GATE", ""))

    def network(name):
        return bus.call(host, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", f"<network><name>{name}</name></network>", {})

    def secret(name):
        return bus.call(host, f"{NAME}.Secrets", "DefineSecret", "sa{sv}", f"<secret><usage type='volume'><volume>/{name}</volume></usage></secret>", {})

    events = [subprocess.Popen([*as_user("vb-alice"), "stdbuf", "-oL", "virsh", "-c", f"{SCHEME}?socket={FULL}", f"{kind}-event", "--loop", "--event", "lifecycle"],
                               stdout=subprocess.PIPE) for kind in ("net", "secret")]
    makers = (network, secret)
    going = []
    for make, process in zip(makers, events):  # until it has registered: then it is told
        number = 0
        while not select.select([process.stdout], [], [], 0.2)[0]:
            bus.call(make(f"going{number}"), f"{NAME}.{make.__name__.capitalize()}", "Undefine", "a{sv}", {})
            number += 1
        going.append(make("going"))
        hears(process, f"{bus.get(going[-1], make.__name__.capitalize(), 'UUID' if make is secret else 'Name')}: Defined")
    domain = bus.call(Hypervisor(bus, DRIVER).path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", xml("saved-long"), {})
    bus.call(domain, f"{NAME}.Domain", "Start", "a{sv}", {"paused": GLib.Variant("b", True)})
    bus.call(Hypervisor(bus, DRIVER).path, f"{NAME}.Test", "SetDelay", "st", "save", 3600 * 10**6)
    save = subprocess.Popen([*as_user("vb-alice"), "virsh", "-c", f"{SCHEME}?socket={FULL}", "save", "saved-long", os.path.join(ROOT, "saved-long.save")], stderr=subprocess.PIPE, text=True)

    def jobs():
        return [path for path, interfaces in bus.objects("/org/virtbus1").items() if f"{NAME}.Job" in interfaces]

    bus.wait(jobs, "the job")
    os.mkfifo(gate)
    os.chmod(gate, 0o666)
    rules = os.path.join(ROOT, "polkit-rules", "50-test.rules")
    with open(rules + ".new", "w", encoding="utf-8") as file:
        file.write(rule.replace("GATE", f"try {{ polkit.spawn(['/bin/cat', '{gate}']); }} catch (e) {{}}"))
    os.rename(rules + ".new", rules)
    gatekeeper = os.open(gate, os.O_WRONLY)  # which waits until it is asked
    for size in [60000] * 5 + [4000] * 6 + [1] * 100:  # until there is no room for the smallest
        large = xml("large").replace("</name>", f"</name><description>{'x' * size}</description>")
        bus.call(bus.call(Hypervisor(bus, DRIVER).path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", large, {}), f"{NAME}.Domain", "Undefine", "a{sv}", {})
    bus.call(jobs()[0], f"{NAME}.Job", "Cancel", "")
    bus.wait(lambda: not jobs(), "its end")
    came = []
    for make, path in zip(makers, going):
        bus.call(path, f"{NAME}.{make.__name__.capitalize()}", "Undefine", "a{sv}", {})
        came.append(make("came"))
    os.unlink(gate)
    os.close(gatekeeper)
    contains(save.communicate(timeout=DEADLINE)[1], "has ended while this client read nothing")
    for make, process, path in zip(makers, events, came):
        hears(process, "Undefined")
        hears(process, f"{bus.get(path, make.__name__.capitalize(), 'UUID' if make is secret else 'Name')}: Defined")
        bus.call(path, f"{NAME}.{make.__name__.capitalize()}", "Undefine", "a{sv}", {})  # which is told as before
        hears(process, f"{path.rsplit('/', 1)[1].replace('_', '-') if make is secret else 'came'}: Undefined")
        process.terminate()
        process.wait()
    for member in ("Destroy", "Undefine"):
        bus.call(domain, f"{NAME}.Domain", member, "a{sv}", {})
    no_rules()


try:
    run([root_is_served_and_polkit_is_not_asked, each_user_is_who_the_kernel_says, the_socket_for_reading_changes_nothing_whoever_asks,
         a_password_is_asked_for_once_when_a_client_connects, leave_to_manage_is_not_stronger_than_a_rule_and_ends_with_one,
         who_may_not_manage_is_let_in_with_what_they_may, clients_elsewhere_come_by_ssh_as_who_has_logged_in, files_that_clients_name_are_not_opened_by_the_gateway, a_client_is_cut_off_when_its_process_ends_whoever_has_its_socket,
         a_client_that_has_ended_before_it_is_looked_at_is_sent_away, a_setuid_program_that_a_client_becomes_is_the_client_still,
         who_speaks_for_a_client_is_that_client_whatever_it_says, a_gateway_that_has_ended_is_started_for_the_next_client,
         what_serves_a_client_has_no_rights, who_was_not_told_all_is_told_what_has_become_of_it, one_user_has_only_so_many_clients_and_leaves_others_a_place])
finally:
    end()
