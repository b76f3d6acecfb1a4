# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's daemon, to compare with."""

import os
import subprocess

from rig import ROOT


def start(documents, running):
    """libvirt's daemon in this mount namespace, with domains by their names, of which the first few run; None where it cannot be had."""
    if os.geteuid() != 0 or not os.path.exists("/usr/sbin/libvirtd"):
        return None
    for folder in ("/run/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/etc/libvirt"):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", folder], check=True)
    os.makedirs("/etc/libvirt/qemu")
    for file, line in (("passwd", "libvirt-qemu:x:60190:60190::/:/bin/false"), ("group", "libvirt-qemu:x:60190:"), ("group", "kvm:x:60191:")):
        open(f"{ROOT}/{file}", "a", encoding="utf-8").write(line + "\n")  # which with-bus has put over those of /etc
    open("/etc/libvirt/qemu.conf", "w", encoding="utf-8").write('security_driver = "none"\nuser = "root"\ngroup = "root"\ncgroup_controllers = []\n'
                                              'stdio_handler = "file"\nremember_owner = 0\nnamespaces = []\n')
    for name, document in documents.items():
        open(f"/etc/libvirt/qemu/{name}.xml", "w", encoding="utf-8").write(document)
    log = open(os.path.join(ROOT, "libvirtd.log"), "w", encoding="utf-8")
    daemon = subprocess.Popen(["/usr/sbin/libvirtd"], stdout=log, stderr=log)
    while subprocess.run(["virsh", "-c", "qemu:///system", "version"], capture_output=True, check=False).returncode != 0:
        if daemon.poll() is not None:
            return None
    for name in list(documents)[:running]:
        subprocess.run(["virsh", "-c", "qemu:///system", "start", "--paused", name], stdout=subprocess.DEVNULL, check=True)
    return daemon
