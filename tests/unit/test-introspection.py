#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the build refuses: incomplete interface files, and vtables with missing or wrong handlers.

Usage: test-introspection.py GENERATOR POLICY XML...
"""

import glob
import os
import re
import subprocess
import sys
import tempfile

generator, policy, files = sys.argv[1], sys.argv[2], sys.argv[3:]
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(generator)))
work = tempfile.TemporaryDirectory()


def generate(change=None, which="org.virtbus1.Job.xml", policy_change=lambda text: text):
    """Generates from the interface files, one of them changed; returns the status and what was said."""
    paths = []
    for path in files:
        text = open(path, encoding="utf-8").read()
        if os.path.basename(path) == which and change:
            changed = change(text)
            assert changed != text, "the change changes nothing"
            text = changed
        paths.append(os.path.join(work.name, os.path.basename(path)))
        open(paths[-1], "w", encoding="utf-8").write(text)
    policy_path = os.path.join(work.name, "policy")
    open(policy_path, "w", encoding="utf-8").write(policy_change(open(policy, encoding="utf-8").read()))
    result = subprocess.run([sys.executable, generator, policy_path, *[os.path.join(work.name, n) for n in ("interfaces.h", "interfaces.c", "vtables.h")],
                             *paths], capture_output=True, text=True, check=False)
    return result.returncode, result.stderr


def refused(change, *parts, **options):
    status, text = generate(change, **options)
    assert status != 0 and all(p in text for p in parts), (status, text)


def the_files_as_they_are_are_complete():
    assert generate()[0] == 0


def a_member_without_documentation_is_refused():
    refused(lambda t: re.sub(r"<!-- Cancel:.*?-->", "", t, flags=re.S), "Job.Cancel", "no documentation")
    refused(lambda t: re.sub(r"<!-- Progress:.*?-->", "<!-- Something else. -->", t, flags=re.S), "Job.Progress", "no documentation")
    refused(lambda t: t.replace("@success:", "@failure:"), "Completed", "success")
    refused(lambda t: re.sub(r"Errors: Unsupported.*?\.\s*-->", "-->", t, flags=re.S), "Job.Cancel", "Errors:")
    refused(lambda t: t.replace("Since: 0.1", ""), "Job", "Since:")


def a_method_without_a_polkit_action_is_refused():
    refused(lambda t: re.sub(r'<annotation name="org.virtbus1.PolkitAction"[^>]*>', "", t), "Job.Cancel", "polkit action")
    refused(lambda t: t.replace('access="readwrite"', 'access="readwrite" ').replace(
        '<annotation name="org.virtbus1.PolkitAction" value="org.virtbus1.domain.define"/>\n    </property>', "</property>"),
        "Domain.Autostart", "polkit action", which="org.virtbus1.Domain.xml")


def actions_and_policy_must_agree():
    refused(lambda t: t.replace("org.virtbus1.job.cancel", "org.virtbus1.job.stop"), "does not define", "org.virtbus1.job.stop")
    status, text = generate(policy_change=lambda t: t.replace("org.virtbus1.job.cancel", "org.virtbus1.job.halt"))
    assert status != 0 and "job.cancel" in text, text


HANDLERS = """
#include "vtables.h"
typedef struct Job Job;
JOB_VTABLE(Job, bus);
static void bus_cancel(Call *call, Job *self) { (void) self; reply_job_cancel(call); }
static const char *bus_get_operation(const Job *self) { (void) self; return ""; }
static const char *bus_get_object(const Job *self) { (void) self; return "/"; }
static uint32_t bus_get_started_by(const Job *self) { (void) self; return 0; }
static bool bus_get_cancellable(const Job *self) { (void) self; return false; }
static uint64_t bus_get_bytes_done(const Job *self) { (void) self; return 0; }
static uint64_t bus_get_bytes_total(const Job *self) { (void) self; return 0; }
static double bus_get_progress(const Job *self) { (void) self; return 0; }
const Vtable *vtable(void);
const Vtable *vtable(void) { return &bus_vtable; }
"""


def compiles(code):
    generate()
    flags = subprocess.run(["pkg-config", "--cflags", "libsystemd", "glib-2.0"], capture_output=True, text=True, check=True).stdout.split()
    return subprocess.run(["cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", work.name, "-I", f"{SOURCE}/common", "-I",
                           f"{SOURCE}/drivers", *flags, "-x", "c", "-"], input=code, capture_output=True, text=True, check=False).returncode == 0


def a_missing_or_wrong_handler_does_not_compile():
    assert compiles(HANDLERS)
    assert not compiles(HANDLERS.replace("static double bus_get_progress(const Job *self) { (void) self; return 0; }", ""))
    assert not compiles(HANDLERS.replace("static void bus_cancel(Call *call, Job *self)", "static void bus_cancel(Call *call, Job *self, int x)"))
    assert not compiles(HANDLERS.replace("static uint64_t bus_get_bytes_done", "static uint32_t bus_get_bytes_done"))
    assert not compiles(HANDLERS.replace("reply_job_cancel(call);", 'reply_job_cancel(call, "more");'))


def what_annotations_say_must_be_there():
    connection, domain = {"which": "org.virtbus1.Connection.xml"}, {"which": "org.virtbus1.Domain.xml"}
    refused(lambda t: t.replace('"org.virtbus1.Domain.Name"', '"org.virtbus1.Domain.Nickname"'), "GetDomainByName", "Nickname", **connection)
    refused(lambda t: t.replace('"org.virtbus1.Domain.ID"', '"org.virtbus1.Domain.Name"'), "GetDomainByID", "not of the type", **connection)
    refused(lambda t: t.replace('"org.virtbus1.Domain.ID"', '"org.virtbus1.Domain"'), "GetDomainByID", "type ao", **connection)
    refused(lambda t: t.replace('Completion" value="Completed"', 'Completion" value="Cancel"'), "Job", "no signal of type bss")
    refused(lambda t: t.replace('DecisionSubject" value="domain"', 'DecisionSubject" value="A domain"'), "Domain", "noun", **domain)
    refused(lambda t: t.replace('    <annotation name="org.virtbus1.DecisionSubject" value="domain"/>\n', ""), "Domain", "subject", **domain)
    refused(lambda t: t.replace('    <property name="StartTime" type="t" access="read">',
                                '    <property name="StartTime" type="t" access="read">\n      <annotation name="org.virtbus1.Owner" value="true"/>'),
            "StartTime", "Owner", **domain)


    refused(lambda t: t.replace('DriverMay" value="right test"', 'DriverMay" value="Right, test"'), "Ask", "DriverMay",
            which="org.virtbus1.Test.Kinds.xml")
    refused(lambda t: t.replace('PolkitDetail" value="domain_name domain_uuid"', 'PolkitDetail" value="a b c d"'), "AddPort", "PolkitDetail",
            which="org.virtbus1.Network.xml")
    refused(lambda t: t.replace('HostDriver" value="left"', 'HostDriver" value="Left"'), "Lefts", "HostDriver", which="org.virtbus1.Test.Kinds.xml")


def the_service_names_no_kind_of_object():
    for path in glob.glob(f"{SOURCE}/service/*.c"):
        code = re.sub(r"/\*.*?\*/", "", open(path, encoding="utf-8").read(), flags=re.S)
        named = set(re.findall(r"\binterface_(\w+)\.|&interface_(\w+)", code))
        assert {a or b for a, b in named} <= {"manager", "connection", "managed_objects"}, f"{path}: {named}"


tests = [the_files_as_they_are_are_complete, a_member_without_documentation_is_refused, a_method_without_a_polkit_action_is_refused,
         actions_and_policy_must_agree, what_annotations_say_must_be_there, the_service_names_no_kind_of_object,
         a_missing_or_wrong_handler_does_not_compile]
print(f"1..{len(tests)}")
for number, test in enumerate(tests, 1):
    try:
        test()
        print(f"ok {number} - {test.__name__.replace('_', ' ')}", flush=True)
    except Exception as failure:  # any failure fails the test
        print(f"not ok {number} - {test.__name__.replace('_', ' ')}")
        print(f"# {failure!r}", flush=True)
