#include "proto/method.h"

#include <assert.h>
#include <string.h>

static const struct method methods[METHOD_COUNT_OF] = {
#define METHOD_ROW(symbol, name, params, options)                              \
	[METHOD_##symbol] = { name, params, options },
	METHOD_TABLE(METHOD_ROW)
#undef METHOD_ROW
};

const struct method *method_get(enum method_id id)
{
	assert((unsigned int)id < METHOD_COUNT_OF);
	return &methods[id];
}

int method_find(const char *name, size_t len)
{
	int id;

	for (id = 0; id < METHOD_COUNT_OF; id++) {
		if (strlen(methods[id].name) == len &&
		    memcmp(methods[id].name, name, len) == 0)
			return id;
	}
	return -1;
}
