/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/abilities.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "qemu/command/firmware.h"
#include "qemu/guest/passt.h"
#include "qemu/host/cpu-choice.h"
#include "qemu/host/helper-programs.h"
#include "qemu/host/host.h"
#include "qemu/host/tpm-folder.h"
#include "qemu/monitor/capabilities-xml.h"
#include "qemu/monitor/cpu-document.h"
#include "qemu/monitor/cpu-tables.h"

/* The binary that a document asks for: its architecture's where it names none. */
char *abilities_emulator(const xmlDoc *document) {
        xmlNode *root = xmlDocGetRootElement((xmlDoc *) document);
        g_autofree char *named = xml_text(xml_find(root, "devices/emulator")),
                        *arch = xml_attribute(xml_find(root, "os/type"), "arch");
        return named && *named ? g_steal_pointer(&named) : capabilities_default_emulator(arch ? arch : "x86_64");
}

/* The binaries of the architectures that are known, those that are installed: x86 first. */
static const char *const standard_emulators[] = { "/usr/bin/qemu-system-x86_64",  "/usr/bin/qemu-system-i386",
                                                  "/usr/bin/qemu-system-aarch64", "/usr/bin/qemu-system-arm",
                                                  "/usr/bin/qemu-system-riscv64", "/usr/bin/qemu-system-ppc64",
                                                  "/usr/bin/qemu-system-s390x",   NULL };

/* Binaries that are being looked at, one after the other. */
typedef struct Preparing {
        Connection *connection;
        uid_t user;
        GPtrArray *emulators; /* char *: those that are left */
        char *emulator;       /* that is being looked at */
        bool wants_models;
        void (*done)(void *data);
        void *data;
} Preparing;

static void look_at_next(void *data);

static void on_models_known(void *data) {
        look_at_next(data);
}

/* Its processors' models, where they are wanted. */
static void on_looked_at(void *data) {
        Preparing *preparing = data;
        Host *host = host_of(preparing->connection);
        const Capabilities *known = capabilities_find(host->capabilities, preparing->emulator);
        if (!preparing->wants_models || !known || cpu_tables_learn(host->cpus, known, on_models_known, preparing))
                look_at_next(preparing);
}

static void look_at_next(void *data) {
        Preparing *preparing = data;
        g_free(preparing->emulator);
        preparing->emulator = preparing->emulators->len > 0 ? g_ptr_array_steal_index(preparing->emulators, 0) : NULL;
        if (preparing->emulator) {
                capabilities_look(host_of(preparing->connection)->capabilities, preparing->emulator, preparing->user,
                                  on_looked_at, preparing);
                return;
        }
        preparing->done(preparing->data);
        g_ptr_array_unref(preparing->emulators);
        g_free(preparing);
}

bool abilities_prepare(Connection *connection, const xmlDoc *document, uid_t user, void (*done)(void *data), void *data) {
        Preparing *preparing = g_new0(Preparing, 1);
        *preparing = (Preparing){ .connection = connection,
                                  .user = user,
                                  .emulators = g_ptr_array_new_with_free_func(g_free),
                                  .wants_models = !document || cpu_choice_is_left(document),
                                  .done = done,
                                  .data = data };
        if (document)
                g_ptr_array_add(preparing->emulators, abilities_emulator(document));
        for (const char *const *emulator = standard_emulators; !document && *emulator; emulator++)
                g_ptr_array_add(preparing->emulators, g_strdup(*emulator));
        look_at_next(preparing);
        return false;
}

static const char *architecture(void) {
        static struct utsname system;
        return uname(&system) == 0 ? system.machine : "";
}

/* The host's own processor, by the models of the QEMU that emulates such a machine; false where that is not known. What KVM makes
 * of a model for a guest is not in them. */
static bool find_host(Connection *connection, const CpuModels **models, CpuHost *host) {
        g_autofree char *emulator = capabilities_default_emulator(architecture()), *text = NULL;
        const Capabilities *capabilities = capabilities_find(host_of(connection)->capabilities, emulator);
        *models = cpu_tables_find(host_of(connection)->cpus, capabilities, false);
        if (!*models || !g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
                return false;
        *host = cpu_host_of_flags(*models, architecture(), text);
        return true;
}

static char *get_capabilities(Connection *connection) {
        const CpuModels *models;
        CpuHost host;
        bool found = find_host(connection, &models, &host);
        return capabilities_host_xml(host_of(connection)->capabilities, standard_emulators, models, found ? &host : NULL);
}

static const Capabilities *find_capabilities(Connection *connection, const char *emulator, const char *arch, char **path,
                                             GError **error) {
        *path = *emulator ? g_strdup(emulator) : capabilities_default_emulator(*arch ? arch : "x86_64");
        const Capabilities *capabilities = capabilities_find(host_of(connection)->capabilities, *path);
        if (!capabilities)
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "%.256s is not known as a QEMU on this machine; define a domain with it, or install it", *path);
        return capabilities;
}

static bool read_type(const Capabilities *capabilities, const char *emulator, const char *type, bool *kvm, GError **error) {
        if (*type && strcmp(type, "kvm") != 0 && strcmp(type, "qemu") != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "type is '%.32s'; it must be kvm or qemu", type);
        *kvm = *type ? strcmp(type, "kvm") == 0 : capabilities_has_kvm(capabilities);
        return !*kvm || capabilities_has_kvm(capabilities) ||
               virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "%s cannot use KVM on this host; use qemu", emulator);
}

static char *get_domain_capabilities(Connection *connection, const char *emulator, const char *arch, const char *machine,
                                     const char *type, GError **error) {
        g_autofree char *path = NULL;
        const Capabilities *capabilities = find_capabilities(connection, emulator, arch, &path, error);
        if (!capabilities)
                return NULL;
        bool kvm;
        if (!read_type(capabilities, path, type, &kvm, error))
                return NULL;
        const char *name = *machine ? machine : "pc";
        g_autoptr(GPtrArray) installed = firmware_list(json_string(capabilities_data(capabilities), "target"), name),
                             paths = g_ptr_array_new();
        CapabilitiesInstalled beside = { .programs = (tpm_folder_lacks() ? 0 : INSTALLED_TPM) |
                                                     (access(PASST, X_OK) < 0 ? 0 : INSTALLED_PASST) |
                                                     (helper_program_has_virtiofsd() ? INSTALLED_VIRTIOFSD : 0) };
        for (guint i = 0; i < installed->len; i++) {
                const Firmware *firmware = installed->pdata[i];
                g_ptr_array_add(paths, firmware->code);
                beside.secure |= firmware->secure_boot;
        }
        g_ptr_array_add(paths, NULL);
        beside.loaders = (const char *const *) paths->pdata;
        const CpuModels *models = cpu_tables_find(host_of(connection)->cpus, capabilities, kvm);
        return capabilities_domain_xml(capabilities, path, name, kvm, &beside, models, error);
}

static GPtrArray *get_cpu_models(Connection *connection, const char *arch, GError **error) {
        g_autofree char *path = NULL;
        const Capabilities *capabilities = find_capabilities(connection, "", arch, &path, error);
        return capabilities ? capabilities_cpus(capabilities, capabilities_has_kvm(capabilities)) : NULL;
}

/* The models that a processor is described by, and the one that it is compared with. */
static bool find_target(Connection *connection, const CpuTarget *target, const CpuModels **models, CpuHost *host,
                        GError **error) {
        if (target->host)
                return find_host(connection, models, host) ||
                       virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "what the processor of this machine has is not known: it is %s, and processors of x86 "
                                         "are compared, by what its QEMU tells",
                                         architecture());
        g_autofree char *path = NULL;
        const Capabilities *capabilities = find_capabilities(connection, target->emulator, target->arch, &path, error);
        bool kvm;
        if (!capabilities || !read_type(capabilities, path, target->type, &kvm, error))
                return false;
        if (*target->machine && !capabilities_find_machine(capabilities, target->machine))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s (QEMU %s) has no machine '%.64s'", path,
                                         capabilities_version(capabilities), target->machine);
        const char *arch = capabilities_xml_architecture(capabilities);
        if (*target->arch && strcmp(target->arch, arch) != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is for %s, not for %.32s", path, arch,
                                         target->arch);
        *models = cpu_tables_find(host_of(connection)->cpus, capabilities, kvm);
        if (!*models)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "%s (QEMU %s) does not tell what its processor models have: those of x86 are compared",
                                         path, capabilities_version(capabilities));
        *host = cpu_host_of_guests(*models, arch);
        return true;
}

static const char *compare_cpu(Connection *connection, const CpuTarget *target, const char *xml, bool fail, GError **error) {
        static const char *const results[] = { "incompatible", "identical", "superset" };
        const CpuModels *models;
        CpuHost host;
        CpuComparison result;
        g_autofree char *missing = NULL;
        if (!find_target(connection, target, &models, &host, error) ||
            !cpu_document_compare(models, &host, xml, &result, &missing, error))
                return NULL;
        if (fail && result == CPU_INCOMPATIBLE) {
                virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                  "the CPU is incompatible with what %s: %s; leave out what is missing, or choose another model",
                                  target->host ? "this host has" : "guests of this host get", missing);
                return NULL;
        }
        return results[result];
}

static char *baseline_cpu(Connection *connection, const CpuTarget *target, const char *const *xmls, bool expand, bool migratable,
                          GError **error) {
        const CpuModels *models;
        CpuHost host;
        if (!find_target(connection, target, &models, &host, error))
                return NULL;
        const CpuBaseline baseline = { target->host ? NULL : &host, expand, migratable };
        return cpu_document_baseline(models, xmls, &baseline, error);
}

const HypervisorAbilities abilities_group = {
        .capabilities = get_capabilities,
        .domain_capabilities = get_domain_capabilities,
        .cpu_models = get_cpu_models,
        .compare_cpu = compare_cpu,
        .baseline_cpu = baseline_cpu,
};
