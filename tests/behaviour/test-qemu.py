#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the QEMU driver does beyond what every driver does: real guests, real images, real networks.

Usage (below tests/with-bus): test-qemu.py GUEST, the folder that tests/guest/build-guest has filled.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET

from rig import NAME, ROOT, Bus, BusError, Hypervisor, Skip, contains, end_process, expect, kernel, open_files, read_until, run, threads, variants

bus = Bus()
qemu = Hypervisor(bus, "qemu")
GUEST = os.path.abspath(sys.argv[1])
UUID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
WORK = os.path.join(ROOT, "images")
os.makedirs(WORK, mode=0o711, exist_ok=True)


def guest(name, devices="<serial type='pty'/>", cmdline="", more=""):
    return qemu.document(name, devices=devices, memory=256, kernel=kernel(GUEST, cmdline), more=more)


def open_console(domain, alias="serial0"):
    return bus.call(f"{domain}/device/{alias}", f"{NAME}.Device.Console", "Open", "a{sv}", {})


def boot(domain):
    """Starts a guest and returns its console, from which its first line has been read."""
    qemu.do(domain, "Start", paused=True)
    fd = open_console(domain)
    qemu.do(domain, "Resume")
    read_until(fd, rb"GUEST-UP")
    return fd


pid_of = qemu.pid_of


def image(name, *arguments, format="qcow2", size="16M"):
    path = os.path.join(WORK, name)
    subprocess.run(["qemu-img", "create", "-q", "-f", format, *arguments, path, *([size] if size else [])], check=True)
    os.chmod(path, 0o600)  # root's alone: QEMU's user can open it only through what it is given
    return path


def disk(path, target="vda", bus_name="virtio", format="qcow2", more="", kind="file"):
    attribute = "dev" if kind == "block" else "file"
    return (f"<disk type='{kind}'><driver name='qemu' type='{format}'/><source {attribute}='{path}'/>"
            f"<target dev='{target}' bus='{bus_name}'/>{more}</disk>")


def cleared(domain):
    if qemu.state(domain) != "shutoff":
        qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")
    left = os.listdir(f"{ROOT}/qemu/run/qemu/domains") + os.listdir(f"{ROOT}/qemu/run/qemu/monitors")
    assert left == [], left


def a_real_guest_boots_talks_and_shuts_down():
    devices = ("<serial type='pty'/><console type='pty'/><interface type='user'><model type='virtio'/></interface>"
               "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
               "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng><memballoon model='virtio'/>")
    domain = qemu.define(guest("real", devices))
    fd = boot(domain)
    os.write(fd, b"\necho $((6*7)) $(hostname)\n")
    read_until(fd, rb"42 guest")
    qemu.do(domain, "Shutdown")
    bus.wait_state(domain, "shutoff")
    assert bus.get(domain, "Domain", "StateReason") == "shutdown"
    cleared(domain)


def a_guest_outlives_its_driver():
    domain = qemu.define(guest("survivor"))
    os.close(boot(domain))
    pid = pid_of(domain)
    qemu.kill_driver()
    assert qemu.state(domain) == "running" and pid_of(domain) == pid
    fd = open_console(domain)
    os.write(fd, b"\necho still $((6*7))\n")
    read_until(fd, rb"still 42")
    qemu.do(domain, "Suspend")
    qemu.kill_driver()
    assert qemu.state(domain) == "paused"
    qemu.do(domain, "Resume")
    os.write(open_console(domain), b"\npoweroff -f\n")
    bus.wait_state(domain, "shutoff")
    cleared(domain)


def what_happened_while_no_driver_was_there_is_told():
    domain = qemu.define(guest("lost"))
    qemu.do(domain, "Start", paused=True)
    pid = pid_of(domain)
    driver = bus.driver("QEMU")
    os.kill(driver, signal.SIGSTOP)  # it sees nothing until it is dead
    end_process(pid)
    bus.settle()
    bus.signals.clear()
    qemu.kill_driver()
    bus.wait_state(domain, "shutoff")
    assert bus.get(domain, "Domain", "StateReason") == "unknown"
    cleared(domain)


def a_qemu_that_dies_is_told():
    domain = qemu.define(guest("mortal"))
    qemu.do(domain, "Start", paused=True)
    os.kill(pid_of(domain), signal.SIGKILL)
    bus.wait_state(domain, "shutoff")
    assert bus.get(domain, "Domain", "StateReason") == "failed"
    cleared(domain)


def a_stopped_qemu_hurts_nobody_and_can_be_destroyed():
    stopped, other = qemu.define(guest("stopped")), qemu.define(guest("other"))
    qemu.do(stopped, "Start")
    os.kill(pid_of(stopped), signal.SIGSTOP)
    answer = bus.begin(stopped, f"{NAME}.Domain", "Suspend", "")
    assert qemu.state(stopped) == "running"
    qemu.do(other, "Start", paused=True)
    qemu.do(other, "Resume")
    cleared_other = qemu.do(other, "Destroy")
    assert cleared_other == () and not answer
    qemu.do(stopped, "Destroy")
    bus.wait(lambda: answer, "the answer to Suspend")
    assert answer[0].name.rsplit(".", 1)[1] in ("HypervisorFailed", "Cancelled"), answer
    for domain in (stopped, other):
        qemu.do(domain, "Undefine")


def a_guest_that_reboots_crashes_or_ends_does_what_its_definition_says():
    domain = qemu.define(guest("reboots", cmdline="reboot-now", more="<on_reboot>destroy</on_reboot>"))
    qemu.do(domain, "Start")
    bus.wait_state(domain, "shutoff")
    cleared(domain)
    bus.signals.clear()
    domain = qemu.define(guest("ends", cmdline="poweroff-now", more="<on_poweroff>preserve</on_poweroff>"))
    qemu.do(domain, "Start")
    bus.wait_state(domain, "paused")
    assert bus.get(domain, "Domain", "StateReason") == "shutdown"
    cleared(domain)
    bus.signals.clear()
    domain = qemu.define(guest("again"))
    os.close(boot(domain))
    pid = pid_of(domain)
    qemu.do(domain, "Reboot")
    bus.wait_signal(domain, "StateChanged", lambda a: a[0] == "running" and a[1] == "paused")
    bus.wait_signal(domain, "StateChanged", lambda a: a[0] == "paused" and a[2] == "resumed")
    read_until(open_console(domain), rb"GUEST-UP")
    assert pid_of(domain) == pid
    cleared(domain)


def qemu_runs_without_privileges_and_in_its_sandbox():
    if os.geteuid() != 0:
        raise Skip("needs root")
    domain = qemu.define(guest("caged", devices="<serial type='pty'/>" + disk(image("caged.qcow2"))))
    qemu.do(domain, "Start", paused=True)
    status = open(f"/proc/{pid_of(domain)}/status", encoding="utf-8").read()
    uid = int(re.search(r"^Uid:\t(\d+)", status, re.M)[1])
    assert 1879048192 <= uid < 1879048192 + 65536, uid
    for kind in ("Uid", "Gid"):
        assert re.search(rf"^{kind}:\t{uid}\t{uid}\t{uid}\t{uid}$", status, re.M), status
    assert re.search(r"^CapEff:\t0+$", status, re.M) and "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status, status
    files = {t for t in open_files(pid_of(domain)) if t.startswith("/") and not t.startswith("/dev/")}
    own = {f"{WORK}/caged.qcow2", f"{GUEST}/vmlinuz", f"{GUEST}/guest.cpio.gz"}
    assert {f for f in files if not f.startswith((f"{ROOT}/qemu/log/", "/memfd:"))} <= own, files
    cleared(domain)


