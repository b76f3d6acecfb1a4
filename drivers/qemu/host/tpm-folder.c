/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/tpm-folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"
#include "log.h"
#include "qemu/host/runtime.h"

#define FOLDER "tpm"

/* How deep it is: the authority that signs a TPM's certificates has a folder of its own. And how many names it may hold, with
 * those of its folders: others wait until they are given. */
#define DEPTH_MAX 3
#define NAMES_MAX 256

/* A file that is there until a TPM has all that it is to have. */
#define UNFINISHED "unfinished"

/* What swtpm calls its state, of TPM 2.0 and 1.2. */
static const char *const states[] = { "tpm2-00.permall", "tpm-00.permall" };

static char *folder_of_all(const Connection *connection) {
        return g_build_filename(connection->state_directory, FOLDER, NULL);
}

const char *tpm_folder_lacks(void) {
        static const char *const programs[] = { TPM_EMULATOR, TPM_MAKER };
        for (size_t i = 0; i < G_N_ELEMENTS(programs); i++)
                if (access(programs[i], X_OK) < 0)
                        return programs[i];
        return NULL;
}

char *tpm_folder(const Connection *connection, const char *uuid) {
        return g_build_filename(connection->state_directory, FOLDER, uuid, NULL);
}

bool tpm_folder_open_all(const Connection *connection, GError **error) {
        g_autofree char *all = folder_of_all(connection);
        if (mkdir(all, 0711) < 0 && errno != EEXIST) /* an emulator that sees all of the host goes through it to its own */
                return virtbus_error_set_errno(error, errno, "directory %s cannot be made", all);
        return runtime_open(all, error);
}

bool tpm_folder_is_there(const Connection *connection, const char *uuid) {
        g_autofree char *path = tpm_folder(connection, uuid);
        return access(path, F_OK) == 0;
}

/* Gives one name in a folder away, if it is what an emulator makes: a file that has no other name, or a folder. Else whoever
 * had taken the emulator over has put it there, and it is removed. */
static bool give(int parent, const char *name, uid_t uid, gid_t gid, unsigned depth, unsigned *n);

static bool give_names(int folder, uid_t uid, gid_t gid, unsigned depth, unsigned *n) {
        g_autofd int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *listing = copy >= 0 ? fdopendir(copy) : NULL;
        bool fine = listing != NULL;
        if (listing)
                steal_fd(&copy);
        errno = 0;
        for (const struct dirent *entry; fine && (entry = readdir(listing));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        fine = (*n)++ < NAMES_MAX && give(folder, entry->d_name, uid, gid, depth, n);
        int failure = errno;
        if (*n > NAMES_MAX)
                failure = E2BIG;
        if (listing)
                closedir(listing);
        errno = failure;
        return fine;
}

static bool give(int parent, const char *name, uid_t uid, gid_t gid, unsigned depth, unsigned *n) {
        struct stat info;
        g_autofd int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &info) < 0)
                return false;
        bool is_folder = fd >= 0 && S_ISDIR(info.st_mode);
        if (fd < 0 || (!is_folder && (!S_ISREG(info.st_mode) || info.st_nlink != 1)))
                return unlinkat(parent, name, 0) == 0;
        if (is_folder && depth >= DEPTH_MAX) {
                errno = ELOOP;
                return false;
        }
        return fchown(fd, uid, gid) == 0 && (!is_folder || give_names(fd, uid, gid, depth + 1, n));
}

/* All of it, but for the folder itself. */
static bool give_all(int folder, uid_t uid, gid_t gid) {
        unsigned n = 0;
        return give_names(folder, uid, gid, 0, &n);
}

static bool has_state(int folder) {
        if (faccessat(folder, UNFINISHED, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return false;
        for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
                if (faccessat(folder, states[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        return true;
        return false;
}

static bool write_text(const char *folder, const char *name, const char *text, GError **error) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

/* Each TPM has an authority of its own, whose key nobody else has. */
static bool write_setup(const char *folder, GError **error) {
        g_autofree char *setup = g_strdup_printf("create_certs_tool = /usr/bin/swtpm_localca\n"
                                                 "create_certs_tool_config = %s/authority.conf\n"
                                                 "create_certs_tool_options = %s/authority.options\n",
                                                 folder, folder),
                        *authority = g_strdup_printf("statedir = %s/authority\n"
                                                     "signingkey = %s/authority/signkey.pem\n"
                                                     "issuercert = %s/authority/issuercert.pem\n"
                                                     "certserial = %s/authority/certserial\n",
                                                     folder, folder, folder, folder);
        return write_text(folder, UNFINISHED, "", error) && write_text(folder, TPM_SETUP, setup, error) &&
               write_text(folder, "authority.conf", authority, error) &&
               write_text(folder, "authority.options",
                          "--platform-manufacturer virtbus\n--platform-version 2.1\n--platform-model QEMU\n", error);
}

bool tpm_folder_take(const char *path, uid_t uid, gid_t gid, bool *is_new, GError **error) {
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return virtbus_error_set_errno(error, errno, "directory %s cannot be made", path);
        g_autofd int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        *is_new = folder >= 0 && !has_state(folder);
        if (folder >= 0 && *is_new && !write_setup(path, error))
                return false;
        if (folder < 0 || !give_all(folder, uid, gid) || fchown(folder, uid, gid) < 0)
                return virtbus_error_set_errno(error, errno, "the state of the TPM in %s cannot be given to its emulator", path);
        return true;
}

void tpm_folder_finish(const char *path) {
        g_autofree char *unfinished = g_build_filename(path, UNFINISHED, NULL);
        unlink(unfinished);
}

void tpm_folder_give_back(const char *path) {
        g_autofd int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder >= 0 && (fchown(folder, geteuid(), getegid()) < 0 || !give_all(folder, geteuid(), getegid())))
                log_warning("the state of the TPM in %s cannot be taken back from its emulator: %s", path, g_strerror(errno));
}

char *tpm_folder_put_aside(const Connection *connection, const char *uuid) {
        g_autofree char *all = folder_of_all(connection);
        return runtime_put_aside(all, uuid);
}

void tpm_folder_sweep(const Connection *connection) {
        g_autofree char *all = folder_of_all(connection);
        runtime_sweep(all);
}
