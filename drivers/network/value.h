/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the attributes and the texts of a network's document may be. Each kind of value is checked by its letter: what passes
 * can be written into a line of dnsmasq's configuration, or be the name of an interface, without being anything else there. */

#include "base/xml.h"

/* How long they may be, in bytes. */
#define NETWORK_NAME_BYTES_MAX 255
#define NETWORK_TITLE_BYTES_MAX 1024
#define NETWORK_TEXT_BYTES_MAX 65536
#define NETWORK_VALUE_BYTES_MAX 1024 /* any other */

typedef struct ValueKind ValueKind;
struct ValueKind {
        const char *what;                                       /* what it must be, in errors */
        bool (*check)(const ValueKind *kind, const char *text); /* or NULL: any of WORDS */
        char *(*normalize)(const char *text);                   /* as libvirt writes it, or NULL: as it is */
        const char *const *words;                               /* NULL at the end */
        uint64_t min, max;                                      /* of a number, or of a text's length */
};

extern const ValueKind value_yes_no, value_on_off, value_name, value_uuid, value_title, value_description, value_interface,
                value_bridge, value_zone, value_table_manager, value_mac, value_unicast_mac, value_delay, value_mtu,
                value_forward_mode, value_forward_driver, value_address, value_ipv4, value_netmask, value_prefix, value_family,
                value_port, value_file, value_path, value_client_id, value_host_name, value_dns_name, value_dns_target,
                value_dns_label, value_text, value_u16, value_metric, value_expiry, value_lease_unit, value_vlan,
                value_native_mode, value_rate, value_port_type, value_byte, value_type_id, value_profile, value_pci,
                value_pci_domain, value_pci_bus, value_pci_slot, value_pci_function, value_option, value_run;

/* Checks a value that ELEMENT has as attribute NAME, or with NULL as its text. What libvirt would write in its place, to be
 * freed; NULL with an error. */
char *value_check(const ValueKind *kind, const xmlNode *element, const char *name, const char *text, GError **error);

/* The modes of <forward>, NULL at the end. */
extern const char *const value_modes[];

/* A number in decimal or, with 0x, in hexadecimal digits. */
bool value_number(const char *text, uint64_t *number);

/* Whether a text is of letters and digits of ASCII and of OTHERS alone, and not empty. */
bool value_has_only(const char *text, const char *others);
