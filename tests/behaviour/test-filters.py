#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network filters: those that come with virtbus, defined, found, changed and kept through the death of their driver; and who may not.

Usage (below tests/with-bus): test-filters.py
"""

import os

from gi.repository import GLib
from rig import NAME, ROOT, Bus, Skip, User, contains, denied, expect, polkit_rules, run

PATH = "/org/virtbus1/host"
STATE = f"{ROOT}/network/state/network/filters"
SHIPPED = 24
bus = Bus()
IS_ROOT = os.geteuid() == 0


def document(name, rules="", uuid=""):
    return f"<filter name='{name}'>{uuid and f'<uuid>{uuid}</uuid>'}{rules}</filter>"


def include(*names):
    return "".join(f"<filterref filter='{name}'/>" for name in names)


def define(xml, **options):
    return bus.call(PATH, f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}", xml, options)


def find(name):
    return bus.call(PATH, f"{NAME}.NetworkFilters", "GetFilterByName", "s", name)


def call(network_filter, member, **options):
    return bus.call(network_filter, f"{NAME}.NetworkFilter", member, "a{sv}", options)


def get(network_filter, name):
    return bus.get(network_filter, "NetworkFilter", name)


def filters():
    return {path: interfaces[f"{NAME}.NetworkFilter"] for path, interfaces in bus.objects(PATH).items()
            if f"{NAME}.NetworkFilter" in interfaces}


def kill_driver():
    bus.kill_driver("Network")
    find("clean-traffic")  # which starts it


def those_that_libvirt_ships_are_there():
    there = {properties["Name"]: properties for properties in filters().values()}
    assert len(there) == SHIPPED and all(properties["Shipped"] and properties["Owner"] == 0 for properties in there.values()), there
    assert there["clean-traffic"]["References"] == ["no-mac-spoofing", "no-ip-spoofing", "allow-incoming-ipv4", "no-arp-spoofing",
                                                    "no-other-l2-traffic", "qemu-announce-self"]
    assert {name for properties in there.values() for name in properties["References"]} <= set(there)
    assert (there["no-ip-spoofing"]["Chain"], there["no-ip-spoofing"]["Priority"]) == ("ipv4-ip", -710)
    contains(call(find("no-mac-spoofing"), "GetXML"), 'srcmacaddr="$MAC"')
    contains(expect("OperationInvalid", call, find("clean-traffic"), "Undefine"), "'clean-traffic'", "define it anew")


def one_that_is_defined_anew_is_as_it_came_when_it_is_undefined():
    shipped = find("allow-arp")
    before, uuid = call(shipped, "GetXML"), get(shipped, "UUID")
    contains(expect("AlreadyExists", define, document("allow-arp")), "'allow-arp'", uuid)
    assert define(document("allow-arp", "<rule action='drop' direction='in'/>", uuid)) == shipped
    bus.wait_signal(shipped, "PropertiesChanged", lambda a: a[1].get("Shipped") is False)
    kill_driver()
    assert get(shipped, "Shipped") is False
    contains(call(shipped, "GetXML"), 'action="drop"')
    call(shipped, "Undefine")
    assert get(shipped, "Shipped") is True and call(shipped, "GetXML") == before and not os.listdir(STATE)
    kill_driver()
    assert call(shipped, "GetXML") == before and len(filters()) == SHIPPED


def a_filter_is_defined_found_changed_and_kept():
    mine = define(document("mine", "<rule action='drop' direction='out'><tcp dstportstart='25'/></rule>" + include("not-yet")))
    uuid = get(mine, "UUID")
    assert mine == f"{PATH}/filter/{uuid.replace('-', '_')}" and find("mine") == mine
    assert bus.call(PATH, f"{NAME}.NetworkFilters", "GetFilterByUUID", "s", uuid.upper()) == mine
    assert filters()[mine] == {"Name": "mine", "UUID": uuid, "Chain": "root", "Priority": 0, "References": ["not-yet"], "Shipped": False,
                               "Owner": os.geteuid()}
    assert define(document("mine", include("allow-arp"), uuid)) == mine
    bus.wait_signal(mine, "PropertiesChanged", lambda a: a[1].get("References") == ["allow-arp"])
    contains(expect("AlreadyExists", define, document("mine")), uuid)
    contains(expect("AlreadyExists", define, document("other", uuid=uuid)), "'mine'")
    kill_driver()
    assert get(mine, "References") == ["allow-arp"]
    call(mine, "Undefine")
    expect("NoSuchFilter", find, "mine")
    expect("UnknownObject", call, mine, "GetXML")
    assert len(filters()) == SHIPPED


def what_is_wrong_is_refused_by_name_and_no_filter_includes_itself():
    contains(expect("InvalidXML", define, document("n", "<rule action='drop' direction='out'><tcp srcportstart='x'/></rule>")), "line 1", "<tcp>")
    contains(expect("InvalidXML", define, document("n", include("n"))), "'n'", "itself")
    first, second = define(document("first", include("second"))), define(document("second", include("third")))
    contains(expect("InvalidXML", define, document("third", include("allow-arp", "first"))), "'third'", "'first'")
    third = define(document("third", include("allow-arp")))
    expect("InvalidXML", define, document("third", include("first"), get(third, "UUID")))
    option = GLib.Variant("b", True)
    expect("InvalidArgument", define, document("n"), x=option)
    for member in ("GetXML", "Undefine"):
        expect("InvalidArgument", call, first, member, x=option)
    expect("InvalidArgument", bus.call, PATH, f"{NAME}.NetworkFilters", "GetFilterByUUID", "s", "no uuid")
    expect("LimitExceeded", define, document("n", "<rule action='drop' direction='out'/>" * 4097))
    for made in (first, second, third):
        call(made, "Undefine")


def damaged_files_and_those_of_a_later_version_cost_themselves_alone():
    good, damaged, newer = (define(document(name)) for name in ("good", "damaged", "newer"))
    files = {path: f"{STATE}/{get(path, 'UUID')}.xml" for path in (good, damaged, newer)}
    with open(files[damaged], "w", encoding="utf-8") as file:
        file.write("<filter")
    with open(files[newer], encoding="utf-8") as file:
        text = file.read()
    with open(files[newer], "w", encoding="utf-8") as file:
        file.write(text.replace('format="1"', 'format="9"').replace("format='1'", "format='9'"))
    assert text != open(files[newer], encoding="utf-8").read(), text
    kill_driver()
    assert good in filters() and damaged not in filters() and newer not in filters() and len(filters()) == SHIPPED + 1
    expect("Unsupported", define, document("newer", uuid=os.path.basename(files[newer])[:36]))
    for path in (damaged, newer):
        os.unlink(files[path])
    call(good, "Undefine")
    kill_driver()


def who_may_not_is_refused_and_owners_may():
    if not IS_ROOT:
        raise Skip("a session bus has one user")
    alice, none, interface = User("vb-alice"), "@a{sv} {}", f"{NAME}.NetworkFilter"
    roots = find("clean-traffic")
    polkit_rules(bus, "polkit.addRule(function(a, s) { return polkit.Result.NO; });")
    for member in ("GetXML", "Undefine"):
        assert denied(alice.call, roots, interface, member, "a{sv}", none), member
    assert denied(alice.call, PATH, f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}", repr(document("alices")), none)
    assert denied(alice.call, PATH, f"{NAME}.NetworkFilters", "GetFilterByName", "s", "'clean-traffic'")
    assert "clean-traffic" not in repr(alice.call(PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))
    polkit_rules(bus, """polkit.addRule(function(a, s) {
        if (a.lookup("caller_is_owner") === "true") return polkit.Result.YES;
        if (a.id === "org.virtbus1.filter.define" && s.user === "vb-alice" && !a.lookup("filter_uuid")) return polkit.Result.YES;
        if (a.id === "org.virtbus1.read" && a.lookup("filter_name") === "allow-arp") return polkit.Result.YES;
        return polkit.Result.NO; });""")
    alice.call(PATH, f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}", repr(document("alices")), none)
    hers = find("alices")
    contains(alice.call(hers, interface, "GetXML", "a{sv}", none), "alices")
    contains(alice.call(find("allow-arp"), interface, "GetXML", "a{sv}", none), "allow-arp")
    assert denied(alice.call, find("allow-arp"), interface, "Undefine", "a{sv}", none)
    alice.call(hers, interface, "Undefine", "a{sv}", none)
    alice.leave()


run([those_that_libvirt_ships_are_there, one_that_is_defined_anew_is_as_it_came_when_it_is_undefined,
    a_filter_is_defined_found_changed_and_kept, what_is_wrong_is_refused_by_name_and_no_filter_includes_itself,
    damaged_files_and_those_of_a_later_version_cost_themselves_alone, who_may_not_is_refused_and_owners_may])