def each_guest_has_a_user_that_no_other_has():
    if os.geteuid() != 0:
        raise Skip("needs root")
    domains = [qemu.define(guest(f"apart{number}")) for number in range(3)]
    for domain in domains:
        qemu.do(domain, "Start", paused=True)
    processes = [pid_of(domain) for domain in domains]
    users = [os.stat(f"/proc/{pid}").st_uid for pid in processes]
    assert len(set(users)) == 3, users
    # To each other they are strangers.
    as_first = ["setpriv", f"--reuid={users[0]}", f"--regid={users[0]}", "--clear-groups"]
    assert subprocess.run([*as_first, "kill", "-0", str(processes[0])], capture_output=True, check=False).returncode == 0
    for command in (["kill", "-0", str(processes[1])], ["cat", f"/proc/{processes[1]}/environ"], ["ls", f"/proc/{processes[1]}/fd/"], ["ls", f"/proc/{processes[1]}/root/"]):
        assert subprocess.run([*as_first, *command], capture_output=True, check=False).returncode != 0, command
    # They stay so while drivers come and go, and nobody gets the user of one that has ended next.
    qemu.kill_driver()
    for domain in domains:
        bus.wait_state(domain, "paused")
    assert [os.stat(f"/proc/{pid_of(domain)}").st_uid for domain in domains] == users
    qemu.do(domains[0], "Destroy")
    qemu.do(domains[0], "Start", paused=True)
    again = os.stat(f"/proc/{pid_of(domains[0])}").st_uid
    assert again not in users, (again, users)
    held = f"{ROOT}/qemu/run/qemu/claims"
    assert {int(name.split(" ")[2]) for name in os.listdir(held) if name.split(" ")[1] == "user"} == {again, *users[1:]}
    for domain in domains:
        qemu.do(domain, "Destroy")
        qemu.do(domain, "Undefine")
    assert not [name for name in os.listdir(held) if name.split(" ")[1] == "user"]


def threads_run_on_the_processors_that_they_are_bound_to():
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skip("needs two processors")
    first, second = cpus[:2]
    tune = f"<vcpu cpuset='{first}'>2</vcpu><cputune><vcpupin vcpu='1' cpuset='{second}'/><emulatorpin cpuset='{second},^{first}'/></cputune>"
    domain = qemu.define(guest("bound", more=tune))
    qemu.do(domain, "Start", paused=True)
    allowed = threads(pid_of(domain))
    assert allowed["CPU 0/TCG"] == {first} and allowed["CPU 1/TCG"] == {second}, allowed
    assert allowed["qemu-system-x86"] == {second}, allowed
    cleared(domain)
    domain = qemu.define(guest("unbound", more="<vcpu cpuset='1000'>1</vcpu>"))
    contains(expect("InvalidArgument", qemu.do, domain, "Start"), "1000")
    cleared(domain)
    for value in ("2-1", "x", "99999", f"{first},^{first}"):
        contains(expect("InvalidXML", qemu.define, guest("unbound", more=f"<vcpu cpuset='{value}'>1</vcpu>")), value, "not a list")


def limits_are_set_without_systemd():
    """By control groups of version 1, where this machine has those; tests/behaviour/test-host.py sees version 2."""
    group = "/sys/fs/cgroup/{}/virtbus/{}"
    domain = qemu.define(guest("limited", more="<memtune><hard_limit unit='MiB'>900</hard_limit></memtune><cputune><shares>200</shares><quota>30000</quota></cputune>"))
    if os.geteuid() != 0:
        contains(expect("Unsupported", qemu.do, domain, "Start"), "cgroup", "system's driver")
        cleared(domain)
        return
    if not os.access("/sys/fs/cgroup/memory/cgroup.procs", os.W_OK):
        qemu.do(domain, "Undefine")
        raise Skip("no control groups of version 1 here")
    qemu.do(domain, "Start", paused=True)
    uuid, pid = bus.get(domain, "Domain", "UUID"), str(qemu.pid_of(domain))

    def value(controller, name):
        with open(f"{group.format(controller, uuid)}/{name}", encoding="utf-8") as file:
            return file.read().split()
    assert value("memory", "memory.limit_in_bytes") == [str(900 << 20)] and value("cpu", "cpu.shares") == ["200"]
    assert pid in value("memory", "cgroup.procs") and value("cpu", "thread-vcpu0/cpu.cfs_quota_us") == ["30000"]
    bus.call(domain, f"{NAME}.Domain", "SetLimits", "a{st}a{sv}", {"vcpu_quota": 0, "cpu_quota": 50000, "memory_hard_limit": 800 << 20}, {})
    assert value("memory", "memory.limit_in_bytes") == [str(800 << 20)] and value("cpu", "cpu.cfs_quota_us") == ["50000"]
    assert value("cpu", "thread-vcpu0/cpu.cfs_quota_us") == ["-1"]
    cleared(domain)
    assert not any(os.path.exists(group.format(controller, uuid)) for controller in ("cpu", "memory", "cpuset", "blkio"))


def images_of_all_kinds_are_seen_by_the_guest():
    base = image("base.raw", format="raw")
    with open(base, "r+b") as file:
        file.write(b"from the base image")
    middle = image("middle.qcow2", "-b", base, "-F", "raw", size=None)
    top = image("top.qcow2", "-b", middle, "-F", "qcow2", size=None)
    devices = ("<serial type='pty'/><controller type='scsi' index='0' model='virtio-scsi'/>" + disk(top)
               + disk(image("plain.raw", format="raw"), "sda", "scsi", "raw", "<serial>PLAIN</serial>")
               + "<disk type='file' device='cdrom'><target dev='sdb' bus='scsi'/></disk>"
               + disk(image("ide.qcow2"), "hda", "ide") + disk(image("sata.qcow2"), "sdc", "sata"))
    domain = qemu.define(guest("images", devices))
    fd = boot(domain)
    os.write(fd, b"\nhead -c 19 /dev/vda; echo; dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync; echo sizes $(cat /sys/block/sda/size) end\n")
    read_until(fd, rb"(?s)\nfrom the base image.*\nsizes 32768 end")
    qemu.do(domain, "Shutdown")
    bus.wait_state(domain, "shutoff")
    assert open(base, "rb").read(19) == b"from the base image"  # what is written goes into the top image
    cleared(domain)


def an_image_in_use_is_told_with_who_uses_it():
    shared, other = image("shared.qcow2"), image("other.qcow2")
    first, second = (qemu.define(qemu.document(name, devices="<serial type='pty'/>" + disk(shared))) for name in ("first", "second"))
    qemu.do(first, "Start", paused=True)
    contains(expect("ResourceBusy", qemu.do, second, "Start"), "disk 'vda'", shared, "domain 'first'", "<shareable/>")
    assert qemu.state(second) == "shutoff"
    qemu.do(first, "Destroy")
    qemu.do(second, "Start", paused=True)
    twice = qemu.define(qemu.document("twice", devices=disk(other) + disk(other, "vdb")))
    contains(expect("ResourceBusy", qemu.do, twice, "Start"), other, "another of its disks")
    alone = qemu.define(qemu.document("alone", devices=disk(other)))
    with open(other, "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        contains(expect("ResourceBusy", qemu.do, alone, "Start"), other, "another process")
    qemu.do(second, "Destroy")
    # A disk that comes later, too.
    qemu.do(first, "Start", paused=True)
    late = qemu.define(qemu.document("late"))
    qemu.do(late, "Start", paused=True)

    def attach(xml):
        return bus.call(late, f"{NAME}.Domain", "AttachDevice", "sa{sv}", xml, {})
    message = expect("ResourceBusy", attach, disk(shared))
    contains(message, "'late'", f"image {shared} is in use by domain 'first'", "<shareable/>")
    assert "fdset" not in message, message
    for domain in (first, late):
        qemu.do(domain, "Destroy")
    for domain in (first, second, twice, alone, late):
        cleared(domain)


def parts_of_a_usb2_controller_without_indices_are_one():
    """virt-install writes them so."""
    def parts(*models):
        return "".join(f"<controller type='usb' model='{model}'>" + (f"<master startport='{start}'/>" if start else "") + "</controller>" for model, start in models)
    one = parts(("ich9-ehci1", ""), ("ich9-uhci1", "0"), ("ich9-uhci2", "2"), ("ich9-uhci3", "4"))
    for devices, indices in ((one, "0000"), (one * 2, "00001111"), (parts(("qemu-xhci", "")) + one, "01111"), (parts(("ich9-ehci1", ""), ("ich9-ehci1", "")), "01")):
        domain = qemu.define(qemu.document("usb", devices=devices))
        controllers = [element for element in ET.fromstring(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})).findall("devices/controller") if element.get("type") == "usb"]
        assert "".join(element.get("index") for element in controllers) == indices, (devices, indices)
        qemu.do(domain, "Undefine")


