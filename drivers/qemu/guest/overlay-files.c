/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/overlay-files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/named-file.h"
#include "base/user-rights.h"
#include "bus.h"
#include "domain/owners-rights.h"
#include "domain/user-work.h"
#include "log.h"
#include "qemu/command/image-make.h"
#include "qemu/guest/snapshot-images.h"

static void overlay_free(void *data) {
        Overlay *overlay = data;
        char *strings[] = {
                overlay->alias, overlay->target, overlay->path, overlay->type, overlay->below, overlay->below_format
        };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
        autofd_close(&overlay->fd);
        g_ptr_array_unref(overlay->under);
        g_free(overlay);
}

/* UNDER is taken. */
static void add(const OverlayFiles *files, const DeviceDefinition *device, const SnapshotDisk *disk, GPtrArray *under) {
        Overlay *overlay = g_new0(Overlay, 1);
        *overlay = (Overlay){
                .alias = g_strdup(device->alias),
                .target = g_strdup(device->target),
                .path = g_strdup(disk->path),
                .type = g_strdup(disk->type ? disk->type : "file"),
                .below = g_strdup(device->source),
                .below_format = g_strdup(device->format),
                .under = under,
                .fd = -1,
        };
        g_ptr_array_add(files->all, overlay);
}

/* Those of a guest that is up are known; a document names what it does. */
static GPtrArray *find_under(const DeviceDefinition *device, xmlDoc *document, const Definition *definition, GError **error) {
        if (device->images)
                return g_ptr_array_ref(device->images);
        xmlNode *element = document ? definition_find_element(document, definition, device->alias) : NULL;
        GPtrArray *under = element ? disk_chain_read_named(element) : NULL;
        if (!under && document)
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "disk '%s' has images that are neither files nor block devices: it cannot have an overlay",
                                  device->target);
        return under;
}

OverlayFiles *overlay_files_new(const Domain *domain, const SnapshotDefinition *snapshot, const Definition *definition,
                                GError **error) {
        OverlayFiles *files = g_new0(OverlayFiles, 1);
        g_autoptr(xmlDoc) document = definition_document(definition, error);
        *files = (OverlayFiles){
                .connection = domain->connection,
                .rights = owners_rights_of(domain),
                .owner = domain->owner,
                .all = g_ptr_array_new_with_free_func(overlay_free),
                .traces = g_string_new(NULL),
        };
        for (guint i = 0; i < definition->devices->len; i++) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                const SnapshotDisk *disk =
                                device->device_class == DEVICE_DISK ? snapshot_definition_find(snapshot, device->target) : NULL;
                if (!disk || disk->place != SNAPSHOT_EXTERNAL || !disk->path || !device->source[0])
                        continue;
                GPtrArray *under = find_under(device, document, definition, error);
                if (!under) {
                        overlay_files_free(files);
                        return NULL;
                }
                add(files, device, disk, under);
        }
        return files;
}

void overlay_files_free(OverlayFiles *files) {
        g_ptr_array_unref(files->all);
        g_string_free(files->traces, TRUE);
        g_free(files->given);
        g_free(files);
}

/* Making */

static bool find_size(Overlay *overlay, GError **error) {
        g_autofd int below = image_open_to_look(overlay->below, error);
        return below >= 0 && image_size(below, overlay->below, overlay->below_format, &overlay->size, error);
}

/* As the image under it is named, so names it that one. */
static char *choose_name(const Overlay *overlay) {
        g_autofd int below = image_open_to_look(overlay->below, NULL);
        g_autofree char *old = below >= 0 && strcmp(overlay->below_format, "qcow2") == 0 ? image_backing_name(below) : NULL;
        return image_choose_name(overlay->path, old, overlay->below);
}

/* One that is there already continues the disk that it is put over, also for who knows nothing but its header. */
static bool check_reused(const Overlay *overlay, GError **error) {
        g_autofree char *named = image_backing_name(overlay->fd), *folder = g_path_get_dirname(overlay->path),
                        *full = named ? g_canonicalize_filename(named, folder) : NULL,
                        *below = g_canonicalize_filename(overlay->below, "/");
        return g_strcmp0(full, below) == 0 || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                                "image %s cannot be reused over %s: it is backed by %s%.512s; "
                                                                "qemu-img rebase -u -F %s -b %s makes "
                                                                "it an overlay of that",
                                                                overlay->path, overlay->below, named ? "" : "nothing",
                                                                named ? named : "", overlay->below_format, overlay->below);
}

/* A block device is there already, and so is what is reused. */
static bool is_there(const OverlayFiles *files, const Overlay *overlay) {
        struct stat info;
        g_autofd int found = files->reuse ? -1 : named_file_find("image", overlay->path, &info, NULL);
        return files->reuse || (found >= 0 && S_ISBLK(info.st_mode));
}

/* Without a name, so that nothing is left of it where the driver ends before it is written down. */
static bool make_unnamed(Overlay *overlay, const char *named, bool *is_made, GError **error) {
        g_autoptr(GError) failure = NULL;
        overlay->fd = named_file_make_unnamed("image", overlay->path, &failure);
        *is_made = overlay->fd >= 0;
        if (*is_made)
                return image_make(overlay->fd, overlay->path, "qcow2", overlay->size, named, overlay->below_format, error);
        if (errno == EOPNOTSUPP || errno == EISDIR || errno == EEXIST) /* which is told as of other images */
                return true;
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
}

static bool open_named(const OverlayFiles *files, Overlay *overlay, const char *named, GError **error) {
        ImageTarget target = { .what = "snapshot's overlay",
                               .path = overlay->path,
                               .format = "qcow2",
                               .backing = named,
                               .backing_format = overlay->below_format,
                               .size = overlay->size,
                               .reuse = files->reuse };
        bool fine = image_open_target(&target, error);
        overlay->fd = target.fd;
        overlay->is_made = overlay->is_named = target.is_made;
        overlay->is_device = target.is_device;
        return fine && (!files->reuse || check_reused(overlay, error));
}

static bool make_one(OverlayFiles *files, Overlay *overlay, GError **error) {
        struct stat info;
        if (overlay->size == 0 && !find_size(overlay, error))
                return false;
        g_autofree char *named = choose_name(overlay);
        if (!is_there(files, overlay) && !make_unnamed(overlay, named, &overlay->is_made, error))
                return false;
        if (!overlay->is_made && !open_named(files, overlay, named, error))
                return false;
        if (!overlay->is_device && strcmp(overlay->type, "block") == 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "image %s is not a block device", overlay->path);
        if (fstat(overlay->fd, &info) < 0 || fsync(overlay->fd) < 0)
                return virtbus_error_set_errno(error, errno, "image %s cannot be written", overlay->path);
        if (overlay->is_made)
                snapshot_traces_add(files->traces, overlay->target, info.st_dev, info.st_ino);
        return true;
}

static bool name_all(const OverlayFiles *files, GError **error) {
        for (guint i = 0; i < files->all->len; i++) {
                Overlay *overlay = files->all->pdata[i];
                if (!overlay->is_made)
                        continue;
                if (!overlay->is_named && !named_file_name("image", overlay->fd, overlay->path, error))
                        return false;
                overlay->is_named = true;
                if (!named_file_keep(overlay->path))
                        return virtbus_error_set_errno(error, errno, "the folder of image %s cannot be written", overlay->path);
        }
        return true;
}

static bool make_all(OverlayFiles *files, GError **error) {
        for (guint i = 0; i < files->all->len; i++) {
                Overlay *overlay = files->all->pdata[i];
                g_autoptr(GError) failure = NULL;
                if (!make_one(files, overlay, &failure))
                        return virtbus_error_set(error, virtbus_error_code(failure), "disk '%s': %s", overlay->target,
                                                 failure->message);
        }
        return true;
}

/* Removing */

static void remove_one(const OverlayFiles *files, const Overlay *overlay) {
        struct stat info;
        g_autofd int found = named_file_find("image", overlay->path, &info, NULL);
        if (found < 0 || !files->given || !snapshot_traces_have(files->given, overlay->target, info.st_dev, info.st_ino))
                return;
        g_autofd int fd = named_file_use(found, O_RDONLY);
        if (fd >= 0 && image_is_unwritten(fd))
                named_file_remove(overlay->path);
        else
                log_warning("image %s is left where it is: it was made for a snapshot that was not, and has been written since",
                            overlay->path);
}

static void remove_all(const OverlayFiles *files) {
        for (guint i = 0; i < files->all->len; i++)
                remove_one(files, files->all->pdata[i]);
}

/* With the rights of the domain */

void overlay_files_make(OverlayFiles *files, GError **error) {
        g_autoptr(UserRights) rights = NULL;
        if (user_rights_find(files->rights, &rights, error) && user_rights_enter(rights, error) && !make_all(files, error))
                for (guint i = 0; i < files->all->len; i++)
                        if (((const Overlay *) files->all->pdata[i])->is_named)
                                named_file_remove(((const Overlay *) files->all->pdata[i])->path);
        user_rights_leave(rights);
}

void overlay_files_look(const OverlayFiles *files, GError **error) {
        g_autoptr(UserRights) rights = NULL;
        bool fine = user_rights_find(files->rights, &rights, error) && user_rights_enter(rights, error);
        for (guint i = 0; fine && i < files->all->len; i++) {
                Overlay *overlay = files->all->pdata[i];
                fine = find_size(overlay, error);
        }
        user_rights_leave(rights);
}

void overlay_files_name(OverlayFiles *files, GError **error) {
        g_autoptr(UserRights) rights = NULL;
        if (user_rights_find(files->rights, &rights, error) && user_rights_enter(rights, error))
                name_all(files, error);
        user_rights_leave(rights);
}

void overlay_files_remove(OverlayFiles *files, GError **error) {
        g_autoptr(UserRights) rights = NULL;
        if (user_rights_find(files->rights, &rights, error) && user_rights_enter(rights, error))
                remove_all(files);
        user_rights_leave(rights);
}

static void remove_in_worker(void *data, GError **error) {
        overlay_files_remove(data, error);
}

static void on_given_up(void *data, const GError *error) {
        (void) error;
        overlay_files_free(data);
}

void overlay_files_give_up(OverlayFiles *files) {
        g_free(files->given);
        files->given = g_strdup(files->traces->str);
        user_work_undo(files->connection, files->owner, remove_in_worker, on_given_up, files);
}
