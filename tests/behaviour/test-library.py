#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirtbus-1 by its typelib, as a program in Python sees it.

Usage (below tests/with-bus): test-library.py TYPELIB_FOLDER LIBRARY_FOLDER, where they have been built. A library that
AddressSanitizer checks has no typelib of its own, and is used with the other build's.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET

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

from rig import BUILD, ROOT, SOURCE, Bus, Hypervisor, Skip, contains, run  # noqa: E402

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
    assert client.props.available and client.get_manager().props.version == "0.2"
    assert client.get_manager() == client.get_manager()
    assert [d.props.name for d in client.get_domains()] == ["alpha", "beta"]
    assert sorted(c.props.name for c in client.get_connections()) == ["host", "qemu", "test"]
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


def a_domain_that_was_just_defined_is_waited_for():
    """A program without a main loop learns of it so."""
    client = Virtbus.Client.new_sync(bus.connection, None)
    connection = [c for c in client.get_connections() if c.props.name == "test"][0]
    path = connection.define_domain_sync(hypervisor.document("fresh"), 0, None)
    domain = client.wait_for_domain_sync(path, None)
    assert domain.props.name == "fresh" and domain.get_object_path() == path
    domain.start_sync(0, None)
    answers = []
    client.wait_for_domain(path, None, lambda client, result: answers.append(client.wait_for_domain_finish(result)))  # it is known
    wait(lambda: answers)
    assert answers[0].props.uuid == domain.props.uuid
    contains(fails(Virtbus.Error.NO_SUCH_DOMAIN, client.wait_for_domain_sync, path[:-2], None), path[:-2])
    cancellable = Gio.Cancellable()
    cancellable.cancel()
    try:
        client.wait_for_domain_sync(path[:-2], cancellable)
        raise AssertionError("it was not cancelled")
    except GLib.Error as error:
        assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED), error
    domain.destroy_sync(0, None)
    domain.undefine_sync(0, None)


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
    contains(said, "starting -> running", "statistics: a{oa{sa{sv}}}", "domains in the list", "save: 50 of 100", "saved: yes", "nobody is not there")
    hypervisor.do(domain, "Undefine", managed_save=True)


def lists_of_strings_are_arrays():
    """Every method that takes or answers one is called."""
    client = state["client"]
    domain = client.find_domain("beta")
    connection = client.get_connection_of(domain)
    stats = connection.call_get_domain_stats_sync([domain.get_object_path()], ["state"], NOTHING, FLAGS, -1, None)
    assert list(stats.unpack()) == [domain.get_object_path()], stats
    qemu = [c for c in client.get_connections() if c.props.name == "qemu"][0]
    assert "qemu64" in qemu.call_get_cpu_models_sync("x86_64", FLAGS, -1, None)
    if domain.props.state == "shutoff":
        domain.start_sync(Virtbus.DomainStartFlags.NONE, None)
    domain.call_send_keys_sync(["ctrl", "alt", "delete"], NOTHING, FLAGS, -1, None)
    path = hypervisor.define(hypervisor.document("keyed", devices="<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"))
    wait(lambda: client.get_domain_at(path))
    client.get_domain_at(path).start_sync(0, None)
    devices = client.get_devices_sync(client.get_domain_at(path), None)
    wait(lambda: devices.get_object(path + "/guest"))
    guest = devices.get_object(path + "/guest").get_domain_guest()

    def passed(function, *arguments):
        """What the test driver's agent does not know is told by the agent: the arguments have come through."""
        try:
            return function(*arguments, FLAGS, -1, None)
        except GLib.Error as error:
            assert error.domain == "virtbus-error" and not error.message.startswith("GDBus"), (error.domain, error.message)
            return None
    data = GLib.Variant("ay", b"a\0b")
    passed(guest.call_exec_sync, "/bin/true", ["one", "two"], ["A=b"], data, True)
    passed(guest.call_add_ssh_keys_sync, "root", ["ssh-rsa AAAA"], False)
    passed(guest.call_get_ssh_keys_sync, "root")
    passed(guest.call_remove_ssh_keys_sync, "root", ["ssh-rsa AAAA"])
    passed(guest.call_freeze_file_systems_sync, ["/"])
    passed(guest.call_write_file_sync, 1, data)
    # No list of strings is taken for one string.
    core = "{http://www.gtk.org/introspection/core/1.0}"
    missing = [method.get("name") for method in ET.parse(f"{TYPELIBS}/Virtbus-1.0.gir").iter(core + "method")
               for parameter in method.iter(core + "parameter") for kind in parameter.findall(core + "type")
               if re.search(r"char ?\*( ?const)? ?\*", kind.get("{http://www.gtk.org/introspection/c/1.0}type", "")) and parameter.get("direction") != "out"]
    hypervisor.do(path, "Destroy")
    hypervisor.do(path, "Undefine")
    assert not missing, missing


def javascript_calls_them_too():
    if IS_SANITIZED or not shutil.which("gjs"):
        raise Skip("needs gjs, and a library without a sanitizer")
    script = f"{ROOT}/library.js"
    with open(script, "w", encoding="utf-8") as file:
        file.write("""
imports.gi.versions.Virtbus = '1.0';
const { Gio, GLib, Virtbus } = imports.gi;
const client = Virtbus.Client.new_sync(null, null), domain = client.find_domain('beta'), none = new GLib.Variant('a{sv}', {});
const stats = client.get_connection_of(domain).call_get_domain_stats_sync([domain.get_object_path()], ['state'], none, 0, -1, null);
print(Object.keys(stats[1].deepUnpack()).length, 'domain');
print(domain.call_send_keys_sync(['ctrl', 'a'], none, 0, -1, null), 'keys');
for (let i = 0, list = client.domain_list; i < list.get_n_items(); i++)
    print('has', list.get_item(i).name);
try {
    domain.start_sync(Virtbus.DomainStartFlags.NONE, null);
} catch (error) {
    print(error.matches(Virtbus.error_quark(), Virtbus.Error.OPERATION_INVALID), error.message);
}
""")
    environment = {**os.environ, "GI_TYPELIB_PATH": TYPELIBS, "LD_LIBRARY_PATH": LIBRARY}
    said = subprocess.run(["gjs", script], env=environment, capture_output=True, encoding="utf-8", check=False)
    contains(said.stdout, "1 domain", "true keys", "has beta", "true domain 'beta': it is running")


def options_are_flags():
    domain = state["client"].find_domain("beta")
    domain.destroy_sync(0, None)
    wait(lambda: domain.props.state == "shutoff")
    domain.start_sync(Virtbus.DomainStartFlags.PAUSED, None)
    wait(lambda: domain.props.state == "paused")
    answers = []
    domain.resume(None, lambda domain, result: answers.append(domain.resume_finish(result)))
    wait(lambda: answers and domain.props.state == "running")
    message = fails(Virtbus.Error.OPERATION_INVALID, domain.start_sync, Virtbus.DomainStartFlags.NONE, None)
    assert message.startswith("domain 'beta': it is running"), message  # no "GDBus.Error:..." before it
    contains(fails(Virtbus.Error.INVALID_ARGUMENT, domain.shutdown_sync, 4, None), "unknown_flag")
    xml = domain.get_xml_sync(Virtbus.DomainGetXMLFlags.INACTIVE, None)
    contains(xml, "<name>beta</name>")
    message = fails(Virtbus.Error.INVALID_XML, state["client"].get_connection_of(domain).define_domain_sync, "<domain", 0, None)
    assert not message.startswith("GDBus"), message


def lists_follow_what_there_is():
    client = state["client"]
    domains, jobs, seen = client.props.domain_list, client.props.job_list, []
    assert domains == client.get_domain_list() and domains.get_item_type() == Virtbus.Domain.__gtype__
    names = lambda: [domains.get_item(i).props.name for i in range(domains.get_n_items())]  # noqa: E731
    assert names() == [d.props.name for d in client.get_domains()], names()
    domains.connect("items-changed", lambda _list, position, removed, added: seen.append((position, removed, added)))
    path = hypervisor.define(hypervisor.document("aaa", devices="<serial type='pty'/><interface type='user'/>"))
    wait(lambda: "aaa" in names())
    assert seen[-1] == (0, 0, 1) and names() == sorted(names()), (seen, names())
    devices = client.get_device_list(client.get_domain_at(path))
    aliases = lambda: [devices.get_item(i).get_device().props.alias for i in range(devices.get_n_items())]  # noqa: E731
    wait(lambda: {"serial0", "net0"} <= set(aliases()), "its devices")
    bus.call(path, "org.virtbus1.Domain", "AttachDevice", "sa{sv}", "<interface type='user'/>", {})
    wait(lambda: "net1" in aliases(), "the new device")
    assert [c.props.name for c in client.props.connection_list] == ["host", "qemu", "test"]
    assert jobs.get_n_items() == 0
    hypervisor.do(path, "Undefine")
    wait(lambda: "aaa" not in names() and not aliases(), "their end")


def a_log_is_a_stream():
    client, qemu = state["client"], Hypervisor(bus, "qemu")
    path = qemu.define(qemu.document("logged"))
    wait(lambda: client.get_domain_at(path))
    domain = client.get_domain_at(path)
    contains(fails(Virtbus.Error.OPERATION_INVALID, domain.open_log_stream_sync, None), "no log yet")
    domain.start_sync(Virtbus.DomainStartFlags.PAUSED, None)
    with open(f"{ROOT}/qemu/log/qemu/{domain.props.uuid}.log", "a", encoding="utf-8") as file:
        file.write("QEMU has said this")
    assert domain.open_log_stream_sync(None).read_bytes(65536, None).get_data().endswith(b"QEMU has said this")
    answers = []
    domain.open_log_stream(None, lambda domain, result: answers.append(domain.open_log_stream_finish(result)))
    wait(lambda: answers)
    assert answers[0].read_bytes(65536, None).get_data().endswith(b"QEMU has said this")
    domain.destroy_sync(0, None)
    domain.undefine_sync(0, None)


def streams_are_there_for_displays_pictures_and_saved_states():
    client = state["client"]
    path = hypervisor.define(hypervisor.document("seen", devices="<graphics type='vnc'/><video><model type='vga'/></video>"))
    wait(lambda: client.get_domain_at(path))
    domain, connection = client.get_domain_at(path), client.get_connection_of(client.get_domain_at(path))
    domain.start_sync(0, None)
    assert domain.take_screenshot_sync(0, None).get_data().startswith(b"\x89PNG")
    pictures = []
    domain.take_screenshot(0, None, lambda domain, result: pictures.append(domain.take_screenshot_finish(result)))
    wait(lambda: pictures)
    assert pictures[0].get_data().startswith(b"\x89PNG")
    fails(Virtbus.Error.INVALID_ARGUMENT, domain.take_screenshot_sync, 99, None)
    devices = client.get_devices_sync(domain, None)
    graphics = [o for o in devices.get_objects() if o.get_device_graphics()][0].get_device_graphics()
    assert isinstance(graphics.open_stream_sync(None), Gio.SocketConnection)
    saved, job = domain.save_to_stream_sync(None, Virtbus.DomainSaveFlags.PAUSED, None)
    state_bytes = b""
    while data := saved.read_bytes(65536, None).get_data():
        state_bytes += data
    assert client.wait_for_job_sync(job, None) and state_bytes
    wait(lambda: domain.props.state == "shutoff")
    answers = []
    connection.restore_from_stream(Gio.MemoryInputStream.new_from_data(state_bytes), 0, None,
                                   lambda connection, result: answers.append(connection.restore_from_stream_finish(result)))
    wait(lambda: answers)
    assert answers[0][1] == path and client.wait_for_job_sync(answers[0][2], None)
    wait(lambda: domain.props.state == "paused")
    domain.destroy_sync(0, None)
    hypervisor.do(path, "Undefine")


