#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh's subcommands, one after the other: each ends as on libvirt's daemon. virsh-commands has them.

Usage (below tests/with-bus): test-libvirt-virsh.py qemu.
"""

import os
import shlex
import shutil
import subprocess

from libvirt_rig import ENVIRONMENT, URI, virsh, write
from rig import BOOT_DEADLINE, ROOT, SOURCE, Skip, run

FOLDER = os.path.join(ROOT, "virsh")
UUIDS = {"web": "6a3a1f0e-9c1c-4c1a-8f0e-2d1b7a3c5e11", "off": "6a3a1f0e-9c1c-4c1a-8f0e-2d1b7a3c5e12"}


def machine(name, number, image):
    return (f"<domain type='qemu'><name>{name}</name><uuid>{UUIDS[name]}</uuid><title>A title</title><description>What it is</description>"
            "<metadata><my:m xmlns:my='http://my.org/'><a>1</a></my:m></metadata><memory unit='MiB'>128</memory>"
            "<currentMemory unit='MiB'>96</currentMemory><vcpu current='1'>3</vcpu><iothreads>1</iothreads>"
            "<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>"
            "<cpu mode='custom' match='exact'><model>qemu64</model></cpu><devices>"
            f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{FOLDER}/{image}.qcow2'/><target dev='vda' bus='virtio'/></disk>"
            f"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{FOLDER}/cd.iso'/><target dev='hda' bus='ide'/><readonly/></disk>"
            f"<interface type='user'><mac address='52:54:00:00:00:0{number}'/><model type='virtio'/></interface>"
            "<serial type='pty'/><console type='pty'/><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
            "<input type='tablet' bus='usb'/><graphics type='vnc' autoport='yes'><listen type='address' address='127.0.0.1'/></graphics>"
            "<video><model type='vga'/></video><memballoon model='virtio'/>"
            "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices></domain>")


FILES = {
    "web.xml": machine("web", 1, "a"), "off.xml": machine("off", 2, "b"), "bad.xml": "<domain><name>", "bad2.xml": "<domain type='qemu'><name>x</name></domain>",
    "nic.xml": "<interface type='user'><mac address='52:54:00:00:00:07'/><model type='virtio'/></interface>",
    "cpu.xml": "<cpu mode='custom' match='exact'><model>qemu64</model></cpu>",
    "old-cpu.xml": "<cpu><arch>x86_64</arch><model>486</model></cpu>",
    "impossible.xml": "<cpu><arch>x86_64</arch><model>486</model><feature name='svm'/><feature name='vmx'/></cpu>",
    "secret.xml": "<secret ephemeral='no' private='no'><uuid>6a3a1f0e-9c1c-4c1a-8f0e-2d1b7a3c5e13</uuid><usage type='volume'><volume>/x</volume></usage></secret>",
    "net.xml": "<network><name>n1</name><uuid>6a3a1f0e-9c1c-4c1a-8f0e-2d1b7a3c5e14</uuid><bridge name='virbr77'/><ip address='10.77.0.1' netmask='255.255.255.0'/></network>",
}


def ask(command):
    words = [word.replace("@", f"{FOLDER}/") if word.startswith("@") else word for word in shlex.split(command)]
    return subprocess.run(["virsh", "-c", URI, *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=BOOT_DEADLINE, stdin=subprocess.DEVNULL, check=False)


def each_subcommand_ends_as_on_libvirts_daemon():
    if not shutil.which("virsh") or not shutil.which("qemu-img"):
        raise Skip("virsh or qemu-img is not installed")
    os.makedirs(FOLDER)
    os.chmod(FOLDER, 0o777)
    for name, text in FILES.items():
        write(f"virsh/{name}", text)
    for name in ("a", "b", "c"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", f"{FOLDER}/{name}.qcow2", "16M"], check=True)
        os.chmod(f"{FOLDER}/{name}.qcow2", 0o666)
    with open(f"{FOLDER}/cd.iso", "wb") as file:
        file.write(bytes(65536))
    wrong, n = [], 0
    with open(os.path.join(SOURCE, "tests", "behaviour", "virsh-commands"), encoding="utf-8") as lines:
        for wanted, command in (line.rstrip("\n").split(" ", 1) for line in lines if line.strip() and line[0] != "#"):
            done = ask(command)
            n += 1
            if done.returncode != (1 if wanted == "-" else int(wanted)) or "internal error: Unable to" in done.stderr:
                wrong.append(f"{command}: {done.returncode}, not {wanted}: {done.stderr.strip()}")
    print(f"# {n} commands")
    assert not wrong, "\n".join(wrong)


def what_a_change_leaves_alone_stays_as_it_is():
    """What was chosen for this run: the port of a display, and a terminal, which virsh reads of the document."""
    virsh("define", os.path.join(FOLDER, "web.xml"))
    virsh("start", "web", "--paused")
    virsh("desc", "web", "--live", "--title", "of this run")
    assert (virsh("desc", "web", "--title"), virsh("desc", "web", "--title", "--config")) == ("of this run", "A title")
    assert virsh("metadata", "web", "http://my.org/") == "<m>\n  <a>1</a>\n</m>", virsh("metadata", "web", "http://my.org/")
    assert "CPU:            -" not in virsh("vcpuinfo", "web"), virsh("vcpuinfo", "web")
    display, terminal = virsh("vncdisplay", "web"), virsh("ttyconsole", "web")
    assert display.startswith("127.0.0.1:") and int(display.split(":")[1]) >= 0 and terminal.startswith("/dev/pts/"), (display, terminal)
    virsh("attach-disk", "web", f"{FOLDER}/c.qcow2", "vdb", "--subdriver", "qcow2")
    virsh("domif-setlink", "web", "52:54:00:00:00:01", "down")
    virsh("setvcpus", "web", "2")
    assert (virsh("vncdisplay", "web"), virsh("ttyconsole", "web")) == (display, terminal)
    stats = virsh("domstats", "web", "--block")
    assert [line.split("=")[1] for line in stats.splitlines() if ".name=" in line] == ["vda", "vdb", "hda"], stats
    assert sum(int(line.split()[1]) for line in virsh("domblkstat", "web").splitlines()) >= 0
    virsh("suspend", "web")  # it is
    card = os.path.join(FOLDER, "nic.xml")
    virsh("attach-device", "web", card)
    virsh("attach-device", "web", card)
    assert "several devices" in virsh("detach-device", "web", card, fails=True)
    virsh("destroy", "web")
    virsh("undefine", "web")


def what_its_qemu_tells_is_shown():
    """Of one domain, and of all by a pattern: until one has come."""
    virsh("define", os.path.join(FOLDER, "web.xml"))
    virsh("start", "web", "--paused")
    for words in (["web"], ["--event", "^re.*", "--regex", "--no-case"]):
        reader = subprocess.Popen(["virsh", "-c", URI, "qemu-monitor-event", "--pretty", *words], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        while reader.poll() is None:
            virsh("resume", "web")
            virsh("suspend", "web")
        told = reader.stdout.read()
        assert reader.returncode == 0 and "for domain 'web'" in told and ("RESUME" in told or words == ["web"]), told
    virsh("destroy", "web")
    virsh("undefine", "web")


run([each_subcommand_ends_as_on_libvirts_daemon, what_a_change_leaves_alone_stays_as_it_is, what_its_qemu_tells_is_shown])
