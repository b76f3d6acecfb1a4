/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/isolation.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domain/operations/reattach.h"
#include "log.h"
#include "qemu/command/reach.h"
#include "qemu/host/guest-user.h"
#include "qemu/host/security-label.h"

/* Over which roots are mounted, each where only its guest sees it. */
#define ROOT "root"

#define EVERYTHING (CONFINE_ROOT | CONFINE_IPC | CONFINE_UTS | CONFINE_NETWORK | CONFINE_CALLS | CONFINE_LANDLOCK)

static const struct {
        unsigned part;
        const char *name;
} parts[] = {
        { CONFINE_USER, "user" },       { CONFINE_ROOT, "mount" },    { CONFINE_IPC, "ipc" },           { CONFINE_UTS, "uts" },
        { CONFINE_NETWORK, "network" }, { CONFINE_CALLS, "seccomp" }, { CONFINE_LANDLOCK, "landlock" },
};

struct Isolation {
        Confinement confinement;
        unsigned parts;    /* in force */
        unsigned landlock; /* its version */
        char *label;       /* AppArmor's profile, or NULL */
};

/* What Landlock and seccomp cannot do here they could not be asked for: a kernel has them or not. Namespaces may be kept from
 * the driver: then a start fails, unless it is to make do. */
bool isolation_open(Connection *connection, GError **error) {
        Host *host = host_of(connection);
        const char *mode = g_getenv("VIRTBUS_ISOLATION"), *paths = g_getenv("VIRTBUS_GUEST_PATHS"),
                   *network = g_getenv("VIRTBUS_GUEST_NETWORK");
        unsigned wanted = connection->privileged ? EVERYTHING : EVERYTHING | CONFINE_USER;
        if (!mode || !*mode)
                mode = connection->privileged ? "required" : "available";
        if (!network || !*network)
                network = connection->privileged ? "needed" : "kept";
        if (strcmp(network, "needed") != 0 && strcmp(network, "kept") != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "VIRTBUS_GUEST_NETWORK is '%s'; it must be needed or kept", network);
        if (strcmp(network, "kept") == 0)
                wanted &= ~(unsigned) CONFINE_NETWORK;
        if (strcmp(mode, "required") != 0 && strcmp(mode, "available") != 0 && strcmp(mode, "none") != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "VIRTBUS_ISOLATION is '%s'; it must be required, available or none", mode);
        host->helpers.paths = g_strsplit(paths ? paths : "", ":", -1);
        host->helpers.root = g_build_filename(connection->runtime_directory, ROOT, NULL);
        if (mkdir(host->helpers.root, 0700) < 0 && errno != EEXIST)
                return virtbus_error_set_errno(error, errno, "directory %s cannot be made", host->helpers.root);
        /* Which namespaces can be had is found when they are first needed: trying takes as long as what starts here otherwise.
         * Whoever has no guest makes do with what there is: a guest's start that fails says what there is not. */
        host->helpers.parts = strcmp(mode, "none") == 0 ? 0 : wanted;
        host->helpers.if_had = true;
        host->isolation_required = strcmp(mode, "required") == 0;
        return true;
}

static void isolation_free(struct Isolation *isolation) {
        g_strfreev((char **) isolation->confinement.paths);
        g_free(isolation->label);
        g_free(isolation);
}

static void set(Guest *guest, struct Isolation *isolation) {
        g_clear_pointer(&guest->isolation, isolation_free);
        guest->isolation = isolation;
}

static unsigned parts_of_guest(const Host *host) {
        unsigned wanted = host->helpers.parts;
        return host->isolation_required ? (wanted & CONFINE_NAMESPACES) | confine_known_parts(wanted)
                                        : confine_find_parts(wanted);
}

