/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What on the host is in the way of networks, whether they run or not: looked for at the start, and again when something has
 * changed: addresses, routes, interfaces, forwarding, rules of nftables. Each is a text that begins with a word and ": ":
 *
 * | bridge     | another's interface has the name of its bridge |
 * | address    | the host has another way to addresses of its blocks |
 * | forwarding | the host forwards no packets (of one that runs) |
 * | firewall   | another table drops what its rules do not accept, and none of them names the bridge |
 *
 * What a run finds by itself (run-state.h) is told with these. */

#include "network/networks.h"

/* How long it waits between one look and the next, in microseconds: a host may change all the time. */
#define OBSTACLES_PAUSE 200000

/* How many of one kind a network is told of. */
#define OBSTACLES_OF_A_KIND_MAX 4

typedef struct Obstacles Obstacles;

/* NULL with an error where changes of the host cannot be watched. */
Obstacles *obstacles_new(Networks *networks, GError **error);

/* Looks, at once or as soon as it may; OBSTACLES may be NULL. */
void obstacles_look(Obstacles *obstacles);

/* Looks no more. */
void obstacles_free(Obstacles *obstacles);
