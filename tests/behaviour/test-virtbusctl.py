#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtbusctl, as a person at a terminal and as a script use it.

Usage (below tests/with-bus): test-virtbusctl.py VIRTBUSCTL [GUEST_FOLDER], where tests/guest/build-guest has put a guest.
"""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import unicodedata
import xml.etree.ElementTree as ET

from rig import DEADLINE, NAME, ROOT, Bus, Hypervisor, Skip, contains, kernel, run
from commandline import CTL, ENVIRONMENT, Terminal, ctl

bus = Bus()
test, qemu = Hypervisor(bus, "test"), Hypervisor(bus, "qemu")
GUEST = sys.argv[2] if len(sys.argv) > 2 else ""
COMPLETIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data", "completions")
WORK = os.path.join(ROOT, "ctl")
os.makedirs(WORK)


def domains_are_made_without_a_document():
    disk = os.path.join(WORK, "it's, mine.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "8M"], check=True)
    ctl("create", "made", "--memory=256M", "--cpus=2", f"--disk={disk}", "--network=none", "--emulate", "--autostart")
    text = ctl("xml", "made")
    contains(text, "it's, mine.qcow2", 'type="qcow2"', ">2</vcpu>", ">262144</memory>")
    made = json.loads(ctl("-c", "test", "create", "tiny", "--memory=64M", "--start", "--json"))
    assert made[0]["name"] == "tiny" and made[0]["path"] == ctl_path("tiny") and len(made[0]["uuid"]) == 36, made
    assert "serial0" in [device["Alias"] for device in json.loads(ctl("status", "--json", "tiny"))[0]["Devices"]]
    assert json.loads(ctl("list", "--json", "tiny"))[0]["state"] == "running"
    for arguments, part in ((["--memory=much"], "512M"), (["--cpus=0"], "512"), (["--network=frob"], "bridge=NAME")):
        contains(ctl("create", "bad", *arguments, status=2), part)
    contains(ctl("create", "made", "--emulate", status=1), "made")
    for verb in ("create", "list"):
        contains(ctl("-c", "hyperbole", verb, *(["x"] if verb == "create" else []), status=1), "'hyperbole'; there are: ", "qemu")
    contains(ctl("create", "later", "--disk=not-made.qcow2", "--memory=64M", "--boot=network,hd"), "not-made.qcow2 is not there yet", "size=")
    kind = re.search("<domain>(.+)</domain>", ctl("capabilities", "domain", "q35")).group(1)
    contains(ctl("xml", "later"), f'<domain type="{kind}">')
    ctl("undefine", "later")
    contains(ctl("create", "many", *["--disk=x,raw"] * 27, status=2), "26")
    ctl("-c", "test", "create", "brief", "--memory=64M", "--transient", "--paused")
    contains(ctl("show", "brief", "-p", "State", "-p", "Persistent"), "State=paused\n", "Persistent=false\n")
    assert ctl("show", "brief", "-p", "State", "--value") == "paused\n"
    contains(ctl("show", "brief", "-p", "Mood", status=2), "Mood", "StartTime")
    assert json.loads(ctl("show", "brief", "-p", "State", "--json")) == [{"State": "paused"}]
    ctl("destroy", "brief")
    contains(ctl("show", "brief", status=4), "brief")


def make_iso(path, said):
    """An ISO with a boot sector (El Torito, no emulation) that says something on the serial port, again and again."""
    # start: xor di,di; next: mov al,cs:[di+text]; test al,al; jz start; mov dx,0x3f8; out dx,al; inc di; jmp next
    code = bytes.fromhex("31ff 2e8a851c7c 84c0 74f5 baf803 ee 47 ebf0")
    boot = (code.ljust(0x1c, b"\x90") + said.encode() + b"\r\n\0").ljust(2048, b"\0")
    validation = b"\1" + bytes(27) + b"\0\0\x55\xaa"
    checksum = -sum(struct.unpack("<16H", validation)) & 0xffff
    entry = struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, 4, 20)  # bootable, no emulation, so many sectors, from there
    catalog = (validation[:28] + struct.pack("<H", checksum) + validation[30:] + entry).ljust(2048, b"\0")
    volume = (b"\1CD001\1\0" + b" " * 32 + b"VIRTBUS".ljust(32) + bytes(8) + struct.pack("<I", 21) + struct.pack(">I", 21)).ljust(2048, b"\0")
    record = (b"\0CD001\1" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + struct.pack("<I", 19)).ljust(2048, b"\0")
    end = b"\xffCD001\1".ljust(2048, b"\0")
    with open(path, "wb") as file:
        file.write(bytes(16 * 2048) + volume + record + end + catalog + boot)


def console_says(name, text):
    console = subprocess.Popen([CTL, "console", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT)
    said = b""
    while text.encode() not in said:
        assert select.select([console.stdout], [], [], DEADLINE)[0], said
        piece = os.read(console.stdout.fileno(), 4096)
        assert piece, said
        said += piece
    console.terminate()
    console.wait(DEADLINE)
    return said.decode(errors="replace")


def a_domain_that_was_made_boots_its_cd_while_its_disk_is_empty_and_its_disk_later():
    iso, disk = f"{WORK}/boots.iso", f"{WORK}/system.qcow2"
    make_iso(iso, "CD-HAS-BOOTED")
    ctl("create", "installed", "--memory=64M", f"--disk={disk},size=16M", f"--cdrom={iso}", "--network=none", "--emulate")
    assert json.loads(subprocess.run(["qemu-img", "info", "--output=json", disk], capture_output=True, check=True).stdout)["format"] == "qcow2"
    contains(ctl("xml", "installed"), 'discard="unmap"', '<input type="tablet" bus="usb"', 'mode="maximum"')
    ctl("start", "installed")
    console_says("installed", "CD-HAS-BOOTED")
    ctl("destroy", "installed")
    # The same sector on the disk: what was installed boots, with the CD still there.
    with open(iso, "rb") as file:
        sector = file.read()[20 * 2048:20 * 2048 + 510]
    with open(f"{WORK}/sector", "wb") as file:
        file.write(sector.replace(b"CD-HAS", b"HD-HAS") + b"\x55\xaa" + bytes(1 << 20))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", f"{WORK}/sector", disk], check=True)
    ctl("start", "installed")
    console_says("installed", "HD-HAS-BOOTED")
    ctl("destroy", "installed")
    ctl("undefine", "installed")


def what_a_domain_is_made_of_is_understood_or_refused():
    real, strange = f"{WORK}/real.img", f"{WORK}/strange.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", real, "8M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", strange, "8M"], check=True)
    for arguments, part in (([f"--disk={real}"], f"qcow2 image; say {real},qcow2"), ([f"--cdrom={real}"], "qcow2 image"), ([f"--disk={strange}"], ",raw"),
                            ([f"--disk={strange},qcow2"], "is not a qcow2 image"), (["--disk=nothing.img"], ",size=20G"), (["--disk="], "path"),
                            ([f"--disk={real},qcow2,size=1G"], "there already"), ([f"--disk={real},bus=warp"], "virtio"), ([f"--disk={real},colour=red"], "readonly"),
                            ([f"--cdrom={WORK}/x.iso,size=1G"], "nothing boots"), ([f"--cdrom={WORK}/none.iso"], "no file"), (["--iso=x"], "--cdrom=PATH"), (["--boot=tape"], "hd, cdrom, network"), (["--boot=cdrom"], "--cdrom"), (["--boot=hd"], "--disk"),
                            (["--boot=network,network"], "twice"), (["--display=x11"], "spice"), (["--initrd=x"], "--kernel"), (["--memory=512"], "512M"), (["--memory=0"], "512M"),
                            ([f"--disk={WORK}"], "is a folder"), ([f"--cdrom={WORK}"], "is a folder"), (["--network=none", "--network=user"], "others beside it"),
                            (["--network=user", "--network=frob"], "bridge=NAME"), (["--network=network="], "network=NAME"), (["--network=bridge"], "bridge=NAME"), (["--network=user,mtu=3"], "model"), (["--cpus=1", "--cpus=2"], "twice")):
        contains(ctl("create", "not", *arguments, status=2), part)
    ctl("create", "whole", "--emulate", "--memory=1.5G", f"--disk={real},qcow2,serial=S1,cache=none", f"--disk={WORK}/new.raw,size=8M,bus=scsi,readonly", "--boot=network,hd",
        "--network=network=lan,mac=52:54:00:00:11:22,model=e1000e", "--display=none", f"--kernel={WORK}/vmlinuz", "--cmdline=a b", "--uefi")
    contains(ctl("xml", "whole"), ">1572864</memory>", '<serial>S1</serial>', 'cache="none"', 'bus="scsi"', "<readonly/>", '<source network="lan"', "52:54:00:00:11:22", 'model type="e1000e"',
             f"<kernel>{WORK}/vmlinuz</kernel>", "<cmdline>a b</cmdline>", 'firmware="efi"', "qemu-xhci")
    order = re.findall(r'<boot order="(\d)"/>', ctl("xml", "whole"))
    assert sorted(order) == ["1", "2", "3"] and "<graphics" not in ctl("xml", "whole"), order
    assert os.path.getsize(f"{WORK}/new.raw") == 8 << 20
    # Cards are made, and booted from, in the order in which they are given.
    ctl("create", "cards", "--emulate", "--network=user", "--network=user,model=e1000e", "--boot=network")
    contains(ctl("attach", "cards", "--network=user,model=rtl8139", "--network=user,model=e1000"), "")
    cards = ET.fromstring(ctl("xml", "cards")).findall("devices/interface")
    assert [card.find("model").get("type") for card in cards] == ["virtio", "e1000e", "rtl8139", "e1000"], cards
    assert [card.find("boot").get("order") for card in cards[:2]] == ["1", "2"] and cards[2].find("boot") is None
    # virsh's create takes a document: that is not a name by accident.
    contains(ctl("create", "guest.xml", status=2), "define --transient")
    # What cannot be defined leaves no image behind.
    ctl("create", "whole", f"--disk={WORK}/left.qcow2,size=8M", status=1)
    assert not os.path.exists(f"{WORK}/left.qcow2")
    ctl("undefine", "whole", "--nvram")
    # What is defined but does not start says so.
    contains(ctl("create", "halfway", "--emulate", f"--disk={WORK}/nowhere.qcow2", "--start", status=1), "nowhere.qcow2", "virtbusctl undefine halfway")
    halfway = os.path.join(WORK, "halfway.xml")
    with open(halfway, "w", encoding="utf-8") as file:
        file.write(ctl("xml", "halfway"))
    ctl("undefine", "halfway")
    # The others are tried, as by every verb that takes several.
    contains(ctl("define", halfway, f"{WORK}/nothing.xml", status=1), "nothing.xml")
    contains(ctl("define", f"{WORK}/nothing.xml", halfway, "--start", status=1), "nothing.xml", "nowhere.qcow2", "'halfway' is defined all the same; virtbusctl undefine halfway")
    ctl("autostart", "halfway", "cards", "on")
    assert ctl("show", "halfway", "cards", "-p", "Autostart").count("Autostart=true") == 2
    contains(ctl("autostart", "halfway", "nobody", "cards", "off", status=4), "nobody")
    assert ctl("show", "halfway", "cards", "-p", "Autostart").count("Autostart=false") == 2
    contains(ctl("autostart", "halfway", "maybe", status=2), "neither on nor off")
    ctl("undefine", "halfway", "cards")


def what_is_emulated_unasked_is_told():
    kind = re.search("<domain>(.+)</domain>", ctl("capabilities", "domain", "q35")).group(1)
    for arguments, is_told in ((["--emulate"], False), ([], kind == "qemu"), (["-c", "test"], False)):
        assert ("is emulated, which is slow" in ctl("create", "speed", "--memory=64M", *arguments)) == is_told, arguments
        ctl("undefine", "speed")


def images_of_disks_are_merged_and_copied():
    folder = os.path.join(ROOT, "images")
    os.makedirs(folder, mode=0o711, exist_ok=True)
    base, top, copy = (f"{folder}/ctl-{name}.qcow2" for name in ("base", "top", "copy"))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "4M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top], check=True)
    domain = qemu.define(qemu.document("layers", f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{top}'/><target dev='vda' bus='virtio'/></disk>"))
    qemu.do(domain, "Start", paused=True)
    assert [row["path"] for row in json.loads(ctl("disk", "chain", "layers", "vda", "--json"))] == [top, base]
    sizes = json.loads(ctl("disk", "info", "layers", "vda", "--json"))
    assert sizes[0]["capacity"] == 4 << 20 and 0 < sizes[0]["physical"] < 4 << 20, sizes
    contains(ctl("disk", "info", "layers", "vda"), "CAPACITY", "4.0M")
    assert json.loads(ctl("qmp", "layers", "query-status"))["return"]["running"] is False
    assert json.loads(ctl("qmp", "layers", '{"execute": "query-block", "id": 5}'))["id"] == 5
    contains(ctl("qmp", "layers", "info", "status", "--human"), "VM status")
    contains(ctl("qmp", "layers", "query-what", status=1), "CommandNotFound")
    contains(ctl("qmp", "layers", "info", "status", status=1), "not an object")
    job = ctl("disk", "copy", "layers", "vda", copy).strip()
    bus.wait(lambda: bus.get(f"/org/virtbus1/job/{job}", "Job.Disk", "Ready"), "the copy")
    contains(ctl("jobs"), job, "copy")
    ctl("disk", "limit", "layers", "vda", "50M")
    ctl("disk", "finish", "layers", "vda")
    ctl("disk", "copy", "layers", "vda", copy, "--reuse")
    ctl("disk", "abort", "layers", "vda")
    bus.wait(lambda: bus.get(f"{domain}/device/virtio_2ddisk0", "Device.Disk.Image", "Job") == "/", "the end of the job")
    ctl("disk", "threshold", "layers", "vda", "1M")
    ctl("disk", "threshold", "layers", "vda", "off", base)
    ctl("disk", "commit", "layers", "vda", "--pivot")
    contains(ctl("disk", "chain", "layers", "vda"), base)
    for words, status, parts in ((["disk", "frob", "layers", "vda"], 2, ["chain, info, commit"]), (["disk", "copy", "layers", "vda"], 2, ["FILE"]), (["disk", "pivot", "layers", "vda"], 1, ["no job"]),
                                 (["disk", "commit", "layers", "vdz"], 1, ["vdz"]), (["disk", "pull", "layers", "vda", "--shallow"], 1, ["--shallow"]),
                                 (["disk", "pull", "layers", "vda"], 1, ["no image below"]), (["disk", "threshold", "layers", "vda", "much"], 2, ["much"])):
        contains(ctl(*words, status=status), *parts)
    contains(ctl("help", "disk"), "threshold")
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


def domains_are_backed_up():
    folder = os.path.join(ROOT, "images")
    os.makedirs(folder, mode=0o711, exist_ok=True)
    path = f"{folder}/ctl-backed.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "8M"], check=True)
    domain = qemu.define(qemu.document("backed", f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"))
    qemu.do(domain, "Start", paused=True)
    contains(ctl("backup", "status", "backed", status=1), "not being backed up")
    ctl("backup", "begin", "backed", "--checkpoint=first")  # which ends when it is whole
    assert os.path.exists(f"{path}.first") and ctl("checkpoint", "list", "backed", "--json")
    job = ctl("backup", "begin", "backed", "--pull", "--since=first").strip()
    assert job in ctl("jobs")
    assert json.loads(ctl("backup", "status", "backed", "--json"))[0] == {"disk": "vda", "mode": "pull", "since": "first", "export": "vda", "bitmap": "backup-vda", "done": 0, "total": 8 << 20}
    contains(ctl("backup", "xml", "backed"), "<domainbackup", "exportname=")
    ctl("backup", "end", "backed")
    document = os.path.join(ROOT, "backup.xml")
    with open(document, "w", encoding="utf-8") as file:
        file.write(f"<domainbackup><disks><disk name='vda'><target file='{path}.second'/></disk></disks></domainbackup>")
    contains(ctl("backup", "begin", "backed", document, "--since=first", status=1), "--since", "document")
    ctl("backup", "begin", "backed", document)
    contains(ctl("backup", "begin", "backed", document, status=1), "second", "reuse")
    ctl("backup", "begin", "backed", document, "--reuse")
    ctl("backup", "begin", "backed", "--pull")
    ctl("backup", "abort", "backed")
    assert set(ctl("complete", "--", "backup", "").split()) == {"begin", "status", "xml", "end", "abort"}
    qemu.do(domain, "Destroy")
    ctl("undefine", "backed", "--checkpoints")


def checkpoints_are_made_and_deleted():
    folder = os.path.join(ROOT, "images")
    os.makedirs(folder, mode=0o711, exist_ok=True)
    path = f"{folder}/ctl-marked.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "4M"], check=True)
    domain = qemu.define(qemu.document("marked", f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"))
    qemu.do(domain, "Start", paused=True)
    ctl("checkpoint", "create", "marked", "first", "--description=before & after")
    name = ctl("checkpoint", "create", "marked").strip()
    rows = json.loads(ctl("checkpoint", "list", "marked", "--json"))
    assert [(row["name"], row["current"], row["parent"], row["disks"]) for row in rows] == [("first", "no", "", "vda"), (name, "yes", "first", "vda")], rows
    contains(ctl("checkpoint", "show", "marked", "first"), "<domaincheckpoint>", "first")
    assert set(ctl("complete", "--", "checkpoint", "delete", "marked", "").split()) == {"first", name}
    for words, status, parts in ((["checkpoint", "delete", "marked"], 2, ["CHECKPOINT"]), (["checkpoint", "delete", "marked", "frist"], 4, ["did you mean 'first'?"]), (["undefine", "marked"], 1, ["--checkpoints"])):
        contains(ctl(*words, status=status), *parts)
    ctl("checkpoint", "delete", "marked", "first", "--children")
    assert not json.loads(ctl("checkpoint", "list", "marked", "--json"))
    qemu.do(domain, "Destroy")
    ctl("undefine", "marked")


def snapshots_are_made_and_gone_back_to():
    folder = os.path.join(ROOT, "images")
    os.makedirs(folder, mode=0o711, exist_ok=True)
    path = f"{folder}/ctl-kept.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "4M"], check=True)
    domain = qemu.define(qemu.document("kept", f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"))
    ctl("snapshot", "create", "kept", "clean", "--description=before & after")
    qemu.do(domain, "Start", paused=True)
    name = ctl("snapshot", "create", "kept").strip()
    rows = json.loads(ctl("snapshot", "list", "kept", "--json"))
    assert [(row["name"], row["current"], row["state"], row["parent"], row["disks"]) for row in rows] == [
        ("clean", "no", "shutoff", "", "vda:internal"), (name, "yes", "paused", "clean", "vda:internal")], rows
    assert rows[0]["description"] == "before & after"
    contains(ctl("snapshot", "list", "kept"), "clean", f"  {name}", "2 snapshots")
    contains(ctl("snapshot", "show", "kept", "clean"), "<domainsnapshot>", "shutoff")
    ctl("snapshot", "revert", "kept", name, "--running")
    assert qemu.state(domain) == "running"
    ctl("snapshot", "revert", "kept", "clean")
    assert qemu.state(domain) == "shutoff"
    assert set(ctl("complete", "--", "snapshot", "revert", "kept", "").split()) == {"clean", name}
    for words, status, parts in ((["snapshot", "frob", "kept"], 2, ["create"]), (["snapshot", "revert", "kept"], 2, ["SNAPSHOT"]), (["snapshot", "revert", "kept", "claen"], 4, ["did you mean 'clean'?"]),
                                 (["snapshot", "create", "kept", "clean"], 1, ["already"]), (["snapshot", "delete", "kept", "clean", "--halt"], 1, ["--halt"]), (["undefine", "kept"], 1, ["--snapshots"])):
        contains(ctl(*words, status=status), *parts)
    ctl("snapshot", "delete", "kept", name)
    assert [row["name"] for row in json.loads(ctl("snapshot", "list", "kept", "--json"))] == ["clean"]
    contains(ctl("help", "snapshot"), "--metadata-only", "--disk=DISK=PATH")
    over = f"{folder}/ctl-kept-over"
    ctl("snapshot", "create", "kept", "over", "--disk-only", f"--disk=vda={over}")
    assert json.loads(ctl("snapshot", "list", "kept", "--json"))[1]["disks"] == "vda:external" and over in ctl("xml", "kept")
    contains(ctl("snapshot", "create", "kept", "--disk-only", f"--disk=vda={over}", status=1), "vda", over)
    contains(ctl("snapshot", "create", "kept", "--disk-only", "--disk=vda", status=2), "DISK=PATH")
    contains(ctl("snapshot", "create", "kept", "--disk-only", "--disk=vda=none", status=1), "no disk")
    assert ctl("snapshot", "create", "kept", "--disk-only", "--no-metadata") == ""
    ctl("undefine", "kept", "--snapshots")


def words_of_other_programs_are_understood():
    for arguments, parts in ((["dominfo", "x"], ["virtbusctl status DOMAIN"]), (["net-list"], ["virtbusctl network list"]), (["snapshot-create-as", "x"], ["virtbusctl snapshot create"]), (["checkpoint-list", "x"], ["virtbusctl checkpoint list"]), (["backup-begin", "x"], ["virtbusctl backup begin"]),
                             (["blockcopy", "x"], ["virtbusctl disk copy DOMAIN DISK FILE"]), (["vol-list"], ["volumes", "qemu-img"]), (["network"], ["no verb 'network'; see"]),
                             (["list", "--all"], ["all domains are listed"]), (["create", "x", "--vcpus=2"], ["say --cpus=N"]), (["create", "x", "--os-variant", "debian12"], ["leave it out"]),
                             (["start", "x", "--frobnicate"], ["see virtbusctl help start"])):
        contains(ctl(*arguments, status=2), *parts)
    uri = bus.get("/org/virtbus1/test", "Connection", "URI")
    assert ctl("-c", uri, "list", "--json") == ctl("-c", "test", "list", "--json") != "[]"


def the_beginning_of_a_name_is_not_enough():
    ctl("-c", "test", "create", "web-prod", "--memory=64M", "--start")
    uuid = json.loads(ctl("list", "--json", "web-prod"))[0]["uuid"]
    for verb in ("destroy", "undefine", "suspend", "show", "xml"):
        contains(ctl(verb, "web", status=4), "no domain 'web'")
        ctl(verb, uuid[:8], status=4)
    contains(ctl("destroy", "3", status=4), "number of its run")
    contains(ctl("destroy", "web-pord", status=4), "did you mean 'web-prod'?")
    contains(ctl("-c", "qemu", "destroy", "web-prod", status=4), "one of test")
    assert json.loads(ctl("list", "--json", "web-prod"))[0]["state"] == "running"
    ctl("destroy", uuid.upper())
    ctl("undefine", "web-prod")


def options_are_of_verbs():
    contains(ctl("shutdown", "tiny", "--timeout=3", status=2), "--wait")
    for arguments, part in ((["destroy", "--force", "tiny"], "--force is an option of console"), (["--memory=1G", "list"], "an option of create"), (["top", "--json"], "option of list"),
                            (["start", "tiny", "--pasued"], "did you mean '--paused'?"), (["list", "--all"], "--all"), (["strat", "tiny"], "did you mean 'start'?"),
                            (["dumpxml", "tiny"], "virtbusctl xml"), (["top", "--delay=-5"], "above 0"), (["top", "-n", "0"], "from 1"), (["create", "--memory"], "--memory"),
                            (["start", "-x", "tiny"], "-x")):
        contains(ctl(*arguments, status=2), part)
    contains(ctl("create", "--help"), "Usage: virtbusctl create [OPTION...] NAME", "--cdrom=PATH", "--uefi")
    contains(ctl("help", "wait"), "--timeout=SECONDS", "[STATE,...]")
    contains(ctl("help", "weit", status=2), "did you mean 'wait'?")
    contains(ctl("help"), "Running:", "shutdown DOMAIN...")
    contains(ctl("undefine", "--", "-dash", status=4), "'-dash'")
    contains(ctl("create", "--", "-dash/", status=2), "-dash/")
    with open("/dev/full", "w", encoding="utf-8") as full:
        for arguments in (["list"], ["xml", "made"], ["show", "tiny"], ["help"], ["list", "--json"]):
            result = subprocess.run([CTL, *arguments], stdout=full, stderr=subprocess.PIPE, encoding="utf-8", check=False)
            assert result.returncode == 1 and "No space left" in result.stderr, (arguments, result)


def begin_to_wait(*arguments):
    terminal = Terminal("wait", *arguments)
    terminal.expect("Waiting for")
    return terminal


def is_waiting(terminal):
    bus.settle()
    return not select.select([terminal.fd], [], [], 0)[0]


def waiting_tells_the_truth():
    ctl("-c", "test", "create", "slow", "--memory=64M", "--start")
    ctl("-c", "test", "create", "scratch", "--memory=64M")
    waiting = begin_to_wait("slow", "shutoff")
    ctl("undefine", "scratch")  # another domain
    bus.kill_owner(NAME)  # the service goes, and comes back with its domains
    ctl("wait", "slow", "running,paused")
    assert is_waiting(waiting), waiting.said
    ctl("destroy", "slow")
    assert waiting.end() == 0, waiting.said
    # Several, and what does not come any more.
    ctl("start", "slow")
    ctl("wait", "slow", "tiny", "running")
    waiting = begin_to_wait("slow", "tiny", "paused")
    ctl("suspend", "tiny")
    assert is_waiting(waiting), waiting.said
    ctl("destroy", "slow")
    assert waiting.end() == 1
    contains(waiting.said, "'slow' is shutoff")
    ctl("resume", "tiny")
    ctl("-c", "test", "create", "passing", "--memory=64M", "--transient")
    waiting = [begin_to_wait("passing", *more) for more in ([], ["paused"])]
    ctl("destroy", "passing")
    assert [w.end() for w in waiting] == [0, 1]
    ctl("start", "slow")
    ctl("shutdown", "slow", "--wait")
    assert json.loads(ctl("list", "--json", "slow"))[0]["state"] == "shutoff"
    ctl("undefine", "slow")


def files_are_read_as_they_declare_themselves():
    text = "<domain type='test'><name>Zürich</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"
    path = f"{ROOT}/declared.xml"
    for encoding, declaration in (("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-16", '<?xml version="1.0" encoding="utf-16"?>'),
                                  ("iso-8859-1", '<?xml version="1.0" encoding="ISO-8859-1"?>'), ("utf-8", '<?xml version="1.0" encoding="utf-16"?>'),
                                  ("cp1252", "<?xml version='1.0' encoding='windows-1252'?>"), ("utf-16-le", "")):
        with open(path, "wb") as file:
            file.write((declaration + text).encode(encoding))
        ctl("-c", "test", "define", path)
        contains(ctl("list", "--no-legend"), "Zürich")
        ctl("undefine", "Zürich")
    for data in (text.encode("iso-8859-1"), b"<domain>\0</domain>", b"\xff\xfe<"):
        with open(path, "wb") as file:
            file.write(data)
        contains(ctl("-c", "test", "define", path, status=1), path, "UTF-8")


def what_there_is_is_shown():
    lines = ctl("list").splitlines()
    assert lines[0].split() == ["NAME", "STATE", "VCPUS", "MEMORY", "CONNECTION"] and lines[-1] == "2 domains listed.", lines
    assert ctl("list", "--no-legend", "t*").split()[:3] == ["tiny", "running", "1"]
    assert [d["name"] for d in json.loads(ctl("list", "--json", "--active"))] == ["tiny"]
    assert ctl("-c", "qemu", "list", "--no-legend").split()[0] == "made"
    contains(ctl("status", "made", status=3), "○ made", "starts with the machine", "vda", "2 of 2")
    contains(ctl("status", "tiny"), "● tiny", "running (booted) since")
    contains(ctl("status"), "● virtbusd 0.2", "test: attached, test:///system, version 0.2; 1 domain, 1 active")
    assert {row["name"] for row in json.loads(ctl("status", "--json"))["Drivers"]} == {"host", "qemu", "test"}
    devices = re.findall(r"(\w+) \(", ctl("status", "tiny").split("Devices:")[1])
    assert devices == sorted(devices) and "serial0" in devices, devices
    contains(ctl("show", "tiny"), "State=running\n", "Memory=67108864\n")
    assert json.loads(ctl("show", "--json", "tiny", "made"))[1]["VCPUs"] == 2
    uuid = bus.get(test.define(test.document("other")), "Domain", "UUID")
    contains(ctl("show", uuid), "Name=other\n")
    contains(ctl("show", "tiny"), "Name=tiny\n")
    contains(ctl("stats"), "CPU TIME", "tiny")
    assert json.loads(ctl("stats", "--json"))["tiny"]["state"]["state"] == "running"
    contains(ctl("top", "--iterations=2", "--delay=0.1", "tiny"), "CPU TIME", "WRITTEN/S")


def mistakes_are_told_with_a_status():
    contains(ctl("start", "nobody", status=4), "no domain 'nobody'")
    contains(ctl("start", "made", "nobody", "tiny", status=4), "nobody", "it is running")  # the others are tried
    ctl("destroy", "made")
    contains(ctl("frobnicate", status=2), "--help")
    contains(ctl("wait", status=2), "DOMAIN... [STATE,...]")
    contains(ctl("--frob", status=2), "--frob")
    contains(ctl("--user", "-M", "box", "list", status=2), "exclude")
    contains(ctl("wait", "tiny", "happy", status=2), "shutoff, running")
    contains(ctl("--help"), "create NAME", "Looking:", "--no-pager")
    contains(ctl("--version"), "virtbusctl 0.2")
    if os.geteuid() == 0:
        for arguments, action in ((["list"], "read"), (["-c", "test", "create", "mine", "--memory=64M"], "domain.define"), (["-c", "test", "define", f"{WORK}/any.xml"], "domain.define")):
            with open(f"{WORK}/any.xml", "w", encoding="utf-8") as file:
                file.write(test.document("any"))
            os.chmod(WORK, 0o755)
            result = subprocess.run(["setpriv", "--reuid=vb-bob", "--regid=vb-bob", "--init-groups", f"{ROOT}/build/client/virtbusctl/virtbusctl", "--no-ask-password", *arguments],
                                    capture_output=True, encoding="utf-8", check=False)
            assert result.returncode == 5, result
            contains(result.stderr, "not authorized", f"org.virtbus1.{action}", "password")


def domains_start_stop_and_are_waited_for():
    ctl("suspend", "tiny")
    ctl("wait", "tiny", "paused")
    ctl("resume", "tiny")
    contains(ctl("wait", "tiny", "--timeout=0.2", status=1), "still running")
    waiting = subprocess.Popen([CTL, "wait", "tiny"])
    monitor = subprocess.Popen([CTL, "monitor", "--json"], stdout=subprocess.PIPE, encoding="utf-8")
    assert json.loads(monitor.stdout.readline())["event"] == "service"
    ctl("destroy", "tiny")
    assert waiting.wait(DEADLINE) == 0
    told = [json.loads(monitor.stdout.readline()) for _ in range(2)]
    assert [t["details"] for t in told] == ["running -> stopping (destroyed)", "stopping -> shutoff (destroyed)"], told
    assert told[0]["old"] == "running" and told[0]["reason"] == "destroyed" and told[0]["uuid"] == json.loads(ctl("list", "--json", "tiny"))[0]["uuid"]
    monitor.terminate()
    monitor.wait()
    ctl("start", "--paused", "tiny")
    assert json.loads(ctl("list", "--json", "tiny"))[0]["state"] == "paused"
    # Both options: it begins anew, and waits.
    ctl("save", "tiny")
    text = ctl("saved", "tiny")
    contains(text, "<name>tiny</name>")
    file = os.path.join(ROOT, "saved.xml")
    with open(file, "w", encoding="utf-8") as out:
        out.write(text.replace("<name>", "<title>Saved</title><name>", 1))
    ctl("saved", "tiny", file, "--running")
    contains(ctl("saved", "tiny"), "<title>Saved</title>")
    ctl("saved", "tiny", "--running", status=2)
    contains(ctl("saved", file, status=1), "not a")
    ctl("start", "--paused", "--force", "tiny")
    assert json.loads(ctl("list", "--json", "tiny"))[0]["state"] == "paused"
    contains(ctl("show", "tiny"), "HasManagedSave=false")
    ctl("autostart", "tiny", "on")
    contains(ctl("show", "tiny"), "Autostart=true")
    ctl("autostart", "tiny", "maybe", status=2)


def documents_are_edited_and_kept_when_they_are_wrong():
    contains(ctl("edit", "other", EDITOR="true"), "Nothing has changed")
    ctl("edit", "other", EDITOR="sed -i 's/>64</>128</'")
    contains(ctl("xml", "other"), ">128<")
    said = ctl("edit", "other", EDITOR="sed -i 's/<memory/<memoir/'", status=1)
    contains(said, "Your text is kept in ", "memory")
    kept = re.search(r"kept in (\S+)", said).group(1)
    with open(kept, encoding="utf-8") as file:
        contains(file.read(), "<memoir")
    os.unlink(kept)
    contains(ctl("edit", "other", EDITOR="false", status=1), "$EDITOR")
    # On a terminal it asks, and the second time the text is right.
    script = os.path.join(WORK, "editor")
    with open(script, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nif grep -q '<memoir' $1; then sed -i 's/memoir/memory/g; s/>128</>256</' $1; else sed -i 's/<memory/<memoir/' $1; fi\n")
    os.chmod(script, 0o755)
    terminal = Terminal("edit", "other", EDITOR=script)
    terminal.expect("again")
    terminal.type("\n")
    assert terminal.end() == 0, terminal.said
    contains(ctl("xml", "other"), ">256<")
    contains(ctl("define", "-", text="<domain", status=1), "standard input: ")
    ctl("define", "-", text=test.document("piped").replace("<domain", "<domain"), status=1)  # QEMU has no domains of type test
    ctl("-c", "test", "define", "-", "--start", text=test.document("piped"))
    ctl("destroy", "piped")
    ctl("undefine", "piped")


def tables_fit_the_terminal():
    def table(*arguments, columns):
        terminal = Terminal(*arguments, columns=columns, COLUMNS=str(columns))
        assert terminal.end() == 0
        return terminal.said, re.sub(r"\x1b\[[0-9;]*m", "", terminal.said).splitlines()
    said, lines = table("list", columns=50)
    assert max(map(len, lines)) <= 50, lines
    contains(said, "\x1b[33mpaused")
    long_name, wide_name = "a name that is longer than forty letters are", "日本語の仮想マシン"
    for name in (long_name, wide_name):
        test.define(test.document(name))
    said, lines = table("list", columns=70)
    contains(said, long_name, wide_name)  # a name is never shortened, and a column of many letters stands straight
    before = [line[:line.index(word)] for line in lines for word in ("STATE", "shutoff", "paused") if word in line]
    assert len({sum(2 if unicodedata.east_asian_width(c) == "W" else 1 for c in text) for text in before}) == 1, lines
    uuid = ctl("show", wide_name, "-p", "UUID", "--value").strip()
    assert uuid in ctl("list", "--full") and uuid not in ctl("list")
    said, lines = table("list", "--full", columns=70)
    contains(said, uuid)
    assert max(map(len, lines)) > 70, lines
    assert ctl("list", "--columns=uuid,Name", "--no-legend", wide_name) == f"{uuid}  {wide_name}\n"
    contains(ctl("list", LC_ALL="C"), f"\n{wide_name} ")
    contains(ctl("list", "--columns=nam", status=2), "'nam'", "did you mean 'name'", "connection, uuid")
    contains(ctl("list", "--columns=", status=2), "there are: name")
    contains(ctl("list", "--columns=name", "--json", status=2), "--json has all columns")
    contains(ctl("stats", "--columns=cpu_time,Name", "tiny"), "CPU TIME  NAME\n")
    assert ctl("jobs") == "0 jobs listed.\n"
    for name in (long_name, wide_name):
        ctl("undefine", name)
    terminal = Terminal("list", NO_COLOR="1")
    terminal.end()
    assert "\x1b" not in terminal.said
    terminal = Terminal("list", lines=3, PAGER="sed s/^/PAGED:/")
    terminal.end()
    contains(terminal.said, "PAGED:")
    terminal = Terminal("list", "--no-pager", lines=3, PAGER="sed s/^/PAGED:/")
    terminal.end()
    assert "PAGED" not in terminal.said
    terminal = Terminal("top", "--delay=0.1")
    terminal.expect("WRITTEN/S")
    terminal.type("q")
    assert terminal.end() == 0 and terminal.said.endswith("\x1b[?25h\x1b[?1049l"), terminal.said[-50:]
    terminal = Terminal("top", "--delay=100")
    terminal.expect("q ends this")
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.end() == 0 and terminal.said.endswith("\x1b[?25h\x1b[?1049l"), terminal.said[-50:]


def a_console_is_used():
    ctl("resume", "tiny")
    terminal = Terminal("console", "tiny")
    terminal.expect(r"Press \^\]")
    terminal.type("hello\r")
    terminal.expect("hello")
    other = ctl("console", "tiny", status=1)
    contains(other, "force")
    terminal.type("\x1d\x1d\x1d")
    assert terminal.end() == 0
    contains(terminal.said, "Disconnected")
    contains(ctl("console", "tiny", "serial7", status=1), "Console 'serial7'", "virtbusctl status tiny")
    # However it ends, the terminal is as it was.
    terminal = Terminal("console", "tiny")
    terminal.expect(r"Press \^\]")
    while termios.tcgetattr(terminal.fd) == terminal.before:
        bus.settle()
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.expect("Disconnected")
    assert termios.tcgetattr(terminal.fd) == terminal.before
    assert terminal.end() == 0
    # What a script sends is not taken for a person's sign, and what it gets is all.
    console = subprocess.Popen([CTL, "console", "tiny"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT)
    console.stdin.write(b"\x1d\x1d\x1dall of it\n")
    console.stdin.flush()
    said = b""
    while b"all of it" not in said:
        said += os.read(console.stdout.fileno(), 100)
    console.stdin.close()  # which ends it
    assert console.wait(DEADLINE) == 0
    ctl("console", "tiny", text="")


def a_bus_that_cannot_be_reached_is_named():
    nowhere = f"unix:path={WORK}/no-bus"
    for arguments, more, words in (
            (["list"], {"DBUS_SYSTEM_BUS_ADDRESS": nowhere}, ["the system bus", nowhere]),
            (["list", "--user"], {"DBUS_SESSION_BUS_ADDRESS": nowhere}, ["the session bus", nowhere]),
            (["start", "x", "--user"], {"DBUS_SESSION_BUS_ADDRESS": "", "XDG_RUNTIME_DIR": WORK, "DISPLAY": ""}, ["the session bus", "is not set"]),
            (["list", "-M", "nowhere"], {}, ["container nowhere"]),
            (["list", "-H", "nowhere.invalid"], {}, ["host nowhere.invalid"])):
        contains(ctl(*arguments, status=1, **more), "virtbusctl: cannot reach ", *words)


def a_display_is_shown_in_a_viewer():
    qemu.define(qemu.document("seen", "<graphics type='vnc'><listen type='none'/></graphics>"))
    contains(ctl("display", "made", "--list"), "graphics0", "vnc")
    assert json.loads(ctl("display", "made", "--json"))[0]["type"] == "vnc"
    contains(ctl("display", "made", status=1), "start it first")
    contains(ctl("display", "made", "graphics3", status=1), "Graphics 'graphics3'")
    ctl("start", "made")
    contains(ctl("display", "made", status=1, PATH="/nowhere"), "vncviewer", "$VIRTBUS_VIEWER")
    contains(ctl("display", "made", status=1, VIRTBUS_VIEWER="false"), "false: ")
    # QEMU itself greets whoever is connected.
    contains(subprocess.run([CTL, "display", "made", "--stdio"], input=b"RFB 003.008\n", capture_output=True, check=True).stdout.decode(errors="replace"), "RFB 003.008\n")
    x_server = subprocess.Popen(["Xvfb", "-displayfd", "1", "-nolisten", "tcp"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
    display = x_server.stdout.readline().strip()
    viewing = subprocess.Popen([CTL, "display", "made"], stderr=subprocess.PIPE, encoding="utf-8",
                               env={**ENVIRONMENT, "DISPLAY": f":{display}", "HOME": WORK, "XDG_RUNTIME_DIR": WORK})
    said = ""
    while "Using pixel format" not in said:  # it has been told what the screen is like
        line = viewing.stderr.readline()
        assert line, said
        said += line
    contains(said, "Server supports RFB protocol version 3.8")
    assert os.listdir(WORK).count("ctl") == 0 and [name for name in os.listdir(WORK) if name.startswith("virtbusctl.")]
    viewer = int(subprocess.run(["pgrep", "-P", str(viewing.pid)], capture_output=True, encoding="utf-8", check=True).stdout)
    viewing.terminate()
    assert viewing.wait(DEADLINE) == 0
    assert not os.path.exists(f"/proc/{viewer}")
    assert not [name for name in os.listdir(WORK) if name.startswith("virtbusctl.")]
    x_server.terminate()
    x_server.wait()
    ctl("destroy", "made")


def jobs_show_how_they_get_on():
    bus.call(test.path, f"{NAME}.Test", "SetDelay", "st", "save", 100000)
    terminal = Terminal("save", "tiny")
    terminal.expect("100%|[1-9]0%")
    assert terminal.end() == 0, terminal.said
    contains(terminal.said, "█", "left")
    contains(ctl("status", "tiny", status=3), "has a managed save")
    ctl("start", "tiny")
    # Ctrl-C asks.
    bus.call(test.path, f"{NAME}.Test", "SetDelay", "st", "save", 10**8)
    terminal = Terminal("save", "tiny")
    terminal.expect("saving")
    terminal.type("\x03")
    terminal.expect("Cancel it")
    terminal.type("y\n")
    assert terminal.end() == 1, terminal.said
    contains(terminal.said, "cancelled")
    terminal = Terminal("save", "tiny")
    terminal.expect("saving")
    terminal.type("\x03")
    terminal.expect("Cancel it")
    terminal.type("l\n")
    assert terminal.end() == 130, terminal.said
    job = re.search(r"it goes on as (\S+)", terminal.said).group(1).split("/")[-1]
    assert json.loads(ctl("jobs", "--json"))[0]["job"] == job and json.loads(ctl("jobs", "--json"))[0]["domain"] == "tiny"
    assert ctl("complete", "cancel", "") == f"{job}\n"
    ctl("cancel", job)
    contains(ctl("cancel", "qemu_99", status=1), "virtbusctl jobs")
    bus.call(test.path, f"{NAME}.Test", "SetDelay", "st", "save", 0)
    bus.wait(lambda: test.state(ctl_path("tiny")) == "running", "the end of the save")
    path = os.path.join(WORK, "saved")
    ctl("save", "tiny", path)
    ctl("-c", "test", "restore", path)
    contains(ctl("-c", "test", "restore", "/no/such", status=1), "/no/such")
    contains(ctl("save", "tiny", path, "--compression=bzip9", status=1), "bzip9")
    ctl("dump", "tiny", os.path.join(WORK, "dump"))
    assert os.path.getsize(os.path.join(WORK, "dump")) > 0
    contains(ctl("dump", "tiny", os.path.join(WORK, "dump"), status=1), "File exists")
    ctl("screenshot", "tiny", os.path.join(WORK, "picture"))
    with open(os.path.join(WORK, "picture"), "rb") as file:
        assert file.read(4) == b"\x89PNG"


def ctl_path(name):
    return json.loads(ctl("list", "--json", name))[0]["path"]


def devices_come_and_go():
    ctl("attach", "tiny", "-", text="<interface type='user'><mac address='52:54:00:00:00:07'/></interface>")
    contains(ctl("status", "tiny"), "52:54:00:00:00:07")
    alias = re.search(r"(net\d) \(user +52:54:00:00:00:07", ctl("status", "tiny")).group(1)
    ctl("detach", "tiny", alias)
    assert "52:54:00:00:00:07" not in ctl("status", "tiny")
    contains(ctl("detach", "tiny", "vdz", status=1), "vdz", "virtbusctl status tiny")
    attached = json.loads(ctl("attach", "made", "--network=user", "--json"))
    ctl("detach", "made", attached[0]["alias"])
    ctl("detach", "made", "vda", "--config")
    assert "vda" not in ctl("status", "made", status=3)


def what_domains_have_is_set():
    ctl("set", "tiny", "memory=32M", "vcpus=1")
    ctl("set", "other", "title=Another one", "memory=3G", "vcpus=2")
    contains(ctl("show", "other"), "Title=Another one", "MaxMemory=3221225472", "MaxVCPUs=2", "VCPUs=2")
    ctl("rename", "other", "others")
    contains(ctl("rename", "others", "tiny", status=1), "choose another")
    ctl("rename", "others", "other")
    contains(ctl("show", "tiny"), "Memory=33554432\n")
    with open(f"{WORK}/cd.iso", "wb") as file:
        file.truncate(1 << 20)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", f"{WORK}/small.qcow2", "8M"], check=True)
    ctl("create", "many", "--emulate", "--memory=64M", f"--disk={WORK}/small.qcow2", f"--cdrom={WORK}/cd.iso")
    ctl("set", "many", "vcpu_cpus.0=0", "emulator_cpus=0", "iothread.1=on", "iothread_cpus.1=0", "cpu_shares=200", "memory_hard_limit=1G")
    contains(ctl("xml", "many"), '<vcpupin vcpu="0" cpuset="0"/>', '<emulatorpin cpuset="0"/>', "<iothreads>1<", '<iothreadpin iothread="1" cpuset="0"/>',
             "<shares>200</shares>", ">1048576</hard_limit>")
    ctl("set", "many", "iothread.1=off", "cpu_shares=off")
    assert "iothreadpin" not in ctl("xml", "many") and "shares" not in ctl("xml", "many")
    ctl("set", "many", "vda", "total_bytes_sec=10M", "total_iops_sec=500")
    contains(ctl("xml", "many"), "<total_bytes_sec>10485760</total_bytes_sec>", "<total_iops_sec>500</total_iops_sec>")
    ctl("set", "many", "net0", "link=off")
    contains(ctl("xml", "many"), '<link state="down"/>')
    ctl("start", "many")
    ctl("set", "many", "vda", "size=16M")
    assert json.loads(subprocess.run(["qemu-img", "info", "-U", "--output=json", f"{WORK}/small.qcow2"], capture_output=True, check=True).stdout)["virtual-size"] == 16 << 20
    contains(ctl("set", "many", "vda", "size=8M", status=1), "less than", "--force")
    ctl("set", "many", "vda", "size=+1.5M")
    ctl("set", "many", "vda", "size=17M", "--force")
    assert json.loads(subprocess.run(["qemu-img", "info", "-U", "--output=json", f"{WORK}/small.qcow2"], capture_output=True, check=True).stdout)["virtual-size"] == 17 << 20
    ctl("set", "many", "sda", "media=", "--force")
    assert "cd.iso" not in ctl("status", "many")
    contains(ctl("set", "many", "sda", f"media={WORK}/small.img", status=2), "not there yet")
    ctl("set", "many", "sda", f"media={WORK}/cd.iso,raw")
    contains(ctl("status", "many"), "cd.iso")
    for arguments, status, part in ((["memory=much"], 2, "512M"), (["memory=32M", "nonsense"], 2, "NAME=VALUE"), (["vcpu_cpus=0"], 2, "NAME.NUMBER"),
                                    (["emulator_cpus.1=0"], 2, "only one"), (["vcpus=-1"], 2, "not a number"), (["frob=1"], 2, "memory_hard_limit"), (["cpu_share=1"], 2, "did you mean 'cpu_shares'?"), (["memory"], 2, "memory=VALUE"),
                                    (["vda", "link=off"], 2, "read_iops_sec"), (["memory=512"], 2, "bytes"), (["vda", "size=+x"], 2, "+10G"), (["net0", "link=up"], 2, "neither on nor off"),
                                    (["vda"], 2, "NAME=VALUE"), (["vdz", "size=1"], 1, "vdz"), (["serial0", "frob=1"], 2, "frob"), (["=1"], 2, "NAME=VALUE"),
                                    (["vda", "size=1"], 1, "512"), (["memory=99G"], 1, "max_memory=SIZE")):
        contains(ctl("set", "many", *arguments, status=status), part)
    contains(ctl("addresses", "tiny"), "net0", "192.0.2.1", "1 address listed")
    contains(ctl("addresses", "many"), "0 addresses listed")
    ctl("press", "many", "ctrl", "alt", "delete")
    contains(ctl("press", "many", "warp", status=1), "warp")
    ctl("nmi", "many")
    firmware = subprocess.run([CTL, "peek", "many", "0xfffffff0", "5"], capture_output=True, check=True).stdout
    assert firmware[0] == 0xea and len(firmware) == 5, firmware  # where a PC begins: a far jump
    assert subprocess.run([CTL, "peek", "many", "0xfffffff0", "5", "--virtual"], capture_output=True, check=True).stdout == firmware
    terminal = Terminal("peek", "many", "0xfffffff0", "16")
    assert terminal.end() == 0 and re.match(r"00000000fffffff0  ea( [0-9a-f]{2}){15}  \|.{16}\|", terminal.said), terminal.said
    for arguments, status, part in ((["there", "5"], 2, "0x7c00"), (["0", "0x10"], 2, "0x7c00"), (["0", "1M"], 1, "65536")):
        contains(ctl("peek", "many", *arguments, status=status), part)
    contains(ctl("wakeup", "many", status=1), "running")
    # A device without a document.
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", f"{WORK}/more.img", "1M"], check=True)
    ctl("attach", "many", f"--disk={WORK}/more.img", "--network=user")
    contains(ctl("status", "many"), f"vdb {WORK}/more.img", "net1 (user")
    contains(ctl("attach", "many", status=2), "--disk=PATH")
    contains(ctl("attach", "many", "--network=frob", status=2), "bridge=NAME")
    contains(ctl("attach", "many", "--disk=/no/such,raw", status=1), "/no/such")
    # A state that is passed on, and one that is thrown away.
    state = subprocess.run([CTL, "save", "many", "-"], capture_output=True, check=True).stdout
    assert len(state) > 10000
    result = subprocess.run([CTL, "restore", "-"], input=state, capture_output=True, check=False)
    assert result.returncode == 0, result
    assert json.loads(ctl("list", "--json", "many"))[0]["state"] == "running"
    terminal = Terminal("save", "many", "-")
    assert terminal.end() == 2, terminal.said
    ctl("save", "many")
    contains(ctl("status", "many", status=3), "has a managed save")
    ctl("discard", "many")
    assert "managed save" not in ctl("status", "many", status=3)
    contains(ctl("discard", "many", status=1), "many")
    contains(ctl("capabilities"), "<capabilities>", "x86_64")
    contains(ctl("capabilities", "domain", "q35"), "<domainCapabilities>", "q35")
    assert "qemu64" in ctl("capabilities", "cpus").split("\n")
    contains(ctl("capabilities", "frob", status=2), "cpus")
    contains(ctl("capabilities", "cpus", "z80", status=1), "z80")
    line = ctl("translate", "-", text=ctl("xml", "many"))
    contains(line, "qemu-system-x86_64", "guest=many")
    contains(ctl("translate", "-", text="qemu-system-x86_64 -name back -m 64 -machine q35"), "<name>back</name>")
    contains(ctl("translate", "-", text="<domain/>", status=1), "domain")
    # Of a domain that is off, too.
    before = json.loads(subprocess.run(["qemu-img", "info", "--output=json", f"{WORK}/small.qcow2"], capture_output=True, check=True).stdout)["virtual-size"]
    contains(ctl("set", "many", "vda", "size=1M", status=1), "less than", "--force")
    ctl("set", "many", "vda", "size=+3M")
    assert json.loads(subprocess.run(["qemu-img", "info", "--output=json", f"{WORK}/small.qcow2"], capture_output=True, check=True).stdout)["virtual-size"] == before + (3 << 20)
    ctl("set", "many", "vda", "size=4M", "--force")
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", f"{WORK}/flat.img", "1M"], check=True)
    ctl("attach", "many", f"--disk={WORK}/flat.img,bus=scsi,serial=F")
    ctl("set", "many", "sdb", "size=2M")
    assert os.path.getsize(f"{WORK}/flat.img") == 2 << 20
    ctl("undefine", "many")


def what_others_have_written_is_shown_and_not_obeyed():
    document = test.document("painted", more="<title>A \x9b31m B</title>")
    test.define(document)
    terminal = Terminal("status", "painted")
    terminal.end()
    assert "\x9b" not in terminal.said and "A ?31m B" in terminal.said, terminal.said
    contains(ctl("status", "painted", status=3), "A \x9b31m B")  # a script gets what is there
    ctl("undefine", "painted")


def libvirts_definitions_are_imported():
    folder = os.path.join(WORK, "libvirt")
    os.makedirs(f"{folder}/autostart")
    mediated = qemu.document("a", devices="<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>"
                             "<address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>")
    for name, text in (("old", qemu.document("old")), ("older", qemu.document("older")), ("wrong", "<domain type='qemu'><name>wrong</name></domain>"), ("a", mediated)):
        with open(f"{folder}/{name}.xml", "w", encoding="utf-8") as file:
            file.write(f"<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n{text}")
    os.symlink(f"{folder}/older.xml", f"{folder}/autostart/older.xml")
    said = ctl("import", folder, status=1)
    assert re.findall(r"(\w+)\.xml", said) == ["a", "old", "older", "wrong"], said
    contains(said, "--unsupported also takes")
    assert re.search(r"old\.xml +imported", said) and re.search(r"wrong\.xml +.*memory", said), said
    contains(ctl("show", "older"), "Autostart=true")
    contains(ctl("show", "old"), "Autostart=false", "Name=old\n")
    ctl("set", "old", "title=changed since")
    again = ctl("import", folder, status=1)
    assert re.search(r"old\.xml +is there already", again) and re.search(r"wrong\.xml +.*memory", again), again
    for name in ("a", "wrong"):
        os.remove(f"{folder}/{name}.xml")
    with open(f"{folder}/another.xml", "w", encoding="utf-8") as file:
        file.write(qemu.document("older", uuid="7d0dd3bb-1111-4222-8333-000000000001"))
    told = json.loads(ctl("import", "--json", folder, status=1))
    assert [(row["file"], row["result"], row["path"]) for row in told] == [
        ("another.xml", "failed", None), ("old.xml", "is there already", ctl_path("old")), ("older.xml", "is there already", ctl_path("older"))], told
    contains(told[0]["error"], "a domain of that name exists")
    os.remove(f"{folder}/another.xml")
    ctl("import", folder)
    contains(ctl("show", "old"), "Title=changed since")
    contains(ctl("import", "/no/such", status=1), "/no/such")
    for name in ("old", "older", "made"):
        ctl("undefine", name)


def libvirts_networks_filters_and_secrets_are_imported_and_what_stays_behind_is_named():
    folder = os.path.join(WORK, "etc", "qemu")
    uuid = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"
    for name in ("networks/autostart", "../nwfilter", "../secrets", "../storage"):
        os.makedirs(f"{folder}/{name}")
    files = {"networks/moved.xml": "<network><name>moved</name></network>", "../nwfilter/moved.xml": "<filter name='moved-filter'><uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d70</uuid></filter>",
             f"../secrets/{uuid}.xml": f"<secret ephemeral='no' private='no'><uuid>{uuid}</uuid></secret>", f"../secrets/{uuid}.base64": "c2VjcmV0",
             "../storage/default.xml": "<pool type='dir'><name>default</name></pool>", "moved.xml": qemu.document("moved")}
    for name, text in files.items():
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    os.symlink("../moved.xml", f"{folder}/networks/autostart/moved.xml")
    wanted = {f"secret/{uuid}.xml": "imported", "filter/moved.xml": "imported", "network/moved.xml": "imported", "moved.xml": "imported", "storage/default.xml": "stays behind"}
    assert {row["file"]: row["result"] for row in json.loads(ctl("import", "--json", folder))} == wanted
    assert ctl("secret", "get-value", uuid) == "secret"
    assert [row["autostart"] for row in json.loads(ctl("network", "list", "--json")) if row["name"] == "moved"] == ["yes"]
    again = ctl("import", folder)
    assert again.count("is there already") == 4 and "stays behind" in again, again
    ctl("secret", "undefine", uuid)
    ctl("filter", "undefine", "moved-filter")
    ctl("network", "undefine", "moved")
    ctl("undefine", "moved")


@contextlib.contextmanager
def folders_of_libvirt():
    if os.geteuid() != 0:
        raise Skip("needs root, to put libvirt's folders there")
    folders = ["/etc/libvirt", "/var/lib/libvirt"]
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    os.makedirs("/etc/libvirt/qemu")
    yield
    for folder in folders:
        subprocess.run(["umount", folder], check=True)


def snapshots_and_checkpoints_of_libvirt_are_imported_below_their_parents():
    """As libvirt's daemon writes them, with elements of its own."""
    with folders_of_libvirt():
        text = qemu.document("told", devices="<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/images/told.qcow2'/><target dev='vda'/></disk>", uuid="7d0dd3bb-1111-4222-8333-0000000000aa")
        files = {"/etc/libvirt/qemu/told.xml": text}
        for number, (name, parent) in enumerate((("a-last", "second"), ("second", "x-first"), ("x-first", ""), ("own", "own"))):
            files[f"/var/lib/libvirt/qemu/snapshot/told/{name}.xml"] = (
                f"<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n\n<domainsnapshot>\n  <name>{name}</name>\n  <state>shutoff</state>\n"
                f"{f'  <parent><name>{parent}</name></parent>' if parent else ''}  <creationTime>{1700000000 - number}</creationTime>\n  <memory snapshot='no'/>\n"
                f"  <disks><disk name='vda' snapshot='internal'/></disks>\n  {text}\n  <cookie>\n    <slirpHelper/>\n  </cookie>\n  <active>{int(name == 'second')}</active>\n</domainsnapshot>\n")
        files["/var/lib/libvirt/qemu/checkpoint/told/point.xml"] = (
            f"<domaincheckpoint><name>point</name><creationTime>1700000000</creationTime><disks><disk name='vda' checkpoint='bitmap' bitmap='point'/></disks>{text}</domaincheckpoint>")
        files["/var/lib/libvirt/qemu/snapshot/told/torn.xml"] = "<domainsnapshot><name>torn"
        for path, content in files.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(content)
        told = {row["file"]: row for row in json.loads(ctl("import", "--json", status=1))}
        assert {name: row["result"] for name, row in told.items()} == {
            "told.xml": "imported", "snapshot/told/x-first.xml": "imported", "snapshot/told/second.xml": "imported", "snapshot/told/a-last.xml": "imported",
            "snapshot/told/own.xml": "failed", "snapshot/told/torn.xml": "failed", "checkpoint/told/point.xml": "imported"}, told
        contains(told["snapshot/told/own.xml"]["error"], "parent")
        rows = {row["name"]: row for row in json.loads(ctl("snapshot", "list", "told", "--json"))}
        assert {name: (row["parent"], row["current"]) for name, row in rows.items()} == {"x-first": ("", "no"), "second": ("x-first", "yes"), "a-last": ("second", "no")}, rows
        assert [row["name"] for row in json.loads(ctl("checkpoint", "list", "told", "--json"))] == ["point"]
        os.unlink("/var/lib/libvirt/qemu/snapshot/told/own.xml")
        os.unlink("/var/lib/libvirt/qemu/snapshot/told/torn.xml")
        assert {row["result"] for row in json.loads(ctl("import", "--json"))} == {"is there already"}
    ctl("undefine", "--snapshots", "--checkpoints", "told")


def uefi_variables_that_libvirt_finds_by_a_name_are_named_at_import():
    """As libvirt's daemon writes both: a document of its 9.0 does not say where they are."""
    if not os.path.isdir("/usr/share/qemu/firmware"):
        raise Skip("needs firmware")
    with folders_of_libvirt():
        name_variables()


def name_variables():
    os.makedirs("/var/lib/libvirt/qemu/nvram")
    files = {name: f"/var/lib/libvirt/qemu/nvram/{name}_VARS.fd" for name in ("kept", "a&b")}
    for path in [*files.values(), "/var/lib/libvirt/qemu/nvram/bios_VARS.fd"]:
        with open(path, "wb") as file:
            file.write(bytes(540672))
    uefi = qemu.document("NAME", more="<metadata><os xmlns='http://other.org/'><loader type='pflash'/></os></metadata>").replace("<os>", "<os firmware='efi'>").replace("machine='pc'", "machine='q35'")
    own = uefi.replace("</type>", "</type><nvram>/elsewhere/own_VARS.fd</nvram>")
    for name, text in (("kept", uefi), ("a&amp;b", uefi), ("never-run", uefi), ("own", own), ("bios", qemu.document("NAME"))):
        with open(f"/etc/libvirt/qemu/{name.replace('&amp;', '-')}.xml", "w", encoding="utf-8") as file:
            file.write(text.replace("NAME", name))
    ctl("import")
    for name, wanted in (("kept", files["kept"]), ("a&b", files["a&b"].replace("&", "&amp;")), ("never-run", None), ("own", "/elsewhere/own_VARS.fd"), ("bios", None)):
        assert re.findall("<nvram[^>]*>([^<]*)</nvram>", ctl("xml", "--config", name)) == ([wanted] if wanted else []), (name, ctl("xml", "--config", name))
        ctl("undefine", name)


def what_may_come_next_is_told_to_shells():
    def complete(*words):
        return ctl("complete", *words).split("\n")[:-1]
    assert {"start", "help", "update"} <= set(complete("")) and "complete" not in complete("")
    assert complete("-c", "") == complete("--connection=") and {"qemu", "test"} <= set(complete("-c", ""))
    assert {"tiny", "made"} <= set(complete("-c", "qemu", "start", "")) | {"tiny"} and "tiny" not in complete("-c", "qemu", "start", "")
    assert "start" in complete("-c", "qemu", "st")
    names = complete("create", "--")
    assert len(names) == len(set(names)) and {"--cdrom=", "--uefi", "--json"} <= set(names) and "--delay=" not in names, names
    assert complete("create", "--network=")[:2] == ["user", "none"] and complete("create", "--disk", "") == ["/files"] and complete("create", "x") == []
    assert "serial0" in complete("detach", "tiny", "") and complete("detach", "nobody", "") == []
    assert {"memory=", "cpu_shares=", "vda"} <= set(complete("set", "made", "")), complete("set", "made", "")
    assert "size=" in complete("set", "made", "vda", "") and "memory=" not in complete("set", "made", "vda", "")
    assert complete("set", "made", "vda", "media=x") == ["/files"]
    assert {"running", "tiny"} <= set(complete("wait", "tiny", "")) and {"on", "off", "tiny"} <= set(complete("autostart", "tiny", ""))
    assert {"info", "exec", "ping"} <= set(complete("agent", "tiny", "")) and "delete" in complete("press", "tiny", "ctrl", "")
    assert complete("define", "") == ["/files"] and complete("save", "tiny", "") == ["/files"] and complete("help", "ca")[:1] == ["list"]
    assert "State" in complete("show", "-p", "") and complete("frob", "") == [] and "serial0" in complete("console", "tiny", "")


def secrets_are_kept_and_given_values():
    path, uuid = f"{ROOT}/secret.xml", "f52a81b2-424e-490c-823d-6bd4235bc573"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"<secret><uuid>{uuid}</uuid><description>of a disk</description><usage type='volume'><volume>/a disk</volume></usage></secret>")
    assert ctl("secret", "define", path) == f"{uuid}\n"
    contains(ctl("secret", "show", "volume:/a disk"), uuid, "of a disk")
    assert ctl("secret", "show", uuid) == ctl("secret", "show", "volume:/a disk")
    contains(ctl("secret", "get-value", uuid, status=1), "no value")
    with open(f"{ROOT}/value", "wb") as file:
        file.write(b"a\0b\n")
    ctl("secret", "set-value", uuid, f"{ROOT}/value")
    got = subprocess.run([CTL, "secret", "get-value", "volume:/a disk"], capture_output=True, check=True, env=ENVIRONMENT)
    assert got.stdout == b"a\0b\n", got
    subprocess.run([CTL, "secret", "set-value", uuid], input=b"from a pipe", capture_output=True, check=True, env=ENVIRONMENT)
    assert ctl("secret", "get-value", uuid) == "from a pipe"
    terminal = Terminal("secret", "set-value", uuid)
    terminal.expect("Value:")
    terminal.type_unseen("typed\n")
    assert terminal.end() == 0
    assert ctl("secret", "get-value", uuid) == "typed"
    lines = ctl("secret").splitlines()
    assert lines[0].split() == ["UUID", "USAGE", "VALUE", "PRIVATE", "EPHEMERAL"] and lines[-1] == "1 secret listed.", lines
    contains(lines[1], uuid, "volume:/a disk", "no")
    assert json.loads(ctl("secret", "list", "--json"))[0]["description"] == "of a disk"
    contains(ctl("secret", "set-value", uuid, "/nonexistent", status=1), "/nonexistent")
    contains(ctl("secret", "define", f"{ROOT}/value", status=1), f"{ROOT}/value")
    contains(ctl("secret", "shew", status=2), "did you mean 'show'", "undefine")
    contains(ctl("secret", "show", status=2), "SECRET")
    contains(ctl("secret", "show", "ceph:nobody", status=4), "ceph:nobody")
    contains(ctl("secret-list", status=2), "virtbusctl secret list")
    ctl("secret", "undefine", uuid)
    assert ctl("secret", "list", "--no-legend") == ""


