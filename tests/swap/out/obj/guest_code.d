out/obj/guest_code.o: guest.S