def what_a_host_lacks_is_told_with_what_to_do():
    xml = qemu.document("lacks")
    for machine, newest in (("pc-q35-rhel9.2.0", "q35"), ("pc-i440fx-xenial", "pc")):
        contains(expect("Unsupported", qemu.define, xml.replace("machine='pc'", f"machine='{machine}'")), machine, f"machine='{newest}'")
    message = expect("InvalidArgument", qemu.define, xml.replace("<devices>", "<devices><emulator>/usr/libexec/no-qemu-kvm</emulator>"))
    contains(message, "no program /usr/libexec/no-qemu-kvm", "leave out <emulator>")


def wrong_images_are_refused_and_leave_nothing():
    no_format = image("no-format.qcow2", size="1M")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", image("b.raw", format="raw"), no_format, "1M"], capture_output=True, check=False)
    data = bytearray(open(image("loop.qcow2", size="1M"), "rb").read())
    name = f"{WORK}/loop.qcow2".encode()
    data[8:16], data[16:20] = (512).to_bytes(8, "big"), len(name).to_bytes(4, "big")
    header = int.from_bytes(data[100:104], "big")
    data[header:header + 24] = (0xe2792aca).to_bytes(4, "big") + (5).to_bytes(4, "big") + b"qcow2" + bytes(11)
    data[512:512 + len(name)] = name
    open(f"{WORK}/loop.qcow2", "wb").write(data)
    open(f"{WORK}/lie.qcow2", "wb").write(b"not an image" * 100)
    data[8:16] = (1 << 62).to_bytes(8, "big")
    open(f"{WORK}/far.qcow2", "wb").write(data)
    fifo = os.path.join(WORK, "fifo")
    os.mkfifo(fifo)
    if os.geteuid() != 0:
        os.chmod(image("closed.qcow2"), 0)
        domain = qemu.define(qemu.document("wrong", devices=disk(f"{WORK}/closed.qcow2")))
        contains(expect("InvalidArgument", qemu.do, domain, "Start"), "closed.qcow2", "Permission denied")
        cleared(domain)
    cases = [
        ("InvalidArgument", [f"{WORK}/none.qcow2", "No such file"], disk(f"{WORK}/none.qcow2")),
        ("InvalidArgument", ["lie.qcow2", "not of format qcow2"], disk(f"{WORK}/lie.qcow2")),
        ("InvalidArgument", ["far.qcow2", "header"], disk(f"{WORK}/far.qcow2")),
        ("LimitExceeded", ["loop.qcow2", "64"], disk(f"{WORK}/loop.qcow2")),
        ("InvalidArgument", ["neither a file nor a block device"], disk(fifo, format="raw")),
        ("InvalidArgument", ["neither a file nor a block device"], disk("/dev/null", format="raw", kind="block")),
        ("InvalidArgument", [WORK], disk(WORK, format="raw")),
    ]
    for error, parts, devices in cases:
        domain = qemu.define(qemu.document("wrong", devices=devices))
        contains(expect(error, qemu.do, domain, "Start"), "wrong", *parts)
        assert qemu.state(domain) == "shutoff"
        cleared(domain)


def the_documents_paths_are_checked():
    contains(expect("InvalidArgument", qemu.define, qemu.document("e", devices="<emulator>/nowhere/qemu</emulator>")), "<emulator>", "/nowhere/qemu")
    contains(expect("InvalidArgument", qemu.define, qemu.document("e", devices="<emulator>/etc/passwd</emulator>")), "/etc/passwd", "no program")
    for emulator in ("/bin/true", "/bin/false", "/bin/cat"):  # programs, but no QEMUs
        domain = qemu.define(qemu.document("e", devices=f"<emulator>{emulator}</emulator>"))
        contains(expect("HypervisorFailed", qemu.do, domain, "Start"), "'e'", "log")
        cleared(domain)
    domain = qemu.define(qemu.document("k", kernel="<kernel>/nowhere/vmlinuz</kernel>"))
    contains(expect("InvalidArgument", qemu.do, domain, "Start"), "/nowhere/vmlinuz", "No such file")
    cleared(domain)
    contains(expect("Unsupported", qemu.define, qemu.document("m", more="<cpu mode='custom'><model>toaster</model></cpu>")), "toaster")
    # A transient domain that cannot start leaves nothing either.
    expect("InvalidArgument", qemu.create, qemu.document("gone", devices=disk("/nowhere/x")))
    expect("NoSuchDomain", bus.call, qemu.path, f"{NAME}.Connection", "GetDomainByName", "s", "gone")


# What QEMU lacks, or the driver does not know: refused when it is defined.
UNSUPPORTED = [
    (["<unicorn>"], "<unicorn/>"),
    (["<video>", "ramfb", "primary"], "<video><model type='vga'/></video><video><model type='ramfb'/></video>"),
    (["<model>", "carrier-pigeon"], "<interface type='user'><model type='carrier-pigeon'/></interface>"),
    (["<target>", "magic"], "<serial type='pty'><target type='magic'/></serial>"),
    (["<rng>", "dice"], "<rng model='dice'/>"),
    (["<controller>", "antique"], "<controller type='scsi' model='antique'/>"),
    (["<source>", "sheepdog"], "<disk type='network'><source protocol='sheepdog' name='x'/><target dev='vda'/></disk>"),
    (["<driver>", "attribute colour"], "<disk type='file'><source file='/x'/><driver colour='red'/><target dev='vda'/></disk>"),
    (["<interface>", "attribute speed"], "<interface type='user' speed='fast'/>"),
    (["<sound>", "gravis"], "<sound model='gravis'/>"),
    (["<controller>", "virtio-scsix"], "<controller type='scsi' model='virtio-scsix'/>"),
    (["<controller>", "virtio-x"], "<controller type='virtio-serial' model='virtio-x'/>"),
    (["virtiox"], "<video><model type='virtiox'/></video>"),
    (["<graphics>", "powerControl", "yes, no"], "<graphics type='vnc' powerControl='on'/>"),
    (["<audio>", "exclusive", "yes, no"], "<audio id='1' type='oss' exclusive='on'/>"),
    (["<source>", "tls", "yes, no"], "<serial type='tcp'><source mode='connect' host='h' service='1' tls='on'/></serial>"),
    (["<controller>", "ports", "decimal"], "<controller type='virtio-serial' ports='0x8'/>"),
    (["<pcihole64>", "white space"], "<controller type='pci' index='0' model='pci-root'><pcihole64 unit='KiB'>1048576 </pcihole64></controller>"),
    (["<identity>", "+NUMBER"], "<disk type='network'><source protocol='nfs' name='/x'><host name='h'/><identity user='+12x'/></source><target dev='vda'/></disk>"),
    (["<target>", "port"], "<channel type='unix'><source path='/x'/><target type='guestfwd' address='10.0.2.1' port='65536'/></channel>"),
    (["<channel>", "virtio serial port"], "".join(f"<channel type='pty'><target type='virtio' name='org.{name}'/><address type='virtio-serial' controller='0' bus='0' port='{port}'/></channel>"
                                                  for name, port in (("a", 3), ("b", 4), ("c", 3)))),
]

# Below <domain>, below <devices>, and what must stand in QEMU's command line.
FRAME = "<cpu><numa>{}</numa></cpu><vcpu>2</vcpu>"
CELL = "<cell id='0' cpus='0-1' memory='64' unit='MiB'>{}</cell>"
IMAGE = "<disk type='file'><driver type='qcow2'{}><metadata_cache><max_size unit='KiB'>512</max_size></metadata_cache></driver><source file='/top'>{}</source>" \
        "<backingStore type='file'><format type='qcow2'/><source file='/below'/><backingStore/></backingStore><target dev='vda'/></disk>"
TOLD = [
    (FRAME.format(CELL.format("<cache level='1' associativity='full' policy='writethrough'><size value='8' unit='KiB'/><line value='64' unit='B'/></cache>")
                  + "<cell id='1' memory='64' unit='MiB'/><interconnects><latency initiator='0' target='1' type='access' value='9'/>"
                  "<bandwidth initiator='0' target='0' type='read' value='2' unit='GiB'/></interconnects>"), "",
     ["hmat=on", "node,nodeid=1,initiator=0", "hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-latency,latency=9",
      "data-type=read-bandwidth,bandwidth=2097152K", "hmat-cache,node-id=0,size=8K,level=1,associativity=complex,policy=write-through,line=64"]),
    ("", IMAGE.format(" discard='unmap'", ""), ['"cache-size":524288', '"discard":"unmap","backing":null']),
    ("", IMAGE.format("", "<slices><slice type='storage' offset='4096' size='8192'/></slices>"), ['"driver":"raw","node-name":"virtio-disk0-0-slice"', '"offset":4096,"size":8192']),
    ("", "<disk type='network'><source protocol='nbd' name='x'><host name='h'/><reconnect delay='3'/></source><target dev='vda'/></disk>", ['"reconnect-delay":3']),
    ("", "<disk type='nvme'><source type='pci' managed='yes' namespace='1'><address domain='0' bus='1' slot='0' function='0'/></source><target dev='vda'/></disk>",
     ['"driver":"nvme","device":"0000:01:00.0","namespace":1']),
    ("", "<disk type='dir' device='floppy'><driver type='fat'/><source dir='/x'/><target dev='fda'/><readonly/></disk>", ['"floppy":true']),
    ("", "<disk type='network' device='cdrom'><source protocol='ftps' name='/a/b.iso'><host name='h'/></source><target dev='sda' bus='usb'/><readonly/></disk>", ['ftps://h:990/a/b.iso']),
    ("", "<crypto model='virtio' type='qemu'><backend model='builtin' queues='2'/></crypto>", ['"cryptodev-backend-builtin","id":"objcrypto0","queues":2', '"virtio-crypto-pci"']),
    ("", "<interface type='null'><mac address='52:54:00:00:00:01'/><model type='e1000'/></interface>", ['"driver":"e1000","id":"net0","mac":"52:54:00:00:00:01"']),
    ("", "<serial type='udp'><source mode='connect' service='5'/></serial>", ["udp,id=charserial0,host=,localaddr=,localport=0,port=5"]),
    ("", "<shmem name='s'><model type='ivshmem-doorbell'/><server path='/s'/></shmem>", ['"ioeventfd":true']),
    ("", "<filesystem type='mount' accessmode='mapped' fmode='640' dmode='7'><source dir='/x'/><target dir='x'/></filesystem>", ["fmode=0640,dmode=0007"]),
    ("<cpu><model>qemu64</model><feature name='cvt16' policy='disable'/><feature name='svm' policy='disable'/></cpu>", "", ["qemu64,svm=off"]),
    (FRAME.format(CELL.format("")) + "<maxMemory slots='4' unit='GiB'>1</maxMemory>",
     "<memory model='dimm'><target><size unit='MiB'>32</size><node>0</node></target></memory>"
     "<memory model='dimm'><target><size unit='MiB'>64</size><node>0</node></target><address type='dimm' slot='0'/></memory>",
     ['"id":"dimm0","memdev":"memdimm0","node":0,"slot":0', '"id":"dimm1","memdev":"memdimm1","node":0,"slot":1']),
    ("<clock><timer name='tsc' mode='native' frequency='2000000000'/></clock>", "", ["tsc-frequency=2000000000"]),
    ("<clock><timer name='tsc' mode='auto' frequency='2000000000'/></clock>", "", ["tsc-frequency=2000000000"]),
    ("<cpu mode='maximum' migratable='off'/>", "", ["-cpu max,migratable=off"]),
    ("", "<graphics type='egl-headless'/>", ["egl-headless"]),
    ("", "<disk type='network'><source protocol='http' name='f'><host name='1:2::3' port='80'/></source><target dev='vda'/></disk>", ["http://[1:2::3]:80/f"]),
    ("", "<disk type='network'><source protocol='iscsi' name='iqn.2020-01.x:y/1'><host name='1:2::3'/></source><target dev='vda'/></disk>",
     ['"portal":"[1:2::3]:3260"']),
    ("", "<controller type='pci' index='0' model='pci-root'><target hotplug='off'/></controller>", ["PIIX4_PM.acpi-root-pci-hotplug=off"]),
]


def what_programs_leave_empty_is_as_if_it_were_not_there():
    document = qemu.document("empty", devices="<emulator/>", more="<uuid/><title/>", kernel="<kernel/><initrd/><cmdline/><acpi><table type='slic'/></acpi>")
    domain = qemu.define(document)
    text = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
    for element in "<uuid/>", "<kernel/>", "<initrd/>", "<cmdline/>":
        assert element not in text, text
    qemu.do(domain, "Start", paused=True)
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


def what_a_document_asks_for_stands_in_the_command_line():
    for more, devices, parts in TOLD:
        text = bus.call(qemu.path, f"{NAME}.Connection", "DomainXMLToNative", "ss", "qemu-argv", qemu.document("told", more=more, devices=devices))
        contains(text, *parts)


# What is kept of a document, as libvirt keeps it.
KEPT = [
    ("<memtune><hard_limit unit='MB'>512</hard_limit><soft_limit>9007199254740991</soft_limit></memtune>", "", ['<hard_limit unit="KiB">500000<'], ["soft_limit"]),
    ("<vcpu>4</vcpu><cputune><vcpusched vcpus='0,2-3' scheduler='fifo' priority='2'/></cputune>", "", ['vcpus="0"', 'vcpus="2"', 'vcpus="3"'], ["2-3"]),
    ("<vcpu>2</vcpu><cpu><numa><cell id='0' cpus='0' memory='32' unit='MiB'><distances><sibling id='1' value='21'/></distances></cell>"
     "<cell id='1' cpus='1' memory='32' unit='MiB'/></numa></cpu>", "", ['<sibling id="0" value="21"/>', '<sibling id="1" value="10"/>', 'memory="32768"'], []),
    ("", "<graphics type='vnc' port='5931' autoport='yes'/>", ['port="-1"'], ["5931"]),
    ("", "<graphics type='vnc' port='5931'/>", ['autoport="no"', 'port="5931"'], []),
    ("", "<graphics type='spice' port='5931' autoport='yes'><channel name='main' mode='any'/></graphics>", ['autoport="yes"'], ["5931", 'name="main"']),
    ("", "<graphics type='vnc'/><video><model type='vga' vram='9000'/></video>", ['vram="16384"'], []),
    ("", "<disk type='network' device='cdrom'><target dev='sda' bus='usb'/></disk>", ['type="file" device="cdrom"'], ["network"]),
    ("<vcpu cpuset='0-1,^0,1' current='2'>2</vcpu>", "", ['cpuset="1"'], [' current=']),
    ("", "<input type='tablet' bus='usb'><alias name='input7'/></input><input type='mouse' bus='usb'><alias name='ua-m'/></input>", ["ua-m"], ["input7"]),
    ("<cpu mode='host-model' match='exact'/>", "", ['mode="host-model"'], ["match"]),
]


def memory_that_nobody_names_is_what_the_cells_and_modules_have():
    document = qemu.document("cells", devices="<memory model='dimm'><target><size unit='MiB'>32</size><node>0</node></target></memory>",
                             more="<maxMemory slots='2' unit='MiB'>256</maxMemory><vcpu>2</vcpu><cpu><numa><cell cpus='0' memory='64' unit='MiB'/><cell cpus='1' memory='16384'/></numa></cpu>")
    unsaid = document.replace("<memory unit='MiB'>64</memory>", "")
    assert unsaid != document
    domain = qemu.define(unsaid)
    contains(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}), f'<memory unit="KiB">{112 << 10}</memory>', f'<currentMemory unit="KiB">{112 << 10}</currentMemory>')
    qemu.do(domain, "Undefine")
    contains(expect("InvalidXML", qemu.define, unsaid.replace("memory='16384'", "")), "<memory> is missing")
    contains(expect("InvalidXML", qemu.define, qemu.document("none").replace("<memory unit='MiB'>64</memory>", "")), "<memory> is missing")


def a_definition_is_kept_as_libvirt_keeps_it():
    for more, devices, parts, gone in KEPT:
        domain = qemu.define(qemu.document("kept", more=more, devices=devices))
        text = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
        contains(text, *parts)
        for part in gone:
            assert part not in text, f"{part!r} is in {text!r}"
        qemu.do(domain, "Undefine")


# What QEMU can do, and the driver cannot yet: refused when it is defined too.
NOT_YET = [
    (["<source>", "storage pool"], "<disk type='volume'><source pool='x' volume='y'/><target dev='vda'/></disk>"),
    (["<hostdev>", "SCSI device"], "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source></hostdev>"),
    (["<filesystem>", "9p"], "<filesystem type='mount'><source dir='/x'/><target dir='x'/></filesystem>"),
]


def what_the_driver_does_not_know_is_refused_by_name():
    for parts, devices in UNSUPPORTED:
        try:
            raise AssertionError(qemu.define(qemu.document("no", devices=devices)))
        except BusError as error:  # QEMU's lack, or a value that no hypervisor has
            assert error.name.endswith((".Unsupported", ".InvalidXML")), error
            contains(error.message, *parts)
    contains(expect("InvalidXML", qemu.define, qemu.document("no", more="<clock offset='utc'><timer name='platform'/></clock>")), "<timer>")
    for loader in "<loader secure='no'/>", "<loader type='rom'> </loader>":
        contains(expect("InvalidXML", qemu.define, qemu.document("no", kernel=loader)), "<loader>", "no loader path", "firmware='efi'")
    for more, parts in (("<perf><event name='cmt' enabled='yes'/></perf>", ["<event>", "perf stat"]),
                        ("<keywrap/>", ["<keywrap>"])):
        contains(expect("Unsupported", qemu.define, qemu.document("no", more=more)), *parts)
    contains(expect("Unsupported", qemu.define, qemu.document("no").replace("type='qemu'", "type='xen'")), "xen")
    for architecture in "alpha", "sparc64", "loongarch64":  # before what else is wrong with it, and whether there is such a QEMU
        other = qemu.document("no", more="<features><gic version='3'/></features>", kernel="").replace("x86_64", architecture)
        assert architecture in other, other
        contains(expect("Unsupported", qemu.define, other), "<type>", architecture, "x86_64", "aarch64", "s390x")
    for name, policy in ("avx513", "require"), ("no-such", "disable"), ("SSE", "force"):
        contains(expect("Unsupported", qemu.define, qemu.document("no", more=f"<cpu><model>qemu64</model><feature name='{name}' policy='{policy}'/></cpu>")),
                 "<feature>", name, "leave it out")
    for mode in "", " mode='custom' match='exact'":
        contains(expect("Unsupported", qemu.define, qemu.document("no", more=f"<cpu{mode}><model>maximum</model></cpu>")), "<model>", "'maximum'", "capabilities")


BOARD = """<domain type='qemu'><name>board</name><memory unit='MiB'>256</memory><os><type arch='{}' machine='{}'>hvm</type></os>{}<devices>
    <interface type='user'><model type='virtio'/></interface><console type='pty'/><rng model='virtio'><backend model='random'/></rng>{}
    </devices></domain>"""

# Processor, machine, what else its document says, and words of its command line and of the document that is kept.
BOARDS = (
    ("aarch64", "virt", "", "", ["virtio-rng-pci", "gic-version=2", "-serial chardev:", "pcie-root-port", "cortex-a15"],
     ["pl011", "<gic version", "pcie-root"]),
    ("riscv64", "virt", "", "", ["virtio-net-pci", "-serial chardev:"], ["16550a"]),
    ("armv7l", "vexpress-a9", "", "", ["virtio-rng-device"], ["virtio-mmio"]),
    ("ppc64", "pseries", "<features><htm state='off'/></features>", "", ["spapr-vty", "cap-htm=off", "POWER9", "qemu-xhci"],
     ["0x30000000", "spapr-pci-host-bridge", "model=\"pseries\""]),
    ("s390x", "s390-ccw-virtio", "<keywrap><cipher name='aes' state='off'/></keywrap>", "",
     ["virtio-net-ccw", "fe.0.0000", "aes-key-wrap=off", "sclpconsole"], ["type=\"ccw\"", "model=\"s390\""]),
    ("s390x", "s390-ccw-virtio", "", "<watchdog model='diag288'/><hostdev type='pci'><source><address bus='9' slot='1'/></source></hostdev>",
     ["diag288", '"zpci"', '"uid":1'], ["<zpci uid"]),
)
WRONG_BOARDS = (
    ("x86_64", "pc", "<features><gic version='3'/></features>", "", ["'gic' feature is not supported"]),
    ("aarch64", "virt", "<features><gic version='none'/></features>", "", ["'gic'", "'none'"]),
    ("aarch64", "virt", "<features><acpi/></features>", "", ["ACPI requires UEFI"]),
    ("aarch64", "virt", "<features><hyperv><relaxed state='on'/></hyperv></features>", "", ["hyperv"]),
    ("aarch64", "virt", "", "<tpm model='tpm-tis'><backend type='emulator' version='1.2'/></tpm>", ["TPM 1.2"]),
    ("aarch64", "virt", "", "<parallel type='pty'/>", ["parallel"]),
    ("s390x", "s390-ccw-virtio", "<clock offset='utc'><timer name='tsc'/></clock>", "", ["'tsc' timer", "s390x"]),
    ("s390x", "s390-ccw-virtio", "", "<panic model='s390'><address type='isa' iobase='0x505'/></panic>", ["panic", "address"]),
    ("ppc64", "pseries", "", "<controller type='pci' index='1' model='pci-root'><target index='0'/></controller>", ["target index 0"]),
    ("ppc64", "pseries", "", "<controller type='pci' index='1' model='pci-root'><target index='31'/></controller>", ["0 to 30"]),
)


def machines_of_other_processors_have_their_own_buses_and_devices():
    connection = f"{NAME}.Connection"
    for architecture, machine, more, devices, words, kept in BOARDS:
        document = BOARD.format(architecture, machine, more, devices)
        contains(bus.call(qemu.path, connection, "DomainXMLToNative", "ss", "qemu-argv", document), *words)
        whole = bus.call(qemu.path, connection, "DomainXMLToNative", "ss", "domain-xml", document)
        contains(whole, *kept)
        assert bus.call(qemu.path, connection, "DomainXMLToNative", "ss", "domain-xml", whole) == whole, whole
    for architecture, machine, more, devices, words in WRONG_BOARDS:
        contains(expect("InvalidXML", bus.call, qemu.path, connection, "DomainXMLToNative", "ss", "qemu-argv",
                        BOARD.format(architecture, machine, more, devices)), *words)


def a_guest_of_another_processor_runs_where_its_qemu_is_installed():
    for architecture, machine in ("aarch64", "virt"), ("riscv64", "virt"), ("s390x", "s390-ccw-virtio"), ("ppc64", "pseries"):
        document = BOARD.format(architecture, machine, "", "")
        if not os.path.exists(f"/usr/bin/qemu-system-{architecture}"):
            contains(expect("InvalidArgument", qemu.define, document), f"qemu-system-{architecture}", "install it")
            continue
        path = qemu.define(document)
        for member in "Start", "Destroy", "Undefine":
            bus.call(path, f"{NAME}.Domain", member, "a{sv}", {})


def what_the_driver_cannot_do_yet_is_refused_when_it_is_defined():
    for parts, devices in NOT_YET:
        contains(expect("Unsupported", qemu.define, qemu.document("later", devices=devices)), "line ", *parts)
        expect("Unsupported", qemu.create, qemu.document("later", devices=devices))
        kept = bus.call(qemu.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", qemu.document("later", devices=devices), variants({"unsupported": True}))
        text = expect("Unsupported", qemu.do, kept, "Start")
        contains(text, *parts)
        assert "line " not in text, text
        qemu.do(kept, "Undefine")
    contains(expect("Unsupported", qemu.define, qemu.document("later", more="<vcpu placement='auto'>1</vcpu>")), "<vcpu>", "numad")
    for mode in "emulate", "paravirt", "smpsafe":
        contains(expect("Unsupported", qemu.define, qemu.document("later", more=f"<clock><timer name='tsc' mode='{mode}'/></clock>")), "<timer>", "mode='native'")
    for machine in "isapc", "microvm":
        contains(expect("Unsupported", qemu.define, re.sub("<type[^>]*>", f"<type machine='{machine}'>", qemu.document("later"))), "<type>", "PCI bus", "machine='q35'")


def errors_count_the_lines_of_the_authors_own_text():
    text = qemu.document("lines", devices="\n<disk type='file'>\n<driver cache='never'/><source file='/x'/><target dev='vda'/></disk>")
    for before, line in (("", 3), ("<?xml version='1.0' encoding='utf-16'?>\n", 4), ("<!-- a\nb -->\n", 5), ("\n\n<?x\ny?>", 6), ("\ufeff", 3)):
        for breaks in ("\n", "\r\n"):
            document = (before + text).replace("\n", breaks)
            for error in (expect("InvalidXML", qemu.define, document), expect("InvalidXML", qemu.create, document),
                          expect("InvalidXML", bus.call, qemu.path, f"{NAME}.Connection", "DomainXMLToNative", "ss", "qemu-argv", document)):
                contains(error, f"line {line},", "<driver>")


def what_only_the_host_lacks_is_told_at_the_start():
    domain = qemu.define(qemu.document("later", devices="<interface type='network'><source network='vb-nowhere'/></interface>"))
    contains(expect("NoSuchNetwork", qemu.do, domain, "Start"), "network 'vb-nowhere'", "virtbusctl network define")
    qemu.do(domain, "Undefine")


# What a start would find wrong without asking the host, and what the error must name.
WRONG_TOGETHER = [
    (["<topology>", "6", "4"], dict(more="<vcpu>4</vcpu><cpu><topology sockets='1' cores='3' threads='2'/></cpu>")),
    (["<disk>", "I/O thread 2"], dict(more="<iothreads>1</iothreads>", devices="<disk type='file'><driver iothread='2'/><source file='/x'/><target dev='vda'/></disk>")),
    (["<controller>", "I/O thread 7"], dict(more="<iothreads>1</iothreads><iothreadids><iothread id='6'/></iothreadids>",
                                            devices="<controller type='scsi' model='virtio-scsi'><driver iothread='7'/></controller>")),
    (["<iothreadpin>", "I/O thread 3"], dict(more="<iothreads>2</iothreads><cputune><iothreadpin iothread='3' cpuset='0'/></cputune>")),
    (["<vcpupin>", "no processor 2"], dict(more="<vcpu>2</vcpu><cputune><vcpupin vcpu='2' cpuset='0'/></cputune>")),
    (["<vcpupin>", "cpuset"], dict(more="<vcpu>2</vcpu><cputune><vcpupin vcpu='1' cpuset='3-1'/></cputune>")),
    (["<emulatorpin>", "list"], dict(more="<cputune><emulatorpin cpuset='all'/></cputune>")),
]


def what_cannot_go_together_is_refused_when_it_is_defined():
    for parts, document in WRONG_TOGETHER:
        contains(expect("InvalidXML", qemu.define, qemu.document("no", **document)), "line ", *parts)


def threads_that_the_document_numbers_are_found():
    for more, thread in (("<iothreads>2</iothreads>", 2), ("<iothreads>2</iothreads><iothreadids><iothread id='9'/></iothreadids>", 1),
                         ("<iothreads>1</iothreads><iothreadids><iothread id='9'/></iothreadids>", 9)):
        path = image("threads.img", format="raw")
        domain = qemu.define(qemu.document("threads", more=more, devices=disk(path, format="raw", more="").replace("type='raw'", f"type='raw' iothread='{thread}'")))
        qemu.do(domain, "Start", paused=True)
        qemu.do(domain, "Destroy")
        qemu.do(domain, "Undefine")


# What a document turns off, or says of a device in a form that QEMU has another one for.
STARTED = [
    "<video><model type='none'/></video>",
    "<video><model type='none' heads='1'/><address type='pci' domain='0' bus='0' slot='2' function='0'/></video>",
    "<controller type='usb' index='0' model='none'/>",
    "<memballoon model='none'/>",
    "<audio id='1' type='none'/>",
    "<serial type='pty'><alias name='serial0'/></serial><console type='pty' tty='/dev/pts/1'><target type='serial' port='0'/><alias name='serial0'/></console>",
    "<disk type='file' device='cdrom'><source file=''/><target dev='hdc' bus='ide'/></disk>",
    "<disk type='file' device='floppy'><source file=''/><target dev='fda' bus='fdc'/></disk>",
    "<video><model type='bochs' vram='16384' heads='1' primary='yes'/></video>",
]


# What libvirt writes by itself, or for itself, below <domain>.
LIBVIRTS_OWN = [
    "<seclabel type='dynamic' model='apparmor' relabel='yes'/>",
    "<seclabel type='dynamic' model='dac' relabel='yes'/><seclabel type='none' model='none'/>",
    "<seclabel type='dynamic' model='selinux' relabel='yes'><label>a:b:c:d</label><imagelabel>a:b:e:f</imagelabel></seclabel>",
    "<resource><partition>/machine</partition></resource>",
    "<clock offset='utc' adjustment='reset'/>",
    "<clock offset='variable' adjustment='-3600' basis='localtime'/>",
    "<qemu:capabilities xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:add capability='incremental-backup'/><qemu:del capability='x'/></qemu:capabilities>",
    "<qemu:deprecation xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' behavior='omit'/>",
]

# What asks for another confinement than there is.
OTHER_CONFINEMENT = [
    (["<seclabel>", "leave it out"], "<seclabel type='static' model='selinux'><label>a:b:c:d</label></seclabel>"),
    (["<seclabel>", "leave it out"], "<seclabel type='dynamic' model='selinux'><baselabel>a:b:c:d</baselabel></seclabel>"),
    (["<partition>", "leave it out"], "<resource><partition>/production</partition></resource>"),
]


def what_libvirt_writes_by_itself_moves_over():
    for more in LIBVIRTS_OWN:
        domain = qemu.define(qemu.document("moved", more=more))
        qemu.do(domain, "Start", paused=True)
        qemu.do(domain, "Destroy")
        qemu.do(domain, "Undefine")
    for parts, more in OTHER_CONFINEMENT:
        contains(expect("Unsupported", qemu.define, qemu.document("no", more=more)), *parts)


def a_start_goes_on_without_what_is_optional():
    missing = f"{WORK}/nowhere.iso"
    drive = "<disk type='file' device='{}'><driver name='qemu' type='raw'/><source file='{}' startupPolicy='{}'/><target dev='{}' bus='{}'/></disk>"
    for devices, left in ((drive.format("cdrom", missing, "optional", "hdc", "ide"), "hdc"), (drive.format("floppy", missing, "optional", "fda", "fdc"), "fda"),
                          (drive.format("disk", missing, "optional", "vda", "virtio"), None),
                          ("<hostdev mode='subsystem' type='usb'><source startupPolicy='optional'><vendor id='0x1234'/><product id='0xabcd'/></source></hostdev>", None)):
        domain = qemu.define(qemu.document("optional", devices=devices))
        qemu.do(domain, "Start", paused=True)
        live = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
        assert missing not in live and "0xabcd" not in live, live
        assert left is None or left in live, live
        assert bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True})).count("startupPolicy") == 1
        qemu.do(domain, "Destroy")
        qemu.do(domain, "Undefine")
    for policy in ("mandatory", "requisite"):
        domain = qemu.define(qemu.document("needed", devices=drive.format("cdrom", missing, policy, "hdc", "ide")))
        contains(expect("InvalidArgument", qemu.do, domain, "Start"), missing)
        qemu.do(domain, "Undefine")
    here = image("optional.img", format="raw")
    domain = qemu.define(qemu.document("here", devices=drive.format("cdrom", here, "optional", "hdc", "ide")))
    qemu.do(domain, "Start", paused=True)
    contains(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}), here)
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")
    contains(expect("InvalidXML", qemu.define, qemu.document("no", devices=drive.format("disk", here, "requisite", "vda", "virtio"))), "requisite")
    contains(expect("InvalidXML", qemu.define, qemu.document("no", devices=drive.format("cdrom", here, "sometimes", "hdc", "ide"))), "sometimes")


def displays_of_spice_get_ports_of_their_own():
    document = "<graphics type='spice' autoport='yes'><listen type='address' address='127.0.0.1'/></graphics><video><model type='vga'/></video>"
    domains, ports = [], set()
    for name in ("spice1", "spice2"):
        domain = qemu.define(qemu.document(name, devices=document))
        try:
            qemu.do(domain, "Start", paused=True)
        except BusError as error:
            if "spice" in error.message:
                raise Skip("this QEMU has no SPICE") from error
            raise
        port = int(re.search(r"<graphics type=\"spice\"[^>]* port=\"(\d+)\"", bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}))[1])
        contains(open("/proc/net/tcp", encoding="utf-8").read(), f"0100007F:{port:04X} 00000000:0000 0A")  # it listens
        ports.add(port)
        domains.append(domain)
    assert len(ports) == 2 and min(ports) >= 5900, ports
    qemu.do(domains[0], "Destroy")
    qemu.do(domains[0], "Start", paused=True)  # what it held is free again
    definition = bus.call(domains[0], f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True}))
    assert not any(f'port="{port}"' in definition for port in ports), definition
    for domain in domains:
        qemu.do(domain, "Destroy")
        qemu.do(domain, "Undefine")


def devices_of_the_host_are_looked_for_first():
    for devices, path in (("<input type='evdev'><source dev='/dev/input/nowhere' grab='all' grabToggle='ctrl-ctrl' repeat='on'/></input>", "/dev/input/nowhere"),
                          ("<vsock model='virtio'><cid auto='yes'/></vsock>", "/dev/vhost-vsock")):
        if os.path.exists(path):
            continue
        domain = qemu.define(qemu.document("lacking", devices=devices))
        error = None
        try:
            qemu.do(domain, "Start")
        except BusError as failure:
            error = failure.message
        contains(error, path)
        qemu.do(domain, "Undefine")


def properties_that_the_document_overrides_are_qemus():
    override = ("<qemu:override xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:device alias='{}'><qemu:frontend>"
                "<qemu:property name='{}' type='{}' value='{}'/></qemu:frontend></qemu:device></qemu:override>")
    card = "<interface type='user'><alias name='ua-card'/><model type='virtio'/></interface>"
    domain = qemu.define(qemu.document("override", devices=card, more=override.format("ua-card", "x-txburst", "unsigned", "64")))
    qemu.do(domain, "Start", paused=True)
    contains(open(f"/proc/{qemu.pid_of(domain)}/cmdline", encoding="utf-8").read(), '"x-txburst":64')
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")
    contains(expect("InvalidXML", qemu.define, qemu.document("override", devices=card, more=override.format("ua-other", "x", "bool", "true"))), "ua-other")
    contains(expect("InvalidXML", qemu.define, qemu.document("override", devices=card, more=override.format("ua-card", "x", "unsigned", "few"))), "few")


def devices_that_are_turned_off_are_no_hindrance():
    for devices in STARTED:
        domain = qemu.define(qemu.document("off", devices=devices))
        qemu.do(domain, "Start", paused=True)
        live = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
        qemu.do(domain, "Destroy")
        qemu.do(domain, "Undefine")
        again = qemu.define(live)  # what a running guest shows can be defined
        qemu.do(again, "Undefine")


def errors_of_a_start_name_the_device_and_no_line():
    domain = qemu.define(qemu.document("lines", devices="<interface type='network'><source network='vb-nowhere'/></interface>"))
    text = expect("NoSuchNetwork", qemu.do, domain, "Start")
    assert "line " not in text, text
    qemu.do(domain, "Undefine")
    text = expect("Unsupported", qemu.define, qemu.document("lines", devices="\n\n<sound model='gravis'/>"))
    assert text.count("line ") == 1 and "element <sound>" in text, text


def uefi_has_variables_of_its_own():
    if not os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"):
        raise Skip("no UEFI firmware (package ovmf) is installed")
    xml = qemu.document("uefi", devices="<serial type='pty'/>", uuid=UUID).replace("<os>", "<os firmware='efi'>").replace("'pc'", "'q35'")
    domain = qemu.define(xml)
    qemu.do(domain, "Start", paused=True)
    variables = f"{ROOT}/qemu/state/qemu/nvram/{UUID}.fd"
    assert os.path.exists(variables)
    qemu.do(domain, "Resume")
    qemu.do(domain, "Destroy")
    contains(expect("OperationInvalid", qemu.do, domain, "Undefine"), "nvram")
    qemu.do(domain, "Undefine", nvram=True)
    assert not os.path.exists(variables)
    qemu.do(qemu.define(xml), "Undefine")  # without a start there are none


FEATURES = "<firmware>" + "".join(f"<feature enabled='{{{i}}}' name='{name}'/>" for i, name in enumerate(("secure-boot", "enrolled-keys"))) + "</firmware>"


