#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Helpers of a real QEMU's devices: passt, which connects a card, and virtiofsd, which shares a folder; from their start to their end, whoever ends.

Usage (below tests/with-bus): test-helpers.py qemu GUEST [session]
"""

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

from gi.repository import GLib
from processes import all_processes, is_here, status_of, wait_for_end, words_of
from rig import BUILD, NAME, ROOT, Bus, BusError, Hypervisor, Skip, contains, expect, kernel, run, variants
from spaces import shell

GUEST = sys.argv[2]  # the folder that tests/guest/build-guest has filled
SESSION = sys.argv[3:] == ["session"]  # that of a user, whom this program begins for that
if os.geteuid() != 0 and not SESSION:
    print("1..0 # SKIP needs root: a user for each helper")
    sys.exit(0)
if not shutil.which("passt"):
    print("1..0 # SKIP passt is not installed")
    sys.exit(0)

UUID = "2f1d6c58-2b0e-4f43-8a06-51a3c8b0d7e1"
LOG = f"{ROOT}/passt-of-web.log"
MAC = "52:54:00:6c:00:01"

bus = Bus()
qemu = Hypervisor(bus, "qemu")
if not SESSION:
    shell("ip link set lo up; ip link add out type bridge; ip addr add 192.0.2.2/24 dev out; ip link set out up; ip route add default via 192.0.2.1")


def equal(one, other):
    assert one == other, (one, other)


def card(more="", backend="<backend type='passt'/>", attributes=""):
    return f"<interface type='user'{attributes}><mac address='{MAC}'/>{backend}<model type='virtio'/>{more}</interface>"


def document(devices, **options):
    return qemu.document("web", devices, uuid=UUID, **options)


def forward(ports, more="", proto="tcp"):
    return f"<portForward proto='{proto}'{more}>{ports}</portForward>"


def processes(program):
    """Those of this test's."""
    return [pid for pid, words in all_processes().items() if os.path.basename(words[0]).split(".")[0] == program and is_here(pid)]


def one(program="passt"):
    found = processes(program)
    assert len(found) == 1, found
    return found[0]


def is_open(port, kind="tcp", address="127.0.0.1"):
    return f"{address}:{port} " in shell(f"ss -H -l -n --{kind}") + " "


def attach(domain, xml, **options):
    return bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", xml, variants(options))


def detach(domain, device):
    """A guest without a system releases what it was asked for when it is reset."""
    expect("Timeout", bus.call, device, f"{NAME}.Device", "Detach", "a{sv}", {"timeout": GLib.Variant("t", 1000)})
    bus.call(domain, f"{NAME}.Domain", "Reset")
    bus.wait(lambda: device not in bus.objects(domain), "the device's end")


def live(domain):
    return ET.fromstring(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}))


def link_of(domain):
    link = live(domain).find("devices/interface/link")
    return link.get("state") if link is not None else "up"


def alias_of(domain):
    return live(domain).find("devices/interface/alias").get("name")


def off(domain):
    left = processes("passt")
    qemu.do(domain, "Destroy")
    for pid in left:
        wait_for_end(pid)


def passt_connects_a_card_and_ends_with_its_guest():
    ports = forward("<range start='5522' to='22'/><range start='7000' end='7003'/><range start='7001' exclude='yes'/>", " address='127.0.0.1'")
    datagrams = forward("<range start='5300' end='5301' to='53'/>", proto="udp")
    addresses = "<ip family='ipv4' address='172.17.2.5' prefix='24'/>"
    domain = qemu.define(document(card(addresses + ports + datagrams, f"<backend type='passt' logFile='{LOG}'/>") , kernel="<boot dev='network'/>"))
    qemu.do(domain, "Start")
    pid, guest = one(), qemu.pid_of(domain)
    users = [status_of(p, "Uid")[0] for p in (pid, guest)]
    assert "0" not in users and (users[0] == users[1]) == SESSION, users
    equal(status_of(pid, "NoNewPrivs"), ["1"])
    equal(set(status_of(pid, "CapEff") + status_of(pid, "CapPrm")), {"0" * 16})
    assert os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
    if not SESSION:  # who may look
        equal(os.listdir(f"/proc/{pid}/root"), [])  # no file at all
    equal([port for port in (5522, 22, 7000, 7001, 7002, 7003) if is_open(port)], [5522, 7000, 7002, 7003])
    equal([port for port in (5300, 5301, 53) if is_open(port, "udp", "0.0.0.0") or is_open(port, "udp", "*")], [5300, 5301])
    contains(" ".join(words_of(guest)), '"type":"stream"', '"type":"fd"')
    # The guest's firmware asks for an address, and gets that one.
    bus.wait(lambda: "172.17.2.5" in open(LOG, encoding="utf-8").read(), "what passt says of the guest's DHCP")
    bus.wait(lambda: re.search(r"DHCP|ack", open(LOG, encoding="utf-8").read()), "an address for the guest")
    equal((os.stat(LOG).st_uid, os.stat(LOG).st_mode & 0o777), (os.geteuid(), 0o600))
    off(domain)
    equal(processes("passt"), [])
    os.unlink(LOG)
    qemu.do(domain, "Undefine")


def a_guest_outlives_it_without_a_link():
    domain = qemu.define(document(card()))
    qemu.do(domain, "Start", paused=True)
    pid = one()
    os.kill(pid, signal.SIGKILL)
    bus.wait(lambda: link_of(domain) == "down", "the card without a link")
    equal(qemu.state(domain), "paused")
    # What the message says to do helps.
    detach(domain, f"{domain}/device/net0")
    attach(domain, card())
    equal((link_of(domain), one() != pid), ("up", True))
    off(domain)
    qemu.do(domain, "Undefine")


def it_outlives_the_driver():
    domain = qemu.define(document(card()))
    qemu.do(domain, "Start", paused=True)
    pid = one()
    qemu.kill_driver()
    equal((qemu.state(domain), one(), link_of(domain)), ("paused", pid, "up"))
    # One that ends while no driver is there is missed by the next one.
    qemu.kill_driver(after=lambda: (os.kill(pid, signal.SIGKILL), wait_for_end(pid)))
    bus.wait(lambda: link_of(domain) == "down", "the card without a link")
    off(domain)
    qemu.do(domain, "Start", paused=True)
    pid = one()
    qemu.kill_driver()
    off(domain)
    equal(processes("passt"), [])
    qemu.do(domain, "Undefine")


def a_card_is_plugged_with_it_and_unplugged():
    domain = qemu.define(document(""))
    qemu.do(domain, "Start", paused=True)
    ports = forward("<range start='5523'/>", " address='127.0.0.1'")
    device = attach(domain, card(ports))
    pid = one()
    assert is_open(5523)
    # Another one with that port: what has failed leaves nothing.
    other = card(ports).replace(MAC, "52:54:00:6c:00:02")
    contains(expect("HypervisorFailed", attach, domain, other), "passt", "5523")
    equal((one(), len(live(domain).findall("devices/interface"))), (pid, 1))
    qemu.kill_driver()
    equal(one(), pid)
    detach(domain, device)
    wait_for_end(pid)
    equal(live(domain).findall("devices/interface"), [])
    assert not is_open(5523)
    off(domain)
    qemu.do(domain, "Undefine")


def a_start_that_it_cannot_serve_fails_with_its_words():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 5524))
        taken.listen()
        domain = qemu.define(document(card(forward("<range start='5524'/>", " address='127.0.0.1'"))))
        contains(expect("HypervisorFailed", qemu.do, domain, "Start", paused=True), "web", "passt", "net0", "5524")
    equal((processes("passt"), qemu.state(domain)), ([], "shutoff"))
    qemu.do(domain, "Start", paused=True)
    off(domain)
    qemu.do(domain, "Undefine")


def its_log_is_led_nowhere_by_somebodys_link():
    folder = f"{ROOT}/anybodys"
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    os.chown(folder, 65533, 65533)
    os.symlink("/etc/passwd", f"{folder}/log")
    os.lchown(f"{folder}/log", 65533, 65533)
    before = open("/etc/passwd", encoding="utf-8").read()
    domain = qemu.define(document(card(backend=f"<backend type='passt' logFile='{folder}/log'/>")))
    contains(expect("InvalidArgument", qemu.do, domain, "Start", paused=True), f"{folder}/log")
    equal((processes("passt"), open("/etc/passwd", encoding="utf-8").read()), ([], before))
    qemu.do(domain, "Undefine")


def what_it_cannot_do_is_refused_when_it_is_defined():
    for more, code, *parts in (
        (card(forward("<range start='0'/>")), "InvalidXML", "start"),
        (card(forward("<range end='7'/>")), "InvalidXML", "start"),
        (card(forward("<range start='65536'/>")), "InvalidXML", "65536"),
        (card(forward("<range start='10' end='9'/>")), "InvalidXML", "end"),
        (card(forward("<range start='10' end='20' to='65530'/>")), "InvalidXML", "65530"),
        (card(forward("<range start='10' to='11' exclude='yes'/>")), "InvalidXML", "exclude"),
        (card(forward("<range start='10' colour='red'/>")), "Unsupported", "colour"),
        (card(forward("", proto="sctp")), "InvalidXML", "sctp"),
        (card("<portForward/>"), "InvalidXML", "proto"),
        (card(forward("", " address='nowhere'")), "InvalidXML", "nowhere"),
        (card(forward("", " address='127.0.0.1/22,~1'")), "InvalidXML", "127.0.0.1/22"),
        (card(forward("", " dev='eth0/1'")), "InvalidXML", "eth0/1"),
        (card("<source dev='-x'/>"), "InvalidXML", "-x"),
        (card("<ip family='ipv4' address='fd00::1'/>"), "InvalidXML", "fd00::1"),
        (card("<ip family='ipv4' address='10.0.0.1'/><ip family='ipv4' address='10.0.0.2'/>"), "InvalidXML", "one IPv4"),
        (card("<ip family='ipv6' address='fd00::1' prefix='48'/>"), "InvalidXML", "48"),
        (card(backend="<backend type='passt' logFile='log'/>"), "InvalidXML", "logFile"),
        (card(backend="<backend logFile='/var/log/x'/>"), "Unsupported", "passt"),
        (card(forward(""), backend=""), "InvalidXML", "passt"),
        (card().replace("type='user'", "type='bridge'") .replace("<backend", "<source bridge='out'/><backend"), "InvalidXML", "user"),
    ):
        try:
            qemu.define(document(more))
        except BusError as error:
            assert error.name.rsplit(".", 1)[1] in (code, "LimitExceeded"), error
            contains(error.message, *parts)
        else:
            raise AssertionError(f"{more} was not refused")


SHARE = f"{ROOT}/share"
SHARED = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"


def folder(more="", path=SHARE, source="", driver="<driver type='virtiofs'/>"):
    named = source or f"<source dir='{path}'/>"
    return f"<filesystem type='mount' accessmode='passthrough'>{driver}{more}{named}<target dir='shared'/></filesystem>"


def virtiofsd():
    """It has a network namespace of its own: its number is in the status of the domain."""
    with open(f"{ROOT}/qemu/run/qemu/domains/{UUID}.xml", encoding="utf-8") as file:
        return int(re.search(r'<helper kind="virtiofs"[^>]* pid="(\d+)"', file.read())[1])