def networks_are_kept_and_listed():
    path, uuid = f"{ROOT}/network.xml", "81ff0d90-c91e-6742-64da-4a736edb9a9b"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"<network><name>a lab</name><uuid>{uuid}</uuid><forward mode='route'/><bridge name='own0'/><ip address='10.1.0.1' prefix='16'/></network>")
    assert ctl("network", "define", path) == f"{uuid}\n"
    assert ctl("network", "show", "a lab") == ctl("network", "show", uuid)
    contains(ctl("network", "show", uuid), "a lab", 'delay="0"')
    ctl("network", "autostart", "a lab", uuid, "on")
    lines = ctl("network").splitlines()
    assert lines[0].split()[:6] == ["NAME", "MODE", "BRIDGE", "ADDRESSES", "ACTIVE", "AUTOSTART"] and lines[-1] == "1 network listed.", lines
    contains(lines[1], "a lab", "route", "own0", "10.1.0.1/16", "no", "yes")
    assert json.loads(ctl("network", "list", "--json"))[0]["uuid"] == uuid
    contains(ctl("network", "autostart", "a lab", "maybe", status=2), "neither on nor off")
    contains(ctl("network", "shew", status=2), "did you mean 'show'", "undefine")
    contains(ctl("network", "show", "nobody's", status=4), "nobody's")
    contains(ctl("network", "define", f"{ROOT}/nothing", status=1), f"{ROOT}/nothing")
    assert ctl("complete", "network", "").split() == ["list", "show", "define", "undefine", "start", "stop", "autostart", "leases", "update", "translate"]
    contains(ctl("network", "translate", path), "# dnsmasq.conf", "interface=own0", "# hosts")
    contains(ctl("network", "translate", f"{ROOT}/nothing", status=1), f"{ROOT}/nothing")
    assert ctl("complete", "network", "show", "").splitlines() == ["a lab"]
    if os.geteuid() == 0:
        ctl("network", "start", "a lab")
        assert json.loads(ctl("network", "list", "--json"))[0]["active"] == "yes"
        contains(ctl("network", "start", "a lab", status=1), "'a lab'", "active")
        ctl("network", "stop", uuid)
    ctl("network", "undefine", "a lab")
    assert ctl("network", "list", "--no-legend") == ""


