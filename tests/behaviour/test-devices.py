#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices that come, go and change: one suite, run against the test driver and against real guests.

Usage (below tests/with-bus): test-devices.py test|qemu [GUEST], the folder that tests/guest/build-guest has filled.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

from gi.repository import GLib

import rig
from rig import NAME, ROOT, Bus, BusError, Hypervisor, Skip, User, contains, expect, kernel, run, variants

bus = Bus()
hypervisor = Hypervisor(bus, sys.argv[1])
REAL = hypervisor.name == "qemu"
WORK = os.path.join(ROOT, "images")
os.makedirs(WORK, exist_ok=True)
os.chmod(WORK, 0o755)
state = {}
KERNEL = kernel(sys.argv[2]) if REAL else ""


def image(name, megabytes=8, form="raw"):
    path = os.path.join(WORK, name)
    subprocess.run(["qemu-img", "create", "-q", "-f", form, path, f"{megabytes}M"], check=True)
    return path


def disk(target, path, more="", bus_name="virtio", form="raw"):
    return f"<disk type='file'><driver type='{form}'/><source file='{path}'/><target dev='{target}' bus='{bus_name}'/>{more}</disk>"


def attach(xml, domain=None, **options):
    return bus.call(domain or state["domain"], f"{NAME}.Domain", "AttachDevice", "sa{sv}", xml, variants(options))


def detach(path, **options):
    """A guest on an emulated processor may take its time."""
    bus.call(path, f"{NAME}.Device", "Detach", "a{sv}", variants({"timeout": GLib.Variant("t", 50 * 10**6), **options}))


def update(path, xml, **options):
    bus.call(path, f"{NAME}.Device", "Update", "sa{sv}", xml, variants(options))


def xml_of(path):
    return bus.call(path, f"{NAME}.Device", "GetXML")


def devices(domain=None):
    return {p.rsplit("/", 1)[1] for p in bus.objects(domain or state["domain"]) if "/device/" in p}


def document(domain=None, **options):
    return ET.fromstring(bus.call(domain or state["domain"], f"{NAME}.Domain", "GetXML", "a{sv}", variants(options)))


def in_guest(command):
    return hypervisor.in_guest(state["domain"], command)


def wait_in_guest(command):
    """Waits in the guest, for what its kernel does on its own; the shell there is what polls."""
    assert in_guest(f"n=0; until {command}; do n=$((n+1)); [ $n -lt 1000 ] || exit 1; usleep 50000; done; echo yes").strip() == "yes", command


def wait_agent():
    hypervisor.wait_agent(state["domain"])


def open_files():
    """What QEMU has open below our folder."""
    return sorted({link for link in rig.open_files(hypervisor.pid_of(state["domain"])) if link.startswith(WORK)})


def a_guest_runs():
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    cdrom = "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>"
    domain = state["domain"] = hypervisor.define(hypervisor.document(
        "changing", memory=256, kernel=KERNEL, devices=f"<serial type='pty'/>{channel}{cdrom}<controller type='scsi' index='0' model='virtio-scsi'/>"))
    hypervisor.do(domain, "Start")
    wait_agent()


def a_disk_comes_and_goes_in_a_running_guest():
    path = image("one.img")
    before = devices()
    bus.settle()
    bus.signals.clear()
    device = attach(disk("vdb", path, "<serial>ONE</serial>"))
    assert devices() - before == {"virtio_2ddisk1"} and device.endswith("/virtio_2ddisk1")
    bus.settle()
    assert (state["domain"], device) in [(p, a[0]) for p, _, m, a in bus.signals if m == "InterfacesAdded"]
    assert bus.get(device, "Device.Disk", "Source") == path
    contains(xml_of(device), 'alias name="virtio-disk1"')
    # The definition has not changed, the running guest's document has.
    assert document(inactive=True).find("devices/disk/target[@dev='vdb']") is None
    assert document().find("devices/disk/target[@dev='vdb']") is not None
    if REAL:
        assert xml_of(device).count("<address") == 1
        wait_in_guest("[ -e /dev/vda ]")
        assert in_guest("cat /sys/block/vda/serial") == "ONE"
        in_guest("echo hello > /dev/vda; sync")
        assert open(path, "rb").read(5) == b"hello"
        assert open_files() == [path], open_files()
    contains(expect("InvalidXML", attach, disk("vdb", path)), "vdb")
    detach(device)
    assert devices() == before and document().find("devices/disk/target[@dev='vdb']") is None
    if REAL:
        wait_in_guest("[ ! -e /dev/vda ]")
        assert open_files() == []
    # The same again: nothing was left behind.
    device = attach(disk("vdb", image("two.qcow2", form="qcow2"), form="qcow2"))
    detach(device)
    if REAL:
        assert open_files() == []


def the_definition_changes_alone_or_with_the_guest():
    path = image("both.img")
    before = devices()
    device = attach(disk("vdc", path), config=True)
    assert devices() == before and document(inactive=True).find("devices/disk/target[@dev='vdc']") is not None
    contains(expect("InvalidXML", attach, disk("vdc", path), config=True), "vdc")
    live = attach(disk("vdc", path), live=True)
    assert live == device and devices() - before == {live.rsplit("/", 1)[1]}
    detach(live, live=True, config=True)
    assert devices() == before and document(inactive=True).find("devices/disk/target[@dev='vdc']") is None
    card = attach("<interface type='user'><model type='virtio'/></interface>", live=True, config=True)
    mac = bus.get(card, "Device.NetworkInterface", "MAC")
    assert document(inactive=True).find(f"devices/interface/mac[@address='{mac}']") is not None
    # It outlives the driver.
    hypervisor.kill_driver()
    bus.wait(lambda: card in bus.objects(state["domain"]), "the card")
    assert bus.get(card, "Device.NetworkInterface", "MAC") == mac
    if REAL:
        wait_agent()
        wait_in_guest(f"grep -q {mac} /sys/class/net/*/address")
    detach(card, config=True, live=True)
    assert document(inactive=True).find("devices/interface") is None and document().find("devices/interface") is None


def a_domain_that_is_off_changes_its_definition():
    domain = hypervisor.define(hypervisor.document("off"))
    before = devices(domain)
    device = attach("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>", domain)
    assert devices(domain) - before == {"rng0"} and device == f"{domain}/device/rng0"
    contains(expect("OperationInvalid", attach, "<rng model='virtio'/>", domain, live=True), "shutoff", "live")
    update(device, "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>")
    contains(xml_of(device), "/dev/random")
    hypervisor.kill_driver()
    assert devices(domain) - before == {"rng0"}
    detach(device)
    assert devices(domain) == before
    hypervisor.do(domain, "Undefine")
    transient = hypervisor.create(hypervisor.document("passing"), paused=True)
    contains(expect("OperationInvalid", attach, "<rng model='virtio'/>", transient, config=True), "transient", "config")
    hypervisor.do(transient, "Destroy")


def media_are_changed_and_ejected():
    drive = f"{state['domain']}/device/ide0_2d1_2d0"
    first, second = image("first.iso", 1), image("second.iso", 1)
    for path in (first, second):
        with open(path, "r+b") as file:
            file.write(os.path.basename(path).encode())

    def change(path, form="", **options):
        bus.call(drive, f"{NAME}.Device.Disk", "ChangeMedia", "ssa{sv}", path, form, variants(options))
    for path in (first, second, first):
        change(path)
        assert bus.get(drive, "Device.Disk", "Source") == path
        if REAL:
            wait_in_guest(f"[ \"$(dd if=/dev/sr0 bs={len(os.path.basename(path))} count=1 2>/dev/null)\" = {os.path.basename(path)} ]")
            assert open_files() == [path], open_files()
    if REAL:
        contains(expect("InvalidArgument", change, f"{WORK}/missing.iso"), "missing.iso")
        assert bus.get(drive, "Device.Disk", "Source") == first and open_files() == [first]
    contains(expect("InvalidArgument", change, "relative.iso"), "relative.iso")
    change("")
    assert bus.get(drive, "Device.Disk", "Source") == ""
    assert not REAL or open_files() == []
    change(second, config=True)
    assert bus.get(drive, "Device.Disk", "Source") == "" and document(inactive=True).find(f"devices/disk/source[@file='{second}']") is not None
    disk_path = attach(disk("vdd", image("fixed.img")))
    contains(expect("OperationInvalid", bus.call, disk_path, f"{NAME}.Device.Disk", "ChangeMedia", "ssa{sv}", first, "", {}), "detach")
    detach(disk_path)


def limits_sizes_and_links_are_set():
    path = image("limited.img")
    device = attach(disk("sda", path, bus_name="scsi"))

    def limit(limits, **options):
        bus.call(device, f"{NAME}.Device.Disk", "SetIOLimits", "a{st}a{sv}", limits, variants(options))

    limit({"total_iops_sec": 500, "read_bytes_sec": 1 << 20})
    contains(xml_of(device), "<total_iops_sec>500</total_iops_sec>", "<read_bytes_sec>1048576</read_bytes_sec>")
    limit({"write_bytes_sec": 4096})
    assert "total_iops_sec" not in xml_of(device)
    limit({})
    assert "iotune" not in xml_of(device)
    for name in ("Speed<", "warp", "total_bytes_sec_min", ""):
        for value in (9, 0):
            contains(expect("InvalidArgument", limit, {name: value}), f"'{name}' is not a limit")
    if REAL:
        contains(expect("InvalidXML", limit, {"total_bytes_sec": 1, "read_bytes_sec": 1}), "excludes")
        assert "iotune" not in xml_of(device)

    for target, bus_name in (("vdq", "virtio"), ("sdq", "usb")):
        other = attach(disk(target, image(f"{bus_name}.img"), "<iotune><total_iops_sec>9</total_iops_sec></iotune>", bus_name))
        bus.call(other, f"{NAME}.Device.Disk", "SetIOLimits", "a{st}a{sv}", {"total_bytes_sec": 4096}, {})
        assert "total_iops_sec" not in xml_of(other)
        detach(other)

    def resize(size, **options):
        bus.call(device, f"{NAME}.Device.Disk", "Resize", "ta{sv}", size, variants(options))
    resize(16 << 20)
    assert not REAL or os.path.getsize(path) == 16 << 20
    contains(expect("InvalidArgument", resize, 1000), "1000", "512")
    contains(expect("InvalidArgument", resize, 1024, grow=True), "grow")
    if REAL:
        contains(expect("InvalidArgument", resize, 8 << 20), "less than", "shrink")
        resize(1 << 20, add=True)
        assert os.path.getsize(path) == 17 << 20
        contains(expect("InvalidArgument", resize, (1 << 63) - 512, add=True), "too many")
        resize(16 << 20, shrink=True)
    if REAL:
        wait_in_guest("[ \"$(cat /sys/block/sda/size)\" = 32768 ]")
        assert bus.call(device, f"{NAME}.Device.Disk", "GetInfo", "a{sv}", {}) == (16 << 20, os.stat(path).st_blocks * 512, 16 << 20)
    contains(expect("InvalidArgument", bus.call, device, f"{NAME}.Device.Disk", "GetInfo", "a{sv}", variants({"exact": True})), "exact")
    contains(expect("Unsupported" if REAL else "InvalidArgument", update, device, disk("sda", path, "<serial>x</serial>", "scsi") if REAL else "<interface type='user'/>"),
             "serial" if REAL else "kind")
    detach(device)

    card = attach("<interface type='user'><mac address='52:54:00:aa:bb:cc'/><model type='virtio'/></interface>")
    address = "$(dirname $(grep -l 52:54:00:aa:bb:cc /sys/class/net/*/address))"
    if not REAL:  # tests/behaviour/test-host.py has interfaces whose bandwidth can be limited
        def limit(limits, **options):
            bus.call(card, f"{NAME}.Device.NetworkInterface", "SetBandwidth", "a{st}a{sv}", limits, variants(options))
        limit({"inbound_average": 1500, "inbound_burst": 1025, "outbound_average": 1000})
        contains(xml_of(card), '<inbound average="2" burst="2"/>', '<outbound average="1"/>')
        for limits, part in (({"inbound_burst": 5}, "inbound_average"), ({"speed": 5}, "speed"), ({"outbound_average": 9, "outbound_peak": 5, "inbound_peak": 1}, "inbound_average")):
            contains(expect("InvalidArgument", limit, limits), part)
        limit({})
        assert "bandwidth" not in xml_of(card)
    for up in (False, True):
        bus.call(card, f"{NAME}.Device.NetworkInterface", "SetLink", "ba{sv}", up, {})
        contains(xml_of(card), f"<link state=\"{'up' if up else 'down'}\"")
        if REAL:
            wait_in_guest("grep -q 52:54:00:aa:bb:cc /sys/class/net/*/address")
            in_guest(f"ip link set $(basename {address}) up")
            wait_in_guest(f"[ \"$(cat {address}/carrier)\" = {int(up)} ]")
    detach(card)


def other_kinds_can_be_plugged():
    before = devices()
    kinds = [("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>", "rng0"),
             ("<channel type='unix'><target type='virtio' name='org.example.test'/></channel>", "channel1"),
             ("<input type='tablet' bus='virtio'/>", None), ("<controller type='scsi' index='3' model='virtio-scsi'/>", "scsi3"),
             ("<watchdog model='i6300esb' action='none'/>", "watchdog0"),
             ("<interface type='user'><model type='e1000'/></interface>", "net0"),
             ("<disk type='file'><source file='%s'/><target dev='sdx' bus='usb'/></disk>" % image("stick.img"), None)]
    for xml, alias in kinds:
        device = attach(xml)
        assert alias is None or device.endswith(f"/{alias}"), device
        assert bus.get(device, "Device", "Kind") == ET.fromstring(xml).tag
        detach(device)
        assert devices() == before, (xml, devices() ^ before)
    # A channel's socket is there, and goes with it.
    device = attach("<channel type='unix'><target type='virtio' name='org.example.test'/></channel>")
    if REAL:
        socket = ET.fromstring(xml_of(device)).find("source").get("path")
        assert os.path.exists(socket)
        detach(device)
        assert not os.path.exists(socket)
    else:
        detach(device)


