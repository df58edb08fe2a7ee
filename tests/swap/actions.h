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

/* map.c */
extern const struct action action_protect;
extern const struct action action_move;
extern const struct action action_remap;
extern const struct action action_fork;
extern const struct action action_soft_dirty;

/* share.c */
extern const struct action action_share;
extern const struct action action_writeback;
extern const struct action action_underwrite;

/* uffd.c */
extern const struct action action_uffd;
extern const struct action action_uffd_wp;

/* huge.c */
extern const struct action action_collapse;
extern const struct action action_split;
extern const struct action action_merge;

/* migrate.c */
extern const struct action action_compact;
extern const struct action action_move_pages;
extern const struct action action_migrate_pages;
extern const struct action action_balance;

/* idle.c */
extern const struct action action_idle;

/* slot.c */
extern const struct action action_slot_delete;
extern const struct action action_slot_move;
extern const struct action action_slot_readonly;
extern const struct action action_slot_log;

#endif
