#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/corpus, on the private bus: see there.

Two command lines are equal where a guest sees the same machine and the host does the same for it. So each line is brought
into one form, as a set of options that are sets of properties. What is not compared, and why, is said at each rule."""

import argparse
import collections
import functools
import json
import os
import re
import shlex
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "behaviour"))
import compare_definitions  # noqa: E402
import packet_rules  # noqa: E402
from rig import Bus, BusError  # noqa: E402
from gi.repository import GLib  # noqa: E402

CONNECTION = "/org/virtbus1/qemu"

# How each program is run and watched: its private business.
PRIVATE_OPTIONS = {"-name", "-S", "-no-user-config", "-nodefaults", "-no-shutdown", "-msg", "-mon", "-sandbox", "-action", "-add-fd",
                   "-incoming"}
FLAGS = {"-full-screen", "-S", "-no-user-config", "-nodefaults", "-no-shutdown", "-no-acpi", "-usb", "-mem-prealloc", "-no-hpet", "-no-reboot"}

# Properties with QEMU's own default, which may be said or not.
DEFAULTS = {
    ("qxl", "vram64_size_mb"): "0", ("qxl-vga", "vram64_size_mb"): "0", ("qxl", "vgamem_mb"): "16", ("qxl-vga", "vgamem_mb"): "16",
    ("VGA", "vgamem_mb"): "16", ("*", "write-cache"): "on", ("*", "multifunction"): "off", ("usb-storage", "removable"): "off",
}

# The memory of each board.
BOARDS = {"pc.ram", "mach-virt.ram", "riscv_virt_board.ram", "ppc_spapr.ram", "s390.ram"}

# What QEMU 7.2 has no more: a document that asks for it is to be refused as Unsupported. Pattern in the arguments, name.
GONE = [(r"^-device ivshmem,", "ivshmem"), (r"^-fsdev handle", "9p handle driver"), (r'"driver":"coreaudio"', "coreaudio")]


def on_off(value):
    if value is True:
        return "on"
    if value is False:
        return "off"
    return "null" if value is None else str(value)


def flatten(value, prefix=""):
    """{"a": {"b": 1}} as {"a.b": "1"}; lists by their index."""
    if isinstance(value, dict):
        return {k: v for name, inner in value.items() for k, v in flatten(inner, f"{prefix}{name}.").items()}
    if isinstance(value, list):
        return {k: v for index, inner in enumerate(value) for k, v in flatten(inner, f"{prefix}{index}.").items()}
    return {prefix[:-1]: on_off(value)}


def split_options(text):
    """a=b,c,d=e,,f: a comma that is written twice is one."""
    parts = [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]
    return [part.partition("=") for part in parts]


def parse_properties(option, text):
    if text.startswith("{"):
        return flatten(json.loads(text))
    first = {"-device": "driver", "-object": "qom-type", "-netdev": "type", "-chardev": "backend", "-machine": "type", "-cpu": "model",
             "-accel": "accel", "-numa": "kind", "-vnc": "at", "-display": "type", "-fsdev": "fsdriver", "-tpmdev": "type", "-smp": "cpus",
             "-m": "size", "-audiodev": "driver", "-blockdev": "driver"}.get(option)
    properties = {}
    lists = {}
    for index, (name, equals, value) in enumerate(split_options(text)):
        if index == 0 and not equals and first:
            name, value = first, name
        elif not equals:
            value = "on"
        if (option, name) in {("-numa", "cpus"), ("-object", "host-nodes"), ("-spice", "tls-channel"), ("-spice", "plaintext-channel"),
                              ("-smbios", "value")}:
            lists.setdefault(name, []).append(value)
        else:
            properties[name] = value
    for name, values in lists.items():
        properties[name] = ",".join(values)
    return properties


def expand(text):
    """1-2,5 as {1, 2, 5}."""
    numbers = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    return ",".join(map(str, sorted(numbers)))


class Line:
    def __init__(self, words, xml):
        self.options = []  # (option, properties)
        self.xml = xml
        self.environment = []
        self.prealloc = False
        self.fallback = False  # another processor was chosen, as the host cannot give what is asked for
        while words and "=" in words[0] and not words[0].startswith(("-", "/")):
            name = words[0].partition("=")[0]
            if name not in {"LC_ALL", "PATH", "HOME", "USER", "LOGNAME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
                            "SDL_AUDIODRIVER", "XAUTHORITY", "SASL_CONF_PATH", "DISPLAY", "SPICE_DEBUG_ALLOW_MC"}:
                self.environment.append(words[0])
            words = words[1:]
        self.emulator = words[0]
        i = 1
        while i < len(words):
            option = words[i]
            if option in FLAGS or i + 1 == len(words) or not option.startswith("-"):
                self.options.append((option, {}))
                i += 1
                continue
            text = words[i + 1]
            i += 2
            if option in {"-smbios", "-boot", "-rtc", "-global", "-fw_cfg", "-overcommit", "-spice"} | {
                    "-device", "-object", "-netdev", "-chardev", "-machine", "-cpu", "-accel", "-numa", "-vnc", "-display", "-fsdev", "-tpmdev",
                    "-smp", "-m", "-audiodev", "-blockdev"}:
                self.options.append((option, parse_properties(option, text)))
            else:
                self.options.append((option, {"value": text}))

    def find(self, option):
        return [properties for name, properties in self.options if name == option]

    def drop(self, condition):
        self.options = [(o, p) for o, p in self.options if not condition(o, p)]

    def machine(self):
        return self.find("-machine")[0]

    def normalize(self):
        self.drop(lambda o, p: o in PRIVATE_OPTIONS)
        self.normalize_machine()
        self.normalize_memory()
        self.normalize_objects()
        self.normalize_blocks()
        self.normalize_characters()
        self.normalize_devices()
        self.normalize_displays()
        return {self.text(o, p) for o, p in self.options} | set(self.environment)

    @staticmethod
    def text(option, properties):
        return option + "".join(f" {k}={v}" for k, v in sorted(properties.items()))

    def controllers(self):
        """{index: the element's text} of the PCI controllers in the document."""
        return {int(e.get("index", -1)): ET.tostring(e, "unicode") for e in ET.fromstring(self.xml).iter("controller") if e.get("type") == "pci"}

    def is_pc(self):
        return re.search(r"<type[^>]*arch=['\"](x86_64|i686)", self.xml) or not re.search(r"<type[^>]*arch=", self.xml)

    def normalize_machine(self):
        machine = self.machine()
        # A machine without a version is given this QEMU's when it is defined.
        asked = re.search(r"<type[^>]*machine=['\"](pc|q35)['\"]", self.xml)
        machine["type"] = asked[1] if asked else machine["type"]
        flags = {o for o, p in self.options if o in FLAGS}
        if "-no-hpet" in flags:
            machine["hpet"] = "off"
        self.drop(lambda o, p: o in {"-no-acpi", "-usb", "-no-hpet", "-mem-prealloc"})
        machine.setdefault("acpi", "off" if "-no-acpi" in flags else "on")
        for name, default in (("usb", "off"), ("dump-guest-core", "off")):
            if machine.get(name) == default:
                del machine[name]
        if not re.search("<gic[^>]*version", self.xml) and re.search("<domain[^>]*kvm", self.xml):  # the best that the host has
            machine.pop("gic-version", None)
        if "-usb" in flags and "ppc" in self.emulator:  # the same
            self.options.append(("-device", {"driver": "piix3-usb-uhci", "id": "usb", "bus": "pci.0", "addr": "0x1"}))
        if "-usb" in flags and self.is_pc():  # another way to say it
            self.options.append(("-device", {"driver": "piix3-usb-uhci", "id": "usb", "bus": "pci.0", "addr": "0x1.0x2"}))
        if "-mem-prealloc" in flags:
            self.prealloc = True
        for boot in self.find("-boot"):
            if boot.get("menu") == "off":
                del boot["menu"]
        for smp in self.find("-smp"):
            if smp.get("dies") == "1":
                del smp["dies"]
            smp.setdefault("maxcpus", smp["cpus"])
        cpus = self.find("-cpu")
        if not self.is_pc() and not re.search("<cpu[^>]*mode=|<model fallback|<cpu[^/]*<model", self.xml):
            self.drop(lambda o, p: o == "-cpu")
        elif not cpus:  # a QEMU that could not be asked for its default
            cpus = [{"model": "qemu32" if self.emulator.endswith("i386") else "qemu64"}]
            self.options.append(("-cpu", cpus[0]))
        for cpu in cpus:
            cpu.pop("migratable", None)
            for name in list(cpu):  # a QEMU before 2.12 had no such spelling
                if cpu[name] == "on" and name.startswith("hv-"):
                    cpu[name] = "on"
            # The host that libvirt's tests pretend to run on decides about these.
            host = r"<cpu[^>]*mode=['\"]host-model|<cpu[^>]*match=['\"](minimum|strict)|policy=['\"]optional"
            if re.search(host, self.xml) or self.fallback:
                model = cpu.pop("model")
                for name in list(cpu):
                    if not name.startswith(("l3-cache", "host-cache", "hv-", "kvm", "phys-bits", "host-phys")):
                        del cpu[name]
                cpu["model"] = "of this host" if model else ""
        for rtc in self.find("-rtc"):
            if re.search(r"offset=['\"]variable", self.xml) and re.match(r"\d{4}-", rtc["base"]):
                rtc["base"] = "now, adjusted"
        self.drop(lambda o, p: o == "-overcommit" and p == {"mem-lock": "off"})
        self.drop(lambda o, p: o == "-uuid" and "<uuid>" not in self.xml)

    def normalize_memory(self):
        for memory in self.find("-m"):
            size = memory["size"]
            memory["size"] = str(int(size[:-1]) // 1024 if size.endswith("k") else int(size))
        objects = {p["id"]: p for p in self.find("-object")}
        contexts = {p["id"]: p for p in self.find("-object") if p["qom-type"] == "thread-context"}
        for backend in objects.values():
            if not backend["qom-type"].startswith("memory-backend-"):
                continue
            hosts = [v for k, v in sorted(backend.items()) if re.match(r"host-nodes", k)]
            for k in [k for k in backend if re.match(r"host-nodes", k)]:
                del backend[k]
            if hosts:
                backend["host-nodes"] = ",".join(sorted(expand(",".join(hosts)).split(","), key=int))
            context = contexts.get(backend.get("prealloc-context"))
            if context:
                backend["prealloc-context"] = expand(",".join(v for k, v in context.items() if k.startswith("node-affinity")))
            # Huge pages are taken from a mounted folder or as a memory file: the guest has the same ones.
            path = backend.pop("mem-path", "")
            huge = re.match(r"/dev/hugepages(\d+)([MG])", path)
            if huge:
                backend["huge"] = str(int(huge[1]) * (1024 if huge[2] == "G" else 1) * 1048576)
            elif backend.get("hugetlb") == "on":
                backend["huge"] = backend["hugetlbsize"]
            elif path and not path.startswith(("/var/lib/libvirt/qemu/ram", "ram-")):
                backend["mem-path"] = path
            if "huge" in backend:
                backend["qom-type"] = "memory-backend-huge"
                backend.pop("hugetlb", None)
                backend.pop("hugetlbsize", None)
                if backend.get("share") == "off":  # a file's default
                    del backend["share"]
            if backend.get("share") == "on" and backend["qom-type"] == "memory-backend-memfd":
                del backend["share"]  # a memfd's default
            # The name of a RAM block, for migration from and to old libvirt.
            backend.pop("x-use-canonical-path-for-ramblock-id", None)
            if backend["id"] in BOARDS:
                self.machine().pop("memory-backend", None)
                # All memory is bound to nodes of the host by the backend or by a control group.
                backend.pop("host-nodes", None)
                backend.pop("policy", None)
            if backend["id"] in BOARDS and set(backend) == {"qom-type", "id", "size"} and backend["qom-type"] == "memory-backend-ram":
                backend["drop"] = "yes"  # as plain as -m
        for node in self.find("-numa"):
            if "cpus" in node:
                node["cpus"] = expand(node["cpus"])
            backend = objects.get(node.get("memdev"))
            if backend and set(backend) == {"qom-type", "id", "size"} and backend["qom-type"] == "memory-backend-ram":
                node["mem"] = str(int(backend["size"]) // 1048576)
                del node["memdev"]
                backend["drop"] = "yes"
        for path in self.find("-mem-path"):  # before there were backends
            shared = {"share": "on"} if re.search(r"access mode=['\"]shared", self.xml) else {}
            self.options.append(("-object", {"qom-type": "memory-backend-file", "id": "pc.ram", "size": str(int(self.find("-m")[0]["size"]) * 1048576),
                                             **({"prealloc": "on"} if self.prealloc else {}), **shared}))
        self.drop(lambda o, p: o == "-mem-path")
        self.drop(lambda o, p: o == "-object" and ("drop" in p or p["qom-type"] == "thread-context"))

    def normalize_objects(self):
        # Secrets: what is in them is the host's, and how they are passed is private.
        self.drop(lambda o, p: o == "-object" and p["qom-type"] == "secret")
        for p in self.find("-object") + self.find("-blockdev"):
            for key in list(p):
                if key.endswith(("key-secret", "password-secret", "cookie-secret")):
                    p[key] = "a secret"
        # Certificates are where the host's configuration says.
        for p in self.find("-object"):
            if p["qom-type"] == "tls-creds-x509":
                p.pop("dir", None)
                p.pop("passwordid", None)
            if p["qom-type"] == "pr-manager-helper" and p.get("path", "/tmp/lib/").startswith("/tmp/lib/"):
                p.pop("path", None)
        for p in self.find("-object"):
            if p["qom-type"] == "pr-manager-helper":
                p["id"] = "pr-helper"
        # TLS that the host's configuration asks for, not the document.
        wanted = "tls=" in self.xml
        if not wanted:
            self.drop(lambda o, p: o == "-object" and p["qom-type"] == "tls-creds-x509")
            for p in self.find("-chardev") + self.find("-vnc"):
                p.pop("tls-creds", None)

    def normalize_blocks(self):
        nodes = {p["node-name"]: p for p in self.find("-blockdev")}
        used = set()
        objects = {p["id"]: p for p in self.find("-object")}

        def describe(name):
            node = nodes.get(name)
            if node is None or name in used:
                return name
            used.add(name)
            node = dict(node)
            del node["node-name"]
            storage = "file" not in node
            node.pop("auto-read-only", None)  # read-only is decided in the node above
            if storage:
                if node["driver"] not in {"host_device"} or not self.is_host_device(node):
                    node.pop("read-only", None)
                node.pop("pr-manager", None)
                if node["driver"] == "host_cdrom":
                    node["driver"] = "host_device"  # as the device itself tells
            if node.get("discard") == "unmap" and storage:
                del node["discard"]
            if "tls-creds" in node:
                node["tls-creds"] = "tls"
            # The layer of the format has the same cache as the one of the storage below, in newer libvirt's lines only.
            filename = node.get("filename", "")
            if re.match(r"/var/lib/libvirt/qemu/nvram/|/.*/state/nvram/|/.*/nvram/", filename) and "<nvram" not in self.xml:
                node["filename"] = "the domain's variables"
            if "/OVMF/" in filename and not re.search(r"<loader[^>/]*>[^<]", self.xml):
                node["filename"] = "this host's firmware"
            for key in ("file", "backing"):
                if node.get(key, "null") != "null":
                    node[key] = describe(node[key])
            return "{" + " ".join(f"{k}={v}" for k, v in sorted(node.items())) + "}"

        machine = self.machine()
        for key in ("pflash0", "pflash1"):
            if key in machine:
                machine[key] = describe(machine[key])
        for device in self.find("-device"):
            if "drive" in device:
                device["drive"] = describe(device["drive"])
        self.drop(lambda o, p: o == "-blockdev" and p["node-name"] in used)
        for p in self.find("-object"):
            if p["qom-type"] == "tls-creds-x509":
                p["id"] = "tls"
        del objects

    @staticmethod
    def is_host_device(node):
        return node["filename"].startswith("/dev/sg")

    def normalize_characters(self):
        self.drop(lambda o, p: o == "-chardev" and p["id"] in {"monitor", "charmonitor"})
        for p in self.find("-chardev"):
            # A socket that is listened at is passed as a descriptor or named; the same holds for files.
            if p.get("server") == "on" and "host" not in p and p["id"][4:].rstrip("0123456789") != "net":
                p.pop("fd", None)
                p.pop("path", None)
            if p["backend"] == "file":
                p["path"] = "file"
                p.pop("append", None)
            if "logfile" in p:
                p["logfile"] = "file"
            # Sockets of helpers that each program runs by itself.
            if p["id"] in {"chrtpm"} and "external" not in self.xml or p["id"].startswith(("chr-vu-video", "chr-vu-fs")):
                p.pop("path", None)
                p.pop("fd", None)
            if p["id"].startswith("charshmem") and "path=" not in self.xml:
                p.pop("path", None)

    def normalize_devices(self):
        vhost = {"vhostfd"}
        for p in self.find("-device"):
            for key in vhost & set(p):  # a descriptor
                del p[key]
            driver = p["driver"]
            for name in (driver, "*"):
                for key in list(p):
                    if DEFAULTS.get((name, key)) == p[key]:
                        del p[key]
            for key in ("rombar",):
                if key in p and p[key] in {"on", "off"}:
                    p[key] = "1" if p[key] == "on" else "0"
            if driver == "ioh3420" and "ioh3420" not in self.controllers().get(int(p["id"].removeprefix("pci.")), ""):
                p["driver"] = "pcie-root-port"  # a QEMU without the newer one
            if driver == "virtio-gpu-pci" and p["id"] == "video0":  # a QEMU without virtio-vga
                p["driver"] = "virtio-vga"
            if driver == "pci-ohci" and p["id"] == "usb" and "ohci" not in self.xml and self.machine()["type"].startswith("pseries"):
                p["driver"] = "qemu-xhci"  # what is defined anew has the newer one
            if driver == "virtio-iommu":  # an alias
                p["driver"] = "virtio-iommu-pci"
            if driver == "isa-fdc":  # the same as -global
                for key in [k for k in p if k.startswith("bootindex")]:
                    self.options.append(("-global", {f"isa-fdc.{key}": p.pop(key)}))
            if driver.startswith("vhost-vsock-") and re.search(r"auto=['\"]yes", self.xml):
                p.pop("guest-cid", None)  # chosen at each start
            if p.pop("virgl", None) == "on":  # a QEMU before 6.1
                p["driver"] += "-gl"
            if driver == "usb-host" and "hostbus" in p:  # a QEMU before 4.2
                p["hostdevice"] = f"/dev/bus/usb/{int(p.pop('hostbus')):03}/{int(p.pop('hostaddr')):03}"
            if driver == "vmgenid" and not re.search(r"<genid>\w", self.xml):
                p["guid"] = "random"
            if p.get("hv-crash") == "":
                p["hv-crash"] = "on"
        for p in self.find("-netdev"):
            if p.get("type") == "tap":  # a descriptor, or the interface's name
                for key in ("fd", "ifname", "script", "downscript"):
                    p.pop(key, None)
        for p in self.find("-global"):
            if "driver" in p:
                p[f"{p.pop('driver')}.{p.pop('property')}"] = p.pop("value")
        for p in self.find("-fsdev"):
            if "driver" in p:
                p["fsdriver"] = p.pop("driver")

    def normalize_displays(self):
        for p in self.find("-vnc"):
            p.pop("to", None)
            p.pop("sasl", None)  # the host's configuration
            p["at"] = p.get("at", "").removeprefix("vnc=")
            for key in ("vnc", "unix"):
                if key in p:
                    p["at"] = p.pop(key)
            p["at"] = p["at"].removeprefix("unix:")
        for p in self.find("-spice"):
            for key in ("x509-dir", "sasl", "disable-ticketing"):  # the host's configuration
                p.pop(key, None)
            if p.get("unix") == "on" and "socket=" not in self.xml:
                p.pop("addr")
        for p in self.find("-display"):
            if "bad-test-used-env" in p.get("addr", "") or p.get("addr") == "unix:path=dbus.sock":
                p["addr"] = "private"
            if p["type"] == "egl-headless" and "rendernode" not in self.xml:
                p.pop("rendernode", None)
        for p in self.find("-display"):
            if self.find("-full-screen"):
                p["full-screen"] = "on"
        self.drop(lambda o, p: o in {"-full-screen"} or (o == "-soundhw" and p["value"] == "pcspk"))
        places = r"listen|port=|socket="
        for display in ET.fromstring(self.xml).iter("graphics"):
            own = [e for e in display.iter("listen") if e.get("type") == "socket" and not e.get("socket")]
            if display.get("type") == "vnc" and (own or not re.search(places, ET.tostring(display, "unicode"))):
                for p in self.find("-vnc"):  # each program has its own place
                    p["at"] = "private"
            if display.get("type") == "spice" and display.get("autoport") == "yes":
                for p in self.find("-spice"):  # chosen at each start
                    p.pop("port", None)
                    p.pop("tls-port", None)
        # QEMU's own BIOS, said or not.
        self.drop(lambda o, p: o == "-bios" and p["value"] == "/usr/share/seabios/bios-256k.bin")
        if re.search(r"firmware=['\"]efi", self.xml) and "<feature " not in self.xml:
            # Whether the firmware that comes first on a host checks signatures is that host's affair.
            self.machine().pop("smm", None)
            self.drop(lambda o, p: o == "-global" and p == {"cfi.pflash01.secure": "on"})
        # None is what there is when none is named.
        self.drop(lambda o, p: o == "-display" and p.get("type") == "none")
        # Audio of type none is silence, said or not.
        silent = {p["id"] for p in self.find("-audiodev") if set(p) == {"id", "driver"} and p["driver"] == "none"}
        self.drop(lambda o, p: o == "-audiodev" and p["id"] in silent)
        for _, p in self.options:
            for key in ("audiodev", "pcspk-audiodev"):
                if p.get(key) in silent:
                    del p[key]


def parse(text, xml):
    return Line(shlex.split(text.replace("\\\n", " ")), xml)


def translate(bus, xml):
    return bus.call(CONNECTION, "org.virtbus1.Connection", "DomainXMLToNative", "ss", "qemu-argv", xml)


def has_usb(line):
    return any("usb" in p["driver"] or "hci" in p["driver"] for p in line.find("-device")) or ("-usb", {}) in line.options


def compare(bus, wanted, native, xml):
    """What only libvirt has, and only the driver has."""
    theirs, ours = parse(wanted, xml), parse(native, xml)
    if not has_usb(theirs) and has_usb(ours) and "type='usb'" not in xml:
        # Some of libvirt's tests are of a QEMU without any USB controller.
        ours = parse(translate(bus, xml.replace("</devices>", "<controller type='usb' model='none'/></devices>")), xml)
    if not theirs.find("-audiodev") and "<audio" not in xml:  # a QEMU before 4.0
        ours.drop(lambda o, p: o == "-audiodev")
        for _, p in ours.options:
            p.pop("audiodev", None)
    for mine in ours.find("-device"):
        for other in theirs.find("-device"):  # a QEMU that could not be told of these
            if mine.get("id") == other.get("id") and "vgamem_mb" not in other:
                mine.pop("vgamem_mb", None)
    if not ours.is_pc() and "virtio-mmio" not in xml and any(re.fullmatch("virtio-.*-device", p["driver"]) for p in theirs.find("-device")):
        # A QEMU whose boards have no PCI: the same devices are in the places of the board.
        for line in theirs, ours:
            line.drop(lambda o, p: o == "-device" and p["driver"] == "pcie-root-port")
            for p in line.find("-device"):
                if re.fullmatch("virtio-.*-(device|pci)", p["driver"]):
                    p["driver"] = re.sub("-(device|pci)$", "", p["driver"])
                    p.pop("bus", None)
                    p.pop("addr", None)
    models = {line.find("-cpu")[0]["model"] for line in (theirs, ours) if line.find("-cpu")}
    if len(models) > 1 and re.search(r"<cpu", xml) and "forbid" not in xml:
        theirs.fallback = ours.fallback = True
    theirs, ours = theirs.normalize(), ours.normalize()
    return theirs - ours, ours - theirs


def has_other_topology(line):
    """A QEMU before 4.2 could have more sockets, cores and threads than processors, or less."""
    for smp in line.find("-smp"):
        product = 1
        for name in ("sockets", "dies", "cores", "threads"):
            product *= int(smp.get(name, 1))
        return "sockets" in smp and product != int(smp.get("maxcpus", smp["cpus"]))
    return False


# What the driver says of what it can tell QEMU, and cannot do for it yet: such documents are translated, and not defined.
LATER = "cannot yet start a guest with"

# QEMUs of other architectures than this host's are tried as far as a command line where they are not installed.
ABSENT = "there is no program /usr/bin/qemu-system-"

# Words that say nothing of a fault.
COMMON = set("""a an and are as at be by can cannot could does element error for found from has have in internal invalid is it its line
    must no not of on one only or out unsupported configuration use used value xml with this that the there to type but was address device
    driver leave domain missing attribute already definition found qemu name names known""".split())


def significant(text):
    words = re.findall(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", text.lower())
    parts = {w for word in words for w in [word, *re.split("[-_]", word)]}
    return {w.rstrip("s") for w in parts if w not in COMMON and len(w) > 1}


def same_fault(wanted, error):
    """Both messages must speak of the same things: they share words, and ours is not a refusal of something unknown."""
    if "does not know" in error.message:
        return False
    shared = significant(wanted) & significant(error.message)
    return len(shared) >= 2 or (len(shared) == 1 and len(significant(wanted)) <= 4)


def define(bus, xml):
    """The definition as it is kept."""
    path = bus.call(CONNECTION, "org.virtbus1.Connection", "DefineDomain", "sa{sv}", xml, {"unsupported": GLib.Variant("b", True)})
    path = path if isinstance(path, str) else path[0]
    try:
        return bus.call(path, "org.virtbus1.Domain", "GetXMLWithSecrets", "a{sv}", {})
    finally:
        bus.call(path, "org.virtbus1.Domain", "Undefine", "a{sv}", {"nvram": GLib.Variant("b", True)})


def show_definition(bus, xml):
    """The definition as it would be kept, of what can be translated only."""
    try:
        return bus.call(CONNECTION, "org.virtbus1.Connection", "DomainXMLToNative", "ss", "domain-xml", xml)
    except BusError:
        return None


class Results:
    """What became of the cases of a folder: numbers, and a line for each that is not as it should be."""

    def __init__(self, show_all):
        self.show_all = show_all
        self.equal = self.good = self.refused = self.bad = self.gone = self.possible = self.later = self.absent = 0

    def tell(self, what, name, text="", always=True):
        if always or self.show_all:
            print(f"{what:9} {name}{': ' if text else ''}{text}")

    def differences(self, name, missing, extra):
        self.equal += not missing and not extra
        if not missing and not extra:
            self.tell("equal", name, always=False)
        else:
            self.tell("differs", name, "; ".join(["- " + t for t in sorted(missing)] + ["+ " + o for o in sorted(extra)]))

    def summary(self):
        notes = [f"{self.gone} of them Unsupported, as QEMU 7.2 has it no more"] if self.gone else []
        notes += [f"{self.later} are translated, and cannot be defined yet"] if self.later else []
        notes += [f"{self.absent} are translated only, as their QEMU is not installed"] if self.absent else []
        notes = f" ({'; '.join(notes)})" if notes else ""
        others = f" ({self.possible} not to be, as this host's QEMU can do it)" if self.possible else ""
        return (f"{self.equal} of {self.good} equal{notes}, {self.refused} of {self.bad} refused for the same fault{others}")


def check_refused(results, name, wanted, failure):
    results.bad += 1
    if re.search("not supported (in|by) this QEMU binary", wanted) and not failure:
        results.possible += 1
        results.tell("other", name, f"this host's QEMU has it [{wanted.strip()}]", always=False)
    elif failure and same_fault(wanted, failure):
        results.refused += 1
        results.tell("same", name, f"{failure.message} [{wanted.strip()}]", always=False)
    else:
        results.tell("other" if failure else "accepted", name, f"{failure.message if failure else ''} [{wanted.strip()[:200]}]")


def check_command_line(results, bus, name, files, verbose):
    """NAME.xml, and NAME.args or NAME.err. It is defined, and translated: both must do."""
    xml, native, failure = files[".xml"], "", None
    try:
        native = translate(bus, xml)
        define(bus, xml)
    except BusError as error:
        failure = error
        if ABSENT in error.message and native:
            results.absent += 1
            failure = None
        elif LATER in error.message:
            results.later += 1
            results.tell("later", name, error.message, always=False)
            failure = None if native else error
    if ".err" in files:
        check_refused(results, name, files[".err"], failure)
        return
    results.good += 1
    wanted = files[".args"]
    gone = [what for pattern, what in GONE if re.search(pattern, wanted, re.MULTILINE)]
    unsupported = failure and (gone or "has no device" in failure.message) and failure.name.endswith("Unsupported")
    if unsupported or (failure and "topology" in failure.message and has_other_topology(parse(wanted, xml))):
        results.equal += 1
        results.gone += 1
        results.tell("gone", name, failure.message, always=False)
    elif failure:
        results.tell("refused", name, failure.message)
    else:
        results.differences(name, *compare(bus, wanted, native, xml))
        if verbose:
            print(wanted, native, sep="\n")


def check_definition(results, bus, name, files, verbose):
    """NAME.xml, and NAME.out: the definition that is kept of it."""
    results.good += 1
    if not compare_definitions.has_usb(files[".out"]) and "</devices>" in files[".xml"]:
        # Some of libvirt's tests are of a QEMU without any USB controller.
        files[".xml"] = files[".xml"].replace("</devices>", "<controller type='usb' model='none'/></devices>")
        files[".out"] = files[".out"].replace("</devices>", "<controller type='usb' index='0' model='none'/></devices>")
    try:
        kept = define(bus, files[".xml"])
    except BusError as error:
        kept = show_definition(bus, files[".xml"]) if LATER in error.message else None
        results.later += kept is not None
        if kept is not None:
            pass
        elif error.name.endswith("Unsupported") and ("has no " in error.message):
            results.equal += 1
            results.gone += 1
            results.tell("gone", name, error.message, always=False)
        else:
            results.tell("refused", name, error.message)
    if kept is None:
        return
    results.differences(name, *compare_definitions.compare(files[".out"], kept, files[".xml"]))
    if verbose:
        print(files[".out"], kept, sep="\n")


def check_kept(kind, results, bus, name, files, verbose):
    """NAME.xml of what the connection host has, and NAME.out: the definition that is kept of it."""
    results.good += 1
    try:
        path = bus.call("/org/virtbus1/host", f"org.virtbus1.{kind}s", f"Define{kind.removeprefix('Network') or kind}", "sa{sv}", files[".xml"], {})
    except BusError as error:
        results.tell("refused", name, error.message)
        return
    kept = bus.call(path, f"org.virtbus1.{kind}", "GetXML", "a{sv}", {})
    bus.call(path, f"org.virtbus1.{kind}", "Undefine", "a{sv}", {})
    results.differences(name, *compare_definitions.compare_trees(files[".out"], kept))
    if verbose:
        print(files[".out"], kept, sep="\n")


def check_interface(results, bus, name, files, verbose):
    """NAME.xml of an interface of a host, and NAME.out: the document that would be kept of it."""
    results.good += 1
    try:
        kept = bus.call("/org/virtbus1/host", "org.virtbus1.Interfaces", "CheckInterfaceXML", "sa{sv}", files[".xml"], {})
    except BusError as error:
        results.tell("refused", name, error.message)
        return
    results.differences(name, *compare_definitions.compare_trees(files[".out"], kept))
    if verbose:
        print(files[".out"], kept, sep="\n")


def check_checkpoint(results, bus, name, files, verbose):
    """NAME.xml of a checkpoint, and NAME.out: the document that is kept of it, of one that is made or made known."""
    results.good += 1
    xml, wanted = ET.fromstring(files[".xml"]), ET.fromstring(files[".out"])
    disks = ET.fromstring(f"<all>{files['.xml']}{files['.out']}</all>")
    domain = snapshots_domain(bus, disks)
    known = xml.find("creationTime") is not None
    try:
        for parent in wanted.findall("parent/name"):
            bus.call(domain, "org.virtbus1.Domain", "RedefineCheckpoint", "sa{sv}",
                     f"<domaincheckpoint><name>{parent.text}</name><creationTime>1</creationTime></domaincheckpoint>", {})
        if not known:
            bus.call(domain, "org.virtbus1.Domain", "Start", "a{sv}", {})
        checkpoint = bus.call(domain, "org.virtbus1.Domain", "RedefineCheckpoint" if known else "CreateCheckpoint", "sa{sv}", files[".xml"], {})
        kept = ET.fromstring(bus.call(checkpoint, "org.virtbus1.Checkpoint", "GetXML", "a{sv}", {"no_domain": GLib.Variant("b", wanted.find("domain") is None)}))
    except BusError as error:
        results.tell("refused", name, error.message)
        return
    finally:
        if not known:
            bus.call(domain, "org.virtbus1.Domain", "Destroy", "a{sv}", {})
        bus.call(domain, "org.virtbus1.Domain", "Undefine", "a{sv}", {"checkpoints": GLib.Variant("b", True)})
    if not known:  # the time is that of the making, and so is a name that nobody has chosen; sizes are told only where they are asked for
        chosen = xml.find("name") is None
        for element in (wanted, kept):
            element.remove(element.find("creationTime"))
            for disk in element.iter("disk"):
                disk.attrib.pop("size", None)
                if chosen:
                    disk.attrib.pop("bitmap", None)
            if chosen:
                element.remove(element.find("name"))
    results.differences(name, *compare_definitions.compare_trees(ET.tostring(wanted, "unicode"), ET.tostring(kept, "unicode")))
    if verbose:
        print(files[".out"], ET.tostring(kept, "unicode"), sep="\n")


def check_backup(results, bus, name, files, verbose):
    """NAME.xml of a backup, and NAME.out: its document once it has begun."""
    files = {extension: text.replace("vdextradisk", "vdx") for extension, text in files.items()}  # which no disk can be called
    results.good += 1
    wanted = ET.fromstring(files[".out"])
    domain = snapshots_domain(bus, ET.fromstring(f"<all>{files['.xml']}{files['.out']}</all>"))
    disks = {disk.get("name") for disk in wanted.iter("disk") if disk.get("backup") == "yes"}
    try:
        for checkpoint in {disk.get("incremental") for disk in wanted.iter("disk")} - {None}:
            of_disks = "".join(f"<disk name='{disk.get('name')}' bitmap='{checkpoint}'/>" for disk in wanted.iter("disk") if disk.get("incremental") == checkpoint)
            bus.call(domain, "org.virtbus1.Domain", "RedefineCheckpoint", "sa{sv}",
                     f"<domaincheckpoint><name>{checkpoint}</name><creationTime>1</creationTime><disks>{of_disks}</disks></domaincheckpoint>", {})
        bus.call(domain, "org.virtbus1.Domain", "Start", "a{sv}", {})
        bus.call(TEST, "org.virtbus1.Test", "SetDelay", "st", "backup", 3600 * 1000000)
        bus.call(domain, "org.virtbus1.Domain", "BeginBackup", "ssa{sv}", files[".xml"], "", {})
        kept = ET.fromstring(bus.call(domain, "org.virtbus1.Domain", "GetBackupXML"))
    except BusError as error:
        results.tell("refused", name, error.message)
        return
    finally:
        bus.call(domain, "org.virtbus1.Domain", "Destroy", "a{sv}", {})
        bus.call(domain, "org.virtbus1.Domain", "Undefine", "a{sv}", {"checkpoints": GLib.Variant("b", True)})
    for disk in kept.iter("disk"):  # what nobody has chosen we say, and libvirt not yet
        same = next((one for one in wanted.iter("disk") if one.get("name") == disk.get("name")), None)
        for attribute, chosen in (("exportname", disk.get("name")), ("exportbitmap", f"backup-{disk.get('name')}")):
            if same is not None and same.get(attribute) is None and disk.get(attribute) == chosen:
                del disk.attrib[attribute]
        if same is not None and same.find("driver") is None and disk.find("driver") is not None:
            disk.remove(disk.find("driver"))
        if same is not None and disk.get("name") in disks and not re.search(f"<disk[^>]*name=.{disk.get('name')}.[^>]*>\\s*(<driver[^>]*>\\s*)?<(target|scratch)", files[".xml"]):
            for element in (same, disk):  # a file's name that was made up has the time in it, or another's
                for store in [*element.findall("target"), *element.findall("scratch")]:
                    store.attrib.pop("file", None)
    results.differences(name, *compare_definitions.compare_trees(ET.tostring(wanted, "unicode"), ET.tostring(kept, "unicode")))
    if verbose:
        print(files[".out"], ET.tostring(kept, "unicode"), sep="\n")


TEST = "/org/virtbus1/test"
OF_SNAPSHOTS = "9d37b878-a7cc-9f9a-b78f-49b3abad25a8"  # the domain that libvirt's snapshots are of


def snapshots_domain(bus, xml):
    """A domain of the test driver's that has the disks which a snapshot's document names."""
    names = list(dict.fromkeys([disk.get("name") for disk in xml.iter("disk") if disk.get("name")]
                               + [target.get("dev") for target in xml.findall("domain/devices/disk/target")]))
    disks = "".join(f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='/images/{i}.qcow2'/><target dev='{name}'/></disk>" for i, name in enumerate(names))
    return bus.call(TEST, "org.virtbus1.Connection", "DefineDomain", "sa{sv}", f"<domain type='test'><name>QEMUGuest1</name><uuid>{OF_SNAPSHOTS}</uuid>"
                    f"<memory>65536</memory><os><type>hvm</type></os><devices>{disks}</devices></domain>", {})


def without_additions(wanted, kept):
    """What is kept, without what libvirt adds only when it makes a snapshot: that is not what its test does."""
    wanted, kept = ET.fromstring(wanted), ET.fromstring(kept)
    for name in ("creationTime", "state", "memory", "domain", "disks", "name"):
        there, ours = wanted.find(name), kept.find(name)
        if ours is not None and there is None:
            kept.remove(ours)
        elif ours is not None and name in ("creationTime", "domain") and (name == "creationTime" or there.get("type") is None):
            kept.remove(ours)
            wanted.remove(there)
        elif there is not None and name == "domain":
            wanted.remove(there)  # that is domain-xml's
            kept.remove(ours)
    for disk in kept.iter("disk"):
        same = [other for other in wanted.iter("disk") if other.get("name") == disk.get("name")]
        driver = disk.find("driver")
        if same and same[0].find("driver") is None and driver is not None:
            disk.remove(driver)
    return ET.tostring(wanted, "unicode"), ET.tostring(kept, "unicode")


def check_snapshot(results, bus, name, files, verbose):
    """NAME.xml of a snapshot, and NAME.out: the document that is kept of it, of one that is made or made known."""
    results.good += 1
    xml = ET.fromstring(files[".xml"])
    known = xml.find("state") is not None and xml.find("creationTime") is not None
    domain = snapshots_domain(bus, xml)
    try:
        for parent in xml.findall("parent/name"):
            bus.call(domain, "org.virtbus1.Domain", "RedefineSnapshot", "sa{sv}",
                     f"<domainsnapshot><name>{parent.text}</name><state>shutoff</state><creationTime>1</creationTime></domainsnapshot>", {})
        snapshot = bus.call(domain, "org.virtbus1.Domain", "RedefineSnapshot" if known else "CreateSnapshotWithFiles", "sa{sv}", files[".xml"], {})
        kept = bus.call(snapshot, "org.virtbus1.Snapshot", "GetXMLWithSecrets")
    except BusError as error:
        results.tell("refused", name, error.message)
        return
    finally:
        bus.call(domain, "org.virtbus1.Domain", "Undefine", "a{sv}", {"snapshots": GLib.Variant("b", True)})
    wanted, kept = without_additions(files[".out"], kept)
    results.differences(name, *compare_definitions.compare_trees(wanted, kept))
    if verbose:
        print(wanted, kept, sep="\n")


VMWARE = "/org/virtbus1/vmware"


def check_from_vmx(results, bus, name, files, verbose):
    """NAME.vmx of a machine of VMware's, and NAME.xml, its document. libvirt's tests suppose where a file lies that has no folder.
    Where two buses share the letters of disks, libvirt has two of one name, which nobody could define: ours are told by their places."""
    results.good += 1
    try:
        ours = bus.call(VMWARE, "org.virtbus1.Connection", "DomainXMLFromNative", "ss", "vmware-vmx", files[".vmx"])
    except BusError as error:
        results.tell("refused", name, error.message)
        return
    wanted = files[".xml"].replace("[datastore] directory/", "")
    trees = [ET.fromstring(text) for text in (wanted, ours)]
    names = [target.get("dev") for target in trees[0].iter("target") if target.get("bus")]
    for tree in trees:
        for disk in tree.iter("disk"):
            if len(set(names)) < len(names) and disk.find("target").get("bus") == "sata":
                disk.find("target").attrib.pop("dev")
        for comment in [child for child in tree if not isinstance(child.tag, str)]:
            tree.remove(comment)
    results.differences(name, *compare_definitions.compare_trees(*(ET.tostring(tree, "unicode") for tree in trees)))
    if verbose:
        print(wanted, ours, sep="\n")


def vmx_lines(text):
    """Keys and values. Which version of the hardware is written, and the bridges that come with one, is the writer's choice."""
    lines = re.findall(r'^([^#\s=]+)\s*=\s*"(.*)"$', text, re.MULTILINE)
    escape = functools.partial(re.sub, r"\|[0-9a-fA-F]{2}", lambda match: match[0].lower())
    return collections.Counter(f"{key.lower()} = {escape(value)}" for key, value in lines
                               if not re.match(r"virtualHW\.version|pciBridge|vmci0", key))


def check_to_vmx(results, bus, name, files, verbose):
    """NAME.xml, and NAME.vmx, the configuration that VMware has of it."""
    results.good += 1
    try:
        ours = bus.call(VMWARE, "org.virtbus1.Connection", "DomainXMLToNative", "ss", "vmware-vmx", files[".xml"])
    except BusError as error:
        results.tell("refused", name, error.message)
        return
    theirs, own = vmx_lines(files[".vmx"]), vmx_lines(ours)
    results.differences(name, list((theirs - own).elements()), list((own - theirs).elements()))
    if verbose:
        print(files[".vmx"], ours, sep="\n")


LXC = "/org/virtbus1/lxc"


def check_from_lxc(results, bus, name, files, verbose):
    """NAME.config of a container of LXC's, and NAME.xml, its document, or NAME.refused. libvirt's tests give it a UUID, and name
    libvirt's own program."""
    try:
        ours = bus.call(LXC, "org.virtbus1.Connection", "DomainXMLFromNative", "ss", "lxc-tools", files[".config"])
    except BusError as error:
        results.good += ".xml" in files
        results.bad += ".refused" in files
        results.refused += ".refused" in files
        results.tell("refused", name, error.message, always=".xml" in files)
        return
    results.good += ".xml" in files
    results.bad += ".refused" in files
    if ".refused" in files:
        results.tell("accepted", name)
        return
    wanted = ET.fromstring(files[".xml"])
    wanted.remove(wanted.find("uuid"))
    wanted.find("devices").remove(wanted.find("devices/emulator"))
    results.differences(name, *compare_definitions.compare_trees(ET.tostring(wanted, "unicode"), ours))
    if verbose:
        print(files[".xml"], ours, sep="\n")


def check_container(results, bus, name, files, verbose):
    """NAME.xml of a container, which is kept as it is."""
    results.good += 1
    try:
        path = bus.call(LXC, "org.virtbus1.Connection", "DefineDomain", "sa{sv}", files[".xml"], {"unsupported": GLib.Variant("b", True)})
    except BusError as error:
        results.tell("refused", name, error.message)
        return
    kept = bus.call(path, "org.virtbus1.Domain", "GetXMLWithSecrets", "a{sv}", {})
    bus.call(path, "org.virtbus1.Domain", "Undefine", "a{sv}", {})
    results.differences(name, *compare_definitions.compare_trees(files[".xml"], kept))
    if verbose:
        print(kept)


def dnsmasq_lines(text):
    """The lines of a configuration: where the files are that they name is private."""
    lines = (line.strip() for line in text.splitlines())
    return collections.Counter(re.sub(r"^(dhcp-hostsfile|addn-hosts)=.*", r"\1=FILE", line) for line in lines if line and line[0] != "#")


def check_dnsmasq(results, bus, name, files, verbose):
    """NAME.xml of a network, NAME.conf, the configuration of dnsmasq, and NAME.hostsfile, who is given which address."""
    results.good += 1
    try:
        ours = bus.call("/org/virtbus1/host", "org.virtbus1.Networks", "NetworkXMLToNative", "sa{sv}", files[".xml"], {})
    except BusError as error:
        results.tell("refused", name, error.message)
        return
    theirs, own = dnsmasq_lines(files[".conf"]), dnsmasq_lines(ours.get("dnsmasq.conf", ""))
    theirs.update(dnsmasq_lines(files.get(".hostsfile", "")))
    own.update(dnsmasq_lines(ours.get("dhcp-hosts", "")))
    results.differences(name, list((theirs - own).elements()), list((own - theirs).elements()))
    if verbose:
        print(files[".conf"], *ours.values(), sep="\n")


# The values of variables that libvirt's tests of filters have.
FILTER_VARIABLES = {"A": ["1.1.1.1", "2.2.2.2", "3.3.3.3", "3.3.3.3"], "B": ["80", "90", "80", "80"], "C": ["1080", "1090", "1100", "1110"],
                    "MAC": ["12:34:56:78:9a:bc"], "IP": ["1.1.1.1"]}


def check_filter_rules(results, bus, name, files, verbose):
    """NAME.xml of a network filter, and NAME.args, the rules of iptables and ebtables that libvirt has of it: by every packet that
    rules of either side are about."""
    results.good += 1
    try:
        ours = bus.call("/org/virtbus1/host", "org.virtbus1.NetworkFilters", "FilterXMLToNative", "ssa{sas}a{sv}", files[".xml"], "vnet0",
                        FILTER_VARIABLES, {})
    except BusError as error:
        results.tell("refused", name, error.message)
        return
    results.differences(name, packet_rules.compare_card(files[".args"], ours), [])
    if verbose:
        print(files[".args"], ours, sep="\n")


def check_network_rules(results, bus, name, files, verbose):
    """NAME.xml of a network, and NAME.args, the rules of iptables that libvirt has of it: by packets, as above."""
    results.good += 1
    try:
        ours = bus.call("/org/virtbus1/host", "org.virtbus1.Networks", "NetworkXMLToNative", "sa{sv}", files[".xml"], {}).get("nftables", "")
    except BusError as error:
        results.tell("refused", name, error.message)
        return
    bridge = ET.fromstring(files[".xml"]).find("bridge")
    results.differences(name, packet_rules.compare_network(files[".args"], ours, bridge.get("name") if bridge is not None else "virbr0"), [])
    if verbose:
        print(files[".args"], ours, sep="\n")


# The kinds of cases that can be tried, by the folder's name: what a case has beside its .xml, and who tries it.
KINDS = {
    "domain-xml": ({".args", ".err"}, check_command_line),
    "domain-xml-other-arch": ({".args", ".err"}, check_command_line),
    "domain-xml-out": ({".out"}, check_definition),
    "interface-xml": ({".out"}, check_interface),
    "lxc-conf": ({".config"}, check_from_lxc),
    "lxc-xml": ({".xml"}, check_container),
    "network": ({".conf"}, check_dnsmasq),
    "network-firewall": ({".args"}, check_network_rules),
    "network-xml": ({".out"}, functools.partial(check_kept, "Network")),
    "nwfilter": ({".args"}, check_filter_rules),
    "nwfilter-xml": ({".out"}, functools.partial(check_kept, "NetworkFilter")),
    "secret-xml": ({".out"}, functools.partial(check_kept, "Secret")),
    "backup-xml": ({".out"}, check_backup),
    "checkpoint-xml": ({".out"}, check_checkpoint),
    "snapshot-xml": ({".out"}, check_snapshot),
    "vmx": ({".vmx"}, check_from_vmx),
    "vmx-out": ({".vmx"}, check_to_vmx),
}
UNKNOWN_KIND = 77  # as automake and meson know it: skipped


def read_cases(directory, only):
    cases = {}
    for name in sorted(os.listdir(directory)):
        base, extension = os.path.splitext(name)
        if re.search(only, base):
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                cases.setdefault(base, {})[extension] = file.read()
    return cases


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("directory")
    options = parser.parse_args()
    kind = os.path.basename(os.path.normpath(options.directory))
    if kind not in KINDS:
        print(f"corpus: cases of the kind '{kind}' cannot be tried yet; those that can: {', '.join(KINDS)}")
        sys.exit(UNKNOWN_KIND)
    extensions, check = KINDS[kind]
    bus = Bus(listen=False)
    results = Results(options.all)
    for name, files in read_cases(options.directory, options.only).items():
        if {".xml", ".refused"} & set(files) and extensions & set(files):
            check(results, bus, name, files, options.verbose)
    if not results.good + results.bad:
        print(f"corpus: there is no case in {options.directory}: .xml and one of {', '.join(sorted(extensions))}", file=sys.stderr)
        sys.exit(2)
    print(results.summary())


main()
