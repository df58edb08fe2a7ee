out/obj/aging.o: aging.c ../abi/lib/vmm.h ../abi/lib/tap.h
../abi/lib/vmm.h:
../abi/lib/tap.h:
