// SPDX-License-Identifier: GPL-2.0-only
/* By 7.2, and in later 6.12 kernels, syscore callbacks were given a pointer of the client's. */
#include <linux/syscore_ops.h>

void probe(struct syscore *syscore);
void probe(struct syscore *syscore)
{
	register_syscore(syscore);
}
