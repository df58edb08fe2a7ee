// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.13 guest time and context tracking are entered by two functions;
 * before, guest_enter_irqoff() did both.
 */
#include <linux/context_tracking.h>
#include <linux/vtime.h>

bool probe(void);
bool probe(void)
{
	vtime_account_guest_enter();
	return context_tracking_guest_enter();
}
