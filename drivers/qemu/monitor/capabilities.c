/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/capabilities.h"

#include <string.h>

struct Capabilities {
        unsigned n_references;
        JsonObject *data;
        char *text;          /* of data: every status file has it, and making it costs a millisecond */
        GHashTable *devices; /* char *; empty before somebody asks */
};

static Capabilities *capabilities_new(JsonObject *data, char *text) {
        Capabilities *capabilities = g_new0(Capabilities, 1);
        capabilities->n_references = 1;
        capabilities->data = data;
        capabilities->text = text;
        capabilities->devices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        return capabilities;
}

Capabilities *capabilities_ref(Capabilities *capabilities) {
        capabilities->n_references++;
        return capabilities;
}

void capabilities_unref(Capabilities *capabilities) {
        if (--capabilities->n_references > 0)
                return;
        g_hash_table_unref(capabilities->devices);
        json_object_unref(capabilities->data);
        g_free(capabilities->text);
        g_free(capabilities);
}

const char *capabilities_text(const Capabilities *capabilities) {
        return capabilities->text;
}

Capabilities *capabilities_parse(const char *text) {
        g_autoptr(JsonNode) node = json_parse(text, -1, NULL);
        JsonObject *data = node ? json_node_get_object(node) : NULL;
        bool fine = json_string(data, "version") && json_array(data, "machines") && json_string(data, "devices") &&
                    json_member(data, "cpus");
        return fine ? capabilities_new(json_object_ref(data), g_strdup(text)) : NULL;
}

const char *capabilities_version(const Capabilities *capabilities) {
        return json_string(capabilities->data, "version");
}

JsonObject *capabilities_find_machine(const Capabilities *capabilities, const char *name) {
        JsonArray *machines = json_array(capabilities->data, "machines");
        for (guint i = 0; i < json_array_get_length(machines); i++) {
                JsonObject *machine = json_object_at(machines, i);
                if (g_strcmp0(json_string(machine, "name"), name) == 0 || g_strcmp0(json_string(machine, "alias"), name) == 0)
                        return machine;
        }
        return NULL;
}

const char *capabilities_machine(const Capabilities *capabilities, const char *name) {
        return json_string(capabilities_find_machine(capabilities, name), "name");
}

/* They are a thousand, and a minimal guest has none of them. */
static void index_devices(const Capabilities *capabilities) {
        g_auto(GStrv) names = g_strsplit(json_string(capabilities->data, "devices"), " ", -1);
        for (char **name = names; *name; name++)
                g_hash_table_add(capabilities->devices, g_steal_pointer(name));
}

bool capabilities_has_device(const Capabilities *capabilities, const char *driver) {
        /* Other names that QEMU takes for a type: qdev_alias_table. */
        static const char *const aliases[][2] = {
                { "lsi", "lsi53c895a" },
                { "ahci", "ich9-ahci" },
                { "e1000-82540em", "e1000" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++)
                if (strcmp(driver, aliases[i][0]) == 0)
                        driver = aliases[i][1];
        if (g_hash_table_size(capabilities->devices) == 0)
                index_devices(capabilities);
        return g_hash_table_contains(capabilities->devices, driver);
}

const char *capabilities_feature_type(const char *target) {
        return g_strcmp0(target, "x86_64") == 0 ? "max-x86_64-cpu" : g_strcmp0(target, "i386") == 0 ? "max-i386-cpu" : NULL;
}

bool capabilities_knows_features(const Capabilities *capabilities) {
        return json_string(capabilities->data, "features") ||
               !capabilities_feature_type(json_string(capabilities->data, "target"));
}

bool capabilities_has_feature(const Capabilities *capabilities, const char *name) {
        const char *features = json_string(capabilities->data, "features");
        size_t length = strlen(name);
        bool found = !features;
        for (const char *at = features ? strstr(features, name) : NULL; at && length > 0 && !found; at = strstr(at + 1, name))
                found = (at == features || at[-1] == ' ') && (at[length] == ' ' || !at[length]);
        return found;
}

bool capabilities_has_kvm(const Capabilities *capabilities) {
        return json_string(json_member(capabilities->data, "cpus"), "kvm") != NULL;
}

GStrv capabilities_cpu_words(const Capabilities *capabilities, bool kvm) {
        JsonObject *cpus = json_member(capabilities->data, "cpus");
        const char *found = json_string(cpus, kvm ? "kvm" : "tcg");
        if (!found)
                found = json_string(cpus, "tcg");
        return g_strsplit(found ? found : "", " ", -1);
}

GPtrArray *capabilities_cpus(const Capabilities *capabilities, bool kvm) {
        g_auto(GStrv) cpus = capabilities_cpu_words(capabilities, kvm);
        GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
        for (char **cpu = cpus; *cpu; cpu++)
                if (**cpu)
                        g_ptr_array_add(names, g_strndup(*cpu, strcspn(*cpu, "|")));
        g_ptr_array_add(names, NULL);
        return names;
}

bool capabilities_has_cpu(const Capabilities *capabilities, bool kvm, const char *name) {
        g_autoptr(GPtrArray) names = capabilities_cpus(capabilities, kvm);
        const char *target = json_string(capabilities->data, "target");
        bool any_case = target && g_str_has_prefix(target, "ppc"); /* where "POWER9" is "power9" */
        for (guint i = 0; i + 1 < names->len; i++)
                if ((any_case ? g_ascii_strcasecmp : strcmp)(names->pdata[i], name) == 0)
                        return true;
        return false;
}

JsonObject *capabilities_data(const Capabilities *capabilities) {
        return capabilities->data;
}

bool capabilities_is_of(const Capabilities *capabilities, const ExecutableIdentity *identity) {
        return json_int(capabilities->data, "size", -1) == identity->size &&
               json_int(capabilities->data, "time", -1) == identity->time;
}

/* Making them of answers */

/* The plain members of each element of an answer that are kept. Every status file has them: they are few. */
static JsonArray *keep(JsonObject *answers, const char *question, const char *const *members) {
        JsonArray *array = json_array(answers, question), *kept = json_array_new();
        for (guint i = 0; array && i < MIN(json_array_get_length(array), CAPABILITIES_ITEMS_MAX); i++) {
                JsonObject *object = json_object_at(array, i), *copy = json_object_new();
                for (const char *const *member = members; *member; member++) {
                        JsonNode *node = object ? json_object_get_member(object, *member) : NULL;
                        if (json_node_is_basic(node))
                                json_object_set_member(copy, *member, json_node_copy(node));
                }
                json_array_add_object_element(kept, copy);
        }
        return kept;
}

static char *keep_cpus(JsonObject *answers) {
        JsonArray *array = json_array(answers, "query-cpu-definitions");
        g_autoptr(GString) kept = g_string_new(NULL);
        for (guint i = 0; array && i < MIN(json_array_get_length(array), CAPABILITIES_ITEMS_MAX); i++) {
                JsonObject *model = json_object_at(array, i);
                const char *name = json_string(model, "name");
                JsonArray *missing = json_array(model, "unavailable-features");
                if (!name || strpbrk(name, " |"))
                        continue;
                g_string_append_printf(kept, "%s%s|", kept->len > 0 ? " " : "", name);
                if (missing)
                        g_string_append_c(kept, json_array_get_length(missing) == 0 ? CAPABILITIES_CPU_USABLE
                                                                                    : CAPABILITIES_CPU_UNUSABLE);
                if (json_object_get_boolean_member_with_default(model, "deprecated", FALSE))
                        g_string_append_c(kept, CAPABILITIES_CPU_DEPRECATED);
        }
        return g_string_free(g_steal_pointer(&kept), FALSE);
}

/* The names as one text with blanks between them: a thousand strings of JSON would cost each start a millisecond. */
static char *keep_names(JsonObject *answers, const char *question) {
        JsonArray *array = json_array(answers, question);
        g_autoptr(GString) kept = g_string_new(NULL);
        for (guint i = 0; array && i < MIN(json_array_get_length(array), CAPABILITIES_ITEMS_MAX); i++) {
                const char *name = json_string(json_object_at(array, i), "name");
                if (name && !strchr(name, ' '))
                        g_string_append_printf(kept, "%s%s", kept->len > 0 ? " " : "", name);
        }
        return g_string_free(g_steal_pointer(&kept), FALSE);
}

/* The same of properties that can be on or off; NULL where it was not asked. */
static char *keep_switches(JsonObject *answers, const char *question) {
        JsonArray *array = json_array(answers, question);
        g_autoptr(GString) kept = array ? g_string_new(NULL) : NULL;
        for (guint i = 0; array && i < MIN(json_array_get_length(array), CAPABILITIES_ITEMS_MAX); i++) {
                JsonObject *property = json_object_at(array, i);
                const char *name = json_string(property, "name");
                if (name && !strchr(name, ' ') && g_strcmp0(json_string(property, "type"), "bool") == 0)
                        g_string_append_printf(kept, "%s%s", kept->len > 0 ? " " : "", name);
        }
        return kept ? g_string_free(g_steal_pointer(&kept), FALSE) : NULL;
}

Capabilities *capabilities_make(const char *emulator, const ExecutableIdentity *identity, JsonObject *tcg, JsonObject *kvm) {
        static const char *const of_machine[] = { "name", "alias", "cpu-max", NULL };
        JsonObject *version = json_member(json_member(tcg, "query-version"), "qemu"), *cpus = json_object_new();
        g_autofree char *number = g_strdup_printf("%d.%d.%d", (int) json_int(version, "major", 0),
                                                  (int) json_int(version, "minor", 0), (int) json_int(version, "micro", 0));
        JsonObject *data =
                        json_make("emulator", 's', emulator, "size", 'i', identity->size, "time", 'i', identity->time, "version",
                                  's', number, "target", 's', json_string(json_member(tcg, "query-target"), "arch"), NULL);
        json_object_set_array_member(data, "machines", keep(tcg, "query-machines", of_machine));
        g_autofree char *devices = keep_names(tcg, "qom-list-types");
        json_add(data, "devices", 's', devices, NULL);
        g_autofree char *features = keep_switches(tcg, "device-list-properties");
        json_add(data, "features", 's', features, NULL);
        g_autofree char *emulated = keep_cpus(tcg), *accelerated = kvm ? keep_cpus(kvm) : NULL;
        json_add(cpus, "tcg", 's', emulated, NULL);
        JsonObject *has_kvm = json_member(kvm, "query-kvm");
        if (has_kvm && json_object_get_boolean_member_with_default(has_kvm, "enabled", FALSE))
                json_add(cpus, "kvm", 's', accelerated, NULL);
        json_add(data, "cpus", 'o', cpus, NULL);
        return capabilities_new(data, json_text(data));
}

#define EMULATOR_PREFIX "/usr/bin/qemu-system-"

char *capabilities_default_emulator(const char *architecture) {
        /* Architectures that a program of another name runs. */
        static const char *const names[][2] = { { "i686", "i386" },  { "armv6l", "arm" }, { "armv7l", "arm" },
                                                { "armv7b", "arm" }, { "ppcemb", "ppc" }, { "ppc64le", "ppc64" },
                                                { "s390", "s390x" } };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (strcmp(architecture, names[i][0]) == 0)
                        return g_strconcat(EMULATOR_PREFIX, names[i][1], NULL);
        return g_strconcat(EMULATOR_PREFIX, architecture, NULL);
}

const char *capabilities_package(const char *emulator) {
        static const char *const names[] = { "arm", "mips", "misc", "ppc", "sparc", "x86" };
        static const char *const packages[] = { "qemu-system-arm", "qemu-system-mips",  "qemu-system-misc",
                                                "qemu-system-ppc", "qemu-system-sparc", "qemu-system-x86" };
        const char *program = g_str_has_prefix(emulator, EMULATOR_PREFIX) ? emulator + strlen(EMULATOR_PREFIX) : "";
        const char *of = strcmp(program, "aarch64") == 0                                       ? "arm"
                         : strcmp(program, "i386") == 0                                        ? "x86"
                         : g_str_has_prefix(program, "riscv") || strcmp(program, "s390x") == 0 ? "misc"
                                                                                               : program;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (g_str_has_prefix(of, names[i]))
                        return packages[i];
        return NULL;
}
