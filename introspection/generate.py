#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the C tables and the drivers' vtables from the interface files, and refuses what is incomplete.

Usage: generate.py POLICY OUT_H OUT_C OUT_VTABLES XML...

OUT_H and OUT_C hold the table of every interface (struct InterfaceInfo) for the service and the drivers. OUT_VTABLES
holds, for each interface that a driver implements, a macro that declares the handlers it needs and fills the vtable
with them, so that a handler which is missing or has the wrong parameters does not compile.

Refused: a member without a documentation comment, an argument that the comment does not name, a method without
"Errors:", an interface without "Since:", a method (that is not public) or writable property without a polkit action, an action that
POLICY does not define, an action in POLICY that nothing uses, and annotations that name what is not there.

What the service must know of a kind of object is in annotations; its code names no kind:

    on an interface
    org.virtbus1.DecisionSubject   objects with it are decided about by themselves, with all below them; the value is the kind's noun, which is
                                   also an element of its path: "domain" of /org/virtbus1/qemu/domain/UUID
    org.virtbus1.NoSuchObject      the last part of the error's name that says that there is no such object
    org.virtbus1.Completion        the signal (bss) that tells the end of what the object stands for: it ends with its driver's process
    org.virtbus1.HostDriver        the driver, by the last part of its bus name in lower case, that owns the kind on the connection "host": objects
                                   with a subject's interface lie at /org/virtbus1/host/NOUN/NAME; the others are its part of
                                   /org/virtbus1/host itself, an object that all such drivers share
    on a property
    org.virtbus1.PolkitDetail      what polkit's rules look its value up by (virtbus-polkit(7) lists them)
    org.virtbus1.Owner             it is the user whose own the object is; with the value "reads", that user may read it without polkit
    org.virtbus1.ActsOn            it is the path of the object that this one is done to
    on a method
    org.virtbus1.PolkitActionOwnRights
                                   another action by which it is allowed to who may not by PolkitAction: its driver does it with no more rights on the
                                   host than the caller's own
    org.virtbus1.FirstArgument     an interface: the first argument (ao) names objects with it, below the object that is called, and means
                                   all where it is empty. INTERFACE.PROPERTY: it names one, by the value of that property
    org.virtbus1.DriverMay         the drivers, by names as of HostDriver with blanks between them, or "*", that may call it through the service, on
                                   behalf of a caller (about whom polkit decides) or of themselves
    org.virtbus1.OptionDescriptors how many descriptors its options (the last argument, a{sv}) may hold
    org.virtbus1.PolkitDetail      what polkit's rules look up the first arguments by, which are strings, with blanks between them; only where a
                                   driver calls it: what a client says of itself is not told
"""

import re
import sys
import xml.etree.ElementTree as ET

POLKIT_ACTION = "org.virtbus1.PolkitAction"
OWN_RIGHTS_ACTION = "org.virtbus1.PolkitActionOwnRights"
MANAGES_OBJECTS = "org.virtbus1.ManagesObjects"
PRIVATE = "org.virtbus1.Private"
ONE_HANDLER = "org.virtbus1.OneHandler"  # the driver answers all its methods by one function, with a table of its own
PUBLIC = "org.virtbus1.Public"  # anybody may read the interface's properties and hear of it, or call the method
DECISION_SUBJECT = "org.virtbus1.DecisionSubject"
NO_SUCH_OBJECT = "org.virtbus1.NoSuchObject"
HOST_DRIVER = "org.virtbus1.HostDriver"
COMPLETION = "org.virtbus1.Completion"
POLKIT_DETAIL = "org.virtbus1.PolkitDetail"
OWNER = "org.virtbus1.Owner"
ACTS_ON = "org.virtbus1.ActsOn"
FIRST_ARGUMENT = "org.virtbus1.FirstArgument"
DRIVER_MAY = "org.virtbus1.DriverMay"
OPTION_DESCRIPTORS = "org.virtbus1.OptionDescriptors"
PATIENT = "org.virtbus1.Patient"  # virtbusd sets its calls no time
EMITS_CHANGED = "org.freedesktop.DBus.Property.EmitsChangedSignal"
READ_ACTIONS = {"org.virtbus1.read"}  # asked for properties and GetManagedObjects, so named by no annotation

# How a type is handed to a handler: signature -> (C type, sd_bus_message_read type, needs a conversion)
C_TYPES = {
    "s": "const char *", "o": "const char *", "u": "uint32_t ", "t": "uint64_t ", "i": "int32_t ",
    "x": "int64_t ", "b": "bool ", "d": "double ", "h": "int ",
}
OPTIONS = "a{sv}"


class Refused(Exception):
    pass


def snake(name):
    """GetXMLWithSecrets -> get_xml_with_secrets, VCPUs -> vcpus"""
    name = name.replace("VCPUs", "Vcpus")
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def annotations(element):
    return {a.get("name"): a.get("value") for a in element.findall("annotation")}


class Member:
    def __init__(self, element, comment, where):
        self.element = element
        self.name = element.get("name")
        self.where = f"{where}.{self.name}" if where else self.name
        self.annotations = annotations(element)
        self.action = self.annotations.get(POLKIT_ACTION)
        self.own_rights_action = self.annotations.get(OWN_RIGHTS_ACTION)
        self.comment = comment
        text = (comment or "").strip()
        if not re.match(rf"{re.escape(self.name)}:\s*\S", text):
            raise Refused(f"{self.where} has no documentation: put a comment '{self.name}: ...' before it")

    def arguments(self, direction=None):
        return [a for a in self.element.findall("arg") if direction is None or a.get("direction", "in") == direction]

    def signature(self, direction=None):
        return "".join(a.get("type") for a in self.arguments(direction))

    def check_arguments(self):
        for argument in self.arguments():
            if f"@{argument.get('name')}:" not in self.comment:
                raise Refused(f"{self.where}: argument {argument.get('name')} is not documented: "
                              f"name it '@{argument.get('name')}: ...' in the comment")


class Interface:
    def __init__(self, element, comment):
        self.head = Member(element, comment, "")
        self.name = self.head.name
        self.private = PRIVATE in self.head.annotations
        self.one_handler = ONE_HANDLER in self.head.annotations
        self.patient = PATIENT in self.head.annotations
        self.public = PUBLIC in self.head.annotations
        self.noun = self.head.annotations.get(DECISION_SUBJECT)
        self.host_driver = self.head.annotations.get(HOST_DRIVER)
        self.manages_objects = MANAGES_OBJECTS in self.head.annotations
        self.short = self.name.removeprefix("org.virtbus1.")
        self.identifier = snake(self.short.replace(".", ""))
        self.methods, self.signals, self.properties = [], [], []
        if "Since:" not in comment:
            raise Refused(f"{self.name}: no 'Since:' in its documentation")
        previous = None
        for child in element:
            if child.tag is ET.Comment:
                previous = child.text
                continue
            lists = {"method": self.methods, "signal": self.signals, "property": self.properties}
            if child.tag in lists:
                member = Member(child, previous, self.name)
                self.check(member, child.tag)
                lists[child.tag].append(member)
            previous = None
        for members in (self.methods, self.signals, self.properties):
            members.sort(key=lambda m: m.name)
        self.element = element
        self.check_subject()

    def find(self, members, what):
        """The index of the member of which WHAT holds; -1 where there is none."""
        return next((i for i, m in enumerate(members) if what(m)), -1)

    def with_annotation(self, name):
        return self.find(self.properties, lambda p: name in p.annotations)

    def with_detail(self, part):
        return self.find(self.properties, lambda p: p.annotations.get(POLKIT_DETAIL) == f"{self.noun}_{part}")

    def check_subject(self):
        for member in self.methods:
            if member.own_rights_action and not member.action:
                raise Refused(f"{member.where}: {OWN_RIGHTS_ACTION} is for methods that have {POLKIT_ACTION}")
        for member in self.properties:
            for name, types in ((POLKIT_DETAIL, ("s", "u", "b", "o", "as")), (OWNER, ("u",)), (ACTS_ON, ("o",))):
                if name in member.annotations and member.element.get("type") not in types:
                    raise Refused(f"{member.where}: {name} is for properties of type {' or '.join(types)}")
        completion = self.head.annotations.get(COMPLETION)
        if completion and [s.signature() for s in self.signals if s.name == completion] != ["bss"]:
            raise Refused(f"{self.name}: {COMPLETION} names no signal of type bss")
        if self.host_driver is not None and not re.fullmatch(r"[a-z0-9]+", self.host_driver):
            raise Refused(f"{self.name}: {HOST_DRIVER} is a driver's name of lower-case letters and digits")
        used = [self.with_annotation(OWNER) >= 0, self.with_annotation(ACTS_ON) >= 0, completion, NO_SUCH_OBJECT in self.head.annotations]
        if any(used) and not self.noun:
            raise Refused(f"{self.name} has annotations of a subject and is none: annotate it with {DECISION_SUBJECT}")
        if self.noun is not None and not re.fullmatch(r"[a-z][a-z_]*", self.noun):
            raise Refused(f"{self.name}: {DECISION_SUBJECT} is a noun of lower-case letters and '_'")

    def check(self, member, kind):
        member.check_arguments()
        if self.private:
            return
        if kind == "method":
            if not member.action and PUBLIC not in member.annotations:
                raise Refused(f"{member.where} has no polkit action: annotate it with {POLKIT_ACTION}")
            if "Errors:" not in member.comment:
                raise Refused(f"{member.where}: no 'Errors:' in its documentation")
        if kind == "property" and member.element.get("access") == "readwrite" and not member.action:
            raise Refused(f"{member.where} can be written and has no polkit action: annotate it with {POLKIT_ACTION}")

    def xml(self):
        """The interface as Introspect shows it: without comments, indented by two."""
        lines = [f'  <interface name="{self.name}">']
        for tag, members in (("method", self.methods), ("signal", self.signals), ("property", self.properties)):
            for member in members:
                attributes = "".join(f' {k}="{v}"' for k, v in member.element.attrib.items())
                children = [c for c in member.element if c.tag is not ET.Comment]
                if not children:
                    lines.append(f"    <{tag}{attributes}/>")
                    continue
                lines.append(f"    <{tag}{attributes}>")
                for child in children:
                    lines.append(f"      <{child.tag}" + "".join(f' {k}="{v}"' for k, v in child.attrib.items()) + "/>")
                lines.append(f"    </{tag}>")
        lines.append("  </interface>")
        return "\n".join(lines) + "\n"


def read_interfaces(path):
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    previous = None
    for child in ET.parse(path, parser).getroot():
        if child.tag is ET.Comment:
            previous = child.text
        elif child.tag == "interface":
            yield Interface(child, previous or "")
            previous = None


def check_actions(interfaces, policy_path):
    used = set(READ_ACTIONS)
    for interface in interfaces:
        used |= {a for m in interface.methods + interface.properties for a in (m.action, m.own_rights_action) if a}
    defined = {a.get("id") for a in ET.parse(policy_path).getroot().findall("action")}
    if used - defined:
        raise Refused(f"{policy_path} does not define: {', '.join(sorted(used - defined))}")
    if defined - used:
        raise Refused(f"{policy_path} defines what nothing uses: {', '.join(sorted(defined - used))}")


def header(interfaces):
    yield "/* Made by introspection/generate.py. Do not edit. */"
    yield "#pragma once"
    yield '#include "interface-info.h"'
    yield ""
    for interface in interfaces:
        yield f"extern const InterfaceInfo interface_{interface.identifier};"
    yield ""
    for interface in interfaces:
        if interface.properties:
            yield "/* Indices of the properties of " + interface.name + ". */"
            yield "enum {"
            for prop in interface.properties:
                yield f"        {interface.identifier.upper()}_{snake(prop.name).upper()},"
            yield "};"


def first_argument(interfaces, method):
    """The interface of the objects that a method's first argument names, and the index of the property that it is a value of, or -1."""
    value = method.annotations.get(FIRST_ARGUMENT)
    if value is None:
        return None, -1
    by_name = {i.name: i for i in interfaces}
    if value in by_name:
        if not method.signature("in").startswith("ao"):
            raise Refused(f"{method.where}: {FIRST_ARGUMENT} {value} needs a first argument of type ao")
        return by_name[value], -1
    name, _, key = value.rpartition(".")
    found = by_name[name].find(by_name[name].properties, lambda p: p.name == key) if name in by_name else -1
    if found < 0:
        raise Refused(f"{method.where}: {FIRST_ARGUMENT} names neither an interface nor a property: {value}")
    kind = by_name[name].properties[found].element.get("type")
    if kind not in ("s", "u") or not method.signature("in").startswith(kind):
        raise Refused(f"{method.where}: its first argument is not of the type of {value}, s or u")
    return by_name[name], found


