# SPDX-License-Identifier: GPL-2.0-only
# The guest with a hot quarter; `make -f aging.mk O=DIR` builds it into DIR.

MAKEFLAGS += --no-builtin-rules
O ?= out
CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
CFLAGS ?= -O2 -g0
CFLAGS_ALL := -std=gnu11 -Wall -Wextra -Wno-unused-parameter \
	-fno-pie -fno-strict-aliasing -pthread -I../abi/lib -MMD -MP $(CFLAGS)
LDFLAGS_ALL := -static -no-pie -pthread -s $(LDFLAGS)

OBJECTS := $(O)/obj/aging.o \
	$(patsubst ../abi/lib/%.c,$(O)/obj/lib_%.o,$(wildcard ../abi/lib/*.c))

all: $(O)/aging

$(O)/obj:
	mkdir -p $@

$(O)/obj/%.o: %.c | $(O)/obj
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(O)/obj/lib_%.o: ../abi/lib/%.c | $(O)/obj
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(O)/aging: $(OBJECTS)
	$(CC) $(LDFLAGS_ALL) -o $@ $^

.PHONY: all
.SECONDARY:
-include $(wildcard $(O)/obj/*.d)
