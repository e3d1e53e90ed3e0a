/* Each role, held to what it does: what it may not ends it. */
#include "config.h"

#if defined(WITH_SANITIZER) || defined(WITH_GCOV)	/* held to nothing */

int
main(void)
{
	return 0;
}

#else

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "policy/conf.h"
#include "process/channel.h"
#include "process/sandbox.h"
#include "unit.h"

#define INSIDE	7001		/* a server's port; nobody listens there */
#define OUTSIDE	7002

static const struct {
	const char	*name;
	unsigned int	 role;
} roles[] = {
	{ "logger", ROLE_LOGGER }, { "keeper", ROLE_KEEPER },
	{ "control", ROLE_CONTROL }, { "carrier", ROLE_CARRIER },
	{ "dbclient", ROLE_DBCLIENT }, { "auth", ROLE_AUTH },
	{ "broker", ROLE_BROKER }, { "signer", ROLE_SIGNER },
	{ "spawner", ROLE_SPAWNER }, { "link", ROLE_LINK },
	{ "worker", ROLE_WORKER },
};

/* --- acts: 0, or an errno */

static int
open_file(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) == -1 ? errno : 0;
}

static int
execute(void)
{
	(void)execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int
fork_one(void)
{
	pid_t	 pid = fork();

	if (pid == 0)
		_exit(0);
	return pid == -1 ? errno : 0;
}

static int
socket_of(int family, int type)
{
	return socket(family, type, 0) == -1 ? errno : 0;
}

static int
netlink_socket(void)
{
	return socket_of(AF_NETLINK, SOCK_RAW);
}

static int
packet_socket(void)
{
	return socket_of(AF_PACKET, SOCK_RAW);
}

static int
trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1 ? errno : 0;
}

static int
executable_memory(void)
{
	void	*p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int
plain_memory(void)
{
	void	*p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int
end_another(void)
{
	return kill(getppid(), 0) == -1 ? errno : 0;
}

static int
become_root(void)
{
	return setuid(0) == -1 ? errno : 0;
}

static int
leave_root(void)
{
	return chroot("/") == -1 ? errno : 0;
}

static int
new_namespace(void)
{
	return syscall(SYS_unshare, 0x10000000) == -1 ? errno : 0;
}

static int
read_memory(void)
{
	return syscall(SYS_process_vm_readv, getppid(), NULL, 0L, NULL, 0L,
	    0L) == -1 ? errno : 0;
}

static int
ring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL) == -1 ? errno : 0;
}

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int
dial(uint16_t port)
{
	struct sockaddr_in	 a = loopback(port);
	int			 fd = socket(AF_INET, SOCK_STREAM, 0);

	return connect(fd, (void *)&a, sizeof(a)) == -1 ? errno : 0;
}

static int
dial_inside(void)
{
	return dial(INSIDE);
}

static int
dial_outside(void)
{
	return dial(OUTSIDE);
}

static int
bind_port(void)
{
	struct sockaddr_in	 a = loopback(OUTSIDE);
	int			 fd = socket(AF_INET, SOCK_STREAM, 0);

	return bind(fd, (void *)&a, sizeof(a)) == -1 ? errno : 0;
}

static int
listen_on(void)
{
	int	 fd = socket(AF_INET, SOCK_STREAM, 0);

	return listen(fd, 1) == -1 ? errno : 0;
}

static int
be_dumped(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1 ? errno : 0;
}

static int
set_name(void)
{
	return prctl(PR_SET_NAME, "x", 0, 0, 0) == -1 ? errno : 0;
}

/* Into the terminal of whoever started it. */
static int
type_a_key(void)
{
	return ioctl(STDIN_FILENO, TIOCSTI, "x") == -1 ? errno : 0;
}

static int
ask_how_much(void)
{
	int	 n;

	return ioctl(STDIN_FILENO, FIONREAD, &n) == -1 ? errno : 0;
}

static int
change_mode(void)
{
	return chmod("/none", 0777) == -1 ? errno : 0;
}

static int
end_orderly(void)
{
	return 0;
}

/* Of many libraries, when they find that something is badly wrong. */
static int
give_up(void)
{
	abort();
}

#define ALL	(~0U)
#define FILES	(ROLE_LOGGER | ROLE_KEEPER | ROLE_CONTROL | ROLE_DBCLIENT)
#define SOCKETS	(ROLE_LOGGER | ROLE_KEEPER | ROLE_DBCLIENT | ROLE_SPAWNER | \
		 ROLE_LINK | ROLE_WORKER)

