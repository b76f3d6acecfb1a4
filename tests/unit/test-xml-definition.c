/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/xml.h"
#include "domain/definition.h"

#define DOMAIN(more) "<domain type='kvm'><name>n</name><memory unit='MiB'>1</memory><os><type>hvm</type></os>" more "</domain>"

static void refuse(const char *xml, VirtbusError code, const char *part) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Definition) definition = definition_parse(xml, &error);
        g_assert_null(definition);
        g_assert_error(error, VIRTBUS_ERROR, (int) code);
        if (!strstr(error->message, part))
                g_error("'%s' is not in '%s'", part, error->message);
}

static void test_document_types_are_refused_at_sight(void) {
        g_autoptr(GString) bomb = g_string_new("<!DOCTYPE d [<!ENTITY a0 'ha'>");
        for (int i = 1; i < 40; i++)
                g_string_append_printf(bomb, "<!ENTITY a%d '&a%d;&a%d;&a%d;&a%d;'>", i, i - 1, i - 1, i - 1, i - 1);
        g_string_append(bomb, "]><domain type='&a39;'><name>&a39;</name></domain>");
        refuse(bomb->str, VIRTBUS_ERROR_INVALID_XML, "DOCTYPE");
        refuse("<!DOCTYPE d SYSTEM 'file:///dev/zero'><domain/>", VIRTBUS_ERROR_INVALID_XML, "DOCTYPE");
        refuse("<!DOCTYPE d [<!ENTITY % x SYSTEM 'http://127.0.0.1:1/'>%x;]><domain/>", VIRTBUS_ERROR_INVALID_XML, "DOCTYPE");
        refuse("<domain>&undefined;</domain>", VIRTBUS_ERROR_INVALID_XML, "line 1");
        refuse("<domain type='kvm'>\n\n<name>\xff</name></domain>", VIRTBUS_ERROR_INVALID_XML, "line 3");
}

static void test_what_is_not_a_document_is_told_as_such(void) {
        refuse("", VIRTBUS_ERROR_INVALID_XML, "the document is empty");
        refuse(" \n\t", VIRTBUS_ERROR_INVALID_XML, "the document is empty");
        refuse("web.xml", VIRTBUS_ERROR_INVALID_XML, "line 1: ");
}

static void test_memory_is_bytes_whatever_the_unit(void) {
        static const struct {
                const char *element;
                uint64_t bytes;
        } cases[] = {
                { "<memory>1024</memory>", 1 << 20 },
                { "<memory unit='b'>4096</memory>", 4096 },
                { "<memory unit='KB'>4</memory>", 4000 },
                { "<memory unit='G'>2</memory>", UINT64_C(2) << 30 },
                { "<memory unit='TiB'>1</memory>", UINT64_C(1) << 40 },
                { "<memory unit='MiB'> 3\n</memory>", 3 << 20 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *xml = g_strdup_printf("<domain type='kvm'><name>n</name>%s<os><type>hvm</type></os></domain>",
                                                       cases[i].element);
                g_autoptr(GError) error = NULL;
                g_autoptr(Definition) definition = definition_parse(xml, &error);
                g_assert_no_error(error);
                g_assert_cmpuint(definition->max_memory, ==, cases[i].bytes);
        }
}

static void test_devices_are_named_as_libvirt_names_them(void) {
        static const char xml[] = DOMAIN(
                        "<devices><disk><target dev='vdb'/></disk><disk><target dev='hdc'/></disk><disk><target dev='sda' "
                        "bus='sata'/></disk>"
                        "<disk><target dev='sdb'/></disk><disk><target dev='vdaa'/></disk><disk><target dev='sdc' bus='scsi'/>"
                        "<address type='drive' controller='1' bus='0' target='2' unit='3'/></disk><interface "
                        "type='user'/><interface type='user'/>"
                        "<serial type='pty'/><console type='pty'/><memballoon model='virtio'/><controller type='pci' index='0' "
                        "model='pcie-root'/>"
                        "<controller type='pci' index='1' model='pcie-root-port'/><controller type='virtio-serial' index='0'/>"
                        "<controller type='usb' index='0' model='ich9-ehci1'/>"
                        "<controller type='usb' index='0' model='ich9-uhci1'><master startport='2'/></controller>"
                        "<rng model='virtio'><alias name='ua-dice'/></rng></devices>");
        static const char *const aliases[] = { "virtio-disk1", "ide0-1-0", "sata0-0-0", "scsi0-0-0-1",    "virtio-disk26",
                                               "scsi1-0-2-3",  "net0",     "net1",      "serial0",        "console0",
                                               "balloon0",     "pcie.0",   "pci.1",     "virtio-serial0", "usb",
                                               "usb0.2",       "ua-dice" };
        g_autoptr(GError) error = NULL;
        g_autoptr(Definition) definition = definition_parse(xml, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(definition->devices->len, ==, G_N_ELEMENTS(aliases));
        for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++)
                g_assert_cmpstr(((DeviceDefinition *) definition->devices->pdata[i])->alias, ==, aliases[i]);
}

static void test_what_is_missing_is_chosen_once(void) {
        g_autoptr(Definition) first = definition_parse(DOMAIN("<devices><interface type='user'/></devices>"), NULL);
        g_autoptr(Definition) again = definition_parse(first->xml, NULL);
        g_assert_true(g_uuid_string_is_valid(first->uuid));
        g_assert_cmpstr(first->uuid, ==, again->uuid);
        g_assert_cmpstr(((DeviceDefinition *) first->devices->pdata[0])->mac, ==,
                        ((DeviceDefinition *) again->devices->pdata[0])->mac);
        g_assert_cmpstr(first->xml, ==, again->xml);
}

static void test_uuids_in_any_spelling(void) {
        g_autofree char *uuid = uuid_normalize("1B4E28BA2FA111D2883F0016D3CCA427");
        g_assert_cmpstr(uuid, ==, "1b4e28ba-2fa1-11d2-883f-0016d3cca427");
        g_assert_null(uuid_normalize("1b4e28ba-2fa1-11d2-883f-0016d3cca42"));
        g_assert_null(uuid_normalize("1b4e28ba-2fa1-11d2-883f-0016d3cca4277"));
        g_assert_null(uuid_normalize("1b4e28ba-2fa1-11d2-883f-0016d3cca42z"));
        g_assert_null(uuid_normalize(""));
}

static void test_a_domain_has_the_uuid_that_its_guest_reads(void) {
        g_autoptr(Definition) of_guest = definition_parse(DOMAIN("<sysinfo type='smbios'><bios/><system><entry name='sku'/>"
                                                                 "<entry name='uuid'>1B4E28BA-2FA1-11D2-883F-0016D3CCA427"
                                                                 "</entry></system></sysinfo>"),
                                                          NULL);
        g_assert_cmpstr(of_guest->uuid, ==, "1b4e28ba-2fa1-11d2-883f-0016d3cca427");
        g_autoptr(Definition) of_domain = definition_parse(
                        DOMAIN("<uuid>17a5fdbd-edaf-9455-926a-d65c16db1809</uuid><sysinfo type='smbios'><system>"
                               "<entry name='uuid'>1B4E28BA-2FA1-11D2-883F-0016D3CCA427</entry></system></sysinfo>"),
                        NULL);
        g_assert_cmpstr(of_domain->uuid, ==, "17a5fdbd-edaf-9455-926a-d65c16db1809");
        g_autoptr(Definition) of_none = definition_parse(
                        DOMAIN("<sysinfo type='smbios'><system><entry name='uuid'>none</entry></system></sysinfo>"), NULL);
        g_assert_true(g_uuid_string_is_valid(of_none->uuid));
}

static void test_passwords_are_left_out(void) {
        g_autoptr(Definition) definition =
                        definition_parse(DOMAIN("<devices><graphics type='vnc' passwd='x&amp;y'/></devices>"), NULL);
        g_autofree char *open = definition_text(definition, true, 0), *closed = definition_text(definition, false, 7),
                        *device = definition_device_text(definition, 0);
        g_assert_nonnull(strstr(open, "x&amp;y"));
        g_assert_null(strstr(closed, "passwd"));
        g_assert_nonnull(strstr(closed, "id=\"7\""));
        g_assert_null(strstr(device, "passwd"));
}

static void test_cookies_are_left_out(void) {
#define COOKIES(value) "<cookies><cookie name='c'>" value "</cookie></cookies>"
        g_autoptr(Definition) definition = definition_parse(
                        DOMAIN("<devices><disk type='network'><source protocol='https' name='a'>" COOKIES(
                                        "first") "</source><backingStore "
                                                 "type='network'><format type='raw'/><source protocol='https' name='b'>" COOKIES(
                                                                 "second") "</source>"
                                                                           "</backingStore><target dev='vda' "
                                                                           "bus='virtio'/></disk></devices>"),
                        NULL);
#undef COOKIES
        g_autofree char *open = definition_text(definition, true, 0), *closed = definition_text(definition, false, 0),
                        *device = definition_device_text(definition, 0);
        g_assert_nonnull(strstr(open, "first"));
        g_assert_nonnull(strstr(open, "second"));
        for (const char *text = closed; text; text = text == closed ? device : NULL) {
                g_assert_null(strstr(text, "cookie"));
                g_assert_nonnull(strstr(text, "name=\"a\""));
                g_assert_nonnull(strstr(text, "name=\"b\""));
        }
}

/* Every valid document cut off anywhere is refused, and nothing else happens (the sanitizers watch). */
static void test_cut_off_documents_are_refused(void) {
        static const char xml[] = DOMAIN("<devices><disk type='file'><source file='/x'/><target dev='vda'/></disk><graphics "
                                         "type='vnc'/></devices>");
        for (size_t length = 0; length + 1 < sizeof xml; length++) {
                g_autofree char *part = g_strndup(xml, length);
                g_autoptr(GError) error = NULL;
                g_autoptr(Definition) definition = definition_parse(part, &error);
                g_assert_null(definition);
                g_assert_nonnull(error);
        }
}

/* The text comes over D-Bus, which is UTF-8: what a program's XML writer declares says how that would write files. */
static void test_text_is_utf8_whatever_it_declares(void) {
        static const char *const encodings[] = { "utf-16",   "UTF-16LE",     "UTF-16BE",  "UCS-4",
                                                 "UTF-32",   "UTF-7",        "EBCDIC-US", "ISO-8859-1",
                                                 "US-ASCII", "windows-1252", "Shift_JIS", "no-such-encoding" };
        for (size_t i = 0; i < G_N_ELEMENTS(encodings); i++) {
                g_autofree char *xml = g_strdup_printf("<?xml version='1.0' encoding='%s'?>%s", encodings[i],
                                                       DOMAIN("<title>\u00e4\u20ac\U0001f600</title>"));
                g_autoptr(GError) error = NULL;
                g_autoptr(Definition) definition = definition_parse(xml, &error), again = NULL;
                g_assert_no_error(error);
                g_assert_cmpstr(definition->title, ==, "\u00e4\u20ac\U0001f600");
                g_assert_nonnull(strstr(definition->xml, "encoding=\"UTF-8\""));
                again = definition_parse(definition->xml, &error);
                g_assert_no_error(error);
                g_assert_cmpstr(again->xml, ==, definition->xml);
        }
        g_autoptr(Definition) marked = definition_parse("\xef\xbb\xbf" DOMAIN(""), NULL);
        g_assert_nonnull(marked);
}

/* libxml2 compares each attribute with all others of its element. */
static void test_attributes_of_an_element_are_bounded(void) {
        static const char *const forms[] = { " a%d='>'", " xmlns:a%d='u'", " a%d:b=\"'\"" };
        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
                g_autoptr(GString) xml = g_string_new("<domain><!-- it's <x a=''--><![CDATA[<\"]]><?it's ?><a");
                for (int j = 0; xml->len < XML_BYTES_MAX - 100; j++)
                        g_string_append_printf(xml, forms[i], j);
                g_string_append(xml, "/></domain>");
                refuse(xml->str, VIRTBUS_ERROR_LIMIT_EXCEEDED, "attributes");
        }
}

/* What is accepted can be read again: indentation makes a document longer. */
static void test_elements_comments_and_instructions_are_bounded(void) {
        static const char *const parts[] = { "<a/>", "<!-- -->", "<?a b?>", "x<!---->", "<a><!----></a>" };
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
                g_autoptr(GString) xml = g_string_new("<domain type='kvm'>");
                for (int j = 0; j <= XML_ELEMENTS_MAX; j++)
                        g_string_append(xml, parts[i]);
                g_string_append(xml, "</domain>");
                refuse(xml->str, VIRTBUS_ERROR_LIMIT_EXCEEDED, "elements");
        }
}

static void test_a_definition_can_always_be_read_again(void) {
        g_autoptr(GString) wide = g_string_new("<description>"), deep = g_string_new(""), many = g_string_new("");
        for (int i = 0; wide->len < 60000; i++)
                g_string_append(wide, "&#13;&gt;\"");
        g_string_append(wide, "</description>");
        for (int i = 0; i < 55; i++)
                g_string_append(deep, "<a>");
        for (int i = 0; i < 19000; i++)
                g_string_append(deep, "<b/>");
        for (int i = 0; i < 55; i++)
                g_string_append(deep, "</a>");
        for (int i = 0; i < 60000; i++)
                g_string_append(many, "<!--&-->");
        const GString *all[] = { wide, deep, many };
        for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
                g_autofree char *xml =
                                g_strconcat("<domain type='kvm'><name>n</name><memory>4096</memory><os><type>hvm</type></os>",
                                            all[i]->str, "</domain>", NULL);
                g_autoptr(GError) error = NULL;
                g_autoptr(Definition) definition = definition_parse(xml, &error), again = NULL;
                if (!definition) {
                        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_LIMIT_EXCEEDED);
                        continue;
                }
                again = definition_parse(definition->xml, &error);
                g_assert_no_error(error);
        }
}

