# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of snapshots have in common."""

import os
import struct
import subprocess

from disk_rig import FIRST, check
from rig import NAME, Bus, Hypervisor, variants

bus = Bus()
qemu, test = Hypervisor(bus, "qemu"), Hypervisor(bus, "test")
SNAPSHOT = f"{NAME}.Snapshot"


def snapshot_xml(name="", more=""):
    return f"<domainsnapshot>{name and f'<name>{name}</name>'}{more}</domainsnapshot>"


def create(domain, name="", more="", method="CreateSnapshot", **options):
    return bus.call(domain, f"{NAME}.Domain", method, "sa{sv}", snapshot_xml(name, more), variants(options))


def redefine(domain, xml, **options):
    return bus.call(domain, f"{NAME}.Domain", "RedefineSnapshot", "sa{sv}", xml, variants(options))


def do(snapshot, method, **options):
    return bus.call(snapshot, SNAPSHOT, method, "a{sv}", variants(options))


def xml_of(snapshot, secrets=False):
    return bus.call(snapshot, SNAPSHOT, "GetXMLWithSecrets" if secrets else "GetXML")


def get(snapshot, name):
    return bus.get(snapshot, "Snapshot", name)


def current(domain):
    return bus.get(domain, "Domain", "CurrentSnapshot")


def names(domain):
    return sorted(values[SNAPSHOT]["Name"] for values in bus.objects(domain).values() if SNAPSHOT in values)


def content(path, tag=""):
    raw = path + ".raw"
    subprocess.run(["qemu-img", "convert", "-U", *(["-l", tag] if tag else []), "-O", "raw", path, raw], check=True)
    with open(raw, "rb") as file:
        data = file.read()
    os.unlink(raw)
    return data


def numbers(path):
    data = content(path)
    return [number for number in (struct.unpack_from("<I", data, sector * 512)[0] for sector in range(FIRST, len(data) // 512)) if number]


def whole(path):
    """No number is missing: the memory that counts, and the disk that is written, are of one instant."""
    found = sorted(numbers(path))
    assert found and found == list(range(found[0], found[0] + len(found))), (found[:5], found[-5:], len(found))
    check(path)


def writes(domain, more=2):
    def count():
        return qemu.wait_statistics(domain, "block.virtio-disk0")["block.virtio-disk0"]["write_operations"]
    begun = count()
    bus.wait(lambda: count() >= begun + more, "the guest to write")


def end(hypervisor, domain):
    if hypervisor.state(domain) != "shutoff":
        hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine", snapshots=True)
