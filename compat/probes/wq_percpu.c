// SPDX-License-Identifier: GPL-2.0-only
/* On newer kernels, and where it went back to, a work queue of each CPU's says that it is one. */
#include <linux/workqueue.h>

struct workqueue_struct *probe(void);
struct workqueue_struct *probe(void)
{
	return alloc_workqueue("probe", WQ_PERCPU, 1);
}
