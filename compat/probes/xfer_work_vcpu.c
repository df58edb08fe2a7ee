// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 6.18 the work before an entry was done with the in-tree vcpu in hand.
 * Exports: xfer_to_guest_mode_handle_work
 */
#include <linux/entry-kvm.h>

int probe(struct kvm_vcpu *vcpu);
int probe(struct kvm_vcpu *vcpu)
{
	return xfer_to_guest_mode_handle_work(vcpu);
}
