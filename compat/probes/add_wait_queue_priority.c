// SPDX-License-Identifier: GPL-2.0-only
/* Since 5.11 a waiter can be first in line; eventfd_ctx_do_read() is exported since then too. */
#include <linux/wait.h>

void probe(struct wait_queue_head *head, struct wait_queue_entry *entry);
void probe(struct wait_queue_head *head, struct wait_queue_entry *entry)
{
	add_wait_queue_priority(head, entry);
}
