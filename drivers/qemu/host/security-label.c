/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/security-label.h"

#include <string.h>

#include "errors.h"

#define APPARMOR_ENABLED "/sys/module/apparmor/parameters/enabled"

/* The last number means no user to the kernel. */
static bool read_number(const char *text, guint64 *number) {
        return g_ascii_string_to_unsigned(*text == '+' ? text + 1 : text, 10, 1, UINT32_MAX - 1, number, NULL);
}

bool security_user_parse(const char *label, uid_t *uid, gid_t *gid) {
        g_auto(GStrv) parts = g_strsplit(label, ":", 3);
        guint64 user, group;
        if (g_strv_length(parts) != 2 || !read_number(parts[0], &user) || !read_number(parts[1], &group))
                return false;
        *uid = (uid_t) user;
        *gid = (gid_t) group;
        return true;
}

bool security_profile_is_name(const char *label) {
        size_t length = strlen(label);
        for (const char *c = label; *c; c++)
                if (g_ascii_iscntrl(*c))
                        return false;
        return length > 0 && length <= SECURITY_PROFILE_MAX;
}

static char *text_of(const xmlDoc *document, const char *model) {
        xmlNode *root = xmlDocGetRootElement((xmlDoc *) document);
        for (xmlNode *label = xml_child(root, "seclabel"); label; label = xml_next(label, "seclabel"))
                if (xml_attribute_is(label, "model", model) && xml_attribute_is(label, "type", "static"))
                        return xml_text(xml_child(label, "label"));
        return NULL;
}

void security_label_user(const xmlDoc *document, uid_t *uid, gid_t *gid) {
        g_autofree char *label = text_of(document, "dac");
        if (label)
                security_user_parse(label, uid, gid);
}

char *security_label_profile(const xmlDoc *document) {
        return text_of(document, "apparmor");
}

/* That of dac is of users. */
bool security_label_is_unconfined(const xmlDoc *document) {
        xmlNode *root = xmlDocGetRootElement((xmlDoc *) document);
        for (const xmlNode *label = xml_child(root, "seclabel"); label; label = xml_next(label, "seclabel"))
                if (xml_attribute_is(label, "type", "none") && !xml_attribute_is(label, "model", "dac"))
                        return true;
        return false;
}

bool security_check_profiles(GError **error) {
        g_autofree char *enabled = NULL;
        return (g_file_get_contents(APPARMOR_ENABLED, &enabled, NULL, NULL) && *enabled == 'Y') ||
               virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                 "its <seclabel> names a profile of AppArmor's, which this host does not have (" APPARMOR_ENABLED
                                 "): leave <seclabel model='apparmor'> out, or start the kernel with security=apparmor");
}
