/*
 * mysql_charset.h - names of character sets, by the number of a collation
 * that a client names in its login.
 *
 * Source: MySQL Manual, "SHOW COLLATION"; MariaDB, "Supported Character Sets
 * and Collations".
 */
#ifndef WIRE_MYSQL_CHARSET_H
#define WIRE_MYSQL_CHARSET_H

#include <stdint.h>

/* "utf8mb4"; "" for one that is not known here. */
const char	*mysql_charset_text(uint8_t collation);

#endif
