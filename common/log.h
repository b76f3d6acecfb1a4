/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One line on stderr, in the form that the journal understands: the priority of sd-daemon(3) first. */

#include <stdio.h>
#include <systemd/sd-daemon.h>

#define log_line(priority, format, ...) fprintf(stderr, priority format "\n" __VA_OPT__(, ) __VA_ARGS__)
#define log_error(...) log_line(SD_ERR, __VA_ARGS__)
#define log_warning(...) log_line(SD_WARNING, __VA_ARGS__)
#define log_info(...) log_line(SD_INFO, __VA_ARGS__)
