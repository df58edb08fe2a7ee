out/obj/lib_apic.o: ../abi/lib/apic.c ../abi/lib/apic.h ../abi/lib/vmm.h \
 ../abi/lib/tap.h
../abi/lib/apic.h:
../abi/lib/vmm.h:
../abi/lib/tap.h:
