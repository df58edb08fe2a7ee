// SPDX-License-Identifier: GPL-2.0-only
/* By 7.2, and in later 6.12 kernels, syscore callbacks were given a pointer of the client's. */
#include <linux/syscore_ops.h>

static const struct syscore_ops ops;
static struct syscore syscore = { .ops = &ops };

void probe(void);
void probe(void)
{
	register_syscore(&syscore);
}
