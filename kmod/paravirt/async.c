// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous page faults: while the host fetches a page for one of the guest's
 * threads, the guest runs another.
 *
 * The vcpu's thread would have to wait for the page. Instead it gives the guest a #PF
 * with a token, a worker waits, and an interrupt with the token says that the page is
 * there. A guest that cannot take the #PF now waits in the vcpu's thread as ever.
 * Documentation/virt/kvm/x86/msr.rst, MSR_KVM_ASYNC_PF_EN and the two after it.
 *
 * A worker may wait as long as the VMM wants (userfaultfd, a file system of its own), so
 * nothing ever waits for a worker: one whose vcpu has gone ends on its own. It keeps
 * the mm and this module until then, and there are never more than ASYNC_MAX.
 */
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <asm/processor-flags.h>
#include <compat/pgtable.h>
#include <compat/workqueue.h>
#include <kvm/irqchip.h>
#include <kvm/memslot.h>
#include <kvm/trace.h>
#include "paravirt.h"

/* The guest has no more threads waiting than this: the next one waits as before. */
#define ASYNC_PER_VCPU	32
/* All VMs. The queue runs as many at once, so none waits behind another VM's. */
#define ASYNC_MAX	256

#define ASYNC_RESERVED	GENMASK_ULL(5, 4)
#define ASYNC_ADDRESS	(~GENMASK_ULL(5, 0))
#define ASYNC_TOLD	(KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT)
/* Not a token of one page: all of them are there. */
#define ASYNC_EVERYBODY	(~0U)
/* A token is the vcpu's number and one that changes. */
#define ASYNC_ID_BITS	12

static_assert((KVM_VCPU_ID_MAX - 1) >> ASYNC_ID_BITS == 0);
static_assert(offsetof(struct kvm_vcpu_pv_apf_data, flags) == 0);
static_assert(offsetof(struct kvm_vcpu_pv_apf_data, token) == 4);

/*
 * One page that is late. Freed by the vcpu's thread when it is done, or by its worker
 * when the vcpu has gone.
 * [o] written once   [t] the vcpu's thread under vcpu->mutex   [l] async_lock
 */
struct async_fault {
	struct list_head node;		/* [t] in vcpu->pv.async.faults */
	struct work_struct work;
	struct kvm_vcpu *vcpu;		/* [l] NULL: gone */
	struct mm_struct *mm;		/* [o] with a reference, until the work ends */
	hva_t hva;			/* [o] */
	gfn_t gfn;			/* [o] */
	u32 token;			/* [o] */
	bool write;			/* [o] */
	bool forgotten;			/* [t] the guest does not wait for the token any more */
	bool done;			/* [l] */
};

static struct workqueue_struct *async_queue;
static atomic_t async_running;			/* workers that have not ended */
static DEFINE_SPINLOCK(async_lock);		/* who frees; taken last but for wake-ups' locks */

int async_init(void)
{
	async_queue = alloc_workqueue("kvm-async-fault", KVM_WQ_PERCPU, ASYNC_MAX);
	return async_queue ? 0 : -ENOMEM;
}

void async_exit(void)
{
	/* A worker that has let go of the module may still be on its last instructions. */
	destroy_workqueue(async_queue);
}

void async_vcpu_init(struct kvm_vcpu *vcpu)
{
	INIT_LIST_HEAD(&vcpu->pv.async.faults);
}

static bool async_enabled(const struct kvm_vcpu *vcpu)
{
	return (vcpu->pv.async.msr & ASYNC_TOLD) == ASYNC_TOLD;
}

static gpa_t async_gpa(const struct kvm_vcpu *vcpu, size_t offset)
{
	return (vcpu->pv.async.msr & ASYNC_ADDRESS) + offset;
}

static void async_free(struct kvm_vcpu *vcpu, struct async_fault *af)
{
	list_del(&af->node);
	vcpu->pv.async.count--;
	kfree(af);
}

static bool async_done(struct async_fault *af)
{
	bool done;

	spin_lock(&async_lock);
	done = af->done;
	spin_unlock(&async_lock);
	return done;
}

