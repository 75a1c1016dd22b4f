// A worse disk below one process: counts what changes files below a folder, and at the n-th does something bad.
//
// Loaded with LD_PRELOAD. Reads (set by the test that loads it):
//   INTERPOSE_ROOT   folder whose files are watched, absolute and without links
//   INTERPOSE_TRACE  file that gets one line for each operation: number, name, bytes, path below the folder
//   INTERPOSE_AT     number of the operation (from 1) at which it happens; 0 or absent = never
//   INTERPOSE_DO     crash  the process ends before the operation
//                    power  bytes that were written and not synced are lost, of each file none, all or the newest write; then
//                           the process ends. Names stay: a file that was made or renamed is there.
//                    torn   a write is done in part, anything else in full; then the process ends
//                    short  a write is done in part and says so; anything else fails with EIO
//                    eio, enospc  the operation fails with this error and is not done
//                    lazy   from the start: no sync is done, and files are opened without direct and synced writes
//   INTERPOSE_FOR    how many operations in a row fail; absent = 1; 0 = all from the n-th on
//   INTERPOSE_LYING  set: a power cut takes everything that was written to what counts since the start, synced or not
//   INTERPOSE_PART   part of a torn or short write that is done, in thousandths; what of each file a power cut takes
//   INTERPOSE_ONLY   only paths below the folder that contain this text count
//   INTERPOSE_BUFFERED  set: files cannot be opened for direct access
//   INTERPOSE_KIND   only operations of this name count: open, write, sync, rename, remove, size, folder
//
// Operations are numbered in the order in which threads come: one number is one operation, not the same in each run.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum deed { NONE, CRASH, TORN, SHORT, EIO_, ENOSPC_, LAZY, POWER };

static char root[PATH_MAX];
static size_t root_bytes;
static const char *only, *kind;
static int is_buffered, is_lying;
static long at, row = 1, part = 500;
static enum deed deed;
static int trace = -1;
static atomic_long count;

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text && *text ? atol(text) : otherwise;
}

__attribute__((constructor)) static void begin(void) {
    static const char *deeds[] = {"", "crash", "torn", "short", "eio", "enospc", "lazy", "power"};
    const char *given = getenv("INTERPOSE_ROOT");
    if (!given) return;
    snprintf(root, sizeof root, "%s", given);
    root_bytes = strlen(root);
    is_buffered = getenv("INTERPOSE_BUFFERED") != NULL;
    is_lying = getenv("INTERPOSE_LYING") != NULL;
    only = getenv("INTERPOSE_ONLY");
    kind = getenv("INTERPOSE_KIND");
    at = number("INTERPOSE_AT", 0);
    row = number("INTERPOSE_FOR", 1);
    part = number("INTERPOSE_PART", 500);
    const char *what = getenv("INTERPOSE_DO");
    for (int i = 1; what && i < 8; i++)
        if (!strcmp(what, deeds[i])) deed = i;
    const char *path = getenv("INTERPOSE_TRACE");
    if (path) trace = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

// The path below the folder, or null if it is not there.
static const char *below(const char *path) {
    if (!root_bytes || strncmp(path, root, root_bytes)) return NULL;
    if (path[root_bytes] == 0) return path + root_bytes;
    return path[root_bytes] == '/' ? path + root_bytes + 1 : NULL;
}

static const char *below_fd(int fd, char *buffer) {
    char link[64];
    if (!root_bytes) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, buffer, PATH_MAX - 1);
    if (n <= 0) return NULL;
    buffer[n] = 0;
    return below(buffer);
}

static const char *below_at(int dir, const char *path, char *buffer) {
    if (!root_bytes) return NULL;
    if (path[0] == '/') return below(path);
    if (dir == AT_FDCWD) {
        if (!getcwd(buffer, PATH_MAX)) return NULL;
    } else {
        const char *in = below_fd(dir, buffer);
        if (!in) return NULL;
    }
    size_t used = strlen(buffer);
    snprintf(buffer + used, PATH_MAX - used, "/%s", path);
    return below(buffer);
}

static void end(void) { syscall(SYS_exit_group, 77); }

// What a write replaced, until the file is synced: newest first.
struct undo {
    struct undo *next;
    int fd;
    dev_t device;
    ino_t inode;
    off_t offset, size;
    size_t bytes;
    char old[];
};
static struct undo *undos;
static pthread_mutex_t undo_lock = PTHREAD_MUTEX_INITIALIZER;

// Notes what `bytes` at `offset` of a file replace; an offset below 0 is where the next write goes.
static void note(int fd, size_t bytes, off_t offset) {
    int flags = fcntl(fd, F_GETFL);
    struct stat file;
    if (deed != POWER || flags & O_DSYNC || fstat(fd, &file) || !S_ISREG(file.st_mode)) return;
    if (offset < 0) offset = flags & O_APPEND ? file.st_size : lseek(fd, 0, SEEK_CUR);
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    struct undo *undo = malloc(sizeof *undo + bytes);
    if (!undo) return;
    undo->fd = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC, 0);
    undo->device = file.st_dev, undo->inode = file.st_ino;
    undo->offset = offset, undo->size = file.st_size;
    ssize_t read = syscall(SYS_pread64, undo->fd, undo->old, bytes, offset);
    undo->bytes = read > 0 ? (size_t)read : 0;
    pthread_mutex_lock(&undo_lock);
    undo->next = undos;
    undos = undo;
    pthread_mutex_unlock(&undo_lock);
}

// The file was synced: what was written before stays.
static void forget(int fd) {
    struct stat file;
    if (deed != POWER || is_lying || fstat(fd, &file)) return;
    pthread_mutex_lock(&undo_lock);
    for (struct undo **at = &undos; *at;) {
        struct undo *undo = *at;
        if (undo->device != file.st_dev || undo->inode != file.st_ino) {
            at = &undo->next;
            continue;
        }
        *at = undo->next;
        syscall(SYS_close, undo->fd);
        free(undo);
    }
    pthread_mutex_unlock(&undo_lock);
}

// The power goes. The lock is kept, so that nobody writes or syncs any more.
static void lose(void) {
    pthread_mutex_lock(&undo_lock);
    for (struct undo *undo = undos; undo; undo = undo->next) {
        unsigned long fate = (undo->inode * 2654435761UL + (unsigned long)part * 40503UL) >> 7;
        if (is_lying) fate = 2;
        if (undo->inode == 0 || fate % 3 == 0) continue;
        syscall(SYS_pwrite64, undo->fd, undo->old, undo->bytes, undo->offset);
        syscall(SYS_ftruncate, undo->fd, undo->size);
        for (struct undo *older = undo->next; fate % 3 == 1 && older; older = older->next)
            if (older->inode == undo->inode) older->inode = 0;
    }
    end();
}

// Counts one operation. Gives what is to be done to it; a crash happens here.
static enum deed meet(const char *name, const char *path, size_t bytes) {
    if (!path || deed == LAZY) return NONE;
    if (only && !strstr(path, only)) return NONE;
    if (kind && strcmp(kind, name)) return NONE;
    long n = atomic_fetch_add(&count, 1) + 1;
    if (trace >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%ld %s %zu %s\n", n, name, bytes, path);
        syscall(SYS_write, trace, line, (size_t)length);
    }
    if (!at || n < at || (row && n >= at + row)) return NONE;
    if (deed == CRASH) end();
    if (deed == POWER) lose();
    return deed;
}

// How much of a write is done. Direct writes are whole sectors.
static size_t portion(int fd, size_t bytes) {
    size_t done = bytes * (size_t)part / 1000;
    if (fcntl(fd, F_GETFL) & O_DIRECT) done -= done % 512;
    return done < bytes ? done : 0;
}

static int fails(enum deed what) {
    errno = what == ENOSPC_ ? ENOSPC : EIO;
    return -1;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static ssize_t meddle(int fd, const void *bytes, size_t size, off_t offset, int has_offset, int *is_met) {
    char buffer[PATH_MAX];
    enum deed what = meet("write", below_fd(fd, buffer), size);
    *is_met = what != NONE;
    const char *path = what == NONE ? below_fd(fd, buffer) : NULL;
    if (path && !(is_lying && only && !strstr(path, only))) note(fd, size, has_offset ? offset : -1);
    if (what == NONE) return 0;
    if (what == TORN || what == SHORT) {
        size_t done = portion(fd, size);
        ssize_t written = 0;
        if (done)
            written = has_offset ? syscall(SYS_pwrite64, fd, bytes, done, offset) : syscall(SYS_write, fd, bytes, done);
        if (what == TORN) end();
        if (written > 0) return written;
    }
    return fails(what);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    REAL(write);
    int is_met = 0;
    ssize_t done = fd > 2 ? meddle(fd, bytes, size, 0, 0, &is_met) : 0;
    return is_met ? done : real(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    REAL(pwrite);
    int is_met = 0;
    ssize_t done = meddle(fd, bytes, size, offset, 1, &is_met);
    return is_met ? done : real(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    REAL(pwrite64);
    int is_met = 0;
    ssize_t done = meddle(fd, bytes, size, offset, 1, &is_met);
    return is_met ? done : real(fd, bytes, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    REAL(writev);
    size_t size = 0;
    for (int i = 0; i < n; i++) size += parts[i].iov_len;
    int is_met = 0;
    ssize_t done = fd > 2 && n > 0 ? meddle(fd, parts[0].iov_base, parts[0].iov_len, 0, 0, &is_met) : 0;
    (void)size;
    return is_met ? done : real(fd, parts, n);
}

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t size, unsigned flags) {
    REAL(copy_file_range);
    char buffer[PATH_MAX];
    enum deed what = meet("write", below_fd(out, buffer), size);
    if (what == TORN) real(in, in_at, out, out_at, size * (size_t)part / 1000, flags), end();
    if (what != NONE) return fails(what);
    return real(in, in_at, out, out_at, size, flags);
}

// Everything that is not a write: done or not, in full.
#define WHOLE(name, path, call) \
    do { \
        enum deed what = meet(name, path, 0); \
        if (what == TORN) { (void)call; end(); } \
        if (what != NONE) return fails(what); \
        return call; \
    } while (0)

static int sync_any(int fd, int (*real)(int)) {
    char buffer[PATH_MAX];
    const char *path = below_fd(fd, buffer);
    if (deed == LAZY && path) return 0;
    WHOLE("sync", path, (forget(fd), real(fd)));
}

int fsync(int fd) {
    REAL(fsync);
    return sync_any(fd, real);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return sync_any(fd, real);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    char buffer[PATH_MAX];
    WHOLE("rename", below_at(AT_FDCWD, to, buffer), real(from, to));
}

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    REAL(renameat);
    char buffer[PATH_MAX];
    WHOLE("rename", below_at(to_dir, to, buffer), real(from_dir, from, to_dir, to));
}

int link(const char *from, const char *to) {
    REAL(link);
    char buffer[PATH_MAX];
    WHOLE("rename", below_at(AT_FDCWD, to, buffer), real(from, to));
}

int unlink(const char *path) {
    REAL(unlink);
    char buffer[PATH_MAX];
    WHOLE("remove", below_at(AT_FDCWD, path, buffer), real(path));
}

int rmdir(const char *path) {
    REAL(rmdir);
    char buffer[PATH_MAX];
    WHOLE("remove", below_at(AT_FDCWD, path, buffer), real(path));
}

int unlinkat(int dir, const char *path, int flags) {
    REAL(unlinkat);
    char buffer[PATH_MAX];
    WHOLE("remove", below_at(dir, path, buffer), real(dir, path, flags));
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    char buffer[PATH_MAX];
    struct stat known;
    if (!stat(path, &known)) return real(path, mode);
    WHOLE("folder", below_at(AT_FDCWD, path, buffer), real(path, mode));
}

int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    char buffer[PATH_MAX];
    WHOLE("size", below_fd(fd, buffer), real(fd, size));
}

int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    char buffer[PATH_MAX];
    WHOLE("size", below_fd(fd, buffer), real(fd, size));
}

int fallocate(int fd, int mode, off_t offset, off_t size) {
    REAL(fallocate);
    char buffer[PATH_MAX];
    WHOLE("size", below_fd(fd, buffer), real(fd, mode, offset, size));
}

int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
    REAL(fallocate64);
    char buffer[PATH_MAX];
    WHOLE("size", below_fd(fd, buffer), real(fd, mode, offset, size));
}

// Opening counts if it makes a file or cuts one.
static int open_any(int dir, const char *path, int flags, mode_t mode) {
    char buffer[PATH_MAX];
    const char *name = below_at(dir, path, buffer);
    if (deed == LAZY && name) flags &= ~(O_DIRECT | O_SYNC | O_DSYNC);
    if (is_buffered && name && (flags & O_DIRECT)) {
        errno = EINVAL;
        return -1;
    }
    struct stat known;
    int is_new = (flags & O_CREAT) && fstatat(dir, path, &known, 0);
    if (name && (is_new || (flags & O_TRUNC)))
        WHOLE("open", name, (int)syscall(SYS_openat, dir, path, flags, mode));
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

#define MODE() \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) { MODE(); return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(); return open_any(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(); return open_any(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(); return open_any(dir, path, flags, mode); }
