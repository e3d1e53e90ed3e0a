/*
 * control_client.h - connections of sallyportctl: lines in, lines out.
 *
 * A request is an object of JSON on a line; it is answered by objects, one a
 * line, and the last of them has "done".  Each client has one request under
 * way at a time, as a job: what remains of it to be said is kept by who began
 * it, and asked for when there is room.  So what a client costs is bounded,
 * and none can hold up another: one that is silent within a request, or does
 * not read, is dropped.
 */
#ifndef PROCESS_CONTROL_CLIENT_H
#define PROCESS_CONTROL_CLIENT_H

#include <sys/socket.h>

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENTS_MAX	32
#define CLIENT_LINE_MAX	(64 * 1024)	/* bytes of a request */
#define CLIENT_ROOM	(64 * 1024)	/* of answers, before jobs wait */
#define CLIENT_OUT_MAX	(1024 * 1024)	/* before a client is dropped */
#define CLIENT_MS	10000		/* to say a whole request, to read on */

struct client;

/* Say more; called when there is room, and at wake_at. */
typedef void	 client_step(void *ctx, struct client *c);

struct client_job {
	const char	*name;		/* NULL: nothing is under way */
	uint64_t	 id;		/* never used again */
	client_step	*step;		/* NULL: it waits for others */
	int64_t		 wake_at;	/* io_now_ms() */
	int64_t		 deadline;	/* the same */
	const char	*late;		/* what is said then */
	uint32_t	 tag;		/* of what the master was asked, or 0 */
	void		*state;		/* freed with the job */
};

struct client {
	int			 fd;
	struct ucred		 cred;
	char			*in;
	size_t			 in_len;
	char			*out;
	size_t			 out_len, out_size;
	int64_t			 deadline;
	bool			 ended;		/* says nothing more */
	bool			 closing;	/* once it has its answer */
	bool			 dead;
	struct client_job	 job;
};

struct clients {
	struct client	*v[CLIENTS_MAX];
	size_t		 n;
};

/* Runs one request; the object stays the caller's. */
typedef void	 client_run(void *ctx, struct client *c, json_t *request);

/* Take a connection from the listening socket.  0, or -1 with errno. */
int	 clients_accept(struct clients *cs, int listener);
/* Whose job it is, while it is under way; or NULL. */
struct client	*clients_find_job(struct clients *cs, uint64_t id);
struct client	*clients_find_tag(struct clients *cs, uint32_t tag);

/* What poll(2) shall watch of a client. */
struct pollfd	 client_pollfd(const struct client *c);

/*
 * Go on with all that can: read by what poll showed in p (one for each
 * client, in order, `n' of them), run requests, step jobs, write, drop.
 */
void	 clients_go_on(struct clients *cs, const struct pollfd *p, size_t n,
	    client_run *run, void *ctx);

/* When to look again, io_now_ms(). */
int64_t	 clients_next(const struct clients *cs);

/* Send what the sockets take at once, and close all. */
void	 clients_end(struct clients *cs);

/* Begin a job.  ms is how long it may take before `late' is said. */
void	 client_begin(struct client *c, const char *name, client_step *step,
	    void *state, int ms, const char *late);
/* The same in place of the job that is under way. */
void	 client_next(struct client *c, const char *name, client_step *step,
	    void *state, int ms, const char *late);
bool	 client_has_room(const struct client *c);

/* Say an object, which is taken over. */
void	 client_say(struct client *c, json_t *object);
/* The last one: "done" and "status" are added; NULL for nothing else. */
void	 client_done(struct client *c, json_t *object, int status);
/* The last one, with why it was refused in "error". */
void	 client_refuse(struct client *c, int status, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/* A text for JSON, whatever bytes it has: what is no UTF-8 becomes \xNN. */
json_t	*client_text(const char *s);

/* A count for JSON, whose numbers have a sign. */
json_t	*client_count(uint64_t n);

#endif
