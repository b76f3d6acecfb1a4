# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images, disks, and a guest that writes: what the tests of work on disks have in common."""

import os
import subprocess

from rig import ROOT

WORK = os.path.join(ROOT, "images")
os.makedirs(WORK, mode=0o711, exist_ok=True)
SIZE = 16 << 20
FIRST = 64  # the sector that the guest writes first, with a number that grows by one with each

# 512 bytes that write a running number to sector after sector of the disk that they were read from; tests/guest/boot-write.S is their source.
WRITER = bytes.fromhex("fa31c08ed88ec08ed0bc007cfb8816747c66ff066c7c66a16c7c663de8fd0000720966c7066c7c4000000066a16c7c66a3647c66ff06707c66a1707c66a30080b44330c08a16747cbe5c7ccd13b0577302b045baf803eeebb88d74001000010000800000000000000000000040").ljust(510, b"\0") + b"\x55\xaa"


# 512 bytes that obey letters from their serial port; tests/guest/boot-obey.S is their source.
OBEDIENT = bytes.fromhex("fa31c08ed88ec08ed0bc007cfbb055baf803eebafd03eca80174f8baf803ec3c527507baf90cb006eef43c57750aba4304b00feeb077ebd73c43750cb009e670b031e671b063ebc73c4475c7b442b280be5c7ccd13b064ebb68d74001000010000800000c8").ljust(510, b"\0") + b"\x55\xaa"


def work(name):
    return os.path.join(WORK, name)


def format_of(path):
    return "raw" if path.endswith(".img") else "qcow2"


def image(name, data=b"", size=SIZE, full=False, options=()):
    """A new one, which is raw where its name ends so. FULL: what is not data is no zeros."""
    path, raw = work(name), work(name + ".raw")
    if os.path.exists(path):
        os.unlink(path)
    with open(raw, "wb") as file:
        file.write(data)
        if full:
            file.write(os.urandom(size - len(data)))
        file.truncate(size)
    subprocess.run(["qemu-img", "convert", "-O", format_of(name), *options, raw, path], check=True)
    os.unlink(raw)
    os.chmod(path, 0o600)
    return path


def disk(path, target="vda", more=""):
    return f"<disk type='file'><driver name='qemu' type='{format_of(path)}'/><source file='{path}'/><target dev='{target}' bus='virtio'/>{more}</disk>"


def spoil(path):
    """Has QEMU fail to read the second cluster of an image, which is nowhere."""
    with open(path, "r+b") as file:
        def number(place):
            file.seek(place)
            return int.from_bytes(file.read(8), "big")
        clusters = number(number(40)) & 0x00FFFFFFFFFFFE00
        file.seek(clusters + 8)
        file.write((1 << 63 | 0x1200).to_bytes(8, "big"))


def check(path, is_cut_off=False):
    """Of a QEMU that is, or was, cut off while it wrote, an image may count clusters as used which nothing refers to yet (3), as that is written first."""
    status = subprocess.run(["qemu-img", "check", "-U", "-q", "-f", "qcow2", path], check=False).returncode
    assert status in ((0, 3) if is_cut_off else (0,)), (path, status)


def start(hypervisor, name, data=WRITER, devices="", paused=False, full=False):
    """A domain that boots from its disk, and the image of that."""
    path = image(f"{name}.qcow2", data, full=full)
    domain = hypervisor.define(hypervisor.document(name, disk(path) + devices, memory=16))
    hypervisor.do(domain, "Start", paused=paused)
    return domain, path
