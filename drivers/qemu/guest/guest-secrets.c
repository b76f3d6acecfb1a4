/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "errors.h"
#include "paths.h"
#include "qemu/guest/fd-sets.h"
#include "qemu/guest/guest-fetch.h"

#define SECRETS "org.virtbus1.Secrets"
#define SECRET "org.virtbus1.Secret"

/* As the secrets' driver bounds them: see Secret.SetValue. */
#define VALUE_BYTES_MAX 65536

static char *name_of(const File *file) {
        return file->by_uuid ? g_strdup_printf("the secret %s", file->path)
                             : g_strdup_printf("the secret of usage %s:%s", file->usage, file->path);
}

/* What a user does about an error. */
static const struct {
        VirtbusError code;
        const char *remedy;
} remedies[] = {
        { VIRTBUS_ERROR_NO_SUCH_SECRET, "define it and set its value: virtbusctl secret define, set-value" },
        { VIRTBUS_ERROR_OPERATION_INVALID, "virtbusctl secret set-value does that" },
        { VIRTBUS_ERROR_TIMEOUT, "see what the secrets' driver, virtbus-secret, waits for; then try again" },
        { VIRTBUS_ERROR_CANCELLED, "try again when virtbusd is there" },
        { VIRTBUS_ERROR_LIMIT_EXCEEDED, "try again when fewer guests start" },
};

static const char *remedy_of(const GError *error) {
        if (strcmp(virtbus_error_name_of(error), SD_BUS_ERROR_UNKNOWN_OBJECT) == 0)
                return "install the secrets' driver, virtbus-secret";
        for (size_t i = 0; i < G_N_ELEMENTS(remedies); i++)
                if (remedies[i].code == virtbus_error_code(error))
                        return remedies[i].remedy;
        return "see the log of the secrets' driver, virtbus-secret; then try again";
}

static void fail(Guest *guest, const GError *error) {
        const File *file = guest_fetch_file(guest);
        g_autofree char *name = name_of(file);
        g_autoptr(GError) told = NULL; /* by a code of the API's: this is not the object that was called */
        virtbus_error_set(&told, virtbus_error_code(error), "%s needs %s: %s; %s", file->whose, name, error->message,
                          remedy_of(error));
        guest_fetch_fail(guest, told);
}

static void fail_errno(Guest *guest, int errno_value) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set_errno(&error, errno_value, "the answer cannot be read");
        fail(guest, error);
}

/* An errand is out; or could not be sent. */
static void sent(Guest *guest, Errand *errand, const GError *error) {
        guest_fetch_sent(guest, errand);
        if (!errand)
                fail(guest, error);
}

static void on_passed(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        JsonObject *passed = json_member(answer, "return");
        gint64 number = json_int(passed, "fd", -1), set = json_int(passed, "fdset-id", -1);
        if (!error && (number < 0 || number > G_MAXINT32 || set < 0 || set > G_MAXINT32)) {
                fail_errno(guest, EBADMSG);
                return;
        }
        if (error) {
                guest_fetch_fail(guest, error); /* QEMU's own, not the secret's */
                return;
        }
        File *file = guest_fetch_file(guest);
        file->number = (int) number;
        file->set = (unsigned) set;
        if (!guest->secret_sets)
                guest->secret_sets = g_array_new(FALSE, FALSE, sizeof set);
        g_array_append_val(guest->secret_sets, set);
        autofd_close(&file->fd);
        file->fd = -1;
        guest_fetch_next(guest);
}

/* The set is known by its device, for whoever removes what a driver that was killed has left there. */
static void pass_on(Guest *guest, const char *alias) {
        monitor_command(guest->monitor, "add-fd", json_make("opaque", 's', alias, NULL), guest_fetch_file(guest)->fd, on_passed,
                        guest);
}

/* What the secrets' driver gives is a file of memory, of bounded size: QEMU would wait for a pipe for ever. */
static bool is_value(int fd) {
        struct stat status;
        return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 && status.st_size <= VALUE_BYTES_MAX;
}

static void on_value(void *data, sd_bus_message *answer, const GError *error) {
        Guest *guest = data;
        File *file = guest_fetch_file(guest);
        int fd;
        guest_fetch_came(guest);
        int r = error ? 0 : sd_bus_message_read(answer, "h", &fd);
        if (!error && r >= 0 && !is_value(fd))
                r = -EBADMSG;
        if (!error && r >= 0 && (file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
                r = -errno;
        if (error)
                fail(guest, error);
        else if (r < 0)
                fail_errno(guest, -r);
        else if (guest->operation) { /* a start passes it with what it opens */
                guest_fetch_next(guest);
        } else
                pass_on(guest, file->alias);
}

static void ask_value(Guest *guest) {
        g_autoptr(GError) error = NULL;
        Errand *errand = errand_begin(guest->domain->connection->objects, NULL, guest_fetch_file(guest)->object, SECRET,
                                      "GetValueFD", on_value, guest, &error, "a{sv}", 0);
        sent(guest, errand, error);
}

/* A secret that was found by its UUID must be for this kind of thing: else who defines domains could send any secret to any
 * server. */
static void on_document(void *data, sd_bus_message *answer, const GError *error) {
        Guest *guest = data;
        const File *file = guest_fetch_file(guest);
        const char *text;
        g_autoptr(GError) failure = NULL;
        guest_fetch_came(guest);
        int r = error ? 0 : sd_bus_message_read(answer, "s", &text);
        if (error || r < 0) {
                if (error)
                        fail(guest, error);
                else
                        fail_errno(guest, -r);
                return;
        }
        g_autoptr(xmlDoc) document = xml_parse(text, "secret", &failure);
        g_autofree char *named = document ? xml_attribute(xml_child(xmlDocGetRootElement(document), "usage"), "type") : NULL;
        const char *usage = named ? named : "none";
        if (!document)
                fail(guest, failure);
        else if (g_strcmp0(usage, file->usage) != 0) {
                virtbus_error_set(&failure, VIRTBUS_ERROR_OPERATION_INVALID,
                                  "%s needs the secret %s: its usage is of type '%s', not '%s'; name a secret of that type",
                                  file->whose, file->path, usage, file->usage);
                guest_fetch_fail(guest, failure);
        } else
                ask_value(guest);
}

static void ask_document(Guest *guest) {
        g_autoptr(GError) error = NULL;
        Errand *errand = errand_begin(guest->domain->connection->objects, NULL, guest_fetch_file(guest)->object, SECRET, "GetXML",
                                      on_document, guest, &error, "a{sv}", 0);
        sent(guest, errand, error);
}

/* Nothing keeps a secret that need not be there. */
static bool may_lack(const File *file, const GError *error) {
        VirtbusError code = virtbus_error_code(error);
        return file->may_lack && (code == VIRTBUS_ERROR_NO_SUCH_SECRET || code == VIRTBUS_ERROR_NO_SUCH_DOMAIN);
}

static void on_found(void *data, sd_bus_message *answer, const GError *error) {
        Guest *guest = data;
        const char *object;
        guest_fetch_came(guest);
        int r = error ? 0 : sd_bus_message_read(answer, "o", &object);
        if (error && may_lack(guest_fetch_file(guest), error)) {
                guest_fetch_next(guest);
        } else if (error)
                fail(guest, error);
        else if (r < 0)
                fail_errno(guest, -r);
        else {
                g_free(guest_fetch_file(guest)->object);
                guest_fetch_file(guest)->object = g_strdup(object);
                if (guest_fetch_file(guest)->by_uuid)
                        ask_document(guest);
                else
                        ask_value(guest);
        }
}

void guest_secrets_ask(Guest *guest) {
        const File *file = guest_fetch_file(guest);
        Objects *objects = guest->domain->connection->objects;
        g_autoptr(GError) error = NULL;
        Errand *errand = file->by_uuid ? errand_begin(objects, NULL, HOST_PATH, SECRETS, "GetSecretByUUID", on_found, guest,
                                                      &error, "s", file->path)
                                       : errand_begin(objects, NULL, HOST_PATH, SECRETS, "GetSecretByUsage", on_found, guest,
                                                      &error, "ss", file->usage, file->path);
        sent(guest, errand, error);
}

void guest_secrets_forget(Guest *guest) {
        g_clear_pointer(&guest->secret_sets, g_array_unref);
}

void guest_secrets_close(Guest *guest) {
        for (guint i = 0; guest->secret_sets && i < guest->secret_sets->len; i++)
                fd_sets_remove(guest, NULL, g_array_index(guest->secret_sets, gint64, i));
        g_clear_pointer(&guest->secret_sets, g_array_unref);
}

static char *encrypting_secret(const xmlNode *layer) {
        const xmlNode *inside = xml_find(layer, "source/encryption/secret"),
                      *secret = inside ? inside : xml_find(layer, "encryption/secret");
        g_autofree char *uuid = xml_attribute(secret, "uuid"), *usage = xml_attribute(secret, "usage");
        return uuid    ? g_strdup_printf("the secret %s", uuid)
               : usage ? g_strdup_printf("the secret of usage volume:%s", usage)
                       : NULL;
}

char *guest_secret_of_disk(const xmlNode *element) {
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        for (const xmlNode *layer = element; layer; layer = xml_child(layer, "backingStore")) {
                char *name = encrypting_secret(layer);
                if (name)
                        g_ptr_array_add(names, name);
        }
        g_ptr_array_add(names, NULL);
        return g_strjoinv(" or ", (char **) names->pdata);
}