void async_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	struct async_fault *af, *next;
	bool done;

	list_for_each_entry_safe(af, next, &vcpu->pv.async.faults, node) {
		spin_lock(&async_lock);
		af->vcpu = NULL;
		done = af->done;
		spin_unlock(&async_lock);
		if (done)
			kfree(af);
	}
}

static void async_work(struct work_struct *work)
{
	struct async_fault *af = container_of(work, struct async_fault, work);
	struct mm_struct *mm = af->mm;
	bool orphan;

	/* If it fails, the guest's next access does as well, and tells the VMM. */
	kvm_host_fault_in_remote(mm, af->hva, af->write);

	spin_lock(&async_lock);
	af->done = true;
	orphan = !af->vcpu;
	if (!orphan)
		vcpu_post(af->vcpu, KVM_REQ_ASYNC_PF);
	spin_unlock(&async_lock);
	if (orphan)
		kfree(af);
	mmput(mm);
	atomic_dec(&async_running);
	module_put(THIS_MODULE);
}

/* Would the guest take a #PF here that is none of its own? */
static bool async_can_tell(struct kvm_vcpu *vcpu)
{
	if (vcpu->pending.type || vcpu->injected.type || !x86_irq_allowed(vcpu) ||
	    !(vcpu_cr0(vcpu) & X86_CR0_PG))
		return false;
	return (vcpu->pv.async.msr & KVM_ASYNC_PF_SEND_ALWAYS) ||
	       kvm_vendor->get_cpl(vcpu) > 0;
}

static bool async_waited_for(const struct kvm_vcpu *vcpu, gfn_t gfn)
{
	const struct async_fault *af;

	list_for_each_entry(af, &vcpu->pv.async.faults, node)
		if (af->gfn == gfn && !af->forgotten)
			return true;
	return false;
}

bool async_wanted(struct kvm_vcpu *vcpu, gfn_t gfn)
{
	return async_enabled(vcpu) && vcpu->pv.async.count < ASYNC_PER_VCPU &&
	       async_can_tell(vcpu) && !async_waited_for(vcpu, gfn);
}

/* Neither 0 nor everybody's. */
static u32 async_token(struct kvm_vcpu *vcpu)
{
	u32 token;

	do {
		token = ++vcpu->pv.async.serial << ASYNC_ID_BITS | vcpu->id;
	} while (!token || token == ASYNC_EVERYBODY);
	return token;
}

/* The guest clears the flags when it has understood what the latest #PF was. */
static bool async_flag(struct kvm_vcpu *vcpu)
{
	gpa_t gpa = async_gpa(vcpu, offsetof(struct kvm_vcpu_pv_apf_data, flags));
	u32 flags;

	if (paravirt_read(vcpu, gpa, &flags, sizeof(flags)) || flags)
		return false;
	flags = KVM_PV_REASON_PAGE_NOT_PRESENT;
	return !paravirt_write(vcpu, gpa, &flags, sizeof(flags));
}

/**
 * async_begin() - let a worker wait for a page, and tell the guest
 * @vcpu: loaded, its own thread, at an instruction that async_wanted() was asked for
 * @gfn: the page
 * @hva: where the VMM has it
 * @write: whether it is to be written
 *
 * Context: may sleep.
 * Return: true: the next entry delivers #PF; false: wait for the page.
 */
bool async_begin(struct kvm_vcpu *vcpu, gfn_t gfn, hva_t hva, bool write)
{
	struct async_fault *af;

	if (!atomic_add_unless(&async_running, 1, ASYNC_MAX))
		return false;
	af = kzalloc(sizeof(*af), GFP_KERNEL_ACCOUNT);
	if (!af)
		goto err_running;
	if (!async_flag(vcpu))
		goto err_free;

	af->vcpu = vcpu;
	af->mm = vcpu->kvm->mm;
	af->hva = hva;
	af->gfn = gfn;
	af->write = write;
	af->token = async_token(vcpu);
	x86_queue_page_fault(vcpu, af->token, 0);
	trace_kvm_async_pf_not_present(af->token, gfn);
	vcpu->stat.pf_async++;

	list_add_tail(&af->node, &vcpu->pv.async.faults);
	vcpu->pv.async.count++;
	/* The vcpu's thread has the mm, and its file the module. */
	mmget(af->mm);
	__module_get(THIS_MODULE);
	INIT_WORK(&af->work, async_work);
	queue_work(async_queue, &af->work);
	return true;

err_free:
	kfree(af);
err_running:
	atomic_dec(&async_running);
	return false;
}

/* "Page ready" for @token. False: the guest has not finished with the latest one. */
static bool async_tell(struct kvm_vcpu *vcpu, u32 token)
{
	const struct kvm_apic_msg msg = {
		.vector = vcpu->pv.async.vector,
		.delivery = KVM_APIC_FIXED,
		.shorthand = 1,
		.assert = true,
	};
	gpa_t gpa = async_gpa(vcpu, offsetof(struct kvm_vcpu_pv_apf_data, token));
	u32 last;

	if (vcpu->pv.async.unacked || !lapic_listens(vcpu) ||
	    paravirt_read(vcpu, gpa, &last, sizeof(last)) || last ||
	    paravirt_write(vcpu, gpa, &token, sizeof(token)))
		return false;
	vcpu->pv.async.unacked = true;
	trace_kvm_async_pf_ready(token);
	lapic_deliver(vcpu->kvm, vcpu, &msg);
	return true;
}

/**
 * async_update() - tell the guest of a page that has come
 * @vcpu: its own thread, loaded
 *
 * Context: KVM_REQ_ASYNC_PF, may sleep.
 */
void async_update(struct kvm_vcpu *vcpu)
{
	struct async_fault *af, *next;

	if (async_enabled(vcpu) && vcpu->pv.async.tell_all &&
	    async_tell(vcpu, ASYNC_EVERYBODY))
		vcpu->pv.async.tell_all = false;
	list_for_each_entry_safe(af, next, &vcpu->pv.async.faults, node)
		if (async_done(af) && (af->forgotten || async_tell(vcpu, af->token)))
			async_free(vcpu, af);
}

/*
 * Threads of a guest that begins, goes on elsewhere or is taken back to an earlier
 * state wait for tokens that nobody here knows, or for none. All are woken, and find
 * out by themselves whether their page is there.
 */
static int async_set_enable(struct kvm_vcpu *vcpu, u64 val)
{
	struct async_fault *af;

	if (val & ASYNC_RESERVED)
		return 1;
	if (!vcpu->lapic)
		return val ? 1 : 0;
	if ((val & ASYNC_TOLD) == ASYNC_TOLD &&
	    !memslot_find(memslots_get(vcpu->kvm), gpa_to_gfn(val)))
		return 1;
	vcpu->pv.async.msr = val;
	list_for_each_entry(af, &vcpu->pv.async.faults, node)
		af->forgotten = true;
	vcpu->pv.async.tell_all = async_enabled(vcpu);
	vcpu->pv.async.unacked = false;
	vcpu_request(vcpu, KVM_REQ_ASYNC_PF);
	return 0;
}

int async_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val)
{
	switch (index) {
	case MSR_KVM_ASYNC_PF_EN:
		*val = vcpu->pv.async.msr;
		return 0;
	case MSR_KVM_ASYNC_PF_INT:
		*val = vcpu->pv.async.vector;
		return 0;
	default:
		*val = 0;
		return 0;
	}
}

int async_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val)
{
	switch (index) {
	case MSR_KVM_ASYNC_PF_EN:
		return async_set_enable(vcpu, val);
	case MSR_KVM_ASYNC_PF_INT:
		if (val & ~KVM_ASYNC_PF_VEC_MASK)
			return 1;
		vcpu->pv.async.vector = val;
		return 0;
	default:
		if (val & 1) {
			vcpu->pv.async.unacked = false;
			vcpu_request(vcpu, KVM_REQ_ASYNC_PF);
		}
		return 0;
	}
}
