#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs on the images of disks, with QEMU and a guest that writes: nothing of it is lost, whatever ends when.

Usage (below tests/with-bus): test-block-jobs.py
"""

import hashlib
import os
import re
import signal
import struct
import subprocess
import xml.etree.ElementTree as ET

from gi.repository import GLib

from disk_rig import FIRST, WORK, WRITER, check
from rig import NAME, ROOT, Bus, BusError, Hypervisor, contains, expect, run, variants

bus = Bus()
qemu = Hypervisor(bus, "qemu")
DISK, JOB, JOB_DISK = f"{NAME}.Device.Disk.Image", f"{NAME}.Job", f"{NAME}.Job.Disk"
SIZE = 32 << 20



def made(name, backing=None, format="qcow2", data=b"", folder=WORK):
    os.makedirs(folder, mode=0o711, exist_ok=True)
    path = os.path.join(folder, name)
    below = ["-b", backing, "-F", "qcow2"] if backing else []
    if os.path.exists(path):
        os.unlink(path)
    if data:
        with open(path + ".data", "wb") as file:
            file.write(data)
            file.truncate(SIZE)
        subprocess.run(["qemu-img", "convert", "-O", format, path + ".data", path], check=True)
        os.unlink(path + ".data")
    else:
        subprocess.run(["qemu-img", "create", "-q", "-f", format, *below, path, *([] if backing else [str(SIZE)])], check=True)
    os.chmod(path, 0o600)
    return path


def chain_of(name, layers, data=WRITER):
    """The paths of a chain of images, the lowest first: each names the one below by its name alone."""
    paths = [made(f"{name}-0.qcow2", data=data)]
    for i in range(1, layers):
        paths.append(made(f"{name}-{i}.qcow2", backing=os.path.basename(paths[-1])))
    return paths


def document(name, path, more="", format="qcow2"):
    return qemu.document(name, f"<disk type='file'><driver name='qemu' type='{format}'/><source file='{path}'/>{more}"
                         "<target dev='vda' bus='virtio'/></disk>", memory=16)


class Domain:
    """A domain with one disk, whose guest writes that."""

    def __init__(self, name, path, paused=False, more="", format="qcow2"):
        self.path = qemu.define(document(name, path, more, format))
        self.disk = f"{self.path}/device/virtio_2ddisk0"
        qemu.do(self.path, "Start", paused=paused)

    def begin(self, method, signature, *arguments, **options):
        return bus.call(self.disk, DISK, method, signature + "a{sv}", *arguments, {**variants(options), **{key: GLib.Variant("t", value) for key, value in options.items() if key in ("bandwidth", "buffer")}})

    def commit(self, base="", top="", **options):
        return self.begin("Commit", "ss", base, top, **options)

    def pull(self, base="", **options):
        return self.begin("Pull", "s", base, **options)

    def copy(self, path, format="", **options):
        return self.begin("Copy", "ss", path, format, **options)

    def chain(self):
        return [os.path.basename(path) for _, path, _ in bus.get(self.disk, "Device.Disk.Image", "Chain")]

    def source(self, live=True):
        """What its document says: the disk's path."""
        text = bus.call(self.path, f"{NAME}.Domain", "GetXML", "a{sv}", variants({} if live else {"inactive": True}))
        return os.path.basename(ET.fromstring(text).find("devices/disk/source").get("file"))

    def writes(self, more=2):
        """Waits until the guest has written so many sectors more."""
        def count():
            return qemu.wait_statistics(self.path, "block.virtio-disk0")["block.virtio-disk0"]["write_operations"]
        begun = count()
        bus.wait(lambda: count() >= begun + more, "the guest to write")

    def end(self):
        if qemu.state(self.path) != "shutoff":
            qemu.do(self.path, "Destroy")
        qemu.do(self.path, "Undefine")


def completed(job):
    return bus.wait_signal(job, "Completed")


def done(job):
    result = completed(job)
    assert result[0], result


def ready(job):
    bus.wait(lambda: bus.get(job, "Job.Disk", "Ready"), "the job to be ready")


def numbers(path, format="qcow2"):
    """What the guest has written: the numbers of its sectors."""
    raw = path + ".raw"
    subprocess.run(["qemu-img", "convert", "-f", format, "-O", "raw", path, raw], check=True)
    with open(raw, "rb") as file:
        data = file.read()
    os.unlink(raw)
    found = {}
    for sector in range(FIRST, len(data) // 512):
        number = struct.unpack_from("<I", data, sector * 512)[0]
        if number:
            found[sector] = number
    return found


def whole(path, format="qcow2", is_cut_off=False):
    """No number is missing, from the first sector on: nothing that the guest wrote is lost."""
    found = numbers(path, format)
    assert found, "the guest has written nothing"
    values = sorted(found.values())
    assert values == list(range(values[0], values[0] + len(values))) or len(values) > 60000, (values[:5], values[-5:], len(values))
    if format == "qcow2":
        check(path, is_cut_off)
    return len(values)


def header(path):
    """What an image's header says that it is backed by."""
    text = subprocess.run(["qemu-img", "info", "-U", path], check=True, capture_output=True, text=True).stdout
    line = [line for line in text.splitlines() if line.startswith("backing file:")]
    assert "/dev/fdset" not in text, text
    return line[0].split(": ", 1)[1].split(" (")[0] if line else None


def modes(domain, path):
    """How QEMU has a file open."""
    found, folder = set(), f"/proc/{qemu.pid_of(domain.path)}"
    for fd in os.listdir(f"{folder}/fd"):
        try:
            if os.readlink(f"{folder}/fd/{fd}") == path:
                with open(f"{folder}/fdinfo/{fd}", encoding="utf-8") as info:
                    found.add(int(re.search(r"flags:\s*(\d+)", info.read())[1], 8) & os.O_ACCMODE)
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def the_chain_of_a_running_disk_is_told_and_numbered():
    paths = chain_of("told", 3)
    domain = Domain("told", paths[2], paused=True)
    chain = bus.get(domain.disk, "Device.Disk.Image", "Chain")
    assert chain == [(1, paths[2], "qcow2"), (2, paths[1], "qcow2"), (3, paths[0], "qcow2")], chain
    text = bus.call(domain.path, f"{NAME}.Domain", "GetXML", "a{sv}", {})
    disk = ET.fromstring(text).find("devices/disk")
    assert disk.find("source").get("index") == "1" and disk.find("backingStore").get("index") == "2", text
    assert disk.find("backingStore/backingStore/source").get("file") == paths[0] and disk.find("backingStore/backingStore/backingStore") is not None, text
    text = bus.call(domain.path, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True}))
    assert "backingStore" not in text and "index='1'" not in text, text
    qemu.do(domain.path, "Destroy")
    assert bus.get(domain.disk, "Device.Disk.Image", "Chain") == []
    domain.end()


def an_active_commit_pivots_to_the_base():
    paths = chain_of("active", 2)
    domain = Domain("active", paths[1])
    domain.writes()
    job = domain.commit()
    assert bus.get(job, "Job", "Operation") == "active-commit" and bus.get(domain.disk, "Device.Disk.Image", "Job") == job
    ready(job)
    assert domain.source() == os.path.basename(paths[1])
    domain.writes()
    bus.call(job, JOB_DISK, "Pivot")
    done(job)
    assert domain.chain() == ["active-0.qcow2"] and domain.source() == domain.source(live=False) == "active-0.qcow2"
    assert bus.get(domain.disk, "Device.Disk.Image", "Job") == "/"
    domain.writes(20)
    qemu.do(domain.path, "Destroy")
    assert whole(paths[0]) > 20
    assert header(paths[1]) == "active-0.qcow2"
    domain.end()


def a_pivot_before_it_is_ready_waits_and_one_may_be_asked_for_at_the_start():
    paths = chain_of("early", 2)
    domain = Domain("early", paths[1])
    domain.writes()
    job = domain.commit(pivot=True)
    done(job)
    assert domain.chain() == ["early-0.qcow2"]
    domain.end()


