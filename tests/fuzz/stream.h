/* SPDX-License-Identifier: GPL-2.0-only */
/* Random code that reaches for ports, devices and privileged state. */
#ifndef FUZZ_STREAM_H
#define FUZZ_STREAM_H

#include "random.h"

/* Fill @code with @len bytes of instructions for @mode (enum vmm_mode). */
void stream_make(struct random *r, uint8_t *code, unsigned int len, unsigned int mode);

#endif
