/* x86_avx2.c - nothing is overlaid yet: the scalar kernels stand. */
#include "quant/kernel/kernel.h"

void kernels_avx2(struct kernels *k) { (void)k; }
