#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""External snapshots: a domain goes on with overlays, and its images stay what they were, with QEMU and a guest that writes.

Usage (below tests/with-bus): test-external-snapshots.py
"""

import hashlib
import json
import os
import signal
import subprocess
import xml.etree.ElementTree as ET

from gi.repository import GLib

from disk_rig import check, disk, image, start, work
from rig import NAME, ROOT, BusError, contains, expect, run, variants
from snapshot_rig import bus, content, create, current, do, end, get, names, numbers, qemu, snapshot_xml, whole, writes, xml_of


def sum_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def chain(path):
    text = subprocess.run(["qemu-img", "info", "-U", "--backing-chain", "--output=json", path], check=True, capture_output=True, text=True).stdout
    return [(layer["filename"], layer["format"], layer.get("backing-filename")) for layer in json.loads(text)]


def document(domain, **options):
    return ET.fromstring(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants(options)))


def images(domain, target="vda", **options):
    """The images that a document names for a disk, from the top."""
    element = next(disk for disk in document(domain, **options).iter("disk") if disk.find("target").get("dev") == target)
    found = []
    while element is not None and element.find("source") is not None:
        found.append(element.find("source").get("file"))
        element = element.find("backingStore")
    return found


def disks(*elements):
    return f"<disks>{''.join(elements)}</disks>"


def is_pending(uuid):
    try:
        with open(os.path.join(ROOT, f"qemu/state/qemu/snapshots/{uuid}.xml"), encoding="utf-8") as file:
            return "<pending" in file.read()
    except FileNotFoundError:
        return False


def a_guest_goes_on_with_overlays():
    data = image("data.img", b"\7" * 4096)
    drive = disk(image("cd.img"), "sda", "<readonly/>").replace("<disk type='file'>", "<disk type='file' device='cdrom'>").replace("virtio", "sata")
    domain, path = start(qemu, "over", devices=disk(data, "vdb") + drive)
    top, data_top = work("over.one"), work("data.one")
    writes(domain)
    pid = qemu.pid_of(domain)
    one = create(domain, "one", disk_only=True)
    assert qemu.state(domain) == "running" and qemu.pid_of(domain) == pid and current(domain) == one
    assert get(one, "State") == "disk-snapshot" and get(one, "Memory") == "no"
    assert get(one, "Disks") == [("vda", "external"), ("vdb", "external"), ("sda", "no")]
    kept = {each: sum_of(each) for each in (path, data)}
    for options in ({}, {"inactive": True}):
        assert images(domain, **options) == [top, path] and images(domain, "vdb", **options) == [data_top, data]
    writes(domain)
    assert chain(data_top)[0] == (data_top, "qcow2", data) and chain(top)[1][:2] == (path, "qcow2")
    named = [(e.get("name"), e.find("source").get("file")) for e in ET.fromstring(xml_of(one)).iter("disk") if e.get("snapshot") == "external"]
    assert named == [("vda", top), ("vdb", data_top)]
    create(domain, "two", disk_only=True)
    writes(domain)
    assert images(domain) == [work("over.two"), top, path] and all(sum_of(each) == kept[each] for each in kept)
    with open(top, "rb") as file:
        assert b"/dev/fdset" not in file.read(65536)
    qemu.do(domain, "Destroy")
    whole(work("over.two"))
    qemu.do(domain, "Start")
    writes(domain)
    assert images(domain) == [work("over.two"), top, path]
    end(qemu, domain)


def a_domain_that_is_off_gets_overlays():
    raw, base, lower = image("off.img", b"\1" * 4096), image("off-base.qcow2"), image("off-lower.img", b"\2" * 512)
    subprocess.run(["qemu-img", "rebase", "-u", "-F", "raw", "-b", "off-lower.img", base], check=True)
    domain = qemu.define(qemu.document("off", disk(raw) + disk(base, "vdb"), memory=16))
    one = create(domain, "one", disk_only=True)
    assert get(one, "State") == "shutoff" and current(domain) == one
    assert images(domain) == [work("off.one"), raw] and images(domain, "vdb") == [work("off-base.one"), base]
    assert chain(work("off-base.one")) == [(work("off-base.one"), "qcow2", "off-base.qcow2"), (base, "qcow2", "off-lower.img"), (lower, "raw", None)]
    assert chain(work("off.one")) == [(work("off.one"), "qcow2", raw), (raw, "raw", None)]
    kept = sum_of(raw), sum_of(base)
    subprocess.run(["qemu-io", "-c", "write -P 9 0 4096", work("off.one")], check=True, capture_output=True)
    create(domain, "two", disk_only=True)
    assert images(domain) == [work("off.two"), work("off.one"), raw]
    qemu.do(domain, "Start", paused=True)
    assert images(domain, "vdb") == [work("off-base.two"), work("off-base.one"), base, lower]
    assert (sum_of(raw), sum_of(base)) == kept
    end(qemu, domain)


def files_are_named_reused_and_refused_by_name():
    domain, path = start(qemu, "named")
    other = image("named-other.img")
    named = "CreateSnapshotWithFiles"

    def over(file, more="", target="vda"):
        return disks(f"<disk name='{target}' snapshot='external'>{more}<source file='{file}'/></disk>")
    before, here = document(domain), sorted(os.listdir(os.path.dirname(path)))
    contains(expect("InvalidArgument", create, domain, "one", over(other), named, disk_only=True), "named", "vda", other)
    contains(expect("InvalidArgument", create, domain, "one", over(path), named, disk_only=True), "vda", path)
    contains(expect("InvalidArgument", create, domain, "one", over(other), named, disk_only=True, reuse=True), "vda", "qcow2")
    contains(expect("Unsupported", create, domain, "one", over(other, "<driver type='raw'/>"), named, disk_only=True, reuse=True), "vda", "qcow2")
    small, stray = image("named-small.qcow2", size=1 << 20), image("named-stray.qcow2")
    contains(expect("InvalidArgument", create, domain, "one", over(small), named, disk_only=True, reuse=True), "vda", small, "bytes")
    contains(expect("InvalidArgument", create, domain, "one", over(stray), named, disk_only=True, reuse=True), "vda", stray, "rebase")
    expect("InvalidArgument", create, domain, "one", disks("<disk name='vdq' snapshot='external'/>"), disk_only=True)
    os.mkdir(work("theirs"), 0o777)
    os.chmod(work("theirs"), 0o777)
    os.chown(work("theirs"), 12345, 12345)
    os.symlink("/etc/named-overlay", work("theirs/link"))
    os.symlink(os.path.dirname(path), work("theirs/folder"))
    for file in (work("theirs/link"), work("theirs/folder/made")):
        contains(expect("InvalidArgument", create, domain, "one", over(file), named, disk_only=True), "vda", file)
    assert not os.path.exists("/etc/named-overlay") and not os.path.exists(work("made"))
    assert names(domain) == [] and ET.tostring(document(domain)) == ET.tostring(before)
    assert sorted(os.listdir(os.path.dirname(path))) == sorted(here + ["named-small.qcow2", "named-stray.qcow2", "theirs"])
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "named.qcow2", work("named-made.qcow2")], check=True)
    assert create(domain, "one", over(work("named-made.qcow2")), named, disk_only=True, reuse=True, no_metadata=True) == domain
    assert names(domain) == [] and images(domain) == [work("named-made.qcow2"), path]
    writes(domain)
    create(domain, "two", over(work("named-two")), named, disk_only=True, halt=True)
    bus.wait(lambda: qemu.state(domain) == "shutoff", "it to be halted")
    assert images(domain) == [work("named-two"), work("named-made.qcow2"), path]
    end(qemu, domain)


def what_cannot_have_an_overlay_is_refused_by_name():
    def refused(more, word, **options):
        domain = qemu.define(qemu.document("unfit", more, memory=16))
        contains(expect("Unsupported", create, domain, "one", options.get("xml", ""), disk_only=True), "unfit", "vda", word)
        assert names(domain) == []
        qemu.do(domain, "Undefine")
    raw = image("unfit.img")
    refused(disk(raw, more="<shareable/>"), "shared")
    refused(disk(raw, more="<readonly/>"), "only read", xml=disks("<disk name='vda' snapshot='external'/>"))
    domain = qemu.define(qemu.document("unfit", disk(raw), memory=16))
    contains(expect("InvalidArgument", create, domain, "one", disks("<disk name='vda' snapshot='no'/>"), disk_only=True), "no disk")
    contains(expect("InvalidArgument", create, domain, "one", quiesce=True, disk_only=True), "quiesce")
    qemu.do(domain, "Start", paused=True)
    contains(expect("InvalidArgument", create, domain, "one", quiesce=True, disk_only=True), "quiesce")
    qemu.do(domain, "Resume")
    contains(expect("AgentUnavailable", create, domain, "one", quiesce=True, disk_only=True), "channel", "quiesce")
    end(qemu, domain)
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    domain, path = start(qemu, "agentless", devices=channel)
    contains(expect("AgentUnavailable", create, domain, "one", quiesce=True, disk_only=True), "agentless", "qemu-guest-agent")
    assert names(domain) == [] and images(domain) == images(domain, inactive=True) == [path] and not os.path.exists(work("agentless.one"))
    end(qemu, domain)


def consistent(domain, path, kept):
    """Whatever happened: what is defined is what the guest has had, and only what is known, and used, is there."""
    uuid, prefix = bus.get(domain, "Domain", "UUID"), os.path.basename(path)[:-5]
    bus.wait(lambda: not is_pending(uuid), "what is half made to be settled")
    over = [os.path.basename(image) for image in images(domain, inactive=True)[:-1]]
    bus.wait(lambda: sorted(name[len(prefix):] for name in over) == names(domain), "it to be known")  # the file is written before
    assert images(domain) == images(domain, inactive=True)
    # A file that was given up goes once that is written down.
    bus.wait(lambda: sorted(name for name in os.listdir(os.path.dirname(path)) if name.startswith(prefix) and name != os.path.basename(path)) == sorted(over), "no other files")
    if kept:
        assert sum_of(path) == kept
    check(images(domain)[0], is_cut_off=True)


def begin(domain, name, instant):
    """Asks for one, and goes on so many milliseconds later."""
    gone = []
    answers = bus.begin(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", snapshot_xml(name), variants({"disk_only": True}))
    GLib.timeout_add(instant, lambda: gone.append(True))
    bus.wait(lambda: gone, "the instant")
    return answers


def a_driver_that_is_killed_tears_nothing():
    domain, path = start(qemu, "torn")
    kept = None
    for i, instant in enumerate((0, 2, 4, 6, 8, 10, 14, 20)):  # milliseconds
        writes(domain, 1)
        qemu.kill_driver(before=lambda: begin(domain, f"s{i}", instant))  # pylint: disable=cell-var-from-loop
        assert qemu.state(domain) == "running"
        writes(domain, 1)
        consistent(domain, path, kept)
        kept = kept or (sum_of(path) if names(domain) else None)
    create(domain, "last", disk_only=True)
    qemu.do(domain, "Destroy")
    top = images(domain)[0]
    found = sorted(numbers(top))
    assert found == list(range(found[0], found[0] + len(found)))
    qemu.do(domain, "Start")
    writes(domain)
    end(qemu, domain)


def a_guest_that_dies_meanwhile_tears_nothing():
    domain, path = start(qemu, "dead")
    for i, instant in enumerate((0, 2, 4, 6, 8, 12)):  # milliseconds
        if qemu.state(domain) == "shutoff":
            qemu.do(domain, "Start")
        pid = qemu.pid_of(domain)
        answers = bus.begin(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", snapshot_xml(f"s{i}"), variants({"disk_only": True}))
        GLib.timeout_add(instant, lambda: os.kill(pid, signal.SIGKILL))  # pylint: disable=cell-var-from-loop
        bus.wait(lambda: answers and qemu.state(domain) == "shutoff", "the answer, and the end")  # pylint: disable=cell-var-from-loop
        consistent(domain, path, None)
    qemu.do(domain, "Start")
    create(domain, "after", disk_only=True)
    end(qemu, domain)


def going_back_puts_new_overlays_over_the_images():
    data = image("back-data.img", b"\7" * 4096)
    domain, path = start(qemu, "back", devices=disk(data, "vdb"))
    writes(domain)
    one = create(domain, "one", disk_only=True)
    kept = sum_of(path), sum_of(data)
    writes(domain)
    pid = qemu.pid_of(domain)
    do(one, "Revert", running=True)
    assert qemu.state(domain) == "running" and qemu.pid_of(domain) != pid and current(domain) == one
    new, new_data = images(domain)[0], images(domain, "vdb")[0]
    assert new.startswith(work("back.one-")) and images(domain)[1:] == [path] and images(domain, "vdb") == [new_data, data]
    assert os.path.exists(work("back.one"))  # whoever needs it has it
    writes(domain)
    two = create(domain, "two", disk_only=True)
    assert get(two, "Parent") == one and len(images(domain)) == 3
    qemu.kill_driver()
    do(one, "Revert")
    assert qemu.state(domain) == "shutoff" and images(domain)[1:] == [path] and content(images(domain)[0]) == content(path)
    assert (sum_of(path), sum_of(data)) == kept
    do(two, "Revert", paused=True)
    assert qemu.state(domain) == "paused" and images(domain)[1:] == [new, path] and content(images(domain)[0]) == content(new)
    qemu.do(domain, "Destroy")
    before = images(domain)
    os.rename(path, path + ".away")
    try:
        do(one, "Revert")
        raise AssertionError("an image that is gone was gone back to")
    except BusError as error:
        contains(error.message, "back", "one", path)
    os.rename(path + ".away", path)
    assert images(domain) == before and current(domain) == two
    end(qemu, domain)


def an_image_that_another_snapshot_keeps_is_not_gone_back_in():
    path = image("kept.qcow2", b"\1" * 4096)
    domain = qemu.define(qemu.document("kept", disk(path), memory=16))
    inside, over = create(domain, "inside"), create(domain, "over", disk_only=True)
    kept = sum_of(path)
    contains(expect("OperationInvalid", do, inside, "Revert"), "kept", "inside", path, "over")
    assert sum_of(path) == kept and current(domain) == over
    top = images(domain)[0]
    qemu.define(qemu.document("kept", disk(path), memory=16, uuid=bus.get(domain, "Domain", "UUID")))
    contains(expect("OperationInvalid", do, over, "Revert"), "kept", "over", path)
    assert images(domain) == [path] and os.path.exists(top)
    do(over, "Delete", metadata_only=True)
    do(inside, "Revert")
    assert images(domain) == [path] and current(domain) == inside
    end(qemu, domain)


def files(prefix):
    return sorted(name for name in os.listdir(os.path.dirname(work("x"))) if name.startswith(prefix))


def a_deleted_one_is_merged_with_what_came_after():
    data = image("merge-data.img", b"\7" * 4096)
    domain, path = start(qemu, "merge", devices=disk(data, "vdb"))
    made = {}
    for name in ("one", "two", "three"):
        writes(domain)
        made[name] = create(domain, name, disk_only=True)
    writes(domain)
    pid, kept = qemu.pid_of(domain), content(work("merge.two"))
    do(made["one"], "Delete")
    assert qemu.pid_of(domain) == pid and names(domain) == ["three", "two"] and get(made["two"], "Parent") == "/"
    assert images(domain) == images(domain, inactive=True) == [work("merge.three"), work("merge.two"), path]
    bus.wait(lambda: files("merge") == sorted(["merge.qcow2", "merge-data.img"] + [f"merge{d}.{s}" for d in ("", "-data") for s in ("two", "three")]), "what is merged to go")
    assert chain(work("merge.two"))[1][0] == path and content(work("merge.two")) == kept and path in xml_of(made["two"])
    do(made["two"], "Delete", children=True)
    assert images(domain) == images(domain, inactive=True) == [path] and images(domain, "vdb") == [data] and names(domain) == []
    bus.wait(lambda: files("merge") == ["merge-data.img", "merge.qcow2"], "what is merged to go")
    assert qemu.pid_of(domain) == pid and qemu.state(domain) == "running"
    writes(domain)
    create(domain, "again", disk_only=True)
    writes(domain)
    do(f"{domain}/snapshot/again", "Delete")
    qemu.do(domain, "Destroy")
    whole(path)
    end(qemu, domain)


def what_only_a_document_names_is_needed_too():
    """No header says that the other domain has it, which is off."""
    domain = qemu.define(qemu.document("below", disk(image("below.qcow2", b"\1" * 4096)), memory=16))
    made = create(domain, "one", disk_only=True)
    over, base = image("below-other.qcow2"), work("below.qcow2")
    other = qemu.define(qemu.document("other", disk(over, more=f"<backingStore type='file'><format type='qcow2'/><source file='{base}'/></backingStore>"), memory=16))
    before = sum_of(base)
    do(made, "Delete")
    assert sum_of(base) == before and images(domain) == [work("below.one")], images(domain)
    end(qemu, other)
    end(qemu, domain)


def of_a_domain_that_is_off_too():
    raw, lower = image("omit.img", b"\1" * 4096), image("omit-lower.img", b"\2" * 512)
    base = image("omit-base.qcow2")
    subprocess.run(["qemu-img", "rebase", "-u", "-F", "raw", "-b", "omit-lower.img", base], check=True)
    domain = qemu.define(qemu.document("omit", disk(raw) + disk(base, "vdb"), memory=16))
    made = {}
    for n, name in enumerate(("one", "two", "three"), 3):
        made[name] = create(domain, name, disk_only=True)
        for prefix in ("omit", "omit-base"):
            subprocess.run(["qemu-io", "-c", f"write -P {n} {n}M 64k", work(f"{prefix}.{name}")], check=True, capture_output=True)
    kept = {path: content(path) for each in ("omit", "omit-base") for path in (work(f"{each}.two"), work(f"{each}.three"))}
    do(made["one"], "Delete")
    assert images(domain) == [work("omit.three"), work("omit.two"), raw] and all(content(path) == kept[path] for path in kept)
    assert chain(work("omit-base.two")) == [(work("omit-base.two"), "qcow2", "omit-base.qcow2"), (base, "qcow2", "omit-lower.img"), (lower, "raw", None)]
    bus.wait(lambda: not os.path.exists(work("omit.one")) and not os.path.exists(work("omit-base.one")), "what is merged to go")
    linked = work("omit-clone.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "omit.two", linked], check=True)
    other = qemu.define(qemu.document("omitted", disk(linked), memory=16))
    before = sum_of(work("omit.two"))
    do(made["three"], "Delete")
    assert images(domain) == [work("omit.three"), raw] and images(domain, "vdb") == [work("omit-base.two"), base], (images(domain), images(domain, "vdb"))
    assert sum_of(work("omit.two")) == before and content(work("omit.three")) == kept[work("omit.three")] and content(work("omit-base.two")) == kept[work("omit-base.three")]
    qemu.do(other, "Undefine")
    os.unlink(work("omit.two"))
    do(made["two"], "Delete")
    assert images(domain)[0] == raw and images(domain, "vdb")[0] == base and names(domain) == []
    assert content(base) == kept[work("omit-base.three")]
    with open(raw, "rb") as file:
        assert file.read() == kept[work("omit.three")]
    qemu.do(domain, "Start", paused=True)
    end(qemu, domain)


def an_image_that_anything_needs_stays_what_it_is():
    domain, path = start(qemu, "need")
    one = create(domain, "one", disk_only=True)
    writes(domain)
    two = create(domain, "two", disk_only=True)
    kept = sum_of(path)
    linked = work("clone.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "need.qcow2", linked], check=True)
    other = qemu.define(qemu.document("clone", disk(linked), memory=16))
    contains(expect("OperationInvalid", do, one, "Delete"), "need", "one", path, "'clone'")
    do(two, "Delete")
    assert images(domain) == [work("need.one"), path] and sum_of(path) == kept
    do(one, "Delete")  # the guest's own image gets what the other needs
    assert images(domain) == images(domain, inactive=True) == [work("need.one")] and sum_of(path) == kept and names(domain) == []
    assert chain(work("need.one")) == [(work("need.one"), "qcow2", None)]
    qemu.do(other, "Undefine")
    qemu.do(domain, "Destroy")
    whole(work("need.one"))
    end(qemu, domain)


def an_image_that_it_is_defined_with_stays_what_it_is():
    domain, path = start(qemu, "defined")
    one = create(domain, "one", disk_only=True)
    kept = sum_of(path)
    qemu.define(qemu.document("defined", disk(path), memory=16, uuid=bus.get(domain, "Domain", "UUID")))
    writes(domain)
    do(one, "Delete")
    assert images(domain) == [work("defined.one")] and images(domain, inactive=True) == [path] and sum_of(path) == kept
    end(qemu, domain)


def snapshots_within_an_image_are_not_merged_away():
    domain, path = start(qemu, "within")
    one, inside = create(domain, "one", disk_only=True), create(domain, "inside")
    before = sum_of(path)
    for _ in range(2):  # of a guest that is up, and of a domain that is off
        contains(expect("OperationInvalid", do, one, "Delete"), "within", "one", "vda", work("within.one"), "within it")
        assert sum_of(path) == before and "InProgress" not in xml_of(one)
        if qemu.state(domain) == "running":
            qemu.do(domain, "Destroy")
    do(one, "Delete", children_only=True)
    assert names(domain) == ["one"] and inside not in bus.objects(domain)
    do(one, "Delete")
    assert images(domain) == [path]
    end(qemu, domain)


def a_branch_that_was_left_is_kept():
    domain, path = start(qemu, "left")
    one = create(domain, "one", disk_only=True)
    writes(domain)
    side = create(domain, "side", disk_only=True)
    writes(domain)
    kept = sum_of(path), sum_of(work("left.one"))
    do(one, "Revert", running=True)
    new = images(domain)[0]
    writes(domain)
    contains(expect("OperationInvalid", do, side, "Delete"), "left", "side", work("left.one"), "metadata_only")
    do(one, "Delete")
    assert images(domain) == images(domain, inactive=True) == [new] and (sum_of(path), sum_of(work("left.one"))) == kept
    do(side, "Revert", running=True)
    assert images(domain)[1:] == [work("left.one"), path]
    qemu.do(domain, "Destroy")
    top, kept = images(domain)[0], sum_of(work("left.one"))
    do(side, "Delete")
    assert images(domain) == images(domain, inactive=True) and images(domain)[0] == top and sum_of(work("left.one")) == kept
    assert chain(top) == [(top, "qcow2", path), (path, "raw" if path.endswith(".img") else "qcow2", None)]
    end(qemu, domain)


def a_driver_that_is_killed_while_it_merges_loses_nothing():
    domain, path = start(qemu, "mend", devices=disk(image("mend-data.img"), "vdb"))
    for instant in (5, 15, 40):  # milliseconds
        names_made = ("one", "two")
        for name in names_made:
            create(domain, name, disk_only=True)
            writes(domain, 1)
        pid = qemu.pid_of(domain)

        def begin_delete():
            gone = []
            bus.begin(f"{domain}/snapshot/one", f"{NAME}.Snapshot", "Delete", "a{sv}", {})
            GLib.timeout_add(instant, lambda: gone.append(True))  # pylint: disable=cell-var-from-loop
            bus.wait(lambda: gone, "the instant")
        qemu.kill_driver(before=begin_delete)
        assert qemu.pid_of(domain) == pid and qemu.state(domain) == "running"
        writes(domain, 1)

        def settled():
            return not any(f"{NAME}.Job" in values for values in bus.objects("/org/virtbus1").values())
        bus.wait(settled, "its jobs to end")
        for name in names_made:
            if name in names(domain):
                snapshot = f"{domain}/snapshot/{name}"
                if "<snapshotDeleteInProgress/>" in xml_of(snapshot):  # what it kept is written already
                    contains(expect("OperationInvalid", do, snapshot, "Revert"), "mend", name, "delete it")
                do(snapshot, "Delete")
        assert names(domain) == [] and images(domain) == images(domain, inactive=True) == [path]
        for name in names_made:  # merged, and nobody was left to remove them
            for prefix in ("mend", "mend-data"):
                if os.path.exists(work(f"{prefix}.{name}")):
                    os.unlink(work(f"{prefix}.{name}"))
    qemu.do(domain, "Destroy")
    found = sorted(numbers(path))
    assert found == list(range(found[0], found[0] + len(found)))
    for instant in (15, 40):  # the same of a domain that is off
        create(domain, "one", disk_only=True)
        subprocess.run(["qemu-io", "-c", f"write -P {instant} 8M 1M", work("mend.one")], check=True, capture_output=True)
        kept = content(work("mend.one"))
        qemu.kill_driver(before=begin_delete)
        assert content(images(domain)[0]) == kept
        if names(domain):
            do(f"{domain}/snapshot/one", "Delete")
        assert images(domain) == [path] and content(path) == kept
        for prefix in ("mend", "mend-data"):
            if os.path.exists(work(f"{prefix}.one")):
                os.unlink(work(f"{prefix}.one"))
    end(qemu, domain)


run([a_deleted_one_is_merged_with_what_came_after, of_a_domain_that_is_off_too, what_only_a_document_names_is_needed_too, an_image_that_anything_needs_stays_what_it_is, an_image_that_it_is_defined_with_stays_what_it_is,
    snapshots_within_an_image_are_not_merged_away, a_branch_that_was_left_is_kept, a_driver_that_is_killed_while_it_merges_loses_nothing, a_guest_goes_on_with_overlays, a_domain_that_is_off_gets_overlays, files_are_named_reused_and_refused_by_name,
    what_cannot_have_an_overlay_is_refused_by_name, a_driver_that_is_killed_tears_nothing,
    going_back_puts_new_overlays_over_the_images, an_image_that_another_snapshot_keeps_is_not_gone_back_in, a_guest_that_dies_meanwhile_tears_nothing])
