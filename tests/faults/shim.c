/* Stands between a process and libc's file calls, for one folder and all below it (LD_PRELOAD, Linux).
 *
 * FAULTS_FOLDER  the folder, as realpath names it.
 * FAULTS_LOG     a file that each change and each sync of that folder's files is appended to, in the order in which they
 *                returned. Others may append records of their own: the log is the clock of all.
 * FAULTS_STATE   a file of one `struct state`, mapped by all processes: which call is to fail, and how.
 *
 * What a file gets through a mapping or through stdio is not seen. faults/shim.py knows the records' form.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct state {
    int64_t calls;   /* that could have failed, since it was armed */
    int64_t fail_at; /* the number of the first to fail; 0: none does and none is counted */
    int32_t error;   /* its errno */
    int32_t lasting; /* whether all later ones fail too */
    int32_t partial; /* whether a write that fails first writes half */
    int32_t failed;  /* how many failed */
};

struct record { /* followed by `length` bytes: data, or a path, or two paths with a zero between */
    char kind;
    char pad[3];
    uint32_t length;
    uint64_t inode;
    int64_t offset;
};

static char folder[PATH_MAX];
static size_t folder_length;
static int log_file = -1;
static struct state *state;
static char state_path[PATH_MAX], log_path[PATH_MAX];

__attribute__((constructor)) static void begin(void) {
    const char *told = getenv("FAULTS_FOLDER");
    if (!told) return;
    folder_length = strlen(strncpy(folder, told, PATH_MAX - 1));
    if ((told = getenv("FAULTS_LOG"))) {
        strncpy(log_path, told, PATH_MAX - 1);
        log_file = syscall(SYS_openat, AT_FDCWD, told, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
        if (log_file >= 0) { /* out of the way of programs that close or count low descriptors */
            int high = syscall(SYS_fcntl, log_file, F_DUPFD_CLOEXEC, 900);
            if (high >= 0) {
                syscall(SYS_close, log_file);
                log_file = high;
            }
        }
    }
    if ((told = getenv("FAULTS_STATE"))) {
        strncpy(state_path, told, PATH_MAX - 1);
        int file = syscall(SYS_openat, AT_FDCWD, told, O_RDWR | O_CLOEXEC, 0);
        void *at = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        state = at == MAP_FAILED ? NULL : at;
        if (file >= 0) syscall(SYS_close, file);
    }
    if ((getenv("FAULTS_LOG") && log_file < 0) || (getenv("FAULTS_STATE") && !state)) {
        static const char words[] = "faults: the log or the state cannot be opened\n";
        syscall(SYS_write, 2, words, sizeof words - 1);
        _exit(99);
    }
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define KEEP_ERRNO(...) do { int kept = errno; __VA_ARGS__; errno = kept; } while (0)

static int below(const char *path) {
    return folder_length && !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

/* The path behind a descriptor that is a file or a folder below ours; 0: it is not. */
static int ours(int file, char *path, struct stat *found) {
    if (!folder_length || file < 0 || syscall(SYS_fstat, file, found)) return 0;
    if (!S_ISREG(found->st_mode) && !S_ISDIR(found->st_mode)) return 0;
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below(path);
}

/* The absolute form of a path argument, when it is below ours; 0: it is not. */
static int named(int at, const char *path, char *whole) {
    if (!folder_length || !path) return 0;
    if (path[0] == '/') return snprintf(whole, PATH_MAX, "%s", path) < PATH_MAX && below(whole);
    char base[PATH_MAX];
    if (at == AT_FDCWD) {
        if (syscall(SYS_getcwd, base, sizeof base) <= 0) return 0;
    } else {
        struct stat found;
        if (!ours(at, base, &found)) return 0;
    }
    return snprintf(whole, PATH_MAX, "%s/%s", base, path) < PATH_MAX && below(whole);
}

static void note(char kind, uint64_t inode, int64_t offset, const void *data, size_t length) {
    if (log_file < 0) return;
    struct record head = {kind, {0}, (uint32_t)length, inode, offset};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, length}};
    if (syscall(SYS_writev, log_file, parts, 2) != (long)(sizeof head + length)) {
        static const char words[] = "faults: the log cannot be written\n";
        syscall(SYS_write, 2, words, sizeof words - 1);
        _exit(99);
    }
}

static void note_names(char kind, const char *one, const char *other) {
    char both[2 * PATH_MAX];
    int length = snprintf(both, sizeof both, "%s", one);
    if (other) length += 1 + snprintf(both + length + 1, sizeof both - length - 1, "%s", other);
    note(kind, 0, 0, both, length);
}

/* Whether this call is to fail; errno says how. */
static int fails(void) {
    if (!state || !state->fail_at) return 0;
    int64_t number = __atomic_add_fetch(&state->calls, 1, __ATOMIC_SEQ_CST);
    if (number != state->fail_at && !(state->lasting && number > state->fail_at)) return 0;
    __atomic_add_fetch(&state->failed, 1, __ATOMIC_SEQ_CST);
    errno = state->error;
    return 1;
}

static int opened(int at, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    int changes = (flags & (O_CREAT | O_TRUNC)) && named(at, path, whole);
    if (changes && fails()) return -1;
    int was = changes && !syscall(SYS_faccessat, at, path, F_OK);
    int file = syscall(SYS_openat, at, path, flags, mode);
    if (file >= 0 && changes) {
        struct stat found;
        KEEP_ERRNO({
            if (!syscall(SYS_fstat, file, &found) && S_ISREG(found.st_mode)) {
                if (!was) note('C', found.st_ino, 0, whole, strlen(whole));
                else if (flags & O_TRUNC) note('T', found.st_ino, 0, NULL, 0);
            }
        });
    }
    return file;
}

#define MODE(last) mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list all; va_start(all, last); mode = va_arg(all, mode_t); va_end(all); }
int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return opened(at, path, flags | O_LARGEFILE, mode); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static FILE *stream(const char *path, const char *how, FILE *(*really)(const char *, const char *)) {
    char whole[PATH_MAX];
    int changes = how && (how[0] == 'w' || how[0] == 'a') && named(AT_FDCWD, path, whole);
    if (changes && fails()) return NULL;
    int was = changes && !syscall(SYS_faccessat, AT_FDCWD, path, F_OK);
    FILE *file = really(path, how);
    struct stat found;
    if (file && changes && !was) KEEP_ERRNO(if (!fstat(fileno(file), &found)) note('C', found.st_ino, 0, whole, strlen(whole)));
    return file;
}
FILE *fopen(const char *path, const char *how) { return stream(path, how, REAL(fopen)); }
FILE *fopen64(const char *path, const char *how) { return stream(path, how, REAL(fopen64)); }

/* One vector's bytes, at `offset`; -1: where the descriptor stands. */
static ssize_t put(int file, const struct iovec *parts, int count, off_t offset) {
    char path[PATH_MAX];
    struct stat found;
    int mine = ours(file, path, &found);
    size_t all = 0;
    for (int i = 0; i < count; i++) all += parts[i].iov_len;
    struct iovec half;
    if (mine && fails()) {
        if (!state->partial || all < 2) return -1;
        half = (struct iovec){parts[0].iov_base, parts[0].iov_len < all / 2 ? parts[0].iov_len : all / 2};
        parts = &half;
        count = 1;
    }
    ssize_t done = offset < 0 ? syscall(SYS_writev, file, parts, count)
                              : syscall(SYS_pwritev, file, parts, count, (long)offset, 0L);
    if (done <= 0 || !mine || log_file < 0) return done;
    KEEP_ERRNO({
        off_t from = offset < 0 ? syscall(SYS_lseek, file, 0, SEEK_CUR) - done : offset;
        char *data = malloc(done), *next = data;
        for (ssize_t i = 0, left = done; left > 0; i++) {
            size_t length = parts[i].iov_len < (size_t)left ? parts[i].iov_len : (size_t)left;
            memcpy(next, parts[i].iov_base, length);
            next += length;
            left -= length;
        }
        note('W', found.st_ino, from, data, done);
        free(data);
    });
    return done;
}

ssize_t write(int file, const void *data, size_t length) {
    return put(file, &(struct iovec){(void *)data, length}, 1, -1);
}
ssize_t pwrite(int file, const void *data, size_t length, off_t offset) {
    return put(file, &(struct iovec){(void *)data, length}, 1, offset);
}
ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset) { return pwrite(file, data, length, offset); }
ssize_t writev(int file, const struct iovec *parts, int count) { return put(file, parts, count, -1); }
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) { return put(file, parts, count, offset); }
ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t offset) { return put(file, parts, count, offset); }

/* What the kernel copied into a file, read back. */
static ssize_t copied(int file, ssize_t done) {
    char path[PATH_MAX], link[40];
    struct stat found;
    if (done > 0 && log_file >= 0 && ours(file, path, &found)) KEEP_ERRNO({
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        int again = syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
        off_t from = syscall(SYS_lseek, file, 0, SEEK_CUR) - done;
        char *data = malloc(done);
        if (again >= 0 && syscall(SYS_pread64, again, data, done, from) == done) note('W', found.st_ino, from, data, done);
        free(data);
        if (again >= 0) syscall(SYS_close, again);
    });
    return done;
}
static int copy_fails(int file) {
    char path[PATH_MAX];
    struct stat found;
    return ours(file, path, &found) && fails();
}
ssize_t sendfile(int out, int in, off_t *offset, size_t length) {
    return copy_fails(out) ? -1 : copied(out, syscall(SYS_sendfile, out, in, offset, length));
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t length) { return sendfile(out, in, offset, length); }
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
    if (copy_fails(out)) return -1;
    return copied(out, syscall(SYS_copy_file_range, in, from, out, to, length, flags));
}

/* A change of length: `kind` T sets it, F makes it at least so. */
static int resized(int file, char kind, off_t length, int (*really)(int, off_t)) {
    char path[PATH_MAX];
    struct stat found;
    int mine = ours(file, path, &found);
    if (mine && fails()) return -1;
    int done = really(file, length);
    if (!done && mine) KEEP_ERRNO(note(kind, found.st_ino, length, NULL, 0));
    return done;
}
int ftruncate(int file, off_t length) { return resized(file, 'T', length, REAL(ftruncate)); }
int ftruncate64(int file, off64_t length) { return resized(file, 'T', length, REAL(ftruncate)); }
int truncate(const char *path, off_t length) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    int done = ftruncate(file, length);
    KEEP_ERRNO(syscall(SYS_close, file));
    return done;
}
static int extend(int file, off_t length) { return syscall(SYS_fallocate, file, 0, 0L, (long)length) ? -1 : 0; }
int posix_fallocate(int file, off_t offset, off_t length) {
    char path[PATH_MAX];
    struct stat found;
    if (!ours(file, path, &found)) return REAL(posix_fallocate)(file, offset, length);
    return resized(file, 'F', offset + length, extend) ? errno : 0;
}
int posix_fallocate64(int file, off64_t offset, off64_t length) { return posix_fallocate(file, offset, length); }

/* S: a sync began; Z: it returned, and what was there when it began is kept. A folder's is told by its path. */
static int synced(int file, int how) {
    char path[PATH_MAX];
    struct stat found;
    int mine = ours(file, path, &found);
    if (mine && fails()) return -1;
    int whole = mine && S_ISDIR(found.st_mode);
    uint64_t name = mine ? found.st_ino : 0;
    if (mine) note('S', name, syscall(SYS_gettid), path, whole ? strlen(path) : 0);
    int done = syscall(how, file);
    if (!done && mine) KEEP_ERRNO(note('Z', name, syscall(SYS_gettid), path, whole ? strlen(path) : 0));
    return done;
}
int fsync(int file) { return synced(file, SYS_fsync); }
int fdatasync(int file) { return synced(file, SYS_fdatasync); }
int sync_file_range(int file, off64_t offset, off64_t length, unsigned flags) { return 0; } /* a hint: it keeps nothing */

static int renamed(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    char one[PATH_MAX], other[PATH_MAX];
    int mine = named(to_at, to, other);
    int both = named(from_at, from, one) && mine;
    if ((mine || both) && fails()) return -1;
    int done = syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    if (!done && both) KEEP_ERRNO(note_names('R', one, other));
    return done;
}
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return renamed(from_at, from, to_at, to, 0); }
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return renamed(from_at, from, to_at, to, flags);
}
static int linked(int from_at, const char *from, int to_at, const char *to, int flags) {
    char one[PATH_MAX], other[PATH_MAX];
    int mine = named(to_at, to, other);
    if (mine && fails()) return -1;
    int done = syscall(SYS_linkat, from_at, from, to_at, to, flags);
    if (!done && mine && named(from_at, from, one)) KEEP_ERRNO(note_names('L', one, other));
    return done;
}
int link(const char *from, const char *to) { return linked(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    return linked(from_at, from, to_at, to, flags);
}

static int removed(int at, const char *path, int flags) {
    char whole[PATH_MAX];
    int mine = named(at, path, whole), done = syscall(SYS_unlinkat, at, path, flags);
    if (!done && mine) KEEP_ERRNO(note_names(flags & AT_REMOVEDIR ? 'D' : 'U', whole, NULL));
    return done;
}
int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return removed(at, path, flags); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }

static int made(int at, const char *path, mode_t mode) {
    char whole[PATH_MAX];
    int mine = named(at, path, whole);
    if (mine && fails()) return -1;
    int done = syscall(SYS_mkdirat, at, path, mode);
    if (!done && mine) KEEP_ERRNO(note_names('M', whole, NULL));
    return done;
}
int mkdir(const char *path, mode_t mode) { return made(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return made(at, path, mode); }
