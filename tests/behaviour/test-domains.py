#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every driver must do: one suite, run against the test driver and against real QEMUs.

Usage (below tests/with-bus): test-domains.py test|qemu
"""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

from rig import NAME, ROOT, Bus, Hypervisor, Skip, contains, expect, run, variants

bus = Bus()
hypervisor = Hypervisor(bus, sys.argv[1])
UUID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


def fresh():
    bus.settle()
    bus.signals.clear()


def remove(domain):
    if hypervisor.state(domain) != "shutoff":
        hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")


def a_defined_domain_is_an_object_with_its_devices():
    xml = hypervisor.document("objects", more="<title>Front</title><description>of house</description>", devices=(
        "<disk type='file' device='cdrom'><target dev='sda' bus='scsi'/></disk>"
        "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>"
        "<serial type='pty'/><console type='pty'/><graphics type='vnc'/><video><model type='vga'/></video>"
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng><memballoon model='virtio'/>"
        "<input type='tablet' bus='usb'/>"), uuid=UUID)
    fresh()
    domain = hypervisor.define(xml)
    assert domain == f"{hypervisor.path}/domain/{UUID.replace('-', '_')}"
    properties = bus.get_all(domain, "Domain")
    wanted = {"Name": "objects", "UUID": UUID, "Title": "Front", "Description": "of house", "State": "shutoff", "Active": False,
              "Persistent": True, "Autostart": False, "ID": 0, "Memory": 64 << 20, "VCPUs": 1, "OSType": "hvm", "Owner": os.geteuid()}
    assert {k: properties[k] for k in wanted} == wanted, properties
    # QEMU's machine gets the version that it has now, so that it stays the same machine when QEMU is a newer one.
    assert re.fullmatch(r"pc-i440fx-\d+\.\d+" if hypervisor.name == "qemu" else "pc", properties["Machine"]), properties["Machine"]
    parts = bus.objects(domain)
    kinds = {path.rsplit("/", 1)[1]: p[f"{NAME}.Device"]["Kind"] for path, p in parts.items()}
    disk = "scsi0_2d0_2d0" if hypervisor.name == "qemu" else "scsi0_2d0_2d0_2d0"  # by the controller that QEMU's driver chooses
    wanted = {disk: "disk", "net0": "interface", "serial0": "serial", "console0": "console", "graphics0": "graphics",
              "video0": "video", "rng0": "rng", "balloon0": "memballoon", "input0": "input"}
    assert wanted.items() <= kinds.items() and (hypervisor.name == "qemu" or kinds == wanted), kinds
    assert parts[f"{domain}/device/net0"][f"{NAME}.Device.NetworkInterface"]["MAC"] == "52:54:00:00:00:01"
    assert parts[f"{domain}/device/{disk}"][f"{NAME}.Device.Disk"]["Type"] == "cdrom"
    assert domain in bus.objects(hypervisor.path)
    # The signals came, each from the manager of the object.
    bus.settle()
    added = [(p, a[0]) for p, _, m, a in bus.signals if m == "InterfacesAdded" and p.startswith(hypervisor.path)]
    assert added[0] == (hypervisor.path, domain) and (domain, f"{domain}/device/net0") in added, added
    contains(bus.call(f"{domain}/device/net0", f"{NAME}.Device", "GetXML"), "52:54:00:00:00:01", "<interface")
    remove(domain)
    bus.settle()
    removed = [a[0] for _, _, m, a in bus.signals if m == "InterfacesRemoved"]
    assert removed[-1] == domain and f"{domain}/device/net0" in removed
    expect("UnknownObject", bus.get, domain, "Domain", "Name")


def nothing_that_the_author_wrote_is_lost():
    more = ("<metadata><app:note xmlns:app='http://example.org/1'>keep <app:b/> me</app:note></metadata><!-- a remark -->"
            "<on_poweroff>destroy</on_poweroff>")
    domain = hypervisor.define(hypervisor.document("kept", more=more))
    xml = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
    contains(xml, "<app:note xmlns:app=\"http://example.org/1\">keep <app:b/> me</app:note>", "<!-- a remark -->", "<on_poweroff>")
    remove(domain)


def a_domain_goes_through_its_life():
    domain = hypervisor.define(hypervisor.document("life"))
    fresh()
    hypervisor.do(domain, "Start")
    assert hypervisor.state(domain) == "running"
    number = bus.get(domain, "Domain", "ID")
    assert number > 0 and bus.get(domain, "Domain", "StartTime") > 1700000000000000
    assert bus.call(hypervisor.path, f"{NAME}.Connection", "GetDomainByID", "u", number) == domain
    contains(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}), f'id="{number}"')
    for member, state in (("Suspend", "paused"), ("Resume", "running"), ("Reset", "running"), ("Destroy", "shutoff")):
        hypervisor.do(domain, member)
        assert hypervisor.state(domain) == state, member
    bus.settle()
    changes = [a for p, _, m, a in bus.signals if m == "StateChanged" and p == domain]
    assert changes == [("shutoff", "starting", "user"), ("starting", "running", "booted"), ("running", "paused", "user"),
                       ("paused", "running", "resumed"), ("running", "stopping", "destroyed"), ("stopping", "shutoff", "destroyed")], changes
    assert bus.get(domain, "Domain", "ID") == 0
    hypervisor.do(domain, "Start", paused=True)
    assert hypervisor.state(domain) == "paused"
    assert bus.get(domain, "Domain", "ID") > number
    remove(domain)


def each_change_is_signalled_once_and_before_the_answer():
    domain = hypervisor.define(hypervisor.document("signals"))
    fresh()
    bus.set(domain, "Domain", "Autostart", variants({"v": True})["v"])
    bus.settle()
    changes = [a for p, _, m, a in bus.signals if p == domain and m == "PropertiesChanged"]
    assert changes == [(f"{NAME}.Domain", {"Autostart": True}, [])], changes
    bus.signals.clear()
    bus.set(domain, "Domain", "Autostart", variants({"v": True})["v"])
    bus.settle()
    assert not [s for s in bus.signals if s[0] == domain], bus.signals
    remove(domain)


def operations_in_the_wrong_state_say_which_state_it_is():
    domain = hypervisor.define(hypervisor.document("states"))
    for member in ("Suspend", "Resume", "Reset", "Shutdown", "Reboot", "Destroy"):
        contains(expect("OperationInvalid", hypervisor.do, domain, member), "states", "shutoff")
    hypervisor.do(domain, "Start", paused=True)
    contains(expect("OperationInvalid", hypervisor.do, domain, "Start"), "paused")
    contains(expect("OperationInvalid", hypervisor.do, domain, "Suspend"), "paused")
    contains(expect("OperationInvalid", hypervisor.do, domain, "Shutdown"), "paused")
    hypervisor.do(domain, "Resume")
    contains(expect("OperationInvalid", hypervisor.do, domain, "Resume"), "running")
    remove(domain)


def a_transient_domain_goes_away_when_it_ends():
    fresh()
    domain = hypervisor.create(hypervisor.document("passing"), paused=True)
    assert bus.get(domain, "Domain", "Persistent") is False
    contains(expect("OperationInvalid", hypervisor.do, domain, "Undefine"), "transient")
    contains(expect("OperationInvalid", bus.set, domain, "Domain", "Autostart", variants({"v": True})["v"]), "transient")
    expect("OperationInvalid", bus.call, domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True}))
    expect("AlreadyExists", hypervisor.create, hypervisor.document("passing"))
    hypervisor.do(domain, "Destroy")
    expect("UnknownObject", bus.get, domain, "Domain", "Name")
    # Defining a running one makes it persistent; undefining one makes it transient.
    domain = hypervisor.create(hypervisor.document("passing", uuid=UUID), paused=True)
    assert hypervisor.define(hypervisor.document("passing", uuid=UUID, memory=96)) == domain
    assert bus.get(domain, "Domain", "Persistent") is True and bus.get(domain, "Domain", "MaxMemory") == 64 << 20
    hypervisor.do(domain, "Destroy")
    assert bus.get(domain, "Domain", "MaxMemory") == 96 << 20
    hypervisor.do(domain, "Start", paused=True)
    hypervisor.do(domain, "Undefine")
    assert bus.get(domain, "Domain", "Persistent") is False
    hypervisor.do(domain, "Destroy")
    expect("UnknownObject", bus.get, domain, "Domain", "Name")


def names_and_uuids_are_unique():
    domain = hypervisor.define(hypervisor.document("one", uuid=UUID))
    contains(expect("AlreadyExists", hypervisor.define, hypervisor.document("one")), "one", UUID)
    contains(expect("AlreadyExists", hypervisor.define, hypervisor.document("two", uuid=UUID)), "one", UUID)
    assert bus.call(hypervisor.path, f"{NAME}.Connection", "GetDomainByName", "s", "one") == domain
    assert bus.call(hypervisor.path, f"{NAME}.Connection", "GetDomainByUUID", "s", UUID.replace("-", "").upper()) == domain
    expect("NoSuchDomain", bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByName", "s", "two")
    expect("InvalidArgument", bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByUUID", "s", "x")
    # Two definitions at once under one name: one of them wins, whole.
    answers = [bus.begin(hypervisor.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", hypervisor.document("race"), {}) for _ in range(2)]
    bus.wait(lambda: all(answers), "both answers")
    failed = [a[0] for a in answers if isinstance(a[0], Exception)]
    assert len(failed) == 1 and failed[0].name.rsplit(".", 1)[1] in ("AlreadyExists", "ResourceBusy"), answers
    remove([a[0][0] for a in answers if not isinstance(a[0], Exception)][0])
    remove(domain)


def what_is_only_true_of_a_run_is_no_part_of_a_definition():
    """Whoever defines what they have read of a running domain means the machine."""
    xml = hypervisor.document("again", devices=(
        "<serial type='pty'><source path='/dev/pts/7'/></serial>"
        "<console type='pty' tty='/dev/pts/7'><source path='/dev/pts/7'/></console>"
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>"
        "<interface type='user'><target dev='vnet3'/></interface>")).replace("<domain ", "<domain id='3' ", 1)
    domain = hypervisor.define(xml)
    kept = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
    for part in ("id=\"3\"", "/dev/pts", "tty=", "vnet3"):
        assert part not in kept, (part, kept)
    hypervisor.do(domain, "Start")
    bus.wait_state(domain, "running")
    hypervisor.do(domain, "Destroy")
    again = hypervisor.define(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}))
    assert again == domain and bus.get(domain, "Domain", "ID") == 0
    remove(domain)


def a_running_domain_keeps_its_run_when_it_is_redefined():
    domain = hypervisor.define(hypervisor.document("again", uuid=UUID))
    hypervisor.do(domain, "Start", paused=True)
    assert hypervisor.define(hypervisor.document("again", uuid=UUID, memory=128, devices="<serial type='pty'/>")) == domain
    assert bus.get(domain, "Domain", "MaxMemory") == 64 << 20 and f"{domain}/device/serial0" not in bus.objects(domain)
    text = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True}))
    assert ">128<" in text or f">{128 * 1024}<" in text, text  # in the unit that was given, or in KiB
    hypervisor.do(domain, "Destroy")
    assert bus.get(domain, "Domain", "MaxMemory") == 128 << 20 and f"{domain}/device/serial0" in bus.objects(domain)
    remove(domain)


def operations_on_one_domain_are_done_in_order():
    domain = hypervisor.define(hypervisor.document("order"))
    answers = [bus.begin(domain, f"{NAME}.Domain", member, *(("a{sv}", {}) if member in ("Start", "Destroy") else ("",)))
               for member in ("Start", "Suspend", "Resume", "Suspend")]
    bus.wait(lambda: all(answers), "all answers")
    assert not [a for a in answers if isinstance(a[0], Exception)], answers
    assert hypervisor.state(domain) == "paused"
    remove(domain)


def destroying_interrupts_a_start():
    domain = hypervisor.define(hypervisor.document("cut"))
    start = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {})
    destroy = bus.begin(domain, f"{NAME}.Domain", "Destroy", "a{sv}", {})
    bus.wait(lambda: start and destroy, "both answers")
    assert destroy[0] == () and (start[0] == () or start[0].name.endswith("Cancelled")), (start, destroy)
    assert hypervisor.state(domain) == "shutoff"
    remove(domain)


def a_console_belongs_to_one_client_until_another_forces_it():
    domain = hypervisor.define(hypervisor.document("talk", devices="<serial type='pty'/><console type='pty'/>"))
    console = f"{domain}/device/serial0"
    contains(expect("OperationInvalid", bus.call, console, f"{NAME}.Device.Console", "Open", "a{sv}", {}), "shutoff")
    hypervisor.do(domain, "Start", paused=True)
    first = bus.call(console, f"{NAME}.Device.Console", "Open", "a{sv}", {})
    contains(expect("ResourceBusy", bus.call, console, f"{NAME}.Device.Console", "Open", "a{sv}", {}), "force")
    second = bus.call(console, f"{NAME}.Device.Console", "Open", "a{sv}", variants({"force": True}))
    while os.read(first, 4096):  # until it ends
        pass
    os.write(second, b"hello")
    hypervisor.do(domain, "Destroy")
    while os.read(second, 4096):
        pass
    for fd in (first, second):
        os.close(fd)
    remove(domain)


def a_display_can_be_opened():
    domain = hypervisor.define(hypervisor.document("seen", devices="<graphics type='vnc'/><video><model type='vga'/></video>"))
    hypervisor.do(domain, "Start", paused=True)
    fd = bus.call(f"{domain}/device/graphics0", f"{NAME}.Device.Graphics", "Open", "a{sv}", {})
    assert os.read(fd, 12).startswith(b"RFB 003."), "no VNC server"
    os.close(fd)
    remove(domain)


def a_dump_is_a_job_that_says_how_far_it_is():
    domain = hypervisor.define(hypervisor.document("core"))
    hypervisor.do(domain, "Start", paused=True)
    path = os.path.join(ROOT, "core")
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fresh()
    job = bus.call(domain, f"{NAME}.Domain", "Dump", "ha{sv}", 0, {}, fds=[fd])
    assert job.startswith(f"/org/virtbus1/job/{hypervisor.name}_"), job
    arguments = bus.wait_signal(job, "Completed")
    assert arguments == (True, "", ""), arguments
    bus.settle()
    added = [a for p, _, m, a in bus.signals if m == "InterfacesAdded" and a[0] == job]
    properties = added[0][1][f"{NAME}.Job"]
    assert (properties["Operation"], properties["Object"], properties["StartedBy"]) == ("dump", domain, os.geteuid()), properties
    bus.wait_signal("/org/virtbus1", "InterfacesRemoved", lambda removed: removed[0] == job)
    assert os.stat(path).st_size > 30000
    os.close(fd)
    os.unlink(path)
    remove(domain)


def a_killed_driver_comes_back_to_the_same_domains():
    stopped = hypervisor.define(hypervisor.document("stopped"))
    running = hypervisor.define(hypervisor.document("running", devices="<serial type='pty'/>"))
    passing = hypervisor.create(hypervisor.document("passing"), paused=True)
    bus.set(stopped, "Domain", "Autostart", variants({"v": True})["v"])
    hypervisor.do(running, "Start")
    before = bus.objects(hypervisor.path), bus.objects(running)
    fresh()
    hypervisor.kill_driver()
    bus.settle()
    assert (bus.objects(hypervisor.path), bus.objects(running)) == before
    ours = [s for s in bus.signals if s[0].startswith(hypervisor.path)]
    assert not ours, ours  # nothing changed, nothing was signalled
    # They are in hand: each can be told to do something.
    hypervisor.do(running, "Suspend")
    hypervisor.do(passing, "Resume")
    assert hypervisor.state(passing) == "running"
    fd = bus.call(f"{running}/device/serial0", f"{NAME}.Device.Console", "Open", "a{sv}", {})
    os.close(fd)
    hypervisor.do(passing, "Destroy")
    expect("UnknownObject", bus.get, passing, "Domain", "Name")
    remove(running)
    remove(stopped)


def a_driver_that_dies_fails_its_calls_and_no_others():
    domain = hypervisor.define(hypervisor.document("held"))
    other = Hypervisor(bus, "qemu" if hypervisor.name == "test" else "test")
    os.kill(bus.driver(hypervisor.driver_name), 19)  # SIGSTOP: the call will be waiting when the driver dies
    answer = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {})
    assert hypervisor.state(domain) == "shutoff"  # reading never waits
    expect("NoSuchDomain", bus.call, other.path, f"{NAME}.Connection", "GetDomainByID", "u", 0)
    hypervisor_pid = bus.driver(hypervisor.driver_name)
    os.kill(hypervisor_pid, 9)
    bus.wait(lambda: answer, "an answer")
    assert answer[0].name.endswith("HypervisorFailed") and "ended" in answer[0].message, answer
    expect("NoSuchDomain", bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByID", "u", 0)
    remove(domain)


BAD = [
    # error, what its message names, the document
    ("InvalidXML", ["line 1"], "<domain"),
    ("InvalidXML", ["empty"], ""),
    ("InvalidXML", ["line 2", "<b>"], "<domain type='test'>\n<b></domain>"),
    ("InvalidXML", ["<network>", "<domain>"], "<network/>"),
    ("InvalidXML", ["DOCTYPE", "leave it out"], "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]><domain type='test'><name>&b;</name></domain>"),
    ("InvalidXML", ["DOCTYPE"], "<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain type='test'/>"),
    ("InvalidXML", ["DOCTYPE"], "<!DOCTYPE d [<!ENTITY x SYSTEM 'http://127.0.0.1/x'>]><domain type='test'><name>&x;</name></domain>"),
    ("InvalidXML", ["line 1"], "<domain>" + "<a>" * 5000),
    ("LimitExceeded", ["deeper than 64"], "<domain>" + "<a>" * 100 + "</a>" * 100 + "</domain>"),
    ("LimitExceeded", ["bytes"], "<domain>" + "x" * (1024 * 1024) + "</domain>"),
    ("LimitExceeded", ["more than 20000 elements"], "<domain>" + "<a/>" * 30000 + "</domain>"),
    ("InvalidXML", ["<name> is missing"], "<domain type='test'/>"),
    ("InvalidXML", ["type"], "<domain><name>n</name><memory>65536</memory></domain>"),
    ("InvalidXML", ["<name>", "'a/b'"], "<domain type='test'><name>a/b</name></domain>"),
    ("InvalidXML", ["<name>", "\\t"], "<domain type='test'><name>a&#9;b</name></domain>"),
    ("InvalidXML", ["<name>"], "<domain type='test'><name>..</name></domain>"),
    ("InvalidXML", ["<name>"], f"<domain type='test'><name>{'n' * 256}</name></domain>"),
    ("InvalidXML", ["<uuid>", "'12'"], "<domain type='test'><name>n</name><uuid>12</uuid></domain>"),
    ("InvalidXML", ["<memory> is missing"], "<domain type='test'><name>n</name></domain>"),
    ("InvalidXML", ["line 3", "<memory>", "'lots'"], "<domain type='test'>\n<name>n</name>\n<memory>lots</memory></domain>"),
    ("InvalidXML", ["<memory>", "'Furlong'"], "<domain type='test'><name>n</name><memory unit='Furlong'>1</memory></domain>"),
    ("LimitExceeded", ["<memory>"], "<domain type='test'><name>n</name><memory unit='TiB'>99999999999</memory></domain>"),
    ("InvalidXML", ["more than 0"], "<domain type='test'><name>n</name><memory>0</memory></domain>"),
    ("LimitExceeded", ["<vcpu>"], "<domain type='test'><name>n</name><memory>65536</memory><vcpu>100000</vcpu></domain>"),
    ("InvalidXML", ["hvm"], "<domain type='test'><name>n</name><memory>65536</memory></domain>"),
]
BAD_DEVICES = [
    ("InvalidXML", ["<disk>", "vda"], "<disk type='file'><source file='/x'/></disk>"),
    ("InvalidXML", ["<target>", "vda"], "<disk type='file'><source file='/x'/><target dev='banana'/></disk>"),
    ("InvalidXML", ["<disk>", "type 'tape'"], "<disk type='tape'><target dev='vda'/></disk>"),
    ("InvalidXML", ["<disk>", "another"], "<disk type='file'><source file='/x'/><target dev='vda'/></disk>" * 2),
    ("InvalidXML", ["<mac>", "'zz'"], "<interface type='user'><mac address='zz'/></interface>"),
    ("InvalidXML", ["<mac>", "multicast"], "<interface type='user'><mac address='01:00:00:00:00:00'/></interface>"),
    ("InvalidXML", ["<interface>", "type"], "<interface/>"),
    ("InvalidXML", ["<serial>", "'telepathy'"], "<serial type='telepathy'/>"),
    ("InvalidXML", ["<graphics>", "'hologram'"], "<graphics type='hologram'/>"),
    ("InvalidXML", ["<alias>"], "<serial type='pty'><alias name='../x'/></serial>"),
    ("InvalidXML", ["boot order 1"], "<interface type='user'><boot order='1'/></interface>" * 2),
    ("LimitExceeded", ["1024 devices"], "<serial type='pty'/>" * 1025),
]


def bad_documents_are_refused_by_line_and_element_and_leave_nothing():
    fresh()
    before = sorted(os.listdir(f"{ROOT}/{hypervisor.name}/state/{hypervisor.name}/domains"))
    for error, parts, xml in BAD + [(e, p, hypervisor.document("bad", devices=d)) for e, p, d in BAD_DEVICES]:
        for method in (hypervisor.define, hypervisor.create):
            contains(expect(error, method, xml), *parts)
    bus.settle()
    assert not [s for s in bus.signals if s[2].startswith("Interfaces")], bus.signals
    assert sorted(os.listdir(f"{ROOT}/{hypervisor.name}/state/{hypervisor.name}/domains")) == before


def bad_calls_are_refused():
    domain = hypervisor.define(hypervisor.document("calls"))
    contains(expect("InvalidArgument", hypervisor.do, domain, "Start", warp=9), "warp", "paused (b)")
    contains(expect("InvalidArgument", hypervisor.do, domain, "Start", paused="yes"), "paused", "type")
    contains(expect("InvalidArgument", hypervisor.do, domain, "Destroy", softly=True), "softly", "none")
    contains(expect("InvalidArgs", bus.call, domain, f"{NAME}.Domain", "Start", "s", "now"), "a{sv}")
    contains(expect("UnknownMethod", bus.call, domain, f"{NAME}.Domain", "Explode"), "Explode")
    contains(expect("UnknownInterface", bus.call, domain, f"{NAME}.Bomb", "Explode"), "Bomb")
    contains(expect("UnknownObject", bus.call, f"{domain}x", f"{NAME}.Domain", "Suspend"), "no object")
    expect("UnknownProperty", bus.get, domain, "Domain", "Colour")
    expect("UnknownInterface", bus.get, domain, "Bomb", "Colour")
    contains(expect("PropertyReadOnly", bus.set, domain, "Domain", "Name", variants({"v": "x"})["v"]), "Name")
    contains(expect("InvalidArgs", bus.set, domain, "Domain", "Autostart", variants({"v": "x"})["v"]), "Autostart", "'b'")
    assert set(bus.call(domain, "org.freedesktop.DBus.Properties", "GetAll", "s", "")) >= {"Name", "UUID"}
    assert bus.call(domain, "org.freedesktop.DBus.Properties", "GetAll", "s", "org.freedesktop.DBus.Peer") == {}
    assert bus.call_without_interface(domain, "GetXML", "a{sv}", {}).startswith("<?xml")
    remove(domain)


def a_full_disk_while_defining_changes_nothing():
    if os.geteuid() != 0:
        raise Skip("needs root, to mount a small disk")
    folder = f"{ROOT}/{hypervisor.name}/state/{hypervisor.name}/domains"
    domain = hypervisor.define(hypervisor.document("full", uuid=UUID))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], check=True)
    try:
        filler = "<description>" + "x" * 60000 + "</description>"
        contains(expect("LimitExceeded", hypervisor.define, hypervisor.document("new", more=filler)), "space")
        contains(expect("LimitExceeded", hypervisor.define, hypervisor.document("full", more=filler, uuid=UUID)), "space")
        assert os.listdir(folder) == []
        assert bus.get(domain, "Domain", "Description") == ""
        expect("NoSuchDomain", bus.call, hypervisor.path, f"{NAME}.Connection", "GetDomainByName", "s", "new")
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
    remove(domain)


def passwords_are_shown_to_those_who_may():
    domain = hypervisor.define(hypervisor.document("secret", devices="<graphics type='vnc' passwd='swordfsh'/><video><model type='vga'/></video>"))
    hypervisor.do(domain, "Start", paused=True)
    for inactive in (True, False):
        options = variants({"inactive": inactive})
        assert "swordfsh" not in bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", options)
        contains(bus.call(domain, f"{NAME}.Domain", "GetXMLWithSecrets", "a{sv}", options), "swordfsh")
    assert "swordfsh" not in bus.call(f"{domain}/device/graphics0", f"{NAME}.Device", "GetXML")
    for path, _, files in os.walk("/proc"):
        if path.count("/") == 2 and "cmdline" in files:
            try:
                assert b"swordfsh" not in open(f"{path}/cmdline", "rb").read(), path
            except OSError:
                pass
    remove(domain)


def a_channels_port_may_be_the_networks():
    channel = "<channel type='null'><target type='guestfwd' address='10.0.2.1' port='4600'/></channel>"
    domain = hypervisor.define(hypervisor.document("forwarding", devices=channel))
    contains(bus.call(f"{domain}/device/channel0", f"{NAME}.Device", "GetXML"), 'port="4600"')
    remove(domain)


def a_connection_tells_what_it_can_do():
    connection = f"{NAME}.Connection"
    kind = {"test": "test", "qemu": "qemu"}[hypervisor.name]
    root = ET.fromstring(bus.call(hypervisor.path, connection, "GetCapabilities"))
    assert kind in [d.get("type") for d in root.iterfind("guest/arch/domain")] and root.find("host/cpu/arch") is not None
    machine = ET.fromstring(bus.call(hypervisor.path, connection, "GetDomainCapabilities", "ssss", "", "x86_64", "", kind))
    models = {m.text for m in machine.iterfind("cpu/mode/model")}
    assert machine.findtext("domain") == kind and models & set(bus.call(hypervisor.path, connection, "GetCPUModels", "s", "")), models
    for arguments, name, part in ((("", "vax", "", ""), "Unsupported", "vax"), (("/bin/no-emulator", "", "", ""), "Unsupported", "emulator"),
                                  (("", "", "", "xen"), "InvalidArgument", "xen")):
        contains(expect(name, bus.call, hypervisor.path, connection, "GetDomainCapabilities", "ssss", *arguments), part)
    contains(expect("Unsupported", bus.call, hypervisor.path, connection, "GetCPUModels", "s", "vax"), "vax")


def the_agent_of_a_test_machine_answers():
    if hypervisor.name != "test":
        return  # test-guest.py has real agents
    guest = f"{NAME}.Domain.Guest"
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    domain = hypervisor.define(hypervisor.document("answering", devices=channel))
    assert f"{domain}/guest" not in bus.objects(domain)
    hypervisor.do(domain, "Start", paused=True)

    def ask(member, signature="", *arguments):
        return bus.call(f"{domain}/guest", guest, member, signature, *arguments)
    assert bus.objects(domain)[f"{domain}/guest"][guest] == {"Connected": False, "AgentResponseTimeout": -1}
    contains(expect("AgentUnavailable", ask, "Ping"), "'answering'")
    hypervisor.do(domain, "Resume")
    assert bus.get(f"{domain}/guest", "Domain.Guest", "Connected")
    ask("Ping")
    assert ask("GetHostName") == "answering" and ask("GetOSInfo")["id"] == "test" and ask("GetTimeZone") == ("UTC", 0)
    assert ask("GetInterfaces")[0]["ip-addresses"][0]["ip-address"] == "127.0.0.1" and ask("GetUsers")[0]["user"] == "test"
    assert ask("FreezeFileSystems", "as", []) == 1 and ask("GetFreezeStatus") == "frozen"
    assert ask("ThawFileSystems") == 1 and ask("ThawFileSystems") == 0
    ask("SetTime", "x", 10**18)
    assert 0 <= ask("GetTime") - 10**18 < 10**11
    contains(expect("HypervisorFailed", ask, "OpenFile", "ss", "/etc/passwd", "r"), "disabled")
    hypervisor.do(domain, "Suspend")
    ask("SetAgentResponseTimeout", "i", 1)
    contains(expect("Timeout", ask, "Ping"), "guest-sync")
    hypervisor.do(domain, "Resume")
    assert ask("GetHostName") == "answering"  # not a late answer
    fresh()
    hypervisor.kill_driver()
    bus.wait(lambda: bus.objects(domain).get(f"{domain}/guest"), "the agent's object")
    assert bus.get(f"{domain}/guest", "Domain.Guest", "AgentResponseTimeout") == 1 and ask("GetHostName") == "answering"
    fresh()
    ask("Shutdown", "s", "powerdown")
    bus.wait_state(domain, "shutoff")
    assert f"{domain}/guest" not in bus.objects(domain)
    remove(domain)


def clear():
    """Removes what a failed test has left."""
    for path, interfaces in bus.objects(hypervisor.path).items():
        if interfaces[f"{NAME}.Domain"]["Persistent"]:
            hypervisor.do(path, "Undefine")
        if interfaces[f"{NAME}.Domain"]["Active"]:
            hypervisor.do(path, "Destroy")


run([value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == "__main__"
     and value.__name__ not in ("fresh", "remove", "clear")], after_failure=clear)
