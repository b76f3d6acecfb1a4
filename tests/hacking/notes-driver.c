/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* HACKING.md's kind of object: notes of the connection "host". Notes end with their driver. */

#include "base/driver.h"
#include "paths.h"
#include "vtables.h"

typedef struct Notes {
        Objects *objects;
        Published *published;
        GHashTable *notes; /* Note */
        unsigned n_written;
} Notes;

typedef struct Note {
        Notes *notes;
        Published *published;
        char *text;
        uint32_t writer;
} Note;

TEST_NOTES_VTABLE(Notes, notes);
TEST_NOTE_VTABLE(Note, note);

static void note_free(void *data) {
        Note *note = data;
        published_withdraw(note->published);
        g_free(note->text);
        g_free(note);
}

static void tell_count(Notes *notes) {
        static const int count[] = { TEST_NOTES_COUNT, -1 };
        published_changed(notes->published, &notes_vtable, count);
}

static uint32_t notes_get_count(const Notes *self) {
        return g_hash_table_size(self->notes);
}

static void notes_write(Call *call, Notes *self, const char *text) {
        static const Vtable *const vtables[] = { &note_vtable, NULL };
        g_autofree char *path = g_strdup_printf(HOST_PATH "/note/%u", ++self->n_written);
        Note *note = g_new0(Note, 1);
        *note = (Note){ .notes = self, .text = g_strdup(text), .writer = call->uid };
        note->published = objects_publish(self->objects, path, note, vtables);
        g_hash_table_add(self->notes, note);
        tell_count(self);
        reply_test_notes_write(call, path);
}

static const char *note_get_text(const Note *self) {
        return self->text;
}

static uint32_t note_get_writer(const Note *self) {
        return self->writer;
}

static void note_erase(Call *call, Note *self) {
        Notes *notes = self->notes;
        g_hash_table_remove(notes->notes, self);
        tell_count(notes);
        reply_test_note_erase(call);
}

/* The driver */

static void *open_notes(const void *unused, const DriverSetup *setup, GError **error) {
        static const Vtable *const vtables[] = { &notes_vtable, NULL };
        Notes *notes = g_new0(Notes, 1);
        (void) unused;
        (void) error;
        notes->objects = setup->objects;
        notes->notes = g_hash_table_new_full(g_direct_hash, g_direct_equal, note_free, NULL);
        notes->published = objects_publish(setup->objects, HOST_PATH, notes, vtables);
        return notes;
}

static bool is_busy(const void *self) {
        return g_hash_table_size(((const Notes *) self)->notes) > 0;
}

static void cancel(void *self) {
        (void) self; /* nothing takes its time */
}

static void close_notes(void *self) {
        Notes *notes = self;
        g_hash_table_unref(notes->notes);
        published_withdraw(notes->published);
        g_free(notes);
}

int main(int argc, char *argv[]) {
        static const DriverKind kind = {
                .name = "notes",
                .bus_name = DRIVER_NAME_PREFIX "Notes",
                .open = open_notes,
                .is_busy = is_busy,
                .cancel = cancel,
                .close = close_notes,
        };
        return driver_main(&kind, argc, argv);
}
