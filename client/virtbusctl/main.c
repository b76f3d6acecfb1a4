/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtbusctl: what machinectl is to systemd-machined, for virtbus. */

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "verbs.h"

static int verb_help(Ctl *ctl, char **arguments) {
        const VerbEntry *verb = arguments[0] ? verb_find(arguments[0]) : NULL;
        if (arguments[0] && !verb) {
                g_autofree char *text = verb_explain_unknown(arguments[0]);
                ctl_say("%s", text);
                return EXIT_USAGE;
        }
        help_print(ctl, verb);
        return EXIT_DONE;
}

const VerbEntry verb_entries[] = {
        { .description = "Looking" },
        { "list", 0, -1, "[PATTERN...]", "List domains (--active: only those that run)", verb_list, .words = WORDS_DOMAINS },
        { "status", 0, -1, "[DOMAIN...]", "How domains are, and their devices, or the service", verb_status,
          .words = WORDS_DOMAINS },
        { "show", 1, -1, "DOMAIN...", "Properties of domains (-p: only these; --value)", verb_show, .words = WORDS_DOMAINS },
        { "xml", 1, 1, "DOMAIN", "A domain's document (--config: as it is defined)", verb_xml, .words = WORDS_DOMAINS },
        { "addresses", 1, 1, "DOMAIN", "The addresses of its network cards", verb_addresses, .words = WORDS_DOMAINS },
        { "stats", 0, -1, "[DOMAIN...]", "What running domains have used", verb_stats, .words = WORDS_DOMAINS },
        { "top", 0, -1, "[DOMAIN...]", "What running domains use, again and again", verb_top, .words = WORDS_DOMAINS },
        { "jobs", 0, 0, "", "What is at work", verb_jobs },
        { "cancel", 1, -1, "JOB...", "Stop what is at work", verb_cancel, .words = WORDS_JOBS },
        { "monitor", 0, -1, "[DOMAIN...]", "Tell what happens, until Ctrl-C", verb_monitor, .words = WORDS_DOMAINS },
        { "log", 1, 1, "DOMAIN", "What its hypervisor has said (--follow)", verb_log, .words = WORDS_DOMAINS },
        { "capabilities", 0, 2, "[host|domain|cpus]", "What a hypervisor can do", verb_capabilities, .words = WORDS_KINDS },
        { "help", 0, 1, "[VERB]", "Show this help, or that of a verb", verb_help, .words = WORDS_VERBS },
        { .description = "Running" },
        { "start", 1, -1, "DOMAIN...", "Start domains (--paused; --force: not from a managed save)", verb_start,
          .words = WORDS_DOMAINS },
        { "shutdown", 1, -1, "DOMAIN...", "Press their power buttons (--wait)", verb_shutdown, .words = WORDS_DOMAINS },
        { "reboot", 1, -1, "DOMAIN...", "Shut down, and start again", .method = "Reboot", .takes_options = true,
          .words = WORDS_DOMAINS },
        { "reset", 1, -1, "DOMAIN...", "Press their reset buttons: what they have not written is lost", .method = "Reset",
          .words = WORDS_DOMAINS },
        { "destroy", 1, -1, "DOMAIN...", "Force them off: pull their plugs", .method = "Destroy", .takes_options = true,
          .words = WORDS_DOMAINS },
        { "suspend", 1, -1, "DOMAIN...", "Pause them: stop their processors", .method = "Suspend", .words = WORDS_DOMAINS },
        { "resume", 1, -1, "DOMAIN...", "Let their processors go on", .method = "Resume", .words = WORDS_DOMAINS },
        { "wakeup", 1, -1, "DOMAIN...", "Wake those whose system sleeps", .method = "WakeUp", .words = WORDS_DOMAINS },
        { "nmi", 1, -1, "DOMAIN...", "Interrupt their processors, for a crash dump", .method = "InjectNMI",
          .words = WORDS_DOMAINS },
        { "wait", 1, -1, "DOMAIN... [STATE,...]", "Wait until they are in a state, or off", verb_wait, .words = WORDS_STATES },
        { "save", 1, 2, "DOMAIN [FILE]", "Save its state and end it; without FILE, for the next start", verb_save,
          .words = WORDS_THEN_FILES },
        { "restore", 1, 1, "FILE", "Run a saved domain again", verb_restore, .words = WORDS_FILES },
        { "discard", 1, -1, "DOMAIN...", "Forget what was saved for the next start", .method = "RemoveManagedSave",
          .words = WORDS_DOMAINS },
        { "peek", 3, 3, "DOMAIN ADDRESS SIZE", "Look at its memory (--virtual: as its first processor does)", verb_peek,
          .words = WORDS_DOMAINS },
        { "dump", 2, 2, "DOMAIN FILE", "Write its memory into a new file", verb_dump, .words = WORDS_THEN_FILES },
        { .description = "Using" },
        { "console", 1, 2, "DOMAIN [DEVICE]", "Use its console (--force: take it from another)", verb_console,
          .words = WORDS_CONSOLES },
        { "display", 1, 2, "DOMAIN [DEVICE]", "Show its display in a viewer (--list: what there is)", verb_display,
          .words = WORDS_DISPLAYS },
        { "screenshot", 2, 2, "DOMAIN FILE", "What it shows, as a PNG file, - for standard output", verb_screenshot,
          .words = WORDS_THEN_FILES },
        { "press", 2, -1, "DOMAIN KEY...", "Press keys together, such as ctrl alt delete", verb_press, .words = WORDS_KEYS },
        { "agent", 1, -1, "DOMAIN [COMMAND...]", "Ask the agent in the guest: info, exec PROGRAM, ping, ...", verb_agent,
          .words = WORDS_COMMANDS },
        { .description = "Defining" },
        { "create", 1, 1, "NAME", "Make a domain (--memory, --disk, --cdrom, --start, ...)", verb_create },
        { "define", 1, -1, "FILE...", "Define domains from documents, - for standard input", verb_define, .words = WORDS_FILES },
        { "edit", 1, 1, "DOMAIN", "Change a domain's document in an editor", verb_edit, .words = WORDS_DOMAINS },
        { "rename", 2, 2, "DOMAIN NAME", "Give a domain that is off another name", verb_rename, .words = WORDS_DOMAINS },
        { "set", 2, -1, "DOMAIN [DEVICE] NAME=VALUE...", "Change memory, vcpus, media, link, limits and the like", verb_set,
          .words = WORDS_SETTINGS },
        { "attach", 1, 2, "DOMAIN [FILE]", "Attach a device (or: --disk, --cdrom, --network)", verb_attach,
          .words = WORDS_THEN_FILES },
        { "detach", 2, 2, "DOMAIN DEVICE", "Detach a device, by alias or a disk's name", verb_detach, .words = WORDS_DEVICES },
        { "update", 3, 3, "DOMAIN DEVICE FILE", "Change a device to what its element in a file says", verb_update,
          .words = WORDS_DEVICES },
        { "autostart", 2, -1, "DOMAIN... on|off", "Whether they start with the machine", verb_autostart, .words = WORDS_SWITCH },
        { "undefine", 1, -1, "DOMAIN...", "Delete definitions (--nvram, --managed-save: with those)", verb_undefine,
          .words = WORDS_DOMAINS },
        { "import", 0, 1, "[FOLDER]", "Define what libvirt has defined", verb_import, .words = WORDS_FILES },
        { "network", 0, -1, "[COMMAND]", "Virtual networks: list, show, define, undefine, autostart, translate", verb_network,
          .words = WORDS_NETWORKS },
        { "secret", 0, -1, "[COMMAND]", "Secrets: list, show, define, undefine, set-value, get-value", verb_secret,
          .words = WORDS_SECRETS },
        { "translate", 1, 1, "FILE", "A document as QEMU's command line, or back", verb_translate, .words = WORDS_FILES },
        { 0 },
};

const VerbEntry *verb_find(const char *name) {
        for (const VerbEntry *verb = verb_entries; verb->name || verb->description; verb++)
                if (verb->name && strcmp(verb->name, name) == 0)
                        return verb;
        return NULL;
}

static int run_verb(Ctl *ctl, const VerbEntry *verb, char **arguments) {
        if (verb->verb)
                return verb->verb(ctl, arguments);
        return ctl_do_each(ctl, arguments, verb->method,
                           verb->takes_options ? g_variant_new("(@a{sv})", ctl_options(NULL, NULL)) : NULL);
}

static int run(Ctl *ctl, int argc, char *argv[]) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) arguments = NULL;
        const VerbEntry *verb = NULL;
        if (!options_parse(ctl, argc, argv, &verb, &arguments, &error)) {
                ctl_say("%s", error->message);
                return EXIT_USAGE;
        }
        int n = (int) g_strv_length(arguments);
        if (ctl->help) {
                help_print(ctl, verb->verb == verb_help ? NULL : verb);
                return EXIT_DONE;
        }
        if (ctl->version) {
                puts("virtbusctl " VIRTBUS_VERSION);
                return EXIT_DONE;
        }
        for (char **argument = arguments; verb->verb != verb_agent && *argument; argument++)
                if (!**argument) {
                        ctl_say("an argument of %s is empty; usage: virtbusctl %s %s", verb->name, verb->name, verb->arguments);
                        return EXIT_USAGE;
                }
        const char *const texts[] = { ctl->host, ctl->machine, ctl->connection };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                if (texts[i] && !*texts[i]) {
                        ctl_say("--host, --machine and --connection name something; one of them is empty");
                        return EXIT_USAGE;
                }
        if (ctl->openmetrics && ctl->json) {
                ctl_say("--openmetrics and --json exclude each other");
                return EXIT_USAGE;
        }
        if (n < verb->min || (verb->max >= 0 && n > verb->max)) {
                fprintf(stderr, "usage: virtbusctl %s%s%s; see virtbusctl help %s\n", verb->name, *verb->arguments ? " " : "",
                        verb->arguments, verb->name);
                return EXIT_USAGE;
        }
        if (ctl->json && (ctl->full || ctl->columns)) {
                ctl_say("--full and --columns are of tables; --json has all columns");
                return EXIT_USAGE;
        }
        if (!!ctl->user + !!ctl->host + !!ctl->machine > 1) {
                ctl_say("--user, --host and --machine exclude each other");
                return EXIT_USAGE;
        }
        if (verb->verb == verb_help)
                return verb_help(ctl, arguments);
        return ctl_connect(ctl, verb->verb != verb_list, &error) ? run_verb(ctl, verb, arguments)
                                                                 : ctl_fail(g_steal_pointer(&error));
}

int main(int argc, char *argv[]) {
        Ctl ctl = { 0 };
        setlocale(LC_ALL, "");
        int status = argc > 1 && strcmp(argv[1], "complete") == 0 ? complete(&ctl, argv + 2) : run(&ctl, argc, argv);
        ctl_disconnect(&ctl);
        options_clear(&ctl);
        int failure = output_close();
        if (failure != 0)
                ctl_say("standard output cannot be written: %s", g_strerror(failure));
        return failure != 0 ? MAX(status, EXIT_FAILED) : status;
}
