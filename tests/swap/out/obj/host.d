out/obj/host.o: host.c swap.h ../abi/lib/vmm.h ../abi/lib/tap.h
swap.h:
../abi/lib/vmm.h:
../abi/lib/tap.h:
