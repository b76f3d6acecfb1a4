/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verbs.h"

#include <string.h>

#include "backup.h"
#include "checkpoint.h"
#include "snapshot.h"

static int verb_backup(Ctl *ctl, char **arguments) {
        return domain_command_run(&backup_commands, ctl, arguments);
}

static int verb_checkpoint(Ctl *ctl, char **arguments) {
        return domain_command_run(&checkpoint_commands, ctl, arguments);
}

static int verb_snapshot(Ctl *ctl, char **arguments) {
        return domain_command_run(&snapshot_commands, ctl, arguments);
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
        { "dirty-rate", 1, 2, "DOMAIN [SECONDS]", "How fast it writes its memory", verb_dirty_rate, .words = WORDS_DOMAINS },
        { "top", 0, -1, "[DOMAIN...]", "What running domains use, again and again", verb_top, .words = WORDS_DOMAINS },
        { "jobs", 0, 0, "", "What is at work", verb_jobs },
        { "cancel", 1, -1, "JOB...", "Stop what is at work", verb_cancel, .words = WORDS_JOBS },
        { "monitor", 0, -1, "[DOMAIN...]", "Tell what happens, until Ctrl-C", verb_monitor, .words = WORDS_DOMAINS },
        { "log", 1, 1, "DOMAIN", "What its hypervisor has said (--follow)", verb_log, .words = WORDS_DOMAINS },
        { "capabilities", 0, 2, "[host|domain|cpus]", "What a hypervisor can do", verb_capabilities, .words = WORDS_KINDS },
        { "cpu", 2, -1, "COMMAND FILE... [NAME=VALUE...]", "Whether a CPU can be had here, what several share: compare, baseline",
          verb_cpu, .words = WORDS_CPU },
        { "help", 0, 1, "[VERB]", "Show this help, or that of a verb", .words = WORDS_VERBS },
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
        { "saved", 1, 2, "DOMAIN|FILE [DOCUMENT]", "Show the document in what was saved, or put another into it", verb_saved,
          .words = WORDS_THEN_FILES },
        { "discard", 1, -1, "DOMAIN...", "Forget what was saved for the next start", .method = "RemoveManagedSave",
          .words = WORDS_DOMAINS },
        { "peek", 3, 3, "DOMAIN ADDRESS SIZE", "Look at its memory (--virtual: as its first processor does)", verb_peek,
          .words = WORDS_DOMAINS },
        { "qmp", 2, -1, "DOMAIN COMMAND...", "Command its QEMU past all checks (--human: its monitor for people)", verb_qmp,
          .words = WORDS_DOMAINS },
        { "qmp-events", 0, 1, "[DOMAIN]", "What QEMU tells by itself, a line each, until Ctrl-C", verb_qmp_events,
          .words = WORDS_DOMAINS },
        { "dump", 2, 2, "DOMAIN FILE", "Write its memory into a new file", verb_dump, .words = WORDS_THEN_FILES },
        { .description = "Using" },
        { "console", 1, 2, "DOMAIN [DEVICE]", "Use its console (--force: take it from another)", verb_console,
          .words = WORDS_CONSOLES },
        { "shell", 1, -1, "DOMAIN [COMMAND...]", "Run a program in a container, or a shell", verb_shell,
          .words = WORDS_ONE_DOMAIN },
        { "signal", 2, 3, "DOMAIN SIGNAL [PROCESS]", "Send a signal to a container's first process, or to that of a number",
          verb_signal, .words = WORDS_ONE_DOMAIN },
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
        { "disk", 3, -1, "COMMAND DOMAIN DISK [...]",
          "Its images: chain, info, commit, pull, copy, pivot, finish, abort, limit, threshold", verb_disk,
          .words = WORDS_DISKS },
        { "snapshot", 2, 3, "COMMAND DOMAIN [SNAPSHOT]", "What it was, and back to that: list, create, revert, delete, show",
          verb_snapshot, .words = WORDS_SNAPSHOTS },
        { "checkpoint", 2, 3, "COMMAND DOMAIN [CHECKPOINT]",
          "From when on its images note what is written: list, create, delete, show", verb_checkpoint,
          .words = WORDS_CHECKPOINTS },
        { "backup", 2, 3, "COMMAND DOMAIN [FILE]", "What its disks have while it runs: begin, status, xml, end, abort",
          verb_backup, .words = WORDS_BACKUPS },
        { "autostart", 2, -1, "DOMAIN... on|off", "Whether they start with the machine", verb_autostart, .words = WORDS_SWITCH },
        { "share", 1, -1, "DOMAIN [user:NAME|group:NAME [ACTION...]]", "What others may do with it; no ACTION: nothing any more",
          verb_share, .words = WORDS_DOMAINS },
        { "undefine", 1, -1, "DOMAIN...", "Delete definitions (--nvram, --snapshots and others: with those)", verb_undefine,
          .words = WORDS_DOMAINS },
        { "import", 0, 1, "[FOLDER]", "Define what libvirt has defined", verb_import, .words = WORDS_FILES },
        { "filter", 0, -1, "[COMMAND]", "Network filters: list, show, define, undefine, translate", verb_filter,
          .words = WORDS_FILTERS },
        { "interface", 0, -1, "[COMMAND]", "Network interfaces of the machine: list, show, check", verb_interface,
          .words = WORDS_INTERFACES },
        { "network", 0, -1, "[COMMAND]",
          "Virtual networks: list, leases, show, define, undefine, start, stop, update, autostart, translate", verb_network,
          .words = WORDS_NETWORKS },
        { "secret", 0, -1, "[COMMAND]", "Secrets: list, show, define, undefine, set-value, get-value", verb_secret,
          .words = WORDS_SECRETS },
        { "translate", 1, 1, "FILE", "A document as QEMU's command line or VMware's .vmx, or back; LXC's configuration as one",
          verb_translate, .words = WORDS_FILES },
        { 0 },
};

const VerbEntry *verb_find(const char *name) {
        for (const VerbEntry *verb = verb_entries; verb->name || verb->description; verb++)
                if (verb->name && strcmp(verb->name, name) == 0)
                        return verb;
        return NULL;
}
