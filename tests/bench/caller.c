/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* caller ROUNDS NAME:PATH:INTERFACE:MEMBER[:ARGUMENT] ...: calls each in turn, ROUNDS times, so that all meet the same noise, and
 * prints the durations in microseconds, a line for each call. With one argument a call has type s; one of "=SIGNATURE" stands for
 * empty arrays, at most three; MEMBER may be a property, written as .Name. */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus.h"

static double now(void) {
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return (double) time.tv_sec * 1e6 + (double) time.tv_nsec / 1e3;
}

static int call(sd_bus *bus, char *const *part) {
        g_autoptr(sd_bus_message) reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;
        if (part[3][0] == '.')
                r = sd_bus_get_property(bus, part[0], part[1], part[2], part[3] + 1, &error, &reply, "s");
        else if (part[4] && part[4][0] == '=')
                r = sd_bus_call_method(bus, part[0], part[1], part[2], part[3], &error, &reply, part[4] + 1, 0, 0, 0);
        else
                r = sd_bus_call_method(bus, part[0], part[1], part[2], part[3], &error, &reply, part[4] ? "s" : NULL, part[4]);
        if (r < 0)
                fprintf(stderr, "%s: %s\n", part[3], error.message);
        sd_bus_error_free(&error);
        return r;
}

int main(int argc, char *argv[]) {
        sd_bus *bus = NULL;
        int rounds = argc > 2 ? atoi(argv[1]) : 0, n = argc - 2;
        if (rounds < 1 || sd_bus_open_system(&bus) < 0)
                return EXIT_FAILURE;
        g_autofree double *durations = g_new(double, (size_t) rounds *(size_t) n);
        g_autofree char ***calls = g_new(char **, (size_t) n);
        for (int i = 0; i < n; i++)
                calls[i] = g_strsplit(argv[i + 2], ":", 5);
        for (int round = -rounds / 10; round < rounds; round++) /* the first ones warm up */
                for (int i = 0; i < n; i++) {
                        double began = now();
                        if (call(bus, calls[i]) < 0)
                                return EXIT_FAILURE;
                        if (round >= 0)
                                durations[i * rounds + round] = now() - began;
                }
        for (int i = 0; i < n; i++) {
                for (int round = 0; round < rounds; round++)
                        printf("%s%.2f", round ? " " : "", durations[i * rounds + round]);
                putchar('\n');
                g_strfreev(calls[i]);
        }
        sd_bus_flush_close_unref(bus);
        return EXIT_SUCCESS;
}