def network_filters_are_listed_defined_shown_and_undefined():
    path, uuid = f"{ROOT}/filter.xml", "5d5b9e4c-7d2e-4b55-9d0d-8f0f2f6f6a11"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"<filter name='no-mail'><uuid>{uuid}</uuid><rule action='drop' direction='out'><tcp dstportstart='25'/></rule>"
                   "<filterref filter='clean-traffic'/></filter>")
    assert ctl("filter", "define", path) == f"{uuid}\n"
    assert ctl("filter", "show", "no-mail") == ctl("filter", "show", uuid)
    contains(ctl("filter", "show", uuid), 'dstportstart="25"', 'priority="500"')
    rows = {row["name"]: row for row in json.loads(ctl("filter", "list", "--json"))}
    assert len(rows) == 25 and rows["no-mail"]["includes"] == "clean-traffic" and rows["allow-arp"]["chain"] == "arp"
    contains(ctl("filter", "show", "nobodys", status=4), "nobodys")
    contains(ctl("filter", "undefine", "clean-traffic", status=1), "'clean-traffic'", "define it again")
    assert "no-mail" in ctl("complete", "filter", "show", "").split()
    ctl("filter", "undefine", "no-mail")


def interfaces_are_listed_shown_and_documents_of_them_checked():
    rows = {row["name"]: row for row in json.loads(ctl("interface", "list", "--json"))}
    assert rows["lo"]["type"] == "ethernet" and rows["lo"]["mac"] == "00:00:00:00:00:00" and rows["lo"]["mtu"] == "65536", rows
    contains(ctl("interface"), "NAME", "lo")
    contains(ctl("interface", "show", "lo"), 'name="lo"')
    contains(ctl("interface", "show", "nobodys0", status=4), "nobodys0")
    path = f"{ROOT}/interface.xml"
    with open(path, "w", encoding="utf-8") as file:
        file.write("<interface type='vlan'><vlan tag='7'><interface name='eth0'/></vlan></interface>")
    contains(ctl("interface", "check", path), 'name="eth0.7"')
    with open(path, "w", encoding="utf-8") as file:
        file.write("<interface type='bridge' name='br0'/>")
    contains(ctl("interface", "check", path, status=1), path, "<bridge> is missing")
    assert "lo" in ctl("complete", "interface", "show", "").split()


