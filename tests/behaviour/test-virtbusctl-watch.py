#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtbusctl's watching: what domains use, what they log, what happens.

Usage (below tests/with-bus): test-virtbusctl-watch.py VIRTBUSCTL
"""

import json
import os
import re
import subprocess

from rig import DEADLINE, NAME, ROOT, Bus, Hypervisor, contains, expect, read_until, run
from commandline import CTL, ENVIRONMENT, Terminal, ctl

bus = Bus()
test, qemu = Hypervisor(bus, "test"), Hypervisor(bus, "qemu")
DISK = f"{ROOT}/watched.qcow2"
ODD = 'a "quoted\\" name'
state = {}


def guests_run():
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", DISK, "64M"], check=True)
    disk = f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{DISK}'/><target dev='vda' bus='virtio'/></disk>"
    balloon = "<memballoon model='virtio'><stats period='1'/></memballoon>"
    state["real"] = qemu.define(qemu.document("real", devices=disk + balloon))
    qemu.do(state["real"], "Start", paused=True)
    state["odd"] = test.define(test.document(ODD.replace('"', "&quot;"), devices=balloon))
    test.do(state["odd"], "Start")
    state["off"] = test.define(test.document("off"))


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-z_]+="(?:[^"\\\n]|\\[n"\\])*",?)+)\} ([0-9.]+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def read_metrics(text):
    """Families and samples, as the format's grammar has them; all of it must be of that."""
    families, samples, current = {}, [], None
    assert text.endswith("# EOF\n"), text[-200:]
    for line in text.splitlines()[:-1]:
        comment = re.fullmatch(r"# (TYPE|UNIT|HELP) (\S+) (.+)", line)
        if comment:
            kind, name, value = comment.groups()
            if kind == "TYPE":
                assert name not in families, f"{name} is not in one piece"
                families[name] = {}
                current = name
            assert name == current and kind not in families[name], line
            assert kind != "UNIT" or name.endswith(f"_{value}"), line
            families[name][kind] = value
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        name, labels, value = sample.groups()
        suffix = "_total" if families[current]["TYPE"] == "counter" else ""
        assert name == current + suffix, (line, current)
        samples.append((current, {k: re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], v) for k, v in LABEL.findall(labels)}, float(value)))
    return families, samples


def find(samples, family, **labels):
    values = [value for name, own, value in samples if name == f"virtbus_domain_{family}" and labels.items() <= own.items()]
    assert len(values) == 1, (family, labels, values)
    return values[0]


def prometheus_reads_what_domains_use():
    qemu.wait_statistics(state["real"], "cpu", "memory", "vcpu.0", "block.virtio-disk0", "image.virtio-disk0")  # once told, they are known
    families, samples = read_metrics(ctl("stats", "--openmetrics"))
    assert families["virtbus_domain_cpu_seconds"]["TYPE"] == "counter" and families["virtbus_domain_state"]["TYPE"] == "stateset"
    assert len({(name, *sorted(labels.items())) for name, labels, _ in samples}) == len(samples)
    assert 0 < find(samples, "cpu_seconds", domain="real", connection="qemu") < 3600
    assert find(samples, "memory_resident_bytes", domain="real") > 1 << 20
    assert find(samples, "state", domain="off", virtbus_domain_state="shutoff") == 1
    assert find(samples, "state", domain="real", virtbus_domain_state="running") == 0
    assert find(samples, "guest_memory_available_bytes", domain=ODD) == 2 * find(samples, "guest_memory_unused_bytes", domain=ODD)
    assert find(samples, "image_capacity_bytes", domain="real", device="virtio-disk0") == 64 << 20
    assert 0 <= find(samples, "image_physical_bytes", domain="real", device="virtio-disk0") - os.stat(DISK).st_size < 512
    find(samples, "vcpu_seconds", domain="real", vcpu="0")
    find(samples, "block_read_seconds", domain="real", device="virtio-disk0")
    _, samples = read_metrics(ctl("stats", "--openmetrics", "real"))
    assert {labels["domain"] for _, labels, _ in samples} == {"real"}
    contains(ctl("list", "--openmetrics", status=2), "stats")


