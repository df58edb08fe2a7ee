# SPDX-License-Identifier: GPL-2.0-only
# What the folders share that build static programs on the library of tests/abi:
# `include ../program.mk`, then link from $(O)/obj/NAME.o and $(LIB_OBJECTS).

MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all
O ?= out
CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
CFLAGS ?= -O2 -g0
CFLAGS_ALL := -std=gnu11 -Wall -Wextra -Wno-unused-parameter -fno-pie \
	-fno-strict-aliasing -pthread -I../abi/lib -I. -MMD -MP $(CFLAGS)
LDFLAGS_ALL := -static -no-pie -pthread -s $(LDFLAGS)

LIB_OBJECTS := $(patsubst ../abi/lib/%.c,$(O)/obj/lib_%.o,$(wildcard ../abi/lib/*.c))

$(O)/obj:
	mkdir -p $@

$(O)/obj/%.o: %.c | $(O)/obj
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(O)/obj/lib_%.o: ../abi/lib/%.c | $(O)/obj
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

# The runner of the ABI tests serves any folder with TAP programs.
$(O)/run: ../abi/run | $(O)/obj
	cp $< $@

clean:
	rm -rf $(O)

.PHONY: all clean
.SECONDARY:
-include $(wildcard $(O)/obj/*.d)
