# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of libvirt's clients of the machine's guests have in common: virtbusd accepts them at its sockets, and hands them to
virtbus-libvirt.

Their first argument is the hypervisor: test or qemu."""

import os
import shutil
import signal
import subprocess
import sys

from rig import ROOT, polkit_rules, read_away, socket_activate

DRIVER = sys.argv[1]
SCHEME = "qemu+unix:///system" if DRIVER == "qemu" else "test+unix:///default"
FULL, READ_ONLY, GATEWAY = (os.path.join(ROOT, name) for name in ("libvirt-sock", "libvirt-sock-ro", "libvirt-gateway"))
state = {}


def serve(command, sockets, mode, owner=None):
    """Has systemd's program listen at the sockets (path to name), and start the command when someone connects."""
    words = socket_activate()
    if mode == "seqpacket":
        words.append("--seqpacket")
    for path in sockets:
        words += ["-l", path]
    process = subprocess.Popen([*words, "--fdname=" + ":".join(sockets.values()), *command], stderr=subprocess.PIPE, text=True)
    said = ""
    while said.count("Listening on") < len(sockets):
        said += process.stderr.readline()
    read_away(process.stderr)
    for path in sockets:
        os.chmod(path, 0o600 if owner else 0o666)
        if owner:
            shutil.chown(path, owner)
    return process


def as_user(user):
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]


def serve_gateway():
    state["gateway"] = serve([*as_user("virtbus-libvirt"), f"{ROOT}/build/client/libvirt/virtbus-libvirt"], {GATEWAY: "gateway"}, "seqpacket", "virtbus")


def serve_all(prefix=()):
    state["service"] = serve([*prefix, *as_user("virtbus"), f"{ROOT}/build/service/virtbusd", "--call-timeout=20", f"--libvirt-gateway={GATEWAY}"],
                             {FULL: "libvirt", READ_ONLY: "libvirt-ro"}, "stream")
    serve_gateway()


def document(name):
    path = os.path.join(ROOT, f"{name}.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(state["hypervisor"].document(name))
    os.chmod(path, 0o644)
    return path


def allow(user, *actions):
    names = ", ".join(f"'org.virtbus1.{action}'" for action in actions)
    polkit_rules(state["bus"], f"polkit.addRule(function(a, s) {{ if ([{names}].indexOf(a.id) >= 0 && s.user == '{user}') return polkit.Result.YES; }});")


def no_rules():
    polkit_rules(state["bus"], "")


def end():
    for name in ("service", "gateway"):
        state[name].send_signal(signal.SIGTERM)
        state[name].wait()