def statistics_for_programs_are_numbers():
    told = json.loads(ctl("stats", "--json"))["real"]
    assert told["image.virtio-disk0"]["capacity"] == 64 << 20 and told["image.virtio-disk0"]["allocation"] < 64 << 20, told
    assert all(isinstance(value, int) for name, group in told.items() if name != "state" for value in group.values()), told
    assert json.loads(ctl("stats", "--json", ODD))[ODD]["guest_memory"]["unused"] == 32 << 20
    heading, row = ctl("stats", "--no-pager", ODD).splitlines()[:2]
    assert heading.split()[-6:-3] == ["READ", "WRITTEN", "ON"] and "USED" in heading and "32M" in row, (heading, row)



def what_happens_can_be_chosen():
    monitor = subprocess.Popen([CTL, "monitor", "--json", "--events=service,job,job-ended", ODD], stdout=subprocess.PIPE, encoding="utf-8", env=ENVIRONMENT)
    assert json.loads(monitor.stdout.readline())["event"] == "service"
    test.do(state["off"], "Start")
    ctl("save", ODD)
    begun, ended = (json.loads(monitor.stdout.readline()) for _ in range(2))
    assert (begun["event"], begun["object"], begun["operation"]) == ("job", ODD, "managed-save"), begun
    assert (ended["event"], ended["job"], ended["result"]) == ("job-ended", begun["job"], "success"), ended
    monitor.terminate()
    monitor.wait()
    monitor.stdout.close()
    contains(ctl("monitor", "--events=frob", status=2), "'frob'", "job-ended")
    contains(ctl("monitor", "nobody", status=4), "nobody")


def devices_that_come_and_go_are_told():
    domain = test.define(test.document("handled"))
    test.do(domain, "Start")
    with subprocess.Popen([CTL, "monitor", "--json", "--events=service,added,device-added,device-removed"], stdout=subprocess.PIPE, encoding="utf-8",
                          env=ENVIRONMENT) as monitor:
        assert json.loads(monitor.stdout.readline())["event"] == "service"  # all is followed

        def device(what, name, path):
            told = json.loads(monitor.stdout.readline())
            assert (told["event"], told["object"], told["kind"], told["path"]) == (what, name, "interface", path), told
            return told["alias"]
        ctl("attach", "handled", "--network=user")
        alias = device("device-added", "handled", domain)
        ctl("detach", "handled", alias)
        assert device("device-removed", "handled", domain) == alias
        monitor.terminate()
    with subprocess.Popen([CTL, "monitor", "--json", "--events=service,guest", "handled"], stdout=subprocess.PIPE, encoding="utf-8", env=ENVIRONMENT) as monitor:
        assert json.loads(monitor.stdout.readline())["event"] == "service"
        ctl("attach", "handled", "--network=user")
        for event, signal, details in (("reboot", "Rebooted", "has rebooted"), ("clock", "ClockChanged", "+3600 s"), ("watchdog", "WatchdogExpired", "pause"),
                                       ("detach-failed", "DetachFailed", "net0: "), ("size", "SizeChanged", "1048576"), ("memory-failure", "MemoryFailed", "injected"),
                                       ("suspend-to-disk", "SuspendedToDisk", "disk"), ("control-lost", "ControlLost", "silent")):
            bus.call("/org/virtbus1/test", f"{NAME}.Test", "GuestEvent", "ss", "handled", event)
            told = json.loads(monitor.stdout.readline())
            assert (told["event"], told["object"], told["signal"], told["path"]) == ("guest", "handled", signal, domain), told
            contains(told["details"], details)
        monitor.terminate()
    for event, name in (("io-error", "OperationInvalid"), ("frob", "InvalidArgument")):
        expect(name, bus.call, "/org/virtbus1/test", f"{NAME}.Test", "GuestEvent", "ss", "handled", event)
    test.do(domain, "Destroy")
    test.do(domain, "Undefine")


def log_of(domain):
    return f"{ROOT}/qemu/log/qemu/{bus.get(domain, 'Domain', 'UUID')}.log"


def say(path, text, mode="a"):
    """What QEMU would."""
    with open(path, mode, encoding="utf-8") as file:
        file.write(text)


def a_log_is_there_when_the_domain_was_started():
    domain = qemu.define(qemu.document("talker"))
    contains(ctl("log", "talker", status=1), "'talker'", "no log yet", "has not been started")
    silent = test.define(test.document("silent"))
    contains(ctl("log", "silent", status=1), "'silent'", "keeps no logs")
    test.do(silent, "Undefine")
    contains(ctl("log", "nobody", status=4), "nobody")
    qemu.do(domain, "Start", paused=True)
    say(log_of(domain), "first\nsecond\nBÜRO \033]0;title\a\0.\nlast")
    assert ctl("log", "talker").endswith("first\nsecond\nBÜRO \033]0;title\a\0.\nlast")
    assert ctl("log", "talker", "-n", "2") == "BÜRO \033]0;title\a\0.\nlast"
    assert ctl("log", "talker", "--lines=1") == "last"
    contains(ctl("log", "talker", "--lines=1000"), "first\nsecond\n")
    contains(ctl("log", "talker", "-n", "0", status=2), "--lines=0")
    terminal = Terminal("log", "talker", "-n", "2")
    assert terminal.end() == 0
    contains(terminal.said, "BÜRO ?]0;title??.\r\nlast")
    qemu.do(domain, "Destroy")
    contains(ctl("log", "talker"), "second\n")
    # What lies in its place is not ours to show.
    path = log_of(domain)
    os.rename(path, path + ".kept")
    os.mkfifo(path)
    contains(ctl("log", "talker", status=1), "cannot open its log")
    os.remove(path)
    os.symlink("/etc/passwd", path)
    contains(ctl("log", "talker", status=1), "cannot open its log")
    os.remove(path)
    qemu.do(domain, "Undefine")


class Follower:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([CTL, "log", "--follow", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)

    def expect(self, text):
        read_until(self.process.stdout.fileno(), re.escape(text.encode()))

    def end(self):
        said = self.process.communicate(timeout=DEADLINE)[1].decode()
        return self.process.returncode, said


def a_log_is_followed_through_starts_and_cuts_until_the_domain_is_gone():
    domain = qemu.define(qemu.document("followed"))
    follower = Follower("followed")
    first = follower.process.stderr.readline().decode()
    assert "waiting" in first, first
    qemu.do(domain, "Start", paused=True)
    path = log_of(domain)
    say(path, "the first line, which is longer than the second\n")
    follower.expect("than the second\n")
    say(path, "")
    os.truncate(path, 0)  # as the driver does where it grows too large
    say(path, "anew\n")
    follower.expect("anew\n")
    say(path, "x" * (1 << 20) + "the end of the old one\n")  # it gets another file at the next start
    follower.expect("old one\n")
    qemu.do(domain, "Destroy")
    inode = os.stat(path).st_ino
    qemu.do(domain, "Start", paused=True)
    assert os.stat(path).st_ino != inode
    say(path, "of the next run\n")
    follower.expect("of the next run\n")
    qemu.kill_driver()
    say(path, "while the driver is another\n")
    follower.expect("driver is another\n")
    qemu.do(domain, "Destroy")
    say(path, "while it is off\n")
    follower.expect("while it is off\n")
    qemu.do(domain, "Undefine")
    status, said = follower.end()
    assert status == 4 and "'followed' is gone" in said, (status, said)


run([value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == "__main__" and value.__name__ not in ("Follower", "find", "log_of", "read_metrics", "say")])
