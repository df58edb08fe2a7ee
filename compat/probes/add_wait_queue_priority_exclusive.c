// SPDX-License-Identifier: GPL-2.0-only
/* Since 6.17 being first does not mean being the only one, unless one asks for it. */
#include <linux/wait.h>

int probe(struct wait_queue_head *head, struct wait_queue_entry *entry);
int probe(struct wait_queue_head *head, struct wait_queue_entry *entry)
{
	return add_wait_queue_priority_exclusive(head, entry);
}
