// SPDX-License-Identifier: GPL-2.0-only
/* Sample vendor module for the lab's test of itself. */
#include <linux/module.h>

int lab_sample(void);

static int __init lab_init(void)
{
#ifdef LAB_FAULT
	return -EINVAL;
#endif
	return lab_sample();
}

static void __exit lab_exit(void)
{
}

module_init(lab_init);
module_exit(lab_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Lab sample");
