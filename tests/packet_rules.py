# SPDX-License-Identifier: LGPL-2.1-or-later
"""What rules do to packets: those of iptables and ebtables, as arguments, and those of nftables, as the text of a transaction.

Two sets of rules are equal where every packet meets the same fate by both. The packets that are tried come from the rules: for each
rule one that meets it, and from that all that differ in one thing, by every value that a rule of either side knows, and by its
neighbours. A fate is a verdict, or "none" where no rule is about a packet: that rules pass what others only do not mind is a
difference. What neither side can look at is not tried; a word that is not known here is an error."""

import collections
import ipaddress
import itertools
import re
import shlex

# What a packet has: fields that are numbers, interfaces that are names. None: its header has no such field.
ETHER = {"ip": 0x800, "arp": 0x806, "rarp": 0x8035, "8021q": 0x8100, "ip6": 0x86DD}
PROTOCOLS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58, "sctp": 132, "udplite": 136}
FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
STATES = ("new", "established", "related", "invalid")
LIMIT = "too many"


class Test:
    """That a field is one of some ranges, where its bits of MASK count; or that it is not, and is there."""

    def __init__(self, field, ranges, negated=False, mask=None):
        self.field, self.ranges, self.negated, self.mask = field, ranges, negated, mask

    def holds(self, packet):
        value = packet.get(self.field)
        if value is None:
            return False
        if self.mask is not None:
            value &= self.mask
        return any(first <= value <= last for first, last in self.ranges) != self.negated

    def values(self):
        """Those at which what it says changes."""
        for first, last in self.ranges:
            yield from (first, last)
            if isinstance(first, int):
                low = (~self.mask & -~self.mask) if self.mask is not None else 1
                yield from (first - 1, last + 1, first | low)
                if self.mask is not None:
                    yield last ^ (self.mask & -self.mask)
                    yield from ((last | (~self.mask & ((1 << self.mask.bit_length()) - 1))) + delta for delta in (0, 1))

    def example(self):
        return self.ranges[0][0] if not self.negated else (self.ranges[0][1] + 1 if isinstance(self.ranges[0][1], int) else "another")


class SameBytes:
    """That fields of a packet are equal."""

    def __init__(self, one, other):
        self.field, self.other = one, other

    def holds(self, packet):
        return packet.get(self.field) is not None and packet[self.field] == packet.get(self.other)

    def values(self):
        return ()

    def example(self):
        return 7


Rule = collections.namedtuple("Rule", "tests verdict")  # the verdict: a word, or ("jump", chain), ("goto", chain)


def number(text):
    return int(text, 0)


def mac(text):
    return int("".join(part.zfill(2) for part in text.split(":")), 16)


def block(text):
    """An address with a prefix, a netmask, or the end of a range."""
    if "-" in text and ":" not in text.rpartition("-")[2][:0]:
        first, _, last = text.partition("-")
        return [(int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last)))]
    network = ipaddress.ip_network(text, strict=False)
    return [(int(network.network_address), int(network.broadcast_address))]


def of_protocol(name):
    return Test("l4", [(PROTOCOLS[name],) * 2] if name in PROTOCOLS else [(number(name),) * 2])


# iptables and ebtables

TARGETS = {"ACCEPT": "accept", "RETURN": "accept", "DROP": "drop", "REJECT": "reject"}


def ranges(text, separator=":"):
    first, _, last = text.partition(separator)
    return [(number(first), number(last or first))]


