#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What containers that are hostile try: real ones, whose root, links and programs are an attacker's.

Usage (below VIRTBUS_ALSO=lxc tests/with-bus): test-hostile-containers.py
"""

import os
import re
import shutil

from container_rig import IDMAP, OUTSIDE, container, define, do, document, make_root, read_text, say, state
from rig import ROOT, BusError, contains, expect, run


def nothing_in_it_reaches_the_host():
    """What a root in a container tries, with users of its own and without."""
    secret = f"{ROOT}/shown-to-attackers"
    os.makedirs(secret, exist_ok=True)
    devices = f"<filesystem type='mount'><source dir='{secret}'/><target dir='/mnt/shown'/><readonly/></filesystem>"
    for name, more in (("plain", ""), ("mapped", IDMAP)):
        os.chown(secret, OUTSIDE if more else 0, 0)
        with container(name, script="exec sh", more=more, devices=devices) as domain:
            for attempt in ("touch /mnt/shown/x", "mount -o remount,rw,bind /mnt/shown", "umount /mnt/shown", "mount -o remount,rw /sys && touch /sys/x",
                            "echo 1 > /proc/sys/kernel/panic", "echo h > /proc/sysrq-trigger", "mknod /tmp/disk b 254 0", "mknod /tmp/mem c 1 1",
                            "mknod /dev/mem c 1 1 && dd if=/dev/mem count=1", "dmesg", "dd if=/proc/kcore count=1 | grep ELF", "kill -0 2",
                            "mount -t cgroup -o freezer x /tmp && ls /tmp/virtbus-lxc", "ls /proc/1/root/etc/hostname", "ls /run/dbus"):
                said = say(domain, f"( {attempt} ) > /dev/null 2>&1 && echo HAS''DONE || echo NOT''DONE")
                assert "NOTDONE" in said or attempt.startswith("dd if=/proc/kcore") and "HASDONE" not in said, (name, attempt, said)
            if not more:
                contains(say(domain, "unshare -U true; echo $?"), "1\n")
            # Its processes are its own, and no descriptor of the host's is in them.
            assert re.findall(r"^ *(\d+)", say(domain, "ps | grep -v ps"), re.MULTILINE)[0] == "1"
            links = say(domain, "for fd in /proc/1/fd/*; do readlink $fd; done")
            assert all(re.fullmatch(r"/dev/pts/0|/dev/tty|/\\S*ash_history|", link) for link in links.split("\n")), links
            assert re.findall(r"^\d+: (\w+)", say(domain, "ip link"), re.MULTILINE) == ["lo"]
            contains(say(domain, "cat /proc/self/cgroup"), "freezer:/\n" if "freezer" in read_text("/proc/self/cgroup") else "0::/\n")
        assert os.listdir(secret) == [], (name, os.listdir(secret))


def a_root_that_lies_leads_nowhere():
    """Links in a container's root are followed within it: places that are mounted, and its files of users."""
    victim = f"{ROOT}/victim"
    os.makedirs(victim, exist_ok=True)
    shown = f"{ROOT}/shown2"
    os.makedirs(f"{shown}/inner", exist_ok=True)
    for place in ("mnt", "proc", "sys", "dev", "etc"):
        root = make_root()
        if place == "etc":
            shutil.rmtree(f"{root}/etc")
        elif place == "mnt":
            os.rmdir(f"{root}/mnt")
        os.symlink(victim, f"{root}/{place}")
        devices = f"<filesystem type='mount'><source dir='{shown}'/><target dir='/mnt/a/b'/></filesystem>"
        domain = define(document("liar", root=root, devices=devices))
        try:
            do(domain, "Start")
        except BusError as error:
            contains(error.message, "cannot be")
        assert os.listdir(victim) == [], (place, os.listdir(victim))
        if state(domain) != "shutoff":
            do(domain, "Destroy")
        do(domain, "Undefine")
        shutil.rmtree(root)


def what_others_decide_is_not_opened():
    """A path through a folder of somebody else's leads to nothing that they have put there."""
    theirs = f"{ROOT}/theirs"
    os.makedirs(theirs, exist_ok=True)
    os.chown(theirs, 60103, 60103)
    os.symlink("/etc", f"{theirs}/link")
    os.lchown(f"{theirs}/link", 60103, 60103)
    domain = define(document("led", devices=f"<filesystem type='mount'><source dir='{theirs}/link'/><target dir='/mnt/x'/></filesystem>"))
    contains(expect("InvalidArgument", do, domain, "Start"), f"{theirs}/link")
    do(domain, "Undefine")


run([nothing_in_it_reaches_the_host, a_root_that_lies_leads_nowhere, what_others_decide_is_not_opened])
