/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/image.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/named-file.h"
#include "base/walk.h"
#include "bus.h"
#include "errors.h"
#include "qemu/command/handed-image.h"

/* qcow2: the header's first fields, all big-endian, and its limit on a backing file's name. */
#define QCOW2_MAGIC 0x514649fb
#define QCOW2_HEADER_V2_BYTES 72
#define QCOW2_CLUSTER_BITS_MAX 21
#define QCOW2_HEADER_BYTES 65536 /* of most: a cluster */
#define QCOW2_EXTENSION_BACKING_FORMAT 0xe2792aca
#define QCOW2_FEATURE_EXTERNAL_DATA (UINT64_C(1) << 2)

static void layer_free(ImageLayer *layer) {
        g_free(layer->path);
        g_free(layer->group);
        g_free(layer->format);
        autofd_close(&layer->fd);
        g_free(layer);
}

static ImageLayer *layer_new(const char *path, const char *format, const char *group) {
        ImageLayer *layer = g_new0(ImageLayer, 1);
        *layer = (ImageLayer){ .path = g_strdup(path), .group = g_strdup(group), .format = g_strdup(format), .fd = -1 };
        return layer;
}

ImageBacking *image_backing_new(void) {
        ImageBacking *backing = g_new0(ImageBacking, 1);
        backing->layers = g_ptr_array_new_with_free_func((GDestroyNotify) layer_free);
        return backing;
}

void image_backing_add(ImageBacking *backing, const char *path, const char *format, const char *group) {
        g_ptr_array_add(backing->layers, layer_new(path, format, group));
}

void image_backing_free(ImageBacking *backing) {
        g_ptr_array_unref(backing->layers);
        g_free(backing);
}

static bool is_in_folder_of(const char *path, const char *other) {
        g_autofree char *one = g_canonicalize_filename(path, "/"), *two = g_canonicalize_filename(other, "/"),
                        *folder = g_path_get_dirname(one), *others = g_path_get_dirname(two);
        return strcmp(folder, others) == 0;
}

/* Finds what only the header of another image, BY, names: whoever has taken over its QEMU, or may write to it, could have it
 * name all that root can read. So it is what everybody may read, which the mode of what the kernel tells of processes does not
 * say, or lies beside that image: itself, not a link that somebody else has put there. */
static int find_named(const ImageLayer *layer, const char *by, struct stat *info, bool *may_be_named, GError **error) {
        bool is_beside = is_in_folder_of(layer->path, by), is_searchable = false;
        g_autofree char *path = is_beside ? g_canonicalize_filename(layer->path, "/") : g_strdup(layer->path);
        int found = named_file_find_public("image", path, info, &is_searchable, error);
        bool is_everybodys = found >= 0 && info->st_mode & S_IROTH && is_searchable && !walk_is_of_processes(found);
        *may_be_named = is_beside || (S_ISREG(info->st_mode) && is_everybodys);
        return found;
}

static int find_layer(const ImageLayer *layer, const char *by, struct stat *info, bool *may_be_named, GError **error) {
        *may_be_named = true;
        return by ? find_named(layer, by, info, may_be_named, error) : named_file_find("image", layer->path, info, error);
}

/* BY: the image whose header alone names it, which is not trusted with that, or NULL. */
static bool open_layer(ImageLayer *layer, bool read_only, const char *by, GError **error) {
        struct stat info;
        bool may_be_named;
        g_autofd int found = find_layer(layer, by, &info, &may_be_named, error);
        if (found < 0)
                return false;
        layer->is_device = S_ISBLK(info.st_mode);
        if (!layer->is_device && (!S_ISREG(info.st_mode) || (!by && walk_is_of_processes(found))))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "image %s is neither a file nor a block device",
                                         layer->path);
        if (!may_be_named)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                "image %s says that it is backed by %s, which not everybody may read, and a guest could have "
                                "written "
                                "that: name it in the document, by <backingStore>, or put it into the folder of the image",
                                by, layer->path);
        layer->fd = named_file_use(found, read_only ? O_RDONLY : O_RDWR);
        return layer->fd >= 0 || virtbus_error_set_errno(error, errno, "image %s cannot be opened", layer->path);
}

/* Takes what was handed over, or opens it. */
static bool take_layer(ImageLayer *layer, bool read_only, const GPtrArray *handed, const char *by, GError **error) {
        struct stat info;
        if (!layer->group)
                return open_layer(layer, read_only, by, error);
        layer->fd = handed_image_take(handed, layer->group, layer->path, read_only, &info, error);
        layer->is_device = layer->fd >= 0 && S_ISBLK(info.st_mode);
        return layer->fd >= 0;
}