def read_iptables(words, is_6):
    """The tests and the target of one rule; what a target is told is a part of it."""
    tests = [Test("type", [(ETHER["ip6" if is_6 else "ip"],) * 2])]
    icmp = "icmp6" if is_6 else "icmp"
    words, negated, target = collections.deque(words), False, None
    while words:
        word = words.popleft()
        if word == "!":
            negated = True
            continue
        if word in ("-w",):
            continue
        value = words.popleft() if word != "--checksum-fill" else ""
        if word in ("-p", "--protocol"):
            tests += [] if value == "all" else [of_protocol(value)]
        elif word in ("--source", "-s", "--destination", "-d"):
            tests.append(Test("source" if "s" in word[1:3] and "d" not in word[1:3] else "destination", block(value), negated))
        elif word in ("--src-range", "--dst-range"):
            tests.append(Test("source" if word == "--src-range" else "destination", block(value), negated))
        elif word == "--mac-source":
            tests.append(Test("ether source", [(mac(value),) * 2], negated))
        elif word == "--dscp":
            tests.append(Test("dscp", ranges(value), negated))
        elif word in ("--sport", "--source-port", "--dport", "--destination-port"):
            tests.append(Test("sport" if word in ("--sport", "--source-port") else "dport", ranges(value), negated))
        elif word in ("--icmp-type", "--icmpv6-type"):
            kind, _, code = value.partition("/")
            tests.append(Test(icmp + " type", ranges(kind), negated))
            tests += [Test(icmp + " code", ranges(code), negated)] if code else []
        elif word == "--tcp-flags":
            mask, wanted = (sum({FLAGS[name] for name in text.split(",")}) for text in (value, words.popleft()))
            tests.append(Test("flags", [(wanted, wanted)], negated, mask))
        elif word in ("--ctstate", "--state"):
            tests.append(Test("state", [(state.lower(),) * 2 for state in value.split(",")], negated))
        elif word == "--ctdir":
            tests.append(Test("direction", [(value.lower(),) * 2], negated))
        elif word == "--connlimit-above":
            tests.append(Test("count", [(number(value) + 1, 1 << 32)], negated))
        elif word in ("--in-interface", "-i", "--out-interface", "-o"):
            tests.append(Test("in" if "i" in word[1:4] and "out" not in word and word != "-o" else "out", [(value,) * 2], negated))
        elif word in ("-j", "--jump"):
            target = value
        elif word in ("--to-ports", "--to-source"):
            target = f"{target} to {':' if word == '--to-ports' else ''}{value}"
        elif word not in ("-m", "--match", "-A", "--insert", "--append", "-t", "--table", "--comment", "--checksum-fill"):
            raise ValueError(f"iptables: {word}")
        negated = False
    return Rule(tests, target)


def read_ebtables(words):
    tests, words, negated, target = [], collections.deque(words), False, None
    fields = {"--arp-htype": "arp hardware", "--arp-opcode": "arp opcode", "--arp-ptype": "arp protocol", "--vlan-id": "vlan id",
              "--vlan-encap": "vlan type", "--ip-tos": "tos", "--ip-source-port": "sport", "--ip-destination-port": "dport",
              "--ip6-source-port": "sport", "--ip6-destination-port": "dport", "--stp-type": "stp type", "--stp-flags": "stp flags",
              "--stp-root-prio": "stp root priority", "--stp-root-cost": "stp root cost", "--stp-sender-prio": "stp sender priority",
              "--stp-port": "stp port", "--stp-msg-age": "stp age", "--stp-max-age": "stp max age", "--stp-hello-time": "stp hello",
              "--stp-forward-delay": "stp delay"}
    cards = {"-s": "ether source", "-d": "ether destination", "--arp-mac-src": "arp source mac", "--arp-mac-dst": "arp destination mac",
             "--stp-root-addr": "stp root address", "--stp-sender-addr": "stp sender address"}
    while words:
        word = words.popleft()
        if word == "!":
            negated = True
            continue
        if word == "--concurrent":
            continue
        if word == "--arp-gratuitous":
            tests.append(SameBytes("arp source", "arp destination"))
            continue
        value = words.popleft()
        if value == "!":
            negated, value = True, words.popleft()
        if word in cards:
            address, _, mask = value.partition("/")
            bits = mac(mask) if mask else None
            tests.append(Test(cards[word], [(mac(address) & (bits if mask else -1),) * 2], negated, bits))
        elif word == "-p":
            tests.append(Test("type", ranges(value), negated))
        elif word == "--ip-protocol" or word == "--ip6-protocol":
            tests.append(Test("l4", ranges(value), negated) if value not in PROTOCOLS else of_protocol(value))
        elif word in ("--ip-source", "--ip6-source", "--ip-destination", "--ip6-destination"):
            tests.append(Test(word.rpartition("-")[2], block(value), negated))
        elif word in ("--arp-ip-src", "--arp-ip-dst"):
            tests.append(Test("arp source" if word == "--arp-ip-src" else "arp destination", block(value), negated))
        elif word == "--ip-tos":
            tests.append(Test("dscp", [(number(value) >> 2,) * 2], negated))
        elif word in ("--ip6-icmp-type",):
            kind, _, code = value.partition("/")
            tests += [Test("icmp6 type", ranges(kind)), *([Test("icmp6 code", ranges(code))] if code else [])]
        elif word in fields:
            tests.append(Test(fields[word], ranges(value), negated))
        elif word == "-j":
            target = value
        elif word not in ("-A", "-t"):
            raise ValueError(f"ebtables: {word}")
        negated = False
    return Rule(tests, target)


def read_commands(text):
    """Chains of (table, chain): rules, in the order in which they are asked; those of IPv4 and IPv6 are of one chain."""
    chains = collections.defaultdict(list)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        words = shlex.split(line)
        if not words:
            continue
        program, words = words[0], words[1:]
        table = next((words[i + 1] for i, word in enumerate(words) if word in ("-t", "--table")), "filter")
        at = next(i for i, word in enumerate(words) if word in ("-A", "--append", "--insert", "-I"))
        rule = read_ebtables(words) if program == "ebtables" else read_iptables(words, program == "ip6tables")
        place = (("eb " if program == "ebtables" else "") + table, words[at + 1])
        chains[place].insert(0 if words[at] in ("--insert", "-I") else len(chains[place]), rule)
    return chains


# nftables

PLACES = {"@nh,0,16": "arp hardware", "@nh,16,16": "arp protocol", "@nh,48,16": "arp opcode", "@nh,64,48": "arp source mac",
          "@nh,112,32": "arp source", "@nh,144,48": "arp destination mac", "@nh,192,32": "arp destination",
          "@ll,160,8": "stp type", "@ll,168,8": "stp flags", "@ll,176,16": "stp root priority", "@ll,192,48": "stp root address",
          "@ll,240,32": "stp root cost", "@ll,272,16": "stp sender priority", "@ll,288,48": "stp sender address",
          "@ll,336,16": "stp port", "@ll,352,16": "stp age", "@ll,368,16": "stp max age", "@ll,384,16": "stp hello",
          "@ll,400,16": "stp delay"}
EXPRESSIONS = {"ether type": "type", "ether saddr": "ether source", "ether daddr": "ether destination", "meta l4proto": "l4",
               "ip saddr": "source", "ip daddr": "destination", "ip6 saddr": "source", "ip6 daddr": "destination", "ip dscp": "dscp",
               "ip6 dscp": "dscp", "th sport": "sport", "th dport": "dport", "tcp flags": "flags", "icmp type": "icmp type",
               "icmp code": "icmp code", "icmpv6 type": "icmp6 type", "icmpv6 code": "icmp6 code", "ct state": "state",
               "ct direction": "direction", "ct count": "count", "iifname": "in", "oifname": "out", "vlan id": "vlan id",
               "vlan type": "vlan type", **PLACES}
SAME_BYTES = re.compile(r"(@nh,(?:112|120|128|136),8 \. @nh,(?:192|200|208|216),8 @same_bytes ?)+")


def read_value(field, text):
    text = text.strip('"')
    if field in ("source", "destination"):
        return block(text)
    if field in ("state", "direction", "in", "out"):
        return [(word,) * 2 for word in text.split(",")]
    if field in ("type", "l4") and text in {**ETHER, **PROTOCOLS}:
        return [({**ETHER, **PROTOCOLS}[text],) * 2]
    if re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", text):
        return [(mac(text),) * 2]
    return ranges(text, "-")


def read_nft_rule(text):
    text, n = SAME_BYTES.subn("", text)
    words, tests = collections.deque(text.split()), [SameBytes("arp source", "arp destination")] if n else []
    verdict = None
    while words:
        name = words.popleft()
        if name in ("accept", "drop", "return"):
            verdict = name
        elif name == "reject":
            verdict, words = name, collections.deque()
        elif name in ("jump", "goto"):
            verdict = (name, words.popleft())
        elif name in ("masquerade", "snat"):
            verdict, words = " ".join([name, *words]), collections.deque()
        else:
            name = name if name in EXPRESSIONS else f"{name} {words.popleft()}"
            field = EXPRESSIONS[name]
            if name.startswith(("ip ", "ip6 ")):  # which nft looks for by itself
                tests.append(Test("type", [(ETHER[name.split()[0]],) * 2]))
            mask, negated, value = None, False, words.popleft()
            if value == "&":
                mask = mac(words[0]) if ":" in words[0] else number(words[0])
                words.popleft()
                value = words.popleft()
            while value in ("==", "!=", "over"):
                negated = negated or value == "!="
                is_over = value == "over"
                value = words.popleft()
                if is_over:
                    value = f"{number(value) + 1}-{1 << 32}"
            if value == "{":
                values = []
                while (value := words.popleft()) != "}":
                    values += read_value(field, value.rstrip(","))
            else:
                values = read_value(field, value)
            tests.append(Test(field, values, negated, mask))
    return Rule(tests, verdict)


def read_nft(text):
    """Chains by their names: rules, in order; and maps by theirs: what becomes of an interface. A rule that asks a map is ("vmap",
    field, map)."""
    chains, maps = collections.defaultdict(list), collections.defaultdict(dict)
    for line in text.splitlines():
        rule = re.match(r"add rule \S+ \S+ (\S+) ?(.*)$", line)
        element = re.match(r'add element \S+ \S+ (\S+) \{ "(.*)" : (\S+) (\S+) \}', line)
        asks = rule and re.fullmatch(r"([io]ifname) vmap @(\S+)", rule[2])
        if asks:
            chains[rule[1]].append(("vmap", EXPRESSIONS[asks[1]], asks[2]))
        elif rule:
            chains[rule[1]].append(read_nft_rule(rule[2]))
        elif element:
            maps[element[1]][element[2]] = (element[3], element[4])
    return chains, maps


def run_nft(chains, maps, chain, packet):
    """The verdict of the first rule that has one, and that rule; (None, None) where a chain of the hook ends."""
    for rule in chains[chain]:
        if rule[0] == "vmap":
            verdict = maps[rule[2]].get(packet.get(rule[1]))
        else:
            verdict = rule.verdict if all(test.holds(packet) for test in rule.tests) else None
        if verdict is None:
            continue
        if verdict == "return":
            return None, None
        if not isinstance(verdict, tuple):
            return verdict, rule
        found = run_nft(chains, maps, verdict[1], packet)
        if found[0] or verdict[0] == "goto":
            return found
    return None, None


def run_commands(rules, packet):
    return next((rule.verdict for rule in rules if rule.verdict and all(test.holds(packet) for test in rule.tests)), None)


# Packets

COMMON = {"type": 0x0800, "ether source": 0x525400000001, "ether destination": 0x525400000002, "vlan id": None}
LAYERS = {
    0x800: {"source": 0x0A000001, "destination": 0x0A000002, "dscp": 0, "l4": 6, "state": "new", "direction": "original", "count": 1},
    0x86DD: {"source": 1 << 96, "destination": 2 << 96, "dscp": 0, "l4": 6, "state": "new", "direction": "original", "count": 1},
    0x806: {"arp hardware": 1, "arp protocol": 0x800, "arp opcode": 1, "arp source mac": 1, "arp destination mac": 0, "arp source": 1,
            "arp destination": 2},
    0x8035: {"arp hardware": 1, "arp protocol": 0x800, "arp opcode": 1, "arp source mac": 1, "arp destination mac": 0, "arp source": 1,
             "arp destination": 2},
    0x8100: {"vlan id": 1, "vlan type": 0x800},
}
PORTS = {"sport": 4000, "dport": 4001}
ABOVE = {6: {**PORTS, "flags": 2}, 17: PORTS, 132: PORTS, 136: PORTS, 1: {"icmp type": 8, "icmp code": 0},
         58: {"icmp6 type": 128, "icmp6 code": 0}}
