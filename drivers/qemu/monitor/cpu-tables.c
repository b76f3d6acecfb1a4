/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/cpu-tables.h"

#include <string.h>

#include "log.h"

/* One way of asking a binary: without KVM, or with it. */
typedef struct Table {
        struct Binary *binary;
        bool kvm;
        Interview *interview; /* NULL: it is over */
        GStrv names;          /* of the models that are asked for */
        size_t n_asked;
        CpuModels *models; /* NULL: it does not tell */
} Table;

typedef struct Binary {
        char *emulator;
        gint64 size, time;
        Table tables[2];
        GArray *waiting; /* Waiter */
} Binary;

typedef struct Waiter {
        void (*done)(void *data);
        void *data;
} Waiter;

struct CpuTables {
        Interviews *interviews;
        GHashTable *binaries; /* emulator -> Binary */
};

static bool is_asked(const Binary *binary) {
        return binary->tables[0].interview || binary->tables[1].interview;
}

static void tell_waiting(const GArray *waiting) {
        for (guint i = 0; i < waiting->len; i++) {
                const Waiter *waiter = &g_array_index(waiting, Waiter, i);
                if (waiter->done)
                        waiter->done(waiter->data);
        }
}

static void binary_free(void *data) {
        Binary *binary = data;
        for (size_t i = 0; i < G_N_ELEMENTS(binary->tables); i++) {
                Table *table = binary->tables + i;
                g_clear_pointer(&table->interview, interview_end);
                g_clear_pointer(&table->models, cpu_models_free);
                g_strfreev(table->names);
        }
        g_array_unref(binary->waiting);
        g_free(binary->emulator);
        g_free(binary);
}

CpuTables *cpu_tables_new(Interviews *interviews) {
        CpuTables *tables = g_new0(CpuTables, 1);
        tables->interviews = interviews;
        tables->binaries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, binary_free);
        return tables;
}

void cpu_tables_free(CpuTables *tables) {
        g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func((GDestroyNotify) g_array_unref);
        GHashTableIter iterator;
        void *binary;
        g_hash_table_iter_init(&iterator, tables->binaries);
        while (g_hash_table_iter_next(&iterator, NULL, &binary))
                g_ptr_array_add(lists, g_array_ref(((Binary *) binary)->waiting));
        g_hash_table_remove_all(tables->binaries);
        for (guint i = 0; i < lists->len; i++)
                tell_waiting(lists->pdata[i]);
        g_hash_table_unref(tables->binaries);
        g_free(tables);
}

static bool is_of(const Binary *binary, const Capabilities *capabilities) {
        JsonObject *data = capabilities_data(capabilities);
        return binary->size == json_int(data, "size", -1) && binary->time == json_int(data, "time", -1);
}

static const char *emulator_of(const Capabilities *capabilities) {
        return json_string(capabilities_data(capabilities), "emulator");
}

const CpuModels *cpu_tables_find(const CpuTables *tables, const Capabilities *capabilities, bool kvm) {
        const Binary *binary = capabilities ? g_hash_table_lookup(tables->binaries, emulator_of(capabilities)) : NULL;
        return binary && !is_asked(binary) && is_of(binary, capabilities) ? binary->tables[kvm].models : NULL;
}

static const char *next_model(void *data, JsonObject **arguments) {
        const Table *table = data;
        const char *name = table->names[table->n_asked];
        if (!name)
                return NULL;
        *arguments = json_make("type", 's', "static", "model", 'o', json_make("name", 's', name, NULL), NULL);
        return "query-cpu-model-expansion";
}

/* One that it does not tell of is one less. */
static bool on_model(void *data, JsonNode *answer, const GError *error) {
        Table *table = data;
        JsonObject *model = error ? NULL : json_member(json_node_get_object(answer), "model");
        cpu_models_add(table->models, table->names[table->n_asked], json_member(model, "props"));
        table->n_asked++;
        return true;
}

static void on_over(void *data, bool failed) {
        Table *table = data;
        Binary *binary = table->binary;
        table->interview = NULL;
        if (failed || !cpu_models_host(table->models)) {
                log_warning("%s does not say what its processor models have%s", binary->emulator, table->kvm ? " with KVM" : "");
                g_clear_pointer(&table->models, cpu_models_free);
        }
        if (is_asked(binary))
                return;
        g_autoptr(GArray) waiting = g_steal_pointer(&binary->waiting);
        binary->waiting = g_array_new(FALSE, FALSE, sizeof(Waiter));
        tell_waiting(waiting);
}

static const InterviewListener listener = { .next = next_model, .answered = on_model, .over = on_over };

/* What is the host's own with KVM is nothing without. */
static GStrv names_of(const Capabilities *capabilities, bool kvm) {
        g_autoptr(GPtrArray) names = capabilities_cpus(capabilities, kvm);
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        for (guint i = 0; i + 1 < names->len && i < CPU_MODELS_MAX; i++)
                if (kvm || strcmp(names->pdata[i], "host") != 0)
                        g_strv_builder_add(builder, names->pdata[i]);
        return g_strv_builder_end(builder);
}

static void begin(CpuTables *tables, Binary *binary, const Capabilities *capabilities) {
        for (size_t i = 0; i < G_N_ELEMENTS(binary->tables); i++) {
                g_autoptr(GError) error = NULL;
                Table *table = binary->tables + i;
                *table = (Table){ .binary = binary, .kvm = i == 1 };
                if (table->kvm && !capabilities_has_kvm(capabilities))
                        continue;
                table->names = names_of(capabilities, table->kvm);
                table->models = cpu_models_new();
                table->interview = interview_begin(tables->interviews, binary->emulator, table->kvm, &listener, table, &error);
                if (error) {
                        log_warning("%s", error->message);
                        g_clear_pointer(&table->models, cpu_models_free);
                }
        }
}

/* Makes place for one more by forgetting what nobody waits for. */
static bool make_place(CpuTables *tables) {
        GHashTableIter iterator;
        void *binary;
        if (g_hash_table_size(tables->binaries) < CPU_TABLES_MAX)
                return true;
        g_hash_table_iter_init(&iterator, tables->binaries);
        while (g_hash_table_iter_next(&iterator, NULL, &binary))
                if (!is_asked(binary))
                        g_hash_table_iter_remove(&iterator);
        return g_hash_table_size(tables->binaries) < CPU_TABLES_MAX;
}

bool cpu_tables_learn(CpuTables *tables, const Capabilities *capabilities, void (*done)(void *data), void *data) {
        const char *target = json_string(capabilities_data(capabilities), "target"), *emulator = emulator_of(capabilities);
        Binary *binary = emulator ? g_hash_table_lookup(tables->binaries, emulator) : NULL;
        if (!emulator || !capabilities_feature_type(target))
                return true;
        if (binary && !is_asked(binary) && is_of(binary, capabilities))
                return true;
        if (!binary || !is_asked(binary)) {
                if (!make_place(tables))
                        return true;
                binary = g_new0(Binary, 1);
                binary->emulator = g_strdup(emulator);
                binary->size = json_int(capabilities_data(capabilities), "size", -1);
                binary->time = json_int(capabilities_data(capabilities), "time", -1);
                binary->waiting = g_array_new(FALSE, FALSE, sizeof(Waiter));
                g_hash_table_replace(tables->binaries, binary->emulator, binary);
                begin(tables, binary, capabilities);
                if (!is_asked(binary))
                        return true;
        }
        const Waiter waiter = { done, data };
        g_array_append_val(binary->waiting, waiter);
        return false;
}

void cpu_tables_forget(CpuTables *tables, const void *data) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, tables->binaries);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                const GArray *waiting = ((Binary *) value)->waiting;
                for (guint i = 0; i < waiting->len; i++)
                        if (g_array_index(waiting, Waiter, i).data == data)
                                g_array_index(waiting, Waiter, i).done = NULL;
        }
}
