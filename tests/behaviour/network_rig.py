# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of networks that run have in common: networks as documents and as objects, and what the host has of them."""

import json
import os

from gi.repository import GLib
from processes import all_processes
from rig import NAME, ROOT, Bus, expect
from spaces import shell

PATH = "/org/virtbus1/host"
STATE = f"{ROOT}/network/state/network"
RUNTIME = f"{ROOT}/network/run/network"
bus = Bus()


def document(name, mode="", more="", bridge="", nat=""):
    forward = mode and f"<forward mode='{mode}'>{nat}</forward>"
    return f"<network><name>{name}</name>{forward}<bridge name='{bridge or 'b-' + name}' stp='off'/>{more}</network>"


def blocks(number, dhcp=""):
    """Two blocks of addresses, and the card that guests remember the bridge by."""
    return f"<mac address='52:54:00:77:00:0{number}'/><ip address='10.77.{number}.1' prefix='24'>{dhcp}</ip><ip family='ipv6' address='fd00:77:{number}::1' prefix='64'/>"


def define(xml):
    return bus.call(PATH, f"{NAME}.Networks", "DefineNetwork", "sa{sv}", xml, {})


def create(xml):
    return bus.call(PATH, f"{NAME}.Networks", "CreateNetwork", "sa{sv}", xml, {})


def call(network, *members):
    for member in members:
        bus.call(network, f"{NAME}.Network", member, "a{sv}", {})


def get(network, name):
    return bus.get(network, "Network", name)


def xml_of(network, **options):
    return bus.call(network, f"{NAME}.Network", "GetXML", "a{sv}", {key: GLib.Variant("b", value) for key, value in options.items()})


def networks():
    return {path: interfaces[f"{NAME}.Network"] for path, interfaces in bus.objects(PATH).items() if f"{NAME}.Network" in interfaces}


def kill_driver(pid=None, **options):
    bus.kill_driver("Network", pid, **options)
    expect("NoSuchNetwork", bus.call, PATH, f"{NAME}.Networks", "GetNetworkByName", "s", "nobody's")


def leads(pid):
    """Its child, which tells of leases, does not."""
    try:
        return os.getpgid(pid) == pid
    except OSError:
        return False


def servers():
    """The dnsmasq that run, by the UUID of their network."""
    return {next(word for word in words if word.startswith("--conf-file=")).split("/")[-2]: pid for pid, words in all_processes().items()
            if words[0].endswith("/dnsmasq") and leads(pid)}


def links():
    return {link["ifname"]: link for link in json.loads(shell("ip -j -d addr show"))}


def bridges():
    return {name: link for name, link in links().items() if link.get("linkinfo", {}).get("info_kind") == "bridge"}


def ruled():
    """The interfaces that lead to rules, by the map that they are in."""
    answer = json.loads(shell("nft -j list ruleset"))["nftables"]
    return {row["map"]["name"]: [element[0] for element in row["map"].get("elem", [])] for row in answer if "map" in row}


def chains():
    answer = json.loads(shell("nft -j list ruleset"))["nftables"]
    return [row["chain"]["name"] for row in answer if "chain" in row and row["chain"]["name"].startswith("net_")]


def left():
    """What the host has of networks."""
    files = [name for folder in ("networks", "dnsmasq") if os.path.exists(f"{RUNTIME}/{folder}") for name in os.listdir(f"{RUNTIME}/{folder}")]
    return [*bridges(), *servers(), *(name for names in ruled().values() for name in names), *chains(), *files]


def undefine(*made):
    for network in made:
        if get(network, "Active"):
            call(network, "Stop")
        call(network, "Undefine")
