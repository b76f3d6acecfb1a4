#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What guests get of their host: interfaces, devices, control groups, memory, and how they give it back.

Usage (below tests/on-host tests/with-bus): test-host.py GUEST, the folder that tests/guest/build-guest has filled. Guests are started,
mostly not run: their processors would be emulated by an emulated one.
"""

import glob
import json
import os
import re
import signal
import subprocess
import sys

from gi.repository import GLib
from rig import BOOT_DEADLINE, NAME, ROOT, Bus, BusError, Hypervisor, User, contains, end_process, expect, kernel, open_files, run, variants

bus = Bus()
hypervisor = Hypervisor(bus, "qemu")
CARD = os.path.basename(os.path.dirname(os.path.dirname(glob.glob("/sys/bus/pci/drivers/e1000e/*/net/*")[0])))
state = {}
CLAIMS = os.path.join(ROOT, "qemu/run/qemu/claims")


def shell(command):
    return subprocess.run(command, shell=True, check=True, capture_output=True, encoding="utf-8").stdout.strip()


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def driver_of(device):
    link = f"/sys/bus/{device}/driver"
    return os.path.basename(os.readlink(link)) if os.path.exists(link) else ""


def links(kind):
    return {link["ifname"]: link for link in json.loads(shell(f"ip -j -d link show type {kind}") or "[]") if link}


def call(path, interface, method, signature, *arguments):
    return bus.call(path, f"{NAME}.{interface}", method, signature, *arguments)


def detach(device):
    """Lets a guest on processors that an emulated processor emulates take most of a call's time."""
    call(device, "Device", "Detach", "a{sv}", {"timeout": GLib.Variant("t", 50 * 10**6)})


def xml(domain, **options):
    return call(domain, "Domain", "GetXML", "a{sv}", variants(options))


def held():
    """What guests hold of the host, besides the user that each has."""
    return sorted(name for name in os.listdir(CLAIMS) if name.split(" ")[1] != "user") if os.path.exists(CLAIMS) else []


def a_guest(name, devices="", more="", **options):
    return hypervisor.define(hypervisor.document(name, devices=devices, more=more, **options))


def start(domain):
    hypervisor.do(domain, "Start", paused=True)


def end(domain):
    if bus.get(domain, "Domain", "Active"):
        hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")


def direct(mode="", mac="52:54:00:00:01:01", more="", device="dummy0"):
    return (f"<interface type='direct'><mac address='{mac}'/><source dev='{device}' {mode and f'mode={mode!r}'}/>{more}"
            "<model type='e1000'/></interface>")


def no_direct():
    """What a guest has had is removed when it has gone."""
    bus.wait(lambda: links("macvtap") == {}, "the end of what was on an interface")
    assert held() == [], held()


def direct_interfaces_come_and_go_with_the_guest():
    shell("ip link set dummy0 up")
    own = read("/sys/class/net/dummy0/address")
    for mode, kernel_mode in (("", "vepa"), ("vepa", "vepa"), ("bridge", "bridge"), ("private", "private"), ("passthrough", "passthru")):
        domain = a_guest("direct", direct(mode))
        start(domain)
        (name, link), = links("macvtap").items()
        assert link["link"] == "dummy0" and link["linkinfo"]["info_data"]["mode"] == kernel_mode and "UP" in link["flags"], link
        assert link["address"] == "52:54:00:00:01:01", link
        assert bus.get(f"{domain}/device/net0", "Device.NetworkInterface", "HostInterface") == name
        assert f"/dev/tap{link['ifindex']}" in open_files(hypervisor.pid_of(domain))
        contains(xml(domain), f'<target dev="{name}"/>')
        end(domain)
        no_direct()
    assert read("/sys/class/net/dummy0/address") == own


def a_direct_interface_can_be_plugged_and_outlives_the_driver():
    domain = a_guest("plugged")
    start(domain)
    device = call(domain, "Domain", "AttachDevice", "sa{sv}", direct("bridge", more="<target dev='lan7'/>"), {})
    assert list(links("macvtap")) == ["lan7"]
    hypervisor.kill_driver()
    assert list(links("macvtap")) == ["lan7"] and bus.get(device, "Device.NetworkInterface", "HostInterface") == "lan7"
    bus.settle()
    bus.signals.clear()
    end_process(hypervisor.pid_of(domain))
    bus.wait_state(domain, "shutoff")
    no_direct()
    end(domain)


def what_fails_leaves_no_interface():
    domain = a_guest("nowhere", direct(device="nonet0"))
    contains(expect("InvalidArgument", start, domain), "nonet0")
    end(domain)
    # One that is made, and another that cannot be.
    domain = a_guest("half", direct("bridge") + direct("passthrough", "52:54:00:00:01:02"))
    expect("ResourceBusy", start, domain)
    no_direct()
    end(domain)
    domain = a_guest("whole")
    start(domain)
    expect("InvalidArgument", call, domain, "Domain", "AttachDevice", "sa{sv}", direct(device="nonet0"), {})
    taken = direct().replace("<model", "<address type='pci' slot='0x01'/><model")
    contains(expect("InvalidXML", call, domain, "Domain", "AttachDevice", "sa{sv}", taken, {}), "PCI address")
    no_direct()
    end(domain)


def a_bridge_of_libvirts_is_used_with_its_leases_but_its_networks_are_not_known():
    """libvirt's daemon is not here: what it says of a network that it has started is written in its form."""
    folders = ["/run/libvirt/network", "/var/lib/libvirt/dnsmasq"]
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
        shell(f"mount -t tmpfs tmpfs {folder}")
    shell("ip link add virbr9 type bridge; ip link set virbr9 up")
    with open(f"{folders[0]}/lab.xml", "w", encoding="utf-8") as file:
        file.write("<networkstatus><network><name>lab</name><forward mode='nat'/><bridge name='virbr9' stp='on' delay='0'/></network></networkstatus>")
    card = "<interface type='{}'><mac address='52:54:00:00:09:0{}'/><source {}/><model type='virtio'/></interface>"
    domain = a_guest("networked", card.format("bridge", 1, "bridge='virbr9'"))
    start(domain)
    device = call(domain, "Domain", "AttachDevice", "sa{sv}", card.format("bridge", 2, "bridge='virbr9'"), {})
    taps = [bus.get(path, "Device.NetworkInterface", "HostInterface") for path in (f"{domain}/device/net0", device)]
    assert [os.path.basename(os.readlink(f"/sys/class/net/{tap}/master")) for tap in taps] == ["virbr9", "virbr9"], taps
    with open(f"{folders[1]}/virbr9.status", "w", encoding="utf-8") as file:
        json.dump([{"ip-address": "192.0.2.77", "mac-address": "52:54:00:00:09:02"}], file)
    assert call(device, "Device.NetworkInterface", "GetAddresses", "sa{sv}", "lease", {}) == [("192.0.2.77", 0)]
    for name in ("lab", "../network/lab"):
        contains(expect("NoSuchNetwork", call, domain, "Domain", "AttachDevice", "sa{sv}", card.format("network", 3, f"network='{name}'"), {}), f"'{name}'", "virtbusctl import")
    assert len(links("tun")) == 2, links("tun")
    end(domain)
    assert not links("tun")
    shell("ip link del virbr9")
    for folder in folders:
        shell(f"umount -l {folder}")


def tc(what, device):
    return shell(f"tc -d {what} show dev {device}")


def the_bandwidth_of_interfaces_is_limited():
    shell("ip link add br7 type bridge; ip link set br7 up")
    limits = "<bandwidth><inbound average='1000' peak='2000' burst='512'/><outbound average='250' burst='100'/></bandwidth>"
    tap = f"<interface type='bridge'><source bridge='br7'/><target dev='tap7'/>{limits}<mtu size='1400'/><model type='virtio'/></interface>"
    domain = a_guest("slow", tap + direct("bridge", more=f"<target dev='lan7'/>{limits}"))
    start(domain)
    assert links("tun")["tap7"]["mtu"] == 1400
    # 1,000 kilobytes a second are 8 Mbit/s. What the host sends to a tap the guest receives; a macvtap is the host's own end.
    contains(tc("class", "tap7"), "htb 1:1", "rate 8Mbit", "ceil 16Mbit", "burst 512Kb")
    contains(tc("filter", "tap7 ingress"), "matchall", "police", "rate 2Mbit", "burst 100Kb", "drop")
    contains(tc("class", "lan7"), "htb 1:1", "rate 2Mbit")
    contains(tc("filter", "lan7 ingress"), "rate 8Mbit")
    card = f"{domain}/device/net0"

    def limit(device, limits, **options):
        call(device, "Device.NetworkInterface", "SetBandwidth", "a{st}a{sv}", limits, variants(options))
    limit(card, {"inbound_average": 10**10, "outbound_average": 5 * 10**9, "outbound_peak": 6 * 10**9}, live=True, config=True)
    contains(tc("class", "tap7"), "rate 80Gbit")
    contains(tc("filter", "tap7 ingress"), "rate 40Gbit")
    for inactive in (False, True):
        contains(xml(domain, inactive=inactive), '<inbound average="10000000"/>', '<outbound average="5000000" peak="6000000"/>')
    call(card, "Device", "Update", "sa{sv}", tap.replace(limits, "<bandwidth><outbound average='3'/></bandwidth>").replace("<source", "<mac address='%s'/><source" % bus.get(card, "Device.NetworkInterface", "MAC")), {})
    assert tc("class", "tap7") == "" and "rate 24Kbit" in tc("filter", "tap7 ingress"), tc("filter", "tap7 ingress")
    limit(card, {})
    assert tc("class", "tap7") == "" and tc("filter", "tap7 ingress") == "" and "bandwidth" not in call(card, "Device", "GetXML", "")
    # Bad ones change nothing.
    limit(card, {"inbound_average": 5000})
    for limits, error, part in (({"inbound_peak": 5}, "InvalidArgument", "inbound_average"), ({"speed": 5}, "InvalidArgument", "speed"),
                                ({"outbound_average": 9000, "outbound_peak": 5000}, "InvalidArgument", "peak"),
                                ({"inbound_average": 2**63}, "LimitExceeded", "average"),
                                ({"inbound_average": 5000, "inbound_burst": 2**40}, "LimitExceeded", "burst")):
        contains(expect(error, limit, card, limits), part)
    contains(tc("class", "tap7"), "rate 40Kbit")
    contains(call(card, "Device", "GetXML", ""), '<inbound average="5"/>')
    user = User("vb-alice")
    contains(expect("InteractiveAuthorizationRequired", user.call, card, f"{NAME}.Device.NetworkInterface", "SetBandwidth", "a{st}a{sv}", "{'inbound_average': uint64 1000}", "@a{sv} {}"), "domain.tune")
    user.leave()
    end(domain)
    domain = a_guest("user", "<interface type='user'/>")
    start(domain)
    contains(expect("Unsupported", limit, f"{domain}/device/net0", {"inbound_average": 5000}), "user")
    end(domain)
    shell("ip link del br7")


def usb(source, more=""):
    return f"<hostdev mode='subsystem' type='usb'><source>{source}</source>{more}</hostdev>"


def the_stick():
    device, = [path for path in glob.glob("/sys/bus/usb/devices/*") if os.path.exists(f"{path}/serial") and read(f"{path}/serial") == "VIRTBUS-STICK"]
    return device


def given(domain):
    """What a guest's QEMU has open below /dev."""
    return {link for link in open_files(hypervisor.pid_of(domain)) if re.match("/dev/(bus|vfio)/", link)}


def a_usb_device_is_given_and_comes_back():
    stick = the_stick()
    name, vendor, product = os.path.basename(stick), read(f"{stick}/idVendor"), read(f"{stick}/idProduct")
    interface = f"usb/devices/{name}:1.0"
    number, port = int(read(f"{stick}/devnum")), int(read(f"{stick}/busnum"))
    node = f"/dev/bus/usb/{port:03}/{number:03}"
    assert driver_of(interface) == "usb-storage"
    by_id = usb(f"<vendor id='0x{vendor}'/><product id='0x{product}'/>")
    for document in (by_id, usb(f"<address bus='{port}' device='{number}'/>")):
        domain = a_guest("stick", document)
        start(domain)
        assert given(domain) == {node}, given(domain)
        contains(xml(domain), f'bus="{port}"', f'device="{number}"')
        assert held() == [f"{bus.get(domain, 'Domain', 'UUID')} usb {name}"]
        other = a_guest("other", by_id)
        contains(expect("ResourceBusy", start, other), name, bus.get(domain, "Domain", "UUID"))
        end(other)
        bus.settle()
        bus.signals.clear()
        end_process(hypervisor.pid_of(domain))  # it cannot give anything back itself
        bus.wait_state(domain, "shutoff")
        assert driver_of(interface) == "usb-storage" and held() == []
        end(domain)
    # Plugged into a running guest, whose driver dies.
    domain = a_guest("stick")
    start(domain)
    device = call(domain, "Domain", "AttachDevice", "sa{sv}", by_id, {})
    hypervisor.kill_driver()
    assert given(domain) == {node} and len(held()) == 1
    hypervisor.do(domain, "Resume")  # QEMU closes descriptors of a guest that runs only
    detach(device)
    assert given(domain) == set() and held() == [] and driver_of(interface) == "usb-storage"
    for document, error, part in ((usb("<vendor id='0x1234'/><product id='0x0001'/>"), "InvalidArgument", "1234:0001"),
                                  (usb("<address bus='77' device='3'/>"), "InvalidArgument", "bus 77")):
        contains(expect(error, call, domain, "Domain", "AttachDevice", "sa{sv}", document, {}), part)
    assert held() == []
    end(domain)


def pci(address, managed="yes"):
    domain, slot, function = re.match(r"(\w+):\w+:(\w+)\.(\d)", address).groups()
    return (f"<hostdev mode='subsystem' type='pci' managed='{managed}'><source><address domain='0x{domain}' bus='0x{address[5:7]}' slot='0x{slot}' "
            f"function='0x{function}'/></source></hostdev>")


def a_pci_device_is_given_and_comes_back():
    device = f"pci/devices/{CARD}"
    group = os.path.basename(os.readlink(f"/sys/bus/{device}/iommu_group"))

    node = f"/dev/vfio/{group}"

    def is_back():
        return driver_of(device) == "e1000e" and held() == [] and (not os.path.exists(node) or os.stat(node).st_uid == 0)
    for killed in (False, True):
        domain = a_guest("card", pci(CARD))
        start(domain)
        assert driver_of(device) == "vfio-pci" and node in given(domain), (driver_of(device), given(domain))
        assert held() == [f"{bus.get(domain, 'Domain', 'UUID')} pci {CARD}"]
        other = a_guest("other", pci(CARD))
        contains(expect("ResourceBusy", start, other), CARD)
        end(other)
        assert driver_of(device) == "vfio-pci"
        if killed:
            pid = hypervisor.pid_of(domain)
            os.kill(bus.driver("QEMU"), signal.SIGSTOP)
            end_process(pid)
            hypervisor.kill_driver()
            bus.wait(lambda: hypervisor.state(domain) == "shutoff", "the end of the guest")
            assert is_back(), (driver_of(device), held())
        end(domain)
        assert is_back(), (driver_of(device), held())
    domain = a_guest("card")
    start(domain)
    plugged = call(domain, "Domain", "AttachDevice", "sa{sv}", pci(CARD), {})
    assert node in given(domain) and driver_of(device) == "vfio-pci"
    contains(call(plugged, "Device", "GetXML", ""), "hostdev")
    end(domain)
    assert is_back(), (driver_of(device), held())
    domain = a_guest("card")
    start(domain)
    together = sorted(os.path.basename(path) for path in glob.glob("/sys/bus/pci/drivers/e1000/0*"))
    for document, error, part in ((pci("0000:00:17.0"), "InvalidArgument", "0000:00:17.0"), (pci(CARD, "no"), "ResourceBusy", "managed"),
                                  (pci(together[0]), "ResourceBusy", together[1])):
        contains(expect(error, call, domain, "Domain", "AttachDevice", "sa{sv}", document, {}), part)
    assert is_back()
    end(domain)


def group_of(pid):
    return "/sys/fs/cgroup" + read(f"/proc/{pid}/cgroup").split("::")[1]


def threads(pid):
    """The guest's threads by name, such as "CPU 0/TCG", without those that have ended meanwhile."""
    found = {}
    for task in glob.glob(f"/proc/{pid}/task/*"):
        try:
            found[read(f"{task}/comm")] = int(os.path.basename(task))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


LIMITS = """<cputune><shares>300</shares><global_period>50000</global_period><global_quota>25000</global_quota>{more}</cputune>
  <memtune><hard_limit unit='MiB'>512</hard_limit><soft_limit unit='MiB'>400</soft_limit><swap_hard_limit unit='MiB'>768</swap_hard_limit></memtune>
  <blkiotune><weight>200</weight></blkiotune>"""


def limits_hold_without_systemd():
    domain = a_guest("limited", more=LIMITS.format(more=""))
    start(domain)
    uuid, pid = bus.get(domain, "Domain", "UUID"), hypervisor.pid_of(domain)
    group = group_of(pid)
    assert group == f"/sys/fs/cgroup/virtbus/{uuid}", group

    def values():
        return {name: read(f"{group}/{name}") for name in ("cpu.weight", "cpu.max", "memory.max", "memory.high", "memory.swap.max", "io.weight") if os.path.exists(f"{group}/{name}")}
    assert values() == {"cpu.weight": "300", "cpu.max": "25000 50000", "memory.max": str(512 << 20), "memory.high": str(400 << 20),
                        "memory.swap.max": str(256 << 20), "io.weight": "default 200"}, values()
    call(domain, "Domain", "SetLimits", "a{st}a{sv}", {"cpu_shares": 50, "memory_soft_limit": 0, "cpu_quota": 0}, {})
    assert {**values(), "cpu.weight": "50", "memory.high": "max"} == values() and values()["cpu.max"].startswith("max"), values()
    contains(expect("InvalidArgument", call, domain, "Domain", "SetLimits", "a{st}a{sv}", {"cpu_shares": 10**9}, {}), "cpu.weight")
    before = values()
    expect("InvalidArgument", call, domain, "Domain", "SetLimits", "a{st}a{sv}", {"cpu_shares": 60, "memory_hard_limit": 400 << 20, "blkio_weight": 10**9}, {})
    assert values() == before, values()
    contains(xml(domain), "<shares>50</shares>")
    hypervisor.kill_driver()
    assert bus.get(domain, "Domain", "State") == "paused" and held() == [f"{uuid} cgroup virtbus {uuid}"]
    end(domain)
    assert not os.path.exists("/sys/fs/cgroup/virtbus") and held() == []
    # A guest that had none gets one.
    domain = a_guest("free")
    start(domain)
    call(domain, "Domain", "SetLimits", "a{st}a{sv}", {"memory_hard_limit": 300 << 20}, {})
    assert read(group_of(hypervisor.pid_of(domain)) + "/memory.max") == str(300 << 20)
    end(domain)
    assert not os.path.exists("/sys/fs/cgroup/virtbus") and held() == []
    # What no kernel takes is refused before anything is made.
    contains(expect("InvalidXML", a_guest, "wrong", more="<cputune><shares>300000</shares></cputune>"), "shares", "262144")
    assert not os.path.exists("/sys/fs/cgroup/virtbus") and held() == []


def threads_have_places_schedulers_and_quotas():
    tune = """<iothreads>2</iothreads><vcpu placement='static'>2</vcpu><cputune><period>100000</period><quota>40000</quota>
      <emulator_quota>30000</emulator_quota><iothread_quota>20000</iothread_quota><emulatorpin cpuset='1'/><vcpupin vcpu='1' cpuset='0'/>
      <iothreadpin iothread='2' cpuset='1'/><vcpusched vcpus='0' scheduler='fifo' priority='3'/><iothreadsched iothreads='2' scheduler='batch'/>
      <emulatorsched scheduler='idle'/></cputune>"""
    domain = a_guest("threads", more=tune)
    start(domain)
    pid = hypervisor.pid_of(domain)
    known = threads(pid)

    def where(name):
        """Its processors, its scheduler and its quota."""
        thread = known[name]
        return sorted(os.sched_getaffinity(thread)), os.sched_getscheduler(thread), read(f"/sys/fs/cgroup{read(f'/proc/{pid}/task/{thread}/cgroup').split('::')[1]}/cpu.max")
    assert where("CPU 0/TCG") == ([0, 1], os.SCHED_FIFO, "40000 100000"), where("CPU 0/TCG")
    assert where("CPU 1/TCG") == ([0], os.SCHED_OTHER, "40000 100000"), where("CPU 1/TCG")
    assert where("IO iothread1") == ([0, 1], os.SCHED_OTHER, "20000 100000"), where("IO iothread1")
    assert where("IO iothread2") == ([1], os.SCHED_BATCH, "20000 100000"), where("IO iothread2")
    assert where("qemu-system-x86") == ([1], os.SCHED_IDLE, "30000 100000"), where("qemu-system-x86")
    call(domain, "Domain", "SetLimits", "a{st}a{sv}", {"vcpu_quota": 0, "iothread_quota": 15000}, variants({"live": True, "config": True}))
    assert where("CPU 0/TCG")[2].startswith("max") and where("IO iothread1")[2] == "15000 100000" and where("qemu-system-x86")[2] == "30000 100000"
    contains(xml(domain, inactive=True), "<iothread_quota>15000</iothread_quota>")
    # I/O threads come and go.
    call(domain, "Domain", "AddIOThread", "ua{sv}", 7, {})
    known = threads(pid)
    assert where("IO iothread7")[2] == "15000 100000"
    call(domain, "Domain", "PinIOThread", "usa{sv}", 7, "0", {})
    assert where("IO iothread7")[0] == [0]
    contains(xml(domain), "<iothreads>3</iothreads>", '<iothread id="7"/>', '<iothreadpin iothread="7" cpuset="0"/>')
    assert "7" not in xml(domain, inactive=True).split("<iothread")[1]
    image = os.path.join(ROOT, "disk.img")
    subprocess.run(["truncate", "-s", "1M", image], check=True)
    call(domain, "Domain", "AttachDevice", "sa{sv}", f"<disk type='file'><driver iothread='7'/><source file='{image}'/><target dev='vda' bus='virtio'/></disk>", {})
    contains(expect("ResourceBusy", call, domain, "Domain", "RemoveIOThread", "ua{sv}", 7, {}), "virtio-disk0")
    call(domain, "Domain", "RemoveIOThread", "ua{sv}", 1, variants({"live": True, "config": True}))
    assert "IO iothread1" not in threads(pid)
    for inactive, count in ((False, 2), (True, 1)):
        contains(xml(domain, inactive=inactive), f"<iothreads>{count}</iothreads>", '<iothread id="2"/>')
    for method, number, error in (("AddIOThread", 7, "AlreadyExists"), ("AddIOThread", 0, "InvalidArgument"), ("RemoveIOThread", 1, "InvalidArgument")):
        contains(expect(error, call, domain, "Domain", method, "ua{sv}", number, {}), "thread")
    contains(expect("InvalidArgument", call, domain, "Domain", "PinIOThread", "usa{sv}", 3, "0", {}), "thread 3")
    end(domain)
    assert not os.path.exists("/sys/fs/cgroup/virtbus") and held() == []
    for fault, error in (("<quota>5</quota>", "InvalidXML"), ("<period>7</period>", "InvalidXML"), ("<vcpusched vcpus='x' scheduler='idle'/>", "InvalidXML"),
                         ("<vcpusched vcpus='0' scheduler='fifo'/>", "InvalidXML"), ("<emulatorsched scheduler='fair'/>", "InvalidXML"),
                         ("<vcpusched vcpus='0' scheduler='rr' priority='100'/>", "LimitExceeded")):
        contains(expect(error, a_guest, "fault", more=f"<cputune>{fault}</cputune>"), "line 1")


def memory_is_of_the_nodes_that_it_is_bound_to():
    domain = a_guest("nodes", more="<numatune><memory mode='restrictive' nodeset='1'/></numatune>")
    start(domain)
    group = group_of(hypervisor.pid_of(domain))
    assert read(f"{group}/cpuset.mems") == "1"

    def pages():
        """How much of the guest lies on each node."""
        text = read(f"/proc/{hypervisor.pid_of(domain)}/numa_maps")
        return [sum(map(int, re.findall(rf"anon=.* N{node}=(\d+)", text))) for node in (0, 1)]
    assert pages()[1] > 10 * pages()[0] and pages()[1] > 100, pages()
    call(domain, "Domain", "SetMemoryNodes", "sa{sv}", "0", {})
    assert read(f"{group}/cpuset.mems") == "0"
    contains(xml(domain), 'nodeset="0"')
    contains(xml(domain, inactive=True), 'nodeset="1"')
    assert pages()[1] == 0 and pages()[0] > 100, pages()
    contains(expect("InvalidArgument", call, domain, "Domain", "SetMemoryNodes", "sa{sv}", "5", {}), "cpuset.mems")
    contains(expect("InvalidArgument", call, domain, "Domain", "SetMemoryNodes", "sa{sv}", "some", {}), "some")
    contains(xml(domain), 'nodeset="0"')
    end(domain)


def kvms_processors_come_and_go():
    os.chmod("/dev/kvm", 0o666)  # as udev has it, for QEMU's user here, who is not in its group
    state["console"] = os.path.join(ROOT, "kvm.console")
    devices = ("<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
               f"<serial type='file'><source path='{state['console']}'/></serial>")
    document = hypervisor.document("kvm", memory=256, kernel=kernel(sys.argv[1]), more="<vcpu current='1'>3</vcpu>", devices=devices)
    domain = hypervisor.define(document.replace("type='qemu'", "type='kvm'"))
    hypervisor.do(domain, "Start")
    hypervisor.wait_agent(domain)
    call(f"{domain}/guest", "Domain.Guest", "SetAgentResponseTimeout", "i", BOOT_DEADLINE)

    def has_processors(count):
        """Whether the guest's system comes to run on so many; it is the guest that polls for what its kernel does."""
        online = "for c in /sys/devices/system/cpu/cpu[1-9]; do [ ! -e $c/online ] || echo 1 > $c/online; done 2>/dev/null"
        return hypervisor.in_guest(domain, f"n=0; until {online}; [ $(nproc) = {count} ]; do n=$((n+1)); [ $n -lt 1000 ] || exit 1; usleep 50000; done; echo yes").strip() == "yes"
    assert has_processors(1)
    call(domain, "Domain", "SetVCPUs", "ua{sv}", 3, {})
    assert has_processors(3) and bus.get(domain, "Domain", "VCPUs") == 3
    call(domain, "Domain", "SetVCPUs", "ua{sv}", 2, {})
    assert has_processors(2) and bus.get(domain, "Domain", "VCPUs") == 2
    hypervisor.kill_driver()
    hypervisor.wait_agent(domain)
    call(domain, "Domain", "SetVCPUs", "ua{sv}", 1, {})
    assert has_processors(1) and bus.get(domain, "Domain", "VCPUs") == 1
    call(domain, "Domain", "SetVCPUs", "ua{sv}", 2, {})
    assert has_processors(2)
    contains(expect("InvalidArgument", call, domain, "Domain", "SetVCPUs", "ua{sv}", 4, {}), "MaxVCPUs")
    state["kvm"] = domain


def a_guest_that_runs_lets_go_of_what_is_the_hosts():
    domain = state["kvm"]
    card = f"pci/devices/{CARD}"
    def cards(other_than=None):
        """What the guest's system has; the guest waits until it is something else."""
        command = "look() { cat /sys/bus/pci/devices/*/vendor | sort | uniq -c | grep 0x8086; ls /sys/class/net; }; "
        if other_than:
            command += f"n=0; while [ \"$(echo $(look))\" = '{' '.join(other_than)}' ]; do n=$((n+1)); [ $n -lt 1000 ] || break; usleep 50000; done; "
        command += "look"
        while True:
            began = read(state["console"]).count("GUEST-UP")
            try:
                return hypervisor.in_guest(domain, command).split()
            except BusError as error:  # processors that an emulated processor emulates fault at times: the guest's system begins anew
                assert error.name.endswith("AgentUnavailable"), error
                print("# the guest's console:", *read(state["console"])[-4000:].splitlines(), sep="\n# ", flush=True)
                hypervisor.wait_agent(domain)
                assert read(state["console"]).count("GUEST-UP") > began, error
    before = cards()
    lan = call(domain, "Domain", "AttachDevice", "sa{sv}", direct("bridge", more="<target dev='lan9'/>").replace("e1000", "virtio"), {})
    given_card = call(domain, "Domain", "AttachDevice", "sa{sv}", pci(CARD), {})
    assert list(links("macvtap")) == ["lan9"] and driver_of(card) == "vfio-pci" and len(held()) == 1, held()
    seen = cards(other_than=before)
    assert seen != before, seen
    detach(lan)
    bus.wait(lambda: links("macvtap") == {}, "the end of what was on an interface")
    assert len(held()) == 1, held()
    detach(given_card)
    assert driver_of(card) == "e1000e" and held() == []
    assert cards() != seen, (cards(), seen)
    end(domain)


def a_profile_of_apparmors_is_entered():
    label = "<seclabel type='static' model='apparmor'><label>virtbus-test</label></seclabel>"
    domain = hypervisor.define(hypervisor.document("profiled", more=label))
    contains(expect("HypervisorFailed", hypervisor.do, domain, "Start"), "AppArmor", "apparmor_parser")  # nobody has loaded it
    if not os.listdir("/sys/kernel/security"):
        shell("mount -t securityfs none /sys/kernel/security")
    shell("echo 'profile virtbus-test flags=(attach_disconnected) { file, signal, unix, network, deny /etc/ssl/** r, }' | apparmor_parser --replace")
    hypervisor.do(domain, "Start", paused=True)
    assert read(f"/proc/{hypervisor.pid_of(domain)}/attr/current") == "virtbus-test (enforce)"
    told = bus.get(domain, "Domain", "Isolation")
    assert told["label"] == "virtbus-test" and told["root"], told
    hypervisor.kill_driver()
    bus.wait_state(domain, "paused")
    assert bus.get(domain, "Domain", "Isolation") == told
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")


if __name__ == "__main__":
    run([a_profile_of_apparmors_is_entered, direct_interfaces_come_and_go_with_the_guest, a_direct_interface_can_be_plugged_and_outlives_the_driver, what_fails_leaves_no_interface,
         a_bridge_of_libvirts_is_used_with_its_leases_but_its_networks_are_not_known, the_bandwidth_of_interfaces_is_limited, a_usb_device_is_given_and_comes_back,
         a_pci_device_is_given_and_comes_back, limits_hold_without_systemd, threads_have_places_schedulers_and_quotas,
         memory_is_of_the_nodes_that_it_is_bound_to, kvms_processors_come_and_go, a_guest_that_runs_lets_go_of_what_is_the_hosts])
