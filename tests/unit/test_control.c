/*
 * control, for real, in a child; this process is its master, its keeper, its
 * spawner and its users.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "base/mem.h"
#include "policy/access.h"
#include "process/book.h"
#include "process/channel.h"
#include "process/control_client.h"
#include "process/role.h"
#include "process/scoreboard.h"
#include "process/setup.h"
#include "unit.h"

#define WORKERS	8

static const char	 text[] =
"control = { path = \"/nowhere\"; };\n"
"backends = ( { name = \"db\"; servers = ( \"10.0.0.1:3306\", "
"\"db2.example:3306\", \"unix:/run/db\" ); } );\n"
"listeners = (\n"
"{ name = \"web\"; listen = \"127.0.0.1:1\"; forward = \"10.0.0.9:80\"; },\n"
"{ name = \"sql\"; listen = \"127.0.0.1:2\"; forward = \"backend:db\"; } );\n";

static pid_t			 child;
static int			 master;	/* our end of its channel */
static int			 spawner;	/* of the board's */
static int			 hellos;	/* the keeper's rendezvous */
static int			 keeper = -1;
static struct scoreboard	 sb;
static struct book_entry	*book;
static char			 path[100], log_path[100];

static struct conf *
read_conf(void)
{
	struct conf_report	 report = { .nerrors = 0 };
	struct conf		*conf = conf_new();

	conf_read_text(conf, "text", text, strlen(text), &report);
	if (conf_finish(conf, &report) == -1)
		ck_abort_msg("%s", report.errors[0]);
	conf_report_free(&report);
	return conf;
}

