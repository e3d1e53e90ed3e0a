#ifndef PROCESS_NOTIFY_H
#define PROCESS_NOTIFY_H
#include <sys/types.h>
int	 notify_init(void);
void	 notify_export(void);
void	 notify_ready(const char *status);
void	 notify_reloading(void);
void	 notify_stopping(void);
void	 notify_mainpid(pid_t pid);
int	 notify_watchdog_ms(void);
void	 notify_watchdog(void);
#endif
