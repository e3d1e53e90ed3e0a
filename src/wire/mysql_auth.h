/*
 * mysql_auth.h - what a MySQL server and its client say while a login goes
 * on, after the greeting and the first answer, and COM_CHANGE_USER, with
 * which it goes on again.
 *
 * What a client sends then is the plugin's own and has no format here.
 *
 * Source: MySQL Internals, "Connection Phase Packets", "COM_CHANGE_USER".
 */
#ifndef WIRE_MYSQL_AUTH_H
#define WIRE_MYSQL_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/mysql_packet.h"

/* What caching_sha2_password and sha256_password say in MYSQL_MORE_DATA. */
enum {
	MYSQL_SHA256_ASK_KEY = 0x01,	/* a client of sha256_password */
	MYSQL_SHA2_ASK_KEY = 0x02,	/* a client of caching_sha2_password */
	MYSQL_SHA2_FAST_OK = 0x03,	/* the server: an OK follows */
	MYSQL_SHA2_FULL = 0x04,		/* the server: send the password */
};

/* A server wants another plugin, or one more. */
struct mysql_switch {
	struct mysql_bytes	 plugin;
	struct mysql_bytes	 data;		/* p NULL: none */
};

/*
 * MYSQL_SWITCH and MYSQL_NEXT_FACTOR, that byte included.  0, or -1: cut, or
 * without a name, as the bare 0xfe of before 4.1 and an EOF.
 *
 * Behind a nonce of MYSQL_NONCE_LEN bytes servers write a NUL, which is not
 * part of it: of 21 bytes the last is left out if it is a NUL, and whatever
 * has 20 is encoded with one.  Other data are the plugin's own, as the 32
 * bytes of ed25519 and parsec, and stay as they are.
 */
int	 mysql_switch_decode(struct rd *r, struct mysql_switch *s);
int	 mysql_next_factor_decode(struct rd *r, struct mysql_switch *s);
void	 mysql_switch_encode(struct wr *w, const struct mysql_switch *s);
void	 mysql_next_factor_encode(struct wr *w, const struct mysql_switch *s);

struct mysql_change_user {
	struct mysql_bytes	 user, auth;
	struct mysql_bytes	 database;	/* p NULL: none */
	uint16_t		 charset;
	bool			 has_charset;	/* else nothing follows */
	struct mysql_bytes	 plugin;	/* p NULL: none */
	struct mysql_bytes	 attributes;	/* p NULL: none */
};

/*
 * COM_CHANGE_USER, that byte included, by the agreed capabilities.  0, or -1
 * when it is another or cut.  Of what stands behind the database, fields that
 * are missing are none, half a charset is a cut one, and attributes that
 * reach beyond the payload are left alone as what follows any.
 */
int	 mysql_change_user_decode(struct rd *r, uint32_t caps,
	    struct mysql_change_user *c);
/* More than 255 bytes of `auth' do not fit. */
void	 mysql_change_user_encode(struct wr *w, uint32_t caps,
	    const struct mysql_change_user *c);

/* Is this the plugin of that name? */
bool	 mysql_plugin_is(struct mysql_bytes plugin, const char *name);

#endif