const Confinement *isolation_begin(Guest *guest, const char *profile) {
        const Host *host = host_of(guest->domain->connection);
        struct Isolation *isolation = g_new0(struct Isolation, 1);
        isolation->label = g_strdup(profile);
        set(guest, isolation);
        if (host->helpers.parts == 0 || security_label_is_unconfined(guest->document))
                return NULL;
        g_autoptr(Reach) reach = reach_of(guest->line, guest->document);
        isolation->parts = parts_of_guest(host) & ~(unsigned) (reach->network ? CONFINE_NETWORK : 0);
        if ((isolation->parts & CONFINE_NAMESPACES) == CONFINE_USER)
                isolation->parts &= ~(unsigned) CONFINE_USER;
        isolation->landlock = isolation->parts & CONFINE_LANDLOCK ? confine_landlock_version() : 0;
        const Confinement from = { .parts = isolation->parts, .root = host->helpers.root, .paths = host->helpers.paths };
        isolation->confinement = confine_for(&from, guest->emulator, g_steal_pointer(&reach->paths));
        isolation->confinement.io_uring = reach->io_uring;
        return &isolation->confinement;
}

/* Later */

struct Showing {
        Guest *guest;
        int process; /* its pidfd: the guest may end meanwhile, and its number be another's */
        unsigned parts;
        char **paths;
        IsolationShown done;
};

static void show_in_worker(void *data, GError **error) {
        const struct Showing *showing = data;
        confine_show(showing->process, showing->parts, showing->paths, error);
}

static void on_shown(void *data, const GError *error) {
        struct Showing *showing = data;
        if (showing->guest) {
                showing->guest->showing = NULL;
                showing->done(showing->guest, error);
        }
        close(showing->process);
        g_strfreev(showing->paths);
        g_free(showing);
}

void isolation_drop(Guest *guest) {
        if (guest->showing)
                guest->showing->guest = NULL;
        guest->showing = NULL;
}

static void forget(Guest *guest) {
        isolation_drop(guest);
        set(guest, NULL);
}

/* PATHS is taken. */
static void show(Guest *guest, char **paths, IsolationShown done) {
        const Domain *domain = guest->domain;
        g_auto(GStrv) ordered = paths;
        g_autoptr(GError) error = NULL;
        unsigned has = guest->isolation ? guest->isolation->parts : 0;
        if (!(has & CONFINE_ROOT) || !ordered[0]) {
                done(guest, NULL);
                return;
        }
        int process = process_open(guest->process);
        if (process < 0) {
                domain_fail(domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                            "cannot add what it needs now to the files that its QEMU sees: %s", g_strerror(errno));
                done(guest, error);
                return;
        }
        struct Showing *showing = g_new0(struct Showing, 1);
        *showing = (struct Showing){ guest, process, has, g_steal_pointer(&ordered), done };
        guest->showing = showing;
        worker_run(domain->connection->worker, show_in_worker, on_shown, showing);
}

void isolation_show(Guest *guest, const CommandLine *line, IsolationShown done) {
        g_autoptr(GError) error = NULL;
        unsigned has = guest->isolation ? guest->isolation->parts : 0;
        g_autoptr(Reach) reach = reach_of(line, NULL);
        if (guest_check_line(guest, line, NULL, &error) && reach->network && has & CONFINE_NETWORK)
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "its QEMU was started without a network, as nothing in the document needed one, and cannot get one: "
                            "change the definition (config), and start it again; or start the driver with "
                            "VIRTBUS_GUEST_NETWORK=kept");
        if (error)
                done(guest, error);
        else
                show(guest, confine_order_paths(g_steal_pointer(&reach->paths)), done);
}

void isolation_show_path(Guest *guest, const char *path, IsolationShown done) {
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(paths, g_strdup(path));
        show(guest, confine_order_paths(paths), done);
}

/* What is known of it */

static void save(const Guest *guest, xmlNode *saved) {
        if (!guest->isolation)
                return;
        xmlNode *isolation = xml_add(saved, "isolation", NULL);
        xml_set_number(isolation, "landlock", guest->isolation->landlock);
        if (guest->isolation->label)
                xml_set_attribute(isolation, "label", guest->isolation->label);
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                if (guest->isolation->parts & parts[i].part)
                        xml_add(isolation, "part", parts[i].name);
}

static struct Isolation *read_saved(const xmlNode *saved) {
        xmlNode *isolation = xml_child(saved, "isolation");
        uint64_t landlock = 0;
        if (!isolation)
                return NULL;
        struct Isolation *known = g_new0(struct Isolation, 1);
        if (xml_number_attribute(isolation, "landlock", 0, UINT32_MAX, &landlock, NULL))
                known->landlock = (unsigned) landlock;
        known->label = xml_attribute(isolation, "label");
        for (const xmlNode *part = xml_child(isolation, "part"); part; part = xml_next(part, "part")) {
                g_autofree char *name = xml_text(part);
                for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                        known->parts |= g_strcmp0(name, parts[i].name) == 0 ? parts[i].part : 0;
        }
        return known;
}

static void load(Guest *guest, xmlNode *saved) {
        set(guest, read_saved(saved));
}

static int append_namespaces(sd_bus_message *message, unsigned has) {
        int r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", "namespaces");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "s");
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(parts); i++)
                if (has & parts[i].part & CONFINE_NAMESPACES)
                        r = sd_bus_message_append(message, "s", parts[i].name);
        for (int level = 0; r >= 0 && level < 3; level++)
                r = sd_bus_message_close_container(message);
        return r;
}

static int append_known(sd_bus_message *message, const struct Isolation *isolation, uid_t uid, gid_t gid) {
        const struct Isolation none = { 0 };
        if (!isolation)
                isolation = &none;
        int r = sd_bus_message_append(message, "{sv}{sv}", "user", "u", (uint32_t) uid, "group", "u", (uint32_t) gid);
        if (r >= 0)
                r = append_namespaces(message, isolation->parts);
        if (r >= 0)
                r = sd_bus_message_append(message, "{sv}{sv}{sv}{sv}", "root", "b", (isolation->parts & CONFINE_ROOT) != 0,
                                          "seccomp", "b", (isolation->parts & CONFINE_CALLS) != 0, "landlock", "u",
                                          (uint32_t) isolation->landlock, "label", "s", isolation->label ? isolation->label : "");
        return r;
}

void isolation_find_user(const Domain *domain, const xmlNode *saved, uid_t *uid, gid_t *gid) {
        guest_user_load(saved, uid, gid);
        if (!domain->live || !strstr(domain->live->xml, "<seclabel"))
                return;
        g_autoptr(xmlDoc) document = definition_document(domain->live, NULL);
        if (document && domain->connection->privileged)
                security_label_user(document, uid, gid);
}

/* Until a guest of an earlier driver's is found it is what that has saved, so that nothing is told to have changed meanwhile. */
static int append_saved(sd_bus_message *message, const Domain *domain, const xmlNode *saved) {
        uid_t uid = host_of(domain->connection)->uid;
        gid_t gid = host_of(domain->connection)->gid;
        struct Isolation *isolation = read_saved(saved);
        isolation_find_user(domain, saved, &uid, &gid);
        int r = append_known(message, isolation, uid, gid);
        g_clear_pointer(&isolation, isolation_free);
        return r;
}

int isolation_append(const Domain *domain, sd_bus_message *message) {
        const Guest *guest = domain->run;
        const xmlNode *saved = reattach_waits(domain);
        g_autofree char *pid = saved ? xml_attribute(saved, "pid") : NULL;
        int r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r >= 0 && guest && guest->process)
                r = append_known(message, guest->isolation, guest->uid, guest->gid);
        else if (r >= 0 && pid)
                r = append_saved(message, domain, saved);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

const GuestModule isolation_module = {
        .save = save,
        .load = load,
        .forget = forget,
};
