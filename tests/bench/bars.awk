# results.csv to the table of what getMe is to reach.

{
	value[$1, $2] = $4
	low[$1, $2] = $5
	high[$1, $2] = $6
	cpu[$1, $2] = $7
	if ($1 ~ /^read beside .* keys$/)
		bigger[++n_bigger] = substr($1, 13)
}

function of(a, b) {
	return b == "" || a == "" || b == 0 ? "" : a / b
}

# RATIO is to be at least (SIGN 1) or at most (-1) LEAST; AIM is told.
function bar(what, ratio, sign, least, aim, measured, unit,	met) {
	if (ratio == "")
		met = "not measured"
	else
		met = sign * ratio >= sign * least ? "met" : "**not met**"
	printf "| %s | %s %s%s | %s | %s | %s | %s |\n", what,
		(sign > 0) ? "at least" : "at most", least, unit, aim,
		(ratio == "") ? "" : sprintf("%.2f", ratio) unit, measured, met
}

function pair(row, a, b) {
	return sprintf("%s %.0f, %s %.0f", a, value[row, a], b, value[row, b])
}

function against(what, row, a, b, least, aim) {
	bar(what, of(value[row, a], value[row, b]), 1, least, aim,
		pair(row, a, b), " x")
}

function cpu_against(row,	best) {
	best = cpu[row, "redis"]
	if (cpu[row, "memcached"] != "" && cpu[row, "memcached"] < best)
		best = cpu[row, "memcached"]
	bar("socket " row ": server CPU an operation, against the better of " \
		"redis and memcached", of(cpu[row, "getme"], best), -1, 1,
		"0.8 x", sprintf("getme %.2f us, redis %.2f us, memcached " \
		"%.2f us", cpu[row, "getme"], cpu[row, "redis"],
		cpu[row, "memcached"]), " x")
}

function restart(row,	redis) {
	redis = value[row, "redis-rdb"]
	bar(row " to the first reply, against redis's load of its RDB",
		of(value[row, "getme"], redis), -1, 0.333, "0.1 x",
		sprintf("getme %.3f s, redis %.3f s", value[row, "getme"],
		redis), " x")
}

END {
	one = "read, 1 process"
	print "## Against the bars\n"
	print "| row | bar | aim | measured | of | |"
	print "|---|---|---|---|---|---|"
	against("direct GET, 1 process, against LMDB", one, "direct", "lmdb",
		2, "2.5 x")
	against("direct `get_many` of 64, a key, against LMDB",
		"read 64 at once, 1 process", "direct", "lmdb", 5, "8 x")
	bar("direct GET, 1 client, against redis GET 1x1 over its socket",
		of(value[one, "direct"], value["GET 1x1", "redis"]), 1, 60,
		"100 x", sprintf("direct %.0f, redis %.0f",
		value[one, "direct"], value["GET 1x1", "redis"]), " x")
	against("direct GET, 4 processes, against LMDB with 4",
		"read, 4 processes", "direct", "lmdb", 2, "2.5 x")
	n = split("GET 1x1,GET 16x1,GET 50x1,SET 1x1,SET 16x1,SET 50x1", row,
		",")
	for (i = 1; i <= n; i++)
		cpu_against(row[i])
	against("socket GET 50x16 against redis", "GET 50x16", "getme",
		"redis", 2, "3 x")
	against("socket GET 50x64 against redis", "GET 50x64", "getme",
		"redis", 2, "3 x")
	against("socket SET 50x16, `interval` against everysec",
		"SET, synced each second, 50x16", "getme", "redis-everysec",
		2, "3 x")
	against("socket SET 50x64, `interval` against everysec",
		"SET, synced each second, 50x64", "getme", "redis-everysec",
		2, "3 x")
	against("durable SET 1x1 against redis `always`", "durable SET 1x1",
		"getme-always", "redis-always", 1, sprintf("LevelDB's: %.0f",
		value["durable SET 1x1", "leveldb"]))
	against("durable SET 50x1 against redis `always`", "durable SET 50x1",
		"getme-always", "redis-always", 1.5, "2.5 x")
	against("durable SET 50x16 against redis `always`",
		"durable SET 50x16", "getme-always", "redis-always", 1.5,
		"2.5 x")
	bar("index memory a key", value["memory a key, index", "getme"], -1,
		32, "26 B", "", " B")
	restart("restart")
	restart("restart after kill -9")
	for (i = 1; i <= n_bigger; i += 2)
		cost(bigger[i])
}

function cost(keys,	big, small) {
	big = value["read, " keys, "direct"]
	small = value["read beside " keys, "direct"]
	bar("cost of a direct read at " keys, of(small, big), -1, 2, "1.5 x",
		sprintf("%.2f us, at fewer %.2f us; a bare read of memory %.2f x",
		1e6 / big, 1e6 / small, of(value["read beside " keys,
		"memory"], value["read, " keys, "memory"])), " x")
}
