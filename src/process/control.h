/*
 * control.h - what control knows, and what it can be asked for.
 *
 * Each command is a client_run: it answers at once, or begins a job.  The
 * status of an answer is what sallyportctl(8) exits with.
 */
#ifndef PROCESS_CONTROL_H
#define PROCESS_CONTROL_H

#include "policy/access.h"
#include "process/book.h"
#include "process/control_board.h"
#include "process/control_client.h"
#include "process/control_line.h"
#include "process/setup.h"

#define FILTER_SERVERS_MAX	64	/* addresses that one name has */

struct control {
	struct setup		*s;
	uint32_t		 generation;	/* in effect */
	struct boards		 boards;
	struct clients		 clients;
	struct service_line	 keeper, auth, broker;
	uint32_t		 last_tag;	/* given to a question */
	int64_t			 no_accept_until;
};

/* The configuration in effect. */
struct setup_generation	*control_now(const struct control *ct);

/*
 * A member of a request.  control_string() has the text, or NULL where there
 * is none; -1 with the client refused when it is no text.
 */
int	 control_string(struct client *c, const json_t *request,
	    const char *key, const char **text);

/* Which sessions are meant. */
struct filter {
	bool			 by_id, by_listener, by_source, by_server,
				 by_user;
	uint64_t		 id;
	char			 listener[SB_LISTENER_MAX];
	char			 user[SB_USER_MAX];
	struct access_net	 source;
	struct net_addr		 servers[FILTER_SERVERS_MAX];	/* any */
	size_t			 nservers;
};

/* control_filter.c: 0; -1 with the client refused. */
int	 filter_read(struct filter *f, const struct control *ct,
	    struct client *c, const json_t *request);
bool	 filter_matches(const struct filter *f,
	    const struct board_session *s);

/* "no listener wbe; there are web, db", one name after the other. */
struct names {
	char	 text[512];
	size_t	 len, n, left_out;
};

void	 names_add(struct names *names, const char *name);
void	 names_refuse(struct names *names, struct client *c,
	    const char *what, const char *name);

/* control_sessions.c */
client_run	 control_sessions, control_kill;

/* End all sessions of a user, for a client who waits; none is fine. */
void	 control_kill_user(struct control *ct, struct client *c,
	    const char *user);

/* control_totp.c: auth answers these. */
client_run	 control_totp, control_unlock;

/* control_hub.c: the broker answers these. */
client_run	 control_agents, control_topics, control_drain,
		 control_undrain, control_mappings, control_map,
		 control_unmap, control_open, control_close;

/* control_servers.c */
client_run	 control_servers, control_server, control_limits;

/* What it has now, at most BOOK_ADDRS_MAX; the book may be NULL. */
size_t		 control_server_addrs(const struct conf_server *server,
		    const struct book_entry *book, struct net_addr *addrs);
/* The book of a generation, to be given back; NULL where there is none. */
const struct book_entry	*control_map_book(const struct setup_generation *g);
void		 control_unmap_book(const struct setup_generation *g,
		    const struct book_entry *book);

/* control_ask.c: the master answers these. */
client_run	 control_status, control_check, control_reload,
		 control_reopen, control_upgrade, control_stop;

/* What the master says of one of its children, or of what was asked. */
void	 control_hear_child(struct control *ct, uint32_t tag,
	    const struct setup_child *child);
void	 control_hear_report(struct control *ct, uint32_t tag,
	    const char *line);
void	 control_hear_asked(struct control *ct, uint32_t tag,
	    uint32_t status);

#endif
