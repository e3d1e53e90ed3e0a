/*
 * totp_ask.h - what control asks of auth for administrators, and what auth
 * hears of dbclient (MSG_SECRET).
 *
 *	MSG_TOTP	what u8 (enum totp_what), name u8 and so many bytes;
 *			an argument, to the end
 *			-> 0 or 1, u8; text to the end: why not, with 1
 *
 *	TOTP_ADD	options, which may begin with a secret, behind a NUL
 *			the rest -> an otpauth: URI
 *	TOTP_REMOVE
 *	TOTP_LIST	a number: from which on -> lines, as many as fit, none
 *			behind the last
 *	TOTP_CHECK	a code -> what it is
 *	TOTP_RECOVERY	-> ten codes, a line each
 *	TOTP_UNLOCK	the name, or an address
 */
#ifndef PROCESS_TOTP_ASK_H
#define PROCESS_TOTP_ASK_H

enum totp_what {
	TOTP_ADD,
	TOTP_REMOVE,
	TOTP_LIST,
	TOTP_CHECK,
	TOTP_RECOVERY,
	TOTP_UNLOCK,
	TOTP_WHATS,			/* so many there are */
};

enum secret_result {
	SECRET_FOUND,
	SECRET_NONE,			/* the table names nobody so */
	SECRET_AWAY,			/* nobody can say */
};

#define TOTP_ARGUMENT_MAX	512	/* bytes */

#endif
