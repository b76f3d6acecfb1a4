/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "part.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"

/* What is called for */

G_GNUC_PRINTF(2, 3) static int refuse(sd_bus_error *error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_INVALID_ARGUMENT), "GetPart: %s", text);
}

/* Where a part ended: the place of the list's object, and that of the last object in it. */
static char *print_place(const Object *list, uint64_t place) {
        return g_strdup_printf("%" PRIx64 "-%" PRIx64, list->place, place);
}

static int read_place(Part *part, const char *text, sd_bus_error *error) {
        const char *dash = strchr(text, '-');
        uint64_t place = 0;
        if (!text[0])
                return 0;
        if (dash)
                g_ascii_string_to_unsigned(dash + 1, 16, 1, UINT64_MAX, &place, NULL);
        g_autofree char *printed = print_place(part->list, place);
        if (strcmp(printed, text) != 0 || !mirror_had(part->mirror, place))
                return refuse(error,
                              "'%.64s' is not from a part of the list of %s, or from one before that began anew: begin with "
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
                        return refuse(error, "interface %s has no property '%.64s'", choice->interface->name, name);
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
                        return refuse(error, "properties of more than %d interfaces", PART_INTERFACES_MAX);
                choice->interface = interface_find(name);
                if (!choice->interface)
                        return refuse(error, "there is no interface '%.64s'", name);
                for (size_t i = 0; i < part->n_choices; i++)
                        if (part->choices[i].interface == choice->interface)
                                return refuse(error, "interface %s is named twice", name);
                part->n_choices++;
                r = read_names(choice, call, error);
                if (r >= 0)
                        r = sd_bus_message_exit_container(call);
        }
        if (r >= 0 && part->n_choices == 0)
                return refuse(error, "option 'properties' names no interface: leave it out where all are wanted");
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int read_option(Part *part, sd_bus_message *call, sd_bus_error *error) {
        const char *name, *type;
        int r = sd_bus_message_read_basic(call, 's', &name);
        if (r < 0)
                return r;
        if (strcmp(name, "properties") != 0)
                return refuse(error, "there is no option '%.64s'", name);
        if (part->n_choices > 0)
                return refuse(error, "option '%s' is given twice", name);
        r = sd_bus_message_peek_type(call, NULL, &type);
        if (r >= 0 && strcmp(type, "a{sas}") != 0)
                return refuse(error, "option '%s' is of type 'a{sas}', not '%.64s'", name, type);
        if (r >= 0)
                r = sd_bus_message_enter_container(call, 'v', type);
        if (r >= 0)
                r = read_choices(part, call, error);
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

int part_read(Part *part, Mirror *mirror, const Object *list, sd_bus_message *call, sd_bus_error *error) {
        const char *after;
        *part = (Part){ .mirror = mirror, .list = list };
        int r = sd_bus_message_rewind(call, true);
        if (r >= 0)
                r = sd_bus_message_read_basic(call, 's', &after);
        if (r >= 0)
                r = read_place(part, after, error);
        if (r >= 0)
                r = sd_bus_message_enter_container(call, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
                r = read_option(part, call, error);
                if (r >= 0)
                        r = sd_bus_message_exit_container(call);
        }
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

/* About how large an object is in a part, at most; 0 where it is not in it. */
static size_t measure(const Part *part, const Object *object) {
        size_t bytes = 0;
        for (size_t i = 0; i < object->n_blocks; i++) {
                const Block *block = &object->blocks[i];
                uint64_t wanted = wanted_of(part, block);
                size_t n = MIN((size_t) __builtin_popcountll(wanted), block->interface->n_properties);
                if (wanted)
                        bytes += block->size + 48 + 40 * n;
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

int part_append(const Part *part, PartMaySee may_see, void *data, sd_bus_message *answer) {
        int r = sd_bus_message_open_container(answer, 'a', "{oa{sa{sv}}}");
        for (const Object *object = part->first; r >= 0 && object != part->end; object = object->next)
                if (may_see(object, data) && measure(part, object) > 0)
                        r = append_object(part, object, answer);
        g_autofree char *next = part->end ? print_place(part->list, part->last) : NULL;
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        return r < 0 ? r : sd_bus_message_append_basic(answer, 's', next ? next : "");
}
