out/obj/share.o: share.c actions.h swap.h ../abi/lib/vmm.h \
 ../abi/lib/tap.h
actions.h:
swap.h:
../abi/lib/vmm.h:
../abi/lib/tap.h:
