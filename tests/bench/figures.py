#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The figures of tests/bench/run, below tests/with-bus."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid

from gi.repository import Gio, GLib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "behaviour"))
import libvirtd  # noqa: E402
from measures import add, cpu_time, own_memory, p50, p99, rows, say, timed  # noqa: E402
from rig import BUILD, NAME, ROOT, Bus, BusError, Hypervisor  # noqa: E402

BENCH = os.path.join(BUILD, "tests", "bench")
ROUNDS = 4000
DOMAINS = 10000
LARGE = 40000
DEFINED, RUNNING = 1000, 50  # of the statistics

if os.geteuid() == 0:  # in a mount namespace of its own: what a driver has below /run is in memory, as where it is installed
    for driver in ("test", "qemu"):
        os.makedirs(f"{ROOT}/{driver}/run", mode=0o711)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=711", "virtbus", f"{ROOT}/{driver}/run"], check=True)
bus = Bus()
test = Hypervisor(bus, "test")


def measure(rounds, *calls):
    """The durations of each call, made in turn by one process."""
    output = subprocess.run([os.path.join(BENCH, "caller"), str(rounds), *calls], capture_output=True, text=True, check=True).stdout
    return [sorted(float(d) for d in line.split()) for line in output.splitlines()]


def calls():
    say("property reads and forwarded calls, against a static sd-bus service")
    policy = os.path.join(ROOT, "bus.conf")
    text = open(policy, encoding="utf-8").read()
    open(policy, "w", encoding="utf-8").write(text.replace("</busconfig>", '<policy user="root"><allow own="bench.Echo"/>'
                                              '<allow send_destination="bench.Echo"/></policy></busconfig>'))
    bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig", destination="org.freedesktop.DBus")
    echo = subprocess.Popen([os.path.join(BENCH, "echo-service")])
    while not bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", "bench.Echo", destination="org.freedesktop.DBus"):
        time.sleep(0.01)
    domain = test.define(test.document("bench"))
    daemon, echo_property, mirrored, echo_call, forwarded = measure(
        ROUNDS, "org.freedesktop.DBus:/org/freedesktop/DBus:org.freedesktop.DBus:GetId", "bench.Echo:/echo:bench.Echo:.State",
        f"{NAME}:{domain}:{NAME}.Domain:.State", "bench.Echo:/echo:bench.Echo:Call:bench",
        f"{NAME}:{test.path}:{NAME}.Connection:GetDomainByName:bench")
    echo.terminate()
    add("property read through the mirror / static sd-bus service, p50", p50(mirrored) / p50(echo_property), "<= 1.15", "x",
        f"{p50(mirrored):.0f} us / {p50(echo_property):.0f} us; the bus daemon's own answer {p50(daemon):.0f} us")
    add("forwarded call / call of a static sd-bus service, p50", p50(forwarded) / p50(echo_call), "<= 1.7", "x",
        f"{p50(forwarded):.0f} us / {p50(echo_call):.0f} us")
    test.do(domain, "Undefine")


def a_stopped_driver():
    say("a stopped driver beside a running one")
    qemu = Hypervisor(bus, "qemu")
    mine, other = test.define(test.document("stopped")), qemu.define(qemu.document("other"))
    reads = [f"{NAME}:{mine}:{NAME}.Domain:.State", f"{NAME}:{qemu.path}:{NAME}.Connection:GetDomainByName:other"]
    pid = bus.driver("Test")
    before, after = [[], []], [[], []]
    for turn in range(6):  # in turns, so that both meet the same noise
        os.kill(pid, signal.SIGSTOP if turn % 2 else signal.SIGCONT)
        for i, durations in enumerate(measure(ROUNDS // 3, *reads)):
            (after if turn % 2 else before)[i] += durations
    began = time.monotonic()
    answer = bus.begin(mine, f"{NAME}.Domain", "Start", "a{sv}", {})
    bus.wait(lambda: answer, "the timeout")
    took = time.monotonic() - began
    os.kill(pid, signal.SIGCONT)
    bus.wait_state(mine, "running")
    for i, what in enumerate(("property reads of its objects", "calls to another driver")):
        add(f"with a driver stopped / before: {what}, p99", p99(sorted(after[i])) / p99(sorted(before[i])), "<= 1.3", "x",
            f"{p99(sorted(after[i])):.0f} us / {p99(sorted(before[i])):.0f} us")
    add("a call to a stopped driver ends, of a deadline of 3 s", took, "3", "s", answer[0].name, in_readme=False)
    test.do(mine, "Destroy")
    test.do(mine, "Undefine")
    qemu.do(other, "Undefine")


def many_domains():
    say(f"{DOMAINS} domains of two devices on disk, to be mirrored")
    test.do(test.define(test.document("awake")), "Undefine")  # the driver may have gone to sleep while others were measured
    bus.signals.clear()
    folder = f"{ROOT}/test/state/test/domains"
    devices = ("<disk type='file'><source file='/images/disk.qcow2'/><target dev='vda'/></disk>"
               "<interface type='user'><mac address='52:54:00:00:00:01'/></interface>")
    for number in range(DOMAINS):
        name = str(uuid.uuid4())
        document = test.document(f"domain-{number}", uuid=name, devices=devices, more="<title>One of many</title>")
        with open(f"{folder}/{name}.xml", "w", encoding="utf-8") as file:
            file.write(f'<?xml version="1.0"?>\n<?virtbus owner="0" autostart="no"?>\n{document}\n')
    # A fresh service, whose memory holds nothing of what was measured before, and a fresh driver, which nobody starts meanwhile.
    service_file = f"{ROOT}/services/{NAME}.Driver.Test.service"
    os.rename(service_file, service_file + ".away")
    bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig", destination="org.freedesktop.DBus")
    bus.kill_owner(NAME, signal.SIGTERM)
    if bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", f"{NAME}.Driver.Test", destination="org.freedesktop.DBus"):
        bus.kill_owner(f"{NAME}.Driver.Test", signal.SIGTERM)
    bus.objects("/org/virtbus1")
    bus.connection.close_sync(None)  # which would be busy taking in 30,000 signals
    quiet = Bus(listen=False)
    service = quiet.owner_pid(NAME)
    if any(row[0] == "test" for row in quiet.get("/org/virtbus1", "Manager", "Drivers")):
        sys.exit("not measured: the test driver was there already")
    base = own_memory(service)
    quiet.connection.close_sync(None)  # root's programs are told of all objects: in Python, taking that in takes longer than all else
    os.rename(service_file + ".away", service_file)
    # Nobody's program, which is not told of objects: what is measured is not how fast they are taken in elsewhere.
    stranger = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    with subprocess.Popen([*stranger, f"{ROOT}/build/tests/bench/attached" if stranger else os.path.join(BENCH, "attached"), "test"],
                          stdout=subprocess.PIPE, text=True) as waiter:
        waiter.stdout.readline()
        began = time.monotonic()
        subprocess.run(["busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig"],
                       check=True)  # virtbusd sees it now
        if waiter.wait() != 0:
            sys.exit("not measured: the driver was not attached")
    add(f"driver start to all {DOMAINS} domains mirrored", time.monotonic() - began, "<= 2", "s", "definitions read from disk, and nobody listens")
    quiet = Bus(listen=False)
    mirrored = len(quiet.objects(test.path))
    if mirrored != DOMAINS:
        sys.exit(f"not measured: {mirrored} of {DOMAINS} domains are mirrored")
    memory = (own_memory(service) - base) / DOMAINS
    add("memory of the service for each domain", memory / 1024, "<= 2", "KiB", f"private memory, {DOMAINS} domains of 2 devices")
    caller = f"{NAME}:{test.path}:org.freedesktop.DBus.ObjectManager:GetManagedObjects"
    durations, = measure(10, caller)
    add(f"GetManagedObjects of {DOMAINS} domains, p50", p50(durations) / 1000, "<= 400", "ms", "until the answer is received", in_readme=False)


def a_large_connection():
    say(f"{LARGE} domains behind one connection")
    path = bus.call("/org/virtbus1", f"{NAME}.Manager", "OpenConnection", "sa{sv}", "test://large", {})
    service = bus.owner_pid(NAME)
    bus.call("/org/virtbus1", "org.freedesktop.DBus.Peer", "Ping")
    base = own_memory(service)
    for _ in range(LARGE // 200):  # each is answered within a call's time
        bus.call(path, f"{NAME}.Test", "Populate", "ua{sv}", 200, {})
    listed = int(subprocess.run([os.path.join(BUILD, "client", "virtbusctl", "virtbusctl"), "-c", "test_large", "--json", "list"],
                                stdout=subprocess.PIPE, text=True, check=True).stdout.count('"uuid"'))
    if listed != LARGE:
        sys.exit(f"not measured: {listed} of {LARGE} domains are listed")
    memory = (own_memory(service) - base) / LARGE
    used_before = cpu_time(service)
    listing = timed(5, lambda: subprocess.run([os.path.join(BUILD, "client", "virtbusctl", "virtbusctl"), "-c", "test_large", "list"], stdout=subprocess.DEVNULL, check=True))
    busy = (cpu_time(service) - used_before) / 5
    library = timed(3, lambda: subprocess.run([os.path.join(BENCH, "client")], check=True))
    add(f"virtbusctl list of {LARGE} domains, p50", p50(listing) / 1e6, "<= 3", "s", f"a whole program; {1000 * busy:.0f} ms of the service's processor time")
    add(f"client library, start to all {LARGE} domains known, p50", p50(library) / 1e6, "<= 6", "s", "a proxy for each, with all properties", in_readme=False)
    add(f"memory of the service for each of {LARGE} domains", memory / 1024, "<= 1.3", "KiB", "private memory, domains without devices", in_readme=False)
    bus.begin(path, f"{NAME}.Connection", "Close", "")  # which may take longer than a call has here


def changes():
    say("5,000 property changes a second")
    service = bus.owner_pid(NAME)
    before = bus.get(test.path, "Test", "Churned")
    bus.signals.clear()
    before_them, began = used(service), time.monotonic()
    bus.call(test.path, f"{NAME}.Test", "Churn", "uu", 25000, 5000)

    def is_last():
        return bus.signals and bus.signals[-1][2] == "PropertiesChanged" and bus.signals[-1][3][1].get("Churned") == before + 25000
    bus.wait(is_last, "the last change")
    took = time.monotonic() - began
    seen = sum(1 for s in bus.signals if s[2] == "PropertiesChanged" and "Churned" in s[3][1])
    each = (used(service) - before_them) / 25000
    # Whoever listens may be slower than that: what each change takes is what was measured.
    add("processor time of the service at 5,000 changes a second", 100 * 5000 * each, "< 25", "% of a core",
        f"{1e6 * each:.1f} us a change; they came at {25000 / took:.0f} a second")
    add("changes lost of 25,000", 25000 - seen, "0", "", "", may_be_nothing=True, in_readme=False)


def start_by_hand(arguments, directory, last="query-status"):
    """Starts QEMU as a person would, with the same arguments, up to QMP's capabilities and one command; returns how long that took."""
    path = os.path.join(directory, "monitor")
    began = time.monotonic()
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    line = [a.replace("fd=MONITOR", f"fd={listener.fileno()}") for a in arguments]
    process = subprocess.Popen(line, pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    monitor = socket.socket(socket.AF_UNIX)
    monitor.connect(path)
    lines = monitor.makefile("rw")
    lines.readline()
    for command in ("qmp_capabilities", last):
        lines.write(json.dumps({"execute": command}) + "\n")
        lines.flush()
        while "return" not in json.loads(lines.readline()):
            pass
    took = time.monotonic() - began
    process.terminate()
    process.wait()
    listener.close()
    return took


def compare_starts(qemu, domain, arguments):
    """Times of starts, of QEMU by hand and of ends, in turn, so that all meet the same noise."""
    ours, by_hand, ends = [], [], []
    for _ in range(25):
        began = time.monotonic()
        qemu.do(domain, "Start", paused=True)
        ours.append(time.monotonic() - began)
        began = time.monotonic()
        qemu.do(domain, "Destroy")
        ends.append(time.monotonic() - began)
        by_hand.append(start_by_hand(arguments, ROOT))
    return sorted(ours), sorted(by_hand), sorted(ends)


def restart_driver(qemu):
    """Kills the driver, and waits until its successor has read all definitions and answers."""
    os.kill(bus.driver(qemu.driver_name), signal.SIGKILL)
    answer = ""
    while "NoSuchDomain" not in answer:
        try:
            bus.call(qemu.path, f"{NAME}.Connection", "GetDomainByID", "u", 0)
        except BusError as error:
            answer = error.name


def qemu_starts():
    say("starts of a minimal paused guest, against QEMU by hand")
    qemu = Hypervisor(bus, "qemu")
    domain = qemu.define(qemu.document("bench"))
    qemu.do(domain, "Start", paused=True)
    pid = qemu.pid_of(domain)
    arguments = open(f"/proc/{pid}/cmdline", encoding="utf-8").read().split("\0")[:-1]
    arguments = ["socket,id=monitor,fd=MONITOR,server=on,wait=off" if a.startswith("socket,id=monitor") else a for a in arguments]
    qemu.do(domain, "Destroy")
    ours, by_hand, ends = compare_starts(qemu, domain, arguments)
    add("start of a minimal paused guest / QEMU by hand, p50", p50(ours) / p50(by_hand), "<= 1.10", "x",
        f"{1000 * p50(ours):.0f} ms / {1000 * p50(by_hand):.0f} ms")
    add("destroy, p50", 1000 * p50(ends), "no fixed wait", "ms", "", in_readme=False)
    few = p50(ours) / p50(by_hand)
    paths = []
    for number in range(DOMAINS):
        name = str(uuid.uuid4())
        paths.append(f"{ROOT}/qemu/state/qemu/domains/{name}.xml")
        with open(paths[-1], "w", encoding="utf-8") as file:
            file.write(f'<?xml version="1.0"?>\n<?virtbus owner="0" autostart="no"?>\n{qemu.document(f"one-of-many-{number}", uuid=name)}\n')
    restart_driver(qemu)
    ours, by_hand, ends = compare_starts(qemu, domain, arguments)
    add(f"the same with {DOMAINS} domains defined / with one, p50", p50(ours) / p50(by_hand) / few, "<= 1.05", "x",
        f"{1000 * p50(ours):.0f} ms / {1000 * p50(by_hand):.0f} ms by hand")
    for path in paths:
        os.unlink(path)
    restart_driver(qemu)
    qemu.do(domain, "Undefine")


def used(pid):
    """Processor time of all of a process's threads, in seconds; more exactly than cpu_time."""
    return sum(int(open(f"/proc/{pid}/task/{thread}/schedstat", encoding="utf-8").read().split()[0]) for thread in os.listdir(f"/proc/{pid}/task")) / 1e9


def definitions():
    say("definitions of QEMU's domains")
    qemu = Hypervisor(bus, "qemu")
    disks = "".join(f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='/images/{i}'/><target dev='vd{'abc'[i]}' bus='virtio'/></disk>"
                    for i in range(3))
    for what, devices in (("a minimal domain", ""), ("a domain of eight devices", disks + "<interface type='user'/><serial type='pty'/><graphics type='vnc'/>"
                                                     "<video><model type='virtio'/></video><input type='tablet' bus='usb'/>")):
        domains = [qemu.define(qemu.document(f"first-{number}", devices)) for number in range(10)]
        driver = bus.driver("QEMU")
        before = used(driver)
        domains += [qemu.define(qemu.document(f"defined-{number}", devices)) for number in range(200)]
        add(f"processor time of the driver to define {what}", 1000 * (used(driver) - before) / 200, "", "ms", "mean of 200", in_readme=False)
        for domain in domains:
            qemu.do(domain, "Undefine")


def wait_for_file(directory):
    """Waits until a finished JSON file lies in the directory."""
    context = GLib.MainContext.default()
    monitor = Gio.File.new_for_path(directory).monitor_directory(Gio.FileMonitorFlags.WATCH_MOVES, None)
    while not any(name.endswith(".json") for name in os.listdir(directory)):
        context.iteration(True)
    monitor.cancel()


def embedded_starts():
    say("virtbus-run, against QEMU by hand")
    path = os.path.join(ROOT, "run.xml")
    document = Hypervisor(bus, "qemu").document("run")
    open(path, "w", encoding="utf-8").write(document)
    arguments = None
    times = {"cold": [], "warm": [], "hand": []}
    for number in range(20):
        for kind, root in (("cold", f"{ROOT}/run-{number}"), ("warm", f"{ROOT}/run-{number}")):
            began = time.monotonic()
            process = subprocess.Popen([os.path.join(BUILD, "client", "virtbus-run"), "--verbose", f"--root={root}", path], stdout=subprocess.PIPE, text=True)
            while "running" not in process.stdout.readline():
                pass
            times[kind].append(time.monotonic() - began)
            pid = subprocess.run(["pgrep", "-f", "guest=run,"], capture_output=True, text=True, check=True).stdout.split()[0]
            arguments = arguments or open(f"/proc/{pid}/cmdline", encoding="utf-8").read().split("\0")[:-1]
            # The second run is warm when the first has learned what QEMU can do, which it does beside the guest.
            wait_for_file(f"{root}/state/capabilities")
            process.terminate()
            process.wait()
        line = ["socket,id=monitor,fd=MONITOR,server=on,wait=off" if a.startswith("socket,id=monitor") else a for a in arguments]
        times["hand"].append(start_by_hand(line, ROOT, "cont"))
    for kind, wanted in (("cold", "<= 1.35"), ("warm", "<= 1.2")):
        add(f"virtbus-run, {kind}, to a running guest / QEMU by hand, p50", p50(times[kind]) / p50(times["hand"]), wanted, "x",
            f"{1000 * p50(times[kind]):.0f} ms / {1000 * p50(times['hand']):.0f} ms")


def a_hanging_guest():
    say("a guest whose QEMU is stopped beside one that runs")
    qemu = Hypervisor(bus, "qemu")
    hung, other = qemu.define(qemu.document("hung")), qemu.define(qemu.document("awake"))
    for domain in (hung, other):
        qemu.do(domain, "Start", paused=True)
    pid = qemu.pid_of(hung)
    calls = {
        "property reads of it": lambda: bus.get(hung, "Domain", "State"),
        "GetDomainStats of all": lambda: bus.call(qemu.path, f"{NAME}.Connection", "GetDomainStats", "aoasa{sv}", [], [], {}),
        "calls that another guest answers": lambda: bus.call(other, f"{NAME}.Domain", "PeekMemory", "tta{sv}", 0, 16, {}),
    }
    before, after = {what: [] for what in calls}, {what: [] for what in calls}
    for turn in range(8):
        os.kill(pid, signal.SIGSTOP if turn % 2 else signal.SIGCONT)
        for what, call in calls.items():
            (after if turn % 2 else before)[what].extend(timed(300, call))
    for what in calls:
        add(f"with a guest stopped / before: {what}, p99", p99(sorted(after[what])) / p99(sorted(before[what])), "<= 1.3", "x",
            f"{p99(sorted(after[what])):.0f} us / {p99(sorted(before[what])):.0f} us", in_readme=False)
    os.kill(pid, signal.SIGCONT)
    for domain in (hung, other):
        qemu.do(domain, "Destroy")
        qemu.do(domain, "Undefine")


def domain_statistics():
    say(f"statistics of {DEFINED} defined and {RUNNING} running guests")
    qemu = Hypervisor(bus, "qemu")
    domains = [qemu.define(qemu.document(f"stats-{number}")) for number in range(DEFINED)]
    for domain in domains[:RUNNING]:
        qemu.do(domain, "Start", paused=True)
    ours = ["busctl", "call", NAME, qemu.path, f"{NAME}.Connection", "GetDomainStats", "aoasa{sv}", "0", "0", "0"]
    theirs = ["virsh", "-c", "qemu:///system", "domstats"]
    call, = measure(20, f"{NAME}:{qemu.path}:{NAME}.Connection:GetDomainStats:=aoasa{{sv}}")
    program = timed(10, lambda: subprocess.run(ours, stdout=subprocess.DEVNULL, check=True))
    listing = timed(10, lambda: subprocess.run([os.path.join(BUILD, "client", "virtbusctl", "virtbusctl"), "list"], stdout=subprocess.DEVNULL, check=True))
    library = timed(10, lambda: subprocess.run([os.path.join(BENCH, "client")], check=True))
    for domain in domains[:RUNNING]:
        qemu.do(domain, "Destroy")
    for domain in domains:
        qemu.do(domain, "Undefine")
    add(f"client library, start to all {DEFINED} domains known, p50", p50(library) / 1000, "<= 100", "ms", "a whole program: it makes a client and ends", in_readme=False)
    add(f"GetDomainStats of {DEFINED} defined and {RUNNING} running guests, p50", p50(call) / 1000, "<= 40", "ms", "until the answer is received")
    daemon = libvirtd.start({f"stats-{number}": qemu.document(f"stats-{number}", uuid=str(uuid.uuid4())) for number in range(DEFINED)}, RUNNING)
    if not daemon:
        say("libvirtd is not here: no comparison with virsh domstats")
        return
    libvirt = timed(10, lambda: subprocess.run(theirs, stdout=subprocess.DEVNULL, check=True))
    virsh_list = timed(10, lambda: subprocess.run(["virsh", "-c", "qemu:///system", "list", "--all"], stdout=subprocess.DEVNULL, check=True))
    for number in range(RUNNING):
        subprocess.run(["virsh", "-c", "qemu:///system", "destroy", f"stats-{number}"], capture_output=True, check=True)
    daemon.terminate()
    daemon.wait()
    add("busctl GetDomainStats / virsh domstats of the same guests, p50", p50(program) / p50(libvirt), "< 1", "x",
        f"{p50(program) / 1000:.0f} ms / {p50(libvirt) / 1000:.0f} ms", in_readme=False)
    add(f"virtbusctl list / virsh list --all, {DEFINED} domains, p50", p50(listing) / p50(virsh_list), "<= 0.5", "x",
        f"{p50(listing) / 1000:.0f} ms / {p50(virsh_list) / 1000:.0f} ms")


def resident(pid):
    return int(next(line for line in open(f"/proc/{pid}/status", encoding="utf-8") if line.startswith("VmRSS:")).split()[1]) * 1024


def flood(*call):
    """200 clients of a user without rights, each with 20 calls that are not answered yet. Runs until it is ended."""
    process = subprocess.Popen(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", f"{ROOT}/build/tests/bench/flood", "200", "20", *call],
                               stdout=subprocess.PIPE)
    process.stdout.readline()  # it has begun
    return process


def hostile():
    if os.geteuid() != 0:
        say("hostile: needs root, for other users")
        return
    from attacks import Attack  # needs other users too
    say("property reads of one client while others flood")
    domain = test.define(test.document("hostile"))
    service = bus.owner_pid(NAME)
    read = f"{NAME}:{domain}:{NAME}.Domain:.State"
    daemon = "org.freedesktop.DBus:/org/freedesktop/DBus:org.freedesktop.DBus:GetId"
    quiet, = measure(ROUNDS, read)
    base = resident(service)

    def compare(what):
        """Reads, and answers of the bus daemon to the same client, in turn, while an attack goes on."""
        reads, answers = measure(ROUNDS, read, daemon)
        if bus.owner_pid(NAME) != service:
            sys.exit(f"not measured: the service ended while {what}")
        add(f"property read while {what} / the bus daemon's answer meanwhile, p99", p99(reads) / p99(answers), "<= 3", "x",
            f"{p99(reads):.0f} us / {p99(answers):.0f} us; without a flood {p99(quiet):.0f} us; {(resident(service) - base) / 2**20:.1f} MiB more")
    flooding = flood(NAME, domain, "org.freedesktop.DBus.Properties", "Get", f"{NAME}.Domain", "State")
    compare("200 clients flood")
    if flooding.poll() is not None:
        sys.exit("not measured: the flood ended by itself")
    flooding.terminate()
    flooding.wait()
    for name, what in (("questions", "one floods polkit"), ("descriptors", "one sends descriptors"), ("bytes", "one sends megabytes"),
                       ("unread", "one never reads")):
        with Attack(name, domain, "again") as attack:
            attack.done()
            compare(what)
    add("memory of the service over its start, after all that", max(resident(service) - base, 4096) / 2**20, "<= 64", "MiB", "resident", in_readme=False)
    test.do(domain, "Undefine")


def libvirts_clients():
    import clients
    clients.measure(bus)


def ports_of_networks():
    import ports
    ports.measure()


# What makes and removes thousands of files comes late: file systems are slow to make more for a while.
def work_on_images():
    import images
    images.measure(bus)


SECTIONS = {"calls": calls, "stopped-driver": a_stopped_driver, "run": embedded_starts, "starts": qemu_starts, "definitions": definitions,
            "changes": changes, "hanging-guest": a_hanging_guest, "statistics": domain_statistics, "libvirt": libvirts_clients, "ports": ports_of_networks, "images": work_on_images, "hostile": hostile, "large-connection": a_large_connection, "many-domains": many_domains}
chosen = [argument for argument in sys.argv[1:] if not argument.startswith("--")] or list(SECTIONS)
for name in chosen:
    if name not in SECTIONS:
        sys.exit(f"there is no section '{name}': choose from {', '.join(SECTIONS)}")
bus.objects("/org/virtbus1")
lacking = []
for name in chosen:
    try:
        SECTIONS[name]()
    except SystemExit as reason:  # what was measured is printed all the same
        lacking.append(f"{name}: {reason}")
if "--json" in sys.argv[1:]:
    print(json.dumps(rows, indent=2))
elif "--markdown" in sys.argv[1:]:
    print("| | | wanted | |\n|---|---|---|---|")
    for row in rows:
        if row["in_readme"]:
            print(f"| {row['what']} | {row['value']} {row['unit']} | {row['wanted']} | {row['detail']} |")
else:
    width = max((len(row["what"]) for row in rows), default=0)
    for row in rows:
        print(f"{row['what']:<{width}}  {row['value']:>8} {row['unit']:<11} wanted {row['wanted']:<14} {row['detail']}")
if lacking:
    sys.exit("\n".join(lacking))
