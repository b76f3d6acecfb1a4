#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU that lies: the real one, behind a proxy of its monitor that changes what it tells. Tests put a copy of it in QEMU's place, as <emulator>.

What it does is in the file lies.json beside it, as an object:
  seed     of all that is random: the same seed tells the same lies to the same commands
  rate     how often a line of the real QEMU's is changed, and an event made up beside it: 0 to 1
  script   a list of rules [COMMAND, [LINE, ...]]: when that command has come ("" is the connection itself), these lines are told before its answer
  after    the same, told after its answer
  silent   a list of commands that are never answered
  untold   a list of events that are never told
  cut      a command that closes the monitor, with the process running on
  cut_later  the same, of every driver but the first
  answer   a list of rules [COMMAND, VALUE]: it is answered so, whatever it has come to
  fail     a list of rules [COMMAND, WORDS]: it is refused with them, and the real one never hears of it
  flood    lines that are told again and again, as fast as they are read, once the machine has run
The first line of the real one's standard error, and each lie, goes to its own standard error: the guest's log."""

import json
import os
import random
import re
import select
import socket
import subprocess
import sys

REAL = "/usr/bin/qemu-system-x86_64"
NAMES = ["virtio-disk0", "net0", "serial0", "channel0", "ide0-0-0", "", "vcpu1", "dimm0", "charserial0", "x" * 300]
JOBS = ["virtio-disk0", "x"]  # and those that it was told to begin
VALUES = [None, True, False, 0, -1, 2 ** 63 - 1, -2 ** 63, 1.5, "", "x", "\u00fc" * 700, [], {}, [[]], [None], {"a": {}}, "completed", "running", "char",
          "/machine/peripheral/x", "pty:/dev/pts/0", ["x"] * 50]
EVENTS = {
    "STOP": {}, "RESUME": {}, "SHUTDOWN": {"guest": [True, False], "reason": ["guest-shutdown", "guest-reset", "host-qmp-quit", "x"]},
    "RESET": {"guest": [True], "reason": ["guest-reset", "host-qmp-system-reset"]}, "POWERDOWN": {}, "SUSPEND": {}, "SUSPEND_DISK": {}, "WAKEUP": {},
    "GUEST_PANICKED": {"action": ["pause", "run"]}, "BALLOON_CHANGE": {"actual": [0, 1, 67108864, 2 ** 62, -5]},
    "BLOCK_IO_ERROR": {"node-name": ["x", "libvirt-1-format", "virtio-disk0-0-format"], "action": ["stop", "report"], "nospace": [True, False]},
    "MIGRATION": {"status": ["completed", "failed", "cancelled", "setup", "active", "x"]},
    "DUMP_COMPLETED": {"result": [{"status": "completed", "total": 1, "completed": 1}, {"status": "failed"}, {}, 5], "error": ["x"]},
    "DEVICE_DELETED": {"device": NAMES, "path": ["/machine/peripheral/x"]},
    "DEVICE_UNPLUG_GUEST_ERROR": {"device": NAMES, "path": ["/x"]}, "MEM_UNPLUG_ERROR": {"device": NAMES, "msg": ["x"]},
    "ACPI_DEVICE_OST": {"info": [{"device": "virtio-disk0", "source": 3, "status": 1}, {"device": "net0", "source": 259, "status": -1}, []]},
    "VSERPORT_CHANGE": {"id": NAMES, "open": [True, False, 1, "x"]}, "JOB_STATUS_CHANGE": {"id": JOBS, "status": ["null", "concluded", "ready", "pending", "aborting"]},
    "BLOCK_JOB_READY": {"device": JOBS, "type": ["mirror", "commit"], "len": [0, 2 ** 62], "offset": [0, -1], "speed": [0]},
    "BLOCK_JOB_COMPLETED": {"device": JOBS, "type": ["stream", "x"], "len": [0], "offset": [2 ** 62], "error": ["x"]},
    "BLOCK_JOB_CANCELLED": {"device": JOBS, "type": ["mirror"]}, "BLOCK_JOB_ERROR": {"device": JOBS, "operation": ["write"], "action": ["report"]},
    "BLOCK_JOB_PENDING": {"id": JOBS, "type": ["commit"]}, "BLOCK_WRITE_THRESHOLD": {"node-name": ["x", "virtio-disk0-0-format"], "amount-exceeded": [-1]},
    "DEVICE_TRAY_MOVED": {"id": NAMES, "tray-open": [True]}, "RTC_CHANGE": {"offset": [5]}, "NIC_RX_FILTER_CHANGED": {"name": NAMES},
}


class Liar:
    def __init__(self, lies):
        self.lies = lies
        self.random = random.Random(lies.get("seed", 0))
        self.told = []
        self.commands = {}  # id -> name
        self.has_run = False
        self.pending, self.greeting = b"", None

    def lying(self):
        return self.random.random() < self.lies.get("rate", 0)

    def some_event(self):
        if self.told and self.random.random() < 0.3:
            return self.random.choice(self.told)
        name = self.random.choice(list(EVENTS))
        data = {key: self.random.choice(values + [self.random.choice(VALUES)]) for key, values in EVENTS[name].items() if self.random.random() < 0.9}
        return json.dumps({"event": name, "data": data, "timestamp": {"seconds": 1, "microseconds": 1}}).encode()

    def spoil(self, value, depth=0):
        """Changes one place of a value."""
        if isinstance(value, dict) and value and self.random.random() < 0.8 - depth * 0.1:
            key = self.random.choice(list(value))
            copy = dict(value)
            if self.random.random() < 0.2:
                del copy[key]
            else:
                copy[key] = self.spoil(value[key], depth + 1)
            return copy
        if isinstance(value, list) and value and self.random.random() < 0.8 - depth * 0.1:
            index = self.random.randrange(len(value))
            return value[:index] + [self.spoil(value[index], depth + 1)] + value[index + 1:]
        return self.random.choice(VALUES)

    def changed(self, line):
        """What is told instead of a line: any number of lines."""
        kind = self.random.randrange(9)
        value = json.loads(line)
        if kind == 0:
            return [line, line]
        if kind == 1:
            return [json.dumps(self.spoil(value)).encode()]
        if kind == 2 and "id" in value:
            return [json.dumps({**value, "id": self.random.choice([value["id"] + 1, value["id"] - 1, 0, -1, "x", None])}).encode(), line]
        if kind == 3 and "id" in value:
            return [json.dumps({"error": {"class": "GenericError", "desc": "no"}, "id": value["id"]}).encode()]
        if kind == 4 and "id" in value:
            return [json.dumps({"id": value["id"]}).encode()]
        if kind == 5:
            return [self.some_event(), line]
        if kind == 6:
            return [line, b'{"QMP": {"version": {}, "capabilities": []}}']
        if kind == 7 and self.random.random() < 0.1:
            return [self.random.choice([b"", b"x", b"[]", b"{", b'{"return": ' + b"[" * 5000, b"\xff\xfe", b'"x"', b"null"]), line]
        return [line, self.some_event()]

    def of_real(self, line):
        try:
            value = json.loads(line)
        except ValueError:
            return [line]
        if "event" in value and value["event"] in self.lies.get("untold", []):
            return []
        if "event" in value:
            self.told.append(line)
        name = self.commands.get(value.get("id"), "") if isinstance(value, dict) else ""
        if name in self.lies.get("silent", []):
            return []
        for command, answer in self.lies.get("answer", []):
            if command == name and "event" not in value:
                return [json.dumps({"return": answer, "id": value["id"]}).encode()]
        lines = self.changed(line) if self.lying() else [line]
        for command, said in self.lies.get("script", []):
            if command == name and "event" not in value:
                lines = [json.dumps(each).encode() for each in said] + lines
        for command, said in self.lies.get("after", []):
            if command == name and "event" not in value:
                lines += [json.dumps(each).encode() for each in said]
        return lines

    def of_driver(self, line):
        try:
            value = json.loads(line)
            self.commands[value.get("id")] = value["execute"]
        except (ValueError, KeyError):
            return True
        self.has_run |= value["execute"] == "cont"
        JOBS.extend(filter(None, [value.get("arguments", {}).get("job-id")]))
        return value["execute"] not in (self.lies.get("cut"), self.greeting and self.lies.get("cut_later"))

    def refusal(self, line):
        """What the driver is told instead of the real one: nothing where that is to be asked."""
        value = json.loads(line) if line.strip() else {}
        for command, words in self.lies.get("fail", []):
            if command == value.get("execute"):
                return json.dumps({"error": {"class": "GenericError", "desc": words}, "id": value["id"]}).encode()
        return None


def serve(driver, real, liar, end):
    """Lines of the driver's, with their descriptors, go to the real one as they are but for those that are refused; lines of the real one's are
    looked at."""
    asked = b""
    while True:
        flood = liar.lies.get("flood") if liar.has_run else None
        ready, room, _ = select.select([driver, real, end], [driver] if flood else [], [])
        if end in ready:
            return
        if room:
            driver.sendall(b"".join(json.dumps(said).encode() + b"\r\n" for said in flood))
        if driver in ready:
            data, fds, _, _ = socket.recv_fds(driver, 65536, 16)
            if not data:
                return
            asked += data
            *lines, asked = asked.split(b"\n")
            if not all([liar.of_driver(line) for line in lines if line.strip()]):
                return
            if liar.greeting and any(b"qmp_capabilities" in line for line in lines):  # the real one has been asked already
                driver.sendall(json.dumps({"return": {}, "id": json.loads(lines[0])["id"]}).encode() + b"\r\n")
                continue
            refusals = [(line, liar.refusal(line)) for line in lines]
            passed_on = b"".join(line + b"\n" for line, refusal in refusals if not refusal)
            if passed_on:
                socket.send_fds(real, [passed_on], fds)
            for refusal in filter(None, (refusal for _, refusal in refusals)):
                print(f"lie: {refusal[:300]!r}", file=sys.stderr, flush=True)
                driver.sendall(refusal + b"\r\n")
            for fd in fds:
                os.close(fd)
        if real in ready:
            data = real.recv(1 << 20)
            if not data:
                return
            liar.pending += data
            *lines, liar.pending = liar.pending.split(b"\n")
            for line in lines:
                for said in liar.of_real(line.rstrip(b"\r")):
                    if said != line.rstrip(b"\r"):
                        print(f"lie: {said[:300]!r}", file=sys.stderr, flush=True)
                    driver.sendall(said + b"\r\n")


def main():
    arguments = sys.argv[1:]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lies.json")
    with open(path, encoding="utf-8") as file:
        lies = json.load(file)
    text = " ".join(arguments)
    monitor = re.search(r"socket,id=monitor,fd=(\d+),server=on,wait=off", text)
    if not monitor:
        os.execv(REAL, [REAL, *arguments])  # it is only asked what it can do
    liar = Liar(lies)
    ours, theirs = socket.socketpair()
    listener = socket.socket(fileno=int(monitor[1]))
    os.set_inheritable(theirs.fileno(), True)
    arguments = [re.sub(r"socket,id=monitor,fd=\d+,server=on,wait=off", f"socket,id=monitor,fd={theirs.fileno()}", word) for word in arguments]
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", REAL, *arguments], close_fds=False)
    theirs.close()
    end = os.pidfd_open(process.pid)
    while True:
        ready, _, _ = select.select([listener, end], [], [])
        if end in ready:
            break
        driver, _ = listener.accept()
        try:
            for said in [said for command, rule in lies.get("script", []) if command == "" for said in rule]:
                driver.sendall(json.dumps(said).encode() + b"\r\n")
            if liar.greeting:  # another driver
                driver.sendall(liar.greeting + b"\r\n")
            serve(driver, ours, liar, end)
        except OSError:
            pass
        driver.close()
        liar.greeting = b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}'
    sys.exit(process.wait() & 0x7f)


main()
