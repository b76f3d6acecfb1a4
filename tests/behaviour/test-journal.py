#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What virtbusd writes into the journal about calls: a socket in the place of journald's takes its entries.

Usage (below tests/with-bus, as root): test-journal.py
"""

import os
import signal
import socket
import struct
import subprocess
import threading
import time

from gi.repository import GLib
from rig import DEADLINE, NAME, ROOT, Bus, BusError, Hypervisor, User, contains, end_process, expect, run

if os.geteuid() != 0:
    raise SystemExit("test-journal.py: needs root, for a journal in a mount namespace of its own")

JOB_DONE, JOB_FAILED = "3c8e51d70f9b46a2b7d4e6158a2f90c3", "94d0b6ae7c214f58a1e3702bc5f86d19"
DONE, FAILED, LEFT_OUT = ("6d2a3f0a5b7c4c1f9a0e8d41c7b25e93", "b1f4d7c2908e4e6c8d35a2f7160c9b4e", "e07c95b81d3a4f2eb6c4d90a5f8e1372")
ENTRIES_PER_USER = 1000  # in INTERVAL: service/bounds.h
INTERVAL = 30  # seconds
SECRET = "do-not-tell-anybody"


def parse(datagram):
    """The native protocol of the journal: NAME=VALUE, or NAME, size and value."""
    fields = {}
    while datagram:
        name, _, datagram = datagram.partition(b"\n")
        if b"=" in name:
            name, _, value = name.partition(b"=")
        else:
            size = struct.unpack("<Q", datagram[:8])[0]
            value, datagram = datagram[8:8 + size], datagram[9 + size:]
        fields[name.decode()] = value.decode()
    return fields


class Journal:
    def __init__(self):
        os.makedirs("/run/systemd/journal", exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/systemd/journal"], check=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("/run/systemd/journal/socket")
        os.chmod("/run/systemd/journal/socket", 0o666)
        self.datagrams, self.changed, self.open = [], threading.Condition(), threading.Event()
        self.open.set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            self.open.wait()
            datagram = self.socket.recv(1 << 20)
            with self.changed:
                self.datagrams.append(datagram)
                self.changed.notify_all()

    def wait(self, **wanted):
        """Waits for an entry that has these fields."""
        def find():
            return [e for e in map(parse, self.datagrams) if all(e.get(name) == value for name, value in wanted.items())]
        with self.changed:
            assert self.changed.wait_for(find, DEADLINE), f"no entry with {wanted}: {list(map(parse, self.datagrams))[-5:]}"
            return find()[-1]

    def settle(self):
        """Waits until all that was sent before now has been read."""
        mark = f"mark {time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(f"MARK={mark}\n".encode(), "/run/systemd/journal/socket")
        self.wait(MARK=mark)

    def entries(self):
        """All that were sent before now."""
        self.settle()
        with self.changed:
            return [entry for entry in map(parse, self.datagrams) if "MARK" not in entry]

    def forget(self):
        self.settle()
        with self.changed:
            self.datagrams.clear()


class Service:
    """virtbusd as systemd starts it: its stderr is the journal's, or not."""

    def __init__(self, of_journal, *options):
        path = f"{ROOT}/virtbusd.log"
        self.log = open(path, "w+", encoding="utf-8")  # the caller ends it
        status = os.stat(path)
        environment = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
        if of_journal:
            environment["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
        self.process = subprocess.Popen(["setpriv", "--reuid=virtbus", "--regid=virtbus", "--clear-groups", f"{ROOT}/build/service/virtbusd",
                                         "--call-timeout=20", *options], stderr=self.log, env=environment)
        self.bus = Bus()
        self.bus.wait(self._is_owner, "virtbusd to have its name")
        self.bus.call("/org/virtbus1/test", "org.freedesktop.DBus.Properties", "GetAll", "s", f"{NAME}.Connection")
        self.hypervisor = Hypervisor(self.bus, "test")

    def _is_owner(self):
        try:
            return self.bus.owner_pid(NAME) == self.process.pid
        except BusError:
            return False

    def end(self):
        end_process(self.process.pid, signal.SIGTERM)
        self.process.wait()
        self.log.seek(0)
        return self.log.read()


def with_service(of_journal, *options):
    def decorate(test):
        def wrapped(journal):
            service = Service(of_journal, *options)
            try:
                test(journal, service)
            finally:
                if service.process.returncode is None:
                    service.end()
                journal.forget()
        wrapped.__name__ = test.__name__
        return wrapped
    return decorate


@with_service(True)
def each_change_has_an_entry_with_who_what_which_and_result(journal, service):
    bus, hypervisor = service.bus, service.hypervisor
    domain = hypervisor.define(hypervisor.document("audited"))
    common = {"VIRTBUS_CALLER_UID": "0", "VIRTBUS_CALLER_PID": str(os.getpid()), "VIRTBUS_CALLER": bus.connection.get_unique_name(),
              "VIRTBUS_DOMAIN": "audited", "VIRTBUS_UUID": bus.get(domain, "Domain", "UUID"), "SYSLOG_IDENTIFIER": "virtbusd"}
    made = journal.wait(VIRTBUS_METHOD="DefineDomain", MESSAGE_ID=DONE, VIRTBUS_RESULT=domain, **common)
    assert made["VIRTBUS_OBJECT"] == hypervisor.path and made["VIRTBUS_INTERFACE"] == f"{NAME}.Connection", made
    contains(made["MESSAGE"], "DefineDomain of /org/virtbus1/test", "'audited'", "user 0", f"process {os.getpid()}", "done")
    hypervisor.do(domain, "Start")
    journal.wait(VIRTBUS_METHOD="Start", MESSAGE_ID=DONE, VIRTBUS_OBJECT=domain, PRIORITY="6", **common)
    expect("OperationInvalid", hypervisor.do, domain, "Start")
    failed = journal.wait(VIRTBUS_METHOD="Start", MESSAGE_ID=FAILED, VIRTBUS_ERROR=f"{NAME}.Error.OperationInvalid", PRIORITY="5", **common)
    contains(failed["MESSAGE"], "failed with org.virtbus1.Error.OperationInvalid")
    bus.set(domain, "Domain", "Autostart", GLib.Variant("b", True))
    entry = journal.wait(VIRTBUS_METHOD="Set", VIRTBUS_PROPERTY="Autostart", VIRTBUS_INTERFACE=f"{NAME}.Domain", **common)
    contains(entry["MESSAGE"], "Set Autostart of")
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")
    journal.wait(VIRTBUS_METHOD="Undefine", MESSAGE_ID=DONE, VIRTBUS_OBJECT=domain, **common)


@with_service(True)
def each_job_has_an_entry_when_it_ends_with_who_began_it_and_how_it_ended(journal, service):
    bus, hypervisor = service.bus, service.hypervisor
    domain = hypervisor.define(hypervisor.document("dumped"))
    hypervisor.do(domain, "Start")
    with_job = {"VIRTBUS_CALLER_UID": "0", "VIRTBUS_OBJECT": domain, "VIRTBUS_DOMAIN": "dumped", "VIRTBUS_UUID": bus.get(domain, "Domain", "UUID")}
    answers = bus.begin_with_fd(domain, f"{NAME}.Domain", "Dump", os.open("/dev/null", os.O_RDWR))
    bus.wait(lambda: answers, "the job")
    entry = journal.wait(MESSAGE_ID=JOB_DONE, VIRTBUS_JOB=answers[0][0], **with_job)
    assert entry["VIRTBUS_OPERATION"] == "dump", entry
    contains(entry["MESSAGE"], "Job dump of", "domain 'dumped'", "begun by user 0", "done")
    answers = bus.begin_with_fd(domain, f"{NAME}.Domain", "Dump", os.open("/dev/full", os.O_RDWR))
    bus.wait(lambda: answers, "the job")
    entry = journal.wait(MESSAGE_ID=JOB_FAILED, VIRTBUS_JOB=answers[0][0], **with_job)
    contains(entry["MESSAGE"], f"failed with {entry['VIRTBUS_ERROR']}")
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")


@with_service(True)
def reading_has_no_entry(journal, service):
    domain = service.hypervisor.define(service.hypervisor.document("read"))
    journal.wait(VIRTBUS_METHOD="DefineDomain")
    service.bus.get_all(domain, "Domain")
    service.bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
    service.bus.objects(service.hypervisor.path)
    service.hypervisor.do(domain, "Undefine")
    journal.wait(VIRTBUS_METHOD="Undefine")
    assert [e["VIRTBUS_METHOD"] for e in journal.entries()] == ["DefineDomain", "Undefine"], journal.entries()


@with_service(True)
def what_polkit_refuses_has_an_entry(journal, service):
    domain = service.hypervisor.define(service.hypervisor.document("refused"))
    alice = User("vb-alice")
    expect("InteractiveAuthorizationRequired", alice.call, domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}")
    entry = journal.wait(VIRTBUS_METHOD="Start", MESSAGE_ID=FAILED, VIRTBUS_ERROR="org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", VIRTBUS_DOMAIN="refused")
    assert entry["VIRTBUS_CALLER_PID"] == str(alice.process.pid) and entry["VIRTBUS_CALLER_UID"] != "0", entry
    alice.leave()
    service.hypervisor.do(domain, "Undefine")


@with_service(True, "--debug")
def no_argument_is_written(journal, service):
    bus, hypervisor = service.bus, service.hypervisor
    domain = hypervisor.define(hypervisor.document("secretive", devices=f"<graphics type='vnc' passwd='{SECRET[:8]}'/>"
                                                   "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
                                                   more=f"<description>{SECRET}</description>"))
    hypervisor.do(domain, "Start")
    for path, interface, member, signature, arguments in (
            (domain + "/guest", "Domain.Guest", "SetUserPassword", "ssb", ("root", SECRET, False)),
            (domain + "/guest", "Domain.Guest", "Exec", "sasasayb", (f"/bin/{SECRET}", [SECRET], [], b"", False)),
            (hypervisor.path, "Connection", "DefineDomain", "sa{sv}", (f"<domain type='test'><name>{SECRET}</name><{SECRET}/></domain>", {}))):
        try:
            bus.call(path, f"{NAME}.{interface}", member, signature, *arguments)
        except BusError:
            pass
        journal.wait(VIRTBUS_METHOD=member)
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")
    journal.wait(VIRTBUS_METHOD="Undefine")
    text = repr(journal.entries()) + service.end()
    assert SECRET[:8] not in text, text


@with_service(True)
def a_users_flood_is_bounded_and_what_was_left_out_is_counted(journal, service):
    domain = service.hypervisor.define(service.hypervisor.document("flooded"))
    began, took, calls = time.monotonic(), INTERVAL, 0
    while took >= INTERVAL:  # where they took longer than that, none need have been left out
        flood = time.monotonic()
        for _ in range(0, ENTRIES_PER_USER + 200, 50):
            answers = [service.bus.begin(domain, f"{NAME}.Domain", "Suspend", "") for _ in range(50)]
            service.bus.wait(lambda: all(answers), "the answers")
            calls += len(answers)
        took = time.monotonic() - flood
        assert flood - began < DEADLINE, "this machine is too slow for a flood"
    intervals = 2 + (time.monotonic() - began) // INTERVAL
    alice = User("vb-alice")
    expect("InteractiveAuthorizationRequired", alice.call, domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}")
    journal.wait(VIRTBUS_METHOD="Start", VIRTBUS_DOMAIN="flooded")  # another user's are written
    alice.leave()
    service.end()
    journal.wait(MESSAGE_ID=LEFT_OUT, VIRTBUS_CALLER_UID="0")
    entries = journal.entries()
    written = [e for e in entries if e.get("VIRTBUS_METHOD") == "Suspend"]
    left_out = sum(int(e["VIRTBUS_SUPPRESSED"]) for e in entries if e["MESSAGE_ID"] == LEFT_OUT)
    assert len(written) <= intervals * ENTRIES_PER_USER and len(written) + left_out >= calls, (len(written), left_out)
    contains([e for e in entries if e["MESSAGE_ID"] == LEFT_OUT][0]["MESSAGE"], "more calls of user 0 suppressed")
    Service(False).hypervisor.do(domain, "Undefine")
    Bus().kill_owner(NAME, signal.SIGTERM)


@with_service(True)
def a_journal_that_hangs_holds_up_nothing(journal, service):
    domain = service.hypervisor.define(service.hypervisor.document("unhindered"))
    journal.wait(VIRTBUS_METHOD="DefineDomain")
    journal.open.clear()
    while True:  # until the socket is full
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as filler:
                filler.sendto(b"MESSAGE=filler\n", "/run/systemd/journal/socket")
        except BlockingIOError:
            break
    service.hypervisor.do(domain, "Start")
    service.hypervisor.do(domain, "Destroy")
    journal.open.set()
    service.hypervisor.do(domain, "Undefine")
    service.end()
    entry = journal.wait(MESSAGE_ID=LEFT_OUT)
    assert int(entry["VIRTBUS_SUPPRESSED"]) >= 1, entry


@with_service(False)
def without_a_journal_entries_are_lines_without_priorities(journal, service):
    service.hypervisor.do(service.hypervisor.define(service.hypervisor.document("plain")), "Undefine")
    text = service.end()
    contains(text, "Undefine of /org/virtbus1/test/domain/", "domain 'plain'", "by user 0", "driver test is attached")
    assert not any(line.startswith("<") for line in text.splitlines()), text
    assert not journal.entries(), journal.entries()


@with_service(True)
def lines_for_the_journal_have_priorities(journal, service):
    del journal
    contains(service.end(), "<6>driver test is attached")


@with_service(False, "--debug")
def debugging_says_what_happens_to_calls(journal, service):
    del journal
    service.bus.get_all(service.hypervisor.path, "Connection")
    contains(service.end(), "GetAll of /org/virtbus1/test", "driver test:")


@with_service(False)
def usual_levels_leave_that_out(journal, service):
    del journal
    service.bus.get_all(service.hypervisor.path, "Connection")
    assert "GetAll" not in service.end()


run([
    each_change_has_an_entry_with_who_what_which_and_result,
    each_job_has_an_entry_when_it_ends_with_who_began_it_and_how_it_ended,
    reading_has_no_entry,
    what_polkit_refuses_has_an_entry,
    no_argument_is_written,
    a_users_flood_is_bounded_and_what_was_left_out_is_counted,
    a_journal_that_hangs_holds_up_nothing,
    without_a_journal_entries_are_lines_without_priorities,
    lines_for_the_journal_have_priorities,
    debugging_says_what_happens_to_calls,
    usual_levels_leave_that_out,
], Journal())