static uint32_t get32(const uint8_t *at) {
        uint32_t value;
        memcpy(&value, at, sizeof value);
        return be32toh(value);
}

static uint64_t get64(const uint8_t *at) {
        uint64_t value;
        memcpy(&value, at, sizeof value);
        return be64toh(value);
}

/* Finds the extension that names the backing image's format. */
static char *backing_format(const uint8_t *header, size_t size, size_t at) {
        while (at + 8 <= size) {
                uint32_t type = get32(header + at), length = get32(header + at + 4);
                at += 8;
                if (type == 0 || length > size - at)
                        break;
                if (type == QCOW2_EXTENSION_BACKING_FORMAT)
                        return g_strndup((const char *) header + at, length);
                at += ((size_t) length + 7) & ~(size_t) 7;
        }
        return NULL;
}

/* Reads the first cluster, in which all is that is read here: as much as QEMU looks at. */
static ssize_t read_header(int fd, uint8_t **header) {
        uint8_t first[24] = "";
        ssize_t n = pread(fd, first, sizeof first, 0);
        size_t size = (size_t) 1 << MIN(get32(first + 20), QCOW2_CLUSTER_BITS_MAX);
        size = MAX(size, QCOW2_HEADER_BYTES);
        *header = g_malloc0(size);
        return n < 0 ? n : pread(fd, *header, size, 0);
}

char *image_backing_name(int fd) {
        g_autofree uint8_t *header = NULL;
        ssize_t n = read_header(fd, &header);
        if (n < QCOW2_HEADER_V2_BYTES || get32(header) != QCOW2_MAGIC)
                return NULL;
        uint64_t at = get64(header + 8), size = (uint64_t) n;
        uint32_t length = get32(header + 16);
        bool fine = at > 0 && length > 0 && length <= IMAGE_BACKING_NAME_MAX && at <= size && length <= size - at;
        return fine ? g_strndup((const char *) header + at, length) : NULL;
}

bool image_size(int fd, const char *path, const char *format, uint64_t *size, GError **error) {
        uint8_t header[QCOW2_HEADER_V2_BYTES];
        if (strcmp(format, "qcow2") == 0) {
                if (pread(fd, header, sizeof header, 0) != sizeof header || get32(header) != QCOW2_MAGIC)
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "image %s is not of format qcow2", path);
                *size = get64(header + 24);
                return true;
        }
        off_t end = lseek(fd, 0, SEEK_END); /* also of a device */
        if (end < 0)
                return virtbus_error_set_errno(error, errno, "image %s cannot be looked at", path);
        *size = (uint64_t) end;
        return true;
}

int image_open_to_write(const char *path, const char *by, GError **error) {
        ImageLayer layer = { .path = (char *) path, .fd = -1 };
        if (by && !is_in_folder_of(path, by)) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "image %s is named by the header of %s alone, which a guest could have written: name it in the "
                                  "document, by <backingStore>, or put both into one folder",
                                  path, by);
                return -1;
        }
        if (open_layer(&layer, false, by, error))
                return layer.fd;
        autofd_close(&layer.fd);
        return -1;
}

int image_open_to_look(const char *path, GError **error) {
        struct stat info;
        g_autofd int found = named_file_find("image", path, &info, error);
        if (found < 0)
                return -1;
        if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "image %s is neither a file nor a block device", path);
                return -1;
        }
        int fd = named_file_use(found, O_RDONLY);
        if (fd < 0)
                virtbus_error_set_errno(error, errno, "image %s cannot be opened", path);
        return fd;
}

char *image_choose_name(const char *of, const char *old, const char *below) {
        g_autofree char *folder = g_path_get_dirname(of), *other = g_path_get_dirname(below);
        bool is_relative = old && old[0] != '/' && strcmp(folder, other) == 0;
        return is_relative ? g_path_get_basename(below) : g_strdup(below);
}

int image_create(const char *path, GError **error) {
        g_autoptr(GError) failure = NULL;
        errno = 0;
        g_autofd int made = named_file_make("image", path, false, &failure);
        int code = errno, fd = made < 0 ? -1 : named_file_use(made, O_RDWR);
        if (made >= 0 && fd < 0)
                virtbus_error_set_errno(error, errno, "image %s cannot be made", path);
        else if (made < 0 && code == EEXIST)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "there is a file %s already: name another, or reuse it, which writes over it", path);
        else if (made < 0)
                g_propagate_error(error, g_steal_pointer(&failure));
        return fd;
}

/* Finds what a qcow2 image is backed by: *NEXT is NULL where it is by nothing. */
static bool read_backing(const ImageLayer *layer, ImageLayer **next, GError **error) {
        g_autofree uint8_t *header = NULL;
        ssize_t n = read_header(layer->fd, &header);
        *next = NULL;
        if (n < 0)
                return virtbus_error_set_errno(error, errno, "image %s cannot be read", layer->path);
        size_t size = (size_t) n;
        if (size < QCOW2_HEADER_V2_BYTES || get32(header) != QCOW2_MAGIC)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "image %s is not of format qcow2, as <driver type> says", layer->path);
        uint32_t version = get32(header + 4), name_size = get32(header + 16);
        uint64_t name_at = get64(header + 8);
        if (version >= 3 && size >= 104 && get64(header + 72) & QCOW2_FEATURE_EXTERNAL_DATA)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "image %s keeps its data in another file",
                                         layer->path);
        if (name_at == 0)
                return true;
        if (name_size == 0 || name_size > IMAGE_BACKING_NAME_MAX || name_at > size || name_size > size - name_at)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "image %s has a header that points outside of the image", layer->path);
        g_autofree char *name = g_strndup((const char *) header + name_at, name_size);
        g_autofree char *format =
                        backing_format(header, size, version >= 3 && size >= 104 ? get32(header + 100) : QCOW2_HEADER_V2_BYTES);
        if (g_str_has_prefix(name, "json:") || (strchr(name, ':') && name[0] != '/' && name[0] != '.'))
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "image %s is backed by '%.128s', which is not a file",
                                         layer->path, name);
        if (!format) /* to guess would let a guest that writes a raw image choose what is opened */
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "image %s does not say the format of its backing image; run: qemu-img rebase -u -F "
                                         "FORMAT -b %s %s",
                                         layer->path, name, layer->path);
        if (strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "image %s is backed by an image of format '%.32s'",
                                         layer->path, format);
        g_autofree char *directory = g_path_get_dirname(layer->path);
        g_autofree char *path = name[0] == '/' ? g_strdup(name) : g_build_filename(directory, name, NULL);
        if (layer->group)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                "image %s was handed over, and says that it is backed by %s: name that in the document, by "
                                "<backingStore>",
                                layer->path, path);
        *next = layer_new(path, format, NULL);
        return true;
}

/* Finds what is below the Nth image: what the document says, else what the image itself says, which is *BY_HEADER then. */
static bool find_next(const ImageLayer *layer, guint n, const ImageBacking *backing, ImageLayer **next, bool *by_header,
                      GError **error) {
        *next = NULL;
        *by_header = false;
        if (strcmp(layer->format, "qcow2") != 0)
                return true;
        if (backing && n < backing->layers->len) {
                const ImageLayer *named = backing->layers->pdata[n];
                *next = layer_new(named->path, named->format, named->group);
                return true;
        }
        if (backing && backing->ends)
                return true;
        *by_header = true;
        return read_backing(layer, next, error);
}

GPtrArray *image_open(const ImageSource *source, GError **error) {
        g_autoptr(GPtrArray) layers = g_ptr_array_new_with_free_func((GDestroyNotify) layer_free);
        ImageLayer *layer = layer_new(source->path, source->format, source->group);
        bool by_header = false;
        while (layer) {
                ImageLayer *next = NULL;
                const ImageLayer *above = layers->len > 0 ? layers->pdata[layers->len - 1] : NULL;
                const char *by = by_header && source->foreign_user ? above->path : NULL;
                g_ptr_array_add(layers, layer);
                if (layers->len > IMAGE_LAYERS_MAX) {
                        virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                          "image %s has more than %d backing images, or is its own", source->path,
                                          IMAGE_LAYERS_MAX);
                        return NULL;
                }
                if (!take_layer(layer, source->read_only || above, source->handed, by, error) ||
                    !find_next(layer, layers->len - 1, source->backing, &next, &by_header, error))
                        return NULL;
                layer = next;
        }
        return g_steal_pointer(&layers);
}

GPtrArray *image_open_whole(const char *path, const char *format, GError **error) {
        g_autoptr(GPtrArray) layers = g_ptr_array_new_with_free_func((GDestroyNotify) layer_free);
        ImageLayer *layer = layer_new(path, format, NULL), *next = NULL;
        bool by_header;
        g_ptr_array_add(layers, layer);
        if (!open_layer(layer, false, NULL, error) || !find_next(layer, 0, NULL, &next, &by_header, error))
                return NULL;
        if (!next)
                return g_steal_pointer(&layers);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "image %s says that it is backed by another, and must be whole",
                          path);
        layer_free(next);
        return NULL;
}
