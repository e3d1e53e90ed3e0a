/*
 * master.h - root: binds, starts the roles, starts again what dies.
 */
#ifndef PROCESS_MASTER_H
#define PROCESS_MASTER_H

#include <stdbool.h>

#include "process/files.h"

struct master_order {
	struct conf	 *conf;		/* to begin with; taken over */
	struct files	  files;	/* of it; taken over too */
	const struct conf_report *report;	/* its warnings, for the log */
	/*
	 * Read the configuration anew, and the files that it names into
	 * `files', which are all zero.  NULL with the report.
	 */
	struct conf	*(*load)(struct files *files,
			    struct conf_report *report);
	/*
	 * Called once, with 0, when every pool serves.  In the background
	 * nobody reads standard error after that.
	 */
	void		 (*announce)(int status);
	bool		  background;
	const char	 *path;		/* of the program, to start a newer */
	char		**argv;		/* and with what */
	int		  predecessor;	/* whom we take over from, or -1 */
};

/* Run until a signal ends it; returns the exit code. */
int	 master_run(struct master_order *order);

#endif
