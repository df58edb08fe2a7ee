// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random inputs for the fuzz target where there is no libFuzzer; takes its
 * -runs= and -seed=.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int main(int argc, char **argv)
{
	unsigned long runs = 100000, seed = 1, i, j;
	unsigned char data[192];

	for (i = 1; i < (unsigned long)argc; i++) {
		if (!strncmp(argv[i], "-runs=", 6))
			runs = strtoul(argv[i] + 6, NULL, 0);
		else if (!strncmp(argv[i], "-seed=", 6))
			seed = strtoul(argv[i] + 6, NULL, 0);
	}
	for (i = 0; i < runs; i++) {
		srandom(seed + i);
		for (j = 0; j < sizeof(data); j++)
			data[j] = random() >> 8;
		LLVMFuzzerTestOneInput(data, random() % sizeof(data));
	}
	fprintf(stderr, "%lu runs from seed %lu\n", runs, seed);
	return 0;
}