def driver_may(method):
    drivers = method.annotations.get(DRIVER_MAY)
    if drivers is not None and not re.fullmatch(r"\*|[a-z0-9]+( [a-z0-9]+)*", drivers):
        raise Refused(f"{method.where}: {DRIVER_MAY} is '*' or names of drivers: {drivers}")
    return c_string(drivers) if drivers else "NULL"


def details(method):
    names = method.annotations.get(POLKIT_DETAIL)
    if names is not None and not (DRIVER_MAY in method.annotations and method.signature("in").startswith("s" * len(names.split())) and
                                  re.fullmatch(r"[a-z_]+( [a-z_]+)*", names)):
        raise Refused(f"{method.where}: {POLKIT_DETAIL} has a name for each of its first arguments, which are strings, of a method that a driver may call: {names}")
    return c_string(names) if names else "NULL"


def option_descriptors(method):
    n = method.annotations.get(OPTION_DESCRIPTORS)
    if n is not None and not (method.signature("in").endswith(OPTIONS) and FIRST_ARGUMENT not in method.annotations and re.fullmatch(r"[1-9]|1[0-6]", n)):
        raise Refused(f"{method.where}: {OPTION_DESCRIPTORS} is a number up to 16, of a method whose last argument is {OPTIONS}: {n}")
    return n or 0


