#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a QEMU can do: asked once, kept with each running guest, told as libvirt's documents.

The QEMU is a real one behind a script of this test, which counts how often it is asked. Usage: below tests/with-bus."""

import os
import shutil
import re
import shlex
import subprocess
import xml.etree.ElementTree as ET

from rig import NAME, ROOT, Bus, Hypervisor, contains, expect, run, variants

bus = Bus()
qemu = Hypervisor(bus, "qemu")
CONNECTION = f"{NAME}.Connection"
WORK = os.path.join(ROOT, "emulators")
os.makedirs(WORK, mode=0o711)
EMULATOR, ASKED = os.path.join(WORK, "qemu-system-x86_64"), os.path.join(WORK, "asked")
state = {}


def install(more=""):
    """(Over)writes the binary: another size and time make it another one."""
    with open(ASKED, "a", encoding="utf-8"):
        os.chmod(ASKED, 0o666)
    with open(EMULATOR + ".new", "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\ncase "$*" in *none,accel=*) echo "$*" >> {ASKED};; esac\nexec /usr/bin/qemu-system-x86_64 "$@"\n{more}')
    os.chmod(EMULATOR + ".new", 0o755)
    os.rename(EMULATOR + ".new", EMULATOR)


def times_asked():
    with open(ASKED, encoding="utf-8") as file:
        return len(file.readlines())


def document(name):
    return qemu.document(name, devices=f"<emulator>{EMULATOR}</emulator>")


def status_file(domain):
    return f"{ROOT}/qemu/run/qemu/domains/{bus.get(domain, 'Domain', 'UUID')}.xml"


def a_binary_is_asked_once_without_and_with_kvm():
    install()
    # A command line is the first that is seen of this binary: its machine is that of this very QEMU all the same.
    xml = bus.call(qemu.path, CONNECTION, "DomainXMLFromNative", "ss", "qemu-argv", f"{EMULATOR} -machine pc -m 64")
    contains(xml, "machine=\"pc-i440fx-7.2\"")
    assert times_asked() == 2, open(ASKED, encoding="utf-8").read()
    state["domain"] = qemu.define(document("first"))
    assert times_asked() == 2, open(ASKED, encoding="utf-8").read()
    qemu.define(document("second"))
    qemu.do(state["domain"], "Start", paused=True)
    assert times_asked() == 2


def a_running_guest_keeps_the_answer_whatever_becomes_of_the_binary():
    contains(open(status_file(state["domain"]), encoding="utf-8").read(), "<capabilities>", "virtio-blk-pci")
    install("# another one\n")
    qemu.kill_driver()
    assert bus.get(state["domain"], "Domain", "State") == "paused"
    qemu.do(state["domain"], "Resume")
    assert times_asked() == 2
    qemu.define(document("third"))  # which would run on the new one
    assert times_asked() == 4
    qemu.kill_driver()
    qemu.define(document("fourth"))  # known from the file
    assert times_asked() == 4
    qemu.do(state["domain"], "Suspend")  # which waits until the driver has found the guest, and written down that it has
    qemu.do(state["domain"], "Resume")


def take_the_answer(instead=""):
    """Takes what the QEMU can do out of the first guest's status, and puts an attribute there; returns the QEMU's process."""
    path = status_file(state["domain"])
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"<capabilities>.*?</capabilities>", "", text, flags=re.DOTALL).replace("<run ", f"<run {instead}", 1))
    return int(re.search(r' pid="(\d+)"', text).group(1))


def a_guest_whose_driver_ended_before_the_answer_is_kept():
    take_the_answer('capabilities="unknown" ')
    qemu.kill_driver()
    qemu.do(state["domain"], "Suspend")
    contains(open(status_file(state["domain"]), encoding="utf-8").read(), 'capabilities="unknown"')
    qemu.kill_driver()
    qemu.do(state["domain"], "Resume")
    assert times_asked() == 4


def a_guest_without_the_answer_is_only_paused_and_ended():
    path = status_file(state["domain"])
    with open(path, encoding="utf-8") as file:
        text = file.read().replace('capabilities="unknown" ', "")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    pid = take_the_answer()
    qemu.kill_driver()
    assert bus.get(state["domain"], "Domain", "State") == "running"
    qemu.do(state["domain"], "Suspend")
    qemu.do(state["domain"], "Resume")
    contains(expect("HypervisorFailed", bus.call, state["domain"], f"{NAME}.Domain", "AttachDevice", "sa{sv}", "<rng model='virtio'><backend model='random'/></rng>", {}),
             "'first'", "Destroy")
    os.kill(pid, 0)
    assert times_asked() == 4
    with open(f"{ROOT}/log", encoding="utf-8") as log:
        contains(log.read(), "domain 'first': its status does not say what its QEMU can do")
    qemu.do(state["domain"], "Destroy")


def a_binary_that_is_no_qemu_is_asked_once_and_told():
    path = os.path.join(WORK, "not-qemu")
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 3\n")
    os.chmod(path, 0o755)
    domain = qemu.define(qemu.document("odd", devices=f"<emulator>{path}</emulator>"))
    assert bus.get(domain, "Domain", "Machine") == "pc"  # nobody knows its version
    contains(expect("HypervisorFailed", qemu.do, domain, "Start"), "QEMU has ended")
    with open(f"{ROOT}/log", encoding="utf-8") as log:
        contains(log.read(), "not-qemu does not say what it can do")


def what_it_lacks_is_refused_by_name():
    contains(expect("Unsupported", qemu.define, qemu.document("none").replace("'pc'", "'pc-i440fx-99.0'")), "<type>", "pc-i440fx-99.0", "QEMU 7")
    vmxnet = "<interface type='user'><model type='i82550'/></interface>"
    qemu.do(qemu.define(qemu.document("known", devices=vmxnet)), "Undefine")
    contains(expect("Unsupported", qemu.define, qemu.document("unknown", devices="<interface type='user'><model type='igb'/></interface>")),
             "<interface>", "no device 'igb'", "7.")


def documents_are_libvirts():
    root = ET.fromstring(bus.call(qemu.path, CONNECTION, "GetCapabilities"))
    assert root.tag == "capabilities" and root.find("host/cpu/arch").text == os.uname().machine
    guest = [g for g in root.findall("guest") if g.find("arch").get("name") == "x86_64"][0]
    machines = {m.text: m.get("canonical") for m in guest.findall("arch/machine")}
    assert machines["pc"] in machines and machines["q35"].startswith("pc-q35-") and "none" not in machines
    assert "qemu" in [d.get("type") for d in guest.findall("arch/domain")]
    root = ET.fromstring(bus.call(qemu.path, CONNECTION, "GetDomainCapabilities", "ssss", "", "", "q35", "qemu"))
    # What cannot be started is not offered: clients choose it unasked.
    assert ("emulator" in [value.text for value in root.iterfind("devices/tpm/enum[@name='backendModel']/value")]) == bool(shutil.which("swtpm_setup"))
    assert ("virtiofs" in [value.text for value in root.iterfind("devices/filesystem/enum[@name='driverType']/value")]) == os.path.exists("/usr/lib/qemu/virtiofsd")
    assert [value.text for value in root.iterfind("devices/interface/enum[@name='backendType']/value")] == ["default"] + ["passt"] * bool(shutil.which("passt"))
    assert root.tag == "domainCapabilities" and root.find("machine").text == machines["q35"] and root.find("domain").text == "qemu"
    buses = [v.text for e in root.findall("devices/disk/enum") if e.get("name") == "bus" for v in e]
    assert {"virtio", "scsi", "sata", "ide"} <= set(buses), buses
    models = [m.text for m in root.findall("cpu/mode/model")]
    assert "qemu64" in models and "qemu64" in bus.call(qemu.path, CONNECTION, "GetCPUModels", "s", "")
    for arguments, name, part in ((("/bin/false-qemu", "", "", ""), "Unsupported", "/bin/false-qemu"), (("", "vax", "", ""), "Unsupported", "vax"),
                                  (("", "", "isapcx", "qemu"), "Unsupported", "isapcx"), (("", "", "", "xen"), "InvalidArgument", "xen")):
        contains(expect(name, bus.call, qemu.path, CONNECTION, "GetDomainCapabilities", "ssss", *arguments), part)


def compare(xml, caller=bus, **options):
    return caller.call(qemu.path, CONNECTION, "CompareCPU", "sa{sv}", xml, variants(options))


def baseline(xmls, **options):
    return bus.call(qemu.path, CONNECTION, "BaselineCPU", "asa{sv}", xmls, variants(options))


def processors_are_compared_with_what_guests_get():
    machine = ET.fromstring(bus.call(qemu.path, CONNECTION, "GetDomainCapabilities", "ssss", "", "", "", "qemu"))
    host_model = machine.find("cpu/mode[@name='host-model']")
    assert host_model.findtext("model") and host_model.findtext("vendor"), ET.tostring(host_model)
    assert {m.get("vendor") for m in machine.iterfind("cpu/mode[@name='custom']/model")} >= {"AMD", "Intel", "unknown"}
    assert compare(ET.tostring(machine, "unicode"), type="qemu") == "identical"  # what guests get is what guests get
    host = bus.call(qemu.path, CONNECTION, "GetCapabilities")
    assert compare(host, host=True) == "identical" and ET.fromstring(host).find("host/cpu/feature") is not None
    assert compare("<cpu><model>qemu64</model></cpu>", type="qemu") == "superset"
    # libvirt 9.0 names the same ones for QEMU 7.2.
    haswell = "<cpu mode='custom' match='exact'><model>Haswell</model></cpu>"
    assert compare(haswell, type="qemu") == "incompatible"
    contains(expect("OperationInvalid", compare, haswell, type="qemu", fail=True), "hle", "invpcid", "pcid", "rtm", "tsc-deadline", "x2apic")
    both = [f"<cpu><model>{name}</model><vendor>Intel</vendor><feature name='vmx'/></cpu>" for name in ("Haswell", "Westmere")]
    common = ET.fromstring(baseline(both, host=True))
    assert common.findtext("model") == "Westmere" and [f.attrib for f in common.iterfind("feature")] == [{"policy": "require", "name": "vmx"}], ET.tostring(common)
    assert compare(baseline([haswell], type="qemu"), type="qemu") == "superset"
    for wrong, error, part in ((("<cpu><model>none</model></cpu>",), "InvalidXML", "none"), (("<cpu/>", {"arch": "vax"}), "Unsupported", "vax"), (("<cpu",), "InvalidXML", "line 1"),
                               (("<cpu/>", {"machine": "none-such", "type": "qemu"}), "InvalidArgument", "none-such"), (("<cpu/>", {"type": "xen"}), "InvalidArgument", "xen"),
                               (("<cpu/>", {"host": True, "arch": "i686"}), "InvalidArgument", "host"), (("<cpu/>", {"colour": "red"}), "InvalidArgument", "colour")):
        contains(expect(error, compare, wrong[0], **(wrong[1] if len(wrong) > 1 else {})), part)
    contains(expect("OperationInvalid", baseline, ["<cpu><model>EPYC</model></cpu>", "<cpu><model>Penryn</model></cpu>"], type="qemu"), "vendor")
    contains(expect("InvalidArgument", baseline, [], type="qemu"), "1 to 256")
    contains(expect("LimitExceeded", compare, "<cpu>" + " " * 262144 + "</cpu>"), "262144")
    contains(expect("Unsupported", bus.call, "/org/virtbus1/test", CONNECTION, "CompareCPU", "sa{sv}", "<cpu/>", {}), "test")
    if os.path.exists("/usr/bin/qemu-system-aarch64"):
        contains(expect("Unsupported", compare, "<cpu/>", arch="aarch64", type="qemu"), "x86")


def a_guest_of_host_model_says_which_processor_it_got():
    def cpu(domain, config):
        return ET.fromstring(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": config}))).find("cpu")
    install()
    # By the script, whose models nobody has asked for yet: the start waits for them.
    domain = qemu.define(document("chosen").replace("<devices>", "<cpu mode='host-model'><feature policy='disable' name='avx2'/></cpu><devices>", 1))
    qemu.do(domain, "Start", paused=True)
    live = cpu(domain, False)
    assert cpu(domain, True).get("mode") == "host-model" and (live.get("mode"), live.get("match"), live.get("check")) == ("custom", "exact", "full"), ET.tostring(live)
    with open(f"/proc/{qemu.pid_of(domain)}/cmdline", encoding="utf-8") as file:
        words = file.read().split("\0")
    told = words[words.index("-cpu") + 1]
    assert told.startswith(live.findtext("model") + ",") and ",avx2=off" in told, told
    assert compare(ET.tostring(live, "unicode"), type="qemu") == "superset"  # without avx2
    # It is what QEMU gives it: nothing of it was filtered.
    assert not re.search("doesn't support requested feature", bus.call(domain, f"{NAME}.Domain", "MonitorCommand", "sa{sv}",
                         '{"execute":"qom-get","arguments":{"path":"/machine/unattached/device[0]","property":"filtered-features"}}', {})), told
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")
    impossible = qemu.define(qemu.document("impossible", devices="").replace("<devices>", "<cpu mode='host-model'><feature policy='require' name='amx-tile'/></cpu><devices>", 1))
    contains(expect("Unsupported", qemu.do, impossible, "Start"), "amx-tile")
    qemu.do(impossible, "Undefine")


def a_document_is_shown_as_a_command_line_that_runs():
    native = bus.call(qemu.path, CONNECTION, "DomainXMLToNative", "ss", "qemu-argv", qemu.document("shown", devices="<serial type='pty'/>"))
    words = shlex.split(native.replace("\\\n", " "))
    assert words[0] == "/usr/bin/qemu-system-x86_64" and "isa-serial" in native, native
    # The first disk that boots is the first of the document, among those of a bus the one whose name is first.
    disks = "".join(f"<disk type='file' device='disk'><source file='/no/{name}'/><target dev='{name}' bus='{target}'/></disk>" for name, target in
                    (("vdd", "virtio"), ("hdb", "ide"), ("hda", "ide"), ("vdc", "virtio")))
    native = bus.call(qemu.path, CONNECTION, "DomainXMLToNative", "ss", "qemu-argv",
                      qemu.document("boots", devices=disks).replace("</os>", "<boot dev='hd'/></os>"))
    assert re.findall(r'"id":"([^"]*)"[^\n]*"bootindex":1,', native) == ["virtio-disk2"], native
    contains(expect("InvalidArgument", bus.call, qemu.path, CONNECTION, "DomainXMLToNative", "ss", "vmware", "<domain/>"), "qemu-argv")
    contains(expect("InvalidXML", bus.call, qemu.path, CONNECTION, "DomainXMLToNative", "ss", "qemu-argv", "<domain/>"), "line 1")
    contains(expect("Unsupported", bus.call, "/org/virtbus1/test", CONNECTION, "DomainXMLToNative", "ss", "qemu-argv", "<domain/>"), "test")
    # As it stands, in a shell, until its monitor is told to quit.
    process = subprocess.Popen(["/bin/sh", "-c", f"cd {WORK} && exec {native}"], stderr=subprocess.PIPE, text=True)
    process.terminate()
    assert process.wait() in (0, -15), process.stderr.read()


def from_native(text):
    return bus.call(qemu.path, CONNECTION, "DomainXMLFromNative", "ss", "qemu-argv", text)


def a_command_line_becomes_a_document():
    xml = from_native("qemu-system-x86_64 -enable-kvm -M q35 -m 2G -smp 2,cores=2 -name 'my guest' -drive file=/tmp/a.qcow2,format=qcow2,if=virtio "
                      "-cdrom /tmp/b.iso -nic user,model=virtio-net-pci,mac=52:54:00:11:22:33 -device usb-tablet -vga qxl -vnc :1 -serial mon:stdio "
                      "-boot d,menu=on -device virtio-rng-pci,rng=r -object rng-random,id=r,filename=/dev/urandom -daemonize")
    root = ET.fromstring(xml)
    assert root.get("type") == "kvm" and root.find("name").text == "my guest" and root.find("memory").text == "2097152"
    assert root.find("os/type").get("machine").startswith("pc-q35-") and root.find("vcpu").text == "2"
    disks = {d.find("target").get("dev"): d for d in root.findall("devices/disk")}
    assert disks["vda"].find("driver").get("type") == "qcow2" and disks["sdc"].get("device") == "cdrom", xml  # q35 has no IDE
    assert root.find("devices/interface/mac").get("address") == "52:54:00:11:22:33"
    assert root.find("devices/graphics").get("port") == "5901" and root.find("devices/rng/backend").text == "/dev/urandom"
    assert root.find("devices/controller[@type='usb']/address") is not None  # it is complete
    # What is made of a document leads back to it.
    more = qemu.document("many", devices=(
        "<controller type='scsi' index='1' model='lsilogic'/><controller type='virtio-serial' index='1'/>"
        "<disk type='file'><source file='/tmp/x'/><target dev='sda' bus='scsi'/><address type='drive' controller='1' unit='3'/></disk>"
        "<disk type='file'><driver cache='none' discard='unmap'/><source file='/tmp/y'/><target dev='sdb' bus='sata'/></disk>"
        "<disk type='file'><source file='/tmp/z'/><target dev='sdc' bus='usb' removable='on'/></disk><hub type='usb'/>"
        "<video><model type='qxl' vgamem='8192'/></video><memballoon model='none'/>")).replace("'pc'", "'q35'")
    document = qemu.document("round", devices=(
        "<disk type='file'><driver type='qcow2'/><source file='/tmp/x.qcow2'/><target dev='vda' bus='virtio'/></disk>"
        "<interface type='user'><mac address='52:54:00:00:00:09'/><model type='virtio'/></interface><serial type='pty'/>"
        "<channel type='unix'><source mode='bind' path='/tmp/c'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng><input type='tablet' bus='usb'/>"), uuid="6f0ad5d8-4f0d-4bd4-8f5f-4b7a2bb8a3e1")

    def devices(text):
        return sorted(w for w in shlex.split(text.replace("\\\n", " ")) if w.startswith(("{", "pc-")))

    def to_native(xml):
        return bus.call(qemu.path, CONNECTION, "DomainXMLToNative", "ss", "qemu-argv", xml)
    for xml in (document, more):
        native = to_native(xml)
        assert devices(native) == devices(to_native(from_native(native))), (native, from_native(native))
    assert '"id":"scsi1-0-3"' in to_native(more), to_native(more)  # what an address leaves out is 0
    for text, name, parts in (("", "InvalidArgument", ["command line"]), ("ls -l", "InvalidArgument", ["'ls'"]), ("qemu-system-x86_64 -m", "InvalidArgument", ["-m", "no value"]),
                              ("qemu-system-x86_64 -m lots", "InvalidArgument", ["lots"]), ("qemu-system-x86_64 -frobnicate", "Unsupported", ["-frobnicate"]),
                              ("qemu-system-x86_64 -device nvme,drive=x", "Unsupported", ["nvme"]), ("qemu-system-x86_64 -drive file=/x,copy=on", "Unsupported", ["copy"]),
                              ("qemu-system-x86_64 -device virtio-net-pci,netdev=no", "InvalidArgument", ["'no'"]),
                              ("qemu-system-x86_64 -object iothread,id=worker", "Unsupported", ["object:worker"]),
                              ("qemu-system-x86_64 -display gtk", "Unsupported", ["gtk", "-vnc"]), ("qemu-system-x86_64 -audiodev dsound,id=a", "Unsupported", ["dsound"]), ("qemu-system-x86_64 -vnc :1,password=on", "Unsupported", ["passwd"]),
                              ("qemu-system-x86_64 -device usb-tablet,bus=none.0,port=1", "Unsupported", ["none.0"]), ("qemu-system-x86_64 -global a.b=c", "Unsupported", ["a.b=c"]),
                              ("qemu-system-x86_64 -device qxl-vga,vgamem_mb=99999999999", "InvalidArgument", ["vgamem_mb"]),
                              ("qemu-system-x86_64 -nic tap,script=/etc/up", "Unsupported", ["script=no", "bridge"]), ("qemu-system-x86_64 -net nic", "Unsupported", ["-net"]),
                              ("qemu-system-x86_64 -device hda-duplex", "InvalidArgument", ["intel-hda"]), ("qemu-system-x86_64 -smp none", "InvalidArgument", ["'none'"]),
                              ("qemu-system-x86_64 -device vfio-pci,host=x", "Unsupported", ["0000:01:00.0"]), ("qemu-system-x86_64 -drive file=nbd:x:1", "Unsupported", ["nbd:x:1"]),
                              ("qemu-system-x86_64 -netdev user,id=n,hostfwd=x -device e1000,netdev=n", "Unsupported", ["'x'", "tcp:ADDRESS:PORT"]),
                              ("qemu-system-x86_64 'unclosed", "InvalidArgument", ["command line"])):
        contains(expect(name, from_native, text), *parts)


def options_have_their_counterparts():
    """What people's command lines say, and where a document has it."""
    for text, *paths in (
            ("sudo qemu-system-x86_64 /a.img -fda /f.img", "devices/disk/source[@file='/a.img']", "devices/disk/target[@dev='fda']", "devices/interface/model[@type='e1000']",
             "devices/video/model[@type='vga']", "devices/graphics[@type='vnc']"),
            ("qemu-system-x86_64 -nographic -net nic,model=rtl8139,macaddr=52:54:00:00:00:01 -net user,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::53-:53", "devices/serial[@type='pty']",
             "devices/interface/portForward[@address='127.0.0.1']/range[@start='2222'][@to='22']", "devices/interface/portForward[@proto='udp']", "devices/interface/model[@type='rtl8139']"),
            ("kvm -smp 8,sockets=2 -m 1G -mem-prealloc -mem-path /dev/hugepages", "cpu/topology[@sockets='2'][@cores='4']", "memoryBacking/hugepages", "memoryBacking/allocation[@mode='immediate']"),
            ("kvm -cpu host,kvm=off,hv_relaxed,hv-spinlocks=0x1fff,hv_time,+kvm_pv_eoi,phys-bits=40", "features/kvm/hidden[@state='on']", "features/hyperv/spinlocks[@retries='8191']",
             "clock/timer[@name='hypervclock']", "features/apic[@eoi='on']", "cpu/maxphysaddr[@bits='40']"),
            ("qemu-system-x86_64 -m 1G -smp 2 -object memory-backend-memfd,id=m,size=1G,share=on -numa node,memdev=m -chardev socket,id=c,path=/s -device vhost-user-fs-pci,chardev=c,tag=t",
             "cpu/numa/cell[@cpus='0-1'][@memory='1048576']", "memoryBacking/access[@mode='shared']", "devices/filesystem/source[@socket='/s']"),
            ("qemu-system-x86_64 -device vfio-pci,host=01:00.1,romfile=/r -usb -device usb-host,vendorid=0x1234,productid=0x5678", "devices/hostdev/source/address[@function]",
             "devices/hostdev/rom[@file='/r']", "devices/hostdev/source/vendor[@id='0x1234']"),
            ("qemu-system-x86_64 -spice port=5930,disable-ticketing=on,image-compression=off -k de -chardev spicevmc,id=v,name=vdagent -device virtio-serial "
             "-device virtserialport,chardev=v,name=com.redhat.spice.0", "devices/graphics[@port='5930'][@keymap='de']/image[@compression='off']", "devices/channel[@type='spicevmc']"),
            ("qemu-system-x86_64 -audiodev alsa,id=s -device ich9-intel-hda -device hda-micro,audiodev=s", "devices/sound/codec[@type='micro']", "devices/sound/audio", "devices/audio[@type='alsa']"),
            ("qemu-system-x86_64 -smbios type=1,serial=s,uuid=c7a5fdbd-edaf-9455-926a-d65c16db1809 -smbios type=11,value=a,value=b -fw_cfg name=opt/x,file=/i", "os/smbios[@mode='sysinfo']",
             "sysinfo/oemStrings/entry[2]", "sysinfo[@type='fwcfg']/entry[@file='/i']"),
            ("qemu-system-x86_64 -chardev socket,id=c,path=/t -tpmdev emulator,id=t,chardev=c -device tpm-crb,tpmdev=t", "devices/tpm[@model='tpm-crb']/backend[@type='external']/source[@path='/t']"),
            ("qemu-system-x86_64 -watchdog i6300esb -action watchdog=poweroff,reboot=shutdown", "devices/watchdog[@action='poweroff']"),
            ("qemu-system-x86_64 -serial tcp:127.0.0.1:4555,server,nowait -parallel /dev/parport0", "devices/serial[@type='tcp']/source[@mode='bind'][@service='4555']", "devices/parallel[@type='dev']"),
            ("qemu-system-x86_64 -drive file=nbd://h:1/x,if=virtio,bps=5,werror=enospc -drive file=rbd:p/i,if=virtio", "devices/disk/source[@protocol='nbd'][@name='x']/host[@port='1']",
             "devices/disk/iotune/total_bytes_sec", "devices/disk/driver[@error_policy='enospace']", "devices/disk/source[@protocol='rbd'][@name='p/i']"),
            ("qemu-system-x86_64 -machine pc,hpet=off,kernel_irqchip=split,mem-merge=off -nodefaults -nic none", "clock/timer[@name='hpet'][@present='no']", "features/ioapic[@driver='qemu']",
             "memoryBacking/nosharepages")):
        root = ET.fromstring(from_native(text))
        for path in paths:
            assert root.find(path) is not None, (text, path, ET.tostring(root, "unicode"))
    bare = from_native("qemu-system-x86_64 -nodefaults")
    assert not any(word in bare for word in ("<interface", "<video", "<graphics", "<serial")), bare


def qemu_is_told_what_a_document_says_and_no_more():
    def native(devices="", **parts):
        return bus.call(qemu.path, CONNECTION, "DomainXMLToNative", "ss", "qemu-argv",
                        qemu.document("told", devices=devices, **parts).replace("machine='pc'", "machine='q35'"))
    disk = "<disk type='block'><driver name='qemu' type='raw'{}/><source dev='/dev/null'/><target dev='vda' bus='virtio'/>{}</disk>"
    channel = "<channel type='qemu-vdagent'>{}<target type='virtio' name='com.redhat.spice.0'/></channel>"
    # What several machines write is cached by none of them, unless the document says how.
    contains(native(disk.format("", "<shareable/>")), '"direct":true', '"share-rw":true')
    for without in (disk.format("", ""), disk.format("", "<shareable/><readonly/>"), disk.format(" cache='writeback'", "<shareable/>")):
        assert '"direct":true' not in native(without), without
    # An agent in QEMU has QEMU's own settings, where the document has none.
    told = native(channel.format(""))
    assert "mouse=" not in told and "clipboard=" not in told, told
    contains(native(channel.format("<source><clipboard copypaste='yes'/><mouse mode='server'/></source>")), "clipboard=on", "mouse=off")
    # A floppy controller without drives is none on a machine that does not have one anyway.
    assert "isa-fdc" not in native("<controller type='fdc' index='0'/>")
    # Firmware that can be written has its variables in itself, unless the document names where else.
    firmware = "<loader type='pflash' readonly='no'>/code</loader>"
    assert "pflash1" not in native(kernel=firmware)
    contains(native(kernel=firmware + "<nvram>/variables</nvram>"), "pflash1", "/variables")

run([value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == "__main__"
     and value.__name__ not in ("install", "times_asked", "document", "status_file", "from_native", "take_the_answer", "compare", "baseline")])
