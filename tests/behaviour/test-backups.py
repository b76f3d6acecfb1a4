#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Backups of domains: with QEMU and a guest that writes, what is restored is the disk to the byte; with both drivers, what is known of them.

Usage (below tests/with-bus): test-backups.py
"""

import json
import os
import signal
import socket
import subprocess
import xml.etree.ElementTree as ET

from disk_rig import SIZE, WORK, WRITER, disk, image, start, work
from rig import NAME, Bus, BusError, Hypervisor, contains, expect, run, variants

bus = Bus()
qemu, test = Hypervisor(bus, "qemu"), Hypervisor(bus, "test")
DOMAIN, JOB, BACKUP = f"{NAME}.Domain", f"{NAME}.Job", f"{NAME}.Job.Backup"



def push_xml(*disks, since=""):
    """Of disks as (target, path, more): all others are not in it."""
    each = "".join(f"<disk name='{target}'{more}><driver type='{'raw' if path.endswith('.img') else 'qcow2'}'/><target file='{path}'/></disk>" for target, path, more in disks)
    return f"<domainbackup>{since and f'<incremental>{since}</incremental>'}<disks>{each}</disks></domainbackup>"


def pull_xml(disks="", since="", server=""):
    return f"<domainbackup mode='pull'>{since and f'<incremental>{since}</incremental>'}{server}{disks and f'<disks>{disks}</disks>'}</domainbackup>"


def checkpoint_xml(name, disks=""):
    return f"<domaincheckpoint><name>{name}</name>{disks and f'<disks>{disks}</disks>'}</domaincheckpoint>" if name else ""


def begin(domain, xml, checkpoint="", disks="", **options):
    return bus.call(domain, DOMAIN, "BeginBackup", "ssa{sv}", xml, checkpoint_xml(checkpoint, disks), variants(options))


def xml_of(domain):
    return ET.fromstring(bus.call(domain, DOMAIN, "GetBackupXML"))


def finish(job):
    bus.call(job, BACKUP, "Finish")
    done(job)


def completed(job):
    return bus.wait_signal(job, "Completed")


def done(job):
    result = completed(job)
    assert result[0], result


def failed(job, error):
    result = completed(job)
    assert not result[0] and result[1] == f"{NAME}.Error.{error}", result
    return result[2]


def push(domain, *disks, since="", **options):
    """A backup of mode push that is whole."""
    job = begin(domain, push_xml(*disks, since=since), **options)
    done(job)


def started(name, **options):
    return start(qemu, name, WRITER.ljust(SIZE // 2, b"\0") + b"t" * 65536, **options)


def writes(domain, more=20):
    """Waits until the guest has written so many sectors more."""
    def count():
        return qemu.wait_statistics(domain, "block.virtio-disk0")["block.virtio-disk0"]["write_operations"]
    begun = count()
    bus.wait(lambda: count() >= begun + more, "the guest to write")


def raw(path, more=()):
    """What an image has, as a guest sees it, also while it is open."""
    out = work("seen.raw")
    subprocess.run(["qemu-img", "convert", *more, "-O", "raw", path, out], check=True)
    with open(out, "rb") as file:
        data = file.read()
    os.unlink(out)
    return data


def refused(error, function, *arguments, parts=(), **options):
    contains(expect(error, function, *arguments, **options), *parts)


def files():
    return sorted(os.listdir(WORK))


def end(hypervisor, domain):
    if hypervisor.state(domain) != "shutoff":
        hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine", checkpoints=True)


def nbd(fd, export, more=""):
    return f"driver=nbd,server.type=fd,server.str={fd},export={export}{more}"


def read_export(job, export):
    """What an export has, by a socket that the bus has answered."""
    fd, out = bus.call(job, BACKUP, "Open"), work("pulled.raw")
    subprocess.run(["qemu-img", "convert", "--image-opts", nbd(fd, export), "-O", "raw", out], check=True, pass_fds=[fd])
    os.close(fd)
    with open(out, "rb") as file:
        data = file.read()
    os.unlink(out)
    return data


def read_dirty(job, export, bitmap):
    """The parts that a bitmap says were written, each (begin, end)."""
    fd = bus.call(job, BACKUP, "Open")
    text = subprocess.run(["qemu-img", "map", "--output=json", "--image-opts", nbd(fd, export, f",x-dirty-bitmap=qemu:dirty-bitmap:{bitmap}")],
                          check=True, pass_fds=[fd], capture_output=True, text=True).stdout
    os.close(fd)
    return [(part["start"], part["start"] + part["length"]) for part in json.loads(text) if not part["data"]]


def a_full_one_and_increments_restore_the_disk_to_the_byte():
    domain, path = started("push", devices=disk(image("push-b.img", b"b" * 4096), "vdb") + disk(image("push-c.qcow2"), "vdc", "<readonly/>"))
    seen, names = [], []
    vda = "<disk name='vda'/>"
    for i in range(3):
        writes(domain)
        qemu.do(domain, "Suspend")
        seen.append(raw(path, ("-U",)))
        names.append(work(f"push-{i}.qcow2"))
        disks = [("vda", names[i], "")] + ([("vdb", work("push-b-copy.img"), " backupmode='full'")] if i == 0 else [])
        job = begin(domain, push_xml(*disks, since=f"c{i - 1}" if i else ""), f"c{i}", vda)
        qemu.do(domain, "Resume")  # what it writes from now on is not in it
        assert bus.get(domain, "Domain", "Backup") in (job, "/") and bus.get(domain, "Domain", "CurrentCheckpoint").endswith(f"/c{i}")
        done(job)
        assert bus.get(domain, "Domain", "Backup") == "/"
    assert raw(work("push-b-copy.img"), ("-f", "raw")) == (b"b" * 4096).ljust(SIZE, b"\0")
    for name in names:
        assert os.stat(name).st_mode & 0o077 == 0 and "backing-filename" not in json.loads(subprocess.run(["qemu-img", "info", "--output=json", name], check=True, capture_output=True).stdout)
    assert raw(names[0]) == seen[0] and raw(names[1]) != seen[1]
    for i in (1, 2):
        subprocess.run(["qemu-img", "rebase", "-u", "-F", "qcow2", "-b", names[i - 1], names[i]], check=True)
        assert raw(names[i]) == seen[i], "it is not the disk as it was"
    # Since an older checkpoint, it has all that has come since.
    qemu.do(domain, "Suspend")
    last = raw(path, ("-U",))
    push(domain, ("vda", work("push-all.qcow2"), ""), since="c0")
    subprocess.run(["qemu-img", "rebase", "-u", "-F", "qcow2", "-b", names[0], work("push-all.qcow2")], check=True)
    assert raw(work("push-all.qcow2")) == last
    # A file that is there is written into where that is asked for: a copy that is kept up to date.
    refused("InvalidArgument", begin, domain, push_xml(("vda", names[0], "")), parts=(names[0], "reuse"))
    copy = work("push-copy.img")
    with open(copy, "wb") as file:
        file.write(seen[2])
    job = begin(domain, push_xml(("vda", copy, ""), since="c2"), reuse=True)
    done(job)
    assert raw(copy, ("-f", "raw")) == last
    refused("InvalidArgument", begin, domain, push_xml(("vda", image("push-small.qcow2", size=SIZE // 2), "")), reuse=True, parts=("same size",))
    end(qemu, domain)


def clients_read_it_as_the_disk_was():
    domain, path = started("pull", devices=disk(image("pull-b.img", b"b" * 8192), "vdb"))
    writes(domain)
    qemu.do(domain, "Suspend")
    first = raw(path, ("-U",))
    before = files()
    job = begin(domain, pull_xml(), "c0", "<disk name='vda'/>")
    assert bus.get(job, "Job.Backup", "Mode") == "pull" and bus.get(job, "Job", "Operation") == "backup" and bus.get(job, "Job", "Object") == domain
    assert bus.get(job, "Job.Backup", "Exports") == [("vda", "vda", ""), ("vdb", "vdb", "")]
    assert files() == before, "its scratch files have no name"
    qemu.do(domain, "Resume")
    writes(domain)
    assert read_export(job, "vda") == first and read_export(job, "vdb") == (b"b" * 8192).ljust(SIZE, b"\0")
    refused("ResourceBusy", begin, domain, pull_xml(), parts=("vda", "pull", job))
    refused("ResourceBusy", bus.call, f"{domain}/device/virtio_2ddisk0", f"{NAME}.Device.Disk.Image", "Copy", "ssa{sv}", work("busy.qcow2"), "qcow2", {}, parts=("backup", "vda", job))
    refused("ResourceBusy", bus.call, domain, DOMAIN, "CreateSnapshot", "sa{sv}", "<domainsnapshot/>", {}, parts=("backup", job))
    finish(job)
    refused("OperationInvalid", bus.call, domain, DOMAIN, "GetBackupXML", parts=("no backup",))
    # What was written since the checkpoint, by a socket of one's own, and a driver that was killed meanwhile.
    writes(domain)
    qemu.do(domain, "Suspend")
    second = raw(path, ("-U",))
    address = work("nbd.socket")
    job = begin(domain, pull_xml("<disk name='vda' exportname='top' exportbitmap='written'/>", "c0", f"<server transport='unix' socket='{address}'/>"))
    document = xml_of(domain)
    assert document.find("disks/disk").attrib == {"name": "vda", "backup": "yes", "type": "file", "backupmode": "incremental", "incremental": "c0", "exportname": "top", "exportbitmap": "written"}
    assert document.find("disks/disk[@name='vdb']").get("backup") == "no" and document.find("server").get("socket") == address
    qemu.do(domain, "Resume")
    qemu.kill_driver()
    writes(domain)
    job = bus.get(domain, "Domain", "Backup")
    assert bus.get(job, "Job.Backup", "Exports") == [("vda", "top", "written")]
    assert raw(f"nbd+unix:///top?socket={address}") == second == read_export(job, "top")
    parts = read_dirty(job, "top", "written")
    restored = bytearray(first)
    for begun, ended in parts:
        restored[begun:ended] = second[begun:ended]
    assert restored == second and sum(ended - begun for begun, ended in parts) < SIZE
    finish(job)
    bus.wait(lambda: files() == before, "its socket to go")
    with socket.socket() as probe:  # a port that is free
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
    qemu.do(domain, "Suspend")
    job = begin(domain, pull_xml("<disk name='vdb'/>", server=f"<server name='127.0.0.1' port='{port}'/>"))
    assert raw(f"nbd://127.0.0.1:{port}/vdb")[:2] == b"bb"
    refused("OperationInvalid", bus.call, job, BACKUP, "Open", parts=("address",))
    bus.call(job, JOB, "Cancel")
    failed(job, "Cancelled")
    end(qemu, domain)


def what_is_given_up_leaves_nothing():
    domain, _ = started("given-up", full=True)
    before = files()
    # Of so many, one or the other is at each of its steps.
    for i in range(4):
        job = begin(domain, push_xml(("vda", work("given-up.copy"), "")), f"c{i}" if i < 2 else "")
        bus.call(job, JOB, "Cancel")
        result = completed(job)
        assert result[0] == os.path.exists(work("given-up.copy")), result
        if result[0]:
            os.unlink(work("given-up.copy"))
    assert files() == before
    # Its guest ends meanwhile; its QEMU is killed.
    for way in (lambda: qemu.do(domain, "Destroy"), lambda: os.kill(qemu.pid_of(domain), signal.SIGKILL)):
        job = begin(domain, pull_xml(server=f"<server transport='unix' socket='{work('nbd.given-up')}'/>"))
        way()
        failed(job, "Cancelled")
        bus.wait(lambda: qemu.state(domain) == "shutoff" and files() == before, "what it needed to be removed")
        qemu.do(domain, "Start", paused=True)
    end(qemu, domain)


def a_driver_that_is_killed_leaves_nothing_half_made():
    domain, path = started("killed", full=True)
    before = files()
    for i in range(6):
        xml = push_xml(("vda", work("killed.copy"), "")) if i % 2 == 0 else pull_xml()
        bus.begin(domain, DOMAIN, "BeginBackup", "ssa{sv}", xml, checkpoint_xml(f"c{i}"), {})
        if i > 1:
            bus.wait(lambda: bus.get(domain, "Domain", "Backup") != "/", "it to begin")
        qemu.kill_driver()
        qemu.do(domain, "Suspend")  # which waits until the next driver has found it
        qemu.do(domain, "Resume")
        job = bus.get(domain, "Domain", "Backup")
        if job != "/":
            try:
                bus.call(job, JOB, "Cancel")
            except BusError as error:  # it is over
                assert error.name.endswith("UnknownObject"), error
        bus.wait(lambda: bus.get(domain, "Domain", "Backup") == "/", "it to be over")
        if os.path.exists(work("killed.copy")):
            assert raw(work("killed.copy")), "it is whole"
            os.unlink(work("killed.copy"))
        assert files() == before
    push(domain, ("vda", work("killed.copy"), ""))  # nothing is in the way
    pid = qemu.pid_of(domain)
    assert not [fd for fd in os.listdir(f"/proc/{pid}/fd") if "killed.copy" in os.readlink(f"/proc/{pid}/fd/{fd}")], "its file is let go of"
    end(qemu, domain)


def what_cannot_be_is_refused_by_name():
    domain, _ = started("refused", paused=True, devices=disk(image("refused-b.img"), "vdb"))
    checkpoint = bus.call(domain, DOMAIN, "CreateCheckpoint", "sa{sv}", checkpoint_xml("first", "<disk name='vda'/>"), {})
    before = files()
    target = "<target file='/images/x'/>"
    for error, xml, parts in (
            ("InvalidXML", "<domainbackup mode='both'/>", ("mode",)),
            ("InvalidXML", "<domainbackup><name>x</name></domainbackup>", ("name",)),
            ("InvalidXML", "<domainbackup when='now'/>", ("when",)),
            ("InvalidXML", f"<domainbackup><disks><disk name='vda' backup='maybe'>{target}</disk></disks></domainbackup>", ("backup",)),
            ("InvalidXML", f"<domainbackup><disks><disk name='vda' backup='no'>{target}</disk></disks></domainbackup>", ("backup='no'",)),
            ("InvalidXML", f"<domainbackup><disks><disk name='vda'>{target}{target}</disk></disks></domainbackup>", ("already",)),
            ("InvalidXML", f"<domainbackup mode='pull'><disks><disk name='vda'>{target}</disk></disks></domainbackup>", ("push",)),
            ("InvalidXML", "<domainbackup><disks><disk name='vda'><target file='x'/></disk></disks></domainbackup>", ("absolute",)),
            ("InvalidXML", "<domainbackup><disks><disk name='vda' type='block'><target file='/x'/></disk></disks></domainbackup>", ("file",)),
            ("Unsupported", "<domainbackup><disks><disk name='vda' type='network'/></disks></domainbackup>", ("network",)),
            ("Unsupported", "<domainbackup><disks><disk name='vda'><driver type='vmdk'/></disk></disks></domainbackup>", ("vmdk",)),
            ("InvalidXML", "<domainbackup><server transport='unix' socket='/x'/></domainbackup>", ("push",)),
            ("InvalidXML", "<domainbackup><disks><disk name='vda' exportname='x'/></disks></domainbackup>", ("pull",)),
            ("InvalidXML", pull_xml("<disk name='vda' exportname=''/>"), ("exportname",)),
            ("InvalidXML", pull_xml(server="<server transport='unix'/>"), ("socket",)),
            ("InvalidArgument", pull_xml(server="<server name='localhost'/>"), ("port",)),
            ("InvalidArgument", pull_xml("<disk name='vda' exportbitmap='x'/>"), ("vda", "exportbitmap")),
            ("InvalidArgument", pull_xml("<disk name='vda' exportname='a'/><disk name='vdb' exportname='a'/>"), ("vdb", "exportname")),
            ("InvalidArgument", pull_xml("<disk name='vda'><driver type='raw'/></disk>"), ("vda", "qcow2")),
            ("InvalidArgument", push_xml(("vdq", "/x", "")), ("vdq",)),
            ("InvalidArgument", push_xml(("vda", work("same"), ""), ("vdb", work("same"), "")), ("vdb", "another disk")),
            ("InvalidArgument", "<domainbackup><disks><disk name='vda' backup='no'/></disks></domainbackup>", ("no disk",)),
            ("InvalidArgument", push_xml(("vda", work("x"), " backupmode='incremental'")), ("vda", "checkpoint")),
            ("InvalidArgument", push_xml(("vdb", work("x"), " backupmode='incremental' incremental='first'")), ("vdb", "first", "full")),
            ("InvalidArgument", push_xml(("vda", work("x.img"), ""), since="first"), ("vda", "raw")),
            ("NoSuchCheckpoint", push_xml(("vda", work("x"), ""), since="none"), ("vda", "none")),
            ("Unsupported", f"<domainbackup><disks><disk name='vda'><target file='{work('x')}'><encryption format='luks'><secret type='passphrase' usage='x'/></encryption></target></disk></disks></domainbackup>", ("vda", "encrypt"))):
        refused(error, begin, domain, xml, parts=parts)
    refused("InvalidArgument", begin, domain, push_xml(("vda", work("x"), "")), quick=True, parts=("quick",))
    refused("AlreadyExists", begin, domain, push_xml(("vda", work("x"), "")), "first")
    assert files() == before and bus.get(domain, "Domain", "CurrentCheckpoint") == checkpoint
    # A disk that came after the checkpoint is taken whole, and its document says so.
    job = begin(domain, pull_xml(since="first"))
    assert [disk.get("backupmode") for disk in xml_of(domain).iter("disk")] == ["incremental", "full"]
    assert bus.get(job, "Job.Backup", "Disks") == [("vda", "first"), ("vdb", "")]
    finish(job)
    # One whose bitmap is broken is not a beginning; the newest that is whole is named.
    os.kill(qemu.pid_of(domain), signal.SIGKILL)
    bus.wait(lambda: qemu.state(domain) == "shutoff", "the guest to end")
    refused("OperationInvalid", begin, domain, push_xml(("vda", work("x"), "")), parts=("off",))
    qemu.do(domain, "Start", paused=True)
    bus.wait(lambda: bus.get(checkpoint, "Checkpoint", "BrokenDisks") == ["vda"], "what is broken to be seen")
    refused("OperationInvalid", begin, domain, push_xml(("vda", work("x"), ""), since="first"), parts=("vda", "first", "whole"))
    bus.call(domain, DOMAIN, "CreateCheckpoint", "sa{sv}", checkpoint_xml("good", "<disk name='vda'/>"), {})
    refused("OperationInvalid", begin, domain, push_xml(("vda", work("x"), ""), since="first"), parts=("first", "'good'"))
    end(qemu, domain)


def what_is_known_of_it(hypervisor):
    """Of both drivers alike."""
    path = image(f"known-{hypervisor.name}.qcow2")
    domain = hypervisor.define(hypervisor.document("known", disk(path), memory=16))
    refused("OperationInvalid", begin, domain, pull_xml(), parts=("off",))
    hypervisor.do(domain, "Start", paused=True)
    assert bus.get(domain, "Domain", "Backup") == "/"
    job = begin(domain, pull_xml(), "c0")
    assert bus.get(domain, "Domain", "Backup") == job and bus.get(job, "Job", "Cancellable")
    found = xml_of(domain)
    assert found.get("mode") == "pull" and found.find("disks/disk").get("exportname") == "vda" and found.find("disks/disk/scratch").get("file") == f"{path}.c0"
    refused("ResourceBusy", bus.call, domain, DOMAIN, "CreateCheckpoint", "sa{sv}", "<domaincheckpoint/>", {}, parts=(job,))
    finish(job)
    job = begin(domain, push_xml(("vda", work(f"known-{hypervisor.name}.copy"), ""), since="c0"))
    done(job)
    job = begin(domain, pull_xml(), "")
    bus.call(job, JOB, "Cancel")
    failed(job, "Cancelled")
    job = begin(domain, pull_xml())
    hypervisor.do(domain, "Destroy")
    failed(job, "Cancelled")
    end(hypervisor, domain)


def the_laboratory_has_it_fail_and_last():
    domain = test.define(test.document("lasts", disk("/images/lasts.qcow2"), memory=16))
    test.do(domain, "Start")
    bus.call(test.path, f"{NAME}.Test", "FailNext", "sss", "backup", "HypervisorFailed", "no reason")
    refused("HypervisorFailed", begin, domain, push_xml(("vda", "/images/x", "")), "c0", parts=("no reason",))
    assert bus.get(domain, "Domain", "CurrentCheckpoint") == "/"
    bus.call(test.path, f"{NAME}.Test", "SetDelay", "st", "backup", 3600 * 1000000)
    job = begin(domain, push_xml(("vda", "/images/x", "")))
    assert bus.get(job, "Job", "BytesTotal") == 64 << 20
    refused("Unsupported", bus.call, job, BACKUP, "Finish", parts=("push",))
    bus.call(job, JOB, "Cancel")
    failed(job, "Cancelled")
    bus.call(test.path, f"{NAME}.Test", "SetDelay", "st", "backup", 0)
    end(test, domain)


def of(function, hypervisor):
    def each():
        function(hypervisor)
    each.__name__ = f"{function.__name__}_{hypervisor.name}"
    return each


run([a_full_one_and_increments_restore_the_disk_to_the_byte, clients_read_it_as_the_disk_was, what_is_given_up_leaves_nothing,
     a_driver_that_is_killed_leaves_nothing_half_made, what_cannot_be_is_refused_by_name,
     *[of(what_is_known_of_it, hypervisor) for hypervisor in (test, qemu)], the_laboratory_has_it_fail_and_last])
