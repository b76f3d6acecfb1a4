#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What QEMU's driver makes of a secrets' driver that answers what none may. That driver is the test's own.

Usage (below tests/with-bus, with VIRTBUS_LEAVE_OUT=secret): test-hostile-secrets.py
"""

import os
import signal
import socket

from gi.repository import Gio, GLib
from rig import NAME, ROOT, Bus, FakeDriver, Hypervisor, contains, expect, run, variants

HOST = "/org/virtbus1/host"
UUID = "5ec2e700-0000-4000-8000-000000000001"
SECRET = f"{HOST}/secret/{UUID.replace('-', '_')}"
DOCUMENT = f"<secret><uuid>{UUID}</uuid></secret>"
bus = Bus()
hypervisor = Hypervisor(bus, "qemu")
fake = None


def come():
    """Attaches a driver, which has one secret."""
    global fake
    fake = FakeDriver("Secret")
    fake.tell(HOST, {f"{NAME}.Secrets": {}})
    fake.tell(SECRET, {f"{NAME}.Secret": variants({
        "UUID": UUID, "UsageType": "none", "UsageID": "", "Description": "", "Ephemeral": False, "Private": True, "HasValue": True, "ValueStorage": "memory",
        "Owner": GLib.Variant("u", 0)})})
    behave()
    bus.wait_driver("secret", "attached")


def memory(value):
    fd = os.memfd_create("secret-test")
    os.write(fd, value)
    return fd


def give(fd, signature="(h)", times=1):
    """A method that answers with a descriptor, so many times."""
    def method(message):
        for _ in range(times):
            reply = Gio.DBusMessage.new_method_reply(message)
            reply.set_body(GLib.Variant(signature, (0,)))
            reply.set_unix_fd_list(Gio.UnixFDList.new_from_array([os.dup(fd)]))
            fake.connection.send_message(reply, Gio.DBusSendMessageFlags.NONE)
    return method


def answer(signature, *values):
    return lambda message: GLib.Variant(signature, values)


def behave(**methods):
    """As it should, but for METHODS."""
    fake.methods.update({"GetSecretByUUID": answer("(o)", SECRET), "GetXML": answer("(s)", DOCUMENT), "GetValueFD": give(memory(b"value"))})
    fake.methods.update(methods)


def start(domain):
    hypervisor.do(domain, "Start", paused=True)


come()
guest = hypervisor.define(hypervisor.document(
    "bold", devices=f"<graphics type='spice'><listen type='socket'/><secret uuid='{UUID}'/></graphics><video><model type='vga'/></video>"))


def a_driver_that_behaves_is_believed():
    behave()
    start(guest)
    assert hypervisor.state(guest) == "paused"
    hypervisor.do(guest, "Destroy")


def check_refused(code, **methods):
    """A start fails, and says what it was about; nothing is left of it."""
    behave(**methods)
    said = expect(code, start, guest)
    contains(said, "'bold'", "'graphics0'", UUID)
    assert fake.calls[-1][0] in methods, (fake.calls, said)
    assert hypervisor.state(guest) == "shutoff"


def what_is_no_value_is_given_to_no_qemu():
    reading, writing = os.pipe()
    one, other = socket.socketpair()
    sparse = os.memfd_create("secret-sparse")
    os.truncate(sparse, 1 << 40)
    zero, folder = os.open("/dev/zero", os.O_RDONLY), os.open("/", os.O_RDONLY)
    for fd in (reading, one.fileno(), sparse, zero, folder, memory(b""), memory(b"x" * 65537)):
        check_refused("HypervisorFailed", GetValueFD=give(fd))
    for fd in (reading, writing, sparse, zero, folder):
        os.close(fd)
    one.close()
    other.close()


def answers_of_another_form_are_no_answers():
    check_refused("HypervisorFailed", GetValueFD=answer("(s)", "value"))
    check_refused("HypervisorFailed", GetValueFD=answer("(ay)", b"value"))
    check_refused("HypervisorFailed", GetSecretByUUID=answer("(s)", SECRET))
    check_refused("HypervisorFailed", GetXML=answer("(o)", SECRET))
    check_refused("InvalidXML", GetXML=answer("(s)", "no document"))


def answers_that_come_twice_are_taken_once():
    behave(GetValueFD=give(memory(b"value"), times=3))
    for _ in range(2):
        start(guest)
        hypervisor.do(guest, "Destroy")


def answer_of(member, *calls):
    """What a call is answered whose question to the secrets' driver is the last that this hears: it ends then."""
    behave(**{member: lambda message: None})
    fake.calls.clear()
    answers = bus.begin(*calls)
    bus.wait(lambda: answers or fake.calls and fake.calls[-1][0] == member, f"{member} to be asked")
    assert not answers, answers
    fake.end()
    bus.wait(lambda: answers, "the answer")
    come()
    return answers[0]


def a_driver_that_ends_while_it_is_asked_fails_what_needs_it_with_a_word():
    disk = (f"<disk type='file'><driver type='raw'/><source file='{ROOT}/no-image'><encryption format='luks'><secret type='passphrase' uuid='{UUID}'/></encryption>"
            "</source><target dev='vda' bus='virtio'/></disk>")
    for member in ("GetSecretByUUID", "GetXML", "GetValueFD"):
        contains(str(answer_of(member, guest, f"{NAME}.Domain", "Start", "a{sv}", {})), "HypervisorFailed", "'bold'", "'graphics0'", UUID, "virtbus-secret")
        assert hypervisor.state(guest) == "shutoff"
        start(guest)  # asking the one that has come since
        contains(str(answer_of("GetSecretByUUID", guest, f"{NAME}.Domain", "AttachDevice", "sa{sv}", disk, {})),
                 "HypervisorFailed", "'bold'", "'vda'", UUID, "virtbus-secret")
        assert hypervisor.state(guest) == "paused"
        assert not [path for path in bus.objects(guest) if path.endswith("/virtio-disk0")]
        hypervisor.do(guest, "Destroy")


def a_driver_that_is_told_to_end_while_it_asks_has_begun_nothing():
    for member in ("GetSecretByUUID", "GetXML", "GetValueFD"):
        behave(**{member: lambda message: None})
        fake.calls.clear()
        answers = bus.begin(guest, f"{NAME}.Domain", "Start", "a{sv}", {})
        bus.wait(lambda member=member: answers or fake.calls and fake.calls[-1][0] == member, f"{member} to be asked")
        bus.kill_owner(f"{NAME}.Driver.QEMU", signal.SIGTERM)
        bus.wait(lambda: answers, "the answer")
        assert str(answers[0]).startswith(f"{NAME}.Error.Cancelled"), (member, answers)
        behave()
        bus.wait_state(guest, "shutoff")  # which the next driver tells
        start(guest)
        hypervisor.do(guest, "Destroy")


run([a_driver_that_behaves_is_believed, what_is_no_value_is_given_to_no_qemu, answers_of_another_form_are_no_answers, answers_that_come_twice_are_taken_once,
     a_driver_that_ends_while_it_is_asked_fails_what_needs_it_with_a_word, a_driver_that_is_told_to_end_while_it_asks_has_begun_nothing])