def subject_table(interface):
    annotated = interface.head.annotations
    no_such, completion = annotated.get(NO_SUCH_OBJECT), annotated.get(COMPLETION)
    reader = interface.find(interface.properties, lambda p: p.annotations.get(OWNER) == "reads")
    yield f"static const SubjectInfo {interface.identifier}_subject = {{"
    yield f"        .noun = {c_string(interface.noun)},"
    if no_such:
        yield f'        .no_such = "org.virtbus1.Error.{no_such}",'
    if completion:
        yield f"        .completion = {c_string(completion)},"
    yield (f"        .name = {interface.with_detail('name')}, .uuid = {interface.with_detail('uuid')}, "
           f".operation = {interface.with_detail('operation')},")
    yield f"        .owner = {interface.with_annotation(OWNER)}, .reader = {reader}, .acts_on = {interface.with_annotation(ACTS_ON)},"
    yield "};"


def tables(interfaces):
    yield "/* Made by introspection/generate.py. Do not edit. */"
    yield '#include <stddef.h>'
    yield '#include "interfaces.h"'
    for interface in interfaces:
        identifier = interface.identifier
        yield ""
        if interface.methods:
            yield f"static const MethodInfo {identifier}_methods[] = {{"
            for m in interface.methods:
                action = c_string(m.action) if m.action else "NULL"
                own_rights = c_string(m.own_rights_action) if m.own_rights_action else "NULL"
                patient = "true" if interface.patient else "false"
                objects, key = first_argument(interfaces, m)
                named = f"&interface_{objects.identifier}" if objects else "NULL"
                yield (f'        {{ {c_string(m.name)}, "{m.signature("in")}", "{m.signature("out")}", {action}, {own_rights}, {patient},'
                       f' {named}, {key}, {driver_may(m)}, {details(m)}, {option_descriptors(m)} }},')
            yield "};"
        if interface.signals:
            yield f"static const SignalInfo {identifier}_signals[] = {{"
            for m in interface.signals:
                yield f'        {{ {c_string(m.name)}, "{m.signature()}" }},'
            yield "};"
        if interface.properties:
            yield f"static const PropertyInfo {identifier}_properties[] = {{"
            for m in interface.properties:
                action = c_string(m.action) if m.element.get("access") == "readwrite" else "NULL"
                emits = m.annotations.get(EMITS_CHANGED, "true").upper()
                detail = m.annotations.get(POLKIT_DETAIL)
                yield (f'        {{ {c_string(m.name)}, "{m.element.get("type")}", {action}, EMITS_{emits},'
                       f' {c_string(detail) if detail else "NULL"} }},')
            yield "};"
        if interface.noun:
            yield from subject_table(interface)
        yield f"const InterfaceInfo interface_{identifier} = {{"
        yield f"        .name = {c_string(interface.name)},"
        yield f"        .is_public = {'true' if interface.public else 'false'},"
        yield f"        .manages_objects = {'true' if interface.manages_objects else 'false'},"
        if interface.host_driver:
            yield f"        .host_driver = {c_string(interface.host_driver)},"
        if interface.noun:
            yield f"        .subject = &{identifier}_subject,"
        for kind, members in (("methods", interface.methods), ("signals", interface.signals),
                              ("properties", interface.properties)):
            if members:
                yield f"        .{kind} = {identifier}_{kind}, .n_{kind} = {len(members)},"
        yield "        .xml ="
        for line in interface.xml().splitlines():
            yield f"                {c_string(line + chr(10))}"
        yield "};"
    yield ""
    yield "const InterfaceInfo *const interfaces[] = {"
    for interface in sorted((i for i in interfaces if not i.private), key=lambda i: i.name):
        yield f"        &interface_{interface.identifier},"
    yield "        NULL"
    yield "};"


