/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "secret/secret-definition.h"

#define UUID "f52a81b2-424e-490c-823d-6bd4235bc573"

static void refuse(const char *xml, VirtbusError code, const char *part) {
        g_autoptr(GError) error = NULL;
        g_autoptr(SecretDefinition) definition = secret_definition_parse(xml, &error);
        g_assert_null(definition);
        g_assert_error(error, VIRTBUS_ERROR, (int) code);
        if (!strstr(error->message, part))
                g_error("'%s' is not in '%s'", part, error->message);
}

static SecretDefinition *parse(const char *xml) {
        g_autoptr(GError) error = NULL;
        SecretDefinition *definition = secret_definition_parse(xml, &error);
        g_assert_no_error(error);
        return definition;
}

static void test_each_usage_is_read(void) {
        static const struct {
                const char *usage, *id, *key;
                SecretUsage kind;
        } cases[] = {
                { "", "", NULL, SECRET_USAGE_NONE },
                { "<usage type='none'/>", "", NULL, SECRET_USAGE_NONE },
                { "<usage type='volume'><volume>/a b/c</volume></usage>", "/a b/c", "volume:/a b/c", SECRET_USAGE_VOLUME },
                { "<usage type='ceph'><name>client.admin secret</name></usage>", "client.admin secret",
                  "ceph:client.admin secret", SECRET_USAGE_CEPH },
                { "<usage type='iscsi'><target>t</target></usage>", "t", "iscsi:t", SECRET_USAGE_ISCSI },
                { "<usage type='tls'><name> t </name></usage>", " t ", "tls: t ", SECRET_USAGE_TLS },
                { "<usage type='vtpm'><name>v</name></usage>", "v", "vtpm:v", SECRET_USAGE_VTPM },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *xml = g_strdup_printf("<secret>%s</secret>", cases[i].usage);
                g_autoptr(SecretDefinition) definition = parse(xml);
                g_assert_cmpint(definition->usage, ==, cases[i].kind);
                g_assert_cmpstr(definition->usage_id, ==, cases[i].id);
                g_assert_cmpstr(definition->usage_key, ==, cases[i].key);
        }
}

static void test_what_is_left_out_is_chosen_and_kept(void) {
        g_autoptr(SecretDefinition) plain = parse("<secret/>"), other = parse("<secret><uuid/></secret>");
        g_assert_false(plain->ephemeral);
        g_assert_false(plain->is_private);
        g_assert_true(g_uuid_string_is_valid(plain->uuid));
        g_assert_true(g_uuid_string_is_valid(other->uuid));
        g_assert_cmpstr(plain->uuid, !=, other->uuid);
        g_assert_nonnull(strstr(plain->xml, plain->uuid));
        g_assert_nonnull(strstr(other->xml, other->uuid));
        g_assert_nonnull(strstr(plain->xml, "ephemeral=\"no\""));
        g_assert_nonnull(strstr(plain->xml, "private=\"no\""));
        g_autoptr(SecretDefinition) again = parse(plain->xml);
        g_assert_cmpstr(again->xml, ==, plain->xml);
}

static void test_nothing_is_lost(void) {
        g_autoptr(SecretDefinition) definition =
                        parse("<!-- before --><secret private='yes' ephemeral='yes'>\n <!-- why -->\n <uuid>" UUID
                              "</uuid>\n <description>\n two\n lines </description><?tool its own?></secret>");
        g_assert_true(definition->ephemeral && definition->is_private);
        g_assert_cmpstr(definition->uuid, ==, UUID);
        g_assert_cmpstr(definition->description, ==, "two\n lines");
        static const char *const parts[] = { "<!-- before -->", "<!-- why -->", "\n two\n lines ", "<?tool its own?>" };
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                g_assert_nonnull(strstr(definition->xml, parts[i]));
}

static void test_each_fault_is_named(void) {
        static const struct {
                const char *xml, *part;
        } cases[] = {
                { "<domain/>", "must be <secret>" },
                { "<secret xmlns='urn:x'/>", "namespace" },
                { "<secret ephemeral='maybe'/>", "ephemeral is 'maybe'" },
                { "<secret private='1'/>", "private is '1'" },
                { "<secret size='1'/>", "attribute 'size'" },
                { "<secret xmlns:a='urn:a' a:private='yes'/>", "attribute 'private'" },
                { "<secret>word</secret>", "text outside" },
                { "<secret><![CDATA[x]]></secret>", "text outside" },
                { "<secret>\n<value>abc</value></secret>", "line 2, element <value>: it is not known in <secret>" },
                { "<secret><uuid>1</uuid></secret>", "'1' is not a UUID" },
                { "<secret><uuid kind='x'>" UUID "</uuid></secret>", "attribute 'kind'" },
                { "<secret><uuid>" UUID "</uuid><uuid>" UUID "</uuid></secret>", "element <uuid>: there are two" },
                { "<secret><description><b/></description></secret>", "element <b>: it is not known in <description>" },
                { "<secret><usage/></secret>", "'type' is missing" },
                { "<secret><usage type='disk'/></secret>", "type is 'disk'; it must be one of: volume, ceph, iscsi, tls, vtpm" },
                { "<secret><usage type='volume'/></secret>", "<volume> is missing" },
                { "<secret><usage type='volume'><name>/x</name></usage></secret>", "has <volume> only" },
                { "<secret><usage type='volume'><volume>x</volume></usage></secret>", "'x' is not an absolute path" },
                { "<secret><usage type='volume'><volume/></usage></secret>", "it is empty" },
                { "<secret><usage type='ceph'><target>x</target></usage></secret>", "has <name> only" },
                { "<secret><usage type='ceph'><name>x</name><target>x</target></usage></secret>", "has <name> only" },
                { "<secret><usage type='none'><name>x</name></usage></secret>", "has no element" },
                { "<secret><usage type='iscsi'/></secret>", "<target> is missing" },
                { "<secret><usage type='tls'><name/></usage></secret>", "it is empty" },
                { "<secret><usage type='vtpm' id='1'><name>x</name></usage></secret>", "attribute 'id'" },
                { "<secret><usage type='ceph'>text<name>x</name></usage></secret>", "text outside" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                refuse(cases[i].xml, VIRTBUS_ERROR_INVALID_XML, cases[i].part);
}

static void test_what_is_too_long_is_refused(void) {
        g_autofree char *id = g_strnfill(SECRET_USAGE_BYTES_MAX + 1, 'x'),
                        *text = g_strnfill(SECRET_DESCRIPTION_BYTES_MAX + 1, 'x');
        g_autofree char *usage = g_strdup_printf("<secret><usage type='ceph'><name>%s</name></usage></secret>", id);
        g_autofree char *description = g_strdup_printf("<secret><description>%s</description></secret>", text);
        refuse(usage, VIRTBUS_ERROR_LIMIT_EXCEEDED, "element <name>: it may have 4096 bytes");
        refuse(description, VIRTBUS_ERROR_LIMIT_EXCEEDED, "element <description>");
        id[SECRET_USAGE_BYTES_MAX] = '\0';
        g_autofree char *just = g_strdup_printf("<secret><usage type='ceph'><name>%s</name></usage></secret>", id);
        g_autoptr(SecretDefinition) definition = parse(just);
        g_assert_cmpuint(strlen(definition->usage_id), ==, SECRET_USAGE_BYTES_MAX);
}

static void test_a_usage_is_found_by_type_and_name(void) {
        g_autoptr(GError) error = NULL, none = NULL;
        g_autofree char *key = secret_usage_key("ceph", "a:b", &error);
        g_assert_cmpstr(key, ==, "ceph:a:b");
        g_assert_null(secret_usage_key("disk", "a", &error));
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
        g_assert_null(secret_usage_key("none", "", &none));
        g_assert_error(none, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/secret-definition/each-usage-is-read", test_each_usage_is_read);
        g_test_add_func("/secret-definition/what-is-left-out-is-chosen-and-kept", test_what_is_left_out_is_chosen_and_kept);
        g_test_add_func("/secret-definition/nothing-is-lost", test_nothing_is_lost);
        g_test_add_func("/secret-definition/each-fault-is-named", test_each_fault_is_named);
        g_test_add_func("/secret-definition/what-is-too-long-is-refused", test_what_is_too_long_is_refused);
        g_test_add_func("/secret-definition/a-usage-is-found-by-type-and-name", test_a_usage_is_found_by_type_and_name);
        return g_test_run();
}
