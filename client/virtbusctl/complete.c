/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What may be typed next, for the completion of shells: they call the hidden verb `complete` with the words so far. Nothing is
 * asked for and nothing is said in vain: where something is wrong there is just nothing to complete. */

#include <stdio.h>
#include <string.h>

#include "disk-jobs.h"
#include "host-kind.h"
#include "backup.h"
#include "checkpoint.h"
#include "snapshot.h"
#include "verbs.h"

static const char *const switches[] = { "on", "off", NULL };

/* What the shell completes itself. */
#define FILES "/files"

/* What was typed before the word that is to be completed. */
typedef struct Typed {
        const VerbEntry *verb;
        const OptionEntry *option; /* whose value is next */
        GPtrArray *arguments;      /* const char * */
        const char *current;
} Typed;

static void offer(const char *word) {
        puts(word);
}

static void offer_all(const char *const *words) {
        for (; *words; words++)
                offer(*words);
}

static const OptionEntry *find_typed(const VerbEntry *verb, const char *word, size_t n) {
        for (const OptionEntry *option = option_entries; option->name; option++) {
                bool is_named = word[1] == '-' ? strlen(option->name) == n - 2 && strncmp(option->name, word + 2, n - 2) == 0
                                               : n == 2 && option->letter == word[1];
                if (is_named && option_is_of(option, verb ? verb->name : NULL))
                        return option;
        }
        return NULL;
}

/* Where the domains are is said by options, too. */
static void take_option(Ctl *ctl, const OptionEntry *option, const char *value) {
        void *place = (char *) ctl + option->place;
        if (option->verbs)
                return;
        if (option->kind == OPTION_FLAG)
                *(gboolean *) place = TRUE;
        else if (option->kind == OPTION_TEXT && value) {
                g_free(*(char **) place);
                *(char **) place = g_strdup(value);
        }
}

static void read_typed(Ctl *ctl, char **words, Typed *typed) {
        for (; *words; words++) {
                const char *word = *words, *equals = strchr(word, '=');
                bool is_last = !words[1];
                if (is_last)
                        typed->current = word;
                else if (word[0] == '-' && word[1] && (!typed->verb || strcmp(typed->verb->name, "agent") != 0)) {
                        const OptionEntry *option =
                                        find_typed(typed->verb, word, equals ? (size_t) (equals - word) : strlen(word));
                        bool is_next = option && option->value && !equals;
                        if (is_next && !words[2])
                                typed->option = option;
                        else if (option)
                                take_option(ctl, option, equals ? equals + 1 : is_next ? words[1] : NULL);
                        words += is_next && words[2];
                } else if (!typed->verb) {
                        typed->verb = verb_find(word);
                        if (!typed->verb)
                                return; /* nobody knows what comes after it */
                } else
                        g_ptr_array_add(typed->arguments, (gpointer) word);
        }
}

static void offer_options(const VerbEntry *verb) {
        const char *before = "";
        for (const OptionEntry *option = option_entries; option->name; option++) {
                if (!option_is_of(option, verb ? verb->name : NULL) || strcmp(before, option->name) == 0)
                        continue;
                g_autofree char *word = g_strdup_printf("--%s%s", option->name, option->value ? "=" : "");
                offer(word);
                before = option->name;
        }
}

/* By the URI of a connection that is open it is known by its name: to press a key opens none. */
static void name_connection(Ctl *ctl) {
        g_autolist(VirtbusConnection) connections = virtbus_client_get_connections(ctl->client);
        for (GList *link = connections; link; link = link->next) {
                const char *uri = virtbus_connection_get_uri(link->data);
                if (g_strcmp0(uri, ctl->connection) != 0)
                        continue;
                g_free(ctl->connection);
                ctl->connection = g_strdup(virtbus_connection_get_name(link->data));
                return;
        }
}

static bool reach(Ctl *ctl) {
        ctl->no_ask_password = TRUE;
        ctl->never_opens = true;
        g_clear_pointer(&ctl->username, g_free); /* nothing is read either */
        g_clear_pointer(&ctl->password_file, g_free);
        if (ctl->host || (!ctl->client && !ctl_connect(ctl, true, NULL))) /* ssh might ask for something */
                return false;
        if (ctl->connection)
                name_connection(ctl);
        return true;
}

static void offer_connections(Ctl *ctl) {
        g_autolist(VirtbusConnection) connections = reach(ctl) ? virtbus_client_get_connections(ctl->client) : NULL;
        for (GList *link = connections; link; link = link->next)
                offer(virtbus_connection_get_name(link->data));
}

static void offer_properties(void) {
        for (GDBusPropertyInfo **property = virtbus_domain_interface_info()->properties; *property; property++)
                offer((*property)->name);
}

/* The values of options that are one of several words. */
static const struct {
        const char *option;
        const char *const *words;
} values[] = {
        { "boot", (const char *const[]){ "hd", "cdrom", "network", NULL } },
        { "compression", (const char *const[]){ "none", "gzip", "zstd", "xz", "lz4", NULL } },
        { "display", (const char *const[]){ "vnc", "spice", "none", NULL } },
        { "network", (const char *const[]){ "user", "none", "default", "network=", "bridge=", "direct=", NULL } },
        { "disk", (const char *const[]){ FILES, NULL } },
        { "cdrom", (const char *const[]){ FILES, NULL } },
        { "kernel", (const char *const[]){ FILES, NULL } },
        { "password-file", (const char *const[]){ FILES, NULL } },
        { "initrd", (const char *const[]){ FILES, NULL } },
};

static void offer_values(Ctl *ctl, const OptionEntry *option) {
        if (strcmp(option->name, "connection") == 0)
                offer_connections(ctl);
        else if (strcmp(option->name, "property") == 0)
                offer_properties();
        for (size_t i = 0; i < G_N_ELEMENTS(values); i++)
                if (strcmp(values[i].option, option->name) == 0)
                        offer_all(values[i].words);
}

static void offer_domains(Ctl *ctl) {
        g_autolist(VirtbusDomain) domains = reach(ctl) ? virtbus_client_get_domains(ctl->client) : NULL;
        for (GList *link = domains; link; link = link->next) {
                VirtbusConnection *connection = virtbus_client_get_connection_of(ctl->client, link->data);
                const char *name = virtbus_domain_get_name(link->data);
                if (name && (!ctl->connection || g_strcmp0(virtbus_connection_get_name(connection), ctl->connection) == 0))
                        offer(name);
        }
}

static VirtbusDomain *domain_of(Ctl *ctl, const Typed *typed) {
        return reach(ctl) ? virtbus_client_find_domain(ctl->client, typed->arguments->pdata[0], NULL) : NULL;
}

static void offer_devices(Ctl *ctl, const Typed *typed, const char *interface) {
        g_autoptr(VirtbusDomain) domain = domain_of(ctl, typed);
        g_autoptr(GPtrArray) devices = domain ? ctl_devices(ctl, domain, NULL) : NULL;
        for (guint i = 0; devices && i < devices->len; i++) {
                g_autoptr(VirtbusDevice) device = virtbus_object_get_device(devices->pdata[i]);
                g_autoptr(VirtbusDeviceDisk) disk = virtbus_object_get_device_disk(devices->pdata[i]);
                g_autoptr(GDBusInterface) wanted = interface ? g_dbus_object_get_interface(devices->pdata[i], interface) : NULL;
                if (!device || (interface && !wanted))
                        continue;
                offer(disk ? virtbus_device_disk_get_target(disk) : virtbus_device_get_alias(device));
        }
}

static void offer_settings(Ctl *ctl, const Typed *typed) {
        bool has_device = typed->arguments->len > 1 && !strchr(typed->arguments->pdata[1], '=');
        g_autoptr(VirtbusDomain) domain = has_device ? domain_of(ctl, typed) : NULL;
        g_autoptr(VirtbusObject) device = domain ? ctl_find_device(ctl, domain, typed->arguments->pdata[1], NULL, NULL) : NULL;
        if (g_str_has_prefix(typed->current, "media=")) {
                offer(FILES);
                return;
        }
        g_auto(GStrv) names = has_device && !device ? NULL : setting_names(device);
        for (char **name = names; name && *name; name++) {
                g_autofree char *word = g_strconcat(*name, "=", NULL);
                offer(word);
        }
}

static void offer_jobs(Ctl *ctl) {
        g_autolist(VirtbusJob) jobs = reach(ctl) ? virtbus_client_get_jobs(ctl->client) : NULL;
        for (GList *link = jobs; link; link = link->next)
                offer(strrchr(g_dbus_proxy_get_object_path(link->data), '/') + 1);
}

static void offer_commands(void) {
        g_autofree char *names = agent_command_names();
        g_auto(GStrv) words = g_strsplit(names, ", ", -1);
        for (char **word = words; *word; word++) {
                (*word)[strcspn(*word, " ")] = '\0'; /* its arguments are not a part of its name */
                offer(*word);
        }
}

static void offer_verbs(void) {
        for (const VerbEntry *verb = verb_entries; verb->name || verb->description; verb++)
                if (verb->name)
                        offer(verb->name);
}

static void offer_keys(void) {
        static const char *const keys[] = { "ctrl",   "alt",       "shift", "meta_l", "delete", "ret",   "esc",  "tab",
                                            "spc",    "backspace", "up",    "down",   "left",   "right", "home", "end",
                                            "insert", "sysrq",     "pause", "f1",     "f2",     "f3",    "f4",   "f5",
                                            "f6",     "f7",        "f8",    "f9",     "f10",    "f11",   "f12",  NULL };
        offer_all(keys);
}

/* Arguments after the first, which is a domain. */
static void offer_second(Ctl *ctl, const Typed *typed) {
        bool is_second = typed->arguments->len == 1;
        switch (typed->verb->words) {
        case WORDS_DOMAINS:
                if (typed->verb->max < 0)
                        offer_domains(ctl);
                return;
        case WORDS_STATES:
                offer_all(domain_states);
                offer_domains(ctl);
                return;
        case WORDS_SETTINGS:
                offer_settings(ctl, typed);
                if (is_second)
                        offer_devices(ctl, typed, NULL);
                return;
        case WORDS_KEYS:
                offer_keys();
                return;
        case WORDS_DEVICES:
                is_second ? offer_devices(ctl, typed, NULL) : offer(FILES);
                return;
        case WORDS_CONSOLES:
                if (is_second)
                        offer_devices(ctl, typed, "org.virtbus1.Device.Console");
                return;
        case WORDS_DISPLAYS:
                if (is_second)
                        offer_devices(ctl, typed, "org.virtbus1.Device.Graphics");
                return;
        case WORDS_COMMANDS:
                if (is_second)
                        offer_commands();
                return;
        case WORDS_SWITCH:
                offer_all(switches);
                offer_domains(ctl);
                return;
        case WORDS_THEN_FILES:
                offer(FILES);
                return;
        default:
                return;
        }
}

/* The words of network update, by their places. */
static bool offer_update(const HostKind *kind, const Typed *typed) {
        static const char *const commands[] = { "add-first", "add-last", "modify", "delete", NULL };
        static const char *const sections[] = { "ip-dhcp-host", "ip-dhcp-range", "forward-interface", "portgroup",
                                                "dns-host",     "dns-txt",       "dns-srv",           NULL };
        guint n = typed->arguments->len;
        if (kind != &host_kind_network || n < 2 || strcmp(typed->arguments->pdata[0], "update") != 0)
                return false;
        if (n == 4)
                offer(FILES);
        else if (n < 4)
                offer_all(n == 2 ? commands : sections);
        return true;
}

/* A command, then a file or what is named by PROPERTY. */
static void offer_host_kind(Ctl *ctl, const HostKind *kind, const char *property, const Typed *typed) {
        const char *command = typed->arguments->len ? typed->arguments->pdata[0] : "";
        bool is_file = strcmp(command, "define") == 0 || strcmp(command, "translate") == 0 ||
                       (strcmp(command, "set-value") == 0 && typed->arguments->len > 1);
        g_auto(GStrv) names = !*command                ? host_kind_commands(kind)
                              : is_file || !reach(ctl) ? NULL
                                                       : host_kind_names(ctl, kind, property);
        if (offer_update(kind, typed))
                return;
        if (is_file)
                offer(FILES);
        if (names)
                offer_all((const char *const *) names);
        if (strcmp(command, "autostart") == 0)
                offer_all(switches);
}

/* A command, a domain, one of its disks, then a file or an image. */
static void offer_disks(Ctl *ctl, const Typed *typed) {
        g_auto(GStrv) names = typed->arguments->len == 0 ? disk_command_names() : NULL;
        if (names)
                offer_all((const char *const *) names);
        else if (typed->arguments->len == 1)
                offer_domains(ctl);
        else if (typed->arguments->len == 2) {
                Typed after = *typed;
                g_autoptr(GPtrArray) rest = g_ptr_array_new();
                g_ptr_array_add(rest, typed->arguments->pdata[1]);
                after.arguments = rest;
                offer_devices(ctl, &after, "org.virtbus1.Device.Disk.Image");
        } else
                offer(FILES);
}

