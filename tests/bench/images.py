# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures of the work on images of a paused guest, in turn with a QEMU that is told the same by hand."""

import json
import os
import select
import socket
import subprocess
import time

from measures import add, p50, say
from rig import NAME, ROOT, Hypervisor, variants

WORK = os.path.join(ROOT, "images")
ROUNDS = 12
COMMIT_ROUNDS, COMMIT_MIB = 6, 64
BACKUP_ROUNDS, BACKUP_MIB = 6, 256


def make(name, backing=None, filled=0, size=2 * COMMIT_MIB):
    path = os.path.join(WORK, name)
    size = [f"{max(size, 2 * filled)}M"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *(["-b", backing, "-F", "qcow2"] if backing else []), path, *size], check=True)
    if filled:
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P 7 0 {filled}M", path], check=True, stdout=subprocess.DEVNULL)
    os.chmod(path, 0o600)
    return path


class ByHand:
    """A QEMU with one disk, and what is said to it."""

    def __init__(self, path, backing=None, paused=True):
        place = os.path.join(WORK, "monitor")
        node = {"driver": "qcow2", "node-name": "top", "file": {"driver": "file", "filename": path}}
        if backing:
            node["backing"] = {"driver": "qcow2", "node-name": "base", "file": {"driver": "file", "filename": backing}}
        self.process = subprocess.Popen(["qemu-system-x86_64", *(["-S"] if paused else []), "-nodefaults", "-display", "none", "-m", "16", "-qmp", f"unix:{place},server=on,wait=off",
                                         "-blockdev", json.dumps(node), "-device", "virtio-blk-pci,drive=top"], stderr=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        while self.socket.connect_ex(place) != 0:
            select.select([], [], [], 0.01)
        self.stream = self.socket.makefile("rw")
        self.stream.readline()
        self.do("qmp_capabilities")

    def hear(self, wanted):
        while not wanted(said := json.loads(self.stream.readline())):
            pass
        return said

    def do(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}))
        self.stream.flush()
        said = self.hear(lambda said: "return" in said or "error" in said)
        assert "return" in said, said

    def job(self, command, **arguments):
        """Until it is done."""
        self.do(command, **{"job-id": "job"}, **arguments)
        self.hear(lambda said: said.get("event") == "JOB_STATUS_CHANGE" and said["data"]["status"] == "concluded")
        self.do("job-dismiss", id="job")

    def commit(self):
        self.do("block-commit", **{"job-id": "commit", "device": "top", "base-node": "base"})
        self.hear(lambda said: said.get("event") == "BLOCK_JOB_READY")
        self.do("block-job-complete", device="commit")

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.socket.close()


def start(qemu, name, path, paused=True):
    domain = qemu.define(qemu.document(name, f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda' bus='virtio'/></disk>", memory=16))
    qemu.do(domain, "Start", paused=paused)
    return domain


def finish(qemu, domain):
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


def lasted(function):
    began = time.monotonic()
    result = function()
    return (time.monotonic() - began) * 1e3, result


def snapshots(bus, qemu):
    domain, hand = start(qemu, "pictured", make("pictured")), ByHand(make("by-hand"))
    ours, theirs = {"create": [], "revert": [], "delete": []}, {"create": [], "revert": [], "delete": []}
    for number in range(ROUNDS):
        name = f"n{number}"
        took, path = lasted(lambda: bus.call(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", f"<domainsnapshot><name>{name}</name></domainsnapshot>", {}))  # pylint: disable=cell-var-from-loop
        ours["create"].append(took)
        theirs["create"].append(lasted(lambda: hand.job("snapshot-save", tag=name, vmstate="top", devices=["top"]))[0])  # pylint: disable=cell-var-from-loop
        ours["revert"].append(lasted(lambda: bus.call(path, f"{NAME}.Snapshot", "Revert", "a{sv}", variants({"paused": True})))[0])  # pylint: disable=cell-var-from-loop
        theirs["revert"].append(lasted(lambda: hand.job("snapshot-load", tag=name, vmstate="top", devices=["top"]))[0])  # pylint: disable=cell-var-from-loop
        ours["delete"].append(lasted(lambda: bus.call(path, f"{NAME}.Snapshot", "Delete", "a{sv}", {}))[0])  # pylint: disable=cell-var-from-loop
        theirs["delete"].append(lasted(lambda: hand.job("snapshot-delete", tag=name, devices=["top"]))[0])  # pylint: disable=cell-var-from-loop
    hand.end()
    finish(qemu, domain)
    for what, wanted in (("create", "<= 8"), ("delete", "<= 8")):
        add(f"a snapshot within the image, {what}, more than QEMU by hand, p50", max(0, p50(ours[what]) - p50(theirs[what])), wanted, "ms",
            f"{p50(ours[what]):.1f} ms / {p50(theirs[what]):.1f} ms", may_be_nothing=True, in_readme=what == "create")
    add("a snapshot within the image, revert in place, p50", p50(ours["revert"]), "<= 25", "ms", f"by hand {p50(theirs['revert']):.1f} ms")


def commits(bus, qemu):
    ours, theirs = [], []
    for number in range(COMMIT_ROUNDS):
        base, top = make(f"base-{number}"), make(f"top-{number}", f"base-{number}", COMMIT_MIB)
        domain = start(qemu, f"committed-{number}", top)
        disk = f"{domain}/device/virtio_2ddisk0"
        began = time.monotonic()
        bus.call(disk, f"{NAME}.Device.Disk.Image", "Commit", "ssa{sv}", "", "", variants({"pivot": True}))
        bus.wait(lambda: len(bus.get(disk, "Device.Disk.Image", "Chain")) == 1, "the pivot")  # pylint: disable=cell-var-from-loop
        ours.append((time.monotonic() - began) * 1e3)
        finish(qemu, domain)
        base, top = make(f"base-{number}h"), make(f"top-{number}h", f"base-{number}h", COMMIT_MIB)
        hand = ByHand(top, base)
        began = time.monotonic()
        hand.commit()
        hand.hear(lambda said: said.get("event") == "BLOCK_JOB_COMPLETED")
        theirs.append((time.monotonic() - began) * 1e3)
        hand.end()
    add(f"commit of {COMMIT_MIB} MiB with its pivot / QEMU by hand, p50", p50(ours) / p50(theirs), "<= 1.2", "x", f"{p50(ours):.0f} ms / {p50(theirs):.0f} ms")


def push_by_hand(hand, name):
    """As the driver does it: into an image that is made for it."""
    target = make(name, size=2 * BACKUP_MIB)
    hand.do("blockdev-add", driver="qcow2", file={"driver": "file", "filename": target}, **{"node-name": "target"})
    hand.job("blockdev-backup", device="top", target="target", sync="full", **{"auto-dismiss": False})
    hand.do("blockdev-del", **{"node-name": "target"})
    return target


def backups(bus, qemu):
    path = make("backed-up", filled=BACKUP_MIB)
    # Both run: a QEMU that is paused lets go of no descriptor, and what was deleted is written to the disk all the same.
    domain, hand = start(qemu, "backed-up", path, paused=False), ByHand(make("backed-up-by-hand", filled=BACKUP_MIB), paused=False)
    ours, theirs, pulls = [], [], []

    def begin(document):
        return bus.call(domain, f"{NAME}.Domain", "BeginBackup", "ssa{sv}", document, "", {})

    def push():
        target = os.path.join(WORK, "copy")
        job = begin(f"<domainbackup><disks><disk name='vda'><driver type='qcow2'/><target file='{target}'/></disk></disks></domainbackup>")
        result = bus.wait_signal(job, "Completed")
        assert result[0], result
        return target
    for number in range(BACKUP_ROUNDS):
        for durations, function in ((ours, push), (theirs, lambda: push_by_hand(hand, f"copy-{number}"))):  # pylint: disable=cell-var-from-loop
            took, target = lasted(function)
            durations.append(took)
            os.unlink(target)
        took, job = lasted(lambda: begin("<domainbackup mode='pull'/>"))
        pulls.append(took)
        bus.call(job, f"{NAME}.Job.Backup", "Finish")
        bus.wait_signal(job, "Completed")
    hand.end()
    finish(qemu, domain)
    add(f"backup of {BACKUP_MIB} MiB into an image / QEMU by hand, p50", p50(ours) / p50(theirs), "<= 1.2", "x", f"{p50(ours):.0f} ms / {p50(theirs):.0f} ms")
    add("a backup that clients fetch is there, p50", p50(pulls), "<= 20", "ms", "", in_readme=False)


def measure(bus):
    say("work on images, against QEMU by hand")
    os.makedirs(WORK, mode=0o711, exist_ok=True)
    qemu = Hypervisor(bus, "qemu")
    snapshots(bus, qemu)
    commits(bus, qemu)
    backups(bus, qemu)
