/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What virtbusctl's verbs share: the client, the options, calls with their errors, output. */

#include <gio/gunixfdlist.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtbus.h"

/* Exit statuses: see virtbusctl(1). */
typedef enum ExitStatus {
        EXIT_DONE = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_NOT_ACTIVE = 3,
        EXIT_NO_SUCH_DOMAIN = 4,
        EXIT_NOT_AUTHORIZED = 5,
        EXIT_OF_SIGNAL = 128, /* as shells have it: of a program in a guest that a signal has ended */
        EXIT_INTERRUPTED = 130,
} ExitStatus;

typedef struct Ctl {
        VirtbusClient *client;
        GDBusConnection *bus;

        /* Options. */
        gboolean json, no_legend, no_pager, user, no_ask_password;
        char *host, *machine, *connection;
        gboolean active, list, stdio, live, config, force, paused, autostart, start, transient, emulate, nvram, unsupported, value, virtual;
        char *compression, *memory, *cpus, *cdrom, *network;
        char **disks, **properties;
        double delay, timeout;
        int iterations;
} Ctl;

/* Does one thing; ARGUMENTS ends with NULL. */
typedef int (*Verb)(Ctl *ctl, char **arguments);

/* bus.c: reaches the bus that the options say, and, WITH_CLIENT, makes the client. */
bool ctl_connect(Ctl *ctl, bool with_client, GError **error);
void ctl_disconnect(Ctl *ctl);

/* Says an error to the person, and returns the exit status for it. The error is freed. */
int ctl_fail(GError *error);

/* A call; NULL with the error. The text prompt of polkit is there if it needs one. FDS may be NULL. */
GVariant *ctl_call(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *arguments, GUnixFDList *fds,
                   GUnixFDList **out_fds, GError **error);

/* The same for what answers nothing: says what has failed, and returns the exit status. */
int ctl_do(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *arguments);

/* Calls a method of org.virtbus1.Domain of each domain that is named, and goes on after a failure. ARGUMENTS, which is taken, may be
 * NULL. */
int ctl_do_each(Ctl *ctl, char **names, const char *method, GVariant *arguments);

/* The domain that a person means; NULL when it has been said that there is none, with the exit status in *STATUS. */
VirtbusDomain *ctl_find(Ctl *ctl, const char *text, int *status);
const char *ctl_path(VirtbusDomain *domain);

/* The hypervisor connection of --connection, or, where there is none, that of QEMU. */
VirtbusConnection *ctl_connection(Ctl *ctl, GError **error);
void ctl_no_connection(const char *wanted, const char *known, GError **error);

/* A domain's devices (VirtbusObject), in the order of their aliases; NULL with the error. */
GPtrArray *ctl_devices(Ctl *ctl, VirtbusDomain *domain, GError **error);

/* A device by its alias or, a disk, by its name; without a NAME the first with an interface, a serial console before others.
 * INTERFACE may be NULL where there is a name. */
VirtbusObject *ctl_find_device(Ctl *ctl, VirtbusDomain *domain, const char *name, const char *interface, GError **error);

/* A call that answers a descriptor; -1 with the error. */
int ctl_call_for_fd(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *arguments, GError **error);
bool ctl_write_all(int fd, const char *data, ssize_t n);

/* The command that runs virtbusctl on the host of --host, for what needs descriptors: they do not pass over ssh. */
char **ctl_over_there(const Ctl *ctl, bool terminal, const char *const *arguments);

/* Runs it in the place of this program; returns only where that fails, with the exit status. */
int ctl_go_there(const Ctl *ctl, bool terminal, const char *const *arguments);

/* Options of a{sv} that are there if they are set; live and config, as the command line says, and force. */
GVariant *ctl_options(const char *name, ...) G_GNUC_NULL_TERMINATED;
GVariant *ctl_change_options(const Ctl *ctl, bool force);

/* Waits for a job, with a bar on a terminal; Ctrl-C asks what shall become of it. Returns the exit status. */
int ctl_follow_job(Ctl *ctl, const char *path, const char *what);

/* output.c */
typedef struct Table Table;

/* HEADINGS: those that begin with '>' are of numbers. */
Table *table_new(const char *const *headings);
/* Takes the texts. */
void table_add(Table *table, char **cells);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)
/* Prints it, as wide as the terminal is, or as JSON. WHAT: what a row is, for the legend. */
void table_print(Ctl *ctl, Table *table, const char *what);

bool output_is_terminal(void);
bool output_has_colours(void);
unsigned output_columns(void);
unsigned output_lines(void);
const char *output_state_colour(const char *state);
void output_print_json(JsonNode *node);
JsonNode *output_json_of(GVariant *value);

/* What others have written is shown, not obeyed: control characters become '?', but for newlines, tabs and colours, which do no
 * harm. */
char *output_printable(const char *text);

/* Prints a text, through the pager where it is longer than the screen. */
void output_page(const Ctl *ctl, const char *text);

/* "1.5G"; "-" for 0. */
char *output_size(uint64_t bytes);

/* Reads such a size, without a fraction: "2G", "512MiB", "65536". */
bool ctl_read_size(const char *text, guint64 *bytes);

/* show.c */
int verb_list(Ctl *ctl, char **arguments);
int verb_show(Ctl *ctl, char **arguments);
int verb_status(Ctl *ctl, char **arguments);
int verb_xml(Ctl *ctl, char **arguments);
int verb_addresses(Ctl *ctl, char **arguments);
int verb_capabilities(Ctl *ctl, char **arguments);
int verb_translate(Ctl *ctl, char **arguments);

/* watch.c */
int verb_monitor(Ctl *ctl, char **arguments);
int verb_stats(Ctl *ctl, char **arguments);
int verb_top(Ctl *ctl, char **arguments);

/* run.c */
int verb_start(Ctl *ctl, char **arguments);
int verb_wait(Ctl *ctl, char **arguments);
int verb_save(Ctl *ctl, char **arguments);
int verb_restore(Ctl *ctl, char **arguments);
int verb_dump(Ctl *ctl, char **arguments);
int verb_peek(Ctl *ctl, char **arguments);

/* define.c */
int verb_define(Ctl *ctl, char **arguments);
int verb_edit(Ctl *ctl, char **arguments);
int verb_undefine(Ctl *ctl, char **arguments);
int verb_create(Ctl *ctl, char **arguments);
int verb_import(Ctl *ctl, char **arguments);
int verb_attach(Ctl *ctl, char **arguments);
int verb_detach(Ctl *ctl, char **arguments);
int verb_autostart(Ctl *ctl, char **arguments);

/* Reads a file, or, for "-", standard input. */
bool ctl_read_file(const char *path, char **text, GError **error);

/* Reads PATH[,FORMAT]: an absolute path, and a format, which follows from the name where none is given. */
void ctl_read_image(const char *text, char **path, char **format);

/* set.c */
int verb_set(Ctl *ctl, char **arguments);

/* console.c: a descriptor that can be read once this program is told to end, for what has to put the terminal back. */
int ctl_watch_end(void);
int verb_console(Ctl *ctl, char **arguments);

/* agent.c */
int verb_agent(Ctl *ctl, char **arguments);

/* display.c */
int verb_display(Ctl *ctl, char **arguments);
int verb_screenshot(Ctl *ctl, char **arguments);
int verb_press(Ctl *ctl, char **arguments);