static int
listen_here(void)
{
	struct sockaddr_un	 un = { .sun_family = AF_UNIX };
	int			 fd = socket(AF_UNIX, SOCK_STREAM |
				    SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(path, sizeof(path), "%s/s", unit_folder());
	snprintf(log_path, sizeof(log_path), "%s/log", unit_folder());
	memcpy(un.sun_path, path, sizeof(path));
	ck_assert_int_eq(bind(fd, (void *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	return fd;
}

static void
add_board(struct setup *s, size_t i, const char *pool)
{
	int	 ends[2], fd = scoreboard_create(WORKERS, SB_STRIDE_PAGE);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(channel_pair(ends), 0);
	s->boards = mem_resize(s->boards, i + 1, sizeof(*s->boards));
	s->board_fds = mem_resize(s->board_fds, i + 1,
	    sizeof(*s->board_fds));
	memset(&s->boards[i], 0, sizeof(s->boards[i]));
	s->boards[i].generation = 1;
	s->boards[i].workers = WORKERS;
	s->boards[i].stride = SB_STRIDE_PAGE;
	snprintf(s->boards[i].pool, SETUP_NAME_MAX, "%s", pool);
	s->board_fds[i][0] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	s->board_fds[i][1] = ends[0];
	s->nboards = i + 1;
	spawner = ends[1];
	ck_assert_int_eq(scoreboard_open(&sb, fd, WORKERS,
	    SB_STRIDE_PAGE), 0);
}

static void
make_setup(struct setup *s, int ends[4])
{
	struct setup_generation	*g = mem_calloc(1, sizeof(*g));

	ck_assert_int_eq(channel_pair(ends), 0);
	ck_assert_int_eq(channel_pair(ends + 2), 0);
	g->number = 1;
	g->conf = read_conf();
	g->book_fd = memfd_create("book", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(g->book_fd,
	    (off_t)book_size(g->conf->nservers)), 0);
	book = book_map_writable(g->book_fd, g->conf->nservers);
	ck_assert_ptr_nonnull(book);
	s->channel = ends[1];
	s->keeper_fd = ends[2];
	s->conf = g->conf;
	s->generations = g;
	s->ngenerations = 1;
	s->committed = 1;
	s->start.master = getpid();
	s->log_fd = s->live_fd = -1;
	s->socket_fd = listen_here();
	add_board(s, 0, "tcp");
	master = ends[0];
	hellos = ends[3];
}

/* The next message; its payload is `len' bytes in data, a descriptor in *fd. */
static uint16_t
hear(int from, uint8_t *data, size_t *len, int *fd)
{
	uint8_t		 buf[MSG_HEADER + MSG_PAYLOAD_MAX];
	int		 fds[MSG_FDS_MAX];
	struct msg	 m;
	ssize_t		 n;

	ck_assert_int_ne(unit_wait(from, POLLIN, UNIT_MS), 0);
	n = fdpass_recv(from, buf, sizeof(buf), fds);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(msg_decode(buf, (size_t)n, &m), 0);
	memcpy(data, m.payload, m.len);
	*len = m.len;
	*fd = fds[0];
	return m.type;
}

static uint16_t
hear_type(int from)
{
	uint8_t	 data[MSG_PAYLOAD_MAX];
	size_t	 len;
	int	 fd;

	return hear(from, data, &len, &fd);
}

static void
up(void)
{
	static struct setup	 s;
	int			 ends[4], fd;

	memset(&s, 0, sizeof(s));
	make_setup(&s, ends);
	child = check_fork();
	if (child == 0) {
		fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
		(void)dup2(fd, STDERR_FILENO);
		close(ends[0]);
		close(ends[3]);
		close(spawner);
		log_init("control", LOGLINE_INFO);
		control_main(&s);
	}
	close(ends[1]);
	close(ends[2]);
	close(s.socket_fd);
	close(s.board_fds[0][1]);
	ck_assert_uint_eq(hear_type(master), MSG_READY);
}

static void
down(void)
{
	int	 status;

	close(master);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "control ended with %x", (unsigned)status);
	unit_folder_remove();
}

/* Worker i has this session. */
static void
busy(size_t i, uint64_t id, const char *listener, const char *client,
    const char *server, uint32_t index)
{
	struct sb_worker	*w = scoreboard_worker(&sb, i);

	sb_write_begin(w);
	w->session.id = id;
	w->session.accepted_us = io_now_us() - 5000000;
	w->session.server_index = index;
	w->session.connected_us = server[0] != '\0' ? io_now_us() : 0;
	snprintf(w->session.listener, SB_LISTENER_MAX, "%s", listener);
	snprintf(w->session.client, SB_ADDR_MAX, "%s", client);
	snprintf(w->session.server, SB_ADDR_MAX, "%s", server);
	sb_write_end(w);
	atomic_store(&w->pid, (int32_t)(1000 + i));
	atomic_store(&w->up, 100 * i);
	atomic_store(&w->down, UINT64_MAX);
	atomic_store(&w->state, SB_BUSY);
}

static void
four_sessions(void)
{
	busy(0, 0xa0, "web", "1.2.3.4:5", "10.0.0.9:80", 3);
	busy(2, 0xa2, "sql", "[2001:db8::1]:6", "10.0.0.1:3306", 0);
	busy(3, 0xa3, "sql", "1.2.3.99:5", "10.7.7.7:3306", 1);
	busy(7, 0xa7, "sql", "unix:uid=0,pid=1", "", SB_NO_SERVER);
	atomic_store(&scoreboard_worker(&sb, 4)->pid, 1004);
	atomic_store(&scoreboard_worker(&sb, 4)->state, SB_IDLE);
}

static int
dial(void)
{
	struct sockaddr_un	 un = { .sun_family = AF_UNIX };
	int			 fd = socket(AF_UNIX, SOCK_STREAM |
				    SOCK_CLOEXEC, 0);

	memcpy(un.sun_path, path, sizeof(path));
	ck_assert_int_eq(connect(fd, (void *)&un, sizeof(un)), 0);
	ck_assert_int_ne(fcntl(fd, F_SETFL, O_NONBLOCK), -1);
	return fd;
}

static json_t *
hear_object(int fd)
{
	char	 line[65536];
	size_t	 n = 0;
	json_t	*o;

	do {
		ck_assert_int_ne(unit_wait(fd, POLLIN, UNIT_MS), 0);
		ck_assert_int_eq(recv(fd, line + n, 1, 0), 1);
	} while (line[n++] != '\n' && n < sizeof(line));
	o = json_loadb(line, n, 0, NULL);
	ck_assert_msg(json_is_object(o), "%.*s", (int)n, line);
	return o;
}

/* All objects up to the one that is done. */
static json_t *
hear_answer(int fd)
{
	json_t	*all = json_array(), *o;

	do {
		o = hear_object(fd);
		json_array_append_new(all, o);
	} while (!json_is_true(json_object_get(o, "done")));
	return all;
}

static json_t *
last(const json_t *answer)
{
	return json_array_get(answer, json_array_size(answer) - 1);
}

static int
status_of(const json_t *answer)
{
	return (int)json_integer_value(json_object_get(last(answer),
	    "status"));
}

static const char *
error_of(const json_t *answer)
{
	const char	*s = json_string_value(json_object_get(last(answer),
			    "error"));

	return s != NULL ? s : "";
}

static int
ask(const char *request)
{
	int	 fd = dial();

	unit_write(fd, request, strlen(request));
	unit_write(fd, "\n", 1);
	return fd;
}

static json_t *
talk(const char *request)
{
	int	 fd = ask(request);
	json_t	*answer = hear_answer(fd);

	close(fd);
	return answer;
}

/* The i-th object of an answer, inside its name. */
static const json_t *
inner(const json_t *answer, size_t i, const char *name)
{
	const json_t	*o = json_object_get(json_array_get(answer, i),
			    name);

	ck_assert_msg(o != NULL, "object %zu is no %s", i, name);
	return o;
}

static const char *
str(const json_t *o, const char *key)
{
	const char	*s = json_string_value(json_object_get(o, key));

	ck_assert_msg(s != NULL, "no %s", key);
	return s;
}

static int64_t
num(const json_t *o, const char *key)
{
	const json_t	*v = json_object_get(o, key);

	ck_assert_msg(json_is_integer(v), "no %s", key);
	return json_integer_value(v);
}

START_TEST(sessions_are_listed_with_what_they_do)
{
	json_t		*a;
	const json_t	*s;

	four_sessions();
	a = talk("{\"command\":\"sessions\"}");
	ck_assert_uint_eq(json_array_size(a), 5);
	ck_assert_int_eq(status_of(a), 0);
	s = inner(a, 1, "session");
	ck_assert_str_eq(str(s, "id"), "00000000000000a2");
	ck_assert_str_eq(str(s, "listener"), "sql");
	ck_assert_str_eq(str(s, "client"), "[2001:db8::1]:6");
	ck_assert_str_eq(str(s, "server"), "10.0.0.1:3306");
	ck_assert_str_eq(str(s, "pool"), "tcp");
	ck_assert_int_eq(num(s, "pid"), 1002);
	ck_assert_int_eq(num(s, "up"), 200);
	ck_assert_int_eq(num(s, "down"), INT64_MAX);
	ck_assert_int_ge(num(s, "age_ms"), 5000);
	ck_assert_int_lt(num(s, "age_ms"), 5000 + UNIT_MS);
	json_decref(a);
}
END_TEST

/* Bits of the sessions a0, a2, a3, a7. */
static const struct {
	const char	*filter;
	unsigned int	 found;
} filters[] = {
	{ "\"listener\":\"web\"", 1 },
	{ "\"listener\":\"sql\"", 14 },
	{ "\"source\":\"1.2.3.4\"", 1 },
	{ "\"source\":\"1.2.3.0/24\"", 5 },
	{ "\"source\":\"0.0.0.0/0\"", 5 },
	{ "\"source\":\"2001:db8::/32\"", 2 },
	{ "\"source\":\"unix\"", 8 },
	{ "\"source\":\"1.2.3.0/24\",\"listener\":\"sql\"", 4 },
	{ "\"server\":\"10.0.0.1:3306\"", 2 },
	{ "\"server\":\"db2.example:3306\"", 4 },	/* by the book */
	{ "\"server\":\"10.7.7.7:3306\"", 4 },
	{ "\"server\":\"10.9.9.9:1\"", 0 },
	{ "\"server\":\"unix:/run/db\"", 0 },
	{ "\"session\":\"a7\"", 8 },
	{ "\"session\":\"00000000000000A7\"", 8 },
	{ "\"session\":\"a1\"", 0 },
};

static void
write_book(void)
{
	struct net_spec	 spec;
	const char	*why;

	ck_assert_int_eq(net_parse("10.7.7.7:3306", false, &spec, &why), 0);
	book_write(&book[1], &spec.addr, 1);
}

START_TEST(sessions_are_found_by_what_is_known_of_them)
{
	static const char *const	 ids[] = {
		"00000000000000a0", "00000000000000a2", "00000000000000a3",
		"00000000000000a7",
	};
	char				 request[200];
	unsigned int			 found = 0;
	json_t				*a;

	four_sessions();
	write_book();
	snprintf(request, sizeof(request), "{\"command\":\"sessions\",%s}",
	    filters[_i].filter);
	a = talk(request);
	ck_assert_str_eq(error_of(a), "");
	for (size_t i = 0; i + 1 < json_array_size(a); i++)
		for (unsigned int j = 0; j < 4; j++)
			if (strcmp(str(inner(a, i, "session"), "id"),
			    ids[j]) == 0)
				found |= 1u << j;
	ck_assert_uint_eq(found, filters[_i].found);
	json_decref(a);
}
END_TEST

static const struct {
	const char	*request;
	int		 status;
	const char	*error;
} bad[] = {
	{ "{}", 1, "no command (none); there are status, sessions" },
	{ "{\"command\":\"stats\"}", 1, "no command stats; there are" },
	{ "{\"command\":5}", 2, "command: want a text" },
	{ "[]", 2, "an object of JSON" },
	{ "hello", 2, "an object of JSON" },
	{ "{\"command\":\"sessions\"} x", 2, "an object of JSON" },
	{ "{\"command\":\"sessions\",\"command\":\"stop\"}", 2, "an object" },
	{ "\xff\xfe", 2, "an object of JSON" },
	{ "", 2, "an object of JSON" },
	{ "{\"command\":\"sessions\",\"listener\":\"wbe\"}", 1,
	    "no listener wbe; there are web, sql" },
	{ "{\"command\":\"sessions\",\"listener\":7}", 2, "want a text" },
	{ "{\"command\":\"sessions\",\"source\":\"1.2.3\"}", 2,
	    "source 1.2.3: " },
	{ "{\"command\":\"sessions\",\"server\":\"db9\"}", 1, "no server "
	    "db9; there are 10.0.0.1:3306, db2.example:3306, unix:/run/db, "
	    "10.0.0.9:80" },
	{ "{\"command\":\"kill\"}", 2, "want a session, source, listener or user" },
	{ "{\"command\":\"kill\",\"session\":\"xyz\"}", 2, "session xyz" },
	{ "{\"command\":\"kill\",\"session\":\"-1\"}", 2, "session -1" },
	{ "{\"command\":\"kill\",\"session\":\"\"}", 2, "session" },
	{ "{\"command\":\"kill\",\"session\":\"11111111111111111\"}", 2,
	    "session 1" },
	{ "{\"command\":\"kill\",\"session\":\"77\"}", 1, "no such session" },
	{ "{\"command\":\"kill\",\"source\":\"9.9.9.9\"}", 1, "no such" },
	{ "{\"command\":\"servers\",\"backend\":\"bd\"}", 1,
	    "no backend bd; there is db" },
	{ "{\"command\":\"server\"}", 2, "want the name" },
	{ "{\"command\":\"server\",\"server\":\"x\"}", 1, "no server x" },
	{ "{\"command\":\"server\",\"server\":\"10.0.0.1:3306\"}", 2,
	    "want ready, drain, maint or" },
	{ "{\"command\":\"server\",\"server\":\"10.0.0.1:3306\","
	    "\"mode\":\"off\"}", 2, "want ready" },
	{ "{\"command\":\"server\",\"server\":\"10.0.0.1:3306\","
	    "\"weight\":257}", 2, "from 0 to 256" },
	{ "{\"command\":\"server\",\"server\":\"10.0.0.1:3306\","
	    "\"weight\":-1}", 2, "from 0 to 256" },
	{ "{\"command\":\"server\",\"server\":\"10.0.0.1:3306\","
	    "\"weight\":\"1\"}", 2, "from 0 to 256" },
};

START_TEST(what_cannot_be_done_is_refused_with_a_reason)
{
	json_t	*a;

	four_sessions();
	a = talk(bad[_i].request);
	ck_assert_int_eq(status_of(a), bad[_i].status);
	ck_assert_msg(strstr(error_of(a), bad[_i].error) != NULL, "%s",
	    error_of(a));
	json_decref(a);
}
END_TEST

START_TEST(a_torn_record_is_passed_over)
{
	json_t	*a;

	four_sessions();
	sb_write_begin(scoreboard_worker(&sb, 2));
	a = talk("{\"command\":\"sessions\"}");
	ck_assert_uint_eq(json_array_size(a), 4);
	json_decref(a);
}
END_TEST

START_TEST(whatever_bytes_a_worker_wrote_the_answer_is_json)
{
	json_t	*a;

	busy(1, 5, "\xff\033[2J\n", "\xc2", "a\x01\"", 77);
	memset(scoreboard_worker(&sb, 1)->session.server, 'x', SB_ADDR_MAX);
	scoreboard_worker(&sb, 1)->session.accepted_us = INT64_MIN;
	a = talk("{\"command\":\"sessions\"}");
	ck_assert_str_eq(str(inner(a, 0, "session"), "listener"),
	    "\\xff\033[2J\n");
	ck_assert_int_eq(num(inner(a, 0, "session"), "age_ms"), 0);
	ck_assert_uint_eq(strlen(str(inner(a, 0, "session"), "server")),
	    SB_ADDR_MAX - 1);
	json_decref(a);
}
END_TEST

START_TEST(a_spawner_that_is_gone_takes_its_sessions_along)
{
	json_t	*a;

	four_sessions();
	close(spawner);
	a = talk("{\"command\":\"sessions\"}");
	ck_assert_uint_eq(json_array_size(a), 1);
	json_decref(a);
}
END_TEST

/* What a spawner does when it is told to. */
static void
end_session(uint32_t slot, uint64_t id)
{
	uint8_t		 data[MSG_PAYLOAD_MAX];
	struct rd	 r;
	size_t		 len;
	int		 fd;

	ck_assert_uint_eq(hear(spawner, data, &len, &fd), MSG_KILL);
	rd_init(&r, data, len);
	ck_assert_uint_eq(rd_u32(&r), slot);
	ck_assert_uint_eq(rd_u64(&r), id);
	ck_assert(rd_end(&r));
	scoreboard_clear(&sb, slot);
}

static char *
read_log(void)
{
	static char	 log[8192];
	int		 fd = open(log_path, O_RDONLY);
	ssize_t		 n = read(fd, log, sizeof(log) - 1);

	close(fd);
	log[n > 0 ? n : 0] = '\0';
	return log;
}

START_TEST(sessions_are_killed_by_their_spawner_and_that_is_logged)
{
	json_t	*a;
	int	 fd;

	four_sessions();
	fd = ask("{\"command\":\"kill\",\"source\":\"1.2.3.0/24\"}");
	end_session(0, 0xa0);
	end_session(3, 0xa3);
	a = hear_answer(fd);
	close(fd);
	ck_assert_int_eq(status_of(a), 0);
	ck_assert_int_eq(num(last(a), "matched"), 2);
	ck_assert_int_eq(num(last(a), "killed"), 2);
	json_decref(a);
	ck_assert_ptr_nonnull(strstr(read_log(),
	    "control command=kill uid="));
	ck_assert_ptr_nonnull(strstr(read_log(), "source=1.2.3.0/24"));
}
END_TEST

START_TEST(who_maps_what_is_logged)
{
	json_t	*a;
	int	 fd = ask("{\"command\":\"map\",\"address\":\"127.0.0.1:0\","
		    "\"topic\":\"a.b\",\"tls\":true}");

	a = hear_answer(fd);
	close(fd);
	json_decref(a);
	ck_assert_ptr_nonnull(strstr(read_log(),
	    " address=127.0.0.1:0 topic=a.b tls=true\n"));
}
END_TEST

START_TEST(a_session_that_stays_is_named_after_a_second)
{
	json_t	*a;
	int64_t	 began = io_now_ms();
	int	 fd;

	four_sessions();
	fd = ask("{\"command\":\"kill\",\"listener\":\"sql\"}");
	end_session(2, 0xa2);
	a = hear_answer(fd);
	ck_assert_int_ge(io_now_ms() - began, 1000);
	ck_assert_int_eq(status_of(a), 1);
	ck_assert_int_eq(num(last(a), "killed"), 1);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(
	    last(a), "left"), 1)), "00000000000000a7");
	json_decref(a);
	close(fd);
}
END_TEST

