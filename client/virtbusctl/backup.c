/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* backup COMMAND DOMAIN [FILE]: what its disks have, while it runs. */

#include "backup.h"

#include <string.h>

#include "domain-command.h"

#define DOMAIN "org.virtbus1.Domain"
#define JOB "org.virtbus1.Job"
#define JOB_BACKUP "org.virtbus1.Job.Backup"

/* The document of one that no file describes. */
static char *document_of(const Ctl *ctl) {
        g_autofree char *since = ctl->since ? g_markup_escape_text(ctl->since, -1) : NULL;
        return g_strdup_printf("<domainbackup mode='%s'>%s%s%s</domainbackup>", ctl->pull ? "pull" : "push",
                               since ? "<incremental>" : "", since ? since : "", since ? "</incremental>" : "");
}

static char *checkpoint_of(const Ctl *ctl) {
        g_autofree char *name = ctl->checkpoint ? g_markup_escape_text(ctl->checkpoint, -1) : NULL;
        return name ? g_strdup_printf("<domaincheckpoint><name>%s</name></domaincheckpoint>", name) : g_strdup("");
}

static char *read_document(const Ctl *ctl, const char *file, GError **error) {
        char *text = NULL;
        if (!file)
                return document_of(ctl);
        if (!ctl->pull && !ctl->since)
                return ctl_read_file(file, &text, error) ? text : NULL;
        ctl_invalid(error, "--%s is for a backup without a file: say it in the document", ctl->pull ? "pull" : "since");
        return NULL;
}

/* One that is pushed is followed to its end; one that clients read goes on. */
static int begin(const CommandTarget *target, char **arguments) {
        Ctl *ctl = target->ctl;
        g_autoptr(GError) error = NULL;
        g_autofree char *xml = read_document(ctl, arguments[0], &error), *checkpoint = checkpoint_of(ctl);
        GVariantDict options;
        const char *job, *mode = "";
        if (!xml)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_dict_init(&options, NULL);
        if (ctl->reuse)
                g_variant_dict_insert(&options, "reuse", "b", TRUE);
        g_autoptr(GVariant) answer =
                        ctl_call(ctl, target->path, DOMAIN, "BeginBackup",
                                 g_variant_new("(ss@a{sv})", xml, checkpoint, g_variant_dict_end(&options)), NULL, NULL, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(answer, "(&o)", &job);
        g_autoptr(GVariant) properties = ctl_properties(ctl, job, JOB_BACKUP, NULL);
        if (properties)
                g_variant_lookup(properties, "Mode", "&s", &mode);
        if (strcmp(mode, "pull") != 0)
                return ctl_follow_job(ctl, job, target->name);
        g_print("%s\n", strrchr(job, '/') + 1);
        return EXIT_DONE;
}

/* The path of the domain's backup; NULL when it has been said that there is none. */
static char *find(const CommandTarget *target, int *status) {
        return domain_command_job(target, DOMAIN, "Backup", "domain '%s' is not being backed up", status);
}

static void add_exports(Table *table, GVariant *backup, GVariant *job, bool json) {
        g_autoptr(GVariant) disks = g_variant_lookup_value(backup, "Disks", G_VARIANT_TYPE("a(ss)")),
                            exports = g_variant_lookup_value(backup, "Exports", G_VARIANT_TYPE("a(sss)"));
        guint64 done = 0, total = 0;
        g_variant_lookup(job, "BytesDone", "t", &done);
        g_variant_lookup(job, "BytesTotal", "t", &total);
        for (size_t i = 0; disks && i < g_variant_n_children(disks); i++) {
                const char *name, *since, *export = "", *bitmap = "", *mode = "";
                char **cells = g_new0(char *, 8);
                g_variant_get_child(disks, i, "(&s&s)", &name, &since);
                if (exports && i < g_variant_n_children(exports))
                        g_variant_get_child(exports, i, "(&s&s&s)", NULL, &export, &bitmap);
                g_variant_lookup(backup, "Mode", "&s", &mode);
                const char *texts[] = { name, mode, since, export, bitmap };
                for (size_t k = 0; k < G_N_ELEMENTS(texts); k++)
                        cells[k] = g_strdup(texts[k]);
                guint64 sizes[] = { done, total };
                for (size_t k = 0; k < G_N_ELEMENTS(sizes); k++)
                        cells[5 + k] = json ? g_strdup_printf("%" G_GUINT64_FORMAT, sizes[k]) : output_size(sizes[k]);
                table_add(table, cells);
        }
}

/* Its disks, as a table; done and total are of all together. */
static int status(const CommandTarget *target, char **arguments) {
        static const char *const headings[] = { "DISK", "MODE", "SINCE", "+EXPORT", "+BITMAP", ">DONE", ">TOTAL", NULL };
        int result = EXIT_DONE;
        g_autoptr(GError) error = NULL;
        g_autofree char *path = find(target, &result);
        (void) arguments;
        if (!path)
                return result;
        g_autoptr(GVariant) backup = ctl_properties(target->ctl, path, JOB_BACKUP, &error);
        g_autoptr(GVariant) job = backup ? ctl_properties(target->ctl, path, JOB, &error) : NULL;
        if (!job)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(Table) table = table_new(headings);
        add_exports(table, backup, job, target->ctl->json);
        return table_print(target->ctl, table, "disk");
}

static int xml(const CommandTarget *target, char **arguments) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer = ctl_call(target->ctl, target->path, DOMAIN, "GetBackupXML", NULL, NULL, NULL, &error);
        const char *text;
        (void) arguments;
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(answer, "(&s)", &text);
        output_page(target->ctl, text);
        return EXIT_DONE;
}

static int end(const CommandTarget *target, char **arguments) {
        int result = EXIT_DONE;
        g_autofree char *path = find(target, &result);
        (void) arguments;
        if (path)
                result = ctl_do(target->ctl, path, JOB_BACKUP, "Finish", NULL);
        return path && result == EXIT_DONE ? ctl_follow_job(target->ctl, path, target->name) : result;
}

static int abort_backup(const CommandTarget *target, char **arguments) {
        int result = EXIT_DONE;
        g_autofree char *path = find(target, &result);
        (void) arguments;
        return path ? ctl_do(target->ctl, path, JOB, "Cancel", NULL) : result;
}

const DomainCommands backup_commands = {
        .verb = "backup",
        .target = "DOMAIN",
        .n_target = 1,
        .commands = (const DomainCommand[]){ { "begin", 0, 1, " [FILE]", begin },
                                             { "status", 0, 0, "", status },
                                             { "xml", 0, 0, "", xml },
                                             { "end", 0, 0, "", end },
                                             { "abort", 0, 0, "", abort_backup },
                                             { 0 } },
};
