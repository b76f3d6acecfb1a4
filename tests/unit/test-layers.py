#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-layers.py SOURCES BUILD: HACKING.md's layers hold in what the linker sees: the object files of a build."""
import collections
import functools
import glob
import os
import re
import subprocess
import sys

SOURCES, BUILD = sys.argv[1:3]
# Each layer knows those before it. Drivers know no other driver.
LAYERS = ["common", "drivers/base", "drivers/domain", "drivers/link drivers/remote drivers/vmx", "drivers/esx drivers/lxc drivers/network drivers/qemu drivers/secret drivers/test drivers/vmware"]
QEMU_LAYERS = ["monitor", "host", "check", "complete", "command", "guest", ""]
# What is linked together, or may be; two of a client's parts may use a name each in its own way.
FOLDERS = ("common", "service", "drivers")
CLIENTS = [("client/lib",), ("client/libvirt",), ("client/virtbusctl",)]

# Arrows that break a rule and are still there: (from, to). This list only shrinks.
KNOWN = set()

# What is named after something else than its module. This list only shrinks, too.
NAMES = {
    "common/options": "path_check", "common/paths": "caller_decode caller_encode caller_is_behind_driver",
    "drivers/base/store": "file_is_aside file_remove file_replace",
    "drivers/domain/device-alias": "disk_index", "drivers/domain/operation": "domain_hold domain_operate",
    "drivers/domain/operations/device-change": "attach_class detach_class resize_class update_class",
    "drivers/domain/operations/power": "reboot_class reset_class resume_class shutdown_class suspend_class",
}


def object_files(folders):
    """Their modules: "drivers/base/json", by the object file's path."""
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(BUILD, folder, "*.p", "*.c.o"))):
            name = os.path.basename(path)[: -len(".c.o")]
            if "generated" not in name and not name.startswith("check-index-data"):
                yield folder + "/" + name.replace("_", "/"), path


@functools.cache
def read_symbols(folders=FOLDERS):
    """The module that defines each name, and the names that each module needs."""
    defined, needed = {}, collections.defaultdict(set)
    modules = {path: module for module, path in object_files(folders)}
    for line in subprocess.run(["nm", "--print-file-name", "--extern-only", *modules], capture_output=True, text=True, check=True).stdout.splitlines():
        path, _, symbol = line.partition(":")
        *_, kind, name = symbol.split()
        if name.startswith("__") or "." in name:  # the compiler's
            continue
        if kind == "U":
            needed[modules[path]].add(name)
        elif kind in "TDBRVC":
            defined[name] = modules[path]
    return defined, needed


def read_arrows(defined, needed):
    """(from, to): the names by which one module needs another."""
    arrows = collections.defaultdict(set)
    for module, names in needed.items():
        for name in names:
            if name in defined and defined[name] != module:
                arrows[module, defined[name]].add(name)
    return arrows


def rank(module, layers):
    """The place of a module among layers, and which of those that share a place; None: it is in none."""
    for place, folders in enumerate(layers):
        for folder in folders.split():
            if module.startswith(folder + "/"):
                return place, folder
    return None


def rises(source, target):
    """Why an arrow goes up, or to a neighbour; or None."""
    a, b = rank(source, LAYERS), rank(target, LAYERS)
    if a and b and (b[0] > a[0] or b[0] == a[0] and a[1] != b[1]):
        return f"{a[1]} does not know {b[1]}"
    if source.startswith("drivers/qemu/") and target.startswith("drivers/qemu/"):
        a, b = source.split("/")[2:-1], target.split("/")[2:-1]
        if QEMU_LAYERS.index("/".join(b)) > QEMU_LAYERS.index("/".join(a)):
            return f"qemu/{'/'.join(a)} does not know qemu/{'/'.join(b)}"
    return None


def circles(arrows):
    """Sets of modules each of which needs all others, by Tarjan."""
    after = collections.defaultdict(list)
    for source, target in sorted(arrows):
        after[source].append(target)
    number, low, stack, found = {}, {}, [], []

    def visit(module):
        number[module] = low[module] = len(number)
        stack.append(module)
        for target in after[module]:
            if target not in number:
                visit(target)
            if target in stack:
                low[module] = min(low[module], low[target])
        if low[module] == number[module]:
            group = stack[stack.index(module):]
            del stack[stack.index(module):]
            if len(group) > 1:
                found.append(set(group))
    sys.setrecursionlimit(10000)
    for module in sorted(after):
        if module not in number:
            visit(module)
    return found


def broken(arrows):
    """What breaks a rule, as lines."""
    lines = [f"{a} -> {b} ({', '.join(sorted(arrows[a, b]))}): {rises(a, b)}" for a, b in sorted(arrows) if rises(a, b)]
    for group in circles(arrows):
        lines.append(f"a circle of {', '.join(sorted(group))}; each of these arrows is part of it:")
        lines += [f"    {a} -> {b} ({', '.join(sorted(arrows[a, b]))})" for a, b in sorted(arrows) if a in group and b in group]
    return lines


def layers_know_only_those_below_and_no_modules_each_other():
    arrows = read_arrows(*read_symbols())
    assert arrows, f"nothing is known of the objects in {BUILD}"
    lines = broken({arrow: names for arrow, names in arrows.items() if arrow not in KNOWN})
    assert not lines, "\n".join(lines)


def no_modules_of_a_client_know_each_other():
    for folders in CLIENTS:
        arrows = read_arrows(*read_symbols(folders))
        if not arrows and folders == ("client/libvirt",):
            continue  # it is not always built
        assert arrows, f"nothing is known of the objects of {folders} in {BUILD}"
        lines = broken(arrows)
        assert not lines, "\n".join(lines)


def what_breaks_a_rule_is_named():
    up, one, other = ("drivers/base/job", "drivers/domain/domain"), ("drivers/domain/a", "drivers/domain/b"), ("drivers/domain/b", "drivers/domain/a")
    found = broken({up: {"domain_ref"}, one: {"b_go"}, other: {"a_go"}, ("drivers/qemu/x", "drivers/domain/a"): {"a_go"}})
    assert found == [f"{up[0]} -> {up[1]} (domain_ref): drivers/base does not know drivers/domain",
                     f"a circle of {one[0]}, {one[1]}; each of these arrows is part of it:",
                     f"    {one[0]} -> {one[1]} (b_go)", f"    {other[0]} -> {other[1]} (a_go)"], found
    assert rises("drivers/qemu/host/claims", "drivers/qemu/guest/guest") and rises("drivers/test/test", "drivers/qemu/qemu")


def known_arrows_are_still_there():
    arrows = read_arrows(*read_symbols())
    for arrow in KNOWN:
        rest = {other: names for other, names in arrows.items() if other not in KNOWN or other == arrow}
        assert broken(rest), f"{arrow[0]} -> {arrow[1]} breaks no rule any more: take it out of KNOWN"


def includes_are_of_layers_below():
    lines = []
    for folder, _, names in os.walk(os.path.join(SOURCES, "drivers")):
        for name in names:
            module = os.path.relpath(os.path.join(folder, name), SOURCES)
            if not name.endswith((".c", ".h")):
                continue
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                for header in re.findall(r'^#include "(.*)"', file.read(), re.M):
                    target = "drivers/" + header
                    if "/" in header and rises(module, target) and (module.rsplit(".", 1)[0], target[:-2]) not in KNOWN:
                        lines.append(f"{module} includes {header}: {rises(module, target)}")
    assert not lines, "\n".join(lines)


@functools.cache
def types_of(module):
    """The types that a module makes, as its functions would name them: "MonitorRequest" is "monitor_request"."""
    names = set()
    for ending in ".h", ".c":
        path = os.path.join(SOURCES, module + ending)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                names.update(re.findall(r"typedef (?:struct|enum) (\w+)", file.read()))
    return {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in names}


def has_its_modules_name(name, module):
    """A module "domain-status" may define domain_..., domain_status_... and what is named after a type that it makes; "errors" error_...;
    what programs see has "virtbus_" before it."""
    words = os.path.basename(module).split("-")
    prefixes = {words[0], words[0].removesuffix("s"), "_".join(words)} | types_of(module)
    name = name.removeprefix("virtbus_")
    return any(re.match(rf"{prefix}e?s?(_|$)", name) for prefix in prefixes)


def names_are_their_modules():
    defined, _ = read_symbols()
    strangers = {(module, name) for name, module in defined.items()
                 if not module.startswith("service/") and name != "main" and not has_its_modules_name(name, module)}
    known = {(module, name) for module, names in NAMES.items() for name in names.split()}
    new = [f"{module}: {name} is not named after it" for module, name in sorted(strangers - known)]
    assert not new, "\n".join(new)
    built = set(defined.values())
    old = [f"{module}: take {name} out of NAMES" for module, name in sorted(known - strangers) if module in built]
    assert not old, "\n".join(old)


tests = [layers_know_only_those_below_and_no_modules_each_other, no_modules_of_a_client_know_each_other, what_breaks_a_rule_is_named, known_arrows_are_still_there,
         includes_are_of_layers_below, names_are_their_modules]
print(f"1..{len(tests)}")
for number, test in enumerate(tests, 1):
    try:
        test()
        print(f"ok {number} - {test.__name__}", flush=True)
    except AssertionError as failure:
        print(f"not ok {number} - {test.__name__}")
        print("\n".join("# " + line for line in str(failure).splitlines()), flush=True)
