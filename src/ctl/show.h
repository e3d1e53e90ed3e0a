/*
 * show.h - what the daemon answered, as tables for people.
 *
 * `objects' is an array of the answer's objects, as they came.
 */
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

void	 show_status(const json_t *objects, FILE *out);
void	 show_sessions(const json_t *objects, bool rates, FILE *out);
void	 show_servers(const json_t *objects, FILE *out);
void	 show_limits(const json_t *objects, FILE *out);
void	 show_agents(const json_t *objects, FILE *out);
void	 show_mappings(const json_t *objects, FILE *out);
void	 show_topics(const json_t *objects, FILE *out);

/* Is there a way to sort sessions by that word? */
bool	 show_can_sort(const char *key);

/*
 * The sessions of an answer in that order, figures from the largest, texts
 * from the first; at most `limit', 0 for all.  The answer's other objects
 * stay behind them.  Returns a new array.
 */
json_t	*show_sort(const json_t *objects, const char *key, size_t limit);

/*
 * Give each session "up_rate" and "down_rate", bytes a second, from what it
 * had ms ago in `before', an earlier answer or NULL.
 */
void	 show_add_rates(json_t *objects, const json_t *before, int64_t ms);

#endif
