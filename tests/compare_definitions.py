# SPDX-License-Identifier: LGPL-2.1-or-later
"""Definitions compared by their meaning, for tests/corpus: ours as it is kept, and libvirt's.

A definition is a multiset of the parts below <domain> and <devices>: their order has no meaning, that of parts of one kind has
none beyond the addresses that are in them. Numbers are numbers, however they are written. What is not compared, and why, is said
at each rule."""

import collections
import re
import xml.etree.ElementTree as ET

# An alias of a machine is the version that this QEMU has.
MACHINES = {"pc": r"pc-i440fx-[\d.]+", "q35": r"pc-q35-[\d.]+"}


def number(text):
    if re.fullmatch(r"0x[0-9a-fA-F]+", text):
        return str(int(text, 16))
    return str(int(text)) if re.fullmatch(r"0\d+", text) else text


UNITS = {"KiB": 1, "MiB": 1 << 10, "GiB": 1 << 20, "TiB": 1 << 30}


def text_of(element):
    if (element.text or "").strip().isdecimal() and element.get("unit") in UNITS:  # libvirt keeps sizes in KiB
        element.text = str(int(element.text) * UNITS[element.get("unit")])
        element.set("unit", "KiB")
    attributes = "".join(f" {name}={number(value)}" for name, value in sorted(element.attrib.items()))
    return f"<{element.tag}{attributes}>{number((element.text or '').strip())}{''.join(sorted(map(text_of, element)))}</>"


def parts_of(root):
    parts = collections.Counter()
    for element in root:
        for part in element if element.tag == "devices" else [element]:
            parts[text_of(part)] += 1
    return parts


def find_same(ours, part):
    """The part of ours that stands for this one: of the same kind, and the same but for what a version of QEMU adds."""
    kind = part.get("type"), part.get("index"), part.get("bus"), part.get("model")
    for other in ours.iter(part.tag):
        if (other.get("type"), other.get("index"), other.get("bus"), other.get("model") if part.get("model") else None) == kind:
            yield other


def forget_what_old_versions_lack(wanted, ours, given):
    """Many cases are of a QEMU that could not be asked what it has: then libvirt left open what it chooses for one that can."""
    machine = wanted.find("os/type")
    its = ours.find("os/type")
    if machine is not None and its is not None:
        pattern = MACHINES.get(machine.get("machine"))
        if pattern and re.fullmatch(pattern, its.get("machine", "")):
            its.set("machine", machine.get("machine"))
    if wanted.find("cpu") is None and ours.find("cpu") is not None and given.find("cpu") is None:
        ours.remove(ours.find("cpu"))
    if wanted.find("cpu") is not None and ours.find("cpu") is not None and wanted.find("cpu").get("mode") is None:
        for name in ("mode", "match", "check"):
            ours.find("cpu").attrib.pop(name, None)
        if ours.find("cpu/model") is not None:
            ours.find("cpu").remove(ours.find("cpu/model"))
    for part in wanted.findall("devices/controller") + wanted.findall("devices/input") + wanted.findall("devices/hub"):
        for other in find_same(ours, part):
            if part.get("type") == "usb" and part.get("model") is None and other.get("model") in {"piix3-uhci", "qemu-xhci"}:
                part.set("model", other.get("model"))
            if part.find("address") is None and other.find("address") is not None:
                part.append(other.find("address"))
            name = part.find("model")
            if part.get("type") == "pci" and name is not None and name.get("name") == "ioh3420" and other.find("model") is not None:
                name.set("name", other.find("model").get("name"))


def forget_addresses(wanted, ours):
    """Places on USB, which libvirt has given to devices since it could be asked for its ports."""
    for part in wanted.find("devices"):
        if part.find("address") is None:
            for other in ours.find("devices").findall(part.tag):
                address = other.find("address")
                if address is not None and address.get("type") == "usb":
                    other.remove(address)
                    if text_of(other) == text_of(part):
                        break
                    other.append(address)


def forget_audio(wanted, ours, given):
    """A QEMU before 4.0 has no back ends for audio; and which one SDL uses is in the environment of libvirt."""
    for audio in wanted.findall("devices/audio") + ours.findall("devices/audio"):
        audio.attrib.pop("driver", None)
    if wanted.find("devices/audio") is None and given.find("devices/audio") is None:
        for audio in ours.findall("devices/audio"):
            ours.find("devices").remove(audio)


def forget_empty_models(root):
    """A CPU's model without a name says nothing but the default."""
    for cpu in root.findall("cpu"):
        for model in cpu.findall("model"):
            if not (model.text or "").strip() and set(model.attrib.items()) <= {("fallback", "allow")}:
                cpu.remove(model)


def forget_run(root):
    """Whether a channel is connected is true of a run: what is defined does not say it, and libvirt's tests read what runs."""
    for target in root.findall("devices/channel/target"):
        target.attrib.pop("state", None)


def kibibytes(element, text):
    return int(text) * UNITS[element.get("unit", "KiB")] if text and text.strip().isdecimal() and element.get("unit", "KiB") in UNITS else None


def sum_memory(root):
    """Where there are NUMA cells, memory is what they and the modules have: libvirt's tests read documents that guests must not notice
    the reading of, and take what is named; what is defined is summed up."""
    cells = [kibibytes(cell, cell.get("memory")) for cell in root.findall("cpu/numa/cell")]
    modules = [kibibytes(size, size.text) for size in root.findall("devices/memory/target/size")]
    memory, current = root.find("memory"), root.find("currentMemory")
    if cells and None not in cells + modules and memory is not None:
        memory.text = str(sum(cells + modules))
        if current is not None and (kibibytes(current, current.text) or 0) > sum(cells + modules):
            current.text = memory.text


def has_usb(text):
    return any(e.get("type") == "usb" for e in ET.fromstring(text).iter("controller"))


def compare_trees(wanted, ours):
    """The same of documents without devices: attributes of the root, and what is in it. A UUID that nobody gave is any."""
    wanted, ours = map(ET.fromstring, (wanted, ours))
    if wanted.find("uuid") is None and ours.find("uuid") is not None:
        ours.remove(ours.find("uuid"))
    theirs, own = parts_of(wanted), parts_of(ours)
    for root, parts in ((wanted, theirs), (ours, own)):
        parts.update(f"<{root.tag} {name}={value}>" for name, value in root.attrib.items())
    return list((theirs - own).elements()), list((own - theirs).elements())


def compare(wanted, ours, given):
    """What only libvirt has, and only ours has; all three are documents' texts, GIVEN the one that was handed in."""
    wanted, ours, given = map(ET.fromstring, (wanted, ours, given))
    for root in (wanted, ours):
        forget_run(root)
        for parent in list(root.iter()):
            for child in [child for child in parent if not isinstance(child.tag, str)]:
                parent.remove(child)
    forget_what_old_versions_lack(wanted, ours, given)
    forget_audio(wanted, ours, given)
    forget_empty_models(wanted)
    forget_empty_models(ours)
    forget_addresses(wanted, ours)
    sum_memory(wanted)
    theirs, own = parts_of(wanted), parts_of(ours)
    return list((theirs - own).elements()), list((own - theirs).elements())