/* A command, a domain, one of its snapshots or checkpoints. */
static void offer_tree(Ctl *ctl, const Typed *typed, const DomainCommands *commands,
                       char **(*of_domain)(Ctl *, VirtbusDomain *) ) {
        if (typed->arguments->len == 0) {
                g_auto(GStrv) names = domain_command_names(commands);
                offer_all((const char *const *) names);
        } else if (typed->arguments->len == 1)
                offer_domains(ctl);
        else if (typed->arguments->len == 2 && strcmp(typed->arguments->pdata[0], "list") != 0 &&
                 strcmp(typed->arguments->pdata[0], "create") != 0) {
                g_autoptr(VirtbusDomain) domain =
                                reach(ctl) ? virtbus_client_find_domain(ctl->client, typed->arguments->pdata[1], NULL) : NULL;
                g_auto(GStrv) names = domain ? of_domain(ctl, domain) : NULL;
                if (names)
                        offer_all((const char *const *) names);
        }
}

/* A command, a domain, and of begin a file. */
static void offer_backups(Ctl *ctl, const Typed *typed) {
        g_auto(GStrv) names = typed->arguments->len == 0 ? domain_command_names(&backup_commands) : NULL;
        if (names)
                offer_all((const char *const *) names);
        else if (typed->arguments->len == 1)
                offer_domains(ctl);
        else if (strcmp(typed->arguments->pdata[0], "begin") == 0)
                offer(FILES);
}

static void offer_arguments(Ctl *ctl, const Typed *typed) {
        static const char *const kinds[] = { "host", "domain", "cpus", NULL };
        switch (typed->verb->words) {
        case WORDS_NONE:
                return;
        case WORDS_FILES:
                offer(FILES);
                return;
        case WORDS_SNAPSHOTS:
                offer_tree(ctl, typed, &snapshot_commands, snapshot_names);
                return;
        case WORDS_CHECKPOINTS:
                offer_tree(ctl, typed, &checkpoint_commands, checkpoint_names);
                return;
        case WORDS_BACKUPS:
                offer_backups(ctl, typed);
                return;
        case WORDS_JOBS:
                offer_jobs(ctl);
                return;
        case WORDS_DISKS:
                offer_disks(ctl, typed);
                return;
        case WORDS_FILTERS:
                offer_host_kind(ctl, &host_kind_filter, "Name", typed);
                return;
        case WORDS_INTERFACES:
                offer_host_kind(ctl, &host_kind_interface, "Name", typed);
                return;
        case WORDS_NETWORKS:
                offer_host_kind(ctl, &host_kind_network, "Name", typed);
                return;
        case WORDS_SECRETS:
                offer_host_kind(ctl, &host_kind_secret, "UUID", typed);
                return;
        case WORDS_KINDS:
                if (typed->arguments->len == 0)
                        offer_all(kinds);
                return;
        case WORDS_CPU:
                if (typed->arguments->len == 0)
                        offer_all(cpu_commands);
                else {
                        offer_all(cpu_settings());
                        offer(FILES);
                }
                return;
        case WORDS_VERBS:
                if (typed->arguments->len == 0)
                        offer_verbs();
                return;
        default:
                typed->arguments->len == 0 ? offer_domains(ctl) : offer_second(ctl, typed);
        }
}

int complete(Ctl *ctl, char **words) {
        g_autoptr(GPtrArray) arguments = g_ptr_array_new();
        Typed typed = { .arguments = arguments };
        read_typed(ctl, words, &typed);
        const char *equals = typed.current ? strchr(typed.current, '=') : NULL;
        if (!typed.current)
                return EXIT_DONE;
        if (typed.option)
                offer_values(ctl, typed.option);
        else if (typed.current[0] == '-' && equals) {
                const OptionEntry *option = find_typed(typed.verb, typed.current, (size_t) (equals - typed.current));
                if (option)
                        offer_values(ctl, option);
        } else if (typed.current[0] == '-')
                offer_options(typed.verb);
        else if (!typed.verb)
                offer_verbs();
        else
                offer_arguments(ctl, &typed);
        return EXIT_DONE;
}
