/*
 * conf.h - the configuration: read, checked, complete, and printed again.
 *
 * conf_new() gives every key its default; files and command line flags
 * change some; conf_finish() resolves references and checks what no single
 * key can tell.  All mistakes of one run are collected, each with file, line
 * and key, so that a reader mends them in one go.
 *
 * What conf_print() writes is a whole configuration: read back, it gives
 * the same one.  It is also how the master hands the configuration to the
 * other processes.
 */
#ifndef POLICY_CONF_H
#define POLICY_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/net.h"
#include "policy/access.h"
#include "policy/balance.h"
#include "policy/conf_report.h"
#include "policy/onetime.h"
#include "wire/mysql_packet.h"

#define CONF_LISTENERS_MAX	256
#define CONF_ADDRS_MAX		64		/* of one listener or backend */
#define CONF_NETS_MAX		1024		/* of one list */
#define CONF_BACKENDS_MAX	512
#define CONF_POOLS_MAX		63		/* and the master: 64 to log */
#define CONF_NAME_MAX		32		/* characters of a name */
#define CONF_TEXTS_MAX		64		/* of one list of strings */
#define CONF_NOWHERE		SIZE_MAX	/* a backend that is none */
#define CONF_FORWARDS_MAX	16		/* of one listener */
#define CONF_ROUTES_MAX		256		/* of one listener */
#define CONF_ACCOUNTS_MAX	1024
#define CONF_GROUPS_MAX		256
#define CONF_AGENTS_MAX		1024
#define CONF_TOPICS_MAX		4096
#define CONF_HUBS_MAX		16
#define CONF_PUBLISHES_MAX	128
#define CONF_ASSIGNS_MAX	64		/* of one agent */
#define CONF_TOPIC_MAX		64		/* characters */
#define CONF_PIN_LEN		32		/* bytes of a pin */
#define CONF_USER_PRESET	"_sallyport"	/* what a package makes */
#define CONF_AUTH_USER_PRESET	"_sallyauth"
#define CONF_SERVERS_MAX	4096		/* of all backends */

struct conf_addr {
	char		*text;		/* as it was written */
	struct net_spec	 spec;
};

struct conf_addrs {
	struct conf_addr	*v;
	size_t			 n;
};

struct conf_nets {
	struct access_net	*v;
	size_t			 n;
};

struct conf_texts {
	char	**v;
	size_t	  n;
};

struct conf_rate {
	int64_t	 count;			/* 0: no limit */
	int64_t	 ms;			/* in that time */
};

enum conf_protocol {
	CONF_TCP,
	CONF_MYSQL,
	CONF_HUB,
	CONF_NETROXY,			/* a hub for its clients */
	CONF_AGENT,			/* no word for it: see conf_publish */
	CONF_MAPPED,			/* nor for these: a hub's mappings */
	CONF_ASSIGNED,			/* and what hubs assign */
};

enum conf_tls_mode {
	CONF_TLS_OFF,
	CONF_TLS_OFFER,			/* a listener: who asks gets it */
	CONF_TLS_PREFER = CONF_TLS_OFFER,	/* a backend: if it can */
	CONF_TLS_REQUIRE,
};

enum conf_tls_version {			/* from TLS1_VERSION on, by one */
	CONF_TLS_1_0,
	CONF_TLS_1_1,
	CONF_TLS_1_2,
	CONF_TLS_1_3,
};

enum conf_client_verify {
	CONF_CLIENT_NONE,
	CONF_CLIENT_OPTIONAL,
	CONF_CLIENT_REQUIRE,
};

enum conf_verify {
	CONF_VERIFY_FULL,		/* the chain, and the name */
	CONF_VERIFY_CA,			/* the chain */
	CONF_VERIFY_NONE,
};

enum conf_greeting {
	CONF_GREETING_OWN,
	CONF_GREETING_SERVER,
};

enum conf_secrets {
	CONF_SECRETS_FILE,
	CONF_SECRETS_TABLE,
};

enum conf_code {
	CONF_CODE_INSIDE,		/* the password has it in it */
	CONF_CODE_ASKED,		/* for apart, after the password */
};

enum conf_login {
	CONF_LOGIN_SERVER,		/* the server knows who may */
	CONF_LOGIN_TOTP,		/* we do, by a one-time code */
};

