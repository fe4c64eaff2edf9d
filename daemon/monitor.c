#include "daemon/monitor.h"

#include "daemon/logging.h"
#include "daemon/systemd.h"

static void tell_state(enum engine_state state, const char *text)
{
	if (state == ENGINE_STATE_OK) {
		systemd_status("serving");
		return;
	}
	systemd_status(text);
}

void monitor_look(struct monitor *monitor, struct engine *engine)
{
	struct engine_event event;
	const char *text = "";
	enum engine_state state;

	while (engine_take_event(engine, &event))
		logging_text(event.priority, event.text);
	state = engine_state(engine, &text);
	if (monitor->told && state == monitor->state)
		return;
	tell_state(state, text ? text : "");
	monitor->state = state;
	monitor->told = true;
}
