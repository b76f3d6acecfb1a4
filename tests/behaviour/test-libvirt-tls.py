#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's clients that come by TLS: each is the user whom its certificate, or its name of SASL, stands for, and nobody else gets in.

Usage: below tests/with-bus, as root."""

import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import sys

from processes import all_processes
from rig import BUILD, ROOT, Bus, Hypervisor, contains, read_away, run, socket_activate
from system_rig import DRIVER, FULL, SCHEME, allow, document, end, no_rules, serve_all, state

PROGRAM = f"{ROOT}/build/client/libvirt/virtbus-libvirt-tls"
if os.geteuid() != 0 or not shutil.which("virsh") or not os.path.exists(f"{BUILD}/client/libvirt/virtbus-libvirt-tls"):
    print("1..0 # SKIP needs root, virsh, and a build with GnuTLS")
    sys.exit(0)

PKI = os.path.join(ROOT, "pki")
USERS = os.path.join(PKI, "users")
SERVER = "serverAuth"
CLIENT = "clientAuth"
said = []
SHORT = 30  # seconds that a client or a line may take: nothing here works long


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)


def make_authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{PKI}/{name}.key", "-out", f"{PKI}/{name}.pem",
            "-days", "30", "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")


def make_certificate(name, subject, purpose, authority="authority"):
    """PKI/NAME is a folder as clients of libvirt's have it."""
    folder, base = os.path.join(PKI, name), os.path.join(PKI, name, "client")
    os.makedirs(folder)
    with open(f"{base}.extensions", "w", encoding="utf-8") as file:
        file.write(f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage={purpose}\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{base}key.pem", "-out", f"{base}.request", "-subj", subject)
    openssl("x509", "-req", "-in", f"{base}.request", "-CA", f"{PKI}/{authority}.pem", "-CAkey", f"{PKI}/{authority}.key", "-CAcreateserial", "-days", "30",
            "-extfile", f"{base}.extensions", "-out", f"{base}cert.pem")
    shutil.copy(f"{PKI}/authority.pem", f"{folder}/cacert.pem")


def write_users(text, mode=0o644):
    with open(USERS, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(USERS, mode)


def listen(*more):
    if "listener" in state:
        state["listener"].terminate()
        state.pop("listener").wait()
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    state["port"] = port
    words = [*socket_activate(), "--accept", "--inetd", "-l", f"127.0.0.1:{port}", PROGRAM, f"--certificate={PKI}/server/clientcert.pem", f"--key={PKI}/server/clientkey.pem",
             f"--ca={PKI}/authority.pem", f"--crl={PKI}/revoked.pem", f"--users={USERS}", f"--socket={FULL}", *more]
    state["listener"] = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    while "Listening on" not in state["listener"].stderr.readline():
        assert state["listener"].poll() is None
    read_away(state["listener"].stderr, said)


def virsh(who, *words, fails=False, more=""):
    """What virsh says that comes by TLS with that certificate; where it is to fail, its errors."""
    uri = SCHEME.replace("unix", "tls").replace("///", f"//localhost:{state['port']}/") + f"?pkipath={PKI}/{who}{more}"
    done = subprocess.run(["virsh", "-q", "-c", uri, *words], env={**os.environ, "LC_ALL": "C", "HOME": ROOT}, capture_output=True, text=True, timeout=SHORT,
                          stdin=subprocess.DEVNULL, start_new_session=True, check=False)
    assert (done.returncode != 0) == fails, f"virsh {words}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stderr if fails else done.stdout.strip()


def wait_said(*parts):
    """What the front says of a client that it sends away; how it is answered is not told to that client."""
    state["bus"].wait(lambda: any(all(part in line for part in parts) for line in said), f"{parts} in {said[-5:]}", deadline=SHORT)


def context_of(who):
    context = ssl.create_default_context(cafile=f"{PKI}/authority.pem")
    if who:
        context.load_cert_chain(f"{PKI}/{who}/clientcert.pem", f"{PKI}/{who}/clientkey.pem")
    return context


def is_let_in(who=None):
    """One that does not look at its own certificate before it shows it, as virsh does."""
    with socket.create_connection(("127.0.0.1", state["port"]), timeout=SHORT) as stream:
        try:
            with context_of(who).wrap_socket(stream, server_hostname="localhost") as tls:
                return tls.recv(1) != b""
        except (ssl.SSLError, ConnectionError):
            return False


def a_client_is_the_user_whom_its_certificate_stands_for():
    os.makedirs(PKI)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    make_authority("authority")
    make_authority("stranger")
    for name, subject, purpose, authority in (("server", "/CN=localhost", SERVER, "authority"), ("alice", "/C=DE/O=Example/CN=laptop of alice", CLIENT, "authority"),
                                              ("bob", "/O=Example/CN=bob", CLIENT, "authority"), ("nobody", "/O=Example/CN=nobody known", CLIENT, "authority"),
                                              ("forged", "/O=Example/CN=bob", CLIENT, "stranger"), ("gone", "/O=Example/CN=bob", CLIENT, "authority"),
                                              ("root", "/CN=administrator", CLIENT, "authority")):
        make_certificate(name, subject, purpose, authority)
    write_users("# whom certificates stand for\nvb-alice C=DE,O=Example,CN=laptop of alice\nvb-bob O=Example,CN=bob\nroot CN=administrator\n")
    serve_all()
    listen()
    state["bus"] = Bus()
    state["hypervisor"] = Hypervisor(state["bus"], DRIVER)
    virsh("root", "define", document("roots"))
    allow("vb-alice", "read", "domain.define")
    virsh("alice", "define", document("hers"))
    contains(virsh("alice", "list", "--all"), "hers", "shut off")
    contains(virsh("alice", "start", "roots", fails=True), "org.virtbus1.domain.start")
    contains(virsh("bob", "list", "--all", fails=True), "org.virtbus1")
    no_rules()
    virsh("root", "undefine", "hers")


def strangers_are_sent_away():
    virsh("nobody", "list", fails=True)
    wait_said("no user is named", "O=Example,CN=nobody known", USERS)
    assert not is_let_in("forged")
    wait_said("certificate", "NOT trusted")
    assert not is_let_in("server")  # a server's is not a client's
    wait_said("certificate", "purpose")
    assert not is_let_in()
    wait_said("speaks no TLS", "ertificate")
    assert is_let_in("gone")
    # One that is taken back.
    with open(f"{PKI}/index", "w", encoding="utf-8"), open(f"{PKI}/ca.conf", "w", encoding="utf-8") as conf:
        conf.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={PKI}/index\ndefault_md=sha256\ndefault_crl_days=30\n")
    ca = ["ca", "-config", f"{PKI}/ca.conf", "-cert", f"{PKI}/authority.pem", "-keyfile", f"{PKI}/authority.key"]
    openssl(*ca, "-revoke", f"{PKI}/gone/clientcert.pem")
    openssl(*ca, "-gencrl", "-out", f"{PKI}/revoked.pem")
    assert not is_let_in("gone")
    wait_said("certificate", "revoked")
    for junk in (b"", b"\0\0\0\x1c \0\x80\x86\0\0\0\1\0\0\0\x42" + bytes(16), os.urandom(4096), b"GET / HTTP/1.0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", state["port"]), timeout=SHORT) as stream:
            stream.sendall(junk)
            stream.shutdown(socket.SHUT_WR)
            try:
                while stream.recv(4096):
                    pass
            except ConnectionError:
                pass
    # Warnings, which end no handshake, without an end.
    with socket.create_connection(("127.0.0.1", state["port"]), timeout=SHORT) as stream:
        try:
            for _ in range(100000):
                stream.sendall(b"\x15\3\3\0\2\1\x5a" * 100)
            raise AssertionError("it goes on with a client that only warns")
        except ConnectionError:
            pass
    contains(virsh("root", "list", "--all"), "roots")


def files_that_others_may_change_let_nobody_in():
    users = open(USERS, encoding="utf-8").read()
    write_users(users, 0o666)
    virsh("root", "list", fails=True)
    wait_said(USERS, "nobody else may write")
    write_users(users + "vb-carol\n")
    virsh("root", "list", fails=True)
    wait_said(USERS, "line 5")
    write_users(users.replace("root CN", "no-such-user CN"))
    virsh("root", "list", fails=True)
    wait_said("there is no user no-such-user")
    write_users(users)
    os.chmod(f"{PKI}/server/clientkey.pem", 0o644)
    virsh("root", "list", fails=True)
    wait_said("clientkey.pem", "nobody else may read")
    os.chmod(f"{PKI}/server/clientkey.pem", 0o600)
    contains(virsh("root", "list", "--all"), "roots")


def status_of(pid):
    return dict(re.findall(r"^(\w+):[ \t]*(.*)$", open(f"/proc/{pid}/status", encoding="utf-8").read(), re.M))


def processes():
    return [pid for pid, words in all_processes().items() if words[0].endswith("/virtbus-libvirt-tls")]


def what_speaks_with_a_client_has_no_rights_and_no_process_is_root():
    allow("vb-alice", "read")
    with socket.create_connection(("127.0.0.1", state["port"]), timeout=SHORT) as stream, context_of("alice").wrap_socket(stream, server_hostname="localhost") as tls:
        assert tls.recv(16) == b"\1"
        state["bus"].wait(lambda: len(processes()) == 2, "the end of all others")
        found = {status_of(pid)["Uid"].split()[0]: status_of(pid) for pid in processes()}
        engine, front = (found.pop(str(pwd.getpwnam(user).pw_uid)) for user in ("virtbus-libvirt", "vb-alice"))
        assert not found
        for process in (engine, front):
            assert int(process["CapEff"], 16) == int(process["CapPrm"], 16) == 0 and process["NoNewPrivs"] == "1" and len(set(process["Uid"].split())) == 1
        assert engine["Groups"] == "", engine["Groups"]
        if "sanitize" not in BUILD:
            assert engine["Seccomp"] == "2"
        # One that ends early ends both.
        os.kill(int(front["Pid"]), 9)
        state["bus"].wait(lambda: not os.path.exists(f"/proc/{engine['Pid']}"), "the end of what speaks")
    no_rules()


SASL = os.path.join(ROOT, "sasl")


def sasl_virsh(who, password, *words, certificate="nobody", **options):
    path = os.path.join(PKI, f"as-{who}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[credentials-x]\nauthname={who}\npassword={password}\n[auth-libvirt-default]\ncredentials=x\n")
    return virsh(certificate, *words, more=f"&authfile={path}", **options)


def make_passwords(mechanisms):
    """As libvirt's manual says it is done, for what hears passwords to read."""
    os.makedirs(SASL, exist_ok=True)
    with open(f"{SASL}/libvirt.conf", "w", encoding="utf-8") as file:
        file.write(f"mech_list: {mechanisms}\nsasldb_path: {SASL}/passwords\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n")
    for name in "alice", "stranger":
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", f"{SASL}/passwords", "-u", "example", "-a", "libvirt", name], input=f"secret of {name}", text=True, check=True)
    shutil.chown(f"{SASL}/passwords", "root", "virtbus-sasl")
    os.chmod(f"{SASL}/passwords", 0o640)


def a_client_is_the_user_whom_its_name_of_sasl_stands_for():
    users = f"{PKI}/sasl-users"
    with open(users, "w", encoding="utf-8") as file:
        file.write("vb-alice alice@example\n")
    allow("vb-alice", "read")
    for mechanisms, certificate in (("scram-sha-256", "nobody"), ("digest-md5 plain", "nobody"), ("plain", "no-certificate")):
        make_passwords(mechanisms)
        listen("--sasl", f"--sasl-users={users}", f"--sasl-config={SASL}", *(("--no-certificates",) if certificate == "no-certificate" else ()))
        os.makedirs(f"{PKI}/no-certificate", exist_ok=True)
        shutil.copy(f"{PKI}/authority.pem", f"{PKI}/no-certificate/cacert.pem")
        contains(sasl_virsh("alice@example", "secret of alice", "list", "--all", certificate=certificate), "roots")
        contains(sasl_virsh("alice@example", "secret of bob", "list", certificate=certificate, fails=True), "authentication failed")
        wait_said("SASL does not prove who it is")
        contains(sasl_virsh("stranger@example", "secret of stranger", "list", certificate=certificate, fails=True), "authentication failed")
        wait_said("no user is named", "stranger@example", users)
    no_rules()


def heap_of(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file, open(f"/proc/{pid}/mem", "rb") as memory:
        begin, end_of_it = (int(word, 16) for word in next(line for line in file if "[heap]" in line).split()[0].split("-"))
        memory.seek(begin)
        return memory.read(end_of_it - begin)


def what_hears_passwords_has_no_rights_and_who_asks_before_is_sent_away():
    listen("--sasl", f"--sasl-users={PKI}/sasl-users", f"--sasl-config={SASL}")
    with socket.create_connection(("127.0.0.1", state["port"]), timeout=SHORT) as stream, context_of("nobody").wrap_socket(stream, server_hostname="localhost") as tls:
        assert tls.recv(16) == b"\1"
        state["bus"].wait(lambda: len(processes()) == 3, "all that serve a client")
        found = {pwd.getpwuid(int(status_of(pid)["Uid"].split()[0])).pw_name: pid for pid in processes()}
        for user in "virtbus-libvirt", "virtbus-sasl":
            process = status_of(found[user])
            assert int(process["CapEff"], 16) == int(process["CapPrm"], 16) == 0 and process["NoNewPrivs"] == "1" and len(set(process["Uid"].split())) == 1
            assert process["Groups"] == "", process["Groups"]
        if "sanitize" not in BUILD:
            for user in "virtbus-libvirt", "virtbus-sasl":
                state["bus"].wait(lambda pid=found[user]: status_of(pid)["Seccomp"] == "2", "its filter of system calls")
            with open(f"{PKI}/server/clientkey.pem", "rb") as file:
                key = file.read().splitlines()[1]
            assert key not in heap_of(found["virtbus-sasl"])
        body = bytes(8)  # CONNECT_OPEN without a name
        tls.sendall((28 + len(body)).to_bytes(4, "big") + 0x20008086.to_bytes(4, "big") + b"\0\0\0\1\0\0\0\1" + bytes(4) + b"\0\0\0\1" + bytes(4) + body)
        answer = tls.recv(4096)
        assert b"authentication required" in answer and answer[24:28] == b"\0\0\0\1", answer
        try:
            assert tls.recv(1) == b""
        except (ssl.SSLError, ConnectionError):
            pass
        state["bus"].wait(lambda: not processes(), "the end of all that served it")


def finish():
    end()
    if "listener" in state:
        state["listener"].terminate()
        state["listener"].wait()


try:
    run([a_client_is_the_user_whom_its_certificate_stands_for, strangers_are_sent_away, files_that_others_may_change_let_nobody_in,
         what_speaks_with_a_client_has_no_rights_and_no_process_is_root, a_client_is_the_user_whom_its_name_of_sasl_stands_for,
         what_hears_passwords_has_no_rights_and_who_asks_before_is_sent_away])
finally:
    finish()
