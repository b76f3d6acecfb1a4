/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/cpu-document.h"

#include <string.h>

/* The one that no guest may have that is to be moved: a counter that runs at another pace elsewhere. */
#define NOT_MIGRATABLE "invtsc"

/* What one asks for. */
typedef struct Wish {
        const CpuModel *model; /* NULL: of whatever the host has */
        char *arch, *vendor;
        CpuFeatures has;       /* the model's, and those that are required beside, without those that are disabled */
        CpuFeatures optional;  /* or forced: not looked for in the host */
        CpuFeatures forbidden; /* that the host must not have */
        bool strict;           /* no more than that */
} Wish;

static void wish_clear(Wish *wish) {
        g_free(wish->arch);
        g_free(wish->vendor);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Wish, wish_clear)

CpuHost cpu_host_of_guests(const CpuModels *models, const char *arch) {
        const CpuModel *host = cpu_models_host(models);
        return (CpuHost){ .arch = arch, .vendor = host->vendor, .features = host->features };
}

/* What Linux calls otherwise than QEMU, where that is more than a '_'. */
static int feature_of_flag(const CpuModels *models, const char *flag) {
        static const char *const others[][2] = {
                { "tsc_deadline_timer", "tsc-deadline" },
                { "dts", "ds" },
                { "pausefilter", "pause-filter" },
                { "nonstop_tsc", "invtsc" },
                { "tsxldtrk", "tsx-ldtrk" },
                { "sse4_1", "sse4.1" },
                { "sse4_2", "sse4.2" },
        };
        const char *name = flag;
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                if (strcmp(flag, others[i][0]) == 0)
                        name = others[i][1];
        int feature = cpu_models_feature(models, name);
        if (feature < 0) { /* "avx512_vnni" is "avx512vnni" */
                g_auto(GStrv) parts = g_strsplit(flag, "_", -1);
                g_autofree char *joined = g_strjoinv("", parts);
                feature = cpu_models_feature(models, joined);
        }
        return feature;
}

CpuHost cpu_host_of_flags(const CpuModels *models, const char *arch, const char *text) {
        static const char *const vendors[][2] = { { "AuthenticAMD", "AMD" },
                                                  { "GenuineIntel", "Intel" },
                                                  { "HygonGenuine", "Hygon" } };
        CpuHost host = { .arch = arch, .vendor = "" };
        const char *at = g_str_has_prefix(text, "flags") ? text : strstr(text, "\nflags");
        const char *colon = at ? strchr(at, ':') : NULL;
        g_autofree char *line = colon ? g_strndup(colon + 1, strcspn(colon + 1, "\n")) : g_strdup("");
        g_auto(GStrv) flags = g_strsplit_set(line, " \t", -1);
        for (char **flag = flags; *flag; flag++) {
                int feature = **flag ? feature_of_flag(models, *flag) : -1;
                if (feature >= 0)
                        cpu_features_set(&host.features, feature, true);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(vendors); i++)
                if (strstr(text, vendors[i][0]))
                        host.vendor = vendors[i][1];
        int in_guest = cpu_models_feature(models, "hypervisor"); /* which each model has: a guest knows by it that it is one */
        if (in_guest >= 0)
                cpu_features_set(&host.features, in_guest, true);
        return host;
}

/* Reading */

/* What else a <cpu> has: it is of the guest's machine or of the host's board, and no processor lacks it. */
static bool is_known(const xmlNode *element) {
        static const char *const names[] = { "arch",        "model", "vendor",    "feature", "topology",  "numa", "cache",
                                             "maxphysaddr", "pages", "microcode", "counter", "signature", NULL };
        return g_strv_contains(names, (const char *) element->name);
}

static bool read_feature(const CpuModels *models, const xmlNode *element, Wish *wish, GError **error) {
        g_autofree char *name = xml_attribute(element, "name"), *policy = xml_attribute(element, "policy");
        static const char *const policies[] = { "force", "require", "optional", "disable", "forbid", NULL };
        if (!name || !*name)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "a CPU feature needs a name");
        if (!xml_one_of(element, "policy", policies, error))
                return false;
        int feature = cpu_models_feature(models, name);
        if (feature < 0)
                return cpu_feature_is_no_choice(name) ||
                       xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "unknown CPU feature '%.64s'", name);
        bool off = policy && (strcmp(policy, "disable") == 0 || strcmp(policy, "forbid") == 0),
             optional = g_strcmp0(policy, "optional") == 0;
        if (!optional)
                cpu_features_set(&wish->has, feature, !off);
        cpu_features_set(&wish->optional, feature, optional || g_strcmp0(policy, "force") == 0);
        cpu_features_set(&wish->forbidden, feature, g_strcmp0(policy, "forbid") == 0);
        return true;
}