def an_inactive_commit_and_a_pull_keep_relative_names_and_no_descriptor_gets_into_a_header():
    paths = chain_of("inactive", 4)
    domain = Domain("inactive", paths[3])
    domain.writes()
    done(domain.commit(base="vda[3]", top=paths[2]))
    assert domain.chain() == ["inactive-3.qcow2", "inactive-1.qcow2", "inactive-0.qcow2"]
    assert header(paths[3]) == "inactive-1.qcow2"
    assert modes(domain, paths[1]) == {os.O_RDONLY}, modes(domain, paths[1])
    done(domain.pull(base=paths[0]))
    assert domain.chain() == ["inactive-3.qcow2", "inactive-0.qcow2"] and header(paths[3]) == "inactive-0.qcow2"
    done(domain.pull())
    assert domain.chain() == ["inactive-3.qcow2"] and header(paths[3]) is None
    domain.writes()
    qemu.do(domain.path, "Destroy")
    whole(paths[3])
    domain.end()


def a_chain_can_be_committed_again_and_again_also_in_a_paused_guest():
    paths = chain_of("again", 5)
    domain = Domain("again", paths[4], paused=True)
    done(domain.commit(base=paths[2], top=paths[3]))
    qemu.do(domain.path, "Resume")
    domain.writes()
    done(domain.commit(base=paths[1], top=paths[2]))
    qemu.do(domain.path, "Suspend")
    done(domain.commit(base=paths[0], top=paths[1]))
    done(domain.commit(pivot=True))
    qemu.do(domain.path, "Resume")
    assert domain.chain() == ["again-0.qcow2"]
    domain.writes()
    bus.wait(lambda: not any(modes(domain, path) for path in paths[1:]), "QEMU to let go of what it uses no more")
    qemu.do(domain.path, "Destroy")
    whole(paths[0])
    domain.end()


def a_copy_is_finished_or_becomes_the_disk():
    path = made("source.qcow2", data=WRITER)
    domain = Domain("copies", path)
    domain.writes()
    copy = os.path.join(WORK, "copy.qcow2")
    job = domain.copy(copy)
    ready(job)
    bus.call(job, JOB_DISK, "Finish")
    done(job)
    assert domain.chain() == ["source.qcow2"]
    assert len(whole_of := numbers(copy)) > 0 and os.stat(copy).st_mode & 0o777 == 0o600, whole_of
    contains(expect("InvalidArgument", domain.copy, copy), copy, "already")
    job = domain.copy(copy, reuse=True, synchronous=True)
    ready(job)
    bus.call(job, JOB_DISK, "Pivot")
    done(job)
    assert domain.chain() == ["copy.qcow2"] and domain.source(live=False) == "copy.qcow2"
    domain.writes(10)
    raw = os.path.join(WORK, "copy.raw")
    done(domain.copy(raw, "raw", pivot=True))
    domain.writes(10)
    qemu.do(domain.path, "Destroy")
    whole(raw, "raw")
    qemu.do(domain.path, "Start")
    assert domain.chain() == ["copy.raw"]
    domain.end()
    for name in (copy, raw):
        os.unlink(name)


def a_shallow_copy_is_backed_by_the_same_images():
    paths = chain_of("shallow", 3)
    domain = Domain("shallow", paths[2])
    domain.writes()
    copy = os.path.join(WORK, "shallow-copy.qcow2")
    done(domain.copy(copy, shallow=True, pivot=True))
    assert domain.chain() == ["shallow-copy.qcow2", "shallow-1.qcow2", "shallow-0.qcow2"], domain.chain()
    assert header(copy) == "shallow-1.qcow2"
    done(domain.commit(pivot=True))
    assert domain.chain() == ["shallow-0.qcow2"]
    domain.writes(10)
    qemu.do(domain.path, "Destroy")
    whole(paths[0])
    domain.end()
    os.unlink(copy)