def memory_modules_are_plugged():
    if not REAL:
        return
    first, agent = state["domain"], "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    state["domain"] = hypervisor.define(hypervisor.document("growing", memory=256, kernel=KERNEL, devices=f"<serial type='pty'/>{agent}", more=(
        "<maxMemory slots='4' unit='MiB'>1024</maxMemory><cpu><numa><cell id='0' cpus='0' memory='256' unit='MiB'/></numa></cpu>")))
    hypervisor.do(state["domain"], "Start")
    wait_agent()
    blocks = "ls -d /sys/devices/system/memory/memory[0-9]* | wc -l"
    before = in_guest(blocks).strip()
    module = attach("<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>")
    assert module.endswith("/dimm0")
    wait_in_guest(f"[ \"$({blocks})\" -gt {before} ]")
    detach(module)
    wait_in_guest(f"[ \"$({blocks})\" = {before} ]")
    element = "<memory model='virtio-mem'><target><size unit='MiB'>256</size><node>0</node><block unit='MiB'>2</block><requested unit='MiB'>{}</requested></target></memory>"
    module = attach(element.format(64))
    update(module, element.format(128))
    contains(xml_of(module), '<requested unit="KiB">131072</requested>')
    contains(expect("HypervisorFailed", update, module, element.format(512)), "requested-size")
    contains(xml_of(module), '<requested unit="KiB">131072</requested>')
    hypervisor.do(state["domain"], "Destroy")
    hypervisor.do(state["domain"], "Undefine")
    state["domain"] = first


def a_cards_addresses_are_told():
    card = attach("<interface type='user'><mac address='52:54:00:aa:bb:dd'/><model type='virtio'/></interface>")

    def addresses(source, path=card):
        return bus.call(path, f"{NAME}.Device.NetworkInterface", "GetAddresses", "sa{sv}", source, {})
    if REAL:
        wait_in_guest("grep -q 52:54:00:aa:bb:dd /sys/class/net/*/address")
        in_guest("n=$(basename $(dirname $(grep -l 52:54:00:aa:bb:dd /sys/class/net/*/address))); ip link set $n up; ip addr add 192.0.2.7/24 dev $n; ip addr add 2001:db8::7/64 dev $n")
        assert {("192.0.2.7", 24), ("2001:db8::7", 64)} <= set(addresses("agent")), addresses("agent")
        assert addresses("arp") == []
        if os.geteuid() == 0:  # what the kernel would have learned from a guest that talks
            subprocess.run(["ip", "tuntap", "add", "dev", "t0", "mode", "tap"], check=True)
            subprocess.run(["ip", "link", "set", "t0", "up"], check=True)
            subprocess.run(["ip", "neigh", "add", "192.0.2.9", "lladdr", "52:54:00:aa:bb:dd", "dev", "t0"], check=True)
            assert addresses("arp") == [("192.0.2.9", 0)], addresses("arp")
            subprocess.run(["ip", "link", "del", "t0"], check=True)
    else:
        assert addresses("agent") == [] and addresses("arp") == [("192.0.2.1", 0)] and addresses("lease") == []
    contains(expect("InvalidArgument", addresses, "oracle"), "oracle", "agent")
    detach(card)
    off = hypervisor.define(hypervisor.document("dark", devices="<interface type='user'/>"))
    contains(expect("OperationInvalid", addresses, "arp", f"{off}/device/net0"), "shutoff")
    hypervisor.do(off, "Start", paused=True)
    contains(expect("AgentUnavailable", addresses, "agent", f"{off}/device/net0"), "channel", "arp")
    hypervisor.do(off, "Destroy")
    hypervisor.do(off, "Undefine")


def leases_of_the_hosts_dhcp_servers_are_told():
    if not REAL or os.geteuid() != 0:
        return
    folders = ["/var/lib/misc", "/var/lib/libvirt/dnsmasq"]
    for folder in folders:  # in the mount namespace that tests/with-bus has made
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    subprocess.run("ip link add br8 type bridge; ip addr add 192.0.2.1/24 dev br8; ip link set br8 up", shell=True, check=True)
    server = subprocess.Popen(["dnsmasq", "--keep-in-foreground", "--port=0", "--interface=br8", "--bind-interfaces", "--conf-file=/dev/null", "--user=root", "--log-facility=-",
                               "--dhcp-range=192.0.2.40,192.0.2.40,1h", "--dhcp-authoritative", f"--dhcp-leasefile={folders[0]}/dnsmasq.leases"],
                              stderr=subprocess.PIPE, text=True)
    while "DHCP, IP range" not in server.stderr.readline():
        pass
    card = attach("<interface type='bridge'><mac address='52:54:00:aa:bb:ee'/><source bridge='br8'/><model type='virtio'/></interface>")

    def addresses():
        return bus.call(card, f"{NAME}.Device.NetworkInterface", "GetAddresses", "sa{sv}", "lease", {})
    assert addresses() == []
    wait_in_guest("grep -q 52:54:00:aa:bb:ee /sys/class/net/*/address")
    in_guest("n=$(basename $(dirname $(grep -l 52:54:00:aa:bb:ee /sys/class/net/*/address))); ip link set $n up; udhcpc -i $n -n -q -t 60 -T 1 -s /etc/udhcpc.sh")
    assert addresses() == [("192.0.2.40", 0)], addresses()
    # libvirt's dnsmasq reports to a program of libvirt's, which writes such a file: it is written by hand here.
    server.terminate()
    server.wait()
    os.unlink(f"{folders[0]}/dnsmasq.leases")
    now = int(time.time())
    leases = [{"ip-address": "192.0.2.41", "mac-address": "52:54:00:AA:BB:EE", "expiry-time": now + 3600}, {"ip-address": "192.0.2.42", "mac-address": "52:54:00:aa:bb:ee", "expiry-time": now - 60},
              {"ip-address": "192.0.2.43", "mac-address": "52:54:00:00:00:00", "expiry-time": now + 3600}, {"ip-address": "nowhere", "mac-address": "52:54:00:aa:bb:ee"}, 7, {}]
    for text, wanted in ((json.dumps(leases), [("192.0.2.41", 0)]), ("[{", []), ("[" * 5000, []), ("", []), (" " * (2 << 20), [])):
        with open(f"{folders[1]}/br8.status", "w", encoding="utf-8") as file:
            file.write(text)
        assert addresses() == wanted, (text[:100], addresses())
    detach(card)
    subprocess.run(["ip", "link", "del", "br8"], check=True)
    for folder in folders:
        subprocess.run(["umount", "-l", folder], check=True)


