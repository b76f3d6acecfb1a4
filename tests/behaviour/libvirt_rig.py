# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of libvirt's own clients have in common: virtbus-libvirt on a socket, virsh, and libvirt's Python module.

Their first argument is the hypervisor: test or qemu."""

import atexit
import os
import select
import shutil
import socket
import subprocess
import sys

from rig import BUILD, DEADLINE, ROOT, Bus, Hypervisor, Skip

try:
    import libvirt
except ImportError:
    libvirt = None

bus = Bus()
hypervisor = Hypervisor(bus, sys.argv[1])
REAL = hypervisor.name == "qemu"
SOCKET = os.path.join(ROOT, "libvirt-sock")
URI = f"{'qemu+unix:///session' if REAL else 'test+unix:///default'}?socket={SOCKET}"
UUID = "6a3a1f0e-9c1c-4c1a-8f0e-2d1b7a3c5e11"
ENVIRONMENT = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": os.environ["DBUS_SYSTEM_BUS_ADDRESS"], "LC_ALL": "C", "HOME": ROOT}
FACE = subprocess.Popen([f"{BUILD}/client/libvirt/virtbus-libvirt", f"--socket={SOCKET}"], env=ENVIRONMENT)


def document(name="web", devices="<video><model type='vga'/></video>" if REAL else ""):
    return hypervisor.document(name, devices, uuid=UUID if name == "web" else "")


def write(name, text):
    path = os.path.join(ROOT, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def virsh(*words, fails=False):
    """What virsh says; where it is to fail, its errors."""
    if not shutil.which("virsh"):
        raise Skip("virsh is not installed")
    quiet = ["-q"] if words[0] == "list" else []  # without the table's head
    done = subprocess.run(["virsh", *quiet, "-c", URI, *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (done.returncode != 0) == fails, f"virsh {words}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stderr if fails else done.stdout.strip()


def open_libvirt():
    if not libvirt:
        raise Skip("libvirt's Python module is not installed")
    libvirt.registerErrorHandler(lambda *_: None, None)
    return libvirt.open(URI)


def refused(code, function, *arguments):
    """libvirt's library raises its error of this number; returns the message."""
    try:
        result = function(*arguments)
    except libvirt.libvirtError as error:
        assert error.get_error_code() == code, (code, error.get_error_code(), str(error))
        return str(error)
    raise AssertionError(f"wanted error {code}, got {result!r}")


def lines_of(text):
    """What virsh says as {name: value}."""
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def wait_listening(path, process):
    """A socket is there before anybody listens at it."""
    while True:
        assert process.poll() is None, "virtbus-libvirt has ended"
        try:
            with socket.socket(socket.AF_UNIX) as attempt:
                attempt.connect(path)
                return
        except (FileNotFoundError, ConnectionRefusedError):
            select.select([], [], [], 0.05)


wait_listening(SOCKET, FACE)


def end_face():
    """What it says of memory that it has lost comes at its end."""
    if FACE.poll() is None:
        FACE.terminate()
        FACE.wait()


atexit.register(end_face)
