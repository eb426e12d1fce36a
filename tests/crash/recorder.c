/* Writes down what a process does to one database, says, and sends, in the order in which it does it.
 *
 * Preloaded (LD_PRELOAD) into a command. RECORDED names the database: noted are opens, writes, truncates, syncs, unlinks
 * and renames of it and of the files beside it whose names begin with its own (with or without a dot before it), syncs of
 * their folder, writes to stdout and stderr, and what is sent with a deviceId in it. RECORDING is the file to append to.
 * What must not seem to come too early is noted once it is done (a sync, an unlink); all else before it is done.
 * recording.py reads it. Not noted: locks, control sockets and shared memory, which nobody needs after a power cut. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FILES 4096
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

struct head { uint32_t kind, fd; uint64_t at; uint32_t name, data; };
enum { NOTHING, FILE_, FOLDER };

static char ours[MOST_FILES], folder[PATH_MAX], base[PATH_MAX];
static int out = -1;
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("RECORDED"), *to = getenv("RECORDING");
    if (!path || !to) return;
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash) return;
    snprintf(base, sizeof base, "%s", slash + 1);
    *slash = 0;
    out = REAL(open)(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(char kind, int fd, uint64_t at, const char *name, const struct iovec *parts, int count) {
    struct head head = {kind, fd, at, name ? strlen(name) : 0, 0};
    struct iovec all[count + 2];
    all[0] = (struct iovec){&head, sizeof head};
    all[1] = (struct iovec){(void *)name, head.name};
    for (int i = 0; i < count; i++) head.data += (all[i + 2] = parts[i]).iov_len;
    pthread_mutex_lock(&one);
    if (REAL(writev)(out, all, count + 2) != (ssize_t)(sizeof head + head.name + head.data)) abort();
    pthread_mutex_unlock(&one);
}

static void note1(char kind, int fd, uint64_t at, const char *name, const void *data, size_t size) {
    struct iovec part = {(void *)data, size};
    note(kind, fd, at, name, &part, 1);
}

/* Return the name within the folder, NULL if the path is none of ours; "" is the folder itself. */
static const char *own(const char *path) {
    static __thread char whole[2 * PATH_MAX];
    static const char *left_out[] = {".lock", ".ctl", "-shm"};
    if (out < 0 || !path) return NULL;
    char here[PATH_MAX] = "";
    if (*path != '/' && !getcwd(here, sizeof here)) return NULL;
    snprintf(whole, sizeof whole, "%s%s%s", here, *path == '/' ? "" : "/", path);
    size_t size = strlen(folder);
    if (strncmp(whole, folder, size)) return NULL;
    if (!whole[size] || !strcmp(whole + size, "/")) return "";
    if (whole[size] != '/') return NULL;
    const char *name = whole + size + 1, *rest = name + (*name == '.');
    if (strchr(name, '/') || strncmp(rest, base, strlen(base))) return NULL;
    for (int i = 0; i < 3; i++) if (!strcmp(rest + strlen(base), left_out[i])) return NULL;
    return name;
}

static int opened(int fd, const char *path, int flags) {
    if (fd < 0 || fd >= MOST_FILES) return fd;
    const char *name = own(path);
    struct stat found;
    ours[fd] = !name || fstat(fd, &found) ? NOTHING : S_ISDIR(found.st_mode) ? FOLDER : S_ISREG(found.st_mode) ? FILE_ : NOTHING;
    if (ours[fd]) note1('O', fd, flags & O_TRUNC ? 1 : 0, name, "", 0);
    return fd;
}

static int is(int fd, int what) { return out >= 0 && fd >= 0 && fd < MOST_FILES && ours[fd] == what; }

#define OPEN(name, before, given, real) \
    int name(before const char *path, int flags, ...) { \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        return opened(((int (*)(given const char *, int, ...))dlsym(RTLD_NEXT, #name))(real path, flags, mode), path, flags); \
    }
#define COMMA ,
OPEN(open, , , )
OPEN(open64, , , )
OPEN(openat, int at COMMA, int COMMA, at COMMA)
OPEN(openat64, int at COMMA, int COMMA, at COMMA)
int __open_2(const char *path, int flags) { return open(path, flags, 0); }
int __open64_2(const char *path, int flags) { return open64(path, flags, 0); }

int close(int fd) {
    if (fd >= 0 && fd < MOST_FILES) ours[fd] = NOTHING;
    return REAL(close)(fd);
}

/* Note what is written: to a file of ours where, to the streams what is told, to anything else if it is a call. */
static void written(int fd, int64_t at, const struct iovec *parts, int count) {
    if (out < 0 || fd == out) return;
    if (is(fd, FILE_)) {
        if (at < 0) at = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
        note('W', fd, at, NULL, parts, count);
    } else if (fd == 1 || fd == 2) {
        note('T', fd, 0, NULL, parts, count);
    } else {
        for (int i = 0; i < count; i++)
            if (parts[i].iov_len && memmem(parts[i].iov_base, parts[i].iov_len, "\"deviceId\"", 10)) {
                note('C', fd, 0, NULL, parts, count);
                return;
            }
    }
}

static void written1(int fd, int64_t at, const void *data, size_t size) {
    struct iovec part = {(void *)data, size};
    written(fd, at, &part, 1);
}

ssize_t write(int fd, const void *data, size_t size) { written1(fd, -1, data, size); return REAL(write)(fd, data, size); }
ssize_t writev(int fd, const struct iovec *parts, int count) { written(fd, -1, parts, count); return REAL(writev)(fd, parts, count); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { written1(fd, at, data, size); return REAL(pwrite)(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { written1(fd, at, data, size); return REAL(pwrite64)(fd, data, size, at); }
ssize_t send(int fd, const void *data, size_t size, int flags) { written1(fd, -1, data, size); return REAL(send)(fd, data, size, flags); }
ssize_t sendmsg(int fd, const struct msghdr *what, int flags) { written(fd, -1, what->msg_iov, what->msg_iovlen); return REAL(sendmsg)(fd, what, flags); }

int ftruncate(int fd, off_t size) { if (is(fd, FILE_)) note1('Z', fd, size, NULL, "", 0); return REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { if (is(fd, FILE_)) note1('Z', fd, size, NULL, "", 0); return REAL(ftruncate64)(fd, size); }

static int synced(int fd, int result) {
    if (!result && (is(fd, FILE_) || is(fd, FOLDER))) note1('S', fd, 0, NULL, "", 0);
    return result;
}
int fsync(int fd) { return synced(fd, REAL(fsync)(fd)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)(fd)); }

int unlink(const char *path) {
    const char *name = own(path);
    int result = REAL(unlink)(path);
    if (name && !result) note1('U', 0, 0, name, "", 0);
    return result;
}
int rename(const char *path, const char *to) {
    char from[NAME_MAX + 1] = "";
    const char *name = own(path);
    if (name) snprintf(from, sizeof from, "%s", name);
    const char *now = own(to);
    int result = REAL(rename)(path, to);
    if (!result && name && now) note1('R', 0, 0, from, now, strlen(now));
    return result;
}
