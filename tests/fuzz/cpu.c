/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A document of a processor: compared, brought together with another, and made a guest's; behind a line with '{', what a QEMU
 * says that a model has. */

#include <string.h>

#include "fuzz.h"
#include "qemu/monitor/cpu-document.h"

static const char *const models_of_qemu[][2] = {
        { "max", "{\"vendor\":\"AuthenticAMD\",\"fpu\":true,\"sse2\":true,\"svm\":true,\"invtsc\":false,\"lahf-lm\":true}" },
        { "Old", "{\"vendor\":\"AuthenticAMD\",\"fpu\":true,\"sse2\":false,\"svm\":true,\"invtsc\":true,\"lahf-lm\":true}" },
        { "qemu64", "{\"fpu\":true,\"sse2\":true}" },
};

static void add_model(CpuModels *models, const char *name, const char *text) {
        g_autoptr(JsonNode) node = json_parse(text, -1, NULL);
        if (node)
                cpu_models_add(models, name, json_node_get_object(node));
}

static void use_document(const CpuModels *models, const char *xml) {
        g_autoptr(GError) error = NULL, other = NULL, third = NULL;
        g_autofree char *missing = NULL;
        const CpuHost host = cpu_host_of_guests(models, "x86_64");
        CpuComparison result;
        if (!cpu_document_compare(models, &host, xml, &result, &missing, &error)) {
                fuzz_check_error(error);
                return;
        }
        g_assert_cmpint(missing != NULL, ==, result == CPU_INCOMPATIBLE);
        const CpuBaseline baseline = { .host = &host };
        const char *const xmls[] = { xml, "<cpu><model>Old</model></cpu>", NULL };
        g_autofree char *common = cpu_document_baseline(models, xmls, &baseline, &other);
        if (!common)
                fuzz_check_error(other);
        else { /* what this machine has, it has */
                g_autofree char *nothing = NULL;
                g_assert_true(cpu_document_compare(models, &host, common, &result, &nothing, &third));
                g_assert_cmpint(result, !=, CPU_INCOMPATIBLE);
        }
        g_autoptr(xmlDoc) document = xml_parse(xml, "cpu", NULL);
        g_autoptr(GError) refused = NULL;
        if (document && cpu_document_is_of_host(xmlDocGetRootElement(document)) &&
            !cpu_document_expand(models, &host, xmlDocGetRootElement(document), &refused))
                fuzz_check_error(refused);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        g_autoptr(CpuModels) models = cpu_models_new();
        char *xml = text;
        if (*text == '{') {
                xml = strchr(text, '\n');
                if (!xml)
                        return 0;
                *xml++ = '\0';
                add_model(models, "Strange", text);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(models_of_qemu); i++)
                add_model(models, models_of_qemu[i][0], models_of_qemu[i][1]);
        use_document(models, xml);
        return 0;
}
