#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirtbus-1 by its typelib, as a program in Python sees it.

Usage (below tests/with-bus): test-library.py TYPELIB_FOLDER LIBRARY_FOLDER, where they have been built. A library that
AddressSanitizer checks has no typelib of its own, and is used with the other build's.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading

import gi

gi.require_version("GIRepository", "2.0")
from gi.repository import GIRepository  # noqa: E402

TYPELIBS, LIBRARY = sys.argv[1:3]
IS_SANITIZED = TYPELIBS != LIBRARY
if IS_SANITIZED and "LD_PRELOAD" not in os.environ:
    if not os.path.exists(f"{TYPELIBS}/Virtbus-1.0.typelib"):
        print(f"1..0 # SKIP there is no typelib in {TYPELIBS}")
        sys.exit()
    # The sanitizer must be there before Python is. What Python itself does not free is no matter.
    sanitizer = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, encoding="utf-8", check=True).stdout.strip()
    options = f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0"
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "LD_PRELOAD": sanitizer, "ASAN_OPTIONS": options})
os.environ.pop("LD_PRELOAD", None)
GIRepository.Repository.prepend_search_path(TYPELIBS)
GIRepository.Repository.prepend_library_path(LIBRARY)
gi.require_version("Virtbus", "1.0")
from gi.repository import Gio, GLib, Virtbus  # noqa: E402

from rig import BUILD, ROOT, SOURCE, Bus, Hypervisor, Skip, contains, run, variants  # noqa: E402

bus = Bus()
hypervisor = Hypervisor(bus, "test")
state = {"events": []}
NOTHING = GLib.Variant("a{sv}", {})
FLAGS = Gio.DBusCallFlags.NONE


def wait(condition, what="an event"):
    bus.wait(condition, what)


def fails(code, function, *arguments):
    try:
        result = function(*arguments)
    except GLib.Error as error:
        assert error.matches(Virtbus.error_quark(), code), (error.domain, error.code, error.message)
        return error.message
    raise AssertionError(f"wanted {code}, got {result}")


def a_client_knows_all_domains():
    for name in ("alpha", "beta"):
        state[name] = hypervisor.define(hypervisor.document(name, devices="<serial type='pty'/><interface type='user'/>"))
    client = state["client"] = Virtbus.Client.new_sync(bus.connection, None)
    assert client.props.available and client.get_manager().props.version == "0.1"
    assert client.get_manager() == client.get_manager()
    assert [d.props.name for d in client.get_domains()] == ["alpha", "beta"]
    assert sorted(c.props.name for c in client.get_connections()) == ["qemu", "test"]
    assert client.get_connection_of(client.get_domains()[0]).props.name == "test"
    for name in ("domain-added", "domain-removed"):
        client.connect(name, lambda client, domain, name=name: state["events"].append((name, domain.props.name)))


def domains_are_found_by_whole_names_and_uuids():
    client = state["client"]
    alpha = client.find_domain("alpha")
    assert client.find_domain(alpha.props.uuid.upper()).props.name == "alpha"
    assert client.get_domain_by_name("alpha").props.uuid == alpha.props.uuid
    assert client.get_domain_by_uuid(alpha.props.uuid.upper()).props.name == "alpha"
    hypervisor.define(hypervisor.document("alphabet"))
    wait(lambda: ("domain-added", "alphabet") in state["events"])
    # The beginning of a name or UUID names nobody: the one that is left might be another domain.
    for find in (client.find_domain, client.get_domain_by_name, client.get_domain_by_uuid):
        for text in ("al", "alp", alpha.props.uuid[:13], "gamma", ""):
            contains(fails(Virtbus.Error.NO_SUCH_DOMAIN, find, text), text)
    fails(Virtbus.Error.NO_SUCH_DOMAIN, client.get_domain_by_name, alpha.props.uuid)
    fails(Virtbus.Error.NO_SUCH_DOMAIN, client.get_domain_by_uuid, "alpha")


def properties_change_by_themselves():
    domain = state["client"].find_domain("alpha")
    seen = []
    domain.connect("notify::state", lambda domain, _property: seen.append(domain.props.state))
    domain.call_start_sync(NOTHING, FLAGS, -1, None)
    wait(lambda: domain.props.state == "running")
    assert seen[-1] == "running" and domain.props.active, seen
    contains(fails(Virtbus.Error.OPERATION_INVALID, domain.call_start_sync, NOTHING, FLAGS, -1, None), "running")


def calls_can_be_asynchronous_and_cancelled():
    domain, answers = state["client"].find_domain("beta"), []
    domain.call_start(NOTHING, FLAGS, -1, None, lambda domain, result: answers.append(domain.call_start_finish(result)))
    wait(lambda: answers)
    cancellable = Gio.Cancellable()
    cancellable.cancel()
    try:
        domain.call_reset_sync(FLAGS, -1, cancellable)
        raise AssertionError("it was not cancelled")
    except GLib.Error as error:
        assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED), error
    Virtbus.Client.new(bus.connection, None, lambda _source, result: answers.append(Virtbus.Client.new_finish(result)))
    wait(lambda: len(answers) == 2)
    assert answers[1].find_domain("beta").props.state == "running"


def devices_and_consoles_are_objects():
    client = state["client"]
    devices = client.get_devices_sync(client.find_domain("alpha"), None)
    kinds = {o.get_device().props.alias: o for o in devices.get_objects() if o.get_device()}
    assert set(kinds) >= {"serial0", "net0"} and kinds["net0"].get_device_network_interface().props.type == "user", kinds
    console = kinds["serial0"].get_device_console()
    stream = console.open_stream_sync(False, None)
    stream.get_output_stream().write_all(b"hello\n", None)
    data = b""
    while b"hello" not in data:
        data += stream.get_input_stream().read_bytes(100, None).get_data()
    contains(fails(Virtbus.Error.RESOURCE_BUSY, console.open_stream_sync, False, None), "force")
    answers = []
    console.open_stream(True, None, lambda console, result: answers.append(console.open_stream_finish(result)))
    wait(lambda: answers)
    assert isinstance(answers[0], Gio.IOStream)


def jobs_can_be_waited_for():
    client = state["client"]
    domain, progress, answers = client.find_domain("alpha"), [], []
    bus.call(hypervisor.path, "org.virtbus1.Test", "SetDelay", "st", "save", 100000)
    path = domain.call_managed_save_sync(NOTHING, FLAGS, -1, None)
    client.connect(f"job-changed::{path}", lambda client, job: progress.append(job.props.progress))
    client.connect("job-changed::/org/virtbus1/job/test_1", lambda client, job: progress.append("another"))
    client.wait_for_job(path, None, lambda client, result: answers.append(client.wait_for_job_finish(result)))
    wait(lambda: answers)
    assert answers == [True] and progress and progress == sorted(progress) and client.wait_for_job_sync(path, None)  # one that has ended is known
    wait(lambda: domain.props.state == "shutoff" and domain.props.has_managed_save)
    bus.call(hypervisor.path, "org.virtbus1.Test", "FailNext", "sss", "save", "HypervisorFailed", "the disk is on fire")
    domain = client.find_domain("beta")
    path = domain.call_managed_save_sync(NOTHING, FLAGS, -1, None)
    contains(fails(Virtbus.Error.HYPERVISOR_FAILED, client.wait_for_job_sync, path, None), "fire")
    cancellable = Gio.Cancellable()
    bus.call(hypervisor.path, "org.virtbus1.Test", "SetDelay", "st", "save", 10**9)
    path = domain.call_managed_save_sync(NOTHING, FLAGS, -1, None)
    ends = []
    client.wait_for_job(path, cancellable, lambda client, result: ends.append(result))
    cancellable.cancel()
    wait(lambda: ends)
    assert ends[0].had_error()
    # One that is not there, or has ended before the client was made, is not waited for.
    try:
        client.wait_for_job_sync("/org/virtbus1/job/test_1", None)
        raise AssertionError("the job was done")
    except GLib.Error as error:
        assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND), error
        contains(error.message, "test_1")
    # The service goes while a job is waited for.
    ends.clear()
    client.wait_for_job(path, None, lambda client, result: ends.append(result))
    state["domain"] = domain
    os.kill(bus.owner_pid("org.virtbus1"), signal.SIGKILL)
    wait(lambda: ends and not client.props.available, "the end of the service")
    try:
        client.wait_for_job_finish(ends[0])
        raise AssertionError("the job was done")
    except GLib.Error as error:
        assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CLOSED), error


def a_thread_has_a_client_of_its_own():
    answers = []

    def follow():
        context = GLib.MainContext.new()
        context.push_thread_default()
        client = Virtbus.Client.new_sync(bus.connection, None)
        client.connect("domain-added", lambda client, domain: answers.append((threading.current_thread().name, domain.props.name)))
        ready.set()
        while not answers:
            context.iteration(True)
        context.pop_thread_default()
    ready, thread = threading.Event(), threading.Thread(target=follow, name="follower")
    thread.start()
    ready.wait()
    domain = hypervisor.define(hypervisor.document("threaded"))
    thread.join()
    assert answers == [("follower", "threaded")], answers
    hypervisor.do(domain, "Undefine")


def making_one_runs_nothing_else():
    ran = []
    idle = GLib.idle_add(lambda: ran.append(1) or GLib.SOURCE_CONTINUE)
    client = Virtbus.Client.new_sync(bus.connection, None)
    assert client.find_domain("beta") and not ran
    GLib.source_remove(idle)


def a_program_in_vala_is_built_against_what_is_installed():
    if IS_SANITIZED or not os.path.exists(f"{LIBRARY}/virtbus-1.vapi") or not shutil.which("valac"):
        raise Skip("needs valac, and a library without a sanitizer")
    installed = f"{ROOT}/installed"
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], env={**os.environ, "DESTDIR": installed}, check=True)
    found = subprocess.run(["find", installed, "-name", "virtbus-1.pc"], capture_output=True, encoding="utf-8", check=True).stdout.strip()
    with open(found, encoding="utf-8") as file:
        text = file.read()
    with open(found, "w", encoding="utf-8") as file:
        file.write(text.replace("prefix=/", f"prefix={installed}/", 1))
    prefix = os.path.join(installed, text.split("prefix=/", 1)[1].split("\n", 1)[0])
    folder = os.path.dirname(os.path.dirname(found))
    environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(found), "LD_LIBRARY_PATH": folder}
    program = f"{ROOT}/vala"
    subprocess.run(["valac", "--quiet", f"--vapidir={prefix}/share/vala/vapi", "--pkg", "virtbus-1", "-X", "-w",
                    f"--directory={ROOT}", "-o", program, f"{SOURCE}/tests/behaviour/library.vala"], env=environment, check=True)
    domain = hypervisor.define(hypervisor.document("vala"))
    bus.call(hypervisor.path, "org.virtbus1.Test", "SetDelay", "st", "save", 100000)
    said = subprocess.run([program, "vala"], env=environment, capture_output=True, encoding="utf-8", check=True).stdout
    contains(said, "starting -> running", "save: 50 of 100", "saved: yes", "nobody is not there")
    hypervisor.do(domain, "Undefine", managed_save=True)


def the_service_may_restart():
    client = state["client"]
    assert client.get_domains() == [] and ("domain-removed", "alpha") in state["events"], state["events"]
    state["events"].clear()
    bus.call("/org/virtbus1", "org.freedesktop.DBus.Peer", "Ping")
    wait(lambda: ("domain-added", "beta") in state["events"] and client.props.available, "the service")
    assert {d.props.name for d in client.get_domains()} == {"alpha", "alphabet", "beta"}
    bus.call(hypervisor.path, "org.virtbus1.Test", "SetDelay", "st", "save", 0)


run([a_client_knows_all_domains, domains_are_found_by_whole_names_and_uuids, properties_change_by_themselves, calls_can_be_asynchronous_and_cancelled,
     devices_and_consoles_are_objects, a_thread_has_a_client_of_its_own, making_one_runs_nothing_else, a_program_in_vala_is_built_against_what_is_installed,
     jobs_can_be_waited_for, the_service_may_restart])