#define CONF_PACED_MAX	1024	/* agents and topics that have a bandwidth */

enum conf_hub_protocol {
	CONF_HUB_NATIVE,
	CONF_HUB_NETROXY,		/* a Netroxy server */
};

enum conf_compression {
	CONF_COMPRESSION_OFF,
	CONF_COMPRESSION_ZSTD,
};

enum conf_policy {			/* a second agent has the topic */
	CONF_POLICY_REPLACE,
	CONF_POLICY_GROUP,
	CONF_POLICY_STANDBY,
	CONF_POLICY_REJECT,
};

enum conf_carry {
	CONF_CARRY_AUTO,
	CONF_CARRY_ALWAYS,
	CONF_CARRY_NEVER,
};

enum conf_sandbox {
	CONF_SANDBOX_ON,
	CONF_SANDBOX_LOG,
	CONF_SANDBOX_OFF,
};

enum conf_log_format {
	CONF_LOG_TEXT,
	CONF_LOG_JSON,
};

enum conf_record {
	CONF_RECORD_NONE,
	CONF_RECORD_LOG,
	CONF_RECORD_SYSLOG,
	CONF_RECORD_TABLE,
	CONF_RECORD_FILE,
};

enum conf_overflow {			/* a record finds no room */
	CONF_OVERFLOW_DROP,
	CONF_OVERFLOW_WAIT,
	CONF_OVERFLOW_CLOSE,
};

enum conf_table_tls {
	CONF_TABLE_PLAIN,
	CONF_TABLE_ENCRYPT,
	CONF_TABLE_VERIFY,
};

/* A set of commands: bit n of it is command n. */
struct conf_commands {
	uint8_t	 bits[MYSQL_COMMANDS / 8];
};

enum conf_check_type {
	CONF_CHECK_NONE,
	CONF_CHECK_TCP,
	CONF_CHECK_MYSQL,
	CONF_CHECK_TLS,
	CONF_CHECK_EXPECT,
};

struct conf_server {
	char		*text;		/* its address as it was written */
	struct net_spec	 spec;
	int64_t		 weight;	/* 0 to 256; 0: takes no sessions */
	bool		 backup;
	int64_t		 max_sessions;	/* 0: no limit */
	int64_t		 send_proxy;	/* version of the header, 0: none */
	size_t		 index;		/* among all servers of all backends,
					   by conf_finish(); see book.h */
};

struct conf_servers {
	struct conf_server	*v;
	size_t			 n;
};

struct conf_backend {
	char			*where;		/* "file:line" */
	char			*name;
	struct conf_servers	 servers;
	int			 balance;	/* enum balance_method */
	int64_t			 retries;	/* servers after the first */
	struct {
		int64_t	 size;			/* sessions; 0: no queue */
		int64_t	 timeout;		/* ms */
	} queue;
	char			*bind;		/* "" or a numeric address */
	struct net_addr		 source;	/* of bind, by conf_finish();
						   len 0: the kernel's choice */
	struct {
		int	 type;			/* enum conf_check_type */
		int64_t	 interval;		/* ms */
		int64_t	 timeout;		/* ms */
		int64_t	 rise;			/* good ones until up */
		int64_t	 fall;			/* bad ones until down */
		char	*send;			/* EXPECT: said first */
		char	*expect;		/* and awaited */
	} check;
	struct {
		int	 mode;			/* OFF, PREFER or REQUIRE */
		char	*ca;			/* "" for the system's */
		int	 verify;		/* enum conf_verify */
		char	*server_name;		/* "" for the server's own */
		char	*certificate;		/* "" for none */
		char	*key;
		int	 min_version;		/* enum conf_tls_version */
	} tls;
	char			*server_public_key;	/* "" for any */
	bool			 implicit;	/* made from a forward */
	char			*topic;		/* sessions go there, and to no
						   server: of the hub below, or
						   of our own broker; or NULL */
	size_t			 hub;		/* whose servers these are, or
						   CONF_NOWHERE */
	bool			 placed;	/* sessions ask the keeper for a
						   server, by conf_finish() */
};

/* What a client says in its first words, and where that leads. */
struct conf_route {
	char	*server_name;		/* "" for any, "*.x" for all below x */
	char	*alpn;			/* "" for any */
	char	*forward;
	size_t	 backend;		/* as conf_listener.backend */
};

struct conf_routes {
	struct conf_route	*v;
	size_t			 n;
};

/* Who of those with one-time codes becomes which account of the servers. */
struct conf_account {
	char			*where;
	struct conf_texts	 users;		/* names, "@group" or "*" */
	char			*account;
	char			*password_file;	/* "" for no password */
	char			*database;	/* "" for the user's choice */
	struct conf_texts	 listeners;	/* none: all */
};

struct conf_accounts {
	struct conf_account	*v;
	size_t			 n;
};

/* A table of a database that dbclient reads or writes. */
struct conf_table {
	char		*server;
	struct net_spec	 spec;			/* of it, by conf_finish() */
	char		*user;
	char		*password_file;		/* "" for none */
	char		*database;
	char		*name;
	int		 tls;			/* enum conf_table_tls */
	char		*ca;			/* "" for the system's */
	bool		 wanted;		/* by conf_finish() */
};

struct conf_group {
	char			*where;
	char			*name;
	struct conf_texts	 users;
};

struct conf_groups {
	struct conf_group	*v;
	size_t			 n;
};

/* What an agent is to do: to listen, or to forward; see assign.h. */
struct conf_assign {
	char	*listen;
	char	*forward;
	/* By conf_finish(). */
	bool	 by_agent;			/* it listens, and we forward */
	char	 topic[CONF_TOPIC_MAX + 1];
	size_t	 listener;			/* ours of it */
};

struct conf_assigns {
	struct conf_assign	*v;
	size_t			 n;
};

/* Who may connect to our hub, and for what. */
struct conf_agent {
	char			*where;
	char			*id;
	char			*secret_file;
	char			*netroxy_password_file;	/* "", or in place of
						   that */
	struct conf_texts	 publish, subscribe;	/* topics, "a.*", "*" */
	struct conf_texts	 ports;		/* "80", "13000-13999": that it
						   may have opened here */
	struct conf_nets	 addresses;	/* of ours; none: any */
	int64_t			 ports_hold;	/* ms, without it */
	struct conf_assigns	 assign;
	int64_t			 max_sessions;	/* at a time; 0: no limit */
	struct conf_rate	 rate;		/* of new sessions */
	int64_t			 bandwidth;	/* bytes a second; 0 */
};

struct conf_agents {
	struct conf_agent	*v;
	size_t			 n;
};

struct conf_topic {
	char			*where;
	char			*name;
	int			 policy;	/* enum conf_policy */
	int64_t			 hold;		/* ms */
	int64_t			 max_sessions;	/* at a time; 0: no limit */
	struct conf_rate	 rate;		/* of new sessions */
	int64_t			 bandwidth;	/* bytes a second; 0 */
	int			 compression;	/* enum conf_compression */
	int64_t			 waiting;	/* users, at the most */
	struct conf_nets	 allow, deny;	/* users of mappings */
};

struct conf_topics {
	struct conf_topic	*v;
	size_t			 n;
};

/* A hub that we are an agent of. */
struct conf_hub {
	char			*where;
	char			*name;
	int			 protocol;	/* enum conf_hub_protocol */
	struct conf_servers	 address;
	char			*id;
	char			*secret_file;
	char			*password_file;	/* in place of that, for
						   CONF_HUB_NETROXY */
	char			*pin;		/* "" or "sha256:" and digits */
	struct conf_texts	 accept_assign;	/* rules of assign.h */
	int			 compression;	/* enum conf_compression */
	struct {
		int	 mode;			/* OFF or REQUIRE */
		char	*ca;			/* "" for none */
		char	*server_name;		/* "" for its address */
	} tls;
	/* By conf_finish(). */
	uint8_t			 pinned[CONF_PIN_LEN];
	size_t			 backend;	/* where its addresses are */
	char			*pool;		/* of what we publish there */
	bool			 publishes;	/* anything, or may be told
						   to? */
};

struct conf_hubs {
	struct conf_hub		*v;
	size_t			 n;
};

/*
 * A service of ours at a hub.  conf_finish() makes a listener of it, with no
 * address and the protocol CONF_AGENT: users come by the hub.
 */
struct conf_publish {
	char			*where;
	char			*topic;
	char			*hub;
	char			*forward;
	int64_t			 weight;	/* 1 to 255 */
	struct conf_nets	 allow, deny;	/* users */
	char			*map;		/* port_range.h; "" for none */
	bool			 open;		/* is it at first? */
	bool			 map_tls;
	size_t			 listener;
};

struct conf_publishes {
	struct conf_publish	*v;
	size_t			 n;
};

struct conf_listener {
	char			*where;
	char			*name;
	struct conf_addrs	 listen;
	int			 protocol;	/* enum conf_protocol */
	struct conf_texts	 forward;	/* the next where one fails */
	char			*pool;		/* its default by
						   conf_finish() */
	int64_t			 buffer;	/* bytes, each direction */
	int			 carry;		/* enum conf_carry */
	struct conf_nets	 allow, deny;
	int64_t			 max_sessions;	/* these: 0 for no limit */
	int64_t			 max_sessions_per_source;
	struct conf_rate	 rate_per_source;
	int64_t			 penalty;	/* ms */
	int64_t			 handshakes;
	struct {
		bool			 accept;
		struct conf_nets	 from;
	} proxy_protocol;
	int64_t			 backlog;
	struct {
		int64_t	 idle;			/* ms; 0: the system's */
		int64_t	 interval;
		int64_t	 count;
	} keepalive;
	int64_t			 user_timeout;	/* ms; 0: the system's */
	bool			 nodelay;
	bool			 v6only;
	char			*device;	/* "" for any */
	bool			 transparent;
	int64_t			 fast_open;	/* queue; 0: off */
	int64_t			 defer_accept;	/* ms; 0: off */
	char			*data_address;	/* "" for where agents are */
	struct {
		int			 mode;	/* enum conf_tls_mode */
		struct conf_texts	 certificate;
		struct conf_texts	 key;	/* of each certificate */
		struct conf_texts	 chain;	/* none, or of each */
		int			 min_version;
		char			*ciphers;	/* 1.2; "": OpenSSL's */
		char			*ciphersuites;	/* 1.3 */
		char			*curves;
		int			 client_verify;
		char			*client_ca;	/* "" for none */
		char			*client_crl;
		char			*ocsp;
		bool			 tickets;
		struct conf_texts	 alpn;
		struct conf_routes	 routes;
	} tls;
	int			 login;		/* enum conf_login */
	int			 greeting;	/* enum conf_greeting */
	bool			 local_infile;
	bool			 compression;
	struct {
		char			*to;	/* "" for no record */
		int			 format;	/* as log.format */
		int64_t			 max_statement;	/* bytes */
		int			 on_overflow;	/* enum conf_overflow */
		struct conf_texts	 commands;	/* names; none: the
							   usual ones */
		bool			 redact;
		int			 kind;	/* enum conf_record, and the
						   set, by conf_finish() */
		struct conf_commands	 set;
	} query_log;
	struct conf_texts	 deny_commands;	/* names */
	struct conf_commands	 denied;	/* by conf_finish() */
	/* Indices, by conf_finish(): of the first forward, and the others. */
	size_t			 backend;
	size_t			 fallbacks[CONF_FORWARDS_MAX - 1];
	size_t			 nfallbacks;
	bool			 admitted;	/* sessions ask the keeper to be
						   let in, by conf_finish() */
	bool			 implicit;	/* made from a conf_publish, or
						   for mappings: then of */
	size_t			 hub;		/* this listener, whose TLS
						   their users may have; for
						   what a hub assigns, this
						   hub */
};

