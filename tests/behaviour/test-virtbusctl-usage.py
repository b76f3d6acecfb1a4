#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a person types wrongly to virtbusctl: it is refused by a status and one line that names what is wrong and, where it can be known, what is right.

Usage (below tests/with-bus): test-virtbusctl-usage.py VIRTBUSCTL
"""

import os
import re
import shutil
import subprocess

from rig import ROOT, Bus, Hypervisor, Skip, run
from commandline import CTL, ENVIRONMENT, ctl

bus = Bus()
test = Hypervisor(bus, "test")
WORK = os.path.join(ROOT, "usage")
FOLDER, EMPTY, GARBAGE = f"{WORK}/folder", f"{WORK}/empty", f"{WORK}/garbage"
USAGE, FAILED, MISSING = 2, 1, 4

os.makedirs(FOLDER)
with open(EMPTY, "w", encoding="utf-8"):
    pass
with open(GARBAGE, "wb") as garbage:
    garbage.write(bytes(range(128, 256)) * 8)

# What is typed, the exit status, and words of what is said.
TABLE = [
    (["strat", "web"], USAGE, "did you mean 'start'"),
    (["start"], USAGE, "usage: virtbusctl start DOMAIN"),
    (["start", ""], USAGE, "an argument of start is empty"),
    (["start", "wbe"], MISSING, "'wbe'; did you mean 'web'"),
    (["start", "something-else"], MISSING, "'something-else'; see: virtbusctl list"),
    (["start", "x" * 5000], MISSING, "xxx"),
    (["start", "we\x1b[31mb"], MISSING, "'we?[31mb'"),
    (["start", "web\n"], MISSING, "did you mean 'web'"),
    (["start", "--", "-x"], MISSING, "'-x'"),
    (["start", "--pausd", "web"], USAGE, "did you mean '--paused'"),
    (["start", "--paused=yes", "web"], USAGE, "--paused takes no value: leave out =yes"),
    (["--", "strat"], USAGE, "did you mean 'start'"),
    (["start", "web"], FAILED, "it is running"),
    (["shutdown", "off"], FAILED, "it is shutoff"),
    (["shutdown", "web", "--timeout=0"], USAGE, "--timeout=0 is not a number"),
    (["shutdown", "web", "--wait", "--timeout"], USAGE, "--timeout=SECONDS: the value is missing"),
    (["wait", "web", "runing"], USAGE, "did you mean 'running'"),
    (["wait", "web", "running,foo"], USAGE, "states are shutoff"),
    (["save", "web", FOLDER], FAILED, f"{FOLDER} is not a file that could be replaced"),
    (["save", "web", f"{WORK}/no/such"], FAILED, f"{WORK}/no/such"),
    (["restore", FOLDER], FAILED, FOLDER),
    (["restore", EMPTY], FAILED, EMPTY),
    (["restore", GARBAGE], FAILED, f"{GARBAGE}: this is not a saved state"),
    (["restore", ""], USAGE, "an argument of restore is empty"),
    (["peek", "web", "zz", "16"], USAGE, "0x7c00"),
    (["peek", "web", "0", "0"], FAILED, "from 1 to 65536"),
    (["dump", "web", FOLDER], FAILED, FOLDER),
    (["dump", "web", ""], USAGE, "empty"),
    (["console", "off"], FAILED, "start it first"),
    (["console", "web", "nope"], FAILED, "virtbusctl status web"),
    (["screenshot", "web", FOLDER], FAILED, f"{FOLDER} is a folder"),
    (["screenshot", "web", f"{WORK}/no/such.png"], FAILED, f"{WORK}/no/such.png"),
    (["press", "web", *["a"] * 17], FAILED, "use 1 to 16"),
    (["agent", "web", "exec"], USAGE, "exec PROGRAM"),
    (["agent", "web", "frob"], USAGE, "'frob'"),
    (["create"], USAGE, "usage: virtbusctl create NAME; see virtbusctl help create\n"),
    (["create", "new", "--os=debian12"], USAGE, "--os: leave it out"),
    (["create", "new", "--xy"], USAGE, "there is no option --xy; see"),
    (["create", "new", "--memroy=1G"], USAGE, "did you mean '--memory'?"),
    (["create", "a/b"], USAGE, "'a/b' cannot be a name"),
    (["create", "x" * 300], USAGE, "1 to 255 bytes"),
    (["create", "new", "--memory"], USAGE, "--memory=SIZE: the value is missing"),
    (["create", "new", "--memory=1X"], USAGE, "--memory=1X is not a size"),
    (["create", "new", "--memory=512"], USAGE, "say 512M"),
    (["create", "new", "--memory=1G", "--memory=2G"], USAGE, "--memory is there twice"),
    (["create", "new", "--cpus=two"], USAGE, "--cpus=two"),
    (["create", "new", "--disk="], USAGE, "the path of the image is missing"),
    (["create", "new", f"--disk={FOLDER}"], USAGE, f"{FOLDER} is a folder"),
    (["create", "new", "--disk=x,bus=foo"], USAGE, "bus=foo is not one of virtio"),
    (["create", "new", "--network=foo"], USAGE, "bridge=NAME"),
    (["create", "new", "--boot=foo"], USAGE, "'foo' is not one of hd"),
    (["create", "new", "--boot="], USAGE, "is not one of hd"),
    (["create", "new", "--display=foo"], USAGE, "vnc, spice, none"),
    (["create", "new", "--cmdline=x"], USAGE, "--kernel=FILE"),
    (["define", f"{WORK}/no-such"], FAILED, f"{WORK}/no-such"),
    (["define", FOLDER], FAILED, FOLDER),
    (["define", EMPTY], FAILED, f"{EMPTY}: the document is empty"),
    (["define", GARBAGE], FAILED, "is not UTF-8"),
    (["rename", "web"], USAGE, "usage: virtbusctl rename DOMAIN NAME"),
    (["rename", "off", "a/b"], FAILED, "'a/b' cannot be a name"),
    (["rename", "off", "off"], FAILED, "that is its name already"),
    (["set", "web"], USAGE, "usage: virtbusctl set"),
    (["set", "web", "memory=abc"], USAGE, "memory=abc"),
    (["set", "off", "vcpus=0"], FAILED, "one processor at least"),
    (["set", "web", "frob=1"], USAGE, "frob"),
    (["set", "web", "serial0", "link=on"], USAGE, "link"),
    (["set", "web", "vcpu_cpus.0=zz"], FAILED, "'zz' is not a list"),
    (["attach", "web", f"{WORK}/no-such"], FAILED, f"{WORK}/no-such"),
    (["attach", "web", FOLDER], FAILED, FOLDER),
    (["attach", "web", "--network=frob"], USAGE, "--network=frob"),
    (["detach", "web"], USAGE, "usage: virtbusctl detach DOMAIN DEVICE"),
    (["detach", "web", "nope"], FAILED, "virtbusctl status web"),
    (["autostart", "web", "yes"], USAGE, "neither on nor off"),
    (["undefine", "off", "--nvarm"], USAGE, "did you mean '--nvram'"),
    (["import", f"{WORK}/no-such"], FAILED, f"{WORK}/no-such"),
    (["import", EMPTY], FAILED, EMPTY),
    (["translate", "/etc/passwd"], FAILED, "qemu-system-x86_64"),
    (["translate", GARBAGE], FAILED, "is not UTF-8"),
    (["list", "--active=1"], USAGE, "--active takes no value"),
    (["list", "--all"], USAGE, "all domains are listed"),
    (["list", "-x"], USAGE, "-x"),
    (["list", "-c", "nope"], FAILED, "there are: "),
    (["list", "-c", ""], USAGE, "one of them is empty"),
    (["list", "-H", ""], USAGE, "one of them is empty"),
    (["show", "web", "-p", "Stat"], USAGE, "did you mean 'State'"),
    (["stats", "--openmetrics", "--json"], USAGE, "exclude each other"),
    (["addresses", "off"], FAILED, "it has no addresses"),
    (["top", "-n", "0"], USAGE, "--iterations=0"),
    (["top", "-d", "-5"], USAGE, "--delay=-5"),
    (["jobs", "x"], USAGE, "usage: virtbusctl jobs; see"),
    (["cancel", "nope"], FAILED, "virtbusctl jobs"),
    (["monitor", "--events=foo"], USAGE, "'foo' is not an event"),
    (["monitor", "--events="], USAGE, "there are: service"),
    (["log", "web", "--lines=x"], USAGE, "--lines=x"),
    (["capabilities", "foo"], USAGE, "host, domain"),
    (["help", "strat"], USAGE, "did you mean 'start'"),
    (["--user", "-H", "x", "list"], USAGE, "exclude each other"),
    (["--frob"], USAGE, "--frob"),
    (["-"], USAGE, "-"),
    ([""], USAGE, "virtbusctl --help"),
]


def each_mistake_is_told_in_one_line_with_a_status():
    test.do(test.define(test.document("web", devices="<serial type='pty'/><video><model type='vga'/></video>"
                                      "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>")), "Start")
    test.define(test.document("off", devices="<serial type='pty'/>"))
    wrong = []
    for arguments, status, words in TABLE:
        result = subprocess.run([CTL, *arguments], stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False, env=ENVIRONMENT)
        said = result.stderr
        if result.returncode != status or words not in said or said.count("\n") != 1 or "\x1b" in said or "GDBus" in said or result.stdout:
            wrong.append(([word[:40] for word in arguments], status, words, result.returncode, said[:400], result.stdout[:100]))
    assert not wrong, "\n".join(map(str, wrong))


def output_that_nobody_takes_is_a_failure():
    with open("/dev/full", "w", encoding="utf-8") as full:
        for verb in (["list"], ["xml", "web"], ["list", "--json"], ["help"]):
            result = subprocess.run([CTL, *verb], stdout=full, stderr=subprocess.PIPE, encoding="utf-8", check=False, env=ENVIRONMENT)
            assert result.returncode == 1 and "standard output cannot be written" in result.stderr, (verb, result)


def verbs_of_virsh_are_explained():
    if not shutil.which("virsh"):
        raise Skip("virsh is not installed")
    names = [line.split()[0] for line in subprocess.run(["virsh", "help"], stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout.splitlines()
             if line.startswith("    ")]
    own = set(ctl("complete", "").split())
    shell = {"cd", "echo", "exit", "pwd", "quit", "connect"}
    assert len(names) > 200, names
    unknown = [name for name in names if name not in own | shell and "that is: virtbusctl" not in (said := ctl(name, status=2)) and "virtbus " not in said.split("; ")[0]]
    assert not unknown, unknown


def readme_calls_verbs_of_virsh_what_virtbusctl_does():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md"), encoding="utf-8") as file:
        table = re.search(r"\| from virsh \|.*?\n\n", file.read(), re.DOTALL).group(0).splitlines()[2:]
    own = set(ctl("complete", "").split())
    assert len(table) > 10, table
    for row in filter(None, table):
        theirs, ours = ([words.split()[0] for words in re.findall(r"`([^`]+)`", cell)] for cell in row.strip("|").split("|"))
        assert own.issuperset(ours or theirs), row
        for verb in filter(lambda verb: verb not in own, theirs):
            said = re.search(r"that is: virtbusctl (\S+)", ctl(verb, status=2))
            assert said and said.group(1) in ours, (row, verb, said)


run([each_mistake_is_told_in_one_line_with_a_status, output_that_nobody_takes_is_a_failure, verbs_of_virsh_are_explained,
     readme_calls_verbs_of_virsh_what_virtbusctl_does])
