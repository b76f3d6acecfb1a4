#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ESX hosts and vCenters: their machines as domains, what is done with them, and what becomes of a server that misbehaves.

VMware's own servers cannot run here: govmomi's simulator stands for them (tests/tools/vcsim), and what it lacks is answered as VMware
documents it. So these tests show that the driver speaks so, not that VMware does.

Usage (below VIRTBUS_ALSO=esx tests/with-bus, with --answer-timeout=4 and the simulator's path in VIRTBUS_VCSIM): test-esx.py VIRTBUSCTL
"""

import atexit
import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
import time
from xml.sax.saxutils import escape

from esx_rig import PASSWORD, USER, Simulator
from face_rig import virsh_on
from gi.repository import GLib
from rig import DEADLINE, NAME, ROOT, Bus, BusError, Ends, Skip, User, contains, denied, expect, memory_of, polkit_rules, run, variants

MANAGER, CONNECTION, DOMAIN = f"{NAME}.Manager", f"{NAME}.Connection", f"{NAME}.Domain"
SEEN = 2  # seconds within which a change that somebody else makes is signalled
UUID = "564d9bef-acd9-b4e0-c8f0-aea8b9103515"
bus = Bus()


def open_uri(uri, caller=bus, **options):
    return caller.call("/org/virtbus1", MANAGER, "OpenConnection", "sa{sv}", uri, variants(options))


def close(path):
    bus.call(path, CONNECTION, "Close")


@functools.cache
def host():
    """An ESX host that lives as long as these tests."""
    simulator = Simulator()
    atexit.register(simulator.end)
    return simulator


@contextlib.contextmanager
def opened(simulator, path="", username=USER, password=PASSWORD, **parameters):
    connection = open_uri(simulator.uri(path, **parameters), username=username, password=password)
    try:
        yield connection
    finally:
        close(connection)


@contextlib.contextmanager
def another(**options):
    simulator = Simulator(**options)
    try:
        yield simulator
    finally:
        simulator.end()


def domains(connection):
    return {interfaces[DOMAIN]["Name"]: path for path, interfaces in bus.objects(connection).items() if DOMAIN in interfaces}


def domain(connection, name):
    return bus.call(connection, CONNECTION, "GetDomainByName", "s", name)


def do(path, member, **options):
    if member in ("Suspend", "Resume", "Reset"):
        return bus.call(path, DOMAIN, member)
    return bus.call(path, DOMAIN, member, "a{sv}", variants(options))


def state(path):
    return bus.get(path, "Domain", "State")


def xml_of(path):
    return bus.call(path, DOMAIN, "GetXML", "a{sv}", {})


def define(connection, xml):
    return bus.call(connection, CONNECTION, "DefineDomain", "sa{sv}", xml, {})


def document(name="web", uuid=UUID, memory=64, devices=None, more=""):
    disk = f"<disk type='file' device='disk'><source file='[LocalDS_0] {name}/{name}.vmdk'/><target dev='sda' bus='scsi'/></disk>"
    return (f"<domain type='vmware'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>{memory}</memory>{more}"
            f"<os><type arch='x86_64'>hvm</type></os><devices>{disk if devices is None else devices}</devices></domain>")


def within(seconds, condition, what):
    began = time.monotonic()
    bus.wait(condition, what)
    assert time.monotonic() - began < seconds, f"{what} took {time.monotonic() - began:.1f} s"


def wait_connected(connection):
    bus.wait(lambda: bus.get(connection, "Connection", "State") == "connected", f"{connection} to be connected")


def log():
    with open(f"{ROOT}/log", encoding="utf-8", errors="replace") as file:
        return file.read()


# Opening


def a_uri_that_cannot_be_one_is_refused_and_not_repeated():
    secret = "S3cretW0rd"
    for rest in ("", "//", f"//h/{secret}", f"//h/?{secret}=1", f"//h/?no_verify={secret}", f"//h/?auto_answer={secret}", f"//h/?fingerprint={secret}",
                 f"//h/?proxy=ftp://{secret}", f"//h/?proxy=http://u:{secret}@p", f"//h/?transport={secret}", f"//u:{secret}@h/", f"//h/#{secret}", "//h h/", "//[x/",
                 f"//{'x' * 256}/"):
        message = expect("InvalidArgument", open_uri, "esx:" + rest)
        assert secret not in message, message
    expect("InvalidArgument", open_uri, "vpx://h/" + "x" * 256)
    contains(expect("InvalidArgument", open_uri, "esx://h/?colour=red"), "no_verify")
    assert open_uri("esx:///system") == "/org/virtbus1/esx"


def who_is_not_known_there_is_refused_and_no_password_is_told():
    secret = "n0t-the-pass"
    uri = host().uri()
    contains(expect("AccessDenied", open_uri, uri), "username", "options of OpenConnection")
    contains(expect("AccessDenied", open_uri, uri, username=USER), "password")
    contains(expect("AccessDenied", open_uri, uri, username=USER, password=secret), "the username or the password is wrong")
    contains(expect("AccessDenied", open_uri, uri, username="<&'\"", password=secret + "<&'\""), "wrong")
    host().tell("fault", "Login", "PasswordExpired")
    contains(expect("AccessDenied", open_uri, uri, username=USER, password=secret), "expired")
    with opened(host()) as connection:
        everything = repr(bus.objects("/org/virtbus1")) + repr(bus.objects(connection)) + "".join(map(xml_of, domains(connection).values()))
    assert secret not in log() + everything and f'"{PASSWORD}"' not in everything and f">{PASSWORD}<" not in log()


def a_user_in_the_uri_is_asked_for_a_password_alone():
    connection = open_uri(host().uri().replace("//", f"//{USER}@"), password=PASSWORD)
    assert bus.get(connection, "Connection", "State") == "connected"
    close(connection)


def credentials_in_a_file_are_for_its_host_and_for_who_is_vouched_for_alone():
    def put(text, mode=0o600):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{ROOT}/auth.conf")
        with open(f"{ROOT}/auth.conf", "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, mode)) as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
    credentials = f"[credentials-lab]\nusername={USER}\npassword={PASSWORD}\n"
    try:
        for who in ("127.0.0.1", "default"):
            put(f"{credentials}[auth-esx-{who}]\ncredentials=lab\n")
            connection = open_uri(host().uri())
            assert len(domains(connection)) == 2
            bus.kill_driver("ESX")
            bus.wait(lambda connection=connection: reached(connection), "the connection to come back")
            close(connection)
            close(open_uri(host().uri().replace("//", f"//{USER}@")))
        expect("AccessDenied", open_uri, host().uri(), username="another")
        for parameters in ({"no_verify": 1}, {"fingerprint": host().fingerprint()}, {"proxy": "http://127.0.0.1:1"}):
            message = expect("HypervisorFailed" if "proxy" in parameters else "AccessDenied", open_uri, host().uri(**parameters))
            assert "proxy" in parameters or "vouches" in message, message
        put(f"{credentials}[auth-esx-127.0.0.1]\ncredentials=lab\n", 0o640)
        contains(expect("AccessDenied", open_uri, host().uri()), "0600")
        put("nonsense")
        contains(expect("InvalidArgument", open_uri, host().uri()), "auth.conf")
        put("[auth-esx-127.0.0.1]\ncredentials=gone\n")
        contains(expect("InvalidArgument", open_uri, host().uri()), "no password")
        put(f"{credentials}[auth-esx-elsewhere]\ncredentials=lab\n")
        contains(expect("AccessDenied", open_uri, host().uri()), "options of OpenConnection")
    finally:
        os.unlink(f"{ROOT}/auth.conf")


def reached(connection):
    try:
        return bool(domain(connection, "ha-host_VM0"))
    except BusError as error:
        assert error.name.endswith(("HypervisorFailed", "NoSuchDomain")), error
        return False


def a_server_that_nobody_vouches_for_is_not_told_who_asks():
    with another(trusted=False) as stranger, open(f"{ROOT}/authorities.pem", "rb+") as authorities:
        trusted = authorities.read()
        other = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=x",
                                "-days", "9"], capture_output=True, check=True).stdout
        for bytes_ in (other, trusted):
            authorities.seek(0)
            authorities.truncate()
            authorities.write(bytes_)
            authorities.flush()
            if bytes_ is other:
                contains(expect("AccessDenied", open_uri, stranger.uri(), username=USER, password=PASSWORD), "certificate", "fingerprint")
                contains(expect("AccessDenied", open_uri, stranger.uri(fingerprint="0" * 64), username=USER, password=PASSWORD), "fingerprint")
                assert stranger.counts() == {}
                for parameters in ({"fingerprint": stranger.fingerprint()}, {"no_verify": 1}):
                    with opened(stranger, **parameters) as connection:
                        assert len(domains(connection)) == 2
        # Trusted or not: a key that is not the one is refused.
        contains(expect("AccessDenied", open_uri, stranger.uri(fingerprint="f" * 64), username=USER, password=PASSWORD), "fingerprint")
        with opened(stranger) as connection:
            assert len(domains(connection)) == 2


def one_that_is_closed_is_told_so():
    host().counts()
    with opened(host()):
        pass
    told = []

    def is_told():
        told.append(host().counts())
        return any("Logout" in counts for counts in told)
    bus.wait(is_told, "the session to end there")


def each_kind_of_server_has_its_scheme():
    contains(expect("InvalidArgument", open_uri, host().uri().replace("esx:", "vpx:"), username=USER, password=PASSWORD), "esx://HOST/")
    with another(esx=False) as center:
        contains(expect("InvalidArgument", open_uri, center.uri().replace("vpx:", "esx:"), username=USER, password=PASSWORD), "vpx://HOST/")


# What there is


def a_host_shows_its_machines_as_documents():
    with opened(host()) as connection:
        found = domains(connection)
        assert sorted(found) == ["ha-host_VM0", "ha-host_VM1"], found
        xml = xml_of(found["ha-host_VM0"])
        contains(xml, "[LocalDS_0] ha-host_VM0/disk1.vmdk", 'model="vmpvscsi"', '<source bridge="VM Network"/>', 'type="e1000"', 'type="vmvga"')
        told = bus.get_all(found["ha-host_VM0"], "Domain")
        assert (told["State"], told["Persistent"], told["MaxMemory"], told["VCPUs"]) == ("running", True, 32 << 20, 1), told
        assert bus.objects(found["ha-host_VM0"]), "its devices are objects"
        contains(bus.call(connection, CONNECTION, "GetCapabilities"), "<topology sockets='2'", "Intel", "<domain type='vmware'/>")


def a_vcenter_shows_all_or_those_of_a_part_of_it():
    with another(esx=False) as center:
        for path, names in (("", ["DC0_C0_RP0_VM0", "DC0_C0_RP0_VM1", "DC0_H0_VM0", "DC0_H0_VM1"]), ("DC0", None), ("DC0/DC0_C0/", ["DC0_C0_RP0_VM0", "DC0_C0_RP0_VM1"]),
                            ("DC0/DC0_H0", ["DC0_H0_VM0", "DC0_H0_VM1"]), ("DC0/DC0_H0/DC0_H0", ["DC0_H0_VM0", "DC0_H0_VM1"])):
            with opened(center, path) as connection:
                assert sorted(domains(connection)) == (names or ["DC0_C0_RP0_VM0", "DC0_C0_RP0_VM1", "DC0_H0_VM0", "DC0_H0_VM1"]), path
        contains(expect("InvalidArgument", open_uri, center.uri("DC0/nowhere"), username=USER, password=PASSWORD), "DATACENTER/CLUSTER/ESX")
        for number, path in enumerate(("DC0/DC0_H0/DC0_H0", "DC0/DC0_H0", "DC0/DC0_C0/DC0_C0_H0")):
            with opened(center, path) as connection:
                made = define(connection, document(f"web{number}"))
                assert state(made) == "shutoff"
                do(made, "Undefine")
        with opened(center) as connection:
            contains(expect("Unsupported", define, connection, document()), "DATACENTER/CLUSTER/ESX")


def what_machines_use_is_told_of_all_by_one_question():
    def stats(connection, path, *groups):
        return bus.call(connection, CONNECTION, "GetDomainStats", "aoasa{sv}", [], list(groups), {})[path]
    with opened(host()) as connection:
        one, other = domain(connection, "ha-host_VM0"), domain(connection, "ha-host_VM1")
        host().tell("use", "ha-host_VM0", 1234, 20, 8)
        bus.wait(lambda: stats(connection, one).get("cpu", {}).get("usage_hz") == 1234000000, "what it uses")
        told = stats(connection, one)
        assert (told["memory"]["rss"], told["balloon"]["current"], told["balloon"]["maximum"]) == (20 << 20, 24 << 20, 32 << 20), told
        assert "balloon" in stats(connection, other)
        assert set(stats(connection, one, "cpu")) == {"cpu"}, stats(connection, one, "cpu")
        host().counts()
        stats(connection, one)
        bus.wait(lambda: host().counts().get("RetrievePropertiesEx", 0) <= 1, "one question")
        host().tell("use", "ha-host_VM0", 5, 20, 1 << 30)  # more than it has
        bus.wait(lambda: stats(connection, one)["cpu"]["usage_hz"] == 5000000, "what it uses then")
        assert stats(connection, one)["balloon"]["current"] == 0
        host().tell("fault", "RetrievePropertiesEx", "NoPermission")
        assert stats(connection, one)["memory"]["rss"] == 20 << 20
        host().tell("use", "ha-host_VM0", 0, 0, 0)
        do(other, "Destroy")
        assert list(stats(connection, other)) == ["state"]
        do(other, "Start")


def a_host_is_told_of_as_it_is():
    with opened(host()) as connection:
        told = bus.get(connection, "Connection", "Host")
        assert (told["name"], told["version"], told["sockets"], told["cores"], told["threads"]) == ("localhost.localdomain", "6.5.0", 2, 2, 2), told
        assert told["memory"] == 4294430720 and told["speed"] > 10**9 and "VMware ESX" in told["product"] and "Core" in told["model"], told
        assert told["address"] in ("localhost", "127.0.0.1"), told
    assert bus.get("/org/virtbus1/esx", "Connection", "Host") == {}


def any_number_of_machines_costs_one_round_of_reads():
    with another(machines=200) as crowd:
        with opened(crowd) as connection:
            assert len(domains(connection)) == 200
            counts = crowd.counts()
            assert counts.pop("WaitForUpdatesEx") <= 3 and sum(counts.values()) <= 5, counts


# What is done


def a_machine_lives_as_it_is_told():
    with opened(host()) as connection:
        one = domain(connection, "ha-host_VM0")
        for member, wanted in (("Destroy", "shutoff"), ("Start", "running"), ("Suspend", "paused"), ("Resume", "running"), ("Reset", "running"), ("Reboot", "running")):
            do(one, member)
            assert state(one) == wanted, member
        do(one, "Shutdown")
        bus.wait(lambda: state(one) == "shutoff", "its guest to end")
        assert bus.get(one, "Domain", "StateReason") == "shutdown"
        contains(expect("OperationInvalid", do, one, "Suspend"), "it is shutoff")
        contains(expect("OperationInvalid", do, one, "Destroy"), "shutoff")
        do(one, "Start")
        do(one, "Suspend")
        do(one, "Destroy")
        assert (state(one), bus.get(one, "Domain", "StateReason")) == ("shutoff", "destroyed")
        do(one, "Start")


def what_it_cannot_is_unsupported_by_name():
    with opened(host()) as connection:
        one, other = domain(connection, "ha-host_VM0"), domain(connection, "ha-host_VM1")
        do(other, "Destroy")
        contains(expect("Unsupported", do, other, "Start", paused=True), "paused")
        contains(expect("Unsupported", bus.call, connection, CONNECTION, "CreateDomain", "sa{sv}", document("t", "564d9bef-acd9-b4e0-c8f0-aea8b9103519"), {}), "DefineDomain")
        contains(expect("Unsupported", bus.call, one, DOMAIN, "Screenshot", "ua{sv}", 0, {}), "Screenshot")
        contains(expect("Unsupported", bus.call, one, DOMAIN, "Share", "sasa{sv}", "user:vb-bob", ["read"], {}), "permissions")
        contains(expect("Unsupported", define, connection, document(devices="<disk type='file' device='disk'><source file='/x.vmdk'/><target dev='sda' bus='scsi'/></disk>")),
                 "[STORE]")
        contains(expect("Unsupported", define, connection, document(more="<memtune><hard_limit>1</hard_limit></memtune>")), "hard_limit")
        changed = xml_of(other).replace("VM Network", "Another")
        contains(expect("Unsupported", define, connection, changed), "ethernet0.networkName")
        assert "Another" not in xml_of(other) and "web" not in domains(connection)
        do(other, "Start")
        contains(expect("OperationInvalid", do, other, "Undefine"), "shut it down first")
    contains(expect("Unsupported", define, "/org/virtbus1/esx", document()), "esx://HOST/")


def a_machine_is_defined_changed_renamed_and_taken_off_the_list():
    with opened(host()) as connection:
        one = define(connection, document(devices=None, more="<description>a &lt;b&gt; \u00e9</description>"))
        assert (state(one), bus.get(one, "Domain", "Name"), bus.get(one, "Domain", "UUID")) == ("shutoff", "web", UUID)
        contains(xml_of(one), "[LocalDS_0] web/web.vmdk", 'model="lsilogic"', "a &lt;b&gt; \u00e9")
        xml = xml_of(one)
        assert memory_of(xml) == 64
        define(connection, re.sub("<memory.*</currentMemory>", "<memory unit='MiB'>128</memory>", xml, flags=re.DOTALL))
        assert bus.get(one, "Domain", "MaxMemory") == 128 << 20 and memory_of(xml_of(one)) == 128
        bus.call(one, DOMAIN, "Rename", "sa{sv}", "100% new", {})
        assert bus.get(one, "Domain", "Name") == "100% new" and "100%25 new" in host().machines()
        do(one, "Start")
        do(one, "Destroy")
        do(one, "Undefine")
        assert "100% new" not in domains(connection) and "100%25 new" not in host().machines()
        # Its files stay: it is not defined over them.
        contains(expect("AlreadyExists", define, connection, document()), "[LocalDS_0] web/web.vmx")


def what_a_host_starts_with_itself_is_its_own_list():
    def spec(name, action, enabled):
        return (f"<spec><defaults><enabled>{enabled}</enabled></defaults><powerInfo><key type='VirtualMachine'>{host().machines()[name]}</key><startOrder>-1</startOrder>"
                f"<startDelay>-1</startDelay><waitForHeartbeat>no</waitForHeartbeat><startAction>{action}</startAction><stopDelay>-1</stopDelay><stopAction>none</stopAction>"
                "</powerInfo></spec>")
    with opened(host()) as connection:
        one, other = domain(connection, "ha-host_VM0"), domain(connection, "ha-host_VM1")
        bus.set(one, "Domain", "Autostart", GLib.Variant("b", True))
        assert (bus.get(one, "Domain", "Autostart"), bus.get(other, "Domain", "Autostart")) == (True, False)
        host().method("ReconfigureAutostart", "HostAutoStartManager", "ha-autostart-mgr", spec("ha-host_VM1", "powerOn", "true"))
        within(SEEN, lambda: bus.get(other, "Domain", "Autostart"), "somebody else's list")
        host().method("ReconfigureAutostart", "HostAutoStartManager", "ha-autostart-mgr", spec("ha-host_VM1", "powerOn", "false"))
        within(SEEN, lambda: not bus.get(other, "Domain", "Autostart") and not bus.get(one, "Domain", "Autostart"), "that it starts none")
        contains(expect("OperationInvalid", bus.set, one, "Domain", "Autostart", GLib.Variant("b", True)), "others on its list")
        host().method("ReconfigureAutostart", "HostAutoStartManager", "ha-autostart-mgr", spec("ha-host_VM1", "none", "true"))
        bus.wait(lambda: bus.get(one, "Domain", "Autostart"), "the list")
        bus.set(one, "Domain", "Autostart", GLib.Variant("b", False))
        assert not bus.get(one, "Domain", "Autostart")
    with opened(host()) as connection:
        assert not bus.get(domain(connection, "ha-host_VM0"), "Domain", "Autostart")


def what_cannot_be_registered_leaves_no_file():
    with opened(host()) as connection:
        host().tell("fault", "RegisterVM_Task", "NoPermission")
        contains(expect("AccessDenied", define, connection, document("half", "564d9bef-acd9-b4e0-c8f0-aea8b9103516")), "permission")
        bus.wait(lambda: "DeleteDatastoreFile_Task" in host().counts(), "its file to be removed")
        made = define(connection, document("half", "564d9bef-acd9-b4e0-c8f0-aea8b9103516"))
        do(made, "Undefine")
        for path in ("../half/half.vmdk", "half/../../host/half.vmdk", "./half.vmdk", "half//half.vmdk", "/half.vmdk"):
            disk = f"<disk type='file' device='disk'><source file='[LocalDS_0] {path}'/><target dev='sda' bus='scsi'/></disk>"
            contains(expect("InvalidArgument", define, connection, document("half", "564d9bef-acd9-b4e0-c8f0-aea8b9103516", devices=disk)), "half", path, "datastore")


def what_the_server_refuses_is_said_in_its_words():
    with opened(host()) as connection:
        one = domain(connection, "ha-host_VM1")
        for fault, error in (("NoPermission", "AccessDenied"), ("RestrictedVersion", "Unsupported"), ("TaskInProgress", "ResourceBusy"), ("Strange", "HypervisorFailed")):
            for method, member in (("SuspendVM_Task", "Suspend"), ("PowerOffVM_Task", "Destroy")):
                host().tell("fault", method, fault)
                contains(expect(error, do, one, member), "because", "ha-host_VM1")
                assert state(one) == "running"
        host().tell("fault", "ShutdownGuest", "ToolsUnavailable")
        contains(expect("AgentUnavailable", do, one, "Shutdown"), "VMware Tools")
        do(one, "Suspend")
        do(one, "Resume")


def a_question_is_named_or_answered_as_the_uri_says():
    host().tell("ask", "ha-host_VM0", "Did you move it, or copy it?")
    with opened(host()) as connection:
        one = domain(connection, "ha-host_VM0")
        contains(expect("HypervisorFailed", do, one, "Suspend"), "Did you move it, or copy it?", "auto_answer=1")
    with opened(host(), auto_answer=1) as connection:
        bus.wait(lambda: host().tell("answers") == "ha-host_VM0 2", "the answer")
        one = domain(connection, "ha-host_VM0")
        bus.wait(lambda: state(one) in ("running", "paused"), "it to go on")
        if state(one) == "paused":
            do(one, "Resume")


# Snapshots


def snapshots(machine):
    """By name: (state, parent's name, current, children's names, memory)."""
    found = {path: interfaces[f"{NAME}.Snapshot"] for path, interfaces in bus.objects(machine).items() if f"{NAME}.Snapshot" in interfaces}
    names = {path: told["Name"] for path, told in found.items()} | {"/": ""}
    return {told["Name"]: (told["State"], names[told["Parent"]], told["Current"], sorted(names.get(child, "") for child in told["Children"]), told["Memory"])
            for told in found.values()}


def snapshot(machine, name):
    return next(path for path, interfaces in bus.objects(machine).items() if interfaces.get(f"{NAME}.Snapshot", {}).get("Name") == name)


def create_snapshot(machine, name, more="", **options):
    return bus.call(machine, DOMAIN, "CreateSnapshot", "sa{sv}", f"<domainsnapshot>{name and f'<name>{name}</name>'}{more}</domainsnapshot>", variants(options))


def of_snapshot(path, member, **options):
    return bus.call(path, f"{NAME}.Snapshot", member, "a{sv}", variants(options))


def snapshots_are_objects_and_are_made_gone_back_to_and_deleted():
    with opened(host()) as connection:
        one = domain(connection, "ha-host_VM0")
        assert state(one) == "running" and not snapshots(one) and not bus.get(one, "Domain", "HasSnapshots")
        first = create_snapshot(one, "first", "<description>a &lt;b&gt; \u00e9</description>")
        assert first == f"{one}/snapshot/first" and bus.get(one, "Domain", "CurrentSnapshot") == first and bus.get(one, "Domain", "HasSnapshots")
        told = bus.get_all(first, "Snapshot")
        assert (told["Description"], told["Parent"], told["Disks"]) == ("a <b> \u00e9", "/", []) and abs(told["CreationTime"] / 1e6 - time.time()) < 60, told
        create_snapshot(one, "second", disk_only=True)
        do(one, "Destroy")
        create_snapshot(one, "off")
        assert snapshots(one) == {"first": ("running", "", False, ["second"], "internal"), "second": ("shutoff", "first", False, ["off"], "no"),
                                  "off": ("shutoff", "second", True, [], "no")}, snapshots(one)
        contains(bus.call(first, f"{NAME}.Snapshot", "GetXML"), "<name>first</name>", "<state>running</state>", "a &lt;b&gt;", bus.get(one, "Domain", "UUID"))
        for name, options, wanted, reason in (("first", {}, "running", "unknown"), ("second", {}, "shutoff", "snapshot"), ("off", {"running": True}, "running", "booted"),
                                              ("second", {"running": True}, "running", "booted")):
            of_snapshot(snapshot(one, name), "Revert", **options)
            assert (state(one), bus.get(one, "Domain", "StateReason")) == (wanted, reason), (name, state(one), bus.get(one, "Domain", "StateReason"))
            assert snapshots(one)[name][2] and bus.get(one, "Domain", "CurrentSnapshot") == snapshot(one, name), name
        do(one, "Suspend")
        create_snapshot(one, "resting")
        assert snapshots(one)["resting"] == ("paused", "second", True, [], "internal")
        do(one, "Resume")
        of_snapshot(snapshot(one, "resting"), "Revert")
        assert state(one) == "paused"
        of_snapshot(snapshot(one, "resting"), "Revert", running=True)
        assert state(one) == "running"
        of_snapshot(snapshot(one, "second"), "Delete", children_only=True)
        assert sorted(snapshots(one)) == ["first", "second"] and snapshots(one)["second"][2]
        create_snapshot(one, "third")
        of_snapshot(first, "Delete")
        assert {name: told[1] for name, told in snapshots(one).items()} == {"second": "", "third": "second"}
        of_snapshot(snapshot(one, "second"), "Delete", children=True)
        assert not snapshots(one) and bus.get(one, "Domain", "CurrentSnapshot") == "/"


def snapshots_that_somebody_else_makes_are_shown_in_time_each_by_a_name_of_its_own():
    with opened(host()) as connection:
        one = domain(connection, "ha-host_VM0")

        def make(name):
            host().do("ha-host_VM0", "CreateSnapshot_Task", f"<name>{escape(name)}</name><description>x</description><memory>true</memory><quiesce>false</quiesce>")
        bus.signals.clear()
        make("there")
        within(SEEN, lambda: "there" in snapshots(one), "its snapshot")
        bus.wait_signal(one, "InterfacesAdded", lambda arguments: arguments[0].endswith("/snapshot/there"))
        for name in ("a/b\tc", ".hidden", "", "x" * 600, "\u00e9" * 200):
            make(name)
        within(SEEN, lambda: len(snapshots(one)) == 6, "the rest")
        assert {"a%2fb%09c", "%2ehidden", "snapshot"} < set(snapshots(one)), snapshots(one)
        assert all(len(name.encode()) <= 255 for name in snapshots(one)), snapshots(one)
        of_snapshot(snapshot(one, "%2ehidden"), "Revert")
        assert snapshots(one)["%2ehidden"][2]
        make("there")
        within(SEEN, lambda: len([name for name in snapshots(one) if name.startswith("there (")]) == 2, "names that tell them apart")
        assert "there" not in snapshots(one)
        later = max((name for name in snapshots(one) if name.startswith("there (")), key=lambda name: int(name[7:-1]))
        assert snapshots(one)[later][1] == "%2ehidden"
        bus.signals.clear()
        of_snapshot(snapshot(one, later), "Delete")
        assert "there" in snapshots(one) and later not in snapshots(one)
        before = snapshots(one)
        bus.kill_driver("ESX")
        bus.wait(lambda: reached(connection) and snapshots(one) == before, "them to come back")
        of_snapshot(snapshot(one, "there"), "Delete", children=True)
        within(SEEN, lambda: not snapshots(one), "their end")


def what_cannot_be_of_snapshots_is_refused_by_name():
    with opened(host()) as connection:
        one = domain(connection, "ha-host_VM0")
        made = create_snapshot(one, "")
        assert bus.get(made, "Snapshot", "Name").isdigit()
        for error, word, more, options in (
                ("Unsupported", "<disks>", "<disks><disk name='sda' snapshot='external'/></disks>", {}), ("InvalidArgument", "names files", "<memory snapshot='external' file='/m'/>", {}),
                ("Unsupported", "halt", "", {"halt": True}), ("Unsupported", "no_metadata", "", {"no_metadata": True}), ("InvalidArgument", "disk_only", "", {"quiesce": True}),
                ("InvalidArgument", "colour", "", {"colour": True}), ("InvalidXML", "colour", "<colour/>", {}), ("InvalidArgument", "memory", "<memory snapshot='internal'/>", {"disk_only": True})):
            contains(expect(error, create_snapshot, one, "no", more, **options), word)
        contains(expect("Unsupported", bus.call, one, DOMAIN, "CreateSnapshotWithFiles", "sa{sv}", "<domainsnapshot><memory snapshot='external' file='/m'/></domainsnapshot>", {}),
                 "<memory>")
        contains(expect("AlreadyExists", create_snapshot, one, bus.get(made, "Snapshot", "Name")), "already")
        contains(expect("Unsupported", bus.call, one, DOMAIN, "RedefineSnapshot", "sa{sv}",
                        "<domainsnapshot><name>x</name><state>shutoff</state><creationTime>1</creationTime></domainsnapshot>", {}), "RedefineSnapshot")
        contains(expect("Unsupported", of_snapshot, made, "Revert", paused=True), "paused")
        contains(expect("Unsupported", of_snapshot, made, "Delete", metadata_only=True), "metadata_only")
        for method, call in (("CreateSnapshot_Task", lambda: create_snapshot(one, "no")), ("RevertToSnapshot_Task", lambda: of_snapshot(made, "Revert")),
                             ("RemoveSnapshot_Task", lambda: of_snapshot(made, "Delete"))):
            for fault, error in (("NoPermission", "AccessDenied"), ("TooManySnapshotLevels", "LimitExceeded"), ("Strange", "HypervisorFailed")):
                host().tell("fault", method, fault)
                contains(expect(error, call), "because", "ha-host_VM0")
        assert list(snapshots(one)) == [bus.get(made, "Snapshot", "Name")]
        of_snapshot(made, "Delete")


# What others do


def what_changes_behind_its_back_is_signalled_in_time():
    with opened(host()) as connection:
        one = domain(connection, "ha-host_VM1")
        for method, wanted in (("PowerOffVM_Task", "shutoff"), ("PowerOnVM_Task", "running"), ("SuspendVM_Task", "paused"), ("PowerOnVM_Task", "running")):
            host().do("ha-host_VM1", method)
            within(SEEN, lambda wanted=wanted: state(one) == wanted, method)
        host().do("ha-host_VM1", "PowerOffVM_Task")
        within(SEEN, lambda: state(one) == "shutoff", "its end")
        host().reconfigure("ha-host_VM1", name="other", memoryMB=64)
        within(SEEN, lambda: bus.get(one, "Domain", "Name") == "other" and bus.get(one, "Domain", "MaxMemory") == 64 << 20, "its new name")
        bus.signals.clear()
        host().do("other", "UnregisterVM")
        within(SEEN, lambda: "other" not in domains(connection), "that it is gone")
        bus.wait_signal(connection, "InterfacesRemoved", lambda arguments: arguments[0] == one)
        made = define(connection, document("new", "564d9bef-acd9-b4e0-c8f0-aea8b9103517"))
        host().do("new", "PowerOnVM_Task")
        within(SEEN, lambda: state(made) == "running", "its start")


def tasks_are_jobs_whoever_has_begun_them():
    def jobs():
        return {path: interfaces[f"{NAME}.Job"] for path, interfaces in bus.objects("/org/virtbus1").items() if f"{NAME}.Job" in interfaces}
    with opened(host()) as connection:
        one = domain(connection, "ha-host_VM0")
        host().tell("work", "ha-host_VM0", 10)
        within(SEEN, jobs, "the job")
        (path, job), = jobs().items()
        assert (job["Operation"], job["Object"], job["Cancellable"], job["BytesTotal"]) == ("relocate", one, True, 100), job
        host().tell("work", "ha-host_VM0", 60)
        within(SEEN, lambda: bus.get(path, "Job", "Progress") == 0.6, "how far it is")
        host().tell("work", "ha-host_VM0", 100)
        bus.wait_signal(path, "Completed", lambda arguments: arguments == (True, "", ""))
        host().tell("work", "ha-host_VM0", 20)
        within(SEEN, jobs, "another job")
        path, = jobs()
        bus.call(path, f"{NAME}.Job", "Cancel")
        bus.wait_signal(path, "Completed", lambda arguments: arguments[1].endswith(".Cancelled"))
        host().tell("work", "ha-host_VM0", 30)
        within(SEEN, jobs, "a third job")
        path, = jobs()
    bus.wait_signal(path, "Completed", lambda arguments: not arguments[0])
    assert not jobs()
    host().tell("work", "ha-host_VM0", 100)


def one_server_has_one_connection_and_others_have_theirs():
    with opened(host()) as first:
        assert open_uri(host().uri()) == first == open_uri(host().uri(no_verify=1), username=USER, password=PASSWORD)
        contains(expect("InvalidArgument", open_uri, host().uri(), username=USER, password="another"), "other credentials")
    with another() as server, opened(host()) as first, opened(server) as second:
        assert first != second and domains(first) and len(domains(second)) == 2
        server.end()
        bus.wait(lambda: bus.get(second, "Connection", "State") != "connected", "the end to be seen")
        assert bus.get(first, "Connection", "State") == "connected"
        contains(expect("HypervisorFailed", do, domain_of(second), "Destroy"), "is connecting")


def domain_of(connection):
    return sorted(domains(connection).values())[0]


# A server that misbehaves


def answers_that_are_not_what_they_must_be_end_the_opening_by_name():
    for how, error, word in (("half", "HypervisorFailed", "127.0.0.1"), ("garbage", "HypervisorFailed", "document type"), ("huge", "LimitExceeded", "bytes"),
                             ("status", "HypervisorFailed", "503")):
        host().tell(how, 1)
        contains(expect(error, open_uri, host().uri(), username=USER, password=PASSWORD), word)
    assert not [path for path in bus.objects("/org/virtbus1") if "esx_" in path]


def it_connects_again_after_answers_that_are_not_what_they_must_be():
    with opened(host()) as connection:
        for how in ("half", "garbage", "status"):
            bus.settle()
            bus.signals.clear()
            host().tell(how, 1)
            if how == "half":
                host().do("ha-host_VM0", "PowerOffVM_Task")
            bus.wait(lambda: [s for s in bus.signals if s[0] == connection and "'connecting'" in str(s[3])], f"{how} to be seen")
            wait_connected(connection)
        assert state(domain(connection, "ha-host_VM0")) == "shutoff"
        do(domain(connection, "ha-host_VM0"), "Start")


def a_session_that_has_expired_begins_anew_by_itself():
    with opened(host()) as connection:
        one = domain(connection, "ha-host_VM0")
        bus.settle()
        bus.signals.clear()
        host().tell("expire")
        contains(expect("HypervisorFailed", do, one, "Suspend"), "expired")
        bus.wait(lambda: [s for s in bus.signals if s[0] == connection and "expired" in str(s[3])], "the end to be seen")
        wait_connected(connection)
        told = [s for s in bus.signals if s[2] in ("InterfacesRemoved", "InterfacesAdded", "StateChanged")]
        assert not told, told  # what is the same
        do(one, "Suspend")
        do(one, "Resume")


def one_that_is_frozen_holds_up_nobody_else():
    with another() as server, opened(host()) as lively, opened(server) as frozen:
        one = domain_of(frozen)
        server.stop()
        began = time.monotonic()
        answers = bus.begin(one, DOMAIN, "Suspend", "")
        other = domain(lively, "ha-host_VM0")
        slowest = 0
        while bus.get(frozen, "Connection", "State") == "connected":
            asked = time.monotonic()
            assert state(other) == "running"
            do(other, "Reset")
            slowest = max(slowest, time.monotonic() - asked)
            assert time.monotonic() - began < DEADLINE
        bus.wait(lambda: answers, "the call to end")
        assert answers[0].name.endswith((".Timeout", ".HypervisorFailed")) and time.monotonic() - began < 15 and slowest < 2, (answers, slowest)
        contains(expect("HypervisorFailed", do, one, "Destroy"), "has not answered")
        contains(bus.get(frozen, "Connection", "StateReason"), "has not answered")
        server.stop(False)
        wait_connected(frozen)
        bus.wait(lambda: state(one) in ("running", "paused"), "what became of it")


def one_that_was_restarted_is_connected_to_again_and_shows_what_it_has():
    server = Simulator(machines=3)
    with opened(server) as connection:
        kept = dict(domains(connection))
        server.end()
        bus.wait(lambda: bus.get(connection, "Connection", "State") == "connecting", "the end to be seen")
        assert domains(connection) == kept
        server = Simulator(machines=1, port=server.port)
        server.do("ha-host_VM0", "PowerOffVM_Task")
        wait_connected(connection)
        bus.wait(lambda: state(kept["ha-host_VM0"]) == "shutoff", "the new state")
        assert domains(connection) == {"ha-host_VM0": kept["ha-host_VM0"]}
        server.end()


def a_driver_that_was_killed_connects_again_by_itself():
    with opened(host()) as connection:
        before = {path: state(path) for path in domains(connection).values()}
        bus.kill_driver("ESX")
        bus.wait(lambda: reached(connection), "the connection to come back")
        bus.wait(lambda: {path: state(path) for path in domains(connection).values()} == before, "the machines")
        do(domain(connection, "ha-host_VM0"), "Reset")


def a_driver_that_is_told_to_end_cancels_what_waits_and_ends_well():
    """While hosts answer nothing: what is asked of them, what is to be opened, what is to be closed, what waits behind it."""
    with another(machines=3) as server, another() as unopened, opened(server) as connection:
        ends = Ends(bus, "ESX")
        bus.kill_driver("ESX")  # the next one is begun by the script that tells
        bus.wait(lambda: reached(connection), "the connection to come back")
        machines = sorted(domains(connection).values())
        server.stop()
        unopened.stop()
        answers = {"Suspend": bus.begin(machines[0], DOMAIN, "Suspend", ""), "Destroy": bus.begin(machines[1], DOMAIN, "Destroy", "a{sv}", {}),
                   "behind": bus.begin(machines[0], DOMAIN, "Reset", ""), "GetXML": bus.begin(machines[2], DOMAIN, "GetXML", "a{sv}", {}),
                   "DefineDomain": bus.begin(connection, CONNECTION, "DefineDomain", "sa{sv}", document("cancelled"), {}),
                   "statistics": bus.begin(connection, CONNECTION, "GetDomainStats", "aoasa{sv}", [], [], {}),
                   "OpenConnection": bus.begin("/org/virtbus1", MANAGER, "OpenConnection", "sa{sv}", unopened.uri(), variants({"username": USER, "password": PASSWORD}))}
        time.sleep(0.2)  # some are with the host by then, and others wait: either will do
        pid = bus.driver("ESX")
        bus.kill_driver("ESX", pid, number=signal.SIGTERM)
        ends.well(pid)
        bus.wait(lambda: all(answers.values()), "all answers")
        for name, answer in answers.items():
            assert name in ("GetXML", "statistics") or (isinstance(answer[0], BusError) and answer[0].name.endswith(".Cancelled")), (name, answer)
        server.stop(False)
        unopened.stop(False)
        bus.wait(lambda: reached(connection), "the connection to come back")
        assert len(domains(connection)) == 3 and all(state(path) in ("running", "paused", "shutoff") for path in domains(connection).values())


# Others


def documents_are_translated_without_a_host():
    text = bus.call("/org/virtbus1/esx", CONNECTION, "DomainXMLToNative", "ss", "vmware-vmx", document())
    contains(text, 'displayName = "web"', "/vmfs/volumes/LocalDS_0/web/web.vmdk")
    contains(bus.call("/org/virtbus1/esx", CONNECTION, "DomainXMLFromNative", "ss", "vmware-vmx", text), "[LocalDS_0] web/web.vmdk")


def virtbusctl_opens_it():
    program = sys.argv[1]
    password = f"{ROOT}/esx-password"
    with open(password, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(PASSWORD + "\n")

    def ctl(*arguments):
        done = subprocess.run([program, "-c", host().uri(), *arguments], capture_output=True, text=True, check=False, timeout=DEADLINE)
        assert done.returncode == 0, done.stderr
        return done.stdout
    contains(ctl("--username", USER, "--password-file", password, "list"), "ha-host_VM0", "running")
    ctl("suspend", "ha-host_VM0")
    ctl("resume", "ha-host_VM0")
    contains(ctl("show", "ha-host_VM0"), "ha-host_VM0")
    close(open_uri(host().uri()))


def libvirts_clients_find_it():
    with virsh_on(bus, f"esx+unix:///?name=esx://127.0.0.1:{host().port}/&socket={{socket}}") as virsh, opened(host()):
        contains(virsh("list", "--all"), "ha-host_VM0", "running")
        contains(virsh("dominfo", "ha-host_VM0"), "running", "32768 KiB")
        contains(virsh("dumpxml", "ha-host_VM0"), "[LocalDS_0] ha-host_VM0/disk1.vmdk")
        virsh("destroy", "ha-host_VM0")
        virsh("start", "ha-host_VM0")
        contains(virsh("nodeinfo"), "Intel Core i7-3615QM CPU", "4193780 KiB")
        contains(virsh("hostname"), "localhost.localdomain")
        contains(virsh("version"), "ESX 6.5.0")
        for command in ("freecell", "nodecpustats", "nodememstats", "sysinfo", "nodecpumap"):
            contains(virsh(command, status=1), "not supported")
        host().tell("use", "ha-host_VM0", 77, 20, 8)
        bus.wait(lambda: "rss 20480" in virsh("dommemstat", "ha-host_VM0"), "what it uses")
        contains(virsh("domstats", "ha-host_VM0", "--balloon"), "balloon.current=24576", "balloon.maximum=32768")
        virsh("snapshot-create-as", "ha-host_VM0", "one", "of two")
        virsh("snapshot-create-as", "ha-host_VM0", "two", "--disk-only")
        contains(virsh("snapshot-list", "ha-host_VM0", "--tree"), "one", "two")
        contains(virsh("snapshot-info", "ha-host_VM0", "one"), "running", "internal")
        contains(virsh("snapshot-current", "ha-host_VM0", "--name"), "two")
        virsh("snapshot-revert", "ha-host_VM0", "one")
        contains(virsh("snapshot-current", "ha-host_VM0"), "<name>one</name>", "of two")
        virsh("snapshot-delete", "ha-host_VM0", "one", "--children")
        contains(virsh("snapshot-list", "ha-host_VM0", "--name") + ".", ".")
        contains(virsh("domstate", "ha-host_VM0"), "running")


def who_may_not_is_refused():
    if os.geteuid() != 0:
        raise Skip("only root has other users")
    alice = User("vb-alice")
    assert denied(alice.call, "/org/virtbus1", MANAGER, "OpenConnection", "sa{sv}", repr(host().uri()), "@a{sv} {}")
    with opened(host()) as connection:
        one = domain(connection, "ha-host_VM0")
        made = create_snapshot(one, "mine")
        for call in ((one, DOMAIN, "Destroy", "a{sv}", "@a{sv} {}"), (one, DOMAIN, "CreateSnapshot", "sa{sv}", repr("<domainsnapshot/>"), "@a{sv} {}"),
                     (made, f"{NAME}.Snapshot", "Revert", "a{sv}", "@a{sv} {}"), (made, f"{NAME}.Snapshot", "Delete", "a{sv}", "@a{sv} {}"),
                     (made, f"{NAME}.Snapshot", "GetXML"), (one, DOMAIN, "GetXML", "a{sv}", "@a{sv} {}"), (connection, CONNECTION, "Close"),
                     (connection, CONNECTION, "DefineDomain", "sa{sv}", repr(document()), "@a{sv} {}")):
            assert denied(alice.call, *call), call
        polkit_rules(bus, "polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.connection.open' && a.lookup('uri_scheme') == 'esx' &&"
                          " a.lookup('uri_host') == '127.0.0.1' && s.user == 'vb-alice') return polkit.Result.YES; });")
        assert alice.call("/org/virtbus1", MANAGER, "OpenConnection", "sa{sv}", repr(host().uri()), "@a{sv} {}") == repr((connection,))
        assert state(one) == "running"
        polkit_rules(bus, "")
    alice.leave()


if __name__ == "__main__":
    run([
        a_uri_that_cannot_be_one_is_refused_and_not_repeated,
        who_is_not_known_there_is_refused_and_no_password_is_told,
        a_user_in_the_uri_is_asked_for_a_password_alone,
        credentials_in_a_file_are_for_its_host_and_for_who_is_vouched_for_alone,
        a_server_that_nobody_vouches_for_is_not_told_who_asks,
        one_that_is_closed_is_told_so,
        each_kind_of_server_has_its_scheme,
        a_host_shows_its_machines_as_documents,
        a_vcenter_shows_all_or_those_of_a_part_of_it,
        a_host_is_told_of_as_it_is,
        what_machines_use_is_told_of_all_by_one_question,
        any_number_of_machines_costs_one_round_of_reads,
        a_machine_lives_as_it_is_told,
        what_it_cannot_is_unsupported_by_name,
        a_machine_is_defined_changed_renamed_and_taken_off_the_list,
        what_a_host_starts_with_itself_is_its_own_list,
        what_cannot_be_registered_leaves_no_file,
        what_the_server_refuses_is_said_in_its_words,
        a_question_is_named_or_answered_as_the_uri_says,
        snapshots_are_objects_and_are_made_gone_back_to_and_deleted,
        snapshots_that_somebody_else_makes_are_shown_in_time_each_by_a_name_of_its_own,
        what_cannot_be_of_snapshots_is_refused_by_name,
        what_changes_behind_its_back_is_signalled_in_time,
        tasks_are_jobs_whoever_has_begun_them,
        one_server_has_one_connection_and_others_have_theirs,
        answers_that_are_not_what_they_must_be_end_the_opening_by_name,
        it_connects_again_after_answers_that_are_not_what_they_must_be,
        a_session_that_has_expired_begins_anew_by_itself,
        one_that_is_frozen_holds_up_nobody_else,
        one_that_was_restarted_is_connected_to_again_and_shows_what_it_has,
        a_driver_that_was_killed_connects_again_by_itself,
        a_driver_that_is_told_to_end_cancels_what_waits_and_ends_well,
        documents_are_translated_without_a_host,
        virtbusctl_opens_it,
        libvirts_clients_find_it,
        who_may_not_is_refused,
    ])
