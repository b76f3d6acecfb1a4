# SPDX-License-Identifier: LGPL-2.1-or-later
"""For the tests of containers: real ones, of Debian's busybox-static."""

import contextlib
import errno
import itertools
import os
import re
import shutil
import socket
import subprocess

from processes import all_processes
from rig import DEADLINE, NAME, ROOT, Bus, BusError, variants

PATH = "/org/virtbus1/lxc"
CONNECTION = f"{NAME}.Connection"
BUSYBOX = "/bin/busybox"
PROGRAMS = "sh ls echo stty ping udhcpc cat mount umount id sleep hostname ps ip mknod touch reboot poweroff grep dmesg env tty readlink unshare dd kill true ln stat wc".split()
OUTSIDE = 100000  # the number outside of a container's root that has users of its own
IDMAP = "".join(f"<{kind} start='0' target='{OUTSIDE}' count='65536'/>" for kind in ("uid", "gid"))
IDMAP = f"<idmap>{IDMAP}</idmap>"
CGROUPS = "/sys/fs/cgroup"
numbers = itertools.count()
bus = Bus()


def make_root(owner=0):
    """A root with busybox, of the container's root."""
    root = f"{ROOT}/root-{next(numbers)}"
    for folder in ("bin", "etc", "tmp", "mnt"):
        os.makedirs(f"{root}/{folder}")
    shutil.copy(BUSYBOX, f"{root}/bin/busybox")
    for program in PROGRAMS:
        os.symlink("busybox", f"{root}/bin/{program}")
    with open(f"{root}/etc/passwd", "w", encoding="ascii") as file:
        file.write("root:x:0:0::/:/bin/sh\nwww:x:33:34::/:/bin/sh\n")
    subprocess.run(["chown", "-R", f"{owner}:{owner}", root], check=True)
    os.chmod(root, 0o755)
    return root


def document(name, script="exec sleep 1000", root=None, features="", more="", devices="", os_more="", init="/bin/sh", consoles=1):
    root = root or make_root(OUTSIDE if "idmap" in more else 0)
    arguments = f"<initarg>-c</initarg><initarg>{script.replace('&', '&amp;').replace('<', '&lt;')}</initarg>" if script else ""
    return (f"<domain type='lxc'><name>{name}</name><memory unit='MiB'>64</memory>{more}"
            f"<os><type arch='x86_64'>exe</type><init>{init}</init>{arguments}{os_more}</os><features><privnet/>{features}</features>"
            f"<devices><filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>{devices}"
            f"{'<console type=%r/>' % 'pty' * consoles}</devices></domain>")


def connection(member, signature, *arguments, caller=bus):
    return caller.call(PATH, CONNECTION, member, signature, *arguments)


def define(xml, **options):
    return connection("DefineDomain", "sa{sv}", xml, variants(options))


def do(domain, member, **options):
    signature = () if member in ("Suspend", "Resume") else ("a{sv}", variants(options))
    return bus.call(domain, f"{NAME}.Domain", member, *signature)


def state(domain):
    return bus.get(domain, "Domain", "State")


def patiently(function, *arguments):
    """A driver that is killed again and again is started again after a while only."""
    answers = []

    def has_answered():
        try:
            answers.append(function(*arguments))
        except BusError as error:
            if "driver failed" not in error.message:
                raise
        return answers
    bus.wait(has_answered, "the driver")
    return answers[0]


def open_console(domain, number=0, **options):
    fd = bus.call(f"{domain}/device/console{number}", f"{NAME}.Device.Console", "Open", "a{sv}", variants(options))
    return socket.socket(fileno=fd)


def read_until(console, pattern):
    text = b""
    console.settimeout(DEADLINE)
    while not re.search(pattern, text, re.DOTALL):
        try:
            more = console.recv(65536)
        except TimeoutError:
            more = b""
        assert more, f"the console has ended: {text.decode(errors='replace')}"
        text += more
    return text.decode(errors="replace")


def read_all(console):
    text = b""
    console.settimeout(DEADLINE)
    while more := console.recv(65536):
        text += more
    return text.decode(errors="replace").replace("\r", "")


@contextlib.contextmanager
def container(name, **how):
    """One that runs."""
    domain = define(document(name, **how))
    try:
        do(domain, "Start")
        yield domain
    finally:
        if state(domain) != "shutoff":
            do(domain, "Destroy")
        do(domain, "Undefine")


def say(domain, command):
    """What a shell on the first console says to a command."""
    with open_console(domain, force=True) as console:
        console.sendall(f"echo be''gun; {command}; echo en''ded\n".encode())
        text = read_until(console, rb"ended\r?\n").replace("\r", "")
    return text.split("begun\n", 1)[1].rsplit("ended\n", 1)[0]  # the terminal and the shell may each repeat what was typed


CONTAINER = f"{NAME}.Domain.Container"


def begin_program(domain, *command, environment=(), caller=bus, **options):
    """What Exec hands out."""
    return caller.call(domain, CONTAINER, "Exec", "asasa{sv}", list(command), list(environment), variants(options))


def read_fd(fd):
    """All of it, and then it is closed; a terminal that has hung up has ended."""
    parts = []
    while True:
        try:
            part = os.read(fd, 65536)
        except OSError as error:
            assert error.errno == errno.EIO, error
            part = b""
        if not part:
            os.close(fd)
            return b"".join(parts).decode(errors="replace")
        parts.append(part)


def run_program(domain, *command, given="", **how):
    """Its output, its errors and how it ended."""
    ends = begin_program(domain, *command, **how)
    os.write(ends["input"], given.encode())
    os.close(ends["input"])
    return read_fd(ends["output"]), read_fd(ends["errors"]), read_fd(ends["status"])


def groups(domain):
    """The directories of a container's control groups that are there."""
    uuid = domain.rsplit("/", 1)[1].replace("_", "-")
    return [folder for folder, _, _ in os.walk(CGROUPS) if folder.endswith(f"/virtbus-lxc/{uuid}")]


def guests():
    """The processes that watch over containers."""
    return [pid for pid, words in all_processes().items() if "virtbus-lxc-guest" in "\0".join(words)]


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
