/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtbusctl: what machinectl is to systemd-machined, for virtbus. */

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"

typedef struct VerbEntry {
        const char *name;
        int min, max; /* arguments; -1: any number */
        const char *arguments, *description;
        Verb verb;
        /* Without a verb: a method of org.virtbus1.Domain that is called of each domain, with options, which are none, or without. */
        const char *method;
        bool takes_options;
} VerbEntry;

/* Those without a name are headings. */
static const VerbEntry verbs[] = {
        { .description = "Looking" },
        { "list", 0, -1, "[PATTERN...]", "List domains (--active: only those that run)", verb_list },
        { "status", 0, -1, "[DOMAIN...]", "How domains are, and their devices, or the service", verb_status },
        { "show", 1, -1, "DOMAIN...", "Properties of domains (-p: only these; --value)", verb_show },
        { "xml", 1, 1, "DOMAIN", "A domain's document (--config: as it is defined)", verb_xml },
        { "addresses", 1, 1, "DOMAIN", "The addresses of its network cards", verb_addresses },
        { "stats", 0, -1, "[DOMAIN...]", "What running domains have used", verb_stats },
        { "top", 0, -1, "[DOMAIN...]", "What running domains use, again and again", verb_top },
        { "monitor", 0, 0, "", "Tell what happens, until Ctrl-C", verb_monitor },
        { "capabilities", 0, 2, "[host|domain|cpus]", "What a hypervisor can do", verb_capabilities },
        { .description = "Running" },
        { "start", 1, -1, "DOMAIN...", "Start domains (--paused; --force: not from a managed save)", verb_start },
        { "shutdown", 1, -1, "DOMAIN...", "Press their power buttons", .method = "Shutdown", .takes_options = true },
        { "reboot", 1, -1, "DOMAIN...", "Shut down, and start again", .method = "Reboot", .takes_options = true },
        { "reset", 1, -1, "DOMAIN...", "Press their reset buttons", .method = "Reset" },
        { "destroy", 1, -1, "DOMAIN...", "Pull their plugs", .method = "Destroy", .takes_options = true },
        { "suspend", 1, -1, "DOMAIN...", "Stop their processors", .method = "Suspend" },
        { "resume", 1, -1, "DOMAIN...", "Let their processors go on", .method = "Resume" },
        { "wakeup", 1, -1, "DOMAIN...", "Wake those whose system sleeps", .method = "WakeUp" },
        { "nmi", 1, -1, "DOMAIN...", "Interrupt their processors, for a crash dump", .method = "InjectNMI" },
        { "wait", 1, 2, "DOMAIN [STATE]", "Wait until a domain is in a state, or off (--timeout=SECONDS)", verb_wait },
        { "save", 1, 2, "DOMAIN [FILE]", "Save its state and end it; without FILE, for the next start", verb_save },
        { "restore", 1, 1, "FILE", "Run a saved domain again", verb_restore },
        { "discard", 1, -1, "DOMAIN...", "Forget what was saved for the next start", .method = "RemoveManagedSave" },
        { "peek", 3, 3, "DOMAIN ADDRESS SIZE", "Look at its memory (--virtual: as its first processor does)", verb_peek },
        { "dump", 2, 2, "DOMAIN FILE", "Write its memory into a new file", verb_dump },
        { .description = "Using" },
        { "console", 1, 2, "DOMAIN [DEVICE]", "Use its console (--force: take it from another)", verb_console },
        { "display", 1, 2, "DOMAIN [DEVICE]", "Show its display in a viewer (--list: what there is)", verb_display },
        { "screenshot", 2, 2, "DOMAIN FILE", "What it shows, as a PNG file, - for standard output", verb_screenshot },
        { "press", 2, -1, "DOMAIN KEY...", "Press keys together, such as ctrl alt delete", verb_press },
        { "agent", 1, -1, "DOMAIN [COMMAND...]", "Ask the agent in the guest: info, exec PROGRAM, ping, ...", verb_agent },
        { .description = "Defining" },
        { "create", 1, 1, "NAME", "Make a domain (--memory, --cpus, --disk, --cdrom, --network, --start)", verb_create },
        { "define", 1, -1, "FILE...", "Define domains from documents, - for standard input", verb_define },
        { "edit", 1, 1, "DOMAIN", "Change a domain's document in an editor", verb_edit },
        { "set", 2, -1, "DOMAIN [DEVICE] NAME=VALUE...", "Change memory, vcpus, media, link, limits and the like", verb_set },
        { "attach", 1, 2, "DOMAIN [FILE]", "Attach a device (or: --disk, --network)", verb_attach },
        { "detach", 2, 2, "DOMAIN DEVICE", "Detach a device, by alias or a disk's name", verb_detach },
        { "autostart", 2, 2, "DOMAIN on|off", "Whether it starts with the machine", verb_autostart },
        { "undefine", 1, -1, "DOMAIN...", "Forget domains (--nvram: with UEFI variables and managed save)", verb_undefine },
        { "import", 0, 1, "[FOLDER]", "Define what libvirt has defined", verb_import },
        { "translate", 1, 1, "FILE", "A document as QEMU's command line, or back", verb_translate },
};

/* Options */

static char *summary(void) {
        GString *text = g_string_new("Virtual machines on D-Bus. DOMAIN is a name, a UUID, or the beginning of one.\n");
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                if (verbs[i].name) {
                        g_autofree char *usage = g_strdup_printf("%s %s", verbs[i].name, verbs[i].arguments);
                        g_string_append_printf(text, "  %-36s %s\n", usage, verbs[i].description);
                } else
                        g_string_append_printf(text, "\n%s:\n", verbs[i].description);
        return g_string_free(text, FALSE);
}

static bool parse(Ctl *ctl, int *argc, char ***argv, gboolean *version, GError **error) {
        const GOptionEntry entries[] = {
                { "active", 0, 0, G_OPTION_ARG_NONE, &ctl->active, "list: only those that run", NULL },
                { "connection", 'c', 0, G_OPTION_ARG_STRING, &ctl->connection, "Of this hypervisor, such as qemu", "NAME" },
                { "list", 0, 0, G_OPTION_ARG_NONE, &ctl->list, "display: list them", NULL },
                { "stdio", 0, 0, G_OPTION_ARG_NONE, &ctl->stdio, "display: on standard input and output", NULL },
                { "property", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &ctl->properties, "show: only this one; again for more",
                  "NAME" },
                { "value", 0, 0, G_OPTION_ARG_NONE, &ctl->value, "show: without the names", NULL },
                { "live", 0, 0, G_OPTION_ARG_NONE, &ctl->live, "set, attach, detach: change the running domain", NULL },
                { "config", 0, 0, G_OPTION_ARG_NONE, &ctl->config, "set, attach, detach, xml: the definition", NULL },
                { "force", 'f', 0, G_OPTION_ARG_NONE, &ctl->force, "console: take it; start: boot; set: take a locked medium",
                  NULL },
                { "paused", 0, 0, G_OPTION_ARG_NONE, &ctl->paused, "Leave its processors stopped", NULL },
                { "start", 0, 0, G_OPTION_ARG_NONE, &ctl->start, "define, create: start it too", NULL },
                { "transient", 0, 0, G_OPTION_ARG_NONE, &ctl->transient, "define, create: run it, and forget it when it ends",
                  NULL },
                { "emulate", 0, 0, G_OPTION_ARG_NONE, &ctl->emulate, "create: without KVM", NULL },
                { "autostart", 0, 0, G_OPTION_ARG_NONE, &ctl->autostart, "define, create: start it with the machine", NULL },
                { "unsupported", 0, 0, G_OPTION_ARG_NONE, &ctl->unsupported, "define, import: also what cannot be started yet", NULL },
                { "nvram", 0, 0, G_OPTION_ARG_NONE, &ctl->nvram, "undefine: with UEFI variables and managed save", NULL },
                { "compression", 0, 0, G_OPTION_ARG_STRING, &ctl->compression, "save: none, gzip, zstd, xz, lz4", "PROGRAM" },
                { "memory", 0, 0, G_OPTION_ARG_STRING, &ctl->memory, "create: 1G if it is not given", "SIZE" },
                { "cpus", 0, 0, G_OPTION_ARG_STRING, &ctl->cpus, "create: processors", "N" },
                { "disk", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ctl->disks,
                  "create, attach: an image or block device; again for more", "PATH[,FORMAT]" },
                { "cdrom", 0, 0, G_OPTION_ARG_STRING, &ctl->cdrom, "create: an image to boot from", "PATH" },
                { "network", 0, 0, G_OPTION_ARG_STRING, &ctl->network,
                  "create, attach: user, none, bridge=NAME, direct=INTERFACE", "KIND" },
                { "virtual", 0, 0, G_OPTION_ARG_NONE, &ctl->virtual, "peek: the address is a virtual one", NULL },
                { "timeout", 0, 0, G_OPTION_ARG_DOUBLE, &ctl->timeout, "wait: give up after so long", "SECONDS" },
                { "delay", 'd', 0, G_OPTION_ARG_DOUBLE, &ctl->delay, "top: how often", "SECONDS" },
                { "iterations", 'n', 0, G_OPTION_ARG_INT, &ctl->iterations, "top: how many times", "N" },
                { "json", 'j', 0, G_OPTION_ARG_NONE, &ctl->json, "For programs to read", NULL },
                { "no-legend", 0, 0, G_OPTION_ARG_NONE, &ctl->no_legend, "Neither headings nor a count", NULL },
                { "no-pager", 0, 0, G_OPTION_ARG_NONE, &ctl->no_pager, "Never through a pager", NULL },
                { "no-ask-password", 0, 0, G_OPTION_ARG_NONE, &ctl->no_ask_password, "Do not ask for passwords", NULL },
                { "user", 0, 0, G_OPTION_ARG_NONE, &ctl->user, "The user's own guests, on the session bus", NULL },
                { "host", 'H', 0, G_OPTION_ARG_STRING, &ctl->host, "On another host, by ssh", "[USER@]HOST" },
                { "machine", 'M', 0, G_OPTION_ARG_STRING, &ctl->machine, "In a local container", "CONTAINER" },
                { "version", 0, 0, G_OPTION_ARG_NONE, version, "Show the version", NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(GOptionContext) context = g_option_context_new("VERB [ARGUMENT...]");
        g_autofree char *text = summary();
        g_option_context_set_summary(context, text);
        g_option_context_set_description(context, "See virtbusctl(1).");
        g_option_context_add_main_entries(context, entries, NULL);
        /* What a guest's program is given is not ours. */
        for (int i = 1; i + 2 < *argc; i++)
                if (strcmp((*argv)[i], "agent") == 0)
                        g_option_context_set_strict_posix(context, TRUE);
        return g_option_context_parse(context, argc, argv, error);
}

static int run_verb(Ctl *ctl, const VerbEntry *verb, char **arguments) {
        if (verb->verb)
                return verb->verb(ctl, arguments);
        return ctl_do_each(ctl, arguments, verb->method,
                           verb->takes_options ? g_variant_new("(@a{sv})", ctl_options(NULL, NULL)) : NULL);
}

static const VerbEntry *find_verb(const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                if (verbs[i].name && strcmp(verbs[i].name, name) == 0)
                        return verbs + i;
        return NULL;
}

static int run(Ctl *ctl, int argc, char *argv[]) {
        g_autoptr(GError) error = NULL;
        gboolean version = FALSE;
        if (!parse(ctl, &argc, &argv, &version, &error)) {
                fprintf(stderr, "virtbusctl: %s\n", error->message);
                return EXIT_USAGE;
        }
        if (version) {
                puts("virtbusctl " VIRTBUS_VERSION);
                return EXIT_DONE;
        }
        const char *name = argc > 1 ? argv[1] : "list";
        const VerbEntry *verb = find_verb(name);
        char *none[] = { NULL }, **arguments = argc > 2 ? argv + 2 : none;
        int n = argc > 2 ? argc - 2 : 0;
        if (!verb) {
                fprintf(stderr, "virtbusctl: there is no verb '%s'; see virtbusctl --help\n", name);
                return EXIT_USAGE;
        }
        if (n < verb->min || (verb->max >= 0 && n > verb->max)) {
                fprintf(stderr, "usage: virtbusctl %s %s\n", verb->name, verb->arguments);
                return EXIT_USAGE;
        }
        if (!!ctl->user + !!ctl->host + !!ctl->machine > 1) {
                fprintf(stderr, "virtbusctl: --user, --host and --machine exclude each other\n");
                return EXIT_USAGE;
        }
        return ctl_connect(ctl, verb->verb != verb_list, &error) ? run_verb(ctl, verb, arguments)
                                                                 : ctl_fail(g_steal_pointer(&error));
}

int main(int argc, char *argv[]) {
        Ctl ctl = { 0 };
        setlocale(LC_ALL, "");
        int status = run(&ctl, argc, argv);
        ctl_disconnect(&ctl);
        g_strfreev(ctl.disks);
        g_strfreev(ctl.properties);
        char *texts[] = { ctl.host, ctl.machine, ctl.connection, ctl.compression, ctl.memory, ctl.cpus, ctl.cdrom, ctl.network };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                g_free(texts[i]);
        return status;
}
