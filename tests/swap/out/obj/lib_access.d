out/obj/lib_access.o: ../abi/lib/access.c ../abi/lib/vmm.h \
 ../abi/lib/tap.h
../abi/lib/vmm.h:
../abi/lib/tap.h:
