// Preloaded into a process: notes its calls that write below one folder, or lets one of them fail, or be the last.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DIES = 1000, HALF = 1001, POWER = 1002, FILES = 4096 };  // beside the numbers of errors

static char root[1024];
static long calls, at;  // 0 notes all
static int kind, repeats;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { dev_t device; ino_t inode; int handle; off_t size; } dirty[FILES];  // written since they were flushed
static int files;

#define NEXT(type, name, ...) static type (*name##_)(__VA_ARGS__); if (!name##_) name##_ = dlsym(RTLD_NEXT, #name)

void faults_arm(const char *folder, long call, int what, int again) {
    snprintf(root, sizeof root, "%s", folder);
    calls = 0, at = call, kind = what, repeats = again, files = 0;
}

static void die(void) {
    for (int i = 0; i < files; i++)  // the power is gone: what was not flushed is lost
        if (ftruncate(dirty[i].handle, dirty[i].size)) {}
    _exit(99);
}

static void note(const char *name, const char *path) {
    char line[PATH_MAX + 2048];
    snprintf(line, sizeof line, "%s/log.fault", root);
    int file = (int)syscall(SYS_openat, AT_FDCWD, line, O_WRONLY | O_CREAT | O_APPEND, 0644);
    snprintf(line, sizeof line, "%s %s\n", name, path + strlen(root));
    if (syscall(SYS_write, file, line, strlen(line)) < 0 || close(file)) {}
}

static int outside(const char *path) {
    return !root[0] || strncmp(path, root, strlen(root)) || !strncmp(path + strlen(root), "/log", 4);
}

// Whether this call is to fail. It does not return where it is the last; HALF asks for a half write first.
static int fails(const char *name, const char *path) {
    if (outside(path)) return 0;
    pthread_mutex_lock(&lock);
    long number = ++calls;
    pthread_mutex_unlock(&lock);
    if (!at) note(name, path);
    if (at < 1 || number < at || (number > at && !repeats)) return 0;
    if (number == at) note(name, path);
    if (kind == HALF && strstr(name, "write")) return HALF;
    if (kind >= DIES) die();
    errno = kind;
    return kind;
}

static const char *absolute(int at_fd, const char *path, char *out) {
    char base[PATH_MAX / 2];
    if (path[0] == '/') return path;
    if (at_fd == AT_FDCWD) { if (!getcwd(base, sizeof base)) return path; }
    else { char link[64]; snprintf(link, sizeof link, "/proc/self/fd/%d", at_fd);
        ssize_t n = readlink(link, base, sizeof base - 1); if (n < 0) return path; base[n] = 0; }
    snprintf(out, PATH_MAX, "%s/%s", base, path);
    return out;
}

static const char *opened(int fd, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    out[n < 0 ? 0 : n] = 0;
    return out;
}

static void written(int fd, int flushed) {
    struct stat s;
    char link[64], path[PATH_MAX];
    if (kind != POWER || outside(opened(fd, path)) || fstat(fd, &s) || !S_ISREG(s.st_mode)) return;
    pthread_mutex_lock(&lock);
    int i = 0;
    while (i < files && (dirty[i].inode != s.st_ino || dirty[i].device != s.st_dev)) i++;
    if (flushed && i < files) { close(dirty[i].handle); dirty[i] = dirty[--files]; }
    else if (!flushed && i == files && files < FILES) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        int handle = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR);
        if (handle >= 0) { dirty[files].device = s.st_dev; dirty[files].inode = s.st_ino; dirty[files].size = s.st_size; dirty[files++].handle = handle; }
    }
    pthread_mutex_unlock(&lock);
}

static int opens(int at_fd, const char *path, int flags) {
    char out[PATH_MAX];
    return (flags & (O_CREAT | O_WRONLY | O_RDWR)) && (flags & O_TMPFILE) != O_TMPFILE && fails("open", absolute(at_fd, path, out));
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        NEXT(int, name, const char *, int, ...); \
        va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest); \
        return opens(AT_FDCWD, path, flags) ? -1 : name##_(path, flags, mode); }
#define OPENAT(name) \
    int name(int fd, const char *path, int flags, ...) { \
        NEXT(int, name, int, const char *, int, ...); \
        va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest); \
        return opens(fd, path, flags) ? -1 : name##_(fd, path, flags, mode); }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t size) {
    NEXT(ssize_t, write, int, const void *, size_t);
    char out[PATH_MAX];
    int what = fails("write", opened(fd, out));
    if (what == HALF) { if (write_(fd, data, size / 2)) {} die(); }
    if (what) return -1;
    written(fd, 0);
    return write_(fd, data, size);
}

#define PWRITE(name, offset) \
    ssize_t name(int fd, const void *data, size_t size, offset where) { \
        NEXT(ssize_t, name, int, const void *, size_t, offset); \
        char out[PATH_MAX]; \
        int what = fails("pwrite", opened(fd, out)); \
        if (what == HALF) { if (name##_(fd, data, size / 2, where)) {} die(); } \
        if (what) return -1; \
        written(fd, 0); \
        return name##_(fd, data, size, where); }
PWRITE(pwrite, off_t) PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    NEXT(ssize_t, writev, int, const struct iovec *, int);
    char out[PATH_MAX];
    if (fails("writev", opened(fd, out))) { if (kind == HALF) die(); return -1; }
    written(fd, 0);
    return writev_(fd, parts, count);
}

#define ON_FILE(name) \
    int name(int fd) { \
        NEXT(int, name, int); \
        char out[PATH_MAX]; \
        if (fails(#name, opened(fd, out))) return -1; \
        int done = name##_(fd); \
        if (!done) written(fd, 1); \
        return done; }
ON_FILE(fsync) ON_FILE(fdatasync)

#define TRUNCATE(name, offset) \
    int name(int fd, offset size) { \
        NEXT(int, name, int, offset); \
        char out[PATH_MAX]; \
        if (fails("truncate", opened(fd, out))) return -1; \
        written(fd, 0); \
        return name##_(fd, size); }
TRUNCATE(ftruncate, off_t) TRUNCATE(ftruncate64, off64_t)

int mkdir(const char *path, mode_t mode) {
    NEXT(int, mkdir, const char *, mode_t);
    char out[PATH_MAX];
    if (fails("mkdir", absolute(AT_FDCWD, path, out))) return -1;
    return mkdir_(path, mode);
}

int rename(const char *from, const char *to) {
    NEXT(int, rename, const char *, const char *);
    char out[PATH_MAX];
    if (fails("rename", absolute(AT_FDCWD, to, out))) return -1;
    return rename_(from, to);
}

int renameat(int a, const char *from, int b, const char *to) {
    NEXT(int, renameat, int, const char *, int, const char *);
    char out[PATH_MAX];
    if (fails("rename", absolute(b, to, out))) return -1;
    return renameat_(a, from, b, to);
}
