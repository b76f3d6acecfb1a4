#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libvirt's schemas allow below <domain>: each element and attribute has an effect, is refused, or is in a table that says what it is
for. Documents are made from the schemas; needs those (package libvirt-daemon-system), or a folder of them in $VIRTBUS_SCHEMAS."""

import os
import re
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import NAME, Bus, BusError, Hypervisor, Skip, contains, run  # noqa: E402

SCHEMAS = os.environ.get("VIRTBUS_SCHEMAS", "/usr/share/libvirt/schemas")
RNG = "{http://relaxng.org/ns/structure/1.0}"
DEPTH_MAX = 7  # of elements below <domain>
VALUES_MAX = 12  # of one attribute that are tried

BASE = ("<domain type='qemu'><name>schema</name><uuid>6a2a7b3e-5f0e-4f6a-8f8e-0c5c6d1f2a11</uuid><memory unit='KiB'>65536</memory>"
        "<vcpu>4</vcpu><os><type arch='x86_64' machine='{}'>hvm</type></os><features><acpi/></features><devices/></domain>")

# What is no argument of QEMU's: who does it, or why it is kept. Regular expressions of places.
ELSEWHERE = [
    (r"title|description|metadata|on_(poweroff|reboot|crash|lockfailure)|currentMemory", "the domain's object shows it, or the driver does it"),
    (r"(memtune|cputune|blkiotune|numatune|vcpu@cpuset).*|vcpu", "control groups and threads, which the driver sets"),
    (r"seclabel.*", "of another confinement; what libvirt would choose"),
    (r"cpu(@match|@check|/model.*|/vendor)|clock@basis|os/type@arch|features/(pae|apic|hap.*|viridian|privnet)", "libvirt's alone, another hypervisor's, or the default"),
    (r"os/(firmware/.*|loader@.*|cmdline|acpi/table@type|boot)|os@firmware|sysinfo.*", "part of what is chosen by more than this"),
    (r"memoryBacking/discard|cpu/numa/cell@discard", "files of memory"),
    (r".*/alias|devices/(audio@driver|hostdev@managed|graphics@connected|redirfilter/.*|panic/address@irq|tpm/backend/source@.*)",
     "the device's own, a password's, or a bus's"),
    (r"devices/video/(driver@vgaconf|model@primary|model/acceleration@accel2d)", "another hypervisor's, or the only one's"),
    (r"features/kvm/pv-ipi.*|pm/.*|vcpus/.*|iothreadids.*", "QEMU's default"),
]


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
            return ["1", "52:54:00:00:00:01", "0x1", "/dev/x", "x", "127.0.0.1", "6a2a7b3e-5f0e-4f6a-8f8e-0c5c6d1f2a22", "2"] \
                if node.find(RNG + "param") is not None else ["1"]
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

    def below(self, element):
        """The first attribute or element in an element."""
        for child in self.children(element):
            for _, name, stack in self.targets(child, [], [], set()):
                yield stack, name or stack[-1].get("name")
                return

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


def native(document):
    return bus.call(qemu.path, f"{NAME}.Connection", "DomainXMLToNative", "ss", "qemu-argv", document)


def outcome(document):
    """The command line, after it has been defined; or the error."""
    try:
        text = native(document)
        qemu.do(qemu.define(document), "Undefine", nvram=True)
        # What is new at each translation.
        return re.sub(r"52:54:00:\w\w:\w\w:\w\w|base=[-0-9T:]+|guid\":\"[-\w]+", "", text), None
    except BusError as error:
        return None, error.message


def place(top, machine):
    """A document with the generated element in it."""
    root = ET.fromstring(BASE.format(machine))
    old = root.find(top.tag)
    if old is None:
        root.append(top)
    elif top.tag == "os":
        old.extend(child for child in top if child.tag != "type")
        old.attrib.update({k: v for k, v in top.attrib.items() if k != "firmware"})
    elif top.tag in ("features", "devices"):
        old.extend(top)
    else:
        root.remove(old)
        root.append(top)
    return root


def find(element, path):
    for name in path:
        element = element.findall(name)[-1] if element is not None and element.findall(name) else None
    return element


def try_one(grammar, path, attribute, stack):
    """'effect', 'refused', or 'none' with the document."""
    names = list(path)
    values = [text for child in grammar.children(stack[-1]) for text in grammar.samples(child)][:VALUES_MAX] if attribute else [None]
    forced = {id(node) for node in stack}
    answers = []
    for value in values or ["text"]:
        holder = ET.Element("holder")
        first = next(i for i, node in enumerate(stack) if node.tag == RNG + "element")
        grammar.fill(stack[first], holder, forced)
        target = find(holder, names)
        if target is None or (attribute and value is not None and not target.set(attribute, value) is None):
            return "unmade", None
        root = place(holder[0], "q35")
        document = ET.tostring(root, encoding="unicode")
        line, error = outcome(document)
        if error:
            answers.append(("refused" if (attribute or names[-1]) in error or names[-1] in error else "other", error))
            continue
        target = find(root, names)
        if target is None:
            return "unmade", None
        if attribute:
            target.attrib.pop(attribute, None)
        else:
            parent = find(root, names[:-1])
            (parent if parent is not None else root).remove(target)
        without, error = outcome(ET.tostring(root, encoding="unicode"))
        if error or without != line:
            return "effect", None
        answers.append(("none", document))
    for wanted in ("refused", "other", "none"):
        for what, text in answers:
            if what == wanted:
                return what, text
    return "unmade", None


def nothing_that_libvirts_schemas_allow_is_ignored():
    if not os.path.exists(os.path.join(SCHEMAS, "domaincommon.rng")):
        raise Skip(f"libvirt's schemas are not in {SCHEMAS}")
    grammar = Grammar(SCHEMAS)
    domain = next(node for define in grammar.defines["domain"] for node in define.iter(RNG + "element") if node.get("name") == "domain")
    counts, ignored, seen = {}, {}, set()
    for part in domain:
        for path, attribute, stack in grammar.targets(part, [], [], set()):
            where = "/".join(path) + (f"@{attribute}" if attribute else "")
            if where in seen or not path or (attribute is None and any(below[1] for below in grammar.below(stack[-1]))):
                continue  # what an element with attributes does, those say
            what, document = try_one(grammar, path, attribute, stack)
            if what in ("effect", "refused"):
                seen.add(where)
                ignored.pop(where, None)
            elif what == "none":
                ignored.setdefault(where, document)
            counts[what] = counts.get(what, 0) + 1
    print(f"# {counts}", flush=True)
    if os.environ.get("VIRTBUS_SCHEMA_LIST"):
        for where, document in ignored.items():
            print(f"# ignored {where}: {document}", flush=True)
    assert counts.get("effect", 0) > 200, counts
    wrong = {where: document for where, document in ignored.items() if not any(re.fullmatch(pattern, where) for pattern, _ in ELSEWHERE)}
    assert not wrong, f"without effect, and not refused: {wrong}"


run([nothing_that_libvirts_schemas_allow_is_ignored])
