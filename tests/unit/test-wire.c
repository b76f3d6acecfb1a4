/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire.h"

#include <errno.h>
#include <string.h>

#include "libvirt-errors.h"
#include "packet.h"
#include "procedures.h"

#define BYTES(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

static void check_same(const char *type, const char *text) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autofree char *variant_type = wire_variant_type(type);
        g_autoptr(GVariant) value = g_variant_parse(G_VARIANT_TYPE(variant_type), text, NULL, NULL, &error);
        g_assert_no_error(error);
        g_assert_true(wire_encode(type, value, bytes, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(bytes->len % 4, ==, 0);
        g_autoptr(GVariant) again = wire_decode(type, bytes->data, bytes->len, &error);
        g_assert_no_error(error);
        g_assert_cmpvariant(again, value);
}

static void test_values_come_back_as_they_went(void) {
        check_same("(iuxtd)", "(-1, 4294967295, -9223372036854775808, 18446744073709551615, 0.5)");
        check_same("(s)", "('ä guest',)");
        check_same("((sUi))", "(('web', '00112233-4455-6677-8899-aabbccddeeff', -1),)");
        check_same("(msms)", "(just 'x', nothing)");
        check_same("(a3:(sv))", "([('a', <int32 -2>), ('b', <'text'>), ('c', <true>)],)");
        check_same("(a4:vy8:)", "([<uint32 1>, <int64 2>, <uint64 3>, <2.5>], b'\\001\\002\\003')");
        check_same("(c8:C8:)", "('abc', 'defg')");
        check_same("(a2:a2:s)", "([['x'], []],)");
        check_same("()", "()");
}

static void check_refused(const char *type, const uint8_t *data, size_t size, LibvirtErrorCode code) {
        g_autoptr(GError) error = NULL;
        g_assert_null(wire_decode(type, data, size, &error));
        g_assert_error(error, LIBVIRT_ERROR, (int) code);
}

static void test_what_is_announced_and_not_there_is_refused(void) {
        check_refused("(s)", BYTES(0x00, 0x3f, 0xff, 0xff, 'a', 'b', 'c', 'd'), LIBVIRT_RPC);
        check_refused("(a16384:(sUi))", BYTES(0, 0, 0x40, 0), LIBVIRT_RPC);
        check_refused("(a1073741824:i)", BYTES(0x3f, 0xff, 0xff, 0xff), LIBVIRT_RPC);
        check_refused("(y65536:)", BYTES(0, 0, 0x10, 0), LIBVIRT_RPC);
        check_refused("(c4097:)", BYTES(0, 0, 0x10, 0), LIBVIRT_RPC);
        check_refused("(U)", BYTES(1, 2, 3, 4), LIBVIRT_RPC);
        check_refused("(t)", BYTES(1, 2, 3, 4), LIBVIRT_RPC);
}

static void test_what_is_over_a_limit_is_refused(void) {
        check_refused("(a2:i)", BYTES(0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3), LIBVIRT_RPC);
        check_refused("(y2:)", BYTES(0, 0, 0, 3, 1, 2, 3, 0), LIBVIRT_RPC);
        check_refused("(c1:)", BYTES(0, 0, 0, 2, 0, 0, 0, 'a', 0, 0, 0, 'b'), LIBVIRT_RPC);
        check_refused("(i)", BYTES(0, 0, 0, 1, 0, 0, 0, 2), LIBVIRT_RPC);
        check_refused("(v)", BYTES(0, 0, 0, 8, 0, 0, 0, 0), LIBVIRT_RPC);
        check_refused("(v)", BYTES(0, 0, 0, 0, 0, 0, 0, 0), LIBVIRT_RPC);
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GError) error = NULL;
        g_assert_false(wire_encode("(a1:s)", g_variant_new_parsed("(['a', 'b'],)"), bytes, &error));
        g_assert_error(error, LIBVIRT_ERROR, LIBVIRT_RPC);
        g_assert_cmpuint(bytes->len, ==, 0);
}

static void test_text_is_utf8_without_zeros(void) {
        check_refused("(s)", BYTES(0, 0, 0, 1, 0xff, 0, 0, 0), LIBVIRT_INVALID_ARG);
        check_refused("(s)", BYTES(0, 0, 0, 2, 'a', 0, 0, 0), LIBVIRT_RPC);
}

static void test_any_word_but_zero_says_that_an_optional_value_is_there(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) value = wire_decode("(ms)", BYTES(1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 0), &error);
        g_assert_no_error(error);
        const char *text;
        g_variant_get(value, "(m&s)", &text);
        g_assert_cmpstr(text, ==, "x");
}

static void test_text_of_an_exact_length_is_cut_and_filled(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_assert_true(wire_encode("(C4:)", g_variant_new("(s)", "abcdef"), bytes, &error));
        const uint8_t expected[] = { 0, 0, 0, 'a', 0, 0, 0, 'b', 0, 0, 0, 'c', 0, 0, 0, 0 };
        g_assert_cmpmem(bytes->data, bytes->len, expected, sizeof expected);
}

/* Every type of the table can be made and read: an answer that nobody has tried cannot end a process. */
static void test_every_procedure_has_types_that_can_be_read(void) {
        for (int i = 0; i < N_PROCEDURES; i++) {
                g_autofree char *arguments = wire_variant_type(procedures[i].arguments),
                                *reply = wire_variant_type(procedures[i].reply);
                g_assert_true(g_variant_type_string_is_valid(arguments));
                g_assert_true(g_variant_type_string_is_valid(reply));
                const Procedure *found = procedure_find(procedures[i].program, procedures[i].number);
                g_assert_true(procedures[i].event ? !found : found == &procedures[i]);
                g_autoptr(GVariant) nothing = wire_decode(procedures[i].arguments, NULL, 0, NULL);
                g_assert_true((nothing != NULL) == g_str_equal(procedures[i].arguments, "()"));
        }
        g_assert_null(procedure_find(REMOTE_PROGRAM, 0));
        g_assert_null(procedure_find(REMOTE_PROGRAM, 100000));
        g_assert_null(procedure_find(1, 1));
}

static GBytes *make_packet(uint32_t serial, size_t size) {
        const PacketHeader header = { .program = REMOTE_PROGRAM, .version = 1, .procedure = 3, .serial = serial };
        GByteArray *packet = packet_begin(&header);
        for (size_t i = 0; i < size; i++)
                g_byte_array_append(packet, (const uint8_t[]){ (uint8_t) i }, 1);
        return packet_end(packet);
}

static void test_messages_come_in_pieces_of_any_size(void) {
        g_autoptr(GBytes) first = make_packet(1, 0), second = make_packet(2, 300);
        g_autoptr(GByteArray) all = g_byte_array_new();
        g_byte_array_append(all, g_bytes_get_data(first, NULL), (unsigned int) g_bytes_get_size(first));
        g_byte_array_append(all, g_bytes_get_data(second, NULL), (unsigned int) g_bytes_get_size(second));
        for (size_t piece = 1; piece <= all->len; piece++) {
                PacketReader reader;
                PacketHeader header;
                const uint8_t *body;
                size_t size, n = 0;
                packet_reader_init(&reader);
                for (size_t at = 0; at < all->len; at += piece) {
                        packet_reader_feed(&reader, all->data + at, MIN(piece, all->len - at));
                        while (packet_reader_next(&reader, &header, &body, &size) > 0) {
                                n++;
                                g_assert_cmpuint(header.serial, ==, n);
                                g_assert_cmpint(header.procedure, ==, 3);
                                g_assert_cmpuint(size, ==, n == 1 ? 0 : 300);
                                g_assert_true(size == 0 || body[299] == (uint8_t) 299);
                        }
                }
                g_assert_cmpuint(n, ==, 2);
                g_assert_cmpuint(packet_reader_size(&reader), ==, 0);
                packet_reader_clear(&reader);
        }
}

static void test_a_length_that_cannot_be_is_told(void) {
        static const uint32_t lengths[] = { 0, 27, PACKET_MAX + 1, UINT32_MAX };
        for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
                PacketReader reader;
                PacketHeader header;
                const uint8_t *body;
                size_t size;
                uint32_t length = GUINT32_TO_BE(lengths[i]);
                packet_reader_init(&reader);
                packet_reader_feed(&reader, (const uint8_t *) &length, sizeof length);
                g_assert_cmpint(packet_reader_next(&reader, &header, &body, &size), ==, -EBADMSG);
                packet_reader_clear(&reader);
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/wire/values_come_back_as_they_went", test_values_come_back_as_they_went);
        g_test_add_func("/wire/what_is_announced_and_not_there_is_refused", test_what_is_announced_and_not_there_is_refused);
        g_test_add_func("/wire/what_is_over_a_limit_is_refused", test_what_is_over_a_limit_is_refused);
        g_test_add_func("/wire/text_is_utf8_without_zeros", test_text_is_utf8_without_zeros);
        g_test_add_func("/wire/any_word_but_zero_says_that_an_optional_value_is_there",
                        test_any_word_but_zero_says_that_an_optional_value_is_there);
        g_test_add_func("/wire/text_of_an_exact_length_is_cut_and_filled", test_text_of_an_exact_length_is_cut_and_filled);
        g_test_add_func("/wire/every_procedure_has_types_that_can_be_read", test_every_procedure_has_types_that_can_be_read);
        g_test_add_func("/packet/messages_come_in_pieces_of_any_size", test_messages_come_in_pieces_of_any_size);
        g_test_add_func("/packet/a_length_that_cannot_be_is_told", test_a_length_that_cannot_be_is_told);
        return g_test_run();
}