static bool read_wish(const CpuModels *models, xmlNode *cpu, Wish *wish, GError **error) {
        static const char *const modes[] = { "custom", "host-model", "host-passthrough", "maximum", NULL }, *const matches[] = {
                "minimum", "exact", "strict", NULL
        };
        xmlNode *model = xml_child(cpu, "model");
        g_autofree char *name = xml_text(model);
        g_autofree char *mode = xml_attribute(cpu, "mode");
        bool of_host = mode && strcmp(mode, "custom") != 0;
        if (!xml_one_of(cpu, "mode", modes, error) || !xml_one_of(cpu, "match", matches, error))
                return false;
        for (xmlNode *child = xml_child(cpu, NULL); child; child = xml_next(child, NULL))
                if (!is_known(child))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "<cpu> has no such element");
        wish->model = name && *name && !of_host ? cpu_models_find(models, name) : NULL;
        if (name && *name && !of_host && !wish->model)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, model, "unknown CPU model '%.64s'", name);
        if (!wish->model && !of_host && xml_child(cpu, "feature"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, cpu, "features need a <model>");
        wish->arch = xml_text(xml_child(cpu, "arch"));
        wish->vendor = xml_text(xml_child(cpu, "vendor"));
        wish->strict = xml_attribute_is(cpu, "match", "strict");
        if (wish->model)
                wish->has = wish->model->features;
        for (xmlNode *feature = xml_child(cpu, "feature"); feature; feature = xml_next(feature, "feature"))
                if (!read_feature(models, feature, wish, error))
                        return false;
        return true;
}

/* The <cpu> of a document: itself, that of capabilities' host, that of what guests of a machine get, or a domain's; *CPU is
 * NULL, with an error, where it has none. */
static xmlDoc *parse(const char *xml, xmlNode **cpu, GError **error) {
        static const char *const places[][2] = { { "capabilities", "host/cpu" },
                                                 { "domainCapabilities", "cpu" },
                                                 { "domain", "cpu" } };
        *cpu = NULL;
        if (strlen(xml) > CPU_DOCUMENT_BYTES_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "a document of a processor is longer than %d bytes",
                                  CPU_DOCUMENT_BYTES_MAX);
                return NULL;
        }
        xmlDoc *document = xml_parse(xml, NULL, error);
        xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
        if (root && xml_is(root, "cpu"))
                *cpu = root;
        for (size_t i = 0; root && i < G_N_ELEMENTS(places); i++)
                if (xml_is(root, places[i][0]))
                        *cpu = xml_find(root, places[i][1]);
        for (xmlNode *mode = *cpu && xml_is(root, "domainCapabilities") ? xml_child(*cpu, "mode") : NULL; mode;
             mode = xml_next(mode, "mode"))
                if (xml_attribute_is(mode, "name", "host-model"))
                        *cpu = mode;
        if (root && !*cpu)
                xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "it has no <cpu>");
        return document;
}

/* Comparing */

static char *list_features(const CpuModels *models, const CpuFeatures *features) {
        g_autoptr(GString) text = g_string_new(NULL);
        for (int i = 0; i < cpu_models_n_features(models); i++)
                if (cpu_features_has(features, i))
                        g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", cpu_models_feature_name(models, i));
        return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Why a host has not what is wished; NULL: it has. */
static char *find_obstacle(const CpuModels *models, const CpuHost *host, const Wish *wish) {
        const CpuFeatures absent = cpu_features_without(&wish->has, &host->features),
                          missing = cpu_features_without(&absent, &wish->optional),
                          unwanted = cpu_features_and(&wish->forbidden, &host->features);
        if (wish->arch && strcmp(wish->arch, host->arch) != 0)
                return g_strdup_printf("it is of architecture %s, not %.32s", host->arch, wish->arch);
        if (wish->vendor && strcmp(wish->vendor, host->vendor) != 0)
                return g_strdup_printf("it is %s, not %.32s", *host->vendor ? host->vendor : "of an unknown vendor",
                                       wish->vendor);
        if (cpu_features_count(&missing) == 0 && cpu_features_count(&unwanted) == 0)
                return NULL;
        g_autofree char *names = list_features(models, cpu_features_count(&missing) > 0 ? &missing : &unwanted);
        return g_strdup_printf("%s: %s", cpu_features_count(&missing) > 0 ? "it does not provide" : "it has what is forbidden",
                               names);
}

bool cpu_document_compare(const CpuModels *models, const CpuHost *host, const char *xml, CpuComparison *result, char **missing,
                          GError **error) {
        xmlNode *cpu;
        g_autoptr(xmlDoc) document = parse(xml, &cpu, error);
        g_auto(Wish) wish = {};
        *missing = NULL;
        if (!cpu || !read_wish(models, cpu, &wish, error))
                return false;
        *missing = find_obstacle(models, host, &wish);
        const CpuFeatures more = cpu_features_without(&host->features, &wish.has),
                          extra = cpu_features_without(&more, &wish.optional);
        if (!*missing && wish.model && cpu_features_count(&extra) == 0)
                *result = CPU_IDENTICAL;
        else if (!*missing && wish.strict) {
                g_autofree char *names = list_features(models, &extra);
                *missing = g_strdup_printf("it has more: %s", names);
                *result = CPU_INCOMPATIBLE;
        } else
                *result = *missing ? CPU_INCOMPATIBLE : CPU_SUPERSET;
        return true;
}

/* Writing */

static void add_feature(xmlNode *cpu, const char *name, const char *policy) {
        xmlNode *element = xml_add(cpu, "feature", NULL);
        if (policy)
                xml_set_attribute(element, "policy", policy);
        xml_set_attribute(element, "name", name);
}

/* FEATURES as what they are beside a model; ALL: also those that it has. */
static void add_features(const CpuModels *models, const CpuModel *model, const CpuFeatures *features, bool all, xmlNode *cpu) {
        for (int i = 0; i < cpu_models_n_features(models); i++)
                if (cpu_features_has(features, i) && (all || !cpu_features_has(&model->features, i)))
                        add_feature(cpu, cpu_models_feature_name(models, i), "require");
        for (int i = 0; i < cpu_models_n_features(models); i++)
                if (!cpu_features_has(features, i) && cpu_features_has(&model->features, i))
                        add_feature(cpu, cpu_models_feature_name(models, i), "disable");
}

static void add_model(const CpuModel *model, const char *vendor, xmlNode *cpu) {
        xml_set_attribute(xml_add(cpu, "model", model->name), "fallback", "forbid");
        if (vendor && *vendor)
                xml_add(cpu, "vendor", vendor);
}

bool cpu_document_write_guest(const CpuModels *models, const CpuHost *host, xmlNode *cpu) {
        const CpuModel *model = cpu_models_nearest(models, &host->features, host->vendor, NULL);
        if (!model)
                return false;
        add_model(model, host->vendor, cpu);
        add_features(models, model, &host->features, false, cpu);
        return true;
}

bool cpu_document_write_host(const CpuModels *models, const CpuHost *host, xmlNode *cpu) {
        const CpuModel *model = cpu_models_largest(models, &host->features, host->vendor);
        if (!model)
                return false;
        xml_add(cpu, "model", model->name);
        if (*host->vendor)
                xml_add(cpu, "vendor", host->vendor);
        for (int i = 0; i < cpu_models_n_features(models); i++)
                if (cpu_features_has(&host->features, i) && !cpu_features_has(&model->features, i))
                        add_feature(cpu, cpu_models_feature_name(models, i), NULL);
        return true;
}

/* What several have in common */

typedef struct Common {
        CpuFeatures features;
        GPtrArray *names; /* of their models, borrowed; NULL at the end */
        char *vendor;     /* of all; NULL: of one that does not say */
        char *model_vendor;
        char *arch;
} Common;

static void common_clear(Common *common) {
        g_ptr_array_unref(common->names);
        g_free(common->vendor);
        g_free(common->model_vendor);
        g_free(common->arch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Common, common_clear)

static bool refuse_differing(const char *what, const char *one, const char *other, GError **error) {
        return virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                 "the processors have nothing in common: one is of %s %.32s, another of %.32s", what, one, other);
}

/* VALUE is what is known so far of all; "" of none. */
static bool agree(const char *what, char **known, const char *value, GError **error) {
        if (!value || !*value)
                return true;
        if (*known && strcmp(*known, value) != 0)
                return refuse_differing(what, *known, value, error);
        if (!*known)
                *known = g_strdup(value);
        return true;
}

static bool add_wish(const Wish *wish, bool first, const xmlNode *cpu, Common *common, GError **error) {
        if (!wish->model)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, cpu, "it has no <model>, and what it has is not known");
        if (!agree("architecture", &common->arch, wish->arch, error) ||
            !agree("vendor", &common->model_vendor, wish->vendor ? wish->vendor : wish->model->vendor, error))
                return false;
        if (first)
                common->vendor = g_strdup(wish->vendor);
        else if (!wish->vendor)
                g_clear_pointer(&common->vendor, g_free);
        common->features = first ? wish->has : cpu_features_and(&common->features, &wish->has);
        g_ptr_array_insert(common->names, (int) common->names->len - 1, wish->model->name);
        return true;
}

/* As libvirt has it: hosts' processors are of no mode. */
static bool check_of_host(const CpuBaseline *baseline, const xmlNode *cpu, GError **error) {
        g_autofree char *mode = baseline->host ? NULL : xml_attribute(cpu, "mode");
        return !mode ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, cpu,
                        "attribute mode is of a guest's processor, and hosts' are asked for: leave it out, or ask for guests'");
}

static bool add_document(const CpuModels *models, const CpuBaseline *baseline, const char *xml, bool first, Common *common,
                         GError **error) {
        xmlNode *cpu;
        g_autoptr(xmlDoc) document = parse(xml, &cpu, error);
        g_auto(Wish) wish = {};
        return cpu && check_of_host(baseline, cpu, error) && read_wish(models, cpu, &wish, error) &&
               add_wish(&wish, first, cpu, common, error);
}

static char *write_common(const CpuModels *models, const Common *common, const CpuBaseline *baseline) {
        const CpuModel *model = cpu_models_nearest(models, &common->features, "", (const char *const *) common->names->pdata);
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *cpu = xmlNewDocNode(document, NULL, (const xmlChar *) "cpu", NULL);
        xmlDocSetRootElement(document, cpu);
        xml_set_attribute(cpu, "mode", "custom");
        xml_set_attribute(cpu, "match", "exact");
        add_model(model, common->vendor, cpu);
        add_features(models, model, &common->features, baseline->expand, cpu);
        return xml_document_text(document);
}

char *cpu_document_baseline(const CpuModels *models, const char *const *xmls, const CpuBaseline *baseline, GError **error) {
        g_auto(Common) common = { .names = g_ptr_array_new() };
        g_ptr_array_add(common.names, NULL);
        if (!*xmls || g_strv_length((char **) xmls) > CPU_DOCUMENTS_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "what is in common is asked of 1 to %d processors",
                                  CPU_DOCUMENTS_MAX);
                return NULL;
        }
        for (const char *const *xml = xmls; *xml; xml++)
                if (!add_document(models, baseline, *xml, xml == xmls, &common, error))
                        return NULL;
        if (baseline->host && common.arch && strcmp(common.arch, baseline->host->arch) != 0) {
                refuse_differing("architecture", common.arch, baseline->host->arch, error);
                return NULL;
        }
        if (baseline->host)
                common.features = cpu_features_and(&common.features, &baseline->host->features);
        int feature = cpu_models_feature(models, NOT_MIGRATABLE);
        if (baseline->migratable && feature >= 0)
                cpu_features_set(&common.features, feature, false);
        return write_common(models, &common, baseline);
}

/* A guest's */

bool cpu_document_is_of_host(const xmlNode *cpu) {
        return xml_attribute_is(cpu, "mode", "host-model") ||
               (xml_attribute_is(cpu, "match", "minimum") && xml_child(cpu, "model"));
}

bool cpu_document_expand(const CpuModels *models, const CpuHost *host, xmlNode *cpu, GError **error) {
        g_auto(Wish) wish = {};
        bool minimum = !xml_attribute_is(cpu, "mode", "host-model");
        xmlNode *model = xml_child(cpu, "model");
        if (model && !minimum) /* the document's is of another host: libvirt lets it be there, and does not look at it */
                xml_remove(model);
        if (!read_wish(models, cpu, &wish, error))
                return false;
        /* What is required is looked for; what is disabled is off. */
        CpuHost got = *host;
        for (xmlNode *feature = xml_child(cpu, "feature"); feature; feature = xml_next(feature, "feature")) {
                g_autofree char *name = xml_attribute(feature, "name"), *policy = xml_attribute(feature, "policy");
                int place = cpu_models_feature(models, name);
                if (place >= 0 && g_strcmp0(policy, "optional") != 0)
                        cpu_features_set(&got.features, place, cpu_features_has(&wish.has, place));
        }
        g_autofree char *obstacle = find_obstacle(models, host, &wish);
        if (obstacle)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, cpu, "this host cannot give the guest such a processor: %s",
                                obstacle);
        for (xmlNode *child = xml_child(cpu, NULL), *next; child; child = next) {
                next = xml_next(child, NULL);
                if (xml_is(child, "model") || xml_is(child, "vendor") || xml_is(child, "feature"))
                        xml_remove(child);
        }
        xml_set_attribute(cpu, "mode", "custom");
        xml_set_attribute(cpu, "match", "exact");
        xml_set_attribute(cpu, "check", "full");
        return cpu_document_write_guest(models, &got, cpu) ||
               xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, cpu, "this QEMU has no processor model that is near this host's");
}
