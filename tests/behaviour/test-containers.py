#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers that run: real ones, of Debian's busybox-static, seen from inside and outside.

Usage (below VIRTBUS_ALSO=lxc tests/with-bus): test-containers.py VIRTBUSCTL
"""

import os
import re
import signal
import subprocess
import sys
import time

from container_rig import (CONNECTION, IDMAP, OUTSIDE, PATH, bus, connection, container, define, do, document, groups, guests, make_root, open_console, patiently,
                           read_all, read_text, read_until, say, state)
from face_rig import virsh_on
from rig import DEADLINE, NAME, ROOT, BusError, Ends, User, contains, denied, expect, run, variants


def a_container_goes_through_its_life():
    domain = define(document("web"))
    assert state(domain) == "shutoff"
    do(domain, "Start")
    assert state(domain) == "running" and len(guests()) == 1
    expect("OperationInvalid", do, domain, "Start")
    do(domain, "Suspend")
    assert state(domain) == "paused"
    do(domain, "Resume")
    assert state(domain) == "running"
    assert groups(domain)
    do(domain, "Destroy")
    assert state(domain) == "shutoff" and not groups(domain)
    bus.wait(lambda: not guests(), "the end of who watched")
    do(domain, "Undefine")


def it_is_what_its_document_says():
    more = "<cputune><shares>512</shares></cputune>"
    folder = f"{ROOT}/shown"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/file", "w", encoding="ascii") as file:
        file.write("of the host\n")
    devices = (f"<filesystem type='mount'><source dir='{folder}'/><target dir='/mnt/new/folder'/><readonly/></filesystem>"
               f"<filesystem type='mount'><source dir='{folder}/file'/><target dir='/etc/motd'/></filesystem>"
               "<filesystem type='ram'><source usage='2' units='MiB'/><target dir='/run'/></filesystem>")
    os_more = ("<initenv name='COLOUR'>green &amp; blue</initenv><initdir>/tmp</initdir><inituser>www</inituser>")
    script = "env; id; cat /proc/self/mounts; readlink /proc/self/cwd; hostname; ls -l /dev; tty; exec cat"
    with container("web", script=script, more=more, devices=devices, os_more=os_more, consoles=2) as domain:
        with open_console(domain) as console:
            text = read_until(console, rb"/dev/pts/0\r?\n").replace("\r", "")  # what was typed before would be shown in the midst of it
            console.sendall(b"done\n")
            read_until(console, rb"done.*done")  # the terminal's, and that of cat
        uuid = bus.get(domain, "Domain", "UUID")
        contains(text, "COLOUR=green & blue", "container=lxc-libvirt", f"container_uuid={uuid}", f"LIBVIRT_LXC_UUID={uuid}",
                 "LIBVIRT_LXC_NAME=web", "TERM=linux", "HOME=/\n", "uid=33(www) gid=34", "/tmp\nweb\n", "/dev/pts/0",
                 "console -> pts/0", "tty1 -> pts/0", "tty2 -> pts/1")
        mounts = {line.split()[1]: line.split()[3].split(",") for line in text.splitlines() if re.match(r"\S+ /\S* \S+ r[ow]\b", line)}
        assert "ro" in mounts["/mnt/new/folder"] and "rw" in mounts["/etc/motd"], mounts
        assert {"size=2048k", "nosuid", "nodev"} <= set(mounts["/run"]), mounts
        assert "ro" in mounts["/sys"] and "ro" in mounts["/proc/sys"], mounts
        assert all("nodev" in options for place, options in mounts.items()
                   if place not in ("/dev", "/dev/pts") and not place.startswith("/proc/")), mounts  # what is hidden there is /dev/null
        nodes = set(re.findall(r"^c.* (\w+)$", text, re.MULTILINE))
        assert nodes == {"full", "null", "random", "tty", "urandom", "zero"}, nodes


def it_has_users_and_capabilities_of_its_own():
    script = "cat /proc/self/uid_map; grep Cap /proc/self/status; exec sleep 100"

    def see(name, **how):
        with container(name, script="exec sh", **how) as domain:
            return say(domain, "cat /proc/self/uid_map /proc/self/gid_map; grep -E 'CapBnd|CapEff|CapInh' /proc/self/status; id -u")
    plain = see("plain")
    contains(plain, "4294967295", "CapBnd:\t00000000204425fb".replace("204425fb", f"{plain_set():08x}"))
    mapped = see("mapped", more=IDMAP)
    assert re.search(rf"0 +{OUTSIDE} +65536", mapped), mapped
    contains(mapped, "CapBnd:\t000001ffffffffff")
    few = see("few", features="<capabilities policy='deny'><kill state='on'/><net_admin state='on'/></capabilities>")
    contains(few, f"CapBnd:\t{1 << 5 | 1 << 12:016x}", f"CapEff:\t{1 << 5 | 1 << 12:016x}", "CapInh:\t0000000000000000")
    less = see("less", more=IDMAP, features="<capabilities policy='allow'><sys_admin state='off'/></capabilities>")
    contains(less, f"CapBnd:\t{0x1ffffffffff & ~(1 << 21):016x}")
    del script


def plain_set():
    """chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw, sys_chroot, sys_boot, audit_write, setfcap"""
    return sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 22, 29, 31))


def how_it_ends_is_what_follows():
    def end(name, script, more="", wanted="shutdown"):
        domain = define(document(name, script=f"sleep 0.3; {script}", more=more, consoles=0))
        do(domain, "Start")
        bus.wait_state(domain, "shutoff")
        reason = bus.get(domain, "Domain", "StateReason")
        assert reason == wanted, (name, reason)
        assert not groups(domain)
        do(domain, "Undefine")
    end("off", "poweroff -f")
    end("done", "exit 0")
    end("failed", "exit 3", wanted="crashed")
    end("once", "reboot -f", more="<on_reboot>destroy</on_reboot>")
    # Restarted, as its document says: it counts in its root how often it has been started.
    root = make_root()
    domain = define(document("again", script="echo x >> /tmp/starts; sleep 0.2; [ $(cat /tmp/starts | wc -l) -ge 3 ] && exec sleep 1000; reboot -f",
                             root=root))
    do(domain, "Start")
    bus.wait(lambda: read_text(f"{root}/tmp/starts").count("x") == 3, "the third start")
    assert state(domain) == "running"
    with open_console(domain):
        pass
    do(domain, "Destroy")
    # One that ends as soon as it starts is not restarted for ever.
    do(domain, "Undefine")
    domain = define(document("loop", script="true", more="<on_poweroff>restart</on_poweroff>"))
    do(domain, "Start")
    bus.wait_state(domain, "shutoff")
    do(domain, "Undefine")


def shutdown_and_reboot_are_told_as_its_program_knows_them():
    root = make_root()
    with open(f"{root}/etc/inittab", "w", encoding="ascii") as file:
        file.write("::sysinit:/bin/touch /tmp/up\n::respawn:/bin/sleep 1000\n")
    os.symlink("busybox", f"{root}/bin/init")
    domain = define(document("box", script="", init="/bin/init", root=root))
    do(domain, "Start")
    bus.wait(lambda: os.path.exists(f"{root}/tmp/up"), "its first program")
    os.unlink(f"{root}/tmp/up")
    do(domain, "Reboot")
    bus.wait(lambda: os.path.exists(f"{root}/tmp/up"), "it to start again")
    do(domain, "Shutdown")
    bus.wait_state(domain, "shutoff")
    assert bus.get(domain, "Domain", "StateReason") == "shutdown"
    do(domain, "Undefine")
    domain = define(document("deaf"))
    do(domain, "Start")
    expect("Unsupported", do, domain, "Reboot")
    do(domain, "Destroy")
    do(domain, "Undefine")


def a_console_is_for_one_at_a_time():
    with container("talks", script="exec sh", consoles=1) as domain:
        first = open_console(domain)
        expect("ResourceBusy", open_console, domain)
        second = open_console(domain, force=True)
        read_all(first)  # its end
        second.sendall(b"echo he''llo\n")
        read_until(second, b"hello")
        # It goes on without the driver, and the next one finds it so.
        bus.kill_driver("LXC")
        second.sendall(b"echo still he''re\n")
        read_until(second, b"still here")
        assert state(domain) == "running"
        expect("ResourceBusy", open_console, domain)
        second.close()
        bus.wait(lambda: open_console(domain, force=True).close() is None, "the console")
    # What nobody reads is not waited for.
    with container("chatty", script="while true; do echo 0123456789012345678901234567890123456789; done") as domain:
        bus.wait(lambda: bus.call(PATH, CONNECTION, "GetDomainStats", "aoasa{sv}", [domain], ["cpu"], {})[domain].get("cpu", {"time": 0})["time"] > 300000,
                 "it to work")
        with open_console(domain) as console:
            read_until(console, b"0123456789")


def a_killed_driver_finds_what_runs():
    for paused in (False, True):
        with container("stays", script="exec sh") as domain:
            if paused:
                do(domain, "Suspend")
            bus.kill_driver("LXC")
            assert state(domain) == ("paused" if paused else "running") and len(guests()) == 1
            if paused:
                do(domain, "Resume")
            contains(say(domain, "hostname"), "stays")
    # What has ended meanwhile is told: also how.
    domain = define(document("ends", script="sleep 0.5; exit 0", consoles=0))
    do(domain, "Start")
    bus.kill_driver("LXC", after=lambda: time.sleep(1))
    bus.wait(lambda: state(domain) == "shutoff", "its end")
    assert bus.get(domain, "Domain", "StateReason") == "shutdown"
    do(domain, "Undefine")


def a_driver_that_ends_at_any_instant_leaves_nothing():
    """Killed, or told to end: then it ends well, and who waits is told Cancelled."""
    ends = Ends(bus, "LXC")
    domain = patiently(define, document("often"))
    bus.kill_driver("LXC")  # the next one is begun by the script that tells
    assert patiently(state, domain) == "shutoff"

    def cut_off(step, member):
        answer = bus.begin(domain, f"{NAME}.Domain", member, "a{sv}", {})
        time.sleep(0.004 * (step // 2))
        pid, number = bus.driver("LXC"), (signal.SIGKILL, signal.SIGTERM)[step % 2]
        bus.kill_driver("LXC", pid, number=number)
        bus.wait(lambda: answer, "an answer")
        if number == signal.SIGTERM:
            ends.well(pid)
            assert not isinstance(answer[0], BusError) or answer[0].name.endswith(".Cancelled"), answer

    for step in range(8):
        cut_off(step, "Start")
        bus.wait(lambda: patiently(state, domain) in ("running", "shutoff"), "a state")
        if patiently(state, domain) == "running":
            patiently(do, domain, "Destroy")
        bus.wait(lambda: not guests() and not groups(domain), "nothing to be left")
    patiently(do, domain, "Start")
    for step in range(4):
        cut_off(step, "Destroy")
        bus.wait(lambda: patiently(state, domain) in ("running", "shutoff"), "a state")
        if patiently(state, domain) == "running":
            patiently(do, domain, "Destroy")  # nothing had been done
        bus.wait(lambda: patiently(state, domain) == "shutoff", "its end")
        bus.wait(lambda: not guests() and not groups(domain), "nothing to be left")
        patiently(do, domain, "Start")
    patiently(do, domain, "Destroy")
    patiently(do, domain, "Undefine")


def who_watches_takes_it_along():
    for kills_driver in (False, True):
        domain = patiently(define, document("orphan"))
        do(domain, "Start")
        pid = guests()[0]
        member = read_text(f"{groups(domain)[0]}/cgroup.procs").split()[0]
        if kills_driver:
            bus.kill_driver("LXC", after=lambda: os.kill(pid, signal.SIGKILL))
        else:
            os.kill(pid, signal.SIGKILL)
        bus.wait(lambda: state(domain) == "shutoff", "its end")
        bus.wait(lambda: not os.path.exists(f"/proc/{member}") and not groups(domain), "nothing to be left")
        do(domain, "Undefine")


def destroying_interrupts_anything():
    with container("stopped") as domain:
        do(domain, "Suspend")
        do(domain, "Destroy")
        assert state(domain) == "shutoff" and not groups(domain)
    domain = define(document("starts"))
    for _ in range(5):
        started = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {})
        ended = bus.begin(domain, f"{NAME}.Domain", "Destroy", "a{sv}", {})
        bus.wait(lambda: started and ended, "both")
        if state(domain) != "shutoff":
            do(domain, "Destroy")
        assert not groups(domain)
    do(domain, "Undefine")


def its_limits_hold_and_change():
    more = "<memtune><hard_limit unit='MiB'>32</hard_limit></memtune><cputune><shares>2048</shares><period>50000</period><quota>25000</quota></cputune>"
    with container("limited", more=more) as domain:
        def read(*names):
            found = [read_text(f"{folder}/{name}").strip() for folder in groups(domain) for name in names if os.path.exists(f"{folder}/{name}")]
            return found[0] if found else None
        assert read("memory.max", "memory.limit_in_bytes") == str(32 << 20)
        assert read("pids.max") == "16384"
        assert read("cpu.max", "cpu.cfs_quota_us") in ("25000 50000", "25000")
        bus.call(domain, f"{NAME}.Domain", "SetLimits", "a{st}a{sv}", {"memory_hard_limit": 48 << 20}, {})
        assert read("memory.max", "memory.limit_in_bytes") == str(48 << 20)
        stats = bus.call(PATH, CONNECTION, "GetDomainStats", "aoasa{sv}", [domain], [], {})[domain]
        assert stats["cpu"]["time"] > 0 and stats["memory"]["rss"] > 0, stats
        expect("Unsupported", bus.call, domain, f"{NAME}.Domain", "SetVCPUs", "ua{sv}", 1, variants({}))
    # As much as it has, where nothing else is said.
    with container("has") as domain:
        assert read("memory.max", "memory.limit_in_bytes") == str(64 << 20)
        bus.call(domain, f"{NAME}.Domain", "SetMemory", "ta{sv}", 48 << 20, variants({}))
        assert read("memory.max", "memory.limit_in_bytes") == str(48 << 20)


def what_is_wrong_is_named():
    for xml, error, *parts in (
            (document("a", features="<capabilities policy='allow'/>"), "Unsupported", "<idmap>"),
            (document("a", features="<capabilities><sys_admin state='on'/></capabilities>"), "Unsupported", "sys_admin", "<idmap>"),
            (document("a", more=IDMAP.replace(f"<uid start='0' target='{OUTSIDE}'", "<uid start='0' target='0'")), "Unsupported", "<uid>", "the host's root"),
            (document("a", more=IDMAP.replace(f"<gid start='0' target='{OUTSIDE}'", "<gid start='0' target='0'")), "Unsupported", "<gid>", "the host's root"),
            (document("a").replace("<privnet/>", ""), "Unsupported", "<privnet/>"),
            (document("a").replace("<target dir='/'/>", "<target dir='/x'/>"), "Unsupported", "<target dir='/'/>"),
            (document("a", devices="<disk type='block'><source dev='/dev/sda'/><target dev='sda'/></disk>"), "Unsupported", "cannot yet"),
            (document("a", devices="<filesystem type='file'><source file='/x'/><target dir='/x'/></filesystem>"), "Unsupported", "file"),
            (document("a", devices="<filesystem type='ram'><source usage='1'/><target dir='/proc/x'/></filesystem>"), "Unsupported", "/proc"),
            (document("a", devices="<graphics type='vnc'/>"), "Unsupported", "graphics"),
            (document("a", more="<seclabel type='static' model='selinux'/>"), "Unsupported", "seclabel"),
            (document("a", init="relative"), "InvalidXML", "absolute path"),
            (document("a", init="/a/../../x"), "InvalidXML", "..")):
        contains(expect(error, define, xml), *parts)
    for how, *parts in (({"root": f"{ROOT}/nowhere"}, "nowhere"), ({"root": "/dev/null"}, "/dev/null"), ({"init": "/bin/nothing"}, "/bin/nothing", "cannot be run"),
                        ({"os_more": "<inituser>nobody-here</inituser>"}, "nobody-here"), ({"os_more": "<initdir>/no/folder</initdir>"}, "/no/folder"),
                        ({"devices": f"<filesystem type='mount'><source dir='{ROOT}/nowhere'/><target dir='/x'/></filesystem>"}, "nowhere"),
                        ({"root": "/proc/self/root"}, "/proc")):
        domain = define(document("wrong", **how))
        try:
            do(domain, "Start")
        except BusError as failure:
            contains(failure.message, "wrong", *parts)
        else:
            raise AssertionError(f"it started: {how}")
        assert state(domain) == "shutoff" and not groups(domain) and not guests()
        do(domain, "Undefine")
    domain = define(document("paused"))
    expect("Unsupported", do, domain, "Start", paused=True)
    do(domain, "Undefine")


def who_may_not_is_refused():
    domain = define(document("mine"))
    alice = User("vb-alice")
    for call in ((domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}"), (domain, f"{NAME}.Domain", "GetXMLWithSecrets", "a{sv}", "@a{sv} {}"),
                 (PATH, CONNECTION, "DefineDomain", "sa{sv}", repr(document("theirs")), "@a{sv} {}")):
        assert denied(alice.call, *call), call
    alice.leave()
    # Nor may who defines with their own rights alone: a container's are the host's.
    dave = User("vb-dave")
    contains(expect("Unsupported", dave.call, PATH, CONNECTION, "DefineDomain", "sa{sv}", repr(document("own")), "@a{sv} {}"), "rights")
    dave.leave()
    do(domain, "Undefine")


def transient_ones_go_with_their_run():
    domain = connection("CreateDomain", "sa{sv}", document("passing", script="sleep 0.5; exit 0"), variants({}))
    assert state(domain) == "running"
    bus.wait(lambda: domain not in bus.objects(PATH), "it to go")
    assert not groups(domain)


def those_to_start_with_the_machine_do():
    domain = define(document("early"))
    bus.set(domain, "Domain", "Autostart", variants({"x": True})["x"])
    assert bus.get(domain, "Domain", "Autostart")
    do(domain, "Undefine")


def lxcs_configurations_become_documents():
    root = make_root()
    text = f"lxc.uts.name = from-lxc\nlxc.rootfs.path = {root}\nlxc.init.cmd = /bin/sh -c 'exec sleep 100'\nlxc.tty.max = 1\nlxc.cap.keep = kill\n"
    xml = connection("DomainXMLFromNative", "ss", "lxc-tools", text)
    domain = define(xml)
    do(domain, "Start")
    assert state(domain) == "running"
    do(domain, "Destroy")
    do(domain, "Undefine")
    contains(expect("InvalidArgument", connection, "DomainXMLFromNative", "ss", "qemu-argv", text), "lxc-tools")
    contains(expect("Unsupported", connection, "DomainXMLFromNative", "ss", "lxc-tools", text + "lxc.hook.start = /x\n"), "line 6")
    path = f"{ROOT}/from.conf"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run([VIRTBUSCTL, "--connection=lxc", "translate", path], capture_output=True, text=True, check=False, timeout=DEADLINE)
    contains(done.stdout + done.stderr, "<name>from-lxc</name>")


def libvirts_clients_find_it():
    with virsh_on(bus, "lxc+unix:///system?socket={socket}") as virsh:
        contains(virsh("uri"), "lxc")
        virsh("define", "/dev/stdin", given=document("seen"))
        virsh("start", "seen")
        contains(virsh("list", "--all"), "seen", "running")
        contains(virsh("dominfo", "seen"), "exe", "running")
        virsh("suspend", "seen")
        contains(virsh("domstate", "seen"), "paused")
        virsh("resume", "seen")
        virsh("destroy", "seen")
        contains(virsh("domxml-from-native", "lxc-tools", "/dev/stdin", given=f"lxc.uts.name = x\nlxc.rootfs.path = {ROOT}\n"), "<name>x</name>")
        virsh("undefine", "seen")


TESTS = [a_container_goes_through_its_life, it_is_what_its_document_says, it_has_users_and_capabilities_of_its_own, how_it_ends_is_what_follows,
         shutdown_and_reboot_are_told_as_its_program_knows_them, a_console_is_for_one_at_a_time, a_killed_driver_finds_what_runs, a_driver_that_ends_at_any_instant_leaves_nothing, who_watches_takes_it_along, destroying_interrupts_anything,
         its_limits_hold_and_change, what_is_wrong_is_named, who_may_not_is_refused, transient_ones_go_with_their_run,
         those_to_start_with_the_machine_do, lxcs_configurations_become_documents, libvirts_clients_find_it]

VIRTBUSCTL = sys.argv[1] if len(sys.argv) > 1 else f"{os.environ['VIRTBUS_BUILD']}/client/virtbusctl/virtbusctl"
run(TESTS)
