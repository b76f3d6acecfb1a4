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

        /* Options: see options.c. */
        gboolean json, no_legend, no_pager, user, no_ask_password, help, version;
        char *host, *machine, *connection, *username, *password_file;
        bool was_denied;  /* something: a person is asked for a password once */
        bool never_opens; /* a connection elsewhere is used where it is open, and else there is none */
        gboolean active, list, stdio, live, config, force, paused, autostart, start, transient, emulate, nvram, managed_save,
                        unsupported, value, virtual, human, wait, shallow, pivot, reuse, synchronous, uefi, tpm, openmetrics,
                        follow, full, disk_only, quiesce, halt, running, children, children_only, metadata_only, snapshots,
                        checkpoints, pull, no_metadata;
        char *compression, *memory, *cpus, *cdrom, *boot, *display, *columns, *kernel, *initrd, *cmdline, *events, *bandwidth,
                        *description, *since, *checkpoint, *as, *directory;
        char **disks, **networks, **properties, **fds;
        double delay, timeout;
        int iterations, lines;

        char **events_wanted, **watched; /* of monitor; NULL: all */
        GHashTable *followed;            /* of monitor: the path of a domain -> what its devices are followed by */
        unsigned n_unfollowed;           /* of monitor: domains whose devices are asked for */
} Ctl;

/* Does one thing; ARGUMENTS ends with NULL. */
typedef int (*Verb)(Ctl *ctl, char **arguments);

/* bus.c: reaches the bus that the options say, and, WITH_CLIENT, makes the client. */
bool ctl_connect(Ctl *ctl, bool with_client, GError **error);
void ctl_disconnect(Ctl *ctl);

/* Says an error to the person, and returns the exit status for it. The error is freed. */
int ctl_fail(GError *error);
/* Takes the name that GIO puts before a message off, and keeps what ctl_fail must know of it. */
void ctl_strip_error(GError *error);

/* output.c: says to the person why something is not done: in one line, which a terminal does not obey whatever it quotes. */
void ctl_say(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Whether polkit, or the bus, has said no. */
bool ctl_is_denial(const GError *error);

/* Says of which file an error is, unless it says so itself. */
void ctl_prefix(GError **error, const char *file);

/* words.c: what the service says, in the words of the command line. */
char *ctl_words(const char *message);

/* A call; NULL with the error. The text prompt of polkit is there if it needs one. FDS may be NULL. */
GVariant *ctl_call(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *arguments, GUnixFDList *fds,
                   GUnixFDList **out_fds, GError **error);

/* Calls EACH with every object that PATH manages and that has an interface, and with PROPERTIES of that one; NULL: all.
 * False with the error, which may come after some. Who was denied something is not asked for a password again. */
typedef void (*CtlEachObject)(void *data, const char *path, GVariant *properties);
bool ctl_each_object(Ctl *ctl, const char *path, const char *interface, const char *const *properties, CtlEachObject each,
                     void *data, GError **error);

/* The same as ctl_call for what answers nothing: says what has failed, and returns the exit status. */
int ctl_do(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *arguments);
int ctl_start(Ctl *ctl, const char *path, GVariant *options); /* with the descriptors of --fd */

/* Sets the property Autostart that INTERFACE has, as ctl_do does. */
int ctl_set_autostart(Ctl *ctl, const char *path, const char *interface, bool on);

/* A switch as a person writes it; false when it has been said that it is none. */
bool ctl_on_or_off(const char *text, bool *on);

/* Calls a method of org.virtbus1.Domain of each domain that is named, and goes on after a failure. ARGUMENTS, which is taken,
 * may be NULL. */
int ctl_do_each(Ctl *ctl, char **names, const char *method, GVariant *arguments);

/* The domain of that name or UUID; NULL when it has been said that there is none, with the exit status in *STATUS. */
VirtbusDomain *ctl_find(Ctl *ctl, const char *text, int *status);
const char *ctl_path(VirtbusDomain *domain);

/* The hypervisor connection of --connection, or, where there is none, that of QEMU. */
VirtbusConnection *ctl_connection(Ctl *ctl, GError **error);
/* Whether a person means the one of this name and URI: by its name or, as other programs have it, its URI. */
bool ctl_is_connection(const char *name, const char *uri, const char *wanted);
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
/* Adds the descriptors of --fd to OPTIONS, which are taken; *FDS is NULL where there are none. A new reference, or NULL with the
 * error. */
GVariant *ctl_with_fds(const Ctl *ctl, GVariant *options, GUnixFDList **fds, GError **error);
GVariant *ctl_change_options(const Ctl *ctl, bool force);

/* Waits for a job, with a bar on a terminal; Ctrl-C asks what shall become of it. Returns the exit status. */
int ctl_follow_job(Ctl *ctl, const char *path, const char *what);

/* output.c */
typedef struct Table Table;

/* HEADINGS: before the name may be '>', of numbers; '~', what may be shortened where the terminal is narrow; '+', what is
 * shown only if it is asked for, by --full or --columns. */
Table *table_new(const char *const *headings);
/* Takes the texts. */
void table_add(Table *table, char **cells);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)
/* Prints it, as wide as the terminal is, or as JSON; returns the exit status. WHAT: what a row is, for the legend. */
int table_print(Ctl *ctl, Table *table, const char *what);

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
/* The same in one line, and without colours. */
char *output_line(const char *text);

/* Writes to standard output at once; why that has failed is kept. */
void output_text(const char *text);
void output_bytes(const void *data, size_t n);
/* An errno: what could not be written was not done. Closes standard output. */
int output_close(void);

/* Prints a text, through the pager where it is longer than the screen. */
void output_page(const Ctl *ctl, const char *text);

/* "1.5G"; "-" for 0. */
char *output_size(uint64_t bytes);

/* Reads such a size: "2G", "1.5G", "512MiB", "65536". */
bool ctl_read_size(const char *text, guint64 *bytes);

/* nearest.c: which of the words that are known a person may have meant; NULL: none. */
const char *nearest(const char *word, const char *const *known);
/* The same to be said: "; did you mean 'start'?", or an empty text. */
char *suggestion(const char *word, const char *const *known);

/* list.c */
int verb_list(Ctl *ctl, char **arguments);

/* status.c */
int verb_status(Ctl *ctl, char **arguments);
int verb_jobs(Ctl *ctl, char **arguments);
int verb_cancel(Ctl *ctl, char **arguments);

/* show.c: all properties of an interface, by their names. */
GVariant *ctl_properties(Ctl *ctl, const char *path, const char *interface, GError **error);
int verb_show(Ctl *ctl, char **arguments);
int verb_xml(Ctl *ctl, char **arguments);
int verb_addresses(Ctl *ctl, char **arguments);
int verb_capabilities(Ctl *ctl, char **arguments);
int verb_cpu(Ctl *ctl, char **arguments);

/* measure.c */
int verb_dirty_rate(Ctl *ctl, char **arguments);
int verb_qmp_events(Ctl *ctl, char **arguments);
int verb_translate(Ctl *ctl, char **arguments);

/* watch.c */
int verb_monitor(Ctl *ctl, char **arguments);
int verb_stats(Ctl *ctl, char **arguments);
int verb_top(Ctl *ctl, char **arguments);

/* run.c */
int verb_start(Ctl *ctl, char **arguments);
int verb_shutdown(Ctl *ctl, char **arguments);
int verb_save(Ctl *ctl, char **arguments);
int verb_restore(Ctl *ctl, char **arguments);
int verb_saved(Ctl *ctl, char **arguments);
int verb_dump(Ctl *ctl, char **arguments);
int verb_peek(Ctl *ctl, char **arguments);
int verb_qmp(Ctl *ctl, char **arguments);

/* wait.c */
int verb_wait(Ctl *ctl, char **arguments);
/* Waits until each of the domains is in one of the states; returns the exit status. */
int ctl_wait(Ctl *ctl, char **names, const char *const *states);
extern const char *const domain_states[];
/* Whether the object of a domain is gone for good, not with its service or its driver, which may come back. CONNECTION: the
 * domain's. */
bool ctl_is_gone(Ctl *ctl, const char *path, const char *connection);

/* backup.c */

/* shell.c */
int verb_shell(Ctl *ctl, char **arguments);
int verb_signal(Ctl *ctl, char **arguments);

/* disk-jobs.c */
int verb_disk(Ctl *ctl, char **arguments);

/* checkpoint.c */

/* snapshot.c */

/* filter.c */
int verb_filter(Ctl *ctl, char **arguments);

/* interface.c */
int verb_interface(Ctl *ctl, char **arguments);

