#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checkpoints of domains: with QEMU and a guest that writes, the bitmaps in its images; with both drivers, what is known of them.

Usage (below tests/with-bus): test-checkpoints.py
"""

import json
import os
import re
import signal
import subprocess
import xml.etree.ElementTree as ET

from disk_rig import disk, image, start, work
from rig import NAME, ROOT, Bus, Hypervisor, contains, expect, run, variants

bus = Bus()
qemu, test = Hypervisor(bus, "qemu"), Hypervisor(bus, "test")
CHECKPOINT = f"{NAME}.Checkpoint"



def checkpoint_xml(name="", more=""):
    return f"<domaincheckpoint>{name and f'<name>{name}</name>'}{more}</domaincheckpoint>"


def known_xml(name, parent="", more=""):
    return checkpoint_xml(name, f"{parent and f'<parent><name>{parent}</name></parent>'}<creationTime>7</creationTime>{more}")


def create(domain, name="", more="", **options):
    return bus.call(domain, f"{NAME}.Domain", "CreateCheckpoint", "sa{sv}", checkpoint_xml(name, more), variants(options))


def redefine(domain, xml, **options):
    return bus.call(domain, f"{NAME}.Domain", "RedefineCheckpoint", "sa{sv}", xml, variants(options))


def delete(checkpoint, **options):
    return bus.call(checkpoint, CHECKPOINT, "Delete", "a{sv}", variants(options))


def xml_of(checkpoint, **options):
    return bus.call(checkpoint, CHECKPOINT, "GetXML", "a{sv}", variants(options))


def get(checkpoint, name):
    return bus.get(checkpoint, "Checkpoint", name)


def current(domain):
    return bus.get(domain, "Domain", "CurrentCheckpoint")


def names(domain):
    return sorted(values[CHECKPOINT]["Name"] for values in bus.objects(domain).values() if CHECKPOINT in values)


def bitmaps(path):
    """Those in an image, of which each is good; of one that is open, what it had when it was opened."""
    text = subprocess.run(["qemu-img", "info", "-U", "--output=json", path], check=True, capture_output=True, text=True).stdout
    found = json.loads(text)["format-specific"]["data"].get("bitmaps", [])
    return sorted(bitmap["name"] for bitmap in found if "in-use" not in bitmap["flags"])


def refused(error, function, *arguments, parts=(), **options):
    contains(expect(error, function, *arguments, **options), *parts)


def end(hypervisor, domain):
    if hypervisor.state(domain) != "shutoff":
        hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine", checkpoints=True)


def images_note_what_is_written():
    domain, path = start(qemu, "notes", devices=disk(image("notes-b.qcow2"), "vdb") + disk(image("notes-c.img"), "vdc"))
    refused("Unsupported", create, domain, parts=("vdc", "qcow2", "checkpoint='no'"))
    both = "<disks><disk name='vda'/><disk name='vdb' checkpoint='bitmap' bitmap='other'/></disks>"
    first = create(domain, "first", f"<description>a &amp; b</description>{both}")
    second = create(domain, "second", "<disks><disk name='vda'/></disks>")
    assert get(first, "Disks") == [("vda", "first"), ("vdb", "other")] and get(second, "Disks") == [("vda", "second")]
    assert get(second, "Parent") == first and get(first, "Children") == [second] and current(domain) == second and get(first, "Description") == "a & b"
    document = ET.fromstring(xml_of(first))
    assert [disk.get("checkpoint") for disk in document.iter("disk") if disk.get("name")] == ["bitmap", "bitmap", "no"]
    assert document.find("domain/name").text == "notes" and ET.fromstring(xml_of(first, no_domain=True)).find("domain") is None
    assert qemu.state(domain) == "running" and get(first, "BrokenDisks") == []
    qemu.do(domain, "Destroy")
    assert bitmaps(path) == ["first", "second"] and bitmaps(work("notes-b.qcow2")) == ["other"]
    # Off, they are known; their bitmaps stay.
    refused("OperationInvalid", delete, first, parts=("off", "metadata_only"))
    refused("OperationInvalid", create, domain, "third")
    qemu.do(domain, "Start", paused=True)
    delete(first)
    assert names(domain) == ["second"] and get(second, "Parent") == "/"
    delete(second, metadata_only=True)
    assert current(domain) == "/" and not bus.get(domain, "Domain", "HasCheckpoints")
    refused("AlreadyExists", create, domain, "second", "<disks><disk name='vda'/></disks>", parts=("vda", "RedefineCheckpoint"))
    again = redefine(domain, known_xml("second", more="<disks><disk name='vda' checkpoint='bitmap' bitmap='second'/></disks>"))
    bus.wait(lambda: get(again, "BrokenDisks") == [], "its bitmap to be seen")
    delete(again)
    qemu.do(domain, "Destroy")
    assert bitmaps(path) == [] and bitmaps(work("notes-b.qcow2")) == []
    qemu.do(domain, "Undefine")


def what_is_broken_is_shown_and_can_be_deleted():
    domain, path = start(qemu, "broken")
    checkpoint = create(domain, "first")
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Start")
    assert bitmaps(path) == []  # it is in use
    later = create(domain, "later")
    os.kill(qemu.pid_of(domain), signal.SIGKILL)
    bus.wait(lambda: qemu.state(domain) == "shutoff", "the guest to end")
    qemu.do(domain, "Start")
    for one in (checkpoint, later):
        bus.wait(lambda one=one: get(one, "BrokenDisks") == ["vda"], "what is broken to be shown")
    fresh = create(domain, "fresh")
    bus.wait(lambda: get(fresh, "BrokenDisks") == [], "the new one to be whole")
    assert get(later, "BrokenDisks") == ["vda"]
    delete(checkpoint, children_only=True)
    assert names(domain) == ["first"]
    delete(checkpoint)
    qemu.do(domain, "Destroy")
    assert bitmaps(path) == []
    qemu.do(domain, "Undefine")


def what_cannot_be_is_refused_by_name():
    old = image("old.qcow2", options=("-o", "compat=0.10"))
    domain, _ = start(qemu, "refused", paused=True, devices=disk(old, "vdb", "<readonly/>") + disk(image("old2.qcow2", options=("-o", "compat=0.10")), "vdc"))
    vda = "<disks><disk name='vda'/></disks>"
    for error, arguments, parts in (
            ("Unsupported", ("x", "<disks><disk name='vdc'/></disks>"), ("vdc", "0.10", "amend")),
            ("InvalidArgument", ("x", "<disks><disk name='vdb'/></disks>"), ("vdb", "only read")),
            ("InvalidArgument", ("x", "<disks><disk name='vdq'/></disks>"), ("vdq",)),
            ("InvalidArgument", ("x", "<disks><disk name='vda' checkpoint='no'/></disks>"), ("no disk",)),
            ("InvalidXML", ("x", "<disks><disk name='vda' checkpoint='no' bitmap='b'/></disks>"), ("bitmap",)),
            ("InvalidXML", ("x", "<disks><disk name='vda'/><disk name='vda'/></disks>"), ("twice",)),
            ("InvalidXML", ("x", "<disks><disk name='vda' checkpoint='yes'/></disks>"), ("checkpoint",)),
            ("InvalidXML", ("x", f"<disks><disk name='vda' bitmap='{'b' * 1024}'/></disks>"), ("1023",)),
            ("InvalidXML", ("x", "<state>running</state>"), ("state",)),
            ("InvalidArgument", ("a/b",), ("a/b",))):
        refused(error, create, domain, *arguments, parts=parts)
    refused("InvalidArgument", create, domain, "x", vda, quiesce=True, parts=("quiesce",))
    first = create(domain, "first", vda)
    refused("AlreadyExists", create, domain, "first", vda)
    refused("InvalidArgument", create, domain, "second", "<disks><disk name='vda' bitmap='first'/></disks>", parts=("first", "vda"))
    refused("OperationInvalid", bus.call, domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", "<domainsnapshot/>", {}, parts=("checkpoints",))
    refused("InvalidArgument", delete, first, children=True, children_only=True)
    refused("OperationInvalid", qemu.do, domain, "Undefine", parts=("checkpoints",))
    end(qemu, domain)


def a_snapshot_is_not_gone_back_to_while_images_note():
    domain, _ = start(qemu, "back")
    snapshot = bus.call(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", "<domainsnapshot><name>before</name></domainsnapshot>", {})
    checkpoint = create(domain, "first")
    refused("OperationInvalid", bus.call, snapshot, f"{NAME}.Snapshot", "Revert", "a{sv}", {}, parts=("checkpoints",))
    # QEMU would load half of it, whoever knows of the bitmap: the guest stays as it is.
    delete(checkpoint, metadata_only=True)
    refused("OperationInvalid", bus.call, snapshot, f"{NAME}.Snapshot", "Revert", "a{sv}", {}, parts=("bitmaps",))
    assert qemu.state(domain) == "running"
    delete(redefine(domain, known_xml("first", more="<disks><disk name='vda'/></disks>")))
    bus.call(snapshot, f"{NAME}.Snapshot", "Revert", "a{sv}", {})
    assert qemu.state(domain) == "running"
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine", snapshots=True)


def a_driver_that_is_killed_leaves_nothing_half_made():
    domain, path = start(qemu, "killed")
    kept = create(domain, "kept")
    folder = os.path.join(ROOT, "qemu/state/qemu/checkpoints")
    for i in range(4):
        answer = bus.begin(domain, f"{NAME}.Domain", "CreateCheckpoint", "sa{sv}", checkpoint_xml(f"half{i}"), {})
        if i % 2:
            bus.wait(lambda i=i: f"half{i}" in "".join(open(os.path.join(folder, name), encoding="utf-8").read() for name in os.listdir(folder) if name.endswith(".xml")), "it to be written down")
        qemu.kill_driver()
        del answer
        assert qemu.state(domain) == "running" and "kept" in names(domain)
    for checkpoint in [path for path, values in bus.objects(domain).items() if CHECKPOINT in values]:
        bus.wait(lambda checkpoint=checkpoint: get(checkpoint, "BrokenDisks") == [], "the next driver to have looked")
    create(domain, "after")  # which waits for what is removed
    known = names(domain)
    assert current(domain) != "/" and get(kept, "Disks") == [("vda", "kept")]
    qemu.do(domain, "Destroy")
    assert bitmaps(path) == known, (bitmaps(path), known)
    end(qemu, domain)


def the_tree_is_one(hypervisor):
    domain = hypervisor.define(hypervisor.document("tree", disk(image(f"tree-{hypervisor.name}.qcow2")), memory=16))
    hypervisor.do(domain, "Start", paused=True)
    a, b, c = (create(domain, name) for name in "abc")
    assert get(b, "Parent") == a and get(c, "Parent") == b and get(c, "Current")
    delete(b)
    assert get(c, "Parent") == a and names(domain) == ["a", "c"]
    hypervisor.kill_driver()
    assert names(domain) == ["a", "c"] and current(domain) == c and get(c, "Parent") == a
    refused("InvalidArgument", redefine, domain, known_xml("a", "c", "<disks><disk name='vda' bitmap='a'/></disks>"), parts=("below",))
    refused("InvalidArgument", redefine, domain, known_xml("n", "none"), parts=("none",))
    refused("InvalidArgument", redefine, domain, known_xml("a", more="<disks><disk name='vda' checkpoint='no'/></disks>"), parts=("metadata_only",))
    refused("InvalidArgument", redefine, domain, known_xml("n", more="<domain><uuid>11111111-1111-1111-1111-111111111111</uuid></domain>"), parts=("UUID",))
    whole = re.sub(r"<\?xml.*?\?>", "", bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}))
    refused("InvalidArgument", redefine, domain, known_xml("n", more=f"<disks><disk name='vdz'/></disks>{whole}"), parts=("'vdz'",))
    refused("InvalidXML", redefine, domain, checkpoint_xml("n"), parts=("creationTime",))
    redefine(domain, known_xml("a", more="<description>now</description><disks><disk name='vda' bitmap='a'/></disks>"))
    assert get(a, "Description") == "now" and current(domain) == c
    delete(a, children=True)
    assert names(domain) == [] and current(domain) == "/"
    # A chain that is made known one after the other goes on from the last of them.
    for name, parent in (("x", ""), ("y", "x"), ("z", "y")):
        last = redefine(domain, known_xml(name, parent, f"<disks><disk name='vda' bitmap='{name}'/></disks>"))
        assert current(domain) == last
    end(hypervisor, domain)


def of(function, hypervisor):
    def each():
        function(hypervisor)
    each.__name__ = f"{function.__name__}_{hypervisor.name}"
    return each


run([images_note_what_is_written, what_is_broken_is_shown_and_can_be_deleted, what_cannot_be_is_refused_by_name, a_snapshot_is_not_gone_back_to_while_images_note, a_driver_that_is_killed_leaves_nothing_half_made,
     *[of(the_tree_is_one, hypervisor) for hypervisor in (test, qemu)]])
