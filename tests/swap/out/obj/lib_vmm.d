out/obj/lib_vmm.o: ../abi/lib/vmm.c ../abi/lib/vmm.h ../abi/lib/tap.h
../abi/lib/vmm.h:
../abi/lib/tap.h:
