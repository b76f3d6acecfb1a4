#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What containers that are hostile try: real ones, whose root, links and programs are an attacker's.

Usage (below VIRTBUS_ALSO=lxc tests/with-bus): test-hostile-containers.py
"""

import os
import re
import shutil
import time

from container_rig import IDMAP, OUTSIDE, container, define, do, document, guests, make_root, read_text, say, state
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
            contains(error.message, "cannot be", "link" if place in ("proc", "sys", "dev") else "mnt")
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


def refuse_start(domain, *parts):
    """It does not start, and says why."""
    contains(expect("HypervisorFailed", do, domain, "Start"), *parts)
    do(domain, "Undefine")


def no_link_of_the_kernels_leads_out_of_it():
    """Links to what its first process has open, before that runs its program: as its folder, its program, its files of users and its terminal."""
    def define_with(target, **how):
        root = make_root()
        os.symlink(target, f"{root}/work")
        return define(document("led", root=root, **how))
    for number in range(3, 17):
        refuse_start(define_with(f"/proc/self/fd/{number}", os_more="<initdir>/work</initdir>"), "/work cannot be entered")
    refuse_start(define_with("/proc/self/root/tmp", os_more="<initdir>/work</initdir>"), "/work cannot be entered")
    refuse_start(define_with("/proc/self/exe", init="/work"), "/work cannot be run")
    refuse_start(define_with("/proc/thread-self/cwd/bin/sh", init="/work"), "/work cannot be run")


def files_of_users_that_lie_hold_nothing_up():
    def lie(make):
        root = make_root()
        os.unlink(f"{root}/etc/passwd")
        make(f"{root}/etc/passwd")
        began = time.monotonic()
        refuse_start(define(document("unlisted", root=root, os_more="<inituser>www</inituser>")), "no user 'www'")
        assert time.monotonic() - began < 10  # of the 30 that it has to start
    lie(os.mkfifo)
    lie(lambda path: os.symlink("/dev/zero", path))
    lie(lambda path: os.symlink("/proc/self/fd/3", path))
    lie(os.mkdir)

    def make_endless(path):
        with open(path, "wb") as file:
            file.truncate(1 << 40)
    lie(make_endless)


def who_watches_has_nothing_that_it_does_without():
    """No file of the host's, which it would keep from being unmounted, no right but to end the container; and nobody writes to its program."""
    with container("watched"):
        pid = guests()[0]
        assert os.listdir(f"/proc/{pid}/root/") == []
        mounts = read_text(f"/proc/{pid}/mounts").splitlines()
        assert len(mounts) == 1 and " / tmpfs ro," in mounts[0], mounts
        contains(read_text(f"/proc/{pid}/status"), f"CapPrm:\t{1 << 5:016x}", f"CapEff:\t{1 << 5:016x}", "Name:\tvirtbus-lxc-gue")
        assert os.statvfs(f"/proc/{pid}/exe").f_flag & os.ST_RDONLY
        resident = int(re.search(r"VmRSS:\s+(\d+)", read_text(f"/proc/{pid}/status"))[1])
        assert resident <= 1536 or "asan" in read_text(f"/proc/{pid}/maps"), resident  # in KiB


def read_options(domain, place):
    """What it has mounted there says of itself."""
    return say(domain, f"grep ' {place} ' /proc/self/mounts").split(f" {place} ", 1)[-1]


def what_the_hosts_root_may_in_proc_is_not_its_roots():
    """Whatever the kernel has there."""
    with container("looks", script="exec sh") as domain:
        listed = say(domain, "ls -l /proc /proc/driver /proc/fs /proc/tty")
        assert "meminfo" in listed and not re.search(r"^-r-------- ", listed, re.MULTILINE), listed
        for name in re.findall(r"^-[r-]w.* (\S+)$", say(domain, "ls -l /proc"), re.MULTILINE):
            contains(say(domain, f"(: >> /proc/{name}) 2>/dev/null && echo HAS''DONE || echo NOT''DONE"), "NOTDONE")
        for folder in re.findall(r"^d.* ([a-z]\S+)$", say(domain, "ls -l /proc"), re.MULTILINE):
            contains(read_options(domain, f"/proc/{folder}"), "ro,")
        assert say(domain, "ls /sys/firmware | wc -l").rstrip().endswith("0")


def sockets_that_no_namespace_holds_are_none_of_its():
    """Of AF_VSOCK above all, which reaches the host and its guests."""
    script = ("import socket\n"
              "for family in range(50):\n"
              "    try:\n        socket.socket(family, socket.SOCK_DGRAM).close()\n        print('HAS', family, flush=True)\n"
              "    except OSError as error:\n        error.errno == 97 or print('NOT', family, error.errno, flush=True)\n")
    devices = "<filesystem type='mount'><source dir='/usr'/><target dir='/usr'/><readonly/></filesystem>"
    for more in ("", IDMAP):
        root = make_root(OUTSIDE if more else 0)
        for name in ("lib", "lib64"):
            os.symlink(f"usr/{name}", f"{root}/{name}")
        with open(f"{root}/tmp/try.py", "w", encoding="ascii") as file:
            file.write(script)
        with container("speaks", script="exec sh", root=root, more=more, devices=devices) as domain:
            said = say(domain, "/usr/bin/python3 -I /tmp/try.py")
        has = {int(family) for family in re.findall(r"^HAS (\d+)$", said, re.MULTILINE)}
        assert {1, 2} <= has <= {1, 2, 10, 16, 17}, said


run([nothing_in_it_reaches_the_host, a_root_that_lies_leads_nowhere, what_others_decide_is_not_opened, no_link_of_the_kernels_leads_out_of_it,
     files_of_users_that_lie_hold_nothing_up, who_watches_has_nothing_that_it_does_without, what_the_hosts_root_may_in_proc_is_not_its_roots,
     sockets_that_no_namespace_holds_are_none_of_its])
