#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests are kept from their host and from each other: a program in QEMU's place tries what a QEMU that its guest has taken over would try.

As another user than root: what a user's own guests are shown.

Usage (below tests/with-bus; as root with VIRTBUS_GUEST_PATHS empty): test-isolation.py
"""

import contextlib
import ctypes
import json
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile

from rig import BUILD, NAME, ROOT, Bus, Hypervisor, Skip, contains, expect, run, variants

bus = Bus()
qemu = Hypervisor(bus, "qemu")
WORK = os.path.join(ROOT, "isolation")
os.makedirs(WORK, mode=0o755)
os.chmod(WORK, 0o755)
RUNTIME = f"{ROOT}/qemu/run/qemu"
EMULATOR = f"{WORK}/emulator/qemu-system-x86_64"
if os.geteuid() == 0:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
SERIAL = "<serial type='unix'><source mode='bind' path='{}'/></serial>"


def isolation(domain):
    return bus.get(domain, "Domain", "Isolation")


def ended(domain):
    if qemu.state(domain) != "shutoff":
        qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


def log_of(domain):
    with open(f"{ROOT}/qemu/log/qemu/{bus.get(domain, 'Domain', 'UUID')}.log", encoding="utf-8", errors="replace") as file:
        return file.read()


def sees(domain, path):
    """Whether its QEMU has such a path."""
    return os.path.lexists(f"/proc/{qemu.pid_of(domain)}/root{path}")


def what_is_in_force_is_told():
    plain = qemu.define(qemu.document("plain"))
    assert isolation(plain) == {}
    qemu.do(plain, "Start", paused=True)
    told, pid = isolation(plain), qemu.pid_of(plain)
    assert told["user"] == os.stat(f"/proc/{pid}").st_uid and told["group"] == os.stat(f"/proc/{pid}").st_gid, told
    assert sorted(told["namespaces"]) == ["ipc", "mount", "network", "uts"], told
    for kind, name in (("ipc", "ipc"), ("mount", "mnt"), ("network", "net"), ("uts", "uts")):
        own = {space: os.readlink(f"/proc/{process}/ns/{name}") for space, process in (("guest", pid), ("host", "self"))}
        assert own["guest"] != own["host"], (kind, own)
    assert told["root"] and told["seccomp"] and told["label"] == "", told
    # A driver that comes later tells the same.
    qemu.kill_driver()
    bus.wait_state(plain, "paused")
    bus.wait(lambda: isolation(plain) == told, "what an earlier driver had asked for")
    qemu.do(plain, "Destroy")
    assert isolation(plain) == {}
    ended(plain)


def a_guests_user_has_a_name_while_it_has_a_guest():
    names = f"{ROOT}/qemu/run/userdb"
    before = sorted(os.listdir(names)) if os.path.isdir(names) else []
    domain = qemu.define(qemu.document("named"))
    qemu.do(domain, "Start", paused=True)
    uid = isolation(domain)["user"]
    assert sorted(set(os.listdir(names)) - set(before)) == [f"{uid}.group", f"{uid}.user", f"virtbus-{uid}.group", f"virtbus-{uid}.user"], os.listdir(names)
    if os.path.exists("/lib/x86_64-linux-gnu/libnss_systemd.so.2"):
        looks = (f"mkdir -p /run/userdb && mount --bind {names} /run/userdb && getent -s systemd passwd {uid} && getent -s systemd passwd virtbus-{uid} && "
                 f"getent -s systemd group {uid} && getent -s systemd group virtbus-{uid}")
        said = subprocess.run(["unshare", "--mount", "sh", "-c", looks], capture_output=True, text=True, check=False)
        user, group = f"virtbus-{uid}:x:{uid}:{uid}:Guest of domain {bus.get(domain, 'Domain', 'UUID')}:/:/usr/sbin/nologin\n", f"virtbus-{uid}:x:{uid}:\n"
        assert said.stdout.replace(":!*:", ":x:").replace(":*:", ":x:") == user * 2 + group * 2, said
    # A driver that comes later takes it away too.
    qemu.kill_driver(after=lambda: os.kill(qemu_pid, 9) if (qemu_pid := qemu.pid_of(domain)) else None)
    bus.wait_state(domain, "shutoff")
    bus.wait(lambda: (sorted(os.listdir(names)) if os.path.isdir(names) else []) == before, "the end of its name")
    qemu.do(domain, "Undefine")


def the_range_of_users_is_an_administrators_choice():
    domains = [qemu.define(qemu.document(f"chosen{number}")) for number in range(3)]
    qemu.do(domains[0], "Start", paused=True)
    earlier = isolation(domains[0])
    with driver_by("/usr/bin/env VIRTBUS_GUEST_USERS=3000000000-3000000001"):
        bus.wait_state(domains[0], "paused")
        bus.wait(lambda: isolation(domains[0]) == earlier, "a guest of the earlier range")
        for domain in domains[1:]:
            qemu.do(domain, "Start", paused=True)
        assert sorted(isolation(domain)["user"] for domain in domains[1:]) == [3000000000, 3000000001]
        qemu.do(domains[0], "Destroy")
        contains(expect("ResourceBusy", qemu.do, domains[0], "Start", paused=True), "3000000000 to 3000000001", "VIRTBUS_GUEST_USERS")
        qemu.do(domains[1], "Destroy")
        qemu.do(domains[0], "Start", paused=True)
    bus.wait(lambda: qemu.state(domains[0]) == "paused", "the driver of the usual range")
    for domain in domains:
        ended(domain)
    for users, words in (("1000-2000", "65536 to 4294967293"), ("many", "FIRST-LAST"), ("3000000001-3000000000", "FIRST-LAST")):
        said = subprocess.run([f"{BUILD}/drivers/virtbus-qemu", f"--root={ROOT}/another"], env={**os.environ, "VIRTBUS_GUEST_USERS": users}, capture_output=True, text=True, check=False)
        assert said.returncode == 1, said
        contains(said.stderr, "VIRTBUS_GUEST_USERS", users, words)


def the_network_is_kept_where_the_document_needs_it():
    for devices, kept in (("<interface type='user'/>", True), ("<graphics type='vnc' autoport='yes'/>", False), ("<graphics type='vnc' port='5977' listen='::1'/>", False),
                          ("<graphics type='vnc' autoport='yes' websocket='5799'/>", True), ("<graphics type='vnc' port='5978' listen='localhost'/>", True),
                          ("<graphics type='spice' autoport='yes'/>", True), ("<graphics type='vnc'><listen type='socket'/></graphics>", False),
                          (SERIAL.format(f"{WORK}/kept.sock"), False), ("<serial type='tcp'><source mode='bind' host='127.0.0.1' service='0'/></serial>", True)):
        domain = qemu.define(qemu.document("networked", devices=devices))
        qemu.do(domain, "Start", paused=True)
        assert ("network" not in isolation(domain)["namespaces"]) == kept, (devices, isolation(domain))
        ended(domain)
    # What comes later and needs one is refused, rather than plugged in without a way out.
    domain = qemu.define(qemu.document("alone"))
    qemu.do(domain, "Start", paused=True)
    contains(expect("Unsupported", bus.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", "<interface type='user'><model type='virtio'/></interface>", variants({"live": True})),
             "'alone'", "network", "VIRTBUS_GUEST_NETWORK")
    ended(domain)


def web_sockets_get_a_port_that_is_free():
    """Where the document leaves it open, as vagrant-libvirt's do: the live document has it, the definition does not."""
    taken = socket.create_server(("127.0.0.1", 5700))
    domain = qemu.define(qemu.document("webs", devices="<graphics type='vnc' port='-1' autoport='yes' websocket='-1'/>"))
    qemu.do(domain, "Start", paused=True)
    port = int(re.search(r"websocket=.(-?\d+)", bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}))[1])
    assert port > 5700, port
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: binary\r\n"
                       b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 101"
    contains(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True})), 'websocket="-1"')
    ended(domain)
    taken.close()


