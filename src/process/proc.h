/*
 * proc.h - what a process may do, whom it belongs to, what ps(1) calls it.
 */
#ifndef PROCESS_PROC_H
#define PROCESS_PROC_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

/* Exit codes of sallyportd(8). */
enum {
	EXIT_OK = 0,
	EXIT_RUNTIME = 1,
	EXIT_USAGE = 2,
	EXIT_PERMISSION = 77,
	EXIT_CONFIG = 78,
};

/* Whom the roles become; `change' is false where this process may not. */
struct proc_user {
	uid_t	 uid;
	gid_t	 gid;
	bool	 change;
};

/* What this process was started with, capability by capability. */
struct proc_powers {
	bool	 setid;		/* become another user */
	bool	 chroot;
};

struct proc_powers	proc_powers(void);

/*
 * Look the name up; root is refused.  Returns 0, or -1 with *why; then
 * *unknown tells whether there is no such user.
 */
int	 proc_user_find(const char *name, struct proc_user *user,
	    bool *unknown, const char **why);

/*
 * An open descriptor on a folder that is empty and has no name any more, so
 * nobody can ever put anything there.  -1 with errno.
 */
int	 proc_empty_dir(void);

/*
 * Give up what only root has, for good: into the folder unless it is -1,
 * become the user unless user->change is false, no capability, no new
 * privileges.  Ends the process when any of that fails.
 */
void	 proc_drop(const struct proc_user *user, int dir);

/*
 * Have the kernel send the signal when the parent ends.  To be called after
 * proc_drop(), which would clear it.  Ends the process if the parent is
 * not `parent' any more.
 */
void	 proc_die_with(pid_t parent, int signo);

/* CPUs that this process may use. */
int	 proc_cpus(void);

/* Descriptors that this process may have. */
int	 proc_descriptors(void);

/* Raise the soft limits of descriptors and processes to the hard ones. */
void	 proc_raise_limits(void);

/* Must come first in main(); then titles: "worker tcp: idle". */
void	 proc_title_init(int argc, char **argv, char **envp);
void	 proc_title(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));

/* A sealed size of zeroed memory to share, close-on-exec; -1 with errno. */
int	 proc_memfd(const char *name, size_t size);

/*
 * Memory to share that holds these bytes and that nobody can change, not
 * even we; close-on-exec; -1 with errno.
 */
int	 proc_memfd_copy(const char *name, const void *data, size_t len);

/*
 * The same memory through a descriptor that cannot write to it; -1 where
 * /proc is not there.
 */
int	 proc_memfd_readonly(int fd);

/* Descriptor of the program that runs, to execute it again; -1, errno. */
int	 proc_self_open(void);

#endif
