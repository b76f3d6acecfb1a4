# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtbus-libvirt and virsh, for tests that are about something else and have one promise about libvirt's clients."""

import contextlib
import os
import shutil
import subprocess

from rig import BUILD, DEADLINE, ROOT, Skip


@contextlib.contextmanager
def virsh_on(bus, uri):
    """A function that runs virsh on URI, in which {socket} stands for the socket of a virtbus-libvirt, and returns what it says; where it is to fail, its errors."""
    program, place = f"{BUILD}/client/libvirt/virtbus-libvirt", f"{ROOT}/libvirt-sock"
    if not os.path.exists(program) or not shutil.which("virsh"):
        raise Skip("virsh, or virtbus-libvirt, is not there")
    environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": os.environ["DBUS_SYSTEM_BUS_ADDRESS"], "LC_ALL": "C", "HOME": ROOT}
    face = subprocess.Popen([program, f"--socket={place}"], env=environment)

    def virsh(*arguments, status=0, given=None):
        done = subprocess.run(["virsh", "-q", "-c", uri.format(socket=place), *arguments], input=given, capture_output=True, text=True,
                              check=False, timeout=DEADLINE, env=environment)
        assert done.returncode == status, (arguments, done.stdout, done.stderr)
        return done.stderr if status else done.stdout
    try:
        bus.wait(lambda: os.path.exists(place), "the socket")
        yield virsh
    finally:
        face.terminate()
        face.wait()
