/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define NOBODY 65534

static bool read_range(const char *value, GuestRange *ranges, size_t *n) {
        GuestRange *range = ranges + *n;
        return sscanf(value, "%u %u %u", &range->inside, &range->outside, &range->count) == 3 && ++*n;
}

/* "FD BYTES ro|rw TARGET" */
static bool read_mount(const char *value, GuestPlan *plan) {
        GuestMount *mount = plan->mounts + plan->n_mounts;
        unsigned long long bytes;
        char mode[3];
        int end = 0;
        if (sscanf(value, "%d %llu %2s %n", &mount->fd, &bytes, mode, &end) != 3 || value[end] != '/')
                return false;
        mount->bytes = bytes;
        mount->is_read_only = strcmp(mode, "ro") == 0;
        mount->target = value + end;
        plan->n_mounts++;
        return true;
}

/* The next word of a line, which is cut; NULL: there is none. */
static char *next_word(char **rest) {
        char *word = strsep(rest, " ");
        return word && *word ? word : NULL;
}

static const char *unless_none(const char *word) {
        return strcmp(word, GUEST_NONE) == 0 ? NULL : word;
}

/* "MODE MTU up|down|port MAC HOST INSIDE LOWER" */
static bool read_card(char *value, GuestPlan *plan) {
        GuestCard *card = plan->cards + plan->n_cards;
        const char *words[7];
        unsigned char *mac = card->mac;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (!(words[i] = next_word(&value)))
                        return false;
        card->mode = (unsigned) strtoul(words[0], NULL, 10);
        card->mtu = (unsigned) strtoul(words[1], NULL, 10);
        card->is_down = strcmp(words[2], "down") == 0;
        card->is_port = strcmp(words[2], "port") == 0;
        if (sscanf(words[3], "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6 ||
            strlen(words[4]) >= sizeof card->host)
                return false;
        strcpy(card->host, unless_none(words[4]) ? words[4] : "");
        card->inside = words[5];
        card->lower = unless_none(words[6]) ? words[6] : "";
        return !value && ++plan->n_cards <= GUEST_CARDS_MAX;
}

/* "CARD ADDRESS PREFIX GATEWAY METRIC" */
static bool read_address(char *value, bool is_route, GuestPlan *plan) {
        const char *words[5];
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (!(words[i] = next_word(&value)))
                        return false;
        plan->addresses[plan->n_addresses++] = (GuestAddress){ .is_route = is_route,
                                                               .card = strtoul(words[0], NULL, 10),
                                                               .address = words[1],
                                                               .prefix = (unsigned) strtoul(words[2], NULL, 10),
                                                               .gateway = unless_none(words[3]),
                                                               .metric = (unsigned) strtoul(words[4], NULL, 10) };
        return !value;
}

/* "INIT REPORT STATUS INPUT OUTPUT ERRORS" */
static bool read_entry(const char *value, GuestEntry *entry) {
        return sscanf(value, "%d %d %d %d %d %d", &entry->init, &entry->report, &entry->status, entry->streams,
                      entry->streams + 1, entry->streams + 2) == 6;
}

static bool read_number(const char *value, int base, uint64_t *number) {
        char *end;
        *number = strtoull(value, &end, base);
        return *value && !*end;
}

static bool add(char **list, const char *value) {
        while (*list)
                list++;
        *list = (char *) value;
        return true;
}

static bool read_line(GuestPlan *plan, const char *key, char *value) {
        const struct {
                const char *key;
                const char **place;
        } texts[] = { { "name", &plan->name },
                      { "stage", &plan->stage },
                      { "directory", &plan->directory },
                      { "user", &plan->user },
                      { "group", &plan->group } };
        uint64_t number;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
                if (strcmp(key, texts[i].key) == 0) {
                        *texts[i].place = value;
                        return true;
                }
        if (strcmp(key, "argument") == 0)
                return add(plan->arguments, value);
        if (strcmp(key, "environment") == 0)
                return add(plan->environment, value);
        if (strcmp(key, "users") == 0)
                return read_range(value, plan->users, &plan->n_users);
        if (strcmp(key, "groups") == 0)
                return read_range(value, plan->groups, &plan->n_groups);
        if (strcmp(key, "mount") == 0)
                return read_mount(value, plan);
        if (strcmp(key, "card") == 0)
                return read_card(value, plan);
        if (strcmp(key, "address") == 0 || strcmp(key, "route") == 0)
                return read_address(value, *key == 'r', plan);
        if (strcmp(key, "enter") == 0)
                return read_entry(value, &plan->entry);
        if (strcmp(key, "signal") == 0)
                return sscanf(value, "%d %d", &plan->entry.signal, &plan->entry.process) == 2;
        if (strcmp(key, "capabilities") == 0)
                return read_number(value, 16, &plan->capabilities);
        if (strcmp(key, "memory") == 0)
                return read_number(value, 10, &plan->memory);
        if (!read_number(value, 10, &number) || number > INT32_MAX)
                return false;
        if (strcmp(key, "member") == 0)
                plan->members[plan->n_members++] = (int) number;
        else if (strcmp(key, "consoles") == 0 && number <= GUEST_CONSOLES_MAX)
                plan->n_consoles = (unsigned) number;
        else if (strcmp(key, "32-bit") == 0)
                plan->is_32_bit = number;
        else if (strcmp(key, "listener") == 0)
                plan->listener = (int) number;
        else
                return false;
        return true;
}

/* There are no more of anything than lines. */
static bool make_room(GuestPlan *plan, size_t n) {
        plan->arguments = calloc(n + 1, sizeof *plan->arguments);
        plan->environment = calloc(n + 1, sizeof *plan->environment);
        plan->users = calloc(n, sizeof *plan->users);
        plan->groups = calloc(n, sizeof *plan->groups);
        plan->mounts = calloc(n, sizeof *plan->mounts);
        plan->members = calloc(n, sizeof *plan->members);
        plan->cards = calloc(n, sizeof *plan->cards);
        plan->addresses = calloc(n, sizeof *plan->addresses);
        return plan->cards && plan->addresses && plan->arguments && plan->environment && plan->users && plan->groups &&
               plan->mounts && plan->members;
}

bool guest_plan_read(int fd, GuestPlan *plan) {
        struct stat info;
        if (fstat(fd, &info) < 0)
                return false;
        errno = EINVAL;
        if (info.st_size < 1 || info.st_size > GUEST_PLAN_BYTES_MAX)
                return false;
        plan->entry = (GuestEntry){ .init = -1, .report = -1, .status = -1, .streams = { -1, -1, -1 } };
        char *text = mmap(NULL, (size_t) info.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), *end;
        if (text == MAP_FAILED)
                return false;
        end = text + info.st_size;
        size_t n = 0;
        for (const char *c = text; c < end; c++)
                n += !*c;
        errno = EINVAL;
        if (end[-1] || !make_room(plan, n))
                return false;
        for (char *line = text, *next; line < end; line = next) {
                next = line + strlen(line) + 1;
                char *blank = strchr(line, ' ');
                if (!blank)
                        return false;
                *blank = '\0';
                if (!read_line(plan, line, blank + 1))
                        return false;
        }
        if (!plan->stage || (!plan->arguments[0] && !plan->entry.signal && plan->n_cards == 0))
                return false;
        return plan->entry.init >= 0 ||
               (plan->arguments[0] && plan->name && plan->n_mounts > 0 && strcmp(plan->mounts[0].target, "/") == 0);
}

uint32_t guest_plan_outside(const GuestRange *ranges, size_t n, uint32_t inside) {
        for (size_t i = 0; i < n; i++)
                if (inside >= ranges[i].inside && inside - ranges[i].inside < ranges[i].count)
                        return ranges[i].outside + (inside - ranges[i].inside);
        return n > 0 ? NOBODY : inside;
}
