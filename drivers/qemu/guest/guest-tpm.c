/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus.h"
#include "domain/operations/start.h"
#include "log.h"
#include "qemu/command/files-plan.h"
#include "qemu/guest/helper.h"
#include "qemu/host/tpm-folder.h"

/* By which a secret encrypts what it keeps. */
#define CIPHER "aes-256-cbc"

struct GuestTpm {
        Helper helper;      /* the emulator, or what makes a new TPM */
        bool has_ended;     /* by itself, while its QEMU ran */
        bool survives;      /* a domain that goes with its run: persistent_state */
        GPtrArray *files;   /* while it is made */
        const File *secret; /* of those, by which its state is encrypted; or NULL */
        File *file;         /* of those, its own */
        GError *failure;    /* why that is given up */
        sd_event_source *timeout;
        TpmReady ready;
        void (*ended)(Guest *guest, const GError *error);
        GError *error; /* for that */
};

static xmlNode *find_emulator(const xmlDoc *document) {
        xmlNode *devices = xml_child(xmlDocGetRootElement((xmlDoc *) document), "devices");
        for (xmlNode *tpm = xml_child(devices, "tpm"); tpm; tpm = xml_next(tpm, "tpm"))
                if (xml_attribute_is(xml_child(tpm, "backend"), "type", "emulator"))
                        return xml_child(tpm, "backend");
        return NULL;
}

bool guest_tpm_begin(Guest *guest, const xmlDoc *document, GError **error) {
        const xmlNode *backend = find_emulator(document);
        if (!backend)
                return true;
        guest->tpm = g_new0(struct GuestTpm, 1);
        *guest->tpm = (struct GuestTpm){ .helper = helper_of(guest),
                                         .survives = xml_attribute_is(backend, "persistent_state", "yes") };
        return helper_take_user(&guest->tpm->helper, "", error);
}

uid_t guest_tpm_user(const Guest *guest) {
        return guest->tpm ? guest->tpm->helper.uid : guest->uid;
}

/* Making */

static void tell_ready(Guest *guest, const GError *error) {
        struct GuestTpm *tpm = guest->tpm;
        g_autoptr(GPtrArray) files = g_steal_pointer(&tpm->files);
        tpm->ready(guest, files, error);
}

static void on_ended(Helper *helper, int status);
static void on_setup_ended(Helper *helper, int status);

/* The value is read from its beginning by each program: by a description of its own. */
static int open_secret(const struct GuestTpm *tpm) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", tpm->secret->fd);
        return open(path, O_RDONLY | O_CLOEXEC);
}

/* ARGUMENTS are added to: the secret, if there is one, and the end. SOCKET: the emulator's; -1 of what makes a new TPM. */
static bool run(Guest *guest, GPtrArray *arguments, int socket, GError **error) {
        struct GuestTpm *tpm = guest->tpm;
        const bool is_setup = socket < 0;
        g_autofd int log = helper_open_log(&tpm->helper, error), secret = tpm->secret ? open_secret(tpm) : -1;
        g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
        if (log < 0)
                return false;
        if (tpm->secret && secret < 0)
                return virtbus_error_set_errno(error, errno, "%s cannot be started", (char *) arguments->pdata[0]);
        if (secret >= 0) {
                g_array_append_val(fds, secret);
                g_ptr_array_add(arguments, g_strdup(is_setup ? "--cipher" : "--key"));
                g_ptr_array_add(arguments,
                                is_setup ? g_strdup(CIPHER) : g_strdup_printf("pwdfd=%d,mode=" CIPHER ",kdf=pbkdf2", secret));
                if (is_setup) {
                        g_ptr_array_add(arguments, g_strdup("--pwdfile-fd"));
                        g_ptr_array_add(arguments, g_strdup_printf("%d", secret));
                }
        }
        g_autofree char *debug = is_setup ? NULL : xml_attribute(tpm->file->element, "debug");
        if (debug) { /* its number must not be that of a standard stream */
                g_array_append_val(fds, log);
                g_ptr_array_add(arguments, g_strdup("--log"));
                g_ptr_array_add(arguments, g_strdup_printf("fd=%d,level=%s", log, debug));
        }
        if (!is_setup)
                g_array_append_val(fds, socket);
        GPtrArray *paths = helper_arguments((const char *const[]){ tpm->file->path, NULL });
        const HelperProgram program = { .arguments = arguments,
                                        .home = tpm->file->path,
                                        .fds = fds,
                                        .log = log,
                                        .paths = paths,
                                        .temporary = is_setup,
                                        .is_maker = is_setup };
        return helper_run(&tpm->helper, &program, is_setup ? on_setup_ended : on_ended, error);
}

