/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/cpu-models.h"

#include <string.h>

typedef struct Feature {
        char *name;          /* QEMU's */
        const char *libvirt; /* where that differs, or NAME */
} Feature;

struct CpuModels {
        GPtrArray *models;   /* CpuModel */
        GArray *features;    /* Feature */
        GHashTable *by_name; /* a feature's names -> its place + 1 */
};

/* libvirt's names of features that are not QEMU's. */
static const char *const other_names[][2] = {
        { "cmp-legacy", "cmp_legacy" },     { "ds-cpl", "ds_cpl" },         { "fxsr-opt", "fxsr_opt" },
        { "lahf-lm", "lahf_lm" },           { "nodeid-msr", "nodeid_msr" }, { "pclmulqdq", "pclmuldq" },
        { "perfctr-core", "perfctr_core" }, { "perfctr-nb", "perfctr_nb" }, { "tsc-adjust", "tsc_adjust" },
};

/* Models that stand for no vendor's processor: QEMU gives them the vendor of the host. */
static const char *const nobodys[] = { "qemu32", "qemu64", "kvm32", "kvm64", "486", "pentium", "pentium2", "pentium3", NULL };

static void feature_clear(void *data) {
        g_free(((Feature *) data)->name);
}

static void model_free(void *data) {
        CpuModel *model = data;
        g_free(model->name);
        g_free(model->vendor);
        g_free(model);
}

CpuModels *cpu_models_new(void) {
        CpuModels *models = g_new0(CpuModels, 1);
        models->models = g_ptr_array_new_with_free_func(model_free);
        models->features = g_array_new(FALSE, FALSE, sizeof(Feature));
        g_array_set_clear_func(models->features, feature_clear);
        models->by_name = g_hash_table_new(g_str_hash, g_str_equal);
        return models;
}

void cpu_models_free(CpuModels *models) {
        g_ptr_array_unref(models->models);
        g_hash_table_unref(models->by_name);
        g_array_unref(models->features);
        g_free(models);
}

bool cpu_features_has(const CpuFeatures *features, int feature) {
        return feature >= 0 && features->words[feature / 64] >> (feature % 64) & 1;
}

void cpu_features_set(CpuFeatures *features, int feature, bool on) {
        const uint64_t bit = UINT64_C(1) << (feature % 64);
        features->words[feature / 64] = on ? features->words[feature / 64] | bit : features->words[feature / 64] & ~bit;
}

CpuFeatures cpu_features_and(const CpuFeatures *one, const CpuFeatures *other) {
        CpuFeatures both;
        for (size_t i = 0; i < G_N_ELEMENTS(both.words); i++)
                both.words[i] = one->words[i] & other->words[i];
        return both;
}

CpuFeatures cpu_features_without(const CpuFeatures *one, const CpuFeatures *other) {
        CpuFeatures left;
        for (size_t i = 0; i < G_N_ELEMENTS(left.words); i++)
                left.words[i] = one->words[i] & ~other->words[i];
        return left;
}

unsigned cpu_features_count(const CpuFeatures *features) {
        unsigned n = 0;
        for (size_t i = 0; i < G_N_ELEMENTS(features->words); i++)
                n += (unsigned) __builtin_popcountll(features->words[i]);
        return n;
}

static const char *libvirt_name(const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(other_names); i++)
                if (strcmp(name, other_names[i][0]) == 0)
                        return other_names[i][1];
        return name;
}

static bool is_believed(const char *name) {
        size_t length = strlen(name);
        return length > 0 && length <= CPU_NAME_MAX && strspn(name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._-") == length;
}

/* What KVM adds to a guest is not a feature of its processor, nor of another one's. */
static bool is_feature(const char *name, JsonNode *value) {
        return json_node_type(value) == JSON_BOOLEAN && is_believed(name) && !g_str_has_prefix(name, "kvm");
}

static int compare_features(const void *one, const void *other) {
        return strcmp(((const Feature *) one)->name, ((const Feature *) other)->name);
}

static void note_feature(JsonObject *object, const char *name, JsonNode *value, void *data) {
        CpuModels *models = data;
        (void) object;
        if (!is_feature(name, value) || models->features->len == CPU_FEATURES_MAX)
                return;
        Feature feature = { .name = g_strdup(name) };
        feature.libvirt = libvirt_name(feature.name);
        g_array_append_val(models->features, feature);
}

/* By name: QEMU has no order of them. */
static void note_features(CpuModels *models, JsonObject *properties) {
        json_object_foreach_member(properties, note_feature, models);
        g_array_sort(models->features, compare_features);
        for (guint i = 0; i < models->features->len; i++) {
                const Feature *feature = &g_array_index(models->features, Feature, i);
                g_hash_table_insert(models->by_name, feature->name, GUINT_TO_POINTER(i + 1));
                g_hash_table_insert(models->by_name, (char *) feature->libvirt, GUINT_TO_POINTER(i + 1));
        }
}

bool cpu_models_add(CpuModels *models, const char *name, JsonObject *properties) {
        static const char *const vendors[][2] = { { "AuthenticAMD", "AMD" },
                                                  { "GenuineIntel", "Intel" },
                                                  { "HygonGenuine", "Hygon" } };
        const char *vendor = json_string(properties, "vendor"), *known = "";
        if (!is_believed(name) || !properties || models->models->len == CPU_MODELS_MAX || cpu_models_find(models, name))
                return false;
        if (models->features->len == 0)
                note_features(models, properties);
        for (size_t i = 0; i < G_N_ELEMENTS(vendors); i++)
                if (g_strcmp0(vendor, vendors[i][0]) == 0 && !g_strv_contains(nobodys, name))
                        known = vendors[i][1];
        CpuModel *model = g_new0(CpuModel, 1);
        model->name = g_strdup(name);
        model->vendor = g_strdup(known);
        for (guint i = 0; i < models->features->len; i++)
                if (json_object_get_boolean_member_with_default(properties, g_array_index(models->features, Feature, i).name,
                                                                false))
                        cpu_features_set(&model->features, (int) i, true);
        g_ptr_array_add(models->models, model);
        return true;
}

const CpuModel *cpu_models_find(const CpuModels *models, const char *name) {
        for (guint i = 0; i < models->models->len; i++)
                if (strcmp(((CpuModel *) models->models->pdata[i])->name, name) == 0)
                        return models->models->pdata[i];
        return NULL;
}

const CpuModel *cpu_models_host(const CpuModels *models) {
        const CpuModel *host = cpu_models_find(models, "host");
        return host ? host : cpu_models_find(models, "max");
}

/* "EPYC-v2", as opposed to "EPYC". */
static bool is_version(const char *name) {
        const char *dash = strrchr(name, '-');
        return dash && dash[1] == 'v' && dash[2] && strspn(dash + 2, G_CSET_DIGITS) == strlen(dash + 2);
}

static bool is_candidate(const CpuModel *model, const char *vendor, const char *const *only) {
        static const char *const own[] = { "host", "max", "base", NULL };
        if (only)
                return g_strv_contains(only, model->name);
        return !is_version(model->name) && !g_strv_contains(own, model->name) &&
               (!*model->vendor || !*vendor || strcmp(model->vendor, vendor) == 0);
}

const CpuModel *cpu_models_nearest(const CpuModels *models, const CpuFeatures *features, const char *vendor,
                                   const char *const *only) {
        const CpuModel *nearest = NULL;
        unsigned distance = 0, n_lacking = 0;
        for (guint i = 0; i < models->models->len; i++) {
                const CpuModel *model = models->models->pdata[i];
                if (!is_candidate(model, vendor, only))
                        continue;
                const CpuFeatures lacking = cpu_features_without(&model->features, features),
                                  more = cpu_features_without(features, &model->features);
                unsigned lacks = cpu_features_count(&lacking), differs = lacks + cpu_features_count(&more);
                if (nearest && (differs > distance || (differs == distance && lacks >= n_lacking)))
                        continue;
                nearest = model;
                distance = differs;
                n_lacking = lacks;
        }
        return nearest;
}

const CpuModel *cpu_models_largest(const CpuModels *models, const CpuFeatures *features, const char *vendor) {
        const CpuModel *largest = NULL;
        for (guint i = 0; i < models->models->len; i++) {
                const CpuModel *model = models->models->pdata[i];
                const CpuFeatures lacking = cpu_features_without(&model->features, features);
                if (is_candidate(model, vendor, NULL) && cpu_features_count(&lacking) == 0 &&
                    (!largest || cpu_features_count(&model->features) > cpu_features_count(&largest->features)))
                        largest = model;
        }
        return largest;
}

bool cpu_feature_is_no_choice(const char *name) {
        static const char *const names[] = { "osxsave", "ospke",     "pconfig",   "cvt16", "arch-facilities",
                                             "cmt",     "mbm_total", "mbm_local", NULL };
        return g_strv_contains(names, name);
}

char *cpu_feature_of_document(const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(other_names); i++)
                if (strcmp(name, other_names[i][1]) == 0)
                        return g_strdup(other_names[i][0]);
        return g_strdelimit(g_strdup(name), "_", '-');
}

int cpu_models_feature(const CpuModels *models, const char *name) {
        g_autofree char *other = cpu_feature_of_document(name);
        void *place = g_hash_table_lookup(models->by_name, name);
        if (!place)
                place = g_hash_table_lookup(models->by_name, other);
        return (int) GPOINTER_TO_UINT(place) - 1;
}

int cpu_models_n_features(const CpuModels *models) {
        return (int) models->features->len;
}

const char *cpu_models_feature_name(const CpuModels *models, int feature) {
        return g_array_index(models->features, Feature, feature).libvirt;
}
