#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots of domains: with QEMU and a guest that writes, its disks and its memory are one instant's; with both drivers, what is known of them.

Usage (below tests/with-bus): test-snapshots.py
"""

import os
import re
import signal
import struct
import subprocess
import xml.etree.ElementTree as ET

from gi.repository import GLib

from disk_rig import disk, image, start
from rig import NAME, ROOT, BusError, contains, expect, run, variants
from snapshot_rig import bus, content, create, current, do, end, get, names, qemu, redefine, snapshot_xml, test, whole, writes, xml_of


def tags(path):
    text = subprocess.run(["qemu-img", "snapshot", "-U", "-l", path], check=True, capture_output=True, text=True).stdout
    return [line.split()[1] for line in text.splitlines()[2:]]


def a_guest_goes_back_in_place():
    domain, path = start(qemu, "place")
    writes(domain)
    pid = qemu.pid_of(domain)
    first = create(domain, "first", "<description>before &amp; after</description>")
    assert qemu.state(domain) == "running" and current(domain) == first and tags(path) == ["first"]
    assert get(first, "State") == "running" and get(first, "Memory") == "internal" and get(first, "Disks") == [("vda", "internal")]
    assert get(first, "Description") == "before & after" and get(first, "Current") and get(first, "Parent") == "/"
    writes(domain)
    second = create(domain, "second")
    assert get(second, "Parent") == first and get(first, "Children") == [second] and not get(first, "Current")
    writes(domain)
    do(first, "Revert")
    assert qemu.state(domain) == "running" and bus.get(domain, "Domain", "StateReason") == "snapshot"
    assert qemu.pid_of(domain) == pid, "it was not in place"
    assert current(domain) == first
    writes(domain)
    do(second, "Revert", paused=True)
    assert qemu.state(domain) == "paused" and current(domain) == second
    assert content(path) == content(path, "second")
    qemu.do(domain, "Resume")
    writes(domain)
    qemu.do(domain, "Destroy")
    whole(path)
    do(second, "Revert", running=True)
    assert qemu.state(domain) == "running" and bus.get(domain, "Domain", "StateReason") == "snapshot"
    writes(domain)
    qemu.do(domain, "Destroy")
    whole(path)
    do(first, "Revert", paused=True)
    assert qemu.state(domain) == "paused" and content(path) == content(path, "first")
    end(qemu, domain)


def a_paused_guest_is_kept_and_stays_so():
    domain, path = start(qemu, "still")
    writes(domain)
    qemu.do(domain, "Suspend")
    one = create(domain, "one")
    assert qemu.state(domain) == "paused" and get(one, "State") == "paused"
    for _ in range(3):
        do(one, "Revert")
        assert qemu.state(domain) == "paused"
    do(one, "Revert", running=True)
    writes(domain)
    do(one, "Delete")
    assert tags(path) == [] and names(domain) == [] and current(domain) == "/" and qemu.state(domain) == "running"
    end(qemu, domain)


def a_domain_that_is_off_is_kept_and_goes_back():
    paths = [image(f"off-{i}.qcow2", bytes([i + 1]) * 4096) for i in range(2)]
    domain = qemu.define(qemu.document("off", disk(paths[0]) + disk(paths[1], "vdb"), memory=16))
    clean = create(domain, "clean")
    assert get(clean, "State") == "shutoff" and get(clean, "Memory") == "no" and all(tags(path) == ["clean"] for path in paths)
    for path in paths:
        subprocess.run(["qemu-io", "-c", "write -P 9 0 4096", path], check=True, capture_output=True)
    dirty = create(domain, "dirty")
    do(clean, "Revert")
    assert qemu.state(domain) == "shutoff" and current(domain) == clean
    assert [content(path)[0] for path in paths] == [1, 2]
    do(dirty, "Revert", paused=True)
    assert qemu.state(domain) == "paused"
    assert [content(path)[0] for path in paths] == [9, 9]
    do(clean, "Revert")
    assert qemu.state(domain) == "shutoff" and [content(path)[0] for path in paths] == [1, 2]
    expect("OperationInvalid", qemu.do, domain, "Undefine")
    do(clean, "Delete", children=True)
    assert names(domain) == [] and all(tags(path) == [] for path in paths)
    qemu.do(domain, "Undefine")


def nothing_is_half_made():
    paths = [image("half-0.qcow2"), image("half-1.qcow2")]
    domain = qemu.define(qemu.document("half", disk(paths[0]) + disk(paths[1], "vdb"), memory=16))
    os.chmod(paths[1], 0o600)
    with open(paths[1], "r+b") as file:
        file.truncate(0)
    try:
        create(domain, "one")
        raise AssertionError("an image that is damaged was taken")
    except BusError as failure:
        error = failure
    contains(error.message, "half", "half-1.qcow2") if "half-1" in error.message else contains(error.message, "one")
    assert tags(paths[0]) == [] and names(domain) == [] and current(domain) == "/"
    qemu.do(domain, "Undefine")


def what_cannot_be_is_refused_by_name():
    raw = image("raw.img")
    domain = qemu.define(qemu.document("refuses", disk(raw), memory=16))
    contains(expect("Unsupported", create, domain, "one"), "refuses", "vda", "qcow2")
    contains(expect("InvalidArgument", create, domain, "one", "<disks><disk name='vdq'/></disks>"), "vdq")
    contains(expect("InvalidArgument", create, domain, "a/b"), "a/b")
    contains(expect("InvalidXML", create, domain, "one", "<disk/>"), "disk")
    contains(expect("InvalidXML", create, domain, "one", "<memory snapshot='inside'/>"), "inside")
    contains(expect("InvalidXML", create, domain, "one", "<memory snapshot='external'/>"), "file")
    contains(expect("InvalidXML", create, domain, "one", "<disks><disk name='vda'/><disk name='vda'/></disks>"), "twice")
    contains(expect("InvalidXML", create, domain, "one", "<disks><disk name='vda' snapshot='internal'><source file='/x'/></disk></disks>"), "external")
    contains(expect("InvalidXML", create, domain, "one", "<disks><disk name='vda'><driver type='qcow3'/></disk></disks>"), "qcow3")
    expect("InvalidArgument", create, domain, "one", "<disks><disk name='vda' snapshot='external'><source file='/x'/></disk></disks>")
    expect("InvalidArgument", create, domain, "one", reuse=True)
    expect("InvalidArgument", create, domain, "one", unknown=True)
    expect("InvalidArgument", create, domain, "one", quiesce=True)
    assert names(domain) == []
    qemu.do(domain, "Undefine")


def other_devices_need_force():
    domain, path = start(qemu, "devices")
    writes(domain)
    one = create(domain, "one")
    more = image("devices-more.qcow2")
    bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", disk(more, "vdb"), {})
    contains(expect("OperationInvalid", do, one, "Revert"), "devices", "one", "force")
    pid = qemu.pid_of(domain)
    do(one, "Revert", force=True)
    assert qemu.state(domain) == "running" and qemu.pid_of(domain) != pid
    assert "vdb" not in bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
    writes(domain)
    qemu.do(domain, "Destroy")
    whole(path)
    end(qemu, domain)


def an_image_without_it_leaves_the_guest_as_it_is():
    domain, path = start(qemu, "gone")
    writes(domain)
    text = xml_of(create(domain, "one"), True)
    one = redefine(domain, text.replace("<name>one</name>", "<name>other</name>"))
    contains(expect("HypervisorFailed", do, one, "Revert"), "gone", "other", "no such snapshot")
    assert qemu.state(domain) == "running"
    writes(domain)
    do(one, "Delete")
    assert names(domain) == ["one"] and tags(path) == ["one"]
    end(qemu, domain)


def a_revert_that_does_not_start_leaves_everything_as_before(hypervisor):
    """Definition, current snapshot and a managed save; with QEMU where an image is gone of which it is, or is not, within."""
    path, other = image("unstarted.qcow2"), image("unstarted-other.img")
    disks = disk(path) + disk(other, "vdb")
    domain = hypervisor.define(hypervisor.document("unstarted", disks, memory=16))
    hypervisor.do(domain, "Start", paused=True)
    of_one = "<disks><disk name='vda' snapshot='internal'/><disk name='vdb' snapshot='no'/></disks>"
    one, two = create(domain, "one", of_one), create(domain, "two", of_one)
    hypervisor.do(domain, "ManagedSave")
    bus.wait(lambda: hypervisor.state(domain) == "shutoff" and bus.get(domain, "Domain", "HasManagedSave"), "it to be saved")
    hypervisor.define(hypervisor.document("unstarted", disks, memory=32, uuid=bus.get(domain, "Domain", "UUID")))

    def what_it_is():
        return (hypervisor.state(domain), current(domain), bus.get(domain, "Domain", "HasManagedSave"),
                bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}))
    before = what_it_is()
    assert before[:3] == ("shutoff", two, True)
    for file in (path, other):
        if hypervisor is test:
            bus.call(test.path, f"{NAME}.Test", "FailNext", "sss", "start", "HypervisorFailed", "no luck")
        os.rename(file, file + ".away")
        try:
            do(one, "Revert")
            raise AssertionError("it has started")
        except BusError as error:
            contains(error.message, "unstarted", "no luck" if hypervisor is test else os.path.basename(file))
            assert what_it_is() == before, what_it_is()
        os.rename(file + ".away", file)
    do(one, "Revert")
    assert what_it_is()[:3] == ("paused", one, False)
    hypervisor.do(domain, "Destroy")
    assert what_it_is()[3] != before[3]
    end(hypervisor, domain)


def the_next_driver_knows_them():
    domain, path = start(qemu, "next")
    writes(domain)
    one = create(domain, "one", "<description>d</description>")
    two = create(domain, "two/x".replace("/", "_"))
    uuid = bus.get(domain, "Domain", "UUID")
    before = {name: bus.get_all(path, "Snapshot") for name, path in (("one", one), ("two", two))}
    qemu.kill_driver()
    assert names(domain) == ["one", "two_x"] and current(domain) == two
    assert before == {name: bus.get_all(path, "Snapshot") for name, path in (("one", one), ("two", two))}
    do(one, "Revert")
    writes(domain)
    qemu.do(domain, "Destroy")
    whole(path)
    end(qemu, domain)
    assert uuid + ".xml" not in os.listdir(os.path.join(ROOT, "qemu/state/qemu/snapshots"))


def a_driver_that_is_killed_leaves_nothing_half_made():
    domain, path = start(qemu, "killed")
    writes(domain)
    for i in range(4):
        answer = bus.begin(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", snapshot_xml(f"s{i}"), {})
        if i % 2:
            bus.wait(lambda: f"s{i}" in "".join(open(os.path.join(folder, name), encoding="utf-8").read() for folder in [os.path.join(ROOT, "qemu/state/qemu/snapshots")] for name in os.listdir(folder) if name.endswith(".xml")), "it to be written down")
        qemu.kill_driver()
        del answer
        bus.wait(lambda: tags(path) == names(domain), "what is half made to go")
        assert qemu.state(domain) == "running"
    writes(domain)
    create(domain, "after")
    assert "after" in names(domain)
    end(qemu, domain)


def a_guest_that_ends_meanwhile_ends_the_wait():
    domain, path = start(qemu, "ends")
    writes(domain)
    pid = qemu.pid_of(domain)
    os.kill(pid, signal.SIGSTOP)
    answer = bus.begin(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", snapshot_xml("one"), {})
    qemu.do(domain, "Destroy")
    del answer
    bus.wait(lambda: qemu.state(domain) == "shutoff", "it to be off")
    bus.wait(lambda: tags(path) == [] and names(domain) == [], "what was half made to go")
    create(domain, "one")
    end(qemu, domain)


def what_somebody_else_has_made_is_never_taken_for_half_made():
    """With a driver that is killed while it makes one, and while it removes what is half made."""
    path = image("theirs.qcow2")
    domain = qemu.define(qemu.document("theirs", disk(path), memory=16))
    subprocess.run(["qemu-img", "snapshot", "-c", "theirs", path], check=True)
    contains(expect("AlreadyExists", create, domain, "theirs"), "theirs.qcow2", "RedefineSnapshot")
    contains(expect("AlreadyExists", create, domain, "theirs", no_metadata=True), "theirs.qcow2")
    one = create(domain, "one")
    contains(expect("AlreadyExists", create, domain, "one", no_metadata=True), "one")
    for options in ({}, {"no_metadata": True}):
        for name in ("theirs", "one"):
            bus.begin(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", snapshot_xml(name), variants(options))
            qemu.kill_driver()
            assert names(domain) == ["one"]
    qemu.do(domain, "Start", paused=True)
    for name in ("theirs", "one"):
        expect("AlreadyExists", create, domain, name)
        bus.begin(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", snapshot_xml(name), variants({"no_metadata": True}))
        qemu.kill_driver()
        assert names(domain) == ["one"]
    create(domain, "two")
    qemu.do(domain, "Destroy")
    assert sorted(tags(path)) == ["one", "theirs", "two"]
    do(one, "Delete", children=True)
    assert tags(path) == ["theirs"]
    end(qemu, domain)


def kept(uuid):
    return os.path.join(ROOT, f"qemu/state/qemu/snapshots/{uuid}.xml")


def is_pending(uuid):
    try:
        with open(kept(uuid), encoding="utf-8") as file:
            return "<pending" in file.read()
    except FileNotFoundError:
        return False


def what_is_half_made_goes_from_the_file_alone_in_which_it_was_made():
    path = image("other-file.qcow2")
    domain = qemu.define(qemu.document("other-file", disk(path), memory=16))
    uuid, driver, other = bus.get(domain, "Domain", "UUID"), bus.driver(qemu.driver_name), path + ".other"
    subprocess.run(["cp", path, other], check=True)
    subprocess.run(["qemu-img", "snapshot", "-c", "one", other], check=True)
    for _ in range(20):
        answer = bus.begin(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", snapshot_xml("one"), {})
        while not is_pending(uuid) and not os.path.exists(kept(uuid)):
            pass
        os.kill(driver, signal.SIGSTOP)
        if is_pending(uuid):
            break
        os.kill(driver, signal.SIGCONT)
        bus.wait(lambda: answer, "it to be made")  # pylint: disable=cell-var-from-loop
        do(f"{domain}/snapshot/one", "Delete")
    os.rename(other, path)
    qemu.kill_driver()
    bus.wait(lambda: not is_pending(uuid), "it to be forgotten")
    assert tags(path) == ["one"] and names(domain) == []
    qemu.do(domain, "Start", paused=True)  # which waits until it is settled: the file says so a moment before
    end(qemu, domain)


def n_tags(path):
    """As the image's header says: at once."""
    with open(path, "rb") as file:
        return struct.unpack(">I", file.read(64)[60:])[0]


def a_guest_that_dies_while_one_is_made_leaves_nothing_of_it():
    """QEMU is killed as soon as its image has it, before the driver hears that it is done; and at other instants."""
    domain, path = start(qemu, "deadly")
    uuid = bus.get(domain, "Domain", "UUID")
    for instant in (0, None, 4, None, 8, None):  # milliseconds
        if qemu.state(domain) == "shutoff":
            qemu.do(domain, "Start")
        pid, before = qemu.pid_of(domain), n_tags(path)
        answers = bus.begin(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", snapshot_xml(f"s{instant}-{before}"), {})
        if instant is None:
            while n_tags(path) == before:
                pass
            os.kill(pid, signal.SIGKILL)
        else:
            GLib.timeout_add(instant, lambda: os.kill(pid, signal.SIGKILL))  # pylint: disable=cell-var-from-loop
        bus.wait(lambda: answers and qemu.state(domain) == "shutoff", "the answer, and the end")  # pylint: disable=cell-var-from-loop
        bus.wait(lambda: not is_pending(uuid), "what is half made to go")
        assert tags(path) == names(domain), (tags(path), names(domain), answers)
    end(qemu, domain)


def one_is_deleted_from_the_images_that_it_was_made_in():
    old, new = image("then.qcow2"), image("now.qcow2")
    domain = qemu.define(qemu.document("own-disks", disk(old), memory=16))
    one = create(domain, "one")
    uuid = bus.get(domain, "Domain", "UUID")
    qemu.define(qemu.document("own-disks", disk(new), memory=16, uuid=uuid))
    subprocess.run(["qemu-img", "snapshot", "-c", "one", new], check=True)
    do(one, "Delete")
    assert tags(old) == [] and tags(new) == ["one"]
    qemu.do(domain, "Start", paused=True)
    bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", disk(old, "vdb"), {})
    two = create(domain, "two")
    assert tags(old) == ["two"] and tags(new) == ["one", "two"]
    qemu.do(domain, "Destroy")  # with which vdb leaves it
    qemu.do(domain, "Start", paused=True)
    do(two, "Delete")
    assert tags(old) == [] and tags(new) == ["one"]
    end(qemu, domain)


def a_guest_that_ends_while_it_goes_back_ends_the_wait():
    """QEMU is killed at instants: also while it is written down that the guest has gone back."""
    domain, _ = start(qemu, "dies")
    snapshot = create(domain, "one")
    for instant in range(0, 16, 2):  # milliseconds
        if qemu.state(domain) == "shutoff":
            qemu.do(domain, "Start")
        pid = qemu.pid_of(domain)
        answers = bus.begin(snapshot, f"{NAME}.Snapshot", "Revert", "a{sv}", {})
        GLib.timeout_add(instant, lambda: os.kill(pid, signal.SIGKILL))  # pylint: disable=cell-var-from-loop
        bus.wait(lambda: answers and qemu.state(domain) == "shutoff", "the answer, and the end")  # pylint: disable=cell-var-from-loop
        assert not isinstance(answers[0], BusError) or answers[0].name.rsplit(".", 1)[1] in ("Cancelled", "HypervisorFailed"), answers
    assert current(domain) == snapshot
    do(snapshot, "Revert")
    assert qemu.state(domain) == "running"
    end(qemu, domain)


def the_tree_is_one(hypervisor):
    """Both drivers: what is known of them."""
    data = image("tree.qcow2")
    domain = hypervisor.define(hypervisor.document("tree", disk(data)))
    a = create(domain, "a")
    b = create(domain, "b")
    c = create(domain, "c")
    do(b, "Revert")
    d = create(domain, "d")
    assert get(a, "Children") == [b] and get(b, "Children") == [c, d] and get(d, "Parent") == b
    expect("AlreadyExists", create, domain, "a")
    assert create(domain, "x", no_metadata=True) == domain
    assert names(domain) == ["a", "b", "c", "d"] and current(domain) == d
    document = ET.fromstring(xml_of(d))
    assert document.find("parent/name").text == "b" and document.find("domain/name").text == "tree" and document.find("state").text == "shutoff"
    do(b, "Delete", metadata_only=True)
    assert names(domain) == ["a", "c", "d"] and get(a, "Children") == [c, d] and get(c, "Parent") == a
    do(a, "Delete", children_only=True)
    assert names(domain) == ["a"] and current(domain) == a
    bus.call(domain, f"{NAME}.Domain", "Rename", "sa{sv}", "tree-2", {})
    do(a, "Revert")
    assert bus.get(domain, "Domain", "Name") == "tree-2"
    odd = create(domain, "Äpfel & \"b\" <c>".replace("&", "&amp;").replace("<", "&lt;"))
    assert get(odd, "Name") == "Äpfel & \"b\" <c>" and names(domain) == sorted(["a", get(odd, "Name")])
    hypervisor.kill_driver()
    assert names(domain) == sorted(["a", get(odd, "Name")]) and current(domain) == odd
    error = expect("OperationInvalid", hypervisor.do, domain, "Undefine")
    contains(error, "tree-2", "snapshots (2)")
    hypervisor.do(domain, "Undefine", snapshots=True)
    domain = hypervisor.define(hypervisor.document("tree", disk(data)))
    assert names(domain) == []
    hypervisor.do(domain, "Undefine")


def they_are_made_known_again(hypervisor):
    data = image("again.qcow2")
    domain = hypervisor.define(hypervisor.document("again", disk(data)))
    texts = {}
    for name in ("a", "b"):
        texts[name] = xml_of(create(domain, name), True)
    for name in ("b", "a"):
        do(f"{domain}/snapshot/{name}", "Delete", metadata_only=True)
    contains(expect("InvalidArgument", redefine, domain, texts["b"]), "'a'")
    a = redefine(domain, texts["a"])
    b = redefine(domain, texts["b"], current=True)
    assert current(domain) == b and get(b, "Parent") == a and ET.tostring(ET.fromstring(xml_of(b, True))) == ET.tostring(ET.fromstring(texts["b"]))
    contains(expect("InvalidArgument", redefine, domain, texts["a"].replace("</state>", "</state><parent><name>b</name></parent>")), "below")
    contains(expect("InvalidArgument", redefine, domain, texts["a"].replace("<state>shutoff", "<state>running")), "another state")
    contains(expect("InvalidXML", redefine, domain, re.sub("<state>.*</state>", "", texts["a"])), "state")
    contains(expect("InvalidXML", redefine, domain, re.sub("<creationTime>.*</creationTime>", "", texts["a"])), "creationTime")
    redefine(domain, texts["a"].replace("<state>", "<description>new</description><state>"))
    assert get(a, "Description") == "new"
    other = hypervisor.define(hypervisor.document("again-2", disk(image("again-2.qcow2"))))
    contains(expect("InvalidArgument", redefine, other, texts["a"]), "UUID")
    hypervisor.do(other, "Undefine")
    bare = redefine(domain, "<domainsnapshot><name>bare</name><state>shutoff</state><creationTime>1</creationTime></domainsnapshot>")
    contains(expect("OperationInvalid", do, bare, "Revert"), "force")
    hypervisor.do(domain, "Undefine", snapshots=True)


def a_transient_domain_takes_them_with_it(hypervisor):
    xml = hypervisor.document("passing", disk(image("passing.qcow2")), uuid="6f1c5b7e-8b6b-4d2e-9f51-0c2f5f5b9a01")
    domain = hypervisor.create(xml)
    create(domain, "one")
    assert names(domain) == ["one"]
    expect("OperationInvalid", create, domain, "two", halt=True)
    hypervisor.do(domain, "Destroy")
    bus.wait(lambda: domain not in bus.objects(hypervisor.path), "it to go")
    domain = hypervisor.define(xml)
    assert names(domain) == []
    hypervisor.do(domain, "Undefine")


def damaged_files_are_left_alone(hypervisor):
    domain = hypervisor.define(hypervisor.document("damaged", disk(image("damaged.qcow2"))))
    create(domain, "one")
    path = os.path.join(ROOT, f"{hypervisor.name}/state/{hypervisor.name}/snapshots/{bus.get(domain, 'Domain', 'UUID')}.xml")
    text = open(path, encoding="utf-8").read()
    circle = re.sub("&lt;creationTime&gt;", "&lt;parent&gt;&lt;name&gt;one&lt;/name&gt;&lt;/parent&gt;&lt;creationTime&gt;", text)
    assert circle != text
    for wrong in (text[:100], text.replace('format="1"', 'format="99"'), circle, text.replace('current="one"', 'current="two"')):
        with open(path, "w", encoding="utf-8") as file:
            file.write(wrong)
        hypervisor.kill_driver()
        assert names(domain) == []
        expect("Unsupported", create, domain, "two")
        expect("UnknownObject", do, f"{domain}/snapshot/one", "Delete", children=True)
        expect("Unsupported", hypervisor.do, domain, "Undefine", snapshots=True)
        assert open(path, encoding="utf-8").read() == wrong
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    hypervisor.kill_driver()
    assert names(domain) == ["one"]
    hypervisor.do(domain, "Undefine", snapshots=True)


def of(function, hypervisor):
    def each():
        function(hypervisor)
    each.__name__ = f"{function.__name__}_{hypervisor.name}"
    return each


BOTH = [a_revert_that_does_not_start_leaves_everything_as_before, the_tree_is_one, they_are_made_known_again, a_transient_domain_takes_them_with_it, damaged_files_are_left_alone]
run([a_guest_goes_back_in_place, a_paused_guest_is_kept_and_stays_so, a_domain_that_is_off_is_kept_and_goes_back, nothing_is_half_made,
    what_cannot_be_is_refused_by_name, other_devices_need_force, an_image_without_it_leaves_the_guest_as_it_is, the_next_driver_knows_them,
    a_driver_that_is_killed_leaves_nothing_half_made, what_somebody_else_has_made_is_never_taken_for_half_made,
    what_is_half_made_goes_from_the_file_alone_in_which_it_was_made, a_guest_that_dies_while_one_is_made_leaves_nothing_of_it,
    one_is_deleted_from_the_images_that_it_was_made_in, a_guest_that_ends_meanwhile_ends_the_wait, a_guest_that_ends_while_it_goes_back_ends_the_wait,
    *[of(function, hypervisor) for function in BOTH for hypervisor in (test, qemu)]])