/* A user who goes away does not take the job of the next along. */
START_TEST(a_user_who_leaves_in_the_middle_is_forgotten)
{
	json_t	*a;
	int	 fd;

	four_sessions();
	fd = ask("{\"command\":\"kill\",\"session\":\"a0\"}");
	end_session(0, 0xa0);
	close(ask("{\"command\":\"limits\"}"));
	close(ask("{\"command\":\"status\"}"));
	close(fd);
	a = talk("{\"command\":\"sessions\"}");
	ck_assert_uint_eq(json_array_size(a), 4);
	json_decref(a);
}
END_TEST

START_TEST(a_server_whose_name_was_never_found_is_not_up)
{
	json_t	*a = talk("{\"command\":\"servers\"}");

	ck_assert_str_eq(str(inner(a, 0, "server"), "state"), "up");
	ck_assert_str_eq(str(inner(a, 1, "server"), "state"), "unresolved");
	ck_assert_str_eq(str(inner(a, 2, "server"), "state"), "up");
	json_decref(a);
	write_book();
	a = talk("{\"command\":\"servers\"}");
	ck_assert_str_eq(str(inner(a, 1, "server"), "state"), "up");
	json_decref(a);
}
END_TEST

START_TEST(servers_have_their_sessions_and_the_books_word)
{
	const json_t	*s;
	json_t		*a;

	four_sessions();
	write_book();
	atomic_store(&book[1].state, BOOK_DOWN);
	atomic_store(&book[1].mode, BOOK_DRAIN);
	atomic_store(&book[1].weight, 7);
	atomic_store(&book[1].queued, 3);
	atomic_store(&book[1].failures, 9);
	atomic_store(&book[1].since_us, io_now_us() - 2000000);
	atomic_store(&book[2].state, 77);
	a = talk("{\"command\":\"servers\"}");
	ck_assert_uint_eq(json_array_size(a), 5);
	s = inner(a, 0, "server");
	ck_assert_str_eq(str(s, "server"), "10.0.0.1:3306");
	ck_assert_int_eq(num(s, "sessions"), 1);
	ck_assert_str_eq(str(s, "state"), "up");
	s = inner(a, 1, "server");
	ck_assert_str_eq(str(s, "backend"), "db");
	ck_assert_str_eq(str(s, "state"), "down");
	ck_assert_str_eq(str(s, "mode"), "drain");
	ck_assert_int_eq(num(s, "weight"), 7);
	ck_assert_int_eq(num(s, "queued"), 3);
	ck_assert_int_eq(num(s, "failures"), 9);
	ck_assert_int_eq(num(s, "sessions"), 1);
	ck_assert_int_ge(num(s, "since_ms"), 2000);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(s,
	    "addresses"), 0)), "10.7.7.7:3306");
	ck_assert_str_eq(str(inner(a, 2, "server"), "state"), "?");
	s = inner(a, 3, "server");
	ck_assert(json_is_true(json_object_get(s, "implicit")));
	ck_assert_int_eq(num(s, "sessions"), 1);
	json_decref(a);
	a = talk("{\"command\":\"servers\",\"backend\":\"db\"}");
	ck_assert_uint_eq(json_array_size(a), 4);
	json_decref(a);
}
END_TEST