/* What the driver does to documents: a name after the first element, an alias in each device, a device more; and it takes
 * <old/> away. */
static char *add_to(const char *text) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = xml_parse(text, "d", &error);
        g_assert_no_error(error);
        xmlNode *root = xmlDocGetRootElement(document), *old = xml_find(root, "devices/old");
        if (xml_child(root, NULL))
                xmlAddNextSibling(xml_child(root, NULL), xmlNewDocNode(document, NULL, (const xmlChar *) "uuid", NULL));
        xmlNode *devices = xml_ensure_child(root, "devices");
        for (xmlNode *device = xml_child(devices, "disk"); device; device = xml_next(device, "disk"))
                xml_add(device, "alias", NULL);
        g_autoptr(xmlDoc) attached = xml_parse("<net>\n<mac/><b>\n\t\t<c>  </c></b></net>", NULL, NULL);
        xmlAddChild(devices, xmlDocCopyNode(xmlDocGetRootElement(attached), document, 1));
        xml_add(devices, "rng", NULL);
        if (old)
                xml_remove(old);
        char *once = xml_document_text(document);
        g_autofree char *twice = xml_document_text(document);
        g_autoptr(xmlDoc) again = xml_parse(once, "d", NULL);
        g_autofree char *read_again = xml_document_text(again);
        g_assert_cmpstr(once, ==, twice);
        g_assert_cmpstr(once, ==, read_again);
        return once;
}

