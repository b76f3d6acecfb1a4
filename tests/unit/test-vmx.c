/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/xml.h"
#include "vmx/vmx-bus.h"
#include "vmx/vmx-keys.h"
#include "vmx/vmx-path.h"
#include "vmx/vmx-read.h"
#include "vmx/vmx-write.h"

#define HEAD "config.version = \"8\"\nvirtualHW.version = \"10\"\ndisplayName = \"one\"\n"
#define DOCUMENT(more, devices) \
        "<domain type='vmware'><name>one</name><uuid>564d9bef-acd9-b4e0-c8f0-aea8b9103515</uuid>" \
        "<memory unit='MiB'>64</memory>" more "<os><type>hvm</type></os><devices>" devices "</devices></domain>"

static void refuse(const char *text, VirtbusError code, const char *part) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = vmx_from_native(text, &error);
        g_assert_null(document);
        g_assert_error(error, VIRTBUS_ERROR, (int) code);
        if (!strstr(error->message, part))
                g_error("'%s' is not in '%s'", part, error->message);
}

static char *write_text(const char *xml) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = xml_parse(xml, "domain", &error);
        g_assert_no_error(error);
        char *text = vmx_write(document, &error);
        g_assert_no_error(error);
        return text;
}

static void test_a_strangers_file_is_bounded(void) {
        g_autoptr(GString) many = g_string_new(HEAD), long_line = g_string_new(HEAD "annotation = \""),
                           large = g_string_new(HEAD);
        for (int i = 0; i <= VMX_KEYS_MAX; i++)
                g_string_append_printf(many, "k%d = \"v\"\n", i);
        for (int i = 0; i <= VMX_LINE_BYTES_MAX; i++)
                g_string_append_c(long_line, 'x');
        for (int i = 0; i <= VMX_BYTES_MAX; i++)
                g_string_append_c(large, '\n');
        refuse(many->str, VIRTBUS_ERROR_LIMIT_EXCEEDED, "keys");
        refuse(long_line->str, VIRTBUS_ERROR_LIMIT_EXCEEDED, "line 4");
        refuse(large->str, VIRTBUS_ERROR_LIMIT_EXCEEDED, "bytes");
}

static void test_each_encoding_is_read(void) {
        g_autoptr(GError) error = NULL;
        static const char latin[] = ".encoding = \"windows-1252\"\n" HEAD "annotation = \"M\xfcnchen\"\n";
        g_autofree char *text = vmx_file_decode(latin, sizeof latin - 1, &error);
        g_assert_no_error(error);
        g_assert_nonnull(strstr(text, "M\xc3\xbcnchen"));
        g_assert_null(vmx_file_decode("a\0b", 3, &error));
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
        g_clear_error(&error);
        static const char wrong[] = ".encoding = \"UTF-8\"\nx = \"\xff\"\n";
        g_assert_null(vmx_file_decode(wrong, sizeof wrong - 1, &error));
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
}

static void test_values_come_back_as_they_were(void) {
        g_autoptr(GString) out = g_string_new(HEAD);
        static const char odd[] = "a \"b\" |c| \n\t|7C %41 \xc3\xbc";
        vmx_put(out, odd, "annotation");
        g_autoptr(VmxFile) file = vmx_file_parse(out->str, NULL);
        g_assert_cmpstr(vmx_file_take(file, "Annotation"), ==, odd);
        refuse(HEAD "annotation = \"100|7\"\n", VIRTBUS_ERROR_INVALID_ARGUMENT, "write the character '|' as |7C");
}

