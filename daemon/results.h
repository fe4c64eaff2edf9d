/*
 * results: the engine's results as error codes of the wire, with a text that
 * says what to do.
 */
#ifndef GETME_DAEMON_RESULTS_H
#define GETME_DAEMON_RESULTS_H

/* enum message_error_code; RESULT is not 0. */
unsigned int results_code(int result);

/* One sentence, static. */
const char *results_text(int result);

#endif
