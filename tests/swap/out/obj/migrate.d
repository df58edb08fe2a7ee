out/obj/migrate.o: migrate.c actions.h swap.h ../abi/lib/vmm.h \
 ../abi/lib/tap.h
actions.h:
swap.h:
../abi/lib/vmm.h:
../abi/lib/tap.h:
