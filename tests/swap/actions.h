/* SPDX-License-Identifier: GPL-2.0-only */
/* What the host does to guest memory, by the file that does it. */
#ifndef TESTS_SWAP_ACTIONS_H
#define TESTS_SWAP_ACTIONS_H

#include "swap.h"

/* reclaim.c */
extern const struct action action_pageout;
extern const struct action action_cold;
extern const struct action action_cgroup;
extern const struct action action_reclaim;

/* discard.c */
extern const struct action action_dontneed;
extern const struct action action_free;
extern const struct action action_remove;
extern const struct action action_zap;

#endif
