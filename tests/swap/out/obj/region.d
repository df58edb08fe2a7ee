out/obj/region.o: region.c swap.h ../abi/lib/vmm.h ../abi/lib/tap.h
swap.h:
../abi/lib/vmm.h:
../abi/lib/tap.h:
