#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMware's machines: their configurations as documents and back, and what is done with them.

VMware's own vmrun cannot run here: tests/tools/vmrun-double answers as it is documented to, so these tests show that the driver
speaks so, not that VMware does.

Usage (below VIRTBUS_ALSO=vmware tests/with-bus, with --answer-timeout=4): test-vmware.py VIRTBUSCTL
"""

import os
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

from face_rig import virsh_on
from rig import DEADLINE, NAME, ROOT, Bus, BusError, Ends, Skip, User, contains, denied, expect, run, variants

PATH = "/org/virtbus1/vmware"
CONNECTION = f"{NAME}.Connection"
VMRUN, STATE = f"{ROOT}/vmrun", f"{ROOT}/vmrun-state"
OURS, OTHERS = f"{ROOT}/vmware/state/vmware/machines", f"{ROOT}/home/vmware"
DOUBLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools", "vmrun-double")
UUID = "564d9bef-acd9-b4e0-c8f0-aea8b9103515"
SEEN = 2  # seconds within which a change that somebody else makes is signalled
bus = Bus()


def document(name="web", uuid=UUID, devices="", more="", memory=64):
    return (f"<domain type='vmware'><name>{name}</name>{uuid and f'<uuid>{uuid}</uuid>'}<memory unit='MiB'>{memory}</memory>{more}"
            f"<os><type arch='x86_64'>hvm</type></os><devices>{devices}</devices></domain>")


def connection(member, signature, *arguments, caller=bus):
    return caller.call(PATH, CONNECTION, member, signature, *arguments)


def to_native(xml):
    return connection("DomainXMLToNative", "ss", "vmware-vmx", xml)


def from_native(text):
    return connection("DomainXMLFromNative", "ss", "vmware-vmx", text)


def define(xml):
    return connection("DefineDomain", "sa{sv}", xml, {})


def do(domain, member, **options):
    if member in ("Suspend", "Resume", "Reset"):
        return bus.call(domain, f"{NAME}.Domain", member)
    return bus.call(domain, f"{NAME}.Domain", member, "a{sv}", variants(options))


def state(domain):
    return bus.get(domain, "Domain", "State")


def document_of(domain):
    return bus.call(domain, f"{NAME}.Domain", "GetXMLWithSecrets", "a{sv}", {})


def domains():
    return {interfaces[f"{NAME}.Domain"]["Name"]: path for path, interfaces in bus.objects(PATH).items() if f"{NAME}.Domain" in interfaces}


def vmrun(*arguments):
    """What somebody else does to a machine."""
    return subprocess.run([VMRUN, "-T", "ws", *arguments], capture_output=True, text=True, check=False, timeout=DEADLINE,
                          env={**os.environ, "DOUBLE_STATE": STATE}).stdout


def said(command):
    """The command lines of vmrun so far that have this command."""
    with open(f"{STATE}/log", encoding="utf-8") as log:
        return [line.rstrip("\n") for line in log if line.split(" ")[2].rstrip("\n") == command]


def misbehave(command, how, times=1):
    with open(f"{STATE}/{command}.{how}", "w", encoding="utf-8") as file:
        file.write("x" * times)


def file_of(uuid=UUID):
    folder = f"{OURS}/{uuid}"
    return f"{folder}/{next(name for name in os.listdir(folder) if name.endswith('.vmx'))}"


def keys_of(path):
    with open(path, encoding="utf-8") as file:
        return dict(re.findall(r'^(\S+) = "(.*)"$', file.read(), re.MULTILINE))


def put_machine(name, text=None, folder=OTHERS, mode=0o755):
    """A machine that VMware's own windows have made."""
    os.makedirs(f"{folder}/{name}", mode=0o755, exist_ok=True)
    path = f"{folder}/{name}/{name}.vmx"
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text or f'config.version = "8"\nvirtualHW.version = "19"\ndisplayName = "{name}"\nmemsize = "256"\nguestOS = "debian12-64"\n'
                           'usb.present = "TRUE"\nethernet0.present = "TRUE"\nethernet0.connectionType = "nat"\n')
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)
    return path


def within(seconds, condition, what):
    began = time.monotonic()
    bus.wait(condition, what)
    assert time.monotonic() - began < seconds, f"{what} took {time.monotonic() - began:.1f} s"


def restart_driver(before=lambda: None, after=lambda: None):
    expect("NoSuchDomain", connection, "GetDomainByID", "u", 0)  # it may not have been needed yet
    bus.kill_driver("VMware", before=before, after=after)
    expect("NoSuchDomain", connection, "GetDomainByID", "u", 0)


# Without any VMware

def a_configuration_is_translated_where_there_is_no_vmware():
    xml = from_native('config.version = "8"\nvirtualHW.version = "4"\ndisplayName = "a%2fb |22c|22"\n'.replace("%2f", "-") +
                      'scsi0.present = "TRUE"\nscsi0.virtualDev = "pvscsi"\nscsi0:1.present = "TRUE"\nscsi0:1.fileName = "/vmfs/volumes/ds/d/x.vmdk"\n'
                      'sound.present = "TRUE"\ntools.syncTime = "FALSE"\nRemoteDisplay.vnc.password = "secret"\n')
    tree = ET.fromstring(xml)
    assert tree.findtext("name") == 'a-b "c"'
    assert tree.find("devices/disk/source").get("file") == "[ds] d/x.vmdk" and tree.find("devices/disk/target").get("dev") == "sdb"
    contains(xml, "<!--", "sound.present")  # what a document does not say is named, without values
    assert "tools.syncTime" not in xml and "secret" not in xml
    text = to_native(xml)
    contains(text, 'scsi0:1.fileName = "/vmfs/volumes/ds/d/x.vmdk"', 'displayName = "a-b |22c|22"', 'scsi0.virtualDev = "pvscsi"')


def what_is_wrong_with_a_configuration_is_named():
    head = 'config.version = "8"\nvirtualHW.version = "8"\ndisplayName = "x"\n'
    for text, *words in (
            ("", "config.version"), ('config.version = "7"\nvirtualHW.version = "8"\ndisplayName = "x"\n', "config.version", "8"),
            ('config.version = "8"\nvirtualHW.version = "8"\n', "displayName"), (head + "memsize = 5\n", "memsize", "multiple of 4"),
            (head + 'memsize = "x"\n', "memsize"), (head + "no key\n", "line 4"), (head + 'a = "b\n', "line 4"),
            (head + 'a = "b" c\n', "line 4"), (head + 'memsize = "4"\nMEMSIZE = "8"\n', "line 5", "memsize"),
            (head + 'scsi0.present = "yes"\n', "scsi0.present", "true or false"),
            (head + 'scsi0.present = "true"\nscsi0:0.present = "true"\nscsi0:0.fileName = "a.vmdk"\nscsi0.virtualDev = "virtio"\n', "scsi0.virtualDev", "pvscsi"),
            (head + 'ide0:0.present = "true"\nide0:0.deviceType = "tape"\nide0:0.fileName = "t"\n', "ide0:0", "tape"),
            (head + 'ethernet0.present = "true"\nethernet0.connectionType = "magic"\n', "ethernet0.connectionType", "bridged"),
            (head + 'ethernet0.present = "true"\nethernet0.connectionType = "custom"\nethernet0.networkName = "n"\n', "ethernet0.vnet"),
            (head + 'ethernet0.present = "true"\nethernet0.virtualDev = "rtl8139"\n', "ethernet0.virtualDev", "e1000"),
            (head + 'serial0.present = "true"\nserial0.fileType = "network"\nserial0.fileName = "nowhere"\n', "serial0.fileName", "tcp://"),
            (head + 'uuid.bios = "12"\n', "uuid.bios"), (head + 'firmware = "openboot"\n', "firmware", "efi"),
            (head + '.encoding = "klingon"\n', ".encoding", "klingon"), (head + 'sched.cpu.affinity = "a"\n', "sched.cpu.affinity"),
            (head + f'annotation = "{"x" * 70000}"\n', "line 4", "65536")):
        name = "LimitExceeded" if "65536" in words else "InvalidArgument"
        contains(expect(name, from_native, text), *words)
    contains(expect("LimitExceeded", from_native, head + '# x\n' * 200000), "bytes")
    contains(expect("LimitExceeded", from_native, head + "".join(f'k{i} = "v"\n' for i in range(9000))), "keys")


def what_a_configuration_cannot_say_is_refused_by_name():
    for xml, *words in (
            (document(devices="<sound model='ich9'/>"), "sound"), (document(more="<metadata><a:b xmlns:a='urn:a'/></metadata>"), "metadata"),
            (document(devices="<disk type='file' device='disk'><source file='a.qcow2'/><target dev='sda' bus='scsi'/></disk>"), "disk", ".vmdk"),
            (document(devices="<disk type='file' device='disk'><source file='a.vmdk'/><target dev='vda' bus='virtio'/></disk>"), "target", "scsi"),
            (document(devices="<disk type='file' device='disk'><source file='a.vmdk'/><target dev='sda' bus='scsi'/><address type='drive' unit='7'/></disk>"), "unit 7"),
            (document(devices="<interface type='bridge'><source bridge='b'/><model type='virtio'/></interface>"), "virtio", "e1000"),
            (document(devices="<interface type='network'><source network='default'/></interface>"), "hostonly"),
            (document(devices="<hostdev mode='subsystem' type='usb'/>"), "hostdev"), (document(more="<vcpu current='1'>2</vcpu>"), "current"),
            (document(more="<on_reboot>destroy</on_reboot>"), "on_reboot"),
            (document(devices="<interface type='user'><bandwidth><inbound average='1'/></bandwidth></interface>"), "bandwidth"),
            (document().replace("type='vmware'", "type='kvm'"), "vmware")):
        contains(expect("Unsupported", to_native, xml), *words)
        contains(expect("Unsupported", define, xml), *words)
    for text in ('a"b', "a\nb"):  # nothing of a value is another line
        keys = to_native(document(more=f"<description>{text}\nnvram = \"evil\"</description>"))
        assert "\nnvram" not in keys and keys.count("annotation") == 1, keys


def without_vmware_nothing_starts():
    domain = define(document())
    contains(expect("Unsupported", do, domain, "Start"), "vmrun", "install")
    assert state(domain) == "shutoff"
    do(domain, "Undefine")
    assert os.listdir(OURS) == []


def its_uris_have_other_names():
    for scheme in ("vmware", "vmwarews", "vmwareplayer", "vmwarefusion"):
        assert bus.call("/org/virtbus1", f"{NAME}.Manager", "OpenConnection", "sa{sv}", f"{scheme}:///session", {}) == PATH
    contains(expect("Unsupported", bus.call, "/org/virtbus1", f"{NAME}.Manager", "OpenConnection", "sa{sv}", "vmwarews://elsewhere/", {}), "this machine")


def virtbusctl_translates_both_ways():
    if len(sys.argv) < 2:
        raise Skip("virtbusctl is the argument")
    environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": os.environ["DBUS_SYSTEM_BUS_ADDRESS"]}

    def translate(text):
        return subprocess.run([sys.argv[1], "--connection", "vmware", "translate", "-"], input=text, capture_output=True, text=True, check=True, env=environment).stdout
    text = translate(document("both"))
    contains(text, 'displayName = "both"', 'memsize = "64"')
    contains(translate(text), "<name>both</name>", "type=\"vmware\"")


# With the double

def vmware_is_installed():
    shutil.copy(DOUBLE, VMRUN)
    os.chmod(VMRUN, 0o755)
    os.makedirs(STATE, exist_ok=True)
    os.makedirs(OTHERS, exist_ok=True)
    restart_driver()
    bus.wait(lambda: os.path.exists(f"{STATE}/log") and said("list"), "the driver to look")


def a_machine_goes_through_its_life():
    disk = "<disk type='file' device='disk'><source file='web.vmdk'/><target dev='sda' bus='scsi'/></disk>"
    domain = define(document(devices=disk + "<interface type='user'/>"))
    path = file_of()
    keys = keys_of(path)
    assert keys["displayName"] == "web" and keys["scsi0:0.fileName"] == "web.vmdk" and keys["ethernet0.connectionType"] == "nat", keys
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and keys["virtbus.owner"] == str(os.geteuid())
    assert ET.fromstring(document_of(domain)).find("devices/controller").get("type") == "scsi"  # what VMware makes of it
    bus.signals.clear()
    do(domain, "Start")
    assert state(domain) == "running" and said("start")[-1] == f"-T ws start {path} nogui"
    do(domain, "Suspend")
    assert state(domain) == "paused" and said("pause")
    do(domain, "Resume")
    do(domain, "Reboot")
    do(domain, "Reset")
    assert state(domain) == "running" and [line.rsplit(" ", 1)[1] for line in said("reset")] == ["soft", "hard"]
    do(domain, "Shutdown")
    bus.wait(lambda: state(domain) == "shutoff", "its end")
    assert said("stop")[-1].endswith(" soft")
    do(domain, "Start", paused=True)
    assert state(domain) == "paused"
    do(domain, "Destroy")
    assert state(domain) == "shutoff" and said("stop")[-1].endswith(" hard")
    bus.settle()
    states = [a[1]["State"] for p, _, m, a in bus.signals if m == "PropertiesChanged" and p == domain and "State" in a[1]]
    assert states == ["starting", "running", "paused", "running", "shutoff", "starting", "paused", "stopping", "shutoff"], states
    do(domain, "Undefine")
    assert not os.path.exists(os.path.dirname(path)) and domains() == {}


def what_vmware_knows_besides_stays():
    domain = define(document())
    path = file_of()
    with open(path, "a", encoding="utf-8") as file:
        file.write('ethernet5.pciSlotNumber = "33"\nsound.present = "TRUE"\nnvram = "web.nvram"\nguestOS.detailed.data = "x"\n')
    text = open(path, encoding="utf-8").read().replace('guestOS = "other-64"', 'guestOS = "rhel9-64"').replace(
        'virtualHW.version = "7"', 'virtualHW.version = "19"')
    open(path, "w", encoding="utf-8").write(text)
    assert define(document(memory=128)) == domain
    keys = keys_of(path)
    wanted = {"sound.present": "TRUE", "nvram": "web.nvram", "ethernet5.pciSlotNumber": "33", "guestOS": "rhel9-64",
              "virtualHW.version": "19", "memsize": "128", "uuid.action": "keep"}
    assert wanted.items() <= keys.items(), keys
    assert bus.get(domain, "Domain", "Memory") == 128 << 20
    do(domain, "Start")
    contains(expect("OperationInvalid", define, document(memory=256)), "web", "shut it down")
    contains(expect("OperationInvalid", do, domain, "Undefine"), "web")
    do(domain, "Destroy")
    contains(expect("Unsupported", bus.call, domain, "org.freedesktop.DBus.Properties", "Set", "ssv", f"{NAME}.Domain", "Autostart",
                    variants({"x": True})["x"]), "autostart")
    bus.call(domain, f"{NAME}.Domain", "Rename", "sa{sv}", "shop", {})
    assert keys_of(path)["displayName"] == "shop" and keys_of(path)["nvram"] == "web.nvram" and domains() == {"shop": domain}
    do(domain, "Undefine")


def a_transient_machine_goes_with_its_run():
    domain = connection("CreateDomain", "sa{sv}", document("passing"), {})
    assert state(domain) == "running" and keys_of(file_of())["virtbus.transient"] == "true"
    assert not bus.get(domain, "Domain", "Persistent")
    restart_driver()
    bus.wait(lambda: state(domains().get("passing", domain)) == "running", "it to be found again")
    do(domain, "Destroy")
    bus.wait(lambda: domains() == {} and os.listdir(OURS) == [], "nothing to be left")


def what_others_do_is_signalled_at_once():
    bus.signals.clear()
    path = put_machine("desk")
    within(SEEN, lambda: "desk" in domains(), "a machine that somebody has made")
    domain = domains()["desk"]
    mac = ET.fromstring(document_of(domain)).find("devices/interface/mac").get("address")
    vmrun("start", path, "gui")
    within(SEEN, lambda: state(domain) == "running", "its start by somebody else")
    vmrun("stop", path, "hard")
    within(SEEN, lambda: state(domain) == "shutoff", "its end by somebody else")
    put_machine("desk", open(path, encoding="utf-8").read().replace("256", "512"))
    within(SEEN, lambda: bus.get(domain, "Domain", "Memory") == 512 << 20, "its other memory")
    assert ET.fromstring(document_of(domain)).find("devices/interface/mac").get("address") == mac  # chosen once for all
    do(domain, "Undefine")
    assert os.path.exists(path + ".undefined") and not os.path.exists(path)  # it is not ours to delete
    put_machine("desk")
    within(SEEN, lambda: "desk" in domains(), "it again")
    shutil.rmtree(f"{OTHERS}/desk")
    within(SEEN, lambda: domains() == {}, "a machine that somebody has deleted")


def a_machine_that_cannot_be_shown_harms_no_other():
    put_machine("good")
    put_machine("bad", "this is nothing\n")
    put_machine("open", mode=0o777)  # anybody could have written it
    put_machine("twin", open(put_machine("good"), encoding="utf-8").read())
    put_machine("large", "# " + "x" * 600000)
    bus.wait(lambda: "good" in domains(), "the good one")
    bus.settle()
    assert set(domains()) == {"good"}, domains()
    log = open(f"{ROOT}/log", encoding="utf-8", errors="replace").read()
    contains(log, "bad.vmx is not shown", "open.vmx", "another machine has its name", "displayName", "large.vmx")
    shutil.rmtree(OTHERS)
    os.makedirs(OTHERS)
    bus.wait(lambda: domains() == {}, "all to go")


def a_killed_driver_finds_what_runs():
    one, two, three = (define(document(name, f"564d9bef-acd9-b4e0-c8f0-00000000000{i}")) for i, name in enumerate(("one", "two", "three")))
    for domain in (one, two, three):
        do(domain, "Start")
    do(two, "Suspend")
    ids = {domain: bus.get(domain, "Domain", "ID") for domain in (one, two)}
    path = file_of("564d9bef-acd9-b4e0-c8f0-000000000002")
    restart_driver(after=lambda: vmrun("stop", path, "hard"))
    bus.wait(lambda: [state(domain) for domain in (one, two, three)] == ["running", "paused", "shutoff"], "what is true")
    assert {domain: bus.get(domain, "Domain", "ID") for domain in (one, two)} == ids
    do(two, "Resume")
    for domain in (one, two):
        do(domain, "Destroy")
    for domain in (one, two, three):
        do(domain, "Undefine")


def a_vmrun_that_lies_fails_or_talks_is_not_believed():
    domain = define(document())
    misbehave("start", "lie")
    contains(expect("HypervisorFailed", do, domain, "Start"), "web", "vmrun start")
    misbehave("start", "fail")
    contains(expect("HypervisorFailed", do, domain, "Start"), "web", "Insufficient permissions")
    misbehave("start", "flood")
    contains(expect("HypervisorFailed", do, domain, "Start"), "web", "bytes")
    assert state(domain) == "shutoff"
    misbehave("list", "noise", 2)
    do(domain, "Start")  # what vmrun says counts where the list after it is not one
    assert state(domain) == "running"
    misbehave("list", "noise", 3)
    misbehave("pause", "fail")
    expect("HypervisorFailed", do, domain, "Suspend")
    assert state(domain) == "running"
    misbehave("stop", "fail")
    begun = bus.begin(domain, f"{NAME}.Domain", "Destroy", "a{sv}", {})
    bus.wait(lambda: state(domain) == "shutoff", "what is tried again")
    bus.wait(lambda: begun, "the answer")
    do(domain, "Undefine")


def a_vmrun_that_hangs_is_ended():
    domain = define(document())
    misbehave("start", "hang")
    contains(expect("Timeout", do, domain, "Start"), "web", "vmrun start")
    assert state(domain) == "shutoff"
    misbehave("start", "late")
    do(domain, "Start")  # it runs, whatever has become of vmrun
    assert state(domain) == "running"
    misbehave("stop", "hang")
    begun = bus.begin(domain, f"{NAME}.Domain", "Shutdown", "a{sv}", {})
    bus.wait(lambda: len(said("stop")) and said("stop")[-1].endswith("soft"), "it to be asked")
    do(domain, "Destroy")  # which overtakes
    assert state(domain) == "shutoff" and begun is not None
    do(domain, "Undefine")


def destroying_interrupts_a_start():
    domain = define(document())
    misbehave("start", "late")
    begun = bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {})
    bus.wait(lambda: state(domain) == "starting" and os.path.exists(file_of() + ".lck"), "it to start")
    do(domain, "Destroy")
    bus.wait(lambda: begun, "the answer")
    assert state(domain) == "shutoff" and not os.path.exists(file_of() + ".lck")
    do(domain, "Undefine")


def a_driver_that_is_told_to_end_cancels_what_waits_and_ends_well():
    """Within each of vmrun's commands, and while definitions are written; what vmrun was told is not waited for, and found out again."""
    ends = Ends(bus, "VMware")
    restart_driver()  # by the script that tells
    domain = define(document("ends"))
    works = [("start", "shutoff", "Start"), ("pause", "running", "Suspend"), ("unpause", "paused", "Resume"), ("reset", "running", "Reset"),
             ("stop", "running", "Shutdown"), ("stop", "running", "Destroy"), ("list", "running", "Shutdown")]
    for command, before, member in works:
        if before != "shutoff" and state(domain) == "shutoff":
            do(domain, "Start")
        if state(domain) != before:
            do(domain, "Suspend" if before == "paused" else "Resume")
        misbehave(command, "hang")
        answer = bus.begin(domain, f"{NAME}.Domain", member, *(("",) if member in ("Suspend", "Resume", "Reset") else ("a{sv}", {})))
        behind = [] if member == "Destroy" else bus.begin(domain, f"{NAME}.Domain", "Reset", "")
        bus.wait(lambda command=command: os.path.getsize(f"{STATE}/{command}.hang") == 0, f"vmrun {command}")
        pid, hanging = bus.driver("VMware"), vmruns()
        assert hanging
        bus.kill_driver("VMware", pid, number=signal.SIGTERM)
        ends.well(pid)
        bus.wait(lambda answer=answer, behind=behind: answer and (behind or member == "Destroy"), "answers")
        for each in (answer, behind):
            assert not each or (isinstance(each[0], BusError) and each[0].name.endswith(".Cancelled")), (command, member, each)
        for process in hanging:
            assert select.select([process], [], [], DEADLINE)[0], f"vmrun {command} has not ended"
            os.close(process)
        expect("NoSuchDomain", connection, "GetDomainByID", "u", 0)
        is_there = member != "Destroy" and file_of() in vmrun("list")  # which goes on
        bus.wait(lambda is_there=is_there: (state(domain) not in ("shutoff", "starting", "stopping")) == is_there, f"what {member} has come to")
        if state(domain) != "shutoff":
            try:
                do(domain, "Destroy")
            except BusError as error:  # what vmrun was told before may have come about by then
                assert error.name.endswith(".OperationInvalid"), error
            bus.wait(lambda: state(domain) == "shutoff", "its end")
    answers = [bus.begin(PATH, CONNECTION, "DefineDomain", "sa{sv}", document(f"many-{n}", ""), {}) for n in range(20)]
    bus.wait(lambda: any(answers), "the first answer")
    pid = bus.driver("VMware")
    bus.kill_driver("VMware", pid, number=signal.SIGTERM)
    ends.well(pid)
    bus.wait(lambda: all(answers), "all answers")
    expect("NoSuchDomain", connection, "GetDomainByID", "u", 0)
    for number, answer in enumerate(answers):
        assert (f"many-{number}" in domains()) == (not isinstance(answer[0], BusError)), (number, answer)
        assert not isinstance(answer[0], BusError) or answer[0].name.endswith(".Cancelled"), answer
    for name, path in domains().items():
        if name == "ends" or name.startswith("many-"):
            do(path, "Undefine")


def vmruns():
    """The vmrun that run, as descriptors."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                found += [os.pidfd_open(int(pid))] if VMRUN in file.read().split("\0") else []
        except OSError:
            pass
    return found


def it_stays_shared_with_whom_its_owner_says():
    domain = define(document())
    bus.call(domain, f"{NAME}.Domain", "Share", "sasa{sv}", "user:vb-bob", ["domain.start", "read"], {})
    shares = bus.get(domain, "Domain", "Shares")
    assert keys_of(file_of())["virtbus.shares"].split() == shares != [], shares
    define(document(memory=128))
    restart_driver()
    assert bus.get(domain, "Domain", "Shares") == shares
    bus.call(domain, f"{NAME}.Domain", "Share", "sasa{sv}", "user:vb-bob", [], {})
    assert "virtbus.shares" not in keys_of(file_of()) or not keys_of(file_of())["virtbus.shares"]
    restart_driver()
    assert bus.get(domain, "Domain", "Shares") == []
    do(domain, "Undefine")


def no_shell_reads_a_name():
    name = "a;touch $(echo evil) `id` 'b' \"c\" -h"
    domain = define(document(name.replace("&", "&amp;")))
    do(domain, "Start")
    assert state(domain) == "running" and os.path.basename(file_of()) == f"{name}.vmx"
    do(domain, "Destroy")
    do(domain, "Undefine")
    assert not any("evil" in entry for entry in os.listdir("."))


def libvirts_clients_find_it():
    with virsh_on(bus, "vmwarews+unix:///session?socket={socket}") as virsh:
        virsh("define", "/dev/stdin", given=document("seen"))
        virsh("start", "seen")
        contains(virsh("list", "--all"), "seen", "running")
        virsh("suspend", "seen")
        contains(virsh("domstate", "seen"), "paused")
        virsh("destroy", "seen")
        contains(virsh("domxml-to-native", "vmware-vmx", "--domain", "seen"), 'displayName = "seen"')
        contains(virsh("autostart", "seen", status=1), "autostart")
        virsh("undefine", "seen")


def who_may_not_is_refused():
    if os.geteuid() != 0:
        raise Skip("only root has other users")
    domain = define(document())
    alice = User("vb-alice")
    for call in ((domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}"), (domain, f"{NAME}.Domain", "GetXMLWithSecrets", "a{sv}", "@a{sv} {}"),
                 (PATH, CONNECTION, "DefineDomain", "sa{sv}", repr(document()), "@a{sv} {}")):
        assert denied(alice.call, *call), call
    alice.leave()
    assert state(domain) == "shutoff"
    do(domain, "Undefine")


TESTS = [a_configuration_is_translated_where_there_is_no_vmware, what_is_wrong_with_a_configuration_is_named,
         what_a_configuration_cannot_say_is_refused_by_name, without_vmware_nothing_starts, its_uris_have_other_names, virtbusctl_translates_both_ways, vmware_is_installed,
         a_machine_goes_through_its_life, what_vmware_knows_besides_stays, a_transient_machine_goes_with_its_run,
         what_others_do_is_signalled_at_once, a_machine_that_cannot_be_shown_harms_no_other, a_killed_driver_finds_what_runs,
         a_vmrun_that_lies_fails_or_talks_is_not_believed, a_vmrun_that_hangs_is_ended, destroying_interrupts_a_start, it_stays_shared_with_whom_its_owner_says,
         a_driver_that_is_told_to_end_cancels_what_waits_and_ends_well, no_shell_reads_a_name,
         libvirts_clients_find_it, who_may_not_is_refused]

run(TESTS)
