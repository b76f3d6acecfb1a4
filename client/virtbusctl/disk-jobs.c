/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* disk COMMAND DOMAIN DISK: the images of a disk, and the jobs on them. */

#include <string.h>

#include "ctl.h"
#include "disk-jobs.h"
#include "domain-command.h"

#define DISK_IMAGE "org.virtbus1.Device.Disk.Image"
#define JOB_DISK "org.virtbus1.Job.Disk"

/* Options of what begins a job. */
static GVariant *read_options(const Ctl *ctl, const char *const *known, GError **error) {
        const CommandSwitch switches[] = {
                { "shallow", "shallow", ctl->shallow },
                { "pivot", "pivot", ctl->pivot },
                { "reuse", "reuse", ctl->reuse },
                { "synchronous", "synchronous", ctl->synchronous },
        };
        GVariantDict options;
        guint64 bandwidth = 0;
        if (ctl->bandwidth && !ctl_read_size(ctl->bandwidth, &bandwidth)) {
                ctl_invalid(error, "'%s' is not a bandwidth, such as 50M", ctl->bandwidth);
                return NULL;
        }
        if (!domain_command_options(switches, G_N_ELEMENTS(switches), known, &options, error))
                return NULL;
        if (bandwidth > 0)
                g_variant_dict_insert(&options, "bandwidth", "t", bandwidth);
        return g_variant_dict_end(&options);
}

/* Begins a job, and follows it until it has ended, or, where it waits for a decision, is ready. */
static int begin(const CommandTarget *target, const char *method, GVariant *arguments) {
        Ctl *ctl = target->ctl;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer = ctl_call(ctl, target->path, DISK_IMAGE, method, arguments, NULL, NULL, &error);
        const char *job;
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(answer, "(&o)", &job);
        if (!ctl->wait && !ctl->pivot && strcmp(method, "Pull") != 0) {
                g_print("%s\n", strrchr(job, '/') + 1);
                return EXIT_DONE;
        }
        return ctl_follow_job(ctl, job, target->name);
}

static int commit(const CommandTarget *target, char **arguments) {
        static const char *const known[] = { "shallow", "pivot", NULL };
        g_autoptr(GError) error = NULL;
        GVariant *options = read_options(target->ctl, known, &error);
        const char *base = arguments[0] ? arguments[0] : "", *top = arguments[0] && arguments[1] ? arguments[1] : "";
        return options ? begin(target, "Commit", g_variant_new("(ss@a{sv})", base, top, options))
                       : ctl_fail(g_steal_pointer(&error));
}

static int pull(const CommandTarget *target, char **arguments) {
        static const char *const known[] = { NULL };
        g_autoptr(GError) error = NULL;
        GVariant *options = read_options(target->ctl, known, &error);
        return options ? begin(target, "Pull", g_variant_new("(s@a{sv})", arguments[0] ? arguments[0] : "", options))
                       : ctl_fail(g_steal_pointer(&error));
}

static int copy(const CommandTarget *target, char **arguments) {
        static const char *const known[] = { "shallow", "pivot", "reuse", "synchronous", NULL };
        g_autoptr(GError) error = NULL;
        g_autofree char *path = g_canonicalize_filename(arguments[0], NULL);
        GVariant *options = read_options(target->ctl, known, &error);
        return options ? begin(target, "Copy", g_variant_new("(ss@a{sv})", path, arguments[1] ? arguments[1] : "", options))
                       : ctl_fail(g_steal_pointer(&error));
}

/* The images, as a table. */
static int chain(const CommandTarget *target, char **arguments) {
        static const char *const headings[] = { ">INDEX", "FORMAT", "PATH", NULL };
        g_autoptr(GError) error = NULL;
        (void) arguments;
        g_autoptr(GVariant) properties = ctl_properties(target->ctl, target->path, DISK_IMAGE, &error);
        if (!properties)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GVariant) images = g_variant_lookup_value(properties, "Chain", G_VARIANT_TYPE("a(uss)"));
        g_autoptr(Table) table = table_new(headings);
        GVariantIter iterator;
        const char *path, *format;
        guint32 index;
        if (images)
                g_variant_iter_init(&iterator, images);
        while (images && g_variant_iter_next(&iterator, "(u&s&s)", &index, &path, &format)) {
                char **cells = g_new0(char *, 4);
                cells[0] = g_strdup_printf("%u", index);
                cells[1] = g_strdup(format);
                cells[2] = g_strdup(path);
                table_add(table, cells);
        }
        return table_print(target->ctl, table, "image");
}

/* How large its image is, as a table; what programs read is in bytes. */
static int info(const CommandTarget *target, char **arguments) {
        static const char *const headings[] = { ">CAPACITY", ">ALLOCATION", ">PHYSICAL", NULL };
        g_autoptr(GError) error = NULL;
        (void) arguments;
        g_autoptr(GVariant) answer = ctl_call(target->ctl, target->path, "org.virtbus1.Device.Disk", "GetInfo",
                                              g_variant_new("(@a{sv})", ctl_options(NULL, NULL)), NULL, NULL, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(Table) table = table_new(headings);
        char **cells = g_new0(char *, 4);
        for (gsize i = 0; i < 3; i++) {
                guint64 bytes;
                g_variant_get_child(answer, i, "t", &bytes);
                cells[i] = target->ctl->json || bytes == 0 ? g_strdup_printf("%" G_GUINT64_FORMAT, bytes) : output_size(bytes);
        }
        table_add(table, cells);
        return table_print(target->ctl, table, "image");
}

/* The path of the disk's job; NULL when it has been said that there is none. */
static char *find_job(const CommandTarget *target, int *status) {
        return domain_command_job(target, DISK_IMAGE, "Job", "no job works on disk '%s'", status);
}

/* Tells the job to end, and waits for that. */
static int end(const CommandTarget *target, const char *interface, const char *method) {
        int status = EXIT_DONE;
        g_autofree char *job = find_job(target, &status);
        if (!job)
                return status;
        status = ctl_do(target->ctl, job, interface, method, NULL);
        return status == EXIT_DONE && strcmp(method, "Cancel") != 0 ? ctl_follow_job(target->ctl, job, target->name) : status;
}

static int pivot(const CommandTarget *target, char **arguments) {
        (void) arguments;
        return end(target, JOB_DISK, "Pivot");
}

static int finish(const CommandTarget *target, char **arguments) {
        (void) arguments;
        return end(target, JOB_DISK, "Finish");
}

static int abort_job(const CommandTarget *target, char **arguments) {
        (void) arguments;
        return end(target, "org.virtbus1.Job", "Cancel");
}

static bool read_size(const char *text, guint64 *bytes) {
        g_autoptr(GError) error = NULL;
        if (strcmp(text, "off") == 0) {
                *bytes = 0;
                return true;
        }
        if (ctl_read_size(text, bytes))
                return true;
        ctl_invalid(&error, "'%s' is not a size, such as 50M, or off", text);
        ctl_fail(g_steal_pointer(&error));
        return false;
}

static int limit(const CommandTarget *target, char **arguments) {
        guint64 bandwidth = 0;
        int status = EXIT_USAGE;
        g_autofree char *job = read_size(arguments[0], &bandwidth) ? find_job(target, &status) : NULL;
        return job ? ctl_do(target->ctl, job, JOB_DISK, "SetBandwidth", g_variant_new("(t)", bandwidth)) : status;
}

static int threshold(const CommandTarget *target, char **arguments) {
        guint64 bytes = 0;
        const char *image = arguments[1] ? arguments[1] : "";
        return read_size(arguments[0], &bytes) ? ctl_do(target->ctl, target->path, DISK_IMAGE, "SetThreshold",
                                                        g_variant_new("(st)", image, bytes))
                                               : EXIT_USAGE;
}

static const DomainCommands commands = {
        .verb = "disk",
        .target = "DOMAIN DISK",
        .n_target = 2,
        .commands = (const DomainCommand[]){ { "chain", 0, 0, "", chain },
                                             { "info", 0, 0, "", info },
                                             { "commit", 0, 2, " [BASE [TOP]]", commit },
                                             { "pull", 0, 1, " [BASE]", pull },
                                             { "copy", 1, 2, " FILE [FORMAT]", copy },
                                             { "pivot", 0, 0, "", pivot },
                                             { "finish", 0, 0, "", finish },
                                             { "abort", 0, 0, "", abort_job },
                                             { "limit", 1, 1, " BANDWIDTH|off", limit },
                                             { "threshold", 1, 2, " BYTES|off [IMAGE]", threshold },
                                             { 0 } },
};

char **disk_command_names(void) {
        return domain_command_names(&commands);
}

int verb_disk(Ctl *ctl, char **arguments) {
        int status = EXIT_USAGE;
        const DomainCommand *command = domain_command_find(&commands, arguments);
        g_autoptr(VirtbusDomain) domain = command ? ctl_find(ctl, arguments[1], &status) : NULL;
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        g_autoptr(VirtbusObject) device = ctl_find_device(ctl, domain, arguments[2], NULL, &error);
        if (!device)
                return ctl_fail(g_steal_pointer(&error));
        const char *path = g_dbus_object_get_object_path(G_DBUS_OBJECT(device));
        return command->run(&(CommandTarget){ ctl, path, arguments[2] }, arguments + 3);
}
