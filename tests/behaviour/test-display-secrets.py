#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Passwords of displays that are secrets: real QEMUs, asked by the protocols of VNC and SPICE.

Usage (below tests/with-bus): test-display-secrets.py
"""

import os
import re
import socket
import struct
import subprocess
import tempfile

from rig import NAME, ROOT, Bus, Hypervisor, contains, expect, run, variants
from secrets_rig import Secrets

bus = Bus()
hypervisor = Hypervisor(bus, "qemu")
secrets = Secrets(bus, hypervisor)
VALUE = b"Kq7.zR2b"
VIDEO = "<video><model type='vga'/></video>"
SOCKET = "<listen type='socket'/>"


def define(name, kind, inside, attributes=""):
    return hypervisor.define(hypervisor.document(name, devices=f"<graphics type='{kind}'{attributes}>{SOCKET}{inside}</graphics>{VIDEO}"))


def start(domain):
    hypervisor.do(domain, "Start", paused=True)


def connect(domain):
    path = re.search(r"socket=\"([^\"]+)\"", bus.call(domain, f"{NAME}.Domain", "GetXML", "a{sv}", {}))[1]
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(path)
    return stream


def read(stream, length):
    data = b""
    while len(data) < length:
        part = stream.recv(length - len(data))
        assert part, f"the display has hung up after {data}"
        data += part
    return data


def openssl(*arguments, data):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def vnc_opens(domain, password):
    """Whether it does: RFC 6143, 7.1 and 7.2.2; each byte of the key has its bits the other way round."""
    with connect(domain) as stream:
        stream.sendall(read(stream, 12))
        kinds = read(stream, read(stream, 1)[0])
        assert kinds == b"\x02", kinds  # it asks for a password, and nothing else will do
        stream.sendall(b"\x02")
        key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.ljust(8, b"\0"))
        stream.sendall(openssl("enc", "-des-ecb", "-provider", "legacy", "-provider", "default", "-nopad", "-K", key.hex(), data=read(stream, 16)))
        return read(stream, 4) == b"\0\0\0\0"


def spice_opens(domain, password):
    """Whether it does: the link of SPICE, whose ticket is encrypted by the key that the server sends."""
    with connect(domain) as stream:
        stream.sendall(b"REDQ" + struct.pack("<III", 2, 2, 18) + struct.pack("<IBBIII", 0, 1, 0, 0, 0, 18))
        magic, _, _, size = struct.unpack("<4sIII", read(stream, 16))
        answer = read(stream, size)
        assert magic == b"REDQ" and answer[:4] == b"\0\0\0\0", (magic, answer)
        with tempfile.NamedTemporaryFile() as key:
            key.write(answer[4:4 + 162])
            key.flush()
            stream.sendall(openssl("pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", key.name, "-pkeyopt", "rsa_padding_mode:oaep", data=password + b"\0"))
        return read(stream, 4) == b"\0\0\0\0"


OPENS = {"vnc": vnc_opens, "spice": spice_opens}


def a_display_opens_with_the_value_of_its_secret_alone():
    for kind, opens in OPENS.items():
        secret = secrets.define("", VALUE, private=True)
        domain = define("seen", kind, f"<secret uuid='{secret}'/>")
        start(domain)
        assert opens(domain, VALUE)
        assert not opens(domain, b"other")
        assert not opens(domain, b"")
        secrets.check_unseen(domain, VALUE, b"graphics0-secret0")
        secrets.end(domain, secret)


def a_start_takes_the_value_that_the_secret_has_then():
    for kind, opens in OPENS.items():
        secret = secrets.define("")
        domain = define("later", kind, f"<secret type='passphrase' uuid='{secret}'/>")
        contains(expect("OperationInvalid", start, domain), "'later'", "'graphics0'", secret, "has no value", "set-value")
        secrets.set_value(secret, b"first")
        start(domain)
        secrets.set_value(secret, b"second")
        assert opens(domain, b"first") and not opens(domain, b"second")
        hypervisor.do(domain, "Destroy")
        start(domain)
        assert opens(domain, b"second") and not opens(domain, b"first")
        secrets.undefine(secret)
        assert opens(domain, b"second")  # it is used, and goes on
        hypervisor.do(domain, "Destroy")
        contains(expect("NoSuchSecret", start, domain), "'later'", "'graphics0'", secret, "virtbusctl secret define")
        secrets.end(domain)


def a_password_has_its_time_also_where_it_is_a_secret():
    for kind, opens in OPENS.items():
        secret = secrets.define("", VALUE)
        for year, may in ((2001, False), (2099, True)):
            domain = define("timed", kind, f"<secret uuid='{secret}'/>", f" passwdValidTo='{year}-01-31T12:00:00'")
            start(domain)
            assert opens(domain, VALUE) == may, (kind, year)
            secrets.end(domain)
        secrets.undefine(secret)


def a_value_that_vnc_would_cut_off_is_refused():
    secret = secrets.define("", VALUE + b"9")
    domain = define("long", "vnc", f"<secret uuid='{secret}'/>")
    contains(expect("OperationInvalid", start, domain), "'long'", "'graphics0'", secret, "longer than the 8 bytes")
    secrets.end(domain)
    domain = define("long", "spice", f"<secret uuid='{secret}'/>")
    start(domain)
    assert spice_opens(domain, VALUE + b"9") and not spice_opens(domain, VALUE)
    secrets.end(domain, secret)


def a_secret_that_is_for_something_else_is_no_password():
    for usage in ("volume:/x", "tls:x", "iscsi:x", "vtpm:x", "ceph:x"):
        secret = secrets.define(usage, VALUE)
        domain = define("other", "vnc", f"<secret uuid='{secret}'/>")
        contains(expect("OperationInvalid", start, domain), "'other'", "'graphics0'", secret, usage.partition(":")[0], "none")
        secrets.end(domain, secret)


def a_document_names_one_password():
    uuid = next(secrets.uuids)
    for kind, attributes, inside, word in (("vnc", " passwd='x'", f"<secret uuid='{uuid}'/>", "not both"), ("vnc", "", f"<secret uuid='{uuid}'/>" * 2, "only one <secret>"),
                                           ("spice", "", "<secret usage='x'/>", "uuid"), ("spice", "", "<secret/>", "uuid"), ("vnc", "", "<secret uuid='x'/>", "invalid secret uuid"),
                                           ("vnc", "", f"<secret type='other' uuid='{uuid}'/>", "passphrase"), ("egl-headless", "", f"<secret uuid='{uuid}'/>", "no password")):
        xml = hypervisor.document("refused", devices=f"<graphics type='{kind}'{attributes}>{inside}</graphics>{VIDEO}")
        contains(expect("InvalidXML", hypervisor.define, xml), "line ", word)


def the_secret_of_a_display_that_runs_is_not_another():
    secret, other = secrets.define("", b"first"), secrets.define("", b"second")
    domain = define("steady", "vnc", f"<secret uuid='{secret}'/>")
    start(domain)
    display = f"{domain}/device/graphics0"
    xml = bus.call(display, f"{NAME}.Device", "GetXML")
    for changed in (xml.replace(secret, other), re.sub("<secret[^>]*>", "", xml), re.sub("<secret[^>]*>", "", xml).replace("<graphics", "<graphics passwd='third'")):
        expect("Unsupported", bus.call, display, f"{NAME}.Device", "Update", "sa{sv}", changed, variants({"live": True}))
        assert vnc_opens(domain, b"first")
    secrets.end(domain, secret, other)


def what_is_saved_or_dumped_of_a_guest_has_no_value():
    for kind, opens in OPENS.items():
        secret = secrets.define("", VALUE)
        domain = define("kept", kind, f"<secret uuid='{secret}'/>")
        start(domain)
        for member in "Dump", "SaveToFD":
            path = os.path.join(ROOT, member)
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            job = bus.call(domain, f"{NAME}.Domain", member, "ha{sv}", 0, {}, fds=[fd])
            assert bus.wait_signal(job, "Completed") == (True, "", ""), member
            os.close(fd)
            with open(path, "rb") as file:
                assert VALUE not in file.read(), member
            os.unlink(path)
        bus.wait(lambda domain=domain: hypervisor.state(domain) == "shutoff", "its end")
        start(domain)
        hypervisor.do(domain, "ManagedSave")
        bus.wait(lambda domain=domain: hypervisor.state(domain) == "shutoff", "its end")
        secrets.set_value(secret, b"another")
        start(domain)
        assert opens(domain, b"another") and not opens(domain, VALUE)
        secrets.end(domain, secret)


run([a_display_opens_with_the_value_of_its_secret_alone, a_start_takes_the_value_that_the_secret_has_then, a_password_has_its_time_also_where_it_is_a_secret,
     a_value_that_vnc_would_cut_off_is_refused, a_secret_that_is_for_something_else_is_no_password, a_document_names_one_password,
     the_secret_of_a_display_that_runs_is_not_another, what_is_saved_or_dumped_of_a_guest_has_no_value])
