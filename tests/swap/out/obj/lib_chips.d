out/obj/lib_chips.o: ../abi/lib/chips.c ../abi/lib/chips.h \
 ../abi/lib/vmm.h ../abi/lib/tap.h
../abi/lib/chips.h:
../abi/lib/vmm.h:
../abi/lib/tap.h:
