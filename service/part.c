/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "part.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "pack.h"

/* What is called for */

G_GNUC_PRINTF(3, 4) static int refuse(sd_bus_message *call, sd_bus_error *error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_INVALID_ARGUMENT), "%s: %s",
                                 sd_bus_message_get_member(call), text);
}

/* Where a part ended: the place of the list's object, and that of the last object in it. */
static char *print_place(const Object *list, uint64_t place) {
        return g_strdup_printf("%" PRIx64 "-%" PRIx64, list->place, place);
}

static int read_place(Part *part, const char *text, sd_bus_message *call, sd_bus_error *error) {
        const char *dash = strchr(text, '-');
        uint64_t place = 0;
        if (!text[0])
                return 0;
        if (dash)
                g_ascii_string_to_unsigned(dash + 1, 16, 1, UINT64_MAX, &place, NULL);
        g_autofree char *printed = print_place(part->list, place);
        if (strcmp(printed, text) != 0 || !mirror_had(part->mirror, place))
                return refuse(call, error,
                              "'%.64s' is not from a part of the list of %s, or from one of an earlier list: begin with "
                              "the first part, after ''",
                              text, part->list->path);
        part->after = place;
        return 0;
}

static int read_names(PartChoice *choice, sd_bus_message *call, sd_bus_error *error) {
        const char *name;
        int r = sd_bus_message_enter_container(call, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read_basic(call, 's', &name)) > 0) {
                int property = interface_property(choice->interface, name);
                if (property < 0)
                        return refuse(call, error, "interface %s has no property '%.64s'", choice->interface->name, name);
                choice->properties |= UINT64_C(1) << property;
        }
        if (choice->properties == 0)
                choice->properties = UINT64_MAX;
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int read_choices(Part *part, sd_bus_message *call, sd_bus_error *error) {
        const char *name;
        int r = sd_bus_message_enter_container(call, 'a', "{sas}");
        while (r >= 0 && (r = sd_bus_message_enter_container(call, 'e', "sas")) > 0) {
                PartChoice *choice = &part->choices[part->n_choices];
                r = sd_bus_message_read_basic(call, 's', &name);
                if (r < 0)
                        break;
                if (part->n_choices == PART_INTERFACES_MAX)
                        return refuse(call, error, "properties of more than %d interfaces", PART_INTERFACES_MAX);
                choice->interface = interface_find(name);
                if (!choice->interface)
                        return refuse(call, error, "there is no interface '%.64s'", name);
                for (size_t i = 0; i < part->n_choices; i++)
                        if (part->choices[i].interface == choice->interface)
                                return refuse(call, error, "interface %s is named twice", name);
                part->n_choices++;
                r = read_names(choice, call, error);
                if (r >= 0)
                        r = sd_bus_message_exit_container(call);
        }
        if (r >= 0 && part->n_choices == 0)
                return refuse(call, error, "option 'properties' names no interface: leave it out where all are wanted");
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int read_option(Part *part, sd_bus_message *call, sd_bus_error *error) {
        const char *name, *type;
        int r = sd_bus_message_read_basic(call, 's', &name);
        if (r < 0)
                return r;
        if (strcmp(name, "properties") != 0)
                return refuse(call, error, "there is no option '%.64s'", name);
        if (part->n_choices > 0)
                return refuse(call, error, "option '%s' is given twice", name);
        r = sd_bus_message_peek_type(call, NULL, &type);
        if (r >= 0 && strcmp(type, "a{sas}") != 0)
                return refuse(call, error, "option '%s' is of type 'a{sas}', not '%.64s'", name, type);
        if (r >= 0)
                r = sd_bus_message_enter_container(call, 'v', type);
        if (r >= 0)
                r = read_choices(part, call, error);
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int read_options(Part *part, sd_bus_message *call, sd_bus_error *error) {
        int r = sd_bus_message_enter_container(call, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
                r = read_option(part, call, error);
                if (r >= 0)
                        r = sd_bus_message_exit_container(call);
        }
        return r;
}

/* The one interface, and what is wanted of it. */
static int read_columns(Part *part, sd_bus_message *call, sd_bus_error *error) {
        const char *name;
        PartChoice *choice = &part->choices[part->n_choices++];
        int r = sd_bus_message_read_basic(call, 's', &name);
        if (r < 0)
                return r;
        choice->interface = interface_find(name);
        return choice->interface ? read_names(choice, call, error) : refuse(call, error, "there is no interface '%.64s'", name);
}

int part_read(Part *part, Mirror *mirror, const Object *list, sd_bus_message *call, sd_bus_error *error) {
        const char *after;
        *part = (Part){ .mirror = mirror, .list = list };
        int r = sd_bus_message_rewind(call, true);
        part->has_columns = sd_bus_message_has_signature(call, PART_COLUMNS_SIGNATURE);
        if (r >= 0)
                r = sd_bus_message_read_basic(call, 's', &after);
        if (r >= 0)
                r = read_place(part, after, call, error);
        if (r >= 0)
                r = part->has_columns ? read_columns(part, call, error) : read_options(part, call, error);
        return r < 0 ? r : 0;
}

/* What is in it */

uint64_t part_append_paths(const Part *part, size_t n, GPtrArray *paths) {
        uint64_t last = 0;
        const Object *object = mirror_child_after(part->mirror, part->list, part->after);
        for (; object && n > 0; object = object->next, n--) {
                g_ptr_array_add(paths, g_strdup(object->path));
                last = object->place;
        }
        return last;
}

/* The properties that are wanted of a block, by bits. */
static uint64_t wanted_of(const Part *part, const Block *block) {
        for (size_t i = 0; i < part->n_choices; i++)
                if (part->choices[i].interface == block->interface)
                        return part->choices[i].properties;
        return part->n_choices == 0 ? UINT64_MAX : 0;
}

/* How much of a block is wanted of it. */
static size_t wanted_bytes(const Block *block, uint64_t wanted) {
        const uint8_t *at = block->values;
        size_t bytes = 0;
        if (wanted == UINT64_MAX)
                return block->size;
        for (size_t i = 0; i < block->interface->n_properties && wanted >> i; i++) {
                const uint8_t *end = pack_skip(at, block->interface->properties[i].signature);
                if (wanted & UINT64_C(1) << i)
                        bytes += (size_t) (end - at);
                at = end;
        }
        return bytes;
}

/* About how large an object is in a part, at most; 0 where it is not in it. */
static size_t measure(const Part *part, const Object *object) {
        size_t bytes = 0;
        for (size_t i = 0; i < object->n_blocks; i++) {
                const Block *block = &object->blocks[i];
                uint64_t wanted = wanted_of(part, block);
                size_t n = MIN((size_t) __builtin_popcountll(wanted), block->interface->n_properties);
                if (wanted)
                        bytes += wanted_bytes(block, wanted) + (part->has_columns ? 8 * n : 48 + 40 * n);
        }
        return bytes ? bytes + strlen(object->path) + 32 : 0;
}

static int append_object(const Part *part, const Object *object, sd_bus_message *answer) {
        int r = sd_bus_message_open_container(answer, 'e', "oa{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_append_basic(answer, 'o', object->path);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', "{sa{sv}}");
        for (size_t i = 0; r >= 0 && i < object->n_blocks; i++) {
                uint64_t wanted = wanted_of(part, &object->blocks[i]);
                if (!wanted)
                        continue;
                r = sd_bus_message_open_container(answer, 'e', "sa{sv}");
                if (r >= 0)
                        r = sd_bus_message_append_basic(answer, 's', object->blocks[i].interface->name);
                if (r >= 0)
                        r = block_append_some(&object->blocks[i], wanted, answer);
                if (r >= 0)
                        r = sd_bus_message_close_container(answer);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        return r < 0 ? r : sd_bus_message_close_container(answer);
}

void part_measure(Part *part, uint64_t asked, PartMaySee may_see, void *data) {
        size_t n = 0;
        part->first = part->end = mirror_child_after(part->mirror, part->list, part->after);
        part->last = part->after ? part->after : part->list->place;
        part->bytes = 0;
        for (const Object *object = part->first; object && n < PART_OBJECTS_MAX; object = object->next, n++) {
                bool is_seen = may_see(object, data);
                size_t bytes = is_seen ? measure(part, object) : 0;
                if ((!is_seen && object->place > asked) || (n > 0 && part->bytes + bytes > PART_BYTES_MAX))
                        break;
                part->bytes += bytes;
                part->last = object->place;
                part->end = object->next;
        }
}

static int append_objects(const Part *part, PartMaySee may_see, void *data, sd_bus_message *answer) {
        int r = sd_bus_message_open_container(answer, 'a', "{oa{sa{sv}}}");
        for (const Object *object = part->first; r >= 0 && object != part->end; object = object->next)
                if (may_see(object, data) && measure(part, object) > 0)
                        r = append_object(part, object, answer);
        return r < 0 ? r : sd_bus_message_close_container(answer);
}

/* As a table */

/* VALUES has where the property's value begins of each object, and where the next one's begins afterwards. */
static int append_column(const PropertyInfo *property, const uint8_t **values, size_t n, sd_bus_message *answer) {
        g_autofree char *array = g_strconcat("a", property->signature, NULL);
        int r = sd_bus_message_open_container(answer, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(answer, 's', property->name);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'v', array);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', property->signature);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!(values[i] = pack_append(values[i], answer, property->signature)))
                        r = -EINVAL;
        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(answer);
        return r;
}

static int append_columns(const Part *part, PartMaySee may_see, void *data, sd_bus_message *answer) {
        const PartChoice *choice = &part->choices[0];
        g_autoptr(GPtrArray) values = g_ptr_array_new();
        int r = sd_bus_message_open_container(answer, 'a', "o");
        for (const Object *object = part->first; r >= 0 && object != part->end; object = object->next) {
                const Block *block = object_block(object, choice->interface);
                if (!block || !may_see(object, data))
                        continue;
                g_ptr_array_add(values, block->values);
                r = sd_bus_message_append_basic(answer, 'o', object->path);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < choice->interface->n_properties; i++) {
                const PropertyInfo *property = &choice->interface->properties[i];
                if (choice->properties & UINT64_C(1) << i)
                        r = append_column(property, (const uint8_t **) values->pdata, values->len, answer);
                else
                        for (guint j = 0; j < values->len; j++)
                                values->pdata[j] = (void *) pack_skip(values->pdata[j], property->signature);
        }
        return r < 0 ? r : sd_bus_message_close_container(answer);
}

int part_append(const Part *part, PartMaySee may_see, void *data, sd_bus_message *answer) {
        int r = part->has_columns ? append_columns(part, may_see, data, answer) : append_objects(part, may_see, data, answer);
        g_autofree char *next = part->end ? print_place(part->list, part->last) : NULL;
        return r < 0 ? r : sd_bus_message_append_basic(answer, 's', next ? next : "");
}