def a_job_is_cancelled_and_limited():
    paths = chain_of("cancelled", 2, WRITER + os.urandom(4 << 20))
    domain = Domain("cancelled", paths[1])
    job = domain.pull(bandwidth=4096)
    assert bus.get(job, "Job.Disk", "Bandwidth") == 4096 and bus.get(job, "Job.Disk", "Target") == "vda"
    bus.call(job, JOB_DISK, "SetBandwidth", "t", 8192)
    assert bus.get(job, "Job.Disk", "Bandwidth") == 8192
    contains(expect("InvalidArgument", bus.call, job, JOB_DISK, "SetBandwidth", "t", 1 << 63), "bandwidth")
    contains(expect("Unsupported", bus.call, job, JOB_DISK, "Pivot"), "vda", "pull")
    bus.call(job, JOB, "Cancel")
    result = completed(job)
    assert not result[0] and result[1].endswith(".Cancelled"), result
    assert domain.chain() == ["cancelled-1.qcow2", "cancelled-0.qcow2"]
    job = domain.commit()
    ready(job)
    bus.call(job, JOB, "Cancel")
    assert completed(job)[1].endswith(".Cancelled")
    done(domain.commit(pivot=True))
    qemu.do(domain.path, "Destroy")
    domain.end()


def what_a_job_stands_in_the_way_of_names_job_and_disk():
    paths = chain_of("busy", 2, WRITER + os.urandom(4 << 20))
    domain = Domain("busy", paths[1])
    job = domain.pull(bandwidth=4096)
    for call in (lambda: domain.commit(), lambda: domain.copy("/no/where"), lambda: qemu.do(domain.path, "ManagedSave"),
                 lambda: bus.call(domain.disk, f"{NAME}.Device", "Detach", "a{sv}", {}),
                 lambda: bus.call(domain.disk, f"{NAME}.Device.Disk", "Resize", "ta{sv}", 2 * SIZE, {})):
        contains(expect("ResourceBusy", call), "'vda'", job)
    qemu.do(domain.path, "Suspend")
    qemu.do(domain.path, "Resume")
    qemu.do(domain.path, "Destroy")
    result = completed(job)
    assert not result[0], result
    domain.end()


def what_cannot_be_is_refused_by_name():
    paths = chain_of("refused", 3)
    domain = Domain("refused", paths[2], paused=True)
    for error, words, call in (
            ("InvalidArgument", ["/no/such"], lambda: domain.commit(base="/no/such")),
            ("InvalidArgument", ["vda[7]"], lambda: domain.commit(top="vda[7]")),
            ("InvalidArgument", ["not below"], lambda: domain.commit(base=paths[2], top=paths[1])),
            ("OperationInvalid", [paths[0]], lambda: domain.commit(top=paths[0])),
            ("InvalidArgument", ["pivot"], lambda: domain.commit(top=paths[1], pivot=True)),
            ("InvalidArgument", ["itself"], lambda: domain.pull(base="vda")),
            ("InvalidArgument", ["unknown"], lambda: domain.pull(unknown=True)),
            ("InvalidArgument", ["relative"], lambda: domain.copy("relative")),
            ("InvalidArgument", ["vmdk"], lambda: domain.copy("/x", "vmdk")),
            ("InvalidArgument", ["shallow"], lambda: domain.copy("/x", "raw", shallow=True)),
            ("InvalidArgument", ["granularity"], lambda: domain.copy("/x", granularity=1000)),
            ("InvalidArgument", ["neither"], lambda: domain.copy("/dev/null", reuse=True)),
            ("InvalidArgument", ["size"], lambda: domain.copy(small, reuse=True)),
            ("InvalidArgument", ["/no/folder"], lambda: domain.copy("/no/folder/x")),
            ("InvalidArgument", ["vda[9]"], lambda: bus.call(domain.disk, DISK, "SetThreshold", "st", "vda[9]", 1))):
        small = os.path.join(WORK, "small.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", small, "1M"], check=True)
        contains(expect(error, call), *words)
    assert bus.get(domain.disk, "Device.Disk.Image", "Job") == "/"
    os.rename(paths[0], paths[0] + ".old")
    made("refused-0.qcow2")
    contains(expect("OperationInvalid", domain.commit, paths[0], paths[1]), "another file")
    os.rename(paths[0] + ".old", paths[0])
    done(domain.commit(paths[0], paths[1]))
    qemu.do(domain.path, "Destroy")
    contains(expect("OperationInvalid", domain.pull), "shutoff")
    domain.end()


def an_image_that_only_a_header_names_elsewhere_is_not_written():
    base = made("elsewhere.qcow2", data=WRITER, folder=os.path.join(ROOT, "other"))
    os.chmod(base, 0o644)
    os.chmod(os.path.dirname(base), 0o755)
    top = made("lures.qcow2", backing=base)
    domain = Domain("lured", top, paused=True)
    contains(expect("Unsupported", domain.commit), base, "<backingStore>")
    domain.end()
    named = f"<backingStore type='file'><format type='qcow2'/><source file='{base}'/></backingStore>"
    domain = Domain("named", top, paused=True, more=named)
    done(domain.commit(pivot=True))
    assert domain.source(live=False) == "elsewhere.qcow2"
    qemu.do(domain.path, "Destroy")
    qemu.do(domain.path, "Start", paused=True)
    assert domain.chain() == ["elsewhere.qcow2"]
    domain.end()


def a_job_is_found_again_by_the_next_driver_with_its_outcome():
    paths = chain_of("found", 3)
    domain = Domain("found", paths[2])
    domain.writes()
    job = domain.commit()
    ready(job)
    qemu.kill_driver()
    bus.wait(lambda: bus.get(domain.disk, "Device.Disk.Image", "Job") not in ("/", job), "the job of the next driver")
    job = bus.get(domain.disk, "Device.Disk.Image", "Job")
    ready(job)
    bus.call(job, JOB_DISK, "Pivot")
    done(job)
    assert domain.chain() == ["found-0.qcow2"] and domain.source(live=False) == "found-0.qcow2"
    domain.writes()
    # One that ends while no driver is there: the next one tells how.
    copy = os.path.join(WORK, "found-copy.qcow2")
    job = domain.copy(copy, pivot=True)
    bus.signals.clear()
    qemu.kill_driver()
    bus.wait(lambda: [s for s in bus.signals if s[2] == "Completed" and s[3][0]] or domain.chain() == ["found-copy.qcow2"], "the outcome")
    bus.wait(lambda: bus.get(domain.disk, "Device.Disk.Image", "Job") == "/", "the end of the job")
    assert domain.chain() == ["found-copy.qcow2"] and domain.source(live=False) == "found-copy.qcow2"
    domain.writes()
    qemu.do(domain.path, "Destroy")
    whole(copy)
    domain.end()
    os.unlink(copy)


def a_driver_that_is_killed_at_any_instant_tears_no_pivot():
    for instant in range(12):
        name = f"torn{instant}"
        paths = chain_of(name, 2)
        domain = Domain(name, paths[1])
        domain.writes()
        job = domain.commit()
        ready(job)
        pid = bus.driver("QEMU")
        bus.begin(job, JOB_DISK, "Pivot", "")
        if instant:
            subprocess.run(["sleep", f"{instant * 0.003}"], check=True)
        qemu.kill_driver(pid=pid)
        bus.wait(lambda: domain.chain() == [f"{name}-0.qcow2"] or bus.get(domain.disk, "Device.Disk.Image", "Job") != "/", "what became of the job")
        job = bus.get(domain.disk, "Device.Disk.Image", "Job")
        if job != "/":
            try:
                bus.call(job, JOB_DISK, "Pivot")
            except BusError:
                pass
            bus.wait(lambda: bus.get(domain.disk, "Device.Disk.Image", "Job") == "/", "the end of the job")
        domain.writes()
        assert domain.chain() == [f"{name}-0.qcow2"] and domain.source(live=False) == f"{name}-0.qcow2", (instant, domain.chain(), domain.source(live=False))
        os.kill(qemu.pid_of(domain.path), signal.SIGKILL)
        bus.wait_state(domain.path, "shutoff")
        qemu.do(domain.path, "Start", paused=True)
        qemu.do(domain.path, "Destroy")
        whole(paths[0], is_cut_off=True)
        domain.end()


def a_qemu_that_ends_within_a_job_leaves_what_can_be_started():
    paths = chain_of("killed", 2)
    domain = Domain("killed", paths[1])
    domain.writes()
    job = domain.commit()
    ready(job)
    os.kill(qemu.pid_of(domain.path), signal.SIGKILL)
    bus.wait_state(domain.path, "shutoff")
    assert not completed(job)[0]
    assert domain.source(live=False) == "killed-1.qcow2"
    qemu.do(domain.path, "Start")
    domain.writes()
    done(domain.commit(pivot=True))
    domain.end()


def what_a_disk_may_use_changes_and_its_images_stay():
    paths = chain_of("limits", 2)
    domain = Domain("limits", paths[1], paused=True)
    bus.call(domain.disk, f"{NAME}.Device.Disk", "SetIOLimits", "a{st}a{sv}", {"total_iops_sec": 1000}, {})
    assert domain.chain() == ["limits-1.qcow2", "limits-0.qcow2"]
    for inactive in (True, False):  # as it was defined, and as it runs
        text = bus.call(domain.path, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": inactive}))
        disk = ET.fromstring(text).find("devices/disk")
        for tune in disk.findall("iotune"):
            disk.remove(tune)
        bus.call(domain.disk, f"{NAME}.Device", "Update", "sa{sv}", ET.tostring(disk, encoding="unicode"), {})
        assert domain.chain() == ["limits-1.qcow2", "limits-0.qcow2"]
        disk.find("source").set("file", paths[0])
        contains(expect("Unsupported", bus.call, domain.disk, f"{NAME}.Device", "Update", "sa{sv}", ET.tostring(disk, encoding="unicode"), {}), "source")
    done(domain.commit(pivot=True))
    # The image that is in the drive now is the one that is measured and resized.
    assert qemu.wait_statistics(domain.path, "image.virtio-disk0")["image.virtio-disk0"]["capacity"] == SIZE
    bus.call(domain.disk, f"{NAME}.Device.Disk", "Resize", "ta{sv}", 2 * SIZE, {})
    bus.wait(lambda: qemu.wait_statistics(domain.path, "image.virtio-disk0")["image.virtio-disk0"]["capacity"] == 2 * SIZE, "the new size")
    qemu.do(domain.path, "ManagedSave")
    bus.wait_state(domain.path, "shutoff")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", paths[0], "-F", "qcow2", paths[1]], check=True)
    qemu.do(domain.path, "Start")
    assert domain.chain() == ["limits-0.qcow2"]
    domain.end()


def a_disk_goes_with_all_its_images_after_jobs():
    paths, more = chain_of("gone", 1), chain_of("more", 3)
    domain = Domain("gone", paths[0], paused=True)
    element = f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{more[2]}'/><target dev='sdb' bus='usb'/></disk>"
    device = bus.call(domain.path, f"{NAME}.Domain", "AttachDevice", "sa{sv}", element, variants({"live": True}))
    qemu.do(domain.path, "Resume")
    copy = os.path.join(WORK, "gone-copy.qcow2")
    job = bus.call(device, DISK, "Copy", "ssa{sv}", copy, "", variants({"shallow": True, "pivot": True}))
    done(job)
    assert [os.path.basename(path) for _, path, _ in bus.get(device, "Device.Disk.Image", "Chain")] == ["gone-copy.qcow2", "more-1.qcow2", "more-0.qcow2"]
    bus.call(device, f"{NAME}.Device", "Detach", "a{sv}", {})
    bus.wait(lambda: not any(modes(domain, path) for path in [*more, copy]), "QEMU to let go of the images")
    device = bus.call(domain.path, f"{NAME}.Domain", "AttachDevice", "sa{sv}", element.replace(more[2], copy), variants({"live": True}))
    assert len(bus.get(device, "Device.Disk.Image", "Chain")) == 3
    domain.end()
    os.unlink(copy)


def a_threshold_is_told_once():
    path = made("threshold.qcow2", data=WRITER)
    domain = Domain("threshold", path)
    bus.call(domain.disk, DISK, "SetThreshold", "st", "", 65536)
    target, index, told, threshold, _excess = bus.wait_signal(domain.disk, "ThresholdReached")
    assert (target, index, told, threshold) == ("vda", 1, path, 65536)
    domain.writes()
    assert len([s for s in bus.signals if s[0] == domain.disk and s[2] == "ThresholdReached"]) == 1
    domain.end()


def what_is_defined_while_a_job_pivots_is_not_undone():
    """The job's end changes the definition as it is by then: a title that it got stays, and so does another image."""
    other = made("meanwhile-other.qcow2")
    for kind in ("commit", "copy"):
        for replaces in (False, True):
            paths = chain_of("meanwhile", 2)
            domain = Domain("meanwhile", paths[1], paused=True)
            process = qemu.pid_of(domain.path)
            os.kill(process, signal.SIGSTOP)
            try:
                arguments = ("Commit", "ssa{sv}", "", "") if kind == "commit" else ("Copy", "ssa{sv}", made(f"meanwhile-{replaces}.qcow2"), "qcow2")
                begun = bus.begin(domain.disk, DISK, *arguments, variants({"pivot": True, **({"reuse": True} if kind == "copy" else {})}))
                text = bus.call(domain.path, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True})).replace("</name>", "</name><title>MEANWHILE</title>")
                if replaces:
                    text = document("meanwhile", other).replace("</name>", f"</name><title>MEANWHILE</title><uuid>{bus.get(domain.path, 'Domain', 'UUID')}</uuid>")
                defined = bus.begin(qemu.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", text, {})
                bus.settle()
            finally:
                os.kill(process, signal.SIGCONT)
            bus.wait(lambda begun=begun, defined=defined: begun and defined, "answers")
            done(begun[0][0])
            assert not isinstance(defined[0], BusError), defined
            pivoted = os.path.basename(paths[0]) if kind == "commit" else f"meanwhile-{replaces}.qcow2"
            assert domain.source() == pivoted and domain.source(live=False) == (os.path.basename(other) if replaces else pivoted), (kind, replaces)
            assert bus.get(domain.path, "Domain", "Title") == "MEANWHILE" or "MEANWHILE" in bus.call(domain.path, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True}))
            domain.end()


def who_may_not_is_refused():
    paths = chain_of("rights", 2)
    domain = Domain("rights", paths[1], paused=True)
    digest = hashlib.sha256(open(paths[0], "rb").read()).hexdigest()
    for method, signature, action, *arguments in (("Commit", "ssa{sv}", "block-job", "'' '' {}"), ("Pull", "sa{sv}", "block-job", "'' {}"),
                                                  ("Copy", "ssa{sv}", "define", "/tmp/x '' {}"), ("SetThreshold", "st", "tune", "'' 1")):
        out = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "busctl", f"--address={os.environ['DBUS_SYSTEM_BUS_ADDRESS']}",
                              "call", NAME, domain.disk, DISK, method, signature, *["" if word == "''" else "0" if word == "{}" else word for word in arguments[0].split()]],
                             capture_output=True, text=True, check=False)
        assert out.returncode and f"org.virtbus1.domain.{action}" in out.stderr, (method, action, out.stderr)
    assert hashlib.sha256(open(paths[0], "rb").read()).hexdigest() == digest
    domain.end()


run([the_chain_of_a_running_disk_is_told_and_numbered, an_active_commit_pivots_to_the_base, a_pivot_before_it_is_ready_waits_and_one_may_be_asked_for_at_the_start, an_inactive_commit_and_a_pull_keep_relative_names_and_no_descriptor_gets_into_a_header, a_chain_can_be_committed_again_and_again_also_in_a_paused_guest, a_copy_is_finished_or_becomes_the_disk, a_shallow_copy_is_backed_by_the_same_images, a_job_is_cancelled_and_limited, what_a_job_stands_in_the_way_of_names_job_and_disk, what_cannot_be_is_refused_by_name, an_image_that_only_a_header_names_elsewhere_is_not_written, a_job_is_found_again_by_the_next_driver_with_its_outcome, a_driver_that_is_killed_at_any_instant_tears_no_pivot, a_qemu_that_ends_within_a_job_leaves_what_can_be_started, what_a_disk_may_use_changes_and_its_images_stay, a_disk_goes_with_all_its_images_after_jobs, a_threshold_is_told_once, what_is_defined_while_a_job_pivots_is_not_undone, who_may_not_is_refused])
