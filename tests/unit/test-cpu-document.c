/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Processors by the models of a QEMU: small ones, so that what differs can be seen. */

#include <string.h>

#include "qemu/monitor/cpu-document.h"

static void add(CpuModels *models, const char *name, const char *vendor, const char *features) {
        static const char *const all[] = { "fpu",     "sse2",   "sse4.1",    "avx",        "avx2",     "svm", "vmx",
                                           "lahf-lm", "invtsc", "pclmulqdq", "avx512vnni", "kvmclock", NULL };
        g_auto(GStrv) has = g_strsplit(features, " ", -1);
        g_autoptr(JsonObject) properties = json_make("vendor", 's', vendor, "family", 'i', (gint64) 6, NULL);
        for (size_t i = 0; all[i]; i++)
                json_add(properties, all[i], 'b', (int) g_strv_contains((const char *const *) has, all[i]), NULL);
        g_assert_true(cpu_models_add(models, name, properties));
}

static CpuModels *make_models(void) {
        CpuModels *models = cpu_models_new();
        add(models, "max", "AuthenticAMD", "fpu sse2 sse4.1 avx svm lahf-lm kvmclock");
        add(models, "qemu64", "AuthenticAMD", "fpu sse2");
        add(models, "Old", "AuthenticAMD", "fpu sse2 lahf-lm");
        add(models, "New", "AuthenticAMD", "fpu sse2 sse4.1 avx avx2 svm lahf-lm");
        add(models, "New-v1", "AuthenticAMD", "fpu sse2 sse4.1 avx svm lahf-lm");
        add(models, "Other", "GenuineIntel", "fpu sse2 sse4.1 avx svm lahf-lm");
        return models;
}

static void test_what_one_asks_for_is_compared_with_what_is_there(void) {
        static const struct {
                const char *xml;
                CpuComparison result;
                const char *missing;
        } cases[] = {
                { "<cpu><model>Old</model></cpu>", CPU_SUPERSET, NULL },
                { "<cpu match='strict'><model>Old</model></cpu>", CPU_INCOMPATIBLE, "it has more: avx, sse4.1, svm" },
                { "<cpu match='strict'><model>New-v1</model></cpu>", CPU_IDENTICAL, NULL },
                { "<cpu><model>New</model></cpu>", CPU_INCOMPATIBLE, "it does not provide: avx2" },
                { "<cpu><model>New</model><feature policy='disable' name='avx2'/></cpu>", CPU_IDENTICAL, NULL },
                { "<cpu><model>New</model><feature policy='optional' name='avx2'/></cpu>", CPU_IDENTICAL, NULL },
                { "<cpu><model>New</model><feature policy='force' name='avx2'/></cpu>", CPU_IDENTICAL, NULL },
                { "<cpu><model>Old</model><feature policy='forbid' name='svm'/></cpu>", CPU_INCOMPATIBLE, "forbidden: svm" },
                { "<cpu><model>Old</model><feature policy='forbid' name='vmx'/></cpu>", CPU_SUPERSET, NULL },
                { "<cpu><model>Old</model><feature name='vmx'/></cpu>", CPU_INCOMPATIBLE, "vmx" },
                { "<cpu><model>Old</model><feature name='osxsave'/></cpu>", CPU_SUPERSET, NULL },
                { "<cpu><model>Old</model><vendor>Intel</vendor></cpu>", CPU_INCOMPATIBLE, "it is AMD, not Intel" },
                { "<cpu><arch>i686</arch><model>Old</model></cpu>", CPU_INCOMPATIBLE, "not i686" },
                { "<cpu><model>Old</model><feature name='pclmuldq'/></cpu>", CPU_INCOMPATIBLE, "pclmuldq" },
                { "<cpu mode='host-model'/>", CPU_SUPERSET, NULL },
                { "<capabilities><host><cpu><model>Old</model></cpu></host></capabilities>", CPU_SUPERSET, NULL },
                { "<domain><cpu mode='custom'><model>New</model></cpu></domain>", CPU_INCOMPATIBLE, "avx2" },
                { "<domainCapabilities><cpu><mode name='maximum'/><mode name='host-model'><model>Old</model></mode></cpu>"
                  "</domainCapabilities>",
                  CPU_SUPERSET, NULL },
        };
        g_autoptr(CpuModels) models = make_models();
        const CpuHost host = cpu_host_of_guests(models, "x86_64");
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = NULL;
                g_autofree char *missing = NULL;
                CpuComparison result;
                g_test_message("%s", cases[i].xml);
                g_assert_true(cpu_document_compare(models, &host, cases[i].xml, &result, &missing, &error));
                g_assert_no_error(error);
                g_assert_cmpint(result, ==, cases[i].result);
                g_assert_cmpint(missing != NULL, ==, cases[i].missing != NULL);
                if (missing && !strstr(missing, cases[i].missing))
                        g_assert_cmpstr(missing, ==, cases[i].missing);
        }
}

static void test_what_is_no_processor_is_refused_by_line(void) {
        static const char *const cases[][2] = {
                { "<cpu><model>Nothing</model></cpu>", "unknown CPU model 'Nothing'" },
                { "<cpu>\n<model>Old</model>\n<feature name='nothing'/></cpu>", "line 3" },
                { "<cpu><model>Old</model><feature/></cpu>", "needs a name" },
                { "<cpu><model>Old</model><feature name='svm' policy='maybe'/></cpu>", "maybe" },
                { "<cpu mode='odd'><model>Old</model></cpu>", "odd" },
                { "<cpu match='odd'><model>Old</model></cpu>", "odd" },
                { "<cpu><feature name='svm'/></cpu>", "<model>" },
                { "<cpu><model>Old</model><colour/></cpu>", "<colour>" },
                { "<domain/>", "no <cpu>" },
                { "<cpu", "line 1" },
                { "", "" },
        };
        g_autoptr(CpuModels) models = make_models();
        const CpuHost host = cpu_host_of_guests(models, "x86_64");
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = NULL;
                g_autofree char *missing = NULL;
                CpuComparison result;
                g_assert_false(cpu_document_compare(models, &host, cases[i][0], &result, &missing, &error));
                g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_XML);
                if (!strstr(error->message, cases[i][1]))
                        g_assert_cmpstr(error->message, ==, cases[i][1]);
        }
        g_autofree char *long_one = g_strnfill(CPU_DOCUMENT_BYTES_MAX + 1, ' '), *missing = NULL;
        g_autoptr(GError) error = NULL;
        CpuComparison result;
        g_assert_false(cpu_document_compare(models, &host, long_one, &result, &missing, &error));
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_LIMIT_EXCEEDED);
}

#define NEW "<cpu><model>New</model><vendor>AMD</vendor></cpu>"
#define OLD "<cpu><model>Old</model><vendor>AMD</vendor><feature name='invtsc'/><feature name='avx'/></cpu>"

static void test_what_several_have_in_common(void) {
        g_autoptr(CpuModels) models = make_models();
        const CpuHost host = cpu_host_of_guests(models, "x86_64");
        static const char *const two[] = { NEW, OLD, NULL }, *const one[] = { NEW, NULL }, *const old[] = { OLD, NULL },
                                 *const differing[] = { NEW, "<cpu><model>Other</model></cpu>", NULL },
                                 *const guests[] = { "<cpu mode='custom'><model>Old</model></cpu>", NULL },
                                 *const none[] = { NULL };
        const struct {
                const char *const *xmls;
                CpuBaseline baseline;
                const char *expected, *fails;
        } cases[] = {
                { two,
                  {},
                  "<model fallback=\"forbid\">Old</model><vendor>AMD</vendor><feature policy=\"require\" name=\"avx\"/></cpu>",
                  NULL },
                { one,
                  { .host = &host },
                  "New</model><vendor>AMD</vendor><feature policy=\"disable\" name=\"avx2\"/></cpu>",
                  NULL },
                { old,
                  {},
                  "<feature policy=\"require\" name=\"avx\"/><feature policy=\"require\" name=\"invtsc\"/></cpu>",
                  NULL },
                { old, { .migratable = true }, "AMD</vendor><feature policy=\"require\" name=\"avx\"/></cpu>", NULL },
                { two,
                  { .expand = true },
                  "name=\"avx\"/><feature policy=\"require\" name=\"fpu\"/><feature policy=\"require\" "
                  "name=\"lahf_lm\"/><feature policy=\"require\" name=\"sse2\"/></cpu>",
                  NULL },
                { differing, {}, NULL, "of vendor AMD, another of Intel" },
                { guests, {}, NULL, "mode" },
                { guests, { .host = &host }, "Old</model></cpu>", NULL },
                { none, {}, NULL, "1 to 256" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = NULL;
                g_autofree char *xml = cpu_document_baseline(models, cases[i].xmls, &cases[i].baseline, &error);
                g_auto(GStrv) lines = g_strsplit(xml ? xml : "", "\n", -1);
                for (char **line = lines; *line; line++)
                        g_strstrip(*line);
                g_autofree char *flat = g_strjoinv("", lines);
                const char *text = xml ? flat : error->message, *expected = xml ? cases[i].expected : cases[i].fails;
                if (!expected || !strstr(text, expected))
                        g_assert_cmpstr(text, ==, expected);
        }
}

static void test_a_guest_gets_what_its_host_has(void) {
        g_autoptr(CpuModels) models = make_models();
        const CpuHost host = cpu_host_of_guests(models, "x86_64");
        static const struct {
                const char *xml, *expected, *fails;
        } cases[] = {
                { "<cpu mode='host-model'/>",
                  "<model fallback=\"forbid\">New</model><vendor>AMD</vendor><feature policy=\"disable\" name=\"avx2\"/>", NULL },
                { "<cpu mode='host-model'><model>Elsewhere</model><feature policy='disable' name='svm'/></cpu>",
                  "Old</model><vendor>AMD</vendor><feature policy=\"require\" name=\"avx\"/><feature policy=\"require\" "
                  "name=\"sse4.1\"/>",
                  NULL },
                { "<cpu mode='host-model'><feature policy='require' name='vmx'/></cpu>", NULL, "does not provide: vmx" },
                { "<cpu mode='host-model'><feature policy='optional' name='vmx'/></cpu>", "name=\"avx2\"/>", NULL },
                { "<cpu mode='host-model'><feature policy='forbid' name='svm'/></cpu>", NULL, "forbidden: svm" },
                { "<cpu match='minimum'><model>Old</model></cpu>", "New</model>", NULL },
                { "<cpu match='minimum'><model>New</model></cpu>", NULL, "avx2" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(xmlDoc) document = xml_parse(cases[i].xml, "cpu", &error);
                xmlNode *cpu = xmlDocGetRootElement(document);
                g_assert_true(cpu_document_is_of_host(cpu));
                bool made = cpu_document_expand(models, &host, cpu, &error);
                g_autofree char *text = xml_element_text(cpu);
                g_auto(GStrv) lines = g_strsplit(made ? text : error->message, "\n", -1);
                for (char **line = lines; *line; line++)
                        g_strstrip(*line);
                g_autofree char *flat = g_strjoinv("", lines);
                const char *expected = made ? cases[i].expected : cases[i].fails;
                g_assert_cmpint(made, ==, cases[i].expected != NULL);
                if (!strstr(flat, expected))
                        g_assert_cmpstr(flat, ==, expected);
                g_assert_true(!made || (xml_attribute_is(cpu, "mode", "custom") && !cpu_document_is_of_host(cpu)));
        }
}

static void test_a_host_is_told_of_by_its_flags(void) {
        g_autoptr(CpuModels) models = make_models();
        const CpuHost host =
                        cpu_host_of_flags(models, "x86_64",
                                          "processor\t: 0\nvendor_id\t: GenuineIntel\n"
                                          "flags\t\t: fpu sse2 sse4_1 avx lahf_lm nonstop_tsc avx512_vnni pclmulqdq nothing\n");
        g_assert_cmpstr(host.vendor, ==, "Intel");
        g_assert_cmpuint(cpu_features_count(&host.features), ==, 8);
        g_autoptr(xmlDoc) document = xml_parse("<cpu/>", "cpu", NULL);
        g_assert_true(cpu_document_write_host(models, &host, xmlDocGetRootElement(document)));
        g_autofree char *text = xml_element_text(xmlDocGetRootElement(document));
        g_assert_nonnull(strstr(text, "<model>qemu64</model>")); /* all of that, and nothing of another vendor */
        g_assert_nonnull(strstr(text, "<feature name=\"pclmuldq\"/>"));
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cpu-document/what-one-asks-for-is-compared-with-what-is-there",
                        test_what_one_asks_for_is_compared_with_what_is_there);
        g_test_add_func("/cpu-document/what-is-no-processor-is-refused-by-line", test_what_is_no_processor_is_refused_by_line);
        g_test_add_func("/cpu-document/what-several-have-in-common", test_what_several_have_in_common);
        g_test_add_func("/cpu-document/a-guest-gets-what-its-host-has", test_a_guest_gets_what_its_host_has);
        g_test_add_func("/cpu-document/a-host-is-told-of-by-its-flags", test_a_host_is_told_of_by_its_flags);
        return g_test_run();
}
