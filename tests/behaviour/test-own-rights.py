#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Users who need no root: what they define has their own rights alone, whatever it names and whoever starts it. A real polkitd, three users and QEMU.

Usage (below tests/with-bus, as root): test-own-rights.py
"""

import json
import os
import pwd
import re
import subprocess

from gi.repository import GLib

from rig import NAME, ROOT, Bus, Hypervisor, User, contains, denied, expect, polkit_rules, run

if os.geteuid() != 0:
    raise SystemExit("test-own-rights.py: needs root, for a polkitd and other users")

bus = Bus()
qemu, other = Hypervisor(bus, "qemu"), Hypervisor(bus, "test")
alice, bob, dave = User("vb-alice"), User("vb-bob"), User("vb-dave")
WORK = os.path.join(ROOT, "own")
HOME = os.path.join(WORK, "alice")
UID = pwd.getpwnam("vb-alice").pw_uid
PROPERTIES = "org.freedesktop.DBus.Properties"
NONE = "@a{sv} {}"
DEFINE_OWN = "if (a.id == 'org.virtbus1.domain.define-own' && (s.user == 'vb-alice' || s.user == 'vb-bob')) return polkit.Result.YES;"

os.makedirs(HOME)
os.chown(HOME, UID, UID)


def rules(more=""):
    polkit_rules(bus, f"polkit.addRule(function(a, s) {{ {DEFINE_OWN} {more} }});")


def make(name, owner=UID, mode=0o600, size=1 << 20, folder=HOME):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.truncate(size)
    os.chmod(path, mode)
    os.chown(path, owner, owner)
    return path


def disk(path, target="vda"):
    return f"<disk type='file'><driver name='qemu' type='raw'/><source file='{path}'/><target dev='{target}' bus='virtio'/></disk>"


def define(user, xml, hypervisor=qemu, member="DefineDomain"):
    return re.search(r"'(/[^']*)'", repr(user.call(hypervisor.path, f"{NAME}.Connection", member, "sa{sv}", repr(xml), NONE)))[1]


def do(user, domain, member, *arguments, signature="a{sv}"):
    return user.call(domain, f"{NAME}.Domain", member, signature, *(arguments or (NONE,)))


def start(user, domain):
    do(user, domain, "Start", "{'paused': <true>}")


def stop(user, domain):
    do(user, domain, "Destroy")
    bus.wait_state(domain, "shutoff")


def who_may_not_define_defines_with_their_own_rights():
    rules()
    image = make("image")
    domain = define(alice, qemu.document("hers", devices=disk(image)))
    assert bus.get(domain, "Domain", "OwnersRights") is True and bus.get(domain, "Domain", "Owner") == UID
    start(alice, domain)
    assert bus.get(domain, "Domain", "State") == "paused"
    stop(alice, domain)
    # Who has that from the shipped rule: who is in its group.
    theirs = define(dave, qemu.document("daves"))
    assert bus.get(theirs, "Domain", "OwnersRights") is True
    do(dave, theirs, "Undefine")
    # And who may define has all rights, as has root.
    polkit_rules(bus, f"polkit.addRule(function(a, s) {{ {DEFINE_OWN} if (a.id == 'org.virtbus1.domain.define' && s.user == 'vb-bob') return polkit.Result.YES; }});")
    whole = define(bob, qemu.document("whole", devices=disk(make("roots", owner=0))))
    assert bus.get(whole, "Domain", "OwnersRights") is False
    do(bob, whole, "Undefine")
    polkit_rules(bus, "")
    assert denied(define, bob, qemu.document("none"))
    do(alice, domain, "Undefine")


def files_are_opened_with_its_owners_rights_whatever_leads_to_them():
    rules()
    secret, open_to_all = make("secret", owner=0, folder=WORK), make("open", owner=0, mode=0o644, folder=WORK)
    closed = os.path.join(WORK, "closed")
    os.makedirs(closed, mode=0o700)
    hidden = make("hidden", owner=0, mode=0o666, folder=closed)
    bobs = make("bobs", owner=pwd.getpwnam("vb-bob").pw_uid)
    link = os.path.join(HOME, "link")
    os.symlink(secret, link)
    hard = os.path.join(HOME, "hard")
    os.link(secret, hard)
    for path in (secret, open_to_all, hidden, bobs, link, hard, "/etc/shadow", f"/proc/{os.getpid()}/mem", "/proc/self/mem", "/proc/self/fd/0"):
        domain = define(alice, qemu.document("reaching", devices=disk(path)))
        for answer in (refusal(start, alice, domain), refusal(qemu.do, domain, "Start")):  # root's start opens no more
            assert "cannot be opened" in answer or "neither a file" in answer or "is not opened" in answer, (path, answer)
        assert bus.get(domain, "Domain", "State") == "shutoff"
        do(alice, domain, "Undefine")
    for element in (f"<kernel>{secret}</kernel>", f"<loader type='rom'>{secret}</loader>", f"<kernel>{open_to_all}</kernel><initrd>{secret}</initrd>"):
        domain = define(alice, qemu.document("booting", kernel=element))
        assert "cannot be opened" in refusal(start, alice, domain), element
        do(alice, domain, "Undefine")
    # What may be read by all may be read; and what is written is written by the owner.
    log = os.path.join(HOME, "log")
    domain = define(alice, qemu.document("reading", devices=disk(open_to_all).replace("<target", "<readonly/><target")
                                         + f"<serial type='pty'><log file='{log}'/></serial>"))
    start(alice, domain)
    assert os.stat(log).st_uid == UID
    stop(alice, domain)
    do(alice, domain, "Undefine")
    domain = define(alice, qemu.document("logging", devices=f"<serial type='pty'><log file='{WORK}/log'/></serial>"))
    assert "cannot be written" in refusal(start, alice, domain)
    assert not os.path.exists(f"{WORK}/log")
    do(alice, domain, "Undefine")
    # Nobody is told whether there is what they may not see.
    for path in (hidden, os.path.join(closed, "nothing")):
        domain = define(alice, qemu.document("optional", devices=disk(path).replace("<source ", "<source startupPolicy='optional' ").replace("<disk ", "<disk device='cdrom' ")
                                             .replace("virtio", "sata").replace("vda", "sda")))
        assert "Permission denied" in refusal(start, alice, domain), path
        do(alice, domain, "Undefine")


def no_program_that_they_choose_is_run_or_looked_at():
    """Not even to be asked what it can do: one that root has put somewhere, one of theirs, and one by the name of an architecture."""
    rules()
    told = os.path.join(WORK, "told")
    os.makedirs(told)
    os.chmod(told, 0o777)
    for place in (WORK, HOME):
        program = os.path.join(place, "qemu-system-x86_64")
        with open(program, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n: > {told}/$$\nexec /usr/bin/qemu-system-x86_64 \"$@\"\n")
        os.chmod(program, 0o755)
        for member in ("DefineDomain", "CreateDomain"):
            contains(expect("AccessDenied", define, alice, qemu.document("runs", devices=f"<emulator>{program}</emulator>"), qemu, member), "<emulator>", "/usr/bin/qemu-system-x86_64")
        leading = "x86_64/../../.." + program
        expect("AccessDenied", define, alice, re.sub("arch='[^']*'", f"arch='{leading}'", qemu.document("leads")))
    assert os.listdir(told) == []
    qemu.do(qemu.define(qemu.document("roots", devices=f"<emulator>{WORK}/qemu-system-x86_64</emulator>")), "Undefine")
    assert os.listdir(told) != []  # which shows that it would have been


def what_is_read_for_a_guest_is_its_owners():
    """A kernel and what else is passed as a descriptor, named by its number: no document names one itself."""
    rules()
    mine, open_to_all = make("read"), make("all", owner=0, mode=0o644, folder=WORK)
    for path in (mine, open_to_all):
        for more in ({"kernel": f"<kernel>{path}</kernel><initrd>{path}</initrd><cmdline>x</cmdline>"}, {"kernel": f"<acpi><table type='slic'>{path}</table></acpi>"},
                     {"devices": f"<interface type='user'><model type='virtio'/><rom file='{path}'/></interface>"},
                     {"more": f"<sysinfo type='fwcfg'><entry name='opt/x' file='{path}'/></sysinfo>"}):
            domain = define(alice, qemu.document("reads", **more))
            answer = refusal(start, alice, domain)
            # What it is is not looked at: QEMU takes no table or ROM of zeroes.
            assert answer == "nothing was refused" or "QEMU has ended" in answer, (more, answer)
            if answer == "nothing was refused":
                stop(alice, domain)
            do(alice, domain, "Undefine")
    for number in range(3, 40):
        rng = f"<rng model='virtio'><backend model='random'>/proc/self/fd/{number}</backend></rng>"
        contains(expect("AccessDenied", define, alice, qemu.document("reads", kernel=f"<kernel>{mine}</kernel>", devices=rng)), "by itself")
    domain = define(alice, qemu.document("reads", kernel=f"<kernel>{mine}</kernel>"))
    start(alice, domain)
    for number in range(3, 40):
        rng = f"<rng model='virtio'><backend model='random'>/proc/self/fd/{number}</backend></rng>"
        expect("AccessDenied", do, alice, domain, "AttachDevice", repr(rng), NONE, signature="sa{sv}")
    stop(alice, domain)
    do(alice, domain, "Undefine")


def refusal(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:  # which error it is, its text tells
        return str(error)
    return "nothing was refused"


def a_file_that_is_replaced_between_check_and_use_gains_nothing():
    rules()
    secret = make("secret2", owner=0, folder=WORK)
    mine, name = make("mine"), os.path.join(HOME, "swapped")
    domain = define(alice, qemu.document("swapping", devices=disk(name)))
    swapping = subprocess.Popen(["setpriv", "--reuid=vb-alice", "--regid=vb-alice", "--clear-groups", "bash", "-c",
                                 f"ln -s {secret} {HOME}/a; ln -s {mine} {HOME}/b; while :; do ln -f {HOME}/b {name}; mv -f {name} {name}; ln -f -P {HOME}/a {name}; done"],
                                stderr=subprocess.DEVNULL)
    try:
        started = 0
        for _ in range(20):
            answer = refusal(start, alice, domain)
            if answer == "nothing was refused":
                started += 1
                pid = qemu.pid_of(domain)
                opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
                assert secret not in opened, opened
                stop(alice, domain)
    finally:
        swapping.kill()
        swapping.wait()
    do(alice, domain, "Undefine")


def what_is_the_hosts_is_refused_when_it_is_defined():
    rules()
    bad = [
        ("<shmem name='y'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>", "shmem"),
        ("<disk type='block'><driver name='qemu' type='raw'/><source dev='/etc/shadow'/><target dev='vda' bus='virtio'/></disk>", "/dev"),
        ("<disk type='network'><driver name='qemu' type='raw'/><source protocol='nbd' name='x'><host name='localhost'/></source><target dev='vda' bus='virtio'/></disk>", "network"),
        ("<interface type='direct'><source dev='eth0' mode='bridge'/></interface>", "direct"),
        ("<interface type='ethernet'><target dev='x'/></interface>", "ethernet"),
        ("<interface type='udp'><source address='127.0.0.1' port='1'><local address='127.0.0.1' port='2'/></source></interface>", "udp"),
        ("<interface type='network'><source network='default' portgroup='x'/></interface>", "portgroup"),
        ("<filesystem type='mount'><source dir='/'/><target dir='x'/></filesystem>", "filesystem"),
        ("<interface type='user'><backend type='passt' logFile='/etc/x'/></interface>", "logFile"),
        ("<shmem name='x'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>", "shmem"),
        ("<serial type='file'><source path='/etc/x'/></serial>", "file"),
        ("<serial type='tcp'><source mode='connect' host='127.0.0.1' service='22'/></serial>", "tcp"),
        ("<serial type='unix'><source mode='bind' path='/run/x'/></serial>", "path"),
        ("<channel type='unix'><source mode='connect' path='/run/dbus/system_bus_socket'/><target type='virtio' name='x'/></channel>", "path"),
        ("<parallel type='dev'><source path='/dev/parport0'/></parallel>", "dev"),
        ("<input type='evdev'><source dev='/dev/input/../mem'/></input>", "/dev"),
        ("<graphics type='sdl'/>", "sdl"),
        ("<graphics type='vnc' socket='/run/x'/>", "socket"),
        ("<graphics type='spice'><listen type='none'/><gl enable='yes' rendernode='/dev/dri/renderD128'/></graphics>", "rendernode"),
        ("<audio id='1' type='alsa'/>", "alsa"),
        ("<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>", "passthrough"),
        ("<tpm model='tpm-tis'><backend type='external'><source type='unix' mode='connect' path='/run/x'/></backend></tpm>", "external"),
        ("<tpm model='tpm-crb'><backend type='emulator' version='2.0'><encryption secret='0b8a4c55-0f0d-4a5e-bd8a-5e2e6d0d0c11'/></backend></tpm>", "encryption"),
        ("<rng model='virtio'><backend model='egd' type='unix'><source mode='connect' path='/run/x'/></backend></rng>", "path"),
        ("<rng model='virtio'><backend model='random'>/dev/hwrng</backend></rng>", "hwrng"),
        ("<rng model='virtio'><backend model='random'>//dev/hwrng</backend></rng>", "hwrng"),
        ("<rng model='virtio'><backend model='random'>/run/virtbus-guest/../../dev/hwrng</backend></rng>", "hwrng"),
        ("<rng model='virtio'><backend model='egd' type='tcp'><source mode='connect' host='127.0.0.1' service='22'/></backend></rng>", "tcp"),
        ("<emulator>/usr/bin/qemu-img</emulator>", "emulator"),
        ("<watchdog model='i6300esb' action='dump'/>", "dump"),
        ("<disk type='file'><driver name='qemu' type='luks'/><source file='/x'><encryption format='luks'><secret type='passphrase' uuid='1b4e28ba-2fa1-11d2-883f-0016d3cca427'/></encryption></source><target dev='vda' bus='virtio'/></disk>", "secret"),
    ]
    # However deep it is.
    for kind, source in (("block", "<source dev='/dev/sda'/>"), ("network", "<source protocol='nbd' name='x'><host name='localhost'/></source>")):
        below = f"<backingStore type='{kind}'><format type='raw'/>{source}</backingStore>"
        bad.append((f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='/x'/><backingStore type='file'><format type='qcow2'/><source file='/y'/>{below}</backingStore>"
                    "<target dev='vda' bus='virtio'/></disk>", kind))
    for device, word in bad:
        # What cannot be had at all is refused for that first.
        message = refusal(define, alice, qemu.document("bad", devices=device))
        assert ("AccessDenied" in message and word in message) or "Unsupported" in message, (word, message)
    for more, word in (("<cputune><shares>9</shares></cputune>", "cputune"), ("<memoryBacking><source type='file'/></memoryBacking>", "file"),
                       ("<memtune><hard_limit unit='G'>1</hard_limit></memtune>", "memtune"), ("<vcpu cpuset='0'>1</vcpu>", "cpuset"), ("<numatune><memory mode='strict' nodeset='0'/></numatune>", "numatune"),
                       ("<on_crash>coredump-destroy</on_crash>", "coredump"), ("<seclabel type='none'/>", "seclabel"), ("<resource><partition>/x</partition></resource>", "resource"),
                       ("<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='-d'/></qemu:commandline>", "commandline")):
        message = refusal(define, alice, qemu.document("bad", more=more))
        assert ("AccessDenied" in message and word in message) or "Unsupported" in message, (word, message)
    contains(expect("AccessDenied", define, alice, qemu.document("bad", kernel="<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram>/etc/nvram</nvram>")), "nvram")
    # A transient one, too; and none of them is there.
    contains(expect("AccessDenied", define, alice, qemu.document("bad", devices=bad[0][0]), qemu, "CreateDomain"), "shmem")
    assert not [name for name in bus.objects(qemu.path) if bus.objects(qemu.path)[name].get(f"{NAME}.Domain", {}).get("Name") == "bad"]


def folders_are_shared_with_its_owners_rights():
    rules()
    shared, closed = os.path.join(HOME, "shared"), os.path.join(WORK, "roots")
    for path, owner, mode in ((shared, UID, 0o700), (closed, 0, 0o700)):
        os.mkdir(path, mode)
        os.chown(path, owner, owner)
    os.mkdir(f"{closed}/below")
    memory = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"

    def document(path, more="", backing=memory):
        source = more or f"<source dir='{path}'/>"
        return qemu.document("sharing", more=backing, devices=f"<filesystem type='mount'><driver type='virtiofs'/>{source}<target dir='x'/></filesystem>")
    for more, word in (("<binary path='/bin/sh'/><source dir='/'/>", "program"), ("<source socket='/run/x'/>", "socket")):
        contains(refusal(define, alice, document("", more)), "AccessDenied", word)
    for more in ("<hugepages/>", "<locked/>", "<allocation mode='immediate'/>"):
        domain = define(alice, document(shared, backing=memory.replace("<access", f"{more}<access")))
        contains(refusal(start, alice, domain), "AccessDenied", more.split("/")[0].split()[0][1:])
        do(alice, domain, "Undefine")
    domain = define(alice, document(shared))
    start(alice, domain)
    with open(f"{ROOT}/qemu/run/qemu/domains/{bus.get(domain, 'Domain', 'UUID')}.xml", encoding="utf-8") as file:
        pid = re.search(r'<helper kind="virtiofs"[^>]* pid="(\d+)"', file.read())[1]
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        assert f"Uid:\t{UID}\t{UID}\t{UID}\t{UID}\n" in file.read()
    assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")  # what it is root of is hers alone
    assert os.stat(f"/proc/{pid}/root").st_ino == os.stat(shared).st_ino
    stop(alice, domain)
    do(alice, domain, "Undefine")
    domain = define(alice, document(f"{closed}/below"))
    for answer in (refusal(start, alice, domain), refusal(qemu.do, domain, "Start")):
        contains(answer, f"{closed}/below", "Permission denied")
    do(alice, domain, "Undefine")


def what_it_becomes_has_no_more_rights_whoever_changes_it():
    rules()
    secret = make("secret3", owner=0, folder=WORK)
    uuid = "0d4b8e7a-3d3c-4e52-9df2-0c8f6f3d1a01"
    domain = define(alice, qemu.document("changing", uuid=uuid, devices="<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"))
    hostdev = "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0x5678'/></source></hostdev>"
    memory = "<shmem name='x'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>"
    for user in (alice, None):
        attach = (lambda xml, user=user: do(user, domain, "AttachDevice", repr(xml), NONE, signature="sa{sv}")) if user \
            else (lambda xml: bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", xml, {}))
        expect("AccessDenied", attach, memory)
    expect("AccessDenied", bus.call, qemu.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", qemu.document("changing", uuid=uuid, devices=memory), {})
    assert bus.get(domain, "Domain", "OwnersRights") is True
    start(alice, domain)
    message = refusal(lambda: do(alice, domain, "AttachDevice", repr(disk(secret, "vdb")), NONE, signature="sa{sv}"))
    contains(message, "cannot be opened")
    expect("AccessDenied", do, alice, domain, "AttachDevice", repr(hostdev), NONE, signature="sa{sv}")
    # Nor does its QEMU open a path by itself, but what it may when it is defined.
    plug = lambda path: do(alice, domain, "AttachDevice", repr(f"<rng model='virtio'><backend model='random'>{path}</backend></rng>"), NONE, signature="sa{sv}")
    for path in ("/etc/hostname", "//etc/hostname", "/dev/zero", "/dev/urandom/../zero"):
        contains(expect("AccessDenied", plug, path), "by itself")
    expect("InvalidXML", plug, "dev/zero")
    plug("/dev/urandom")
    device = next(path for path, interfaces in bus.objects(domain).items() if f"{NAME}.Device.Disk" in interfaces)
    contains(refusal(alice.call, device, f"{NAME}.Device.Disk", "ChangeMedia", "ssa{sv}", repr(secret), "'raw'", NONE), "cannot be opened")
    alice.call(device, f"{NAME}.Device.Disk", "ChangeMedia", "ssa{sv}", repr(make("medium")), "'raw'", NONE)
    expect("AccessDenied", do, alice, domain, "Save", "'/etc/saved'", NONE, signature="sa{sv}")
    assert not os.path.exists("/etc/saved")
    # It is as it was for a driver that begins anew.
    qemu.kill_driver()
    bus.wait_state(domain, "paused")
    assert bus.get(domain, "Domain", "OwnersRights") is True
    expect("AccessDenied", do, alice, domain, "AttachDevice", repr(hostdev), NONE, signature="sa{sv}")
    stop(alice, domain)
    do(alice, domain, "Undefine")


def nobody_elses_domain_becomes_ones_own():
    rules()
    uuid = "0d4b8e7a-3d3c-4e52-9df2-0c8f6f3d1a02"
    for hypervisor in (qemu, other):
        roots = hypervisor.define(hypervisor.document("roots", uuid=uuid))
        expect("AccessDenied", define, alice, hypervisor.document("roots", uuid=uuid), hypervisor)
        expect("AlreadyExists", define, alice, hypervisor.document("roots"), hypervisor)
        hypervisor.do(roots, "Undefine")
        hers = define(alice, hypervisor.document("hers", uuid=uuid), hypervisor)
        expect("AccessDenied", define, bob, hypervisor.document("hers", uuid=uuid), hypervisor)
        assert denied(do, bob, hers, "Undefine")
        assert define(alice, hypervisor.document("hers", uuid=uuid, more="<title>again</title>"), hypervisor) == hers
        do(alice, hers, "Undefine")


FIRMWARE = "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"


def what_a_domain_has_left_is_nobody_elses():
    rules()
    variables = FIRMWARE + "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/>"
    for number, kernel in enumerate(("", variables)):
        uuid = f"0d4b8e7a-3d3c-4e52-9df2-0c8f6f3d1c0{number}"
        qemu.create(qemu.document("roots", uuid=uuid, kernel=kernel), paused=True)
        roots = f"{qemu.path}/domain/{uuid.replace('-', '_')}"
        expect("AccessDenied", define, alice, qemu.document("roots", uuid=uuid))
        qemu.do(roots, "Destroy")
        bus.wait(lambda: roots not in bus.objects(qemu.path), "its end")
        for member in ("DefineDomain", "CreateDomain") if kernel else ():  # a log goes with its guest
            contains(expect("AccessDenied", define, alice, qemu.document("hers", uuid=uuid, kernel=kernel), qemu, member), "another domain's")
        # And goes where its owner's rights were all that it had: the UUID is free again, also for the same one.
        uuid = uuid.replace("1c0", "1d0")
        for user in (alice, alice, bob):
            theirs = define(user, qemu.document("theirs", uuid=uuid, kernel=kernel), qemu, "CreateDomain")
            do(user, theirs, "Destroy")
            bus.wait(lambda: theirs not in bus.objects(qemu.path), "its end")
        assert not [name for _, _, names in os.walk(os.path.join(ROOT, "qemu")) for name in names if uuid in name]


def variables_lead_to_no_file_beside_them():
    rules()
    uuid = "0d4b8e7a-3d3c-4e52-9df2-0c8f6f3d1e01"
    victim = qemu.define(qemu.document("victim", uuid=uuid, kernel=FIRMWARE + "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/>"))
    qemu.do(victim, "Start", paused=True)
    qemu.do(victim, "Destroy")
    bus.wait_state(victim, "shutoff")
    answers = []
    for number, name in enumerate((f"{uuid}.fd", "nothing.fd", "/root/nothing", "/etc/shadow")):
        template = os.path.join(HOME, f"template{number}")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", "size=540672", template], check=True)
        subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", name, template], check=True)
        os.chown(template, UID, UID)
        domain = define(alice, qemu.document("leading", kernel=FIRMWARE + f"<nvram template='{template}' templateFormat='qcow2' format='qcow2'/>"))
        answers.append(refusal(start, alice, domain))
        contains(answers[-1], "must be whole")
        do(alice, domain, "Undefine", "{'nvram': <true>}")
    # And nobody is told whether it is there.
    assert len({re.sub(r"[^ ]*\.fd", "", answer) for answer in answers}) == 1, answers
    qemu.do(victim, "Undefine", nvram=True)


def limits_are_an_administrators_and_stay():
    rules()
    uuid = "0d4b8e7a-3d3c-4e52-9df2-0c8f6f3d1a03"
    domain = define(alice, qemu.document("limited", uuid=uuid))
    limits = "<cputune><shares>512</shares></cputune>"
    assert denied(alice.call, domain, f"{NAME}.Domain", "SetLimits", "a{st}a{sv}", "{'cpu_shares': uint64 512}", NONE)
    bus.call(domain, f"{NAME}.Domain", "SetLimits", "a{st}a{sv}", {"cpu_shares": 512}, {})
    contains(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}), "<shares>512</shares>")
    # Its owner may hand them in again as they are, and make no others.
    assert define(alice, qemu.document("limited", uuid=uuid, more=limits)) == domain
    contains(expect("AccessDenied", define, alice, qemu.document("limited", uuid=uuid, more=limits.replace("512", "1024"))), "cputune")
    assert denied(alice.call, domain, PROPERTIES, "Set", "ssv", f"'{NAME}.Domain'", "'Autostart'", "<true>") is False
    qemu.kill_driver()
    expect("AccessDenied", define, alice, qemu.document("limited", uuid=uuid, more=limits.replace("512", "1024")))
    do(alice, domain, "Undefine")


def a_network_is_its_owners_to_use_when_they_may():
    rules()
    host, xml = "/org/virtbus1/host", "<network><name>owned</name><bridge name='virbr-own'/><ip address='10.77.0.1' netmask='255.255.255.0'/></network>"
    network = bus.call(host, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", xml, {})
    bus.call(network, f"{NAME}.Network", "Start", "a{sv}", {})
    domain = define(alice, qemu.document("networked", devices="<interface type='network'><source network='owned'/></interface>"))
    contains(refusal(start, alice, domain), "owned")
    # Who starts it for its owner starts it with other rights: no.
    contains(refusal(qemu.do, domain, "Start"), "its owner")
    rules("if (a.id == 'org.virtbus1.network.attach' && s.user == 'vb-alice') return polkit.Result.YES;")
    start(alice, domain)
    stop(alice, domain)
    do(alice, domain, "Undefine")
    bus.call(network, f"{NAME}.Network", "Stop", "a{sv}", {})
    bus.call(network, f"{NAME}.Network", "Undefine", "a{sv}", {})


def a_bridge_of_the_hosts_is_an_owners_to_use_when_they_may():
    rules()
    domain = define(alice, qemu.document("bridged", devices="<interface type='bridge'><source bridge='vb-own'/></interface>"))
    contains(refusal(start, alice, domain), "'vb-own'")
    contains(refusal(qemu.do, domain, "Start"), "its owner")
    rules("if (a.id == 'org.virtbus1.interface.attach' && a.lookup('interface_name') == 'vb-own' && s.user == 'vb-alice') return polkit.Result.YES;")
    made = subprocess.run(["ip", "link", "add", "vb-own", "type", "bridge"], capture_output=True, check=False).returncode == 0
    if made:
        start(alice, domain)
        stop(alice, domain)
        subprocess.run(["ip", "link", "del", "vb-own"], check=True)
    do(alice, domain, "Undefine")


def what_polkit_lets_an_owner_have_of_the_host():
    """Devices, memory and real time, by an action each, with what it is: decided anew at each start, and when a device is plugged; before anything is opened."""
    usb = "<hostdev mode='subsystem' type='usb'><source>{}</source></hostdev>"
    block = "<disk type='block'{}><driver name='qemu' type='{}'/><source dev='{}'/><target dev='vda' bus='{}'/></disk>"
    pci = "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='0xfe' slot='0x1f' function='7'/></source></hostdev>"
    wanted = [  # a document's part; action, details; what the host says where polkit lets
        (usb.format("<vendor id='0x1aB2'/><product id='0xCDEF'/>"), "device.attach", ("usb", "1ab2:cdef"), "1ab2:cdef"),
        (usb.format("<vendor id='0x1ab2'/><product id='52719'/><address bus='7' device='120'/>"), "device.attach", ("usb", "1ab2:cdef"), "bus 7 device 120"),
        (usb.format("<address bus='7' device='120'/>"), "device.attach", ("usb", "7.120"), "bus 7 device 120"),
        (pci, "device.attach", ("pci", "0000:fe:1f.7"), "0000:fe:1f.7"),
        (pci.replace("hostdev mode='subsystem' type='pci'", "interface type='hostdev'").replace("</hostdev", "</interface").replace("<address", "<address type='pci'"), "device.attach", ("pci", "0000:fe:1f.7"), "0000:fe:1f.7"),
        (block.format("", "raw", "/dev/virtbus-none", "virtio"), "device.attach", ("block", "/dev/virtbus-none"), "/dev/virtbus-none"),
        (block.format("", "raw", "/dev/null", "virtio"), "device.attach", ("block", "/dev/null"), "neither a file nor a block device"),
        (block.format(" device='lun'", "raw", "/dev/virtbus-none", "scsi").replace("vda", "sda"), "device.attach", ("lun", "/dev/virtbus-none"), "/dev/virtbus-none"),
        ("<input type='evdev'><source dev='/dev/virtbus-none'/></input>", "device.attach", ("evdev", "/dev/virtbus-none"), "/dev/virtbus-none"),
        ("<input type='passthrough' bus='virtio'><source evdev='/dev/virtbus-none'/></input>", "device.attach", ("evdev", "/dev/virtbus-none"), "/dev/virtbus-none"),
        ("<vsock model='virtio'><cid auto='no' address='3333'/></vsock>", "device.attach", ("vsock", "3333"), None),
        ("<memoryBacking><locked/></memoryBacking>", "memory.reserve", ("locked",), None),
        ("<memoryBacking><allocation mode='immediate'/></memoryBacking>", "memory.reserve", ("allocation",), None),
        ("<memoryBacking><hugepages/></memoryBacking>", "memory.reserve", ("hugepages",), None),
        ("<cputune><vcpusched vcpus='0' scheduler='batch'/></cputune>", "real-time.use", ("vcpusched",), None),
        ("<cputune><emulatorsched scheduler='batch'/></cputune>", "real-time.use", ("emulatorsched",), None),
    ]
    plugged = []
    for part, action, details, said in wanted:
        rules()
        is_device = action == "device.attach"
        domain = define(alice, qemu.document("wants", **{"devices" if is_device else "more": part}))
        for answer in (refusal(start, alice, domain), refusal(qemu.do, domain, "Start")):
            assert "AccessDenied" in answer and details[-1] in answer, (part, answer)
        contains(answer, "its owner")
        names = ("device_kind", "device") if is_device else ("element",)
        test = " && ".join([f"a.id == 'org.virtbus1.{action}'", "s.user == 'vb-alice'", "a.lookup('domain_name') == 'wants'"] + [f"a.lookup('{name}') == '{value}'" for name, value in zip(names, details)])
        rules(f"if ({test}) return polkit.Result.YES;")
        answer = refusal(start, alice, domain)
        assert "AccessDenied" not in answer and (not said or said in answer), (part, answer)
        if answer == "nothing was refused":
            stop(alice, domain)
        if is_device and said and details[0] not in plugged:  # nobody else has it by her leave; plugged, it is asked for again
            do(alice, domain, "Undefine")
            plugged.append(details[0])
            domain = define(alice, qemu.document("wants", devices="<controller type='scsi' model='virtio-scsi'/>"))
            start(alice, domain)
            plug = lambda user: refusal(lambda: do(user, domain, "AttachDevice", repr(part), NONE, signature="sa{sv}"))
            answer = plug(alice)
            assert "AccessDenied" not in answer, (part, answer)
            rules()
            answer = plug(alice)
            assert "AccessDenied" in answer or "Unsupported" in answer, (part, answer)
            stop(alice, domain)
        do(alice, domain, "Undefine")
    # A name that leads elsewhere is no name.
    for part in ("<input type='evdev'><source dev='/dev/input/../../etc/shadow'/></input>", "<input type='evdev'><source dev='/etc/shadow'/></input>", block.format("", "raw", "/etc/shadow", "virtio"),
                 block.format("", "raw", "//dev/sda", "virtio"), block.format("", "raw", "/dev/disk/../sda", "virtio"), block.format("", "raw", "dev/sda", "virtio"),
                 block.format("", "qcow2", "/dev/sda", "virtio").replace("<target", "<backingStore type='file'><format type='raw'/><source file='/etc/shadow'/></backingStore><target"),
                 "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source></hostdev>",
                 "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>",
                 "<hostdev mode='capabilities' type='storage'><source><block>/dev/sda</block></source></hostdev>"):
        answer = refusal(define, alice, qemu.document("leads", devices=part))
        assert "AccessDenied" in answer or "InvalidXML" in answer or "Unsupported" in answer, (part, answer)
    # What is an administrator's stays that, beside what is not.
    contains(expect("AccessDenied", define, alice, qemu.document("limits", more="<cputune><shares>5</shares><vcpusched vcpus='0' scheduler='batch'/></cputune>")), "cputune")


def a_block_device_is_an_owners_when_they_may():
    """Of a real one, which nobody but root may open: a loop device of a file, where this machine has one free."""
    image = os.path.join(WORK, "looped")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", image, "1M"], check=True)
    made = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, encoding="utf-8", check=False)
    if made.returncode != 0:
        return
    device = made.stdout.strip()
    try:
        rules(f"if (a.id == 'org.virtbus1.device.attach' && a.lookup('device') == '{device}') return polkit.Result.YES;")
        for kind in ("raw", "qcow2"):  # whose header names what is not hers, nor opened
            domain = define(alice, qemu.document("looped", devices=f"<disk type='block'><driver name='qemu' type='{kind}'/><source dev='{device}'/><target dev='vda' bus='virtio'/></disk>"))
            start(alice, domain)
            assert set(opened_by(qemu.pid_of(domain), device)) == {os.O_RDWR} and not opened_by(qemu.pid_of(domain), "/etc/shadow")
            stop(alice, domain)
            do(alice, domain, "Undefine")
        # By a file's name it is what she could open herself.
        domain = define(alice, qemu.document("looped", devices=disk(device)))
        contains(refusal(start, alice, domain), "cannot be opened")
        do(alice, domain, "Undefine")
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def an_owner_shares_what_is_theirs():
    rules()
    domain = define(alice, other.document("shared"), other)
    share = lambda who, *actions, user=alice: do(user, domain, "Share", repr(who), f"@as {list(actions)!r}" if actions else "@as []", NONE, signature="sasa{sv}")
    assert denied(do, bob, domain, "Start")
    share("user:vb-bob", "domain.start", "read")
    share("group:virtbus-users", "domain.destroy")
    assert bus.get(domain, "Domain", "Shares") == ["group:virtbus-users:domain.destroy", "user:vb-bob:domain.start", "user:vb-bob:read"]
    do(bob, domain, "Start")
    contains(repr(bob.call(domain, PROPERTIES, "Get", "ss", f"'{NAME}.Domain'", "'State'")), "running")
    assert denied(do, bob, domain, "Destroy") and denied(do, dave, domain, "Start")
    do(dave, domain, "Destroy")
    # Nobody shares what is not theirs, nor on; nor what opens files.
    assert denied(lambda: share("user:vb-bob", "domain.destroy", user=bob))
    for who, actions in (("user:", ("read",)), ("vb-bob", ("read",)), ("user:a,user:vb-dave:domain.start", ("read",)), ("user:a b", ("read",)), ("group:" + "x" * 65, ("read",)),
                         ("user:vb-bob", ("domain.define",)), ("user:vb-bob", ("domain.share",)), ("user:vb-bob", ("manage",)), ("user:vb-bob", ("domain.tune",)), ("user:vb-bob", ("",))):
        expect("InvalidArgument", share, who, *actions)
    # It stays, whatever ends and whatever else changes.
    other.kill_driver()
    define(alice, other.document("shared", uuid=bus.get(domain, "Domain", "UUID"), more="<title>again</title>"), other)
    other.kill_driver()
    assert len(bus.get(domain, "Domain", "Shares")) == 3
    # A document says nothing of it, whoever hands it in, and wherever it does.
    said = ("<?virtbus-shares user:vb-dave:domain.start?>", "<?virtbus-shares nonsense?>")
    saying = [define(alice, form.format(other.document(f"saying{number}")), other) for number, form in enumerate([text + "{}" for text in said] + ["{}" + text for text in said] + ["".join(said) + "{}"])]
    other.kill_driver()
    for one in saying:
        assert bus.get(one, "Domain", "Shares") == []
        do(alice, one, "Undefine")
    # And ends with a call: what was decided does not count any more.
    share("user:vb-bob")
    assert denied(do, bob, domain, "Start") and denied(bob.call, domain, PROPERTIES, "Get", "ss", f"'{NAME}.Domain'", "'State'")
    for number in range(31):
        share(f"user:u{number}", "read")
    expect("LimitExceeded", share, "user:one-more", "read")
    share("user:u0", "read", "domain.start")
    # Its definition may go before it does, and come again.
    share("user:u1")
    share("user:vb-bob", "domain.destroy")
    uuid = bus.get(domain, "Domain", "UUID")
    do(alice, domain, "Start")
    do(alice, domain, "Undefine")
    assert bus.get(domain, "Domain", "Shares") == [] and denied(do, bob, domain, "Destroy")
    assert define(alice, other.document("shared", uuid=uuid), other) == domain
    assert bus.get(domain, "Domain", "Shares") == [] and denied(do, bob, domain, "Destroy")
    do(alice, domain, "Destroy")
    do(alice, domain, "Undefine")
    again = define(bob, other.document("shared"), other)
    assert bus.get(again, "Domain", "Shares") == []
    do(bob, again, "Undefine")


def handed(target="vda", group="mine", path="/nowhere/image", kind="raw", more="", below="", element="file"):
    attribute = "dev" if element == "block" else "file"
    return (f"<disk type='{element}'><driver name='qemu' type='{kind}'/><source {attribute}='{path}' fdgroup='{group}'/>{below}"
            f"<target dev='{target}' bus='virtio'/>{more}</disk>")


def options(groups):
    """Of names to numbers of descriptors, for a user's call."""
    return "{'paused': <true>, 'fds': <@a{sah} {%s}>}" % ", ".join(f"{name!r}: [{', '.join(f'handle {fd}' for fd in fds)}]" for name, fds in groups.items())


def start_with(user, domain, groups, *files):
    user.call(domain, f"{NAME}.Domain", "Start", "a{sv}", options(groups), files=files)


def opened_by(pid, path):
    """How a process has opened a file: the flags of each of its descriptors."""
    return [int(re.search(r"flags:\s*(\d+)", open(f"/proc/{pid}/fdinfo/{fd}", encoding="utf-8").read())[1], 8) & os.O_ACCMODE
            for fd in os.listdir(f"/proc/{pid}/fd") if os.path.realpath(f"/proc/{pid}/fd/{fd}") == path]


def files_are_handed_over_and_nothing_is_opened_by_their_paths():
    rules()
    mine, roots = make("handed"), make("roots-own", owner=0, folder=WORK)
    domain = define(alice, qemu.document("handed", devices=handed()))
    contains(expect("InvalidArgument", start, alice, domain), "'mine'", "fds")
    assert bus.get(domain, "Domain", "State") == "shutoff"
    start_with(alice, domain, {"mine": [0]}, (mine, os.O_RDWR))
    pid = qemu.pid_of(domain)
    assert set(opened_by(pid, mine)) == {os.O_RDWR}
    # It is the guest's, whatever becomes of the driver; and so is what is plugged.
    qemu.kill_driver()
    second = make("second")
    contains(expect("InvalidArgument", do, alice, domain, "AttachDevice", repr(handed("vdb", "other")), NONE, signature="sa{sv}"), "'other'")
    alice.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", repr(handed("vdb", "other")), options({"other": [0]}).replace("'paused': <true>, ", ""), files=[(second, os.O_RDWR)])
    assert os.O_RDWR in opened_by(pid, second) and os.O_RDWR in opened_by(pid, mine)
    stop(alice, domain)
    # Each start needs them anew; whoever starts it hands over what is theirs, and its owner gains nothing else by that.
    expect("InvalidArgument", start, alice, domain)
    fd = os.open(roots, os.O_RDWR)
    bus.call(domain, f"{NAME}.Domain", "Start", "a{sv}", {"paused": GLib.Variant("b", True), "fds": GLib.Variant("a{sah}", {"mine": [0]})}, fds=[fd])
    os.close(fd)
    assert opened_by(qemu.pid_of(domain), roots)
    stop(alice, domain)
    # What works on a path while it is off says that there is none.
    device = next(path for path in bus.objects(domain) if "/device/" in path and f"{NAME}.Device.Disk" in bus.objects(domain)[path])
    expect("OperationInvalid", bus.call, device, f"{NAME}.Device.Disk", "GetInfo", "a{sv}", {})
    expect("OperationInvalid", bus.call, device, f"{NAME}.Device.Disk", "Resize", "ta{sv}", 2 << 20, {})
    do(alice, domain, "Undefine")
    # One that is forgotten when it ends; a device of the host's is handed over so as well.
    xml = qemu.document("fleeting", devices=handed(element="block"))
    expect("InvalidArgument", define, alice, xml, qemu, "CreateDomain")
    answer = alice.call(qemu.path, f"{NAME}.Connection", "CreateDomain", "sa{sv}", repr(xml), options({"mine": [0]}), files=[(mine, os.O_RDWR)])
    domain = re.search(r"'(/[^']*)'", answer)[1]
    assert opened_by(qemu.pid_of(domain), mine)
    do(alice, domain, "Destroy")


def a_medium_is_handed_over_when_it_is_changed():
    rules()
    first, second, third = (make(name) for name in ("disc1", "disc2", "disc3"))
    drive = "<disk type='file' device='cdrom'>{}<target dev='sda' bus='sata'/></disk>"
    domain = define(alice, qemu.document("drives", devices=drive.format("")))
    do(alice, domain, "Start")  # one that is paused keeps what it had until it runs
    pid = qemu.pid_of(domain)
    device = next(path for path in bus.objects(domain) if "/device/" in path and f"{NAME}.Device.Disk" in bus.objects(domain)[path])
    having = lambda group, more="": options({group: [0]}).replace("'paused': <true>, ", more)
    change = lambda path, what, *files: alice.call(device, f"{NAME}.Device.Disk", "ChangeMedia", "ssa{sv}", repr(path), "'raw'", what, files=files)
    medium = (second, os.O_RDONLY)
    change("/nowhere/disc1", having("one", "'fdgroup': <'one'>, "), (first, os.O_RDONLY))
    assert set(opened_by(pid, first)) == {os.O_RDONLY}
    contains(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}), 'fdgroup="one"', "/nowhere/disc1")
    # Without one nothing changes; nor by what is no group.
    contains(expect("InvalidArgument", change, "/nowhere/disc2", "{'fdgroup': <'two'>}"), "'two'")
    contains(expect("InvalidArgument", change, "", having("two", "'fdgroup': <'two'>, "), medium), "fdgroup")
    contains(expect("InvalidArgument", change, "/nowhere/disc2", having("two", "'fdgroup': <''>, "), medium), "fdgroup")
    assert opened_by(pid, first)
    element = drive.format("<driver name='qemu' type='raw'/><source file='/nowhere/disc2' fdgroup='two'/>")
    update = lambda what, *files: alice.call(device, f"{NAME}.Device", "Update", "sa{sv}", repr(element), what, files=files)
    contains(expect("InvalidArgument", update, NONE), "'two'")
    qemu.kill_driver()
    update(having("two"), medium)
    assert set(opened_by(pid, second)) == {os.O_RDONLY}
    bus.wait(lambda: not opened_by(pid, first), "its end")
    # A shell does it by virtbusctl's update; a path is opened again, as its owner.
    element = element.replace("two", "three").replace("disc2", "disc3")
    said = subprocess.run(["setpriv", "--reuid=vb-alice", "--regid=vb-alice", "--init-groups", "bash", "-c",
                           f"exec {ROOT}/build/client/virtbusctl/virtbusctl update drives sda - --fd=three=3 3<{third} <<< \"{element}\""], capture_output=True, encoding="utf-8", check=False)
    assert said.returncode == 0, said
    assert opened_by(pid, third)
    bus.wait(lambda: not opened_by(pid, second), "its end")
    change(first, NONE)
    assert opened_by(pid, first) and "fdgroup" not in bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
    change("", NONE)
    stop(alice, domain)
    # What is defined for the next start is handed over then.
    change("/nowhere/disc1", "{'fdgroup': <'one'>, 'config': <true>}")
    contains(expect("InvalidArgument", start, alice, domain), "'one'")
    start_with(alice, domain, {"one": [0]}, (first, os.O_RDONLY))
    stop(alice, domain)
    do(alice, domain, "Undefine")


def a_shell_hands_over_what_it_has_opened():
    rules()
    mine = make("shells")
    domain = define(alice, qemu.document("shells", devices=handed()))

    def shell(line):
        return subprocess.run(["setpriv", "--reuid=vb-alice", "--regid=vb-alice", "--init-groups", "bash", "-c", f"exec {ROOT}/build/client/virtbusctl/virtbusctl {line}"],
                              capture_output=True, encoding="utf-8", check=False)
    contains(shell("start shells").stderr, "use --fd")
    for line, words in ((f"start shells --fd=mine=9 3<>{mine}", "9<>IMAGE"), (f"start shells --fd=mine 3<>{mine}", "--fd=disk=3"), (f"start shells --fd=other=3 3<>{mine}", "'mine'")):
        contains(shell(line).stderr, words)
    said = shell(f"start --paused shells --fd=mine=3 --fd=mine=4 3<>{mine} 4<{mine}")
    assert said.returncode == 0, said
    assert set(opened_by(qemu.pid_of(domain), mine)) == {os.O_RDWR}
    # Of the other connections, too, they are told what they may read, and asked for no password that nobody can give here.
    others = bus.call("/org/virtbus1/test", f"{NAME}.Connection", "DefineDomain", "sa{sv}", "<domain type='test'><name>others</name><memory>65536</memory><os><type>hvm</type></os></domain>", {})
    said = shell("list --no-legend")
    assert said.stdout.split()[:2] == ["shells", "paused"] and "others" not in said.stdout and not said.stderr and said.returncode == 0, said
    contains(shell("status nobodys").stderr, "there is no domain 'nobodys'")
    contains(shell("-c test list").stderr, "not authorized")
    bus.call(others, f"{NAME}.Domain", "Undefine", "a{sv}", {})
    said = shell(f"attach shells - --fd=plugged=3 3<>{make('plugged')} <<< \"{handed('vdb', 'plugged')}\"")
    assert said.returncode == 0, said
    stop(alice, domain)
    do(alice, domain, "Undefine")


def what_is_handed_over_is_what_the_disk_needs():
    rules()
    mine, folder = make("kinds"), HOME
    fifo = os.path.join(HOME, "fifo")
    os.mkfifo(fifo)
    os.chown(fifo, UID, UID)
    domain = define(alice, qemu.document("kinds", devices=handed()))
    for path, flags, words in ((mine, os.O_PATH, "O_PATH"), (mine, os.O_WRONLY, "writing only"), (mine, os.O_RDWR | os.O_APPEND, "O_APPEND"), (mine, os.O_RDONLY, "reading only"),
                               (folder, os.O_RDONLY, "a folder"), (fifo, os.O_RDWR, "a pipe"), ("/dev/null", os.O_RDWR, "a character device"),
                               ("/proc/self/mem", os.O_RDWR, "what the kernel tells"), (fifo, os.O_PATH, "a pipe")):
        contains(expect("InvalidArgument", start_with, alice, domain, {"mine": [0]}, (path, flags)), words)
        assert bus.get(domain, "Domain", "State") == "shutoff"
    for groups in ({"mine": []}, {"mine": [0, 0, 0]}, {"": [0]}, {"other": [0]}, {f"g{n}": [0, 0] for n in range(9)}):
        expect("InvalidArgument", start_with, alice, domain, groups, (mine, os.O_RDWR))
    expect("InvalidArgs", alice.call, domain, f"{NAME}.Domain", "Shutdown", "a{sv}", NONE, files=[(mine, os.O_RDWR)])
    # Of two, one is to be read only: that is the one of a disk that is.
    do(alice, domain, "Undefine")
    for flags in ((os.O_RDWR, os.O_RDONLY), (os.O_RDWR,)):
        domain = define(alice, qemu.document("reads", devices=handed(more="<readonly/>")))
        start_with(alice, domain, {"mine": list(range(len(flags)))}, *((mine, how) for how in flags))
        assert set(opened_by(qemu.pid_of(domain), mine)) == {os.O_RDONLY}
        stop(alice, domain)
        do(alice, domain, "Undefine")
    # A header is of whoever hands the image over, and names nothing that would be opened for them.
    secret, top = make("beside", owner=0), os.path.join(HOME, "top.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", secret, "-F", "raw", top, "1M"], check=True)
    os.chown(top, UID, UID)
    domain = qemu.define(qemu.document("roots", devices=handed(path=os.path.join(HOME, "image"), kind="qcow2")))
    fd = os.open(top, os.O_RDWR)
    options_of = {"paused": GLib.Variant("b", True), "fds": GLib.Variant("a{sah}", {"mine": [0]})}
    contains(expect("InvalidArgument", bus.call, domain, f"{NAME}.Domain", "Start", "a{sv}", options_of, fds=[fd]), "handed over", "<backingStore>")
    qemu.do(domain, "Undefine")
    # Where the document names what is below, that is handed over too.
    below = "<backingStore type='file'><format type='raw'/><source file='/nowhere/base' fdgroup='base'/><backingStore/></backingStore>"
    domain = define(alice, qemu.document("chained", devices=handed(kind="qcow2", below=below)))
    contains(expect("InvalidArgument", start_with, alice, domain, {"mine": [0]}, (top, os.O_RDWR)), "'base'")
    start_with(alice, domain, {"mine": [0], "base": [1]}, (top, os.O_RDWR), (mine, os.O_RDONLY))
    pid = qemu.pid_of(domain)
    assert set(opened_by(pid, top)) == {os.O_RDWR} and set(opened_by(pid, mine)) == {os.O_RDONLY}
    stop(alice, domain)
    do(alice, domain, "Undefine")
    # A driver that opens nothing says so.
    domain = define(alice, other.document("opens nothing"), other)
    contains(expect("Unsupported", start_with, alice, domain, {"mine": [0]}, (mine, os.O_RDWR)), "fds")
    do(alice, domain, "Undefine")
    for group in ("", "x" * 256):
        expect("InvalidXML", define, alice, qemu.document("named", devices=handed(group=group)))


def how_many_one_user_has_is_bounded():
    rules()
    domains = [define(alice, other.document(f"many{number}"), other) for number in range(64)]
    contains(expect("LimitExceeded", define, alice, other.document("one more"), other), "64")
    theirs = define(bob, other.document("bobs"), other)
    do(bob, theirs, "Undefine")
    # Those that are being written count as well.
    for domain in domains[62:]:
        do(alice, domain, "Undefine")
    again = [User("vb-alice") for _ in range(8)]
    for number, user in enumerate(again):
        xml = other.document(f"at once {number}")
        user.process.stdin.write(json.dumps([NAME, other.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", [repr(xml), NONE], False]) + "\n")
    for user in again:
        user.process.stdin.flush()
    answers = [json.loads(user.process.stdout.readline()) for user in again]
    made = [re.search(r"'(/[^']*)'", repr(answer["result"]))[1] for answer in answers if "result" in answer]
    assert len(made) == 2 and all("LimitExceeded" in answer["error"] for answer in answers if "error" in answer), answers
    for user in again:
        user.leave()
    for domain in domains[:62] + made:
        do(alice, domain, "Undefine")


run([who_may_not_define_defines_with_their_own_rights, files_are_opened_with_its_owners_rights_whatever_leads_to_them, no_program_that_they_choose_is_run_or_looked_at, what_is_read_for_a_guest_is_its_owners,
     a_file_that_is_replaced_between_check_and_use_gains_nothing, what_is_the_hosts_is_refused_when_it_is_defined,
     folders_are_shared_with_its_owners_rights, what_it_becomes_has_no_more_rights_whoever_changes_it, nobody_elses_domain_becomes_ones_own, what_a_domain_has_left_is_nobody_elses, variables_lead_to_no_file_beside_them,
     limits_are_an_administrators_and_stay, files_are_handed_over_and_nothing_is_opened_by_their_paths, a_medium_is_handed_over_when_it_is_changed, a_shell_hands_over_what_it_has_opened, what_is_handed_over_is_what_the_disk_needs,
     a_network_is_its_owners_to_use_when_they_may, a_bridge_of_the_hosts_is_an_owners_to_use_when_they_may, what_polkit_lets_an_owner_have_of_the_host, a_block_device_is_an_owners_when_they_may,
     an_owner_shares_what_is_theirs, how_many_one_user_has_is_bounded])
