/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-security.h"

#include <string.h>

#include "qemu/command/builder-read.h"
#include "qemu/host/security-label.h"

static void check_user(Builder *builder, const xmlNode *label, const char *text) {
        uid_t uid;
        gid_t gid;
        if (!security_user_parse(text, &uid, &gid))
                builder_unsupported(builder, label,
                                    "the user and group '%.64s' of a label of model dac must be numbers, as +107:+107, and not "
                                    "root's: "
                                    "getent passwd shows them",
                                    text);
}

static void check_profile(Builder *builder, const xmlNode *label, const char *text) {
        if (!security_profile_is_name(text))
                builder_invalid(builder, label, "'%.64s' cannot be the name of a profile of AppArmor's", text);
}

/* Of which models the document may choose a label. */
static const struct {
        const char *model;
        void (*check)(Builder *builder, const xmlNode *label, const char *text);
} chosen[] = { { "dac", check_user }, { "apparmor", check_profile } };

static void check_static(Builder *builder, const xmlNode *label, const char *model) {
        const char *text = builder_get(builder, label, "label");
        for (size_t i = 0; i < G_N_ELEMENTS(chosen); i++)
                if (g_strcmp0(model, chosen[i].model) == 0) {
                        if (text)
                                chosen[i].check(builder, label, text);
                        return;
                }
        builder_not_here(builder, label,
                         "a label of the document's choosing, but of model dac (+UID:+GID) or apparmor (a profile's name): every "
                         "guest "
                         "has a user of its own, in a sandbox; leave it out");
}

/* One that libvirt would choose: with what it has chosen, where the document is a running guest's. */
static bool chooses(const xmlNode *label, const char *type) {
        return xml_child(label, "baselabel") || xml_attribute_is(label, "relabel", "no") || (!type && xml_child(label, "label"));
}

static void check_label(Builder *builder, const xmlNode *label, const char *model) {
        const char *type = builder_choose(builder, label, "@type", "dynamic static none");
        if (g_strcmp0(type, "static") == 0)
                check_static(builder, label, model);
        else if (g_strcmp0(type, "none") != 0 && chooses(label, type))
                builder_not_here(
                                builder, label,
                                "a part of a label of the document's choosing: type='static' chooses all of it; or leave it out");
        builder_know(builder, label, "@relabel label imagelabel baselabel");
}

/* Images are what the driver opens: their labels are never changed. */
static bool is_left_alone(const xmlNode *label) {
        return !xml_child(label, "label") && !xml_attribute_is(label, "relabel", "yes");
}

static void check_device(Builder *builder, const xmlNode *device) {
        xmlNode *source = xml_child(device, "source"), *first = xml_child(source, "seclabel");
        bool several = first && xml_next(first, "seclabel");
        for (xmlNode *label = first; label; label = xml_next(label, "seclabel")) {
                if (!is_left_alone(label))
                        builder_not_here(builder, label,
                                         "a label of its own for an image, whose owner, mode and labels are never changed: leave "
                                         "it out");
                if (several && !xmlHasProp(label, (const xmlChar *) "model"))
                        builder_invalid(builder, label, "where there are several labels, each needs a model");
        }
}

void build_security(Builder *builder) {
        g_autoptr(GHashTable) models = g_hash_table_new(g_str_hash, g_str_equal);
        for_each (builder, label, builder->root, "seclabel") {
                const char *model = builder_get(builder, label, "@model");
                if (!g_hash_table_add(models, (void *) (model ? model : "")))
                        builder_invalid(builder, label, "there is a label of model '%.32s' already", model ? model : "");
                check_label(builder, label, model);
        }
        for_each (builder, label, builder->root, "seclabel")
                if (g_hash_table_size(models) > 1 && !builder_get(builder, label, "@model"))
                        builder_invalid(builder, label,
                                        "where there are multiple security labels, each needs its model, which is missing here");
        builder_know(builder, builder->root, "seclabel");
        for (xmlNode *device = xml_child(builder->devices, NULL); device; device = xml_next(device, NULL))
                check_device(builder, device);
}
