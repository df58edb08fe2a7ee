out/obj/lib_mode.o: ../abi/lib/mode.c ../abi/lib/vmm.h ../abi/lib/tap.h
../abi/lib/vmm.h:
../abi/lib/tap.h:
