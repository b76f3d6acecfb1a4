#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libvirt's schemas allow below <domain>: each element and attribute has an effect, is refused, or is in a table that says what it is
for. Each is put into good documents of its kind. Needs the schemas: a folder of them in $VIRTBUS_SCHEMAS, or what tests/get-schemas
has fetched."""

import os
import re
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import BUILD, NAME, SOURCE, Bus, BusError, Hypervisor, Skip, run  # noqa: E402

SCHEMAS = [os.environ.get("VIRTBUS_SCHEMAS", ""), f"{BUILD}/schemas", f"{SOURCE}/build/schemas", "/usr/share/libvirt/schemas"]
RNG = "{http://relaxng.org/ns/structure/1.0}"
DEPTH_MAX = 7  # of elements below <domain>
VALUES_MAX = 4  # of one attribute or element that are tried
STACKS_MAX = 4  # ways to an element or attribute that are tried
AT_ONCE = 24  # documents that are tried

HEAD = ("<domain type='{type}'><name>schema</name><uuid>6a2a7b3e-5f0e-4f6a-8f8e-0c5c6d1f2a11</uuid>{more}<memory unit='KiB'>65536</memory>"
        "<vcpu>4</vcpu>{os}<features><acpi/>{features}</features>{devices}</domain>")
OS = "<os><type arch='x86_64' machine='q35'>hvm</type>{}</os>"
NODES = "<numa><cell id='0' cpus='0-3' memory='65536' unit='KiB'/></numa>"

# Good documents of each kind: what an element or attribute is tried in.
MACHINES = [
    {},
    {"type": "kvm", "features": "<hyperv><relaxed state='on'/><vpindex state='on'/><synic state='on'/><vapic state='on'/></hyperv><kvm><hidden state='off'/></kvm>"},
    {"more": f"<cpu mode='custom' match='exact'><model fallback='forbid'>Skylake-Client</model>{NODES}</cpu>"},
    {"more": "<cpu mode='host-passthrough'/>", "type": "kvm"},
    {"more": "<cpu mode='maximum'/>"},
    {"more": "<clock offset='utc'/>"},
    {"more": "<clock offset='variable' adjustment='5' basis='utc'/>"},
    {"more": "<clock offset='timezone' timezone='Europe/Berlin'/>"},
    {"more": "<clock offset='absolute' start='1'/>"},
    {"more": "<memoryBacking><source type='memfd'/></memoryBacking>"},
    {"more": "<memoryBacking><hugepages/></memoryBacking>"},
    {"more": "<maxMemory slots='4' unit='KiB'>1048576</maxMemory><cpu mode='custom'><model>qemu64</model>" + NODES + "</cpu>"},
    {"more": "<iothreads>2</iothreads>"},
    {"more": "<sysinfo type='smbios'><system><entry name='manufacturer'>x</entry></system></sysinfo>", "os": OS.format("<smbios mode='sysinfo'/>")},
    {"more": "<sysinfo type='fwcfg'><entry name='opt/x'>x</entry></sysinfo>"},
    {"os": "<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type></os>", "features": "<smm state='on'/>"},
    {"os": OS.format("<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
                     "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/tmp/vars.fd</nvram>")},
    {"os": OS.format("<loader type='rom'>/usr/share/seabios/bios.bin</loader>")},
    {"os": OS.format("<kernel>/boot/k</kernel><initrd>/boot/i</initrd><cmdline>x</cmdline>")},
    {"os": OS.format("<boot dev='hd'/><bootmenu enable='yes'/><bios useserial='no'/>")},
    {"more": "<launchSecurity type='sev'><policy>1</policy></launchSecurity>", "os": OS.format("<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>")},
    {"more": "<seclabel type='none' model='apparmor'/>"},
    {"more": "<seclabel type='dynamic' model='dac'/>"},
]
FILE = "<driver name='qemu' type='{f}'/><source file='/tmp/x.img'/>"
CHARACTER = ["pty", "null", "vc", "stdio"]
SOURCES = {
    "dev": "<source path='/dev/null'/>", "file": "<source path='/tmp/x'/>", "pipe": "<source path='/tmp/x'/>",
    "unix": "<source mode='bind' path='/tmp/x.sock'/>", "tcp": "<source mode='bind' host='127.0.0.1' service='4000'/><protocol type='raw'/>",
    "udp": "<source mode='bind' host='127.0.0.1' service='4000'/><source mode='connect' host='127.0.0.1' service='4001'/>",
    "spicevmc": "", "spiceport": "<source channel='x'/>", "qemu-vdagent": "", "dbus": "<source channel='x'/>", "nmdm": "<source master='/dev/a' slave='/dev/b'/>",
}
ALL = {**{kind: "" for kind in CHARACTER}, **SOURCES}
ADDRESS = "<source><address domain='0' bus='0' slot='3' function='0'/></source>"


def of(name, attributes, content, **extra):
    return f"<{name} {' '.join([attributes] + [f'{key}={value!r}' for key, value in extra.items()])}>{content}</{name}>"


DEVICES = [
    *[of("disk", "type='file' device='disk'", FILE.format(f=f) + f"<target dev='{target}' bus='{bus}'/>")
      for bus, target, f in [("virtio", "vda", "qcow2"), ("ide", "hda", "raw"), ("sata", "sda", "raw"), ("scsi", "sda", "qcow2"), ("usb", "sda", "raw")]],
    of("disk", "type='file' device='cdrom'", FILE.format(f="raw") + "<target dev='sdb' bus='sata'/><readonly/>"),
    of("disk", "type='file' device='floppy'", FILE.format(f="raw") + "<target dev='fda' bus='fdc'/>"),
    of("disk", "type='block' device='disk'", "<driver name='qemu' type='raw'/><source dev='/dev/null'/><target dev='vda' bus='virtio'/>"),
    of("disk", "type='block' device='lun'", "<driver name='qemu' type='raw'/><source dev='/dev/null'/><target dev='sda' bus='scsi'/>"),
    of("disk", "type='dir' device='disk'", "<driver name='qemu' type='fat'/><source dir='/tmp'/><target dev='vda' bus='virtio'/><readonly/>"),
    of("disk", "type='volume' device='disk'", "<source pool='p' volume='v'/><target dev='vda' bus='virtio'/>"),
    of("disk", "type='nvme' device='disk'", "<driver name='qemu' type='raw'/><source type='pci' namespace='1'>"
       "<address domain='0' bus='1' slot='0' function='0'/></source><target dev='vda' bus='virtio'/>"),
    of("disk", "type='vhostuser' device='disk'", "<driver name='qemu' type='raw'/><source type='unix' path='/tmp/s'/><target dev='vda' bus='virtio'/>"),
    *[of("disk", "type='network' device='disk'", f"<driver name='qemu' type='raw'/><source protocol='{p}' name='{n}'><host name='localhost' port='{port}'/></source>"
         "<target dev='vda' bus='virtio'/>")
      for p, n, port in [("nbd", "x", 10809), ("https", "x", 443), ("iscsi", "iqn.x:y/1", 3260), ("rbd", "pool/x", 6789), ("ssh", "x", 22), ("ssh", "y", 22)]],
    *[of("interface", f"type='{kind}'", source + "<mac address='52:54:00:00:00:07'/><model type='virtio'/>") for kind, source in [
        ("user", ""), ("network", "<source network='default'/>"), ("bridge", "<source bridge='br0'/>"), ("direct", "<source dev='eth0' mode='bridge'/>"),
        ("ethernet", "<target dev='tapx'/>"), ("vhostuser", "<source type='unix' path='/tmp/s' mode='client'/>"), ("mcast", "<source address='230.0.0.1' port='5558'/>"),
        ("server", "<source address='127.0.0.1' port='5558'/>"), ("client", "<source address='127.0.0.1' port='5558'/>"),
        ("udp", "<source address='127.0.0.1' port='5558'><local address='127.0.0.1' port='5559'/></source>"), ("vdpa", "<source dev='/dev/vhost-vdpa-0'/>"),
        ("internal", "<source name='x'/>")]],
    of("interface", "type='user'", "<mac address='52:54:00:00:00:07'/><model type='e1000e'/>"),
    of("interface", "type='hostdev' managed='yes'", "<source><address type='pci' domain='0' bus='0' slot='3' function='0'/></source><mac address='52:54:00:00:00:07'/>"),
    *[of("graphics", f"type='{kind}'", more, **attributes) for kind, more, attributes in [
        ("vnc", "<listen type='address' address='127.0.0.1'/>", {"port": "-1", "autoport": "yes"}), ("vnc", "<listen type='socket' socket='/tmp/v'/>", {}),
        ("spice", "<listen type='none'/>", {}), ("spice", "<listen type='address' address='127.0.0.1'/>", {"port": "5930"}), ("egl-headless", "", {}),
        ("dbus", "", {"p2p": "yes"}), ("sdl", "", {"display": ":0"}), ("rdp", "", {}), ("desktop", "", {})]],
    *[of("video", "", f"<model type='{model}'/>") for model in ["virtio", "qxl", "vga", "cirrus", "vmvga", "bochs", "ramfb"]],
    *[of("controller", f"type='{kind}' index='{index}' model='{model}'", more) for kind, index, model, more in [
        ("scsi", 0, "virtio-scsi", ""), ("scsi", 0, "lsilogic", ""), ("usb", 0, "qemu-xhci", ""), ("usb", 0, "ich9-ehci1", ""), 
        ("virtio-serial", 0, "virtio", ""), ("pci", 0, "pcie-root", ""), ("pci", 9, "pcie-root-port", "<target chassis='9' port='9'/>"),
        ("pci", 9, "pcie-expander-bus", "<target busNr='254'/>")]],
    *[of("controller", f"type='{kind}' index='{index}'", "") for kind, index in [("sata", 0), ("sata", 1), ("ccid", 0), ("xenbus", 0), ("fdc", 0), ("isa", 0)]],
    *[of("hostdev", f"mode='subsystem' type='{kind}' {more}", source) for kind, more, source in [
        ("pci", "managed='yes'", ADDRESS), ("usb", "", "<source><vendor id='0x1234'/><product id='0xabcd'/></source>"),
        ("scsi", "", "<source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source>"),
        ("scsi", "", "<source protocol='iscsi' name='iqn.x:y/1'><host name='localhost' port='3260'/></source>"),
        ("scsi_host", "", "<source protocol='vhost' wwpn='naa.5123456789abcde0'/>"),
        ("mdev", "model='vfio-pci'", "<source><address uuid='6a2a7b3e-5f0e-4f6a-8f8e-0c5c6d1f2a99'/></source>")]],
    of("hostdev", "mode='capabilities' type='storage'", "<source><block>/dev/x</block></source>"),
    *[of("serial", f"type='{kind}'", source + "<target type='isa-serial' port='0'/>") for kind, source in ALL.items() if kind in ("pty", "null", "dev", "file", "unix", "tcp", "udp")],
    *[of("channel", f"type='{kind}'", source + f"<target type='virtio' name='{'com.redhat.spice.0' if kind == 'spicevmc' else 'org.x.0'}'/>") for kind, source in ALL.items()],
    *[of("console", f"type='{kind}'", source + "<target type='virtio' port='0'/>") for kind, source in list(ALL.items())[:6]],
    *[of("parallel", f"type='{kind}'", source + "<target port='0'/>") for kind, source in list(ALL.items())[:6]],
    of("channel", "type='pty'", "<target type='guestfwd' address='10.0.2.1' port='4600'/>"),
    of("smartcard", "mode='host'", ""), of("smartcard", "mode='passthrough' type='spicevmc'", ""),
    of("smartcard", "mode='host-certificates'", "<certificate>a</certificate><certificate>b</certificate><certificate>c</certificate>"),
    of("redirdev", "bus='usb' type='spicevmc'", ""), of("redirdev", "bus='usb' type='tcp'", SOURCES["tcp"]),
    *[of("rng", "model='virtio'", backend) for backend in
      ["<backend model='random'>/dev/urandom</backend>", "<backend model='builtin'/>", "<backend model='egd' type='unix'><source mode='connect' path='/tmp/x'/></backend>"]],
    *[of("tpm", "model='tpm-crb'", backend) for backend in
      ["<backend type='emulator' version='2.0'/>", "<backend type='passthrough'><device path='/dev/tpm0'/></backend>",
       "<backend type='external'><source type='unix' mode='connect' path='/tmp/x'/></backend>"]],
    *[of("audio", f"id='1' type='{kind}'", "") for kind in ["none", "alsa", "pulseaudio", "spice", "file", "jack", "oss", "sdl", "dbus", "coreaudio"]],
    *[of("sound", f"model='{model}'", "") for model in ["ich9", "ich6", "ac97", "es1370", "sb16", "usb"]],
    *[of("input", f"type='{kind}' bus='{b}'", "") for kind, b in [("tablet", "usb"), ("mouse", "ps2"), ("keyboard", "virtio")]],
    of("input", "type='evdev'", "<source dev='/dev/input/event0'/>"), of("input", "type='passthrough' bus='virtio'", "<source evdev='/dev/input/event0'/>"),
    of("filesystem", "type='mount' accessmode='passthrough'", "<driver type='virtiofs'/><source dir='/tmp'/><target dir='x'/>"),
    of("filesystem", "type='mount'", "<driver type='virtiofs'/><source socket='/tmp/v.sock'/><target dir='x'/>"),
    of("filesystem", "type='mount' accessmode='mapped'", "<source dir='/tmp'/><target dir='x'/>"),
    of("filesystem", "type='ram'", "<source usage='1'/><target dir='/x'/>"),
    *[of("memory", f"model='{model}'", source + "<target>" + target + "<node>0</node></target>") for model, source, target in [
        ("dimm", "", "<size>65536</size>"), ("nvdimm", "<source><path>/tmp/x</path></source>", "<size>524288</size>"),
        ("virtio-mem", "", "<size>65536</size><block>2048</block><requested>65536</requested>"),
        ("sgx-epc", "", "<size>65536</size>")]],
    of("memory", "model='virtio-pmem' access='shared'", "<source><path>/tmp/x</path></source><target><size>65536</size></target>"),
    *[of("memballoon", f"model='{model}'", "") for model in ["virtio"]],
    *[of("watchdog", f"model='{model}' action='reset'", "") for model in ["i6300esb", "itco", "ib700", "diag288"]],
    *[of("panic", f"model='{model}'", "") for model in ["isa", "pvpanic", "hyperv"]],
    of("shmem", "name='x'", "<model type='ivshmem-plain'/><size unit='KiB'>4096</size>"),
    of("shmem", "name='x'", "<model type='ivshmem-doorbell'/><server path='/tmp/x'/>"),
    of("vsock", "model='virtio'", "<cid auto='no' address='3'/>"),
    of("iommu", "model='intel'", "<driver intremap='on'/>"), of("iommu", "model='virtio'", ""),
    of("nvram", "", "<address type='spapr-vio' reg='0x3000'/>"), of("hub", "type='usb'", ""), of("lease", "", "<lockspace>x</lockspace><key>y</key><target path='/x'/>"),
    of("crypto", "model='virtio' type='qemu'", "<backend model='builtin' queues='1'/>"), of("emulator", "", "/usr/bin/qemu-system-x86_64"),
    of("redirfilter", "", "<usbdev allow='yes'/>"),
]
# What a kind of device needs beside it.
BESIDE = {"memory": {"more": "<maxMemory slots='4' unit='KiB'>1048576</maxMemory><cpu mode='custom'><model>qemu64</model>" + NODES + "</cpu>"},
          "filesystem": {"more": "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"},
          "disk": {"more": "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"},
          "iommu": {"features": "<ioapic driver='qemu'/>"}}

BESIDE_DEVICES = {**{f"type='{kind}'": "<graphics type='spice'><listen type='none'/></graphics>" for kind in ("spicevmc", "spiceport")},
                  "<audio id='1' type='spice'": "<graphics type='spice'><listen type='none'/></graphics>", "type='egl-headless'": "<graphics type='vnc'><listen type='none'/></graphics>",
                  "<audio id='1' type='dbus'": "<graphics type='dbus' p2p='yes'/>"}


def document(devices="", **parts):
    values = {"type": "qemu", "more": "", "os": OS.format(""), "features": "", "devices": f"<devices>{devices}</devices>", **parts}
    return HEAD.format(**values)


# What is not an argument of QEMU's: who does it, or why it is kept. Regular expressions of places.
ELSEWHERE = [
    (r"title|description|metadata.*|on_(poweroff|reboot|crash|lockfailure)|currentMemory.*", "the domain's object shows it, or the driver does it"),
    (r"(memtune|cputune|blkiotune|numatune|vcpu@cpuset).*|vcpu|resource/partition", "control groups and threads, which the driver sets"),
    (r"(.*/)?seclabel.*", "of another confinement; what libvirt would choose"),
    (r"cpu(@match|@check|@migratable|/model.*|/vendor)|os/type@arch|features/(pae|apic|hap.*|viridian|privnet)|features/kvm/pv-ipi.*|pm/.*|vcpus/.*|iothreadids.*|"
     r"os/boot@dev|memoryBacking/(allocation@mode|source@type)", "libvirt's alone, or the default"),
    (r"clock/timer@mode", "the guest's TSC is the host's own"),
    (r"clock@(basis|start|adjustment)", "a time that differs at each translation, or of a zone"),
    (r"os/(firmware/.*|loader@.*|nvram@.*|cmdline|acpi/table@type)|os@firmware|sysinfo.*", "part of what is chosen by more than this, or done when it starts"),
    (r"cpu/numa/cell@cpus", "the processors that are in no cell are in the first, so that one cell has all"),
    (r"memoryBacking/(discard|allocation@threads)|(cpu/numa/cell|devices/memory)@discard", "files of memory, and what is allocated at once"),
    (r"devices/disk(@snapshot|/source@(index|type)|/backingStore)", "of snapshots, of a run, and the end of a chain"),
    (r"devices/interface/(link@state|mac@type|mac@check|target@(dev|managed)|bandwidth/.*|port@isolated|filterref.*|backend.*|source@.*)", "done by a command or on the host; VMware's checks"),
    (r"devices/graphics@(autoport|passwd|port|tlsPort|listen|connected|socket)|devices/graphics/channel@.*", "chosen when it starts, or given by a command"),
    (r"devices/(serial|console|parallel|channel)@tty|devices/channel/target@state|devices/(serial|channel|console|parallel)/source@path|devices/interface/guest@actual",
     "of a run"),
    (r"devices/smartcard@type", "of the mode passthrough; libvirt leaves it out of a card of another mode's"),
    (r"devices/.*/protocol@type", "raw is what each has"),
    (r"devices/filesystem/(readonly|source@dir|binary.*)", "virtiofsd's, a process beside QEMU: test-helpers.py"),
    (r"devices/tpm/backend(@persistent_state|@debug|/encryption@secret|/active_pcr_banks/.*)", "its emulator's, a process beside QEMU: test-tpm.py"),
    (r"devices/(serial|channel|console|parallel)/source@append", "emptied when the guest starts"),
    (r"devices/graphics/gl@enable", "off is what SPICE's has"),
    (r"devices/.*/alias@name|devices/(audio@driver|hostdev@managed|redirfilter/.*|panic/address@irq)", "the device's own"),
    (r"devices/video/(driver@vgaconf|model@(primary|vram|vram64)|model/acceleration@accel2d)", "another model's, or the only one's"),
    (r"devices/hostdev(/source@startupPolicy|@rawio|/shareable|/address@target)|devices/shmem@(name|role)|devices/vsock/cid@auto|devices/memballoon/stats@period",
     "done when it starts or by the driver, or of another kind of this device"),
    (r"devices/controller/address(/zpci)?@.*|devices/controller@index|devices/channel/address@bus|devices/interface/driver@queues",
     "the machine's own controllers, the only bus, and the one queue that each has"),
]


# Texts that fit the patterns of numbers, names, addresses.
SAMPLES = ["1", "3", "x", "/dev/x", "0x1", "52:54:00:00:00:01", "127.0.0.1", "6a2a7b3e-5f0e-4f6a-8f8e-0c5c6d1f2a22", "0x00000001", "1.1", "org.x:y", "1-2",
           "4294967295", "6a2a7b3e5f0e4f6a8f8e0c5c6d1f2a22", "MiB", "0x1234567812345678", "1.2.3.4", "x.y", "(all)", "2020-01-01"]


class Grammar:
    def __init__(self, folder):
        self.defines = {}
        self.load(os.path.join(folder, "domaincommon.rng"), folder, set())

    def load(self, path, folder, seen):
        if path in seen:
            return
        seen.add(path)
        for node in ET.parse(path).getroot().iter():
            if node.tag == RNG + "include":
                self.load(os.path.join(folder, node.get("href")), folder, seen)
            elif node.tag == RNG + "define":
                self.defines.setdefault(node.get("name"), []).append(node)

    def children(self, node):
        """What a pattern is made of; a reference is what it stands for."""
        if node.tag == RNG + "ref":
            return [child for define in self.defines.get(node.get("name"), []) for child in define]
        return [child for child in node if child.tag not in (RNG + "anyName", RNG + "nsName", RNG + "name", RNG + "except", RNG + "param")]

    def samples(self, node, depth=0):
        """Texts that a value's pattern allows."""
        kind = node.tag.removeprefix(RNG)
        if kind == "value":
            return [(node.text or "").strip()]
        if kind == "text":
            return ["text"]
        if kind == "data":
            pattern = next((param.text for param in node.findall(RNG + "param") if param.get("name") == "pattern"), None)
            return [text for text in SAMPLES if not pattern or re.fullmatch(pattern, text)][:2] or ["3", "1"]
        if depth > 12:
            return []
        return [text for child in self.children(node) for text in self.samples(child, depth + 1)]

    def targets(self, node, stack, path, places):
        """The elements and attributes below a pattern, each with the patterns that lead to it."""
        kind = node.tag.removeprefix(RNG)
        if any(node is other for other in stack) or len(path) > DEPTH_MAX:
            return
        stack = stack + [node]
        if kind == "attribute" and node.get("name"):
            yield path, node.get("name"), stack
            return
        if kind == "element":
            if not node.get("name"):
                return
            path = path + [node.get("name")]
            key = ("/".join(path), tuple(id(n) for n in stack if n.tag == RNG + "element"))
            if key in places:
                return
            places.add(key)
            yield path, None, stack
        for child in self.children(node):
            yield from self.targets(child, stack, path, places)

    def is_container(self, element):
        """Whether an element has attributes or elements below: what it does, those say."""
        return any(True for child in self.children(element) for _ in self.targets(child, [], [], set()))

    def fill(self, node, element, forced, depth=0):
        """Adds to an element the least that a pattern wants, and what is forced."""
        kind = node.tag.removeprefix(RNG)
        if depth > 40:
            return
        if kind == "attribute" and node.get("name"):
            values = [text for child in self.children(node) for text in self.samples(child)]
            element.set(node.get("name"), values[0] if values else "text")
        elif kind == "element" and node.get("name"):
            child = ET.SubElement(element, node.get("name"))
            for part in self.children(node):
                self.fill(part, child, forced, depth + 1)
        elif kind in ("value", "data", "text"):
            values = self.samples(node)
            element.text = values[0] if kind != "text" else element.text
        elif kind in ("optional", "zeroOrMore"):
            if id(node) in forced:
                for part in self.children(node):
                    self.fill(part, element, forced, depth + 1)
        elif kind == "choice":
            parts = self.children(node)
            chosen = [part for part in parts if id(part) in forced] or parts[:1]
            for part in chosen[:1]:
                self.fill(part, element, forced, depth + 1)
        elif kind != "notAllowed":
            for part in self.children(node):
                self.fill(part, element, forced, depth + 1)


bus = Bus()
qemu = Hypervisor(bus, "qemu")


def native(text):
    # Without what is new at each translation.
    text = bus.call(qemu.path, f"{NAME}.Connection", "DomainXMLToNative", "ss", "qemu-argv", text)
    return plain(text)


def plain(text):
    return re.sub(r"52:54:00:(?!00:00)\w\w:\w\w:\w\w|base=[-0-9T:]+|guid\":\"[-\w]+", "", text)


class Base:
    """A good document, and what is tried in it."""

    def __init__(self, text, tops):
        self.text, self.tops = text, tops
        try:
            self.line = native(text)
            qemu.do(qemu.define(text), "Undefine", nvram=True)
            self.error = None
        except BusError as error:
            self.error = error.message

    def takes(self, path):
        return any(path[:len(top)] == top for top in self.tops) and (path[0] != "devices" or () not in self.tops)

    def documents(self, grammar, path, attribute, stacks):
        """The document with an element or attribute in it, for each of its values."""
        found = []
        for stack in stacks:
            values = [text for child in grammar.children(stack[-1]) for text in grammar.samples(child)] if attribute else [None]
            for value in values:
                text = self.document(grammar, path, attribute, stack, value)
                if text and text not in found:
                    found.append(text)
        # The ends of the list are the most different.
        return found if len(found) <= VALUES_MAX else found[:VALUES_MAX - 2] + found[-2:]

    def document(self, grammar, path, attribute, stack, value):
        root = ET.fromstring(self.text)
        element, forced = root, {id(node) for node in stack}
        patterns = [node for node in stack if node.tag == RNG + "element"]
        made = False
        for name, pattern in zip(path, patterns):
            child = element.find(name)
            if child is None:
                grammar.fill(pattern, element, forced)
                child, made = element.find(name), True
                if child is None:
                    return None
            element = child
        if attribute:
            if element.get(attribute) == value and not made:
                return None
            element.set(attribute, value)
        elif not made:
            return None
        return ET.tostring(root, encoding="unicode")


def bases():
    for parts in MACHINES:
        text = document(**parts)
        names = [(child.tag,) for child in ET.fromstring(text) if child.tag not in ("name", "devices", "memory", "uuid")]
        whole = not parts
        yield Base(text, [name for name in names if whole or f"<{name[0]}" in "".join(parts.values()) or (name[0] == "features" and "features" in parts)]
                   if not whole else [()])
    for device in DEVICES:
        kind = ET.fromstring(device).tag
        more = "".join(other for needs, other in BESIDE_DEVICES.items() if needs in device)
        yield Base(document(more + device, **BESIDE.get(kind, {})), [("devices", kind)])


def is_named(message, path, attribute):
    """Whether an error is of this element or attribute, or of an element that it is in, by name."""
    names = map(re.escape, ([attribute] if attribute else []) + [path[-1], *path[2 if path[0] == "devices" else 0:]])
    return re.search(rf"(?<![\w-])({'|'.join(names)})(?![\w-])", message) is not None


def trial(base, documents, path, attribute, slot):
    """Tries documents until one has an effect; ends with 'effect', 'refused', 'other' or 'none', and a message or the document."""
    answers = {}
    for text in documents:
        own = text.replace("<name>schema<", f"<name>schema{slot}<").replace("0c5c6d1f2a11", f"0c5c6d1f{slot:04d}")
        result = yield "DefineDomain", "sa{sv}", (own, {})
        if not isinstance(result, BusError):
            result = yield "DomainXMLToNative", "ss", ("qemu-argv", text)
        if isinstance(result, BusError):
            answers.setdefault("refused" if is_named(result.message, path, attribute) else "other", f"{result.message}: {text}")
        elif plain(result[0]) != base.line:
            return "effect", None
        else:
            answers.setdefault("none", text)
    return next(((what, answers[what]) for what in ("refused", "none", "other") if what in answers), ("unmade", None))


def try_all(trials, on_end):
    """Runs trials, some at once."""
    running = []

    def step(key, work, slot, value):
        try:
            member, signature, arguments = work.send(value)
        except StopIteration as end:
            on_end(key, *end.value)
            begin(slot)
            return
        answers = bus.begin(qemu.path, f"{NAME}.Connection", member, signature, *arguments)
        running.append((key, work, slot, answers))

    def begin(slot):
        for key, make in trials:
            step(key, make(slot), slot, None)
            return

    for slot in range(AT_ONCE):
        begin(slot)
    while running:
        bus.wait(lambda: any(answers for *_, answers in running), "an answer to a document")
        ready = [entry for entry in running if entry[3]]
        running[:] = [entry for entry in running if not entry[3]]
        for key, work, slot, answers in ready:
            step(key, work, slot, answers[0])


def nothing_that_libvirts_schemas_allow_is_ignored():
    folder = next((f for f in SCHEMAS if os.path.exists(os.path.join(f, "domaincommon.rng"))), None)
    if not folder:
        raise Skip(f"libvirt's schemas are in none of {SCHEMAS}")
    grammar = Grammar(folder)
    domain = next(node for define in grammar.defines["domain"] for node in define.iter(RNG + "element") if node.get("name") == "domain")
    places = {}
    for part in domain:
        for path, attribute, stack in grammar.targets(part, [], [], set()):
            if attribute is None and grammar.is_container(stack[-1]):
                continue
            if path and len(places.setdefault((tuple(path), attribute), [])) < STACKS_MAX:
                places[(tuple(path), attribute)].append(stack)
    good = list(bases())
    bad = [base.error for base in good if base.error]
    print(f"# {len(places)} places, {len(good)} documents, of which are refused:", flush=True)
    for error in bad:
        print(f"#   {error}", flush=True)

    def trials():
        for base in good:
            for (path, attribute), stacks in places.items():
                if not base.error and base.takes(path):
                    documents = base.documents(grammar, path, attribute, stacks)
                    if documents:
                        where = "/".join(path) + (f"@{attribute}" if attribute else "")
                        yield (where, base), lambda slot, b=base, d=documents, p=path, a=attribute: trial(b, d, p, a, slot)

    counts, found, tried = {}, {}, {}

    def on_end(key, what, text):
        counts[what] = counts.get(what, 0) + 1
        found.setdefault(what, []).append((key[0], text))
        tried.setdefault(key[0], set()).add(what)

    try_all(trials(), on_end)
    print(f"# {counts}", flush=True)
    if os.environ.get("VIRTBUS_SCHEMA_LIST"):
        with open(os.environ["VIRTBUS_SCHEMA_LIST"], "w", encoding="utf-8") as file:
            for what, entries in found.items():
                for where, text in entries:
                    print(f"{what} {where}: {text}", file=file)
    # What is refused in each document for what stands beside it says nothing.
    only = [where for where, answers in tried.items() if answers == {"other"}]
    print(f"# {len(tried)} places tried; refused for something else wherever it was: {only}", flush=True)
    assert counts.get("effect", 0) > 1200 and len(only) < len(tried) / 50, (counts, only)
    wrong = {where: text for where, text in found.get("none", []) if not any(re.fullmatch(pattern, where) for pattern, _ in ELSEWHERE)}
    for where, text in wrong.items():
        print(f"# without effect, and not refused: {where}: {text}", flush=True)
    assert not wrong, list(wrong)


run([nothing_that_libvirts_schemas_allow_is_ignored])
