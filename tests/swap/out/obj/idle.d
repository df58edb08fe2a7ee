out/obj/idle.o: idle.c actions.h swap.h ../abi/lib/vmm.h ../abi/lib/tap.h
actions.h:
swap.h:
../abi/lib/vmm.h:
../abi/lib/tap.h:
