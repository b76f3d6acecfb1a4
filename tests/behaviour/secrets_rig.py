# SPDX-License-Identifier: LGPL-2.1-or-later
"""Secrets of the connection host, for tests of what uses them; and where their values must not be seen."""

import base64
import glob
import os

from rig import NAME, ROOT, open_files

HOST = "/org/virtbus1/host"


def path_of(uuid):
    return f"{HOST}/secret/{uuid.replace('-', '_')}"


def contents(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""  # a socket, or gone


def memory_files(pid):
    """The files of secrets that a process has open."""
    return [link for link in open_files(pid) if link.startswith("/memfd:secret")]


class Secrets:
    def __init__(self, bus, hypervisor):
        self.bus, self.hypervisor = bus, hypervisor
        self.uuids = (f"5ec2e700-0000-4000-8000-{n:012d}" for n in range(1, 1000))

    def define(self, usage, value=None, **flags):
        """Returns the UUID of a new secret, whose usage is "type:name", or "" for none."""
        kind, _, name = usage.partition(":")
        element = {"volume": "volume", "iscsi": "target"}.get(kind, "name")
        uuid, attributes = next(self.uuids), "".join(f" {flag}='yes'" for flag in flags)
        whose = f"<usage type='{kind}'><{element}>{name}</{element}></usage>" if kind else ""
        self.bus.call(HOST, f"{NAME}.Secrets", "DefineSecret", "sa{sv}", f"<secret{attributes}><uuid>{uuid}</uuid>{whose}</secret>", {})
        if value is not None:
            self.set_value(uuid, value)
        return uuid

    def set_value(self, uuid, value):
        self.bus.call(path_of(uuid), f"{NAME}.Secret", "SetValue", "aya{sv}", value, {})

    def undefine(self, uuid):
        self.bus.call(path_of(uuid), f"{NAME}.Secret", "Undefine", "a{sv}", {})

    def end(self, domain, *uuids):
        """Ends a domain, and its definition, and the secrets that it has used."""
        if self.hypervisor.state(domain) != "shutoff":
            self.hypervisor.do(domain, "Destroy")
        self.hypervisor.do(domain, "Undefine")
        for uuid in uuids:
            self.undefine(uuid)

    def places(self, domain):
        """All where a value could have been left."""
        pid = self.hypervisor.pid_of(domain)
        yield from ((path, contents(path)) for path in (f"/proc/{pid}/cmdline", f"/proc/{pid}/environ"))
        for method in "GetXML", "GetXMLWithSecrets":
            yield method, self.bus.call(domain, f"{NAME}.Domain", method, "a{sv}", {}).encode()
        for path in [f"{ROOT}/log", *glob.glob(f"{ROOT}/qemu/**", recursive=True)]:
            if os.path.isfile(path):
                yield path, contents(path)

    def check_unseen(self, domain, value, known):
        """That a value is in none of those places, where KNOWN, of QEMU's command line, is."""
        looked = list(self.places(domain))
        assert any(path.endswith(".log") and known in text for path, text in looked), [path for path, _ in looked]
        for path, text in looked:
            for form in (value, base64.b64encode(value), value.hex().encode()):
                assert form not in text, f"the value is in {path}"