def what_cannot_be_plugged_changes_nothing():
    before, text = devices(), document()
    faults = [("<disk", "InvalidXML", "disk")]
    if not REAL:
        faults += [("<interface/>", "InvalidXML", "type")]
    else:
        faults += [("<domain type='qemu'/>", "Unsupported", "domain"), ("<disk type='file'><source file='/no/such'/><target dev='vdz' bus='virtio'/></disk>", "InvalidArgument", "/no/such"),
                   ("<graphics type='vnc'/>", "Unsupported", "config"), ("<frobnicator/>", "Unsupported", "frobnicator"),
                   ("<memory model='dimm'><target><size unit='MiB'>64</size></target></memory>", "InvalidXML", "maxMemory"),
                   (disk("vdy", image("bad.img"), form="qcow2"), "InvalidArgument", "qcow2"),
                   ("<video><model type='vga'/></video>", "HypervisorFailed", "pluggable"), ("<interface type='bridge'><source bridge='no-such-br'/></interface>", "InvalidArgument", "no-such-br" if os.geteuid() == 0 else "tap")]
    for xml, name, part in faults:
        contains(expect(name, attach, xml), part)
    contains(expect("InvalidArgument", attach, "<rng/>", None, sideways=True), "sideways")
    assert devices() == before and ET.tostring(document()) == ET.tostring(text)
    assert not REAL or open_files() == []
    hub = f"{state['domain']}/device/serial0"
    contains(expect("HypervisorFailed" if REAL else "InvalidArgument", detach, hub, **({} if REAL else {"timeout": GLib.Variant("t", 10**12)})), "")
    assert devices() == before


def a_driver_that_was_killed_half_way_leaves_nothing():
    if not REAL:
        return
    first, second = attach(disk("vdg", image("half.img"))), attach(disk("vdh", image("away.img")))
    identifier = bus.get(state["domain"], "Domain", "UUID")
    path = f"{ROOT}/qemu/run/qemu/domains/{identifier}.xml"
    pid = bus.driver("QEMU")
    os.kill(pid, signal.SIGSTOP)
    # As it would be if the driver had ended before it wrote that the first device is there; and with a device that has left since.
    status = ET.parse(path)
    parent = status.getroot().find("domain/devices")
    half = parent.find("disk/target[@dev='vdg']/..")
    parent.remove(half)
    status.getroot().find("run").set("attaching", "virtio-disk6")
    gone = ET.fromstring(ET.tostring(half).replace(b"vdg", b"vdi").replace(b"virtio-disk6", b"virtio-disk8"))
    gone.find("address").set("slot", "0x1e")
    parent.append(gone)
    status.write(path)
    hypervisor.kill_driver()
    wait_agent()
    wait_in_guest("[ \"$(ls -d /sys/block/vd* | wc -l)\" = 1 ]")
    bus.wait(lambda: not {p for p in bus.objects(state["domain"]) if p.endswith(("disk6", "disk8"))}, "the end of the devices")
    bus.wait(lambda: open_files() == [f"{WORK}/away.img"], "the end of a device that never was")
    assert second in bus.objects(state["domain"])
    assert attach(disk("vdg", image("half.img"))) == first
    detach(first)
    detach(second)
    assert open_files() == []


def a_driver_that_was_killed_while_a_medium_changed_leaves_one():
    if not REAL:
        return
    drive = f"{state['domain']}/device/ide0_2d1_2d0"
    paths = [image("even.iso", 1), image("odd.iso", 1)]
    bus.call(drive, f"{NAME}.Device.Disk", "ChangeMedia", "ssa{sv}", paths[0], "", {})
    seen = set()
    for number in range(30):
        if number >= 12 and seen == {True, False}:
            break
        before = bus.get(drive, "Device.Disk", "Source")

        def begin(number=number, before=before):
            """The driver's death comes somewhere between the first command and the end, which takes some milliseconds; more where the machine is busy."""
            bus.begin(drive, f"{NAME}.Device.Disk", "ChangeMedia", "ssa{sv}", paths[paths.index(before) ^ 1], "", {})
            bus.connection.flush_sync(None)
            time.sleep(number / 1000 * 1.5 ** max(0, number - 12))
        hypervisor.kill_driver(before=begin)
        wait_agent()
        bus.wait(lambda: open_files() == [bus.get(drive, "Device.Disk", "Source")], "what was half changed to be taken back")
        now = bus.get(drive, "Device.Disk", "Source")
        seen.add(now == before)
        wait_in_guest("dd if=/dev/sr0 of=/dev/null bs=2048 count=1 2>/dev/null")
    assert seen == {True, False}, seen
    bus.call(drive, f"{NAME}.Device.Disk", "ChangeMedia", "ssa{sv}", "", "", {})
    assert open_files() == []


def a_guest_that_does_not_let_go_is_told():
    device = attach(disk("vde", image("held.img")))
    if REAL:
        hypervisor.do(state["domain"], "Suspend")
    else:
        bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "detach", 10**9)
    message = expect("Timeout", detach, device, timeout=GLib.Variant("t", 300000))
    contains(message, "did not release", "virtio-disk4")
    assert device in bus.objects(state["domain"])
    if REAL:  # it does when it can, and the device goes then
        bus.settle()
        bus.signals.clear()
        hypervisor.do(state["domain"], "Resume")
        bus.wait(lambda: device not in bus.objects(state["domain"]), "the end of the device")
        assert open_files() == []
    else:
        bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "detach", 0)
        bus.call(hypervisor.path, f"{NAME}.Test", "FailNext", "sss", "detach", "HypervisorFailed", "it is glued")
        contains(expect("HypervisorFailed", detach, device), "glued")
        detach(device)


def a_domain_is_renamed_and_described():
    domain = hypervisor.define(hypervisor.document("before", more="<title>Old</title>"))
    other = hypervisor.define(hypervisor.document("taken"))

    def call(member, signature, *arguments, **options):
        return bus.call(domain, f"{NAME}.Domain", member, signature + "a{sv}", *arguments, variants(options))
    call("SetTitle", "s", "New & <shiny>")
    call("SetDescription", "s", "Two\nlines")
    assert (bus.get(domain, "Domain", "Title"), bus.get(domain, "Domain", "Description")) == ("New & <shiny>", "Two\nlines")
    for member, text in (("SetDescription", "of house"), ("SetTitle", "Front")):
        bus.call(other, f"{NAME}.Domain", member, "sa{sv}", text, {})
    xml = "".join(line.strip() for line in bus.call(other, f"{NAME}.Domain", "GetXML", "a{sv}", {}).splitlines())
    contains(xml, "</uuid><title>Front</title><description>of house</description>")
    for member, text in (("SetTitle", "two\nlines"), ("SetTitle", "x" * 1025), ("SetDescription", "\x01")):
        expect("InvalidArgument", call, member, "s", text)
    assert bus.get(domain, "Domain", "Title") == "New & <shiny>"
    call("SetMetadata", "sss", "http://example.org/a", "a", "<owner>me</owner>")
    call("SetMetadata", "sss", "http://example.org/b", "", "<b:x xmlns:b='http://example.org/b'><b:y/></b:x>")
    call("SetMetadata", "sss", "http://example.org/a", "a", "<owner>you</owner>")
    contains(call("GetMetadata", "s", "http://example.org/a"), "you", "http://example.org/a")
    contains(call("GetMetadata", "s", "http://example.org/b"), "<b:y/>")
    expect("InvalidArgument", call, "SetMetadata", "sss", "http://example.org/c", "c", "<x xmlns='http://example.org/d'/>")
    expect("InvalidArgument", call, "SetMetadata", "sss", "", "c", "<x/>")
    expect("InvalidXML", call, "SetMetadata", "sss", "http://example.org/c", "c", "<x>")
    call("SetMetadata", "sss", "http://example.org/b", "", "")
    assert call("GetMetadata", "s", "http://example.org/b") == ""
    # The most that it can be given.
    expect("InvalidArgument", call, "SetMemory", "t", 128 << 20)
    call("SetMaxMemory", "t", 128 << 20)
    call("SetMaxVCPUs", "u", 3)
    assert [bus.get(domain, "Domain", name) for name in ("Memory", "MaxMemory", "VCPUs", "MaxVCPUs")] == [64 << 20, 128 << 20, 1, 3]
    call("SetMemory", "t", 128 << 20)
    call("SetMaxMemory", "t", 32 << 20)
    assert [bus.get(domain, "Domain", name) for name in ("Memory", "MaxMemory")] == [32 << 20, 32 << 20]
    expect("Unsupported", call, "SetMaxVCPUs", "u", 2, live=True)
    expect("InvalidArgument", call, "SetMaxVCPUs", "u", 0)
    # Its name.
    contains(expect("AlreadyExists", call, "Rename", "s", "taken"), "choose another")
    contains(expect("InvalidArgument", call, "Rename", "s", "a/b"), "cannot be a name")
    call("Rename", "s", "after")
    assert bus.get(domain, "Domain", "Name") == "after"
    assert bus.call(hypervisor.path, f"{NAME}.Connection", "GetDomainByName", "s", "after") == domain
    expect("NoSuchDomain", bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByName", "s", "before")
    hypervisor.do(hypervisor.define(hypervisor.document("before")), "Undefine")  # the name is free
    contains(call("GetXML", ""), "<name>after</name>", "Two\nlines", "you")
    # While it runs: live, or what it will be.
    hypervisor.do(domain, "Start", paused=True)
    expect("OperationInvalid", call, "Rename", "s", "later")
    call("SetTitle", "s", "Now")
    call("SetTitle", "s", "Then", config=True)
    assert bus.get(domain, "Domain", "Title") == "Now"
    hypervisor.do(domain, "Destroy")
    bus.wait(lambda: bus.get(domain, "Domain", "Title") == "Then", "the definition's title")
    call("SetTitle", "s", "")
    assert bus.get(domain, "Domain", "Title") == "" and "<title" not in call("GetXML", "")
    for path in (domain, other):
        hypervisor.do(path, "Undefine")


def changes_that_wait_add_up():
    results = [bus.begin(state["domain"], f"{NAME}.Domain", "AttachDevice", "sa{sv}",
                         "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>", {}) for _ in range(3)]
    bus.wait(lambda: all(results), "the answers")
    paths = [f"{state['domain']}/device/rng{i}" for i in range(3)]
    assert set(paths) <= set(bus.objects(state["domain"])), bus.objects(state["domain"]).keys()
    for path in paths:
        detach(path)


def a_start_waits_until_images_have_their_new_sizes():
    if not REAL:
        raise Skip("images are QEMU's")
    path = image("growing.img")
    domain = hypervisor.define(hypervisor.document("growing", devices=disk("vda", path, bus_name="virtio")))
    device = f"{domain}/device/virtio_2ddisk0"
    size = os.path.getsize(path)
    for _ in range(3):
        driver = bus.driver("QEMU")
        os.kill(driver, signal.SIGSTOP)  # all three are there when it goes on
        resized = [bus.begin(device, f"{NAME}.Device.Disk", "Resize", "ta{sv}", 1 << 20, variants({"add": True})) for _ in range(2)]
        started = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", variants({"paused": True}))
        bus.settle()
        os.kill(driver, signal.SIGCONT)
        bus.wait(lambda: started and all(resized), "what was asked for")
        assert not any(isinstance(answers[0], BusError) for answers in (started, resized[0])), (started, resized)
        assert resized[1][0].name.endswith("ResourceBusy"), resized  # else it would add to what the first has begun with
        size += 1 << 20
        assert os.path.getsize(path) == size
        hypervisor.do(domain, "Destroy")
    # A domain that is undefined meanwhile is gone when that is done, and a failure lets go of it too.
    expect("InvalidArgument", bus.call, device, f"{NAME}.Device.Disk", "Resize", "ta{sv}", 1000, {})
    hypervisor.do(domain, "Start", paused=True)
    hypervisor.do(domain, "Destroy")
    resized = bus.begin(device, f"{NAME}.Device.Disk", "Resize", "ta{sv}", 1 << 20, variants({"add": True}))
    hypervisor.do(domain, "Undefine")
    bus.wait(lambda: resized, "the size")
    assert domain not in bus.objects(hypervisor.path)


def how_large_an_image_is_can_be_asked():
    if not REAL:
        domain = hypervisor.define(hypervisor.document("sized", devices=disk("vda", "/x")))
        assert bus.call(f"{domain}/device/virtio_2ddisk0", f"{NAME}.Device.Disk", "GetInfo", "a{sv}", {}) == (1 << 30, 0, 1 << 30)
        hypervisor.do(domain, "Undefine")
        return
    raw, base, over, other = image("sized.img"), image("sized.qcow2", 32, "qcow2"), os.path.join(WORK, "over.qcow2"), image("sized.vmdk", 4, "vmdk")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", over, "64M"], check=True)
    with open(raw, "r+b") as file:
        file.write(bytes([1]) * 65536)
    cdrom = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"
    network = "<disk type='network'><driver type='raw'/><source protocol='nbd' name='x'><host name='localhost'/></source><target dev='vda'/></disk>"
    domain = hypervisor.define(hypervisor.document("sized", devices=disk("vda", raw) + disk("vdb", over, form="qcow2") + cdrom))

    def info(name, **options):
        return bus.call(f"{domain}/device/{name}", f"{NAME}.Device.Disk", "GetInfo", "a{sv}", variants(options))

    def sizes(path, capacity):
        return capacity, os.stat(path).st_blocks * 512, os.path.getsize(path)
    assert 65536 <= info("virtio_2ddisk0")[1] < 8 << 20
    for started in (False, True):
        if started:
            hypervisor.do(domain, "Start", paused=True)
        assert info("virtio_2ddisk0") == sizes(raw, 8 << 20) and info("virtio_2ddisk1")[:2] == sizes(over, 64 << 20)[:2], (info("virtio_2ddisk0"), info("virtio_2ddisk1"))
        assert abs(info("virtio_2ddisk1")[2] - os.path.getsize(over)) < 512  # QEMU counts whole sectors
        contains(expect("OperationInvalid", info, "sata0_2d0_2d0"), "no image")
    hypervisor.do(domain, "Destroy")
    os.unlink(base)  # which is not looked at
    assert info("virtio_2ddisk1") == sizes(over, 64 << 20)
    os.unlink(raw)
    expect("InvalidArgument", info, "virtio_2ddisk0")
    os.mkfifo(raw)
    contains(expect("InvalidArgument", info, "virtio_2ddisk0"), "neither a file nor a block device")
    shutil.copy(other, over)
    contains(expect("InvalidArgument", info, "virtio_2ddisk1"), "not of format qcow2")
    hypervisor.do(domain, "Undefine")
    domain = hypervisor.define(hypervisor.document("sized", devices=network))
    contains(expect("Unsupported", info, "virtio_2ddisk0"), "while the domain runs")
    hypervisor.do(domain, "Undefine")


def who_may_not_change_devices_is_refused():
    if os.geteuid() != 0:
        return
    alice = User("vb-alice")
    device = f"{state['domain']}/device/serial0"
    for path, interface, member, signature, arguments, action in (
            (state["domain"], "Domain", "AttachDevice", "sa{sv}", ("'<rng/>'", "@a{sv} {}"), "domain.define"),
            (device, "Device", "Detach", "a{sv}", ("@a{sv} {}",), "domain.define"),
            (device, "Device", "Update", "sa{sv}", ("'<rng/>'", "@a{sv} {}"), "domain.define")):
        contains(expect("InteractiveAuthorizationRequired", alice.call, path, f"{NAME}.{interface}", member, signature, *arguments), f"org.virtbus1.{action}")
    alice.leave()


def a_disk_without_space_stops_the_guest_and_is_told():
    if not REAL or os.geteuid() != 0:
        return
    small = os.path.join(WORK, "small")
    os.makedirs(small)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "none", small], check=False, capture_output=True).returncode != 0:
        return
    path = os.path.join(small, "disk.img")
    with open(path, "wb") as file:
        file.truncate(16 << 20)
    os.chmod(path, 0o666)
    device = attach(disk("vdj", path))
    assert bus.get(device, "Device.Disk", "Error") == ""
    wait_in_guest("[ -b /dev/vda ]")
    bus.settle()
    bus.signals.clear()
    # It stops when it writes, which may be before its agent has answered.
    bus.begin(f"{state['domain']}/guest", f"{NAME}.Domain.Guest", "Exec", "sasasayb", "/bin/dd",
              ["if=/dev/zero", "of=/dev/vda", "bs=1M", "count=8", "conv=fsync"], [], b"", False)
    bus.wait_state(state["domain"], "paused")
    assert bus.get(state["domain"], "Domain", "StateReason") == "io-error" and bus.get(device, "Device.Disk", "Error") == "no-space"
    subprocess.run(["mount", "-o", "remount,size=32M", small], check=True)
    hypervisor.do(state["domain"], "Resume")
    wait_in_guest("! grep -q bs=[1]M /proc/[0-9]*/cmdline 2>/dev/null")  # the writer is done
    assert bus.get(device, "Device.Disk", "Error") == "" and bus.get(state["domain"], "Domain", "State") == "running"
    detach(device)
    subprocess.run(["umount", "-l", small], check=True)


def the_guest_ends_and_leaves_nothing():
    attach(disk("vdf", image("last.img")))
    hypervisor.do(state["domain"], "Destroy")
    assert document().find("devices/disk/target[@dev='vdf']") is None
    hypervisor.do(state["domain"], "Start")
    hypervisor.do(state["domain"], "Destroy")


run([value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == "__main__"
     and value.__name__ not in ("image", "disk", "attach", "detach", "update", "xml_of", "devices", "document", "in_guest", "wait_in_guest", "wait_agent", "open_files")])