def calls_may_ask_unless_they_are_told_not_to():
    client = state["client"]
    domain = client.find_domain("beta")
    flags = []

    def watch(_connection, message, incoming):
        if not incoming and message.get_member() in ("Suspend", "Resume"):
            flags.append(bool(message.get_flags() & Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION))
        return message
    filter_id = bus.connection.add_filter(watch)
    assert client.props.interactive
    domain.call_suspend_sync(FLAGS, -1, None)
    domain.resume_sync(None)
    client.props.interactive = False
    domain.suspend_sync(None)
    domain.call_resume_sync(FLAGS, -1, None)
    client.props.interactive = True
    bus.connection.remove_filter(filter_id)
    assert flags == [True, True, False, False], flags


def follow():
    """A program that tells which domains come and go, a line each."""
    client = Virtbus.Client.new_sync(bus.connection, None)
    for name, what in (("domain-added", "added"), ("domain-removed", "removed")):
        client.connect(name, lambda client, domain, what=what: print(what, domain.props.name, flush=True))
    print("follows", flush=True)
    GLib.MainLoop().run()


def who_was_stopped_while_much_happened_begins_anew():
    """It was sent no more signals while it read none: it is told that it missed some, and knows what there is all the same."""
    leaves = hypervisor.define(hypervisor.document("leaves"))
    bus.settle()
    bus.signals.clear()
    program = subprocess.Popen([sys.executable, __file__, TYPELIBS, LIBRARY, "follow"], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout.readline() == "follows\n"
        os.kill(program.pid, signal.SIGSTOP)
        for number in range(350):  # of 60,000 bytes each
            described = hypervisor.define(hypervisor.document("described", more=f"<description>{'ab'[number % 2] * 60000}</description>",
                                                              uuid="ab" * 4 + "-abab-abab-abab-" + "ab" * 6))
        for domain in (leaves, described):
            hypervisor.do(domain, "Undefine")
        comes = hypervisor.define(hypervisor.document("comes"))
        os.kill(program.pid, signal.SIGCONT)
        known = {"alpha", "beta", "alphabet", "leaves"}
        while "comes" not in known or {"leaves", "described"} & known:
            what, name = program.stdout.readline().split()
            (known.add if what == "added" else known.discard)(name)
        bus.settle()
        assert not [s for s in bus.signals if s[2] == "SignalsLost"]  # another connection of the same user, which reads
    finally:
        program.kill()
        program.wait()
    hypervisor.do(comes, "Undefine")


def the_service_may_restart():
    client = state["client"]
    assert client.get_domains() == [] and ("domain-removed", "alpha") in state["events"], state["events"]
    state["events"].clear()
    bus.call("/org/virtbus1", "org.freedesktop.DBus.Peer", "Ping")
    wait(lambda: ("domain-added", "beta") in state["events"] and client.props.available, "the service")
    assert {d.props.name for d in client.get_domains()} == {"alpha", "alphabet", "beta"}
    bus.call(hypervisor.path, "org.virtbus1.Test", "SetDelay", "st", "save", 0)


if sys.argv[3:] == ["follow"]:
    follow()
run([a_client_knows_all_domains, domains_are_found_by_whole_names_and_uuids, properties_change_by_themselves, calls_can_be_asynchronous_and_cancelled,
     devices_and_consoles_are_objects, a_domain_that_was_just_defined_is_waited_for, a_thread_has_a_client_of_its_own, making_one_runs_nothing_else, a_program_in_vala_is_built_against_what_is_installed,
     options_are_flags, lists_of_strings_are_arrays, javascript_calls_them_too, lists_follow_what_there_is,
     a_log_is_a_stream, streams_are_there_for_displays_pictures_and_saved_states, calls_may_ask_unless_they_are_told_not_to,
     who_was_stopped_while_much_happened_begins_anew, jobs_can_be_waited_for, the_service_may_restart])
