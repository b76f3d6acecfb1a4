/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/named-file.h"
#include "base/walk.h"
#include "bus.h"
#include "qemu/command/image.h"
#include "qemu/host/helper-programs.h"
#include "qemu/host/tpm-folder.h"

/* The largest file that is copied to memory for QEMU (a kernel, an initrd, a table), and the largest template of UEFI
 * variables: flash is smaller. A sparse file is as large as its name's owner likes. */
#define COPY_BYTES_MAX (INT64_C(4) << 30)
#define TEMPLATE_BYTES_MAX (INT64_C(64) << 20)

void file_free(File *file) {
        g_free(file->path);
        g_free(file->format);
        g_free(file->template);
        if (file->layers)
                g_ptr_array_unref(file->layers);
        g_free(file->group);
        g_clear_pointer(&file->handed, g_ptr_array_unref);
        g_clear_pointer(&file->backing, image_backing_free);
        autofd_close(&file->fd);
        g_clear_pointer(&file->device, host_device_free);
        g_clear_pointer(&file->socket, unix_socket_free);
        g_clear_pointer(&file->port, card_port_free);
        leave_free(file->leave);
        g_free(file->object);
        g_free(file->whose);
        g_free(file->alias);
        g_free(file->usage);
        g_free(file);
}

static bool check_size(const char *path, const struct stat *info, off_t most, GError **error) {
        return info->st_size <= most || virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                                          "%s has %" PRIi64 " bytes; at most %" PRIi64 " are read for a guest",
                                                          path, (int64_t) info->st_size, (int64_t) most);
}

/* Copies a file that only we may read into memory that QEMU's user may. */
static int copy_to_memory(int from, off_t size, GError **error) {
        g_autofd int copy = memfd_create("virtbus-kernel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        while (copy >= 0 && size > 0) {
                errno = ESTALE; /* where it has become shorter meanwhile */
                ssize_t n = sendfile(copy, from, NULL, (size_t) size);
                if (n <= 0)
                        break;
                size -= n;
        }
        if (copy < 0 || size > 0 || fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
                virtbus_error_set_errno(error, errno, "a kernel cannot be copied to memory");
                return -1;
        }
        return steal_fd(&copy);
}

static bool open_to_read(File *file, bool foreign_user, GError **error) {
        struct stat info;
        g_autofd int fd = named_file_open("file", file->path, O_RDONLY, false, &info, error);
        bool is_copied = foreign_user && !(info.st_mode & S_IROTH);
        if (fd < 0 || !check_size(file->path, &info, is_copied ? COPY_BYTES_MAX : INT64_MAX, error))
                return false;
        file->fd = is_copied ? copy_to_memory(fd, info.st_size, error) : steal_fd(&fd);
        return file->fd >= 0;
}

static bool open_to_append(File *file, GError **error) {
        struct stat info;
        file->fd = named_file_append("file", file->path, &info, error);
        if (file->fd < 0)
                return false;
        if (file->truncate && S_ISREG(info.st_mode) && ftruncate(file->fd, 0) < 0)
                return virtbus_error_set_errno(error, errno, "file %s cannot be emptied", file->path);
        return true;
}

static char *read_template(const char *path, gsize *length, GError **error) {
        struct stat info;
        g_autofd int fd = named_file_open("the template of the UEFI variables", path, O_RDONLY, false, &info, error);
        if (fd < 0 || !check_size(path, &info, TEMPLATE_BYTES_MAX, error))
                return NULL;
        g_autofree char *contents = g_malloc((gsize) info.st_size + 1);
        ssize_t n = pread(fd, contents, (size_t) info.st_size, 0);
        if (n < 0) {
                virtbus_error_set_errno(error, errno, "the template %s of the UEFI variables cannot be read", path);
                return NULL;
        }
        *length = (gsize) n;
        return g_steal_pointer(&contents);
}

static bool is_absent(const char *path) {
        struct stat info;
        g_autofd int found = named_file_find("file", path, &info, NULL);
        return found < 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* Makes a domain's own copy of the UEFI variables, once. */
static bool make_nvram(const File *file, UserRights *rights, GError **error) {
        g_autofree char *contents = NULL;
        gsize length;
        if (!is_absent(file->path)) /* it is looked at when it is opened */
                return true;
        if (!file->template)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "there are no UEFI variables in %s, and no template to make them of", file->path);
        contents = user_rights_enter(rights, error) ? read_template(file->template, &length, error) : NULL;
        user_rights_leave(rights);
        return contents && named_file_write("the file of the UEFI variables", file->path, contents, length, error);
}

/* Whoever may open a socket of a character device: its group, where its folder gives it one, besides ourselves. */
#define SOCKET_MODE 0660

static bool make_socket(File *file, GError **error) {
        file->fd = unix_listen(file->path, SOCKET_MODE, &file->socket);
        if (file->fd == -ENAMETOOLONG)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "the path %.200s is too long for a socket: it may have %zu bytes", file->path,
                                         UNIX_PATH_BYTES_MAX);
        return file->fd >= 0 || virtbus_error_set_errno(error, -file->fd, "the socket %s cannot be made", file->path);
}

static void remove_sockets(const GPtrArray *files) {
        for (guint i = 0; i < files->len; i++) {
                const File *file = files->pdata[i];
                if (file->socket)
                        unix_remove(file->socket, geteuid());
        }
}

void files_give_back(const GPtrArray *files) {
        remove_sockets(files);
        for (guint i = 0; i < files->len; i++) {
                const File *file = files->pdata[i];
                if (file->device)
                        host_device_give_back(file->device);
        }
}

static bool take_device(File *file, GError **error) {
        g_autoptr(GError) failure = NULL;
        if (host_device_take(file->device, &failure))
                return true;
        file->missing = file->may_lack && file->device->absent;
        if (!file->missing)
                g_propagate_error(error, g_steal_pointer(&failure));
        return file->missing;
}

/* What a domain that has its owner's rights alone may have of the host, and what of that is opened with them: by purpose. */
static const struct {
        bool is_open_to_owners, is_opened_by_owners;
        const char *but; /* of others, this one alone */
} of_owners[] = {
        [FILE_PROGRAM] = { true, false, NULL },       [FILE_IMAGE] = { true, true, NULL },
        [FILE_NVRAM] = { true, false, NULL }, /* its template is */
        [FILE_READ] = { true, true, NULL },           [FILE_APPEND] = { true, true, NULL },
        [FILE_DEVICE] = { false, false, NULL },       [FILE_SOCKET] = { true, false, NULL }, /* in the guest's folder */
        [FILE_ACCESS] = { false, false, "/dev/kvm" }, [FILE_OPEN] = { false, false, "/dev/vhost-net" },
        [FILE_SHARED] = { false, false, NULL },       [FILE_TPM] = { true, false, NULL }, /* the driver's own folder */
        [FILE_PORT] = { true, false, NULL }, /* the network's driver has its owner authorized */
        [FILE_SECRET] = { false, false, NULL },       [FILE_HELPER] = { true, false, NULL }, /* the driver's own program */
        [FILE_FOLDER] = { true, true, NULL },         [FILE_PEER] = { false, false, NULL },
        [FILE_LEAVE] = { true, false, NULL },
};

/* Polkit's, by which the same element's file is opened with the driver's rights; or NULL. */
static const Leave *leave_of(const GPtrArray *files, const File *file) {
        static const FilePurpose of_devices[] = { FILE_DEVICE, FILE_ACCESS, FILE_OPEN, FILE_IMAGE };
        bool may = false;
        for (size_t i = 0; i < G_N_ELEMENTS(of_devices); i++)
                may |= file->purpose == of_devices[i];
        for (guint i = 0; may && file->element && i < files->len; i++) {
                const File *other = files->pdata[i];
                if (other->leave && other->leave->device && other->element == file->element)
                        return other->leave;
        }
        return NULL;
}

bool files_check_rights(const GPtrArray *files, GError **error) {
        for (guint i = 0; i < files->len; i++) {
                const File *file = files->pdata[i];
                if (!of_owners[file->purpose].is_open_to_owners && !leave_of(files, file) &&
                    g_strcmp0(of_owners[file->purpose].but, file->path) != 0)
                        return virtbus_error_set(error, VIRTBUS_ERROR_ACCESS_DENIED,
                                                 "%s is not for a domain that has the rights of its owner alone", file->path);
        }
        return true;
}

static bool take_tpm(File *file, GError **error) {
        const char *lacks = tpm_folder_lacks();
        if (lacks)
                return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                         "there is no %s, which emulates a TPM: install the packages swtpm and swtpm-tools",
                                         lacks);
        return tpm_folder_take(file->path, file->user.uid, (gid_t) file->user.uid, &file->missing, error);
}

/* PASST, or what is found for virtiofs. */
static bool check_helper(File *file, GError **error) {
        if (strcmp(file->format, "virtiofs") != 0)
                return helper_program_check(file->path,
                                            "install the package passt, or leave out <backend> for QEMU's own network of users",
                                            error);
        char *program = helper_program_find_virtiofsd(file->path, error);
        g_free(file->path);
        file->path = program;
        return program != NULL;
}

/* A copy of the mount that it is in, where nothing can be written. */
static int make_read_only(int folder) {
        struct mount_attr set = { .attr_set = MOUNT_ATTR_RDONLY };
        int mount = (int) syscall(SYS_open_tree, folder, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (mount >= 0 && syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &set, sizeof set) == 0)
                return mount;
        int failure = errno;
        if (mount >= 0)
                close(mount);
        errno = failure;
        return -1;
}

static bool open_folder(File *file, UserRights *rights, GError **error) {
        struct stat info;
        g_autofd int folder = named_file_find("folder", file->path, &info, error);
        if (folder < 0)
                return false;
        if (!S_ISDIR(info.st_mode))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is not a folder", file->path);
        if (walk_is_of_processes(folder)) /* as in named_file_open */
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "%s is what the kernel tells of processes, which is not shared", file->path);
        if (rights)
                file->user = (HostUser){ .uid = user_rights_user(rights), .gid = user_rights_group(rights) };
        file->fd = file->read_only ? make_read_only(folder) : steal_fd(&folder);
        if (file->fd < 0 && (rights || geteuid() != 0))
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_UNSUPPORTED,
                                "folder %s cannot be shared to be read only by a user: leave out <readonly/>, or have an "
                                "administrator define the domain",
                                file->path);
        return file->fd >= 0 || virtbus_error_set_errno(error, errno, "folder %s cannot be shared", file->path);
}

/* Whoever listens there is the document's choice; QEMU's user need not be let in. */
static bool connect_peer(File *file, GError **error) {
        struct stat info;
        g_autofd int found = named_file_find("socket", file->path, &info, error);
        if (found < 0)
                return false;
        const UnixSocket peer = { .path = file->path, .device = info.st_dev, .inode = info.st_ino };
        file->fd = S_ISSOCK(info.st_mode) ? unix_connect(&peer) : -ENOTSOCK;
        if (file->fd >= 0 && fcntl(file->fd, F_SETFL, 0) == 0)
                return true;
        return virtbus_error_set_errno(error, file->fd < 0 ? -file->fd : errno,
                                       "socket %s cannot be connected to: is its program running, and free?", file->path);
}

static bool is_missing(const File *file) {
        return file->may_lack && file->purpose == FILE_IMAGE && !file->group && is_absent(file->path);
}

/* It has been asked for before. */
static bool check_let(const Leave *leave, GError **error) {
        g_autofree char *text = leave_text(leave);
        return leave->is_given || virtbus_error_set(error, VIRTBUS_ERROR_ACCESS_DENIED, "nobody has allowed %s", text);
}

/* Opened with the driver's rights by polkit's leave: what its header names is whoever's who could write to it, and so not opened;
 * and it is nothing but a device. */
static bool open_let_device(File *file, bool foreign_user, GError **error) {
        ImageBacking *nothing = image_backing_new();
        nothing->ends = true;
        file->layers = image_open(&(ImageSource){ .path = file->path,
                                                  .format = file->format,
                                                  .backing = nothing,
                                                  .read_only = file->read_only,
                                                  .foreign_user = foreign_user },
                                  error);
        image_backing_free(nothing);
        const ImageLayer *layer = file->layers ? file->layers->pdata[0] : NULL;
        return layer && (layer->is_device ||
                         virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is not a block device", file->path));
}

static bool open_one(File *file, bool foreign_user, UserRights *rights, GError **error) {
        if (is_missing(file)) {
                file->missing = true;
                return true;
        }
        switch (file->purpose) {
        case FILE_PROGRAM:
                return executable_check(file->path, &file->program, error);
        case FILE_NVRAM:
                /* It is in the driver's own folder, of contents that were anybody's: they lead to nothing beside it. */
                file->layers = make_nvram(file, rights, error) ? image_open_whole(file->path, file->format, error) : NULL;
                return file->layers != NULL;
        case FILE_IMAGE:
                file->layers = image_open(&(ImageSource){ .path = file->path,
                                                          .format = file->format,
                                                          .group = file->group,
                                                          .handed = file->handed,
                                                          .backing = file->backing,
                                                          .read_only = file->read_only,
                                                          .foreign_user = foreign_user },
                                          error);
                return file->layers != NULL;
        case FILE_READ:
                return open_to_read(file, foreign_user, error);
        case FILE_DEVICE:
                return take_device(file, error);
        case FILE_ACCESS:
                return host_access_check(file->path, &file->user, error);
        case FILE_OPEN:
                file->fd = host_access_open(file->path, error);
                return file->fd >= 0;
        case FILE_SHARED:
                return host_access_share(file->path, file->size, &file->user, error);
        case FILE_TPM:
                return take_tpm(file, error);
        case FILE_HELPER:
                return check_helper(file, error);
        case FILE_FOLDER:
                return open_folder(file, rights, error);
        case FILE_PEER:
                return connect_peer(file, error);
        case FILE_APPEND:
                return open_to_append(file, error);
        case FILE_LEAVE:
                return check_let(file->leave, error);
        case FILE_PORT:
        case FILE_SECRET:
                return true; /* it has been fetched */
        case FILE_SOCKET:
                return make_socket(file, error);
        }
        return true;
}

bool files_open(GPtrArray *files, bool foreign_user, GError **error) {
        const File *first = files->len > 0 ? files->pdata[0] : NULL;
        g_autoptr(UserRights) rights = NULL;
        if (first && first->rights != USER_RIGHTS_ALL &&
            (!files_check_rights(files, error) || !user_rights_find(first->rights, &rights, error)))
                return false;
        bool fine = true;
        for (guint i = 0; i < files->len && fine; i++) {
                File *file = files->pdata[i];
                const Leave *leave = leave_of(files, file);
                UserRights *needed = of_owners[file->purpose].is_opened_by_owners && !leave ? rights : NULL;
                fine = (!leave || check_let(leave, error)) && user_rights_enter(needed, error) &&
                       (leave && file->purpose == FILE_IMAGE && !is_missing(file) ? open_let_device(file, foreign_user, error)
                                                                                  : open_one(file, foreign_user, rights, error));
                user_rights_leave(needed);
        }
        if (!fine)
                remove_sockets(files);
        return fine;
}
