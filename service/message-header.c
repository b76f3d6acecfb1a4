/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "message-header.h"

#include <endian.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define FIELD_UNIX_FDS 9

size_t message_header_align(size_t at) {
        return (at + 7) / 8 * 8;
}

uint32_t message_header_read_number(guint8 order, const guint8 *at) {
        uint32_t value;
        memcpy(&value, at, sizeof value);
        return order == 'B' ? be32toh(value) : le32toh(value);
}

static uint32_t number_at(const GByteArray *head, size_t at) {
        return message_header_read_number(head->data[0], head->data + at);
}

void message_header_set_number(GByteArray *head, size_t at, uint32_t value) {
        uint32_t bytes = head->data[0] == 'B' ? htobe32(value) : htole32(value);
        memcpy(head->data + at, &bytes, sizeof bytes);
}

size_t message_header_fields_size(const GByteArray *head) {
        return number_at(head, MESSAGE_HEADER_FIELDS_AT);
}

size_t message_header_size(const GByteArray *head) {
        return message_header_align(MESSAGE_HEADER_FIXED_SIZE + (size_t) message_header_fields_size(head));
}

size_t message_header_body_size(const GByteArray *head) {
        return number_at(head, MESSAGE_HEADER_BODY_AT);
}

void message_header_cut(GByteArray *head) {
        size_t at = MESSAGE_HEADER_FIXED_SIZE, end = at + message_header_fields_size(head);
        message_header_set_number(head, MESSAGE_HEADER_BODY_AT, 0);
        while ((at = message_header_align(at)) + 4 <= end && head->data[at + 1] == 1) {
                uint8_t field = head->data[at];
                char type = (char) head->data[at + 2];
                at += 4;
                if (type == 'g')
                        at += head->data[at] + 2u;
                else if (type == 's' || type == 'o')
                        at = at + 4 <= end ? at + 4 + number_at(head, at) + 1u : end;
                else if (type == 'u') {
                        if (field == FIELD_UNIX_FDS && at + 4 <= end)
                                message_header_set_number(head, at, 0);
                        at += 4;
                } else
                        return;
        }
}

/* Reads a string of a header at AT; returns the position after it, or 0 where there is no string. */
static size_t read_string(const GByteArray *head, size_t at, size_t end, const char **string) {
        if (at + 4 > end)
                return 0;
        size_t length = number_at(head, at);
        *string = (const char *) head->data + at + 4;
        if (length >= end - at - 4 || strnlen(*string, length + 1) != length)
                return 0;
        return at + 4 + length + 1;
}

bool message_header_is_call_with_descriptors(const GByteArray *head, unsigned n_descriptors) {
        static const struct {
                char type;
                int (*is_valid)(const char *string);
        } fields[] = {
                [1] = { 'o', sd_bus_object_path_is_valid },
                [2] = { 's', sd_bus_interface_name_is_valid },
                [3] = { 's', sd_bus_member_name_is_valid },
                [6] = { 's', sd_bus_service_name_is_valid },
                [7] = { 's', sd_bus_service_name_is_valid },
                [8] = { 'g', NULL },
                [FIELD_UNIX_FDS] = { 'u', NULL },
        };
        size_t at = MESSAGE_HEADER_FIXED_SIZE, end = at + message_header_fields_size(head);
        unsigned seen = 0;
        if (head->data[1] != SD_BUS_MESSAGE_METHOD_CALL || number_at(head, MESSAGE_HEADER_SERIAL_AT) == 0)
                return false;
        while ((at = message_header_align(at)) < end) {
                if (at + 4 >= end || head->data[at + 1] != 1 || head->data[at + 3] != '\0')
                        return false;
                uint8_t field = head->data[at];
                char type = (char) head->data[at + 2];
                const char *string = NULL;
                if (field >= G_N_ELEMENTS(fields) || !fields[field].type || fields[field].type != type || seen & 1u << field)
                        return false;
                seen |= 1u << field;
                at += 4;
                if (type == 'u') {
                        if (at + 4 > end || number_at(head, at) != n_descriptors)
                                return false;
                        at += 4;
                } else if (type == 'g') {
                        size_t length = head->data[at];
                        string = (const char *) head->data + at + 1;
                        if (length + 2 > end - at || strnlen(string, length + 1) != length || !g_variant_is_signature(string))
                                return false;
                        at += length + 2;
                } else if (!(at = read_string(head, at, end, &string)) || fields[field].is_valid(string) <= 0)
                        return false;
        }
        unsigned needed = 1u << 1 | 1u << 3 | 1u << FIELD_UNIX_FDS | (message_header_body_size(head) > 0 ? 1u << 8 : 0);
        return (seen & needed) == needed;
}