static void test_what_is_added_is_indented_like_what_is_around_it(void) {
        static const struct {
                const char *before, *after;
        } cases[] = {
                { "<d>\n  <name>n</name>\n\n  <devices>\n    <disk>\n      <a  b='c'/>\n    </disk>\n  </devices>\n</d>",
                  "<d>\n  <name>n</name>\n  <uuid/>\n\n  <devices>\n    <disk>\n      <a b=\"c\"/>\n      <alias/>\n    </disk>\n"
                  "    <net>\n      <mac/>\n      <b>\n        <c>  </c>\n      </b>\n    </net>\n    <rng/>\n  "
                  "</devices>\n</d>" },
                /* Tabs; an element without content; one of one line; a comment; one that goes, with its line. */
                { "<d>\n\t<name>n</name>\n\t<devices>\n\t\t<disk/>\n\t\t<!-- c "
                  "-->\n\t\t<old/>\n\t\t<disk><a/></disk>\n\t</devices>\n</d>",
                  "<d>\n\t<name>n</name>\n\t<uuid/>\n\t<devices>\n\t\t<disk>\n\t\t\t<alias/>\n\t\t</disk>\n\t\t<!-- c -->\n"
                  "\t\t<disk><a/><alias/></disk>\n\t\t<net>\n\t\t\t<mac/>\n\t\t\t<b>\n\t\t\t\t<c>  "
                  "</c>\n\t\t\t</b>\n\t\t</net>\n\t\t<rng/>\n"
                  "\t</devices>\n</d>" },
                /* No place for devices yet; nothing between their tags; steps of their own; a last line that is a comment. */
                { "<d>\n   <name>n</name>\n</d>", "<d>\n   <name>n</name>\n   <uuid/>\n   <devices>\n      <net>\n         "
                                                  "<mac/>\n         <b>\n            <c>  </c>\n"
                                                  "         </b>\n      </net>\n      <rng/>\n   </devices>\n</d>" },
                { "<d>\n <name>n</name>\n <devices>\n </devices>\n <!-- last -->\n</d>",
                  "<d>\n <name>n</name>\n <uuid/>\n <devices>\n  <net>\n   <mac/>\n   <b>\n    <c>  </c>\n   </b>\n  </net>\n  "
                  "<rng/>\n"
                  " </devices>\n <!-- last -->\n</d>" },
                /* Lines that do not begin with blanks, and end as in DOS. */
                { "<d>\r\n<name>n</name>\r\n<devices>\r\n<disk/>\r\n</devices>\r\n</d>",
                  "<d>\n<name>n</name>\n<uuid/>\n<devices>\n<disk>\n<alias/>\n</disk>\n<net>\n<mac/>\n<b>\n<c>  "
                  "</c>\n</b>\n</net>\n<rng/>\n"
                  "</devices>\n</d>" },
                /* Text of a person's stays as it is, whatever blanks it has. */
                { "<d>\n  <name>n</name>\n  <text> a\n\n <b/>  c </text>\n  <devices/>\n</d>",
                  "<d>\n  <name>n</name>\n  <uuid/>\n  <text> a\n\n <b/>  c </text>\n  <devices>\n    <net>\n      <mac/>\n      "
                  "<b>\n"
                  "        <c>  </c>\n      </b>\n    </net>\n    <rng/>\n  </devices>\n</d>" },
                /* One line altogether is indented, with blanks or without. */
                { "<d> <name>n</name> <devices> <disk/> </devices> </d>",
                  "<d>\n  <name>n</name>\n  <uuid/>\n  <devices>\n    <disk>\n      <alias/>\n    </disk>\n    <net>\n      "
                  "<mac/>\n      <b>\n"
                  "        <c>  </c>\n      </b>\n    </net>\n    <rng/>\n  </devices>\n</d>" },
                { "<d><name>n</name><devices><disk><a/></disk></devices></d>",
                  "<d>\n  <name>n</name>\n  <uuid/>\n  <devices>\n    <disk>\n      <a/>\n      <alias/>\n    </disk>\n    "
                  "<net>\n      <mac/>\n"
                  "      <b>\n        <c>  </c>\n      </b>\n    </net>\n    <rng/>\n  </devices>\n</d>" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = add_to(cases[i].before),
                                *wanted = g_strconcat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", cases[i].after, "\n", NULL);
                g_assert_cmpstr(text, ==, wanted);
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/xml/document-types-are-refused-at-sight", test_document_types_are_refused_at_sight);
        g_test_add_func("/xml/what-is-not-a-document-is-told-as-such", test_what_is_not_a_document_is_told_as_such);
        g_test_add_func("/definition/memory-is-bytes-whatever-the-unit", test_memory_is_bytes_whatever_the_unit);
        g_test_add_func("/definition/devices-are-named-as-libvirt-names-them", test_devices_are_named_as_libvirt_names_them);
        g_test_add_func("/definition/what-is-missing-is-chosen-once", test_what_is_missing_is_chosen_once);
        g_test_add_func("/definition/uuids-in-any-spelling", test_uuids_in_any_spelling);
        g_test_add_func("/definition/a-domain-has-the-uuid-that-its-guest-reads",
                        test_a_domain_has_the_uuid_that_its_guest_reads);
        g_test_add_func("/definition/passwords-are-left-out", test_passwords_are_left_out);
        g_test_add_func("/definition/cookies-are-left-out", test_cookies_are_left_out);
        g_test_add_func("/definition/cut-off-documents-are-refused", test_cut_off_documents_are_refused);
        g_test_add_func("/xml/text-is-utf8-whatever-it-declares", test_text_is_utf8_whatever_it_declares);
        g_test_add_func("/xml/attributes-of-an-element-are-bounded", test_attributes_of_an_element_are_bounded);
        g_test_add_func("/xml/what-is-added-is-indented-like-what-is-around-it",
                        test_what_is_added_is_indented_like_what_is_around_it);
        g_test_add_func("/xml/elements-comments-and-instructions-are-bounded",
                        test_elements_comments_and_instructions_are_bounded);
        g_test_add_func("/definition/can-always-be-read-again", test_a_definition_can_always_be_read_again);
        return g_test_run();
}
