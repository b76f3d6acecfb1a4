#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything that the API has is called with values that no program means: numbers at the ends of their range, texts that are empty, long, paths
to nowhere or full of control characters, options that there are not, or of another type. Each call is answered, with one of the API's errors
or well, and the drivers are the same ones afterwards.

Usage (below tests/with-bus): test-values.py HYPERVISOR [SEED [SECONDS]]
"""

import glob
import os
import random
import re
import sys
import time
import xml.etree.ElementTree as ET

from gi.repository import Gio, GLib
from rig import NAME, ROOT, SOURCE, Bus, BusError, Hypervisor, run

bus = Bus(listen=False)
hypervisor = Hypervisor(bus, sys.argv[1])
seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10
chance = random.Random(seed)
PROPERTIES = "org.freedesktop.DBus.Properties"
DEVICES = (f"<serial type='pty'/><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel><graphics type='vnc'/>"
           f"<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk><disk type='file'><source file='{ROOT}/disk'/><target dev='vda' bus='virtio'/></disk>"
           "<interface type='user'/><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>")
LONG = 1 << 18
# No path of the machine that could be written to: who may define may have it replaced.
TEXTS = ["", " ", ".", "..", "/", "//", "../../../../etc/passwd", "/proc/self/mem", f"{ROOT}/fifo", f"{ROOT}/loop", f"{ROOT}/", "/nonexistent/x", "a\nb", "a\x1b[2J\x07b",
         "\x01\x7f", "\u202ex\u2066", "\ufeff", "\U0010ffff", "%s%n%99999999d", "$(id)", "a,b=c", "json:{}", "nbd:x:1", "a" * 255, "a" * 256, "x" * LONG, "\u00fc" * LONG, "<" * 5000,
         "<a/>", "<domain/>", "<disk/>", "<x:y/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='/etc/passwd'/></a>",
         "<?xml version='1.0' encoding='UTF-16'?><a/>", "<?virtbus owner='0'?><a/>", "{", "{}", "[]", "{\"execute\":\"guest-ping\"}", "{\"execute\":\"" + "a" * 1000 + "\"}",
         "{\"execute\":\"x\",\"arguments\":" + "[" * 3000, "-1", "0", "1e400", "18446744073709551616", "0-4294967295", "0-", "^0", "0," * 1000, "1-0", "0x10", "nan", "qemu-argv", "gzip", "hd",
         "vda", "live", "00000000-0000-0000-0000-000000000000", "x86_64", "q35", "agent", "lease", "w", "ctrl"]
NUMBERS = {"y": (0, 2 ** 8 - 1), "n": (-2 ** 15, 2 ** 15 - 1), "q": (0, 2 ** 16 - 1), "i": (-2 ** 31, 2 ** 31 - 1), "u": (0, 2 ** 32 - 1), "x": (-2 ** 63, 2 ** 63 - 1),
           "t": (0, 2 ** 64 - 1)}
OPTIONS = ["live", "config", "timeout", "force", "force_boot", "paused", "mode", "nvram", "tpm", "managed_save", "compression", "xml", "format", "memory_only", "running", "", "x", "hold", "a" * 1000,
           "codeset", "secure", "auto_destroy", "flags", "screen", "virtual", "key", "title", "reset", "capture"]
LIMITS = ["cpu_shares", "vcpu_quota", "vcpu_period", "memory_hard_limit", "total_bytes_sec", "read_iops_sec", "size_iops_sec", "inbound_average", "inbound_burst", "outbound_peak", "weight", "", "x"]
# What would take the connection's driver or this test's own means away, and is no fault.
LEFT_OUT = {f"{NAME}.Driver", f"{NAME}.Test"}


def annotation_free(path):
    return ET.parse(path).getroot().findall("interface")


interfaces = {i.get("name"): i for path in glob.glob(os.path.join(SOURCE, "introspection", "*.xml")) for i in annotation_free(path)}


def number(kind):
    low, high = NUMBERS[kind]
    return chance.choice([v for v in (low, low + 1, -1, 0, 1, 2, 4095, 4096, 1 << 20, 1 << 31, 1 << 32, 1 << 62, high - 1, high) if low <= v <= high])


def one_type(signature):
    """The first complete type of a signature, and what follows."""
    depth = 0
    for end, letter in enumerate(signature, 1):
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(letter, 0)
        if depth == 0 and letter != "a":
            return signature[:end], signature[end:]
    raise ValueError(signature)


def types(signature):
    found = []
    while signature:
        kind, signature = one_type(signature)
        found.append(kind)
    return found


def value(kind):
    if kind in NUMBERS:
        return GLib.Variant(kind, number(kind))
    if kind == "s":
        return GLib.Variant("s", chance.choice(TEXTS))
    if kind == "b":
        return GLib.Variant("b", chance.random() < 0.5)
    if kind == "d":
        return GLib.Variant("d", chance.choice([0.0, -1.0, 1e308, float("inf"), float("nan")]))
    if kind == "o":
        return GLib.Variant("o", chance.choice(["/", "/org/virtbus1", hypervisor.path, hypervisor.path + "/domain/x", "/a" * 1000] + list(paths)))
    if kind == "h":
        return GLib.Variant("h", 0)
    if kind == "g":
        return GLib.Variant("g", "a{sv}")
    if kind == "v":
        inner = chance.choice(["s", "b", "u", "t", "x", "as", "a{sv}", "ay", "(ss)", "d"])
        return GLib.Variant("v", value(inner))
    if kind[0] == "(":
        return GLib.Variant.new_tuple(*[value(part) for part in types(kind[1:-1])])
    if kind[1] == "{":
        key, inner = types(kind[2:-1])
        builder = GLib.VariantBuilder(GLib.VariantType(kind))
        for _ in range(chance.choice([0, 0, 1, 2, 3])):
            name = GLib.Variant(key, chance.choice(LIMITS if inner == "t" else OPTIONS))
            for _ in range(chance.choice([1, 1, 1, 2])):  # one twice, too
                builder.add_value(GLib.Variant.new_dict_entry(name, value(inner)))
        return builder.end()
    builder = GLib.VariantBuilder(GLib.VariantType(kind))
    count = chance.choice([0, 1, 2, 3, 1000 if kind in ("ay", "as") and chance.random() < 0.1 else 4])
    for _ in range(count):
        builder.add_value(GLib.Variant("s", chance.choice(TEXTS[:20])) if kind == "as" and count > 4 else value(kind[1:]))
    return builder.end()


def files():
    """Where a text leads to a file, it is one of these, which hang, are not files, or lead nowhere."""
    with open(f"{ROOT}/disk", "wb") as file:
        file.truncate(1 << 20)
    if not os.path.exists(f"{ROOT}/fifo"):
        os.mkfifo(f"{ROOT}/fifo")
        os.symlink(f"{ROOT}/loop", f"{ROOT}/loop")


def collect(path, found):
    for child, its in bus.objects(path).items():
        found[child] = sorted(name for name in its if name in interfaces and name not in LEFT_OUT)
        if f"{NAME}.Domain" in its:
            collect(child, found)
    return found


def ready():
    """A domain that runs, whatever has become of the one before."""
    try:
        domain = bus.call(hypervisor.path, f"{NAME}.Connection", "GetDomainByName", "s", "values")
    except BusError:
        for path in bus.objects(hypervisor.path):
            end(path)
        domain = hypervisor.define(hypervisor.document("values", devices=DEVICES))
    state = hypervisor.state(domain)
    if state == "shutoff":
        hypervisor.do(domain, "Start", paused=hypervisor.name == "qemu", force_boot=True)
    return domain


def end(domain):
    for member, options in (("Destroy", {}), ("Undefine", {"nvram": True, "managed_save": True})):
        try:
            hypervisor.do(domain, member, **options)
        except BusError:
            pass


paths = {}


def calls():
    """Each method and property of each object."""
    for path, names in sorted(paths.items()):
        for name in names:
            for member in interfaces[name].findall("method"):
                if member.get("name") == "SetAgentResponseTimeout":
                    continue  # by which a caller may choose to wait for ever
                yield path, name, member.get("name"), "".join(a.get("type") for a in member.findall("arg") if a.get("direction") == "in")
            for member in interfaces[name].findall("property"):
                if "write" in member.get("access"):
                    yield path, name, member.get("name"), None


def send(path, interface, member, signature):
    if signature is None:
        name, body = f"Set {member}", GLib.Variant.new_tuple(GLib.Variant("s", interface), GLib.Variant("s", member), value("v"))
        interface, member = PROPERTIES, "Set"
    else:
        name, body = member, GLib.Variant.new_tuple(*[value(kind) for kind in types(signature)])
    message = Gio.DBusMessage.new_method_call(NAME, path, interface, member)
    message.set_body(body)
    if signature and "h" in signature:
        # A pipe nobody reads, a folder, a file, and a socket
        fd = chance.choice([lambda: os.open("/dev/null", os.O_RDONLY), lambda: os.open("/", os.O_RDONLY), lambda: os.open(f"{ROOT}/disk", os.O_RDWR),
                            lambda: os.open("/dev/full", os.O_WRONLY), lambda: os.open("/", os.O_PATH)])()
        message.set_unix_fd_list(Gio.UnixFDList.new_from_array([fd]))
    answers = []
    bus.connection.send_message_with_reply(message, Gio.DBusSendMessageFlags.NONE, 60000, None,
                                           lambda connection, result: answers.append(answer_of(connection, result)))
    return f"{path} {interface} {name} {body.print_(True)[:300]}", answers


def answer_of(connection, result):
    try:
        return connection.send_message_with_reply_finish(result).get_error_name()
    except GLib.Error as error:
        return str(error)


def usage(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        memory = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) >> 10
    return len(os.listdir(f"/proc/{pid}/fd")), memory


GOOD = re.compile(r"org\.virtbus1\.Error\.|org\.freedesktop\.DBus\.Error\.(InvalidArgs|UnknownObject|PropertyReadOnly|InvalidSignature)")


def every_call_is_answered_whatever_its_values_are():
    files()
    ready()
    driver, service = bus.driver(hypervisor.driver_name), bus.owner_pid(NAME)
    before = usage(driver)
    began, count, turn = time.monotonic(), 0, 0
    while time.monotonic() - began < seconds or turn == 0:
        turn += 1
        paths.clear()
        ready()
        paths.update(collect(hypervisor.path, {hypervisor.path: [f"{NAME}.Connection"]}))
        todo = list(calls())
        chance.shuffle(todo)
        for start in range(0, len(todo), 20):
            # A few at a time, as they meet each other too.
            sent = [send(*call) for call in todo[start:start + 20]]
            bus.wait(lambda: all(answers for _, answers in sent), "an answer to each of: " + "\n".join(what for what, answers in sent if not answers)[:4000])
            for what, answers in sent:
                assert answers[0] is None or GOOD.match(answers[0]), f"seed {seed}: {what}: {answers[0]}"
            assert bus.driver(hypervisor.driver_name) == driver, f"seed {seed}: the driver has ended after one of: " + "\n".join(what for what, _ in sent)
            assert bus.owner_pid(NAME) == service, f"seed {seed}: the service has ended after one of: " + "\n".join(what for what, _ in sent)
            count += len(sent)
            if start % 100 == 0:
                ready()
            if time.monotonic() - began > seconds and turn > 1:
                break
    for path in bus.objects(hypervisor.path):
        end(path)
    bus.wait(lambda: not bus.objects(hypervisor.path), "the end of all domains")
    print(f"# {count} calls; descriptors and MiB: {before}, then {usage(driver)}")
    assert usage(driver)[0] <= before[0] + 10, (before, usage(driver))


run([every_call_is_answered_whatever_its_values_are])
