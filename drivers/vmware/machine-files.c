/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmware/machine-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/store.h"
#include "base/walk.h"
#include "base/xml.h"
#include "bus.h"
#include "domain/shares.h"
#include "errors.h"
#include "vmx/vmx-read.h"
#include "vmx/vmx-write.h"

#define SUFFIX ".vmx"
#define NO_UUID "00000000-0000-0000-0000-000000000000"

void machine_file_free(void *data) {
        MachineFile *file = data;
        g_free(file->path);
        g_free(file->text);
        g_free(file->fault);
        g_free(file);
}

/* Reading */

/* The bytes of a file that nobody else may change. */
static char *read_file(const char *path, GError **error) {
        struct stat info;
        g_autofd int found = walk_open(path, WALK_TRUSTED, &info, error);
        if (found < 0)
                return NULL;
        if (!S_ISREG(info.st_mode) || info.st_size > VMX_BYTES_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is not a file of at most %d bytes", path,
                                  VMX_BYTES_MAX);
                return NULL;
        }
        g_autofree char *again = g_strdup_printf("/proc/self/fd/%d", found), *bytes = NULL;
        gsize length;
        if (!g_file_get_contents(again, &bytes, &length, NULL)) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "%s cannot be read: look whether it is there, and at its permissions", path);
                return NULL;
        }
        return vmx_file_decode(bytes, length, error);
}

static void add(GPtrArray *files, const char *folder, const char *name) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *real = realpath(path, NULL);
        g_autoptr(GError) error = NULL;
        if (!real || files->len >= MACHINE_FILES_MAX)
                return;
        MachineFile *file = g_new0(MachineFile, 1);
        file->path = g_strdup(real);
        file->text = read_file(real, &error);
        file->fault = error ? g_strdup(error->message) : NULL;
        g_ptr_array_add(files, file);
}

/* DEEPER: the folders in it too. */
static void look_into(GPtrArray *files, const char *folder, GPtrArray *watched, bool deeper) {
        DIR *directory = opendir(folder);
        if (!directory)
                return;
        g_ptr_array_add(watched, g_strdup(folder));
        const struct dirent *entry;
        for (unsigned n = 0; n < MACHINE_ENTRIES_MAX && (entry = readdir(directory)); n++) {
                if (entry->d_name[0] == '.')
                        continue;
                if (g_str_has_suffix(entry->d_name, SUFFIX)) {
                        add(files, folder, entry->d_name);
                        continue;
                }
                g_autofree char *below = g_build_filename(folder, entry->d_name, NULL);
                bool is_folder = entry->d_type == DT_DIR || ((entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) &&
                                                             g_file_test(below, G_FILE_TEST_IS_DIR));
                if (deeper && is_folder && watched->len < MACHINE_FILES_MAX)
                        look_into(files, below, watched, false);
        }
        closedir(directory);
}

static int compare_paths(const void *a, const void *b) {
        return strcmp((*(MachineFile *const *) a)->path, (*(MachineFile *const *) b)->path);
}

GPtrArray *machine_files_find(const char *const *folders, GPtrArray *watched) {
        GPtrArray *files = g_ptr_array_new_with_free_func(machine_file_free);
        for (; *folders; folders++)
                look_into(files, *folders, watched, true);
        g_ptr_array_sort(files, compare_paths); /* which of two that cannot both be there is shown is the same each time */
        return files;
}

/* A UUID that is the same each time that a path is read. */
static char *uuid_of_path(const char *path) {
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);
        return g_strdup_printf("%.8s-%.4s-5%.3s-8%.3s-%.12s", sum, sum + 8, sum + 13, sum + 17, sum + 20);
}

bool machine_text_read(const MachineFile *file, MachineText *machine, GError **error) {
        *machine = (MachineText){ .owner = geteuid() };
        if (!file->text)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s", file->fault);
        g_autoptr(VmxFile) vmx = vmx_file_parse(file->text, error);
        if (!vmx)
                return false;
        const char *owner = vmx_file_peek(vmx, MACHINE_OWNER_KEY), *transient = vmx_file_peek(vmx, MACHINE_TRANSIENT_KEY);
        const char *shares = vmx_file_peek(vmx, MACHINE_SHARES_KEY);
        guint64 number;
        if (owner && g_ascii_string_to_unsigned(owner, 10, 0, G_MAXUINT32 - 1, &number, NULL))
                machine->owner = (uid_t) number;
        machine->is_transient = transient != NULL;
        machine->document = vmx_read(vmx, error);
        xmlNode *uuid = machine->document ? xml_child(xmlDocGetRootElement(machine->document), "uuid") : NULL;
        g_autofree char *text = uuid ? xml_text(uuid) : NULL;
        if (text && strcmp(text, NO_UUID) == 0) {
                g_autofree char *own = uuid_of_path(file->path);
                xmlNodeSetContent(uuid, (const xmlChar *) own);
        }
        if (machine->document && shares) {
                xmlNode *list = xmlNewDocPI(machine->document, (const xmlChar *) SHARES_INSTRUCTION, (const xmlChar *) shares);
                xmlAddPrevSibling(xmlDocGetRootElement(machine->document), list);
        }
        return machine->document && shares_take(machine->document, &machine->shares, error);
}

/* Writing */

char *machine_file_write(const char *path, xmlDoc *document, const char *extra, GError **error) {
        g_autofree char *folder = g_path_get_dirname(path), *old = NULL;
        if (g_file_test(path, G_FILE_TEST_EXISTS) && !(old = read_file(path, error)))
                return NULL;
        g_autofree char *text = vmx_rewrite(document, old, extra, error);
        if (!text)
                return NULL;
        if (g_mkdir_with_parents(folder, 0700) < 0) {
                virtbus_error_set_errno(error, errno, "the directory %s cannot be made", folder);
                return NULL;
        }
        return file_replace(path, text, true, error) ? g_steal_pointer(&text) : NULL;
}

bool machine_file_remove(const char *path, bool keep, GError **error) {
        g_autofree char *folder = g_path_get_dirname(path), *aside = g_strconcat(path, ".undefined", NULL);
        if (keep)
                return rename(path, aside) == 0 || errno == ENOENT ||
                       virtbus_error_set_errno(error, errno, "%s cannot be renamed", path);
        if (!file_remove(path, true, error))
                return false;
        rmdir(folder); /* unless something else is there, such as its disks */
        return true;
}
