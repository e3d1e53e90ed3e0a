#include "config.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <seccomp.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "policy/conf_tunnel.h"
#include "process/channel.h"
#include "process/sandbox.h"

/* Which must look at itself, or write what was run. */
#if defined(WITH_SANITIZER) || defined(WITH_GCOV)

struct sandbox {
	char	 none;
};

void
sandbox_enter(unsigned int role, const struct conf *conf, const char *pool)
{
	(void)role;
	(void)conf;
	(void)pool;
}

struct sandbox *
sandbox_worker_new(const struct conf *conf)
{
	(void)conf;
	return NULL;
}

void
sandbox_worker_enter(const struct sandbox *sb)
{
	(void)sb;
}

const char *
sandbox_text(const struct conf *conf)
{
	(void)conf;
	return "nothing, as built to find mistakes";
}

#else

/* --- system calls */

struct sandbox {
	struct sock_fprog	 program;	/* len 0: none */
};

/* A name that this architecture does not have is no call of it. */
static const char *const	 always[] = {
	"read", "readv", "write", "writev", "close", "dup", "dup2", "dup3",
	"fcntl", "pread64", "pwrite64", "recvfrom", "recvmsg", "sendto",
	"sendmsg", "shutdown", "poll", "ppoll", "epoll_create1", "epoll_ctl",
	"epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2", "pipe2",
	"splice", "tee", "clock_gettime", "clock_nanosleep", "nanosleep",
	"gettimeofday", "time", "setitimer", "timer_create", "timer_settime",
	"timer_delete", "timer_gettime", "timer_getoverrun", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack",
	"restart_syscall", "exit", "exit_group", "brk", "munmap", "mremap",
	"madvise", "mlock", "mlock2", "munlock", "futex", "rseq",
	"set_robust_list", "membarrier", "sched_yield", "sched_getaffinity",
	"getrandom", "getpid", "gettid", "getppid", "getuid", "geteuid",
	"getgid", "getegid", "getrusage", "sysinfo", "uname", "fstat", "lseek",
	"prlimit64", "socketpair", "getsockopt", "setsockopt",
	"getsockname", "getpeername", "memfd_create", "ftruncate",
	"newfstatat",
};

static const char *const	 accepting[] = { "accept4" };

/* Where sockets of AF_UNIX, AF_INET and AF_INET6 alone are made. */
static const char *const	 dialling[] = { "connect", "bind" };

static const char *const	 files[] = {
	"open", "openat", "stat", "lstat", "access", "faccessat",
	"faccessat2", "statx", "readlink", "readlinkat", "getdents64",
	"fstatfs", "statfs", "getcwd",
};

static const char *const	 storing[] = {
	"fsync", "fdatasync", "flock",
};

static const char *const	 forking[] = {
	"wait4", "waitid", "kill", "set_tid_address",
};

static const char *const	 names[] = {
	"sendmmsg", "recvmmsg", "timerfd_create", "timerfd_settime",
	"inotify_init1", "inotify_add_watch", "inotify_rm_watch",
};

/* Of libmariadb and what it loads. */
static const char *const	 database[] = {
	"mmap", "mprotect", "clone3", "mmap2",
};

#define SET_VMA		0x53564d41	/* to name memory; of newer headers */

struct set {
	const char *const	*v;
	size_t			 n;
};

#define SET(list)	{ list, sizeof(list) / sizeof(list[0]) }

static const struct {
	unsigned int	 roles;
	struct set	 set;
} lists[] = {
	{ ~0U, SET(always) },
	{ ROLE_CONTROL | ROLE_BROKER | ROLE_LINK | ROLE_SPAWNER | ROLE_WORKER,
	    SET(accepting) },
	{ ROLE_KEEPER | ROLE_LOGGER | ROLE_LINK | ROLE_SPAWNER | ROLE_WORKER |
	    ROLE_DBCLIENT, SET(dialling) },
	{ ROLE_KEEPER | ROLE_LOGGER | ROLE_CONTROL | ROLE_DBCLIENT,
	    SET(files) },
	{ ROLE_AUTH, SET(storing) },
	{ ROLE_SPAWNER, SET(forking) },
	{ ROLE_KEEPER | ROLE_DBCLIENT, SET(names) },
	{ ROLE_DBCLIENT, SET(database) },
};

/* What no filter of ours lets pass; see on_violation(). */
#define FATAL_CALL	SYS_reboot

/*
 * The process is in the middle of something, and there it ends: nobody needs
 * it to be whole.  abort(3) comes here too, by its signal to itself.
 */
static void
on_violation(int sig, siginfo_t *si, void *context)
{
	char	*name;

	(void)sig;
	(void)context;
	if (si->si_syscall == SYS_tgkill)
		log_error("it has aborted");
	else {
		name = seccomp_syscall_resolve_num_arch(si->si_arch,
		    si->si_syscall);
		log_error("the system call %s (%d) is none of this process's: "
		    "it is ended", name != NULL ? name : "?", si->si_syscall);
	}
	(void)syscall(FATAL_CALL, 0, 0, 0, NULL);
	_exit(1);
}

static void
add(scmp_filter_ctx f, const char *name)
{
	int	 nr = seccomp_syscall_resolve_name(name);

	if (nr >= 0)
		(void)seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
}

/* With one of these as that argument. */
static void
add_some(scmp_filter_ctx f, int nr, unsigned int argument,
    const scmp_datum_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* Nobody looks at more than 32 bits of them. */
		const struct scmp_arg_cmp	 is = {
			argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, v[i],
		};

		(void)seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, 1, &is);
	}
}

/* What the C library and those of others ask for. */
static void
add_small_things(scmp_filter_ctx f)
{
	static const scmp_datum_t	 options[] = {
		PR_SET_NAME, PR_SET_PDEATHSIG, SET_VMA,
	};
	static const scmp_datum_t	 requests[] = {
		TCGETS, FIONREAD, FIONBIO, SIOCGIFNAME, SIOCGIFINDEX,
	};

	add_some(f, SCMP_SYS(prctl), 0, options, nitems(options));
	add_some(f, SCMP_SYS(ioctl), 1, requests, nitems(requests));
}

/* Memory that is both written and executed is nobody's. */
static void
add_memory(scmp_filter_ctx f)
{
	static const char	*const calls[] = { "mmap", "mmap2",
				    "mprotect" };

	for (size_t i = 0; i < nitems(calls); i++) {
		int	 nr = seccomp_syscall_resolve_name(calls[i]);

		if (nr >= 0)
			(void)seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 1,
			    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	}
}

static void
add_sockets(scmp_filter_ctx f, unsigned int role)
{
	static const int	 families[] = { AF_UNIX, AF_INET, AF_INET6 };

	if ((role & (ROLE_KEEPER | ROLE_LOGGER | ROLE_LINK | ROLE_SPAWNER |
	    ROLE_WORKER | ROLE_DBCLIENT)) == 0)
		return;
	for (size_t i = 0; i < nitems(families); i++)
		(void)seccomp_rule_add(f, SCMP_ACT_ALLOW,
		    SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ,
		    (scmp_datum_t)families[i]));
	/* getaddrinfo(3) would know our addresses, and does without. */
	if (role == ROLE_DBCLIENT)
		(void)seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT),
		    SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK));
}

/* fork(2), as the C library does it, and nothing that shares memory. */
static void
add_fork(scmp_filter_ctx f)
{
	const scmp_datum_t	 new = CLONE_VM | CLONE_THREAD | CLONE_NEWUSER |
				    CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID |
				    CLONE_NEWIPC | CLONE_NEWUTS |
				    CLONE_NEWCGROUP;

	(void)seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
	    SCMP_A0(SCMP_CMP_MASKED_EQ, new, 0));
	(void)seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
	    0);
	/* A worker's own list comes on top; where seccomp(2) may be denied. */
	(void)seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2,
	    SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP),
	    SCMP_A1(SCMP_CMP_EQ, SECCOMP_MODE_FILTER));
}

static scmp_filter_ctx
make_filter(unsigned int role, bool only_log)
{
	scmp_filter_ctx	 f = seccomp_init(only_log ? SCMP_ACT_LOG :
			    SCMP_ACT_TRAP);

	if (f == NULL)
		return NULL;
	for (size_t i = 0; i < nitems(lists); i++)
		for (size_t j = 0; (lists[i].roles & role) != 0 &&
		    j < lists[i].set.n; j++)
			add(f, lists[i].set.v[j]);
	if (role == ROLE_DBCLIENT)
		add(f, "clone");
	else
		add_memory(f);
	add_small_things(f);
	add_sockets(f, role);
	if (role == ROLE_SPAWNER)
		add_fork(f);
	(void)seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, FATAL_CALL, 0);
	return f;
}

static void
watch_violations(void)
{
	struct sigaction	 sa = {
		.sa_sigaction = on_violation, .sa_flags = SA_SIGINFO,
	};
	sigset_t		 set;

	sigfillset(&sa.sa_mask);
	(void)sigaction(SIGSYS, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* --- Landlock, whose numbers older headers lack */

#define LL_CREATE	444
#define LL_ADD		445
#define LL_RESTRICT	446

#define LL_RULE_PORT	2
#define LL_BIND		1ULL
#define LL_CONNECT	2ULL
#define LL_SCOPE_ABSTRACT	1ULL
#define LL_SCOPE_SIGNAL	2ULL

struct ll_ruleset {
	uint64_t	 fs, net, scoped;
};

struct ll_port {
	uint64_t	 allowed, port;
};

/* 0 with errno: there is none. */
static int
ll_version(void)
{
	long	 n = syscall(LL_CREATE, NULL, (size_t)0, 1U);

	return n < 0 ? 0 : (int)n;
}

/* All rights to files that this version knows. */
static uint64_t
ll_files(int version)
{
	uint64_t	 all = (1ULL << 13) - 1;

	if (version >= 2)
		all |= 1ULL << 13;
	if (version >= 3)
		all |= 1ULL << 14;
	if (version >= 5)
		all |= 1ULL << 15;
	return all;
}

static void
ll_allow_port(int fd, uint64_t what, uint64_t port)
{
	const struct ll_port	 p = { what, port };

	(void)syscall(LL_ADD, fd, LL_RULE_PORT, &p, 0U);
}

static bool
has_abstract(const struct conf *conf)
{
	for (size_t i = 0; i < conf->nbackends; i++)
		for (size_t j = 0; j < conf->backends[i].servers.n; j++) {
			const struct net_addr	*a =
			    &conf->backends[i].servers.v[j].spec.addr;

			if (conf->backends[i].servers.v[j].spec.kind ==
			    NET_ADDR && a->u.sa.sa_family == AF_UNIX &&
			    !net_is_path(a))
				return true;
		}
	return false;
}

/*
 * Can the ports that a pool dials be told?  A hub says where data connections
 * go, and may be allowed to say where services are.
 */
static bool
knows_ports(const struct conf *conf, const char *pool)
{
	return pool == NULL || conf_pool_publishes(conf, pool) ==
	    CONF_NOWHERE;
}

static void
ll_allow_servers(int fd, const struct conf *conf)
{
	for (size_t i = 0; i < conf->nbackends; i++)
		for (size_t j = 0; j < conf->backends[i].servers.n; j++) {
			const struct net_spec	*spec =
			    &conf->backends[i].servers.v[j].spec;

			ll_allow_port(fd, LL_CONNECT, spec->kind == NET_ADDR ?
			    net_port(&spec->addr) : spec->port);
		}
	ll_allow_port(fd, LL_BIND, 0);	/* a source of its own */
}

static void
lock_land(unsigned int role, const struct conf *conf, const char *pool)
{
	const unsigned int	 fileless = ROLE_CARRIER | ROLE_BROKER |
				    ROLE_SIGNER | ROLE_SPAWNER | ROLE_LINK |
				    ROLE_AUTH;
	int			 version = ll_version();
	struct ll_ruleset	 r = { 0, 0, 0 };
	size_t			 size = sizeof(r.fs);
	long			 fd;

	if (version == 0 || (role & fileless) == 0)
		return;
	r.fs = ll_files(version);
	if (version >= 4) {
		size = 2 * sizeof(r.fs);
		r.net = LL_BIND;
		if (role != ROLE_LINK && knows_ports(conf, pool))
			r.net |= LL_CONNECT;
	}
	if (version >= 6) {
		size = sizeof(r);
		r.scoped = LL_SCOPE_SIGNAL | (has_abstract(conf) ? 0 :
		    LL_SCOPE_ABSTRACT);
	}
	fd = syscall(LL_CREATE, &r, size, 0U);
	if (fd == -1)
		return;
	if ((r.net & LL_CONNECT) != 0 && role == ROLE_SPAWNER)
		ll_allow_servers((int)fd, conf);
	else if (r.net != 0)
		ll_allow_port((int)fd, LL_BIND, 0);
	if (syscall(LL_RESTRICT, (int)fd, 0U) == -1)
		log_warn("Landlock: %s", strerror(errno));
	close((int)fd);
}

/* --- all of it */

static void
forbid_looking(void)
{
	const struct rlimit	 none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Will it use OpenSSL?  Workers that only copy are spared its memory. */
static bool
needs_crypto(unsigned int role, const struct conf *conf, const char *pool)
{
	if ((role & (ROLE_AUTH | ROLE_BROKER | ROLE_LINK | ROLE_SIGNER)) != 0)
		return true;
	if (role != ROLE_SPAWNER || pool == NULL)
		return false;
	for (size_t i = 0; i < conf->nlisteners; i++)
		if (strcmp(conf->listeners[i].pool, pool) == 0 &&
		    conf->listeners[i].protocol != CONF_TCP)
			return true;
	return conf_pool_has_proofs(conf, pool) ||
	    conf_pool_has_broker(conf, pool);
}

/* What libraries would open when they are first used. */
static void
use_libraries(unsigned int role, const struct conf *conf, const char *pool)
{
	uint8_t	 byte;

	tzset();
	if (!needs_crypto(role, conf, pool))
		return;
	(void)OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG |
	    OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
	(void)RAND_bytes(&byte, 1);
}

void
sandbox_enter(unsigned int role, const struct conf *conf, const char *pool)
{
	scmp_filter_ctx	 f;
	int		 rc;

	forbid_looking();
	if (conf->sandbox == CONF_SANDBOX_OFF)
		return;
	use_libraries(role, conf, pool);
	if (conf->sandbox == CONF_SANDBOX_ON)
		lock_land(role, conf, pool);
	watch_violations();
	f = make_filter(role, conf->sandbox == CONF_SANDBOX_LOG);
	rc = f == NULL ? -ENOMEM : seccomp_load(f);
	if (rc != 0)
		log_warn("seccomp: %s", strerror(-rc));
	if (f != NULL)
		seccomp_release(f);
}

struct sandbox *
sandbox_worker_new(const struct conf *conf)
{
	struct sandbox	*sb = mem_calloc(1, sizeof(*sb));
	scmp_filter_ctx	 f;
	off_t		 size = -1;
	int		 fd;

	if (conf->sandbox == CONF_SANDBOX_OFF)
		return sb;
	f = make_filter(ROLE_WORKER, conf->sandbox == CONF_SANDBOX_LOG);
	fd = memfd_create("filter", MFD_CLOEXEC);
	if (f != NULL && fd != -1 && seccomp_export_bpf(f, fd) == 0)
		size = lseek(fd, 0, SEEK_END);
	if (size > 0) {
		sb->program.filter = mem_calloc(1, (size_t)size);
		if (pread(fd, sb->program.filter, (size_t)size, 0) == size)
			sb->program.len = (unsigned short)((size_t)size /
			    sizeof(struct sock_filter));
	}
	if (sb->program.len == 0)
		log_warn("seccomp: no filter for workers: %s",
		    strerror(errno));
	if (fd != -1)
		close(fd);
	if (f != NULL)
		seccomp_release(f);
	return sb;
}

void
sandbox_worker_enter(const struct sandbox *sb)
{
	if (sb->program.len > 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
	    &sb->program) == -1)
		log_warn("seccomp: workers have no filter of their own: %s",
		    strerror(errno));
}

const char *
sandbox_text(const struct conf *conf)
{
	static char	 text[128];
	int		 version = ll_version(), error = errno;

	if (conf->sandbox == CONF_SANDBOX_OFF)
		return "off";
	if (conf->sandbox == CONF_SANDBOX_LOG)
		return "system calls, only told to the kernel's log";
	snprintf(text, sizeof(text), "system calls%s%s%s%s",
	    version >= 1 ? ", files" : "", version >= 4 ? ", ports" : "",
	    version >= 6 ? ", signals" : "", version > 0 ? "" :
	    error == EPERM ? "; Landlock is denied to the daemon" :
	    "; this kernel has no Landlock");
	return text;
}

#endif
