/*
 * soak_gate: writers stop at it, with nothing under way, so that what happens
 * meanwhile has its place in the order of each one's operations.
 */
#ifndef GETME_TESTS_TORTURE_SOAK_GATE_H
#define GETME_TESTS_TORTURE_SOAK_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct soak_gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	atomic_bool closed;
	unsigned int n_all;
	unsigned int n_running;
	unsigned int n_waiting;
};

void soak_gate_init(struct soak_gate *gate);
void soak_gate_deinit(struct soak_gate *gate);

/* N are about to run. */
void soak_gate_reset(struct soak_gate *gate, unsigned int n);

/* By one that has nothing under way: waits while it is closed. */
void soak_gate_pass(struct soak_gate *gate);

/* One runs no more. */
void soak_gate_leave(struct soak_gate *gate);

/* Closes, and waits for all; false, and open: not all are running. */
bool soak_gate_close(struct soak_gate *gate);
void soak_gate_open(struct soak_gate *gate);

#endif
