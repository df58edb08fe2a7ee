out/obj/discard.o: discard.c actions.h swap.h ../abi/lib/vmm.h \
 ../abi/lib/tap.h
actions.h:
swap.h:
../abi/lib/vmm.h:
../abi/lib/tap.h:
