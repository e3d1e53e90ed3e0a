/*
 * mysql_redact.h - secrets in SQL: passwords and keys that a statement spells
 * out, which have no place in a record.
 *
 * Source: MySQL Manual, "Passwords and Logging", and the statements of MariaDB
 * that take a password.
 */
#ifndef WIRE_MYSQL_REDACT_H
#define WIRE_MYSQL_REDACT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Replace the secrets of a statement that may be cut at its end, in place: the
 * inside of each string becomes <secret>, or up to three asterisks where it is
 * shorter than that; digits of a hexadecimal one become "secret".  Never longer
 * than it was, and once more changes nothing.  Returns the new length; *any:
 * there was one, or a placeholder where one would stand.
 *
 *	IDENTIFIED BY [PASSWORD] 'x' [REPLACE 'y']
 *	IDENTIFIED WITH | VIA p BY | AS | USING 'x' [OR p AS 'y']
 *	SET PASSWORD [FOR u] = 'x', = PASSWORD('x'), TO 'x'
 *	PASSWORD('x'), OLD_PASSWORD('x'), ENCRYPT('x')
 *	PASSWORD | MASTER_PASSWORD | SOURCE_PASSWORD [=] 'x', also compared;
 *	of a call that stands there, all strings in it
 *	DECODE, ENCODE, AES_ENCRYPT, AES_DECRYPT, DES_...: their key, which is
 *	all that follows the first argument
 *
 * Words in any case, with comments (also executable ones, as servers read
 * them) or any white space between; strings in single or double quotes with
 * both kinds of escape, joined ones ('a' 'b'), hexadecimal (0x.., x'..') and
 * with an introducer (_utf8'..').  A string without an end is one up to the
 * end.
 *
 * It does not see: SQL in strings (EXECUTE IMMEDIATE '...'), the URL of a
 * CONNECTION, values of an INSERT.  It cannot know that backslashes are no
 * escapes (NO_BACKSLASH_ESCAPES), nor that a byte like one is half a character
 * (gbk, sjis).
 */
size_t	 mysql_redact(char *sql, size_t len, bool *any);

#endif
