/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The options: each is of the verbs that know it, and of no other. */

#include <stddef.h>
#include <string.h>

#include "verbs.h"

#define PLACE(member) offsetof(Ctl, member)
#define CHANGES " set attach detach update "
#define TABLES " list addresses stats top jobs import display filter interface network secret disk snapshot checkpoint backup "

const OptionEntry option_entries[] = {
        { "active", 0, OPTION_FLAG, PLACE(active), " list ", NULL, "Only those that run" },
        { "as", 0, OPTION_TEXT, PLACE(as), " shell ", "USER", "Who the program runs as in the container; else its root" },
        { "autostart", 0, OPTION_FLAG, PLACE(autostart), " define create ", NULL, "Start it with the machine" },
        { "boot", 0, OPTION_TEXT, PLACE(boot), " create ", "KINDS", "What it boots from, in order: hd, cdrom, network" },
        { "cdrom", 0, OPTION_TEXT, PLACE(cdrom), " create ", "PATH", "An image that it can boot from" },
        { "cdrom", 0, OPTION_TEXT, PLACE(cdrom), " attach ", "PATH", "An image, in a drive of its own" },
        { "cmdline", 0, OPTION_TEXT, PLACE(cmdline), " create ", "TEXT", "The kernel's command line" },
        { "columns", 0, OPTION_TEXT, PLACE(columns),
          " list addresses stats jobs import display filter interface network secret disk snapshot checkpoint backup ",
          "NAME,...", "Only these columns, in this order" },
        { "bandwidth", 0, OPTION_TEXT, PLACE(bandwidth), " disk ", "SIZE", "At most so many bytes a second, such as 50M" },
        { "compression", 0, OPTION_TEXT, PLACE(compression), " save ", "PROGRAM", "none, gzip, zstd, xz or lz4" },
        { "checkpoint", 0, OPTION_TEXT, PLACE(checkpoint), " backup ", "NAME",
          "Of begin: make a checkpoint of the same instant" },
        { "checkpoints", 0, OPTION_FLAG, PLACE(checkpoints), " undefine ", NULL, "With what is known of its checkpoints" },
        { "children", 0, OPTION_FLAG, PLACE(children), " snapshot checkpoint ", NULL, "Of delete: all below it too" },
        { "children-only", 0, OPTION_FLAG, PLACE(children_only), " snapshot checkpoint ", NULL,
          "Of delete: all below it, and it stays" },
        { "config", 0, OPTION_FLAG, PLACE(config), CHANGES, NULL, "Change the definition, for the next start" },
        { "config", 0, OPTION_FLAG, PLACE(config), " xml ", NULL, "As it is defined" },
        { "config", 0, OPTION_FLAG, PLACE(config), " network ", NULL, "With update: change the definition, for the next start" },
        { "cpus", 0, OPTION_TEXT, PLACE(cpus), " create ", "N", "Processors; 1 if it is not given" },
        { "delay", 'd', OPTION_SECONDS, PLACE(delay), " top ", "SECONDS", "How often" },
        { "description", 0, OPTION_TEXT, PLACE(description), " snapshot checkpoint ", "TEXT", "Of create: what to say of it" },
        { "directory", 0, OPTION_TEXT, PLACE(directory), " shell ", "FOLDER",
          "Where the program begins in the container; else /" },
        { "disk-only", 0, OPTION_FLAG, PLACE(disk_only), " snapshot ", NULL,
          "Of create: without the memory of a guest that runs" },
        { "disk", 0, OPTION_TEXTS, PLACE(disks), " create attach ", "PATH[,...]",
          "An image or block device, with ,qcow2 ,raw ,size= ,bus= ,readonly ,serial= ,cache=; again for more" },
        { "disk", 0, OPTION_TEXTS, PLACE(disks), " snapshot ", "DISK=PATH",
          "Of create: a disk's overlay, or none: it is left out; again for more" },
        { "display", 0, OPTION_TEXT, PLACE(display), " create ", "KIND", "vnc, spice or none" },
        { "emulate", 0, OPTION_FLAG, PLACE(emulate), " create ", NULL, "Without KVM" },
        { "events", 0, OPTION_TEXT, PLACE(events), " monitor ", "EVENT,...",
          "Only these: service, added, removed, state, device-added, device-removed, guest, job, job-ended" },
        { "force", 'f', OPTION_FLAG, PLACE(force), " console ", NULL, "Take it from whoever uses it" },
        { "force", 'f', OPTION_FLAG, PLACE(force), " start ", NULL, "Boot: do not go on from a managed save" },
        { "force", 'f', OPTION_FLAG, PLACE(force), " set update ", NULL,
          "Take a medium that the guest has locked; cut off the end of an image" },
        { "force", 'f', OPTION_FLAG, PLACE(force), " snapshot ", NULL,
          "Of revert: also where the guest has other devices, and is ended" },
        { "fd", 0, OPTION_TEXTS, PLACE(fds), " start define attach update ", "GROUP=N",
          "Hand over descriptor N, for <source fdgroup='GROUP'/>; again for more" },
        { "follow", 'f', OPTION_FLAG, PLACE(follow), " log ", NULL, "Go on with what is added, until Ctrl-C" },
        { "full", 'l', OPTION_FLAG, PLACE(full), TABLES, NULL, "All columns, and nothing of them is shortened" },
        { "halt", 0, OPTION_FLAG, PLACE(halt), " snapshot ", NULL, "Of create: end the guest then" },
        { "initrd", 0, OPTION_TEXT, PLACE(initrd), " create ", "FILE", "The kernel's initial memory disk" },
        { "iterations", 'n', OPTION_COUNT, PLACE(iterations), " top ", "N", "How many times" },
        { "kernel", 0, OPTION_TEXT, PLACE(kernel), " create ", "FILE", "A Linux kernel to boot, instead of a disk" },
        { "lines", 'n', OPTION_COUNT, PLACE(lines), " log ", "N", "Only the last of them" },
        { "list", 0, OPTION_FLAG, PLACE(list), " display ", NULL, "List the displays" },
        { "live", 0, OPTION_FLAG, PLACE(live), CHANGES, NULL, "Change the running guest" },
        { "live", 0, OPTION_FLAG, PLACE(live), " network ", NULL, "With update: change what an active network runs with" },
        { "memory", 0, OPTION_TEXT, PLACE(memory), " create ", "SIZE", "1G if it is not given" },
        { "network", 0, OPTION_TEXTS, PLACE(networks), " create attach ", "KIND",
          "user, none, default, network=NAME, bridge=NAME or direct=INTERFACE, with ,mac= ,model=; again for more" },
        { "no-metadata", 0, OPTION_FLAG, PLACE(no_metadata), " snapshot ", NULL, "Of create: nothing is known of it afterwards" },
        { "nvram", 0, OPTION_FLAG, PLACE(nvram), " undefine ", NULL, "With its UEFI variables" },
        { "metadata-only", 0, OPTION_FLAG, PLACE(metadata_only), " snapshot checkpoint ", NULL,
          "Of delete: leave the images as they are" },
        { "managed-save", 0, OPTION_FLAG, PLACE(managed_save), " undefine ", NULL, "With its managed save" },
        { "openmetrics", 0, OPTION_FLAG, PLACE(openmetrics), " stats ", NULL,
          "For Prometheus and the like, also of domains that are off" },
        { "paused", 0, OPTION_FLAG, PLACE(paused), " start define create save restore ", NULL, "Leave its processors stopped" },
        { "paused", 0, OPTION_FLAG, PLACE(paused), " saved ", NULL, "With another document: its processors stay stopped" },
        { "running", 0, OPTION_FLAG, PLACE(running), " save restore ", NULL,
          "Let its processors run, also where they are stopped" },
        { "running", 0, OPTION_FLAG, PLACE(running), " saved ", NULL, "With another document: its processors run" },
        { "paused", 0, OPTION_FLAG, PLACE(paused), " snapshot ", NULL, "Of revert: leave its processors stopped" },
        { "property", 'p', OPTION_TEXTS, PLACE(properties), " show ", "NAME", "Only this property; again for more" },
        { "quiesce", 0, OPTION_FLAG, PLACE(quiesce), " snapshot ", NULL,
          "Of create: the guest's agent freezes its file systems" },
        { "running", 0, OPTION_FLAG, PLACE(running), " snapshot ", NULL, "Of revert: let its processors run" },
        { "since", 0, OPTION_TEXT, PLACE(since), " backup ", "CHECKPOINT", "Of begin: only what was written since that" },
        { "snapshots", 0, OPTION_FLAG, PLACE(snapshots), " undefine ", NULL, "With what is known of its snapshots" },
        { "start", 0, OPTION_FLAG, PLACE(start), " define create ", NULL, "Start it too" },
        { "stdio", 0, OPTION_FLAG, PLACE(stdio), " display ", NULL, "On standard input and output" },
        { "timeout", 0, OPTION_SECONDS, PLACE(timeout), " wait ", "SECONDS", "Give up after so long" },
        { "timeout", 0, OPTION_SECONDS, PLACE(timeout), " shutdown ", "SECONDS", "With --wait: give up after so long" },
        { "timeout", 0, OPTION_SECONDS, PLACE(timeout), " detach ", "SECONDS", "How long the guest may take to let it go" },
        { "tpm", 0, OPTION_FLAG, PLACE(tpm), " create undefine ", NULL, "A TPM 2.0" },
        { "transient", 0, OPTION_FLAG, PLACE(transient), " define create ", NULL, "Run it, and forget it when it ends" },
        { "uefi", 0, OPTION_FLAG, PLACE(uefi), " create ", NULL, "UEFI, instead of a BIOS" },
        { "unsupported", 0, OPTION_FLAG, PLACE(unsupported), " define import ", NULL, "Also what cannot be started yet" },
        { "value", 0, OPTION_FLAG, PLACE(value), " show ", NULL, "Without the names" },
        { "pivot", 0, OPTION_FLAG, PLACE(pivot), " disk ", NULL,
          "The guest goes on with what is written, as soon as that is ready" },
        { "pull", 0, OPTION_FLAG, PLACE(pull), " backup ", NULL, "Of begin: clients read it, by NBD" },
        { "reuse", 0, OPTION_FLAG, PLACE(reuse), " disk ", NULL, "Of a copy: write a file that is there" },
        { "reuse", 0, OPTION_FLAG, PLACE(reuse), " backup ", NULL, "Of begin: write files that are there" },
        { "reuse", 0, OPTION_FLAG, PLACE(reuse), " snapshot ", NULL, "Of create: the overlays are there already" },
        { "shallow", 0, OPTION_FLAG, PLACE(shallow), " disk ", NULL, "Only what the topmost image has" },
        { "synchronous", 0, OPTION_FLAG, PLACE(synchronous), " disk ", NULL,
          "Of a copy: what the guest writes is in both at once" },
        { "human", 0, OPTION_FLAG, PLACE(human), " qmp ", NULL, "The command is a line of QEMU's monitor for people" },
        { "virtual", 0, OPTION_FLAG, PLACE(virtual), " peek ", NULL, "The address is a virtual one of its first processor" },
        { "wait", 0, OPTION_FLAG, PLACE(wait), " shutdown ", NULL, "Wait until they are off" },
        { "wait", 0, OPTION_FLAG, PLACE(wait), " disk ", NULL, "Wait until the job has ended" },
        { "json", 'j', OPTION_FLAG, PLACE(json),
          " list status show addresses stats monitor jobs import display create define attach agent filter interface network "
          "secret disk snapshot checkpoint backup ",
          NULL, "For programs to read" },
        { "no-legend", 0, OPTION_FLAG, PLACE(no_legend), TABLES, NULL, "Neither headings nor a count" },
        { "connection", 'c', OPTION_TEXT, PLACE(connection), NULL, "NAME", "Of this hypervisor, such as qemu" },
        { "username", 0, OPTION_TEXT, PLACE(username), NULL, "NAME", "With -c URI: who asks the hypervisor elsewhere" },
        { "password-file", 0, OPTION_TEXT, PLACE(password_file), NULL, "FILE",
          "With -c URI: where the password is read; - asks for it" },
        { "no-pager", 0, OPTION_FLAG, PLACE(no_pager), NULL, NULL, "Never through a pager" },
        { "no-ask-password", 0, OPTION_FLAG, PLACE(no_ask_password), NULL, NULL, "Do not ask for passwords" },
        { "user", 0, OPTION_FLAG, PLACE(user), NULL, NULL, "The user's own guests, on the session bus" },
        { "host", 'H', OPTION_TEXT, PLACE(host), NULL, "[USER@]HOST", "On another host, by ssh" },
        { "machine", 'M', OPTION_TEXT, PLACE(machine), NULL, "CONTAINER", "In a local container" },
        { "help", 'h', OPTION_FLAG, PLACE(help), NULL, NULL, "Show this help; of a verb, what it knows" },
        { "version", 0, OPTION_FLAG, PLACE(version), NULL, NULL, "Show the version" },
        { 0 },
};

bool option_is_of(const OptionEntry *option, const char *verb) {
        g_autofree char *word = verb ? g_strdup_printf(" %s ", verb) : NULL;
        return !option->verbs || (word && strstr(option->verbs, word));
}

const OptionEntry *option_find(const char *verb, const char *name) {
        for (const OptionEntry *option = option_entries; option->name; option++)
                if (strcmp(option->name, name) == 0 && option_is_of(option, verb))
                        return option;
        return NULL;
}

const OptionEntry *option_find_letter(const char *verb, char letter) {
        for (const OptionEntry *option = option_entries; letter && option->name; option++)
                if (option->letter == letter && (!verb || option_is_of(option, verb)))
                        return option;
        return NULL;
}

/* An option as it was typed. Which verb it is of is known later. */
typedef struct Given {
        const OptionEntry *entry; /* the first of its name, or of its letter */
        bool has_name;            /* it was not a letter */
        char *value;
} Given;

static void given_free(Given *given) {
        g_free(given->value);
        g_free(given);
}

static gboolean take(const char *name, const char *value, gpointer list, GError **error) {
        bool is_long = g_str_has_prefix(name, "--");
        (void) error;
        for (const OptionEntry *option = option_entries; option->name; option++)
                if (is_long ? strcmp(option->name, name + 2) == 0 : option->letter == name[1]) {
                        Given *given = g_new0(Given, 1);
                        *given = (Given){ option, is_long, g_strdup(value) };
                        g_ptr_array_add(list, given);
                        break;
                }
        return TRUE;
}

/* One pass over what was typed. Up to the verb only, where IS_STRICT. */
static bool parse(int *argc, char ***argv, bool is_strict, GPtrArray *given, GError **error) {
        g_autoptr(GArray) entries = g_array_new(TRUE, TRUE, sizeof(GOptionEntry));
        g_autoptr(GOptionContext) context = g_option_context_new(NULL);
        const char *before = "";
        for (const OptionEntry *option = option_entries; option->name; before = option++->name) {
                GOptionEntry entry = { .long_name = option->name, .arg = G_OPTION_ARG_CALLBACK };
                entry.short_name = option_find_letter(NULL, option->letter) == option ? option->letter
                                                                                      : 0; /* it takes one of each */
                entry.flags = option->kind == OPTION_FLAG ? G_OPTION_FLAG_NO_ARG : 0;
                entry.arg_data = (gpointer) (void (*)(void)) take;
                if (strcmp(before, option->name) != 0)
                        g_array_append_val(entries, entry);
        }
        GOptionGroup *group = g_option_group_new("", "", "", given, NULL);
        g_option_group_add_entries(group, (const GOptionEntry *) (void *) entries->data);
        g_option_context_set_main_group(context, group); /* which takes it */
        g_option_context_set_help_enabled(context, FALSE);
        g_option_context_set_ignore_unknown_options(context, TRUE);
        g_option_context_set_strict_posix(context, is_strict);
        return g_option_context_parse(context, argc, argv, error);
}

static bool fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool fail(GError **error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, text);
        return false;
}

/* All names of options that a verb knows, or, without one, of all; with "--". */
static char **names_of(const char *verb) {
        g_autoptr(GStrvBuilder) names = g_strv_builder_new();
        for (const OptionEntry *option = option_entries; option->name; option++)
                if (!verb || option_is_of(option, verb)) {
                        g_autofree char *name = g_strconcat("--", option->name, NULL);
                        g_strv_builder_add(names, name);
                }
        return g_strv_builder_end(names);
}

static bool fail_unknown(const char *verb, const char *word, GError **error) {
        g_auto(GStrv) names = names_of(verb), all = names_of(NULL);
        g_autofree char *name = g_strndup(word, strcspn(word, "="));
        const char *const *known = (const char *const *) names;
        g_autofree char *hint = suggestion(name, nearest(name, known) ? known : (const char *const *) all);
        const char *foreign = option_explain_unknown(name);
        if (foreign)
                return fail(error, "there is no option %s: %s", name, foreign);
        return *hint  ? fail(error, "there is no option %s%s", name, hint)
               : verb ? fail(error, "there is no option %s; see virtbusctl help %s", name, verb)
                      : fail(error, "there is no option %s; see virtbusctl --help", name);
}

/* Of an option that other verbs know. */
static bool fail_not_of(const OptionEntry *option, const VerbEntry *verb, GError **error) {
        g_autoptr(GString) others = g_string_new(NULL);
        g_autoptr(GString) own = g_string_new(NULL);
        for (const OptionEntry *row = option_entries; row->name; row++) {
                if (strcmp(row->name, option->name) == 0)
                        g_string_append_printf(others, "%s", row->verbs);
                if (row->verbs && option_is_of(row, verb->name))
                        g_string_append_printf(own, "%s--%s", own->len > 0 ? ", " : "", row->name);
        }
        g_auto(GStrv) words = g_strsplit_set(g_strstrip(others->str), " ", -1);
        g_autoptr(GString) list = g_string_new(NULL);
        for (char **word = words; *word; word++)
                if (**word)
                        g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "", *word);
        return fail(error, "--%s is an option of %s; %s knows %s%s", option->name, list->str, verb->name,
                    own->len > 0 ? "" : "none of its own", own->str);
}

static bool store(Ctl *ctl, const OptionEntry *option, const char *value, GError **error) {
        void *place = (char *) ctl + option->place;
        char *end = NULL;
        guint64 count = 0;
        switch (option->kind) {
        case OPTION_FLAG:
                *(gboolean *) place = TRUE;
                return true;
        case OPTION_TEXT:
                if (*(char **) place)
                        return fail(error, "--%s is there twice", option->name);
                *(char **) place = g_strdup(value);
                return true;
        case OPTION_TEXTS: {
                char ***texts = place;
                g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
                if (*texts)
                        g_strv_builder_addv(builder, (const char **) *texts);
                g_strv_builder_add(builder, value);
                g_strfreev(*texts);
                *texts = g_strv_builder_end(builder);
                return true;
        }
        case OPTION_SECONDS:
                *(double *) place = g_ascii_strtod(value, &end);
                return (end != value && !*end && *(double *) place > 0) ||
                       fail(error, "--%s=%s is not a number of seconds above 0", option->name, value);
        case OPTION_COUNT:
                if (!g_ascii_string_to_unsigned(value, 10, 1, G_MAXINT, &count, NULL))
                        return fail(error, "--%s=%s is not a number from 1", option->name, value);
                *(int *) place = (int) count;
                return true;
        }
        return true;
}

/* Hands each option to where it is kept, if the verb knows it. */
static bool store_all(Ctl *ctl, const VerbEntry *verb, const GPtrArray *list, GError **error) {
        for (guint i = 0; i < list->len; i++) {
                const Given *given = list->pdata[i];
                const OptionEntry *option = given->has_name ? option_find(verb->name, given->entry->name)
                                                            : option_find_letter(verb->name, given->entry->letter);
                if (!option)
                        return fail_not_of(given->entry, verb, error);
                if (!store(ctl, option, given->value, error))
                        return false;
        }
        return true;
}

/* What is left must not look like an option: that would be one which nobody knows. */
static bool check_words(const char *verb, char **words, GError **error) {
        for (; *words; words++)
                if (words[0][0] == '-' && words[0][1])
                        return fail_unknown(verb, *words, error);
        return true;
}

static bool wants(const GPtrArray *list, const char *name) {
        for (guint i = 0; i < list->len; i++)
                if (strcmp(((const Given *) list->pdata[i])->entry->name, name) == 0)
                        return true;
        return false;
}

/* GOption says which value is missing, not what it is to be; and takes one of an option that has none. */
static bool check_values(int argc, char *argv[], GError **error) {
        for (int i = 1; i < argc; i++) {
                const char *equals = strchr(argv[i], '=');
                if (!g_str_has_prefix(argv[i], "--"))
                        continue;
                g_autofree char *name = equals ? g_strndup(argv[i] + 2, (size_t) (equals - argv[i] - 2)) : g_strdup(argv[i] + 2);
                const OptionEntry *option = option_entries;
                while (option->name && strcmp(option->name, name) != 0)
                        option++;
                if (option->name && option->kind == OPTION_FLAG && equals)
                        return fail(error, "--%s takes no value: leave out %s", name, equals);
                if (option->name && option->kind != OPTION_FLAG && !equals && i + 1 == argc)
                        return fail(error, "--%s=%s: the value is missing", name, option->value);
        }
        return true;
}

bool options_parse(Ctl *ctl, int argc, char *argv[], const VerbEntry **verb, char ***arguments, GError **error) {
        g_autoptr(GPtrArray) given = g_ptr_array_new_with_free_func((GDestroyNotify) given_free);
        int n = 0;
        while (n < argc && (n == 0 || strcmp(argv[n], "--") != 0))
                n++;
        g_autoptr(GStrvBuilder) words = g_strv_builder_new();
        char **literal = n < argc ? argv + n + 1 : NULL; /* what follows "--" */
        argv[n] = NULL;
        bool has_command = n > 1 && (g_strv_contains((const char *const *) argv + 1, "agent") ||
                                     g_strv_contains((const char *const *) argv + 1, "shell"));
        if (!has_command && !check_values(n, argv, error))
                return false;
        /* Up to the verb first: a command that it takes may have options of its own. */
        if (!parse(&n, &argv, true, given, error) || (n > 1 && argv[1][0] == '-' && !fail_unknown(NULL, argv[1], error)))
                return false;
        const char *name = n > 1 ? argv[1] : literal && *literal ? *literal++ : wants(given, "help") ? "help" : "list";
        *verb = verb_find(name);
        if (!*verb && wants(given, "version"))
                *verb = verb_find("version");
        if (!*verb) {
                g_autofree char *text = verb_explain_unknown(name);
                return fail(error, "%s", text);
        }
        char **rest = n > 1 ? argv + 1 : argv;
        int n_rest = n > 1 ? n - 1 : 1;
        bool takes_command = strcmp(name, "agent") == 0 || strcmp(name, "shell") == 0;
        if (!parse(&n_rest, &rest, takes_command, given, error) || !store_all(ctl, *verb, given, error))
                return false;
        if (!takes_command && n_rest > 1 && !check_words(name, rest + 1, error))
                return false;
        for (int i = 1; i < n_rest; i++)
                g_strv_builder_add(words, rest[i]);
        for (; literal && *literal; literal++)
                g_strv_builder_add(words, *literal);
        *arguments = g_strv_builder_end(words);
        return true;
}

void options_clear(Ctl *ctl) {
        for (const OptionEntry *option = option_entries; option->name; option++) {
                void *place = (char *) ctl + option->place;
                if (option->kind == OPTION_TEXT)
                        g_clear_pointer((char **) place, g_free);
                else if (option->kind == OPTION_TEXTS)
                        g_clear_pointer((char ***) place, g_strfreev);
        }
}
