#include "process/notify.h"
int notify_init(void) { return 0; }
void notify_export(void) {}
void notify_ready(const char *status) { (void)status; }
void notify_reloading(void) {}
void notify_stopping(void) {}
void notify_mainpid(pid_t pid) { (void)pid; }
int notify_watchdog_ms(void) { return -1; }
void notify_watchdog(void) {}
