# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's own clients on virtbus, beside the same on libvirt's daemon: the section `libvirt` of figures.py."""

import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid

import libvirtd
from measures import add, cpu_time, own_memory, p50, say
from rig import BUILD, NAME, ROOT, Hypervisor

DEFINED, RUNNING = 1000, 50
POLLS = 20
CLIENTS = 500
STATS = 0x0b  # what virt-manager asks for each second: state, processor and virtual processors
SOCKET = os.path.join(ROOT, "libvirt-sock")
OURS, THEIRS = f"qemu+unix:///session?socket={SOCKET}", "qemu:///system"
ENVIRONMENT = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": os.environ["DBUS_SYSTEM_BUS_ADDRESS"], "LC_ALL": "C", "HOME": ROOT}
PROGRAM, OPEN, HOSTNAME, AUTH_LIST = 0x20008086, 1, 59, 66
POLL = """
import libvirt, sys
connection = libvirt.open(sys.argv[1])
for _ in range(int(sys.argv[3]) + 1):
    connection.getInfo()
    assert len(connection.getAllDomainStats(int(sys.argv[2]), 0)) >= int(sys.argv[4])
    if _ == 0:
        print(flush=True)
        sys.stdin.readline()
print(flush=True)
sys.stdin.readline()
"""


def virsh(uri, *words):
    return subprocess.run(["virsh", "-c", uri, *words], env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout


def timed(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


def in_turn(rounds, function):
    """Durations of the same with each URI, in turn, so that both meet the same noise."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(timed(lambda: function(OURS)))
        theirs.append(timed(lambda: function(THEIRS)))
    return p50(ours), p50(theirs)


def compare(what, wanted, rounds, function, in_readme=True):
    ours, theirs = in_turn(rounds, function)
    add(f"{what}: virtbus / libvirtd, p50", ours / theirs, wanted, "x", f"{1000 * ours:.0f} ms / {1000 * theirs:.0f} ms", in_readme=in_readme)


def listing(uri):
    assert virsh(uri, "list", "--all").count("stats-") == DEFINED


def starting(uri):
    virsh(uri, "start", "--paused", f"stats-{RUNNING}")


def compare_starts(rounds):
    ours, theirs = [], []
    for _ in range(rounds):
        for uri, durations in ((OURS, ours), (THEIRS, theirs)):
            durations.append(timed(lambda: starting(uri)))  # pylint: disable=cell-var-from-loop
            virsh(uri, "destroy", f"stats-{RUNNING}")
    add("virsh start of a minimal paused guest: virtbus / libvirtd, p50", p50(ours) / p50(theirs), "<= 0.3", "x",
        f"{1000 * p50(ours):.0f} ms / {1000 * p50(theirs):.0f} ms")


def child_of(pid):
    """The process that serves the client which has come last."""
    return int(open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8").read().split()[-1])


def poll(uri, pids, worker_of=None):
    """Processor time of these processes, and of the one that serves the client, for each poll."""
    with subprocess.Popen([sys.executable, "-c", POLL, uri, str(STATS), str(POLLS), str(DEFINED)], env=ENVIRONMENT, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        pids = pids + ([child_of(worker_of)] if worker_of else [])
        before = sum(map(cpu_time, pids))
        process.stdin.write("\n")
        process.stdin.flush()
        if process.stdout.readline() != "\n":
            sys.exit(f"not measured: polls of {uri} failed")
        used = sum(map(cpu_time, pids)) - before
        process.stdin.close()
    return used / POLLS


class Raw:
    """A client that says no more than is needed."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(SOCKET)

    def call(self, procedure, body=b""):
        self.socket.sendall(struct.pack(">7I", 28 + len(body), PROGRAM, 1, procedure, 0, 0, 0) + body)

    def hear(self):
        """Whether the answer is no error."""
        try:
            data = self.socket.recv(4, socket.MSG_WAITALL)
            data = self.socket.recv(struct.unpack(">I", data)[0] - 4, socket.MSG_WAITALL) if data else b""
        except ConnectionError:
            data = b""
        return len(data) >= 24 and struct.unpack(">6I", data[:24])[5] == 0

    def open(self):
        name = b"qemu:///session\0"
        self.call(OPEN, struct.pack(">2I", 1, len(name) - 1) + name + struct.pack(">I", 0))


def one_client(face):
    """How long a client waits for its first answer, and what its process takes."""
    durations, memory = [], []
    for _ in range(20):
        began = time.monotonic()
        client = Raw()
        client.call(AUTH_LIST)
        client.hear()
        durations.append(time.monotonic() - began)
        client.open()
        client.hear()
        memory.append(own_memory(child_of(face.pid)))
        client.socket.close()
    add("a client of libvirt's, from its connection to its first answer, p50", 1000 * p50(durations), "<= 3", "ms", "", in_readme=False)
    add("memory of a client's process, p50", p50(memory) / 2**20, "<= 3", "MiB", "private memory", in_readme=False)


def let_connect(bus):
    """As many as a session's bus lets; this is a system's."""
    policy = os.path.join(ROOT, "bus.conf")
    text = open(policy, encoding="utf-8").read()
    limit = '<limit name="max_connections_per_user">100000</limit><limit name="max_completed_connections">100000</limit>'
    open(policy, "w", encoding="utf-8").write(text.replace("</busconfig>", f"{limit}</busconfig>"))
    bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig", destination="org.freedesktop.DBus")


def many_clients():
    began = time.monotonic()
    clients = [Raw() for _ in range(CLIENTS)]
    for client in clients:
        client.open()
    opened = sum(client.hear() for client in clients)
    for client in clients:
        try:
            client.call(HOSTNAME)
        except ConnectionError:
            pass  # it is counted as lost
    answered = sum(client.hear() for client in clients)
    took = time.monotonic() - began
    add(f"calls lost of {CLIENTS} clients at once", 2 * CLIENTS - opened - answered, "0", "", f"all answered in {took:.1f} s", may_be_nothing=True, in_readme=False)
    for client in clients:
        client.socket.close()


def stopped_guest(qemu, domain):
    pid = qemu.pid_of(domain)
    os.kill(pid, signal.SIGSTOP)
    durations = [timed(lambda: virsh(OURS, "domstats", "--list-active")) for _ in range(5)]
    os.kill(pid, signal.SIGCONT)
    add(f"virsh domstats of {RUNNING} guests while one is stopped", max(durations), "<= 1", "s", "the slowest of 5; libvirtd: never")


def start_face():
    face = subprocess.Popen([f"{BUILD}/client/libvirt/virtbus-libvirt", f"--socket={SOCKET}"], env=ENVIRONMENT)
    while not os.path.exists(SOCKET) or subprocess.run(["virsh", "-c", OURS, "uri"], env=ENVIRONMENT, capture_output=True, check=False).returncode != 0:
        if face.poll() is not None:
            sys.exit("not measured: virtbus-libvirt has ended")
        select.select([], [], [], 0.05)
    return face


def bus_daemon(bus):
    return bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixProcessID", "s", "org.freedesktop.DBus",
                    destination="org.freedesktop.DBus")


def measure(bus):
    if not shutil.which("virsh"):
        sys.exit("not measured: virsh is not installed")
    say(f"libvirt's clients, on virtbus and on libvirtd, with {DEFINED} defined and {RUNNING} running guests")
    qemu = Hypervisor(bus, "qemu")
    face = start_face()
    domains = [qemu.define(qemu.document(f"stats-{number}")) for number in range(DEFINED)]
    for domain in domains[:RUNNING]:
        qemu.do(domain, "Start", paused=True)
    daemon = libvirtd.start({f"stats-{number}": qemu.document(f"stats-{number}", uuid=str(uuid.uuid4())) for number in range(DEFINED)}, RUNNING)
    if not daemon:
        sys.exit("not measured: libvirtd is not here, or this is not root")
    compare(f"virsh list --all of {DEFINED} domains", "<= 0.5", 15, listing)
    compare_starts(15)
    compare(f"virsh domstats of {RUNNING} guests", "<= 0.3", 10, lambda uri: virsh(uri, "domstats", "--list-active"))
    ours = poll(OURS, [bus.owner_pid(NAME), bus.driver(qemu.driver_name), bus_daemon(bus)], face.pid)
    theirs = poll(THEIRS, [daemon.pid])
    add(f"processor time of virt-manager's poll of {DEFINED} domains: virtbus with its bus / libvirtd", ours / theirs, "<= 0.2", "x",
        f"{1000 * ours:.1f} ms / {1000 * theirs:.1f} ms")
    stopped_guest(qemu, domains[0])
    one_client(face)
    let_connect(bus)
    many_clients()
    for number in range(RUNNING):
        virsh(THEIRS, "destroy", f"stats-{number}")
    for process in (daemon, face):
        process.terminate()
        process.wait()
    for domain in domains[:RUNNING]:
        qemu.do(domain, "Destroy")
    for domain in domains:
        qemu.do(domain, "Undefine")