/* The keeper takes up what was said to its rendezvous. */
static void
keeper_up(void)
{
	uint8_t	 data[MSG_PAYLOAD_MAX];
	size_t	 len;

	ck_assert_uint_eq(hear(hellos, data, &len, &keeper), MSG_HELLO);
	ck_assert_int_ne(keeper, -1);
}

static void
keeper_hears_change(uint32_t server, uint32_t mode, uint32_t weight)
{
	uint8_t		 data[MSG_PAYLOAD_MAX];
	struct rd	 r;
	size_t		 len;
	int		 fd;

	ck_assert_uint_eq(hear(keeper, data, &len, &fd), MSG_SERVER_SET);
	rd_init(&r, data, len);
	ck_assert_uint_eq(rd_u32(&r), 1);
	ck_assert_uint_eq(rd_u32(&r), server);
	ck_assert_uint_eq(rd_u32(&r), mode);
	ck_assert_uint_eq(rd_u32(&r), weight);
	ck_assert(rd_end(&r));
}

static const struct {
	const char	*request;
	uint32_t	 server, mode, weight;
} changes[] = {
	{ "\"server\":\"10.0.0.1:3306\",\"mode\":\"drain\"", 0, BOOK_DRAIN,
	    UINT32_MAX },
	{ "\"server\":\"db/10.0.0.1:3306\",\"mode\":\"ready\"", 0,
	    BOOK_READY, UINT32_MAX },
	{ "\"server\":\"db2.example:3306\",\"mode\":\"maint\"", 1,
	    BOOK_MAINT, UINT32_MAX },
	{ "\"server\":\"unix:/run/db\",\"weight\":0", 2, UINT32_MAX, 0 },
	{ "\"server\":\"db/unix:/run/db\",\"weight\":256", 2, UINT32_MAX,
	    256 },
	{ "\"server\":\"10.0.0.9:80\",\"weight\":1", 3, UINT32_MAX, 1 },
};

