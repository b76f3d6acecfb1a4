#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes into containers that run: programs, signals, namespaces; and what hostile ones try to do to it.

Usage (below VIRTBUS_ALSO=lxc tests/with-bus): test-container-programs.py VIRTBUSCTL
"""

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time

from container_rig import (CONTAINER, IDMAP, OUTSIDE, begin_program, bus, container, do, groups, guests, make_root, patiently, read_fd, read_text,
                           run_program, state)
from face_rig import virsh_on
from rig import DEADLINE, BusError, User, contains, denied, expect, run


def send_signal(domain, process, number, caller=bus):
    return caller.call(domain, CONTAINER, "SendSignal", "xia{sv}", process, number, {})


def open_namespaces(domain, caller=bus):
    return caller.call(domain, CONTAINER, "OpenNamespaces", "a{sv}", {})


def a_program_is_one_of_the_containers():
    for more in ("", IDMAP):
        with container("shell", script="exec sh", more=more, features="<capabilities policy='default'><chown state='off'/></capabilities>") as domain:
            assert run_program(domain, "cat", given="through") == ("through", "", "exited 0")
            assert run_program(domain, "sh", "-c", "echo one; echo two > /dev/stderr; echo three > /dev/stdout; exit 7") == ("one\nthree\n", "two\n", "exited 7")
            assert run_program(domain, "/bin/sh", "-c", "kill -TERM $$")[2] == "killed 15"
            assert run_program(domain, "id", "-u")[0] == "0\n"
            assert run_program(domain, "sh", "-c", "id -u; id -g; pwd; echo $X $container", user="www", directory="/tmp", environment=["X=a=b"])[0] \
                == "33\n34\n/tmp\na=b lxc-libvirt\n"
            assert run_program(domain, "id", "-u", user="77")[0] == "77\n"
            # All that its first program has and may: beside it, in the same session of nobody's.
            for path in ("ns/mnt", "ns/pid", "ns/uts", "ns/ipc", "ns/net", "ns/user", "ns/cgroup"):
                assert run_program(domain, "readlink", f"/proc/self/{path}")[0] == run_program(domain, "readlink", f"/proc/1/{path}")[0], path
            for pattern in (r"^Cap(?:Prm|Eff|Bnd):.*$", r"^Seccomp.*$", r"^NoNewPrivs.*$"):
                assert re.findall(pattern, run_program(domain, "cat", "/proc/self/status")[0], re.MULTILINE) \
                    == re.findall(pattern, run_program(domain, "cat", "/proc/1/status")[0], re.MULTILINE)
            assert run_program(domain, "cat", "/proc/self/cgroup")[0] == run_program(domain, "cat", "/proc/1/cgroup")[0]
            assert run_program(domain, "ls", "/proc/self/fd")[0].split() == ["0", "1", "2", "3"]  # that of ls
            assert run_program(domain, "sh", "-c", "umask; id -G; cat /proc/self/oom_score_adj")[0] == "0022\n0\n0\n"


def its_terminal_is_its_own():
    for more in ("", IDMAP):
        with container("terminals", script="exec sh", more=more) as domain:
            ends = begin_program(domain, "sh", "-c", "tty; stty size 2>/dev/null; read x; echo got $x; exit 3", terminal=True, environment=["TERM=x"])
            assert sorted(ends) == ["status", "terminal"], ends
            fcntl.ioctl(ends["terminal"], termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
            said = ""
            while "\n" not in said:  # what was typed before would be shown in the midst of it
                said += os.read(ends["terminal"], 1000).decode()
            os.write(ends["terminal"], b"word\n")
            contains((said + read_fd(ends["terminal"])).replace("\r", ""), "/dev/pts/1\n", "got word\n")
            assert read_fd(ends["status"]) == "exited 3"
            # It hangs up with that.
            ends = begin_program(domain, "sleep", "1000", terminal=True)
            os.close(ends["terminal"])
            assert read_fd(ends["status"]) == "killed 1"


def it_ends_with_who_waits_and_with_its_container():
    with container("short", script="exec sh") as domain:
        ends = begin_program(domain, "sleep", "1000")
        members = len(read_text(f"{groups(domain)[0]}/cgroup.procs").split())
        os.close(ends["status"])
        bus.wait(lambda: len(read_text(f"{groups(domain)[0]}/cgroup.procs").split()) == members - 2, "it and who watches to end")
        for fd in ("input", "output", "errors"):
            os.close(ends[fd])
        # A driver that is killed leaves it to who waits.
        ends = begin_program(domain, "cat")
        bus.kill_driver("LXC")
        os.write(ends["input"], b"still")
        assert os.read(ends["output"], 5) == b"still"
        last = begin_program(domain, "sleep", "1000")
        do(domain, "Destroy")
        for handed in (ends, last):
            assert read_fd(handed["status"]) in ("killed 9", ""), "it outlived its container"
            assert read_fd(handed["output"]) == ""
        bus.wait(lambda: not guests() and not groups(domain), "nothing to be left")


def signals_reach_whom_they_name():
    script = "trap 'echo GOT; exit 0' USR1; echo ready; while true; do sleep 0.05; done"
    with container("signals", script="exec sh") as domain:
        ends = begin_program(domain, "sh", "-c", f"echo $$; {script}")
        text = b""
        while b"ready" not in text:
            text += os.read(ends["output"], 100)
        pid = int(text.split()[0])
        send_signal(domain, pid, signal.SIGUSR1)
        assert read_fd(ends["output"]) == "GOT\n" and read_fd(ends["status"]) == "exited 0"
        contains(expect("InvalidArgument", send_signal, domain, 30000, 15), "No such process")
        for process, number in ((0, 15), (1 << 40, 15), (1, 0), (1, 65), (1, -3)):
            expect("InvalidArgument", send_signal, domain, process, number)
        one, two = begin_program(domain, "sleep", "1000"), begin_program(domain, "sleep", "1000")
        send_signal(domain, -1, signal.SIGKILL)
        assert read_fd(one["status"]) == read_fd(two["status"]) == "killed 9" and state(domain) == "running"
        send_signal(domain, 1, signal.SIGKILL)
        bus.wait(lambda: state(domain) == "shutoff", "its end")
        expect("OperationInvalid", send_signal, domain, 1, 9)


def namespaces_are_handed_out():
    for more in ("", IDMAP):
        with container("spaces", script="exec sh", more=more) as domain:
            handed = open_namespaces(domain)
            assert sorted(handed) == sorted(["mnt", "uts", "ipc", "net", "cgroup", "pid"] + ["user"] * bool(more)), handed
            for name, fd in handed.items():
                assert os.readlink(f"/proc/self/fd/{fd}") == run_program(domain, "readlink", f"/proc/1/ns/{name}")[0].strip(), name
            done = subprocess.run(["nsenter", f"--uts=/proc/self/fd/{handed['uts']}", "hostname"], pass_fds=[handed["uts"]], capture_output=True, text=True, check=True)
            assert done.stdout == "spaces\n"
            for fd in handed.values():
                os.close(fd)
    expect("UnknownObject", open_namespaces, domain)


def what_is_wrong_is_named():
    with container("wrong", script="exec sh") as domain:
        def fails(code, *parts, command=("true",), **how):
            contains(expect(code, begin_program, domain, *command, **how), *parts)
        fails("InvalidArgument", "no program", command=())
        fails("InvalidArgument", "no program", command=("",))
        fails("InvalidArgument", "NAME=VALUE", environment=["=x"])
        fails("InvalidArgument", "NAME=VALUE", environment=["x"])
        fails("InvalidArgument", "absolute", directory="tmp")
        fails("InvalidArgument", "user", user="")
        fails("InvalidArgument", "", nonsense=True)
        fails("LimitExceeded", "1024", command=["true"] * 1025)
        fails("LimitExceeded", "bytes", command=["true", "x" * (1024 * 1024)])
        fails("HypervisorFailed", "nothing-there cannot be run", "wrong", command=("nothing-there",))
        fails("HypervisorFailed", "no user 'nobody-there'", user="nobody-there")
        fails("HypervisorFailed", "/nowhere cannot be entered", directory="/nowhere")
        do(domain, "Suspend")
        fails("OperationInvalid", "paused")
        expect("OperationInvalid", send_signal, domain, 1, 9)
        do(domain, "Resume")
        many = [begin_program(domain, "sleep", "1000") for _ in range(64)]
        fails("LimitExceeded", "64")
        for ends in many:
            for fd in ends.values():
                os.close(fd)
        do(domain, "Destroy")
        for call in ((begin_program, domain, "true"), (send_signal, domain, 1, 1), (open_namespaces, domain)):
            contains(expect("OperationInvalid", *call), "shutoff")


def who_may_not_is_refused():
    with container("guarded", script="exec sh") as domain:
        alice = User("vb-alice")
        for member, signature, arguments in (("Exec", "asasa{sv}", ("['id']", "@as []", "@a{sv} {}")), ("SendSignal", "xia{sv}", ("int64 1", "int32 9", "@a{sv} {}")),
                                             ("OpenNamespaces", "a{sv}", ("@a{sv} {}",))):
            assert denied(alice.call, domain, CONTAINER, member, signature, *arguments), member
        alice.leave()
        assert state(domain) == "running"


# What hostile containers do to what comes in

def no_program_in_it_looks_into_what_comes_in():
    """A root in it, who looks for any descriptor, folder or memory of the host's in all that comes in."""
    watch = ("while true; do for p in /proc/[0-9]*; do { ls -l $p/fd $p/cwd $p/root $p/exe 2>/dev/null; "
             "head -c 1 $p/environ 2>/dev/null; } ; done; done | grep -v ' /dev/\\(pts\\|null\\)\\|pipe:\\|/proc\\|total\\|^$' > /tmp/seen")
    for more in ("", IDMAP):
        root = make_root(OUTSIDE if more else 0)
        os.symlink("busybox", f"{root}/bin/head")
        with container("watches", script=f"{watch} & exec sh", root=root, more=more) as domain:
            for _ in range(20):
                run_program(domain, "true")
                send_signal(domain, 1, signal.SIGURG)
            with contextlib.suppress(BusError):
                send_signal(domain, 29999, signal.SIGURG)
        seen = read_text(f"{root}/tmp/seen")
        assert seen and not re.search(r"virtbus|guest\.log|/sys/fs|anon_inode|socket:|/work|/usr", seen), seen


def programs_that_lie_are_the_containers_alone():
    """Its shell is the one who goes in, by a link of the kernel's; its terminals are a pipe; its list of users has no end."""
    with container("lies", script="exec sh") as domain:
        run_program(domain, "sh", "-c", "rm /bin/env; printf '#!/proc/self/exe\\n' > /bin/env; busybox chmod 755 /bin/env")
        try:  # it runs as any program of the container's, and has nothing to do; where it needs libraries, they are not there
            _output, errors, status = run_program(domain, "env")
            assert status == "exited 1" and "started by virtbus-lxc alone" in errors, (errors, status)
        except BusError as error:
            contains(error.message, "env cannot be run")
        began = time.monotonic()
        contains(expect("HypervisorFailed", begin_program, domain, "/proc/self/fd/5/x"), "cannot be run")
        run_program(domain, "sh", "-c", "rm /etc/passwd; busybox mkfifo /etc/passwd")
        contains(expect("HypervisorFailed", begin_program, domain, "id", user="www"), "no user")
        contains(expect("HypervisorFailed", begin_program, domain, "id", directory="/proc/self/cwd/"), "cannot be entered")
        assert time.monotonic() - began < 5
    with container("hides", script="exec sh", more=IDMAP) as domain:
        run_program(domain, "sh", "-c", "mount -t tmpfs none /dev/pts; busybox mkfifo /dev/pts/ptmx")
        began = time.monotonic()
        contains(expect("HypervisorFailed", begin_program, domain, "id", terminal=True), "no terminal")
        run_program(domain, "sh", "-c", "rm /dev/pts/ptmx; ln -s /dev/null /dev/pts/ptmx")
        contains(expect("HypervisorFailed", begin_program, domain, "id", terminal=True), "no terminal")
        assert time.monotonic() - began < 5
        assert run_program(domain, "id", "-u")[0] == "0\n"


def what_is_stopped_as_it_comes_in_costs_its_caller_alone():
    """A root that kills all that comes in: it is not started, or ends; nothing is left, and the driver answers."""
    killer = "while true; do for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p = 1 ] || [ $p = $$ ] || kill -KILL $p 2>/dev/null; done; done"
    root = make_root()
    with open(f"{root}/tmp/killer", "w", encoding="ascii") as file:
        file.write(killer)
    with container("kills", script="sh /tmp/killer & exec sh", root=root) as domain:
        for _ in range(12):
            try:
                ends = begin_program(domain, "sleep", "1000")
            except BusError as error:
                contains(error.message, "kills")
                continue
            assert read_fd(ends["status"]) in ("killed 9", "exited 127")
            for fd in ("input", "output", "errors"):
                os.close(ends[fd])
        assert state(domain) == "running"
    bus.wait(lambda: not guests(), "nothing to be left")


def a_driver_that_is_killed_at_any_instant_leaves_nothing():
    with container("instants", script="exec sh") as domain:
        def driver():
            with contextlib.suppress(BusError):  # it is started again after a while only
                return bus.driver("LXC")
            return None
        ended = None  # whose name the bus may know a moment longer
        for step in range(8):
            bus.wait(lambda: driver() not in (None, ended), "the driver")  # pylint: disable=cell-var-from-loop
            ended = driver()
            bus.begin(domain, CONTAINER, "Exec", "asasa{sv}", ["sleep", "1000"], [], {})
            time.sleep(0.001 * step)
            bus.kill_driver("LXC", pid=ended, number=(signal.SIGKILL, signal.SIGTERM)[step % 2])
            assert patiently(state, domain) == "running"
        bus.wait(lambda: len(guests()) == 1 and len(read_text(f"{groups(domain)[0]}/cgroup.procs").split()) == 1, "nothing to be left")


# By virtbusctl and libvirt's clients

def ctl(*arguments, given=None, expect_status=0):
    done = subprocess.run([VIRTBUSCTL, "--connection=lxc", *arguments], input=given, capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert done.returncode == expect_status, done
    return done.stdout + done.stderr


def virtbusctl_runs_a_shell():
    with container("typed", script="exec sh") as domain:
        assert ctl("shell", "typed", "echo", "-n", "--json", "x") == "--json x"
        assert ctl("shell", "typed", "cat", given="line\n") == "line\n"
        assert ctl("shell", "typed", given="hostname\nexit 5\n", expect_status=5) == "typed\n"
        assert ctl("shell", "typed", "sh", "-c", "kill -KILL $$", expect_status=137) == ""
        contains(ctl("shell", "typed", "nothing-there", expect_status=1), "nothing-there cannot be run")
        assert ctl("shell", "--as=www", "--directory=/tmp", "typed", "sh", "-c", "id -u; pwd") == "33\n/tmp\n"
        contains(ctl("shell", "nobody", expect_status=4), "nobody")
        ctl("signal", "typed", "URG")
        contains(ctl("signal", "typed", "NONSENSE", expect_status=2), "NONSENSE")
        contains(ctl("signal", "typed", "SIGTERM", "30000", expect_status=1), "No such process")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(VIRTBUSCTL, [VIRTBUSCTL, "--connection=lxc", "shell", "typed"])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        os.write(terminal, b"echo on `tty`; exit 4\n")
        contains(read_fd(terminal).replace("\r", ""), "on /dev/pts/1\n")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
        assert state(domain) == "running"


def libvirts_clients_enter_it():
    with container("entered", script="exec sh", more=IDMAP) as domain, virsh_on(bus, "lxc+unix:///system?socket={socket}") as virsh:
        contains(virsh("lxc-enter-namespace", "entered", "--noseclabel", "/bin/hostname"), "entered")
        virsh("send-process-signal", "entered", "1", "urg")
        virsh("send-process-signal", "entered", "1", "kill")
        bus.wait(lambda: state(domain) == "shutoff", "its end")


VIRTBUSCTL = sys.argv[1] if len(sys.argv) > 1 else f"{os.environ['VIRTBUS_BUILD']}/client/virtbusctl/virtbusctl"
run([a_program_is_one_of_the_containers, its_terminal_is_its_own, it_ends_with_who_waits_and_with_its_container, signals_reach_whom_they_name,
     namespaces_are_handed_out, what_is_wrong_is_named, who_may_not_is_refused, no_program_in_it_looks_into_what_comes_in, programs_that_lie_are_the_containers_alone,
     what_is_stopped_as_it_comes_in_costs_its_caller_alone, a_driver_that_is_killed_at_any_instant_leaves_nothing, virtbusctl_runs_a_shell,
     libvirts_clients_enter_it])