def bash_completes_verbs_options_and_domains():
    def complete(line):
        # As bash itself parts a line: at each of COMP_WORDBREAKS, which stay as words.
        script = (f'. {COMPLETIONS}/virtbusctl.bash; COMP_LINE=$1; COMP_POINT=${{#1}}; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                  '_virtbusctl; printf "%s\\n" "${COMPREPLY[@]}"')
        words = [w for part in line.split(" ") for w in (re.split("(=)", part) if "=" in part else [part])]
        if len(words) > 1 and words[-1] == "" and words[-2] == "=":
            words.pop()
        return subprocess.run(["bash", "-c", script, "bash", line, *words], capture_output=True, encoding="utf-8", check=True,
                              env={**ENVIRONMENT, "PATH": f"{os.path.dirname(CTL)}:{os.environ['PATH']}"}).stdout.split("\n")[:-1]
    test.define(test.document("my guest"))
    assert complete("virtbusctl sus") == ["suspend"] and {"start", "status", "stats"} <= set(complete("virtbusctl st"))
    assert complete("virtbusctl --no-p") == ["--no-pager"] and complete("virtbusctl start ti") == ["tiny"] and complete("virtbusctl start --paused o") == ["other"]
    assert complete("virtbusctl create --network=us") == ["user"] and complete("virtbusctl start my") == ["my\\ guest"]
    assert complete(f"virtbusctl create --cdrom={WORK}/boots") == [f"{WORK}/boots.iso"]
    ctl("undefine", "my guest")


def zsh_completes_verbs_options_and_domains():
    home = os.path.join(WORK, "zsh")
    os.makedirs(home)
    terminal = Terminal("-f", "-i", command=("zsh",), HOME=home, PATH=f"{os.path.dirname(CTL)}:{os.environ['PATH']}")
    terminal.type(f"fpath=({COMPLETIONS} $fpath); autoload -U compinit && compinit -u -D; PS1='rea''dy> '\n")
    terminal.expect("ready> ")  # which the echo of that line is not
    for typed, completed in (("virtbusctl sus\t", "virtbusctl suspend"), ("virtbusctl --no-p\t", "virtbusctl --no-pager"),
                             ("virtbusctl start ti\t", "virtbusctl start tiny"), ("virtbusctl start --paused o\t", "virtbusctl start --paused other"),
                             ("virtbusctl create --network=us\t", "--network=user"), ("virtbusctl autostart tiny of\t", "tiny off")):
        terminal.said = ""
        terminal.type("\x15" + typed)
        terminal.expect(re.escape(completed))
    terminal.type("\x15exit\n")
    terminal.end()


def who_may_not_is_asked_for_a_password():
    if os.geteuid() != 0:
        return
    command = ("setpriv", "--reuid=vb-bob", "--regid=vb-bob", "--init-groups", "env", "-u", "XDG_SESSION_ID", f"{ROOT}/build/client/virtbusctl/virtbusctl")
    terminal = Terminal("list", command=command)
    terminal.expect(r"AUTHENTICATING FOR org\.virtbus1\.read")
    terminal.expect("Password: ")
    terminal.type_unseen("wrong\n")
    terminal.expect("AUTHENTICATION FAILED")
    assert terminal.end() == 5, terminal.said
    contains(terminal.said, "not authorized")
    # The right one, of a root who has it only there. The program that checks it asks for the system's bus at its usual place.
    with open("/etc/shadow", encoding="utf-8") as file:
        others = [line for line in file if not line.startswith("root:")]
    hashed = subprocess.run(["openssl", "passwd", "-6", "sesame"], capture_output=True, encoding="utf-8", check=True).stdout.strip()
    with open(f"{WORK}/shadow", "w", encoding="utf-8") as file:
        file.write("".join([f"root:{hashed}:19000:0:99999:7:::\n", *others]))
    os.chmod(f"{WORK}/shadow", 0o640)
    own = (f"mount --bind {WORK}/shadow /etc/shadow && mount -t tmpfs tmpfs /run && mkdir /run/dbus && touch /run/dbus/system_bus_socket && "
           f'mount --bind {ROOT}/bus /run/dbus/system_bus_socket && exec "$@"')
    terminal = Terminal("list", command=("unshare", "--mount", "sh", "-c", own, "sh", *command))
    terminal.expect("Password: ")
    terminal.type_unseen("sesame\n")
    assert terminal.end() == 0, terminal.said
    contains(terminal.said, "AUTHENTICATION COMPLETE", "tiny")


def the_users_own_are_on_the_session_bus():
    """This bus in the place of the session's; tests/as-user has the real ones."""
    nowhere = "unix:path=/no/such"
    contains(ctl("--user", "list", DBUS_SESSION_BUS_ADDRESS=os.environ["DBUS_SYSTEM_BUS_ADDRESS"], DBUS_SYSTEM_BUS_ADDRESS=nowhere), "tiny")
    contains(ctl("--user", "list", DBUS_SESSION_BUS_ADDRESS=nowhere, status=1), "No such file")
    contains(ctl("list", DBUS_SYSTEM_BUS_ADDRESS=nowhere, status=1), "No such file")


def another_host_is_reached_by_ssh():
    """A real ssh and a real server for it, dropbear, which runs what it is asked for with this bus in place of the machine's own."""
    if os.geteuid() != 0:
        raise Skip("the server of ssh needs root")
    folder, home = os.path.join(WORK, "bin"), os.path.join(WORK, "far")
    os.makedirs(folder)
    os.makedirs(f"{home}/.ssh", mode=0o700)
    os.chmod(WORK, 0o755)
    with open("/etc/passwd", "a", encoding="utf-8") as file:  # with-bus has put its own there
        file.write(f"vb-far:x:0:0::{home}:/bin/sh\n")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{WORK}/key"], check=True)
    shutil.copy(f"{WORK}/key.pub", f"{home}/.ssh/authorized_keys")
    subprocess.run(["dropbearkey", "-t", "ed25519", "-f", f"{WORK}/host-key"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            connection = listening.accept()[0]
            subprocess.Popen(["dropbear", "-i", "-r", f"{WORK}/host-key", "-c", f"{folder}/far-shell"], stdin=connection, stdout=connection,
                             stderr=subprocess.DEVNULL)
            connection.close()
    threading.Thread(target=serve, daemon=True).start()
    with open(f"{folder}/far-shell", "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexport DBUS_SYSTEM_BUS_ADDRESS={os.environ["DBUS_SYSTEM_BUS_ADDRESS"]} PATH={os.path.dirname(CTL)}:$PATH LC_ALL=C.UTF-8\n'
                   f'export LD_LIBRARY_PATH={os.environ.get("LD_LIBRARY_PATH", "")} ASAN_OPTIONS={os.environ.get("ASAN_OPTIONS", "")}\n'
                   '[ "$SSH_ORIGINAL_COMMAND" != systemd-stdio-bridge ] || exec systemd-stdio-bridge --bus-path="$DBUS_SYSTEM_BUS_ADDRESS"\n'
                   'exec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    with open(f"{folder}/ssh", "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {WORK}/ssh-config "$@"\n')
    with open(f"{WORK}/ssh-config", "w", encoding="utf-8") as file:
        file.write(f"""Host far
    User vb-far
    IdentityFile {WORK}/key
    UserKnownHostsFile {WORK}/known
    StrictHostKeyChecking accept-new
    BatchMode yes
    LogLevel ERROR
    HostName 127.0.0.1
    Port {listening.getsockname()[1]}
""")
    for program in ("ssh", "far-shell"):
        os.chmod(f"{folder}/{program}", 0o755)
    path = f"{folder}:{os.environ['PATH']}"

    def far(*arguments, **more):
        return ctl("-H", "far", *arguments, PATH=path, **more)
    contains(far("list"), "tiny")
    contains(far("status", "tiny"), "serial0")
    far("suspend", "tiny")
    far("resume", "tiny")
    contains(far("start", "nobody", status=4), "nobody")
    far("screenshot", "tiny", f"{WORK}/far-picture")
    with open(f"{WORK}/far-picture", "rb") as file:
        assert file.read(4) == b"\x89PNG"
    contains(far("dump", "tiny", f"{WORK}/far-dump", status=1), "another host")
    assert not os.path.exists(f"{WORK}/far-dump")
    terminal = Terminal("-H", "far", "console", "tiny", PATH=path)
    terminal.expect(r"Press \^\]")
    terminal.type("so far\r")
    terminal.expect("so far")
    terminal.type("\x1d\x1d\x1d")
    terminal.expect("Disconnected")
    assert terminal.end() == 0
    # A viewer's connections are passed on, each by a program over there.
    ctl("start", "seen")
    viewer = os.path.join(WORK, "greet")
    with open(viewer, "w", encoding="utf-8") as file:
        file.write("#!/usr/bin/python3\nimport socket, sys\n"
                   "for turn in range(2):\n    with socket.socket(socket.AF_UNIX) as display:\n"
                   "        display.connect(sys.argv[1])\n        print(turn, display.recv(12).decode(), flush=True)\n")
    os.chmod(viewer, 0o755)
    for where in ([], ["-H", "far"]):
        said = ctl(*where, "display", "seen", PATH=path, VIRTBUS_VIEWER=viewer, XDG_RUNTIME_DIR=WORK)
        contains(said, "0 RFB 003.008", "1 RFB 003.008")
    said = subprocess.run([CTL, "-H", "far", "display", "seen", "--stdio"], input=b"RFB 003.008\n", capture_output=True, check=True, env={**ENVIRONMENT, "PATH": path})
    contains(said.stdout.decode(errors="replace"), "RFB 003.008\n")
    ctl("destroy", "seen")
    ctl("-H", "nobody@nowhere.invalid", "list", PATH=path, status=1)


def a_guests_agent_is_asked():
    if not os.path.exists(f"{GUEST}/vmlinuz"):
        raise Skip("no guest has been made")
    devices = "<serial type='pty'/><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    domain = qemu.define(qemu.document("real", devices, memory=256, kernel=kernel(GUEST)))
    contains(ctl("agent", "real", "ping", status=1), "until it is started")
    ctl("start", "--paused", "seen")
    contains(ctl("agent", "seen", "ping", status=1), "org.qemu.guest_agent.0")
    ctl("destroy", "seen")
    ctl("start", "real")
    terminal = Terminal("console", "real")
    terminal.expect("GUEST-UP")
    terminal.type("\x1d\x1d\x1d")
    assert terminal.end() == 0
    qemu.wait_agent(domain)
    ctl("agent", "real", "ping")
    assert json.loads(ctl("agent", "real"))["HostName"]
    result = subprocess.run([CTL, "agent", "real", "exec", "/bin/sh", "-c", "echo out; echo err >&2; exit 7"], capture_output=True, encoding="utf-8", check=False)
    assert (result.returncode, result.stdout, result.stderr) == (7, "out\n", "err\n"), result
    contains(ctl("agent", "real", "exec", "/no/such", status=1), "/no/such")
    contains(ctl("agent", "real", "exec", status=2), "PROGRAM")
    ctl("shutdown", "real")
    ctl("wait", "real", "--timeout=180")


run([domains_are_made_without_a_document, a_domain_that_was_made_boots_its_cd_while_its_disk_is_empty_and_its_disk_later,
     what_a_domain_is_made_of_is_understood_or_refused, the_beginning_of_a_name_is_not_enough, what_there_is_is_shown, what_may_come_next_is_told_to_shells,
     options_are_of_verbs, images_of_disks_are_merged_and_copied, snapshots_are_made_and_gone_back_to, checkpoints_are_made_and_deleted, domains_are_backed_up, waiting_tells_the_truth, mistakes_are_told_with_a_status, domains_start_stop_and_are_waited_for,
     documents_are_edited_and_kept_when_they_are_wrong, tables_fit_the_terminal, a_console_is_used, a_bus_that_cannot_be_reached_is_named, a_display_is_shown_in_a_viewer,
     jobs_show_how_they_get_on, devices_come_and_go, what_domains_have_is_set, what_others_have_written_is_shown_and_not_obeyed,
     files_are_read_as_they_declare_themselves, libvirts_definitions_are_imported, libvirts_networks_filters_and_secrets_are_imported_and_what_stays_behind_is_named,
     uefi_variables_that_libvirt_finds_by_a_name_are_named_at_import, snapshots_and_checkpoints_of_libvirt_are_imported_below_their_parents, secrets_are_kept_and_given_values, networks_are_kept_and_listed, network_filters_are_listed_defined_shown_and_undefined, interfaces_are_listed_shown_and_documents_of_them_checked, bash_completes_verbs_options_and_domains,
     zsh_completes_verbs_options_and_domains, who_may_not_is_asked_for_a_password, the_users_own_are_on_the_session_bus,
     another_host_is_reached_by_ssh, a_guests_agent_is_asked])
