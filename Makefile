# SPDX-License-Identifier: GPL-2.0-only
#
# What a user calls. The modules themselves are built by the kernel's own build
# system from kmod/Kbuild, for the kernel ./configure was last run for.

MAKEFLAGS += --no-builtin-rules --no-print-directory

PACKAGE := kvm-swap
VERSION := $(shell sed -n 's/^\#define KVM_SWAP_VERSION[[:space:]]*"\(.*\)"/\1/p' include/kvm/vendor.h)
TOP := $(CURDIR)

# make KDIR=DIR: build for the kernel of these headers.
# make KVM_SWAP_FAULT=n, KVM_SWAP_STRICT=1, KVM_SWAP_NOTIFIER=hooked: builds for tests.
export KVM_SWAP_FAULT KVM_SWAP_STRICT KVM_SWAP_NOTIFIER

.DEFAULT_GOAL := all
.PHONY: FORCE all modules install uninstall dkms-install dkms-remove check unit test demo bench \
	clean help

NEED_KERNEL := all modules install uninstall
ifneq ($(filter $(NEED_KERNEL),$(or $(MAKECMDGOALS),all)),)
include generated/config.mk
endif

# Asked again when a probe changed or KDIR names another kernel than last time.
CONFIGURED_FOR := $(shell sed -n 's/^KVM_KERNEL_DIR := //p' generated/config.mk 2>/dev/null)
ifneq ($(KDIR),)
ifneq ($(abspath $(KDIR)),$(CONFIGURED_FOR))
generated/config.mk: FORCE
endif
endif

generated/config.mk: configure $(wildcard compat/probes/*)
	@./configure $(addprefix --kernel-dir=,$(or $(KDIR),$(CONFIGURED_FOR)))

# BTF needs the vmlinux no header package carries; asking for it only makes noise.
KBUILD = $(MAKE) -C $(KVM_KERNEL_DIR) M=$(TOP)/kmod $(KVM_MAKE_ARGS) CONFIG_DEBUG_INFO_BTF_MODULES=

all: modules

modules:
	+@$(KBUILD) modules

# depmod looks into updates/ first, so the stock modules stay where they are.
INSTALL_DIR := updates/$(PACKAGE)

install: modules
	+$(KBUILD) INSTALL_MOD_DIR=$(INSTALL_DIR) modules_install
	depmod -a $(KVM_KERNEL_RELEASE)
	@echo "Installed. Load with: scripts/switch own   (back: scripts/switch stock)"

uninstall:
	rm -rf /lib/modules/$(KVM_KERNEL_RELEASE)/$(INSTALL_DIR)
	depmod -a $(KVM_KERNEL_RELEASE)
	scripts/switch stock

# What DKMS needs to build; tests and the lab stay out.
DKMS_SOURCES := Makefile configure dkms.conf kmod include compat scripts/switch LICENSE
DKMS_TREE := /usr/src/$(PACKAGE)-$(VERSION)

dkms-install:
	@command -v dkms >/dev/null || { echo "dkms is missing: install it (Debian: apt install dkms)." >&2; exit 1; }
	! dkms status -m $(PACKAGE) -v $(VERSION) | grep -q . || \
		dkms remove -m $(PACKAGE) -v $(VERSION) --all
	rm -rf $(DKMS_TREE)
	mkdir -p $(DKMS_TREE)
	tar -c --exclude='*.o' --exclude='*.ko' --exclude='*.mod' --exclude='*.mod.c' \
		--exclude='.*.cmd' --exclude=Module.symvers --exclude=modules.order \
		$(DKMS_SOURCES) | tar -x --no-same-owner -C $(DKMS_TREE)
	dkms add -m $(PACKAGE) -v $(VERSION)
	dkms install -m $(PACKAGE) -v $(VERSION) $(if $(KREL),-k $(KREL))
	@echo "Installed. Load with: scripts/switch own   (back to stock for good: make dkms-remove)"

dkms-remove:
	dkms remove -m $(PACKAGE) -v $(VERSION) --all
	rm -rf $(DKMS_TREE)
	scripts/switch stock

check:
	@scripts/check

unit:
	$(MAKE) -C tests/unit check

test:
	@scripts/test $(if $(MINUTES),--minutes $(MINUTES))

demo:
	@scripts/demo $(if $(VENDOR),--vendor $(VENDOR)) $(if $(KERNEL),--kernel $(KERNEL)) \
		$(if $(STOCK),--stock)

bench:
	@scripts/bench $(if $(VENDOR),--vendor $(VENDOR)) $(if $(KERNEL),--kernel $(KERNEL))
	@$(if $(GUESTS),tests/qemu/measure $(if $(KERNEL),--kernel $(KERNEL)))

# Without configure's answer there is nothing kbuild could have made.
clean:
	find kmod compat \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' \
		-o -name '.*.cmd' -o -name '*.o.d' -o -name modules.order \
		-o -name Module.symvers -o -name '*.symversions' -o -name '.module-common.o' \) -delete
	rm -rf generated

help:
	@echo 'Build and install:'
	@echo '  make                 build kvm.ko, kvm-intel.ko, kvm-amd.ko in kmod/'
	@echo '                       (KDIR=DIR: for the kernel of these headers)'
	@echo '  make install         install them beside the stock modules, which stay'
	@echo '  make uninstall       remove them again and load the stock modules'
	@echo '  make dkms-install    hand them to DKMS (KREL=RELEASE: for that kernel)'
	@echo '  make dkms-remove     back to the stock modules'
	@echo '  scripts/switch       load own or stock modules, or say which are loaded'
	@echo 'Try:'
	@echo '  make demo            a guest larger than its host, under Debian'"'"'s QEMU'
	@echo '  make test            everything that must be green'
	@echo '  make bench           costs of ours and stock, side by side'
	@echo '                       (GUESTS=1: then those of whole guests under QEMU)'
	@echo 'Develop:'
	@echo '  make check           style, sparse, self-contained headers and other gates'
	@echo '  make unit            unit tests in userspace'
	@echo '  make clean           remove what was built and what configure found'
	@echo '  make KVM_SWAP_FAULT=n, make KVM_SWAP_STRICT=1,'
	@echo '  make KVM_SWAP_NOTIFIER=hooked                   builds for tests'
