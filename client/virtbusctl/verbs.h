/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs and their options, as tables: what runs them, helps with them and completes them reads the same. */

#include "ctl.h"

typedef enum OptionKind {
        OPTION_FLAG,    /* gboolean */
        OPTION_TEXT,    /* char * */
        OPTION_TEXTS,   /* char **: again for more */
        OPTION_SECONDS, /* double, above 0 */
        OPTION_COUNT,   /* int, above 0 */
} OptionKind;

/* A name may have several rows: what it means to some verbs, and to others. */
typedef struct OptionEntry {
        const char *name;
        char letter; /* 0: none */
        OptionKind kind;
        size_t place;      /* in Ctl */
        const char *verbs; /* those that know it, each between spaces; NULL: all */
        const char *value; /* what is to be given, such as SIZE; NULL of a flag */
        const char *description;
} OptionEntry;

/* The last row has no name. */
extern const OptionEntry option_entries[];

/* What completes an argument. */
typedef enum Words {
        WORDS_NONE,
        WORDS_DOMAINS,    /* the first argument is a domain, and so are the next ones of verbs that take several */
        WORDS_ONE_DOMAIN, /* only the first one is */
        WORDS_DEVICES,    /* then a device, then a file */
        WORDS_CONSOLES,   /* then a console */
        WORDS_DISKS,      /* a command, a domain, a disk, then a file */
        WORDS_DISPLAYS,   /* then a display */
        WORDS_KEYS,       /* then keys */
        WORDS_STATES,     /* then a state */
        WORDS_SETTINGS,   /* then settings or a device, and the device's settings */
        WORDS_COMMANDS,   /* then a command of the agent */
        WORDS_FILES,      /* a file */
        WORDS_THEN_FILES, /* a domain, then a file */
        WORDS_SWITCH,     /* a domain, then on or off */
        WORDS_JOBS,
        WORDS_FILTERS,    /* a command, then a network filter or a file */
        WORDS_INTERFACES, /* a command, then a network interface or a file */
        WORDS_NETWORKS,   /* a command, then a network or a file */
        WORDS_SNAPSHOTS,  /* a command, a domain, a snapshot */
        WORDS_CHECKPOINTS,
        WORDS_BACKUPS, /* a command, a domain, a file */
        WORDS_SECRETS, /* a command, then a secret or a file */
        WORDS_KINDS,   /* of capabilities */
        WORDS_CPU,     /* a command, then files and settings */
        WORDS_VERBS,
} Words;

typedef struct VerbEntry {
        const char *name; /* NULL: this is a heading */
        int min, max;     /* arguments; -1: any number */
        const char *arguments, *description;
        Verb verb;
        /* Without a verb: a method of org.virtbus1.Domain that is called of each domain, with options, which are none, or
         * without. The one that has neither is help, which knows this table. */
        const char *method;
        bool takes_options;
        Words words;
} VerbEntry;

/* verbs.c: the last row has neither a name nor a description. */
extern const VerbEntry verb_entries[];
const VerbEntry *verb_find(const char *name);

/* foreign.c: what is said of a verb that is not there, and of an option ("--all") that other programs have; NULL: nothing. */
char *verb_explain_unknown(const char *name);
const char *option_explain_unknown(const char *name);

/* The row of an option that a verb knows; NULL: it does not. Both may be given without leading '-'. */
const OptionEntry *option_find(const char *verb, const char *name);
/* The same by a letter, which may be of several options, all of which take a value or none does; without a VERB the first one. */
const OptionEntry *option_find_letter(const char *verb, char letter);
bool option_is_of(const OptionEntry *option, const char *verb);

/* cpu.c: its commands, and its settings, which come after files. */
extern const char *const cpu_commands[];
const char *const *cpu_settings(void);

/* options.c: takes the options and the verb out of what was typed; the words that are left, in *ARGUMENTS, are its arguments.
 * An error of the domain G_OPTION_ERROR is the person's. */
bool options_parse(Ctl *ctl, int argc, char *argv[], const VerbEntry **verb, char ***arguments, GError **error);
void options_clear(Ctl *ctl);

/* help.c */
void help_print(const Ctl *ctl, const VerbEntry *verb);

/* complete.c: prints what may come in the place of the last of WORDS, a line each; "/files" is for the shell to complete. */
int complete(Ctl *ctl, char **words);
