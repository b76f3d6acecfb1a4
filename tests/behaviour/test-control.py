#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a person does at a running machine: one suite, run against the test driver and against a real guest.

Usage (below tests/with-bus): test-control.py test|qemu [GUEST], the folder that tests/guest/build-guest has filled.
"""

import json
import os
import re
import socket
import struct
import sys
import time
import xml.etree.ElementTree as ET

import gi
from gi.repository import GLib, GObject

import rig
from rig import DEADLINE, NAME, ROOT, Bus, Hypervisor, Skip, User, contains, expect, kernel, read_until, run, variants

bus = Bus()
hypervisor = Hypervisor(bus, sys.argv[1])
REAL = hypervisor.name == "qemu"
state = {}
KERNEL = kernel(sys.argv[2], "console=tty0 nokaslr ") if REAL else ""


def do(member, signature="", *arguments, domain=None):
    return bus.call(domain or state["domain"], f"{NAME}.Domain", member, signature, *arguments)


def get(name):
    return bus.get(state["domain"], "Domain", name)


def memory_used():
    """What a real guest's statistics tell of its memory."""
    return hypervisor.wait_statistics(state["domain"], "balloon")["balloon"]


def wait_counted(number):
    """Waits until a real guest's statistics tell the times of so many processors."""
    wanted = {f"vcpu.{n}" for n in range(number)}
    bus.wait(lambda: {group for group in hypervisor.wait_statistics(state["domain"]) if group.startswith("vcpu.")} == wanted, f"the times of {number} processors")


def open_fd(path, interface, member, signature, *arguments):
    reply, fds = bus.connection.call_with_unix_fd_list_sync(
        NAME, path, f"{NAME}.{interface}", member, GLib.Variant(f"({signature})", arguments), None, 0, DEADLINE * 1000, None, None)
    return fds.get(reply.unpack()[0])


def ask_guest(command):
    return hypervisor.in_guest(state["domain"], command)


def wait_agent():
    hypervisor.wait_agent(state["domain"])


def a_guest_runs():
    agent = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    channel = "<channel type='unix'><target type='virtio' name='org.example.echo'/></channel>"
    document = hypervisor.document("operated", memory=256, kernel=KERNEL, more="<vcpu current='1'>3</vcpu>", devices=(
        f"<serial type='pty'/>{agent}{channel}<graphics type='vnc'><listen type='none'/></graphics><video><model type='vga'/></video>"
        "<input type='keyboard' bus='ps2'/><memballoon model='virtio'/>"))
    domain = state["domain"] = hypervisor.define(document)
    contains(expect("OperationInvalid", do, "Screenshot", "ua{sv}", 0, {}), "shutoff")
    contains(expect("OperationInvalid", do, "SendKeys", "asa{sv}", ["ctrl"], {}), "shutoff")
    contains(expect("OperationInvalid", do, "InjectNMI"), "shutoff")
    contains(expect("OperationInvalid", do, "PeekMemory", "tta{sv}", 0, 16, {}), "shutoff")
    hypervisor.do(domain, "Start")
    wait_agent()


def its_screen_is_a_picture():
    picture = open_fd(state["domain"], "Domain", "Screenshot", "ua{sv}", 0, {})
    data = os.pread(picture, 1 << 20, 0)
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR", data[:20]
    width, height = struct.unpack(">II", data[16:24])
    assert (width, height) == (720, 400) if REAL else (1, 1), (width, height)
    assert os.read(picture, 8) == data[:8]  # it is at its beginning
    try:
        os.write(picture, b"x")
        assert not REAL, "it could be written"
    except OSError:
        pass
    os.close(picture)
    contains(expect("InvalidArgument", do, "Screenshot", "ua{sv}", 7, {}), "screen 7")
    contains(expect("InvalidArgument", do, "Screenshot", "ua{sv}", 0, variants({"x": True})), "'x'")


def a_paused_guest_is_lent_one_file_however_often_it_is_looked_at():
    """A QEMU lets go of no descriptor while its processors stand."""
    if not REAL:
        return
    do("Suspend")
    pid, kept = hypervisor.pid_of(state["domain"]), []

    def lent():
        return sum("memfd:virtbus" in link for link in rig.open_files(pid))
    for _ in range(5):
        picture = open_fd(state["domain"], "Domain", "Screenshot", "ua{sv}", 0, {})
        kept.append(picture)
        assert len(do("PeekMemory", "tta{sv}", 0xf0000, 4096, {})) == 4096
    assert lent() == 1, rig.open_files(pid)
    assert all(os.pread(picture, 8, 0) == b"\x89PNG\r\n\x1a\n" for picture in kept)  # what came after changes none
    for picture in kept:
        os.close(picture)
    do("Resume")
    bus.wait(lambda: lent() == 0, "QEMU to let go of it")



def keys_are_pressed():
    if REAL:
        ask_guest("for e in /dev/input/event*; do (cat $e > /tmp/events-${e##*/} 2>/dev/null &); done")
    do("SendKeys", "asa{sv}", ["KEY_LEFTSHIFT", "a"], {})
    do("SendKeys", "asa{sv}", ["ret"], {"hold_time": GLib.Variant("t", 1000)})
    if REAL:
        # KEY_LEFTSHIFT is 42, KEY_A 30: each press is an event of type 1 (struct input_event, linux/input.h).
        text = ask_guest("n=0; until cat /tmp/events-* | hexdump -v -e '24/1 \"%02x\" \"\\n\"' | grep -q 01001e0001; do n=$((n+1)); [ $n -lt 1000 ] || exit 1; "
                         "usleep 50000; done; cat /tmp/events-* | hexdump -v -e '24/1 \"%02x\" \"\\n\"'")
        contains(text, "01002a0001", "01001e0001")
    for keys, options, part in (([], {}, "0 keys"), (["a"] * 17, {}, "17 keys"), (["a;b"] if REAL else [], {}, "a;b" if REAL else "0 keys"),
                                (["a"], {"hold_time": GLib.Variant("t", 10**8)}, "hold_time")):
        contains(expect("InvalidArgument", do, "SendKeys", "asa{sv}", keys, options), part)
    if REAL:
        contains(expect("HypervisorFailed", do, "SendKeys", "asa{sv}", ["anykey"], {}), "anykey")


def a_spice_client_sees_its_display():
    """spice-glib, the client of virt-viewer and GNOME Boxes, on descriptors alone: each of its channels asks for one."""
    if not REAL:
        return
    try:
        gi.require_version("SpiceClientGLib", "2.0")
        from gi.repository import SpiceClientGLib
    except (ImportError, ValueError):
        raise Skip("spice-glib is not installed") from None
    domain = hypervisor.define(hypervisor.document("spice", devices="<graphics type='spice'><listen type='none'/></graphics><video><model type='qxl'/></video>"))
    hypervisor.do(domain, "Start")
    session, seen, connect = SpiceClientGLib.Session(), set(), GObject.Object.connect

    def open_channel():
        return bus.call(f"{domain}/device/graphics0", f"{NAME}.Device.Graphics", "Open", "a{sv}", {})

    def on_channel(_session, channel):
        connect(channel, "open-fd", lambda channel, _tls: channel.open_fd(open_channel()))
        connect(channel, "channel-event", lambda channel, event: seen.add((type(channel).__name__, event.value_nick)))
        if isinstance(channel, SpiceClientGLib.DisplayChannel):
            connect(channel, "notify::width", lambda channel, _property: seen.add(("picture", channel.props.width > 0)))
            channel.connect()
    connect(session, "channel-new", on_channel)
    session.open_fd(-1)
    bus.wait(lambda: ("DisplayChannel", "opened") in seen and ("MainChannel", "opened") in seen, "the client's channels")
    session.disconnect()
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")


def its_memory_can_be_seen():
    data = bytes(do("PeekMemory", "tta{sv}", 0xf0000 if REAL else 0, 65536 if REAL else 16, {}))
    assert len(data) == (65536 if REAL else 16)
    if REAL:
        contains(data, b"SeaBIOS")
        assert len(do("PeekMemory", "tta{sv}", 0xffffffff81000000, 64, variants({"virtual": True}))) == 64
    for size, part in ((0, "0"), (65537, "65537")):
        contains(expect("InvalidArgument", do, "PeekMemory", "tta{sv}", 0, size, {}), part)
    if not REAL:
        contains(expect("HypervisorFailed", do, "PeekMemory", "tta{sv}", 1 << 40, 16, {}), "no memory")


def its_memory_grows_and_shrinks():
    full = get("Memory")
    assert not REAL or memory_used()["current"] == memory_used()["maximum"] == full
    do("SetMemory", "ta{sv}", full - (64 << 20), {})
    bus.wait(lambda: get("Memory") == full - (64 << 20), "the balloon")
    assert not REAL or memory_used()["current"] == full - (64 << 20)
    hypervisor.kill_driver()
    wait_agent()
    assert not REAL or memory_used()["current"] == full - (64 << 20)
    contains(do("GetXML", "a{sv}", {}), "currentMemory unit=\"KiB\">196608<")
    assert ">196608<" not in do("GetXML", "a{sv}", variants({"inactive": True}))
    do("SetMemory", "ta{sv}", full, variants({"config": True}))
    assert get("Memory") == full - (64 << 20)
    do("SetMemory", "ta{sv}", full, variants({"live": True}))
    bus.wait(lambda: get("Memory") == full, "the balloon")
    contains(expect("InvalidArgument", do, "SetMemory", "ta{sv}", full + 1024, {}), "MaxMemory")
    contains(expect("InvalidArgument", do, "SetMemory", "ta{sv}", 1000, {}), "1024")


def a_channel_is_a_stream():
    path = f"{state['domain']}/device/channel1"
    assert bus.get(path, "Device.Console", "Name") == "org.example.echo"
    if not REAL:
        return
    stream = open_fd(path, "Device.Console", "Open", "a{sv}", {})
    # An echo in the guest: its port is found by that name.
    ask_guest("for p in /sys/class/virtio-ports/*; do [ \"$(cat $p/name)\" = org.example.echo ] && (sh -c 'read l; echo \"<$l>\"' <>/dev/${p##*/} >&0 2>/dev/null &); done")
    os.write(stream, b"hello\n")
    contains(read_until(stream, rb"<hello>"), b"<hello>")
    contains(expect("ResourceBusy", bus.call, path, f"{NAME}.Device.Console", "Open", "a{sv}", {}), "force")
    other = open_fd(path, "Device.Console", "Open", "a{sv}", variants({"force": True}))
    assert os.read(stream, 1) == b""
    os.close(other)
    os.close(stream)
    contains(expect("ResourceBusy", bus.call, f"{state['domain']}/device/channel0", f"{NAME}.Device.Console", "Open", "a{sv}", {}), "agent")


def it_sleeps_and_wakes():
    contains(expect("OperationInvalid", do, "WakeUp"), "running", "pmsuspended")
    if REAL:
        # It may sleep before its agent can answer.
        bus.begin(f"{state['domain']}/guest", f"{NAME}.Domain.Guest", "Exec", "sasasayb", "/bin/sh", ["-c", "echo mem > /sys/power/state"], ["PATH=/bin"], b"", False)
    else:
        bus.call(hypervisor.path, f"{NAME}.Test", "GuestEvent", "ss", "operated", "sleep")
    bus.wait_state(state["domain"], "pmsuspended")
    hypervisor.kill_driver()
    assert get("State") == "pmsuspended"
    do("WakeUp")
    bus.wait_state(state["domain"], "running")
    if REAL:
        wait_agent()
        assert ask_guest("echo awake").strip() == "awake"


def its_processors_come_and_go():
    def present():
        return ask_guest("cat /sys/devices/system/cpu/present").strip()
    assert not REAL or present() == "0", present()
    if REAL:
        wait_counted(1)
    do("SetVCPUs", "ua{sv}", 3, {})
    assert get("VCPUs") == 3 and get("MaxVCPUs") == 3
    if REAL:
        wait_counted(3)
        ask_guest("n=0; until [ \"$(cat /sys/devices/system/cpu/present)\" = 0-2 ]; do n=$((n+1)); [ $n -lt 1000 ] || exit 1; usleep 50000; done")
        assert present() == "0-2", present()
    hypervisor.kill_driver()
    wait_agent()
    assert get("VCPUs") == 3
    if REAL:  # its processors are emulated: QEMU 7.2 can take away only those of KVM
        contains(expect("Unsupported", do, "SetVCPUs", "ua{sv}", 2, {}), "emulates", "config")
    else:
        do("SetVCPUs", "ua{sv}", 1, {})
        assert get("VCPUs") == 1
    contains(expect("InvalidArgument", do, "SetVCPUs", "ua{sv}", 4, {}), "MaxVCPUs")
    contains(expect("InvalidArgument", do, "SetVCPUs", "ua{sv}", 0, {}), "one processor")
    do("SetVCPUs", "ua{sv}", 2, variants({"config": True}))
    assert get("VCPUs") == (3 if REAL else 1) and 'current="2"' in do("GetXML", "a{sv}", variants({"inactive": True}))


def its_threads_and_limits_are_set():
    cpus = sorted(os.sched_getaffinity(0))

    def threads():
        return rig.threads(hypervisor.pid_of(state["domain"]))
    last = cpus[-1]
    do("PinVCPU", "usa{sv}", 0, str(last), {})
    contains(do("GetXML", "a{sv}", {}), f'<vcpupin vcpu="0" cpuset="{last}"/>')
    assert not REAL or (threads()["CPU 0/TCG"] == {last} and threads()["qemu-system-x86"] == set(cpus)), threads()
    do("PinEmulator", "sa{sv}", str(cpus[0]), variants({"live": True, "config": True}))
    contains(do("GetXML", "a{sv}", variants({"inactive": True})), f'<emulatorpin cpuset="{cpus[0]}"/>')
    assert not REAL or (threads()["CPU 0/TCG"] == {last} and threads()["qemu-system-x86"] == {cpus[0]}), threads()
    do("AddIOThread", "ua{sv}", 4, variants({"live": True, "config": True}))
    do("PinIOThread", "usa{sv}", 4, str(last), {})
    contains(do("GetXML", "a{sv}", {}), f'<iothreadpin iothread="4" cpuset="{last}"/>', "<iothreads>1</iothreads>", '<iothread id="4"/>')
    assert not REAL or threads()["IO iothread4"] == {last}, threads()
    contains(expect("AlreadyExists", do, "AddIOThread", "ua{sv}", 4, {}), "I/O thread 4")
    contains(expect("InvalidArgument", do, "AddIOThread", "ua{sv}", 0, {}), "from 1")
    contains(expect("InvalidArgument", do, "RemoveIOThread", "ua{sv}", 5, {}), "no I/O thread 5")
    do("RemoveIOThread", "ua{sv}", 4, variants({"config": True}))
    kept = do("GetXML", "a{sv}", variants({"inactive": True}))
    assert "<iothread " not in kept and "<iothreads>1" not in kept, kept
    do("SetMemoryNodes", "sa{sv}", "0", variants({"config": True}))
    contains(do("GetXML", "a{sv}", variants({"inactive": True})), '<memory mode="restrictive" nodeset="0"/>')
    contains(expect("InvalidArgument", do, "SetMemoryNodes", "sa{sv}", "here", {}), "here", "nodes")
    contains(expect("InvalidArgument", do, "PinVCPU", "usa{sv}", 3, "0", {}), "no virtual processor 3")
    contains(expect("InvalidArgument", do, "PinEmulator", "sa{sv}", "all", {}), "all")
    if REAL:
        contains(expect("InvalidArgument", do, "PinEmulator", "sa{sv}", "1000", {}), "none of them")
        contains(expect("InvalidArgument", do, "PinIOThread", "usa{sv}", 4, "1000", {}), "none of them")
        assert "1000" not in do("GetXML", "a{sv}", {})
    else:
        do("SetLimits", "a{st}a{sv}", {"memory_hard_limit": 1 << 30, "cpu_shares": 2048}, {})
        contains(do("GetXML", "a{sv}", {}), '<hard_limit unit="b">1073741824</hard_limit>', "<shares>2048</shares>")
        do("SetLimits", "a{st}a{sv}", {"cpu_shares": 0}, {})
        assert "<shares>" not in do("GetXML", "a{sv}", {})
    do("SetLimits", "a{st}a{sv}", {"cpu_quota": 50000}, variants({"config": True}))
    contains(do("GetXML", "a{sv}", variants({"inactive": True})), "<global_quota>50000</global_quota>")
    do("SetLimits", "a{st}a{sv}", {"cpu_quota": 0}, variants({"config": True}))
    contains(expect("InvalidArgument", do, "SetLimits", "a{st}a{sv}", {"speed": 1}, {}), "speed")
    contains(expect("InvalidArgument", do, "SetLimits", "a{st}a{sv}", {}, {}), "no limit")


def single_processors_and_what_threads_do_are_set():
    def listed(**options):
        text = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants(options))
        return [v.get("id") for v in ET.fromstring(text).iter("vcpu") if v.get("enabled") == "yes"]

    def call(member, signature, *arguments, **options):
        return bus.call(domain, f"{NAME}.Domain", member, f"{signature}a{{sv}}", *arguments, variants(options))
    domain = hypervisor.define(hypervisor.document("listed", more="<vcpu current='2'>6</vcpu><iothreads>2</iothreads>"))
    call("SetVCPUList", "sb", "3-5,^4", True)
    assert listed() == ["0", "1", "3", "5"] and bus.get(domain, "Domain", "VCPUs") == 4, listed()
    call("SetVCPUList", "sb", "1,5", False)
    assert listed() == ["0", "3"] and bus.get(domain, "Domain", "VCPUs") == 2, listed()
    call("SetIOThread", "ua{st}", 2, {"poll_max_ns": 9000, "poll_grow": 3, "thread_pool_min": 70, "thread_pool_max": 80})
    contains(call("GetXML", ""), '<poll max="9000" grow="3"/>', 'thread_pool_max="80"')
    hypervisor.do(domain, "Start", paused=True)
    call("SetVCPUList", "sb", "1,3-4", True)
    assert listed() == ["0", "1", "3", "4"] and listed(inactive=True) == ["0", "3"], (listed(), listed(inactive=True))
    call("SetVCPUList", "sb", "2", True, live=True, config=True)
    hypervisor.kill_driver()
    assert listed() == ["0", "1", "2", "3", "4"] and listed(inactive=True) == ["0", "2", "3"]
    call("SetIOThread", "ua{st}", 1, {"poll_max_ns": 0})
    call("SetIOThread", "ua{st}", 2, {"thread_pool_min": 90, "thread_pool_max": 95})
    call("SetIOThread", "ua{st}", 2, {"thread_pool_max": 2, "thread_pool_min": 1})
    contains(call("GetXML", ""), '<poll max="0"/>', 'thread_pool_min="1" thread_pool_max="2"')
    before = call("GetXML", "")
    for arguments in (("SetVCPUList", "sb", "0-1", True), ("SetVCPUList", "sb", "0", False), ("SetVCPUList", "sb", "6", True), ("SetVCPUList", "sb", "", True), ("SetVCPUList", "sb", "1-", True),
                      ("SetVCPUList", "sb", "4294967297", True), ("SetVCPUList", "sb", "2-1", True), ("SetVCPUList", "sb", "-1", True), ("SetIOThread", "ua{st}", 3, {"poll_max_ns": 1}),
                      ("SetIOThread", "ua{st}", 0, {"poll_max_ns": 1}), ("SetIOThread", "ua{st}", 1, {}), ("SetIOThread", "ua{st}", 1, {"speed": 1}),
                      ("SetLifecycleAction", "ss", "boredom", "destroy"), ("SetLifecycleAction", "ss", "reboot", "\x01")):
        expect("InvalidArgument", call, *arguments)
    for arguments in (("SetLifecycleAction", "ss", "crash", "explode"), ("SetLifecycleAction", "ss", "reboot", "")):
        contains(expect("InvalidXML", call, *arguments), "use destroy")
    if REAL:
        contains(expect("Unsupported", call, "SetVCPUList", "sb", "4", False), "emulates")
        for options in ({}, {"config": True}):
            for member, *arguments in (("SetIOThread", "ua{st}", 1, {"poll_grow": 1 << 40}), ("SetIOThread", "ua{st}", 2, {"thread_pool_min": 900}), ("SetLifecycleAction", "ss", "reboot", "preserve"),
                                       ("SetLifecycleAction", "ss", "poweroff", "coredump-destroy"), ("SetLifecycleAction", "ss", "crash", "rename-restart")):
                expect("InvalidXML", call, member, *arguments, **options)
                assert before == call("GetXML", ""), (member, arguments)
        call("SetLifecycleAction", "ss", "poweroff", "restart")
        contains(expect("InvalidXML", call, "SetLifecycleAction", "ss", "reboot", "destroy"), "on_poweroff")
    else:
        call("SetVCPUList", "sb", "4", False)
        assert listed() == ["0", "1", "2", "3"]
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Start", paused=True)
    assert listed() == ["0", "2", "3"]
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")


def its_hypervisor_can_be_commanded_which_is_noted():
    def ask(command, **options):
        return do("MonitorCommand", "sa{sv}", command, variants(options))
    if not REAL:
        contains(expect("Unsupported", ask, "{}"), "MonitorCommand")
        assert get("Taints") == []
        return
    before = get("Taints")
    assert not {"custom-monitor", "custom-argv"} & set(before), before
    assert json.loads(ask('{"execute": "query-status", "id": {"mine": [1, "x"]}}')) == {"return": {"status": "running", "running": True, "singlestep": False}, "id": {"mine": [1, "x"]}}
    assert get("Taints") == sorted([*before, "custom-monitor"], key=["custom-argv", "custom-monitor", "high-privileges", "host-cpu"].index)
    contains(ask("info status", human=True), "VM status: running")
    assert json.loads(ask('{"execute": "query-nothing"}'))["error"]["class"] == "CommandNotFound"
    assert "id" not in json.loads(ask('{"execute": "qom-list", "arguments": {"path": "/objects"}}'))
    assert json.loads(ask('{"execute": "qom-list", "arguments": {"path": "/nowhere"}, "id": null}'))["id"] is None
    for command in ("", "query-status", "[]", "{}", '{"execute": 7}', '{"execute": ""}', '{"execute": "stop", "arguments": []}', '{"exec-oob": "x", "execute": "stop"}', '{"execute": "stop"} x', '{"execute": "stop", "execute": "cont"}',
                    "[" * 5000, '{"execute": "query-status", "id": "' + "x" * (1 << 20) + '"}'):
        expect("InvalidArgument", ask, command)
    expect("InvalidArgument", ask, "{}", hmp=True)
    ask('{"execute": "stop"}')
    bus.wait_state(state["domain"], "paused")
    ask('{"execute": "cont"}')
    bus.wait_state(state["domain"], "running")
    hypervisor.kill_driver()
    assert "custom-monitor" in get("Taints")
    domain = hypervisor.define(hypervisor.document("tainted").replace("type='qemu'", "type='qemu' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'", 1)
                               .replace("</domain>", "<q:commandline><q:arg value='-name'/><q:arg value='tainted'/></q:commandline></domain>"))
    contains(expect("OperationInvalid", bus.call, domain, f"{NAME}.Domain", "MonitorCommand", "sa{sv}", '{"execute": "query-status"}', {}), "shutoff")
    assert bus.get(domain, "Domain", "Taints") == []
    hypervisor.do(domain, "Start", paused=True)
    assert "custom-argv" in bus.get(domain, "Domain", "Taints") and "custom-monitor" not in bus.get(domain, "Domain", "Taints")
    # QEMU ends by the command: who asks is told so.
    bus.call(domain, f"{NAME}.Domain", "MonitorCommand", "sa{sv}", '{"execute": "quit"}', {})
    bus.wait_state(domain, "shutoff")
    assert bus.get(domain, "Domain", "Taints") == []
    hypervisor.do(domain, "Undefine")


def take_lines(fd, n):
    """So many lines of a pipe, split at three blanks."""
    text = b""
    while text.count(b"\n") < n:
        text += os.read(fd, 65536)
    return [line.split(" ", 3) for line in text.decode().splitlines()]


def what_its_hypervisor_tells_by_itself_can_be_read():
    if not REAL:
        contains(expect("Unsupported", do, "OpenMonitorEvents", "a{sv}", {}), "OpenMonitorEvents")
        return
    other = hypervisor.define(hypervisor.document("also-told"))
    own = open_fd(state["domain"], "Domain", "OpenMonitorEvents", "a{sv}", {})
    everything = open_fd(hypervisor.path, "Connection", "OpenMonitorEvents", "a{sv}", {})
    hypervisor.do(other, "Start", paused=True)
    hypervisor.do(state["domain"], "Suspend")
    hypervisor.do(state["domain"], "Resume")
    lines = take_lines(own, 2)
    assert [(uuid, event) for _, uuid, event, *_ in lines] == [(get("UUID"), "STOP"), (get("UUID"), "RESUME")], lines
    assert abs(float(lines[0][0]) - time.time()) < 60 and re.fullmatch(r"\d+\.\d{6}", lines[0][0]), lines
    hypervisor.do(other, "Destroy")
    told = take_lines(everything, 3)
    assert [(uuid, event) for _, uuid, event, *_ in told][:2] == [(uuid, event) for _, uuid, event, *_ in lines], told
    assert told[2][1:3] == [bus.get(other, "Domain", "UUID"), "SHUTDOWN"] and "guest" in json.loads(told[2][3]), told
    # One that never reads gets what fits, and is told what it has missed; nobody waits for it.
    idle = open_fd(state["domain"], "Domain", "OpenMonitorEvents", "a{sv}", {})
    for _ in range(600):
        for command in ("stop", "cont"):
            do("MonitorCommand", "sa{sv}", '{"execute": "%s"}' % command, {})
        take_lines(own, 2)
    held = take_lines(idle, 500)
    do("MonitorCommand", "sa{sv}", '{"execute": "stop"}', {})
    while "MISSED" not in [event for _, _, event, *_ in held]:
        held += take_lines(idle, 1)
    missed = [line for line in held if line[2] == "MISSED"]
    assert missed[0][1] == "-" and len(held) - 1 + json.loads(missed[0][3])["count"] in (1200, 1201), (len(held), missed)
    do("MonitorCommand", "sa{sv}", '{"execute": "cont"}', {})
    for fd in (own, everything, idle):
        os.close(fd)
    expect("InvalidArgument", do, "OpenMonitorEvents", "a{sv}", variants({"colour": "red"}))
    open_ones = [open_fd(hypervisor.path, "Connection", "OpenMonitorEvents", "a{sv}", {}) for _ in range(32)]
    contains(expect("LimitExceeded", do, "OpenMonitorEvents", "a{sv}", {}), "32 of one user")
    for fd in open_ones:
        os.close(fd)
    bus.wait(lambda: os.close(open_fd(state["domain"], "Domain", "OpenMonitorEvents", "a{sv}", {})) is None, "there is place again")
    hypervisor.do(other, "Undefine")


def how_fast_it_writes_its_memory_is_measured():
    def measure(seconds, **options):
        return do("MeasureDirtyRate", "ua{sv}", seconds, variants(options))

    def rate():
        return bus.call(hypervisor.path, f"{NAME}.Connection", "GetDomainStats", "aoasa{sv}", [state["domain"]], ["dirty_rate"], {})[state["domain"]].get("dirty_rate")
    if not REAL:
        contains(expect("Unsupported", measure, 1), "MeasureDirtyRate")
        return
    assert rate() is None
    for seconds in (0, 61, 4294967295):
        contains(expect("InvalidArgument", measure, seconds), "1 to 60")
    contains(expect("InvalidArgument", measure, 1, mode="odd"), "odd", "dirty-ring")
    for mode in ("dirty-bitmap", "dirty-ring"):  # by which QEMU 7.2 would end
        contains(expect("Unsupported", measure, 1, mode=mode), "KVM")
    measure(1)
    contains(expect("ResourceBusy", measure, 1), "being measured")
    bus.wait(lambda: (rate() or {}).get("status") == 2, "it is measured")
    told = rate()
    assert told["period"] == 1000000 and told["mode"] == 0 and told["bytes_per_second"] % (1 << 20) == 0 and 0 < told["start_time"] <= time.monotonic() * 1000000, told
    hypervisor.kill_driver()
    del told["age"]
    bus.wait(lambda: {name: value for name, value in (rate() or {}).items() if name != "age"} == told, "another driver asks what was measured")


def what_becomes_of_a_guest_that_reboots_can_be_changed_while_it_runs():
    path = os.path.join(ROOT, "reboots.img")
    with open(path, "wb") as file:  # mov al, 0xfe; out 0x64, al; hlt; jmp back: the keyboard's controller resets the machine
        file.write(bytes.fromhex("b0fee664f4ebfd").ljust(510, b"\0") + b"\x55\xaa")
    os.chmod(path, 0o666)
    domain = hypervisor.define(hypervisor.document("reboots", devices=f"<disk type='file'><driver type='raw'/><source file='{path}'/><target dev='hda' bus='ide'/></disk>"))

    def become(event, action, **options):
        bus.call(domain, f"{NAME}.Domain", "SetLifecycleAction", "ssa{sv}", event, action, variants(options))
    become("crash", "preserve")
    become("reboot", "restart")
    hypervisor.do(domain, "Start", paused=True)
    become("reboot", "destroy", live=True)
    hypervisor.kill_driver()
    text = bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {})
    contains(text, "<on_reboot>destroy</on_reboot>", "<on_crash>preserve</on_crash>")
    contains(bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", variants({"inactive": True})), "<on_reboot>restart</on_reboot>")
    if REAL:
        hypervisor.do(domain, "Resume")
        bus.wait_state(domain, "shutoff")
    else:
        hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")


def who_may_not_is_refused():
    if os.geteuid() != 0:
        return
    alice = User("vb-alice")
    for member, signature, arguments, action in (("Screenshot", "ua{sv}", ("uint32 0", "@a{sv} {}"), "graphics"), ("SendKeys", "asa{sv}", ("['a']", "@a{sv} {}"), "graphics"),
                                                 ("PeekMemory", "tta{sv}", ("uint64 0", "uint64 1", "@a{sv} {}"), "dump"), ("InjectNMI", "", (), "destroy"),
                                                 ("SetMemory", "ta{sv}", ("uint64 1024", "@a{sv} {}"), "tune"), ("SetVCPUList", "sba{sv}", ("'1'", "true", "@a{sv} {}"), "tune"),
                                                 ("SetIOThread", "ua{st}a{sv}", ("uint32 1", "{'poll_max_ns': uint64 1}", "@a{sv} {}"), "tune"),
                                                 ("MonitorCommand", "sa{sv}", ("'{}'", "@a{sv} {}"), "monitor"), ("OpenMonitorEvents", "a{sv}", ("@a{sv} {}",), "monitor-events"), ("MeasureDirtyRate", "ua{sv}", ("uint32 1", "@a{sv} {}"), "tune"), ("SetLifecycleAction", "ssa{sv}", ("'reboot'", "'destroy'", "@a{sv} {}"), "define")):
        contains(expect("InteractiveAuthorizationRequired", alice.call, state["domain"], f"{NAME}.Domain", member, signature, *arguments), f"org.virtbus1.domain.{action}")
    alice.leave()


def the_nmi_button_can_be_pressed():
    if REAL:
        console = open_fd(f"{state['domain']}/device/serial0", "Device.Console", "Open", "a{sv}", {})
        ask_guest("echo 7 > /proc/sys/kernel/printk; echo 1 > /proc/sys/kernel/unknown_nmi_panic")
    do("InjectNMI")
    if REAL:
        contains(read_until(console, rb"(?i)nmi"), b"NMI")
        os.close(console)


def displays_are_connections():
    if not REAL:
        return
    domain = hypervisor.define(hypervisor.document("shown", devices="<graphics type='dbus' p2p='yes'/><video><model type='vga'/></video>"))
    try:
        hypervisor.do(domain, "Start")
    except Exception as error:  # QEMU without its module for it
        contains(str(error), "dbus")
        hypervisor.do(domain, "Undefine")
        return
    fd = open_fd(f"{domain}/device/graphics0", "Device.Graphics", "Open", "a{sv}", {})
    link = socket.socket(fileno=fd)
    link.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    contains(link.recv(100), b"OK")
    link.close()
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")


run([value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == "__main__"
     and value.__name__ not in ("do", "get", "open_fd", "ask_guest", "wait_agent", "memory_used", "wait_counted", "take_lines")])
