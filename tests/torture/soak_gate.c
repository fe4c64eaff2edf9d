#include "tests/torture/soak_gate.h"

void soak_gate_init(struct soak_gate *gate)
{
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->changed, NULL);
	gate->closed = false;
	soak_gate_reset(gate, 0);
}

void soak_gate_deinit(struct soak_gate *gate)
{
	pthread_cond_destroy(&gate->changed);
	pthread_mutex_destroy(&gate->lock);
}

void soak_gate_reset(struct soak_gate *gate, unsigned int n)
{
	gate->n_all = n;
	gate->n_running = n;
	gate->n_waiting = 0;
}

void soak_gate_pass(struct soak_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->n_waiting++;
	pthread_cond_broadcast(&gate->changed);
	while (gate->closed)
		pthread_cond_wait(&gate->changed, &gate->lock);
	gate->n_waiting--;
	pthread_mutex_unlock(&gate->lock);
}

void soak_gate_leave(struct soak_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->n_running--;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

bool soak_gate_close(struct soak_gate *gate)
{
	bool all;

	pthread_mutex_lock(&gate->lock);
	gate->closed = true;
	while (gate->n_running == gate->n_all && gate->n_waiting < gate->n_all)
		pthread_cond_wait(&gate->changed, &gate->lock);
	all = gate->n_running == gate->n_all;
	pthread_mutex_unlock(&gate->lock);
	if (!all)
		soak_gate_open(gate);
	return all;
}

void soak_gate_open(struct soak_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->closed = false;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}
