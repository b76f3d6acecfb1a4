#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The agent in a guest: a real Linux with a real qemu-guest-agent, and one that has been taken over.

Usage (below tests/with-bus): test-guest.py GUEST, the folder that tests/guest/build-guest has filled.
"""

import os
import subprocess
import sys
import time

from disk_rig import disk, image, work
from rig import AGENT_PATIENCE, NAME, Bus, BusError, Hypervisor, User, contains, expect, kernel, run, variants
from snapshot_rig import content, create, names, snapshot_xml

bus = Bus()
qemu = Hypervisor(bus, "qemu")
GUEST = os.path.abspath(sys.argv[1])
CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
state = {}


def ask(member, signature="", *arguments):
    """Asks until the guest, which has an emulated processor, has had the time to hear of it."""
    return qemu.ask_agent(state["domain"], member, signature, *arguments)


def ask_once(member, signature="", *arguments, domain=None):
    return bus.call(f"{domain or state['domain']}/guest", f"{NAME}.Domain.Guest", member, signature, *arguments)


def connected(domain=None):
    """None where there is no agent's object (yet)."""
    domain = domain or state["domain"]
    return bus.objects(domain).get(f"{domain}/guest", {}).get(f"{NAME}.Domain.Guest", {}).get("Connected")


def wait_connected(domain, value):
    path = f"{domain}/guest"

    def told():
        return [a for p, _, m, a in bus.signals if p == path and m == "PropertiesChanged" and a[1].get("Connected") == value]
    bus.wait(lambda: told() or connected(domain) == value, f"Connected is {value}")


def define(name, devices=CHANNEL, cmdline=""):
    return qemu.define(qemu.document(name, devices=f"<serial type='pty'/>{devices}", memory=256, kernel=kernel(GUEST, cmdline)))


def the_object_is_there_while_the_channel_is():
    without = define("plain", devices="")
    qemu.do(without, "Start", paused=True)
    assert f"{without}/guest" not in bus.objects(without)
    qemu.do(without, "Destroy")
    subprocess.run(["mkfs.ext4", "-q", image("asked.img")], check=True)
    state["image"] = image("asked.qcow2", open(work("asked.img"), "rb").read())
    domain = state["domain"] = define("asked", CHANNEL + disk(state["image"]))
    assert f"{domain}/guest" not in bus.objects(domain)
    qemu.do(domain, "Start", paused=True)
    assert bus.objects(domain)[f"{domain}/guest"][f"{NAME}.Domain.Guest"] == {"Connected": False, "AgentResponseTimeout": -1}
    contains(expect("AgentUnavailable", ask, "Ping"), "'asked'", "qemu-guest-agent")
    qemu.do(domain, "Resume")
    wait_connected(domain, True)
    ask("SetAgentResponseTimeout", "i", AGENT_PATIENCE)


def it_tells_of_its_system():
    ask("Ping")
    assert ask("GetOSInfo")["id"] == "testguest"
    assert ask("GetHostName") == "guest"
    assert ask("GetInfo")["version"].startswith("7.")
    assert ask("GetTimeZone")[1] == 0
    assert [c for c in ask("GetVCPUs") if c["logical-id"] == 0 and c["online"]]
    loopback = [i for i in ask("GetInterfaces") if i["name"] == "lo"][0]
    assert {"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8} in loopback["ip-addresses"], loopback
    assert ask("GetUsers") == [] and isinstance(ask("GetFileSystems"), list) and isinstance(ask("GetDisks"), list)
    assert ask("GetFreezeStatus") == "thawed"
    assert abs(ask("GetTime") / 1e9 - time.time()) < 600
    contains(expect("HypervisorFailed", ask, "SetTime", "x", 10**18), "guest-set-time")  # it has no hwclock
    assert ask("GetCPUStats")[0]["cpu"] == 0 and isinstance(ask("GetDiskStats"), list)


def programs_run_in_it():
    pid = ask("Exec", "sasasayb", "/bin/sh", ["-c", "read line; echo $line $WHO; echo no >&2; exit 3"], ["WHO=world", "PATH=/bin"], b"hello\n", True)
    status = (False,)
    while not status[0]:
        status = ask("GetExecStatus", "x", pid)
    assert status[1:3] == (3, 0) and bytes(status[3]) == b"hello world\n" and bytes(status[4]) == b"no\n", status
    contains(expect("HypervisorFailed", ask, "GetExecStatus", "x", pid), "guest-exec-status")
    contains(expect("HypervisorFailed", ask, "Exec", "sasasayb", "/no/such", [], [], b"", False), "/no/such")
    contains(expect("InvalidArgument", ask, "Exec", "sasasayb", "/bin/true", [], ["novalue"], b"", False), "novalue")
    contains(expect("InvalidArgument", ask, "Exec", "sasasayb", "/bin/cat", [], [], bytes(1024 * 1024 + 1), False), "1048577")


def files_are_read_and_written():
    handle = ask("OpenFile", "ss", "/tmp/file", "w+")
    assert ask("WriteFile", "xay", handle, b"virtual\0bus") == 11
    ask("FlushFile", "x", handle)
    assert ask("SeekFile", "xxs", handle, 8, "set") == (8, False)
    data, eof = ask("ReadFile", "xu", handle, 100)
    assert bytes(data) == b"bus" and eof
    ask("CloseFile", "x", handle)
    contains(expect("HypervisorFailed", ask, "ReadFile", "xu", handle, 1), "guest-file-read")
    contains(expect("InvalidArgument", ask, "ReadFile", "xu", handle, 1048577), "count is 1048577")
    contains(expect("InvalidArgument", ask, "SeekFile", "xxs", handle, 0, "sideways"), "set, cur, end")
    contains(expect("HypervisorFailed", ask, "OpenFile", "ss", "/no/file", "r"), "/no/file")


def any_command_can_be_sent():
    assert ask("Command", "s", '{"execute": "guest-get-host-name"}') == '{"host-name":"guest"}'
    contains(expect("InvalidArgument", ask, "Command", "s", "[]"), "JSON object")
    contains(expect("InvalidArgument", ask, "Command", "s", '{"execute": "guest-sync"}'), "sync")
    contains(expect("HypervisorFailed", ask, "Command", "s", '{"execute": "guest-tea"}'), "guest-tea")
    contains(expect("InvalidArgument", ask, "AddSSHKeys", "sasb", "root", [], False), "1 to 1024")
    contains(expect("InvalidArgument", ask, "Suspend", "s", "deep"), "hybrid")


def a_user_chooses_how_long_to_wait():
    domain = state["domain"]
    assert ask("SetAgentResponseTimeout", "i", 1) == ()
    assert bus.get(f"{domain}/guest", "Domain.Guest", "AgentResponseTimeout") == 1
    qemu.do(domain, "Suspend")
    begun = time.monotonic()
    contains(expect("Timeout", ask_once, "Ping"), "guest-sync")
    assert 0.9 < time.monotonic() - begun
    ask("SetAgentResponseTimeout", "i", 0)
    ask("Ping")  # sent, and taken for done
    contains(expect("Timeout", ask_once, "GetTime"), "guest-get-time")
    qemu.do(domain, "Resume")
    ask("SetAgentResponseTimeout", "i", -2)
    assert ask("GetHostName") == "guest"  # and not one of the late answers
    for bad in (-3, 86401):
        contains(expect("InvalidArgument", ask, "SetAgentResponseTimeout", "i", bad), str(bad))


def who_may_not_ask_is_refused():
    if os.geteuid() != 0:
        return
    for member, action in (("GetTime", "guest"), ("Ping", "guest"), ("ThawFileSystems", "guest-control")):
        contains(expect("InteractiveAuthorizationRequired", User("vb-alice").call, f"{state['domain']}/guest", f"{NAME}.Domain.Guest", member),
                 f"org.virtbus1.domain.{action}")


def it_freezes_for_a_snapshot():
    domain = state["domain"]
    qemu.in_guest(domain, "mkdir /run/disk && mount -t ext4 /dev/vda /run/disk && date > /run/disk/date")

    def is_clean():
        return not content(state["image"])[1024 + 0x60] & 4  # what a journal is to be replayed for
    assert not is_clean()
    create(domain, "still", disk_only=True, quiesce=True)
    assert is_clean() and ask("GetFreezeStatus") == "thawed"
    ask("FreezeFileSystems", "as", [])
    contains(expect("OperationInvalid", create, domain, "twice", disk_only=True, quiesce=True), "asked", "twice", "frozen already")
    assert ask("GetFreezeStatus") == "frozen" and names(domain) == ["still"] and ask("ThawFileSystems") == 1


def a_driver_that_is_killed_leaves_nothing_frozen():
    domain = state["domain"]

    def is_owed():
        return " thaw=" in open(qemu.status_of(domain), encoding="utf-8").read()

    def begin():
        bus.begin(domain, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", snapshot_xml("torn"), variants({"disk_only": True, "quiesce": True}))
        bus.wait(is_owed, "it to be freezing")
    qemu.kill_driver(before=begin)
    bus.wait(lambda: not is_owed(), "it to be thawed")
    assert ask("GetFreezeStatus") == "thawed"
    qemu.in_guest(domain, "date > /run/disk/date && sync")


def a_restarted_driver_finds_the_agent():
    qemu.kill_driver()
    bus.settle()
    bus.signals.clear()  # those told before the driver's end
    wait_connected(state["domain"], True)
    assert bus.get(f"{state['domain']}/guest", "Domain.Guest", "AgentResponseTimeout") == -2
    assert ask("GetHostName") == "guest"


def it_follows_the_guests_port():
    for seconds in (-1, AGENT_PATIENCE):
        ask("SetAgentResponseTimeout", "i", seconds)
        assert bus.get(f"{state['domain']}/guest", "Domain.Guest", "AgentResponseTimeout") == seconds
    bus.settle()
    bus.signals.clear()
    ask("Exec", "sasasayb", "/bin/sh", ["-c", "sleep 0.2; kill $(cat /run/qemu-ga.pid); sleep 1; qemu-ga -d -m virtio-serial "
                                        "-p /dev/virtio-ports/org.qemu.guest_agent.0 -f /run/qemu-ga.pid -t /run"], ["PATH=/bin:/sbin:/usr/sbin"], b"", False)
    path = f"{state['domain']}/guest"

    def told():
        return [a[1]["Connected"] for p, _, m, a in bus.signals if p == path and m == "PropertiesChanged" and "Connected" in a[1]]
    bus.wait(lambda: told()[-2:] == [False, True], "Connected is false and true again")
    assert ask("GetHostName") == "guest"


def its_system_shuts_down():
    contains(expect("InvalidArgument", ask, "Shutdown", "s", "explode"), "powerdown, reboot, halt")
    ask("Shutdown", "s", "powerdown")
    bus.wait_state(state["domain"], "shutoff")
    assert f"{state['domain']}/guest" not in bus.objects(state["domain"])


def a_guest_that_floods_hurts_only_itself():
    domain = state["domain"] = define("evil")
    bus.settle()
    bus.signals.clear()
    qemu.do(domain, "Start")
    wait_connected(domain, True)
    ask("SetAgentResponseTimeout", "i", AGENT_PATIENCE)
    ask("Exec", "sasasayb", "/bin/sh", ["-c", "sleep 0.2; kill $(cat /run/qemu-ga.pid); sleep 0.5; "
                                        "yes > /dev/virtio-ports/org.qemu.guest_agent.0"], ["PATH=/bin"], b"", False)
    ask("SetAgentResponseTimeout", "i", 5)
    path = f"{domain}/guest"
    bus.wait(lambda: [a for p, _, m, a in bus.signals if p == path and m == "PropertiesChanged" and a[1].get("Connected") is False], "it was cut off")
    deadline = time.monotonic() + 120
    while True:  # its port is open again, to talk and never to listen: what is asked just then has no answer in time
        try:
            message = f"an answer: {ask_once('GetTime')}"
        except BusError as error:
            assert error.name.rsplit(".", 1)[1] in ("AgentUnavailable", "Timeout"), error
            message = str(error)
        if "cut off" in message:
            break
        assert time.monotonic() < deadline, message
    other = define("good", devices="")
    qemu.do(other, "Start", paused=True)
    qemu.do(other, "Destroy")
    qemu.do(domain, "Destroy")


run([value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == "__main__"
     and value.__name__ not in ("ask", "ask_once", "connected", "wait_connected", "define")])
