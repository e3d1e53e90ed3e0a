/*
 * fuzz.h - what every fuzz target is: one function that is given bytes.
 *
 * It returns 0, and aborts when a property does not hold.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
