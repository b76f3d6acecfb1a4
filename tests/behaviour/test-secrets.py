#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Secrets: defined, found, given values and read, kept through the death of their driver; and what nobody may see of them.

Usage (below tests/with-bus): test-secrets.py
"""

import ast
import glob
import os
import pwd
import random
import time

from gi.repository import GLib
from rig import NAME, ROOT, Bus, BusError, Full, Skip, User, contains, denied, expect, polkit_rules, run

PATH = "/org/virtbus1/host"
DRIVER = "Secret"
STATE = f"{ROOT}/secret/state/secret"
BYTES_MAX = 65536
KILLS = 24
bus = Bus()
IS_ROOT = os.geteuid() == 0


def document(usage="", uuid="", **flags):
    attributes = "".join(f" {name}='{'yes' if value else 'no'}'" for name, value in flags.items())
    kind, _, name = usage.partition(":")
    element = {"volume": "volume", "iscsi": "target"}.get(kind, "name")
    return (f"<secret{attributes}>{uuid and f'<uuid>{uuid}</uuid>'}"
            + (f"<usage type='{kind}'><{element}>{name}</{element}></usage>" if usage else "") + "</secret>")


def define(xml):
    return bus.call(PATH, f"{NAME}.Secrets", "DefineSecret", "sa{sv}", xml, {})


def call(secret, member, signature="a{sv}", *arguments, **options):
    return bus.call(secret, f"{NAME}.Secret", member, signature, *(arguments or ({},)), **options)


def undefine(*secrets):
    for secret in secrets:
        call(secret, "Undefine")


def set_value(secret, value):
    call(secret, "SetValue", "aya{sv}", value, {})


def get_value(secret):
    return bytes(call(secret, "GetValue"))


def get(secret, name):
    return bus.get(secret, "Secret", name)


def secrets():
    return {path: interfaces[f"{NAME}.Secret"] for path, interfaces in bus.objects(PATH).items() if f"{NAME}.Secret" in interfaces}


def kill_driver(pid=None):
    """Kills the driver, and waits until virtbusd has seen that; the next call starts it."""
    bus.kill_driver(DRIVER, pid)
    expect("NoSuchSecret", bus.call, PATH, f"{NAME}.Secrets", "GetSecretByUsage", "ss", "ceph", "nobody's")


def a_secret_is_defined_found_and_listed():
    usages = ("volume:/a path", "ceph:client.admin secret", "iscsi:target", "tls:name", "vtpm:name")
    made = {usage: define(document(usage, private=usage.startswith("tls"))) for usage in usages}
    assert set(secrets()) == set(made.values())
    for usage, secret in made.items():
        kind, _, name = usage.partition(":")
        uuid = get(secret, "UUID")
        assert secret == f"{PATH}/secret/{uuid.replace('-', '_')}"
        assert bus.call(PATH, f"{NAME}.Secrets", "GetSecretByUsage", "ss", kind, name) == secret
        assert bus.call(PATH, f"{NAME}.Secrets", "GetSecretByUUID", "s", uuid.upper()) == secret
        properties = bus.get_all(secret, "Secret")
        assert (properties["UsageType"], properties["UsageID"]) == (kind, name), properties
        assert (properties["HasValue"], properties["ValueStorage"]) == (False, "none"), properties
        assert (properties["Private"], properties["Ephemeral"], properties["Owner"]) == (kind == "tls", False, os.geteuid()), properties
        contains(call(secret, "GetXML"), uuid, f"type=\"{kind}\"" if "type=\"" in call(secret, "GetXML") else f"type='{kind}'", name)
        bus.wait_signal(PATH, "InterfacesAdded", lambda a, secret=secret: a[0] == secret)
    expect("AlreadyExists", define, document("ceph:client.admin secret"))
    expect("NoSuchSecret", bus.call, PATH, f"{NAME}.Secrets", "GetSecretByUsage", "ss", "ceph", "client.admin")
    expect("NoSuchSecret", bus.call, PATH, f"{NAME}.Secrets", "GetSecretByUUID", "s", "1b4e28ba-2fa1-11d2-883f-0016d3cca427")
    expect("InvalidArgument", bus.call, PATH, f"{NAME}.Secrets", "GetSecretByUUID", "s", "no UUID")
    expect("InvalidArgument", bus.call, PATH, f"{NAME}.Secrets", "GetSecretByUsage", "ss", "none", "")
    for secret in made.values():
        undefine(secret)
        bus.wait_signal(PATH, "InterfacesRemoved", lambda a, secret=secret: a[0] == secret)
        expect("UnknownObject", get, secret, "UUID")
    assert not secrets()


def documents_that_are_wrong_are_refused_by_name():
    for xml, error, words in (
            ("", "InvalidXML", ["empty"]),
            ("<secret>", "InvalidXML", ["line 1"]),
            ("<domain/>", "InvalidXML", ["<secret>"]),
            ("<!DOCTYPE s [<!ENTITY a 'b'>]><secret/>", "InvalidXML", ["DOCTYPE"]),
            ("<secret private='perhaps'/>", "InvalidXML", ["private", "perhaps", "yes, no"]),
            ("<secret>\n<value>x</value>\n</secret>", "InvalidXML", ["line 2", "<value>"]),
            ("<secret><usage type='disk'/></secret>", "InvalidXML", ["disk", "volume, ceph, iscsi, tls, vtpm"]),
            ("<secret><usage type='ceph'/></secret>", "InvalidXML", ["<name>"]),
            (document("volume:relative"), "InvalidXML", ["relative", "absolute"]),
            (document(uuid="12"), "InvalidXML", ["UUID"]),
            (document("ceph:" + 5000 * "x"), "LimitExceeded", ["4096"]),
            (f"<secret>{' ' * (1 << 20)}</secret>", "LimitExceeded", ["1048576"])):
        contains(expect(error, define, xml), *words)
    expect("InvalidArgument", bus.call, PATH, f"{NAME}.Secrets", "DefineSecret", "sa{sv}", document(), {"x": GLib.Variant("b", True)})
    assert not secrets()


def a_value_is_set_and_read_as_bytes_and_by_descriptor():
    secret = define(document("ceph:values"))
    contains(expect("OperationInvalid", get_value, secret), "has no value")
    value = bytes(range(256))
    begin = len(bus.signals)
    set_value(secret, value)
    heard = [s for s in bus.signals[begin:] if s[0] == secret]
    bus.settle()
    heard = [(member, arguments) for path, _, member, arguments in bus.signals[begin:] if path == secret]
    assert [member for member, _ in heard] == ["PropertiesChanged", "ValueChanged"], heard
    assert heard[0][1][1]["HasValue"] is True
    assert get(secret, "ValueStorage") == ("encrypted" if IS_ROOT else "plain"), get(secret, "ValueStorage")
    assert get_value(secret) == value
    fd = call(secret, "GetValueFD")
    assert os.read(fd, 1000) == value
    try:
        os.pwrite(fd, b"x", 0)
        raise AssertionError("the file can be written")
    except PermissionError:
        pass
    os.close(fd)
    reading, writing = os.pipe()
    answers = bus.begin_with_fd(secret, f"{NAME}.Secret", "SetValueFromFD", reading)
    os.write(writing, b"in two ")
    os.write(writing, b"parts")
    os.close(writing)
    bus.wait(lambda: answers, "the answer")
    assert answers == [()], answers
    assert get_value(secret) == b"in two parts"
    file = os.memfd_create("value")
    os.write(file, b"skipped, kept")
    os.lseek(file, 8, os.SEEK_SET)
    call(secret, "SetValueFromFD", "ha{sv}", 0, {}, fds=[file])
    os.close(file)
    assert get_value(secret) == b" kept"
    undefine(secret)


def a_value_has_one_byte_to_65536():
    secret = define(document())
    contains(expect("InvalidArgument", set_value, secret, b""), "1 to 65536")
    contains(expect("LimitExceeded", set_value, secret, bytes(BYTES_MAX + 1)), "65536")
    assert get(secret, "HasValue") is False
    set_value(secret, bytes(BYTES_MAX))
    assert get_value(secret) == bytes(BYTES_MAX)
    null, zero = os.open("/dev/null", os.O_RDONLY), os.open("/dev/zero", os.O_RDONLY)
    expect("InvalidArgument", call, secret, "SetValueFromFD", "ha{sv}", 0, {}, fds=[null])
    expect("LimitExceeded", call, secret, "SetValueFromFD", "ha{sv}", 0, {}, fds=[zero])
    os.close(null)
    os.close(zero)
    for member, signature, arguments in (("SetValue", "aya{sv}", [b"x"]), ("GetValue", "a{sv}", []), ("GetValueFD", "a{sv}", []),
                                         ("GetXML", "a{sv}", []), ("Undefine", "a{sv}", [])):
        expect("InvalidArgument", call, secret, member, signature, *arguments, {"x": GLib.Variant("b", True)})
    assert get_value(secret) == bytes(BYTES_MAX)
    undefine(secret)


def a_private_value_is_read_by_nobody():
    secret = define(document("tls:key", private=True))
    set_value(secret, b"private words")
    for member in ("GetValue", "GetValueFD"):
        message = expect("OperationInvalid", call, secret, member)
        contains(message, "private")
        assert "words" not in message
    expect("OperationInvalid", define, document("tls:key", uuid=get(secret, "UUID"), private=False))
    expect("OperationInvalid", get_value, secret)
    undefine(secret)


def a_value_is_in_nothing_that_others_see():
    marker = b"MARKER-of-a-value"
    made = [define(document(f"ceph:{private}{ephemeral}", private=private, ephemeral=ephemeral))
            for private in (False, True) for ephemeral in (False, True)]
    for secret in made:
        set_value(secret, marker)
        if not get(secret, "Private"):
            get_value(secret)
    bus.settle()
    encoded = marker.decode()
    assert encoded not in repr(bus.signals) and encoded not in repr(bus.objects(PATH))
    assert all(encoded not in call(secret, "GetXML") for secret in made)
    assert not os.path.exists(f"{ROOT}/log") or encoded not in open(f"{ROOT}/log", errors="replace").read()
    arguments = open(f"/proc/{bus.driver(DRIVER)}/cmdline", "rb").read() + open(f"/proc/{bus.driver(DRIVER)}/environ", "rb").read()
    assert marker not in arguments
    files = glob.glob(f"{STATE}/*/*")
    assert len(files) == 4, files  # of the two that are not ephemeral
    for file in files:
        assert os.stat(file).st_mode & 0o777 == 0o600 and os.stat(file).st_uid == os.geteuid(), file
        assert marker not in open(file, "rb").read(), file
    undefine(*made)
    assert not glob.glob(f"{STATE}/*/*")


def an_existing_secret_gets_a_new_description_and_keeps_its_value():
    secret = define(document("ceph:again"))
    uuid = get(secret, "UUID")
    set_value(secret, b"kept")
    assert define(document("ceph:again", uuid=uuid).replace("<usage", "<description>what for</description><usage")) == secret
    assert get(secret, "Description") == "what for" and get_value(secret) == b"kept"
    bus.wait_signal(secret, "PropertiesChanged", lambda a: a[1].get("Description") == "what for")
    for xml in (document("ceph:other", uuid=uuid), document("ceph:again", uuid=uuid, ephemeral=True), document(uuid=uuid)):
        expect("OperationInvalid", define, xml)
    undefine(secret)


def ephemeral_secrets_are_gone_when_the_driver_starts_anew_and_others_are_not():
    kept, gone = define(document("ceph:kept")), define(document("ceph:gone", ephemeral=True))
    set_value(kept, b"kept value")
    set_value(gone, b"gone value")
    assert get(gone, "ValueStorage") == "memory" and get_value(gone) == b"gone value"
    kill_driver()
    assert set(secrets()) == {kept}
    assert get_value(kept) == b"kept value"
    assert define(document("ceph:gone", ephemeral=True)) != gone
    undefine(*secrets())


def damaged_files_cost_themselves_alone():
    good, value, definition = (define(document(f"ceph:{name}")) for name in ("good", "value", "definition"))
    for secret in (good, value, definition):
        set_value(secret, b"a value")
    uuid = {secret: get(secret, "UUID") for secret in (good, value, definition)}
    with open(f"{STATE}/values/{uuid[value]}.value", "r+b") as file:
        file.truncate(60)
    with open(f"{STATE}/secrets/{uuid[definition]}.xml", "w", encoding="utf-8") as file:
        file.write("<secret")
    for name in ("secrets", "values"):  # what a write has left that was cut off
        with open(f"{STATE}/{name}/.{uuid[good]}.left", "w", encoding="utf-8") as file:
            file.write("half")
    newer = define(document("ceph:newer"))
    set_value(newer, b"a value")
    uuid[newer] = get(newer, "UUID")
    path = f"{STATE}/values/{uuid[newer]}.value"
    with open(path, encoding="utf-8") as file:
        later = file.read().replace("format=1", "format=9")
    with open(path, "w", encoding="utf-8") as file:
        file.write(later)
    kill_driver()
    assert set(secrets()) == {good, value, newer}
    for member in (get_value, lambda secret: set_value(secret, b"new")):
        contains(expect("Unsupported", member, newer), "format 9", "later version")
    undefine(newer)  # whose definition is ours
    contains(expect("Unsupported", define, document(uuid=uuid[newer])), path, "left alone")
    kill_driver()
    with open(path, encoding="utf-8") as file:
        assert file.read() == later
    os.unlink(path)
    assert get_value(good) == b"a value"
    contains(expect("HypervisorFailed", get_value, value), "damaged", "set it again")
    set_value(value, b"new")
    assert get_value(value) == b"new"
    assert not glob.glob(f"{STATE}/*/.*left")
    anew = define(document(uuid=uuid[definition]))  # whoever takes its UUID does not get its value
    assert get(anew, "HasValue") is False
    undefine(*secrets())


class Model:
    """What a killed driver must still have: of what was being done when it was killed, all or nothing."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.now = {}  # usage -> value or None

    def step(self):
        usage = f"ceph:{self.random.randrange(3)}"
        value = self.random.randbytes(self.random.choice([1, 100, 20000]))
        found = {properties["UsageID"]: path for path, properties in secrets().items()}
        path = found.get(usage[5:])
        kinds = ["define"] if path is None else ["set", "set", "undefine"]
        kind = self.random.choice(kinds)
        if kind == "define":
            return bus.begin(PATH, f"{NAME}.Secrets", "DefineSecret", "sa{sv}", document(usage), {}), {**self.now, usage: None}
        if kind == "set":
            return bus.begin(path, f"{NAME}.Secret", "SetValue", "aya{sv}", value, {}), {**self.now, usage: value}
        return bus.begin(path, f"{NAME}.Secret", "Undefine", "a{sv}", {}), {k: v for k, v in self.now.items() if k != usage}

    @staticmethod
    def found():
        return {f"ceph:{properties['UsageID']}": get_value(path) if properties["HasValue"] else None for path, properties in secrets().items()}


def a_driver_that_is_killed_at_any_instant_has_all_or_nothing_of_a_change():
    seed = int(os.environ.get("VIRTBUS_SEED", "1"))
    print(f"# VIRTBUS_SEED={seed}")
    model = Model(seed)
    for number in range(KILLS):
        for _ in range(3):  # done before: the next one may be cut off, these not
            answers, model.now = model.step()
            bus.wait(lambda answers=answers: answers, "an answer")
            assert not isinstance(answers[0], BusError), answers
        pid = bus.driver(DRIVER)
        answers, then = model.step()
        bus.connection.flush_sync()
        time.sleep(model.random.random() * 0.04)  # the instant
        kill_driver(pid)
        bus.wait(lambda: answers, "an answer")
        found = model.found()
        done = not isinstance(answers[0], BusError)
        assert found == then or (not done and found == model.now), (number, answers, sorted(found), sorted(then), sorted(model.now))
        model.now = found
        files = {os.path.basename(file).split(".")[0] for file in glob.glob(f"{STATE}/values/*")}
        assert files <= {properties["UUID"] for properties in secrets().values()}, files
        assert not glob.glob(f"{STATE}/*/.*"), "what was cut off is left"
    undefine(*secrets())


def a_full_disk_fails_a_change_and_loses_none():
    if not IS_ROOT:
        raise Skip("mounts need root")
    undefine(define(document("ceph:first")))  # the driver has made its folders
    for folder in ("values", "secrets"):
        with Full(f"{STATE}/{folder}", 24576) as full:
            kill_driver()
            kept = define(document("ceph:kept"))
            set_value(kept, b"before")
            error, more = None, []
            while not error:
                try:
                    more.append(define(document(f"ceph:more {len(more)}")))
                    set_value(more[-1], b"y" * 4000)
                except BusError as failure:
                    error = failure
                assert len(more) < 32, "it was never full"
            assert error.name.endswith("LimitExceeded"), error
            contains(error.message, "No space left")
            if folder == "values":
                expect("LimitExceeded", set_value, kept, b"after" * 8000)
                assert get_value(kept) == b"before" and get(kept, "HasValue")
            there = secrets()
            kill_driver()
            assert secrets() == there, (there, secrets())
            assert get_value(kept) == b"before"
            undefine(*more[:-1])  # which needs no room
            full.empty()
            set_value(kept, b"after")
            assert get_value(kept) == b"after"
            for secret in list(secrets()):
                undefine(secret)
        kill_driver()


def who_may_not_is_refused_and_owners_may():
    if not IS_ROOT:
        raise Skip("a session bus has one user")
    alice, bob = User("vb-alice"), User("vb-bob")
    none, interface = "@a{sv} {}", f"{NAME}.Secret"
    polkit_rules(bus, "polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.secret.define' && s.user == 'vb-alice') return polkit.Result.YES; });")
    other = define(document("ceph:roots"))
    set_value(other, b"roots")
    hers = ast.literal_eval(alice.call(PATH, f"{NAME}.Secrets", "DefineSecret", "sa{sv}", repr(document("ceph:hers")), none))[0]
    polkit_rules(bus, "")  # from here on there is only the shipped rule for owners
    assert get(hers, "Owner") == pwd.getpwnam("vb-alice").pw_uid
    calls = (("GetXML", "a{sv}", none), ("SetValue", "aya{sv}", "[byte 1]", none), ("GetValue", "a{sv}", none), ("GetValueFD", "a{sv}", none))
    for member, signature, *arguments in calls:
        assert denied(bob.call, hers, interface, member, signature, *arguments), member
        assert denied(alice.call, other, interface, member, signature, *arguments), member
        alice.call(hers, interface, member, signature, *arguments)
    assert set(ast.literal_eval(alice.call(PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))[0]) == {hers}
    contains(alice.call(PATH, f"{NAME}.Secrets", "GetSecretByUUID", "s", f"'{get(hers, 'UUID')}'"), hers)
    assert denied(bob.call, PATH, f"{NAME}.Secrets", "GetSecretByUUID", "s", f"'{get(hers, 'UUID')}'")
    kill_driver()  # who owns what outlives a driver
    contains(alice.call(hers, interface, "GetValue", "a{sv}", none), "1")
    # Rules see what a secret is for.
    polkit_rules(bus, "polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.secret.get-value' && s.user == 'vb-bob' && "
                      "a.lookup('secret_usage_type') == 'ceph' && a.lookup('secret_usage_id') == 'roots' && a.lookup('secret_owner') == '0' && "
                      f"a.lookup('secret_uuid') == '{get(other, 'UUID')}' && a.lookup('connection') == 'host') return polkit.Result.YES; }});")
    contains(bob.call(other, interface, "GetValue", "a{sv}", none), "114, 111")
    assert denied(bob.call, hers, interface, "GetValue", "a{sv}", none)
    polkit_rules(bus, "")
    assert denied(bob.call, hers, interface, "Undefine", "a{sv}", none)
    alice.call(hers, interface, "Undefine", "a{sv}", none)
    undefine(other)
    alice.leave()
    bob.leave()


run([a_secret_is_defined_found_and_listed, documents_that_are_wrong_are_refused_by_name, a_value_is_set_and_read_as_bytes_and_by_descriptor,
     a_value_has_one_byte_to_65536, a_private_value_is_read_by_nobody, a_value_is_in_nothing_that_others_see,
     an_existing_secret_gets_a_new_description_and_keeps_its_value,
     ephemeral_secrets_are_gone_when_the_driver_starts_anew_and_others_are_not, damaged_files_cost_themselves_alone,
     a_driver_that_is_killed_at_any_instant_has_all_or_nothing_of_a_change, a_full_disk_fails_a_change_and_loses_none, who_may_not_is_refused_and_owners_may])
