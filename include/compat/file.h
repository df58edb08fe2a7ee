/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files, descriptors and eventfds in the newest kernel's shape.
 */
#ifndef KVM_COMPAT_FILE_H
#define KVM_COMPAT_FILE_H

#include <linux/anon_inodes.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include "config.h"

#ifndef fd_file
#define fd_file(f)	((f).file)
#endif

#ifdef KVM_HAVE_EVENTFD_SIGNAL_COUNT
#define kvm_eventfd_signal(ctx)	((void)eventfd_signal(ctx, 1))
#else
#define kvm_eventfd_signal(ctx)	eventfd_signal(ctx)
#endif

#endif
