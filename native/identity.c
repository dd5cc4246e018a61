#define _GNU_SOURCE
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>

// Room for one record. A group with thousands of members needs more and is -ERANGE.
#define RECORD_BYTES 65536

// The look-ups say "no such name" in several ways (getpwnam_r(3)).
static int64_t result_of(int error, const void *found, int64_t id)
{
    if (found != NULL) return id;
    return error == 0 || error == ESRCH || error == EBADF || error == EPERM ? -ENOENT : -error;
}

static int64_t look_up_user(const char *name, bool group)
{
    struct passwd record = { 0 };
    struct passwd *found = NULL;
    char memory[RECORD_BYTES];
    int error = getpwnam_r(name, &record, memory, sizeof memory, &found);
    return result_of(error, found, group ? record.pw_gid : record.pw_uid);
}

int64_t zp_identity_user(const char *name)
{
    return look_up_user(name, false);
}

int64_t zp_identity_user_group(const char *name)
{
    return look_up_user(name, true);
}

int64_t zp_identity_group(const char *name)
{
    struct group record = { 0 };
    struct group *found = NULL;
    char memory[RECORD_BYTES];
    int error = getgrnam_r(name, &record, memory, sizeof memory, &found);
    return result_of(error, found, record.gr_gid);
}
