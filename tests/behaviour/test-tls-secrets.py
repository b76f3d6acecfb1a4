#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""TLS of guests: real certificates, real QEMUs, and a private key whose password is a secret.

Usage (below tests/with-bus): test-tls-secrets.py
"""

import json
import os
import shutil
import socket
import ssl
import struct
import subprocess

from rig import DEADLINE, NAME, ROOT, Bus, Hypervisor, contains, end_process, expect, run, variants
from secrets_rig import Secrets

bus = Bus()
hypervisor = Hypervisor(bus, "qemu")
secrets = Secrets(bus, hypervisor)
PKI = os.environ["VIRTBUS_PKI"]
SERVER, PLAIN = os.path.join(PKI, "server"), os.path.join(PKI, "plain")
VALUE = b"the key's password 51c0"
ENDS = {"server": "serverAuth", "client": "clientAuth"}


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)


def make_credentials():
    """One authority; each end's key with a password, and without."""
    for folder in (SERVER, PLAIN):
        os.makedirs(folder)
    ca, ca_key = os.path.join(PLAIN, "ca-cert.pem"), os.path.join(PKI, "ca-key.pem")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", ca_key, "-out", ca, "-days", "30", "-subj", "/CN=authority",
            "-addext", "keyUsage=critical,keyCertSign")
    for end, purpose in ENDS.items():
        key, request, certificate, extensions = (os.path.join(PLAIN, f"{end}-{what}") for what in ("key.pem", "request", "cert.pem", "extensions"))
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={end}")
        with open(extensions, "w", encoding="utf-8") as file:
            file.write(f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage={purpose}\n"
                       "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", certificate)
        shutil.copy(certificate, SERVER)
        openssl("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", key, "-passout", f"pass:{VALUE.decode()}", "-out", os.path.join(SERVER, f"{end}-key.pem"))
    shutil.copy(ca, SERVER)
    for folder, _, names in os.walk(PKI):
        for name in names:
            os.chmod(os.path.join(folder, name), 0o644)


def install(use, source=SERVER):
    """Returns the folder of the credentials that QEMU finds."""
    folder = os.path.join(PKI, use)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    return folder


def define(name, devices):
    return hypervisor.define(hypervisor.document(name, devices=devices))


def start(domain):
    hypervisor.do(domain, "Start", paused=True)


def client(shows=True):
    context = ssl.create_default_context(cafile=os.path.join(PLAIN, "ca-cert.pem"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose handshake ends when both are known
    if shows:
        context.load_cert_chain(os.path.join(PLAIN, "client-cert.pem"), os.path.join(PLAIN, "client-key.pem"))
    return context


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def serial(port):
    return f"<serial type='tcp'><source mode='bind' host='127.0.0.1' service='{port}' tls='yes'/><protocol type='raw'/></serial>"


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)


def check_serial(port):
    """The guest's end is who it says, and lets nobody in who does not show who he is."""
    with connect(port) as stream, client().wrap_socket(stream, server_hostname="localhost") as tls:
        assert ("commonName", "server") in [part for parts in tls.getpeercert()["subject"] for part in parts]
    with connect(port) as stream:
        try:
            with client(shows=False).wrap_socket(stream, server_hostname="localhost") as tls:
                assert tls.recv(1) == b"", "QEMU talks with a stranger"
        except (ssl.SSLError, ConnectionError):
            pass


def a_character_device_speaks_tls_by_a_key_whose_password_is_a_secret():
    folder, port = install("libvirt-chardev"), free_port()
    secret = secrets.define(f"tls:{folder}", VALUE, private=True)
    domain = define("talks", serial(port))
    start(domain)
    check_serial(port)
    secrets.check_unseen(domain, VALUE, b"charserial0-tls-secret0")
    secrets.end(domain, secret)


def a_key_without_a_password_needs_no_secret():
    shutil.rmtree(os.path.join(PKI, "libvirt-chardev"), ignore_errors=True)
    install("qemu", PLAIN)
    port = free_port()
    domain = define("open", serial(port))
    start(domain)
    check_serial(port)
    secrets.end(domain)


def what_is_wrong_with_a_key_is_told_with_its_remedy():
    folder = install("libvirt-chardev")
    domain = define("wrong", serial(free_port()))
    contains(expect("OperationInvalid", start, domain), "'wrong'", f"tls:{folder}", "Decryption", "set-value")
    secret = secrets.define(f"tls:{folder}")
    contains(expect("OperationInvalid", start, domain), "'wrong'", "'serial0'", f"tls:{folder}", "has no value", "set-value")
    secrets.set_value(secret, b"wrong")
    contains(expect("OperationInvalid", start, domain), "'wrong'", f"tls:{folder}", "Decryption", "set-value")
    shutil.rmtree(folder)
    shutil.rmtree(os.path.join(PKI, "qemu"), ignore_errors=True)
    contains(expect("HypervisorFailed", start, domain), "'wrong'", "ca-cert.pem")
    secrets.end(domain, secret)


def a_display_speaks_tls_where_its_document_says_so():
    folder = install("libvirt-vnc")
    secret, port = secrets.define(f"tls:{folder}", VALUE), free_port()
    while not 5900 <= port <= 65535:
        port = free_port()
    domain = define("shown", f"<graphics type='vnc' port='{port}' tls='yes'><listen type='address' address='127.0.0.1'/></graphics><video><model type='vga'/></video>")
    start(domain)
    with connect(port) as stream:
        reader = stream.makefile("rb", buffering=0)
        stream.sendall(reader.read(12))
        kinds = reader.read(reader.read(1)[0])
        assert kinds == bytes([19]), kinds  # VeNCrypt, and nothing in clear
        stream.sendall(b"\x13")
        assert reader.read(2) == b"\0\2"
        stream.sendall(b"\0\2")
        assert reader.read(1) == b"\0"
        kinds = struct.unpack(">I", reader.read(reader.read(1)[0] * 4))
        assert kinds == (260, ), kinds  # X509None
        stream.sendall(struct.pack(">I", 260))
        assert reader.read(1) == b"\1"
        with client().wrap_socket(stream, server_hostname="localhost") as tls:
            assert tls.recv(4) == b"\0\0\0\0"
    secrets.check_unseen(domain, VALUE, b"graphics0-tls-secret0")
    secrets.end(domain, secret)


def nbd_disk(port, target="vda"):
    return (f"<disk type='network'><driver name='qemu' type='raw'/><source protocol='nbd' name='export' tls='yes'><host name='localhost' port='{port}'/></source>"
            f"<target dev='{target}' bus='virtio'/></disk>")


def a_disk_is_reached_by_tls_at_a_start_and_when_it_is_plugged():
    folder, port, image = install("libvirt-nbd"), free_port(), os.path.join(ROOT, "nbd.img")
    with open(image, "wb") as file:
        file.truncate(1 << 20)
    pid_file = os.path.join(ROOT, "nbd.pid")
    subprocess.run(["qemu-nbd", "--fork", f"--pid-file={pid_file}", "--persistent", "--shared=4", "--format=raw", "--export-name=export", "--bind=127.0.0.1", f"--port={port}",
                    "--tls-creds=tls", "--object", f"tls-creds-x509,id=tls,dir={PLAIN},endpoint=server,verify-peer=on", image], check=True)
    try:
        secret = secrets.define(f"tls:{folder}", VALUE)
        domain = define("reaches", nbd_disk(port))
        start(domain)
        assert hypervisor.state(domain) == "paused"
        secrets.check_unseen(domain, VALUE, b"tls-secret0")
        device = bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", nbd_disk(port, "vdb"), variants({}))
        assert 'dev="vdb"' in bus.call(device, f"{NAME}.Device", "GetXML")
        secrets.set_value(secret, b"wrong")
        contains(expect("OperationInvalid", bus.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", nbd_disk(port, "vdc"), variants({})), f"tls:{folder}")
        secrets.set_value(secret, VALUE)
        bus.call(domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", nbd_disk(port, "vdc"), variants({}))  # nothing of the other is left
        secrets.end(domain, secret)
    finally:
        with open(pid_file, encoding="ascii") as file:
            end_process(int(file.read()))


def a_backup_is_fetched_by_tls():
    """By who shows who he is; what QEMU was given for it goes with it."""
    image, port = os.path.join(ROOT, "backed-up.img"), free_port()
    with open(image, "wb") as file:
        file.write(b"what is on the disk" * 1000)
        file.truncate(1 << 20)
    domain = define("backed-up", f"<disk type='file'><driver name='qemu' type='raw'/><source file='{image}'/><target dev='vda' bus='virtio'/></disk>")
    hypervisor.do(domain, "Start")
    job_document = f"<domainbackup mode='pull'><server transport='tcp' name='127.0.0.1' port='{port}' tls='yes'/></domainbackup>"

    def begin():
        return bus.call(domain, f"{NAME}.Domain", "BeginBackup", "ssa{sv}", job_document, "", {})

    def objects():
        said = json.loads(bus.call(domain, f"{NAME}.Domain", "MonitorCommand", "sa{sv}", json.dumps({"execute": "qom-list", "arguments": {"path": "/objects"}}), {}))
        return {one["name"] for one in said["return"] if "backup" in one["name"]}

    def fetch(tls=True):
        words = ["driver=raw,file.driver=nbd,file.server.type=inet", "file.server.host=127.0.0.1", f"file.server.port={port}", "file.export=vda", *(["file.tls-creds=tls"] if tls else [])]
        return subprocess.run(["qemu-img", "convert", "--object", f"tls-creds-x509,id=tls,dir={PLAIN},endpoint=client", "--image-opts", ",".join(words), "-O", "raw", f"{image}.fetched"],
                              capture_output=True, text=True, check=False)
    contains(expect("HypervisorFailed", begin), "'backed-up'", "ca-cert.pem")
    folder = install("libvirt-backup")
    contains(expect("OperationInvalid", begin), f"tls:{folder}", "Decryption", "set-value")
    secret = secrets.define(f"tls:{folder}", VALUE)
    assert not objects()
    begin()
    secrets.check_unseen(domain, VALUE, b"backed-up")
    contains(fetch(tls=False).stderr, "TLS")
    done = fetch()
    assert done.returncode == 0, done.stderr
    with open(image, "rb") as file, open(f"{image}.fetched", "rb") as fetched:
        assert file.read() == fetched.read()
    hypervisor.kill_driver()
    bus.wait(lambda: bus.get(domain, "Domain", "Backup") != "/", "the backup to be found again")
    assert objects() == {"objbackup_tls0", "backup-tls-secret0"}, objects()
    bus.call(bus.get(domain, "Domain", "Backup"), f"{NAME}.Job.Backup", "Finish")
    bus.wait(lambda: not objects(), "QEMU to forget its certificates")
    secrets.end(domain, secret)


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
make_credentials()
run([a_character_device_speaks_tls_by_a_key_whose_password_is_a_secret, a_key_without_a_password_needs_no_secret,
     what_is_wrong_with_a_key_is_told_with_its_remedy, a_display_speaks_tls_where_its_document_says_so,
     a_disk_is_reached_by_tls_at_a_start_and_when_it_is_plugged, a_backup_is_fetched_by_tls])