START_TEST(a_server_is_changed_by_the_keeper)
{
	char	 request[200];
	json_t	*a;
	int	 fd;

	snprintf(request, sizeof(request), "{\"command\":\"server\",%s}",
	    changes[_i].request);
	fd = ask(request);
	keeper_up();
	keeper_hears_change(changes[_i].server, changes[_i].mode,
	    changes[_i].weight);
	ck_assert_int_eq(channel_send_u32(keeper, MSG_SERVER_SET + 1, 0), 0);
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 0);
	ck_assert_int_eq(num(last(a), "changed"), 1);
	json_decref(a);
	close(fd);
}
END_TEST

static const char	 drain[] = "{\"command\":\"server\","
			    "\"server\":\"10.0.0.1:3306\","
			    "\"mode\":\"drain\"}";

START_TEST(the_next_keeper_is_asked_when_one_dies)
{
	json_t	*a;
	int	 fd = ask(drain);

	keeper_up();
	keeper_hears_change(0, BOOK_DRAIN, UINT32_MAX);
	close(keeper);
	keeper_up();
	keeper_hears_change(0, BOOK_DRAIN, UINT32_MAX);
	ck_assert_int_eq(channel_send_u32(keeper, MSG_SERVER_SET + 1, 0), 0);
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 0);
	json_decref(a);
	close(fd);
	/* And between two questions it is noticed too. */
	close(keeper);
	fd = ask(drain);
	keeper_up();
	keeper_hears_change(0, BOOK_DRAIN, UINT32_MAX);
	ck_assert_int_eq(channel_send_u32(keeper, MSG_SERVER_SET + 1, 1), 0);
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 1);
	json_decref(a);
	close(fd);
}
END_TEST

START_TEST(a_keeper_that_is_silent_or_raves_is_given_up)
{
	int64_t	 began = io_now_ms();
	json_t	*a = talk(drain);
	int	 fd;

	ck_assert_int_eq(status_of(a), 1);
	ck_assert_ptr_nonnull(strstr(error_of(a), "does not answer"));
	ck_assert_int_lt(io_now_ms() - began, 2000);
	json_decref(a);
	keeper_up();
	fd = ask(drain);
	keeper_up();
	ck_assert_int_eq(channel_send(keeper, MSG_SOURCES + 1, "", 0, NULL,
	    0), 0);
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 1);
	json_decref(a);
	close(fd);
}
END_TEST

static void
put_sources(struct wr *w, uint32_t first, uint32_t n, uint32_t total)
{
	struct access_source	 source;
	struct net_addr		 a = { .len = sizeof(a.u.in) };

	a.u.in.sin_family = AF_INET;
	wr_u32(w, total);
	for (uint32_t i = first; i < first + n; i++) {
		a.u.in.sin_addr.s_addr = htonl(0x0a000000 + i);
		access_source_of(&a, &source);
		wr_u32(w, i % 3);	/* the third is no listener */
		wr_bytes(w, source.bytes, sizeof(source.bytes));
		wr_u32(w, i);
		wr_u32(w, 2 * i);
		wr_u32(w, 1000);
	}
}

static void
tell_sources(uint32_t first, uint32_t n, uint32_t total)
{
	uint8_t		 data[MSG_PAYLOAD_MAX];
	struct rd	 r;
	struct wr	 w;
	size_t		 len;
	int		 fd;

	ck_assert_uint_eq(hear(keeper, data, &len, &fd), MSG_SOURCES);
	rd_init(&r, data, len);
	ck_assert_uint_eq(rd_u32(&r), first);
	wr_init(&w, data, sizeof(data));
	put_sources(&w, first, n, total);
	ck_assert(wr_ok(&w));
	ck_assert_int_eq(channel_send(keeper, MSG_SOURCES + 1, data,
	    wr_len(&w), NULL, 0), 0);
}

START_TEST(limits_come_from_boards_and_keeper)
{
	const json_t	*o;
	json_t		*a;
	int		 fd;

	four_sessions();
	fd = ask("{\"command\":\"limits\"}");
	keeper_up();
	tell_sources(0, 100, 150);
	tell_sources(100, 50, 150);
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 0);
	ck_assert_uint_eq(json_array_size(a), 2 + 150 + 1);
	o = inner(a, 1, "listener");
	ck_assert_str_eq(str(o, "listener"), "sql");
	ck_assert_int_eq(num(o, "sessions"), 3);
	ck_assert_int_eq(num(o, "handshakes"), 1);
	o = inner(a, 2 + 100, "source");
	ck_assert_str_eq(str(o, "source"), "10.0.0.100");
	ck_assert_str_eq(str(o, "listener"), "sql");
	ck_assert_int_eq(num(o, "sessions"), 100);
	ck_assert_int_eq(num(o, "refused"), 200);
	ck_assert_int_eq(num(o, "held_ms"), 1000);
	ck_assert_str_eq(str(inner(a, 2 + 101, "source"), "listener"), "?");
	json_decref(a);
	close(fd);
}
END_TEST

/* A list that has become shorter meanwhile ends all the same. */
START_TEST(a_page_without_sources_is_the_last)
{
	json_t	*a;
	int	 fd = ask("{\"command\":\"limits\"}");

	keeper_up();
	tell_sources(0, 10, 150);
	tell_sources(10, 0, 150);
	a = hear_answer(fd);
	ck_assert_uint_eq(json_array_size(a), 2 + 10 + 1);
	json_decref(a);
	close(fd);
}
END_TEST

/* What the master was asked for; returns the tag. */
static uint32_t
hear_ask(uint32_t what)
{
	uint8_t		 data[MSG_PAYLOAD_MAX];
	struct rd	 r;
	size_t		 len;
	uint32_t	 tag;
	int		 fd;

	ck_assert_uint_eq(hear(master, data, &len, &fd), MSG_ASK);
	rd_init(&r, data, len);
	ck_assert_uint_eq(rd_u32(&r), what);
	tag = rd_u32(&r);
	ck_assert(rd_end(&r));
	return tag;
}

static void
tell(uint16_t type, uint32_t tag, const void *data, size_t len)
{
	uint8_t		 buf[MSG_PAYLOAD_MAX];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, tag);
	wr_bytes(&w, data, len);
	ck_assert_int_eq(channel_send(master, type, buf, wr_len(&w), NULL,
	    0), 0);
}

static void
tell_done(uint32_t tag, uint8_t status)
{
	const uint8_t	 u32[4] = { 0, 0, 0, status };

	tell(MSG_ASKED, tag, u32, sizeof(u32));
}

/* A keeper may be slower than the job that asked it. */
START_TEST(an_answer_that_comes_too_late_is_not_for_the_next_request)
{
	json_t		*a;
	uint32_t	 tag;
	int		 fd = ask("{\"command\":\"limits\"}");

	keeper_up();
	for (uint32_t i = 0; i < 7; i++) {
		(void)poll(NULL, 0, 700);
		tell_sources(i, 1, 100);
	}
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 1);
	json_decref(a);
	unit_write(fd, "{\"command\":\"status\"}\n", 21);
	tag = hear_ask(ASK_STATUS);
	tell_sources(7, 1, 100);
	tell_done(tag, 0);
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 0);
	json_decref(a);
	close(fd);
}
END_TEST

START_TEST(status_joins_what_master_boards_and_proc_say)
{
	struct setup_child	 c = {
		.pid = child, .generation = 1, .ready = true,
		.own_root = true, .started_us = io_now_us() - 3000000,
		.role = "control",
	};
	const json_t		*o;
	json_t			*a;
	uint32_t		 tag;
	int			 fd;

	four_sessions();
	fd = ask("{\"command\":\"status\"}");
	tag = hear_ask(ASK_STATUS);
	memset(c.pool, 'x', sizeof(c.pool));
	tell(MSG_CHILD, tag, &c, sizeof(c));
	tell(MSG_CHILD, tag + 1, &c, sizeof(c));	/* not ours */
	tell_done(tag, 0);
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 0);
	ck_assert_uint_eq(json_array_size(a), 5);
	o = inner(a, 0, "role");
	ck_assert_str_eq(str(o, "role"), "master");
	ck_assert_int_eq(num(o, "pid"), getpid());
	ck_assert_int_lt(num(o, "uptime_ms"), 60000);
	o = inner(a, 1, "role");
	ck_assert_str_eq(str(o, "role"), "control");
	ck_assert_str_eq(str(o, "state"), "serving");
	ck_assert_int_eq(num(o, "uid"), (int64_t)geteuid());
	ck_assert_int_ge(num(o, "uptime_ms"), 3000);
	ck_assert(json_is_true(json_object_get(o, "own_root")));
	o = inner(a, 2, "pool");
	ck_assert_int_eq(num(o, "sessions"), 4);
	ck_assert_int_eq(num(o, "idle"), 1);
	ck_assert_int_eq(num(o, "workers"), 5);
	o = inner(a, 3, "daemon");
	ck_assert_int_eq(num(o, "pid"), getpid());
	ck_assert_int_eq(num(o, "sessions"), 4);
	ck_assert_int_eq(num(o, "generation"), 1);
	json_decref(a);
	close(fd);
}
END_TEST

static const struct {
	const char	*request;
	uint32_t	 what;
} asks[] = {
	{ "{\"command\":\"check\"}", ASK_CHECK },
	{ "{\"command\":\"reload\"}", ASK_RELOAD },
	{ "{\"command\":\"reopen\"}", ASK_REOPEN },
	{ "{\"command\":\"upgrade\"}", ASK_UPGRADE },
	{ "{\"command\":\"stop\"}", ASK_STOP },
	{ "{\"command\":\"stop\",\"when_idle\":true}", ASK_DRAIN },
};

START_TEST(the_master_is_asked_and_its_lines_are_passed_on)
{
	json_t		*a, *o;
	uint32_t	 tag;
	int		 fd = ask(asks[_i].request);

	tag = hear_ask(asks[_i].what);
	tell(MSG_REPORT, tag, "one", 3);
	/* A line is passed on when it comes, not at the end. */
	o = hear_object(fd);
	ck_assert_str_eq(str(o, "line"), "one");
	json_decref(o);
	tell(MSG_REPORT, tag, "t\xffwo\n", 5);
	tell_done(tag, 78);
	a = hear_answer(fd);
	ck_assert_str_eq(str(json_array_get(a, 0), "line"), "t\\xffwo\n");
	ck_assert_int_eq(status_of(a), 1);
	json_decref(a);
	close(fd);
}
END_TEST

START_TEST(answers_of_the_master_find_who_asked)
{
	json_t		*a;
	uint32_t	 first, second;
	int		 one = ask("{\"command\":\"check\"}"), two;

	first = hear_ask(ASK_CHECK);
	two = ask("{\"command\":\"reload\"}");
	second = hear_ask(ASK_RELOAD);
	tell(MSG_REPORT, second, "two", 3);
	tell_done(second, 0);
	a = hear_answer(two);
	ck_assert_str_eq(str(json_array_get(a, 0), "line"), "two");
	ck_assert_int_eq(status_of(a), 0);
	json_decref(a);
	tell_done(first, 1);
	a = hear_answer(one);
	ck_assert_uint_eq(json_array_size(a), 1);
	ck_assert_int_eq(status_of(a), 1);
	json_decref(a);
	close(one);
	close(two);
}
END_TEST

START_TEST(a_silent_master_is_said_to_be)
{
	int64_t	 began = io_now_ms();
	json_t	*a = talk("{\"command\":\"status\"}");

	ck_assert_int_lt(io_now_ms() - began, 2000);
	ck_assert_int_eq(status_of(a), 1);
	ck_assert_ptr_nonnull(strstr(error_of(a), "does not answer"));
	json_decref(a);
}
END_TEST

/* A configuration like the first, but for the listener's name. */
static void
new_generation(uint32_t number)
{
	static const char	 other[] = "control = { path = \"/x\"; };\n"
	    "listeners = ( { name = \"new\"; listen = \"127.0.0.1:1\"; "
	    "forward = \"10.0.0.9:80\"; } );\n";
	uint8_t			 u32[4];
	struct wr		 w;
	int			 fd = memfd_create("conf", MFD_CLOEXEC);

	ck_assert_int_eq(write(fd, other, strlen(other)),
	    (ssize_t)strlen(other));
	wr_init(&w, u32, sizeof(u32));
	wr_u32(&w, number);
	ck_assert_int_eq(channel_send(master, MSG_CONF, u32, sizeof(u32), &fd,
	    1), 0);
	close(fd);
	ck_assert_uint_eq(hear_type(master), MSG_PREPARED);
}

START_TEST(a_new_generation_is_in_effect_once_it_is_committed)
{
	json_t	*a;

	four_sessions();
	new_generation(2);
	a = talk("{\"command\":\"sessions\",\"listener\":\"?\"}");
	ck_assert_ptr_nonnull(strstr(error_of(a), "web, sql"));
	json_decref(a);
	ck_assert_int_eq(channel_send_u32(master, MSG_COMMIT, 2), 0);
	a = talk("{\"command\":\"sessions\",\"listener\":\"?\"}");
	ck_assert_ptr_nonnull(strstr(error_of(a), "there is new"));
	json_decref(a);
	/* Sessions of before still have their listener. */
	a = talk("{\"command\":\"sessions\",\"listener\":\"web\"}");
	ck_assert_uint_eq(json_array_size(a), 2);
	json_decref(a);
	/* And their server, where it is one still. */
	a = talk("{\"command\":\"servers\"}");
	ck_assert_uint_eq(json_array_size(a), 2);
	ck_assert_int_eq(num(inner(a, 0, "server"), "sessions"), 1);
	json_decref(a);
	ck_assert_int_eq(channel_send_u32(master, MSG_FORGET, 1), 0);
	a = talk("{\"command\":\"sessions\",\"listener\":\"web\"}");
	ck_assert_ptr_nonnull(strstr(error_of(a), "there is new"));
	json_decref(a);
}
END_TEST

START_TEST(two_requests_on_a_line_after_the_other_are_answered_in_order)
{
	int	 fd = ask("{\"command\":\"sessions\"}\n"
		    "{\"command\":\"nonsense\"}\n{\"command\":\"servers\"}");
	json_t	*a = hear_answer(fd);

	ck_assert_int_eq(status_of(a), 0);
	json_decref(a);
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 1);
	json_decref(a);
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 0);
	ck_assert_uint_eq(json_array_size(a), 5);
	json_decref(a);
	close(fd);
}
END_TEST

START_TEST(who_has_ended_his_stream_is_answered_and_left)
{
	int	 fd = ask("{\"command\":\"sessions\"}");
	json_t	*a;

	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 0);
	json_decref(a);
	unit_expect_end(fd);
	close(fd);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_refused)
{
	static char	 line[CLIENT_LINE_MAX];
	int		 fd = dial();
	bool		 reset;
	json_t		*a;

	memset(line, 'x', sizeof(line));
	unit_write(fd, line, sizeof(line));
	a = hear_answer(fd);
	ck_assert_int_eq(status_of(a), 2);
	ck_assert_ptr_nonnull(strstr(error_of(a), "at most"));
	json_decref(a);
	(void)unit_drain(fd, &reset);
	close(fd);
}
END_TEST

START_TEST(more_clients_than_there_is_room_for_are_told_so)
{
	int	 fds[CLIENTS_MAX + 1];
	json_t	*a;

	for (int i = 0; i < CLIENTS_MAX; i++)
		fds[i] = dial();
	fds[CLIENTS_MAX] = dial();
	a = hear_answer(fds[CLIENTS_MAX]);
	ck_assert_int_eq(status_of(a), 1);
	ck_assert_ptr_nonnull(strstr(error_of(a), "too many"));
	json_decref(a);
	/* Those who are in are served, and one who leaves makes room. */
	unit_write(fds[5], "{\"command\":\"sessions\"}\n", 23);
	a = hear_answer(fds[5]);
	ck_assert_int_eq(status_of(a), 0);
	json_decref(a);
	for (int i = 0; i <= CLIENTS_MAX; i++)
		close(fds[i]);
	a = talk("{\"command\":\"sessions\"}");
	ck_assert_int_eq(status_of(a), 0);
	json_decref(a);
}
END_TEST

/* Ten seconds once, for all that is bounded by them. */
START_TEST(who_is_silent_or_does_not_read_is_dropped)
{
	int64_t	 began = io_now_ms();
	int	 nothing = dial(), half = dial(), deaf = dial();
	size_t	 n = 0;
	bool	 reset;
	json_t	*a;

	four_sessions();
	unit_write(half, "{\"command\":", 11);
	while (send(deaf, "{\"command\":\"servers\"}\n", 22,
	    MSG_DONTWAIT | MSG_NOSIGNAL) == 22 && n < 10000)
		n++;
	/* Nobody else is kept waiting by them. */
	a = talk("{\"command\":\"sessions\"}");
	ck_assert_int_lt(io_now_ms() - began, 1000);
	json_decref(a);
	ck_assert_int_ne(unit_wait(nothing, POLLIN, CLIENT_MS + UNIT_MS), 0);
	ck_assert_int_ge(io_now_ms() - began, CLIENT_MS - 100);
	ck_assert_int_ne(unit_wait(half, POLLIN, UNIT_MS), 0);
	(void)unit_drain(half, &reset);
	ck_assert_int_ne(unit_wait(deaf, POLLHUP, CLIENT_MS + UNIT_MS) &
	    POLLHUP, 0);
	close(nothing);
	close(half);
	close(deaf);
}
END_TEST

#define N(a)	(int)(sizeof(a) / sizeof((a)[0]))

static void
add_keeper_tests(TCase *tc)
{
	tcase_add_loop_test(tc, a_server_is_changed_by_the_keeper, 0,
	    N(changes));
	tcase_add_test(tc, the_next_keeper_is_asked_when_one_dies);
	tcase_add_test(tc, a_keeper_that_is_silent_or_raves_is_given_up);
	tcase_add_test(tc, limits_come_from_boards_and_keeper);
	tcase_add_test(tc, a_page_without_sources_is_the_last);
}

static void
add_master_tests(TCase *tc)
{
	tcase_add_test(tc,
	    an_answer_that_comes_too_late_is_not_for_the_next_request);
	tcase_add_test(tc, status_joins_what_master_boards_and_proc_say);
	tcase_add_loop_test(tc,
	    the_master_is_asked_and_its_lines_are_passed_on, 0, N(asks));
	tcase_add_test(tc, answers_of_the_master_find_who_asked);
	tcase_add_test(tc, a_silent_master_is_said_to_be);
	tcase_add_test(tc,
	    a_new_generation_is_in_effect_once_it_is_committed);
}

static void
add_client_tests(TCase *tc)
{
	tcase_add_test(tc,
	    two_requests_on_a_line_after_the_other_are_answered_in_order);
	tcase_add_test(tc, who_has_ended_his_stream_is_answered_and_left);
	tcase_add_test(tc, a_line_that_is_too_long_is_refused);
	tcase_add_test(tc, more_clients_than_there_is_room_for_are_told_so);
	tcase_add_test(tc, who_is_silent_or_does_not_read_is_dropped);
}

int
main(void)
{
	Suite	*s = suite_create("control");
	TCase	*tc = tcase_create("control");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, sessions_are_listed_with_what_they_do);
	tcase_add_loop_test(tc, sessions_are_found_by_what_is_known_of_them,
	    0, N(filters));
	tcase_add_loop_test(tc, what_cannot_be_done_is_refused_with_a_reason,
	    0, N(bad));
	tcase_add_test(tc, a_torn_record_is_passed_over);
	tcase_add_test(tc,
	    whatever_bytes_a_worker_wrote_the_answer_is_json);
	tcase_add_test(tc, a_spawner_that_is_gone_takes_its_sessions_along);
	tcase_add_test(tc,
	    sessions_are_killed_by_their_spawner_and_that_is_logged);
	tcase_add_test(tc, who_maps_what_is_logged);
	tcase_add_test(tc, a_session_that_stays_is_named_after_a_second);
	tcase_add_test(tc, a_user_who_leaves_in_the_middle_is_forgotten);
	tcase_add_test(tc, a_server_whose_name_was_never_found_is_not_up);
	tcase_add_test(tc, servers_have_their_sessions_and_the_books_word);
	add_keeper_tests(tc);
	add_master_tests(tc);
	add_client_tests(tc);
	return unit_run(s);
}
