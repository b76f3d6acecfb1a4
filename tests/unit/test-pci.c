/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/xml.h"
#include "qemu/complete/pci.h"

#define NONE "<controller type='usb' model='none'/><memballoon model='none'/>"
#define CARD(model) "<interface type='user'><model type='" model "'/></interface>"
#define PCI(index, model) "<controller type='pci' index='" index "' model='" model "'/>"

typedef struct Case {
        const char *devices, *places;
} Case;

/* Where each device is, "what@bus:slot.function"; of controllers those with an index above 0. */
static char *places_of(xmlNode *devices) {
        GString *text = g_string_new(NULL);
        for (xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL)) {
                g_autofree char *index = xml_attribute(device, "index"), *model = xml_attribute(device, "model"),
                                *type = xml_attribute(xml_child(device, "model"), "type");
                xmlNode *address = xml_child(device, "address");
                g_autofree char *bus = xml_attribute(address, "bus"), *slot = xml_attribute(address, "slot"),
                                *function = xml_attribute(address, "function");
                if (bus)
                        g_string_append_printf(text, "%s%s%s@%lu:%lx.%s ", model ? model : type, index ? "/" : "",
                                               index ? index : "", strtoul(bus, NULL, 0), strtoul(slot, NULL, 0), function + 2);
        }
        g_strchomp(text->str);
        return g_string_free(text, FALSE);
}

static xmlDoc *place(const char *devices, bool q35, GError **error) {
        g_autofree char *text =
                        g_strdup_printf("<domain><devices><controller type='pci' index='0' model='%s'/>%s%s</devices></domain>",
                                        q35 ? "pcie-root" : "pci-root", NONE, devices);
        g_autoptr(GError) syntax = NULL;
        xmlDoc *document = xml_parse(text, "domain", &syntax);
        g_assert_no_error(syntax);
        pci_place(xmlDocGetRootElement(document), machine_kind("x86_64", q35 ? "q35" : "pc"), error);
        return document;
}

static void try_cases(const Case *cases, size_t n, bool q35) {
        for (size_t i = 0; i < n; i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(xmlDoc) document = place(cases[i].devices, q35, &error);
                g_assert_no_error(error);
                g_autofree char *places = places_of(xml_child(xmlDocGetRootElement(document), "devices"));
                g_assert_cmpstr(places, ==, cases[i].places);
        }
}

/* The first bridge on PCI Express comes with a port of its own, after what has been asked for before it. */
static void conventional_devices_on_pci_express_get_a_port_and_a_bridge(void) {
        static const Case cases[] = {
                { CARD("e1000"), "e1000@2:1.0 pcie-root-port/1@0:1.0 pcie-to-pci-bridge/2@1:0.0 pcie-root-port/3@0:1.1" },
                { CARD("virtio") CARD("e1000"), "virtio@2:0.0 e1000@3:1.0 pcie-root-port/1@0:1.0 pcie-root-port/2@0:1.1 "
                                                "pcie-to-pci-bridge/3@1:0.0 pcie-root-port/4@0:1.2" },
                { PCI("1", "pcie-root-port") CARD("e1000"), "pcie-root-port/1@0:1.0 e1000@3:1.0 pcie-root-port/2@0:1.1 "
                                                            "pcie-to-pci-bridge/3@1:0.0" },
                { PCI("1", "dmi-to-pci-bridge") CARD("e1000"), "dmi-to-pci-bridge/1@0:1e.0 e1000@2:1.0 pci-bridge/2@1:0.0" },
        };
        try_cases(cases, G_N_ELEMENTS(cases), true);
}

static void usb2_is_where_the_chipset_has_it_only_with_all_of_it(void) {
        static const Case cases[] = {
                { "<controller type='usb' index='3' model='ich9-ehci1'/><controller type='usb' index='3' model='ich9-uhci1'>"
                  "<master startport='0'/></controller>",
                  "ich9-ehci1/3@0:1d.7 ich9-uhci1/3@0:1d.0" },
                { "<controller type='usb' index='0' model='ich9-ehci1'/>",
                  "ich9-ehci1/0@2:1.7 pcie-root-port/1@0:1.0 pcie-to-pci-bridge/2@1:0.0 pcie-root-port/3@0:1.1" },
        };
        try_cases(cases, G_N_ELEMENTS(cases), true);
}

#define AT(model, slot, function) \
        "<interface type='user'><model type='" model "'/><address type='pci' domain='0' bus='0' slot='" slot \
        "' function='" function "'/></interface>"

/* Where nothing but zeros is said; and the first card comes first where its own place is taken. */
static void an_address_that_is_not_chosen_is_chosen(void) {
        static const Case cases[] = {
                { AT("e1000", "0", "0x0"), "e1000@0:2.0" },
                { AT("e1000", "2", "0x0") "<video><model type='vga'/></video>" CARD("virtio"),
                  "e1000@0:2.0 vga@0:3.0 virtio@0:4.0" },
        };
        try_cases(cases, G_N_ELEMENTS(cases), false);
}

static void addresses_that_are_the_machines_own_are_refused(void) {
        static const struct {
                const char *devices, *phrase;
                bool q35;
        } cases[] = {
                { AT("e1000", "1", "0x0"), "00:01.0", false },    { AT("e1000", "1", "0x1"), "00:01.1", false },
                { AT("e1000", "0", "0x2"), "slots 1 to", false }, { AT("e1000", "0x1f", "0x0"), "00:1f.0", true },
                { AT("e1000", "0x1f", "0x3"), "00:1f.3", true },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(xmlDoc) document = place(cases[i].devices, cases[i].q35, &error);
                g_assert_nonnull(error);
                if (!strstr(error->message, cases[i].phrase))
                        g_error("'%s' is not in: %s", cases[i].phrase, error->message);
        }
}

static void a_controller_behind_itself_is_refused(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = place(PCI("1", "pci-bridge"), true, &error);
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, "behind itself"));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/pci/conventional-devices-on-pci-express-get-a-port-and-a-bridge",
                        conventional_devices_on_pci_express_get_a_port_and_a_bridge);
        g_test_add_func("/pci/usb2-is-where-the-chipset-has-it-only-with-all-of-it",
                        usb2_is_where_the_chipset_has_it_only_with_all_of_it);
        g_test_add_func("/pci/an-address-that-is-not-chosen-is-chosen", an_address_that_is_not_chosen_is_chosen);
        g_test_add_func("/pci/addresses-that-are-the-machines-own-are-refused", addresses_that_are_the_machines_own_are_refused);
        g_test_add_func("/pci/a-controller-behind-itself-is-refused", a_controller_behind_itself_is_refused);
        return g_test_run();
}