/* networks.c */
int verb_network(Ctl *ctl, char **arguments);

/* secret.c */
int verb_secret(Ctl *ctl, char **arguments);

/* log.c */
int verb_log(Ctl *ctl, char **arguments);

/* define.c */
int verb_define(Ctl *ctl, char **arguments);
int verb_edit(Ctl *ctl, char **arguments);
int verb_rename(Ctl *ctl, char **arguments);
int verb_undefine(Ctl *ctl, char **arguments);
int verb_import(Ctl *ctl, char **arguments);
int verb_autostart(Ctl *ctl, char **arguments);
int verb_share(Ctl *ctl, char **arguments);

/* Sets G_IO_ERROR_INVALID_ARGUMENT, of what a person has written; returns false. */
bool ctl_invalid(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Reads a file, or, for "-", standard input. */
bool ctl_read_file(const char *path, char **text, GError **error);

/* hidden.c: reads at most SIZE bytes of a file; "-" or NULL is standard input, where a person types it without its being
 * shown, asked for WHAT. Returns how many, or -1. */
ssize_t read_hidden(const char *file, const char *what, char *value, size_t size, GError **error);

/* Reads a password in the same way; a line's end after it is none of it. To be wiped. NULL: an error. */
char *read_password(const char *file, GError **error);

/* Defines a document, or, with --transient, runs it; its domain's object, or NULL with the error. */
char *ctl_define(Ctl *ctl, VirtbusConnection *connection, const char *xml, GError **error);
/* What --start and --autostart ask for. */
int ctl_follow_up(Ctl *ctl, const char *path);
/* With --json: the names, UUIDs and paths of what was defined. */
void ctl_print_defined(Ctl *ctl, const char *const *paths);

/* attach.c */
int verb_attach(Ctl *ctl, char **arguments);
int verb_detach(Ctl *ctl, char **arguments);
int verb_update(Ctl *ctl, char **arguments);

/* create.c */
int verb_create(Ctl *ctl, char **arguments);

/* Less memory than this was meant in another unit. */
#define MEMORY_LIKELY_MIN (UINT64_C(1) << 20)

/* disk.c: a disk as a person writes it: PATH[,FORMAT][,bus=NAME][,cache=MODE][,readonly][,serial=TEXT][,size=SIZE]. */
typedef struct DiskSpec {
        char *path;                 /* absolute */
        char *format;               /* as it was said, or, of an image that is there, as its first bytes say */
        char *bus, *serial, *cache; /* NULL: not given */
        guint64 size;               /* of an image that is to be made; 0: none is */
        bool is_read_only, is_missing, is_made;
} DiskSpec;

/* Where in a domain it is put. */
typedef struct DiskPlace {
        const char *device, *target, *bus; /* the bus if none is given */
        unsigned boot;                     /* its place in the order of what is booted; 0: not */
} DiskPlace;

/* Refuses what would give a guest the inside of an image as its disk. NULL with the error. */
DiskSpec *disk_spec_read(const Ctl *ctl, const char *text, GError **error);
void disk_spec_free(DiskSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DiskSpec, disk_spec_free)
/* Makes the image where a size was given; takes back what was made. */
bool disk_spec_make(DiskSpec *spec, GError **error);
void disk_spec_unmake(const DiskSpec *spec);
/* How the names of disks of its bus begin: "vd", "sd" or "hd". */
const char *disk_spec_prefix(const DiskSpec *spec, const char *bus);
void disk_spec_write(const DiskSpec *spec, GString *xml, const DiskPlace *place);

/* network.c: adds the element of a card to a document. */
bool network_add(GString *xml, const char *text, unsigned boot, GError **error);

/* set.c */
/* The names of what can be set of a device, or, for NULL, of a domain. */
char **setting_names(VirtbusObject *device);
int verb_set(Ctl *ctl, char **arguments);

/* console.c: a descriptor that can be read once this program is told to end, for what has to put the terminal back. */
int ctl_watch_end(void);
int verb_console(Ctl *ctl, char **arguments);

/* agent.c */
/* What an agent can be asked, with ", " between. */
char *agent_command_names(void);
int verb_agent(Ctl *ctl, char **arguments);

/* display.c */
int verb_display(Ctl *ctl, char **arguments);
int verb_screenshot(Ctl *ctl, char **arguments);
int verb_press(Ctl *ctl, char **arguments);
