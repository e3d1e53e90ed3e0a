/*
 * files.h - the files of a configuration, as they were when it was loaded.
 *
 * Each is read once, looked at (vet.h) and kept as a copy in memory that
 * nobody can change any more.  Roles are given the copies, also those that
 * are started later: so what they get is what was found good, whatever has
 * become of the file since.  Of portproxy's file, which is conf->ini, the copy
 * has but the password that is meant.  Who loads a configuration does this,
 * and owns what comes of it together with the configuration.
 */
#ifndef PROCESS_FILES_H
#define PROCESS_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "policy/conf_diff.h"
#include "policy/conf_files.h"

#define FILES_BYTES_MAX	(1024 * 1024)	/* of one file */
#define FILES_HASH	32

struct file_copy {
	int		 fd;			/* sealed, see proc.h */
	uint8_t		 hash[FILES_HASH];	/* SHA-256 */
};

/* Begins as all zero. */
struct files {
	struct conf_file	*v;		/* texts are the conf's */
	struct file_copy	*copies;	/* of each */
	size_t			 n;
};

/*
 * Of a finished configuration.  0, or -1 with the report; then nothing is
 * kept.  Warnings are added in both cases.
 */
int	 files_load(struct files *files, const struct conf *conf,
	    struct conf_report *report);

/* Close and free it all; all zero again. */
void	 files_release(struct files *files);

/*
 * A line, as conf_diff.h has them, for each file that both name for the same
 * and that has changed.  `conf' is that of `now'.
 */
void	 files_diff(const struct files *old, const struct files *now,
	    const struct conf *conf, conf_diff_line *line, void *ctx);

#endif
