// Users and groups by name, as the system knows them. Numbers >= 0, -ENOENT for a name that nobody
// has, or another -errno.
#ifndef ZP_IDENTITY_H
#define ZP_IDENTITY_H

#include <stdint.h>

// The id of a user.
int64_t zp_identity_user(const char *name);

// The id of the group that a user belongs to first.
int64_t zp_identity_user_group(const char *name);

// The id of a group.
int64_t zp_identity_group(const char *name);

#endif
