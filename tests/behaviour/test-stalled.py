#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images on a file system that has stalled, as a network's does: a real FUSE file system (QEMU's storage daemon serves it) that is stopped.

Usage (below tests/with-bus, with --call-timeout=8): test-stalled.py
"""

import os
import pwd
import re
import signal
import subprocess
import sys
import time

from rig import NAME, ROOT, Bus, Hypervisor, Skip, User, contains, expect, polkit_rules, run

bus = Bus()
qemu = Hypervisor(bus, "qemu")
FRONT = os.path.join(ROOT, "front.img")
state = {}


def disk(path):
    return f"<disk type='file'><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"


def time_out(answers):
    """What was begun has its end, which is that it has taken too long."""
    bus.wait(lambda: all(answers), "the timeouts")
    for answer, in answers:
        assert answer.name.endswith(".Timeout"), answer
        contains(answer.message, "8 seconds")


def others_answer():
    """What belongs to nobody else's image is as it always was."""
    for name in ("other", "hung"):
        assert bus.get(state[name], "Domain", "Name") == name
    qemu.do(state["other"], "Resume")
    qemu.do(state["other"], "Suspend")
    qemu.wait_statistics(state["other"], "balloon")
    fresh = qemu.define(qemu.document("fresh"))
    qemu.do(fresh, "Start", paused=True)
    qemu.do(fresh, "Destroy")
    qemu.do(fresh, "Undefine")


def a_guest_runs_on_it():
    if not os.path.exists("/dev/fuse") or os.geteuid() != 0:
        raise Skip("needs root and /dev/fuse")
    for path, size in (("back.img", 8 << 20), ("front.img", 0)):
        with open(os.path.join(ROOT, path), "wb") as file:
            file.truncate(size)
    state["server"] = subprocess.Popen(["qemu-storage-daemon", "--blockdev", f"driver=file,node-name=f,filename={ROOT}/back.img", "--export",
                                        f"type=fuse,id=e,node-name=f,mountpoint={FRONT},writable=on", "--pidfile", f"{ROOT}/server.pid"])
    while not os.path.exists(f"{ROOT}/server.pid"):  # which it writes when it serves
        assert state["server"].poll() is None, "it has ended"
    state["hung"], state["other"] = qemu.define(qemu.document("hung", devices=disk(FRONT))), qemu.define(qemu.document("other"))
    for name in ("hung", "other"):
        qemu.do(state[name], "Start", paused=True)


def its_file_system_stalls():
    if "server" not in state:
        raise Skip("there is none")
    state["server"].send_signal(signal.SIGSTOP)
    # The size of its image is asked of the file system: QEMU waits for that, and with it all that it should do.
    answers = [bus.begin(f"{state['hung']}/device/virtio_2ddisk0", f"{NAME}.Device.Disk", "Resize", "ta{sv}", 16 << 20, {}),
               bus.begin(state["hung"], f"{NAME}.Domain", "Resume", "")]
    others_answer()
    time_out(answers)
    assert bus.get(state["hung"], "Domain", "State") == "paused"
    others_answer()