def a_display_on_tcp_is_reached_though_its_guest_has_no_network():
    """The driver has made the socket that QEMU listens at; it outlives the driver."""
    taken = socket.create_server(("127.0.0.1", 5900))
    for listen, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), ("0.0.0.0", socket.AF_INET), ("::", socket.AF_INET), ("::", socket.AF_INET6)):
        domain = qemu.define(qemu.document("seen", devices=f"<graphics type='vnc' autoport='yes' listen='{listen}' passwd='12345678'/>"))
        qemu.do(domain, "Start", paused=True)
        assert "network" in isolation(domain)["namespaces"], isolation(domain)
        port = int(re.search(r"<graphics [^>]*\bport=.(\d+)", bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}))[1])
        assert port > 5900 or family == socket.AF_INET6
        for _ in range(2):
            with socket.socket(family) as client:
                client.connect(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
                assert client.recv(12) == b"RFB 003.008\n"
                client.sendall(b"RFB 003.008\n")
                assert client.recv(2) == b"\1\2"  # by its password
            if listen == "127.0.0.1":
                qemu.kill_driver()
                bus.wait_state(domain, "paused")
        ended(domain)
    domain = qemu.define(qemu.document("seen", devices="<graphics type='vnc' port='5900'/>"))
    contains(expect("ResourceBusy", qemu.do, domain, "Start"), "'seen'", "graphics", "5900", "autoport='yes'")
    taken.close()
    qemu.do(domain, "Undefine")
    domain = qemu.define(qemu.document("seen", devices="<graphics type='vnc' port='5900' listen='192.0.2.1'/>"))
    contains(expect("InvalidArgument", qemu.do, domain, "Start"), "192.0.2.1", "an address that this host has")
    qemu.do(domain, "Undefine")


def the_socket_of_a_display_connects_to_nobody():
    """Whoever has taken over QEMU has it, and those that it accepts: closed and connected again, they would lead into the host's network."""
    domain = qemu.define(qemu.document("seen", devices="<graphics type='vnc' autoport='yes'/>"))
    qemu.do(domain, "Start", paused=True)
    port = int(re.search(r"<graphics [^>]*\bport=.(\d+)", bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}))[1])
    client, process, stolen = socket.create_connection(("127.0.0.1", port)), os.pidfd_open(qemu.pid_of(domain)), []
    client.settimeout(10)
    assert client.recv(12) == b"RFB 003.008\n"
    for fd in map(int, os.listdir(f"/proc/{qemu.pid_of(domain)}/fd")):
        if os.readlink(f"/proc/{qemu.pid_of(domain)}/fd/{fd}").startswith("socket:"):
            each = socket.socket(fileno=ctypes.CDLL(None).syscall(438, process, fd, 0))
            if each.family == socket.AF_INET:
                stolen.append(each)
    assert len(stolen) == 2, stolen
    with socket.create_server(("127.0.0.1", 0)) as target:
        for each in stolen:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER: it is locked
            assert ctypes.CDLL(None).connect(each.fileno(), bytes(16), 16) == 0  # to nobody: what it was is closed
            each.settimeout(0.3)
            try:
                each.connect(target.getsockname())
                raise AssertionError("it has connected")
            except TimeoutError:
                pass
            each.close()
    os.close(process)
    ended(domain)


def a_label_of_type_none_leaves_a_guest_unconfined():
    for label, confined in (("<seclabel type='none'/>", False), ("<seclabel type='none' model='apparmor'/>", False), ("<seclabel type='none' model='dac'/>", True),
                            ("<seclabel type='dynamic' model='dac' relabel='yes'/>", True)):
        domain = qemu.define(qemu.document("labelled", more=label))
        qemu.do(domain, "Start", paused=True)
        told = isolation(domain)
        assert told["root"] == confined and bool(told["namespaces"]) == confined and told["user"] >= 1879048192, (label, told)
        assert sees(domain, "/etc/passwd") != confined, label
        ended(domain)


LABEL = "<seclabel type='static' model='{}' relabel='{}'><label>{}</label></seclabel>"


def a_user_of_the_documents_choosing_is_its_guests():
    os.makedirs(f"{WORK}/labelled", mode=0o711)
    with open(f"{WORK}/labelled/disk", "wb") as file:
        file.truncate(1 << 20)
    os.chmod(f"{WORK}/labelled/disk", 0o600)
    devices = (f"<disk type='file'><driver name='qemu' type='raw'/><source file='{WORK}/labelled/disk'><seclabel model='dac' relabel='no'/></source><target dev='vda' bus='virtio'/></disk>"
               "<serial type='pty'/><channel type='unix'><target type='virtio' name='org.example.a'/></channel>")
    for label, uid, gid in (("+60123:+60124", 60123, 60124), ("60123:60124", 60123, 60124), ("+70000:+1", 70000, 1)):
        domain = qemu.define(qemu.document("chooses", devices=devices, more=LABEL.format("dac", "yes", label)))
        qemu.do(domain, "Start", paused=True)
        told, status = isolation(domain), os.stat(f"/proc/{qemu.pid_of(domain)}")
        assert (told["user"], told["group"], status.st_uid, status.st_gid) == (uid, gid, uid, gid), told
        assert told["root"] and sorted(told["namespaces"]) == ["ipc", "mount", "network", "uts"], told
        # Its image is opened for it: it is nobody else's by then.
        assert (os.stat(f"{WORK}/labelled/disk").st_uid, os.stat(f"{WORK}/labelled/disk").st_mode & 0o777) == (0, 0o600)
        qemu.kill_driver()
        bus.wait_state(domain, "paused")
        assert isolation(domain) == told
        os.close(bus.call(f"{domain}/device/serial0", f"{NAME}.Device.Console", "Open", "a{sv}", {}))
        ended(domain)
    shutil.rmtree(f"{WORK}/labelled")


def labels_that_cannot_be_in_force_are_refused_by_name():
    for label, *words in ((LABEL.format("dac", "no", "+0:+0"), "'+0:+0'", "root"), (LABEL.format("dac", "no", "+0:+107"), "root"), (LABEL.format("dac", "no", "+107"), "'+107'"),
                          (LABEL.format("dac", "no", "qemu:qemu"), "'qemu:qemu'", "numbers", "getent"), (LABEL.format("dac", "no", "+1:+2:+3"), "numbers"),
                          (LABEL.format("dac", "no", "+4294967295:+1"), "numbers"), (LABEL.format("dac", "no", "-1:+1"), "numbers"),
                          (LABEL.format("selinux", "no", "system_u:system_r:svirt_t:s0:c1,c2"), "leave it out"),
                          ("<seclabel type='dynamic' model='apparmor' relabel='yes'><baselabel>mine</baselabel></seclabel>", "type='static'", "leave it out")):
        contains(expect("Unsupported", qemu.define, qemu.document("refused", more=label)), "seclabel", *words)
    contains(expect("InvalidXML", qemu.define, qemu.document("refused", more=LABEL.format("apparmor", "no", "x" * 300))), "profile")
    image = "<disk type='file'><source file='/x'><seclabel relabel='yes'><label>a</label></seclabel></source><target dev='vda' bus='virtio'/></disk>"
    contains(expect("Unsupported", qemu.define, qemu.document("refused", devices=image)), "seclabel", "image", "leave it out")


def a_profile_of_apparmors_is_for_hosts_that_have_it():
    """Where it is entered is test-host.py's."""
    enabled = "/sys/module/apparmor/parameters/enabled"
    if os.path.exists(enabled) and open(enabled, encoding="ascii").read() == "Y\n":
        raise Skip("this host has it")
    domain = qemu.define(qemu.document("profiled", more=LABEL.format("apparmor", "no", "virtbus-test")))
    contains(expect("Unsupported", qemu.do, domain, "Start"), "'profiled'", "AppArmor", enabled, "leave <seclabel model='apparmor'> out")
    assert qemu.state(domain) == "shutoff"
    qemu.do(domain, "Undefine")


def start(domain):
    qemu.do(domain, "Start", paused=True)
    if not isolation(domain)["root"]:
        ended(domain)
        raise Skip("this user can have no mount namespace")


def what_the_document_names_is_shown_and_nothing_beside_it():
    folder = tempfile.mkdtemp(dir="/var/tmp")
    os.chmod(folder, 0o755)
    for end in ("in", "out"):
        os.mkfifo(f"{folder}/pipe.{end}")
        os.chmod(f"{folder}/pipe.{end}", 0o666)
    for name in ("disk.img", "beside"):
        with open(f"{folder}/{name}", "wb") as file:
            file.truncate(1 << 20)
    domain = qemu.define(qemu.document("named", devices=f"<serial type='pipe'><source path='{folder}/pipe'/></serial>"
                                       f"<disk type='file'><driver name='qemu' type='raw'/><source file='{folder}/disk.img'/><target dev='vda' bus='virtio'/></disk>"))
    start(domain)
    seen = {name: sees(domain, f"{folder}/{name}") for name in os.listdir(folder)}
    # The disk is a descriptor.
    assert seen == {"pipe.in": True, "pipe.out": True, "disk.img": False, "beside": False}, seen
    ended(domain)
    shutil.rmtree(folder)


def what_is_plugged_is_shown_and_nothing_beside_it():
    peer = tempfile.mkdtemp(dir="/var/tmp")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{peer}/listens")
    listener.listen()
    os.chmod(peer, 0o755)
    os.chmod(f"{peer}/listens", 0o666)
    with open(f"{peer}/beside", "w", encoding="utf-8"):
        pass
    domain = qemu.define(qemu.document("shown", devices="<controller type='virtio-serial'/>"))
    start(domain)
    assert not sees(domain, peer)
    channel = f"<channel type='unix'><source mode='connect' path='{peer}/listens'/><target type='virtio' name='org.example.later'/></channel>"
    bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", channel, variants({"live": True}))
    listener.accept()[0].close()
    assert sees(domain, f"{peer}/listens") and not sees(domain, f"{peer}/beside")
    ended(domain)
    for path in ("listens", "beside"):
        os.unlink(f"{peer}/{path}")
    os.rmdir(peer)


# What runs in QEMU's place: it tries all of it, says on its log what it got, and becomes QEMU.
HOSTILE = r'''#!/usr/bin/python3
import ctypes, errno, json, os, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
with open(os.path.join(os.path.dirname(sys.argv[0]), "targets"), encoding="utf-8") as file:
    to = json.load(file)
got = {}
def attempt(name, function, *arguments):
    try:
        function(*arguments)
        got[name] = "YES"
    except OSError as error:
        got[name] = errno.errorcode.get(error.errno, str(error))
def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]) < 0:
        raise OSError(ctypes.get_errno(), "")
def connect(family, address):
    with socket.socket(family) as client:
        client.settimeout(5)
        client.connect(address)
def create(path):
    with open(path, "w", encoding="utf-8"):
        pass
buffer = ctypes.create_string_buffer(4096)
for who, pid in to["processes"].items():
    attempt(f"signal {who}", os.kill, pid, 0)
    attempt(f"ptrace {who}", call, 101, 16, pid, 0, 0)
    attempt(f"process_vm_readv {who}", call, 310, pid, buffer, 0, buffer, 0, 0)
    attempt(f"pidfd_getfd {who}", lambda: call(438, os.pidfd_open(pid), 1, 0))
    attempt(f"stop {who}", lambda: signal.pidfd_send_signal(os.pidfd_open(pid), 0))
    for part in ("mem", "environ", "cmdline", "maps"):
        attempt(f"/proc {part} of {who}", lambda: open(f"/proc/{pid}/{part}", "rb").close())
    for part in ("fd", "root", "cwd"):
        attempt(f"/proc {part} of {who}", os.listdir, f"/proc/{pid}/{part}/")
for path in to["folders"]:
    attempt(f"read {path}", os.listdir, path)
    attempt(f"create in {path}", create, f"{path}/planted")
for path in to["files"]:
    attempt(f"open {path}", lambda: open(path, "rb").close())
for path in to["sockets"]:
    attempt(f"connect {path}", connect, socket.AF_UNIX, path)
attempt("abstract socket", connect, socket.AF_UNIX, "\0" + to["abstract"])
attempt("loopback", connect, socket.AF_INET, ("127.0.0.1", to["port"]))
attempt("raw socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close())
attempt("shared memory of System V", call, 29, to["key"], 1, 0)
attempt("user namespace", call, 272, 0x10000000)
attempt("user namespace by clone", call, 56, 0x10000000 | 17, 0, 0, 0, 0)
attempt("mount", call, 165, b"x", b"/dev", b"tmpfs", 0, 0)
attempt("chroot", os.chroot, "/usr")
attempt("bpf", call, 321, 0, buffer, 64)
attempt("perf_event_open", call, 298, buffer, 0, -1, -1, 0)
attempt("userfaultfd", call, 323, 0)
attempt("keyctl", call, 250, 0, -3, 1)
attempt("io_uring", call, 425, 8, buffer)
attempt("open_by_handle_at", call, 304, -100, buffer, 0)
for path in ("/usr/planted", "/etc/planted", "/planted", "/dev/planted", "/tmp/planted"):
    attempt(f"create {path}", create, path)
attempt("device node", os.mknod, "/dev/planted", 0o20666, os.makedev(1, 1))
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
    attempt(f"write {path}", lambda: os.close(os.open(path, os.O_WRONLY)))
got["devices"] = sorted(os.listdir("/dev"))
got["processes"] = sorted(int(name) for name in os.listdir("/proc") if name.isdigit()) == [os.getpid()]
got["ways"] = [os.listdir(path) for path in to["ways"]]
got["root"] = sorted(os.listdir("/"))
print("GOT " + json.dumps(got), file=sys.stderr, flush=True)
os.execv("/usr/bin/qemu-system-x86_64", ["/usr/bin/qemu-system-x86_64", *sys.argv[1:]])
'''


# Runs a program for which the kernel has no Landlock, as one that was built without it: by a list of system calls.
WITHOUT_LANDLOCK = r'''#!/usr/bin/python3
import ctypes, errno, os, struct, sys
program = b"".join(struct.pack("HBBI", *step) for step in (
    (0x20, 0, 0, 0), (0x35, 0, 2, 444), (0x25, 1, 0, 446), (0x06, 0, 0, 0x50000 | errno.ENOSYS), (0x06, 0, 0, 0x7fff0000)))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
if os.geteuid() != 0:
    libc.prctl(38, 1, 0, 0, 0)
if libc.prctl(22, 2, ctypes.byref(Program(len(program) // 8, program)), 0, 0) != 0:
    raise OSError(ctypes.get_errno(), "seccomp")
os.execv(sys.argv[1], sys.argv[1:])
'''


@contextlib.contextmanager
def driver_by(prefix):
    """Begun by another program; then again as it is."""
    service = f"{ROOT}/services/{NAME}.Driver.QEMU.service"
    with open(service, encoding="utf-8") as file:
        text = file.read()

    def begin(words):
        with open(service, "w", encoding="utf-8") as file:
            file.write(words)
        bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig", destination="org.freedesktop.DBus")
        qemu.kill_driver()
    begin(re.sub(r"(?m)^Exec=", f"Exec={prefix} ", text))
    try:
        yield
    finally:
        begin(text)


def attacked(more=""):
    """What a program in QEMU's place got of all that it tried, and what it saw, beside another guest. MORE: of its document."""
    if os.uname().machine != "x86_64":
        raise Skip("the numbers of its calls are those of x86-64")
    os.makedirs(os.path.dirname(EMULATOR), 0o755, exist_ok=True)
    with open(EMULATOR, "w", encoding="utf-8") as file:
        file.write(HOSTILE)
    os.chmod(EMULATOR, 0o755)
    victim = qemu.define(qemu.document("victim", devices="<channel type='unix'><target type='virtio' name='org.example.a'/></channel><graphics type='vnc'><listen type='socket'/></graphics>"))
    qemu.do(victim, "Start", paused=True)
    theirs = f"{RUNTIME}/{bus.get(victim, 'Domain', 'UUID')}"
    abstract, tcp = socket.socket(socket.AF_UNIX), socket.socket()
    key = random.randrange(1, 1 << 30)  # another run of this may be at work beside it
    abstract.bind(f"\0virtbus-isolation-{key}")
    abstract.listen()
    tcp.bind(("127.0.0.1", 0))
    tcp.listen()
    libc = ctypes.CDLL(None)
    memory = libc.shmget(key, 4096, 0o3666)  # a new one
    assert memory >= 0
    shared = tempfile.NamedTemporaryFile(dir="/dev/shm")
    os.chmod(shared.name, 0o666)
    world = tempfile.mkdtemp(dir="/var/tmp")
    os.chmod(world, 0o777)
    targets = {
        "processes": {"victim": qemu.pid_of(victim), "driver": bus.driver("QEMU"), "service": bus.owner_pid(NAME), "test": os.getpid()},
        "folders": [theirs, f"{theirs}/qemu", RUNTIME, f"{RUNTIME}/monitors", f"{ROOT}/qemu/log/qemu", f"{ROOT}/qemu", "/var/tmp", "/home", "/root", "/run", "/sys", "/dev/shm", world],
        "files": ["/etc/passwd", "/etc/shadow", "/etc/machine-id", shared.name, "/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/net/tun", "/proc/kcore", "/dev/ttyS0"],
        "sockets": [f"{theirs}/channel0", f"{theirs}/qemu/graphics0", f"{RUNTIME}/monitors/{bus.get(victim, 'Domain', 'UUID')}", f"{ROOT}/bus"],
        "ways": ["/tmp", ROOT],  # to its own folder
        "abstract": f"virtbus-isolation-{key}", "port": tcp.getsockname()[1], "key": key,
    }
    with open(f"{os.path.dirname(EMULATOR)}/targets", "w", encoding="utf-8") as file:
        json.dump(targets, file)
    attacker = qemu.define(qemu.document("attacker", devices=f"<emulator>{EMULATOR}</emulator>", more=more))
    qemu.do(attacker, "Start", paused=True)
    told = isolation(attacker)
    got = json.loads(re.search(r"^GOT (.*)$", log_of(attacker), re.M)[1])
    # It would see these where they are to be had: the test has what it says.
    os.kill(targets["processes"]["victim"], 0)
    with socket.create_connection(("127.0.0.1", targets["port"])):
        pass
    assert os.listdir(world) == [] and not [path for path in ("/usr/planted", "/dev/shm/planted", "/tmp/planted", "/etc/planted", "/planted") if os.path.exists(path)]
    for domain in (attacker, victim):
        ended(domain)
    assert libc.shmctl(memory, 0, None) == 0
    os.rmdir(world)
    return told, got


# What a user's own guests reach yet: they have that user's number, the host's devices, and the network, unless that is to be left out. Of processes
# of the user the numbers of their descriptors are seen, not what these are. Its /dev/shm is its own. Only Landlock keeps signals from them, and its own root from it.
OF_ITS_USER = r"/proc (cmdline|fd) of .*|(read|create in) /dev/shm"
WITHOUT_LANDLOCK_TOO = r"|(signal|stop) .*|create /(etc/|tmp/)?planted"


def reached(got, besides=""):
    """Without what a user's own guests reach."""
    kept = re.compile(OF_ITS_USER + besides if os.geteuid() != 0 else "(?!)")
    return {name for name, result in got.items() if result == "YES" and not kept.fullmatch(name)}


def check_attacked(besides=""):
    told, got = attacked()
    assert told["root"] and told["seccomp"], told
    assert reached(got, besides) == set(), reached(got, besides)
    if os.geteuid() == 0:
        assert set(got["devices"]) <= {"full", "kvm", "null", "ptmx", "pts", "random", "urandom", "zero"}, got["devices"]
        assert got["processes"] and not set(got["root"]) & {"home", "root", "sys", "run", "var"}, got
    ways = [[name for name in names if name != "planted"] for names in got["ways"]]  # which it has put there itself
    assert ways == [[os.path.basename(ROOT)], [os.path.basename(WORK)]], got["ways"]
    return told


def a_program_in_the_place_of_qemu_reaches_no_other_guest_and_nothing_of_the_host():
    if os.geteuid() == 0:
        check_attacked()
        return
    assert "network" not in check_attacked("|loopback|abstract socket")["namespaces"]
    with driver_by("/usr/bin/env VIRTBUS_GUEST_NETWORK=needed"):
        check_attacked()


def so_it_is_where_the_kernel_has_no_landlock():
    script = f"{WORK}/without-landlock"
    with open(script, "w", encoding="utf-8") as file:
        file.write(WITHOUT_LANDLOCK)
    os.chmod(script, 0o755)
    with driver_by(f"/usr/bin/env VIRTBUS_GUEST_NETWORK=needed {script}"):
        assert check_attacked(WITHOUT_LANDLOCK_TOO)["landlock"] == 0


SHOWN = [what_the_document_names_is_shown_and_nothing_beside_it, what_is_plugged_is_shown_and_nothing_beside_it]
run([*SHOWN, a_program_in_the_place_of_qemu_reaches_no_other_guest_and_nothing_of_the_host, so_it_is_where_the_kernel_has_no_landlock] if os.geteuid() != 0 else [what_is_in_force_is_told, a_guests_user_has_a_name_while_it_has_a_guest, the_range_of_users_is_an_administrators_choice, the_network_is_kept_where_the_document_needs_it,
                                     a_display_on_tcp_is_reached_though_its_guest_has_no_network, web_sockets_get_a_port_that_is_free, the_socket_of_a_display_connects_to_nobody, a_label_of_type_none_leaves_a_guest_unconfined,
                                     a_user_of_the_documents_choosing_is_its_guests, labels_that_cannot_be_in_force_are_refused_by_name,
                                     a_profile_of_apparmors_is_for_hosts_that_have_it,
                                     *SHOWN, a_program_in_the_place_of_qemu_reaches_no_other_guest_and_nothing_of_the_host, so_it_is_where_the_kernel_has_no_landlock])
