# results.csv to a table of all rows, with getMe's ratio to each of the others.

{
	n++
	row[n] = $1
	who[n] = $2
	unit[n] = $3
	value[n] = $4
	line[n] = number($4) (($9 > 1) ? " [" number($5) ".." number($6) "]" : "") " " $3
	cpu[n] = $7
	client[n] = $8
	own = $2 ~ /^(direct|getme.*)$/ || ($2 == "engine" && !($1 in ours))
	if (own && !($1 in ours))
		ours[$1] = n
	if (own && who[ours[$1]] == "engine" && $2 != "engine")
		ours[$1] = n
}

function number(x) {
	return sprintf(x + 0 >= 1000 ? "%.0f" : x + 0 >= 10 ? "%.1f" : "%.3f",
		x)
}

END {
	print "## All rows\n"
	print "Operations a second, the median [lowest..highest]; processor"
	print "microseconds an operation, of the server or of the process that"
	print "does it all, and of the client.  The ratio is getMe's value of"
	print "that row to this one's.\n"
	print "| row | who | | CPU us | client's | getMe's / this |"
	print "|---|---|---|---|---|---|"
	for (i = 1; i <= n; i++) {
		ratio = ""
		if ((row[i] in ours) && ours[row[i]] != i && value[i] > 0)
			ratio = sprintf("%.2f", value[ours[row[i]]] / value[i])
		printf "| %s | %s | %s | %s | %s | %s |\n", row[i], who[i],
			line[i], (unit[i] == "ops/s" && cpu[i] != "-") ? \
			sprintf("%.2f", cpu[i]) : "", (client[i] == "-") ? "" : \
			sprintf("%.2f", client[i]), ratio
	}
}