static void test_paths_of_datastores_go_both_ways(void) {
        static const char *const pairs[][2] = {
                { "/vmfs/volumes/a b/c/d.vmdk", "[a b] c/d.vmdk" },
                { "/vmfs/volumes/x", "/vmfs/volumes/x" },
                { "disk.vmdk", "disk.vmdk" },
                { "/a/b", "/a/b" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
                g_autofree char *there = vmx_path_to_document(pairs[i][0]), *back = vmx_path_from_document(there);
                g_assert_cmpstr(there, ==, pairs[i][1]);
                g_assert_cmpstr(back, ==, pairs[i][0]);
        }
}

static void test_each_place_has_a_name_of_its_own(void) {
        for (unsigned b = 0; b < vmx_n_buses; b++)
                for (unsigned c = 0; c < vmx_buses[b].n_controllers; c++)
                        for (unsigned u = 0; u < vmx_buses[b].units; u++) {
                                unsigned controller, unit;
                                if ((int) u == vmx_buses[b].reserved)
                                        continue;
                                g_autofree char *name = vmx_bus_target(vmx_buses + b, vmx_bus_index(vmx_buses + b, c, u));
                                g_assert_true(vmx_bus_find_target(vmx_buses + b, name, &controller, &unit));
                                g_assert_cmpuint(controller, ==, c);
                                g_assert_cmpuint(unit, ==, u);
                        }
}

static void test_no_key_is_passed_over(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document =
                        vmx_from_native(HEAD "sound.present = \"TRUE\"\nnobody.knows = \"x\"\nusb.present = \"FALSE\"\n"
                                             "scsi0.pciSlotNumber = \"16\"\na--b = \"1\"\n",
                                        &error);
        g_assert_no_error(error);
        g_autofree char *xml = xml_document_text(document);
        g_assert_nonnull(strstr(xml, "sound.present, nobody.knows"));
        g_assert_null(strstr(xml, "usb.present"));
        g_assert_null(strstr(xml, "pciSlotNumber"));
        g_assert_true(vmx_key_says_nothing("SCSI0.PCISlotNumber"));
        g_assert_false(vmx_key_says_nothing("sound.present"));
}

static void test_what_is_not_the_documents_stays(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = xml_parse(DOCUMENT("", ""), "domain", &error);
        g_autofree char *text =
                        vmx_rewrite(document,
                                    HEAD "guestOS = \"ubuntu\"\nscsi0.present = \"true\"\nscsi0:0.present = \"true\"\n"
                                         "scsi0:0.fileName = \"a.vmdk\"\nnvram = \"x\"\nide1:0.present = \"TRUE\"\n"
                                         "ide1:0.clientDevice = \"TRUE\"\nfloppy1.fileName = \"old\"\nvirtbus.owner = \"7\"\n",
                                    "own = \"1\"\n", &error);
        g_assert_no_error(error);
        static const char *const kept[] = { "guestOS = \"ubuntu\"", "virtualHW.version = \"10\"", "nvram = \"x\"", "own = \"1\"",
                                            "ide1:0.clientDevice" };
        for (size_t i = 0; i < G_N_ELEMENTS(kept); i++)
                if (!strstr(text, kept[i]))
                        g_error("'%s' is not in '%s'", kept[i], text);
        g_assert_null(strstr(text, "scsi0"));
        g_assert_null(strstr(text, "a.vmdk"));
        g_assert_null(strstr(text, "virtbus.owner"));
}

static void test_what_nobody_could_read_is_not_written(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GString) xml =
                        g_string_new("<domain type='vmware'><name>n</name><uuid>564d9bef-acd9-b4e0-c8f0-aea8b9103515</uuid>"
                                     "<memory>4096</memory><os><type>hvm</type></os><description>");
        for (int i = 0; i < VMX_LINE_BYTES_MAX / 2; i++)
                g_string_append_c(xml, '|');
        g_string_append(xml, "</description></domain>");
        g_autoptr(xmlDoc) document = xml_parse(xml->str, "domain", &error);
        g_assert_null(vmx_write(document, &error));
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_LIMIT_EXCEEDED);
}

static void test_sizes_are_rounded_up(void) {
        g_autofree char *text = write_text("<domain type='vmware'><name>n</name><uuid>564d9bef-acd9-b4e0-c8f0-aea8b9103515</uuid>"
                                           "<memory unit='KiB'>4097</memory><os><type>hvm</type></os></domain>");
        g_assert_nonnull(strstr(text, "memsize = \"8\""));
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/vmx/a_strangers_file_is_bounded", test_a_strangers_file_is_bounded);
        g_test_add_func("/vmx/each_encoding_is_read", test_each_encoding_is_read);
        g_test_add_func("/vmx/values_come_back_as_they_were", test_values_come_back_as_they_were);
        g_test_add_func("/vmx/paths_of_datastores_go_both_ways", test_paths_of_datastores_go_both_ways);
        g_test_add_func("/vmx/each_place_has_a_name_of_its_own", test_each_place_has_a_name_of_its_own);
        g_test_add_func("/vmx/no_key_is_passed_over", test_no_key_is_passed_over);
        g_test_add_func("/vmx/what_is_not_the_documents_stays", test_what_is_not_the_documents_stays);
        g_test_add_func("/vmx/what_nobody_could_read_is_not_written", test_what_nobody_could_read_is_not_written);
        g_test_add_func("/vmx/sizes_are_rounded_up", test_sizes_are_rounded_up);
        return g_test_run();
}
