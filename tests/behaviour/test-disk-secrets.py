#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Secrets that disks need: real QEMUs, real encrypted images, and values that are seen nowhere.

Usage (below tests/with-bus): test-disk-secrets.py
"""

import os
import shutil
import signal
import subprocess

from gi.repository import GLib
from rig import NAME, ROOT, Bus, BusError, Hypervisor, contains, expect, run, variants
from secrets_rig import Secrets, contents, memory_files, path_of

bus = Bus()
hypervisor = Hypervisor(bus, "qemu")
WORK = os.path.join(ROOT, "images")
os.makedirs(WORK, exist_ok=True)
os.chmod(WORK, 0o755)
VALUE = b"passphrase that nobody sees 7f3a"
secrets = Secrets(bus, hypervisor)


def make_image(form, value):
    """Encrypts an image, once for each form and value. QEMU measures how quick this machine is, and gives up where its clock has not moved."""
    key, path = os.path.join(WORK, "key"), os.path.join(WORK, f"{form}-{value.hex()[:8]}")
    if os.path.exists(path):
        return path
    with open(key, "wb") as file:
        file.write(value)
    options = {"luks": "key-secret=s,iter-time=10", "qcow2": "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"}[form]
    command, clock = ["qemu-img", "create", "-q", "--object", f"secret,id=s,file={key}", "-f", form, "-o", options, path, "4M"], "accurate CPU usage"
    while clock in subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False).stderr:
        print(f"# {clock}: tried again", flush=True)
    os.unlink(key)
    return path


def image(name, form="luks", value=VALUE):
    return shutil.copy(make_image(form, value), os.path.join(WORK, name))


def encryption(secret):
    return f"<encryption format='luks'><secret type='passphrase' {secret}/></encryption>"


def disk(target, path, secret, form="raw", beside=False, bus_name="virtio"):
    inside = "" if beside else encryption(secret)
    return (f"<disk type='file'><driver name='qemu' type='{form}'/><source file='{path}'>{inside}</source>"
            f"<target dev='{target}' bus='{bus_name}'/>{encryption(secret) if beside else ''}</disk>")


def define(name, *disks):
    return hypervisor.define(hypervisor.document(name, "<controller type='usb' model='qemu-xhci'/>" + "".join(disks)))


def start(domain, **options):
    hypervisor.do(domain, "Start", **options)


def attach(domain, xml):
    return bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", xml, variants({}))


def detach(device):
    bus.call(device, f"{NAME}.Device", "Detach", "a{sv}", {})


def device_of(domain, word):
    return next(path for path in bus.objects(domain) if "/device/" in path and word in bus.call(path, f"{NAME}.Device", "GetXML"))


def an_encrypted_disk_opens_with_the_value_of_its_secret():
    volume = secrets.define("volume:/a volume", VALUE, private=True)
    by_uuid, by_usage = f"uuid='{volume}'", "usage='/a volume'"
    domain = define("opens", disk("vda", image("one"), by_uuid), disk("vdb", image("two"), by_usage, beside=True),
                    disk("vdc", image("three", "qcow2"), by_uuid, form="qcow2"))
    start(domain)
    assert hypervisor.state(domain) == "running"
    secrets.check_unseen(domain, VALUE, b"encryption-secret0")
    secrets.end(domain, volume)


def a_value_of_bytes_that_are_no_text_line_is_given_whole():
    value = "schlüssel\n ".encode()
    secret = secrets.define("volume:/bytes", value, ephemeral=True)
    domain = define("bytes", disk("vda", image("bytes", value=value), f"uuid='{secret}'"))
    start(domain)
    secrets.end(domain, secret)


def what_a_start_lacks_is_told_by_disk_secret_and_remedy():
    path = image("lacks")
    uuid = next(secrets.uuids)
    for secret, name in ((f"uuid='{uuid}'", uuid), ("usage='/later'", "volume:/later")):
        domain = define("lacks", disk("vda", path, secret))
        contains(expect("NoSuchSecret", start, domain), "'lacks'", "'vda'", name, "virtbusctl secret define")
        assert hypervisor.state(domain) == "shutoff"
        secrets.end(domain)
    domain = define("lacks", disk("vda", path, secret))
    uuid = secrets.define("volume:/later")
    contains(expect("OperationInvalid", start, domain), "'lacks'", "'vda'", "volume:/later", "has no value", "set-value")
    secrets.set_value(uuid, b"wrong")
    contains(expect("OperationInvalid", start, domain), "'lacks'", "'vda'", "volume:/later", "Invalid password", "set-value")
    secrets.set_value(uuid, VALUE)
    start(domain)
    secrets.end(domain, uuid)


def a_secret_of_another_usage_is_not_given_away():
    path = image("usage")
    for kind in ("tls:x", "iscsi:x", "vtpm:x", "ceph:x"):
        uuid = secrets.define(kind, VALUE)
        domain = define("usage", disk("vda", path, f"uuid='{uuid}'"))
        contains(expect("OperationInvalid", start, domain), "'usage'", "'vda'", uuid, kind[:-2], "volume")
        secrets.end(domain, uuid)


def network_disks_need_the_secret_of_their_kind():
    for protocol, kind, host in (("iscsi", "iscsi", "<host name='localhost' port='1'/>"), ("rbd", "ceph", "<host name='localhost' port='1'/>")):
        name = {"iscsi": "iqn.2024-01.org.example:target/1", "rbd": "pool/image"}[protocol]
        domain = define("network", f"<disk type='network'><driver type='raw'/><source protocol='{protocol}' name='{name}'>{host}"
                        f"<auth username='someone'><secret type='{kind}' usage='storage'/></auth></source><target dev='vda' bus='virtio'/></disk>")
        contains(expect("NoSuchSecret", start, domain), "'network'", "'vda'", f"{kind}:storage")
        secret = secrets.define(f"{kind}:storage", VALUE)
        contains(expect("HypervisorFailed", start, domain), "QEMU has ended")  # nobody serves it there
        secrets.end(domain, secret)


def an_encrypted_disk_is_plugged_and_unplugged():
    secret = secrets.define("volume:/plugged")
    domain = define("plugged")
    start(domain, paused=True)  # device_add of QEMU 7.2 waits for what an emulated processor is at
    xml = disk("sda", image("plugged"), f"uuid='{secret}'", bus_name="usb")
    for _ in range(2):  # the second time nothing of the first is in the way
        contains(expect("OperationInvalid", attach, domain, xml), "'plugged'", "'sda'", secret, "has no value")
        secrets.set_value(secret, b"wrong")
        contains(expect("OperationInvalid", attach, domain, xml), "'plugged'", "'sda'", secret, "Invalid password", "set-value")
        secrets.set_value(secret, VALUE)
        device = attach(domain, xml)
        assert "encryption" in bus.call(device, f"{NAME}.Device", "GetXML")
        assert not any(VALUE in text for _, text in secrets.places(domain))
        detach(device)
        secrets.undefine(secret)
        secret = secrets.define("volume:/plugged")
        xml = disk("sda", f"{WORK}/plugged", f"uuid='{secret}'", bus_name="usb")
    secrets.end(domain, secret)


def a_disk_is_unplugged_and_plugged_again_by_a_later_driver():
    secret = secrets.define("volume:/later driver", VALUE)
    xml = disk("sda", image("later"), "usage='/later driver'", bus_name="usb")
    domain = define("later", xml)
    start(domain, paused=True)
    hypervisor.kill_driver()
    assert hypervisor.state(domain) == "paused"
    detach(device_of(domain, "luks"))
    detach(attach(domain, xml))
    secrets.end(domain, secret)


def a_medium_that_is_encrypted_is_changed():
    secret = secrets.define("volume:/media", VALUE)
    paths = [image(f"medium{n}") for n in range(2)]
    secret_of_media = "usage='/media'"

    def drive(path):
        return (f"<disk type='file' device='cdrom'><driver type='raw'/><source file='{path}'>{encryption(secret_of_media)}</source>"
                "<target dev='sda' bus='sata'/><readonly/></disk>")

    domain = define("media", drive(paths[0]))
    start(domain)
    pid = hypervisor.pid_of(domain)
    device = device_of(domain, "cdrom")
    given = len(memory_files(pid))
    for n in range(1, 5):
        bus.call(device, f"{NAME}.Device", "Update", "sa{sv}", drive(paths[n % 2]), variants({"force": True}))
        hypervisor.do(domain, "Suspend")  # QEMU has done by then what it was told before
        hypervisor.do(domain, "Resume")
        assert len(memory_files(pid)) <= given, memory_files(pid)
    secrets.set_value(secret, b"wrong")
    contains(expect("OperationInvalid", bus.call, device, f"{NAME}.Device", "Update", "sa{sv}", drive(paths[1]), variants({"force": True})),
             "'sda'", "volume:/media", "Invalid password")
    assert paths[0] in bus.call(device, f"{NAME}.Device", "GetXML")
    secrets.end(domain, secret)


def an_encrypted_image_below_another_is_opened_with_its_own_secret():
    below = secrets.define("volume:/below", VALUE)
    for form in ("luks", "qcow2"):
        base, over = image(f"below-{form}", form), os.path.join(WORK, f"over-{form}")
        named = {"luks": "raw"}.get(form, form)
        subprocess.run(["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", base, "-F", named, over, "4M"], check=True)
        domain = define("below", f"<disk type='file'><driver type='qcow2'/><source file='{over}'/><backingStore type='file'><format type='{named}'/>"
                        f"<source file='{base}'>{encryption(f'uuid={below!r}')}</source><backingStore/></backingStore><target dev='vda' bus='virtio'/></disk>")
        secrets.set_value(below, b"wrong")
        contains(expect("OperationInvalid", start, domain), "'vda'", below, "Invalid password")
        secrets.set_value(below, VALUE)
        start(domain)
        secrets.end(domain)
    secrets.undefine(below)


def an_encrypted_disk_is_resized_while_it_runs_only():
    secret = secrets.define("volume:/resized", VALUE)
    domain = define("resized", disk("vda", image("resized"), "usage='/resized'"))

    def resize():
        bus.call(device_of(domain, "luks"), f"{NAME}.Device.Disk", "Resize", "ta{sv}", 8 << 20, {})

    contains(expect("Unsupported", resize), "encrypted", "while the domain runs")
    start(domain)
    resize()
    secrets.end(domain, secret)


def a_saved_guest_is_restored_with_its_secrets():
    secret = secrets.define("volume:/saved", VALUE)
    domain = define("saved", disk("vda", image("saved"), f"uuid='{secret}'"))
    start(domain)
    hypervisor.do(domain, "ManagedSave")
    bus.wait_state(domain, "shutoff")
    secrets.set_value(secret, b"another")
    contains(expect("OperationInvalid", start, domain), "'vda'", secret, "Invalid password")
    secrets.set_value(secret, VALUE)
    start(domain)
    assert hypervisor.state(domain) == "running"
    secrets.end(domain, secret)


def a_start_outlives_the_end_of_the_secrets_driver():
    secret = secrets.define("volume:/killed", VALUE)
    domain = define("killed", disk("vda", image("killed"), f"uuid='{secret}'"))
    bus.kill_driver("Secret")
    start(domain)  # which starts it again; test-hostile-secrets.py has what is said where it ends while it is asked
    secrets.end(domain, secret)


def plugging_waits_for_nobody_who_has_ended():
    secret = secrets.define("volume:/ending", VALUE)
    domain, xml = define("ending"), disk("sda", image("ending"), f"uuid='{secret}'", bus_name="usb")
    start(domain, paused=True)
    status = f"{ROOT}/qemu/run/qemu/domains/{bus.get(domain, 'Domain', 'UUID')}.xml"

    def begin():
        """An attaching that the secrets' driver does not answer."""
        pid = bus.driver("Secret")
        bus.call(path_of(secret), f"{NAME}.Secret", "GetXML", "a{sv}", {})  # it is there
        os.kill(pid, signal.SIGSTOP)
        answers = bus.begin(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", xml, {})
        while b"attaching=" not in contents(status):
            assert not answers, answers
            bus.settle()
        return pid, answers

    for _ in range(5):  # while the new driver removes what was half attached, one of the same name is attached
        pid, answers = begin()
        hypervisor.kill_driver()
        os.kill(pid, signal.SIGCONT)
        bus.wait(lambda: answers, "the answer")
        assert isinstance(answers[0], BusError), answers
        detach(attach(domain, xml))
    pid, answers = begin()
    hypervisor.do(domain, "Destroy")
    bus.wait(lambda: answers, "the answer")
    os.kill(pid, signal.SIGCONT)
    contains(str(answers[0]), "'ending'")
    assert hypervisor.state(domain) == "shutoff"
    secrets.end(domain, secret)


def guests_that_start_with_the_machine_are_all_given_their_secrets_or_told():
    missing, secret = next(secrets.uuids), secrets.define("volume:/autostart", VALUE)
    domain = define("autostart", disk("vda", image("autostart"), f"uuid='{secret}'"))
    domains = [define(f"many{n}", disk("vda", f"{WORK}/autostart", f"uuid='{missing}'")) for n in range(300)]  # more than a driver may ask at once
    for one in [domain, *domains]:
        bus.set(one, "Domain", "Autostart", GLib.Variant("b", True))
    os.unlink(f"{ROOT}/qemu/run/qemu/started")
    bus.kill_driver("Secret")
    hypervisor.kill_driver()
    bus.wait_state(domain, "running")
    for one in domains:
        bus.wait_state(one, "shutoff")
        secrets.end(one)
    assert contents(f"{ROOT}/log").count(f"needs the secret {missing}: there is no secret".encode()) == len(domains)
    secrets.end(domain, secret)


def a_start_does_not_wait_for_ever_and_can_be_ended_meanwhile():
    secret = secrets.define("volume:/silent", VALUE)
    domain = define("silent", disk("vda", image("silent"), f"uuid='{secret}'"))
    pid = bus.driver("Secret")
    os.kill(pid, signal.SIGSTOP)
    try:
        answers = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {})
        bus.wait(lambda: hypervisor.state(domain) == "starting", "the start")
        hypervisor.do(domain, "Destroy")
        bus.wait(lambda: answers, "the answer")
        contains(str(answers[0]), "Cancelled", "'silent'")
        contains(expect("Timeout", start, domain), "'silent'", "'vda'", secret)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert hypervisor.state(domain) == "shutoff"
    start(domain)
    secrets.end(domain, secret)


run([an_encrypted_disk_opens_with_the_value_of_its_secret, a_value_of_bytes_that_are_no_text_line_is_given_whole,
     what_a_start_lacks_is_told_by_disk_secret_and_remedy, a_secret_of_another_usage_is_not_given_away,
     network_disks_need_the_secret_of_their_kind, an_encrypted_disk_is_plugged_and_unplugged,
     a_disk_is_unplugged_and_plugged_again_by_a_later_driver, a_medium_that_is_encrypted_is_changed,
     an_encrypted_image_below_another_is_opened_with_its_own_secret, an_encrypted_disk_is_resized_while_it_runs_only,
     a_saved_guest_is_restored_with_its_secrets, a_start_outlives_the_end_of_the_secrets_driver,
     plugging_waits_for_nobody_who_has_ended,
     guests_that_start_with_the_machine_are_all_given_their_secrets_or_told, a_start_does_not_wait_for_ever_and_can_be_ended_meanwhile])