struct conf {
	char		*file;			/* for messages; NULL: none */
	char		*user;
	char		*auth_user;
	char		*pid_file;		/* "" for none */
	int		 sandbox;		/* enum conf_sandbox */
	char		*conf_d;		/* "" once it has been read */
	char		*ini;			/* portproxy's file, which has
						   all passwords; or NULL.  No
						   key: see files.h */
	struct {
		char	*to;
		int	 level;			/* enum logline_level */
		int	 format;		/* enum conf_log_format */
	} log;
	struct {
		int64_t	 spare;
		int64_t	 max;
		int64_t	 reuse;			/* sessions a worker serves */
	} workers;
	struct {
		int64_t	 count;			/* 0: one a CPU */
		int64_t	 sessions;		/* of one carrier */
	} carriers;
	struct {				/* milliseconds */
		int64_t	 connect;
		int64_t	 handshake;
		int64_t	 idle;
		int64_t	 half_closed;
		int64_t	 session;		/* 0: no limit */
		int64_t	 drain;
	} timeouts;
	struct conf_backend	*backends;
	size_t			 nbackends;
	struct conf_listener	*listeners;
	size_t			 nlisteners;
	size_t			 nservers;	/* of all backends */
	struct conf_table	 query_table;	/* for query_log.to "table" */
	struct conf_table	 otp_table;	/* for totp.secrets "table" */
	struct {				/* for login "totp" */
		int		 secrets;	/* enum conf_secrets */
		char		*file;		/* who has which secret */
		char		*state;		/* "" for none */
		int		 code;		/* enum conf_code */
		char		*password;	/* template, see prove.h */
		int64_t		 digits;
		int64_t		 period;	/* ms */
		int		 algorithm;	/* enum onetime_hash */
		int64_t		 window;	/* steps */
		int64_t		 reuse;		/* ms; 0: never */
		int64_t		 tries;		/* until one is locked */
		int64_t		 lock;		/* ms */
		struct conf_nets trusted;
		bool		 wanted;	/* by conf_finish() */
	} totp;
	struct conf_agents	 agents;
	struct conf_topics	 topics;
	struct conf_hubs	 hubs;
	struct conf_publishes	 publishes;
	int64_t			 agents_max;	/* control links at a time */
	struct conf_accounts	 accounts;
	struct conf_groups	 groups;
	struct {
		char	*path;			/* of the socket; "" for none */
		char	*group;			/* who may; "" for root alone */
	} control;
};

struct conf	*conf_new(void);
void		 conf_free(struct conf **conf);

/*
 * Read a file, or text of len bytes and a NUL that stands under `name' in
 * messages, what they include (conf_include.h) and the folder conf_d.  Both
 * add to what the configuration holds and to the report.
 */
void	 conf_read_file(struct conf *conf, const char *path,
	    struct conf_report *report);
void	 conf_read_text(struct conf *conf, const char *name, const char *text,
	    size_t len, struct conf_report *report);

/*
 * Set one key from a flag: "log.to", or a key of the first listener as
 * "listener.listen" or "listener.tls.mode", which is made where there is none.
 */
void	 conf_set(struct conf *conf, const char *flag, const char *key,
	    const char *value, struct conf_report *report);

/* Resolve and check the whole.  0, or -1 when the report holds errors. */
int	 conf_finish(struct conf *conf, struct conf_report *report);

/*
 * Where sessions of the listener may go, once conf_finish() has been: its
 * first forward is number 0, routes follow from 1, and then the other
 * forwards.  NULL beyond the last, and for one that leads nowhere, which was
 * told.
 */
const struct conf_backend	*conf_backend_of(const struct conf *conf,
				    const struct conf_listener *l, size_t i);

/* How many numbers there are. */
size_t	 conf_ways(const struct conf_listener *l);

/*
 * Is the server of that index the backend's, NULL allowed?  Each backend's
 * have one number after the other, so it is servers.v[index -
 * servers.v[0].index].
 */
bool	 conf_backend_has(const struct conf_backend *b, size_t index);

/*
 * The account that somebody becomes at a listener, or CONF_NOWHERE: the first
 * whose users name that one, a group of that one's, or everybody.
 */
size_t	 conf_account_of(const struct conf *conf,
	    const struct conf_listener *l, const char *user);

/* Does it hold at that listener? */
bool	 conf_account_is_at(const struct conf_account *account,
	    const struct conf_listener *l);

/* What codes are like where a person's line does not say otherwise. */
struct onetime_rule	 conf_onetime_rule(const struct conf *conf);

/* Write all of it, defaults included, as a configuration file. */
void	 conf_print(const struct conf *conf, FILE *out);

/*
 * For those who read: add a backend or listener with every default; it is
 * valid until the next is added.
 */
struct conf_backend	*conf_add_backend(struct conf *conf,
			    const char *where);
struct conf_listener	*conf_add_listener(struct conf *conf,
			    const char *where);

#endif