def what_would_use_it_waits_alone_and_can_be_given_up():
    if "server" not in state:
        raise Skip("there is none")
    starting = qemu.define(qemu.document("starting", devices=disk(FRONT)))
    # Whatever a document names: its emulator, and where its sockets lie.
    emulated, serial = qemu.document("emulated", devices=f"<emulator>{FRONT}</emulator>"), f"<serial type='unix'><source mode='bind' path='{FRONT}/x'/></serial>"
    talking = qemu.define(qemu.document("talking", devices=serial))
    answers = [bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {}) for domain in (starting, talking)]
    answers.append(bus.begin(qemu.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", emulated, {}))
    others_answer()
    time_out(answers)
    assert bus.get(starting, "Domain", "State") == "starting"
    others_answer()
    qemu.do(starting, "Destroy")
    assert bus.get(starting, "Domain", "State") == "shutoff"
    qemu.do(talking, "Destroy")
    qemu.do(talking, "Undefine")
    assert bus.get(state["other"], "Domain", "State") == "paused"
    qemu.wait_statistics(state["other"], "balloon")
    contains(expect("Timeout", bus.call, state["other"], f"{NAME}.Domain", "AttachDevice", "sa{sv}", disk(FRONT), {}), "8 seconds")
    qemu.do(state["other"], "Destroy")
    assert bus.get(state["other"], "Domain", "State") == "shutoff"
    qemu.do(starting, "Undefine")


def what_users_have_on_it_holds_up_themselves_alone():
    """More of it than there are threads: images that documents name, of who has their own rights alone and of who may define; emulators; and
    saved states that calls name."""
    if "server" not in state:
        raise Skip("there is none")
    qemu.do(state["other"], "Start", paused=True)
    image, path = f"{ROOT}/bobs.img", f"{NAME}.Connection"
    with open(image, "wb") as file:
        file.truncate(1 << 20)
    os.chown(image, *(pwd.getpwnam("vb-bob")[2:4]))
    polkit_rules(bus, "polkit.addRule(function(a, s) { if (s.user == 'vb-alice' && a.id == 'org.virtbus1.domain.define-own' || s.user == 'vb-carol' || s.user == 'vb-bob' &&"
                      " a.id == 'org.virtbus1.domain.define-own') return polkit.Result.YES; });")
    alice, bob, carol = User("vb-alice"), User("vb-bob"), User("vb-carol")

    def define(user, name, more):
        return re.search(r"'(/[^']*)'", repr(user.call(qemu.path, path, "DefineDomain", "sa{sv}", repr(qemu.document(name, devices=more)), "@a{sv} {}")))[1]
    waiting = []
    for user, name, count in ((alice, "alices", 12), (carol, "carols", 40)):
        waiting += [define(user, f"{name}-{number}", disk(FRONT)) for number in range(count)]
    for domain in waiting:  # it is its owner whose place it takes
        bus.begin(domain, f"{NAME}.Domain", "Start", "a{sv}", {})
    emulated = qemu.document("emulated", devices=f"<emulator>{FRONT}</emulator>")
    calls = [("DefineDomain", emulated.replace("emulated", f"emulated-{number}")) for number in range(36)] + [("RestoreDomain", f"{FRONT}/x{number}") for number in range(36)]
    flood = subprocess.Popen(["setpriv", "--reuid=vb-carol", "--regid=vb-carol", "--init-groups", sys.executable, "-c", f"""
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
for member, text in {calls!r}:
    bus.call({NAME!r}, {qemu.path!r}, {path!r}, member, GLib.Variant("(sa{{sv}})", (text, {{}})), None, 0, -1, None, None)
bus.flush_sync()
print("sent", flush=True)
input()
"""], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert flood.stdout.readline() == "sent\n"
    bus.wait(lambda: all(bus.get(domain, "Domain", "State") == "starting" for domain in waiting), "all starts")
    began = time.monotonic()
    others_answer()
    bobs = define(bob, "bobs", disk(image))
    bob.call(bobs, f"{NAME}.Domain", "Start", "a{sv}", "{'paused': <true>}")
    for member in ("Destroy", "Undefine"):
        bob.call(bobs, f"{NAME}.Domain", member, "a{sv}", "@a{sv} {}")
    assert time.monotonic() - began < 8, "others have waited"
    # And they can give up what waits, by other connections: theirs wait for answers.
    for domain in waiting:
        qemu.do(domain, "Destroy")
        assert bus.get(domain, "Domain", "State") == "shutoff"
        qemu.do(domain, "Undefine")
    others_answer()
    qemu.do(state["other"], "Destroy")
    for user in (alice, bob, carol):
        user.leave()
    flood.kill()
    flood.wait()
    polkit_rules(bus, "")


def it_comes_back_and_nothing_is_left():
    if "server" not in state:
        raise Skip("there is none")
    state["server"].send_signal(signal.SIGCONT)
    qemu.wait_statistics(state["hung"], "block.virtio-disk0")
    qemu.do(state["hung"], "Destroy")
    qemu.do(state["other"], "Start", paused=True)
    qemu.do(state["other"], "Destroy")
    state["server"].terminate()
    state["server"].wait()


run([value for value in list(globals().values()) if callable(value) and getattr(value, "__module__", "") == "__main__"
     and value.__name__ not in ("disk", "others_answer", "time_out")])
