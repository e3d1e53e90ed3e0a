/*
 * compress.h - a stream over a stream, compressed with zstd both ways.
 *
 * Each write is a block of its own, whole when the peer has it: who types a
 * line is not kept waiting for more.  An end is orderly only after the end of
 * the frame, so that what is cut short does not look whole, TLS or not.
 *
 * Source: RFC 8878.  The window is COMPRESS_WINDOW_LOG, which bounds what a
 * peer can have us remember.
 */
#ifndef SESSION_COMPRESS_H
#define SESSION_COMPRESS_H

#include "session/stream.h"

#define COMPRESS_WINDOW_LOG	17	/* 128 KiB */

/* It owns the inner one from then on.  NULL without memory, and does not. */
struct stream	*stream_new_zstd(struct stream *inner);

#endif
