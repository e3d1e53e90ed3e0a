/*
 * buf.h - a reader and a writer that cannot run past the end of their bytes.
 *
 * Decoders read straight down and ask once, at the end, whether every
 * read was inside the buffer.  After a failed read all later ones yield
 * zero or NULL, so no half-read value can steer a loop for long.
 * Encoders do the same: after a write that does not fit, nothing more is
 * written, and wr_ok() says so.
 *
 * Neither owns anything: the bytes must outlive it and what it returned.
 * Numbers are big-endian, as in all messages of our own; those named "le" are
 * little-endian, as others have them.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rd {
	const uint8_t	*p;		/* next unread byte */
	size_t		 left;		/* bytes from p to the end */
	bool		 bad;		/* some read ran past the end */
};

void		 rd_init(struct rd *r, const void *data, size_t len);
/* The next len bytes, inside the buffer, or NULL. */
const uint8_t	*rd_take(struct rd *r, size_t len);
uint8_t		 rd_u8(struct rd *r);
uint16_t	 rd_u16(struct rd *r);
uint32_t	 rd_u32(struct rd *r);
uint64_t	 rd_u64(struct rd *r);
uint16_t	 rd_le16(struct rd *r);
uint32_t	 rd_le24(struct rd *r);
uint32_t	 rd_le32(struct rd *r);
uint64_t	 rd_le64(struct rd *r);
/* Was every read inside? */
bool		 rd_ok(const struct rd *r);
/* Was every read inside, and is nothing left over? */
bool		 rd_end(const struct rd *r);

struct wr {
	uint8_t		*p;		/* where the next byte goes */
	size_t		 left;		/* room from p to the end */
	uint8_t		*start;
	bool		 bad;		/* some write did not fit */
};

void	 wr_init(struct wr *w, void *data, size_t size);
void	 wr_bytes(struct wr *w, const void *data, size_t len);
void	 wr_u8(struct wr *w, uint8_t v);
void	 wr_u16(struct wr *w, uint16_t v);
void	 wr_u32(struct wr *w, uint32_t v);
void	 wr_u64(struct wr *w, uint64_t v);
void	 wr_le16(struct wr *w, uint16_t v);
/* What takes more than 24 bits does not fit. */
void	 wr_le24(struct wr *w, uint32_t v);
void	 wr_le32(struct wr *w, uint32_t v);
void	 wr_le64(struct wr *w, uint64_t v);
/* Bytes written so far. */
size_t	 wr_len(const struct wr *w);
bool	 wr_ok(const struct wr *w);

#endif