static bool is_2(const struct GuestTpm *tpm) {
        return xml_attribute_is(tpm->file->element, "version", "2.0");
}

/* Its two ends: QEMU's is kept with the file, which the command line is made of. */
static bool start_emulator(Guest *guest, GError **error) {
        struct GuestTpm *tpm = guest->tpm;
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return virtbus_error_set_errno(error, errno, TPM_EMULATOR " cannot be started");
        g_autofd int theirs = pair[1];
        tpm->file->fd = pair[0];
        g_autofree char *control = g_strdup_printf("type=unixio,clientfd=%d", theirs),
                        *state = g_strdup_printf("dir=%s,mode=0600", tpm->file->path);
        g_autoptr(GPtrArray) arguments = helper_arguments((const char *const[]){ TPM_EMULATOR, "socket", "--ctrl", control,
                                                                                 "--tpmstate", state, "--terminate", NULL });
        if (is_2(tpm))
                g_ptr_array_add(arguments, g_strdup("--tpm2"));
        return run(guest, arguments, theirs, error);
}

static void go_on(Guest *guest, const GError *failure) {
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        if (!error && guest->domain->connection->closing)
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (!error)
                start_emulator(guest, &error);
        tell_ready(guest, error);
}

/* What makes a new TPM. The guest may have been told to end meanwhile. */
static void on_setup_ended(Helper *helper, int status) {
        Guest *guest = helper->guest;
        struct GuestTpm *tpm = guest->tpm;
        g_autoptr(GError) error = g_steal_pointer(&tpm->failure);
        g_autofree char *said = helper_last_words(helper);
        tpm->timeout = sd_event_source_disable_unref(tpm->timeout);
        if (tpm->ended) {
                tpm->ended(guest, tpm->error);
                return;
        }
        if (!error && status != 0)
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "its TPM cannot be made by " TPM_MAKER "%s%s",
                            *said ? ": " : "", said);
        if (!error)
                tpm_folder_finish(tpm->file->path);
        go_on(guest, error);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data) {
        const Guest *guest = data;
        (void) source;
        (void) usec;
        domain_fail(guest->domain, &guest->tpm->failure, VIRTBUS_ERROR_TIMEOUT, TPM_MAKER " has not ended within %d seconds",
                    (int) (TPM_SETUP_TIMEOUT / 1000000));
        helper_end(&guest->tpm->helper);
        return 0;
}

static char *banks_of(const xmlNode *backend) {
        g_autoptr(GString) banks = g_string_new(NULL);
        const xmlNode *list = xml_child(backend, "active_pcr_banks");
        for (const xmlNode *bank = xml_child(list, NULL); bank; bank = xml_next(bank, NULL))
                g_string_append_printf(banks, "%s%s", banks->len > 0 ? "," : "", (const char *) bank->name);
        return g_string_free(g_steal_pointer(&banks), FALSE);
}

/* A new TPM gets its keys and certificates; one that is there may get other banks. */
static bool start_setup(Guest *guest, GError **error) {
        struct GuestTpm *tpm = guest->tpm;
        g_autofree char *config = g_build_filename(tpm->file->path, TPM_SETUP, NULL), *banks = banks_of(tpm->file->element);
        g_autoptr(GPtrArray) arguments = helper_arguments(
                        (const char *const[]){ TPM_MAKER, "--tpm-state", tpm->file->path, "--config", config, NULL });
        static const char *const new_one[] = { "--createek",   "--create-ek-cert", "--create-platform-cert",
                                               "--lock-nvram", "--overwrite",      NULL };
        for (const char *const *word = new_one; tpm->file->missing && *word; word++)
                g_ptr_array_add(arguments, g_strdup(*word));
        if (!tpm->file->missing)
                g_ptr_array_add(arguments, g_strdup("--reconfigure"));
        if (is_2(tpm))
                g_ptr_array_add(arguments, g_strdup("--tpm2"));
        if (*banks) {
                g_ptr_array_add(arguments, g_strdup("--pcr-banks"));
                g_ptr_array_add(arguments, g_steal_pointer(&banks));
        }
        if (!run(guest, arguments, -1, error))
                return false;
        int r = sd_event_add_time_relative(guest->domain->connection->event, &tpm->timeout, CLOCK_MONOTONIC, TPM_SETUP_TIMEOUT, 0,
                                           on_timeout, guest);
        helper_go(&tpm->helper);
        return r >= 0 || virtbus_error_set_errno(error, -r, TPM_MAKER " cannot be watched");
}

void guest_tpm_prepare(Guest *guest, GPtrArray *files, TpmReady done) {
        struct GuestTpm *tpm = guest->tpm;
        g_autoptr(GError) error = NULL;
        if (!tpm) {
                done(guest, files, NULL);
                return;
        }
        tpm->files = g_ptr_array_ref(files);
        tpm->ready = done;
        for (guint i = 0; i < files->len; i++) {
                File *file = files->pdata[i];
                if (file->purpose == FILE_TPM)
                        tpm->file = file;
                else if (file->purpose == FILE_SECRET && xml_is(file->element, "encryption") &&
                         xml_is(file->element->parent, "backend"))
                        tpm->secret = file;
        }
        /* What is loaded brings the TPM's state with it, which no later start makes anew. */
        bool is_loaded = start_restoring_fd(guest->operation) >= 0,
             has_banks = is_2(tpm) && xml_child(tpm->file->element, "active_pcr_banks");
        if (is_loaded)
                tpm_folder_finish(tpm->file->path);
        if (is_loaded || (!tpm->file->missing && !has_banks))
                go_on(guest, NULL);
        else if (!start_setup(guest, &error))
                tell_ready(guest, error);
}

void guest_tpm_go(const Guest *guest) {
        if (guest->tpm)
                helper_go(&guest->tpm->helper);
}

/* Ending */

static void on_ended(Helper *helper, int status) {
        Guest *guest = helper->guest;
        struct GuestTpm *tpm = guest->tpm;
        (void) status;
        if (tpm->ended) {
                tpm->ended(guest, tpm->error);
                return;
        }
        tpm->has_ended = true;
        /* Mostly QEMU has ended too, which is told next. */
        if (guest->domain->state == DOMAIN_RUNNING || guest->domain->state == DOMAIN_PAUSED)
                log_warning("domain '%s': the emulator of its TPM has ended; if the guest goes on, do not reset it, which would "
                            "end its QEMU: shut it down and start it again",
                            domain_name(guest->domain));
}

void guest_tpm_end(Guest *guest, const GError *error, void (*done)(Guest *guest, const GError *error)) {
        struct GuestTpm *tpm = guest->tpm;
        if (!tpm || !helper_end(&tpm->helper)) { /* it ends with QEMU's connection, if that has come so far */
                done(guest, error);
                return;
        }
        tpm->ended = done;
        tpm->error = error ? g_error_copy(error) : NULL;
}

char *guest_tpm_folder(const Guest *guest, char **gone) {
        const Domain *domain = guest->domain;
        if (!guest->tpm)
                return NULL;
        if (domain->persistent || guest->tpm->survives)
                return tpm_folder(domain->connection, domain->uuid);
        *gone = tpm_folder_put_aside(domain->connection, domain->uuid);
        return NULL;
}

bool guest_tpm_check_reset(const Guest *guest, GError **error) {
        return !guest->tpm || !guest->tpm->has_ended ||
               domain_fail(guest->domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                           "the emulator of its TPM has ended, and a reset would end its QEMU: shut it down and start it again");
}

/* A later driver */

static void save(const Guest *guest, xmlNode *saved) {
        const struct GuestTpm *tpm = guest->tpm;
        if (!tpm)
                return;
        xmlNode *element = xml_add(saved, "tpm", NULL);
        xml_set_attribute(element, "survives", tpm->survives ? "yes" : "no");
        helper_save(&tpm->helper, element);
}

static void load(Guest *guest, xmlNode *saved) {
        const xmlNode *element = xml_child(saved, "tpm");
        if (!element)
                return;
        struct GuestTpm *tpm = guest->tpm = g_new0(struct GuestTpm, 1);
        *tpm = (struct GuestTpm){ .helper = helper_of(guest), .survives = xml_attribute_is(element, "survives", "yes") };
        helper_load(&tpm->helper, element, on_ended);
        tpm->has_ended = !tpm->helper.process;
}

static void forget(Guest *guest) {
        struct GuestTpm *tpm = g_steal_pointer(&guest->tpm);
        if (!tpm)
                return;
        helper_forget(&tpm->helper);
        g_clear_pointer(&tpm->files, g_ptr_array_unref);
        sd_event_source_disable_unref(tpm->timeout);
        g_clear_error(&tpm->failure);
        g_clear_error(&tpm->error);
        g_free(tpm);
}

const GuestModule guest_tpm_module = { .save = save, .load = load, .forget = forget };
