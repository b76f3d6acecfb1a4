/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/network-edit.h"

#include <string.h>

#include "network/document-check.h"
#include "network/value.h"

const char *const network_edit_commands[] = { "add-first", "add-last", "modify", "delete", NULL };

/* By what two elements are the same one. */
typedef enum Sameness {
        ANY_ATTRIBUTE,    /* one of the attributes that are named, or one of the names in it */
        ALL_ATTRIBUTES,   /* all of them */
        GIVEN_ATTRIBUTES, /* all that are given; there may be several that differ in others */
} Sameness;

typedef struct Section {
        const char *name, *element, *place; /* where it is in the document: "" in the root, "ip/dhcp" in one of several */
        Sameness sameness;
        const char *attributes; /* with blanks between them; an element called hostname in it counts as one, too */
        bool is_all;            /* there is nothing else to be modified */
} Section;

static const Section sections[] = {
        { "ip-dhcp-host", "host", "ip/dhcp", ANY_ATTRIBUTE, "mac id name ip", false },
        { "ip-dhcp-range", "range", "ip/dhcp", ALL_ATTRIBUTES, "start end", false },
        { "forward-interface", "interface", "forward", ALL_ATTRIBUTES, "dev", true },
        { "portgroup", "portgroup", "", ALL_ATTRIBUTES, "name", false },
        { "dns-host", "host", "dns", ANY_ATTRIBUTE, "ip hostname", false },
        { "dns-txt", "txt", "dns", ALL_ATTRIBUTES, "name", false },
        { "dns-srv", "srv", "dns", GIVEN_ATTRIBUTES, "service protocol domain target", false },
};

/* Those that libvirt has names for, and does not change. */
static const char *const fixed[] = { "bridge", "domain", "ip", "forward", "forward-pf" };

/* Reading */

static bool read_section(const char *name, size_t *section, GError **error) {
        g_autoptr(GString) known = g_string_new(NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(sections); i++) {
                if (strcmp(sections[i].name, name) == 0) {
                        *section = i;
                        return true;
                }
                g_string_append_printf(known, "%s%s", i > 0 ? ", " : "", sections[i].name);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++)
                if (strcmp(fixed[i], name) == 0)
                        return virtbus_error_set(
                                        error, VIRTBUS_ERROR_UNSUPPORTED,
                                        "section '%s' of a network cannot be updated: define the network again; these can: %s",
                                        name, known->str);
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not a section of a network; these are: %s",
                                 name, known->str);
}

static bool read_command(const char *name, NetworkEditCommand *command, GError **error) {
        for (int i = 0; i < NETWORK_EDIT_N_COMMANDS; i++)
                if (strcmp(network_edit_commands[i], name) == 0) {
                        *command = (NetworkEditCommand) i;
                        return true;
                }
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "'%.64s' is not a command: use add-first, add-last, modify or delete", name);
}

void network_edit_free(NetworkEdit *edit) {
        g_clear_pointer(&edit->element, xmlFreeDoc);
        g_free(edit);
}

NetworkEdit *network_edit_read(const char *command, const char *section, int parent, const char *xml, GError **error) {
        g_autoptr(NetworkEdit) edit = g_new0(NetworkEdit, 1);
        edit->parent = parent;
        if (!read_command(command, &edit->command, error) || !read_section(section, &edit->section, error))
                return NULL;
        const Section *its = &sections[edit->section];
        if (edit->command == EDIT_MODIFY && its->is_all) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "<%s> of section '%s' has nothing to be modified: delete it, and add another", its->element,
                                  its->name);
                return NULL;
        }
        edit->element = xml_parse(xml, its->element, error);
        return edit->element ? g_steal_pointer(&edit) : NULL;
}

/* Comparing */

/* Two forms of one value: of an address of IPv6, or of a card. */
static bool is_same_value(const char *one, const char *other) {
        Address first, second;
        if (address_parse(one, AF_UNSPEC, &first) && address_parse(other, AF_UNSPEC, &second))
                return address_compare(&first, &second) == 0;
        return value_mac.check(&value_mac, one) ? g_ascii_strcasecmp(one, other) == 0 : strcmp(one, other) == 0;
}

static bool has_value(const xmlNode *element, const char *attribute, const char *value) {
        g_autofree char *its = xml_attribute(element, attribute);
        return its && is_same_value(its, value);
}

static bool has_name(const xmlNode *element, const char *name) {
        for (xmlNode *child = xml_child(element, "hostname"); child; child = xml_next(child, "hostname")) {
                g_autofree char *its = xml_text(child);
                if (its && strcmp(its, name) == 0)
                        return true;
        }
        return false;
}

/* How many of the names in one are in the other, and how many there are. */
static unsigned count_names(const xmlNode *one, const xmlNode *other, unsigned *n) {
        unsigned found = 0;
        *n = 0;
        for (xmlNode *child = xml_child(one, "hostname"); child; child = xml_next(child, "hostname")) {
                g_autofree char *name = xml_text(child);
                (*n)++;
                found += name && has_name(other, name);
        }
        return found;
}

/* Whether THERE is the element that GIVEN is to be put beside, or in the place of. */
static bool is_same(const Section *section, const xmlNode *there, const xmlNode *given) {
        g_auto(GStrv) names = g_strsplit(section->attributes, " ", -1);
        unsigned n_given = 0, n_same = 0, n_names;
        for (char **name = names; *name; name++) {
                g_autofree char *value = xml_attribute(given, *name), *its = xml_attribute(there, *name);
                n_given += value != NULL;
                n_same += value ? has_value(there, *name, value) : !its && section->sameness == ALL_ATTRIBUTES;
        }
        switch (section->sameness) {
        case ANY_ATTRIBUTE:
                return n_same > 0 || count_names(given, there, &n_names) > 0;
        case ALL_ATTRIBUTES:
                return n_same == g_strv_length(names);
        default:
                return n_same == n_given;
        }
}

/* Whether THERE has all that GIVEN says: what is to be deleted. */
static bool is_meant(const xmlNode *there, const xmlNode *given) {
        unsigned n;
        for (const xmlAttr *attribute = given->properties; attribute; attribute = attribute->next) {
                g_autofree char *value = xml_attribute(given, (const char *) attribute->name);
                if (!has_value(there, (const char *) attribute->name, value))
                        return false;
        }
        return count_names(given, there, &n) == n;
}

/* Finding */

static bool fail(const NetworkDefinition *definition, const NetworkEdit *edit, GError **error, VirtbusError code,
                 const char *what) {
        g_autofree char *text = xml_element_text(xmlDocGetRootElement(edit->element));
        return virtbus_error_set(error, code, "network '%s': section '%s': %s: %.256s", definition->name,
                                 sections[edit->section].name, what, text);
}

/* The block that a host or a range belongs to. */
static xmlNode *find_block(xmlNode *root, const NetworkEdit *edit, const xmlNode *given) {
        Address address = document_read_address(given, xmlHasProp((xmlNode *) given, (const xmlChar *) "start") ? "start" : "ip");
        xmlNode *first = NULL, *with_dhcp = NULL;
        int i = 0;
        for (xmlNode *ip = xml_child(root, "ip"); ip; ip = xml_next(ip, "ip"), i++) {
                Subnet subnet;
                xmlNode *dhcp = xml_child(ip, "dhcp");
                if (edit->parent >= 0) {
                        if (i == edit->parent)
                                return ip;
                        continue;
                }
                if (address.family && document_read_subnet(ip, &subnet, NULL) && subnet_has(&subnet, &address))
                        return ip;
                first = first ? first : ip;
                with_dhcp = !with_dhcp && (xml_child(dhcp, "range") || xml_child(dhcp, "host")) ? ip : with_dhcp;
        }
        return with_dhcp ? with_dhcp : first;
}

/* The element that those of the section are in, made where something is to be added; NULL where there is none. */
static xmlNode *find_parent(xmlNode *root, const NetworkEdit *edit) {
        const char *place = sections[edit->section].place;
        bool is_block = strcmp(place, "ip/dhcp") == 0, adds = edit->command <= EDIT_ADD_LAST;
        xmlNode *outer = is_block ? find_block(root, edit, xmlDocGetRootElement(edit->element)) : root;
        const char *name = is_block ? "dhcp" : place;
        if (!outer || !*name)
                return outer;
        /* A network without <forward> is another one. */
        return adds && strcmp(name, "forward") != 0 ? xml_ensure_child(outer, name) : xml_child(outer, name);
}

/* The one that is meant; NULL where there is none, or with *N more than one. */
static xmlNode *find_one(xmlNode *parent, const NetworkEdit *edit, unsigned *n) {
        const Section *section = &sections[edit->section];
        const xmlNode *given = xmlDocGetRootElement(edit->element);
        bool adds = edit->command <= EDIT_ADD_LAST;
        xmlNode *found = NULL;
        *n = 0;
        for (xmlNode *child = xml_child(parent, section->element); child; child = xml_next(child, section->element)) {
                bool is_whole = edit->command == EDIT_DELETE || (adds && section->sameness == GIVEN_ATTRIBUTES);
                if (is_whole ? !is_meant(child, given) : !is_same(section, child, given))
                        continue;
                found = child;
                (*n)++;
        }
        return found;
}

/* Changing */

static void remove_element(xmlNode *element) {
        xmlUnlinkNode(element);
        xmlFreeNode(element);
}

/* Among those of its kind. */
static void add_element(xmlNode *parent, const NetworkEdit *edit, xmlNode *copy) {
        const char *name = sections[edit->section].element;
        xmlNode *first = xml_child(parent, name), *last = first;
        for (xmlNode *next = first; next; next = xml_next(next, name))
                last = next;
        if (first && edit->command == EDIT_ADD_FIRST)
                xmlAddPrevSibling(first, copy);
        else if (last)
                xmlAddNextSibling(last, copy);
        else
                xmlAddChild(parent, copy);
}

/* <forward dev=''> says what the first <interface> does. */
static void follow_interfaces(xmlNode *forward) {
        g_autofree char *first = xml_attribute(xml_child(forward, "interface"), "dev");
        if (first)
                xml_set_attribute(forward, "dev", first);
        else
                xmlUnsetProp(forward, (const xmlChar *) "dev");
}

/* What is left empty is not written. */
static void tidy(xmlNode *parent, const NetworkEdit *edit) {
        const char *place = sections[edit->section].place;
        if (strcmp(place, "forward") == 0)
                follow_interfaces(parent);
        else if (*place && !xml_child(parent, NULL) && !parent->properties)
                remove_element(parent);
}

static bool change(const NetworkDefinition *definition, xmlDoc *document, const NetworkEdit *edit, GError **error) {
        xmlNode *root = xmlDocGetRootElement(document), *parent = find_parent(root, edit);
        bool adds = edit->command <= EDIT_ADD_LAST;
        unsigned n = 0;
        xmlNode *found = parent ? find_one(parent, edit, &n) : NULL;
        if (!parent && adds)
                return fail(definition, edit, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                            edit->parent >= 0 ? "there is no such parent" : "there is nothing that it could be in");
        if (adds && found)
                return fail(definition, edit, error, VIRTBUS_ERROR_ALREADY_EXISTS,
                            "there is one already that it would be taken for");
        if (!adds && n != 1)
                return fail(definition, edit, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                            n == 0 ? "there is none like it" : "several are like it: say more of the one that is meant");
        xmlNode *copy = edit->command == EDIT_DELETE ? NULL : xmlDocCopyNode(xmlDocGetRootElement(edit->element), document, 1);
        if (adds)
                add_element(parent, edit, copy);
        else if (copy)
                xmlAddPrevSibling(found, copy);
        if (!adds)
                remove_element(found);
        tidy(parent, edit);
        return true;
}

NetworkDefinition *network_edit(const NetworkDefinition *definition, const NetworkEdit *edit, GError **error) {
        xmlDoc *document = xml_copy(definition->document);
        if (change(definition, document, edit, error))
                return network_definition_with_document(definition, document, error);
        xmlFreeDoc(document);
        return NULL;
}