STP = {"stp type": 0, "stp flags": 0, "stp root priority": 1, "stp root address": 1, "stp root cost": 1, "stp sender priority": 1,
       "stp sender address": 1, "stp port": 1, "stp age": 1, "stp max age": 1, "stp hello": 1, "stp delay": 1}
# The largest value of a field.
WIDTHS = {"type": 16, "ether source": 48, "ether destination": 48, "dscp": 6, "l4": 8, "sport": 16, "dport": 16, "flags": 6, "icmp type": 8,
          "icmp code": 8, "icmp6 type": 8, "icmp6 code": 8, "vlan id": 12, "vlan type": 16, "count": 32, "arp hardware": 16, "arp protocol": 16,
          "arp opcode": 16, "arp source mac": 48, "arp destination mac": 48, "arp source": 32, "arp destination": 32, "stp type": 8,
          "stp flags": 8, "stp root priority": 16, "stp root address": 48, "stp root cost": 32, "stp sender priority": 16,
          "stp sender address": 48, "stp port": 16, "stp age": 16, "stp max age": 16, "stp hello": 16, "stp delay": 16}


def make(settings):
    """A packet with the headers that these settings need, and no others."""
    packet = {**COMMON, "type": settings.get("type", 0x800)}
    packet.update(LAYERS.get(packet["type"], {}))
    if packet["type"] in (0x800, 0x86DD):
        packet["l4"] = settings.get("l4", packet["l4"])
        packet.update(ABOVE.get(packet["l4"], {}))
    if settings.get("ether destination") == 0x0180C2000000:
        packet.update(STP)
    packet.update({field: value for field, value in settings.items() if packet.get(field) is not None or field in ("in", "out")})
    if settings.get("same"):
        packet["arp destination"] = packet.get("arp source")
    return packet


def is_possible(field, value, packet):
    if not isinstance(value, int):
        return True
    width = WIDTHS.get(field, 32 if packet["type"] == 0x800 else 128)
    return 0 <= value < 1 << width


def packets(rules, more=()):
    """Those that the rules are about. MORE: settings of which each packet is tried with every one."""
    known = collections.defaultdict(set, {"state": set(STATES), "direction": {"original", "reply"}, "count": {1, 2, 3, 4},
                                          "flags": set(range(64))})
    for test in itertools.chain.from_iterable(rule.tests for rule in rules):
        known[test.field].update(test.values())
    for protocol in PROTOCOLS.values():
        known["l4"].add(protocol)
    known["type"].update(ETHER.values())
    seen = set()
    bases = [{}] + [{"same": any(isinstance(test, SameBytes) for test in rule.tests),
                     **{test.field: test.example() for test in rule.tests}} for rule in rules]
    for base, extra in itertools.product(bases, list(more) or [{}]):
        for field in [None, *known]:
            for value in sorted(known[field], key=str) if field else [None]:
                settings = {**base, **({field: value} if field else {}), **extra}
                packet = make(settings)
                if all(is_possible(name, it, packet) for name, it in packet.items() if it is not None):
                    key = tuple(sorted((name, str(it)) for name, it in packet.items()))
                    if key not in seen:
                        seen.add(key)
                        yield packet


# Filters of guests' cards

def judge_card(chains, maps, way, packet):
    """What the rules below IP, and those above, say: "none" where none is about it."""
    card = maps[f"cards_{way}"]["vnet0"][1]
    above = next((rule.verdict[1] for rule in reversed(chains[card]) if isinstance(rule.verdict, tuple) and rule.verdict[0] == "goto"), None)
    only = {name: rules for name, rules in chains.items() if name != above}
    # The last rule of the first chain lets pass what no other is about.
    rules = collections.defaultdict(list, {**only, card: chains[card][:-1], **({above: [Rule([], "accept")]} if above else {})})
    below = run_nft(rules, maps, card, packet)[0] or "none"
    return below, (run_nft(chains, maps, above, packet)[0] or "none") if above else "none"


def compare_card(commands, nft, limit=4):
    """Differences, as texts, between what iptables and ebtables are told for the interface vnet0 and what nftables is."""
    theirs, (chains, maps) = read_commands(commands), read_nft(nft)
    rules = [rule for chain in [*theirs.values(), *chains.values()] for rule in chain if isinstance(rule, Rule)]
    differences = []
    for packet in packets(rules):
        for way, below, above in (("from", "libvirt-J-vnet0", "FJ-vnet0"), ("from", "libvirt-J-vnet0", "HJ-vnet0"),
                                  ("to", "libvirt-P-vnet0", "FP-vnet0")):
            wanted = tuple(TARGETS.get(verdict, "none") for verdict in (
                run_commands(theirs[("eb nat", below)], packet), run_commands(theirs[("filter", above)], packet)))
            ours = judge_card(chains, maps, way, packet)
            if ours != wanted:
                differences.append(f"{way} ({above}) {wanted} is {ours}: " + " ".join(f"{k}={v}" for k, v in packet.items()))
        if len(differences) >= limit:
            break
    return differences[:limit]


# Networks

FORWARD = ("LIBVIRT_FWX", "LIBVIRT_FWI", "LIBVIRT_FWO")


def forward_by_commands(theirs, packet):
    for chain in FORWARD:
        verdict = run_commands(theirs[("filter", chain)], packet)
        if verdict:
            return TARGETS[verdict]
    return "none"


def normalize_nat(verdict):
    """As one form: what the source becomes."""
    if not verdict or verdict in ("RETURN", "return"):
        return "none"
    return re.sub(r"\s+", " ", verdict.replace("MASQUERADE", "masquerade").replace("SNAT", "snat").replace(" ip to", " to"))


def compare_network(commands, nft, bridge, limit=4):
    """Differences of what is forwarded, and behind which address. Where libvirt has no rule for IPv6 it has switched that off on the
    bridge, as we do: there are no such packets. What it accepts for the host itself, ours drops nowhere."""
    has_6 = "ip6tables" in commands
    theirs, (chains, maps) = read_commands(commands), read_nft(nft)
    rules = [rule for chain in [*theirs.values(), *chains.values()] for rule in chain if isinstance(rule, Rule)]
    names = {value for rule in rules for test in rule.tests if test.field in ("in", "out") for value in test.values()} | {"eth7", "virbr77"}
    ways = [{"in": one, "out": other} for one in sorted(names) for other in sorted(names)]
    differences = []
    for packet in packets(rules, ways):
        if packet["type"] not in ((0x800, 0x86DD) if has_6 else (0x800,)):
            continue
        wanted = forward_by_commands(theirs, packet)
        ours = run_nft(chains, maps, "guests_forward", packet)[0] or "none"
        # What the target's rules let pass is judged by those of the source; where there are none, it passes.
        if {"accept": "none"}.get(wanted, wanted) != {"accept": "none"}.get(ours, ours):
            differences.append(f"forward {wanted} is {ours}: " + " ".join(f"{k}={v}" for k, v in packet.items()))
        if wanted in ("accept", "none") and packet["in"] == bridge and packet["state"] == "new":
            wanted = normalize_nat(run_commands(theirs[("nat", "LIBVIRT_PRT")], packet))
            ours = normalize_nat(run_nft(chains, maps, "guests_postrouting", packet)[0])
            if wanted != ours:
                differences.append(f"nat {wanted} is {ours}: " + " ".join(f"{k}={v}" for k, v in packet.items()))
        if len(differences) >= limit:
            break
    return differences[:limit]
