out/obj/guest.o: guest.c swap.h ../abi/lib/vmm.h ../abi/lib/tap.h
swap.h:
../abi/lib/vmm.h:
../abi/lib/tap.h:
