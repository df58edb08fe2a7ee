// SPDX-License-Identifier: GPL-2.0-only
/* Migration got an unmapping function of its own in 5.14. */
#include <linux/mm.h>
#include <linux/rmap.h>

extern void *probe;
void *probe = try_to_migrate;
