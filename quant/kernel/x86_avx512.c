/* x86_avx512.c - nothing is overlaid yet: the scalar kernels stand. */
#include "quant/kernel/kernel.h"

void kernels_avx512(struct kernels *k) { (void)k; }