def split_arguments(ins):
    """Those that a handler gets as C types, and those after them that it reads itself: options, other containers."""
    n = next((i for i, a in enumerate(ins) if a.get("type") not in C_TYPES), len(ins))
    for a in ins[n:]:
        if a.get("type") in C_TYPES:
            raise Refused(f"argument {a.get('name')}: containers and options come last")
    return ins[:n], ins[n:]


def vtable_macro(interface):
    upper = interface.identifier.upper()
    lines = [f"#define {upper}_VTABLE(Type, prefix)"]
    for m in interface.methods:
        name, ins = snake(m.name), m.arguments("in")
        plain, others = split_arguments(ins)
        parameters = [C_TYPES[a.get("type")] + snake(a.get("name")) for a in plain]
        if others:
            parameters.append("sd_bus_message *" + ("options" if [a.get("type") for a in others] == [OPTIONS] else "arguments"))
        lines.append(f"static void prefix##_{name}(" + ", ".join(["Call *call", "Type *self"] + parameters) + ");")
        lines.append(f"static void prefix##_call_{name}(Call *call, void *self) {{")
        arguments = []
        for a in plain:
            variable = snake(a.get("name"))
            kind = "int " if a.get("type") == "b" else C_TYPES[a.get("type")]
            lines.append(f"        {kind}{variable};")
            arguments.append(variable)
        if plain:
            signature = "".join(a.get("type") for a in plain)
            addresses = ", ".join("&" + a for a in arguments)
            lines.append(f'        int r = sd_bus_message_read(call->message, "{signature}", {addresses});')
            lines.append("        if (r < 0)")
            lines.append("                return call_fail_errno(call, r);")
        if others:
            arguments.append("call->message")
        lines.append(f"        prefix##_{name}(" + ", ".join(["call", "self"] + arguments) + ");")
        lines.append("}")
    for m in interface.properties:
        name, signature = snake(m.name), m.element.get("type")
        if signature not in C_TYPES:
            lines.append(f"static int prefix##_get_{name}(const Type *self, sd_bus_message *m);")
            body = f"prefix##_get_{name}(self, m)"
        else:
            lines.append(f"static {C_TYPES[signature]}prefix##_get_{name}(const Type *self);")
            cast = "(int) " if signature == "b" else ""
            body = f'sd_bus_message_append(m, "{signature}", {cast}prefix##_get_{name}(self))'
        lines.append(f"static int prefix##_append_{name}(const void *self, sd_bus_message *m) {{ return {body}; }}")
        if m.element.get("access") == "readwrite":
            lines.append(f"static void prefix##_set_{name}(Call *call, Type *self, {C_TYPES[signature]}value);")
            lines.append(f"static void prefix##_write_{name}(Call *call, void *self) {{")
            kind = "int " if signature == "b" else C_TYPES[signature]
            lines.append(f"        {kind}value;")
            lines.append(f'        int r = sd_bus_message_read(call->message, "{signature}", &value);')
            lines.append("        if (r < 0)")
            lines.append("                return call_fail_errno(call, r);")
            lines.append(f"        prefix##_set_{name}(call, self, value);")
            lines.append("}")
    lines.append("static const Vtable prefix##_vtable = {")
    lines.append(f"        .info = &interface_{interface.identifier},")
    if interface.methods:
        lines.append("        .methods = (const MethodHandler[]) {")
        lines += [f"                prefix##_call_{snake(m.name)}," for m in interface.methods]
        lines.append("        },")
    if interface.properties:
        lines.append("        .getters = (const PropertyGetter[]) {")
        lines += [f"                prefix##_append_{snake(m.name)}," for m in interface.properties]
        lines.append("        },")
        lines.append("        .setters = (const MethodHandler[]) {")
        lines += [f"                prefix##_write_{snake(m.name)}," if m.element.get("access") == "readwrite"
                  else "                NULL," for m in interface.properties]
        lines.append("        },")
    lines.append("}")
    return " \\\n".join(lines)


def vtables(interfaces):
    yield "/* Made by introspection/generate.py. Do not edit. */"
    yield "#pragma once"
    yield "#include <stdbool.h>"
    yield "#include <stdint.h>"
    yield '#include "interfaces.h"'
    yield '#include "base/objects.h"'
    for interface in interfaces:
        if interface.private or interface.one_handler or interface.identifier == "manager":
            continue
        for m in interface.methods:
            outs = m.arguments("out")
            if [a.get("type") for a in outs] == ["as"]:
                yield ""
                yield f"/* Answers {interface.name}.{m.name} with strings, NULL at the end. */"
                yield f"static inline void reply_{interface.identifier}_{snake(m.name)}(Call *call, char **strings) {{"
                yield "        call_reply_strings(call, strings);"
                yield "}"
                continue
            if any(a.get("type") not in C_TYPES for a in outs):
                continue  # made with call_begin_answer
            parameters = [C_TYPES[a.get("type")] + snake(a.get("name")) for a in outs]
            values = "".join(f", {snake(a.get('name'))}" for a in outs)
            yield ""
            yield f"/* Answers {interface.name}.{m.name}. */"
            yield (f"static inline void reply_{interface.identifier}_{snake(m.name)}("
                   + ", ".join(["Call *call"] + parameters) + ") {")
            yield f'        call_reply(call, "{m.signature("out")}"{values});'
            yield "}"
        yield ""
        yield f"/* Declares the handlers of {interface.name} as functions of a file, and the vtable prefix_vtable. */"
        yield vtable_macro(interface)


def main(policy, out_h, out_c, out_vtables, *paths):
    try:
        found = [i for path in paths for i in read_interfaces(path)]
        check_actions(found, policy)
        for path, lines in ((out_h, header(found)), (out_c, tables(found)), (out_vtables, vtables(found))):
            text = "\n".join(lines) + "\n"
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    except (Refused, ET.ParseError) as refusal:
        sys.exit(f"introspection: {refusal}")


if __name__ == "__main__":
    main(*sys.argv[1:])
