out/obj/lib_tap.o: ../abi/lib/tap.c ../abi/lib/tap.h
../abi/lib/tap.h:
