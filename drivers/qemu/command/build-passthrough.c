/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-passthrough.h"

#include <string.h>

#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

/* What QEMU does with what will go away. */
static void build_deprecation(Builder *builder, xmlNode *element) {
        static const char *const behaviors[][2] = {
                { "none", NULL }, { "omit", NULL }, { "reject", "reject" }, { "crash", "crash" }
        };
        const char *behavior = builder_choose(builder, element, "@behavior", "none omit reject crash");
        if (!behavior)
                builder_require(builder, element, "@behavior");
        for (size_t i = 0; behavior && i < G_N_ELEMENTS(behaviors); i++)
                if (strcmp(behavior, behaviors[i][0]) == 0 && i > 0)
                        builder_add_json(builder, "-compat",
                                         json_make("deprecated-output", 's', "hide", "deprecated-input", 's', behaviors[i][1],
                                                   NULL));
}

/* The author's own values of devices' properties, which add_device has set: each must have found its device. */
static void check_override(Builder *builder, xmlNode *override) {
        for (xmlNode *device = xml_child(override, NULL); device; device = xml_next(device, NULL)) {
                const char *alias = builder_require(builder, device, "@alias");
                device->_private = device;
                if (!builder->error && (!xml_is(device, "device") || !definition_find_device(builder->definition, alias)))
                        builder_invalid(builder, device, "there is no device '%.64s'", alias);
        }
}

static bool is_variable_name(const char *name) {
        return !g_ascii_isdigit(name[0]) &&
               strspn(name, "_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == strlen(name);
}

/* Arguments of the author's own, in libvirt's namespace for them. */
void build_passthrough_arguments(Builder *builder) {
        for (xmlNode *element = xml_child(builder->root, NULL); element; element = xml_next(element, NULL)) {
                if (!element->ns || strcmp((const char *) element->ns->href, QEMU_NAMESPACE) != 0)
                        continue;
                element->_private = element;
                if (xml_is(element, "capabilities")) { /* what libvirt shall think of QEMU: this driver asks QEMU itself */
                        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                                child->_private = child;
                                if (!xml_is(child, "add") && !xml_is(child, "del"))
                                        builder_unsupported(builder, child,
                                                            "the QEMU driver does not know this element; leave it out");
                                builder_require(builder, child, "@capability");
                        }
                        continue;
                }
                if (xml_is(element, "deprecation")) {
                        build_deprecation(builder, element);
                        continue;
                }
                if (xml_is(element, "override")) {
                        check_override(builder, element);
                        continue;
                }
                if (!xml_is(element, "commandline")) {
                        builder_unsupported(builder, element, "the QEMU driver does not know this element; leave it out");
                        return;
                }
                for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                        child->_private = child;
                        if (xml_is(child, "arg"))
                                g_ptr_array_add(builder->line->arguments, g_strdup(builder_require(builder, child, "@value")));
                        else if (xml_is(child, "env")) {
                                const char *value = builder_get(builder, child, "@value"),
                                           *name = builder_require(builder, child, "@name");
                                if (!builder->error && !is_variable_name(name))
                                        builder_invalid(builder, child,
                                                        "'%.64s' is not a name of a variable: use letters, digits and '_', and "
                                                        "no "
                                                        "digit in front",
                                                        name);
                                g_ptr_array_add(builder->line->environment, g_strdup_printf("%s=%s", name, value ? value : ""));
                        } else
                                builder_unsupported(builder, child, "the QEMU driver does not know this element; leave it out");
                }
        }
}
