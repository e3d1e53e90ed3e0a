#include "config.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <bsd/unistd.h>

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "process/proc.h"

struct proc_powers
proc_powers(void)
{
	struct proc_powers	 p;

	capng_get_caps_process();
	p.setid = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) &&
	    capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID);
	p.chroot = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_CHROOT);
	return p;
}

int
proc_user_find(const char *name, struct proc_user *user, bool *unknown,
    const char **why)
{
	struct passwd	*pw;

	errno = 0;
	pw = getpwnam(name);
	*unknown = pw == NULL;
	if (pw == NULL) {
		*why = errno != 0 && errno != ENOENT ? strerror(errno) :
		    "there is no such user";
		return -1;
	}
	if (pw->pw_uid == 0 || pw->pw_gid == 0) {
		*why = "root is no user to serve strangers as";
		return -1;
	}
	user->uid = pw->pw_uid;
	user->gid = pw->pw_gid;
	return 0;
}

int
proc_empty_dir(void)
{
	const char	*const places[] = { "/run", "/var/run", "/tmp" };
	char		 path[64];
	int		 fd = -1;

	for (size_t i = 0; i < 3 && fd == -1; i++) {
		snprintf(path, sizeof(path), "%s/sallyport.XXXXXX", places[i]);
		if (mkdtemp(path) == NULL)
			continue;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* Others must be able to enter what becomes their root. */
		if (fd != -1 && fchmod(fd, 0555) == -1) {
			close(fd);
			fd = -1;
		}
		if (rmdir(path) == -1 && fd != -1) {
			close(fd);
			fd = -1;
		}
	}
	return fd;
}

static void
drop_ids(const struct proc_user *user)
{
	if (user->uid == 0 || user->gid == 0)
		log_fatal(1, "refusing to serve as root");
	/* Each id can be given up only while the next is still ours. */
	if (setgroups(1, &user->gid) == -1 ||
	    setresgid(user->gid, user->gid, user->gid) == -1 ||
	    setresuid(user->uid, user->uid, user->uid) == -1)
		log_fatal(77, "cannot become user %u: %s",
		    (unsigned)user->uid, strerror(errno));
}

void
proc_drop(const struct proc_user *user, int dir)
{
#ifdef WITH_GCOV			/* what was run is written here */
	dir = -1;
#endif
	if (dir != -1 &&
	    (fchdir(dir) == -1 || chroot(".") == -1 || chdir("/") == -1))
		log_fatal(77, "cannot enter an empty root: %s",
		    strerror(errno));
	/* The bounding set needs CAP_SETPCAP, so it goes before the ids. */
	capng_clear(CAPNG_SELECT_BOUNDS);
	(void)capng_apply(CAPNG_SELECT_BOUNDS);
	if (user->change)
		drop_ids(user);
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		log_fatal(77, "cannot drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		log_fatal(1, "no_new_privs: %s", strerror(errno));
	if (user->change && (setresuid((uid_t)-1, 0, (uid_t)-1) != -1 ||
	    setresgid((gid_t)-1, 0, (gid_t)-1) != -1))
		log_fatal(1, "root came back");
}

void
proc_die_with(pid_t parent, int signo)
{
	if (prctl(PR_SET_PDEATHSIG, signo, 0, 0, 0) == -1)
		log_fatal(1, "PR_SET_PDEATHSIG: %s", strerror(errno));
	if (getppid() != parent)
		_exit(1);
}

static void
raise_limit(__rlimit_resource_t what)
{
	struct rlimit	 rl;

	if (getrlimit(what, &rl) == -1)
		return;
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(what, &rl);
}

int
proc_cpus(void)
{
	cpu_set_t	 cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) == -1 ? 1 :
	    CPU_COUNT(&cpus);
}

int
proc_descriptors(void)
{
	struct rlimit	 rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1 || rl.rlim_cur > INT32_MAX)
		return INT32_MAX;
	return (int)rl.rlim_cur;
}

void
proc_raise_limits(void)
{
	raise_limit(RLIMIT_NOFILE);
	raise_limit(RLIMIT_NPROC);
}

void
proc_title_init(int argc, char **argv, char **envp)
{
	setproctitle_init(argc, argv, envp);
}

void
proc_title(const char *fmt, ...)
{
	char	 text[256];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	setproctitle("%s", text);
}

int
proc_memfd(const char *name, size_t size)
{
	int	 fd, saved;

	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return -1;
	/* Without the seals, whoever shrinks it kills all who map it. */
	if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS,
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
proc_memfd_copy(const char *name, const void *data, size_t len)
{
	int	 fd, saved;

	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return -1;
	if (io_write_all(fd, data, len) == 0 && fcntl(fd, F_ADD_SEALS,
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
proc_memfd_readonly(int fd)
{
	char	 path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int
proc_self_open(void)
{
	char	 path[4096];
	ssize_t	 n;
	int	 fd = -1, high;

	/* The path first: under valgrind it is ours, the link is not. */
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n > 0) {
		path[n] = '\0';
		fd = open(path, O_PATH | O_CLOEXEC);
	}
	if (fd == -1)
		fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (fd == -1)
		return -1;
	/* Out of the way of the low numbers that children are given. */
	high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	close(fd);
	return high;
}
