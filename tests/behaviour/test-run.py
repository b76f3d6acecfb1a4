#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtbus-run: one guest, no bus. (tests/with-bus is here only for its users.)

Usage (below tests/with-bus): test-run.py GUEST, the folder that tests/guest/build-guest has filled.
"""

import os
import pwd
import signal
import subprocess
import sys

from rig import BUILD, DEADLINE, ROOT, contains, kernel, run

GUEST = os.path.abspath(sys.argv[1])
PROGRAM = os.path.join(BUILD, "client", "virtbus-run")
TEMPORARY = os.path.join(ROOT, "t")  # its own; short, as sockets lie below it
os.makedirs(TEMPORARY, exist_ok=True)
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("DBUS")} | {"TMPDIR": TEMPORARY}


def document(name, cmdline=None, more=""):
    boot = kernel(GUEST, cmdline) if cmdline is not None else ""
    path = os.path.join(ROOT, f"{name}.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"<domain type='qemu'>\n<name>{name}</name><memory unit='MiB'>{256 if boot else 64}</memory>"
                   f"<os><type arch='x86_64' machine='pc'>hvm</type>{boot}</os><features><acpi/></features>{more}</domain>")
    return path


def start(*arguments):
    return subprocess.Popen([PROGRAM, "--verbose", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT)


def until(process, word):
    said = ""
    for line in process.stdout:
        said += line
        if word in line:
            return said
    raise AssertionError(f"it ended before it said {word!r}: {said}")


def ended(process):
    said = process.stdout.read()
    return process.wait(), said


def guests(name):
    return subprocess.run(["pgrep", "-f", f"guest={name},"], capture_output=True, text=True, check=False).stdout.split()


def it_waits_until_the_guest_shuts_down():
    process = start(document("ends", "poweroff-now"))
    until(process, "running")
    status, said = ended(process)
    assert status == 0 and "shutoff" in said, (status, said)
    assert not [n for n in os.listdir(TEMPORARY) if n.startswith("virtbus-run.")]


def it_ends_the_guest_when_it_is_told_to_end():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process = start(document("told"))
        until(process, "running")
        process.send_signal(number)
        assert ended(process)[0] == 0
        assert not guests("told")


def it_tells_a_crash_from_an_end():
    process = start(document("dies"))
    until(process, "running")
    os.kill(int(guests("dies")[0]), signal.SIGKILL)
    status, said = ended(process)
    assert status == 3, (status, said)


def what_is_wrong_is_said():
    def fails(path, *parts):
        status, said = ended(start(path))
        assert status == 1, (status, said)
        contains(said, *parts)
    fails(document("bad", more="<devices><disk/></devices>"), "line 2", "<disk>")
    fails(document("bad", more="<sound/>"), "<sound>")
    fails(document("bad", more="<devices><disk type='file'><source file='/nowhere/x'/><target dev='vda'/></disk></devices>"), "/nowhere/x", "No such file")
    fails("/nowhere/x.xml", "/nowhere/x.xml")
    large = os.path.join(ROOT, "large.xml")
    with open(large, "w", encoding="utf-8") as file:
        file.write("x" * (2 << 20))
    fails(large, "1048576 bytes")
    fails("/dev/zero", "1048576 bytes")  # and no more is read


def what_a_crash_has_left_is_found_and_ended():
    root = os.path.join(ROOT, "own-root")
    process = start(f"--root={root}", document("left"))
    until(process, "running")
    left = guests("left")
    process.kill()
    process.wait()
    assert guests("left") == left
    process = start(f"--root={root}", document("next"))
    until(process, "running")  # the guest that was left may have been killed before it was written down as running: then it just ends
    assert not guests("left") and guests("next")
    # One root is for one run at a time.
    status, said = ended(start(f"--root={root}", document("third")))
    assert status == 1, (status, said)
    contains(said, f"process {process.pid} uses", "end it first")
    process.terminate()
    assert ended(process)[0] == 0 and not guests("next")


def a_root_that_somebody_else_decides_on_is_refused():
    if os.geteuid() != 0:
        return
    alice = pwd.getpwnam("vb-alice").pw_uid
    aim, hers, shared = (os.path.join(ROOT, name) for name in ("aim", "hers", "shared"))
    for path, owner, mode in ((aim, 0, 0o700), (hers, alice, 0o755), (shared, 0, 0o777)):
        os.mkdir(path)
        os.chown(path, owner, owner)
        os.chmod(path, mode)
    os.symlink(aim, f"{hers}/run")
    os.symlink(aim, f"{hers}/link")
    inside = os.path.join(ROOT, "inside")  # its own, with something of hers in it
    os.mkdir(inside)
    os.mkdir(f"{inside}/run")
    os.chown(f"{inside}/run", alice, alice)
    linked = os.path.join(ROOT, "linked")
    os.mkdir(linked)
    os.symlink(hers, f"{linked}/state")
    for root in (hers, f"{hers}/new", f"{hers}/deep/new", f"{hers}/link", f"{hers}/link/new", shared, f"{shared}/new", inside, linked, document("file")):
        status, said = ended(start(f"--root={root}", document("led")))
        assert status == 1, (root, said)
        contains(said, "the root directory is not used: ")
    assert os.listdir(aim) == [] and os.stat(aim).st_mode & 0o777 == 0o700 and sorted(os.listdir(hers)) == ["link", "run"] and os.listdir(shared) == []
    # By a link of its own, to what does not exist yet, it is used.
    os.symlink(aim, f"{ROOT}/mine")
    process = start(f"--root={ROOT}/mine/a/b", document("mine"))
    until(process, "running")
    process.terminate()
    assert ended(process)[0] == 0 and os.path.isdir(f"{aim}/a/b/run")


def a_users_own_driver_keeps_nothing_where_somebody_else_may_write():
    if os.geteuid() != 0:
        return
    nobody = pwd.getpwnam("nobody").pw_uid
    hers, shared = f"{ROOT}/not-theirs", f"{ROOT}/open"
    for path, owner, mode in ((hers, pwd.getpwnam("vb-alice").pw_uid, 0o755), (shared, nobody, 0o777)):
        os.mkdir(path)
        os.chown(path, owner, -1)
        os.chmod(path, mode)
    for folder in (hers, shared):
        ran = subprocess.run([f"{BUILD}/drivers/virtbus-test", "--user"], user=nobody, stderr=subprocess.PIPE, text=True, check=False,
                             env={"XDG_RUNTIME_DIR": folder, "HOME": "/nonexistent"}, timeout=DEADLINE)
        assert ran.returncode == 1, ran
        contains(ran.stderr, "the directory of XDG_RUNTIME_DIR is not used: ", folder)
        assert os.listdir(folder) == []


run([it_waits_until_the_guest_shuts_down, it_ends_the_guest_when_it_is_told_to_end, it_tells_a_crash_from_an_end, what_is_wrong_is_said,
     what_a_crash_has_left_is_found_and_ended, a_root_that_somebody_else_decides_on_is_refused,
     a_users_own_driver_keeps_nothing_where_somebody_else_may_write])