def uefi_is_chosen_by_what_the_document_asks_for():
    if not os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.ms.fd"):
        raise Skip("no UEFI firmware (package ovmf) is installed")
    plain, microsoft = "/usr/share/OVMF/OVMF_VARS_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
    document = qemu.document("uefi", uuid=UUID).replace("<os>", "<os firmware='efi'>").replace("'pc'", "'q35'")
    for features, template, is_secure in ((("yes", "no"), plain, True), (("yes", "yes"), microsoft, True), (("no", "no"), plain, False)):
        domain = qemu.define(document.replace("</os>", FEATURES.format(*features) + "</os>"))
        qemu.do(domain, "Start", paused=True)
        arguments = open(f"/proc/{qemu.pid_of(domain)}/cmdline", encoding="utf-8").read()
        assert ("smm=on" in arguments) == is_secure, arguments
        assert open(f"{ROOT}/qemu/state/qemu/nvram/{UUID}.fd", "rb").read() == open(template, "rb").read(), features
        qemu.do(domain, "Destroy")
        qemu.do(domain, "Undefine", nvram=True)
    text = expect("Unsupported", qemu.define, document.replace("'q35'", "'pc'").replace("</os>", FEATURES.format("yes", "no") + "</os>"))
    contains(text, "q35")
    contains(expect("InvalidXML", qemu.define, document.replace("</os>", FEATURES.format("no", "yes") + "</os>")), "enrolled-keys")


def firmware_that_libvirt_has_written_down_is_used():
    if not os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"):
        raise Skip("no UEFI firmware (package ovmf) is installed")
    variables = f"{WORK}/moved_VARS.fd"
    loader = ("<loader readonly='yes' type='pflash' format='raw'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
              f"<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd' templateFormat='raw' format='raw'>{variables}</nvram>")
    document = qemu.document("uefi", uuid=UUID).replace("<os>", "<os firmware='efi'>").replace("'pc'", "'q35'")
    domain = qemu.define(document.replace("</os>", FEATURES.format("no", "no") + loader + "</os>"))
    qemu.do(domain, "Start", paused=True)
    assert os.path.exists(variables)
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")  # the file is its author's
    assert os.path.exists(variables)
    contains(expect("InvalidXML", qemu.define, document.replace("</os>", FEATURES.format("yes", "no") + loader + "</os>")), "<loader>", "secure boot")
    contains(expect("InvalidXML", qemu.define, document.replace("</os>", "<loader>/usr/share/OVMF/OVMF_CODE_4M.fd</loader></os>")), "<loader>", "pflash")
    contains(expect("Unsupported", qemu.define, document.replace("</os>", loader.replace("templateFormat='raw'", "templateFormat='qcow2'") + "</os>")),
             "<nvram>", "format")


def consoles_can_be_files_and_sockets():
    log, path = os.path.join(WORK, "console.log"), os.path.join(WORK, "console.sock")
    devices = (f"<serial type='file'><source path='{log}'/></serial><console type='unix'><source mode='bind' path='{path}'/>"
               "<target type='virtio'/></console>")
    domain = qemu.define(guest("talkers", devices, cmdline="poweroff-now"))
    qemu.do(domain, "Start", paused=True)
    contains(expect("OperationInvalid", open_console, domain, "serial0"), log)
    fd = open_console(domain, "console1")  # the first one is the serial port's
    qemu.do(domain, "Resume")
    bus.wait_state(domain, "shutoff")
    contains(open(log, errors="replace").read(), "GUEST-UP")
    assert not os.path.exists(path)
    os.close(fd)
    cleared(domain)
    open(path, "w", encoding="utf-8").close()  # a file in the way is not deleted
    domain = qemu.define(guest("talkers", devices))
    contains(expect("HypervisorFailed", qemu.do, domain, "Start"), path)
    assert os.path.isfile(path)
    cleared(domain)


def a_card_of_several_queues_has_as_many_descriptors():
    if os.geteuid() != 0:
        raise Skip("a tap interface needs root")
    if subprocess.run(["ip", "link", "add", "vbtest1", "type", "bridge"], capture_output=True, check=False).returncode:
        raise Skip("this kernel makes no bridges here")
    try:
        devices = ("<interface type='bridge'><source bridge='vbtest1'/><mac address='52:54:00:aa:bb:cd'/><model type='virtio'/>"
                   "<driver queues='3'/></interface>")
        domain = qemu.create(guest("queues", devices), paused=True)
        taps = subprocess.run(["ip", "-j", "-d", "link", "show", "master", "vbtest1"], capture_output=True, text=True, check=True).stdout
        contains(taps, '"multi_queue":true', '"numdisabled":2')  # the guest enables the others
        qemu.do(domain, "Destroy")
        devices = devices.replace("type='bridge'", "type='mcast'").replace("bridge='vbtest1'", "address='230.0.0.1' port='5558'")
        contains(expect("InvalidXML", qemu.define, guest("queues", devices)), "multiqueue is not supported", "type mcast")
    finally:
        subprocess.run(["ip", "link", "del", "vbtest1"], check=True)


def a_bridge_gets_the_guests_card_and_loses_it():
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        raise Skip("needs root and /dev/net/tun")
    if subprocess.run(["ip", "link", "add", "vbtest0", "type", "bridge"], capture_output=True, check=False).returncode:
        raise Skip("this kernel makes no bridges here")
    try:
        devices = "<interface type='bridge'><source bridge='vbtest0'/><mac address='52:54:00:aa:bb:cc'/><model type='virtio'/></interface>"
        domain = qemu.define(guest("bridged", devices))
        qemu.do(domain, "Start", paused=True)
        name = bus.get(f"{domain}/device/net0", "Device.NetworkInterface", "HostInterface")
        contains(subprocess.run(["ip", "link", "show", name], capture_output=True, text=True, check=True).stdout, "master vbtest0", "fe:54:00:aa:bb:cc", "UP")
        qemu.do(domain, "Destroy")
        assert subprocess.run(["ip", "link", "show", name], capture_output=True, check=False).returncode != 0
        assert bus.get(f"{domain}/device/net0", "Device.NetworkInterface", "HostInterface") == ""
        cleared(domain)
        domain = qemu.define(guest("bridged", devices.replace("vbtest0", "vbnone0")))
        contains(expect("InvalidArgument", qemu.do, domain, "Start"), "vbnone0")
        cleared(domain)
        links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
        assert "vnet" not in links, links
    finally:
        subprocess.run(["ip", "link", "del", "vbtest0"], check=False)


def an_interface_of_its_own_is_there_while_the_guest_is():
    if os.geteuid() != 0:
        raise Skip("needs root: it makes a network interface")
    devices = "<interface type='ethernet'><mac address='52:54:00:00:00:78'/><target dev='vbtap0'/><model type='virtio'/></interface>"
    domain = qemu.define(guest("tapped", devices))
    qemu.do(domain, "Start", paused=True)
    contains(subprocess.run(["ip", "-o", "link", "show", "vbtap0"], capture_output=True, text=True, check=True).stdout, "fe:54:00:00:00:78")
    cleared(domain)
    assert subprocess.run(["ip", "-o", "link", "show", "vbtap0"], capture_output=True, check=False).returncode != 0


def autostart_happens_once():
    domain = qemu.define(guest("early"))
    bus.set(domain, "Domain", "Autostart", variants({"v": True})["v"])
    qemu.kill_driver()
    assert qemu.state(domain) == "shutoff"  # not at every start of the driver,
    os.unlink(f"{ROOT}/qemu/run/qemu/started")  # but at the first since the machine started, as /run says
    qemu.kill_driver()
    bus.wait_state(domain, "running")
    cleared(domain)


run([value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == "__main__"
     and value.__name__ not in ("kernel", "guest", "open_console", "boot", "pid_of", "image", "disk", "cleared")])
