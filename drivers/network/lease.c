/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/lease.h"

#include <stdio.h>
#include <string.h>

/* What cards are in the address that DUIDs and DHCP begin with: Ethernet. */
#define HARDWARE_ETHERNET 1

#define MAC_BYTES 6

/* RFC 8415, 11: a DUID that is the address of a card has its kind, that of the hardware, and of the first kind a time before. */
#define DUID_WITH_TIME 1
#define DUID_WITHOUT_TIME 3

/* What is not there, in the file. */
#define NONE "*"

#define SECOND UINT64_C(1000000)

void lease_free(Lease *lease) {
        g_free(lease->mac);
        g_free(lease->iaid);
        g_free(lease->client_id);
        g_free(lease->name);
        g_free(lease);
}

bool lease_equals(const Lease *one, const Lease *other) {
        return address_compare(&one->address, &other->address) == 0 && one->until == other->until &&
               strcmp(one->mac, other->mac) == 0 && strcmp(one->iaid, other->iaid) == 0 &&
               strcmp(one->client_id, other->client_id) == 0 && strcmp(one->name, other->name) == 0;
}

/* Fields */

/* Bytes as pairs of digits with ':' between them; NULL where it is anything else. */
static GByteArray *read_bytes(const char *text, size_t max) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        for (const char *c = text; *c; c += *c == ':') {
                if (!g_ascii_isxdigit(c[0]) || !g_ascii_isxdigit(c[1]) || (c[2] && c[2] != ':') || bytes->len >= max ||
                    (c[2] == ':' && !c[3]))
                        return NULL;
                uint8_t byte = (uint8_t) (g_ascii_xdigit_value(c[0]) << 4 | g_ascii_xdigit_value(c[1]));
                g_byte_array_append(bytes, &byte, 1);
                c += 2;
        }
        return bytes->len > 0 ? g_steal_pointer(&bytes) : NULL;
}

static char *bytes_text(const uint8_t *bytes, size_t n) {
        GString *text = g_string_new(NULL);
        for (size_t i = 0; i < n; i++)
                g_string_append_printf(text, "%s%02x", i > 0 ? ":" : "", bytes[i]);
        return g_string_free(text, FALSE);
}

/* "" where it is none. */
static char *read_mac(const char *text) {
        g_autoptr(GByteArray) bytes = read_bytes(text, MAC_BYTES);
        return bytes && bytes->len == MAC_BYTES ? bytes_text(bytes->data, bytes->len) : g_strdup("");
}

static char *read_client(const char *text) {
        g_autoptr(GByteArray) bytes = read_bytes(text, LEASE_CLIENT_BYTES_MAX);
        return bytes ? bytes_text(bytes->data, bytes->len) : g_strdup("");
}

/* The card that a DUID is the address of, or "". */
static char *card_of_duid(const char *text) {
        g_autoptr(GByteArray) bytes = read_bytes(text, LEASE_CLIENT_BYTES_MAX);
        const uint8_t *data = bytes ? bytes->data : NULL;
        size_t before = data && bytes->len == 8 + MAC_BYTES && data[0] == 0 && data[1] == DUID_WITH_TIME      ? 8
                        : data && bytes->len == 4 + MAC_BYTES && data[0] == 0 && data[1] == DUID_WITHOUT_TIME ? 4
                                                                                                              : 0;
        return before && data[2] == 0 && data[3] == HARDWARE_ETHERNET ? bytes_text(data + before, MAC_BYTES) : g_strdup("");
}

/* Decimal digits alone. */
static bool read_number(const char *text, uint64_t max, uint64_t *number) {
        size_t length = strlen(text);
        return length > 0 && length == strspn(text, "0123456789") && g_ascii_string_to_unsigned(text, 10, 0, max, number, NULL);
}

/* Of addresses that are not to last the number has a T before it, in the file and in the environment. */
static char *read_iaid(const char *text) {
        uint64_t number = 0;
        return read_number(text + (*text == 'T'), UINT32_MAX, &number) ? g_strdup_printf("%" G_GUINT64_FORMAT, number)
                                                                       : g_strdup("");
}

static char *read_name(const char *text) {
        size_t length = strlen(text);
        bool is_name = length > 0 && length <= LEASE_NAME_BYTES_MAX && (g_ascii_isalnum(*text) || *text == '_');
        for (const char *c = text; *c; c++)
                is_name = is_name && (g_ascii_isalnum(*c) || strchr("-_.", *c));
        return g_strdup(is_name ? text : "");
}

/* Later than can be told is for ever. */
static bool read_until(const char *text, uint64_t *until) {
        uint64_t seconds = 0;
        if (!read_number(text, UINT64_MAX, &seconds))
                return false;
        *until = seconds <= INT64_MAX / SECOND ? seconds * SECOND : 0;
        return true;
}

/* NULL where there is no address. CARD: of IPv6 where it is known, or "". */
static Lease *make(const char *address, const char *identity, const char *card, const char *iaid, const char *client,
                   const char *name, const char *until) {
        g_autoptr(Lease) lease = g_new0(Lease, 1);
        if (!address_parse(address, AF_UNSPEC, &lease->address) || !read_until(until, &lease->until))
                return NULL;
        bool is_6 = lease->address.family == AF_INET6;
        g_autofree char *known = read_mac(is_6 ? card : identity);
        lease->mac = *known || !is_6 ? g_steal_pointer(&known) : card_of_duid(identity);
        lease->iaid = is_6 ? read_iaid(iaid) : g_strdup("");
        lease->client_id = read_client(is_6 ? identity : client);
        lease->name = read_name(name);
        return g_steal_pointer(&lease);
}

/* Messages */

Lease *lease_read_message(const char *message, size_t size, char **network, bool *is_over) {
        const char *fields[LEASE_N_FIELDS], *end = message + size;
        size_t n = 0;
        *network = NULL;
        if (size == 0 || size > LEASE_MESSAGE_BYTES_MAX || message[size - 1] != '\0')
                return NULL;
        for (const char *field = message; field < end; field += strlen(field) + 1) {
                if (n >= LEASE_N_FIELDS)
                        return NULL;
                fields[n++] = field;
        }
        const char *action = n == LEASE_N_FIELDS ? fields[LEASE_FIELD_ACTION] : "";
        *is_over = strcmp(action, "del") == 0;
        if (n != LEASE_N_FIELDS || strcmp(fields[LEASE_FIELD_FORMAT], LEASE_MESSAGE_FORMAT) != 0 ||
            !g_uuid_string_is_valid(fields[LEASE_FIELD_NETWORK]) ||
            !(*is_over || strcmp(action, "add") == 0 || strcmp(action, "old") == 0))
                return NULL;
        /* Of what is over nobody asks until when it was. */
        Lease *lease = make(fields[LEASE_FIELD_ADDRESS], fields[LEASE_FIELD_IDENTITY], fields[LEASE_FIELD_MAC],
                            fields[LEASE_FIELD_IAID], fields[LEASE_FIELD_CLIENT], fields[LEASE_FIELD_NAME],
                            *is_over ? "0" : fields[LEASE_FIELD_UNTIL]);
        if (lease)
                *network = g_strdup(fields[LEASE_FIELD_NETWORK]);
        return lease;
}

/* The file */

/* "UNTIL MAC ADDRESS NAME CLIENT"; of IPv6 with the IAID and the DUID in the places of the MAC and the client. */
GPtrArray *lease_read_file(const char *text) {
        GPtrArray *leases = g_ptr_array_new_with_free_func((GDestroyNotify) lease_free);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line && leases->len < LEASES_MAX; line++) {
                g_auto(GStrv) words = g_strsplit(*line, " ", 6);
                if (g_strv_length(words) != 5)
                        continue;
                bool is_6 = strchr(words[2], ':');
                const char *client = strcmp(words[4], NONE) == 0 ? "" : words[4],
                           *name = strcmp(words[3], NONE) == 0 ? "" : words[3];
                Lease *lease = make(words[2], is_6 ? client : words[1], "", is_6 ? words[1] : "", client, name, words[0]);
                if (lease)
                        g_ptr_array_add(leases, lease);
        }
        return leases;
}
