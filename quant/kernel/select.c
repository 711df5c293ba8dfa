/* select.c - the only file that knows which ISA is better than which. */
#include "quant/kernel/kernel.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>

/* Not every compiler's __builtin_cpu_supports knows the name. */
static int has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

unsigned isa_detect(void)
{
    unsigned isa = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && has_f16c())
        isa |= ISA_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        isa |= ISA_AVX512;
#elif defined(__aarch64__)
    isa |= ISA_NEON;
#endif
    return isa;
}

unsigned isa_mask(const char *name)
{
    if (strcmp(name, "scalar") == 0)
        return 0;
    return strcmp(name, "avx2") == 0 ? (unsigned)ISA_AVX2 : ~0u;
}

const char *isa_name(unsigned mask)
{
    return mask & ISA_AVX512 ? "avx512"
           : mask & ISA_AVX2 ? "avx2"
           : mask & ISA_NEON ? "neon"
                             : "scalar";
}

struct kernels kernels_for(unsigned isa)
{
    struct kernels k;
    kernels_scalar(&k);
    if (isa & ISA_AVX2)
        kernels_avx2(&k);
    if (isa & ISA_AVX512)
        kernels_avx512(&k);
    if (isa & ISA_NEON)
        kernels_neon(&k);
    return k;
}
