// What the kernel offers, found out once at start.
#ifndef ZP_PROBE_H
#define ZP_PROBE_H

// Sentences for the operator, both empty when everything is there.
struct zp_probe {
    char cause[192];
    char remedy[192];
};

// Whether this process can open a ring with everything zproxy needs: 0, or -errno and the
// sentences.
int zp_probe_kernel(struct zp_probe *probe);

#endif
