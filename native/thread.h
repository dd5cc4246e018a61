// What belongs to the process and its threads: CPUs, descriptor limits, wake-ups.
#ifndef ZP_THREAD_H
#define ZP_THREAD_H

#include <stddef.h>
#include <stdint.h>

// The most CPUs that a kernel can be built for; sets have to be as large as its own.
#define ZP_CPU_COUNT_MAX 8192

// Writes the CPUs that the calling thread may run on, in order. Returns how many or -errno.
int zp_thread_cpus(int cpus[ZP_CPU_COUNT_MAX]);

// Pins the calling thread to one CPU. 0 or -errno.
int zp_thread_pin(int cpu);

// Raises the soft limit of open descriptors to the hard one, or to the size of the owner table if
// that is less. Returns the soft limit or -errno.
int zp_thread_raise_file_limit(void);

// Open descriptors of this process, or -errno.
int zp_thread_open_files(void);

// A blocking eventfd (a ring reads it) with the value 0, or -errno.
int zp_thread_eventfd(void);

// Adds 1 to an eventfd. 0 or -errno.
int zp_thread_signal(int fd);

// Ends the process at once: no handler, no waiting for a thread that hangs in a write.
void zp_thread_exit(int status);

#endif