static const struct {
	const char	*name;
	int		(*act)(void);
	unsigned int	 may;		/* these may; others are ended */
} acts[] = {
	{ "to open a file", open_file, FILES },
	{ "to execute a program", execute, 0 },
	{ "to fork", fork_one, ROLE_SPAWNER | ROLE_DBCLIENT },
	/* Which it does not get, but that is no fault of its. */
	{ "a netlink socket", netlink_socket, ROLE_DBCLIENT },
	{ "a packet socket", packet_socket, 0 },
	{ "to be traced", trace, 0 },
	{ "memory to execute", executable_memory, ROLE_DBCLIENT },
	{ "memory", plain_memory, ALL },
	{ "to signal another", end_another, ROLE_SPAWNER },
	{ "to become root", become_root, 0 },
	{ "to change its root", leave_root, 0 },
	{ "a namespace", new_namespace, 0 },
	{ "to read another's memory", read_memory, 0 },
	{ "io_uring", ring, 0 },
	{ "to listen", listen_on, 0 },
	{ "to be dumped", be_dumped, 0 },
	{ "to have a name", set_name, ALL },
	{ "to type", type_a_key, 0 },
	{ "to ask how much there is", ask_how_much, ALL },
	{ "to change a mode", change_mode, 0 },
	{ "to connect", dial_inside, SOCKETS },
	{ "to abort", give_up, 0 },
	{ "to end", end_orderly, ALL },
};

static struct conf *
make_conf(const char *sandbox)
{
	struct conf		*conf = conf_new();
	struct conf_report	 report = { 0 };
	char			*text = mem_printf("sandbox = \"%s\"; listeners "
				    "= ( { name = \"a\"; listen = \":1\"; "
				    "forward = \"127.0.0.1:%d\"; } );",
				    sandbox, INSIDE);

	conf_read_text(conf, "f", text, strlen(text), &report);
	ck_assert_int_eq(conf_finish(conf, &report), 0);
	conf_report_free(&report);
	free(text);
	return conf;
}

static void
confine(unsigned int role, const struct conf *conf)
{
	struct sandbox	*worker;

	if (role != ROLE_WORKER) {
		sandbox_enter(role, conf, "tcp");
		return;
	}
	worker = sandbox_worker_new(conf);
	sandbox_enter(ROLE_SPAWNER, conf, "tcp");
	sandbox_worker_enter(worker);
}

/* How a process of that role ends that does it, as wait(2) has it. */
static int
ends(unsigned int role, int (*act)(void), const char *sandbox)
{
	struct conf	*conf = make_conf(sandbox);
	int		 status, null;
	pid_t		 pid = fork();

	if (pid == 0) {
		null = open("/dev/null", O_WRONLY);
		(void)dup2(null, STDERR_FILENO);
		confine(role, conf);
		_exit(act());
	}
	ck_assert_int_ne(pid, -1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	conf_free(&conf);
	return status;
}

START_TEST(a_role_does_what_it_does_and_no_more)
{
	const size_t		 nacts = nitems(acts);
	unsigned int		 role = roles[(size_t)_i / nacts].role;
	const char		*who = roles[(size_t)_i / nacts].name;
	size_t			 a = (size_t)_i % nacts;
	int			 status = ends(role, acts[a].act, "on");

	if ((acts[a].may & role) != 0)
		ck_assert_msg(!WIFSIGNALED(status), "%s, %s: signal %d", who,
		    acts[a].name, WTERMSIG(status));
	else
		ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) ==
		    SIGSYS, "%s, %s: status %#x", who, acts[a].name,
		    (unsigned)status);
}
END_TEST

/* Names of servers are looked up in there by the C library. */
START_TEST(who_looks_up_names_does_without_netlink)
{
	int	 status = ends(ROLE_DBCLIENT, netlink_socket, "on");

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), EAFNOSUPPORT);
}
END_TEST

static int
landlock(void)
{
	long	 n = syscall(444, NULL, (size_t)0, 1U);

	return n < 0 ? 0 : (int)n;
}

START_TEST(a_worker_dials_the_ports_of_servers_alone)
{
	int	 status = ends(ROLE_WORKER, dial_inside, "on");

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), ECONNREFUSED);
	if (landlock() < 4)
		return;			/* the kernel cannot tell ports */
	status = ends(ROLE_WORKER, dial_outside, "on");
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), EACCES);
	status = ends(ROLE_WORKER, bind_port, "on");
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), EACCES);
}
END_TEST

START_TEST(what_is_off_holds_nobody)
{
	int	 status = ends(ROLE_WORKER, open_file, "off");

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	status = ends(ROLE_WORKER, dial_outside, "log");
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), ECONNREFUSED);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("sandbox");
	TCase	*tc = tcase_create("sandbox");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, a_role_does_what_it_does_and_no_more, 0,
	    (int)(nitems(roles) * nitems(acts)));
	tcase_add_test(tc, who_looks_up_names_does_without_netlink);
	tcase_add_test(tc, a_worker_dials_the_ports_of_servers_alone);
	tcase_add_test(tc, what_is_off_holds_nobody);
	return unit_run(s);
}

#endif