def virtiofsd_shares_a_folder_and_ends_with_its_guest():
    os.makedirs(SHARE, exist_ok=True)
    options = "<binary xattr='on'><cache mode='always'/><sandbox mode='namespace'/><lock posix='on' flock='on'/><thread_pool size='4'/></binary>"
    domain = qemu.define(document(folder(options), more=SHARED))
    qemu.do(domain, "Start", paused=True)
    pid, guest = virtiofsd(), qemu.pid_of(domain)
    contains(" ".join(words_of(pid)), "cache=always", "-o xattr", "-o posix_lock", "-o flock", "--thread-pool-size=4")
    contains(" ".join(words_of(guest)), "vhost-user-fs-pci", '"tag":"shared"')
    # It sees that folder alone when QEMU has spoken with it, and has not what the host's root has.
    equal(os.stat(f"/proc/{pid}/root").st_ino, os.stat(SHARE).st_ino)
    for kind in ("mnt", "net", "ipc", "uts"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"), kind
    equal(status_of(pid, "NoNewPrivs"), ["1"])
    equal(int(status_of(pid, "CapEff")[0], 16) & ~0b11011011, 0)  # chown, dac_override, fowner, fsetid, setgid, setuid
    equal([name for _, _, names in os.walk(f"{ROOT}/qemu/run") for name in names if name.endswith(".fs")], [])
    qemu.kill_driver()
    equal((virtiofsd(), qemu.state(domain)), (pid, "paused"))
    qemu.do(domain, "Destroy")
    wait_for_end(pid)
    qemu.do(domain, "Undefine")


def a_guest_mounts_it_reads_and_writes():
    os.makedirs(SHARE, exist_ok=True)
    os.chmod(SHARE, 0o755)
    with open(f"{SHARE}/hello", "w", encoding="utf-8") as file:
        file.write("from the host")
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    domain = qemu.define(document(channel + "<serial type='pty'/>" + folder(), more=SHARED, memory=256, kernel=kernel(GUEST)))
    qemu.do(domain, "Start")
    qemu.wait_agent(domain)
    users = "" if SESSION else "chown 1234:5678 /mnt/reply; chmod 640 /mnt/reply; mknod /mnt/disk b 8 0; "
    contains(qemu.in_guest(domain, f"mkdir -p /mnt; mount -t virtiofs shared /mnt; cat /mnt/hello; echo from the guest > /mnt/reply; {users}ls -d /mnt/../mnt"), "from the host")
    equal(open(f"{SHARE}/reply", encoding="utf-8").read(), "from the guest\n")
    information = os.stat(f"{SHARE}/reply")
    equal((information.st_uid, information.st_gid), (os.geteuid(), os.getegid()) if SESSION else (1234, 5678))
    assert not os.path.exists(f"{SHARE}/disk")  # a device that it makes would be the host's
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")
    shutil.rmtree(SHARE)


# What runs in virtiofsd's place, as one that its guest has taken over: it tries to reach processes beside it with what it may be.
HOSTILE = r"""#!/usr/bin/python3
import ctypes, errno, json, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
targets = TARGETS
got = []
def attempt(name, function, *arguments):
    try:
        function(*arguments)
        got.append(name)
    except OSError:
        pass
def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]) < 0:
        raise OSError(ctypes.get_errno(), "")
buffer = ctypes.create_string_buffer(4096)
for who, (pid, uid) in targets.items():
    child = os.fork()
    if child == 0:  # it has not the capabilities of who it becomes: there are fewer then to be compared
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    attempt(f"signal {who} as {os.getuid()}", os.kill, pid, 0)
    attempt(f"ptrace {who}", call, 101, 16, pid, 0, 0)
    attempt(f"pidfd of {who}", lambda: os.close(os.pidfd_open(pid)))
    for part in ("mem", "environ"):
        attempt(f"/proc {part} of {who}", lambda: open(f"/proc/{pid}/{part}", "rb").close())
    attempt(f"/proc root of {who}", os.listdir, f"/proc/{pid}/root/")
    attempt("keys", call, 250, 0, -4, 1)
    attempt("a mount", call, 165, b"x", b"/usr", b"tmpfs", 0, 0)
    attempt("a namespace", call, 272, 0x10000000)
    others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid(), child)]
    attempt(f"processes {others}", lambda: others or os.stat("/nowhere"))
    print("GOT " + json.dumps(got), file=sys.stderr, flush=True)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
"""


def one_that_its_guest_has_taken_over_reaches_no_process():
    if os.uname().machine != "x86_64":
        raise Skip("the numbers of its calls are those of x86-64")
    os.makedirs(SHARE, exist_ok=True)
    victim = qemu.define(qemu.document("victim"))
    qemu.do(victim, "Start", paused=True)
    pids = {"victim": qemu.pid_of(victim), "driver": bus.driver("QEMU"), "service": bus.owner_pid(NAME)}
    targets = {who: (pid, int(status_of(pid, "Uid")[0])) for who, pid in pids.items()}
    script, program = f"{ROOT}/hostile", virtiofsd_program()
    with open(script, "w", encoding="utf-8") as file:
        file.write(HOSTILE.replace("TARGETS", repr(targets)))
    os.chmod(script, 0o755)
    domain = qemu.define(document(folder(), more=SHARED))
    shell(f"mount --bind {script} {program}")  # where this test alone sees it
    try:
        expect("HypervisorFailed", qemu.do, domain, "Start", paused=True)
    finally:
        shell(f"umount {program}")
    with open(f"{ROOT}/qemu/log/qemu/{UUID}.log", encoding="utf-8") as log:
        said = re.findall(r"^GOT (.*)$", log.read(), re.M)
    equal(said, ["[]"] * 2 * len(targets))
    for each in (domain, victim):
        if qemu.state(each) != "shutoff":
            qemu.do(each, "Destroy")
        qemu.do(each, "Undefine")


def a_folder_is_plugged_and_unplugged():
    os.makedirs(SHARE, exist_ok=True)
    domain = qemu.define(document("", more=SHARED))
    qemu.do(domain, "Start", paused=True)
    device = attach(domain, folder())
    pid = virtiofsd()
    # What cannot be shared leaves nothing.
    contains(expect("InvalidArgument", attach, domain, folder(path=__file__).replace("'shared'", "'other'")), "not a folder")
    equal((virtiofsd(), len(live(domain).findall("devices/filesystem"))), (pid, 1))
    detach(domain, device)
    wait_for_end(pid)
    device = attach(domain, folder())
    pid = virtiofsd()
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)
    equal(qemu.state(domain), "paused")
    with open(f"{ROOT}/log", encoding="utf-8") as log:
        bus.wait(lambda: "virtiofsd of filesystem 'fs0' has ended" in log.read(), "what the driver says of it")
    detach(domain, device)
    attach(domain, folder())
    assert virtiofsd() != pid
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


def what_is_to_be_read_only_is_not_written():
    os.makedirs(SHARE, exist_ok=True)
    domain = qemu.define(document(folder("<readonly/>"), more=SHARED))
    if SESSION:
        contains(expect("Unsupported", qemu.do, domain, "Start", paused=True), "readonly", SHARE)
    else:
        qemu.do(domain, "Start", paused=True)
        try:
            open(f"/proc/{virtiofsd()}/root/new", "w", encoding="utf-8").close()
            raise AssertionError("it was written")
        except OSError as error:
            equal(error.errno, errno.EROFS)
        qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


def one_that_the_administrator_runs_is_connected_to():
    place = f"{ROOT}/virtiofsd.sock"
    os.makedirs(SHARE, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        os.chmod(place, 0o600)  # not QEMU's user, but the driver
        listener.listen()
        domain = qemu.define(document(folder(source=f"<source socket='{place}'/>"), more=SHARED))
        program = [virtiofsd_program(), f"--fd={listener.fileno()}", "-o", f"source={SHARE}", "-o", "sandbox=chroot"]
        with subprocess.Popen(program, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL) as served:
            qemu.do(domain, "Start", paused=True)
            contains(" ".join(words_of(qemu.pid_of(domain))), "vhost-user-fs-pci")
            qemu.do(domain, "Destroy")
            served.wait(20)
    contains(expect("HypervisorFailed", qemu.do, domain, "Start", paused=True), place, "is its program running")
    qemu.do(domain, "Undefine")


def virtiofsd_program():
    with open("/usr/share/qemu/vhost-user/50-qemu-virtiofsd.json", encoding="utf-8") as file:
        return json.load(file)["binary"]


def what_leads_elsewhere_is_not_shared():
    anybodys = f"{ROOT}/anybodys-folder"
    os.mkdir(anybodys)
    os.chown(anybodys, 65533, 65533)
    os.symlink("/etc", f"{anybodys}/share")
    os.lchown(f"{anybodys}/share", 65533, 65533)
    for path, *parts in ((f"{anybodys}/share", f"{anybodys}/share"), (f"{ROOT}/nowhere", "nowhere"), ("/proc/self/fd", "/proc"), (os.path.abspath(__file__), "not a folder")):
        domain = qemu.define(document(folder(path=path), more=SHARED))
        try:
            qemu.do(domain, "Start", paused=True)
        except BusError as error:
            contains(error.message, *parts)
        else:
            raise AssertionError(f"{path} is shared")
        qemu.do(domain, "Undefine")
    domain = qemu.define(document(folder("<binary path='/usr/bin/env'/>"), more=SHARED))
    contains(expect("InvalidArgument", qemu.do, domain, "Start", paused=True), "/usr/bin/env", "vhost-user")
    qemu.do(domain, "Undefine")


def what_it_cannot_share_is_refused_when_it_is_defined():
    for devices, more, *parts in (
        (folder(), "", "shared memory"),
        (folder(), "<memoryBacking><access mode='shared'/></memoryBacking>", "memfd"),
        (folder(path="here"), SHARED, "here"),
        (folder("<binary path='virtiofsd'/>"), SHARED, "virtiofsd"),
        (folder("<binary><thread_pool size='99999'/></binary>"), SHARED, "99999"),
        (folder("<binary><cache mode='often'/></binary>"), SHARED, "often"),
        (folder("<binary><sandbox mode='none'/></binary>"), SHARED, "none"),
        (folder("<binary debug='yes'/>"), SHARED, "debug"),
        (folder("<binary xattr='on'/>", source="<source socket='/run/x'/>"), SHARED, "binary"),
        (folder().replace("passthrough", "mapped"), SHARED, "mapped"),
    ):
        try:
            qemu.define(document(devices, more=more))
        except BusError as error:
            contains(error.message, *parts)
        else:
            raise AssertionError(f"{devices} was not refused")


def a_driver_that_is_killed_while_it_begins_leaves_nobody():
    """At instants between the making of the processes and QEMU's first word."""
    os.makedirs(SHARE, exist_ok=True)
    domain = qemu.define(document(card() + folder(), more=SHARED))
    for instant in range(0, 100, 12):
        answers = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", variants({"paused": True}))
        time.sleep(instant / 1000)
        qemu.kill_driver()
        bus.wait(lambda answers=answers: answers, "the answer")
        bus.wait(lambda: qemu.state(domain) in ("paused", "shutoff"), "the end of the start")
        if qemu.state(domain) == "paused":
            equal((len(processes("passt")), link_of(domain)), (1, "up"))
            off(domain)
        bus.wait(lambda: not processes("passt") and not sharing(), "the end of the helpers")
    qemu.do(domain, "Start", paused=True)
    off(domain)
    qemu.do(domain, "Undefine")


def sharing():
    """The processes of virtiofsd whose root is the folder that is shared, or is to be."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.basename(words_of(pid)[0]) == "virtiofsd" and os.stat(f"/proc/{pid}/root").st_ino == os.stat(SHARE).st_ino:
                found.append(pid)
        except OSError:
            continue
    return found


def virsh_defines_starts_and_plugs_them():
    if not os.path.exists(f"{BUILD}/client/libvirt/virtbus-libvirt"):
        raise Skip("virtbus-libvirt is not built")
    from libvirt_rig import virsh
    os.makedirs(SHARE, exist_ok=True)
    own = card(forward("<range start='5525'/>", " address='127.0.0.1'"))
    for name, text in (("web", document(own + folder(), more=SHARED)), ("card", card().replace(MAC, "52:54:00:6c:00:09"))):
        with open(f"{ROOT}/{name}.xml", "w", encoding="utf-8") as file:
            file.write(text)
    for words in (("define", f"{ROOT}/web.xml"), ("start", "web", "--paused"), ("attach-device", "web", f"{ROOT}/card.xml"), ("domiflist", "web"), ("domifaddr", "web")):
        virsh(*words)
    equal(len(processes("passt")), 2)
    contains(virsh("dumpxml", "web"), "type='passt'", "<portForward proto='tcp' address='127.0.0.1'>", "virtiofs")
    assert is_open(5525)
    virsh("destroy", "web")
    bus.wait(lambda: not processes("passt"), "the end of passt")
    virsh("undefine", "web")


def a_users_own_session_has_it_too():
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run([f"{folder}/as-user", f"{folder}/with-bus", sys.executable, os.path.abspath(__file__), "qemu", os.path.abspath(GUEST), "session"], stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0 and b"not ok" not in done.stdout and b"\nok 1" in done.stdout, done.stdout.decode()


tests = [passt_connects_a_card_and_ends_with_its_guest, a_guest_outlives_it_without_a_link, it_outlives_the_driver, a_card_is_plugged_with_it_and_unplugged, a_start_that_it_cannot_serve_fails_with_its_words, what_it_cannot_do_is_refused_when_it_is_defined]
if os.path.exists("/usr/lib/qemu/virtiofsd"):
    tests += [virtiofsd_shares_a_folder_and_ends_with_its_guest, a_folder_is_plugged_and_unplugged, what_is_to_be_read_only_is_not_written, what_it_cannot_share_is_refused_when_it_is_defined]
    if not SESSION:
        tests += [a_driver_that_is_killed_while_it_begins_leaves_nobody, virsh_defines_starts_and_plugs_them, a_guest_mounts_it_reads_and_writes, one_that_its_guest_has_taken_over_reaches_no_process, one_that_the_administrator_runs_is_connected_to, what_leads_elsewhere_is_not_shared]
run(tests if SESSION else [*tests, its_log_is_led_nowhere_by_somebodys_link, a_users_own_session_has_it_too])
