out/obj/lib_thread.o: ../abi/lib/thread.c ../abi/lib/vmm.h \
 ../abi/lib/tap.h
../abi/lib/vmm.h:
../abi/lib/tap.h:
